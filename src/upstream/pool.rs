//! Unused connections to one endpoint, for one core.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::body::RequestBody;
use crate::http::idle::IdleLimit;

/// Longest wait for a connection whose answer has ended before its request did. Past this it is not worth keeping.
const TAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to an upstream, and the one timer of all the requests it serves.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) silence: IdleLimit,
}

/// The newest is taken first, so that those too many grow old and go.
#[derive(Debug)]
pub(super) struct Pool {
    unused: RefCell<Vec<Unused>>,
    max: usize,
}

#[derive(Debug)]
struct Unused {
    connection: Connection,
    expires: Instant,
}

impl Pool {
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Pool { unused: RefCell::default(), max })
    }

    /// A connection that is still open and has not been unused for too long.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut unused = self.unused.borrow_mut();
        let now = Instant::now();
        while let Some(newest) = unused.pop() {
            if newest.expires > now && newest.connection.sender.is_ready() {
                return Some(newest.connection);
            }
        }
        None
    }

    fn put(&self, mut connection: Connection, keep_alive: Duration) {
        let mut unused = self.unused.borrow_mut();
        if unused.len() < self.max && !connection.sender.is_closed() {
            connection.silence.heard();
            unused.push(Unused { connection, expires: Instant::now() + keep_alive });
        }
    }

    /// Closes what has been unused for too long.
    pub(super) fn prune(&self) {
        let now = Instant::now();
        self.unused.borrow_mut().retain(|unused| unused.expires > now && !unused.connection.sender.is_closed());
    }
}

/// A connection in use. Dropped, it is closed, which cancels whatever the upstream is doing.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    keep_alive: Duration,
}

impl Lease {
    pub(super) fn new(connection: Connection, pool: Rc<Pool>, keep_alive: Duration) -> Self {
        Lease { connection, pool, keep_alive }
    }

    /// How long the upstream has been silent.
    pub(super) fn silence(&mut self) -> &mut IdleLimit {
        &mut self.connection.silence
    }

    /// The answer has ended well: the connection may serve another request.
    pub(super) fn give_back(self) {
        let Lease { mut connection, pool, keep_alive } = self;
        if connection.sender.is_ready() {
            pool.put(connection, keep_alive);
        } else if !connection.sender.is_closed() {
            // The upstream answered before it had read the whole request.
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(TAIL_TIMEOUT, connection.sender.ready()).await {
                    pool.put(connection, keep_alive);
                }
            });
        }
    }
}
