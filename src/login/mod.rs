//! Logging in: from the click on the QQ button to the session.

mod attempt;
mod breaker;
mod exchange;
mod logins;
mod pace;
pub mod provider;
mod refusal;
mod spent;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use url::Url;

use self::attempt::OpenAttempts;
pub use self::attempt::{Attempt, AttemptError, MAX_ATTEMPTS, StateShape};
use self::breaker::Breaker;
pub use self::exchange::{ExchangeError, LoggedIn};
pub use self::logins::Logins;
use self::pace::Pace;
pub use self::pace::Paces;
use self::provider::{Challenge, Code, Display, IdentityProvider, Returned};
pub use self::refusal::Refusal;
use self::spent::{SpentStates, Turn};
use crate::account::Accounts;
use crate::clock::{Clock, Timestamp};
use crate::http::safe_redirect::SafeRedirect;
use crate::rule::{self, Rule};
use crate::seal::Sealer;
use crate::session::{Sessions, Wire};
use crate::store::Store;

/// When a visitor should try again where all places are taken or the store is down.
pub const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Where logins start and end, and how long they may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The path that starts a login; ends in `/`, and is answered without it too.
    pub start: String,
    /// The path a provider sends the browser back to; ends in `/`, and is answered without it too.
    pub callback: String,
    /// From the start to the callback.
    pub attempt_lifetime: Duration,
    /// Exchanges with providers at the same time.
    pub exchanges: usize,
    /// How often all of it may happen.
    pub paces: Paces,
}

/// A login that is to begin.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// Where the provider sends the browser afterwards.
    pub redirect_uri: &'a Url,
    /// Where the user goes afterwards.
    pub next: SafeRedirect,
    /// What the provider hands back beside the code.
    pub state: StateShape,
    /// What kind of screen the browser sits behind.
    pub display: Display,
}

/// How a return tells which attempt it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// By its state.
    ByState,
    /// By there being no other attempt in this browser.
    OfTheOnly,
}

/// A login that has begun.
#[derive(Debug)]
pub struct Started {
    /// Where the browser goes.
    pub login_url: Url,
    /// Cookies to set: the attempt's, and removals of those that give way to it.
    pub cookies: Vec<HeaderValue>,
}

/// What became of a callback, and the cookies to remove whatever became of it.
#[derive(Debug)]
pub struct Returning {
    /// A login, or why not.
    pub outcome: Result<Arc<LoggedIn>, Refusal>,
    /// Removals of attempts that are over.
    pub cookies: Vec<HeaderValue>,
    /// Where the attempt would have led, if this browser holds it.
    pub next: Option<SafeRedirect>,
}

/// What an exchange came to, for everybody who waits for it.
type Outcome = Result<Arc<LoggedIn>, Arc<ExchangeError>>;

/// What logging in is put together from.
#[derive(Clone)]
pub struct Parts {
    /// How logins are configured.
    pub settings: Settings,
    /// Who says who somebody is.
    pub provider: Arc<dyn IdentityProvider>,
    /// Whom an identity stands for.
    pub accounts: Accounts,
    /// Where a login ends.
    pub sessions: Arc<Sessions>,
    /// Asked before an exchange whether it can serve.
    pub store: Arc<dyn Store>,
    /// For attempts, in the browser's own cookies.
    pub sealer: Sealer,
    /// Where the time comes from.
    pub clock: Clock,
    /// The runtime on which exchanges are made, apart from the request cores.
    pub control: Handle,
}

/// Logs users in, by one provider.
pub struct Login {
    parts: Parts,
    exchanges: Arc<Semaphore>,
    spent: SpentStates<Outcome>,
    breaker: Breaker,
    pace: Pace,
}

impl Login {
    /// Nobody is logging in yet.
    pub fn new(parts: Parts) -> Self {
        let breaker = Breaker::new(parts.provider.patience());
        Self::with(parts, SpentStates::new(), breaker)
    }

    /// The same put together from other parts: what has been spent stays spent, and a doubled callback still finds the
    /// first one's exchange.
    pub fn renewed(&self, parts: Parts) -> Self {
        let breaker = self.breaker.with(parts.provider.patience());
        Self::with(parts, self.spent.clone(), breaker)
    }

    fn with(parts: Parts, spent: SpentStates<Outcome>, breaker: Breaker) -> Self {
        let is_limited = rule::holds(Rule::ExchangesAtOnceAreLimited);
        let places = if is_limited { parts.settings.exchanges } else { Semaphore::MAX_PERMITS };
        let exchanges = Arc::new(Semaphore::new(places));
        let pace = Pace::new(parts.settings.paces);
        Login { parts, exchanges, spent, breaker, pace }
    }

    /// Ready once no exchange is under way; none begins any more, and none spends anything then.
    pub async fn end(&self) {
        let all = u32::try_from(self.parts.settings.exchanges).unwrap_or(u32::MAX);
        // While these are waited for, nobody else gets one.
        let ended = self.exchanges.acquire_many(all).await;
        self.exchanges.close();
        drop(ended);
    }

    /// How logins are configured.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The provider.
    pub fn provider(&self) -> &dyn IdentityProvider {
        self.parts.provider.as_ref()
    }

    /// Finds out where the provider sends browsers, if that is not known: of some it is asked when the first login begins.
    pub async fn prepare(&self) -> Result<(), Refusal> {
        if self.parts.provider.is_ready() {
            return Ok(());
        }
        let provider = Arc::clone(&self.parts.provider);
        let prepared = self.parts.control.spawn(async move { provider.prepare().await });
        prepared.await.map_err(|_| Refusal::CutOff)?.map_err(Refusal::Unprepared)
    }

    /// How long until it is worth trying again, while the provider does not answer.
    pub fn unavailable(&self, now: Timestamp) -> Option<Duration> {
        self.breaker.wait(now)
    }

    /// Whether the provider has answered since it last turned out not to. While it has not, one login in a while is let
    /// through to find out.
    pub fn provider_answers(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Whether one more login may begin. To be asked before [`Login::start`].
    pub fn admit(&self, from: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        Ok(self.pace.start(from, now)?)
    }

    /// Begins a login. No store and no network: it cannot be slow and cannot fail halfway.
    pub fn start(
        &self,
        headers: &HeaderMap,
        wire: &Wire,
        beginning: Beginning<'_>,
        now: Timestamp,
    ) -> Result<Started, AttemptError> {
        let Beginning { redirect_uri, display, .. } = beginning;
        let attempt = Attempt::new(self.parts.provider.as_ref(), beginning, now)?;
        let value = attempt.seal(&self.parts.sealer, &wire.site)?;
        let mut open = OpenAttempts::of(headers, &self.parts.sealer, wire);
        // Of two a return without a state could belong to either: the new one counts.
        let mut cookies = if attempt.is_stateless() { open.give_way(&wire.jar) } else { Vec::new() };
        cookies.extend(open.make_room(value.len(), &wire.jar));
        // Longer than it is good: who comes back late is told so and led on, rather than told that cookies do not work.
        let kept = self.parts.settings.attempt_lifetime * 2;
        cookies.extend(wire.jar.set(&attempt.cookie_name(&wire.jar), &value, kept));
        let challenge = Challenge { state: attempt.told(), redirect_uri, display, pkce: attempt.pkce() };
        let login_url = self.parts.provider.authorize_url(&challenge).ok_or(AttemptError::Unprepared)?;
        Ok(Started { login_url, cookies })
    }

    /// Ends a login. Whatever an attacker could send is checked before anything costs a call to the provider (RFC 6749,
    /// 10.12).
    pub async fn finish(
        self: &Arc<Self>,
        from: IpAddr,
        headers: &HeaderMap,
        query: &[(String, String)],
        wire: &Wire,
        by: Return,
    ) -> Returning {
        let now = self.parts.clock.now();
        let (state, attempt) = self.attempt(headers, query, wire, by);
        let removal = || attempt.as_ref().and_then(|attempt| wire.jar.remove(&attempt.cookie_name(&wire.jar)));
        let ended = |outcome, cookies: Option<HeaderValue>| Returning {
            outcome,
            cookies: cookies.into_iter().collect(),
            next: attempt.as_ref().map(Attempt::next),
        };
        let refuse = |refusal, cookies| ended(Err(refusal), cookies);
        let held = self.held(attempt.as_ref(), state, attempt::has_any(headers, wire), now);
        let (good, code) = match (self.parts.provider.read_return(query), held) {
            // A cancel says nothing that would have to be believed. Whoever holds the attempt has used it.
            (Returned::Cancelled, held) => {
                if let Ok(good) = held {
                    self.spent.spend_in_vain(good.state(), now, self.good_until(good));
                }
                return refuse(Refusal::NoCode, removal());
            }
            (Returned::Refused(refused), Err(_)) if !rule::holds(Rule::QqIsBelievedOfAnAttemptAlone) => {
                return refuse(Refusal::Provider(refused), removal());
            }
            // Whatever else the query says, anybody can say who holds no attempt.
            (Returned::Code(_) | Returned::Refused(_) | Returned::Malformed, Err(refusal)) => {
                return refuse(refusal, removal());
            }
            (Returned::Malformed, Ok(good)) => {
                self.spent.spend_in_vain(good.state(), now, self.good_until(good));
                return refuse(Refusal::Malformed, removal());
            }
            // Once: who holds an attempt makes one failure of it, not as many as he likes.
            (Returned::Refused(refused), Ok(good)) => {
                let is_news = self.spent.spend_in_vain(good.state(), now, self.good_until(good));
                return refuse(if is_news { Refusal::Provider(refused) } else { Refusal::Used }, removal());
            }
            (Returned::Code(code), Ok(good)) => (good, code),
        };
        let outcome = self.exchange_once(from, good, code, now).await;
        let is_kept =
            outcome.as_ref().is_err_and(Refusal::spends_nothing) && rule::holds(Rule::WhatIsTurnedAwaySpendsNothing);
        let cookies = if is_kept { None } else { removal() };
        ended(outcome, cookies)
    }

    /// Where a callback would lead, or why nowhere, as far as it is known before the provider is asked. Nothing is spent.
    pub fn foretell(
        &self,
        headers: &HeaderMap,
        query: &[(String, String)],
        wire: &Wire,
        by: Return,
    ) -> Result<SafeRedirect, Refusal> {
        let (state, attempt) = self.attempt(headers, query, wire, by);
        let held = self.held(attempt.as_ref(), state, attempt::has_any(headers, wire), self.parts.clock.now());
        match (self.parts.provider.read_return(query), held) {
            (Returned::Cancelled, _) => Err(Refusal::NoCode),
            (Returned::Code(_) | Returned::Refused(_) | Returned::Malformed, Err(refusal)) => Err(refusal),
            (Returned::Malformed, Ok(_)) => Err(Refusal::Malformed),
            (Returned::Code(_) | Returned::Refused(_), Ok(held)) if self.spent.is_spent(held.state()) => {
                Err(Refusal::Used)
            }
            (Returned::Refused(refused), Ok(_)) => Err(Refusal::Provider(refused)),
            (Returned::Code(_), Ok(held)) => Ok(held.next()),
        }
    }

    /// A callback's state, and the attempt that this browser holds of it.
    fn attempt<'q>(
        &self,
        headers: &HeaderMap,
        query: &'q [(String, String)],
        wire: &Wire,
        by: Return,
    ) -> (Option<&'q str>, Option<Attempt>) {
        let is_with = |attempt: &Attempt| attempt.is_with(self.parts.provider.id());
        match by {
            Return::ByState => {
                let state = single(query, "state").filter(|state| is_state(state));
                let attempt = state.and_then(|state| attempt::find(state, headers, &self.parts.sealer, wire));
                (state, attempt.filter(is_with))
            }
            Return::OfTheOnly => {
                let all = attempt::stateless(headers, &self.parts.sealer, wire);
                let now = self.parts.clock.now();
                let is_open =
                    |attempt: &Attempt| now <= self.good_until(attempt) && !self.spent.is_spent(attempt.state());
                let (open, over): (Vec<_>, Vec<_>) = all.into_iter().filter(is_with).partition(is_open);
                // Who comes twice, or too late, is told so.
                (None, the_only(if open.is_empty() { over } else { open }))
            }
        }
    }

    /// The attempt of a callback, if this browser holds it and it is good. Told by the state alone: the rest of a query
    /// may be anybody's.
    fn held<'a>(
        &self,
        attempt: Option<&'a Attempt>,
        state: Option<&str>,
        has_any: bool,
        now: Timestamp,
    ) -> Result<&'a Attempt, Refusal> {
        match (attempt, state) {
            (Some(attempt), _)
                if (now > self.good_until(attempt) || attempt.started().is_ahead_of(now))
                    && rule::holds(Rule::AttemptsHaveALifetime) =>
            {
                Err(Refusal::Expired)
            }
            (Some(attempt), _) => Ok(attempt),
            (None, Some(state)) if self.spent.is_spent(state) => Err(Refusal::Used),
            (None, Some(_) | None) if !has_any => Err(Refusal::NoAttempt),
            (None, Some(_)) => Err(Refusal::Foreign),
            (None, None) => Err(Refusal::Malformed),
        }
    }

    /// The last moment at which an attempt may come back.
    fn good_until(&self, attempt: &Attempt) -> Timestamp {
        attempt.good_until(self.parts.settings.attempt_lifetime)
    }

    /// The exchange for an attempt: made by its first callback, shared by those that come while it is under way.
    async fn exchange_once(
        self: &Arc<Self>,
        from: IpAddr,
        attempt: &Attempt,
        code: Code,
        now: Timestamp,
    ) -> Result<Arc<LoggedIn>, Refusal> {
        // What is refused here spends neither state nor cookie, so that a reload works.
        if !self.spent.is_spent(attempt.state()) {
            self.parts.store.ping().await.map_err(Refusal::StoreDown)?;
        }
        let good_until = self.good_until(attempt);
        let place = || {
            let place = Arc::clone(&self.exchanges).try_acquire_owned().map_err(|_| Refusal::Busy)?;
            let pass = self.breaker.enter(now).map_err(Refusal::ProviderDown)?;
            // Last: what is turned away for another reason costs no call, and takes nobody's place.
            let charge = self.pace.exchange(from, now)?;
            Ok::<_, Refusal>((place, pass, charge))
        };
        let mut result = match self.spent.spend(attempt.state(), now, good_until, place)? {
            Turn::Used => return Err(Refusal::Used),
            Turn::Wait(result) => {
                tracing::debug!("a doubled callback waits for the first one's result");
                result
            }
            Turn::First(teller, (place, pass, charge)) => {
                let (login, attempt) = (Arc::clone(self), attempt.clone());
                // On its own task: the browser may leave, the user is made all the same.
                let exchange = self.parts.control.spawn(async move {
                    let result = login.exchange(&attempt, code, pass).await;
                    drop(place);
                    if !result.as_ref().is_err_and(ExchangeError::counts) {
                        charge.hand_back();
                    }
                    let result = Arc::new(result.map(Arc::new).map_err(Arc::new));
                    teller.tell(Arc::clone(&result));
                    result
                });
                return share(&exchange.await.map_err(|_| Refusal::CutOff)?);
            }
        };
        let told = result.wait_for(Option::is_some).await.map_err(|_| Refusal::CutOff)?;
        told.as_ref().map_or(Err(Refusal::CutOff), share)
    }
}

fn share(outcome: &Arc<Outcome>) -> Result<Arc<LoggedIn>, Refusal> {
    match outcome.as_ref() {
        Ok(logged_in) => Ok(Arc::clone(logged_in)),
        Err(error) => Err(Refusal::Exchange(Arc::clone(error))),
    }
}

/// Of several attempts a return without a state could belong to any, also to one that somebody else has led the browser
/// into.
fn the_only(attempts: Vec<Attempt>) -> Option<Attempt> {
    let mut attempts = attempts.into_iter();
    let (first, another) = (attempts.next(), attempts.next());
    first.filter(|_| another.is_none() || !rule::holds(Rule::AReturnWithoutAStateFitsOneAttempt))
}

/// A parameter's value, if it is there exactly once.
fn single<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    let mut values = query.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// The shape of the states we make.
fn is_state(state: &str) -> bool {
    state.len() == 32 && state.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("settings", &self.parts.settings).finish_non_exhaustive()
    }
}
