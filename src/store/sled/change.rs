//! What one call writes: all of it, or nothing.

use std::convert::Infallible;

use sled::Batch;
use sled::transaction::{ConflictableTransactionError, Transactional};

use super::failure::Failure;
use super::trees::Trees;
use super::{audit, revocations, tree_key};
use crate::clock::Timestamp;
use crate::store::{AuditEntry, Binding, Error, Revocation, Revoked, SessionsEnd, StoredKey, User, UserId, record};

/// Put together while everything is decided, then written in one transaction. Only one is made at a time: they are made
/// and written on one thread.
pub(super) struct Change<'t> {
    trees: &'t Trees,
    users: Batch,
    bindings: Batch,
    by_user: Batch,
    revocations: Batch,
    expiry: Batch,
    audit: Batch,
    keys: Batch,
    meta: Batch,
    /// The last number given to a revocation, once one is added.
    last_revocation: Option<u64>,
    /// The last number given to an entry of the trail, once one is added.
    last_audit: Option<u64>,
}

impl<'t> Change<'t> {
    pub(super) fn new(trees: &'t Trees) -> Self {
        Change {
            trees,
            users: Batch::default(),
            bindings: Batch::default(),
            by_user: Batch::default(),
            revocations: Batch::default(),
            expiry: Batch::default(),
            audit: Batch::default(),
            keys: Batch::default(),
            meta: Batch::default(),
            last_revocation: None,
            last_audit: None,
        }
    }

    pub(super) fn put_user(&mut self, user: &User) -> Result<(), Error> {
        self.users.insert(user.id.as_bytes(), record::encode(user)?);
        Ok(())
    }

    pub(super) fn remove_user(&mut self, user: UserId) {
        self.users.remove(user.as_bytes());
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
        let Trees { users, bindings, by_user, revocations, expiry, audit, keys, meta, .. } = self.trees;
        (users, bindings, by_user, revocations, expiry, audit, keys, meta).transaction(
            |(users, bindings, by_user, revocations, expiry, audit, keys, meta)| {
                users.apply_batch(&self.users)?;
                bindings.apply_batch(&self.bindings)?;
                by_user.apply_batch(&self.by_user)?;
                revocations.apply_batch(&self.revocations)?;
                expiry.apply_batch(&self.expiry)?;
                audit.apply_batch(&self.audit)?;
                keys.apply_batch(&self.keys)?;
                meta.apply_batch(&self.meta)?;
                Ok::<_, ConflictableTransactionError<Infallible>>(())
            },
        )?;
        Ok(())
    }
}
