//! States that have come back, so that each is used once: by this process for as long as its attempt could live.
//!
//! A doubled callback, as impatient browsers and phones send, waits for the first one's result: one exchange. Once that
//! has been told nothing is kept of it but that there was one.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::rule::{self, Rule};

/// How many states are remembered. Each took an attempt that was begun here; past this the oldest are
/// forgotten, and QQ itself refuses a code that is used again.
const MAX_REMEMBERED: usize = 100_000;

/// The states that have come back. Clones are one and the same.
#[derive(Debug)]
pub(super) struct SpentStates<T>(Arc<Mutex<States<T>>>);

#[derive(Debug)]
struct States<T> {
    by_state: HashMap<Arc<str>, Exchange<T>>,
    /// In the order they came back, each with the last moment of its attempt. No state is kept for longer than an attempt
    /// lives that begins when it came back.
    by_age: VecDeque<(Timestamp, Arc<str>)>,
}

#[derive(Debug)]
enum Exchange<T> {
    UnderWay(watch::Receiver<Option<Arc<T>>>),
    Done,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn<T, P> {
    /// This callback is the first with its state: it makes the exchange in its place, and tells the others.
    First(Teller<T>, P),
    /// Another has the exchange under way.
    Wait(watch::Receiver<Option<Arc<T>>>),
    /// The state was used before.
    Used,
}

/// Tells those who wait. Dropped without a word, they learn that there is no result.
#[derive(Debug)]
pub(super) struct Teller<T> {
    waiting: watch::Sender<Option<Arc<T>>>,
    states: SpentStates<T>,
    state: Arc<str>,
}

impl<T> Teller<T> {
    /// The result, for everybody who waits for it; whoever comes later comes too late.
    pub(super) fn tell(self, result: Arc<T>) {
        self.waiting.send_replace(Some(result));
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        if let Some(exchange) = self.states.states().by_state.get_mut(&self.state) {
            *exchange = Exchange::Done;
        }
    }
}

impl<T> Clone for SpentStates<T> {
    fn clone(&self) -> Self {
        SpentStates(Arc::clone(&self.0))
    }
}

impl<T> SpentStates<T> {
    /// Nothing has come back yet.
    pub(super) fn new() -> Self {
        SpentStates(Arc::new(Mutex::new(States { by_state: HashMap::new(), by_age: VecDeque::new() })))
    }

    /// Spends a state. `good_until`: the last moment of its attempt. `place`: takes a place for the exchange, or says why
    /// there is none, and then the state is not spent; asked for the first callback alone, so that its duplicates need
    /// none.
    pub(super) fn spend<P, E>(
        &self,
        state: &str,
        now: Timestamp,
        good_until: Timestamp,
        place: impl FnOnce() -> Result<P, E>,
    ) -> Result<Turn<T, P>, E> {
        let mut states = self.states();
        states.forget(now);
        match states.by_state.get(state) {
            Some(Exchange::UnderWay(waiting)) if rule::holds(Rule::DoubledCallbacksShareOneExchange) => {
                return Ok(Turn::Wait(waiting.clone()));
            }
            Some(Exchange::Done) if rule::holds(Rule::AStateIsUsedOnce) => return Ok(Turn::Used),
            Some(Exchange::UnderWay(_) | Exchange::Done) | None => {}
        }
        let place = place()?;
        let (teller, waiting) = watch::channel(None);
        let state: Arc<str> = Arc::from(state);
        states.by_state.insert(Arc::clone(&state), Exchange::UnderWay(waiting));
        states.by_age.push_back((good_until, Arc::clone(&state)));
        Ok(Turn::First(Teller { waiting: teller, states: self.clone(), state }, place))
    }

    /// Spends a state for which no exchange is made. Whether it was good until now.
    pub(super) fn spend_in_vain(&self, state: &str, now: Timestamp, good_until: Timestamp) -> bool {
        let turn = self.spend(state, now, good_until, || Ok::<_, Infallible>(()));
        matches!(turn, Ok(Turn::First(..)))
    }

    /// Whether a state was used before.
    pub(super) fn is_spent(&self, state: &str) -> bool {
        self.states().by_state.contains_key(state)
    }

    fn states(&self) -> MutexGuard<'_, States<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> States<T> {
    /// Not before the attempt is refused for its age alone: in its last moment it is still good. What is under way stays,
    /// however many states come back meanwhile.
    fn forget(&mut self, now: Timestamp) {
        let mut under_way = Vec::new();
        while let Some((good_until, _)) = self.by_age.front()
            && (*good_until < now || self.by_age.len() + under_way.len() >= MAX_REMEMBERED)
            && let Some(oldest) = self.by_age.pop_front()
        {
            if let Some(Exchange::UnderWay(_)) = self.by_state.get(&oldest.1) {
                under_way.push(oldest);
            } else {
                self.by_state.remove(&oldest.1);
            }
        }
        for oldest in under_way.into_iter().rev() {
            self.by_age.push_front(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(100);
    const LATER: Timestamp = Timestamp::from_secs(700);

    #[expect(clippy::unnecessary_wraps, reason = "what `spend` asks for")]
    fn free() -> Result<(), &'static str> {
        Ok(())
    }

    #[test]
    fn without_a_place_the_state_stays_good() {
        let states = SpentStates::<u8>::new();
        let full = || Err::<(), _>("full");
        assert_eq!(states.spend("a", NOW, LATER, full).unwrap_err(), "full");
        let first = states.spend("a", NOW, LATER, free).unwrap();
        assert!(matches!(first, Turn::First(..)));
        assert!(matches!(states.spend("a", NOW, LATER, full), Ok(Turn::Wait(_))));
    }

    #[tokio::test]
    async fn a_doubled_callback_waits_for_the_first_ones_result() {
        let states = SpentStates::new();
        let Ok(Turn::First(teller, ())) = states.spend("a", NOW, LATER, free) else { panic!("not the first") };
        let Ok(Turn::Wait(mut waiting)) = states.spend("a", NOW, LATER, free) else { panic!("does not wait") };
        teller.tell(Arc::new(7));
        assert_eq!(**waiting.wait_for(Option::is_some).await.unwrap().as_ref().unwrap(), 7);
        assert!(matches!(states.spend("a", NOW, LATER, free), Ok(Turn::Used)));
        assert!(states.is_spent("a"));
    }

    #[tokio::test]
    async fn those_who_wait_learn_when_there_will_be_no_result() {
        let states = SpentStates::<u8>::new();
        let Ok(Turn::First(teller, ())) = states.spend("a", NOW, LATER, free) else { panic!("not the first") };
        let Ok(Turn::Wait(mut waiting)) = states.spend("a", NOW, LATER, free) else { panic!("does not wait") };
        drop(teller);
        assert!(waiting.wait_for(Option::is_some).await.is_err());
        assert!(matches!(states.spend("a", NOW, LATER, free), Ok(Turn::Used)));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_result_once_it_was_told() {
        let states = SpentStates::new();
        let Ok(Turn::First(teller, ())) = states.spend("a", NOW, LATER, free) else { panic!("not the first") };
        let Ok(Turn::Wait(mut waiting)) = states.spend("a", NOW, LATER, free) else { panic!("does not wait") };
        let result = Arc::new("somebody");
        let kept = Arc::downgrade(&result);
        teller.tell(result);
        assert!(waiting.wait_for(Option::is_some).await.is_ok(), "who waited gets it");
        drop(waiting);
        assert!(kept.upgrade().is_none());
        assert!(states.is_spent("a"));
    }

    #[test]
    fn a_state_that_is_spent_in_vain_is_spent() {
        let states = SpentStates::<u8>::new();
        assert!(states.spend_in_vain("a", NOW, LATER));
        assert!(!states.spend_in_vain("a", NOW, LATER));
        assert!(matches!(states.spend("a", NOW, LATER, free), Ok(Turn::Used)));
    }

    #[test]
    fn a_state_is_remembered_to_the_last_moment_of_its_attempt_and_no_longer() {
        let states = SpentStates::<u8>::new();
        drop(states.spend("a", NOW, LATER, free));
        assert!(matches!(states.spend("a", LATER, LATER, free), Ok(Turn::Used)));
        let too_late = LATER.plus(Duration::from_millis(1));
        drop(states.spend("b", too_late, Timestamp::from_secs(9999), free));
        assert!(!states.is_spent("a"));
        assert!(states.is_spent("b"));
    }

    #[tokio::test]
    async fn no_number_of_states_drives_out_one_whose_exchange_is_under_way() {
        let states = SpentStates::new();
        let Ok(Turn::First(teller, ())) = states.spend("a", NOW, LATER, free) else { panic!("not the first") };
        for number in 0..=MAX_REMEMBERED {
            assert!(states.spend_in_vain(&number.to_string(), NOW, LATER));
        }
        let Ok(Turn::Wait(mut waiting)) = states.spend("a", NOW, LATER, free) else { panic!("exchanged twice") };
        teller.tell(Arc::new(7));
        assert!(waiting.wait_for(Option::is_some).await.is_ok());
        for more in ["one more", "and another"] {
            assert!(states.spend_in_vain(more, NOW, LATER));
            assert!(states.is_spent(more));
        }
        assert!(!states.is_spent("a"), "the oldest, and told");
    }

    #[test]
    fn no_number_of_states_takes_memory_without_bound() {
        let states = SpentStates::<u8>::new();
        for number in 0..MAX_REMEMBERED + 10 {
            drop(states.spend(&number.to_string(), NOW, LATER, free));
        }
        let kept = states.states();
        assert_eq!((kept.by_state.len(), kept.by_age.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!kept.by_state.contains_key("9") && kept.by_state.contains_key("10"), "the oldest give way");
    }
}
