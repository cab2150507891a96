//! The cookies that a browser keeps for a session: ours, which proves it, and those for the shop's own scripts. They are
//! set, renewed and removed together, so that no page greets by name whom nobody would let in.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};

use super::body::AnswerBody;
use super::error::Error;
use super::site::SiteContext;
use super::{Here, Shared, caching};
use crate::identity::{Content, Snapshot};
use crate::random;
use crate::rule::{self, Rule};
use crate::session::{self, CookieJar, Presented, Proof};

/// An answer that took longer may find a browser that has logged in again meanwhile, whose cookies are not ours to
/// remove. A login takes a visitor some seconds.
const MEANWHILE: Duration = Duration::from_secs(1);

/// The cookies of a session that has just begun. What nobody can guess is another value each time, also where there is one
/// already: somebody else may have set it.
pub(super) fn of_login(shared: &Shared, snapshot: &Snapshot, here: Here<'_>) -> Result<Vec<HeaderValue>, Error> {
    let mut cookies = of(shared, snapshot, here)?;
    let (jar, rest) = (&here.site.wire.jar, shared.sessions.rest(snapshot, here.now));
    for companion in shared.identities.companions().filter(|companion| matches!(companion.content, Content::Random)) {
        if !cookies.iter().any(|cookie| name(cookie) == companion.name.as_bytes()) {
            cookies.extend(jar.set_companion(&companion.name, &random::token_128()?, rest));
        }
    }
    Ok(cookies)
}

/// The cookies of a session, as they are from now on.
fn of(shared: &Shared, snapshot: &Snapshot, here: Here<'_>) -> Result<Vec<HeaderValue>, session::Error> {
    let (sessions, wire) = (&shared.sessions, &here.site.wire);
    let session = sessions.cookie(snapshot, &wire.site, &wire.jar, here.now)?;
    let longest = sessions.cookie_lifetime(snapshot, here.now);
    let companions = shared.identities.iter().flat_map(|identity| identity.companions(snapshot, &wire.site));
    let companions = companions.filter_map(|(name, value, lifetime)| {
        wire.jar.set_companion(name, &value, lifetime.map_or(longest, |lifetime| lifetime.min(longest)))
    });
    Ok(once(session.into_iter().chain(companions)))
}

/// Renews a session's cookies with an answer of the application's, if it is one that nobody would keep: the next that
/// may carry them does. Where none has for long, since every page of the application may be kept, one is kept by nobody.
pub(super) fn renew(
    shared: &Shared,
    proof: &Proof,
    here: Here<'_>,
    answer: &mut Response<AnswerBody>,
) -> Result<(), session::Error> {
    if !may_carry_cookies(answer) {
        if answer.status() == StatusCode::NOT_MODIFIED || !shared.sessions.must_renew(proof, here.now) {
            return Ok(());
        }
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    add_beside_the_shops(answer.headers_mut(), of(shared, &proof.snapshot, here)?);
    Ok(())
}

/// Removals of whatever [`of`] sets.
pub(super) fn removed(shared: &Shared, site: &SiteContext) -> Vec<HeaderValue> {
    let jar = &site.wire.jar;
    let companions = shared.identities.companions().filter_map(|companion| jar.remove_companion(&companion.name));
    once(jar.remove(jar.session()).into_iter().chain(companions))
}

/// Several identities may have the same companions, such as those they have by default.
fn once(cookies: impl Iterator<Item = HeaderValue>) -> Vec<HeaderValue> {
    let mut all: Vec<HeaderValue> = Vec::new();
    for cookie in cookies {
        if !all.contains(&cookie) {
            all.push(cookie);
        }
    }
    all
}

/// What an answer of our own removes: everything, if the browser holds the cookie of a session that is over. The
/// session's own goes too, so that this happens once: what the shop itself sets by the same names from then on stays.
pub(super) fn removed_if_over(shared: &Shared, presented: &Presented, site: &SiteContext) -> Vec<HeaderValue> {
    match presented {
        Presented::Over => removed(shared, site),
        Presented::Session(_) | Presented::Nothing => Vec::new(),
    }
}

/// The same on an answer of the application's, if it is one that nobody would keep.
pub(super) fn remove_if_over(
    shared: &Shared,
    presented: &Presented,
    here: Here<'_>,
    answer: &mut Response<AnswerBody>,
) {
    let removals = removed_if_over(shared, presented, here.site);
    let is_prompt = || shared.clock.now().since(here.now) <= MEANWHILE;
    if removals.is_empty() || !may_carry_cookies(answer) || !is_prompt() {
        return;
    }
    let headers = answer.headers_mut();
    caching::keep_private(headers);
    add_beside_the_shops(headers, removals);
}

/// Has a browser come back to the same endpoint of an upstream, by an answer that nobody would keep.
pub(super) fn stick(cookie: HeaderValue, answer: &mut Response<AnswerBody>) {
    if !may_carry_cookies(answer) {
        return;
    }
    let headers = answer.headers_mut();
    caching::keep_private(headers);
    add_beside_the_shops(headers, vec![cookie]);
}

/// Whoever kept an answer with cookies would set them again later, in place of newer ones.
fn may_carry_cookies(answer: &Response<AnswerBody>) -> bool {
    // A browser takes the fields of a 304 over into what it keeps.
    let may_be_kept = answer.status() == StatusCode::NOT_MODIFIED || caching::may_be_reused(answer.headers());
    !may_be_kept || !rule::holds(Rule::NoCookieOnAnswersThatMayBeKept)
}

/// Takes out of the application's answer what would set a cookie of ours: nobody but us makes sessions, and whoever gets a
/// line into its answers could log a visitor in as another.
pub(super) fn keep_ours_ours(headers: &mut HeaderMap, jar: &CookieJar) {
    let sets_ours = |cookie: &HeaderValue| jar.is_ours(name(cookie)) && rule::holds(Rule::OwnCookiesAreSetHere);
    if headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        let kept: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|cookie| !sets_ours(cookie)).cloned().collect();
        headers.remove(SET_COOKIE);
        headers.extend(kept.into_iter().map(|cookie| (SET_COOKIE, cookie)));
        tracing::warn!("the application's answer would have set a cookie of ours: it was left out");
    }
}

/// Adds cookies to the application's answer, except those that it sets itself.
fn add_beside_the_shops(headers: &mut HeaderMap, cookies: Vec<HeaderValue>) {
    let shops: Vec<Vec<u8>> = headers.get_all(SET_COOKIE).iter().map(|cookie| name(cookie).to_vec()).collect();
    for cookie in cookies {
        if !shops.iter().any(|shops| shops == name(&cookie)) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// A nameless cookie counts by what stands before its second `=`: browsers send it back like one of that name.
fn name(set_cookie: &HeaderValue) -> &[u8] {
    let pair = set_cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let pair = pair.strip_prefix(b"=").map_or(pair, <[u8]>::trim_ascii_start);
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end()
}
