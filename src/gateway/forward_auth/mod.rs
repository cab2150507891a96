//! `/.menshen/auth`: other proxies ask whether a request may pass, and carry it themselves.
//!
//! What they ask about goes the way of a request that came here, as far as the decision. The answer names every header that
//! an application could take for an identity, so that whatever the client sent by these names is put out of the way.

mod asked;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

pub use self::asked::Dialect;
pub(super) use self::asked::Unsaid;
use super::body::AnswerBody;
use super::caller::Caller;
use super::error::Error;
use super::policy::{Clearance, Decision};
use super::{Failed, Found, Gateway, Here, Judged, Passing, cookies, method, own, respond, transport};
use crate::clock::Timestamp;
use crate::http::peer::{Peer, Peers};
use crate::rule::{self, Rule};
use crate::telemetry::line::{Line, Route};

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct ForwardAuth {
    /// Whose questions are answered.
    pub callers: Peers,
    /// How they say which request they ask about.
    pub dialect: Dialect,
}

impl Gateway {
    /// Answers a proxy's question. Nothing but a request that may pass comes to a 2xx.
    pub(super) async fn answer_question(
        &self,
        question: Request<Incoming>,
        peer: &Peer,
        asker: &Caller,
        now: Timestamp,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Failed<'_>> {
        if let Some(line) = line {
            line.route = Some(Route::Own("Auth"));
            line.decision = "own";
        }
        let listed = self.shared.forward_auth.as_ref();
        let listed = listed.filter(|ours| ours.callers.hold(peer.remote) || !rule::holds(Rule::ListedCallersAsk));
        let Some(ForwardAuth { dialect, .. }) = listed else {
            return Err(Failed::nowhere(Error::NotACaller));
        };
        let request = asked::original(*dialect, &question, &self.shared.own_paths.under_prefix("auth"));
        let request = request.map_err(|unsaid| Failed::nowhere(Error::Unsaid(unsaid)))?;
        let caller = Caller::of(&request, asker.id, peer, &self.shared.trusted_proxies);
        let site = self.site(&request, None).map_err(Failed::nowhere)?;
        let answered = self.judge_for(request, Here { site, caller: &caller, now }, line).await;
        let response = answered.unwrap_or_else(|error| respond::to(&error, &caller, Some(site), &[]));
        Ok(suited(response, *dialect))
    }

    async fn judge_for(
        &self,
        mut request: Request<()>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        if transport::is_sent_on(here.site, here.caller) {
            return Ok(transport::over_tls(request.uri(), here.site, line));
        }
        if transport::is_misdirected(here.site, here.caller) {
            return Err(Error::Misdirected);
        }
        if self.is_too_long(request.uri()) {
            return Err(Error::TargetTooLong);
        }
        // Ours are answered here: an application that got them would answer in our place.
        if !method::has_form(request.method(), request.uri())
            || self.shared.own_paths.find(request.uri().path()).is_some()
            || here.site.own_path(request.uri().path()).is_some()
        {
            return Err(Error::NotFound);
        }
        // Whoever asks hands it on, where we would have dropped it.
        let is_disguised = request.headers().keys().any(|name| self.strip.is_disguised(name));
        if is_disguised && rule::holds(Rule::NoDisguiseIsVouchedFor) {
            return Err(Error::Disguised);
        }
        let target = request.uri().clone();
        let Judged { decision, passing, ending } = self.judge(&mut request, here, line).await?;
        let is_foreign = matches!(decision, Decision::ForeignOrigin);
        let answered = async {
            match decision {
                Decision::Allow(clearance) => self.vouch(request, clearance, &passing, here).await,
                Decision::Login => Ok(own::invite(&self.shared, &target, &passing, here)),
                Decision::Unauthorized => self.turn_away(&target, &passing, here),
                Decision::ForeignOrigin => Err(Error::ForeignOrigin),
            }
        };
        if is_foreign || ending.is_empty() {
            return answered.await;
        }
        own::logout::follow(&self.shared, here, &ending, answered).await
    }

    /// In the route's own words, unless the proxy that asks would take them for a yes.
    fn turn_away(&self, target: &Uri, passing: &Passing<'_>, here: Here<'_>) -> Result<Response<AnswerBody>, Error> {
        let mut answered = own::turn_away(&self.shared, target, passing, here);
        if let Ok(response) = &mut answered
            && response.status().is_success()
            && rule::holds(Rule::ARefusalIsNoYes)
        {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        answered
    }

    /// The request may pass: with these fields, and no other of their names.
    async fn vouch(
        &self,
        mut request: Request<()>,
        clearance: Clearance,
        passing: &Passing<'_>,
        here: Here<'_>,
    ) -> Result<Response<AnswerBody>, Error> {
        let Passing { found: Found { matched, .. }, presented } = passing;
        if matched.route.handling.answer.is_some() {
            // The application is asked for nothing there.
            return Err(Error::NotFound);
        }
        let fields = match clearance.identity().zip(presented.session()) {
            Some((identity, proof)) => self.told(proof, identity, *matched, here).await?,
            None => None,
        };
        self.strip_claims(&mut request, clearance.identity(), *matched, here);
        let mut response = Response::new(AnswerBody::default());
        let headers = response.headers_mut();
        let of_certificates = self.shared.certificate_fields.iter().map(|(name, _)| name);
        for name in self.shared.identities.header_names().chain(of_certificates) {
            headers.insert(name, HeaderValue::from_static(""));
        }
        for name in [AUTHORIZATION, COOKIE] {
            headers.insert(&name, kept(request.headers(), &name, if name == COOKIE { b"; " } else { b", " }));
        }
        let told = fields.as_ref().and_then(|ready| ready.headers.clone());
        for (name, value) in told.iter().flat_map(|told| told.iter()) {
            headers.insert(name, value.clone());
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(proof) = presented.session().filter(|_| fields.is_some())
            && self.shared.sessions.may_renew(proof, self.shared.clock.now())
        {
            cookies::renew(&self.shared, proof, here, &mut response)?;
        }
        Ok(response)
    }
}

/// What is left of a field that a client sent, as one (RFC 9110, 5.3; RFC 6265, 5.4).
fn kept(headers: &HeaderMap, name: &http::HeaderName, between: &[u8]) -> HeaderValue {
    let all: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(between)).unwrap_or(HeaderValue::from_static(""))
}

/// nginx knows 2xx, 401 and 403, and calls anything else an error of the server's: whoever has to log in gets a 401 that
/// says where. Of several cookies it makes one field that no browser reads as such, and so does Caddy of those of a yes: the
/// session's, which is the first, goes alone.
fn suited(mut response: Response<AnswerBody>, dialect: Dialect) -> Response<AnswerBody> {
    let status = response.status();
    let is_nginx = match dialect {
        Dialect::Forwarded | Dialect::Envoy => return response,
        Dialect::Nginx => true,
        Dialect::Caddy => false,
    };
    let headers = response.headers_mut();
    if let Some(first) = headers.get(SET_COOKIE).cloned().filter(|_| is_nginx || status.is_success()) {
        headers.insert(SET_COOKIE, first);
    }
    if !is_nginx || [StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&status) {
        return response;
    }
    let leads_on = status.is_redirection() && response.headers().contains_key(LOCATION);
    *response.status_mut() = if leads_on { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    response
}
