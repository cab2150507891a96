//! A session that has been proved, remembered so that it need not be proved again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::revocations::{Revocations, Standing};
use crate::clock::Timestamp;
use crate::identity::{Ready, Snapshot};
use crate::telemetry::access_log::LoggedUser;

/// How a session was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// By the session cookie, which browsers send on their own.
    Cookie,
    /// By an API token, which somebody put into the request on purpose.
    ApiToken,
}

/// A proved session, with what upstreams are told of it. Shared by all cores.
#[derive(Debug)]
pub struct Proof {
    /// What the session says of its user.
    pub snapshot: Snapshot,
    /// How it was proved.
    pub bearer: Bearer,
    /// What a log line says of its user.
    pub logged: Arc<LoggedUser>,
    /// Which site it is for, by its origin.
    pub site: Arc<str>,
    /// When the cookie was last renewed.
    pub renewed: Timestamp,
    /// From when on it proves nothing.
    pub expires: Timestamp,
    /// The revocations' epoch at which it was last found good.
    good_at: AtomicU64,
    /// What upstreams are told, by identity.
    slots: Box<[Slot]>,
}

/// What one kind of upstream is told.
#[derive(Debug, Default)]
pub struct Slot {
    /// The header fields, once they are made.
    pub ready: ArcSwapOption<Ready>,
    /// A renewal is under way.
    pub renewing: AtomicBool,
    /// Held by whoever makes them, so that others wait for the same ones.
    pub making: tokio::sync::Mutex<()>,
}

impl Proof {
    /// `identities`: how many kinds of upstream there are.
    pub fn new(
        snapshot: Snapshot,
        bearer: Bearer,
        logged: Arc<LoggedUser>,
        site: Arc<str>,
        renewed: Timestamp,
        expires: Timestamp,
        identities: usize,
    ) -> Self {
        let slots = (0..identities).map(|_| Slot::default()).collect();
        Proof { snapshot, bearer, logged, site, renewed, expires, good_at: AtomicU64::new(u64::MAX), slots }
    }

    /// Whether it still stands. Costs one comparison as long as nothing has been revoked since the last time.
    pub fn standing(&self, revocations: &Revocations, now: Timestamp) -> Standing {
        if self.expires <= now {
            return Standing::Revoked;
        }
        let epoch = revocations.epoch();
        if self.good_at.load(Ordering::Relaxed) == epoch {
            return Standing::Good;
        }
        let standing = revocations.standing(&self.snapshot);
        if standing == Standing::Good {
            self.good_at.store(epoch, Ordering::Relaxed);
        }
        standing
    }

    /// What the upstreams of one identity are told.
    pub fn slot(&self, identity: usize) -> Option<&Slot> {
        self.slots.get(identity)
    }
}
