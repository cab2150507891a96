//! A panic while one request is answered is that request's misfortune alone.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// A future panicked: a fault of ours. The panic hook has said where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy panicked while it answered")]
pub(super) struct Panicked;

/// Runs a future to its end, or to its panic. What requests share is left as a dropped future leaves it, which happens
/// whenever a client goes away. No `async fn`, which would hold the future twice: as its argument, and where it awaits it.
pub(super) fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output, Panicked>> {
    AssertUnwindSafe(future).catch_unwind().map(|outcome| outcome.map_err(|_| Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_future_and_nothing_else() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("as told by the test");
        };
        let outcome: Result<(), Panicked> = caught(panics).await;
        assert_eq!(outcome, Err(Panicked));
        assert_eq!(caught(async { 1 }).await, Ok(1));
    }
}
