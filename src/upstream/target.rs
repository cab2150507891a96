//! One endpoint of an upstream, and this core's connections to it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared as Joined;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::channel::Channel;
use super::dialer::{Dialer, Opened};
use super::names::Names;
use super::pool::Pool;
use super::shared::{Shared, Stream};
use super::{Endpoint, Settings};
use crate::tls::Offer;

/// How often a request waits for a connection that others have filled up meanwhile, before it opens one for itself.
const TRIES: usize = 3;

/// An endpoint and this core's connections to it.
#[derive(Debug)]
pub(super) struct Target {
    dialer: Rc<Dialer>,
    pub(super) pool: Rc<Pool>,
    /// Those that speak HTTP/2.
    shared: Rc<RefCell<Vec<SharedAt>>>,
    /// The one that is being opened for all who wait.
    opening: Rc<RefCell<Option<Opening>>>,
    /// What the endpoint chose HTTP/1.1, the last time it had the choice.
    speaks_http_1: Rc<Cell<bool>>,
    keep_alive: Duration,
    /// Longest wait for a connection of whoever is in no hurry.
    connect_timeout: Duration,
}

/// A connection, and at which address.
type SharedAt = (Rc<Shared>, Option<IpAddr>);

type Opening = Joined<oneshot::Receiver<Outcome>>;

/// What came of opening a connection for all who wait: there is one in the list, or in the pool; or why there is none.
type Outcome = Result<(), Arc<io::Error>>;

/// What a request wants of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// It may have served others before.
    pub(super) is_reusable: bool,
    /// It can be switched to another protocol, which HTTP/2 cannot.
    pub(super) switches: bool,
    /// Longest wait for a fresh one.
    pub(super) connect_timeout: Duration,
}

impl Wanted {
    /// In the time that is left, if that is less.
    pub(super) fn within(self, left: Option<Duration>) -> Self {
        let connect_timeout = left.map_or(self.connect_timeout, |left| left.min(self.connect_timeout));
        Wanted { connect_timeout, ..self }
    }
}

impl Target {
    pub(super) fn new(
        endpoint: Endpoint,
        settings: &Settings,
        names: &Names,
        counts: Arc<super::counts::OfOne>,
    ) -> Self {
        Target {
            dialer: Rc::new(Dialer::new(endpoint, settings, names, counts)),
            pool: Pool::new(settings.max_idle),
            shared: Rc::default(),
            opening: Rc::default(),
            speaks_http_1: Rc::default(),
            keep_alive: settings.keep_alive,
            connect_timeout: settings.connect_timeout,
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.dialer.endpoint
    }

    /// A connection, and whether it has served others before.
    ///
    /// # Errors
    /// The endpoint took none.
    pub(super) async fn channel(&self, wanted: Wanted) -> io::Result<(Channel, bool)> {
        let may_be_shared = self.dialer.may_speak_http_2() && !wanted.switches && wanted.is_reusable;
        if may_be_shared {
            if let Some(stream) = self.begin() {
                return Ok((Channel::Shared(stream), true));
            }
            for _ in 0..TRIES {
                if self.speaks_http_1.get() {
                    break;
                }
                self.join_opening(wanted.connect_timeout).await?;
                if let Some(stream) = self.begin() {
                    return Ok((Channel::Shared(stream), true));
                }
            }
        }
        if wanted.is_reusable
            && let Some(connection) = self.pool.take()
        {
            return Ok((Channel::Alone(connection), true));
        }
        let offer = if wanted.switches { Offer::Http1 } else { Offer::Any };
        // Seldom needed, and large: it would make the future of every request so.
        match Box::pin(self.dialer.dial(offer, wanted.connect_timeout)).await? {
            Opened::Http1(connection) => Ok((Channel::Alone(connection), false)),
            Opened::Http2(shared, peer) => {
                self.speaks_http_1.set(false);
                self.shared.borrow_mut().push((Rc::clone(&shared), peer));
                let none = || io::Error::other("it takes no requests now, or hung up at once");
                let stream = shared.begin().ok_or_else(none)?;
                Ok((Channel::Shared(stream), false))
            }
        }
    }

    /// Room on a connection that is there.
    fn begin(&self) -> Option<Stream> {
        self.shared.borrow().iter().find_map(|(shared, _)| shared.begin())
    }

    /// Waits for the connection that is being opened, which goes on whoever of those who wait leaves.
    async fn join_opening(&self, patience: Duration) -> io::Result<()> {
        let joined = self.opening.borrow().clone();
        let opening = joined.unwrap_or_else(|| {
            // Others who join may be more patient than whoever comes first.
            let opening = self.open(patience.max(self.connect_timeout)).shared();
            self.opening.replace(Some(opening.clone()));
            opening
        });
        match timeout(patience, opening).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(io::Error::new(error.kind(), error)),
            Ok(Err(_)) => Err(io::Error::other("opening a connection was given up")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the connection was not accepted in time")),
        }
    }

    /// Opens a connection to be found in the list or, if it speaks HTTP/1.1, in the pool.
    fn open(&self, patience: Duration) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let (dialer, pool, shared) = (Rc::clone(&self.dialer), Rc::clone(&self.pool), Rc::clone(&self.shared));
        let (speaks_http_1, keep_alive) = (Rc::clone(&self.speaks_http_1), self.keep_alive);
        let opening = Rc::clone(&self.opening);
        tokio::task::spawn_local(async move {
            let outcome = dialer.dial(Offer::Any, patience).await.map_err(Arc::new).map(|opened| match opened {
                Opened::Http1(connection) => {
                    speaks_http_1.set(true);
                    pool.put(connection, keep_alive);
                }
                Opened::Http2(connection, peer) => shared.borrow_mut().push((connection, peer)),
            });
            // Who comes from now on asks anew, whatever came of this one. Whoever asked may have left.
            opening.take();
            let _ = tell.send(outcome);
        });
        told
    }

    /// Closes what has been unused for too long, and has nobody begin any more on what leads where the endpoint's name does
    /// not lead by now.
    pub(super) fn prune(&self) {
        let name = self.dialer.name.as_ref();
        if let Some(name) = name.filter(|_| !self.pool.is_empty() || !self.shared.borrow().is_empty()) {
            name.look_again();
        }
        let is_right = |peer: Option<IpAddr>| name.zip(peer).is_none_or(|(name, peer)| name.leads_to(peer));
        self.pool.prune(is_right);
        let then = Instant::now().checked_sub(self.keep_alive);
        let is_unused = |shared: &Shared| then.is_some_and(|then| shared.is_unused_since(then));
        let mut shared = self.shared.borrow_mut();
        shared.retain(|(shared, peer)| !shared.is_over() && !is_unused(shared) && is_right(*peer));
    }
}
