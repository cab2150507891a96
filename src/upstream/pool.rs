//! Connections for one request at a time, HTTP/1.1, and those to one endpoint that are unused, for one core.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::body::{ClientSide, Progress, RequestBody};
use super::driver::Driver;
use crate::http::idle::IdleLimit;
use crate::rule::{self, Rule};

/// Longest wait for a connection to be ready again once all has been said on it.
const TAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection, and the one timer of all the requests it serves. Boxed once for all of them: it goes from hand to hand.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) silence: IdleLimit,
    pub(super) driver: Driver,
    /// At which address.
    pub(super) peer: Option<IpAddr>,
}

/// The newest is taken first, so that those too many grow old and go.
#[derive(Debug)]
pub(super) struct Pool {
    unused: RefCell<Vec<Unused>>,
    max: usize,
}

#[derive(Debug)]
struct Unused {
    connection: Box<Connection>,
    expires: Instant,
}

impl Pool {
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Pool { unused: RefCell::default(), max })
    }

    /// A connection that is still open and has not been unused for too long.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let mut unused = self.unused.borrow_mut();
        let now = Instant::now();
        while let Some(Unused { mut connection, expires }) = unused.pop() {
            // Nobody has looked at it while it was unused: the other end may have closed it.
            connection.driver.poll_once();
            if expires > now && connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn put(&self, mut connection: Box<Connection>, keep_alive: Duration) {
        let mut unused = self.unused.borrow_mut();
        if unused.len() < self.max && !connection.sender.is_closed() {
            connection.silence.heard();
            unused.push(Unused { connection, expires: Instant::now() + keep_alive });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unused.borrow().is_empty()
    }

    /// Closes what has been unused for too long, or leads where nobody is to be led any more.
    pub(super) fn prune(&self, is_right: impl Fn(Option<IpAddr>) -> bool) {
        let now = Instant::now();
        self.unused.borrow_mut().retain_mut(|Unused { connection, expires }| {
            connection.driver.poll_once();
            *expires > now && !connection.sender.is_closed() && is_right(connection.peer)
        });
    }
}

/// A connection in use. Dropped, it is closed, which cancels whatever the upstream is doing.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Box<Connection>,
    pool: Rc<Pool>,
    keep_alive: Duration,
    request: Progress,
}

impl Lease {
    pub(super) fn new(
        mut connection: Box<Connection>,
        pool: Rc<Pool>,
        keep_alive: Duration,
        request: Progress,
    ) -> Self {
        // What is left of the request does not wait for somebody to read the answer.
        if request.client_side() != ClientSide::Done || connection.driver.holds_back() {
            connection.driver.send_away();
        }
        Lease { connection, pool, keep_alive, request }
    }

    /// How long the upstream has been silent.
    pub(super) fn silence(&mut self) -> &mut IdleLimit {
        &mut self.connection.silence
    }

    /// What moves its bytes.
    pub(super) fn driver(&self) -> &Driver {
        &self.connection.driver
    }

    /// What moves its bytes.
    pub(super) fn driver_mut(&mut self) -> &mut Driver {
        &mut self.connection.driver
    }

    /// The connection speaks another protocol from here on.
    pub(super) fn hand_over(mut self) {
        self.connection.driver.leave_alone();
    }

    /// The answer has ended well: the connection may serve another request, unless this one has not ended yet. What is
    /// left of its body could be taken for a request of its own, past the gate, by an upstream that did not wait for it
    /// (RFC 9112, 9.3).
    pub(super) fn give_back(self) {
        let Lease { mut connection, pool, keep_alive, request } = self;
        if request.client_side() != ClientSide::Done && rule::holds(Rule::AKeptConnectionHasSaidAll) {
            return;
        }
        // Whoever has used it is not to be woken for what comes on it from now on.
        connection.driver.poll_once();
        if connection.sender.is_ready() {
            pool.put(connection, keep_alive);
        } else if !connection.sender.is_closed() {
            connection.driver.send_away();
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(TAIL_TIMEOUT, connection.sender.ready()).await {
                    pool.put(connection, keep_alive);
                }
            });
        }
    }
}
