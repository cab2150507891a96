//! Users, and the first login that makes them.

use sled::transaction::Transactional;

use super::failure::Failure;
use super::revocations;
use super::trees::Trees;
use super::{bindings, tree_key};
use crate::clock::Timestamp;
use crate::store::{
    Binding, Error, IdentityKey, NewUser, Profile, Revocation, Revoked, SignedIn, User, UserId, UserState, record,
};

/// The user with this id.
pub(super) fn find(trees: &Trees, id: UserId) -> Result<Option<User>, Failure> {
    let record = trees.users.get(id.as_bytes())?;
    Ok(record.map(|bytes| record::decode(&bytes)).transpose()?)
}

/// The user to whom this identity is bound.
pub(super) fn find_bound(trees: &Trees, identity: &IdentityKey) -> Result<Option<User>, Failure> {
    let Some(binding) = bindings::find(trees, identity)? else { return Ok(None) };
    let user = find(trees, binding.user)?.ok_or_else(|| Error::Unreadable {
        kind: "binding",
        reason: format!("it names user {}, who is not there", binding.user),
    })?;
    Ok(Some(user))
}

/// The user to whom the identity is bound; a new one if it is bound to nobody.
pub(super) fn create_bound(
    trees: &Trees,
    identity: &IdentityKey,
    new: NewUser,
    now: Timestamp,
) -> Result<SignedIn, Failure> {
    if let Some(user) = find_bound(trees, identity)? {
        return Ok(SignedIn { user, created: false });
    }
    if trees.users.contains_key(new.id.as_bytes())? {
        let reason = format!("the id {} is taken; another login gets another", new.id);
        return Err(Failure::Refused(Error::Unavailable { reason }));
    }
    let binding = Binding { identity: identity.clone(), user: new.id, unionid: new.unionid, created_at: now };
    let user = User {
        id: new.id,
        display_name: new.display_name,
        avatar: new.avatar,
        state: UserState::Active,
        upstream_id: None,
        username: None,
        generation: 0,
        created_at: now,
        updated_at: now,
    };
    let key = tree_key::of_binding(identity)?;
    let (binding, record) = (record::encode(&binding)?, record::encode(&user)?);
    (&trees.users, &trees.bindings).transaction(|(users, bindings)| {
        users.insert(user.id.as_bytes(), record.as_slice())?;
        bindings.insert(key.as_slice(), binding.as_slice())?;
        Ok(())
    })?;
    Ok(SignedIn { user, created: true })
}

/// Takes over what has changed in the profile, if anything has, and tells the revocation feed.
pub(super) fn update_profile(
    trees: &Trees,
    id: UserId,
    profile: Profile,
    now: Timestamp,
    revoke_until: Timestamp,
) -> Result<User, Failure> {
    let old = find(trees, id)?.ok_or(Error::NoSuchUser(id))?;
    let display_name = profile.display_name.unwrap_or_else(|| old.display_name.clone());
    let avatar = profile.avatar.or_else(|| old.avatar.clone());
    if display_name == old.display_name && avatar == old.avatar {
        return Ok(old);
    }
    let generation = old.generation.saturating_add(1);
    let user = User { display_name, avatar, generation, updated_at: now, ..old };
    let record = record::encode(&user)?;
    let subject = Revoked::Changed(id, generation);
    let entry = revocations::Entry::next(trees, &Revocation { subject, at: now, until: revoke_until })?;
    (&trees.users, &trees.revocations, &trees.expiry, &trees.meta).transaction(|(users, feed, expiry, meta)| {
        users.insert(id.as_bytes(), record.as_slice())?;
        entry.add(feed, expiry, meta)
    })?;
    Ok(user)
}
