//! What a client's connection is doing: known to its socket, its service and its answers alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::time::{Duration, Instant};

/// What happens on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// Between requests: waiting for a first byte.
    Idle,
    /// A head has begun to arrive.
    Head,
    /// A request is being answered.
    Busy,
    /// It speaks another protocol, which sets its own pace. It never goes back.
    Upgraded,
}

/// Shared between the socket, which sees bytes, and the service, which sees requests. An atomic only because hyper asks
/// for `Send` where it supports upgrades: all of it lives on one core.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Milliseconds since `began`, times eight, plus the phase.
    packed: AtomicU64,
    is_cut_off: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Activity(Arc::new(Shared {
            began: Instant::now(),
            packed: AtomicU64::new(0),
            is_cut_off: AtomicBool::new(false),
        }))
    }

    /// The phase, and when it began.
    pub(super) fn phase(&self) -> (Phase, Instant) {
        let packed = self.0.packed.load(Ordering::Relaxed);
        let phase = match packed & 7 {
            0 => Phase::Fresh,
            1 => Phase::Idle,
            2 => Phase::Head,
            3 => Phase::Busy,
            _ => Phase::Upgraded,
        };
        (phase, self.0.began + Duration::from_millis(packed >> 3))
    }

    pub(super) fn enter(&self, phase: Phase) {
        let bits = match phase {
            Phase::Fresh => 0,
            Phase::Idle => 1,
            Phase::Head => 2,
            Phase::Busy => 3,
            Phase::Upgraded => 4,
        };
        let since = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or_default();
        self.0.packed.store((since << 3) | bits, Ordering::Relaxed);
    }

    /// The answer ends before its end, and only the way in which the connection ends can tell.
    pub(super) fn cut_off(&self) {
        self.0.is_cut_off.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.0.is_cut_off.load(Ordering::Relaxed)
    }
}

/// Lives as long as an answer does: dropped, the connection is idle again, unless it speaks another protocol now.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Answering {
    pub(super) fn new(activity: &Activity) -> Self {
        activity.enter(Phase::Busy);
        Answering(activity.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.phase().0 != Phase::Upgraded {
            self.0.enter(Phase::Idle);
        }
    }
}
