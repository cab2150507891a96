//! A thread that writes what others hand it, so that nobody who has something to say ever waits for a pipe or a disk: a
//! reader that has stopped reading must not stop the proxy.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::time::Instant;

/// How often it is tried to have a last word where the queue is full.
const AGAIN: Duration = Duration::from_millis(10);

/// A way to the thread. Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    handing: SyncSender<Handed>,
    unwritten: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Handed {
    Lines(Vec<u8>),
    /// To be answered once all before it is written.
    Written(SyncSender<()>),
}

/// The queue is full: what was handed over is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

impl LineWriter {
    /// Writes to `output`; as many as `room` pieces may wait.
    pub(super) fn start(name: &str, room: usize, output: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (handing, handed) = sync_channel(room);
        let unwritten = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&unwritten);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || write_out(output, &handed, &counted))?;
        Ok(LineWriter { handing, unwritten })
    }

    /// How many lines could not be written since this was asked last: the disk is full, or the reader has gone.
    pub(super) fn take_unwritten(&self) -> u64 {
        self.unwritten.swap(0, Ordering::Relaxed)
    }

    /// Hands over whole lines. Never waits.
    pub(super) fn write(&self, lines: Vec<u8>) -> Result<(), Lost> {
        self.handing.try_send(Handed::Lines(lines)).map_err(|_| Lost)
    }

    /// Waits until all that was handed over is written, but no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let left = || until.saturating_duration_since(Instant::now());
        let (written, all_written) = sync_channel(1);
        let mut asking = Handed::Written(written);
        while let Err(TrySendError::Full(asked)) = self.handing.try_send(asking) {
            if left().is_zero() {
                return;
            }
            asking = asked;
            std::thread::sleep(AGAIN);
        }
        let _ = all_written.recv_timeout(left());
    }
}

fn write_out(mut output: impl Write, handed: &Receiver<Handed>, unwritten: &AtomicU64) {
    let mut is_torn = false;
    while let Ok(next) = handed.recv() {
        match next {
            Handed::Lines(lines) => {
                // A full disk has room again some day: each time it is tried anew.
                let lost = write_lines(&mut output, &lines, &mut is_torn);
                unwritten.fetch_add(lost, Ordering::Relaxed);
            }
            Handed::Written(asking) => {
                let _ = asking.send(());
            }
        }
    }
}

/// Writes whole lines, and says how many it could not. One that broke off is ended before the next begins.
fn write_lines(output: &mut impl Write, lines: &[u8], is_torn: &mut bool) -> u64 {
    if *is_torn {
        match output.write_all(b"\n") {
            Ok(()) => *is_torn = false,
            Err(_) => return count(lines),
        }
    }
    let mut rest = lines;
    while !rest.is_empty() {
        match output.write(rest) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    let written = lines.get(..lines.len() - rest.len()).unwrap_or_default();
    *is_torn = written.last().is_some_and(|byte| *byte != b'\n');
    if rest.is_empty() && output.flush().is_err() { count(lines) } else { count(rest) }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        let _ = writer.write(b"2\n".to_vec());
        writer.flush(Duration::from_secs(10));
        assert_eq!(writer.take_unwritten(), 2);
        assert_eq!(writer.take_unwritten(), 0, "told once");
    }

    /// As much room as is given, and none beyond: a small disk.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let (text, room) = &mut *self.0.lock().unwrap();
            if *room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(*room);
            *room -= taken;
            text.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Regression: a disk that was full once ended the log for good, and nobody was told.
    #[test]
    fn a_disk_that_has_room_again_is_written_to_again_and_no_line_runs_into_another() {
        let disk = Disk(Arc::new(Mutex::new((Vec::new(), 6))));
        let writer = LineWriter::start("disk", 8, disk.clone()).unwrap();
        for lines in ["one\n", "two\nthree\n", "four\n"] {
            writer.write(lines.into()).unwrap();
        }
        writer.flush(Duration::from_secs(10));
        assert_eq!(writer.take_unwritten(), 3);
        disk.0.lock().unwrap().1 = 100;
        writer.write("five\n".into()).unwrap();
        writer.flush(Duration::from_secs(10));
        assert_eq!(String::from_utf8_lossy(&disk.0.lock().unwrap().0), "one\ntw\nfive\n");
        assert_eq!(writer.take_unwritten(), 0);
    }
}
