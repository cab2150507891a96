//! What the operator reads: one proxy's access log, and the events of all.

use std::io;
use std::sync::{Arc, Condvar, LazyLock, Mutex};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::PATIENCE;

/// A text that others write and a test reads. Cheap to clone; all clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Log {
    /// What has been written so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Its lines, each a JSON object.
    pub fn objects(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so many lines hold all these words.
    pub fn wait_for(&self, count: usize, words: &[&str]) {
        let is_there = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count() >= count
        };
        let (text, timed_out) = {
            let text = self.0.0.lock().unwrap();
            let (text, waited) = self.0.1.wait_timeout_while(text, PATIENCE, |text| !is_there(text)).unwrap();
            (String::from_utf8_lossy(&text).into_owned(), waited.timed_out())
        };
        assert!(!timed_out, "{words:?} never came {count} times in {text}");
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The events of every proxy in this process: tests find their own by request id or state.
pub fn events() -> &'static Log {
    static EVENTS: LazyLock<Log> = LazyLock::new(|| {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let ours = Targets::new().with_target("menshen", LevelFilter::DEBUG);
        tracing_subscriber::registry().with(lines.with_filter(ours)).init();
        log
    });
    &EVENTS
}
