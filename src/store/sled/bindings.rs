//! Bindings: which identity stands for which user.

use std::ops::Bound;

use super::change::Change;
use super::failure::Failure;
use super::trees::Trees;
use super::{tree_key, users};
use crate::clock::Timestamp;
use crate::store::{Act, Actor, AuditEntry, BindError, Binding, Error, IdentityKey, SessionsEnd, UserId, record};

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
    let mut change = Change::new(trees);
    change.put_binding(&Binding { identity: identity.clone(), user, unionid, created_at: now })?;
    change.audit(&AuditEntry::new(now, Act::Bound, Actor::Visitor).of(user))?;
    Ok(change.write()?)
}

/// Removes a binding and ends its user's sessions. `None` if the identity was bound to nobody.
pub(super) fn unbind(
    trees: &Trees,
    identity: &IdentityKey,
    by: Actor,
    now: Timestamp,
    end: SessionsEnd,
) -> Result<Option<Binding>, Failure> {
    let Some(binding) = find(trees, identity)? else { return Ok(None) };
    let mut change = Change::new(trees);
    change.remove_binding(&binding)?;
    change.end_sessions(binding.user, end)?;
    change.audit(&AuditEntry::new(now, Act::Unbound, by).of(binding.user))?;
    change.write()?;
    Ok(Some(binding))
}

/// Every binding of a user.
pub(super) fn of_user(trees: &Trees, user: UserId) -> Result<Vec<Binding>, Failure> {
    let mut found = Vec::new();
    for key in trees.by_user.scan_prefix(user.as_bytes()).keys() {
        let key = key?;
        let record = tree_key::binding_of(&key).map(|key| trees.bindings.get(key)).transpose()?.flatten();
        let record = record.ok_or_else(|| Error::Unreadable {
            kind: "binding",
            reason: format!("user {user} has one that is not there"),
        })?;
        found.push(record::decode(&record)?);
    }
    Ok(found)
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
