//! Which session a request proves: the step that every request but those for public routes takes.

use std::cell::RefCell;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap};

use super::CookieJar;
use super::proof::{Bearer, Proof};
use super::sessions::Sessions;
use super::watch::Standing;
use crate::clock::Timestamp;
use crate::http::cookie;
use crate::token::api::{ApiTokenError, claims_issuer};

/// How many session cookies of one request are looked at. A browser sends one; more come from somebody who plants them.
const MAX_CANDIDATES: usize = 4;

/// What a request's session cookies come to.
#[derive(Debug, Clone)]
pub enum Presented {
    /// They prove a session.
    Session(Arc<Proof>),
    /// There are some, and each was of a session that is over, or of no session of ours.
    Over,
    /// There are none, or none that can be told apart.
    Nothing,
}

impl Presented {
    /// The session.
    pub fn session(&self) -> Option<&Arc<Proof>> {
        match self {
            Presented::Session(proof) => Some(proof),
            Presented::Over | Presented::Nothing => None,
        }
    }
}

/// A request's token claims to be ours and does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Forged or expired.
    #[error(transparent)]
    Token(#[from] ApiTokenError),
    /// Its session is over.
    #[error("the token's session has been ended")]
    Revoked,
}

/// What a site's sessions look like on the wire.
#[derive(Debug)]
pub struct Wire {
    /// The site's origin: what its tokens name as their issuer.
    pub site: Arc<str>,
    /// Every issuer of ours, at this site and at others, for API clients and for upstreams: a token that names one is
    /// ours, and verified before anything else is done with it.
    pub issuers: Arc<[Arc<str>]>,
    /// What its cookies are called.
    pub jar: CookieJar,
}

/// Sessions as one core sees them: proofs it has seen are found without a lock.
#[derive(Debug)]
pub struct CoreSessions {
    shared: Arc<Sessions>,
    seen: RefCell<quick_cache::unsync::Cache<Box<[u8]>, Arc<Proof>>>,
}

impl CoreSessions {
    /// For one core.
    pub fn new(shared: Arc<Sessions>) -> Self {
        let seen = RefCell::new(quick_cache::unsync::Cache::new(shared.settings().cache()));
        CoreSessions { shared, seen }
    }

    /// What all cores share.
    pub fn shared(&self) -> &Arc<Sessions> {
        &self.shared
    }

    /// The session that a token of ours in `Authorization` proves. It comes before the cookie: somebody put it there on
    /// purpose. One that claims to be ours and is not is refused; others' are none of ours.
    pub async fn load_token(
        &self,
        headers: &HeaderMap,
        wire: &Wire,
        now: Timestamp,
    ) -> Result<Option<Arc<Proof>>, Refused> {
        let mut tokens = tokens(headers);
        let Some(token) = tokens.find(|token| claims_issuer(token, wire.issuers.iter().map(AsRef::as_ref))) else {
            return Ok(None);
        };
        let prove = |shared: &Sessions| shared.prove_api_token(token, &wire.site, now);
        let proof = self.find(token.as_bytes(), Bearer::ApiToken, wire, prove)?;
        self.current(token.as_bytes(), proof, now).await.map(Some).ok_or(Refused::Revoked)
    }

    /// The session that the session cookie proves.
    pub async fn load_cookie(&self, headers: &HeaderMap, wire: &Wire, now: Timestamp) -> Presented {
        let name = wire.jar.session().as_bytes();
        let values = cookie::pairs(headers).filter(|(found, _)| *found == name).map(|(_, value)| value);
        let mut presented = Presented::Nothing;
        for (count, value) in values.enumerate() {
            if count == MAX_CANDIDATES {
                tracing::warn!("one request brought too many session cookies: taken for anonymous");
                return Presented::Nothing;
            }
            let prove = |shared: &Sessions| shared.prove_cookie(value, &wire.site).ok_or(());
            let found = self.find(value, Bearer::Cookie, wire, prove);
            let proof = match found {
                Ok(proof) => self.current(value, proof, now).await,
                Err(()) => None,
            };
            let Some(proof) = proof else {
                if matches!(presented, Presented::Nothing) {
                    presented = Presented::Over;
                }
                continue;
            };
            match &presented {
                Presented::Session(first) if first.snapshot.user != proof.snapshot.user => {
                    tracing::warn!(
                        first = %first.snapshot.session, second = %proof.snapshot.session,
                        "one request brought valid sessions of two users: taken for anonymous"
                    );
                    return Presented::Nothing;
                }
                Presented::Session(_) => {}
                Presented::Over | Presented::Nothing => presented = Presented::Session(proof),
            }
        }
        presented
    }

    fn find<E>(
        &self,
        presented: &[u8],
        bearer: Bearer,
        wire: &Wire,
        prove: impl FnOnce(&Sessions) -> Result<Arc<Proof>, E>,
    ) -> Result<Arc<Proof>, E> {
        let is_same = |proof: &&Arc<Proof>| proof.bearer == bearer && proof.site == wire.site;
        if let Some(proof) = self.seen.borrow_mut().get(presented).filter(is_same) {
            return Ok(Arc::clone(proof));
        }
        let proof = prove(&self.shared)?;
        self.seen.borrow_mut().insert(presented.into(), Arc::clone(&proof));
        Ok(proof)
    }

    /// The proof if it still stands, refreshed if its user has changed.
    async fn current(&self, presented: &[u8], proof: Arc<Proof>, now: Timestamp) -> Option<Arc<Proof>> {
        match proof.standing(now) {
            Standing::Good => Some(proof),
            Standing::Revoked => None,
            Standing::Stale => {
                let fresh = self.shared.refresh(presented, &proof).await?;
                self.seen.borrow_mut().insert(presented.into(), Arc::clone(&fresh));
                Some(fresh)
            }
        }
    }
}

/// What could be a token in any `Authorization`, under whatever scheme: front ends send ours under `Bearer` or under
/// their own backend's scheme, and it is known by its issuer.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    values.filter_map(|value| value.split_ascii_whitespace().next_back())
}
