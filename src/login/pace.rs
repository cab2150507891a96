//! How often logins may begin and fail: by one address, and by all together.
//!
//! Each callback that is worth a call costs one to the provider, which throttles our client id for whoever makes too
//! many. One address may be a whole city behind its carrier's NAT: of its callbacks those count alone that cost a call
//! and failed by the visitor's own code.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::http::subscriber::Subscriber;
use crate::rule::{self, Rule};

/// What every number here is counted in, and the longest that anybody has to wait.
const MINUTE: u64 = 60_000_000;

/// How many addresses are remembered; past this some are forgotten, and the numbers for all together have to do.
const MAX_ADDRESSES: usize = 65_536;

/// So often a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paces {
    /// Logins that begin, all addresses together.
    pub starts: usize,
    /// Logins that begin, from one address.
    pub starts_per_address: usize,
    /// Callbacks that are worth a call to the provider, all addresses together.
    pub callbacks: usize,
    /// Exchanges that fail, from one address.
    pub failures_per_address: usize,
}

/// Too many too fast: when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooFast {
    /// This address.
    Address(Duration),
    /// All together.
    All(Duration),
}

/// Counts.
pub(super) struct Pace {
    starts: Meters,
    all_starts: Meter,
    failures: Meters,
    exchanges: Meter,
}

impl Pace {
    /// Nobody has come yet.
    pub(super) fn new(paces: Paces) -> Self {
        Pace {
            starts: Meters::new(paces.starts_per_address),
            all_starts: Meter::new(interval(paces.starts)),
            failures: Meters::new(paces.failures_per_address),
            exchanges: Meter::new(interval(paces.callbacks)),
        }
    }

    /// A login begins.
    pub(super) fn start(&self, from: IpAddr, now: Timestamp) -> Result<(), TooFast> {
        // The address first: who is turned away for himself costs the others nothing.
        let own = self.starts.of(from);
        own.room(now).map_err(TooFast::Address)?;
        if rule::holds(Rule::AllLoginsTogetherAreLimited) {
            self.all_starts.charge(now).map_err(TooFast::All)?;
        }
        own.charge(now).map_err(TooFast::Address)
    }

    /// An exchange is about to be made. What it costs its address is to be handed back unless it fails by the visitor's
    /// own code.
    pub(super) fn exchange(&self, from: IpAddr, now: Timestamp) -> Result<Charge, TooFast> {
        let own = self.failures.of(from);
        own.charge(now).map_err(TooFast::Address)?;
        let charge = Charge(own);
        match self.exchanges.charge(now) {
            Ok(()) => Ok(charge),
            Err(_) if !rule::holds(Rule::AllExchangesTogetherAreLimited) => Ok(charge),
            Err(wait) => {
                charge.hand_back();
                Err(TooFast::All(wait))
            }
        }
    }
}

/// What an exchange has cost its address.
#[must_use = "an exchange that did not fail costs nothing"]
pub(super) struct Charge(Meter);

impl Charge {
    /// As if it had not been made.
    pub(super) fn hand_back(self) {
        let Meter { interval, due } = &self.0;
        let _ = due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(due.saturating_sub(*interval)));
    }
}

/// A meter for each address.
struct Meters {
    interval: u64,
    by_address: quick_cache::sync::Cache<Subscriber, Meter>,
}

impl Meters {
    fn new(per_minute: usize) -> Self {
        Meters { interval: interval(per_minute), by_address: quick_cache::sync::Cache::new(MAX_ADDRESSES) }
    }

    fn of(&self, from: IpAddr) -> Meter {
        if !rule::holds(Rule::EachAddressIsLimited) {
            return Meter::new(0);
        }
        let fresh = || Ok::<_, Infallible>(Meter::new(self.interval));
        let Ok(meter) = self.by_address.get_or_insert_with(&Subscriber::of(from), fresh);
        meter
    }
}

/// The generic cell rate algorithm: one event each interval, and a minute's worth at once. Clones are one and the same.
#[derive(Clone)]
struct Meter {
    /// Microseconds.
    interval: u64,
    /// By when all that has come would have been due, in microseconds since the epoch.
    due: Arc<AtomicU64>,
}

impl Meter {
    fn new(interval: u64) -> Self {
        Meter { interval, due: Arc::default() }
    }

    /// Whether there is room for one more, or how long until there is.
    fn room(&self, now: Timestamp) -> Result<(), Duration> {
        self.after(self.due.load(Ordering::Relaxed), micros(now)).map(drop)
    }

    /// One more, or how long until there is room for it.
    fn charge(&self, now: Timestamp) -> Result<(), Duration> {
        let now = micros(now);
        let charged = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| self.after(due, now).ok());
        charged.map(drop).or_else(|due| self.after(due, now).map(drop))
    }

    fn after(&self, due: u64, now: u64) -> Result<u64, Duration> {
        // Far further ahead than it can get: somebody has put the clock back. A little means only that another core has
        // read the clock later.
        let due = if due > now.saturating_add(2 * MINUTE) { now } else { due.max(now) };
        let next = due.saturating_add(self.interval);
        match next.saturating_sub(now.saturating_add(MINUTE)) {
            0 => Ok(next),
            wait => Err(Duration::from_micros(wait.min(MINUTE))),
        }
    }
}

fn micros(now: Timestamp) -> u64 {
    now.as_millis().saturating_mul(1000)
}

fn interval(per_minute: usize) -> u64 {
    MINUTE / (per_minute.max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);
    const PACES: Paces = Paces { starts: 10, starts_per_address: 3, callbacks: 10, failures_per_address: 3 };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_has_a_minutes_worth_at_once_and_then_one_each_interval() {
        let pace = Pace::new(PACES);
        let from = address("192.0.2.1");
        (0..3).for_each(|_| pace.start(from, NOW).unwrap());
        assert_eq!(pace.start(from, NOW), Err(TooFast::Address(seconds(20))));
        assert_eq!(pace.start(from, NOW.plus(seconds(19))), Err(TooFast::Address(seconds(1))));
        pace.start(from, NOW.plus(seconds(20))).unwrap();
        assert!(pace.start(from, NOW.plus(seconds(20))).is_err());
        pace.start(address("192.0.2.2"), NOW).unwrap();
    }

    #[test]
    fn a_subscribers_addresses_are_one() {
        for [one, other] in [["2001:db8::1", "2001:db8::ffff:2"], ["192.0.2.1", "::ffff:192.0.2.1"]] {
            let pace = Pace::new(PACES);
            (0..3).for_each(|_| pace.start(address(one), NOW).unwrap());
            assert!(pace.start(address(other), NOW).is_err(), "{one} {other}");
            pace.start(address("2001:db8:0:1::1"), NOW).unwrap();
        }
    }

    #[test]
    fn all_together_have_a_number_too_and_who_meets_it_is_not_charged() {
        let pace = Pace::new(PACES);
        for host in 0..10 {
            pace.start(IpAddr::from([192, 0, 2, host]), NOW).unwrap();
        }
        let late = address("198.51.100.1");
        (0..5).for_each(|_| assert_eq!(pace.start(late, NOW), Err(TooFast::All(seconds(6)))));
        let later = NOW.plus(seconds(60));
        (0..3).for_each(|_| pace.start(late, later).unwrap());
    }

    #[test]
    fn exchanges_cost_all_together_each_and_their_address_only_if_they_fail() {
        let pace = Pace::new(PACES);
        let from = address("192.0.2.1");
        let told = |from| pace.exchange(from, NOW).err();
        (0..6).for_each(|_| pace.exchange(from, NOW).unwrap().hand_back());
        // Under way, or failed.
        let charges = [(); 3].map(|()| pace.exchange(from, NOW).unwrap());
        assert_eq!(told(from), Some(TooFast::Address(seconds(20))));
        let [failed, well, ..] = charges;
        drop(failed);
        well.hand_back();
        assert!(pace.exchange(from, NOW).is_ok());
        assert_eq!(told(from), Some(TooFast::Address(seconds(20))));
        // All together have had their ten, and who is turned away for that is not charged.
        let other = address("192.0.2.2");
        (0..5).for_each(|_| assert_eq!(told(other), Some(TooFast::All(seconds(6)))));
        (0..3).for_each(|_| drop(pace.exchange(other, NOW.plus(seconds(60))).unwrap()));
    }

    /// Regression: a core whose clock had been read a moment earlier emptied what was full.
    #[test]
    fn who_has_read_the_clock_earlier_finds_it_as_full() {
        let pace = Pace::new(PACES);
        let from = address("192.0.2.1");
        (0..3).for_each(|_| pace.start(from, NOW.plus(Duration::from_millis(1))).unwrap());
        for earlier in [NOW, NOW.minus(seconds(30))] {
            assert!(pace.start(from, earlier).is_err());
        }
        assert!(pace.start(from, NOW.plus(seconds(1))).is_err());
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_nobody_out() {
        let pace = Pace::new(PACES);
        let from = address("192.0.2.1");
        (0..3).for_each(|_| pace.start(from, NOW.plus(seconds(3600))).unwrap());
        pace.start(from, NOW).unwrap();
    }
}
