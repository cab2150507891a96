//! What one call writes: all of it, or nothing.

use std::convert::Infallible;

use sled::transaction::{ConflictableTransactionError, Transactional};
use sled::{Batch, IVec};

use super::failure::Failure;
use super::trees::Trees;
use super::{audit, revocations, tree_key};
use crate::clock::Timestamp;
use crate::store::{AuditEntry, Binding, Error, Revocation, Revoked, SessionsEnd, StoredKey, User, UserId, record};

/// Put together while everything is decided, then written in one transaction. Only one is made at a time: they are made
/// and written on one thread.
pub(super) struct Change<'t> {
    trees: &'t Trees,
    users: Part,
    by_upstream_id: Part,
    bindings: Part,
    by_user: Part,
    revocations: Part,
    expiry: Part,
    audit: Part,
    keys: Part,
    meta: Part,
    /// The last number given to a revocation, once one is added.
    last_revocation: Option<u64>,
    /// The last number given to an entry of the trail, once one is added.
    last_audit: Option<u64>,
}

/// What is written to one tree.
#[derive(Default)]
struct Part {
    batch: Batch,
    is_used: bool,
}

impl Part {
    fn insert(&mut self, key: impl Into<IVec>, value: impl Into<IVec>) {
        self.batch.insert(key, value);
        self.is_used = true;
    }

    fn remove(&mut self, key: impl Into<IVec>) {
        self.batch.remove(key);
        self.is_used = true;
    }
}

impl<'t> Change<'t> {
    pub(super) fn new(trees: &'t Trees) -> Self {
        Change {
            trees,
            users: Part::default(),
            by_upstream_id: Part::default(),
            bindings: Part::default(),
            by_user: Part::default(),
            revocations: Part::default(),
            expiry: Part::default(),
            audit: Part::default(),
            keys: Part::default(),
            meta: Part::default(),
            last_revocation: None,
            last_audit: None,
        }
    }

    pub(super) fn put_user(&mut self, user: &User) -> Result<(), Error> {
        if let Some(upstream_id) = &user.upstream_id {
            self.by_upstream_id.insert(tree_key::of_user_by_upstream_id(upstream_id, user.id)?, &[]);
        }
        self.users.insert(user.id.as_bytes(), record::encode(user)?);
        Ok(())
    }

    pub(super) fn remove_user(&mut self, user: &User) -> Result<(), Error> {
        self.forget_upstream_id(user)?;
        self.users.remove(user.id.as_bytes());
        Ok(())
    }

    /// Has the user found by the shop's id no more. To be taken before they are given another.
    pub(super) fn forget_upstream_id(&mut self, user: &User) -> Result<(), Error> {
        if let Some(upstream_id) = &user.upstream_id {
            self.by_upstream_id.remove(tree_key::of_user_by_upstream_id(upstream_id, user.id)?);
        }
        Ok(())
    }

    pub(super) fn put_binding(&mut self, binding: &Binding) -> Result<(), Error> {
        let key = tree_key::of_binding(&binding.identity)?;
        self.by_user.insert(tree_key::of_binding_by_user(binding.user, &key), &[]);
        self.bindings.insert(key, record::encode(binding)?);
        Ok(())
    }

    pub(super) fn remove_binding(&mut self, binding: &Binding) -> Result<(), Error> {
        let key = tree_key::of_binding(&binding.identity)?;
        self.by_user.remove(tree_key::of_binding_by_user(binding.user, &key));
        self.bindings.remove(key);
        Ok(())
    }

    pub(super) fn put_key(&mut self, key: &StoredKey) -> Result<(), Error> {
        self.keys.insert(tree_key::of_stored_key(key), record::encode(key)?);
        Ok(())
    }

    pub(super) fn remove_key(&mut self, key: &StoredKey) {
        self.keys.remove(tree_key::of_stored_key(key));
    }

    /// Adds to the feed, filed a second time under the time it runs out.
    pub(super) fn revoke(&mut self, revocation: &Revocation) -> Result<(), Failure> {
        let last = match self.last_revocation {
            Some(last) => last,
            None => revocations::last_sequence(self.trees)?,
        };
        let sequence = last.saturating_add(1);
        self.revocations.insert(&tree_key::of_revocation(sequence), record::encode(revocation)?);
        self.expiry.insert(&tree_key::of_expiry(revocation.until, sequence), &[]);
        self.meta.insert(revocations::LAST_SEQUENCE, &tree_key::of_revocation(sequence));
        self.last_revocation = Some(sequence);
        Ok(())
    }

    /// Ends sessions of a user.
    pub(super) fn end_sessions(&mut self, user: UserId, end: SessionsEnd) -> Result<(), Failure> {
        self.revoke(&Revocation { subject: Revoked::User(user), at: end.began_by, until: end.until })
    }

    /// Writes a changed user down, and has every session looked up that holds an older generation.
    pub(super) fn change_user(&mut self, user: &User, until: Timestamp) -> Result<(), Failure> {
        self.put_user(user)?;
        self.tell_change(user, until)
    }

    /// Has every session looked up that holds an older generation of this user, be it still there or not.
    pub(super) fn tell_change(&mut self, user: &User, until: Timestamp) -> Result<(), Failure> {
        let subject = Revoked::Changed(user.id, user.generation);
        self.revoke(&Revocation { subject, at: user.updated_at, until })
    }

    /// Adds to the audit trail.
    pub(super) fn audit(&mut self, entry: &AuditEntry) -> Result<(), Failure> {
        let last = match self.last_audit {
            Some(last) => last,
            None => audit::last_number(self.trees)?,
        };
        let number = last.saturating_add(1);
        self.audit.insert(&tree_key::of_audit(entry.at, number), record::encode(entry)?);
        self.meta.insert(audit::LAST_NUMBER, &number.to_be_bytes());
        self.last_audit = Some(number);
        Ok(())
    }

    /// Writes all of it.
    pub(super) fn write(self) -> Result<(), Failure> {
        let Trees { users, by_upstream_id, bindings, by_user, revocations, expiry, audit, keys, meta, .. } = self.trees;
        let parts = [
            (users, &self.users),
            (by_upstream_id, &self.by_upstream_id),
            (bindings, &self.bindings),
            (by_user, &self.by_user),
            (revocations, &self.revocations),
            (expiry, &self.expiry),
            (audit, &self.audit),
            (keys, &self.keys),
            (meta, &self.meta),
        ];
        let (trees, parts): (Vec<_>, Vec<_>) = parts.into_iter().filter(|(_, part)| part.is_used).unzip();
        // sled panics over a transaction on no tree.
        if trees.is_empty() {
            return Ok(());
        }
        trees.as_slice().transaction(|views| {
            let mut written = views.iter().zip(&parts).map(|(view, part)| view.apply_batch(&part.batch));
            written.try_for_each(|written| written)?;
            Ok::<_, ConflictableTransactionError<Infallible>>(())
        })?;
        Ok(())
    }
}
