//! The audit trail of what visitors do, written beside the request and never in its way.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Timestamp;
use crate::store::{Act, Actor, AuditEntry, SessionId, Store, UserId};

/// Notes down logins and logouts. What operators do the store itself notes down, in the step that does it.
#[derive(Clone)]
pub struct Trail {
    store: Arc<dyn Store>,
    control: Handle,
}

impl Trail {
    /// `control`: where the store is waited for.
    pub fn new(store: Arc<dyn Store>, control: Handle) -> Self {
        Trail { store, control }
    }

    /// A user logged in.
    pub fn logged_in(&self, user: UserId, session: SessionId, request: String, now: Timestamp) {
        self.note(AuditEntry { session: Some(session), ..of(Act::LoggedIn, user, request, now) });
    }

    /// A blocked user tried to.
    pub fn login_refused(&self, user: UserId, request: String, now: Timestamp) {
        self.note(of(Act::LoginRefused, user, request, now));
    }

    /// A user ended a session.
    pub fn logged_out(&self, user: UserId, session: SessionId, request: String, now: Timestamp) {
        self.note(AuditEntry { session: Some(session), ..of(Act::LoggedOut, user, request, now) });
    }

    fn note(&self, entry: AuditEntry) {
        let store = Arc::clone(&self.store);
        self.control.spawn(async move {
            let (act, user) = (entry.act.name(), entry.user);
            if let Err(error) = store.record(entry).await {
                let user = user.map(tracing::field::display);
                tracing::warn!(%error, act, user, "the audit trail lacks an entry: it could not be stored");
            }
        });
    }
}

fn of(act: Act, user: UserId, request: String, now: Timestamp) -> AuditEntry {
    AuditEntry { request: Some(request), ..AuditEntry::new(now, act, Actor::Visitor).of(user) }
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trail")
    }
}
