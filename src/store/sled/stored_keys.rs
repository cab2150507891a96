//! The seal and signing keys.

use super::change::Change;
use super::failure::Failure;
use super::tree_key;
use super::trees::Trees;
use crate::store::{Act, Actor, AuditEntry, KeyPurpose, StoredKey, record};

/// All keys of the purpose of `first`, oldest first; `first` among them if none had its algorithm.
pub(super) fn all_or_first(trees: &Trees, first: &StoredKey) -> Result<Vec<StoredKey>, Failure> {
    let kept = of(trees, first.purpose)?;
    if kept.iter().any(|key| key.algorithm == first.algorithm) {
        return Ok(kept);
    }
    trees.keys.insert(tree_key::of_stored_key(first), record::encode(first)?)?;
    of(trees, first.purpose)
}

/// All keys of all purposes, those of one purpose oldest first.
pub(super) fn all(trees: &Trees) -> Result<Vec<StoredKey>, Failure> {
    trees.keys.iter().values().map(|bytes| Ok(record::decode(&bytes?)?)).collect()
}

fn of(trees: &Trees, purpose: KeyPurpose) -> Result<Vec<StoredKey>, Failure> {
    let records = trees.keys.scan_prefix(tree_key::of_purpose(purpose)).values();
    records.map(|bytes| Ok(record::decode(&bytes?)?)).collect()
}

/// Keeps a key in whose favour all others of its purpose and algorithm step back.
pub(super) fn rotate(trees: &Trees, new: &StoredKey, by: Actor) -> Result<(), Failure> {
    let mut change = Change::new(trees);
    let is_elder = |key: &StoredKey| key.algorithm == new.algorithm && key.id != new.id && key.superseded_at.is_none();
    for elder in of(trees, new.purpose)?.into_iter().filter(is_elder) {
        change.put_key(&StoredKey { superseded_at: Some(new.active_from), ..elder })?;
    }
    change.put_key(new)?;
    let entry = AuditEntry::new(new.created_at, Act::KeyRotated, by);
    change.audit(&entry.with(format!("{} {} {}", new.purpose, new.algorithm, new.id)))?;
    change.write()
}

/// Forgets a key, if it is there.
pub(super) fn forget(trees: &Trees, id: &str, purpose: KeyPurpose) -> Result<(), Failure> {
    let mut change = Change::new(trees);
    for key in of(trees, purpose)?.iter().filter(|key| key.id == id) {
        change.remove_key(key);
    }
    change.write()
}
