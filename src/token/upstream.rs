//! The JWT that an upstream gets with every authenticated request.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value};

use super::TokenError;
use super::schedule::KeySchedule;
use crate::clock::Timestamp;
use crate::random;
use crate::secret::Secret;

/// What signs an upstream's tokens.
#[derive(Clone)]
pub enum Signer {
    /// Keys whose public halves stand in JWKS.
    Published(Arc<KeySchedule>),
    /// HS256 with a secret that the backend holds too (RFC 7518, 3.2: at least 32 bytes).
    Shared(Arc<EncodingKey>),
}

impl Signer {
    /// HS256.
    pub fn shared(secret: &Secret<Vec<u8>>) -> Self {
        Signer::Shared(Arc::new(EncodingKey::from_secret(secret.expose())))
    }

    /// Signs `claims`, to which `iat`, `exp` and `jti` are added. CPU-heavy: not for the request cores.
    pub fn sign(
        &self,
        mut claims: Map<String, Value>,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Secret<String>, TokenError> {
        claims.insert("iat".into(), now.as_secs().into());
        claims.insert("exp".into(), now.plus(lifetime).as_secs().into());
        claims.insert("jti".into(), random::token_128()?.into());
        let (header, key) = match self {
            Signer::Published(keys) => {
                let key = keys.at(now).ok_or(TokenError::NoKey("any algorithm"))?;
                let mut header = Header::new(key.algorithm.jose());
                header.kid = Some(key.id.clone());
                (header, &key.signing)
            }
            Signer::Shared(key) => (Header::new(jsonwebtoken::Algorithm::HS256), key.as_ref()),
        };
        Ok(Secret::new(encode(&header, &claims, key)?))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Signer::Published(keys) => write!(f, "{keys:?}"),
            Signer::Shared(_) => f.write_str("HS256 [redacted]"),
        }
    }
}
