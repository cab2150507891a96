//! What a client's connection is doing: known to its socket, its service and its answers alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

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
    /// Whether what comes belongs to several requests at once, so that a first byte begins none.
    is_multiplexed: bool,
    /// Requests that are being answered.
    answering: AtomicUsize,
    /// Milliseconds since `began`, times eight, plus the phase.
    packed: AtomicU64,
    is_cut_off: AtomicBool,
    is_at_rest: AtomicBool,
    is_over: AtomicBool,
}

impl Activity {
    /// Of a connection that serves one request after another.
    pub(super) fn sequential() -> Self {
        Activity::new(false)
    }

    /// Of a connection that serves many at once.
    pub(super) fn multiplexed() -> Self {
        Activity::new(true)
    }

    fn new(is_multiplexed: bool) -> Self {
        Activity(Arc::new(Shared {
            began: Instant::now(),
            is_multiplexed,
            answering: AtomicUsize::new(0),
            packed: AtomicU64::new(0),
            is_cut_off: AtomicBool::new(false),
            is_at_rest: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }))
    }

    /// Whether it serves many requests at once.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.0.is_multiplexed
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

    /// Bytes have come where nothing was being answered.
    pub(super) fn heard(&self) {
        match (self.phase().0, self.0.is_multiplexed) {
            (Phase::Fresh | Phase::Idle, false) => self.enter(Phase::Head),
            // A ping does not keep it.
            (Phase::Fresh, true) => self.enter(Phase::Idle),
            (Phase::Idle, true) | (Phase::Head | Phase::Busy | Phase::Upgraded, _) => {}
        }
    }

    /// Whether nothing but the socket has to be kept until the next request.
    pub(super) fn rest(&self, is_at_rest: bool) {
        self.0.is_at_rest.store(is_at_rest, Ordering::Relaxed);
    }

    /// What was said by [`Activity::rest`] last.
    pub(super) fn is_at_rest(&self) -> bool {
        self.0.is_at_rest.load(Ordering::Relaxed)
    }

    /// The answer ends before its end, and only the way in which the connection ends can tell.
    pub(super) fn cut_off(&self) {
        self.0.is_cut_off.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.0.is_cut_off.load(Ordering::Relaxed)
    }

    /// We end the connection, or nothing can be read of it any more.
    pub(super) fn over(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }
}

/// Lives as long as an answer does: with the last one dropped the connection is idle again, unless it speaks another
/// protocol now.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Answering {
    pub(super) fn new(activity: &Activity) -> Self {
        activity.0.answering.fetch_add(1, Ordering::Relaxed);
        activity.enter(Phase::Busy);
        Answering(activity.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let is_last = self.0.0.answering.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && self.0.phase().0 != Phase::Upgraded {
            self.0.enter(Phase::Idle);
        }
    }
}
