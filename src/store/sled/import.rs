//! One row of a table of bindings from elsewhere.

use super::change::Change;
use super::failure::Failure;
use super::trees::Trees;
use super::{bindings, users};
use crate::clock::Timestamp;
use crate::store::{Act, Actor, AuditEntry, Binding, ImportRow, Imported, SessionsEnd, User, UserId, UserState};

/// Takes a row in. What is there already is left, or with `replace` gives way.
pub(super) fn import(
    trees: &Trees,
    row: &ImportRow,
    replace: bool,
    by: Actor,
    now: Timestamp,
    end: SessionsEnd,
) -> Result<Imported, Failure> {
    let bound = bindings::find(trees, &row.identity)?;
    let target = target(trees, row, bound.as_ref())?;
    let present = users::find(trees, target)?;
    let is_there = bound.as_ref().is_some_and(|bound| bound.user == target);
    let fits = present.as_ref().is_none_or(|user| row.fits(user));
    let mut change = Change::new(trees);
    let (outcome, act) = match (&bound, present) {
        (Some(_), Some(_)) if is_there && fits => return Ok(Imported::Unchanged(target)),
        (Some(bound), _) if !replace => return Ok(Imported::Conflict(bound.user)),
        (None, Some(_)) if !fits && !replace => return Ok(Imported::Conflict(target)),
        (None, Some(_)) if fits => (Imported::Added(target), Act::Bound),
        (None, None) => {
            change.put_user(&made(row, target, now))?;
            (Imported::Created(target), Act::Bound)
        }
        (_, present) => {
            match present {
                Some(user) if fits => drop(user),
                Some(user) => {
                    change.forget_upstream_id(&user)?;
                    change.change_user(&overwritten(row, user, now), end.until)?;
                }
                None => change.put_user(&made(row, target, now))?,
            }
            change.end_sessions(target, end)?;
            (Imported::Replaced(target), Act::Replaced)
        }
    };
    if let Some(bound) = bound.filter(|bound| bound.user != target) {
        change.remove_binding(&bound)?;
        change.end_sessions(bound.user, end)?;
        change.audit(&AuditEntry::new(now, Act::Unbound, by.clone()).of(bound.user))?;
    }
    if !is_there {
        let created_at = row.created_at.unwrap_or(now);
        let (identity, unionid) = (row.identity.clone(), row.unionid.clone());
        change.put_binding(&Binding { identity, user: target, unionid, created_at })?;
    }
    change.audit(&AuditEntry::new(now, act, by).of(target))?;
    change.write()?;
    Ok(outcome)
}

/// Whom the row's identity shall stand for: whom the row names; else whoever is that user of the shop's; else whoever it
/// stands for now, unless others who are not in the row stand for them too and would be taken along.
fn target(trees: &Trees, row: &ImportRow, bound: Option<&Binding>) -> Result<UserId, Failure> {
    if let Some(named) = row.user {
        return Ok(named);
    }
    let holder = match bound {
        Some(bound) => users::find(trees, bound.user)?,
        None => None,
    };
    let Some(upstream_id) = &row.upstream_id else {
        return Ok(bound.map_or(row.fresh, |bound| bound.user));
    };
    match holder {
        Some(holder) if holder.upstream_id.as_ref() == Some(upstream_id) => Ok(holder.id),
        holder => match (users::find_by_upstream_id(trees, upstream_id)?, holder) {
            (Some(known), _) => Ok(known),
            (None, Some(holder)) if bindings::of_user(trees, holder.id)?.len() == 1 => Ok(holder.id),
            (None, _) => Ok(row.fresh),
        },
    }
}

fn made(row: &ImportRow, id: UserId, now: Timestamp) -> User {
    User {
        id,
        display_name: row.display_name.clone(),
        avatar: row.avatar.clone(),
        state: row.state.unwrap_or(UserState::Active),
        upstream_id: row.upstream_id.clone(),
        username: row.username.clone(),
        generation: 0,
        created_at: row.user_created_at.unwrap_or(now),
        updated_at: now,
    }
}

fn overwritten(row: &ImportRow, user: User, now: Timestamp) -> User {
    User {
        upstream_id: row.upstream_id.clone().or(user.upstream_id),
        username: row.username.clone().or(user.username),
        state: row.state.unwrap_or(user.state),
        generation: user.generation.saturating_add(1),
        updated_at: now,
        ..user
    }
}
