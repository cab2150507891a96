//! Users, and the first login that makes them.

use std::ops::Bound;

use super::change::Change;
use super::failure::Failure;
use super::trees::Trees;
use super::{bindings, tree_key};
use crate::clock::Timestamp;
use crate::store::{
    Act, Actor, AuditEntry, Binding, Error, IdentityKey, NewUser, Profile, SessionsEnd, SignedIn, User, UserId,
    UserState, record,
};

/// The user with this id.
pub(super) fn find(trees: &Trees, id: UserId) -> Result<Option<User>, Failure> {
    let record = trees.users.get(id.as_bytes())?;
    Ok(record.map(|bytes| record::decode(&bytes)).transpose()?)
}

/// The user who is this one of the shop's; of several the one that came first.
pub(super) fn find_by_upstream_id(trees: &Trees, upstream_id: &str) -> Result<Option<UserId>, Failure> {
    let prefix = tree_key::of_upstream_id(upstream_id)?;
    let Some(key) = trees.by_upstream_id.scan_prefix(&prefix).keys().next().transpose()? else { return Ok(None) };
    let id = key.get(prefix.len()..).and_then(|id| <[u8; 16]>::try_from(id).ok());
    let unreadable = || Error::Unreadable { kind: "upstream_id", reason: "it is filed under no user".to_owned() };
    Ok(Some(UserId::from_bytes(id.ok_or_else(unreadable)?)))
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
    let mut change = Change::new(trees);
    change.put_user(&user)?;
    change.put_binding(&binding)?;
    change.audit(&AuditEntry::new(now, Act::Bound, Actor::Visitor).of(user.id))?;
    change.write()?;
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
    let mut change = Change::new(trees);
    change.change_user(&user, revoke_until)?;
    change.write()?;
    Ok(user)
}

/// The first users after `after` in the order of their ids.
pub(super) fn page(trees: &Trees, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Failure> {
    let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(*id.as_bytes()));
    let records = trees.users.range::<[u8; 16], _>((start, Bound::Unbounded)).values().take(limit);
    records.map(|bytes| Ok(record::decode(&bytes?)?)).collect()
}

/// Blocks a user, or lets them in again; a blocked user's sessions are over.
pub(super) fn set_state(
    trees: &Trees,
    id: UserId,
    state: UserState,
    by: Actor,
    now: Timestamp,
    end: SessionsEnd,
) -> Result<User, Failure> {
    let old = find(trees, id)?.ok_or(Error::NoSuchUser(id))?;
    if old.state == state {
        return Ok(old);
    }
    let user = User { state, generation: old.generation.saturating_add(1), updated_at: now, ..old };
    let mut change = Change::new(trees);
    // A login that looked the user up before this is written may yet make a session: it holds the older generation.
    change.change_user(&user, end.until)?;
    let act = match state {
        UserState::Blocked => {
            change.end_sessions(id, end)?;
            Act::Blocked
        }
        UserState::Active => Act::Unblocked,
    };
    change.audit(&AuditEntry::new(now, act, by).of(id))?;
    change.write()?;
    Ok(user)
}

/// Removes a user and every binding of theirs. False if there is no such user.
pub(super) fn erase(trees: &Trees, id: UserId, by: Actor, now: Timestamp, end: SessionsEnd) -> Result<bool, Failure> {
    let Some(user) = find(trees, id)? else { return Ok(false) };
    let mut change = Change::new(trees);
    for binding in bindings::of_user(trees, id)? {
        change.remove_binding(&binding)?;
    }
    change.remove_user(&user)?;
    let gone = User { generation: user.generation.saturating_add(1), updated_at: now, ..user };
    change.tell_change(&gone, end.until)?;
    change.end_sessions(id, end)?;
    change.audit(&AuditEntry::new(now, Act::Erased, by).of(id))?;
    change.write()?;
    Ok(true)
}
