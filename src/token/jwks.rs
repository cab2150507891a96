//! What is published: the public halves of the keys that sign for upstreams (RFC 7517), and where they are
//! (OpenID Connect Discovery 1.0, as far as resource servers read it).

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::signing_key::SigningKey;

/// The key set as JSON: signing keys for upstreams alone, never a shared secret, never the key of API tokens.
pub fn document<'a>(keys: impl IntoIterator<Item = &'a Arc<SigningKey>>) -> Bytes {
    let keys: Vec<_> = keys.into_iter().map(|key| &key.public).collect();
    json!({ "keys": keys }).to_string().into()
}

/// The discovery document of one site. Resource servers read `issuer` and `jwks_uri`; the rest is what the standard
/// requires, and true.
pub fn openid_configuration<'a>(
    issuer: &str,
    jwks_uri: &str,
    login: &str,
    keys: impl IntoIterator<Item = &'a Arc<SigningKey>>,
) -> Bytes {
    let mut algorithms: Vec<&str> = keys.into_iter().map(|key| key.algorithm.name()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "authorization_endpoint": login,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    })
    .to_string()
    .into()
}
