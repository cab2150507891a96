//! From a configuration to what the cores share.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::StartError;
use crate::account::Accounts;
use crate::acme::{Acme, Challenge};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{InFlight, OwnPaths, Shared, SiteContext, SiteContexts, SiteError, Transport};
use crate::identity::{Identities, Identity};
use crate::keyring::{Keyring, Published};
use crate::login::Logins;
use crate::login::provider::IdentityProvider;
use crate::login::provider::qq::Qq;
use crate::login::{self, Login};
use crate::master_key::MasterKey;
use crate::seal::Sealer;
use crate::server::Terms;
use crate::session::{Lookups, Parts, Revocations, Sessions};
use crate::store::Store;
use crate::store::sled::StoreCounts;
use crate::telemetry::access_log::{LogHandle, LogHash};
use crate::telemetry::metrics::Metrics;
use crate::tls::{Acceptor, Tickets};
use crate::token::api::ApiTokens;
use crate::trail::Trail;
use crate::upstream::{ConnectionCounts, Groups, HealthChecks, Names, Places};

/// What outlives every configuration.
pub(super) struct Foundations {
    pub(super) clock: Clock,
    pub(super) master: MasterKey,
    pub(super) store: Arc<dyn Store>,
    pub(super) control: Handle,
    pub(super) revocations: Revocations,
    pub(super) access_log: Option<LogHandle>,
    pub(super) metrics: Metrics,
    pub(super) store_counts: Arc<StoreCounts>,
    pub(super) connections: ConnectionCounts,
    pub(super) groups: Groups,
    pub(super) names: Names,
    pub(super) in_flight: InFlight,
    pub(super) going_down: watch::Sender<bool>,
    pub(super) lookups: Lookups,
    /// Shared by everything that was ever built, so that what one core seals every other one opens, also while a new key
    /// is taken into use.
    pub(super) keys: LiveKeys,
    /// So that clients who come back after a reload need no full handshake.
    pub(super) tickets: Tickets,
    pub(super) acme: Arc<Acme>,
}

/// The keys that prove what we made, exchanged at once for everybody.
#[derive(Debug, Clone)]
pub(super) struct LiveKeys {
    sealer: Sealer,
    api: ApiTokens,
}

impl LiveKeys {
    pub(super) async fn load(keyring: &Keyring<'_>) -> Result<Self, StartError> {
        let (seal, api) = (keyring.seal_keys().await?, keyring.api_keys().await?);
        Ok(LiveKeys { sealer: Sealer::new(seal), api: ApiTokens::new(api) })
    }

    pub(super) async fn renew(&self, keyring: &Keyring<'_>) -> Result<(), StartError> {
        let (seal, api) = (keyring.seal_keys().await?, keyring.api_keys().await?);
        self.sealer.replace(seal);
        self.api.replace(api);
        Ok(())
    }
}

impl Foundations {
    pub(super) fn keyring(&self) -> Result<Keyring<'_>, StartError> {
        Ok(Keyring::new(self.store.as_ref(), &self.master, self.clock.now())?)
    }

    /// Begins to ask whether the endpoints of this configuration are well.
    pub(super) fn check_health(&self, config: &Config) -> HealthChecks {
        HealthChecks::start(&config.upstreams, &self.groups, &self.names, &health_host(config), &self.control)
    }

    /// What goes for clients who come under this configuration.
    pub(super) fn terms(&self, config: &Config) -> Result<Terms, StartError> {
        let is_by_tls = config.acme.as_ref().is_some_and(|acme| acme.challenge == Challenge::TlsAlpn01);
        let challenges = is_by_tls.then(|| self.acme.handshakes());
        let acceptor = |settings| Acceptor::new(settings, &self.tickets, challenges, &self.clock);
        let tls = config.tls.as_ref().map(acceptor).transpose()?;
        let server = &config.server;
        Ok(Terms { limits: Arc::new(server.limits.clone()), balancers: Arc::new(server.balancers.clone()), tls })
    }

    /// What the cores share under this configuration. `before`: who logged users in so far, whose states stay spent.
    pub(super) async fn build(&self, config: &Config, before: Option<&Logins>) -> Result<Shared, StartError> {
        if let (Some(acme), Some(tls)) = (&config.acme, &config.tls) {
            self.acme.show_kept(acme, &tls.certificates).await;
        }
        let keyring = self.keyring()?;
        let mut published = Published::new();
        let mut identities = Vec::with_capacity(config.identities.len());
        for settings in &config.identities {
            let signer = keyring.signer(&settings.signing, &mut published).await?;
            identities.push(Identity::new(settings.clone(), signer));
        }
        let identities = Arc::new(Identities::new(identities));
        let sessions = Arc::new(Sessions::new(Parts {
            settings: config.session.clone(),
            clock: self.clock.clone(),
            sealer: self.keys.sealer.clone(),
            api: self.keys.api.clone(),
            store: Arc::clone(&self.store),
            identities: Arc::clone(&identities),
            revocations: self.revocations.clone(),
            log_hash: LogHash::new(&self.master.derive("log hash")),
            control: self.control.clone(),
            lookups: self.lookups.clone(),
        }));
        let mut own_paths = OwnPaths::new(
            &config.login.start,
            &config.login.callback,
            &config.prefix,
            config.discovery.jwks,
            config.discovery.openid_configuration,
        )
        .with_providers(config.further.iter().map(|settings| settings.id().as_str()));
        if let Some(forward_auth) = &config.forward_auth {
            own_paths = own_paths.with_questions(forward_auth.dialect);
        }
        let login = |provider: Arc<dyn IdentityProvider>, settings: login::Settings| {
            let parts = self.login_parts(config, &sessions, provider, settings);
            let before = before.and_then(|before| before.with(parts.provider.id().as_str()));
            Arc::new(before.map_or_else(|| Login::new(parts.clone()), |before| before.renewed(parts.clone())))
        };
        let first = login(Arc::new(Qq::new(config.qq.clone())?), config.login.clone());
        let further = config.further.iter().map(|settings| {
            let (provider, name) = (settings.build()?, settings.id().as_str());
            let (start, callback) = (own_paths.start_of(name), own_paths.callback_of(name));
            Ok(login(provider, login::Settings { start, callback, ..config.login.clone() }))
        });
        let logins = Logins::new(first, further.collect::<Result<_, StartError>>()?);
        Ok(Shared {
            clock: self.clock.clone(),
            sites: sites(config, &own_paths)?,
            own_paths,
            forward_auth: config.forward_auth.clone(),
            logins,
            sessions,
            trail: Trail::new(Arc::clone(&self.store), self.control.clone()),
            identities,
            certificate_fields: config.certificate_fields.clone(),
            acme_tokens: self.acme.tokens().clone(),
            signing_keys: published.iter().flat_map(|(_, schedule)| schedule.keys().cloned()).collect(),
            trusted_proxies: config.trusted_proxies.clone(),
            target_bytes: config.server.limits.target_bytes,
            in_flight: self.in_flight.clone(),
            most_in_flight: config.server.limits.requests,
            upstreams: config.upstreams.clone(),
            connections: self.connections.clone(),
            groups: self.groups.clone(),
            places: Places::new(&self.master.derive("endpoints in cookies")),
            names: self.names.clone(),
            forwarding: config.forwarding,
            going_down: self.going_down.subscribe(),
            access_log: self.access_log.clone(),
            metrics: self.metrics.clone(),
        })
    }

    fn login_parts(
        &self,
        config: &Config,
        sessions: &Arc<Sessions>,
        provider: Arc<dyn IdentityProvider>,
        settings: login::Settings,
    ) -> login::Parts {
        login::Parts {
            settings,
            provider,
            accounts: Accounts::new(Arc::clone(&self.store), config.session.lifetime()),
            sessions: Arc::clone(sessions),
            store: Arc::clone(&self.store),
            sealer: self.keys.sealer.clone(),
            clock: self.clock.clone(),
            control: self.control.clone(),
        }
    }
}

/// What an application is asked as, where it gets the `Host` of visitors: the first site.
fn health_host(config: &Config) -> HeaderValue {
    let authority = config.sites.first().origin.authority();
    HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("localhost"))
}

fn sites(config: &Config, own_paths: &OwnPaths) -> Result<SiteContexts, SiteError> {
    let configured = config.identities.iter().filter_map(|identity| identity.issuer.as_deref());
    let issuers = config.sites.iter().map(|site| site.origin.as_str()).chain(configured);
    let issuers: Arc<[Arc<str>]> = issuers.map(Arc::from).collect();
    let transport = config.tls.as_ref().map_or_else(Transport::default, |tls| Transport {
        redirects: tls.redirects,
        hsts: (tls.hsts > Duration::ZERO).then(|| hsts(tls.hsts)),
    });
    let contexts = config.sites.iter().zip(&config.front_ends).map(|(site, front_end)| {
        let front_end = front_end.clone();
        let further = config.further.iter().map(|settings| settings.id().as_str());
        let further: Vec<_> = further.map(|name| (name, own_paths.callback_of(name))).collect();
        let first = (config.qq.id.as_str(), config.login.callback.as_str());
        let further = further.iter().map(|(name, callback)| (*name, callback.as_str()));
        let providers: Vec<_> = std::iter::once(first).chain(further).collect();
        SiteContext::new(
            site,
            &providers,
            own_paths.under_prefix("login"),
            config.session.cookie(),
            Arc::clone(&issuers),
            &config.routes,
        )
        .map(|context| context.insisting(&transport).with_front_end(front_end))
    });
    Ok(SiteContexts::new(config.sites.clone(), contexts.collect::<Result<_, _>>()?))
}

fn hsts(max_age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={}", max_age.as_secs())).unwrap_or(HeaderValue::from_static("max-age=0"))
}
