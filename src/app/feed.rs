//! What is revoked, from the store to whoever relies on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::session::Revocations;
use crate::store::{self, Cursor, Store};

/// How often other nodes' revocations are asked for: "within a second" of design, with room.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// The store's revocation feed, as far as it has been read.
pub(super) struct Feed {
    store: Arc<dyn Store>,
    revocations: Revocations,
    clock: Clock,
    cursor: Mutex<Cursor>,
}

impl Feed {
    /// Reads all there is: whoever was logged out before a restart stays logged out.
    pub(super) async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Self, store::Error> {
        let feed = Feed { store, revocations: Revocations::default(), clock, cursor: Mutex::new(Cursor::default()) };
        feed.catch_up().await?;
        Ok(feed)
    }

    /// What has been revoked.
    pub(super) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Reads on to the feed's end.
    pub(super) async fn catch_up(&self) -> Result<(), store::Error> {
        let mut cursor = self.cursor.lock().await;
        let now = self.clock.now();
        let (news, next) = self.store.revocations(*cursor, Revocations::past(now)).await?;
        self.revocations.apply(&news, now);
        *cursor = next;
        Ok(())
    }

    /// Takes in what other nodes revoke. While the store is down the last known state stands.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FOLLOW_EVERY).await;
            match self.catch_up().await {
                Ok(()) => {}
                // The store has said so itself, and comes back by itself.
                Err(store::Error::Unavailable { .. }) => {}
                Err(error) => tracing::error!(%error, "what was revoked elsewhere cannot be read"),
            }
        }
    }
}
