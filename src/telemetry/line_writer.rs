//! A thread that writes what others hand it, so that nobody who has something to say ever waits for a pipe or a disk: a
//! reader that has stopped reading must not stop the proxy.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::time::Instant;

/// How often it is tried to have a last word where the queue is full.
const AGAIN: Duration = Duration::from_millis(10);

/// A way to the thread. Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct LineWriter(SyncSender<Handed>);

#[derive(Debug)]
enum Handed {
    Lines(Vec<u8>),
    /// To be answered once all before it is written.
    Written(SyncSender<()>),
}

/// The queue is full, or nobody reads any more: what was handed over is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

impl LineWriter {
    /// Writes to `output`; as many as `room` pieces may wait.
    pub(super) fn start(name: &str, room: usize, output: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (handing, handed) = sync_channel(room);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || write_out(output, &handed))?;
        Ok(LineWriter(handing))
    }

    /// Hands over whole lines. Never waits.
    pub(super) fn write(&self, lines: Vec<u8>) -> Result<(), Lost> {
        self.0.try_send(Handed::Lines(lines)).map_err(|_| Lost)
    }

    /// Waits until all that was handed over is written, but no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let left = || until.saturating_duration_since(Instant::now());
        let (written, all_written) = sync_channel(1);
        let mut asking = Handed::Written(written);
        while let Err(TrySendError::Full(asked)) = self.0.try_send(asking) {
            if left().is_zero() {
                return;
            }
            asking = asked;
            std::thread::sleep(AGAIN);
        }
        let _ = all_written.recv_timeout(left());
    }
}

fn write_out(mut output: impl Write, handed: &Receiver<Handed>) {
    while let Ok(next) = handed.recv() {
        match next {
            Handed::Lines(lines) => {
                if output.write_all(&lines).and_then(|()| output.flush()).is_err() {
                    // Nobody reads it any more; everything else goes on.
                    return;
                }
            }
            Handed::Written(asking) => {
                let _ = asking.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing before it is told to.
    struct Stalled(Receiver<()>, SyncSender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().map_err(std::io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_stopped_holds_nobody_up() {
        let (go_on, told) = sync_channel(8);
        let (taken, read) = sync_channel(8);
        let writer = LineWriter::start("stalled", 2, Stalled(told, taken)).unwrap();
        let line = |number: u8| vec![b'0' + number, b'\n'];
        // One is with the writer at most, two wait, the rest is lost; none of them waits for the reader.
        let outcomes: Vec<_> = (0..8).map(|number| writer.write(line(number))).collect();
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!((2..=3).contains(&kept), "{outcomes:?}");
        writer.flush(Duration::from_millis(20));
        (0..kept).for_each(|_| go_on.send(()).unwrap());
        writer.flush(Duration::from_secs(10));
        let written: Vec<_> = read.try_iter().collect();
        assert_eq!(written.len(), kept);
        assert_eq!(written.first(), Some(&line(0)));
    }

    #[test]
    fn a_reader_that_has_gone_is_no_reason_to_wait() {
        let (_, told) = sync_channel(0);
        let (taken, _) = sync_channel(0);
        let writer = LineWriter::start("gone", 2, Stalled(told, taken)).unwrap();
        let _ = writer.write(b"1\n".to_vec());
        writer.flush(Duration::from_secs(10));
        assert_eq!(writer.write(b"2\n".to_vec()), Err(Lost));
    }
}
