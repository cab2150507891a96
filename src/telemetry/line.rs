//! What is said of one request: gathered while it is answered, written when its answer has gone out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{Method, Uri};
use tokio::time::Instant;

use super::Cut;
use super::access_log::{CoreLog, LoggedUser};
use super::json_object::JsonObject;
use super::metrics::Served;
use crate::clock::Timestamp;
use crate::http::forwarded::Client;

/// A line in the making; written when it is dropped. What it holds is shared with the request or the configuration:
/// text is made of it only then.
#[derive(Debug)]
pub struct Line {
    log: Rc<CoreLog>,
    at: Timestamp,
    began: Instant,
    /// Names the request.
    pub request_id: u64,
    /// As sent.
    pub method: Method,
    /// As sent. The query is not written: it may hold a code or a token.
    pub uri: Uri,
    /// As sent.
    pub host: Option<HeaderValue>,
    /// Where it comes from.
    pub client: Client,
    /// Where it went.
    pub route: Option<Route>,
    /// What was decided, in a word.
    pub decision: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The upstream's name, where one was asked.
    pub upstream: Option<Arc<str>>,
    /// The endpoint whose answer it is.
    pub endpoint: Option<Arc<str>>,
    /// How many times another endpoint was asked after one that did not answer as it should.
    pub retries: usize,
    /// When the upstream's answer had come.
    pub answered: Option<Instant>,
    /// Who was logged in.
    pub user: Option<Arc<LoggedUser>>,
    /// Why the answer tells of a fault, where it is one of ours.
    pub cause: Option<String>,
    sent: u64,
    broken: Option<String>,
}

/// Where a request went.
#[derive(Debug, Clone)]
pub enum Route {
    /// To a route of the configuration: its pattern.
    Pattern(Arc<str>),
    /// To an endpoint of our own: its name.
    Own(&'static str),
}

impl Line {
    /// Begins a line.
    pub fn begin(log: Rc<CoreLog>, at: Timestamp, request_id: u64, method: Method, uri: Uri, client: Client) -> Self {
        Line {
            log,
            at,
            began: Instant::now(),
            request_id,
            method,
            uri,
            host: None,
            client,
            route: None,
            decision: "none",
            status: 0,
            upstream: None,
            endpoint: None,
            retries: 0,
            answered: None,
            user: None,
            cause: None,
            sent: 0,
            broken: None,
        }
    }

    /// So many bytes of the body have gone out.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Whether the answer has a body that goes out (RFC 9112, 6.3).
    pub fn has_body(&self) -> bool {
        self.method != Method::HEAD && self.status >= 200 && self.status != 204 && self.status != 304
    }

    /// The body ended before its end.
    pub fn broken(&mut self, why: &dyn std::error::Error) {
        self.broken = Some(why.to_string());
    }
}

/// What stands on a line without a status.
const UNANSWERED: &str = "the client left, or the proxy was stopped, before there was an answer";

impl Drop for Line {
    fn drop(&mut self) {
        if self.status == 0 {
            self.broken.get_or_insert_with(|| UNANSWERED.to_owned());
        }
        self.log.add(&Finished { line: self, duration: self.began.elapsed() });
    }
}

/// A line whose request is done with.
pub(super) struct Finished<'l> {
    line: &'l Line,
    duration: Duration,
}

impl Finished<'_> {
    /// What is counted of it.
    pub(super) fn served(&self) -> Served<'_> {
        let line = self.line;
        Served {
            route: self.route(),
            decision: line.decision,
            status: line.status,
            duration: self.duration,
            upstream: line.upstream.as_deref().zip(line.answered.map(|answered| answered - line.began)),
            is_broken: line.broken.is_some(),
        }
    }

    /// When the request came.
    pub(super) fn at(&self) -> Timestamp {
        self.line.at
    }

    /// For programs: one JSON object.
    pub(super) fn write_json(&self, out: &mut Vec<u8>, time: &str) {
        let line = self.line;
        let mut object = JsonObject::begin(out);
        object.text("time", time);
        object.hex("request_id", line.request_id);
        object.text("client", line.client.text());
        object.text("method", &Cut(line.method.as_str()).text());
        object.text("host", &self.host());
        object.text("path", &Cut(line.uri.path()).text());
        object.some("route", self.route());
        object.text("decision", line.decision);
        object.number("status", line.status.into());
        object.some("upstream", line.upstream.as_deref());
        object.some("endpoint", line.endpoint.as_deref());
        if line.retries > 0 {
            object.number("retries", line.retries as u64);
        }
        if let Some(answered) = line.answered {
            object.millis("upstream_ms", answered - line.began);
        }
        object.millis("duration_ms", self.duration);
        object.number("bytes", line.sent);
        object.some("user", line.user.as_ref().map(|user| &*user.id));
        object.some("openid_hash", line.user.as_ref().map(|user| &*user.openid_hash));
        object.some("cause", self.cause().as_deref());
        object.some("broken", line.broken.as_deref());
        object.end();
        out.push(b'\n');
    }

    /// For a terminal: whatever a client chose is escaped, so that it cannot move the cursor or forge a line.
    pub(super) fn write_readable(&self, out: &mut Vec<u8>, time: &str) {
        let line = self.line;
        let mut text = format!(
            "{time} {} {} {}{} {} {} {:.1}ms",
            line.status,
            Cut(line.method.as_str()).text().escape_debug(),
            self.host().escape_debug().to_string().replace(' ', "\\u{20}"),
            Cut(line.uri.path()).text().escape_debug(),
            line.decision,
            line.client.text(),
            self.duration.as_secs_f64() * 1000.0
        );
        let user = line.user.as_ref().map(|user| &*user.id);
        let cause = self.cause();
        let (upstream, endpoint) = (line.upstream.as_deref(), line.endpoint.as_deref());
        let retries = (line.retries > 0).then(|| line.retries.to_string());
        for (name, value) in
            [("upstream", upstream), ("endpoint", endpoint), ("retries", retries.as_deref()), ("user", user)]
        {
            let _ = value.map(|value| write!(text, " {name}={}", value.escape_debug()));
        }
        for (name, value) in [("cause", cause.as_deref()), ("broken", line.broken.as_deref())] {
            let _ = value.map(|value| write!(text, " {name}={value:?}"));
        }
        let _ = writeln!(text, " id={:016x}", line.request_id);
        out.extend_from_slice(text.as_bytes());
    }

    /// As sent, as far as it is text.
    fn host(&self) -> Cow<'_, str> {
        let host = self.line.host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        match std::str::from_utf8(host) {
            Ok(host) => Cut(host).text(),
            Err(_) => Cow::Owned(Cut(&host.escape_ascii().to_string()).to_string()),
        }
    }

    fn cause(&self) -> Option<Cow<'_, str>> {
        self.line.cause.as_deref().map(|cause| Cut(cause).text())
    }

    fn route(&self) -> Option<&str> {
        self.line.route.as_ref().map(|route| match route {
            Route::Pattern(pattern) => pattern.as_ref(),
            Route::Own(name) => name,
        })
    }
}

/// Writes out the time of lines, a second's text once.
#[derive(Debug, Default)]
pub(super) struct LineClock {
    second: u64,
    /// RFC 3339 in UTC with milliseconds, of which the last digits are each line's own.
    text: String,
}

impl LineClock {
    /// RFC 3339 with milliseconds, in UTC.
    pub(super) fn text(&mut self, at: Timestamp) -> &str {
        const MILLIS_AND_Z: usize = "000Z".len();
        if self.text.is_empty() || self.second != at.as_secs() {
            self.second = at.as_secs();
            self.text = Timestamp::from_secs(self.second).to_string();
        }
        self.text.truncate(self.text.len().saturating_sub(MILLIS_AND_Z));
        let millis = at.as_millis() % 1000;
        let digits = [millis / 100, millis / 10 % 10, millis % 10];
        self.text.extend(digits.into_iter().filter_map(|digit| char::from_digit(u32::try_from(digit).ok()?, 10)));
        self.text.push('Z');
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_client_chose_neither_moves_a_terminals_cursor_nor_forges_a_line() {
        use crate::telemetry::access_log::AccessLog;
        let local = tokio::task::LocalSet::new();
        let text = local.run_until(async {
            let log = CoreLog::start(
                Some(AccessLog::start(std::io::sink(), false).unwrap().handle()),
                crate::telemetry::metrics::Metrics::default().of_this_core(),
            );
            let client = Client::of(crate::http::peer::Remote::Network("192.0.2.1:1".parse().unwrap()));
            let mut line = Line::begin(log, Timestamp::EPOCH, 1, Method::GET, Uri::from_static("/a%1b"), client);
            line.host = Some(HeaderValue::from_bytes(b"a 200 GET\x9b\xff").unwrap());
            line.retries = 2;
            line.cause = Some("x\n2026 200 \u{1b}[2J user=admin \u{202e}".to_owned());
            let mut text = Vec::new();
            Finished { line: &line, duration: Duration::ZERO }.write_readable(&mut text, "now");
            String::from_utf8(text).unwrap()
        });
        let text = text.await;
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text:?}");
        assert!(!text.trim_end().chars().any(|char| char.is_control() || char == '\u{202e}'), "{text:?}");
        assert_eq!(text.split(' ').nth(3), Some("a\\u{20}200\\u{20}GET\\\\x9b\\\\xff/a%1b"), "{text:?}");
        assert!(text.contains(r#" retries=2 cause="x\n2026"#), "{text:?}");
    }

    #[test]
    fn the_time_of_a_line_is_what_the_clock_says_to_the_millisecond() {
        let mut clock = LineClock::default();
        for millis in [0, 1, 999, 1000, 1_800_000_000_123, 1_800_000_000_124, 1_800_000_001_050, 7, 60_000] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(clock.text(at), at.to_string());
        }
    }
}
