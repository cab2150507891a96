//! What is done to requests on purpose, and what visitors met.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What an endpoint does to a request on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// Falls silent in the middle of its head.
    StallsInItsHead,
    /// Closes before a byte.
    Leaves,
    /// Answers nonsense.
    AnswersNonsense,
    /// Closes in the middle of a body whose length it announced.
    ClosesInTheMiddle,
    /// Sends more than it announced.
    SendsMore,
    /// Resets the connection after its head.
    ResetsAfterItsHead,
    /// Says that it is too busy.
    IsTooBusy,
}

pub(super) const FAULTS: [Fault; 8] = [
    Fault::None,
    Fault::StallsInItsHead,
    Fault::Leaves,
    Fault::AnswersNonsense,
    Fault::ClosesInTheMiddle,
    Fault::SendsMore,
    Fault::ResetsAfterItsHead,
    Fault::IsTooBusy,
];

/// What a visitor met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Met {
    /// The answer that was meant, to its last byte.
    Whole,
    /// Another status.
    Status(u16),
    /// An answer that ended before its end.
    Broken,
    /// No answer at all.
    Nothing,
}

impl Fault {
    /// Whether a visitor may meet this for it.
    fn explains(self, met: Met) -> bool {
        match self {
            Fault::None | Fault::SendsMore => met == Met::Whole,
            Fault::StallsInItsHead => met == Met::Status(504),
            Fault::Leaves | Fault::AnswersNonsense => met == Met::Status(502),
            Fault::ClosesInTheMiddle => met == Met::Broken,
            // The proxy may have seen the reset, and not the head.
            Fault::ResetsAfterItsHead => matches!(met, Met::Broken | Met::Status(502)),
            Fault::IsTooBusy => met == Met::Status(503),
        }
    }
}

/// Every request, by its number.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    next: u64,
    met: BTreeMap<(Fault, Met), usize>,
    /// Those that are under way.
    open: BTreeSet<u64>,
    /// Whether an endpoint is being stopped.
    is_stopping: bool,
    /// Those that were under way while an endpoint was stopped: it may have had them in its queue, and never seen them.
    stopped: BTreeSet<u64>,
    failed: Vec<Failed>,
}

/// A request that met what no fault of its own explains.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    number: u64,
    fault: Fault,
    met: Met,
    /// What the proxy answered, which quotes the id that its log has.
    pub(super) page: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}, whose fault was {:?}, met {:?}: {:?}", self.number, self.fault, self.met, self.page)
    }
}

/// What there was of everything.
pub(super) struct Told {
    pub(super) whole: usize,
    met: BTreeMap<(Fault, Met), usize>,
    stopped: usize,
}

impl Ledger {
    /// The number of another request, and what is to happen to it.
    pub(super) fn begin(&self) -> (u64, Fault) {
        let mut books = self.books();
        books.next += 1;
        let number = books.next;
        books.open.insert(number);
        if books.is_stopping {
            books.stopped.insert(number);
        }
        // One in twenty has a fault.
        let fault = if number.is_multiple_of(20) {
            FAULTS[usize::try_from(number / 20).unwrap() % FAULTS.len()]
        } else {
            Fault::None
        };
        (number, fault)
    }

    /// An endpoint was stopped while it worked on this one.
    pub(super) fn stopped(&self, number: u64) {
        self.books().stopped.insert(number);
    }

    /// An endpoint is being stopped from now on, or is gone.
    pub(super) fn stops(&self, is_stopping: bool) {
        let mut books = self.books();
        books.is_stopping = is_stopping;
        let open = books.open.clone();
        books.stopped.extend(open);
    }

    /// What became of a request, and what came in place of its answer.
    pub(super) fn met(&self, number: u64, fault: Fault, (met, page): (Met, String)) {
        let mut books = self.books();
        books.open.remove(&number);
        *books.met.entry((fault, met)).or_default() += 1;
        if !fault.explains(met) {
            books.failed.push(Failed { number, fault, met, page });
        }
    }

    /// Those that failed, and no fault explains it.
    pub(super) fn left_over(&self) -> Vec<Failed> {
        let books = self.books();
        books.failed.iter().filter(|failed| !books.stopped.contains(&failed.number)).cloned().collect()
    }

    pub(super) fn told(&self) -> Told {
        let books = self.books();
        let whole = books.met.iter().filter(|((_, met), _)| *met == Met::Whole).map(|(_, count)| count).sum();
        Told { whole, met: books.met.clone(), stopped: books.failed.len() }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} whole", self.whole)?;
        for ((fault, met), count) in self.met.iter().filter(|((_, met), _)| *met != Met::Whole) {
            write!(f, ", {count} {fault:?}: {met:?}")?;
        }
        write!(f, "; {} by an endpoint's end", self.stopped)
    }
}
