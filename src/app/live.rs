//! The running proxy, as operators change it: another configuration, other keys, what has been revoked.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Mutex;

use super::StartError;
use super::build::Foundations;
use super::explain;
use super::feed::Feed;
use super::issued;
use super::source::{self, Source};
use crate::admin::{Problem, Question, Reloaded, Running, Status};
use crate::clock::Timestamp;
use crate::config::{App, Config};
use crate::gateway::{Gateway, Shared};
use crate::keyring;
use crate::random;
use crate::server::Server;
use crate::store::{Act, Actor, AuditEntry, IdentityKey};
use crate::telemetry::metrics::{EndpointState, Gauges, UpstreamConnections, UpstreamState};
use crate::tls::{AuthorityChange, Change, Validity};
use crate::upstream::{self, Connections, GroupState, HealthChecks};

/// How often what has run out is removed from the store.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How often the certificates' files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How much longer old keys are kept than what they made can last: a clock may be put right meanwhile.
const KEYS_KEPT_LONGER: Duration = Duration::from_secs(86_400);

/// The running proxy.
pub(super) struct Live {
    foundations: Foundations,
    feed: Arc<Feed>,
    server: Arc<Server<Gateway>>,
    source: Option<Arc<Source>>,
    since: Timestamp,
    /// Read by whoever asks how the proxy is, also while a change waits for a store that hangs.
    present: ArcSwap<Present>,
    /// Held from before the files of a reload are read, which may hang: of two reloads the later one reads last, and is
    /// what stays.
    reloading: Mutex<()>,
    /// Held while another configuration or other keys are taken into use: one at a time.
    changing: Mutex<()>,
}

/// What it goes by at present.
struct Present {
    config: Config,
    shared: Arc<Shared>,
    since: Timestamp,
    /// Goes on for as long as this is in use, whatever long answer still goes by it afterwards.
    _health: HealthChecks,
}

/// Makes each core's gateway.
pub(super) fn gateways(shared: Arc<Shared>) -> impl Fn() -> Gateway + Send + Sync + 'static {
    move || {
        // Request ids need not be secret, only different: without random bytes the cores still tell them apart.
        let seed = random::bytes::<8>().map_or(0, u64::from_ne_bytes);
        Gateway::new(Arc::clone(&shared), seed)
    }
}

impl Live {
    pub(super) fn new(
        foundations: Foundations,
        feed: Arc<Feed>,
        server: Arc<Server<Gateway>>,
        source: Option<Source>,
        config: Config,
        shared: Arc<Shared>,
    ) -> Self {
        let since = foundations.clock.now();
        let health = foundations.check_health(&config);
        let present = ArcSwap::from_pointee(Present { config, shared, since, _health: health });
        Live {
            foundations,
            feed,
            server,
            source: source.map(Arc::new),
            since,
            present,
            reloading: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    /// From now on nobody is to be sent here, and upgraded connections end.
    pub(super) fn go_down(&self) {
        self.foundations.going_down.send_replace(true);
    }

    /// Ready once no login is half done, for which no other is begun any more.
    pub(super) async fn logins_end(&self) {
        let logins = self.present.load().shared.logins.clone();
        logins.end().await;
    }

    /// Has every core go on by what this configuration comes to.
    async fn go_on_by(&self, config: Config) -> Result<(), StartError> {
        let before = self.present.load_full();
        let shared = Arc::new(self.foundations.build(&config, Some(&before.shared.logins)).await?);
        let terms = self.foundations.terms(&config)?;
        self.server.exchange(gateways(Arc::clone(&shared)), &terms).await?;
        let upstreams = config.upstreams.clone();
        let (since, health) = (self.foundations.clock.now(), self.foundations.check_health(&config));
        self.present.store(Arc::new(Present { config, shared, since, _health: health }));
        drop(before);
        // Once the checks of before have ended.
        self.foundations.groups.keep(&upstreams);
        Ok(())
    }

    /// Has the store forget what has run out, for as long as the proxy runs.
    pub(super) async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "the store could not be swept");
            }
        }
    }

    /// Has clients shown what the certificates' files hold by now, for as long as the proxy runs.
    pub(super) async fn renew_certificates(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(tls) = &self.present.load().config.tls else { continue };
            let (certificates, authorities) = (Arc::clone(&tls.certificates), tls.clients.authorities.clone());
            let now = self.foundations.clock.now();
            // It reads files, and a disk may be slow.
            let read = move || {
                let of_authorities = authorities.map(|authorities| authorities.refresh(now)).unwrap_or_default();
                (certificates.refresh(), of_authorities)
            };
            let Ok((changes, of_authorities)) = tokio::task::spawn_blocking(read).await else { continue };
            of_authorities.iter().for_each(tell_of);
            for change in changes {
                match change {
                    Change::Taken(Validity { chain, names, not_after, .. }) => {
                        let chain = chain.display();
                        if not_after < now {
                            tracing::error!(%chain, %not_after, "a certificate has changed, and the new one has run out");
                        }
                        tracing::info!(%chain, ?names, %not_after, "a certificate has changed: the new one is shown");
                    }
                    Change::Refused(error) => {
                        tracing::error!(error, "a certificate has changed and cannot be used: the old one is shown");
                    }
                }
            }
        }
    }

    /// Has certificates issued before they are needed, for as long as the proxy runs.
    pub(super) async fn have_certificates_issued(self: Arc<Self>) {
        loop {
            // An order may take long, and nothing else of what is in use now may last so long.
            let wanted = {
                let config = &self.present.load().config;
                config.acme.clone().zip(config.tls.as_ref().map(|tls| Arc::clone(&tls.certificates)))
            };
            let outcome = match wanted {
                Some((acme, certificates)) => self.foundations.acme.renew(&acme, &certificates).await,
                None => None,
            };
            match outcome {
                Some(outcome) => issued::tell(&outcome, &self.foundations.metrics),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn sweep_once(&self) -> Result<(), StartError> {
        let (store, now) = (&self.foundations.store, self.foundations.clock.now());
        let (kept, sessions, api) = {
            let config = &self.present.load().config;
            (config.admin.audit_kept, config.session.lifetime(), config.session.api_token_lifetime())
        };
        let revocations = store.sweep(crate::session::Revocations::past(now)).await?;
        let entries = store.forget_audit(now.minus(kept)).await?;
        let lifetimes = keyring::Lifetimes { sessions, api_tokens: api };
        let keys = keyring::forget_old(store.as_ref(), lifetimes, now.minus(KEYS_KEPT_LONGER)).await?;
        if revocations + entries + keys > 0 {
            tracing::debug!(revocations, entries, keys, "forgot what had run out");
        }
        Ok(())
    }
}

#[async_trait]
impl Running for Live {
    fn identify(&self, openid: &str) -> Option<IdentityKey> {
        self.present.load().config.app().identity(openid)
    }

    async fn take_revocations(&self) -> Result<(), Problem> {
        Ok(self.feed.catch_up().await?)
    }

    async fn take_keys(&self) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        let failed = |error: StartError| Problem::Failed(error.to_string());
        let keyring = self.foundations.keyring().map_err(failed)?;
        self.foundations.keys.renew(&keyring).await.map_err(failed)?;
        self.go_on_by(self.present.load().config.clone()).await.map_err(failed)
    }

    async fn reload(&self, by: Actor) -> Result<Reloaded, Problem> {
        if self.is_going_down() {
            return Err(Problem::Unacceptable("the proxy is going down: nothing is read any more".to_owned()));
        }
        let source = self.source.clone().ok_or_else(|| {
            Problem::Unacceptable("this proxy was started without a file that could be read again".to_owned())
        })?;
        let _reloading = self.reloading.lock().await;
        // A file on a mount that hangs must hold up nothing else.
        let read = self.foundations.control.spawn_blocking(move || source()).await;
        let read = read.map_err(|_| Problem::Failed("the configuration could not be read".to_owned()))?;
        let metrics = &self.foundations.metrics;
        let (mut config, warnings) = read.map_err(|report| {
            metrics.reload("refused");
            tracing::warn!(%report, "the configuration has mistakes: the old one stays in use");
            Problem::Unacceptable(report.to_string())
        })?;
        let _changing = self.changing.lock().await;
        if let Some(reason) = source::cannot_be_followed(&config, &self.present.load().config) {
            metrics.reload("refused");
            tracing::error!(error = reason, "the configuration cannot be used: the old one stays in use");
            return Err(Problem::Unacceptable(format!("{reason}; the old configuration stays in use")));
        }
        let need_a_restart = source::keep_what_needs_a_restart(&mut config, &self.present.load().config);
        self.go_on_by(config).await.map_err(|error| {
            metrics.reload("refused");
            tracing::error!(%error, "the configuration cannot be used: the old one stays in use");
            Problem::Failed(format!("{error}; the old configuration stays in use"))
        })?;
        metrics.reload("taken");
        tracing::info!(%by, "the configuration was read again");
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        if !need_a_restart.is_empty() {
            let keys = need_a_restart.join(", ");
            tracing::warn!(keys, "these keys have changed, and count only after a restart");
        }
        let entry = AuditEntry::new(self.foundations.clock.now(), Act::Reloaded, by);
        if let Err(error) = self.foundations.store.record(entry).await {
            tracing::warn!(%error, "the audit trail lacks a reload: it could not be stored");
        }
        Ok(Reloaded { warnings: warnings.iter().map(ToString::to_string).collect(), need_a_restart })
    }

    async fn explain(&self, question: Question) -> Result<Vec<(String, String)>, Problem> {
        let present = self.present.load_full();
        // A gateway lives on one thread, and this runtime has several.
        let explained = self
            .foundations
            .control
            .spawn_blocking(move || explain::explain(&present.shared, &present.config.server.limits, &question));
        explained.await.map_err(|_| Problem::Failed("the question could not be looked into".to_owned()))?
    }

    async fn metrics(&self) -> String {
        let store = &self.foundations.store;
        let present = self.present.load_full();
        let (lookups, counts) = (self.foundations.lookups.counts(), &self.foundations.store_counts);
        self.foundations.metrics.text(&Gauges {
            version: env!("CARGO_PKG_VERSION"),
            started: self.since.as_secs(),
            configured: present.since.as_secs(),
            connections: self.server.connections(),
            turned_away: self.server.turned_away(),
            requests: self.foundations.in_flight.count().try_into().unwrap_or(u64::MAX),
            requests_turned_away: self.foundations.in_flight.turned_away(),
            certificates: present.config.tls.iter().flat_map(|tls| tls.certificates.validities()).map(end_of).collect(),
            sessions: present.shared.sessions.remembered_count(),
            lookups: [("remembered", lookups.remembered), ("opened", lookups.opened), ("refused", lookups.refused)],
            upstreams: self.foundations.connections.all().into_iter().map(of_upstream).collect(),
            groups: self.foundations.groups.states().into_iter().map(of_group).collect(),
            is_store_up: store.ping().await.is_ok(),
            store_calls: [("read", counts.reads()), ("write", counts.writes())],
            store_commits: counts.commits(),
            store_commit_time: counts.commit_time(),
            store_reopenings: counts.reopenings(),
            is_provider_up: present.shared.logins.first().provider_answers(),
        })
    }

    fn is_going_down(&self) -> bool {
        *self.foundations.going_down.borrow()
    }

    async fn degraded(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_going_down() {
            reasons.push("it was told to end, and nobody is to be sent here".to_owned());
        }
        if let Err(error) = self.foundations.store.ping().await {
            reasons.push(format!("nobody can log in: {error}"));
        }
        let login = Arc::clone(self.present.load().shared.logins.first());
        match login.unavailable(self.foundations.clock.now()) {
            Some(wait) => {
                let wait = wait.as_secs();
                reasons.push(format!(
                    "nobody can log in: QQ does not answer as it should, and is asked again in {wait} s"
                ));
            }
            None if !login.provider_answers() => {
                reasons
                    .push("QQ did not answer as it should when it was asked last; the next login finds out".to_owned());
            }
            None => {}
        }
        reasons
    }

    async fn status(&self) -> Status {
        let App { provider, client_id } = self.present.load().config.app();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            since: self.since,
            provider,
            client_id,
            degraded: self.degraded().await,
        }
    }
}

fn tell_of(change: &AuthorityChange) {
    match change {
        AuthorityChange::Taken(ca) => {
            let ca = ca.display();
            tracing::info!(
                %ca, "who vouches for clients, or what they have revoked, has changed: it goes for every handshake now"
            );
        }
        AuthorityChange::Refused(error) => {
            tracing::error!(
                error,
                "a file on whom clients are believed has changed and cannot be used: what was in the file goes on"
            );
        }
        AuthorityChange::RunOut(list) => {
            let list = list.display();
            tracing::error!(%list, "a revocation list has run out: nobody is let in whose certificate it is about");
        }
    }
}

fn end_of(validity: Validity) -> (String, u64) {
    (validity.chain.display().to_string(), validity.not_after.as_secs())
}

fn of_group(state: GroupState) -> UpstreamState {
    let endpoint = |state: upstream::EndpointState| EndpointState {
        endpoint: state.endpoint,
        is_in: state.is_in,
        ejected: state.ejected,
        in_flight: state.in_flight,
    };
    UpstreamState {
        upstream: state.upstream,
        endpoints: state.endpoints.into_iter().map(endpoint).collect(),
        retries: state.retries,
        waiting: state.waiting,
        turned_away: state.turned_away,
    }
}

fn of_upstream(counted: Connections) -> UpstreamConnections {
    let Connections { upstream, opened, failed, open } = counted;
    UpstreamConnections { upstream, opened, failed, open }
}
