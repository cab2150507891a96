//! Bindings: which identity stands for which user.

use std::ops::Bound;

use super::failure::Failure;
use super::trees::Trees;
use super::{tree_key, users};
use crate::clock::Timestamp;
use crate::store::{BindError, Binding, Error, IdentityKey, UserId, record};

/// The binding of this identity.
pub(super) fn find(trees: &Trees, identity: &IdentityKey) -> Result<Option<Binding>, Failure> {
    // What has no key was never bound.
    let Ok(key) = tree_key::of_binding(identity) else { return Ok(None) };
    let record = trees.bindings.get(key)?;
    Ok(record.map(|bytes| record::decode(&bytes)).transpose()?)
}

/// Binds the identity to a user who is there, unless it is another's.
pub(super) fn bind(
    trees: &Trees,
    identity: &IdentityKey,
    unionid: Option<String>,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure<BindError>> {
    match find(trees, identity)? {
        Some(binding) if binding.user == user => return Ok(()),
        Some(binding) => return Err(Failure::Refused(BindError::BoundToAnother(binding.user))),
        None => {}
    }
    users::find(trees, user)?.ok_or(Error::NoSuchUser(user))?;
    let key = tree_key::of_binding(identity)?;
    let binding = Binding { identity: identity.clone(), user, unionid, created_at: now };
    trees.bindings.insert(key, record::encode(&binding)?)?;
    Ok(())
}

/// The first bindings after `after` in the order of their keys.
pub(super) fn page(trees: &Trees, after: Option<&IdentityKey>, limit: usize) -> Result<Vec<Binding>, Failure> {
    let start = match after.map(tree_key::of_binding).transpose()? {
        Some(key) => Bound::Excluded(key),
        None => Bound::Unbounded,
    };
    let records = trees.bindings.range::<Vec<u8>, _>((start, Bound::Unbounded)).values().take(limit);
    records.map(|bytes| Ok(record::decode(&bytes?)?)).collect()
}
