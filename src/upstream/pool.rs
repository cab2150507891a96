//! Unused connections to one endpoint, for one core.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::body::RequestBody;

/// Longest wait for a connection whose answer has ended before its request did. Past this it is not worth keeping.
const TAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// The newest is taken first, so that those too many grow old and go.
#[derive(Debug)]
pub(super) struct Pool {
    unused: RefCell<Vec<Unused>>,
    max: usize,
}

#[derive(Debug)]
struct Unused {
    sender: SendRequest<RequestBody>,
    expires: Instant,
}

impl Pool {
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Pool { unused: RefCell::default(), max })
    }

    /// A connection that is still open and has not been unused for too long.
    pub(super) fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut unused = self.unused.borrow_mut();
        let now = Instant::now();
        while let Some(newest) = unused.pop() {
            if newest.expires > now && newest.sender.is_ready() {
                return Some(newest.sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<RequestBody>, keep_alive: Duration) {
        let mut unused = self.unused.borrow_mut();
        if unused.len() < self.max && !sender.is_closed() {
            unused.push(Unused { sender, expires: Instant::now() + keep_alive });
        }
    }

    /// Closes what has been unused for too long.
    pub(super) fn prune(&self) {
        let now = Instant::now();
        self.unused.borrow_mut().retain(|unused| unused.expires > now && !unused.sender.is_closed());
    }
}

/// A connection in use. Dropped, it is closed, which cancels whatever the upstream is doing.
#[derive(Debug)]
pub(super) struct Lease {
    sender: SendRequest<RequestBody>,
    pool: Rc<Pool>,
    keep_alive: Duration,
}

impl Lease {
    pub(super) fn new(sender: SendRequest<RequestBody>, pool: Rc<Pool>, keep_alive: Duration) -> Self {
        Lease { sender, pool, keep_alive }
    }

    /// The answer has ended well: the connection may serve another request.
    pub(super) fn give_back(self) {
        let Lease { mut sender, pool, keep_alive } = self;
        if sender.is_ready() {
            pool.put(sender, keep_alive);
        } else if !sender.is_closed() {
            // The upstream answered before it had read the whole request.
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(TAIL_TIMEOUT, sender.ready()).await {
                    pool.put(sender, keep_alive);
                }
            });
        }
    }
}
