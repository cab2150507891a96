//! What operators do: list, block, unbind, erase.

use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{BY, During, END, LATER, NOW, identity, new_user, present, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::store::{Binding, Cursor, Error, Revocation, Revoked, Store, User, UserState};

pub(super) const CHECKS: &[Check] = promises![Check:
    users_are_listed_by_id_in_pages_of_any_size,
    a_users_bindings_are_listed_and_nobody_elses,
    blocking_is_kept_counted_and_told_and_ends_sessions,
    blocking_again_changes_nothing,
    letting_in_again_is_counted_and_told_and_ends_nothing,
    nobody_cannot_be_blocked,
    unbinding_frees_the_identity_and_ends_its_users_sessions,
    unbinding_what_is_not_bound_changes_nothing,
    erasing_leaves_nothing_of_a_user_and_ends_their_sessions,
    erasing_nobody_says_so,
];

/// More than a backend may fetch in one go.
const MANY: u64 = 1200;

async fn users_are_listed_by_id_in_pages_of_any_size(store: Arc<dyn Store>) -> Verdict {
    let people: Vec<_> = (1..=MANY).rev().map(|number| (number, identity(&format!("person-{number}")))).collect();
    let logins = people.iter().map(|(number, person)| store.create_bound(person, new_user(*number), NOW));
    join_all(logins).await.into_iter().collect::<Result<Vec<_>, _>>().during("create_bound")?;
    for size in [7, 512, 513, 1200, usize::MAX] {
        let mut listed: Vec<User> = Vec::new();
        for _ in 0..=MANY / size as u64 + 1 {
            let page = store.users(listed.last().map(|last| last.id), size).await.during("users")?;
            ensure!(page.len() <= size, "a page of {size} has {} users", page.len());
            listed.extend(page);
        }
        let ids: Vec<_> = listed.iter().map(|user| user.id).collect();
        let expected: Vec<_> = (1..=MANY).map(user_id).collect();
        ensure!(ids == expected, "pages of {size} list {} users, or in another order", ids.len());
    }
    Ok(())
}

async fn a_users_bindings_are_listed_and_nobody_elses(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    store.create_bound(&identity("c"), new_user(2), NOW).await.during("create_bound")?;
    store.bind(&identity("b"), None, user.id, LATER).await.during("bind")?;
    let listed = store.bindings_of(user.id).await.during("bindings_of")?;
    let second = Binding { identity: identity("b"), user: user.id, unionid: None, created_at: LATER };
    ensure!(listed.len() == 2 && listed.contains(&second), "listed {listed:?} without {second:?}");
    ensure!(listed.iter().all(|binding| binding.user == user.id), "listed somebody else's: {listed:?}");
    let nobodys = store.bindings_of(user_id(9)).await.during("bindings_of")?;
    ensure!(nobodys.is_empty(), "nobody has {nobodys:?}");
    Ok(())
}

async fn blocking_is_kept_counted_and_told_and_ends_sessions(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let told = store.set_state(old.id, UserState::Blocked, BY, LATER, END).await.during("set_state")?;
    let generation = old.generation + 1;
    let expected = User { state: UserState::Blocked, generation, updated_at: LATER, ..old };
    let kept = present(store.user(told.id).await.during("user")?, "the user")?;
    ensure!(told == expected && kept == expected, "told {told:?} and kept {kept:?} instead of {expected:?}");
    let feed = feed(&store).await?;
    let changed = Revocation { subject: Revoked::Changed(told.id, generation), at: LATER, until: END.until };
    ensure!(feed == [changed.clone(), ended(&told)], "the feed has {feed:?}");
    Ok(())
}

async fn blocking_again_changes_nothing(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let once = store.set_state(user.id, UserState::Blocked, BY, NOW, END).await.during("set_state")?;
    let before = feed(&store).await?;
    let again = store.set_state(user.id, UserState::Blocked, BY, LATER, END).await.during("set_state")?;
    ensure!(once == again, "{once:?} has become {again:?}");
    ensure!(feed(&store).await? == before, "what changed nothing was told to the feed");
    Ok(())
}

async fn letting_in_again_is_counted_and_told_and_ends_nothing(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let blocked = store.set_state(user.id, UserState::Blocked, BY, NOW, END).await.during("set_state")?;
    let before = feed(&store).await?.len();
    let active = store.set_state(user.id, UserState::Active, BY, LATER, END).await.during("set_state")?;
    let generation = blocked.generation + 1;
    let expected = User { state: UserState::Active, generation, updated_at: LATER, ..blocked };
    ensure!(active == expected, "the user is {active:?} instead of {expected:?}");
    let news = feed(&store).await?.split_off(before);
    let changed = Revocation { subject: Revoked::Changed(user.id, generation), at: LATER, until: END.until };
    ensure!(news == [changed], "the feed was told {news:?}");
    Ok(())
}

async fn nobody_cannot_be_blocked(store: Arc<dyn Store>) -> Verdict {
    let outcome = store.set_state(user_id(9), UserState::Blocked, BY, NOW, END).await;
    ensure!(matches!(outcome, Err(Error::NoSuchUser(id)) if id == user_id(9)), "the answer was {outcome:?}");
    Ok(())
}

async fn unbinding_frees_the_identity_and_ends_its_users_sessions(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    store.bind(&identity("b"), None, user.id, NOW).await.during("bind")?;
    let removed = store.unbind(&identity("a"), BY, LATER, END).await.during("unbind")?;
    ensure!(removed.as_ref().is_some_and(|binding| binding.identity == identity("a")), "it removed {removed:?}");
    ensure!(store.find_user(&identity("a")).await.during("find_user")?.is_none(), "the identity is still bound");
    let left = store.bindings_of(user.id).await.during("bindings_of")?;
    ensure!(left.len() == 1 && left.iter().all(|binding| binding.identity == identity("b")), "left {left:?}");
    let all = store.bindings(None, 10).await.during("bindings")?;
    ensure!(all == left, "all bindings are {all:?}");
    let feed = feed(&store).await?;
    ensure!(feed == [ended(&user)], "the feed has {feed:?}");
    let login = store.create_bound(&identity("a"), new_user(2), LATER).await.during("create_bound")?;
    ensure!(login.created && login.user.id == user_id(2), "the next login got {login:?}");
    Ok(())
}

async fn unbinding_what_is_not_bound_changes_nothing(store: Arc<dyn Store>) -> Verdict {
    store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    let removed = store.unbind(&identity("b"), BY, LATER, END).await.during("unbind")?;
    ensure!(removed.is_none(), "what was not bound is {removed:?}");
    ensure!(feed(&store).await?.is_empty(), "what changed nothing was told to the feed");
    Ok(())
}

async fn erasing_leaves_nothing_of_a_user_and_ends_their_sessions(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    store.bind(&identity("b"), None, user.id, NOW).await.during("bind")?;
    let other = store.create_bound(&identity("c"), new_user(2), NOW).await.during("create_bound")?.user;
    ensure!(store.erase(user.id, BY, LATER, END).await.during("erase")?, "it said that nobody was there");
    ensure!(store.user(user.id).await.during("user")?.is_none(), "the user is still there");
    for subject in ["a", "b"] {
        let found = store.find_user(&identity(subject)).await.during("find_user")?;
        ensure!(found.is_none(), "{subject} still stands for {found:?}");
    }
    let bindings = store.bindings(None, 10).await.during("bindings")?;
    ensure!(bindings.len() == 1 && bindings.iter().all(|binding| binding.user == other.id), "left {bindings:?}");
    ensure!(store.bindings_of(user.id).await.during("bindings_of")?.is_empty(), "the user has bindings yet");
    let feed = feed(&store).await?;
    ensure!(feed.contains(&ended(&user)), "the feed has {feed:?}");
    let login = store.create_bound(&identity("a"), new_user(3), LATER).await.during("create_bound")?;
    ensure!(login.created, "the erased identity is taken");
    Ok(())
}

async fn erasing_nobody_says_so(store: Arc<dyn Store>) -> Verdict {
    ensure!(!store.erase(user_id(9), BY, NOW, END).await.during("erase")?, "it erased somebody who was not there");
    ensure!(feed(&store).await?.is_empty(), "what changed nothing was told to the feed");
    Ok(())
}

fn ended(user: &User) -> Revocation {
    Revocation { subject: Revoked::User(user.id), at: END.began_by, until: END.until }
}

async fn feed(store: &Arc<dyn Store>) -> Result<Vec<Revocation>, String> {
    Ok(store.revocations(Cursor::default(), NOW).await.during("revocations")?.0)
}
