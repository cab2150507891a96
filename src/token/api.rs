//! The token an API client holds: it proves a session to this proxy and to nobody else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TokenError;
use super::signing_key::SigningKey;
use crate::clock::Timestamp;
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// `typ` (RFC 8725, 3.11): a token of another kind signed by the same key would not pass.
const TYPE: &str = "menshen-api+jwt";

/// What every API token says beside what it carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope<T> {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    #[serde(flatten)]
    carried: T,
}

/// Makes and verifies API tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiTokens {
    keys: Arc<ArcSwap<Vec<Arc<SigningKey>>>>,
}

/// Why a token that claims to be ours is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiTokenError {
    /// Not signed by our key, of another type, for another audience, or not a token at all.
    #[error("the token claims our issuer but is not one of ours")]
    Forged,
    /// Ours, and past its time.
    #[error("the token has expired")]
    Expired,
}

impl ApiTokens {
    /// Tokens signed by the first of `keys`, and verified by any of them; there is at least one.
    pub fn new(keys: Vec<Arc<SigningKey>>) -> Self {
        ApiTokens { keys: Arc::new(ArcSwap::from_pointee(keys)) }
    }

    /// Takes new keys into use, at once and for every clone.
    pub fn replace(&self, keys: Vec<Arc<SigningKey>>) {
        self.keys.store(Arc::new(keys));
    }

    /// A token that carries `carried` and is good at the site whose origin is `issuer`.
    pub fn issue<T: Serialize>(
        &self,
        issuer: &str,
        carried: &T,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Secret<String>, TokenError> {
        let keys = self.keys.load();
        let key = keys.first().ok_or(TokenError::NoKey("API tokens"))?;
        let mut header = Header::new(key.algorithm.jose());
        header.kid = Some(key.id.clone());
        header.typ = Some(TYPE.to_owned());
        let envelope = Envelope {
            iss: issuer.to_owned(),
            aud: audience(issuer),
            iat: now.as_secs(),
            exp: expires.as_secs(),
            carried,
        };
        Ok(Secret::new(encode(&header, &envelope, &key.signing)?))
    }

    /// What a token carries, and when it ends.
    pub fn verify<T: DeserializeOwned + Clone>(
        &self,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<(T, Timestamp), ApiTokenError> {
        let keys = self.keys.load();
        let named = decode_header(token).map_err(|_| ApiTokenError::Forged)?.kid.ok_or(ApiTokenError::Forged)?;
        let key = keys.iter().find(|key| key.id == named).ok_or(ApiTokenError::Forged)?;
        // The key decides the algorithm, never the token (RFC 8725, 3.1).
        let mut validation = Validation::new(key.algorithm.jose());
        if rule::holds(Rule::ApiTokensNameTheirIssuer) {
            validation.set_issuer(&[issuer]);
        }
        validation.set_audience(&[audience(issuer)]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_aud = rule::holds(Rule::ApiTokensAreForUsAlone);
        // The time is checked below, by the time that was passed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let token = decode::<Envelope<T>>(token, &key.verifying, &validation).map_err(|_| ApiTokenError::Forged)?;
        if token.header.typ.as_deref() != Some(TYPE) && rule::holds(Rule::ApiTokensAreOfOneType) {
            return Err(ApiTokenError::Forged);
        }
        let expires = Timestamp::from_secs(token.claims.exp);
        if expires <= now && rule::holds(Rule::ApiTokensExpire) {
            return Err(ApiTokenError::Expired);
        }
        Ok((token.claims.carried, expires))
    }
}

fn audience(issuer: &str) -> String {
    format!("{issuer}#menshen")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::super::issuer_claim::is_claimed;
    use super::super::schedule::KeySchedule;
    use super::super::signing_key::Algorithm;
    use super::super::upstream::Signer;
    use super::*;
    use std::time::Duration;

    const ISSUER: &str = "http://www.meiduo.site:8000";
    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn key(id: &str, algorithm: Algorithm) -> Arc<SigningKey> {
        Arc::new(SigningKey::from_pkcs8(id.into(), algorithm, &algorithm.generate().unwrap()).unwrap())
    }

    #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
    struct Carried {
        sub: String,
    }

    #[test]
    fn a_token_of_ours_is_accepted_until_it_expires() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let tokens = ApiTokens::new(vec![key("k1", algorithm)]);
            let carried = Carried { sub: "u".into() };
            let until = NOW.plus(Duration::from_secs(60));
            let token = tokens.issue(ISSUER, &carried, NOW, until).unwrap();
            assert!(is_claimed(token.expose().as_bytes(), [ISSUER].into_iter()));
            assert!(is_claimed(format!("x.{}", token.expose()).as_bytes(), [ISSUER].into_iter()));
            assert_eq!(tokens.verify::<Carried>(ISSUER, token.expose(), NOW).unwrap(), (carried, until));
            assert_eq!(tokens.verify::<Carried>(ISSUER, token.expose(), until), Err(ApiTokenError::Expired));
            let elsewhere = tokens.verify::<Carried>("http://other", token.expose(), NOW);
            assert_eq!(elsewhere, Err(ApiTokenError::Forged));
        }
    }

    #[test]
    fn tokens_outlive_the_key_that_signed_them_for_as_long_as_it_is_kept() {
        let (old, new) = (key("old", Algorithm::EdDsa), key("new", Algorithm::EdDsa));
        let tokens = ApiTokens::new(vec![Arc::clone(&old)]);
        let issue =
            || tokens.issue(ISSUER, &Carried { sub: "u".into() }, NOW, NOW.plus(Duration::from_secs(60))).unwrap();
        let before = issue();
        tokens.replace(vec![Arc::clone(&new), old]);
        let after = issue();
        for token in [&before, &after] {
            assert!(tokens.verify::<Carried>(ISSUER, token.expose(), NOW).is_ok());
        }
        tokens.replace(vec![new]);
        assert_eq!(tokens.verify::<Carried>(ISSUER, before.expose(), NOW), Err(ApiTokenError::Forged));
        assert!(tokens.verify::<Carried>(ISSUER, after.expose(), NOW).is_ok());
    }

    #[test]
    fn an_upstreams_token_opens_nothing_here() {
        let shared_key = key("k1", Algorithm::Es256);
        let tokens = ApiTokens::new(vec![Arc::clone(&shared_key)]);
        let claims = serde_json::json!({ "iss": ISSUER, "sub": "u", "aud": format!("{ISSUER}#menshen") });
        let claims = claims.as_object().unwrap().clone();
        // Signed even by the very key: the type tells them apart.
        let schedule = KeySchedule::new(vec![(NOW, shared_key)]).unwrap();
        for signer in [Signer::Published(Arc::new(schedule)), Signer::shared(&Secret::new(vec![7; 32]))] {
            let token = signer.sign(claims.clone(), NOW, Duration::from_secs(60)).unwrap();
            assert_eq!(tokens.verify::<Carried>(ISSUER, token.expose(), NOW), Err(ApiTokenError::Forged));
        }
    }

    /// Signed by the key of API tokens, and of their type: what it says has to be right as well.
    #[test]
    fn a_token_for_somebody_else_or_by_somebody_else_is_forged() {
        let ours = key("k1", Algorithm::EdDsa);
        let tokens = ApiTokens::new(vec![Arc::clone(&ours)]);
        let mut header = Header::new(ours.algorithm.jose());
        header.kid = Some("k1".to_owned());
        header.typ = Some(TYPE.to_owned());
        let verified = |iss: &str, aud: String| {
            let (iat, exp, carried) = (NOW.as_secs(), NOW.as_secs() + 60, Carried { sub: "u".into() });
            let token =
                encode(&header, &Envelope { iss: iss.to_owned(), aud, iat, exp, carried }, &ours.signing).unwrap();
            tokens.verify::<Carried>(ISSUER, &token, NOW).map(|(carried, _)| carried.sub)
        };
        assert_eq!(verified(ISSUER, audience(ISSUER)), Ok("u".to_owned()));
        for (iss, aud) in [
            (ISSUER, ISSUER.to_owned()),
            (ISSUER, "mall".to_owned()),
            (ISSUER, audience("http://other")),
            ("http://other", audience(ISSUER)),
            ("", audience(ISSUER)),
        ] {
            assert_eq!(verified(iss, aud.clone()), Err(ApiTokenError::Forged), "{iss} {aud}");
        }
    }

    /// Signed by a key of ours, of the right type and with the right claims.
    #[test]
    fn a_token_counts_only_under_the_very_name_of_the_key_that_signed_it() {
        let (ours, kept) = (key("k1", Algorithm::Es256), key("k0", Algorithm::Es256));
        let tokens = ApiTokens::new(vec![Arc::clone(&ours), kept]);
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": audience(ISSUER), "iat": NOW.as_secs(), "exp": NOW.as_secs() + 60, "sub": "u",
        });
        let verified = |kid: Option<&str>| {
            let mut header = Header::new(ours.algorithm.jose());
            header.kid = kid.map(str::to_owned);
            header.typ = Some(TYPE.to_owned());
            let token = encode(&header, &claims, &ours.signing).unwrap();
            tokens.verify::<Carried>(ISSUER, &token, NOW).map(|(carried, _)| carried.sub)
        };
        assert_eq!(verified(Some("k1")), Ok("u".to_owned()));
        for kid in ["", "k", "k0", "k2", "K1", "k1 ", "k1\0", "k1,k0", "./k1", "../keys/k1", "/dev/null", "*"] {
            assert_eq!(verified(Some(kid)), Err(ApiTokenError::Forged), "{kid:?}");
        }
        assert_eq!(verified(None), Err(ApiTokenError::Forged));
    }

    /// The key decides the algorithm: what everybody may know of it is no secret to sign with.
    #[test]
    fn the_public_half_of_a_key_signs_nothing() {
        for algorithm in Algorithm::ALL {
            let ours = key("k1", algorithm);
            let tokens = ApiTokens::new(vec![Arc::clone(&ours)]);
            let claims = serde_json::json!({
                "iss": ISSUER, "aud": audience(ISSUER), "iat": NOW.as_secs(), "exp": NOW.as_secs() + 60, "sub": "u",
            });
            let jwk = serde_json::to_value(&ours.public).unwrap();
            let members = ["x", "y", "n", "e"].into_iter().filter_map(|member| jwk[member].as_str());
            let mut secrets: Vec<Vec<u8>> = members.clone().map(|member| member.as_bytes().to_vec()).collect();
            secrets.extend(members.map(|member| BASE64_URL_SAFE_NO_PAD.decode(member).unwrap()));
            secrets.extend([jwk.to_string().into_bytes(), b"k1".to_vec(), Vec::new()]);
            secrets.extend(ours.verifying.try_get_as_bytes().ok().map(<[u8]>::to_vec));
            for secret in secrets {
                for hmac in ["HS256", "HS384", "HS512"].map(|name| name.parse().unwrap()) {
                    let mut header = Header::new(hmac);
                    header.kid = Some("k1".to_owned());
                    header.typ = Some(TYPE.to_owned());
                    let token = encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&secret)).unwrap();
                    let verified = tokens.verify::<Carried>(ISSUER, &token, NOW);
                    assert_eq!(verified, Err(ApiTokenError::Forged), "{algorithm:?} {hmac:?}");
                }
            }
        }
    }

    #[test]
    fn unsigned_and_mangled_tokens_are_forged() {
        let tokens = ApiTokens::new(vec![key("k1", Algorithm::Es256)]);
        let token = tokens.issue(ISSUER, &Carried { sub: "u".into() }, NOW, NOW.plus(Duration::from_secs(60))).unwrap();
        let mut parts: Vec<&str> = token.expose().split('.').collect();
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"menshen-api+jwt","kid":"k1"}"#);
        parts[0] = &none;
        for forged in [parts.join("."), format!("{none}.{}.", parts[1]), String::new(), "a.b.c".into(), "..".into()] {
            assert_eq!(tokens.verify::<Carried>(ISSUER, &forged, NOW), Err(ApiTokenError::Forged), "{forged}");
        }
    }
}
