//! Which session a request proves: the step that every request but those for public routes takes.

use std::cell::RefCell;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap};

use super::CookieJar;
use super::lookups::CoreLookups;
use super::proof::{Bearer, Proof};
use super::sessions::Sessions;
use super::watch::Standing;
use crate::clock::Timestamp;
use crate::http::cookie;
use crate::rule::{self, Rule};
use crate::token::api::ApiTokenError;
use crate::token::issuer_claim;

/// How many sessions one request may prove by its cookies, or tokens. A browser sends one; more come from somebody who
/// plants them. What proves none is not counted: planted, it would lock the browser out.
pub(super) const MAX_CANDIDATES: usize = 4;

/// What a request's session cookies come to.
#[derive(Debug, Clone)]
pub enum Presented {
    /// They prove a session.
    Session(Arc<Proof>),
    /// There are some, and each was of a session that is over, or sealed by nobody.
    Over,
    /// There are none, none that can be told apart, or another site's.
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
    /// It is one of several, of which backends would take one or another.
    #[error("the request brings tokens of several sessions")]
    Several,
    /// This machine's clock, or that of another one with the same keys, is wrong.
    #[error("the token is dated ahead of this machine's clock")]
    Ahead,
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
    lookups: CoreLookups,
    /// What is odd about cookies is told to the log: they have come with a request.
    is_traffic: bool,
}

impl CoreSessions {
    /// For one core.
    pub fn new(shared: Arc<Sessions>) -> Self {
        let seen = RefCell::new(quick_cache::unsync::Cache::new(shared.settings().cache()));
        let lookups = shared.lookups.of_this_core();
        CoreSessions { shared, seen, lookups, is_traffic: true }
    }

    /// For whoever only asks what would become of a request: the log must not say that somebody has sent it.
    pub fn of_questions(shared: Arc<Sessions>) -> Self {
        CoreSessions { is_traffic: false, ..CoreSessions::new(shared) }
    }

    /// What all cores share.
    pub fn shared(&self) -> &Arc<Sessions> {
        &self.shared
    }

    /// The session that a token of ours in `Authorization` proves. It comes before the cookie: somebody put it there on
    /// purpose. One that claims to be ours and is not is refused, and so are those of several sessions; others' are none of
    /// ours.
    pub async fn load_token(
        &self,
        headers: &HeaderMap,
        wire: &Wire,
        now: Timestamp,
    ) -> Result<Option<Arc<Proof>>, Refused> {
        let mut found = None::<Arc<Proof>>;
        for (count, token) in tokens(headers, wire).enumerate() {
            let prove = |shared: &Sessions| shared.prove_api_token(token, &wire.site, now);
            let proof = match self.find(token, Bearer::ApiToken, wire, prove) {
                Err(_) if !rule::holds(Rule::ClaimedTokensAreVerified) => return Ok(None),
                found => found?,
            };
            if proof.is_ahead(now) {
                return Err(Refused::Ahead);
            }
            let proof = self.current(token, proof, now).await.ok_or(Refused::Revoked)?;
            let is_another = found.is_some_and(|first| first.snapshot.session != proof.snapshot.session);
            if is_another || count == MAX_CANDIDATES {
                return Err(Refused::Several);
            }
            found = Some(proof);
        }
        Ok(found)
    }

    /// Every session that the request proves, each once: by whatever tokens and cookies it brings, of whatever users, and
    /// by another site's cookie. For whoever logs out: a session that is passed over here goes on behind the back of a
    /// user who was told that it has ended. Refused where a token is, and nothing beside it proves anything.
    ///
    /// No number of planted cookies hides one that stands behind them: to open them all costs little more than to have
    /// read them, and the size of a request's head is limited. Nor does a clock that is wrong: a session that seems to be
    /// over is ended like any other.
    pub fn load_all(&self, headers: &HeaderMap, wire: &Wire, now: Timestamp) -> Result<Vec<Arc<Proof>>, Refused> {
        let by_token = tokens(headers, wire).map(|token| match self.shared.prove_api_token(token, &wire.site, now) {
            Ok(proof) if proof.watch.standing() == Standing::Revoked => Err(Refused::Revoked),
            proved => Ok(proved?),
        });
        let prove = |value| self.shared.prove_cookie(value, &wire.site).or_else(|| self.prove_elsewhere(value, wire));
        let by_cookie = session_cookies(headers, wire).filter_map(prove);
        let by_cookie = by_cookie.filter(|proof| proof.watch.standing() != Standing::Revoked).map(Ok);
        let (mut all, mut refused) = (Vec::<Arc<Proof>>::new(), None);
        for proved in by_token.chain(by_cookie) {
            match proved {
                Ok(proof) if all.iter().any(|other| other.snapshot.session == proof.snapshot.session) => {}
                Ok(proof) => all.push(proof),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if all.is_empty() => Err(error),
            Some(_) | None => Ok(all),
        }
    }

    /// The session that the session cookie proves.
    pub async fn load_cookie(&self, headers: &HeaderMap, wire: &Wire, now: Timestamp) -> Presented {
        let (mut presented, mut may_be_good_yet, mut proven) = (Presented::Nothing, false, 0);
        for value in session_cookies(headers, wire) {
            let prove = |shared: &Sessions| shared.prove_cookie(value, &wire.site).ok_or(());
            let found = self.find(value, Bearer::Cookie, wire, prove);
            proven += usize::from(found.as_ref().is_ok_and(|proof| proof.standing(now) != Standing::Revoked));
            if proven > MAX_CANDIDATES && rule::holds(Rule::ManyCookiesAreNobodys) {
                if self.is_traffic {
                    tracing::warn!("one request brought too many session cookies: taken for anonymous");
                }
                return Presented::Nothing;
            }
            let proof = match found {
                Ok(proof) if proof.is_ahead(now) => {
                    let session = proof.snapshot.session;
                    if self.is_traffic {
                        tracing::warn!(%session, "a session is dated ahead of this machine's clock: taken for anonymous");
                    }
                    may_be_good_yet = true;
                    None
                }
                Ok(proof) => self.current(value, proof, now).await,
                Err(()) => {
                    may_be_good_yet |= self.prove_elsewhere(value, wire).is_some();
                    None
                }
            };
            let Some(proof) = proof else {
                if matches!(presented, Presented::Nothing) {
                    presented = Presented::Over;
                }
                continue;
            };
            match &presented {
                Presented::Session(first)
                    if first.snapshot.user != proof.snapshot.user && rule::holds(Rule::TwoUsersCookiesAreNobodys) =>
                {
                    if self.is_traffic {
                        tracing::warn!(
                            first = %first.snapshot.session, second = %proof.snapshot.session,
                            "one request brought valid sessions of two users: taken for anonymous"
                        );
                    }
                    return Presented::Nothing;
                }
                Presented::Session(_) => {}
                Presented::Over | Presented::Nothing => presented = Presented::Session(proof),
            }
        }
        match presented {
            // To remove it would take another site's session away, or everybody's while this machine's clock is wrong.
            Presented::Over if may_be_good_yet => Presented::Nothing,
            Presented::Session(_) | Presented::Over | Presented::Nothing => presented,
        }
    }

    /// The session that a cookie proves at another site of ours. Browsers send it here as well where the sites share a
    /// domain, or differ in their ports alone (RFC 6265, 8.5).
    fn prove_elsewhere(&self, value: &[u8], wire: &Wire) -> Option<Arc<Proof>> {
        // Every site is an issuer; what is no site has sealed nothing.
        let others = wire.issuers.iter().filter(|issuer| **issuer != wire.site);
        others.into_iter().find_map(|site| self.shared.prove_cookie(value, site))
    }

    fn find<E>(
        &self,
        presented: &[u8],
        bearer: Bearer,
        wire: &Wire,
        prove: impl FnOnce(&Sessions) -> Result<Arc<Proof>, E>,
    ) -> Result<Arc<Proof>, E> {
        if let Some(proof) = self.seen.borrow_mut().get(presented).filter(|proof| proof.is_for(bearer, &wire.site)) {
            self.lookups.remembered();
            return Ok(Arc::clone(proof));
        }
        let proof = prove(&self.shared).inspect_err(|_| self.shared.lookups.refused())?;
        self.seen.borrow_mut().insert(presented.into(), Arc::clone(&proof));
        Ok(proof)
    }

    /// The proof if it still stands, refreshed if its user has changed.
    async fn current(&self, presented: &[u8], proof: Arc<Proof>, now: Timestamp) -> Option<Arc<Proof>> {
        match proof.standing(now) {
            Standing::Good => Some(proof),
            Standing::Revoked => None,
            Standing::Stale => {
                // Seldom: every connection has room for the future of a request, also while it idles.
                let fresh = Box::pin(self.shared.refresh(presented, &proof)).await?;
                self.seen.borrow_mut().insert(presented.into(), Arc::clone(&fresh));
                Some(fresh)
            }
        }
    }
}

/// The values of every cookie by the session cookie's name.
pub(super) fn session_cookies<'r>(headers: &'r HeaderMap, wire: &Wire) -> impl Iterator<Item = &'r [u8]> {
    let name = wire.jar.session().as_bytes();
    cookie::pairs(headers).filter(move |(found, _)| *found == name).map(|(_, value)| value)
}

/// What claims to be a token of ours in any `Authorization`, under whatever scheme, and whatever stands beside it: front
/// ends send ours under `Bearer` or under their own backend's scheme, and it is known by its issuer. Where no word of a
/// field claims it, the field may as a whole, to whoever skips what does not belong into a token.
fn tokens<'r>(headers: &'r HeaderMap, wire: &Wire) -> impl Iterator<Item = &'r [u8]> {
    let is_claimed = |text: &&[u8]| issuer_claim::is_claimed(text, wire.issuers.iter().map(AsRef::as_ref));
    headers.get_all(AUTHORIZATION).iter().flat_map(move |value| {
        let mut found: Vec<&[u8]> = value.as_bytes().split(|byte| is_between(*byte)).filter(is_claimed).collect();
        if found.is_empty() {
            found.extend(Some(value.as_bytes()).filter(is_claimed));
        }
        found
    })
}

/// A byte that stands between words.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",;\"'<>()".contains(&byte)
}
