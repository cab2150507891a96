//! Sessions, as all cores share them: made, proved, refreshed and ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::lookups::Lookups;
use super::proof::{Bearer, Moment, Proof, Slot};
use super::refresh::LOOK_UP;
use super::revocations::Revocations;
use super::watch::{Standing, Watch};
use super::{CookieJar, Settings};
use crate::clock::{Clock, Timestamp};
use crate::identity::{Identities, Ready, Snapshot};
use crate::random::{self, NoRandomness};
use crate::rule::{self, Rule};
use crate::seal::{SealError, Sealer};
use crate::secret::Secret;
use crate::store::{self, IdentityKey, Revocation, Revoked, SessionId, Store, User};
use crate::telemetry::access_log::{LogHash, LoggedUser};
use crate::token::TokenError;
use crate::token::api::{ApiTokenError, ApiTokens};

/// How often a revocation that could not be stored is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// How many proofs one question can come to: more than cookies and tokens are looked at.
const QUESTIONED: usize = 64;

/// A session could not be made, or not be told of.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No token can be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The process is going down.
    #[error("the proxy is going down")]
    GoingDown,
}

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    snapshot: Snapshot,
    /// When this cookie was made; the idle time runs from here.
    #[serde(rename = "r")]
    renewed: Timestamp,
}

/// What an API token carries: sealed, since scripts hold tokens and logs may, and the openid is in it.
#[derive(Clone, Serialize, Deserialize)]
struct Carried {
    #[serde(rename = "s")]
    session: String,
}

/// What sessions are made of.
pub struct Parts {
    /// As configured.
    pub settings: Settings,
    /// Where the time comes from.
    pub clock: Clock,
    /// Seals cookies.
    pub sealer: Sealer,
    /// Makes and verifies API tokens.
    pub api: ApiTokens,
    /// Where users are looked up and revocations written down.
    pub store: Arc<dyn Store>,
    /// What upstreams are told.
    pub identities: Arc<Identities>,
    /// What has been revoked.
    pub revocations: Revocations,
    /// Hashes openids for the log.
    pub log_hash: LogHash,
    /// Where signing and the store's work are done, out of the request cores' way.
    pub control: Handle,
    /// Where it is counted how proofs are found.
    pub lookups: Lookups,
}

/// Everything sessions need. One for the process.
pub struct Sessions {
    settings: Settings,
    clock: Clock,
    sealer: Sealer,
    api: ApiTokens,
    pub(super) store: Arc<dyn Store>,
    identities: Arc<Identities>,
    revocations: Revocations,
    log_hash: LogHash,
    pub(super) control: Handle,
    pub(super) lookups: Lookups,
    /// See [`RETRY_EVERY`].
    pub(super) retry_every: Duration,
    /// See [`LOOK_UP`].
    pub(super) look_up: Duration,
    pub(super) proofs: quick_cache::sync::Cache<Box<[u8]>, Arc<Proof>>,
}

impl Sessions {
    /// With nobody logged in but who has a cookie.
    pub fn new(parts: Parts) -> Self {
        let Parts { settings, clock, sealer, api, store, identities, revocations, log_hash, control, lookups } = parts;
        let proofs = quick_cache::sync::Cache::new(settings.cache());
        let (retry_every, look_up) = (RETRY_EVERY, LOOK_UP);
        Sessions {
            settings,
            clock,
            sealer,
            api,
            store,
            identities,
            revocations,
            log_hash,
            control,
            lookups,
            retry_every,
            look_up,
            proofs,
        }
    }

    /// The same sessions for whoever only asks what would become of a request: nothing that is found out so is counted, or
    /// remembered for those who come.
    #[must_use]
    pub fn of_questions(&self) -> Self {
        Sessions {
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            sealer: self.sealer.clone(),
            api: self.api.clone(),
            store: Arc::clone(&self.store),
            identities: Arc::clone(&self.identities),
            revocations: self.revocations.clone(),
            log_hash: self.log_hash.clone(),
            control: self.control.clone(),
            lookups: Lookups::default(),
            retry_every: self.retry_every,
            look_up: self.look_up,
            proofs: quick_cache::sync::Cache::new(QUESTIONED),
        }
    }

    /// How sessions are configured.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many proofs are remembered.
    pub fn remembered_count(&self) -> usize {
        self.proofs.len()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn watch(&self, snapshot: &Snapshot) -> Watch {
        self.revocations.watch(snapshot)
    }

    /// A new session for a user who has just proved an identity: always a new id.
    pub fn begin(&self, user: &User, identity: &IdentityKey, now: Timestamp) -> Result<Snapshot, Error> {
        let session = SessionId::from_bytes(random::bytes()?);
        Ok(Snapshot::of(user, identity, session, now, now.plus(self.settings.lifetime())))
    }

    /// The session cookie that carries a snapshot, as a `Set-Cookie`.
    pub fn cookie(
        &self,
        snapshot: &Snapshot,
        site: &str,
        jar: &CookieJar,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, Error> {
        let sealed = Sealed { snapshot: snapshot.clone(), renewed: now };
        // Plain data of ours; serialising it cannot fail.
        let text = serde_json::to_vec(&sealed).map_err(|_| SealError::Cipher)?;
        let value = self.sealer.seal(&purpose(site), &text)?;
        Ok(jar.set(jar.session(), &value, self.cookie_lifetime(snapshot, now)))
    }

    /// How long a cookie made now is good, and whatever accompanies it.
    pub fn cookie_lifetime(&self, snapshot: &Snapshot, now: Timestamp) -> Duration {
        self.rest(snapshot, now).min(self.settings.idle())
    }

    /// How long a session can last yet.
    pub fn rest(&self, snapshot: &Snapshot, now: Timestamp) -> Duration {
        self.end_of(snapshot).since(now)
    }

    /// An API token for a session.
    pub fn api_token(&self, snapshot: &Snapshot, site: &str, now: Timestamp) -> Result<Secret<String>, Error> {
        let expires = now.plus(self.settings.api_token_lifetime()).min(self.end_of(snapshot));
        // Plain data of ours; serialising it cannot fail.
        let text = serde_json::to_vec(snapshot).map_err(|_| SealError::Cipher)?;
        let carried = Carried { session: self.sealer.seal(&token_purpose(site), &text)? };
        Ok(self.api.issue(site, &carried, now, expires)?)
    }

    /// Whether the cookie should be renewed, so that a visitor who keeps coming is not signed out: not if the session
    /// has ended while its request was under way.
    pub fn may_renew(&self, proof: &Proof, now: Timestamp) -> bool {
        proof.bearer == Bearer::Cookie
            && now.since(proof.renewed) >= self.settings.idle() / 8
            && proof.standing(now) != Standing::Revoked
    }

    /// Whether it should be renewed with whatever answer comes: half the time in which a visitor must come back is over.
    pub fn must_renew(&self, proof: &Proof, now: Timestamp) -> bool {
        now.since(proof.renewed) >= self.settings.idle() / 2
    }

    /// When a session ends in any case: as was settled when it began, or earlier by a shorter lifetime set since.
    pub(super) fn end_of(&self, snapshot: &Snapshot) -> Timestamp {
        let ends = snapshot.ends.min(snapshot.began.plus(self.settings.lifetime()));
        if rule::holds(Rule::SessionsHaveALifetime) { ends } else { snapshot.began.plus(Duration::MAX) }
    }

    /// The session that a cookie's value proves at a site.
    pub fn prove_cookie(&self, value: &[u8], site: &Arc<str>) -> Option<Arc<Proof>> {
        if let Some(proof) = self.remembered(value, Bearer::Cookie, site) {
            return Some(proof);
        }
        let text = self.sealer.open(&purpose(site), value)?;
        let Sealed { snapshot, renewed } = serde_json::from_slice(&text).ok()?;
        let unused = renewed.plus(self.settings.idle());
        let ends = self.end_of(&snapshot);
        let expires = if rule::holds(Rule::UnusedSessionsEnd) { unused.min(ends) } else { ends };
        Some(self.remember(value, self.proof(snapshot, Bearer::Cookie, site, renewed, expires)))
    }

    /// The session that an API token proves at a site.
    pub fn prove_api_token(&self, token: &[u8], site: &Arc<str>, now: Timestamp) -> Result<Arc<Proof>, ApiTokenError> {
        if let Some(proof) = self.remembered(token, Bearer::ApiToken, site) {
            return if proof.expires > now { Ok(proof) } else { Err(ApiTokenError::Expired) };
        }
        let text = std::str::from_utf8(token).map_err(|_| ApiTokenError::Forged)?;
        let (carried, expires): (Carried, _) = self.api.verify(site, text, now)?;
        let text = self.sealer.open(&token_purpose(site), carried.session.as_bytes());
        let snapshot = text.and_then(|text| serde_json::from_slice(&text).ok()).ok_or(ApiTokenError::Forged)?;
        Ok(self.remember(token, self.proof(snapshot, Bearer::ApiToken, site, now, expires)))
    }

    /// The proof of what was presented before.
    pub(super) fn remembered(&self, presented: &[u8], bearer: Bearer, site: &Arc<str>) -> Option<Arc<Proof>> {
        let found = self.proofs.get(presented).filter(|proof| proof.is_for(bearer, site));
        found.inspect(|_| self.lookups.known_by_another_core())
    }

    pub(super) fn proof(
        &self,
        snapshot: Snapshot,
        bearer: Bearer,
        site: &Arc<str>,
        renewed: Timestamp,
        expires: Timestamp,
    ) -> Arc<Proof> {
        let logged = self.logged(&snapshot);
        let watch = self.revocations.watch(&snapshot);
        let slots = std::iter::repeat_with(Slot::default).take(self.identities.count()).collect();
        let site = Arc::clone(site);
        let unknown_at = Moment::default();
        Arc::new(Proof { snapshot, bearer, logged, site, renewed, expires, watch, unknown_at, slots })
    }

    /// Remembers a proof, or finds that another core was quicker: all of them share one, and what upstreams are told is made
    /// once.
    pub(super) fn remember(&self, presented: &[u8], proof: Arc<Proof>) -> Arc<Proof> {
        self.lookups.opened();
        let key: Box<[u8]> = presented.into();
        match self.proofs.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::clone(&proof))) {
            Ok(first) if first.is_for(proof.bearer, &proof.site) => first,
            Ok(_) => {
                self.proofs.insert(key, Arc::clone(&proof));
                proof
            }
        }
    }

    /// What a log line says of a session's user.
    pub fn logged(&self, snapshot: &Snapshot) -> Arc<LoggedUser> {
        let openid_hash = self.log_hash.of(&snapshot.openid);
        Arc::new(LoggedUser { id: snapshot.user.to_string().into(), openid_hash })
    }

    /// Ends a session: here by the time this returns, on disk once the future is ready, and on every other node within a
    /// second. Dropping the future stops none of it. While the store is down the session is ended here, and written down
    /// as soon as the store is back.
    pub fn end(&self, snapshot: &Snapshot, now: Timestamp) -> impl Future<Output = Result<(), Error>> + use<> {
        let revocation = Revocation { subject: Revoked::Session(snapshot.session), at: now, until: snapshot.ends };
        self.revocations.apply(std::slice::from_ref(&revocation), now);
        let (store, session, retry_every) = (Arc::clone(&self.store), snapshot.session, self.retry_every);
        let written = self.control.spawn(async move {
            if let Err(error) = store.revoke(revocation.clone()).await {
                tracing::error!(%error, %session, "a session was ended, and could not be written down yet");
                tokio::spawn(keep_trying(store, revocation, retry_every));
            }
        });
        async move { written.await.map_err(|_| Error::GoingDown) }
    }

    /// What the upstreams of one identity are told of a session: made once for all requests and cores, and anew, in the
    /// background, before it expires.
    pub async fn identity_headers(
        self: &Arc<Self>,
        proof: &Arc<Proof>,
        identity: usize,
        now: Timestamp,
    ) -> Result<Option<Arc<Ready>>, Error> {
        let Some(slot) = proof.slot(identity) else { return Ok(None) };
        if let Some(ready) = slot.ready.load_full().filter(|ready| now < ready.usable_until) {
            if now >= ready.renew_after && !slot.renewing.swap(true, Ordering::AcqRel) {
                self.control.spawn(Arc::clone(self).renew(Arc::clone(proof), identity));
            }
            return Ok(Some(ready));
        }
        // The future itself lies there, not in every request's.
        let making = self.control.spawn(Arc::clone(self).make_headers(Arc::clone(proof), identity, now));
        making.await.map_err(|_| Error::GoingDown)?
    }

    async fn make_headers(
        self: Arc<Self>,
        proof: Arc<Proof>,
        identity: usize,
        now: Timestamp,
    ) -> Result<Option<Arc<Ready>>, Error> {
        let Some((slot, identity)) = proof.slot(identity).zip(self.identities.get(identity)) else { return Ok(None) };
        let _making = slot.making.lock().await;
        // Somebody else may have made them while this one waited.
        if let Some(ready) = slot.ready.load_full().filter(|ready| now < ready.renew_after) {
            return Ok(Some(ready));
        }
        let ready = Arc::new(identity.make(&proof.snapshot, &proof.site, self.clock.now())?);
        slot.ready.store(Some(Arc::clone(&ready)));
        Ok(Some(ready))
    }

    async fn renew(self: Arc<Self>, proof: Arc<Proof>, identity: usize) {
        let now = self.clock.now();
        if let Err(error) = Arc::clone(&self).make_headers(Arc::clone(&proof), identity, now).await {
            tracing::error!(%error, "an upstream token could not be renewed ahead of its expiry");
        }
        if let Some(slot) = proof.slot(identity) {
            slot.renewing.store(false, Ordering::Release);
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Writes a revocation down once the store is back.
async fn keep_trying(store: Arc<dyn Store>, revocation: Revocation, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if store.revoke(revocation.clone()).await.is_ok() {
            return;
        }
    }
}

fn token_purpose(site: &str) -> String {
    format!("token {site}")
}

/// A cookie of one site opens nothing at another.
fn purpose(site: &str) -> String {
    let site = if rule::holds(Rule::CookiesAreForOneSite) { site } else { "any" };
    format!("session {site}")
}
