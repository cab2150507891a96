//! A session that has been proved, remembered so that it need not be proved again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::watch::{Standing, Watch};
use crate::clock::Timestamp;
use crate::identity::{Ready, Snapshot};
use crate::rule::{self, Rule};
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
    /// What has come up against the session since.
    pub watch: Watch,
    /// When the store was last asked for its changed user in vain.
    pub unknown_at: Moment,
    /// What upstreams are told, by identity.
    pub slots: Box<[Slot]>,
}

/// When something last happened, if it has.
#[derive(Debug, Default)]
pub struct Moment(AtomicU64);

impl Moment {
    /// It happens now.
    pub fn note(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Whether it has happened so recently.
    pub fn is_within(&self, time: Duration, now: Timestamp) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != 0 && at <= now.as_millis() && now.since(Timestamp::from_millis(at)) < time
    }
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
    /// Whether it still stands. Costs a few comparisons.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.expires <= now { Standing::Revoked } else { self.watch.standing() }
    }

    /// Whether it was proved so, for this site: what was presented as a token proves nothing as a cookie, nor at another
    /// site.
    pub fn is_for(&self, bearer: Bearer, site: &Arc<str>) -> bool {
        (self.bearer == bearer && self.site == *site) || !rule::holds(Rule::ProofsAreForOneBearerAndSite)
    }

    /// Whether it is dated ahead of the clock: until the clock has been put right nobody knows when it ends, and it
    /// proves nothing.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        // A token is not renewed: the time at which it was proved first is no date of its own.
        let is_renewed_ahead = self.bearer == Bearer::Cookie && self.renewed.is_ahead_of(now);
        rule::holds(Rule::SessionsDatedAheadProveNothing) && (self.snapshot.began.is_ahead_of(now) || is_renewed_ahead)
    }

    /// What the upstreams of one identity are told.
    pub fn slot(&self, identity: usize) -> Option<&Slot> {
        self.slots.get(identity)
    }
}
