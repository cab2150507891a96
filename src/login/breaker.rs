//! Whether the provider answers. After several exchanges in a row without an answer that can be read, none is made for a
//! while; then one goes ahead, and what becomes of it decides for all.
//!
//! ```text
//!             FAILURES in a row                COOL_DOWN is over
//!   Closed ─────────────────────► Open ───────────────────────────► Probing
//!     ▲                            ▲    the next exchange is the probe  │ │
//!     │                            └─────────── no answer ──────────────┘ │
//!     └───────────────────────────── an answer ───────────────────────────┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::rule::{self, Rule};

/// Exchanges in a row without an answer until no more are made: one or two may be accidents.
const FAILURES: u32 = 3;

/// How long none is made then: long enough to spare the provider and visitors' patience, short enough to notice soon that
/// it is back.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// The least that those wait who meet a probe under way: one that takes longer than it may is about to end.
const SOON: Duration = Duration::from_secs(1);

/// What an exchange has told of the provider, whatever it told of the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answers.
    Answers,
    /// It does not, or asks to be left alone.
    Fails,
}

/// The breaker. Clones are one and the same.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    state: Arc<Mutex<State>>,
    /// The longest that the provider is waited for.
    patience: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Timestamp },
    Probing { until: Timestamp },
}

/// Leave to make one exchange.
#[derive(Debug)]
#[must_use = "what becomes of the exchange has to be told"]
pub(super) struct Pass {
    breaker: Breaker,
    is_probe: bool,
}

impl Breaker {
    /// The provider answers until it turns out not to. `patience`: the longest that an exchange waits for it.
    pub(super) fn new(patience: Duration) -> Self {
        Breaker { state: Arc::new(Mutex::new(State::Closed { failures: 0 })), patience }
    }

    /// The same for a provider that may be waited for so long.
    pub(super) fn with(&self, patience: Duration) -> Self {
        Breaker { state: Arc::clone(&self.state), patience }
    }

    /// Whether the provider has answered since it last turned out not to.
    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed()
    }

    /// How long until an exchange is worth trying again, while none would be made.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.state().wait(now, self.patience)
    }

    /// Leave to make an exchange, or how long to wait.
    pub(super) fn enter(&self, now: Timestamp) -> Result<Pass, Duration> {
        let mut state = self.state();
        if let Some(wait) = state.wait(now, self.patience) {
            return Err(wait);
        }
        let is_probe = matches!(*state, State::Open { .. });
        if is_probe {
            *state = State::Probing { until: now.plus(self.patience) };
        }
        Ok(Pass { breaker: self.clone(), is_probe })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(self, now: Timestamp, patience: Duration) -> Option<Duration> {
        match self {
            _ if !rule::holds(Rule::ASilentQqIsLeftAlone) => None,
            State::Closed { .. } => None,
            // A longer wait than was ever set means that somebody has put the clock back.
            State::Open { until } => Some(until.since(now)).filter(|wait| !wait.is_zero() && *wait <= COOL_DOWN),
            // By then it is answered, one way or the other.
            State::Probing { until } => Some(until.since(now).clamp(SOON, patience.max(SOON))),
        }
    }

    fn is_closed(self) -> bool {
        matches!(self, State::Closed { .. })
    }
}

impl Pass {
    /// Tells what the exchange has shown.
    pub(super) fn tell(mut self, sign: Sign, now: Timestamp) {
        let mut state = self.breaker.state();
        let before = *state;
        *state = match (sign, before) {
            (Sign::Answers, _) => State::Closed { failures: 0 },
            (Sign::Fails, State::Closed { failures }) if failures + 1 < FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            (Sign::Fails, State::Probing { .. }) if !self.is_probe => before,
            (Sign::Fails, State::Closed { .. } | State::Probing { .. }) => State::Open { until: now.plus(COOL_DOWN) },
            // It began before all this, and tells nothing new.
            (Sign::Fails, State::Open { .. }) => before,
        };
        match (before.is_closed(), state.is_closed()) {
            (true, false) => tracing::warn!(
                exchanges = FAILURES,
                seconds = COOL_DOWN.as_secs(),
                "the provider does not answer as it should: nobody can log in for a while"
            ),
            (false, true) => tracing::info!("the provider answers as it should again"),
            (true, true) | (false, false) => {}
        }
        drop(state);
        self.is_probe = false;
    }
}

impl Drop for Pass {
    /// A probe that was cut off has shown nothing: the next exchange takes its place.
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        if self.is_probe && matches!(*state, State::Probing { .. }) {
            *state = State::Open { until: Timestamp::EPOCH };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn after(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    fn tell(breaker: &Breaker, signs: &[Sign], now: Timestamp) {
        for sign in signs {
            breaker.enter(now).unwrap().tell(*sign, now);
        }
    }

    fn open() -> Breaker {
        let breaker = Breaker::new(PATIENCE);
        tell(&breaker, &[Sign::Fails; FAILURES as usize], NOW);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_for_the_cool_down() {
        let breaker = Breaker::new(PATIENCE);
        tell(&breaker, &[Sign::Fails, Sign::Fails, Sign::Answers, Sign::Fails, Sign::Fails], NOW);
        assert_eq!(breaker.wait(NOW), None);
        tell(&breaker, &[Sign::Fails], NOW);
        assert_eq!(breaker.enter(NOW).unwrap_err(), COOL_DOWN);
        assert_eq!(breaker.enter(after(29_999)).unwrap_err(), Duration::from_millis(1));
        assert_eq!(breaker.wait(after(30_000)), None);
    }

    #[test]
    fn one_probe_goes_ahead_and_closes_it_with_any_answer() {
        let breaker = open();
        let probe = breaker.enter(after(30_000)).unwrap();
        assert_eq!(breaker.enter(after(30_000)).unwrap_err(), PATIENCE);
        assert_eq!(breaker.enter(after(36_500)).unwrap_err(), Duration::from_millis(3500), "what is left of it");
        assert_eq!(breaker.enter(after(90_000)).unwrap_err(), SOON);
        assert_eq!(breaker.wait(Timestamp::from_secs(1)), Some(PATIENCE), "a clock that is put back adds nothing");
        probe.tell(Sign::Answers, after(90_001));
        assert_eq!(breaker.wait(after(90_001)), None);
        tell(&breaker, &[Sign::Fails, Sign::Fails], after(90_001));
        assert_eq!(breaker.wait(after(90_001)), None, "it counts from the start again");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_another_cool_down() {
        let breaker = open();
        breaker.enter(after(40_000)).unwrap().tell(Sign::Fails, after(45_000));
        assert_eq!(breaker.enter(after(74_999)).unwrap_err(), Duration::from_millis(1));
        assert!(breaker.enter(after(75_000)).is_ok());
    }

    #[test]
    fn a_probe_that_is_cut_off_gives_its_place_to_the_next() {
        let breaker = open();
        drop(breaker.enter(after(30_000)).unwrap());
        assert_eq!(breaker.wait(after(30_000)), None);
        let probe = breaker.enter(after(30_000)).unwrap();
        assert!(breaker.enter(after(30_000)).is_err());
        drop(probe);
    }

    #[test]
    fn exchanges_that_began_before_it_opened_neither_prolong_it_nor_spoil_the_probe() {
        let breaker = Breaker::new(PATIENCE);
        let [early, late, latest] = [(); 3].map(|()| breaker.enter(NOW).unwrap());
        tell(&breaker, &[Sign::Fails; FAILURES as usize], NOW);
        early.tell(Sign::Fails, after(20_000));
        assert_eq!(breaker.wait(after(20_000)), Some(Duration::from_secs(10)));
        let probe = breaker.enter(after(30_000)).unwrap();
        late.tell(Sign::Fails, after(30_001));
        assert_eq!(breaker.wait(after(30_001)), Some(PATIENCE - Duration::from_millis(1)));
        latest.tell(Sign::Answers, after(30_002));
        assert_eq!(breaker.wait(after(30_002)), None, "an answer is an answer");
        drop(probe);
        assert_eq!(breaker.wait(after(30_002)), None);
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_nobody_out() {
        let breaker = open();
        assert_eq!(breaker.wait(Timestamp::from_secs(1)), None);
        assert!(breaker.enter(Timestamp::from_secs(1)).is_ok());
    }
}
