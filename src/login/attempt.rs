//! Login attempts that have started and not come back. Each is sealed in a cookie of the browser's own, so that the
//! server holds nothing for strangers, several tabs can log in at once, and nobody can finish another's attempt.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::Beginning;
use super::provider::{IdentityProvider, Pkce, ProviderId};
use crate::clock::Timestamp;
use crate::http::cookie;
use crate::http::safe_redirect::SafeRedirect;
use crate::random::{self, NoRandomness};
use crate::rule::{self, Rule};
use crate::seal::{SealError, Sealer};
use crate::secret::Secret;
use crate::session::{CookieJar, Wire};

/// Attempts a browser may have open at once; the oldest gives way.
pub const MAX_ATTEMPTS: usize = 8;

/// Bytes that all attempt cookies of a browser may take together: they ride on every request.
const MAX_BYTES: usize = 4096;

/// How many attempt cookies of one request are opened: more than [`MAX_ATTEMPTS`] come only from somebody who plants them.
const MAX_CANDIDATES: usize = 24;

/// Characters of the state that name its cookie.
const SHORT_NAME: usize = 8;

/// A login that was begun here.
#[derive(Clone, Serialize, Deserialize)]
pub struct Attempt {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "p")]
    provider: String,
    #[serde(rename = "r")]
    redirect_uri: Url,
    #[serde(rename = "n")]
    next: String,
    #[serde(rename = "t")]
    started: Timestamp,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    verifier: Option<String>,
    #[serde(rename = "b", default, skip_serializing_if = "StateShape::is_random")]
    shape: StateShape,
}

/// What the provider is given as `state`, to be handed back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateShape {
    /// What nobody can guess, and tells the attempt.
    #[default]
    Random,
    /// The page that the user goes to afterwards, for front ends that go where `state` says. The return has none then
    /// that would tell the attempt.
    Next,
}

impl StateShape {
    fn is_random(&self) -> bool {
        *self == StateShape::Random
    }
}

/// An attempt cannot be made.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum AttemptError {
    /// No random bytes for a state.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Nothing can be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is not known where the provider sends browsers.
    #[error("the provider was not asked where it sends browsers")]
    Unprepared,
}

impl Attempt {
    /// A fresh attempt with a state of 128 random bits.
    pub(super) fn new(
        provider: &dyn IdentityProvider,
        beginning: Beginning<'_>,
        now: Timestamp,
    ) -> Result<Self, NoRandomness> {
        let verifier = || Ok(random::token_128()? + &random::token_128()?);
        Ok(Attempt {
            verifier: provider.takes_pkce().then(verifier).transpose()?,
            state: random::token_128()?,
            provider: provider.id().as_str().to_owned(),
            redirect_uri: beginning.redirect_uri.clone(),
            next: beginning.next.as_str().to_owned(),
            started: now,
            shape: beginning.state,
        })
    }

    /// What ties a code and a token to it, with a provider that takes that.
    pub(super) fn pkce(&self) -> Option<Pkce<'_>> {
        self.verifier.as_deref().map(Pkce::new)
    }

    /// The `state` that the provider is given.
    pub(super) fn told(&self) -> &str {
        match self.shape {
            StateShape::Random => &self.state,
            StateShape::Next => &self.next,
        }
    }

    /// What tells it from every other: the `state` that the provider hands back (RFC 6749, 10.12), unless that is the next
    /// page.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Whether this is the attempt of a state, in a time that tells nothing.
    pub fn has_state(&self, state: &str) -> bool {
        Secret::from(self.state.as_str()).matches(state.as_bytes())
    }

    /// Whether its return has no state that would tell it.
    pub(super) fn is_stateless(&self) -> bool {
        self.shape == StateShape::Next
    }

    /// Whether it was begun with this provider.
    pub fn is_with(&self, provider: &ProviderId) -> bool {
        self.provider == provider.as_str()
    }

    /// The address the provider was given; the token call repeats it word for word.
    pub fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// Where the user goes afterwards.
    pub fn next(&self) -> SafeRedirect {
        SafeRedirect::from_sealed(self.next.clone())
    }

    /// When it began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The last moment at which it may come back.
    pub fn good_until(&self, lifetime: Duration) -> Timestamp {
        self.started.plus(lifetime)
    }

    /// The name of its cookie.
    pub fn cookie_name(&self, jar: &CookieJar) -> String {
        jar.attempt(short_name(&self.state))
    }

    /// The value of its cookie.
    pub fn seal(&self, sealer: &Sealer, site: &str) -> Result<String, AttemptError> {
        // Plain data of ours; serialising it cannot fail.
        let text = serde_json::to_vec(self).map_err(|_| SealError::Cipher)?;
        Ok(sealer.seal(&purpose(site), &text)?)
    }
}

fn short_name(state: &str) -> &str {
    state.get(..SHORT_NAME).unwrap_or(state)
}

/// A cookie of one site opens nothing at another.
fn purpose(site: &str) -> String {
    format!("login {site}")
}

/// Whether the browser brought any attempt cookie at all.
pub(super) fn has_any(headers: &HeaderMap, wire: &Wire) -> bool {
    cookies(headers, wire).next().is_some()
}

/// The attempt that a returned state belongs to. Only cookies of its name are looked at, so that no number of others
/// hides it.
pub(super) fn find(state: &str, headers: &HeaderMap, sealer: &Sealer, wire: &Wire) -> Option<Attempt> {
    let is_any = !rule::holds(Rule::AStateIsItsBrowsersOwn);
    let named = cookies(headers, wire).filter(|(name, _)| *name == short_name(state) || is_any).take(MAX_CANDIDATES);
    named.filter_map(|(_, value)| open(sealer, wire, value)).find(|attempt| attempt.has_state(state) || is_any)
}

/// Those of a browser's attempts whose return has no state of ours.
pub(super) fn stateless(headers: &HeaderMap, sealer: &Sealer, wire: &Wire) -> Vec<Attempt> {
    let all = cookies(headers, wire).take(MAX_CANDIDATES).filter_map(|(_, value)| open(sealer, wire, value));
    all.filter(|attempt| attempt.shape == StateShape::Next || !rule::holds(Rule::AStateIsAskedForWhereItWasGiven))
        .collect()
}

/// Short names and values.
fn cookies<'r>(headers: &'r HeaderMap, wire: &'r Wire) -> impl Iterator<Item = (&'r str, &'r [u8])> {
    cookie::pairs(headers).filter_map(|(name, value)| Some((wire.jar.attempt_name(name)?, value)))
}

fn open(sealer: &Sealer, wire: &Wire, value: &[u8]) -> Option<Attempt> {
    serde_json::from_slice(&sealer.open(&purpose(&wire.site), value)?).ok()
}

/// An attempt at another site of ours, whose cookies come here too where the sites share a domain or differ in their
/// ports alone (RFC 6265, 8.5): to take it for junk would end a login there.
fn open_elsewhere(sealer: &Sealer, wire: &Wire, value: &[u8]) -> Option<Attempt> {
    let others = wire.issuers.iter().filter(|issuer| **issuer != wire.site);
    let mut opened = others.filter_map(|site| sealer.open(&purpose(site), value));
    opened.find_map(|text| serde_json::from_slice(&text).ok())
}

/// The attempts a browser has open, as its cookies tell.
pub(super) struct OpenAttempts<'r> {
    found: Vec<Found<'r>>,
}

struct Found<'r> {
    short_name: &'r str,
    size: usize,
    attempt: Option<Attempt>,
}

impl<'r> OpenAttempts<'r> {
    /// Opens every attempt cookie of a request.
    pub(super) fn of(headers: &'r HeaderMap, sealer: &Sealer, wire: &'r Wire) -> Self {
        let found = cookies(headers, wire).take(MAX_CANDIDATES).map(|(short_name, value)| {
            let attempt = open(sealer, wire, value).or_else(|| open_elsewhere(sealer, wire, value));
            Found { short_name, size: value.len(), attempt }
        });
        OpenAttempts { found: found.collect() }
    }

    /// Removals of those whose return has no state.
    pub(super) fn give_way(&mut self, jar: &CookieJar) -> Vec<HeaderValue> {
        let is_stateless = |found: &Found<'_>| found.attempt.as_ref().is_some_and(Attempt::is_stateless);
        let (doomed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.found).into_iter().partition(is_stateless);
        self.found = kept;
        doomed.iter().filter_map(|found| jar.remove(&jar.attempt(found.short_name))).collect()
    }

    /// What must go so that one more attempt of `size` bytes fits: whatever is no attempt of ours, and the oldest.
    pub(super) fn make_room(mut self, size: usize, jar: &CookieJar) -> Vec<HeaderValue> {
        // Junk sorts as if it had begun at the epoch.
        self.found.sort_by_key(|found| found.attempt.as_ref().map_or(Timestamp::EPOCH, Attempt::started));
        let mut count = self.found.len() + 1;
        let mut bytes = size + self.found.iter().map(|found| found.size).sum::<usize>();
        let mut doomed = Vec::new();
        for found in &self.found {
            let fits = (count <= MAX_ATTEMPTS && bytes <= MAX_BYTES) || !rule::holds(Rule::AttemptsAreFew);
            if found.attempt.is_some() && fits {
                break;
            }
            count -= 1;
            bytes -= found.size;
            doomed.extend(jar.remove(&jar.attempt(found.short_name)));
        }
        doomed
    }
}
