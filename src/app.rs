//! Where everything is put together: the only file that knows which store and which provider there are.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

use crate::account::Accounts;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Gateway, OwnPaths, Shared, SiteContext, SiteContexts, SiteError};
use crate::http::forwarded::Client;
use crate::identity::{Identities, Identity};
use crate::keyring::{KeyError, Keyring};
use crate::login::provider::qq::{self, Qq};
use crate::login::{self, Login};
use crate::master_key::{MasterKey, MasterKeyError};
use crate::random::{self, NoRandomness};
use crate::server::{BindError, Handler, Listeners, Server};
use crate::session::{Parts, Revocations, Sessions};
use crate::store::sled::{OpenError, SledStore};
use crate::store::{self, Cursor, Store};
use crate::telemetry::access_log::{AccessLog, LogHash};

/// How often other nodes' revocations are asked for: "within a second" of design, with room.
const FEED_EVERY: Duration = Duration::from_millis(500);

/// How often what has run out is removed from the store.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The store gets this long to close even where open requests have taken all the time there was.
const CLOSE_AT_LEAST: Duration = Duration::from_secs(2);

/// Threads for whatever may be slow: logins, signing, the store's callers.
const CONTROL_THREADS: usize = 2;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
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
    /// No client for QQ can be made.
    #[error("no client for calls to QQ can be made")]
    Provider(#[from] qq::BuildError),
    /// A site's addresses do not fit together.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Threads or descriptors have run out.
    #[error("the system gives no threads or sockets")]
    System(#[from] io::Error),
}

/// The running proxy.
pub struct App {
    server: Server,
    addresses: Vec<SocketAddr>,
    store: Arc<dyn Store>,
    control: Runtime,
    access_log: Option<AccessLog>,
    drain: Duration,
}

impl App {
    /// Starts everything; requests are answered when this returns. Blocks while the store opens, so it must not be
    /// called on an async runtime.
    pub fn start(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let stdout = io::stdout();
        let is_json = config.log.is_json(stdout.is_terminal());
        // By itself it keeps what a full disk has refused, to write it later in the middle of other lines.
        let unbuffered = File::from(stdout.as_fd().try_clone_to_owned()?);
        Self::start_with(config, clock, unbuffered, is_json)
    }

    /// As [`App::start`], with the access log written to `log` rather than to standard output.
    pub fn start_with(
        config: &Config,
        clock: Clock,
        log: impl io::Write + Send + 'static,
        is_json: bool,
    ) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config.server.listen)?;
        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("control")
            .enable_all()
            .build()?;
        let (has_store, has_key) = (config.store.is_made(), config.master_key_file.exists());
        let master = MasterKey::open_or_create(&config.master_key_file, has_store)?;
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&config.store)?);
        if has_key && !has_store {
            let (path, key) = (config.store.path.display(), config.master_key_file.display());
            tracing::warn!(%path, %key, "a new store was made, though its master key was there before");
        }
        let access_log = if config.log.access { Some(AccessLog::start(log, is_json)?) } else { None };
        let log_handle = access_log.as_ref().map(AccessLog::handle);
        let building = build(config, &clock, &master, Arc::clone(&store), control.handle().clone());
        let Built { mut shared, revocations, cursor } = control.block_on(building)?;
        shared.access_log = log_handle;
        control.spawn(follow_feed(Arc::clone(&store), revocations, cursor, clock.clone()));
        control.spawn(sweep(Arc::clone(&store), clock));

        let shared = Arc::new(shared);
        let make = move || {
            // Request ids need not be secret, only different: without random bytes the cores still tell them apart.
            let seed = random::bytes::<8>().map_or(0, u64::from_ne_bytes);
            Gateway::new(Arc::clone(&shared), seed)
        };
        let server = Server::start(&config.server, &listeners, make)?;
        Ok(App { server, addresses: listeners.addresses(), store, control, access_log, drain: config.server.drain })
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops: open requests may end within the time that the settings give, and what is left of it the store has for
    /// closing. Blocks.
    pub fn stop(self) {
        let until = Instant::now() + self.drain;
        self.server.drain();
        let left = until.saturating_duration_since(Instant::now()).max(CLOSE_AT_LEAST);
        self.control.block_on(close(self.store.as_ref(), left));
        self.control.shutdown_timeout(Duration::from_secs(1));
        drop(self.access_log);
    }
}

impl Handler for Gateway {
    type Body = crate::gateway::AnswerBody;

    fn handle(
        &self,
        request: http::Request<hyper::body::Incoming>,
        peer: &Client,
    ) -> impl Future<Output = http::Response<Self::Body>> {
        Gateway::handle(self, request, peer)
    }
}

struct Built {
    shared: Shared,
    revocations: Revocations,
    cursor: Cursor,
}

async fn build(
    config: &Config,
    clock: &Clock,
    master: &MasterKey,
    store: Arc<dyn Store>,
    control: tokio::runtime::Handle,
) -> Result<Built, StartError> {
    let now = clock.now();
    let keyring = Keyring::new(store.as_ref(), master, now)?;
    let sealer = keyring.sealer().await?;
    let mut signing_keys = Vec::new();
    let mut identities = Vec::with_capacity(config.identities.len());
    for settings in &config.identities {
        let signer = keyring.signer(&settings.signing, &mut signing_keys).await?;
        identities.push(Identity::new(settings.clone(), signer));
    }
    let identities = Arc::new(Identities::new(identities));

    // Whoever was logged out before the restart stays logged out.
    let revocations = Revocations::default();
    let (known, cursor) = store.revocations(Cursor::default(), Revocations::past(now)).await?;
    revocations.apply(&known, now);

    let sessions = Arc::new(Sessions::new(Parts {
        settings: config.session.clone(),
        clock: clock.clone(),
        sealer: sealer.clone(),
        api: keyring.api_tokens().await?,
        store: Arc::clone(&store),
        identities: Arc::clone(&identities),
        revocations: revocations.clone(),
        log_hash: LogHash::new(&master.derive("log hash")),
        control: control.clone(),
    }));
    let accounts = Accounts::new(Arc::clone(&store), config.session.lifetime());
    let login = Arc::new(Login::new(login::Parts {
        settings: config.login.clone(),
        provider: Arc::new(Qq::new(config.qq.clone())?),
        accounts,
        sessions: Arc::clone(&sessions),
        store,
        sealer,
        clock: clock.clone(),
        control,
    }));
    let own_paths = OwnPaths::new(
        &config.login.start,
        &config.login.callback,
        &config.prefix,
        config.discovery.jwks,
        config.discovery.openid_configuration,
    );
    let shared = Shared {
        clock: clock.clone(),
        sites: sites(config, &own_paths)?,
        own_paths,
        login,
        sessions,
        identities,
        signing_keys,
        trusted_proxies: config.trusted_proxies.clone(),
        target_bytes: config.server.limits.target_bytes,
        upstreams: config.upstreams.clone(),
        forwarding: config.forwarding,
        access_log: None,
    };
    Ok(Built { shared, revocations, cursor })
}

fn sites(config: &Config, own_paths: &OwnPaths) -> Result<SiteContexts, SiteError> {
    let configured = config.identities.iter().filter_map(|identity| identity.issuer.as_deref());
    let issuers = config.sites.iter().map(|site| site.origin.as_str()).chain(configured);
    let issuers: Arc<[Arc<str>]> = issuers.map(Arc::from).collect();
    let contexts = config.sites.iter().map(|site| {
        SiteContext::new(
            site,
            config.qq.id.as_str(),
            &config.login.callback,
            own_paths.under_prefix("login"),
            config.session.cookie(),
            Arc::clone(&issuers),
            &config.routes,
        )
    });
    Ok(SiteContexts::new(config.sites.clone(), contexts.collect::<Result<_, _>>()?))
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

/// Takes in what other nodes revoke. While the store is down the last known state stands.
async fn follow_feed(store: Arc<dyn Store>, revocations: Revocations, mut cursor: Cursor, clock: Clock) {
    loop {
        tokio::time::sleep(FEED_EVERY).await;
        let now = clock.now();
        match store.revocations(cursor, Revocations::past(now)).await {
            Ok((news, next)) => {
                revocations.apply(&news, now);
                cursor = next;
            }
            // The store has said so itself, and comes back by itself.
            Err(store::Error::Unavailable { .. }) => {}
            Err(error) => tracing::error!(%error, "what was revoked elsewhere cannot be read"),
        }
    }
}

async fn sweep(store: Arc<dyn Store>, clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        match store.sweep(Revocations::past(clock.now())).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "forgot revocations that had run out"),
            Err(error) => tracing::warn!(%error, "the store could not be swept"),
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
