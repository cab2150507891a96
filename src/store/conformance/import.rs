//! Bindings that come from elsewhere.

use std::sync::Arc;

use super::scene::{BY, During, END, LATER, NOW, identity, new_user, present, row, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::clock::Timestamp;
use crate::store::{Binding, Cursor, ImportRow, Imported, Revoked, Store, User, UserId, UserState};

pub(super) const CHECKS: &[Check] = promises![Check:
    a_row_makes_user_and_binding_as_it_says,
    the_same_row_again_changes_nothing,
    rows_that_name_one_user_bind_all_their_identities_to_them,
    a_row_that_says_otherwise_is_told_and_left,
    a_row_that_may_replace_does_and_ends_the_sessions_concerned,
    an_identity_may_be_moved_to_another_user_and_ends_the_sessions_of_both,
    a_row_that_says_nothing_of_an_id_leaves_the_one_that_is_there,
    whoever_is_the_same_user_of_the_shops_is_one_user_here,
    a_row_that_may_replace_takes_nobody_along_who_is_not_in_it,
    a_row_that_blocks_is_told_and_where_it_may_replace_blocks,
    an_erased_user_is_found_by_the_shops_id_no_more,
];

/// Before anything else.
const EARLIER: Timestamp = Timestamp::from_secs(1_700_000_000);

async fn a_row_makes_user_and_binding_as_it_says(store: Arc<dyn Store>) -> Verdict {
    let blocked = ImportRow {
        state: Some(UserState::Blocked),
        created_at: Some(NOW),
        user_created_at: Some(EARLIER),
        ..row("a", 1, "42")
    };
    let outcome = take(&store, &blocked, false).await?;
    ensure!(outcome == Imported::Created(user_id(1)), "the outcome was {outcome:?}");
    let expected = User {
        id: user_id(1),
        display_name: blocked.display_name.clone(),
        avatar: blocked.avatar.clone(),
        state: UserState::Blocked,
        upstream_id: Some("42".to_owned()),
        username: blocked.username.clone(),
        generation: 0,
        created_at: EARLIER,
        updated_at: LATER,
    };
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the imported user")?;
    ensure!(found == expected, "made {found:?} instead of {expected:?}");
    let binding = Binding { identity: identity("a"), user: user_id(1), unionid: blocked.unionid, created_at: NOW };
    let listed = store.bindings_of(user_id(1)).await.during("bindings_of")?;
    ensure!(listed == [binding.clone()], "bound {listed:?} instead of {binding:?}");
    Ok(())
}

async fn the_same_row_again_changes_nothing(store: Arc<dyn Store>) -> Verdict {
    take(&store, &row("a", 1, "42"), false).await?;
    for replace in [false, true] {
        let outcome = take(&store, &row("a", 2, "42"), replace).await?;
        ensure!(outcome == Imported::Unchanged(user_id(1)), "with replace = {replace} the outcome was {outcome:?}");
    }
    ensure!(ended(&store).await?.is_empty(), "what changed nothing ended sessions");
    ensure!(store.user(user_id(2)).await.during("user")?.is_none(), "the second row left a user behind");
    Ok(())
}

async fn rows_that_name_one_user_bind_all_their_identities_to_them(store: Arc<dyn Store>) -> Verdict {
    let of_user = |subject, fresh| ImportRow { user: Some(user_id(7)), ..row(subject, fresh, "42") };
    let first = take(&store, &of_user("a", 1), false).await?;
    let second = take(&store, &of_user("b", 2), false).await?;
    let expected = (Imported::Created(user_id(7)), Imported::Added(user_id(7)));
    ensure!((first.clone(), second.clone()) == expected, "the outcomes were {first:?} and {second:?}");
    let listed = store.bindings_of(user_id(7)).await.during("bindings_of")?;
    ensure!(listed.len() == 2, "the user has {listed:?}");
    let other = ImportRow { user: Some(user_id(7)), ..row("c", 3, "43") };
    let outcome = take(&store, &other, false).await?;
    ensure!(outcome == Imported::Conflict(user_id(7)), "a row of another upstream id got {outcome:?}");
    ensure!(store.find_user(&identity("c")).await.during("find_user")?.is_none(), "what was left was bound");
    Ok(())
}

async fn a_row_that_says_otherwise_is_told_and_left(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let outcome = take(&store, &row("a", 2, "42"), false).await?;
    ensure!(outcome == Imported::Conflict(user.id), "the outcome was {outcome:?}");
    let named = ImportRow { user: Some(user_id(9)), ..row("a", 3, "42") };
    let outcome = take(&store, &named, false).await?;
    ensure!(outcome == Imported::Conflict(user.id), "for another user the outcome was {outcome:?}");
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the user")?;
    ensure!(found == user, "{user:?} has become {found:?}");
    ensure!(ended(&store).await?.is_empty(), "what changed nothing ended sessions");
    Ok(())
}

async fn a_row_that_may_replace_does_and_ends_the_sessions_concerned(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let outcome = take(&store, &row("a", 2, "42"), true).await?;
    ensure!(outcome == Imported::Replaced(old.id), "the outcome was {outcome:?}");
    let expected = User {
        upstream_id: Some("42".to_owned()),
        username: row("a", 2, "42").username,
        generation: old.generation + 1,
        updated_at: LATER,
        ..old
    };
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the user")?;
    ensure!(found == expected, "the user is {found:?} instead of {expected:?}");
    let ended = ended(&store).await?;
    ensure!(ended == [found.id], "the sessions of {ended:?} ended");
    Ok(())
}

async fn an_identity_may_be_moved_to_another_user_and_ends_the_sessions_of_both(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let other = store.create_bound(&identity("b"), new_user(2), NOW).await.during("create_bound")?.user;
    let move_it = ImportRow { user: Some(other.id), upstream_id: None, username: None, ..row("a", 3, "") };
    let outcome = take(&store, &move_it, true).await?;
    ensure!(outcome == Imported::Replaced(other.id), "the outcome was {outcome:?}");
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the user")?;
    ensure!(found.id == other.id, "the identity stands for {}", found.id);
    let (left, has) = (store.bindings_of(old.id).await, store.bindings_of(other.id).await);
    let (left, has) = (left.during("bindings_of")?, has.during("bindings_of")?);
    ensure!(left.is_empty() && has.len() == 2, "the one has {left:?}, the other {has:?}");
    let mut ended = ended(&store).await?;
    ended.sort();
    ensure!(ended == [old.id, other.id], "the sessions of {ended:?} ended");
    Ok(())
}

async fn a_row_that_says_nothing_of_an_id_leaves_the_one_that_is_there(store: Arc<dyn Store>) -> Verdict {
    take(&store, &row("a", 1, "42"), false).await?;
    let silent = ImportRow { upstream_id: None, username: Some("other".to_owned()), ..row("a", 2, "") };
    take(&store, &silent, true).await?;
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the user")?;
    let is_kept = found.upstream_id.as_deref() == Some("42") && found.username.as_deref() == Some("other");
    ensure!(is_kept, "the user is {found:?}");
    Ok(())
}

async fn whoever_is_the_same_user_of_the_shops_is_one_user_here(store: Arc<dyn Store>) -> Verdict {
    take(&store, &row("a", 1, "42"), false).await?;
    let outcome = take(&store, &row("b", 2, "42"), false).await?;
    ensure!(outcome == Imported::Added(user_id(1)), "the second openid got {outcome:?}");
    // An id that only begins alike is somebody else's.
    for (subject, fresh, upstream_id) in [("c", 3, "4"), ("d", 4, "421")] {
        let outcome = take(&store, &row(subject, fresh, upstream_id), false).await?;
        ensure!(outcome == Imported::Created(user_id(fresh)), "{upstream_id} got {outcome:?}");
    }
    Ok(())
}

async fn a_row_that_may_replace_takes_nobody_along_who_is_not_in_it(store: Arc<dyn Store>) -> Verdict {
    for (subject, fresh) in [("a", 1), ("b", 2)] {
        take(&store, &row(subject, fresh, "42"), false).await?;
    }
    for (count, expected) in [Imported::Replaced(user_id(3)), Imported::Unchanged(user_id(3))].into_iter().enumerate() {
        let outcome = take(&store, &row("b", 3, "7"), true).await?;
        ensure!(outcome == expected, "time {count} the outcome was {outcome:?}");
    }
    for (subject, upstream_id) in [("a", "42"), ("b", "7")] {
        let found = present(store.find_user(&identity(subject)).await.during("find_user")?, subject)?;
        ensure!(found.upstream_id.as_deref() == Some(upstream_id), "{subject} is {found:?}");
    }
    // Whoever was alone keeps their id here when the shop's changes, and is found by the new one alone.
    let outcome = take(&store, &row("b", 4, "8"), true).await?;
    ensure!(outcome == Imported::Replaced(user_id(3)), "the outcome was {outcome:?}");
    let outcome = take(&store, &row("c", 5, "7"), false).await?;
    ensure!(outcome == Imported::Created(user_id(5)), "the id that was given up got {outcome:?}");
    let outcome = take(&store, &row("d", 6, "8"), false).await?;
    ensure!(outcome == Imported::Added(user_id(3)), "the new id got {outcome:?}");
    Ok(())
}

async fn a_row_that_blocks_is_told_and_where_it_may_replace_blocks(store: Arc<dyn Store>) -> Verdict {
    take(&store, &row("a", 1, "42"), false).await?;
    let blocks = ImportRow { state: Some(UserState::Blocked), ..row("a", 2, "42") };
    let outcome = take(&store, &blocks, false).await?;
    ensure!(outcome == Imported::Conflict(user_id(1)), "the outcome was {outcome:?}");
    let outcome = take(&store, &blocks, true).await?;
    ensure!(outcome == Imported::Replaced(user_id(1)), "with replace the outcome was {outcome:?}");
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the user")?;
    ensure!(found.state == UserState::Blocked, "the user is {found:?}");
    ensure!(ended(&store).await? == [user_id(1)], "the blocked user's sessions go on");
    Ok(())
}

async fn an_erased_user_is_found_by_the_shops_id_no_more(store: Arc<dyn Store>) -> Verdict {
    take(&store, &row("a", 1, "42"), false).await?;
    store.erase(user_id(1), BY, LATER, END).await.during("erase")?;
    let outcome = take(&store, &row("b", 2, "42"), false).await?;
    ensure!(outcome == Imported::Created(user_id(2)), "the outcome was {outcome:?}");
    Ok(())
}

async fn take(store: &Arc<dyn Store>, row: &ImportRow, replace: bool) -> Result<Imported, String> {
    store.import(row.clone(), replace, BY, LATER, END).await.during("import")
}

/// Whose sessions have been ended.
async fn ended(store: &Arc<dyn Store>) -> Result<Vec<UserId>, String> {
    let (feed, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    let of_users = |entry| match entry {
        Revoked::User(user) => Some(user),
        Revoked::Session(_) | Revoked::Everybody | Revoked::Changed(..) => None,
    };
    Ok(feed.into_iter().filter_map(|entry| of_users(entry.subject)).collect())
}
