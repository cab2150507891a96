//! One line for each request, written off the request's path: cores fill buffers, a thread writes them out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use aws_lc_rs::hmac;

use super::line::{Finished, LineClock};
use super::line_writer::{LineWriter, Lost};
use super::metrics::CoreMetrics;
use crate::random;
use crate::secret::Secret;

/// Buffers that may wait for the writer. Past this the disk or pipe has stopped, and lines are dropped and counted
/// rather than requests held up.
const WAITING_BUFFERS: usize = 64;

/// A core hands its buffer over at this size, or when [`FLUSH_EVERY`] has passed.
const BUFFER: usize = 32 * 1024;

/// How old a line may grow before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// How long the end of the process waits for the last lines to be written: a reader that has stopped holds nobody up.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where lines go: one for the process. Dropped, it waits until all is written, or for two seconds.
#[derive(Debug)]
pub struct AccessLog {
    writer: LineWriter,
    is_json: bool,
}

impl AccessLog {
    /// Writes to `output`, as JSON or for reading.
    pub fn start(output: impl std::io::Write + Send + 'static, is_json: bool) -> std::io::Result<Self> {
        let writer = LineWriter::start("access-log", WAITING_BUFFERS, output)?;
        Ok(AccessLog { writer, is_json })
    }

    /// A core's way to it.
    pub fn handle(&self) -> LogHandle {
        LogHandle { writer: self.writer.clone(), is_json: self.is_json }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.writer.flush(LAST_LINES);
    }
}

/// A way to the access log that can be sent to a core.
#[derive(Debug, Clone)]
pub struct LogHandle {
    writer: LineWriter,
    is_json: bool,
}

/// One core's lines: written, where there is a log, and counted. Must be made on that core's runtime.
#[derive(Debug)]
pub struct CoreLog {
    handle: Option<LogHandle>,
    metrics: CoreMetrics,
    buffer: RefCell<Buffer>,
    dropped: Cell<u64>,
}

#[derive(Debug, Default)]
struct Buffer {
    text: Vec<u8>,
    lines: u64,
    clock: LineClock,
}

impl CoreLog {
    /// For one core; flushes until it is dropped, and once more then.
    pub fn start(handle: Option<LogHandle>, metrics: CoreMetrics) -> Rc<Self> {
        let is_written = handle.is_some();
        let log = Rc::new(CoreLog { handle, metrics, buffer: RefCell::default(), dropped: Cell::new(0) });
        if !is_written {
            return log;
        }
        let flushed = Rc::downgrade(&log);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(FLUSH_EVERY).await;
                let Some(log) = flushed.upgrade() else { return };
                log.flush();
            }
        });
        log
    }

    /// Counts what a client sent that is no request. An event tells of it, and no line.
    pub fn unreadable(&self) {
        self.metrics.unreadable();
    }

    pub(super) fn add(&self, line: &Finished<'_>) {
        self.metrics.count(&line.served());
        let Some(handle) = &self.handle else { return };
        let mut buffer = self.buffer.borrow_mut();
        let Buffer { text, lines, clock } = &mut *buffer;
        if text.capacity() == 0 {
            text.reserve(BUFFER + BUFFER / 8);
        }
        let time = clock.text(line.at());
        if handle.is_json {
            line.write_json(text, time);
        } else {
            line.write_readable(text, time);
        }
        *lines += 1;
        if text.len() >= BUFFER {
            drop(buffer);
            self.flush();
        }
    }

    fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        let (full, lines) = (std::mem::take(&mut buffer.text), std::mem::take(&mut buffer.lines));
        drop(buffer);
        let Some(handle) = &self.handle else { return };
        let unwritten = handle.writer.take_unwritten();
        if unwritten > 0 {
            tracing::warn!(lines = unwritten, "access log lines could not be written");
        }
        if full.is_empty() {
            return;
        }
        match handle.writer.write(full) {
            Ok(()) => {
                let dropped = self.dropped.take();
                if dropped > 0 {
                    tracing::warn!(lines = dropped, "access log lines were dropped: nobody read them fast enough");
                }
            }
            Err(Lost) => {
                self.dropped.set(self.dropped.get() + lines);
            }
        }
    }
}

impl Drop for CoreLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// What a line says of who was logged in.
#[derive(Debug, Clone)]
pub struct LoggedUser {
    /// Our user id.
    pub id: Box<str>,
    /// The openid's keyed hash: lines of one person can be joined, the openid cannot be found out.
    pub openid_hash: Box<str>,
}

/// Hashes what must not stand in a log as it is, under a key of the process's own.
#[derive(Debug, Clone)]
pub struct LogHash(hmac::Key);

impl LogHash {
    /// `key` is derived from the master key, so that hashes of one deployment stay the same.
    pub fn new(key: &Secret<Vec<u8>>) -> Self {
        LogHash(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// 64 bits of HMAC-SHA-256, in hexadecimal.
    pub fn of(&self, text: &str) -> Box<str> {
        let tag = hmac::sign(&self.0, text.as_bytes());
        random::hex(tag.as_ref().get(..8).unwrap_or_default()).into()
    }
}
