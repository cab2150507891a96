//! What their owners alone can open, by name.

use super::failure::Failure;
use super::tree_key;
use super::trees::Trees;
use crate::store::{SealedRecord, record};

pub(super) fn find(trees: &Trees, name: &str) -> Result<Option<String>, Failure> {
    let Some(bytes) = trees.sealed.get(tree_key::of_sealed_record(name)?)? else { return Ok(None) };
    let record: SealedRecord = record::decode(&bytes)?;
    Ok(Some(record.sealed))
}

/// Keeps one, in place of the one before it.
pub(super) fn keep(trees: &Trees, name: &str, sealed: String) -> Result<(), Failure> {
    trees.sealed.insert(tree_key::of_sealed_record(name)?, record::encode(&SealedRecord { sealed })?)?;
    Ok(())
}
