//! How long something that outlasts its request, such as a WebSocket, may go on in a session's name.

use super::proof::{Bearer, Proof};
use super::refresh::{LOOK_AGAIN, Present};
use super::sessions::Sessions;
use super::watch::Standing;
use crate::clock::Timestamp;

/// Why it may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Somebody ended the session, or its user is blocked or gone.
    Ended,
    /// Its time is up.
    Expired,
    /// Nobody has used it for too long.
    Unused,
}

impl Sessions {
    /// Ready once the session is over. `last_use` is when something was last done in its name: each use gives a session
    /// that rests on a cookie its idle time anew, as a request would. Costs a timer or two, and no polling.
    pub async fn over(&self, proof: &Proof, last_use: impl Fn() -> Timestamp) -> Over {
        let (ends, is_idle_limited) = match proof.bearer {
            Bearer::Cookie => (self.end_of(&proof.snapshot), true),
            Bearer::ApiToken => (proof.expires, false),
        };
        tokio::select! {
            biased;
            () = self.ended(proof) => Over::Ended,
            () = self.clock().sleep_until(ends) => Over::Expired,
            () = self.unused(last_use), if is_idle_limited => Over::Unused,
        }
    }

    async fn unused(&self, last_use: impl Fn() -> Timestamp) {
        loop {
            let until = last_use().plus(self.settings().idle());
            if until <= self.clock().now() {
                return;
            }
            self.clock().sleep_until(until).await;
        }
    }

    async fn ended(&self, proof: &Proof) {
        let mut snapshot = proof.snapshot.clone();
        loop {
            let watch = self.watch(&snapshot);
            watch.reached(Standing::Stale).await;
            if watch.standing() == Standing::Revoked {
                return;
            }
            match self.present(snapshot.user).await {
                Present::As(user) if user.generation > snapshot.generation => snapshot = snapshot.refreshed(&user),
                // Told of a change that the store does not show: as good as no answer.
                Present::As(_) | Present::Unknown => tokio::select! {
                    biased;
                    () = watch.reached(Standing::Revoked) => return,
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                },
                Present::Gone => return,
            }
        }
    }
}
