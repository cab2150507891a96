//! At most so many events of one kind in a minute, the rest counted: whoever makes us write cannot fill the disk.
//!
//! A kind is a place in the code that writes an event. There are as many as the program has, so that what is remembered
//! is bounded whatever outsiders do. What they did stands in the access log all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use super::ALWAYS;
use crate::clock::{Clock, Timestamp};

/// How many events of one kind are written before the rest are counted: enough to see what goes on.
pub(super) const MOST: u32 = 10;

/// For how long they are counted together.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// Counts events, and lets few of a kind pass. Cheap to clone; all clones share their counts.
#[derive(Debug, Clone)]
pub(super) struct Throttle {
    clock: Clock,
    /// Whoever asks for debugging gets all of it.
    lets_all_pass: bool,
    kinds: Arc<Mutex<HashMap<Identifier, Kind>>>,
}

/// Events of one kind, within one interval.
#[derive(Debug)]
struct Kind {
    began: Timestamp,
    written: u32,
    left_out: LeftOut,
}

/// Events that were not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// What those said that were.
    pub(super) message: String,
    /// How many.
    pub(super) count: u64,
}

impl Throttle {
    /// For events down to `level`.
    pub(super) fn new(clock: Clock, level: Level) -> Self {
        Throttle { clock, lets_all_pass: level > Level::INFO, kinds: Arc::default() }
    }

    /// What has been left out in intervals that are over; each is told once.
    pub(super) fn take_left_out(&self) -> Vec<LeftOut> {
        let now = self.clock.now();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = Vec::new();
        kinds.retain(|_, kind| {
            let is_over = kind.is_over(now);
            if is_over && kind.left_out.count > 0 {
                left_out.push(kind.left_out.clone());
            }
            !is_over
        });
        left_out
    }

    fn may_write(&self, event: &Event<'_>) -> bool {
        let now = self.clock.now();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(|| Kind {
            began: now,
            written: 0,
            left_out: LeftOut { message: message(event), count: 0 },
        });
        if kind.is_over(now) {
            (kind.began, kind.written) = (now, 0);
        }
        if kind.written < MOST {
            kind.written += 1;
            true
        } else {
            kind.left_out.count += 1;
            false
        }
    }
}

impl Kind {
    /// A clock that was set back ends it as well: nothing is to be held back until it has caught up.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.began || now.since(self.began) >= INTERVAL
    }
}

impl<S: Subscriber> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.lets_all_pass || event.metadata().target() == ALWAYS || self.may_write(event)
    }
}

fn message(event: &Event<'_>) -> String {
    let mut message = Message::default();
    event.record(&mut message);
    message.0
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
