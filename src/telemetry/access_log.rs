//! One line for each request, written off the request's path: cores fill buffers, a thread writes them out.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use aws_lc_rs::hmac;
use http::Method;
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::random;
use crate::secret::Secret;

/// Buffers that may wait for the writer. Past this the disk or pipe has stopped, and lines are dropped and counted
/// rather than requests held up.
const WAITING_BUFFERS: usize = 64;

/// A core hands its buffer over at this size, or when [`FLUSH_EVERY`] has passed.
const BUFFER: usize = 32 * 1024;

/// How old a line may grow before it is written.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Where lines go: one for the process. Dropped, it waits until all is written.
#[derive(Debug)]
pub struct AccessLog {
    buffers: Option<SyncSender<Vec<u8>>>,
    writer: Option<std::thread::JoinHandle<()>>,
    is_json: bool,
}

impl AccessLog {
    /// Writes to `output`, as JSON or for reading.
    pub fn start(output: impl std::io::Write + Send + 'static, is_json: bool) -> std::io::Result<Self> {
        let (buffers, waiting) = sync_channel(WAITING_BUFFERS);
        let write = move || write_out(output, &waiting);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(write)?;
        Ok(AccessLog { buffers: Some(buffers), writer: Some(writer), is_json })
    }

    /// A core's way to it.
    pub fn handle(&self) -> Option<LogHandle> {
        let buffers = self.buffers.clone()?;
        Some(LogHandle { buffers, is_json: self.is_json })
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.buffers = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_out(mut output: impl std::io::Write, waiting: &Receiver<Vec<u8>>) {
    while let Ok(buffer) = waiting.recv() {
        if output.write_all(&buffer).and_then(|()| output.flush()).is_err() {
            // Nobody reads it any more; the requests go on.
            return;
        }
    }
}

/// A way to the access log that can be sent to a core.
#[derive(Debug, Clone)]
pub struct LogHandle {
    buffers: SyncSender<Vec<u8>>,
    is_json: bool,
}

/// One core's lines. Must be made on that core's runtime.
#[derive(Debug)]
pub struct CoreLog {
    handle: LogHandle,
    buffer: RefCell<Vec<u8>>,
    dropped: std::cell::Cell<u64>,
}

impl CoreLog {
    /// For one core; flushes until it is dropped, and once more then.
    pub fn start(handle: LogHandle) -> Rc<Self> {
        let log = Rc::new(CoreLog { handle, buffer: RefCell::default(), dropped: std::cell::Cell::new(0) });
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

    fn add(&self, record: &Record<'_>) {
        let mut buffer = self.buffer.borrow_mut();
        if self.handle.is_json {
            if serde_json::to_writer(&mut *buffer, record).is_ok() {
                buffer.push(b'\n');
            }
        } else {
            let _ = writeln!(buffer, "{}", record.readable());
        }
        if buffer.len() >= BUFFER {
            drop(buffer);
            self.flush();
        }
    }

    fn flush(&self) {
        let full = std::mem::take(&mut *self.buffer.borrow_mut());
        if full.is_empty() {
            return;
        }
        let lines = full.iter().filter(|byte| **byte == b'\n').count() as u64;
        match self.handle.buffers.try_send(full) {
            Ok(()) => {
                let dropped = self.dropped.take();
                if dropped > 0 {
                    tracing::warn!(lines = dropped, "access log lines were dropped: nobody read them fast enough");
                }
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
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
#[derive(Debug)]
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

/// A line in the making; written when it is dropped.
#[derive(Debug)]
pub struct Line {
    log: Rc<CoreLog>,
    at: Timestamp,
    began: Instant,
    /// Names the request.
    pub request_id: u64,
    /// As sent.
    pub method: Method,
    /// As sent, without the query: a query may hold a code or a token.
    pub path: String,
    /// As sent.
    pub host: String,
    /// The client.
    pub client: IpAddr,
    /// The route's pattern, or the endpoint's name, once one has been found.
    pub route: Option<String>,
    /// What was decided, in a word.
    pub decision: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The upstream's name, where one was asked.
    pub upstream: Option<String>,
    /// When the upstream's answer had come.
    pub answered: Option<Instant>,
    /// Who was logged in.
    pub user: Option<Arc<LoggedUser>>,
    sent: u64,
    broken: Option<String>,
}

impl Line {
    /// Begins a line.
    pub fn begin(log: Rc<CoreLog>, at: Timestamp, request_id: u64, method: Method, path: &str, client: IpAddr) -> Self {
        Line {
            log,
            at,
            began: Instant::now(),
            request_id,
            method,
            path: path.to_owned(),
            host: String::new(),
            client,
            route: None,
            decision: "none",
            status: 0,
            upstream: None,
            answered: None,
            user: None,
            sent: 0,
            broken: None,
        }
    }

    /// So many bytes of the body have gone out.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The body ended before its end.
    pub fn broken(&mut self, why: &dyn std::error::Error) {
        self.broken = Some(why.to_string());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let millis = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
        let record = Record {
            time: self.at.to_string(),
            request_id: format!("{:016x}", self.request_id),
            client: self.client,
            method: self.method.as_str(),
            host: &self.host,
            path: &self.path,
            route: self.route.as_deref(),
            decision: self.decision,
            status: self.status,
            upstream: self.upstream.as_deref(),
            upstream_ms: self.answered.map(|answered| millis(answered - self.began)),
            duration_ms: millis(self.began.elapsed()),
            bytes: self.sent,
            user: self.user.as_ref().map(|user| &*user.id),
            openid_hash: self.user.as_ref().map(|user| &*user.openid_hash),
            broken: self.broken.as_deref(),
        };
        self.log.add(&record);
    }
}

/// A line's fields, in order.
#[derive(Serialize)]
struct Record<'a> {
    time: String,
    request_id: String,
    client: IpAddr,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    decision: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    duration_ms: f64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    openid_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<&'a str>,
}

impl Record<'_> {
    /// For a terminal: whatever a client chose is escaped, so that it cannot move the cursor or forge a line.
    fn readable(&self) -> String {
        let mut text = format!(
            "{} {} {} {}{} {} {} {:.1}ms",
            self.time,
            self.status,
            self.method.escape_debug(),
            self.host.escape_debug(),
            self.path.escape_debug(),
            self.decision,
            self.client,
            self.duration_ms
        );
        let more = [("upstream", self.upstream), ("user", self.user), ("broken", self.broken)];
        for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let _ = write!(text, " {name}={}", value.escape_debug());
        }
        let _ = write!(text, " id={}", self.request_id);
        text
    }
}
