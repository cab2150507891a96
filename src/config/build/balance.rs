//! How requests are spread over an upstream's endpoints, and how many there may be.

use http::header::HeaderName;

use crate::config::error::{Findings, Remark};
use crate::config::parse::{name, status};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::upstream::{Ejection, HashOn, Limit, Policy, Retries};

/// A word of `balance`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    RoundRobin,
    LeastRequest,
    Hash,
    Sticky,
}

/// Which endpoint of the upstream `called` a request goes to, and which cookie's name is written for that. `endpoints`: how
/// many there are.
pub(super) fn policy(
    section: &Section<'_>,
    called: &str,
    endpoints: usize,
    log: &mut Findings,
) -> (Option<Policy>, Option<Given<String>>) {
    let words = [Word::RoundRobin, Word::LeastRequest, Word::Hash, Word::Sticky];
    let balance = section.value("balance", log, read::choice(&words));
    let hash_on = section.value("hash_on", log, read::text(hash_on));
    let cookie = section.optional("sticky_cookie", log, read::text(name::cookie));
    let written = cookie.clone().flatten();
    let policy = || {
        Some(match balance.as_ref()?.value {
            Word::RoundRobin => Policy::RoundRobin,
            Word::LeastRequest => Policy::LeastRequest,
            Word::Hash => Policy::Hash(hash_on.as_ref()?.value.clone()),
            Word::Sticky => {
                let written = cookie.as_ref()?.as_ref().map(|given| given.value.clone());
                Policy::Sticky(written.unwrap_or_else(|| format!("menshen_endpoint_{called}")))
            }
        })
    };
    let policy = policy();
    let Some(balance) = balance else { return (policy, written) };
    for (key, written, word) in [
        ("hash_on", hash_on.as_ref().filter(|given| !given.is_default()).map(|given| &given.spot), Word::Hash),
        ("sticky_cookie", written.as_ref().map(|given| &given.spot), Word::Sticky),
    ] {
        if let Some(spot) = written.filter(|_| balance.value != word) {
            let remark = Remark::new("balance does not ask for it").so("nothing of it is ever used");
            let word = if word == Word::Hash { "hash" } else { "sticky" };
            log.warn(spot, remark.fix(format!("balance = {word:?}, or remove {key}")));
        }
    }
    if !balance.is_default() && endpoints == 1 {
        let remark = Remark::new("there is one endpoint").so("there is nothing to choose from");
        log.warn(&balance.spot, remark.fix("name more of them in endpoints, or remove this key"));
    }
    (policy, written)
}

fn hash_on(text: &str) -> Result<HashOn, Remark> {
    match text.split_once(':') {
        None if text == "user" => return Ok(HashOn::User),
        None if text == "address" => return Ok(HashOn::Address),
        Some(("header", name)) => {
            if let Ok(name) = HeaderName::try_from(name.trim()) {
                return Ok(HashOn::Header(name));
            }
        }
        None | Some(_) => {}
    }
    Err(Remark::expected("\"user\", \"address\" or \"header:<name>\"")
        .so("which requests belong together could not be told")
        .fix("\"user\" for the session's user, \"header:X-Shop\" for a field"))
}

/// When an endpoint that fails is left out; `Some(None)`: never.
pub(super) fn ejection(section: &Section<'_>, log: &mut Findings) -> Option<Option<Ejection>> {
    let failures = section.value("failures", log, read::count);
    let time = section.value("time", log, read::duration);
    let failures = u32::try_from(failures?.value).unwrap_or(u32::MAX);
    let time = time?.value;
    Some((failures > 0).then_some(Ejection { failures, time }))
}

/// How many requests there may be at once; `Some(None)`: as many as come.
pub(super) fn limit(section: &Section<'_>, log: &mut Findings) -> Option<Option<Limit>> {
    let requests = section.optional("max_requests", log, read::count);
    let waiting = section.value("max_pending", log, read::count);
    let patience = section.value("pending_timeout", log, read::duration);
    let (requests, waiting, patience) = (requests?, waiting?, patience?);
    if requests.is_none() {
        for spot in
            [(!waiting.is_default()).then_some(&waiting.spot), (!patience.is_default()).then_some(&patience.spot)]
        {
            let Some(spot) = spot else { continue };
            let remark = Remark::new("there is no max_requests").so("no request ever waits");
            log.warn(spot, remark.fix("max_requests = 64: as many as the application works on at once"));
        }
    }
    Some(requests.map(|requests| Limit { requests: requests.value, waiting: waiting.value, patience: patience.value }))
}

/// When a request goes on to another endpoint.
pub(super) fn retries(section: &Section<'_>, log: &mut Findings) -> Option<Retries> {
    let attempts = section.value("attempts", log, read::count);
    let statuses = section.each("statuses", log, status::failure);
    let budget = section.value("budget_percent", log, read::count);
    let whole = statuses.whole;
    let statuses = statuses.values().collect();
    let budget_percent = u32::try_from(budget?.value).unwrap_or(100);
    let attempts = attempts?.value;
    whole.then_some(Retries { attempts, statuses, budget_percent })
}
