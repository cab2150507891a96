//! Where everything is put together: the only file that knows which store and which provider there are.

mod build;
mod explain;
mod feed;
mod issued;
mod live;
mod owner;
mod source;
mod stopped;

use std::error::Error as _;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::build::{Foundations, LiveKeys};
use self::feed::Feed;
use self::live::{Live, gateways};
pub use self::owner::OwnerError;
pub use self::source::Source;
pub use self::stopped::{Stopped, StoppedError};
use crate::acme::Acme;
use crate::admin::socket::Socket;
use crate::admin::{self, Admin, Problem, Reloaded, Running, listener};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Gateway, InFlight, SiteError};
use crate::http::peer::Peer;
use crate::keyring::{KeyError, Keyring};
use crate::login::provider::BuildError;
use crate::master_key::{MasterKey, MasterKeyError};
use crate::random::NoRandomness;
use crate::server::{BindError, Gone, Handler, Inherited, ListenAt, Listeners, Server, Speaks};
use crate::session::Lookups;
use crate::store::sled::{OpenError, SledStore};
use crate::store::{self, Actor, Store};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::tls::{NoTickets, Tickets};
use crate::upstream::{ConnectionCounts, Groups, Names};

/// How long logins that are half done have to end before the store is closed.
const LOGINS_END_WITHIN: Duration = Duration::from_secs(5);

/// The store gets this long to close even where logins have taken all the time there was.
const CLOSE_AT_LEAST: Duration = Duration::from_secs(2);

/// Threads for whatever may be slow: logins, signing, the store's callers.
const CONTROL_THREADS: usize = 2;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store is another user's.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store opens but does not serve.
    #[error(transparent)]
    StoreFailed(#[from] store::Error),
    /// There is no master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// There are no keys to work with.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// No client for a provider can be made.
    #[error("no client for calls to a provider can be made")]
    Provider(#[from] BuildError),
    /// A site's addresses do not fit together.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// An address of the administration is taken or not ours.
    #[error("admin.listen: {address} cannot be listened on")]
    AdminAddress {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be spoken as the settings say.
    #[error("TLS cannot be spoken")]
    Tls(#[from] rustls::Error),
    /// TLS cannot be spoken.
    #[error(transparent)]
    NoTickets(#[from] NoTickets),
    /// A core has ended.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// Threads or descriptors have run out.
    #[error("the system gives no threads or sockets")]
    System(#[from] io::Error),
}

/// The running proxy.
pub struct App {
    server: Arc<Server<Gateway>>,
    places: Vec<(ListenAt, Speaks)>,
    admin_addresses: Vec<SocketAddr>,
    live: Arc<Live>,
    store: Arc<dyn Store>,
    control: Runtime,
    access_log: Option<AccessLog>,
    drain: Duration,
}

impl App {
    /// Starts everything; requests are answered when this returns. `source` reads the configuration again where it is to
    /// be reloaded. Blocks while the store opens, so it must not be called on an async runtime.
    pub fn start(
        config: &Config,
        clock: Clock,
        source: Option<Source>,
        inherited: Inherited,
    ) -> Result<Self, StartError> {
        let stdout = io::stdout();
        let is_json = config.log.is_json(stdout.is_terminal());
        // By itself it keeps what a full disk has refused, to write it later in the middle of other lines.
        let unbuffered = File::from(stdout.as_fd().try_clone_to_owned()?);
        let listeners = Listeners::bind(&config.server, inherited)?;
        Self::start_with(config, clock, source, listeners, unbuffered, is_json)
    }

    /// As [`App::start`], on sockets that are bound already, with the access log written to `log` rather than to standard
    /// output.
    pub fn start_with(
        config: &Config,
        clock: Clock,
        source: Option<Source>,
        listeners: Listeners,
        log: impl io::Write + Send + 'static,
        is_json: bool,
    ) -> Result<Self, StartError> {
        let admin_sockets = admin_sockets(&config.admin.listen)?;
        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("control")
            .enable_all()
            .build()?;
        // A key that another user has mounted for us is none that we write.
        owner::check(&config.store.database())?;
        let (has_store, has_key) = (config.store.is_made(), config.master_key_file.exists());
        let master = MasterKey::open_or_create(&config.master_key_file, has_store)?;
        let store = SledStore::open(&config.store)?;
        let (store_counts, store): (_, Arc<dyn Store>) = (Arc::clone(store.counts()), Arc::new(store));
        if has_key && !has_store {
            let (path, key) = (config.store.path.display(), config.master_key_file.display());
            tracing::warn!(%path, %key, "a new store was made, though its master key was there before");
        }
        let access_log = if config.log.access { Some(AccessLog::start(log, is_json)?) } else { None };
        let feed = Arc::new(control.block_on(Feed::open(Arc::clone(&store), clock.clone()))?);
        let keyring = Keyring::new(store.as_ref(), &master, clock.now())?;
        let keys = control.block_on(LiveKeys::load(&keyring))?;
        let foundations = Foundations {
            clock: clock.clone(),
            master: master.clone(),
            store: Arc::clone(&store),
            control: control.handle().clone(),
            revocations: feed.revocations().clone(),
            access_log: access_log.as_ref().map(AccessLog::handle),
            metrics: Metrics::default(),
            store_counts,
            connections: ConnectionCounts::default(),
            groups: Groups::default(),
            in_flight: InFlight::default(),
            names: Names::new(control.handle().clone()),
            going_down: watch::Sender::new(false),
            lookups: Lookups::default(),
            keys,
            tickets: Tickets::new()?,
            acme: Arc::new(Acme::new(Arc::clone(&store), &master, clock.clone()).map_err(KeyError::from)?),
        };
        let shared = control.block_on(foundations.build(config, None))?;
        let shared = Arc::new(shared);
        let terms = foundations.terms(config)?;
        let server = Arc::new(Server::start(&config.server, &listeners, &terms, gateways(Arc::clone(&shared)))?);
        control.spawn(Arc::clone(&feed).follow());
        let live = Live::new(foundations, feed, Arc::clone(&server), source, config.clone(), shared);
        let live = Arc::new(live);
        control.spawn(Arc::clone(&live).sweep());
        control.spawn(Arc::clone(&live).renew_certificates());
        control.spawn(Arc::clone(&live).have_certificates_issued());
        let running: Arc<dyn Running> = Arc::clone(&live) as Arc<dyn Running>;
        let admin = Arc::new(Admin::of(running, Arc::clone(&store), master, clock));
        control.block_on(administer(&config.admin, Arc::clone(&admin)));
        let mut admin_addresses = Vec::new();
        let access = Arc::new(config.admin.access.clone());
        for socket in admin_sockets {
            admin_addresses.push(socket.local_addr()?);
            let listener = control.block_on(async { TcpListener::from_std(socket) })?;
            control.spawn(listener::serve(listener, Arc::clone(&access), Arc::clone(&admin)));
        }
        let drain = config.server.drain;
        // The sockets are the cores' alone: who goes down stops listening.
        Ok(App { server, places: listeners.places(), admin_addresses, live, store, control, access_log, drain })
    }

    /// Where clients speak in this way.
    pub fn places(&self, speaks: Speaks) -> impl Iterator<Item = &ListenAt> {
        self.places.iter().filter(move |(_, spoken)| *spoken == speaks).map(|(at, _)| at)
    }

    /// The administration's addresses.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// Reads the configuration again and goes on by it; where it has mistakes, by the old one. Blocks.
    ///
    /// # Errors
    /// What is wrong with it; it has been logged.
    pub fn reload(&self) -> Result<Reloaded, Problem> {
        self.reloading()()
    }

    /// [`App::reload`], for a thread of its own: to read the configuration may take long.
    pub fn reloading(&self) -> impl Fn() -> Result<Reloaded, Problem> + Clone + Send + 'static {
        let (control, live) = (self.control.handle().clone(), Arc::clone(&self.live));
        move || control.block_on(live.reload(Actor::System))
    }

    /// Has `tell` called so often, for as long as every core gets round to its work.
    pub fn watch(&self, every: Duration, tell: impl Fn() + Send + 'static) {
        let server = Arc::clone(&self.server);
        self.control.spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let mut answers = pin!(server.answers());
                let answered = match timeout(every, answers.as_mut()).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        tracing::error!(
                            "a core does not get round to its work: the service manager is not told that all is well"
                        );
                        answers.await
                    }
                };
                // They have ended, as when the proxy goes down.
                if answered.is_err() {
                    return;
                }
                tell();
                ticks.tick().await;
            }
        });
    }

    /// Stops: nobody new is taken, logins that are half done end, and the store is closed, so that a successor can open it;
    /// meanwhile and after that open requests may end, within the time that the settings give. Blocks.
    pub fn stop(self) {
        let until = Instant::now() + self.drain;
        self.live.go_down();
        self.server.begin_to_drain();
        self.control.block_on(async {
            if timeout(LOGINS_END_WITHIN.min(self.drain), self.live.logins_end()).await.is_err() {
                tracing::warn!("logins that were half done are cut off: they took too long");
            }
            let left = until.saturating_duration_since(Instant::now()).max(CLOSE_AT_LEAST);
            close(self.store.as_ref(), left).await;
        });
        self.server.drain();
        drop(self.live);
        self.control.shutdown_timeout(Duration::from_secs(1));
        drop(self.access_log);
    }
}

/// Taken before anything else is done: who cannot have them does not start.
fn admin_sockets(addresses: &[SocketAddr]) -> Result<Vec<std::net::TcpListener>, StartError> {
    let bind = |address: &SocketAddr| {
        let socket = std::net::TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        socket.map_err(|source| StartError::AdminAddress { address: *address, source })
    };
    addresses.iter().map(bind).collect()
}

/// Opens the socket for operators. That there is none keeps no visitor out.
async fn administer(settings: &admin::Settings, admin: Arc<Admin>) {
    match Socket::bind(&settings.socket) {
        Ok(socket) => drop(tokio::spawn(socket.serve(admin))),
        Err(error) => {
            let cause = error.source().map(tracing::field::display);
            tracing::warn!(%error, cause, "operators' commands will not reach this proxy");
        }
    }
}

impl Handler for Gateway {
    type Body = crate::gateway::AnswerBody;

    fn handle(
        &self,
        request: http::Request<hyper::body::Incoming>,
        peer: &Peer,
    ) -> impl Future<Output = http::Response<Self::Body>> {
        Gateway::handle(self, request, peer)
    }

    fn unreadable(&self) {
        Gateway::unreadable(self);
    }
}

/// Closes the store, or leaves it after `limit` as a kill would: whatever it answered was on disk before.
async fn close(store: &dyn Store, limit: Duration) {
    match timeout(limit, store.close()).await {
        Ok(()) => tracing::info!("the store is closed"),
        Err(_) => {
            tracing::warn!(waited = ?limit, "the store did not close in time: left as it is, nothing answered is lost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::double::Double;

    #[tokio::test]
    async fn a_store_that_does_not_close_keeps_nobody_waiting_for_ever() {
        let stuck = Double::hanging();
        let stopped = close(&stuck, Duration::from_millis(10));
        timeout(Duration::from_secs(10), stopped).await.expect("it waits for ever");
    }
}
