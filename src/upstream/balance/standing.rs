//! How endpoints stand: what every core has seen of them, for the whole process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Ejection;

/// A whole share of requests.
pub(super) const WHOLE: u32 = 1000;

/// The share that an endpoint begins with when it comes back.
const FIRST_SHARE: u32 = 100;

/// How many times in a row an endpoint's time out grows.
const MOST_TIMES: u32 = 10;

/// How one endpoint of an upstream stands. Read by requests, written when something changes.
#[derive(Debug)]
pub(crate) struct Standing {
    /// As an operator knows it.
    pub(crate) endpoint: Arc<str>,
    /// What times are counted from.
    epoch: Instant,
    in_flight: AtomicUsize,
    /// Failures since it last answered.
    failures: AtomicU32,
    /// In milliseconds; 0: it has never been out.
    out_until: AtomicU64,
    /// How many times it was put out since it last answered.
    times: AtomicU32,
    ejected: AtomicU64,
    is_ill: AtomicBool,
    is_checked: AtomicBool,
    /// When it was last found well again, in milliseconds; 0: it never was ill.
    well_since: AtomicU64,
}

impl Standing {
    pub(super) fn new(endpoint: Arc<str>) -> Self {
        Standing {
            endpoint,
            epoch: Instant::now(),
            in_flight: AtomicUsize::default(),
            failures: AtomicU32::default(),
            out_until: AtomicU64::default(),
            times: AtomicU32::default(),
            ejected: AtomicU64::default(),
            is_ill: AtomicBool::default(),
            is_checked: AtomicBool::default(),
            well_since: AtomicU64::default(),
        }
    }

    /// Whether it gets requests at all.
    pub(crate) fn is_in(&self, now: Instant) -> bool {
        !self.is_ill.load(Ordering::Relaxed) && self.out_until.load(Ordering::Relaxed) <= self.millis(now)
    }

    /// What share of its requests it gets, in thousandths: nothing while it is out, and for a while after that less than
    /// all.
    pub(super) fn share(&self, now: Instant, slow_start: Duration) -> u32 {
        if !self.is_in(now) {
            return 0;
        }
        let back = self.out_until.load(Ordering::Relaxed).max(self.well_since.load(Ordering::Relaxed));
        if back == 0 {
            return WHOLE;
        }
        let since = Duration::from_millis(self.millis(now).saturating_sub(back));
        if since >= slow_start {
            return WHOLE;
        }
        let grown = since.as_millis().saturating_mul(WHOLE.into()) / slow_start.as_millis().max(1);
        u32::try_from(grown).unwrap_or(WHOLE).clamp(FIRST_SHARE, WHOLE)
    }

    /// A request goes to it, until what is returned is gone.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Requests that are under way at it.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How often it was put out.
    pub(crate) fn ejected(&self) -> u64 {
        self.ejected.load(Ordering::Relaxed)
    }

    /// It answered. Whether it had been put out before, and is back: what it was asked before that says nothing new.
    pub(super) fn succeeded(&self, now: impl FnOnce() -> Instant) -> bool {
        // Read first: as long as all is well, no core takes this from another's cache.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.times.load(Ordering::Relaxed) != 0
            && self.out_until.load(Ordering::Relaxed) <= self.millis(now())
            && self.times.swap(0, Ordering::Relaxed) != 0
    }

    /// It did not answer, or as a gateway that got no answer. Whether that is once too often.
    pub(super) fn failed(&self, ejection: &Ejection) -> bool {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        // Who was put out before has one try.
        before.saturating_add(1) >= ejection.failures || self.times.load(Ordering::Relaxed) != 0
    }

    /// It gets no requests for a time, the longer the more often in a row; for how long.
    pub(super) fn put_out(&self, ejection: &Ejection, now: Instant) -> Duration {
        let times = self.times.fetch_add(1, Ordering::Relaxed).saturating_add(1).min(MOST_TIMES);
        let long = ejection.time.saturating_mul(times);
        self.failures.store(0, Ordering::Relaxed);
        self.ejected.fetch_add(1, Ordering::Relaxed);
        self.out_until.store(self.millis(now + long), Ordering::Relaxed);
        long
    }

    /// Whether a health check has ever said how it is.
    pub(crate) fn is_checked(&self) -> bool {
        self.is_checked.load(Ordering::Relaxed)
    }

    /// Nobody is left out for failing any more.
    pub(super) fn let_back(&self) {
        self.out_until.store(0, Ordering::Relaxed);
        self.times.store(0, Ordering::Relaxed);
    }

    /// Nobody knows better than that it is well.
    pub(super) fn forget_checks(&self) {
        self.is_ill.store(false, Ordering::Relaxed);
        self.is_checked.store(false, Ordering::Relaxed);
    }

    /// A health check found it well or ill. Whether that is news.
    pub(crate) fn found(&self, is_well: bool, now: Instant) -> bool {
        self.is_checked.store(true, Ordering::Relaxed);
        let was_ill = self.is_ill.swap(!is_well, Ordering::Relaxed);
        if was_ill && is_well {
            self.well_since.store(self.millis(now), Ordering::Relaxed);
        }
        was_ill == is_well
    }

    /// Counted from one, as 0 is never.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// A request that is under way at an endpoint.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Standing>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);
    const EJECTION: Ejection = Ejection { failures: 3, time: TIME };

    #[test]
    fn who_fails_too_often_is_out_for_longer_each_time_and_has_one_try_after_that() {
        let (standing, now) = (Standing::new("a".into()), Instant::now());
        assert_eq!([(); 3].map(|()| standing.failed(&EJECTION)), [false, false, true]);
        assert_eq!(standing.put_out(&EJECTION, now), TIME);
        assert!(!standing.is_in(now + TIME / 2) && standing.is_in(now + TIME));
        assert!(!standing.succeeded(|| now), "an answer to what it was asked before");
        assert!(standing.failed(&EJECTION), "one try");
        assert_eq!(standing.put_out(&EJECTION, now), TIME * 2);
        let back = || now + TIME * 2;
        assert!(standing.succeeded(back) && !standing.succeeded(back), "it is told once");
        assert!(!standing.failed(&EJECTION), "it has all its tries again");
        assert_eq!(standing.ejected(), 2);
    }

    #[test]
    fn who_answers_in_between_does_not_fail_in_a_row() {
        let (standing, now) = (Standing::new("a".into()), Instant::now());
        for _ in 0..10 {
            assert!(!standing.failed(&EJECTION) && !standing.failed(&EJECTION));
            standing.succeeded(|| now);
        }
    }

    #[test]
    fn who_comes_back_begins_with_little_and_has_all_in_the_end() {
        let (standing, now) = (Standing::new("a".into()), Instant::now());
        assert_eq!(standing.share(now, TIME), WHOLE, "at the start all are alike");
        assert!(standing.found(false, now) && !standing.found(false, now), "news once");
        assert_eq!(standing.share(now, TIME), 0);
        assert!(standing.found(true, now) && !standing.found(true, now));
        assert_eq!(standing.share(now, TIME), FIRST_SHARE);
        let half = standing.share(now + TIME / 2, TIME);
        assert!((490..=510).contains(&half), "{half}");
        assert_eq!(standing.share(now + TIME, TIME), WHOLE);
        assert_eq!(standing.share(now, Duration::ZERO), WHOLE, "no slow start");
    }
}
