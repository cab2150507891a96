//! The seal and signing keys.

use super::failure::Failure;
use super::tree_key;
use super::trees::Trees;
use crate::store::{StoredKey, record};

/// All keys of the purpose of `first`, oldest first; `first` among them if none had its algorithm.
pub(super) fn all_or_first(trees: &Trees, first: &StoredKey) -> Result<Vec<StoredKey>, Failure> {
    let kept = all(trees, first)?;
    if kept.iter().any(|key| key.algorithm == first.algorithm) {
        return Ok(kept);
    }
    trees.keys.insert(tree_key::of_stored_key(first), record::encode(first)?)?;
    all(trees, first)
}

fn all(trees: &Trees, like: &StoredKey) -> Result<Vec<StoredKey>, Failure> {
    let records = trees.keys.scan_prefix(tree_key::of_purpose(like.purpose)).values();
    records.map(|bytes| Ok(record::decode(&bytes?)?)).collect()
}
