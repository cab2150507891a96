//! How often, and when, tests kill a process.

use std::time::Duration;

use menshen::random;

/// How often each test kills. `MENSHEN_KILL_ROUNDS` says otherwise.
pub(crate) fn rounds() -> usize {
    std::env::var("MENSHEN_KILL_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap())
}

/// A duration between nothing and `longest`.
pub(crate) fn random_up_to(longest: Duration) -> Duration {
    longest.mul_f64(f64::from(u32::from_le_bytes(random::bytes().unwrap())) / f64::from(u32::MAX))
}
