//! How records are written down: a version byte, then the record.
//!
//! Version 1 is the record's JSON: an operator can read a dump of it, and it weighs nothing beside a network call. A
//! field may be added within a version only if older programs may lose it; anything else is a new version. Records of
//! version 1 under `tests/data/records/` prove that what is on disk today can be read for ever.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AuditEntry, Binding, Error, Revocation, SealedRecord, StoredKey, User};
use crate::units::ByteSize;

/// The largest record a store takes. sled writes values above 128 KiB to files that it never syncs, so this stays far
/// below; a user or a key comes to less than a tenth of it.
pub const MAX_SIZE: ByteSize = ByteSize::kib(32);

/// The version written today.
const VERSION: u8 = 1;

/// Something that is kept.
pub trait Record: Serialize + DeserializeOwned {
    /// What an operator calls it.
    const KIND: &'static str;
}

impl Record for User {
    const KIND: &'static str = "user";
}

impl Record for Binding {
    const KIND: &'static str = "binding";
}

impl Record for Revocation {
    const KIND: &'static str = "revocation";
}

impl Record for AuditEntry {
    const KIND: &'static str = "audit entry";
}

impl Record for StoredKey {
    const KIND: &'static str = "key";
}

impl Record for SealedRecord {
    const KIND: &'static str = "sealed record";
}

/// The bytes to keep for `record`; [`Error::TooLarge`] above [`MAX_SIZE`].
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, record).map_err(|error| unreadable::<R>(error.to_string()))?;
    if bytes.len() > MAX_SIZE.as_usize() {
        return Err(Error::TooLarge { kind: R::KIND, size: bytes.len(), limit: MAX_SIZE });
    }
    Ok(bytes)
}

/// The record that these bytes stand for; [`Error::Unreadable`] if they are damaged or of a version not known here.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, Error> {
    match bytes.split_first() {
        // Only the position is told: serde's own words may quote the record, and that must not reach a log.
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|error| {
            unreadable::<R>(format!("it is damaged at line {} column {}", error.line(), error.column()))
        }),
        Some((version, _)) => Err(unreadable::<R>(format!(
            "it has version {version}, and this program knows version {VERSION}: a newer program wrote it"
        ))),
        None => Err(unreadable::<R>("it is empty".to_owned())),
    }
}

fn unreadable<R: Record>(reason: String) -> Error {
    Error::Unreadable { kind: R::KIND, reason }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::{Act, Actor, IdentityKey, KeyPurpose, Revoked, SessionId, UserId, UserState};

    const MADE: Timestamp = Timestamp::from_millis(1_700_000_000_123);

    fn id() -> UserId {
        "0190a5b2-3c4d-7e8f-9a0b-112233445566".parse().unwrap()
    }

    fn user() -> User {
        User {
            id: id(),
            display_name: "门神🐉".to_owned(),
            avatar: Some("https://thirdqq.qlogo.cn/g?b=oidb&k=1".to_owned()),
            state: UserState::Blocked,
            upstream_id: Some("42".to_owned()),
            username: Some("qq_k3v9".to_owned()),
            generation: 7,
            created_at: MADE,
            updated_at: Timestamp::from_millis(1_700_000_001_456),
        }
    }

    /// What was written once must be read for ever, and is still written like that within version 1.
    fn assert_kept<R: Record + PartialEq + Debug>(fixture: &[u8], record: &R) {
        assert_eq!(&decode::<R>(fixture).unwrap(), record);
        assert_eq!(encode(record).unwrap(), fixture);
    }

    #[test]
    fn users_of_version_1_are_read() {
        assert_kept(include_bytes!("../../tests/data/records/user.v1"), &user());
        let bare = User {
            display_name: String::new(),
            avatar: None,
            state: UserState::Active,
            upstream_id: None,
            username: None,
            generation: 0,
            updated_at: MADE,
            ..user()
        };
        assert_kept(include_bytes!("../../tests/data/records/user-without-options.v1"), &bare);
    }

    #[test]
    fn bindings_of_version_1_are_read() {
        let identity = IdentityKey {
            provider: "qq".to_owned(),
            client_id: "101000001".to_owned(),
            subject: "A1B2C3D4E5F60718293A4B5C6D7E8F90".to_owned(),
        };
        let binding = Binding { identity, user: id(), unionid: Some("UID_1234567890".to_owned()), created_at: MADE };
        assert_kept(include_bytes!("../../tests/data/records/binding.v1"), &binding);
    }

    #[test]
    fn revocations_of_version_1_are_read() {
        let of = |subject| Revocation { subject, at: MADE, until: Timestamp::from_millis(1_700_086_400_123) };
        let session = SessionId::from_bytes(std::array::from_fn(|byte| u8::try_from(byte).unwrap()));
        let fixtures: [(&[u8], Revoked); 4] = [
            (include_bytes!("../../tests/data/records/revocation-session.v1"), Revoked::Session(session)),
            (include_bytes!("../../tests/data/records/revocation-user.v1"), Revoked::User(id())),
            (include_bytes!("../../tests/data/records/revocation-changed.v1"), Revoked::Changed(id(), 7)),
            (include_bytes!("../../tests/data/records/revocation-everybody.v1"), Revoked::Everybody),
        ];
        for (fixture, subject) in fixtures {
            assert_kept(fixture, &of(subject));
        }
    }

    #[test]
    fn audit_entries_of_version_1_are_read() {
        let full = AuditEntry {
            session: Some(SessionId::from_bytes([7; 16])),
            request: Some("00c0ffee00c0ffee".to_owned()),
            ..AuditEntry::new(MADE, Act::SessionsRevoked, Actor::Operator(1000)).of(id()).with("one")
        };
        assert_kept(include_bytes!("../../tests/data/records/audit.v1"), &full);
        let bare = AuditEntry::new(MADE, Act::Reloaded, Actor::System);
        assert_kept(include_bytes!("../../tests/data/records/audit-bare.v1"), &bare);
    }

    #[test]
    fn keys_of_version_1_are_read() {
        let key = StoredKey {
            id: "0a1b2c3d".to_owned(),
            purpose: KeyPurpose::Upstream,
            algorithm: "ES256".to_owned(),
            created_at: MADE,
            active_from: Timestamp::from_millis(1_700_000_600_123),
            superseded_at: Some(Timestamp::from_millis(1_700_009_000_123)),
            sealed: vec![0, 1, 127, 128, 255],
        };
        assert_kept(include_bytes!("../../tests/data/records/key.v1"), &key);
    }

    #[test]
    fn sealed_records_of_version_1_are_read() {
        let record = SealedRecord { sealed: "AQAAAAA-_z".to_owned() };
        assert_kept(include_bytes!("../../tests/data/records/sealed.v1"), &record);
    }

    #[test]
    fn a_record_of_an_unknown_version_or_damaged_is_unreadable_and_not_quoted() {
        let good = encode(&user()).unwrap();
        let newer = [&[VERSION + 1], &good[1..]].concat();
        let cut = &good[..good.len() - 1];
        for bytes in [&newer[..], cut, &[], &[VERSION], b"\x01null", b"\x01{\"id\":\"secret\"}"] {
            let error = decode::<User>(bytes).unwrap_err();
            assert!(matches!(error, Error::Unreadable { kind: "user", .. }), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_record_above_the_limit_is_refused() {
        let endless = User { display_name: "x".repeat(MAX_SIZE.as_usize()), ..user() };
        assert!(matches!(encode(&endless), Err(Error::TooLarge { kind: "user", .. })));
    }
}
