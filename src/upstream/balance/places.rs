//! What a sticky cookie calls an endpoint.

use aws_lc_rs::hmac;

use crate::secret::Secret;

/// Names endpoints for cookies. Addresses of applications are few enough to be tried one by one: without the key, nobody
/// can tell whether a name is that of one.
#[derive(Debug, Clone)]
pub struct Places(hmac::Key);

impl Places {
    /// `key` is derived from the master key, so that a browser finds back after a restart.
    pub fn new(key: &Secret<Vec<u8>>) -> Self {
        Places(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// 64 bits of HMAC-SHA-256. The name of an upstream holds no line break.
    pub(super) fn of(&self, upstream: &str, endpoint: &str) -> u64 {
        let tag = hmac::sign(&self.0, format!("{upstream}\n{endpoint}").as_bytes());
        tag.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_another_name_under_another_key_and_in_another_upstream() {
        let [a, b] = [1, 2].map(|byte| Places::new(&Secret::new(vec![byte; 32])));
        let at = "http://10.0.0.1:8001";
        assert_eq!(a.of("mall", at), a.of("mall", at));
        assert_ne!(a.of("mall", at), b.of("mall", at));
        assert_ne!(a.of("mall", at), a.of("static", at));
    }
}
