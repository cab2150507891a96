//! The cores: a thread each, with a runtime, an accept loop and a handler of its own.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::LocalSet;

use super::connection::{self, Accepted, begun};
use super::crowd::{Crowd, Full, Place};
use super::listener::{Accepting, Listener, Speaks};
use super::present::{Asked, Make, Slot, follow};
use super::transport::Transport;
use super::{Handler, Limits, Listeners, Settings, Terms};
use crate::http::peer::Remote;
use crate::rule::{self, Rule};

/// How long to wait after an accept that failed for want of descriptors or memory: they come back when others leave.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A core has ended before it was asked to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a core has ended")]
pub struct Gone;

/// Running cores.
#[derive(Debug)]
pub struct Server<H> {
    cores: Mutex<Vec<JoinHandle<()>>>,
    draining: watch::Sender<bool>,
    crowd: Arc<Crowd>,
    asked: Vec<mpsc::UnboundedSender<Asked<H>>>,
}

impl<H: Handler> Server<H> {
    /// Starts the cores. `make_handler` is called once on each core's own thread, inside its runtime.
    pub fn start(
        settings: &Settings,
        listeners: &Listeners,
        terms: &Terms,
        make_handler: impl Fn() -> H + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (draining, watching) = watch::channel(false);
        let make_handler: Make<H> = Arc::new(make_handler);
        let crowd = Arc::new(Crowd::default());
        let count = match settings.cores {
            Some(count) => count.get(),
            None => std::thread::available_parallelism()?.get(),
        };
        let mut cores = Vec::with_capacity(count);
        let mut all_asked = Vec::with_capacity(count);
        for index in 0..count {
            let core = Core { drain: settings.drain, draining: watching.clone(), crowd: Arc::clone(&crowd) };
            let sockets = listeners.share()?;
            let (make_handler, terms) = (Arc::clone(&make_handler), terms.clone());
            let (ask, asked) = mpsc::unbounded_channel();
            all_asked.push(ask);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let run = move || {
                let local = LocalSet::new();
                let ended = local.block_on(&runtime, core.run(sockets, terms, make_handler, asked));
                if let Err(error) = ended {
                    tracing::error!(%error, "a core cannot listen");
                }
            };
            cores.push(std::thread::Builder::new().name(format!("core-{index}")).spawn(run)?);
        }
        Ok(Server { cores: Mutex::new(cores), draining, crowd, asked: all_asked })
    }

    /// How many client connections are open.
    pub fn connections(&self) -> usize {
        self.crowd.count()
    }

    /// How many were turned away, since there was no room for them.
    pub fn turned_away(&self) -> u64 {
        self.crowd.turned_away()
    }

    /// Has every core serve with another handler, made there, and on other terms. Requests under way end as they
    /// began; connections stay. Ready once all cores do.
    pub async fn exchange(
        &self,
        make_handler: impl Fn() -> H + Send + Sync + 'static,
        terms: &Terms,
    ) -> Result<(), Gone> {
        let make: Make<H> = Arc::new(make_handler);
        self.ask(|done| Asked::Exchange { make: Arc::clone(&make), terms: terms.clone(), done }).await
    }

    /// Ready once every core has got round to saying that it is there. A core that hangs never does.
    pub async fn answers(&self) -> Result<(), Gone> {
        self.ask(Asked::Answer).await
    }

    /// Asks every core, and waits until all have done it.
    async fn ask(&self, what: impl Fn(oneshot::Sender<()>) -> Asked<H>) -> Result<(), Gone> {
        let ask = |core: &mpsc::UnboundedSender<Asked<H>>| {
            let (done, told) = oneshot::channel();
            core.send(what(done)).map(|()| told).map_err(|_| Gone)
        };
        let told: Vec<_> = self.asked.iter().map(ask).collect::<Result<_, _>>()?;
        for told in told {
            told.await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Stops accepting and closes idle connections; open requests end, within the time that the settings give from now on.
    pub fn begin_to_drain(&self) {
        self.draining.send_replace(true);
    }

    /// The same, and returns when all are gone or that time has passed. Blocks.
    pub fn drain(&self) {
        self.begin_to_drain();
        let cores = std::mem::take(&mut *self.cores.lock().unwrap_or_else(PoisonError::into_inner));
        for core in cores {
            if core.join().is_err() {
                tracing::error!("a core had panicked");
            }
        }
    }
}

/// One core's share of the work.
struct Core {
    drain: Duration,
    draining: watch::Receiver<bool>,
    /// Whoever is connected, to all cores.
    crowd: Arc<Crowd>,
}

impl Core {
    async fn run<H: Handler>(
        self,
        listeners: Vec<Listener>,
        terms: Terms,
        make: Make<H>,
        asked: mpsc::UnboundedReceiver<Asked<H>>,
    ) -> io::Result<()> {
        let slot = Rc::new(Slot::new(make(), terms));
        tokio::task::spawn_local(follow(Rc::clone(&slot), asked));
        let (drain, mut draining) = (self.drain, self.draining.clone());
        let core = Rc::new(self);
        let open = Arc::new(Open { count: AtomicUsize::new(0), none: Notify::new() });
        for listener in listeners {
            let (speaks, socket) = (listener.speaks, listener.begin()?);
            tokio::task::spawn_local(accept(Rc::clone(&core), socket, speaks, Rc::clone(&slot), Arc::clone(&open)));
        }
        begun(&mut draining).await;
        let count = || open.count.load(Ordering::Relaxed);
        if count() > 0 && tokio::time::timeout(drain, open.none.notified()).await.is_err() {
            tracing::warn!(connections = count(), "cut off connections that did not end in time");
        }
        Ok(())
    }
}

async fn accept<H: Handler>(core: Rc<Core>, socket: Accepting, speaks: Speaks, slot: Rc<Slot<H>>, open: Arc<Open>) {
    let mut draining = core.draining.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = begun(&mut draining) => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => admit(&core, stream, from, speaks, &slot, &open),
            // The client left before its turn; the next one may be there already.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<H: Handler>(
    core: &Rc<Core>,
    stream: Transport,
    from: Remote,
    speaks: Speaks,
    slot: &Rc<Slot<H>>,
    open: &Arc<Open>,
) {
    let terms = slot.present().terms.clone();
    let is_introduced = terms.balancers.hold(from) || !rule::holds(Rule::BalancersAloneIntroduceClients);
    // Of a balancer's connection it is not known yet whose it is.
    let known = (!is_introduced).then_some(from);
    let place = match core.crowd.admit(known, &terms.limits) {
        Ok(place) => Connected::new(place, open),
        Err(full) => return turned_away(from, full),
    };
    if let Err(error) = stream.set_nodelay() {
        tracing::debug!(peer = %from, %error, "a client left at once");
        return;
    }
    let accepted = Accepted { stream, from, speaks, is_introduced, terms };
    let (core, slot) = (Rc::clone(core), Rc::clone(slot));
    tokio::task::spawn_local(async move {
        connection::serve(accepted, slot, core.draining.clone(), place).await;
    });
}

fn turned_away(peer: Remote, full: Full) {
    match full {
        Full::Everywhere => {
            tracing::warn!(%peer, "limits.connections is reached: a connection was turned away");
        }
        Full::ForThisAddress => {
            tracing::warn!(%peer, "one address holds limits.connections_per_address: a connection was turned away");
        }
    }
}

/// This core's open connections, upgraded ones among them. Atomic only because hyper asks for `Send` where it supports
/// upgrades: all of it lives on one core.
struct Open {
    count: AtomicUsize,
    none: Notify,
}

/// A connection that counts as open, for exactly as long as its socket is.
pub(super) struct Connected {
    place: Place,
    open: Arc<Open>,
}

impl Connected {
    fn new(place: Place, open: &Arc<Open>) -> Self {
        open.count.fetch_add(1, Ordering::Relaxed);
        Connected { place, open: Arc::clone(open) }
    }

    /// On a core that nobody watches.
    #[cfg(test)]
    pub(super) fn alone(place: Place) -> Self {
        Connected::new(place, &Arc::new(Open { count: AtomicUsize::new(0), none: Notify::new() }))
    }

    /// Whose it is, by what a balancer says; false where that client has too many, which has been told then.
    pub(super) fn belongs_to(&mut self, client: Remote, limits: &Limits) -> bool {
        let admitted = self.place.belongs_to(client, limits);
        admitted.map_err(|full| turned_away(client, full)).is_ok()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if self.open.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.open.none.notify_waiters();
        }
    }
}
