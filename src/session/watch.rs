//! What has come up against one session, where whoever relies on the session can see it without asking around.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use super::revocations::Revocations;
use crate::clock::Timestamp;
use crate::identity::Snapshot;
use crate::rule::{self, Rule};
use crate::store::{SessionId, UserId};

/// What the revocations say of one session. It never gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing against it.
    Good,
    /// Its user has changed since: ask the store.
    Stale,
    /// It is over.
    Revoked,
}

/// A session under watch, for as long as this lives: made by [`Revocations::watch`].
#[derive(Debug)]
pub struct Watch {
    mark: Arc<Mark>,
    revocations: Revocations,
}

impl Watch {
    pub(super) fn new(mark: Arc<Mark>, revocations: Revocations) -> Self {
        Watch { mark, revocations }
    }

    /// How the session stands now. Costs one load.
    pub fn standing(&self) -> Standing {
        if rule::holds(Rule::RevokedSessionsAreOver) { self.mark.standing() } else { Standing::Good }
    }

    /// Ready once it stands as badly as this.
    pub async fn reached(&self, standing: Standing) {
        loop {
            let mut worsened = pin!(self.mark.worsened.notified());
            // Before the look, so that what comes between the look and the wait is heard.
            worsened.as_mut().enable();
            if self.standing() >= standing {
                return;
            }
            worsened.await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.revocations.unwatch(&self.mark);
    }
}

/// Where a revocation leaves its mark on one who relies on the session.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) began: Timestamp,
    pub(super) generation: u32,
    standing: AtomicU8,
    worsened: Notify,
}

impl Mark {
    pub(super) fn new(snapshot: &Snapshot, standing: Standing) -> Self {
        Mark {
            session: snapshot.session,
            user: snapshot.user,
            began: snapshot.began,
            generation: snapshot.generation,
            standing: AtomicU8::new(standing as u8),
            worsened: Notify::new(),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Good,
            1 => Standing::Stale,
            _ => Standing::Revoked,
        }
    }

    /// Nothing happens if it stands as badly already.
    pub(super) fn worsen(&self, standing: Standing) {
        if self.standing.fetch_max(standing as u8, Ordering::AcqRel) < standing as u8 {
            self.worsened.notify_waiters();
        }
    }
}
