//! What was answered `Ok` is still there when the store is opened again.

use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{During, LATER, MUCH_LATER, NOW, identity, key, logout, new_user, present, profile, user_id};
use super::{DurabilityCheck, Place, Verdict, ensure, promises};
use crate::store::{Cursor, KeyPurpose, Store};

/// Every check of durability.
pub const CHECKS: &[DurabilityCheck] = promises![DurabilityCheck:
    users_and_bindings_last,
    a_changed_profile_lasts,
    revocations_last_and_a_cursor_stays_good,
    what_was_swept_stays_forgotten_and_no_number_is_given_twice,
    keys_last,
];

async fn users_and_bindings_last(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    let people: Vec<_> = (1..=600).map(|number| (number, identity(&format!("person-{number}")))).collect();
    let logins = people.iter().map(|(number, person)| store.create_bound(person, new_user(*number), NOW));
    let made = join_all(logins).await.into_iter().collect::<Result<Vec<_>, _>>().during("create_bound")?;
    store.bind(&identity("more"), None, user_id(1), LATER).await.during("bind")?;
    let bindings = store.bindings(None, usize::MAX).await.during("bindings")?;
    let store = again(&place, store).await?;
    for ((_, person), login) in people.iter().zip(made) {
        let found = present(store.find_user(person).await.during("find_user")?, "a user from before")?;
        ensure!(found == login.user, "{:?} has become {found:?}", login.user);
    }
    let found = present(store.find_user(&identity("more")).await.during("find_user")?, "the second identity")?;
    ensure!(found.id == user_id(1), "the second identity now stands for {}", found.id);
    let kept = store.bindings(None, usize::MAX).await.during("bindings")?;
    ensure!(kept == bindings, "{} bindings were there, and {} are", bindings.len(), kept.len());
    Ok(())
}

async fn a_changed_profile_lasts(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let changed = store.update_profile(user.id, profile("新"), LATER, MUCH_LATER).await.during("update_profile")?;
    let store = again(&place, store).await?;
    let found = present(store.user(user.id).await.during("user")?, "the user")?;
    ensure!(found == changed, "{changed:?} has become {found:?}");
    Ok(())
}

async fn revocations_last_and_a_cursor_stays_good(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    for number in 1..=3 {
        store.revoke(logout(number, LATER)).await.during("revoke")?;
    }
    let (before, cursor) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    let store = again(&place, store).await?;
    let (after, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(after == before && after.len() == 3, "{before:?} has become {after:?}");
    store.revoke(logout(4, LATER)).await.during("revoke")?;
    let (new, _) = store.revocations(cursor, NOW).await.during("revocations")?;
    ensure!(new == [logout(4, LATER)], "an old cursor got {new:?}");
    Ok(())
}

async fn what_was_swept_stays_forgotten_and_no_number_is_given_twice(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    store.revoke(logout(1, LATER)).await.during("revoke")?;
    let (_, cursor) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    store.sweep(LATER).await.during("sweep")?;
    let store = again(&place, store).await?;
    let (feed, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(feed.is_empty(), "what was swept is back: {feed:?}");
    store.revoke(logout(2, MUCH_LATER)).await.during("revoke")?;
    let (feed, _) = store.revocations(cursor, LATER).await.during("revocations")?;
    ensure!(feed == [logout(2, MUCH_LATER)], "an old cursor got {feed:?}");
    Ok(())
}

async fn keys_last(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    let first = key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW);
    let kept = store.keys_or_first(first.clone()).await.during("keys_or_first")?;
    let store = again(&place, store).await?;
    let second = key("00000002", KeyPurpose::Seal, "A256GCM-SIV", LATER);
    let keys = store.keys_or_first(second).await.during("keys_or_first")?;
    ensure!(keys == kept && keys == [first], "{kept:?} has become {keys:?}");
    Ok(())
}

async fn again(place: &Arc<dyn Place>, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, String> {
    store.close().await;
    drop(store);
    place.open().await
}
