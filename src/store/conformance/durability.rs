//! What was answered `Ok` is still there when the store is opened again.

use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{
    BY, During, END, LATER, MUCH_LATER, NOW, identity, key, logout, new_user, present, profile, row, user_id,
};
use super::{DurabilityCheck, Place, Verdict, ensure, promises};
use crate::clock::Timestamp;
use crate::store::{AuditPage, AuditPosition, Cursor, KeyPurpose, Store, UserState};

/// Every check of durability.
pub const CHECKS: &[DurabilityCheck] = promises![DurabilityCheck:
    users_and_bindings_last,
    a_changed_profile_lasts,
    revocations_last_and_a_cursor_stays_good,
    what_was_swept_stays_forgotten_and_no_number_is_given_twice,
    keys_last,
    what_is_sealed_lasts,
    what_operators_did_lasts,
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

async fn what_is_sealed_lasts(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    for sealed in ["first", "second"] {
        store.keep_sealed("name", sealed.to_owned()).await.during("keep_sealed")?;
    }
    let store = again(&place, store).await?;
    let found = store.sealed("name").await.during("sealed")?;
    ensure!(found.as_deref() == Some("second"), "\"second\" has become {found:?}");
    Ok(())
}

async fn what_operators_did_lasts(place: Arc<dyn Place>) -> Verdict {
    let store = place.open().await?;
    for (number, subject) in [(1, "a"), (2, "b"), (3, "c")] {
        store.create_bound(&identity(subject), new_user(number), NOW).await.during("create_bound")?;
    }
    let blocked = store.set_state(user_id(1), UserState::Blocked, BY, LATER, END).await.during("set_state")?;
    store.unbind(&identity("b"), BY, LATER, END).await.during("unbind")?;
    store.erase(user_id(3), BY, LATER, END).await.during("erase")?;
    store.import(row("d", 4, "42"), false, BY, LATER, END).await.during("import")?;
    store.rotate_key(key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW), false, BY).await.during("rotate_key")?;
    let start = AuditPage::After(AuditPosition::before(Timestamp::EPOCH));
    let trail = store.audit(start, 100).await.during("audit")?;
    let store = again(&place, store).await?;
    let user = present(store.user(user_id(1)).await.during("user")?, "the blocked user")?;
    ensure!(user == blocked, "{blocked:?} has become {user:?}");
    ensure!(store.find_user(&identity("b")).await.during("find_user")?.is_none(), "what was unbound is bound again");
    ensure!(store.user(user_id(3)).await.during("user")?.is_none(), "who was erased is back");
    let imported = store.bindings_of(user_id(4)).await.during("bindings_of")?;
    ensure!(imported.len() == 1, "of the imported user these bindings are left: {imported:?}");
    ensure!(store.keys().await.during("keys")?.len() == 1, "the new key is gone");
    let kept = store.audit(start, 100).await.during("audit")?;
    ensure!(kept == trail && trail.len() == 8, "the trail {trail:?} has become {kept:?}");
    Ok(())
}

async fn again(place: &Arc<dyn Place>, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, String> {
    store.close().await;
    drop(store);
    place.open().await
}
