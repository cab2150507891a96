//! How records are written down: a version byte, then the record.
//!
//! Version 1 is the record's JSON: an operator can read a dump of it, and it weighs nothing beside a network call. A
//! field may be added within a version only if older programs may lose it; anything else is a new version. Records of
//! version 1 under `tests/data/records/` prove that what is on disk today can be read for ever.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Binding, Error, Revocation, StoredKey, User};
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

impl Record for StoredKey {
    const KIND: &'static str = "key";
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
