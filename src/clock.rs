//! The time, as a value that is passed in.
//!
//! Nothing but this file asks the system for the date, so that a test can hand out any hour it likes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// How far the clocks of one deployment may differ.
const SKEW: Duration = Duration::from_secs(5 * 60);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Timestamp(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Timestamp(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, as RFC 7519's NumericDate wants them.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whether it lies further ahead of `now` than clocks of one deployment differ: it was written under a clock that was
    /// wrong, and nothing that counts from it can be believed.
    pub fn is_ahead_of(self, now: Timestamp) -> bool {
        self > now.plus(SKEW)
    }

    /// This time plus a duration, capped at the end of time.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }

    /// This time less a duration, not before the epoch.
    pub fn minus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    /// RFC 3339; what lies before the epoch is the epoch.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse()?;
        Ok(Timestamp(u64::try_from(time.as_millisecond()).unwrap_or_default()))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the time comes from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's own clock.
    #[default]
    System,
    /// A clock that stands until it is moved: for tests and the demo's simulator.
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Clock::Manual(Arc::new(watch::Sender::new(start)))
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => system_now(),
            Clock::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock forward; the system's clock is not ours to move.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(now) = self {
            now.send_modify(|now| *now = now.plus(by));
        }
    }

    /// Moves a manual clock back, as a time service may move the system's.
    pub fn set_back(&self, by: Duration) {
        if let Clock::Manual(now) = self {
            now.send_modify(|now| *now = now.minus(by));
        }
    }

    /// Ready once it is `at`, or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        match self {
            // Asked again after each sleep: the date may have been set back meanwhile.
            Clock::System => {
                while self.now() < at {
                    tokio::time::sleep(at.since(self.now())).await;
                }
            }
            Clock::Manual(now) => {
                // An error would mean that the clock is gone, and it is here.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the date")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::from_secs(1_700_000_000).to_string(), "2023-11-14T22:13:20.000Z");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::from_secs(100));
        assert_eq!(clock.now(), clock.now());
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_secs(105));
    }

    #[tokio::test]
    async fn whoever_sleeps_is_woken_when_it_is_time() {
        Clock::System.sleep_until(Clock::System.now().plus(Duration::from_millis(2))).await;
        let clock = Clock::manual(Timestamp::from_secs(100));
        clock.sleep_until(Timestamp::from_secs(100)).await;
        let slept = clock.sleep_until(Timestamp::from_secs(105));
        let moved = async {
            clock.advance(Duration::from_secs(4));
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
        };
        futures_util::future::join(slept, moved).await;
        assert_eq!(clock.now(), Timestamp::from_secs(105));
    }

    #[test]
    fn time_neither_wraps_nor_goes_below_zero() {
        assert_eq!(Timestamp::from_secs(1).minus(Duration::from_secs(9)), Timestamp::EPOCH);
        assert_eq!(Timestamp::from_millis(u64::MAX).plus(Duration::MAX), Timestamp::from_millis(u64::MAX));
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(9)), Duration::ZERO);
    }
}
