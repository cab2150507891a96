//! Error → status, page or JSON, and headers: the one table.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use serde_json::json;

use super::body::AnswerBody;
use super::caller::Caller;
use super::error::Error;
use super::site::SiteContext;
use super::way_on::WayOn;
use super::{Here, cors};
use crate::account::SignInError;
use crate::error_chain::ErrorChain;
use crate::login::provider;
use crate::login::{ExchangeError, RETRY_AFTER as RETRY_LOGIN, Refusal};
use crate::page::{self, AttemptRefusal, Back, ErrorKind, Page};
use crate::rule::{self, Rule};
use crate::telemetry::Cut;
use crate::upstream;

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// Why an answer of ours tells of a fault that the operator has to find: with the answer until the request's line in the
/// access log takes it over. Events of a kind may be left out; that line never is, and bears the id that a visitor quotes.
#[derive(Debug, Clone)]
pub(super) struct Cause(pub(super) String);

/// The answer to a request that failed. `site` is there as soon as the request's host has been found.
pub(super) fn to(
    error: &Error,
    caller: &Caller,
    site: Option<&SiteContext>,
    origins: &[String],
) -> Response<AnswerBody> {
    answer(error, caller, site, &WayOn::of(site), origins)
}

/// The answer to a callback that did not end in a login.
pub(super) fn refused(error: &Error, here: Here<'_>, way_on: &WayOn) -> Response<AnswerBody> {
    answer(error, here.caller, Some(here.site), way_on, &[])
}

fn answer(
    error: &Error,
    caller: &Caller,
    site: Option<&SiteContext>,
    way_on: &WayOn,
    origins: &[String],
) -> Response<AnswerBody> {
    let login = way_on.login();
    let make = |shown: &Page<'_>| show(shown, caller, (shown.status() == StatusCode::UNAUTHORIZED).then_some(login));
    let mut response = answer_as(error, caller, site, (way_on, origins), make);
    if let Some(site) = site {
        cors::allow(&mut response, site, caller);
    }
    response
}

/// The answer to a request that failed, in words that are not ours: what it would say is given to whoever makes it.
pub(super) fn in_words(
    error: &Error,
    here: Here<'_>,
    make: impl FnOnce(&Page<'_>) -> Response<AnswerBody>,
) -> Response<AnswerBody> {
    answer_as(error, here.caller, Some(here.site), (&WayOn::of(Some(here.site)), &[]), make)
}

fn answer_as(
    error: &Error,
    caller: &Caller,
    site: Option<&SiteContext>,
    (way_on, origins): (&WayOn, &[String]),
    make: impl FnOnce(&Page<'_>) -> Response<AnswerBody>,
) -> Response<AnswerBody> {
    log(error, caller);
    let id = caller.id.to_string();
    let shown = page(error, site, &id, way_on, origins);
    let mut response = make(&shown);
    if is_worth_a_cause(error, shown.status()) {
        response.extensions_mut().insert(Cause(ErrorChain(error).to_string()));
    }
    let response_status = response.status();
    let headers = response.headers_mut();
    if let Error::MethodNotAllowed { allow } = error
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(ALLOW, allow);
    }
    if let Error::LoginNeeded { removals } = error {
        headers.extend(removals.iter().map(|cookie| (SET_COOKIE, cookie.clone())));
    }
    if matches!(error, Error::Upstream(upstream::Error::Framing(_) | upstream::Error::ClientSilent)) {
        // Nobody can be sure where such a request ends, so nothing after it is read.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if response_status == StatusCode::UNAUTHORIZED {
        let is_refused = matches!(error, Error::TokenRefused(_));
        let challenge =
            if is_refused { "Bearer realm=\"menshen\", error=\"invalid_token\"" } else { "Bearer realm=\"menshen\"" };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// When whoever there was no room for may come again.
const RETRY_CROWDED: Duration = Duration::from_secs(1);

/// The status that an error comes to.
pub(super) fn status(error: &Error) -> StatusCode {
    page(error, None, "", &WayOn::of(None), &[]).status()
}

/// What is shown of an error.
fn page<'p>(
    error: &'p Error,
    site: Option<&SiteContext>,
    id: &'p str,
    way_on: &'p WayOn,
    origins: &'p [String],
) -> Page<'p> {
    let (login, back) = (way_on.login(), way_on.back());
    let kind = |kind| Page::Error { kind, request_id: id, login: None, back };
    let with_login = |kind| Page::Error { kind, request_id: id, login: Some(login), back };
    let refused = |why| Page::AttemptRefused { why, login, back };
    match error {
        Error::NoHost | Error::TargetForm | Error::NotRewritable | Error::Ambiguous(_) | Error::Prefetch => {
            kind(ErrorKind::BadRequest)
        }
        Error::Unsaid(_) | Error::Disguised => kind(ErrorKind::BadRequest),
        Error::UnknownHost { host } => kind(ErrorKind::UnknownHost { host, sites: origins }),
        Error::Misdirected => kind(ErrorKind::Misdirected),
        Error::TargetTooLong => kind(ErrorKind::TargetTooLong),
        Error::MethodNotAllowed { .. } => kind(ErrorKind::MethodNotAllowed),
        Error::NotFound | Error::NotACaller => kind(ErrorKind::NotFound),
        Error::LoginNeeded { .. } | Error::TokenRefused(_) => with_login(ErrorKind::LoginNeeded),
        Error::ForeignOrigin => kind(ErrorKind::ForeignOrigin),
        Error::UnknownThere { .. } => kind(ErrorKind::UnknownThere),
        Error::Login(refusal) => match refusal {
            Refusal::NoCode => Page::Cancelled { login, back },
            Refusal::Malformed | Refusal::Foreign => refused(AttemptRefusal::Foreign),
            Refusal::NoAttempt => {
                let is_https = site.is_some_and(|site| site.site.origin.is_https());
                refused(AttemptRefusal::NoCookie { is_https })
            }
            Refusal::Expired => refused(AttemptRefusal::Expired),
            Refusal::Used => refused(AttemptRefusal::Used),
            Refusal::Busy | Refusal::StoreDown(_) | Refusal::Unprepared(_) => {
                kind(ErrorKind::LoginUnavailable(whole_seconds(RETRY_LOGIN)))
            }
            Refusal::TooOften(wait) => kind(ErrorKind::TooOften(whole_seconds(*wait))),
            Refusal::ProviderDown(wait) | Refusal::Crowded(wait) => {
                kind(ErrorKind::LoginUnavailable(whole_seconds(*wait)))
            }
            Refusal::Provider(_) | Refusal::CutOff => with_login(ErrorKind::LoginFailed),
            Refusal::Exchange(cause) => match cause.as_ref() {
                ExchangeError::SignIn(SignInError::Blocked(_)) => kind(ErrorKind::Blocked),
                ExchangeError::SignIn(SignInError::Store(_) | SignInError::NoRandomness(_))
                | ExchangeError::Provider(_)
                | ExchangeError::Session(_) => with_login(ErrorKind::LoginFailed),
            },
        },
        Error::Upstream(error) => kind(match error {
            upstream::Error::Framing(_) | upstream::Error::ClientGone => ErrorKind::BadRequest,
            upstream::Error::ClientSilent => ErrorKind::RequestTimeout,
            upstream::Error::TooSlow { .. } | upstream::Error::Late { .. } => ErrorKind::GatewayTimeout,
            upstream::Error::Full { retry_after, .. } => ErrorKind::Overloaded(whole_seconds(*retry_after).max(1)),
            upstream::Error::Unreachable { .. }
            | upstream::Error::BrokenAnswer { .. }
            | upstream::Error::UnaskedUpgrade
            | upstream::Error::UnreadableFraming => ErrorKind::BadGateway,
            upstream::Error::NoSuchUpstream => ErrorKind::Internal,
        }),
        Error::Crowded => kind(ErrorKind::Overloaded(whole_seconds(RETRY_CROWDED))),
        Error::Panicked(_) | Error::Session(_) | Error::Attempt(_) | Error::NoRandomness(_) => {
            kind(ErrorKind::Internal)
        }
    }
}

/// Whether the access log says why: where an operator has something to find out, or a client that nobody wants to
/// believe it was told so.
fn is_worth_a_cause(error: &Error, status: StatusCode) -> bool {
    let is_refused =
        matches!(status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    status.is_server_error() || is_refused || matches!(error, Error::TokenRefused(_) | Error::UnknownThere { .. })
}

/// For `Retry-After`. Rounded up: who comes back too early is turned away again.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A page for whoever reads pages, else the same as JSON.
pub(super) fn show(page: &Page<'_>, caller: &Caller, login_url: Option<&str>) -> Response<AnswerBody> {
    let mut response = if caller.wants_page() {
        html(page, caller)
    } else {
        let mut body = json!({
            "code": page.code(),
            "errmsg": page.errmsg(caller.language()),
            "request_id": caller.id.to_string(),
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(page.details(caller.language()));
            fields.extend(login_url.map(|login_url| ("login_url".to_owned(), login_url.into())));
        }
        json(&body)
    };
    *response.status_mut() = page.status();
    if let Some(seconds) = page.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Language, Cookie"));
    response
}

fn html(page: &Page<'_>, caller: &Caller) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::own(page::render(page, caller.language())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(caller.language().tag()));
    if rule::holds(Rule::PagesHaveAPolicy) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::content_security_policy()));
    }
    // A form of ours must come back with its origin; every other page hands on nothing of its address.
    let policy = match page {
        Page::ConfirmLogout { .. } => "same-origin",
        Page::Login { .. }
        | Page::Cancelled { .. }
        | Page::AttemptRefused { .. }
        | Page::LoggedOut { .. }
        | Page::Error { .. } => "no-referrer",
    };
    own_headers(&mut response, policy);
    response
}

/// JSON of ours.
pub(super) fn json(body: &serde_json::Value) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::own(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    own_headers(&mut response, "no-referrer");
    response
}

/// An answer that says nothing but its headers.
pub(super) fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = status;
    own_headers(&mut response, "no-referrer");
    response
}

/// A body that the configuration names.
pub(super) fn plain(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::own(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    own_headers(&mut response, "no-referrer");
    response
}

/// That the site is being worked on.
pub(super) fn maintenance(retry_after: Duration, caller: &Caller) -> Response<AnswerBody> {
    let kind = ErrorKind::Maintenance(whole_seconds(retry_after));
    let id = caller.id.to_string();
    show(&Page::Error { kind, request_id: &id, login: None, back: Back::Nowhere }, caller, None)
}

/// A redirect of ours, to an address that is safe or our own.
pub(super) fn redirect(status: StatusCode, location: HeaderValue) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::own(""));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::LOCATION, location);
    own_headers(&mut response, "no-referrer");
    response
}

fn own_headers(response: &mut Response<AnswerBody>, referrer: &'static str) {
    let headers = response.headers_mut();
    if rule::holds(Rule::OwnAnswersAreNotStored) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if rule::holds(Rule::OwnAddressesAreToldToNobody) {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    }
}

/// Says to the operator what no page says: the cause, under the request's id.
fn log(error: &Error, caller: &Caller) {
    let (id, chain) = (caller.id, ErrorChain(error));
    match error {
        Error::UnknownHost { host } => tracing::warn!(
            request_id = %id, host = %Cut(host),
            "no site has this name: add it to [[sites]] (origin or aliases); behind nginx, set `proxy_set_header Host $http_host;`"
        ),
        Error::Login(Refusal::Exchange(cause)) if is_warning(cause) => {
            tracing::warn!(request_id = %id, error = %chain, "a login failed");
        }
        Error::Login(Refusal::Exchange(_) | Refusal::Provider(_) | Refusal::CutOff) => {
            tracing::error!(request_id = %id, error = %chain, "a login failed");
        }
        // A client's doing, and as often as clients like.
        Error::Upstream(
            upstream::Error::Framing(_) | upstream::Error::ClientGone | upstream::Error::ClientSilent,
        ) => {
            tracing::debug!(request_id = %id, error = %chain, "a request was refused");
        }
        Error::Login(Refusal::TooOften(_)) => {
            let client = caller.client.text();
            tracing::warn!(request_id = %id, client, "one address tries to log in too often");
        }
        Error::Login(Refusal::Busy | Refusal::Crowded(_) | Refusal::StoreDown(_) | Refusal::Unprepared(_))
        | Error::Upstream(_)
        | Error::Crowded => {
            tracing::warn!(request_id = %id, error = %chain, "a request could not be served");
        }
        Error::Panicked(_) | Error::Session(_) | Error::Attempt(_) | Error::NoRandomness(_) => {
            tracing::error!(request_id = %id, error = %chain, "a fault of the proxy's own");
        }
        Error::Login(
            Refusal::NoCode
            | Refusal::Malformed
            | Refusal::NoAttempt
            | Refusal::Foreign
            | Refusal::Expired
            | Refusal::Used,
        ) => tracing::info!(request_id = %id, reason = %chain, "a callback ended in no login"),
        Error::NotACaller | Error::Unsaid(_) | Error::Disguised => {
            let client = caller.client.text();
            tracing::info!(request_id = %id, client, reason = %chain, "a question about a request was not answered");
        }
        Error::NoHost
        | Error::Misdirected
        | Error::TargetForm
        | Error::NotRewritable
        | Error::TargetTooLong
        | Error::Ambiguous(_)
        | Error::MethodNotAllowed { .. }
        | Error::NotFound
        | Error::LoginNeeded { .. }
        | Error::TokenRefused(_)
        | Error::ForeignOrigin
        | Error::UnknownThere { .. }
        | Error::Prefetch
        // The breaker has said it, once for all.
        | Error::Login(Refusal::ProviderDown(_)) => tracing::debug!(request_id = %id, error = %chain, "a request was refused"),
    }
}

/// What QQ or an attacker did, rather than what the operator configured.
fn is_warning(cause: &ExchangeError) -> bool {
    match cause {
        ExchangeError::Provider(provider::Error::Unavailable { .. } | provider::Error::Busy { .. })
        | ExchangeError::SignIn(SignInError::Blocked(_)) => true,
        ExchangeError::Provider(_) | ExchangeError::SignIn(_) | ExchangeError::Session(_) => false,
    }
}
