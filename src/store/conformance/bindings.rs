//! Bindings: further identities of one user, and the list of all.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{During, LATER, NOW, identity, new_user, present, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::store::{BindError, Binding, Error, IdentityKey, Store};

pub(super) const CHECKS: &[Check] = promises![Check:
    a_first_login_is_listed_as_a_binding,
    a_user_may_have_several_identities,
    binding_again_changes_nothing,
    an_identity_of_another_is_refused_and_stays_theirs,
    nothing_is_bound_to_nobody,
    of_racing_binds_to_different_users_one_wins,
    pages_of_any_size_hold_every_binding_once_in_one_order,
    no_page_is_longer_than_asked_and_only_the_last_is_shorter,
];

/// More than a backend may fetch in one go.
const MANY: u64 = 1200;

async fn a_first_login_is_listed_as_a_binding(store: Arc<dyn Store>) -> Verdict {
    store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    let listed = store.bindings(None, 10).await.during("bindings")?;
    let expected = Binding { identity: identity("a"), user: user_id(1), unionid: new_user(1).unionid, created_at: NOW };
    ensure!(listed == [expected.clone()], "listed {listed:?} instead of {expected:?}");
    Ok(())
}

async fn a_user_may_have_several_identities(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    store.bind(&identity("b"), Some("UID_b".to_owned()), user.id, LATER).await.during("bind")?;
    for subject in ["a", "b"] {
        let found = present(store.find_user(&identity(subject)).await.during("find_user")?, subject)?;
        ensure!(found == user, "identity {subject} stands for {found:?} instead of {user:?}");
    }
    let listed = store.bindings(None, 10).await.during("bindings")?;
    let expected =
        Binding { identity: identity("b"), user: user.id, unionid: Some("UID_b".to_owned()), created_at: LATER };
    ensure!(listed.len() == 2 && listed.contains(&expected), "listed {listed:?} without {expected:?}");
    let login = store.create_bound(&identity("b"), new_user(2), LATER).await.during("create_bound")?;
    ensure!(login.user == user && !login.created, "a login with the added identity got {login:?}");
    Ok(())
}

async fn binding_again_changes_nothing(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let before = store.bindings(None, 10).await.during("bindings")?;
    store.bind(&identity("a"), Some("UID_other".to_owned()), user.id, LATER).await.during("bind again")?;
    let after = store.bindings(None, 10).await.during("bindings")?;
    ensure!(before == after, "{before:?} has become {after:?}");
    let kept = present(store.user(user.id).await.during("user")?, "the user")?;
    ensure!(kept == user, "{user:?} has become {kept:?}");
    Ok(())
}

async fn an_identity_of_another_is_refused_and_stays_theirs(store: Arc<dyn Store>) -> Verdict {
    let owner = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let other = store.create_bound(&identity("b"), new_user(2), NOW).await.during("create_bound")?.user;
    let outcome = store.bind(&identity("a"), None, other.id, LATER).await;
    ensure!(matches!(outcome, Err(BindError::BoundToAnother(id)) if id == owner.id), "the answer was {outcome:?}");
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the owner")?;
    ensure!(found == owner, "the identity now stands for {found:?}");
    Ok(())
}

async fn nothing_is_bound_to_nobody(store: Arc<dyn Store>) -> Verdict {
    let outcome = store.bind(&identity("a"), None, user_id(9), NOW).await;
    let refused = matches!(outcome, Err(BindError::Store(Error::NoSuchUser(id))) if id == user_id(9));
    ensure!(refused, "the answer was {outcome:?}");
    let listed = store.bindings(None, 10).await.during("bindings")?;
    ensure!(listed.is_empty(), "a refused bind left {listed:?}");
    let login = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    ensure!(login.created, "after a refused bind the identity is taken");
    Ok(())
}

async fn of_racing_binds_to_different_users_one_wins(store: Arc<dyn Store>) -> Verdict {
    let wanted = identity("wanted");
    for number in 1..=16 {
        let person = identity(&format!("person-{number}"));
        store.create_bound(&person, new_user(number), NOW).await.during("create_bound")?;
    }
    let binds = (1..=16).map(|number| store.bind(&wanted, None, user_id(number), LATER));
    let outcomes = join_all(binds).await;
    let owner = present(store.find_user(&wanted).await.during("find_user")?, "the winner")?.id;
    for (number, outcome) in (1..).zip(outcomes) {
        match outcome {
            Ok(()) => ensure!(owner == user_id(number), "{} was told it won, and {owner} has it", user_id(number)),
            Err(BindError::BoundToAnother(told)) => ensure!(told == owner, "told of {told}, and {owner} has it"),
            Err(BindError::Store(error)) => return Err(format!("bind: {error}")),
        }
    }
    Ok(())
}

async fn pages_of_any_size_hold_every_binding_once_in_one_order(store: Arc<dyn Store>) -> Verdict {
    let made = make_many(&store).await?;
    let whole = pages(&store, usize::MAX).await?;
    let listed: BTreeSet<_> = whole.iter().map(|binding| binding.identity.clone()).collect();
    ensure!(listed.len() == whole.len(), "a binding was listed twice");
    ensure!(listed == made, "{} bindings were made and {} listed", made.len(), listed.len());
    for size in [1, 7, 500, 512, 513, 1199, 1200] {
        let paged = pages(&store, size).await?;
        ensure!(paged == whole, "pages of {size} differ from the whole: {} and {}", paged.len(), whole.len());
    }
    Ok(())
}

async fn no_page_is_longer_than_asked_and_only_the_last_is_shorter(store: Arc<dyn Store>) -> Verdict {
    make_many(&store).await?;
    for (limit, length) in [(0, 0), (1, 1), (513, 513), (1199, 1199), (1200, 1200), (1201, 1200)] {
        let page = store.bindings(None, limit).await.during("bindings")?;
        ensure!(page.len() == length, "of 1200 bindings {} came where {limit} were asked", page.len());
    }
    Ok(())
}

async fn make_many(store: &Arc<dyn Store>) -> Result<BTreeSet<IdentityKey>, String> {
    let made: Vec<_> = (1..=MANY).map(|number| (number, identity(&format!("person-{number}")))).collect();
    let logins = made.iter().map(|(number, person)| store.create_bound(person, new_user(*number), NOW));
    join_all(logins).await.into_iter().collect::<Result<Vec<_>, _>>().during("create_bound")?;
    Ok(made.into_iter().map(|(_, person)| person).collect())
}

/// Every binding, fetched in pages of `size`.
async fn pages(store: &Arc<dyn Store>, size: usize) -> Result<Vec<Binding>, String> {
    let mut all: Vec<Binding> = Vec::new();
    // A store whose pages do not move on would never end.
    while all.len() <= 2 * 1200 {
        let page = store.bindings(all.last().map(|last| &last.identity), size).await.during("bindings")?;
        let last = page.len() < size;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
    Err(format!("pages of {size} never end"))
}
