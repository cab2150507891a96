//! Asking where a name leads: the servers of the machine, or those of the configuration, and the machine's own list.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::net::lookup_host;
use tokio::time::Instant;

use crate::error_chain::ErrorChain;

/// What the machine goes by; read anew when one of them has changed.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// An answer is good for this long at least, and at most.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// How long an answer is good that does not say.
const UNSAID: Duration = Duration::from_secs(5);

/// One server's time for one answer; there are two tries.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Where a name leads.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// At least one.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) until: Instant,
}

impl Found {
    pub(super) fn is_same(&self, other: &Found) -> bool {
        let all = |these: &Found, others: &Found| these.addresses.iter().all(|one| others.addresses.contains(one));
        all(self, other) && all(other, self)
    }

    /// Nothing of none.
    fn good_for(addresses: impl Iterator<Item = IpAddr>, time: Duration) -> Option<Self> {
        let addresses: Vec<_> = addresses.map(|address| address.to_canonical()).collect();
        let until = Instant::now() + time.clamp(SHORTEST, LONGEST);
        (!addresses.is_empty()).then_some(Found { addresses, until })
    }
}

/// Whom to ask.
pub(super) struct Lookup {
    servers: Vec<SocketAddr>,
    made: Mutex<Option<(String, TokioResolver)>>,
}

impl Lookup {
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        Lookup { servers: servers.to_vec(), made: Mutex::default() }
    }

    /// Where a name leads, or why that cannot be told. What only the system's own library knows, by files or services that
    /// this machine has beside DNS, it is asked for.
    pub(super) async fn ask(&self, host: &str) -> Result<Found, String> {
        let why = match self.resolver() {
            Ok(resolver) => match resolver.lookup_ip(host).await {
                Ok(found) => {
                    let time = Instant::from_std(found.valid_until()).saturating_duration_since(Instant::now());
                    match Found::good_for(found.iter(), time) {
                        Some(found) => return Ok(found),
                        None => "it has no address".to_owned(),
                    }
                }
                Err(error) => ErrorChain(&error).to_string(),
            },
            Err(why) => why,
        };
        if !self.servers.is_empty() {
            return Err(why);
        }
        let found = lookup_host((host, 0)).await.map_err(|_| why.clone())?;
        Found::good_for(found.map(|address| address.ip()), UNSAID).ok_or(why)
    }

    /// By what the files say now.
    fn resolver(&self) -> Result<TokioResolver, String> {
        let said = FILES.map(|file| fs::read_to_string(file).unwrap_or_default()).concat();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, resolver)) = &*made
            && *before == said
        {
            return Ok(resolver.clone());
        }
        let resolver = self.builder().and_then(|mut builder| {
            let options = builder.options_mut();
            (options.timeout, options.attempts) = (ANSWERED_WITHIN, 2);
            // What is good for how long is kept by the name, and a name that is mended is to be found at once.
            (options.positive_max_ttl, options.negative_max_ttl) = (Some(LONGEST), Some(SHORTEST));
            builder.build()
        });
        let resolver = resolver.map_err(|error| ErrorChain(&error).to_string())?;
        *made = Some((said, resolver.clone()));
        Ok(resolver)
    }

    fn builder(&self) -> Result<ResolverBuilder<TokioRuntimeProvider>, hickory_resolver::net::NetError> {
        if self.servers.is_empty() {
            return TokioResolver::builder_tokio();
        }
        let server = |server: &SocketAddr| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            config.connections.iter_mut().for_each(|connection: &mut ConnectionConfig| connection.port = server.port());
            config
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), self.servers.iter().map(server).collect());
        Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }
}
