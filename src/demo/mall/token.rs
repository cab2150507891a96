//! A look into a JWT, for display. The signature is *not* verified: this shop shows what arrives, and a real one must
//! check the signature before it believes a word.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// How much of a signature is shown: enough to see that there is one, too little to use the token elsewhere.
const SIGNATURE_SHOWN: usize = 8;

/// A token as it came, and what it claims.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) scheme: &'a str,
    pub(super) encoded_header: &'a str,
    pub(super) encoded_claims: &'a str,
    pub(super) signature_start: &'a str,
    pub(super) claims: Vec<Claim>,
}

/// One claim, ready to be shown.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) value: String,
    /// Of the claims that hold a time.
    pub(super) time: Option<Timestamp>,
}

impl<'a> Token<'a> {
    /// The JWT in `Authorization`, under the scheme `Bearer` or `JWT` in any case.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !["bearer", "jwt"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return None;
        }
        let mut parts = token.trim().splitn(3, '.');
        let (encoded_header, encoded_claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded_claims).ok()?).ok()?;
        let signature_start = signature.get(..SIGNATURE_SHOWN).unwrap_or_default();
        let claims = claims.into_iter().map(Claim::of).collect();
        Some(Token { scheme, encoded_header, encoded_claims, signature_start, claims })
    }

    /// The first of these claims that is there.
    pub(super) fn claim(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let claim = self.claims.iter().find(|claim| claim.name == *name)?;
            Some(claim.value.as_str()).filter(|value| !value.is_empty())
        })
    }
}

impl Claim {
    fn of((name, value): (String, Value)) -> Self {
        let is_time = ["exp", "iat", "nbf", "auth_time"].contains(&name.as_str());
        let time = value.as_u64().filter(|_| is_time).map(Timestamp::from_secs);
        let value = match value {
            Value::String(text) => printable(&text),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                other.to_string()
            }
        };
        Claim { name: printable(&name), value, time }
    }
}

/// Control characters become `�`: a page is no place for a NUL.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
