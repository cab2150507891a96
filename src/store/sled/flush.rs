//! Has sled hand everything to the kernel, whether or not it tells that it has.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long one `flush` is waited for before another one is begun beside it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many are begun.
const COUNT: usize = 20;

/// Hands what was written to the kernel.
pub(super) fn flush(db: &sled::Db) -> Result<(), sled::Error> {
    insist(PATIENCE, || {
        let db = db.clone();
        move || db.flush().map(drop)
    })
}

/// Where a buffer was sealed by another thread than wrote to it last, and writing it fails, sled (0.34) notes the failure
/// without waking whoever waits for it, who then waits for ever; but another flush sees the note at once. So each waits on
/// a thread of its own, and a late one is given company.
fn insist<F>(patience: Duration, another: impl Fn() -> F) -> Result<(), sled::Error>
where
    F: FnOnce() -> Result<(), sled::Error> + Send + 'static,
{
    let (flushed, wait) = mpsc::channel();
    for _ in 0..COUNT {
        let (flush, flushed) = (another(), flushed.clone());
        let flush = move || {
            let outcome = catch_unwind(AssertUnwindSafe(flush));
            let panicked = |_| Err(sled::Error::ReportableBug("it panicked while it was flushed".to_owned()));
            let _ = flushed.send(outcome.unwrap_or_else(panicked));
        };
        thread::Builder::new().name("store-flush".to_owned()).spawn(flush)?;
        if let Ok(outcome) = wait.recv_timeout(patience) {
            return outcome;
        }
    }
    // The disk is slow, or stuck: what waits goes on waiting, for it may yet succeed.
    drop(flushed);
    let stuck = |_| Err(sled::Error::ReportableBug("nobody is left to flush it".to_owned()));
    wait.recv().unwrap_or_else(stuck)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Regression: a failed write could leave the store waiting for its flush for ever.
    #[test]
    fn what_a_flush_that_never_comes_back_would_have_told_another_one_tells() {
        let (count, never) = (AtomicUsize::new(0), Never::new());
        let outcome = insist(Duration::from_millis(1), || {
            let (number, never) = (count.fetch_add(1, Ordering::SeqCst), never.wait());
            move || if number == 0 { never() } else { Err(io::Error::other("the disk is full").into()) }
        });
        assert!(outcome.unwrap_err().to_string().contains("the disk is full"));
    }

    #[test]
    fn however_slow_the_disk_is_no_more_flushes_than_these_wait_for_it_and_the_first_to_end_counts() {
        let count = Arc::new(AtomicUsize::new(0));
        let (slow, disk) = (Never::new(), Arc::clone(&count));
        let outcome = insist(Duration::from_millis(1), || {
            let (number, never, disk) = (count.fetch_add(1, Ordering::SeqCst), slow.wait(), Arc::clone(&disk));
            move || {
                if number > 0 {
                    return never();
                }
                while disk.load(Ordering::SeqCst) < COUNT {
                    thread::yield_now();
                }
                Ok(())
            }
        });
        assert!(outcome.is_ok());
        assert_eq!(count.load(Ordering::SeqCst), COUNT);
    }

    #[test]
    fn a_flush_that_panics_has_failed() {
        let outcome = insist(PATIENCE, || || panic!("as sled may"));
        assert!(outcome.unwrap_err().to_string().contains("panicked"));
    }

    /// Keeps flushes waiting until it is dropped.
    struct Never {
        senders: Mutex<Vec<Sender<()>>>,
    }

    impl Never {
        fn new() -> Self {
            Never { senders: Mutex::default() }
        }

        fn wait(&self) -> impl FnOnce() -> Result<(), sled::Error> + Send + use<> {
            let (sender, receiver): (_, Receiver<()>) = channel();
            self.senders.lock().unwrap().push(sender);
            move || {
                let _ = receiver.recv();
                Ok(())
            }
        }
    }
}
