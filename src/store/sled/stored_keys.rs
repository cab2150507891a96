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
pub(super) fn rotate(trees: &Trees, new: &StoredKey, drop_old: bool, by: Actor) -> Result<(), Failure> {
    let mut change = Change::new(trees);
    for elder in of(trees, new.purpose)?.into_iter().filter(|key| key.id != new.id) {
        let is_in_use = elder.superseded_at.is_none();
        match (drop_old, elder.algorithm == new.algorithm) {
            // What is in use for another algorithm is that one's own affair.
            (true, false) if is_in_use => {}
            (true, _) => change.remove_key(&elder),
            (false, true) if is_in_use => {
                change.put_key(&StoredKey { superseded_at: Some(new.active_from), ..elder })?;
            }
            (false, _) => {}
        }
    }
    change.put_key(new)?;
    let dropped = if drop_old { ", the old ones dropped" } else { "" };
    let entry = AuditEntry::new(new.created_at, Act::KeyRotated, by);
    change.audit(&entry.with(format!("{} {} {}{dropped}", new.purpose, new.algorithm, new.id)))?;
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
