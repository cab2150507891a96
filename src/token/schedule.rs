//! Signing keys of one algorithm, and which of them signs when.

use std::sync::Arc;

use super::TokenError;
use super::signing_key::SigningKey;
use crate::clock::Timestamp;

/// Keys of one algorithm. All of them are published; the newest that is active signs, so that a new key can stand in the
/// key set for as long as verifiers keep an old copy of it (RFC 7517, 5).
#[derive(Debug)]
pub struct KeySchedule(Vec<(Timestamp, Arc<SigningKey>)>);

impl KeySchedule {
    /// Each key with the time from which on it signs; at least one.
    pub fn new(mut keys: Vec<(Timestamp, Arc<SigningKey>)>) -> Result<Self, TokenError> {
        if keys.is_empty() {
            return Err(TokenError::NoKey("any algorithm"));
        }
        keys.sort_by_key(|(from, _)| *from);
        Ok(KeySchedule(keys))
    }

    /// The key that signs at this time. Where the clock is behind every key's beginning, the eldest.
    pub fn at(&self, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let active = self.0.iter().rev().find(|(from, _)| *from <= now);
        active.or_else(|| self.0.first()).map(|(_, key)| key)
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.0.iter().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::signing_key::Algorithm;
    use super::*;

    #[test]
    fn a_new_key_signs_from_its_time_on_and_not_before() {
        let at = Timestamp::from_secs;
        let key = |id: &str| {
            let secret = Algorithm::EdDsa.generate().unwrap();
            Arc::new(SigningKey::from_pkcs8(id.to_owned(), Algorithm::EdDsa, &secret).unwrap())
        };
        let schedule = KeySchedule::new(vec![(at(200), key("new")), (at(100), key("old"))]).unwrap();
        let signing = |now| schedule.at(now).unwrap().id.as_str();
        assert_eq!((signing(at(100)), signing(at(199)), signing(at(200))), ("old", "old", "new"));
        assert_eq!(signing(at(50)), "old", "a clock that is behind");
        assert_eq!(schedule.keys().count(), 2);
        assert!(KeySchedule::new(Vec::new()).is_err());
    }
}
