//! Signed messages (RFC 8555, 6.2).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// A public key, as JSON has it.
#[derive(Clone)]
pub(super) struct Key {
    x: String,
    y: String,
}

impl Key {
    /// RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }
}

/// A signed message, before anybody has looked at its signature.
pub(super) struct Signed {
    pub(super) url: String,
    pub(super) nonce: String,
    /// Who says that it is theirs, by key or by name; never both.
    pub(super) key: Option<Key>,
    account: Option<String>,
    pub(super) payload: Value,
    text: String,
    signature: Vec<u8>,
}

impl Signed {
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let outer: Value = serde_json::from_slice(body).map_err(|_| "no JSON")?;
        let part = |name: &str| outer[name].as_str().ok_or("a part is missing");
        let (protected, payload) = (part("protected")?, part("payload")?);
        let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "no base64url");
        let head: Value = serde_json::from_slice(&decoded(protected)?).map_err(|_| "no JSON in it")?;
        let said = |name: &str| head[name].as_str().map(ToOwned::to_owned);
        if said("alg").as_deref() != Some("ES256") {
            return Err("another algorithm");
        }
        let key = |jwk: &Value| Some(Key { x: jwk["x"].as_str()?.to_owned(), y: jwk["y"].as_str()?.to_owned() });
        let (key, account) = (key(&head["jwk"]), said("kid"));
        if key.is_some() == account.is_some() {
            return Err("either jwk or kid");
        }
        let read = if payload.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&decoded(payload)?) };
        Ok(Signed {
            url: said("url").ok_or("no url")?,
            nonce: said("nonce").ok_or("no nonce")?,
            key,
            account,
            payload: read.map_err(|_| "no JSON as payload")?,
            text: format!("{protected}.{payload}"),
            signature: decoded(part("signature")?)?,
        })
    }

    /// The number of the account that it says it is from.
    pub(super) fn account(&self, prefix: &str) -> Option<usize> {
        self.account.as_deref()?.strip_prefix(prefix)?.parse().ok()
    }

    pub(super) fn verify(&self, key: &Key) -> Result<(), &'static str> {
        let mut point = vec![4];
        for part in [&key.x, &key.y] {
            point.extend(BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| "no key")?);
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(self.text.as_bytes(), &self.signature).map_err(|_| "the signature is not theirs")
    }
}
