//! The audit trail, in the order of time.

use std::ops::Bound;

use sled::{Batch, IVec};

use super::change::Change;
use super::failure::Failure;
use super::tree_key;
use super::trees::Trees;
use crate::clock::Timestamp;
use crate::store::{AuditEntry, AuditPage, AuditPosition, Error, record};

/// Where [`Trees::meta`] keeps the last number given.
pub(super) const LAST_NUMBER: &[u8] = b"audit-number";

/// Adds an entry.
pub(super) fn add(trees: &Trees, entry: &AuditEntry) -> Result<(), Failure> {
    let mut change = Change::new(trees);
    change.audit(entry)?;
    change.write()
}

/// At most `limit` entries of a piece of the trail.
pub(super) fn page(trees: &Trees, page: AuditPage, limit: usize) -> Result<Vec<(AuditPosition, AuditEntry)>, Failure> {
    let key = |at: AuditPosition| tree_key::of_audit(at.at, at.number);
    match page {
        AuditPage::After(at) => {
            let range = trees.audit.range((Bound::Excluded(key(at)), Bound::Unbounded));
            range.take(limit).map(read).collect()
        }
        AuditPage::Before(at) => trees.audit.range(..key(at)).rev().take(limit).map(read).collect(),
    }
}

fn read(found: Result<(IVec, IVec), sled::Error>) -> Result<(AuditPosition, AuditEntry), Failure> {
    let (key, bytes) = found?;
    let (at, number) = tree_key::at_and_number(&key).ok_or_else(|| unreadable("its key holds no time and number"))?;
    Ok((AuditPosition { at, number }, record::decode(&bytes)?))
}

/// Forgets at most `limit` entries that were made before `before`. Returns how many went.
pub(super) fn forget(trees: &Trees, before: Timestamp, limit: usize) -> Result<usize, Failure> {
    let mut batch = Batch::default();
    let mut count = 0;
    for key in trees.audit.range(..tree_key::of_audit(before, 0)).keys().take(limit) {
        batch.remove(key?);
        count += 1;
    }
    trees.audit.apply_batch(batch)?;
    Ok(count)
}

pub(super) fn last_number(trees: &Trees) -> Result<u64, Failure> {
    match trees.meta.get(LAST_NUMBER)? {
        Some(bytes) => match bytes.as_ref().try_into() {
            Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
            Err(_) => Err(unreadable("the last number is damaged").into()),
        },
        None => Ok(0),
    }
}

fn unreadable(reason: &str) -> Error {
    Error::Unreadable { kind: "audit entry", reason: reason.to_owned() }
}
