//! The ID token: who somebody is, signed (OpenID Connect Core, 3.1.3.7).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// The longest name for somebody (OpenID Connect Core, 2).
const MAX_SUBJECT: usize = 255;

/// What a token has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// The one algorithm that was agreed upon: never what the token says (RFC 8725, 3.1).
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// What a token says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    /// Seconds, in fractions too (RFC 7519, 2).
    exp: f64,
    iat: f64,
    nonce: Option<String>,
    #[serde(flatten)]
    pub(super) profile: Claimed,
}

/// What a person is called and shown by. What is no text is nothing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claimed {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    nickname: Value,
    #[serde(default)]
    preferred_username: Value,
    #[serde(default)]
    picture: Value,
}

impl Claimed {
    /// The names, the fullest first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.name, &self.nickname, &self.preferred_username].into_iter().filter_map(Value::as_str)
    }

    /// The picture's address.
    pub(super) fn picture(&self) -> Option<&str> {
        self.picture.as_str()
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// Signed with a key that is not among these; there may be newer ones.
    UnknownKey,
    /// It was issued to another client.
    ForeignClient,
    /// Anything else.
    Refused(&'static str),
}

/// What a token says, if it is the one that was asked for.
pub(super) fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, Bad> {
    let header = decode_header(token).map_err(|_| Bad::Refused("it is no signed token"))?;
    if header.alg != expected.algorithm {
        return Err(Bad::Refused("it is signed with another algorithm than id_token_algorithm"));
    }
    if has_critical(token) {
        return Err(Bad::Refused("its header names something that has to be understood, and is not"));
    }
    let key = find(keys, &header).ok_or(Bad::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Bad::Refused("its key cannot be read"))?;
    let mut validation = Validation::new(expected.algorithm);
    // Claims are read and told apart below; the time is the one that was passed in.
    validation.set_required_spec_claims::<&str>(&[]);
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = decode::<Value>(token, &key, &validation).map_err(|_| Bad::Refused("its signature is wrong"))?.claims;
    let claims: Claims =
        serde_json::from_value(claims).map_err(|_| Bad::Refused("a claim is missing, or of another kind"))?;
    claims.check(expected)?;
    Ok(claims)
}

/// Whether its header has extensions that whoever does not know them must refuse (RFC 7515, 4.1.11). We know none.
fn has_critical(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| BASE64_URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok());
    header.is_none_or(|header| header.get("crit").is_some())
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), Bad> {
        if self.iss != expected.issuer {
            return Err(Bad::Refused("its iss is another issuer's"));
        }
        let (is_ours, is_shared) = match &self.aud {
            Audience::One(one) => (one == expected.client_id, false),
            Audience::Several(several) => (several.iter().any(|one| one == expected.client_id), several.len() > 1),
        };
        let is_foreign_party = match &self.azp {
            Some(party) => party != expected.client_id,
            None => is_shared,
        };
        if (!is_ours || is_foreign_party) && rule::holds(Rule::IdTokensAreForUs) {
            return Err(Bad::ForeignClient);
        }
        let now = expected.now.as_secs() as f64;
        if self.exp + LEEWAY <= now || self.iat > now + LEEWAY || !self.exp.is_finite() {
            return Err(Bad::Refused("it has expired, or is dated ahead: compare the clocks"));
        }
        let is_asked_for =
            self.nonce.as_ref().is_some_and(|nonce| Secret::from(nonce.as_str()).matches(expected.nonce.as_bytes()));
        if !is_asked_for && rule::holds(Rule::IdTokensAreOfTheirLogin) {
            return Err(Bad::Refused("its nonce is not the one of this login"));
        }
        let is_name = !self.sub.is_empty() && self.sub.len() <= MAX_SUBJECT && self.sub.is_ascii();
        if is_name { Ok(()) } else { Err(Bad::Refused("its sub names nobody")) }
    }
}

/// The key that a token names, or the only one there is for its algorithm.
fn find<'k>(keys: &'k JwkSet, header: &Header) -> Option<&'k Jwk> {
    let signs = |key: &&Jwk| {
        let is_for_it = key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let named = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
        let is_of_its_algorithm = named.is_none_or(|named| named.parse() == Ok(header.alg));
        let is_of_its_kind = matches!(
            (&key.algorithm, header.alg),
            (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256)
                | (AlgorithmParameters::EllipticCurve(_), Algorithm::ES256)
                | (AlgorithmParameters::OctetKeyPair(_), Algorithm::EdDSA)
        );
        is_for_it && is_of_its_algorithm && is_of_its_kind
    };
    let mut suiting = keys.keys.iter().filter(signs);
    match &header.kid {
        Some(kid) => suiting.find(|key| key.common.key_id.as_ref() == Some(kid)),
        None => suiting.next().filter(|_| suiting.next().is_none()),
    }
}
