//! What records are filed under. Numbers are big-endian, so that sled's order is theirs.

use crate::clock::Timestamp;
use crate::store::{Error, IdentityKey, KeyPurpose, StoredKey, UserId};
use crate::units::ByteSize;

/// The longest key. A QQ openid has 32 characters; nothing a provider sends in earnest comes near.
const MAX_SIZE: ByteSize = ByteSize::kib(2);

/// The key of a binding: each part but the last after its length, so that no two identities share a key whatever
/// characters their parts hold.
pub(super) fn of_binding(identity: &IdentityKey) -> Result<Vec<u8>, Error> {
    let IdentityKey { provider, client_id, subject } = identity;
    let size = 4 + provider.len() + client_id.len() + subject.len();
    let too_large = Error::TooLarge { kind: "identity", size, limit: MAX_SIZE };
    if size > MAX_SIZE.as_usize() {
        return Err(too_large);
    }
    let mut key = Vec::with_capacity(size);
    for part in [provider, client_id] {
        let Ok(length) = u16::try_from(part.len()) else { return Err(too_large) };
        key.extend_from_slice(&length.to_be_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    key.extend_from_slice(subject.as_bytes());
    Ok(key)
}

/// What the keys of all users begin with who are one user of the shop's: its id after its length.
pub(super) fn of_upstream_id(upstream_id: &str) -> Result<Vec<u8>, Error> {
    let size = 2 + upstream_id.len();
    let too_large = Error::TooLarge { kind: "upstream_id", size, limit: MAX_SIZE };
    let Ok(length) = u16::try_from(upstream_id.len()) else { return Err(too_large) };
    if size > MAX_SIZE.as_usize() {
        return Err(too_large);
    }
    Ok([&length.to_be_bytes()[..], upstream_id.as_bytes()].concat())
}

/// The key of a user who is one of the shop's.
pub(super) fn of_user_by_upstream_id(upstream_id: &str, user: UserId) -> Result<Vec<u8>, Error> {
    let mut key = of_upstream_id(upstream_id)?;
    key.extend_from_slice(user.as_bytes());
    Ok(key)
}

/// Where the identity's key stands in the list of a user's: behind the id.
pub(super) fn of_binding_by_user(user: UserId, binding: &[u8]) -> Vec<u8> {
    [user.as_bytes().as_slice(), binding].concat()
}

/// The identity's key in such a key, if it is one.
pub(super) fn binding_of(key: &[u8]) -> Option<&[u8]> {
    key.get(16..)
}

/// The key of what is kept under a name.
pub(super) fn of_sealed_record(name: &str) -> Result<&[u8], Error> {
    let size = name.len();
    if size > MAX_SIZE.as_usize() {
        return Err(Error::TooLarge { kind: "name of a sealed record", size, limit: MAX_SIZE });
    }
    Ok(name.as_bytes())
}

/// The key of an entry in the audit trail.
pub(super) fn of_audit(at: Timestamp, number: u64) -> [u8; 16] {
    at_and(at, number)
}

/// When, and the number, in such a key, if it is one.
pub(super) fn at_and_number(key: &[u8]) -> Option<(Timestamp, u64)> {
    let key = u128::from_be_bytes(key.try_into().ok()?);
    let at = Timestamp::from_millis(u64::try_from(key >> 64).ok()?);
    Some((at, u64::try_from(key & u128::from(u64::MAX)).ok()?))
}

/// The key of an entry in the revocation feed.
pub(super) fn of_revocation(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}

/// The sequence number in such a key, if it is one.
pub(super) fn sequence(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The key that files a revocation under the time it runs out.
pub(super) fn of_expiry(until: Timestamp, sequence: u64) -> [u8; 16] {
    at_and(until, sequence)
}

fn at_and(at: Timestamp, number: u64) -> [u8; 16] {
    (u128::from(at.as_millis()) << 64 | u128::from(number)).to_be_bytes()
}

/// The sequence number in such a key, if it is one.
pub(super) fn expiring(key: &[u8]) -> Option<u64> {
    at_and_number(key).map(|(_, number)| number)
}

/// The key of a key: all of one purpose together, oldest first.
pub(super) fn of_stored_key(key: &StoredKey) -> Vec<u8> {
    let created_at = key.created_at.as_millis().to_be_bytes();
    [&of_purpose(key.purpose)[..], &created_at, key.id.as_bytes()].concat()
}

/// What the keys of all keys of one purpose begin with.
pub(super) fn of_purpose(purpose: KeyPurpose) -> [u8; 1] {
    match purpose {
        KeyPurpose::Seal => [1],
        KeyPurpose::Upstream => [2],
        KeyPurpose::Api => [3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(provider: &str, client_id: &str, subject: &str) -> IdentityKey {
        IdentityKey { provider: provider.to_owned(), client_id: client_id.to_owned(), subject: subject.to_owned() }
    }

    #[test]
    fn no_two_identities_share_a_key() {
        let parts = ["", "a", "ab", "b", "\0", "\0\u{1}", "\u{1}a", "\0\u{1}a", "啊"];
        let mut keys = std::collections::HashSet::new();
        for provider in parts {
            for client_id in parts {
                for subject in parts {
                    assert!(keys.insert(of_binding(&identity(provider, client_id, subject)).unwrap()));
                }
            }
        }
    }

    #[test]
    fn an_identity_of_absurd_length_has_no_key() {
        let endless = "x".repeat(70_000);
        for identity in [identity(&endless, "", ""), identity("", &endless, ""), identity("", "", &endless)] {
            assert!(matches!(of_binding(&identity), Err(Error::TooLarge { .. })));
        }
    }

    #[test]
    fn expiry_keys_sort_by_time_and_then_by_sequence_and_give_the_sequence_back() {
        let at = Timestamp::from_millis;
        assert!(of_expiry(at(1), u64::MAX) < of_expiry(at(2), 0));
        assert!(of_expiry(at(255), 1) < of_expiry(at(256), 0));
        assert!(of_expiry(at(2), 1) < of_expiry(at(2), 256));
        assert_eq!(expiring(&of_expiry(at(u64::MAX), 77)), Some(77));
        assert_eq!(expiring(b"short"), None);
    }
}
