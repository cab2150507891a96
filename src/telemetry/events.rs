//! Events: what happens that is no request. They go to standard error, the access log to standard output.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets};
use tracing_subscriber::fmt::{MakeWriter, format};
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::SubscriberInitExt;

use super::line_writer::LineWriter;
use super::throttle::{LeftOut, Throttle};
use super::{Format, Settings};
use crate::clock::Clock;

/// The target of events that are written however many there are: what the operator must be able to look up.
pub const ALWAYS: &str = "menshen::always";

/// How often it is looked whether there is something to tell of events that were left out.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Events that may wait to be written.
const WAITING_EVENTS: usize = 1024;

/// How long the end of the process waits for the last ones to be written.
const LAST_EVENTS: Duration = Duration::from_secs(2);

impl Settings {
    /// Whether lines are JSON, given whether they go to a terminal.
    pub fn is_json(&self, is_terminal: bool) -> bool {
        match self.format {
            Format::Auto => !is_terminal,
            Format::Json => true,
            Format::Text => false,
        }
    }
}

/// Events are written for as long as the process runs. Dropped, it waits until the last ones are, or for two seconds.
#[must_use]
#[derive(Debug)]
pub struct Events(Option<LineWriter>);

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(writer) = &self.0 {
            writer.flush(LAST_EVENTS);
        }
    }
}

/// Has events written to standard error from now on, few of a kind at a time. A second call changes nothing.
pub fn init(settings: &Settings) -> std::io::Result<Events> {
    let is_json = settings.is_json(std::io::stderr().is_terminal());
    let throttle = Throttle::new(Clock::System, settings.level);
    let writer = EventWriter::new(LineWriter::start("events", WAITING_EVENTS, std::io::stderr())?);
    let lines = writer.lines.clone();
    let (lost, unwritten) = (Arc::clone(&writer.lost), lines.clone());
    if subscriber(settings, is_json, throttle.clone(), writer).try_init().is_err() {
        return Ok(Events(None));
    }
    spawn_telling(throttle, lost, unwritten);
    Ok(Events(Some(lines)))
}

/// Hands each event to the thread that writes them. What finds no room there is lost and counted: standard error may be
/// a pipe whose reader has stopped, and whoever has something to say is answering requests.
#[derive(Debug, Clone)]
struct EventWriter {
    lines: LineWriter,
    lost: Arc<AtomicU64>,
}

impl EventWriter {
    fn new(lines: LineWriter) -> Self {
        EventWriter { lines, lost: Arc::default() }
    }
}

impl MakeWriter<'_> for EventWriter {
    type Writer = EventWriter;

    fn make_writer(&self) -> EventWriter {
        self.clone()
    }
}

/// Each event comes as one piece.
impl Write for EventWriter {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        if self.lines.write(event.to_vec()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn subscriber<W>(
    settings: &Settings,
    is_json: bool,
    throttle: Throttle,
    writer: W,
) -> impl SubscriberInitExt + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Libraries' own events are for their developers, and may hold addresses with secrets: warnings alone pass.
    let filter =
        Targets::new().with_default(LevelFilter::WARN).with_target("menshen", LevelFilter::from_level(settings.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let lines = if is_json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(false).fmt_fields(format::debug_fn(write_field).delimited(" ")).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(throttle)))
}

/// `name=value`, with whatever a stranger may have chosen in quotes where it would read as another field.
fn write_field(out: &mut format::Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let is_plain = |char: char| !char.is_whitespace() && !char.is_control() && !matches!(char, '=' | '"');
    if field.name() == "message" {
        write!(out, "{value}")
    } else if is_quoted(&value) || value.chars().all(is_plain) {
        write!(out, "{field}={value}")
    } else {
        write!(out, "{field}={value:?}")
    }
}

/// Whether a text is one in quotes, as a whole.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let mut is_escaped = false;
    let ends_early = inner.chars().any(|char| {
        let ends = !is_escaped && (char == '"' || char.is_control());
        is_escaped = !is_escaped && char == '\\';
        ends
    });
    !ends_early && !is_escaped
}

/// On a thread of its own: nothing may be written from within what decides over what is written.
fn spawn_telling(throttle: Throttle, lost: Arc<AtomicU64>, lines: LineWriter) {
    let telling = move || {
        loop {
            std::thread::sleep(TELL_EVERY);
            tell(&throttle);
            lost.fetch_add(lines.take_unwritten(), Ordering::Relaxed);
            tell_lost(&lost);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("left-out".to_owned()).spawn(telling) {
        tracing::warn!(%error, "events that are left out will not be counted");
    }
}

fn tell(throttle: &Throttle) {
    for LeftOut { message, count } in throttle.take_left_out() {
        tracing::warn!(target: ALWAYS, event = message, count, "events of one kind were too many to be written");
    }
}

fn tell_lost(lost: &AtomicU64) {
    let count = lost.swap(0, Ordering::Relaxed);
    if count > 0 {
        tracing::warn!(target: ALWAYS, count, "events were lost: nobody read them fast enough, or the disk is full");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::super::throttle::{INTERVAL, MOST};
    use super::*;
    use crate::clock::Timestamp;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// How many lines hold these words.
        fn count(&self, words: &str) -> usize {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().filter(|line| line.contains(words)).count()
        }
    }

    /// Everything that is written while a test runs, by a clock that it moves.
    fn listen(level: Level) -> (Clock, Throttle, Written, tracing::subscriber::DefaultGuard) {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let throttle = Throttle::new(clock.clone(), level);
        let written = Written::default();
        let writer = written.clone();
        let settings = Settings { format: Format::Json, level, access: false };
        let listening = subscriber(&settings, true, throttle.clone(), move || writer.clone()).set_default();
        (clock, throttle, written, listening)
    }

    fn scanned(host: usize) {
        tracing::warn!(host, "no site has this name");
    }

    #[test]
    fn a_scanner_writes_few_events_and_is_counted_once_a_minute() {
        let (clock, throttle, written, _listening) = listen(Level::INFO);
        let most = MOST as usize;
        (0..1000).for_each(scanned);
        assert_eq!(written.count("no site has this name"), most);
        assert_eq!(
            (written.count("\"host\":0"), written.count("\"host\":1}")),
            (1, 1),
            "the first are written at once"
        );
        // Another kind is not held back by it.
        tracing::error!("the store has failed");
        assert_eq!(written.count("the store has failed"), 1);

        tell(&throttle);
        assert_eq!(written.count("too many"), 0, "the minute is not over");
        clock.advance(INTERVAL);
        tell(&throttle);
        tell(&throttle);
        assert_eq!(written.count("too many"), 1);
        assert_eq!(written.count(r#""event":"no site has this name","count":990"#), 1);
        scanned(1000);
        assert_eq!(written.count("no site has this name"), most + 2, "a new minute has begun");
    }

    #[test]
    fn what_was_left_out_is_told_even_if_the_next_minute_begins_first() {
        let (clock, throttle, written, _listening) = listen(Level::INFO);
        (0..MOST as usize + 3).for_each(scanned);
        clock.advance(INTERVAL);
        scanned(0);
        clock.advance(INTERVAL);
        tell(&throttle);
        assert_eq!(written.count("\"count\":3"), 1);
    }

    /// Regression: a `Host` with blanks read as further fields of the event.
    #[test]
    fn in_text_no_value_reads_as_another_field() {
        let written = Written::default();
        let writer = written.clone();
        let settings = Settings { format: Format::Text, level: Level::INFO, access: false };
        let throttle = Throttle::new(Clock::manual(Timestamp::from_secs(1)), Level::INFO);
        let _listening = subscriber(&settings, false, throttle, move || writer.clone()).set_default();
        let forged = "a level=ERROR";
        tracing::info!(plain = %"a.example:80", forged = %forged, text = "a b", count = 7, "it happened");
        for host in ["\"a\" b=\"c\"", "\"a\\\\\" b=\"", "a\nb", "\u{1b}[2J", "\"a\tb\""] {
            tracing::info!(%host, "it happened too");
        }
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(" INFO ").unwrap().1).collect();
        assert_eq!(
            lines,
            [
                r#"it happened plain=a.example:80 forged="a level=ERROR" text="a b" count=7"#,
                r#"it happened too host="\"a\" b=\"c\"""#,
                r#"it happened too host="\"a\\\\\" b=\"""#,
                r#"it happened too host="a\nb""#,
                r#"it happened too host="\u{1b}[2J""#,
                r#"it happened too host="\"a\tb\"""#,
            ]
        );
    }

    #[test]
    fn what_must_be_looked_up_is_never_left_out() {
        let (_clock, _throttle, written, _listening) = listen(Level::INFO);
        (0..100).for_each(|_| tracing::info!(target: ALWAYS, "a login finished"));
        assert_eq!(written.count("a login finished"), 100);
    }

    #[test]
    fn who_asks_for_debugging_gets_all_of_it() {
        let (_clock, _throttle, written, _listening) = listen(Level::DEBUG);
        (0..100).for_each(|host| {
            scanned(host);
            tracing::debug!("a request was refused");
        });
        assert_eq!((written.count("no site has this name"), written.count("a request was refused")), (100, 100));
    }
}
