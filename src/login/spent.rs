//! States that have come back, so that each is used once: by this process for as long as its attempt could live.
//!
//! A doubled callback, as impatient browsers and phones send, waits for the first one's result: one exchange.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock::Timestamp;

/// How many states are remembered. Each took an attempt that was begun here and a call of the callback; past this the
/// oldest are forgotten, and QQ itself refuses a code that is used again.
const MAX_REMEMBERED: usize = 100_000;

/// The states that have come back.
#[derive(Debug)]
pub(super) struct SpentStates<T>(Mutex<States<T>>);

#[derive(Debug)]
struct States<T> {
    by_state: HashMap<String, watch::Receiver<Option<Arc<T>>>>,
    by_age: VecDeque<(Timestamp, String)>,
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
pub(super) struct Teller<T>(watch::Sender<Option<Arc<T>>>);

impl<T> Teller<T> {
    /// The result, for everybody who waits for it.
    pub(super) fn tell(self, result: Arc<T>) {
        self.0.send_replace(Some(result));
    }
}

impl<T> SpentStates<T> {
    /// Nothing has come back yet.
    pub(super) fn new() -> Self {
        SpentStates(Mutex::new(States { by_state: HashMap::new(), by_age: VecDeque::new() }))
    }

    /// Spends a state. `forget_at`: when its attempt has expired anyway. `place`: takes a place for the exchange, or says
    /// why there is none, and then the state is not spent; asked for the first callback alone, so that its duplicates
    /// need none.
    pub(super) fn spend<P, E>(
        &self,
        state: &str,
        now: Timestamp,
        forget_at: Timestamp,
        place: impl FnOnce() -> Result<P, E>,
    ) -> Result<Turn<T, P>, E> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.forget(now);
        if let Some(waiting) = states.by_state.get(state) {
            // A result that has been told is for those who waited; whoever comes later comes too late.
            let is_under_way = waiting.has_changed().is_ok() && waiting.borrow().is_none();
            return Ok(if is_under_way { Turn::Wait(waiting.clone()) } else { Turn::Used });
        }
        let place = place()?;
        let (teller, waiting) = watch::channel(None);
        states.by_state.insert(state.to_owned(), waiting);
        states.by_age.push_back((forget_at, state.to_owned()));
        Ok(Turn::First(Teller(teller), place))
    }

    /// Whether a state was used before.
    pub(super) fn is_spent(&self, state: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_state.contains_key(state)
    }
}

impl<T> Default for SpentStates<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> States<T> {
    fn forget(&mut self, now: Timestamp) {
        while let Some((forget_at, _)) = self.by_age.front()
            && (*forget_at <= now || self.by_age.len() >= MAX_REMEMBERED)
        {
            if let Some((_, state)) = self.by_age.pop_front() {
                self.by_state.remove(&state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_state_is_forgotten_once_its_attempt_has_expired_anyway() {
        let states = SpentStates::<u8>::new();
        drop(states.spend("a", NOW, LATER, free));
        drop(states.spend("b", LATER, Timestamp::from_secs(9999), free));
        assert!(!states.is_spent("a"));
        assert!(states.is_spent("b"));
    }
}
