//! A session whose user has changed, as the store knows them now.

use std::sync::Arc;
use std::time::Duration;

use super::proof::{Bearer, Proof};
use super::sessions::Sessions;
use super::watch::Standing;
use crate::clock::Timestamp;
use crate::rule::{self, Rule};
use crate::store::{self, User, UserId, UserState};

/// How long a request waits for the store to say what became of its user: a disk that is stuck holds nobody up.
pub(super) const LOOK_UP: Duration = Duration::from_secs(2);

/// When to look again for a changed user, while the store does not tell.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What became of a user.
pub(super) enum Present {
    /// Who they are now.
    As(User),
    /// Deleted, or blocked.
    Gone,
    /// The store does not say.
    Unknown,
}

impl Sessions {
    /// The session as its user is now; `None` if the user is gone or blocked. While the store is down the session goes
    /// on as it was.
    pub async fn refresh(&self, presented: &[u8], stale: &Arc<Proof>) -> Option<Arc<Proof>> {
        if stale.unknown_at.is_within(LOOK_AGAIN, self.clock().now()) {
            return Some(Arc::clone(stale));
        }
        // Another request, or another core, may have asked already: before this one, or while it waited.
        let refreshed = || {
            let known = self.remembered(presented, stale.bearer, &stale.site)?;
            let is_news = known.snapshot.generation > stale.snapshot.generation;
            (is_news && known.standing(self.clock().now()) == Standing::Good).then_some(known)
        };
        if let Some(refreshed) = refreshed() {
            return Some(refreshed);
        }
        let user = match self.present(stale.snapshot.user).await {
            Present::Gone => return None,
            Present::As(user) if user.generation > stale.snapshot.generation => user,
            // Told of a change that the store does not show: as good as no answer.
            Present::As(_) | Present::Unknown => {
                stale.unknown_at.note(self.clock().now());
                return Some(Arc::clone(stale));
            }
        };
        if let Some(refreshed) = refreshed() {
            return Some(refreshed);
        }
        let snapshot = stale.snapshot.refreshed(&user);
        // As if last renewed long ago: the next answer brings a cookie with the new snapshot.
        let renewed = if stale.bearer == Bearer::Cookie { Timestamp::EPOCH } else { stale.renewed };
        let fresh = self.proof(snapshot, stale.bearer, &stale.site, renewed, stale.expires);
        self.proofs.insert(presented.into(), Arc::clone(&fresh));
        Some(fresh)
    }

    /// A user as the store knows them now.
    pub(super) async fn present(&self, user: UserId) -> Present {
        let (store, limit) = (Arc::clone(&self.store), self.look_up);
        let asked = self.control.spawn(async move { tokio::time::timeout(limit, store.user(user)).await });
        let Ok(asked) = asked.await else { return Present::Unknown };
        let too_slow = |_| store::Error::Unavailable { reason: format!("no answer within {limit:?}") };
        match asked.map_err(too_slow).and_then(|found| found) {
            Ok(Some(user)) if user.state == UserState::Active || !rule::holds(Rule::BlockedUsersSessionsEnd) => {
                Present::As(user)
            }
            Ok(_) => Present::Gone,
            Err(error) => {
                tracing::warn!(%error, %user, "a changed user could not be looked up: the session goes on as it was");
                Present::Unknown
            }
        }
    }
}
