//! The ID token: who somebody is, signed (OpenID Connect Core, 3.1.3.7).

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: u64 = 60;

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
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: u64,
    iat: u64,
    nonce: Option<String>,
    #[serde(flatten)]
    pub(super) profile: Claimed,
}

/// What a person is called and shown by.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claimed {
    pub(super) name: Option<String>,
    pub(super) nickname: Option<String>,
    pub(super) preferred_username: Option<String>,
    pub(super) picture: Option<String>,
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
    let key = find(keys, header.kid.as_deref()).ok_or(Bad::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Bad::Refused("its key cannot be read"))?;
    let mut validation = Validation::new(expected.algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Told apart below; the time is the one that was passed in.
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = decode::<Claims>(token, &key, &validation)
        .map_err(|_| Bad::Refused("its signature or its issuer is wrong, or a claim is missing"))?
        .claims;
    claims.check(expected)?;
    Ok(claims)
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), Bad> {
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
        let now = expected.now.as_secs();
        if self.exp.saturating_add(LEEWAY) <= now || self.iat > now.saturating_add(LEEWAY) {
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

/// The key that a token names, or the only one there is.
fn find<'k>(keys: &'k JwkSet, kid: Option<&str>) -> Option<&'k Jwk> {
    match kid {
        Some(kid) => keys.find(kid),
        None => match keys.keys.as_slice() {
            [only] => Some(only),
            _ => None,
        },
    }
}
