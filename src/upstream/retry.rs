//! Sending a request once more, to another endpoint: how often, for what, and how much of that there may be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

/// Retries that there may be each second, however few requests there are.
const RESERVE: f64 = 10.0;

/// Over how long the budget is reckoned: what was saved up before that is worth little, and no reason for a storm.
const REMEMBERED: Duration = Duration::from_secs(10);

/// When a request goes out once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How often at most.
    pub attempts: usize,
    /// Answers that are as good as none, to requests that do no harm twice and have no body.
    pub statuses: Vec<StatusCode>,
    /// How many there may be to a hundred requests: an upstream that fails must not get a multiple of them.
    pub budget_percent: u32,
}

/// What an upstream's retries may cost, for the whole process. Touched by requests that are sent again, and counted by all
/// of an upstream that has somewhere else to send them to.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    requests: AtomicU64,
    spent: AtomicU64,
    /// When the first request came.
    begun: OnceLock<Instant>,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// What may be spent, in retries.
    balance: f64,
    /// When it was looked at last.
    at: Option<Instant>,
    /// How many requests there had been by then.
    requests: u64,
}

impl Budget {
    /// A request comes.
    pub(crate) fn note(&self, now: Instant) {
        self.begun.get_or_init(|| now);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Retries so far.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Whether there may be one more retry, which there is then. `percent`: to a hundred requests; 0: none at all.
    pub(crate) fn spend(&self, percent: u32, now: Instant) -> bool {
        if percent == 0 {
            return false;
        }
        let requests = self.requests.load(Ordering::Relaxed);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = requests.saturating_sub(account.requests) as f64 * f64::from(percent) / 100.0;
        let balance = match account.at {
            None => {
                let begun = self.begun.get().map_or(Duration::ZERO, |begun| now.saturating_duration_since(*begun));
                Account { balance: RESERVE, ..Account::default() }.after(begun, earned)
            }
            Some(at) => account.after(now.saturating_duration_since(at), earned),
        };
        let may = balance >= 1.0;
        *account = Account { balance: if may { balance - 1.0 } else { balance }, at: Some(now), requests };
        if may {
            self.spent.fetch_add(1, Ordering::Relaxed);
        }
        may
    }
}

impl Account {
    /// What is there after a time in which so much was earned beside the reserve: old balances fade.
    fn after(&self, time: Duration, earned: f64) -> f64 {
        let (seconds, remembered) = (time.as_secs_f64(), REMEMBERED.as_secs_f64());
        if seconds <= 0.0 {
            return self.balance + earned;
        }
        let kept = (-seconds / remembered).exp();
        self.balance * kept + (earned / seconds + RESERVE) * remembered * (1.0 - kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spend_all(budget: &Budget, percent: u32, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.spend(percent, now)).count()
    }

    #[test]
    fn there_are_a_few_retries_however_few_requests_there_are() {
        let (budget, now) = (Budget::default(), Instant::now());
        assert_eq!(spend_all(&budget, 20, now), 10);
        let again = spend_all(&budget, 20, now + SECOND);
        assert!((9..=10).contains(&again), "{again}");
        assert_eq!(budget.spent() as usize, 10 + again);
    }

    #[test]
    fn where_all_fails_an_upstream_gets_a_fifth_more_and_not_a_multiple() {
        let (budget, mut now, mut retries) = (Budget::default(), Instant::now(), 0);
        for _ in 0..10_000 {
            budget.note(now);
            now += Duration::from_millis(1);
            retries += usize::from(budget.spend(20, now));
        }
        // Ten seconds of the reserve, and a fifth of the requests.
        assert!((2000..=2120).contains(&retries), "{retries}");
    }

    #[test]
    fn what_was_saved_up_long_ago_is_no_reason_for_a_storm() {
        let (budget, now) = (Budget::default(), Instant::now());
        assert!(budget.spend(20, now));
        (0..1_000_000).for_each(|_| budget.note(now));
        // A million requests in an hour: some 278 in a second, a fifth of ten seconds of them, and the reserve's.
        let storm = spend_all(&budget, 20, now + 3600 * SECOND);
        assert!((600..=700).contains(&storm), "{storm}");
    }

    /// Regression: the first outage of a process had all that was ever earned.
    #[test]
    fn nor_is_what_was_saved_up_before_the_first_retry() {
        let (budget, now) = (Budget::default(), Instant::now());
        (0..1_000_000).for_each(|_| budget.note(now));
        let storm = spend_all(&budget, 20, now + 3600 * SECOND);
        assert!((600..=700).contains(&storm), "{storm}");
    }

    #[test]
    fn none_are_none() {
        assert!(!Budget::default().spend(0, Instant::now()));
    }
}
