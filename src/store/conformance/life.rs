//! Serving, and closing.

use std::sync::Arc;

use futures_util::FutureExt;

use super::scene::{BY, During, END, LATER, MUCH_LATER, NOW, identity, key, logout, new_user, profile, row, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::store::{Act, AuditEntry, AuditPage, AuditPosition, BindError, Cursor, Error, KeyPurpose, Store, UserState};

pub(super) const CHECKS: &[Check] = promises![Check:
    an_open_store_can_serve,
    a_caller_who_goes_away_harms_nobody,
    a_closed_store_answers_unavailable,
    closing_twice_is_fine,
];

async fn an_open_store_can_serve(store: Arc<dyn Store>) -> Verdict {
    store.ping().await.during("ping")
}

async fn a_caller_who_goes_away_harms_nobody(store: Arc<dyn Store>) -> Verdict {
    for number in 1..=32 {
        // Polled once, so that the call is under way, and dropped.
        let person = identity(&format!("person-{number}"));
        let _ = store.create_bound(&person, new_user(number), NOW).now_or_never();
    }
    for number in 1..=32 {
        let person = identity(&format!("person-{number}"));
        let login = store.create_bound(&person, new_user(100 + number), NOW).await.during("create_bound")?;
        let expected = if login.created { 100 + number } else { number };
        ensure!(login.user.id == user_id(expected), "person {number} became {}", login.user.id);
    }
    Ok(())
}

async fn a_closed_store_answers_unavailable(store: Arc<dyn Store>) -> Verdict {
    store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    store.close().await;
    let user = user_id(1);
    let seal = key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW);
    let bind = match store.bind(&identity("b"), None, user, NOW).await {
        Ok(()) => None,
        Err(BindError::Store(error)) => Some(error),
        Err(BindError::BoundToAnother(_)) => None,
    };
    let outcomes = [
        ("ping", store.ping().await.err()),
        ("find_user", store.find_user(&identity("a")).await.err()),
        ("user", store.user(user).await.err()),
        ("create_bound", store.create_bound(&identity("c"), new_user(3), NOW).await.err()),
        ("bind", bind),
        ("update_profile", store.update_profile(user, profile("new"), LATER, MUCH_LATER).await.err()),
        ("bindings", store.bindings(None, 10).await.err()),
        ("revoke", store.revoke(logout(1, LATER)).await.err()),
        ("revocations", store.revocations(Cursor::default(), NOW).await.err()),
        ("sweep", store.sweep(NOW).await.err()),
        ("users", store.users(None, 10).await.err()),
        ("bindings_of", store.bindings_of(user).await.err()),
        ("set_state", store.set_state(user, UserState::Blocked, BY, NOW, END).await.err()),
        ("unbind", store.unbind(&identity("a"), BY, NOW, END).await.err()),
        ("import", store.import(row("d", 4, "42"), false, BY, NOW, END).await.err()),
        ("erase", store.erase(user, BY, NOW, END).await.err()),
        ("record", store.record(AuditEntry::new(NOW, Act::LoggedIn, BY)).await.err()),
        ("audit", store.audit(AuditPage::Before(AuditPosition::END), 10).await.err()),
        ("forget_audit", store.forget_audit(NOW).await.err()),
        ("keys_or_first", store.keys_or_first(seal.clone()).await.err()),
        ("keys", store.keys().await.err()),
        ("rotate_key", store.rotate_key(seal, false, BY).await.err()),
        ("forget_key", store.forget_key("00000001", KeyPurpose::Seal).await.err()),
    ];
    for (call, error) in outcomes {
        ensure!(matches!(error, Some(Error::Unavailable { .. })), "after close, {call} ended with {error:?}");
    }
    Ok(())
}

async fn closing_twice_is_fine(store: Arc<dyn Store>) -> Verdict {
    futures_util::future::join(store.close(), store.close()).await;
    store.close().await;
    ensure!(store.ping().await.is_err(), "a closed store says that it can serve");
    Ok(())
}
