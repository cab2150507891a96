//! What would become of a request, and why, without sending it: the same steps as for one that came, told one by one.

mod fields;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request};

use super::caller::{Caller, Kind};
use super::error::Error;
use super::policy::{self, Clearance, Decision};
use super::route::Matched;
use super::{
    Access, Authorization, Found, Gateway, Here, NullOrigin, OwnPath, Passing, RouteSettings, method, origin, own,
    respond, settle_host, transport, upstream,
};
use crate::http::client_certificate::ClientAuth;
use crate::http::peer::Peer;
use crate::http::{hop_by_hop, request_path};
use crate::session::{Bearer, CoreSessions, Proof};

/// What is said of a request, in the order in which it was found out: a word, and the finding.
pub type Explanation = Vec<(&'static str, String)>;

impl Gateway {
    /// Tells what would become of a request from `peer`. Nothing is sent, begun or ended.
    pub async fn explain(&self, request: Request<()>, peer: &Peer) -> Explanation {
        let mut told = Explanation::new();
        if let Err(error) = self.tell(request, peer, &mut told).await {
            told.push(("answer", format!("{}: {error}", respond::status(&error).as_u16())));
        }
        told
    }

    async fn tell(&self, mut request: Request<()>, peer: &Peer, told: &mut Explanation) -> Result<(), Error> {
        let now = self.shared.clock.now();
        let caller = Caller::of(&request, self.request_id(), peer, &self.shared.trusted_proxies);
        hop_by_hop::check_framing(request.headers()).map_err(upstream::Error::from)?;
        let own = self.shared.own_paths.find(request.uri().path());
        let site = self.site(&request, own)?;
        let own = own.or_else(|| site.own_path(request.uri().path()));
        let here = Here { site, caller: &caller, now };
        told.push(("site", site.site.origin.to_string()));
        told.push(("client", caller.client.text().to_owned()));
        if let Some(certificate) = certificate(site.site.client_auth) {
            told.push(("certificate", certificate.to_owned()));
        }
        if own != Some(OwnPath::Health) && transport::is_sent_on(site, &caller) {
            told.push(("answer", format!("308: to {}", transport::address(request.uri(), site))));
            return Ok(());
        }
        if own != Some(OwnPath::Health) && transport::is_misdirected(site, &caller) {
            return Err(Error::Misdirected);
        }
        if self.is_too_long(request.uri()) {
            return Err(Error::TargetTooLong);
        }
        if !method::has_form(request.method(), request.uri()) {
            return Err(Error::TargetForm);
        }
        if let Some(own) = own {
            told.push(("endpoint", format!("Menshen's own: {}", own.name())));
            let answer = self.foretell(own, &request, here, told).await?;
            told.push(("answer", answer));
            return Ok(());
        }
        let sent = request.headers().clone();
        settle_host(&mut request, site);
        let target = request.uri().clone();
        let readings = request_path::read(target.path())?;
        let also: Vec<&str> = readings.others.iter().map(String::as_str).collect();
        told.push(("path", readings.usual.to_string()));
        if !also.is_empty() {
            told.push(("also read as", also.join("  ")));
        }
        let found = self.find_route(&request, &readings, site)?;
        let matched = found.matched;
        told.push(("route", route(matched.route)));
        if matched.access != matched.route.access {
            let why = match found.rewritten {
                Some(_) => "another reading of the path, or the path that is sent, is guarded so",
                None => "another reading of the path is guarded so",
            };
            told.push(("access", format!("{}: {why}", access(matched.access))));
        }
        if let Some(what) = authorization(matched.authorization) {
            told.push(("authorization", what.to_owned()));
        }
        told.push(("call", call(&caller, &request).to_owned()));
        let null = NullOrigin::by(matched.route, &readings);
        let listed = origin::listed(matched.route, &readings, &caller);
        let is_logout = site.site.is_logout_link(&readings);
        let ends_sessions = is_logout && own::logout::is_asked(&request, null, here);
        let ending =
            if ends_sessions { self.sessions.load_all(request.headers(), &site.wire, now)? } else { Vec::new() };
        let wants_session = matched.access != Access::Public || ends_sessions;
        let presented = self.load(wants_session, &mut request, here).await?;
        let proof = presented.session().map(AsRef::as_ref);
        told.push((
            "session",
            match (proof, wants_session) {
                (None, false) => "none is looked for: the route is public".to_owned(),
                (proof, _) => session(&self.sessions, proof, request.headers(), here).await,
            },
        ));
        let is_own = || {
            let own = origin::is_own(request.headers(), &site.site, null);
            own || origin::is_of(request.headers(), listed)
        };
        let is_navigation = || caller.is_navigation(request.method(), request.headers());
        let has_credentials = || request.headers().contains_key(AUTHORIZATION);
        let decision = policy::decide(matched, proof, &caller, is_own, is_navigation, has_credentials);
        if is_logout {
            let ended = !matches!(decision, Decision::ForeignOrigin);
            told.push(("logout", logout(ends_sessions && ended, if ended { &ending } else { &[] })));
        }
        let ours = matched.route.handling.answer.as_ref().filter(|_| matches!(decision, Decision::Allow(_)));
        let foretold = ours.map(|ours| ours.told(Some(&target)));
        told.push(("answer", foretold.unwrap_or_else(|| answer(&decision, matched).to_owned())));
        match decision {
            Decision::Allow(_) if matched.route.handling.answer.is_some() => Ok(()),
            Decision::Allow(clearance) => {
                let passing = Passing { found, presented };
                self.tell_outgoing(request, &sent, clearance, passing, here, told).await
            }
            Decision::Login | Decision::Unauthorized | Decision::ForeignOrigin => Ok(()),
        }
    }

    /// What the application would get.
    async fn tell_outgoing(
        &self,
        mut request: Request<()>,
        sent: &HeaderMap,
        clearance: Clearance,
        passing: Passing<'_>,
        here: Here<'_>,
        told: &mut Explanation,
    ) -> Result<(), Error> {
        let Passing { found: Found { matched, rewritten }, presented } = passing;
        let handling = &matched.route.handling;
        let fields = match clearance.identity().zip(presented.session()) {
            Some((identity, proof)) => {
                let name = self.shared.identities.get(identity).map(|identity| identity.settings.name.clone());
                told.push(("identity", name.unwrap_or_default()));
                self.told(proof, identity, matched, here).await?
            }
            None => None,
        };
        self.strip_claims(&mut request, clearance.identity(), matched, here);
        if let Some(rewritten) = rewritten {
            *request.uri_mut() = rewritten;
            told.push(("path sent", request.uri().path().to_owned()));
        }
        handling.request_fields.apply_to_request(request.headers_mut());
        let permit = clearance.permit(fields.as_ref());
        let (mut parts, ()) = request.into_parts();
        let has_body = has_body(&parts.headers);
        let visitor = self.visitor(here, None);
        self.upstreams.preview(&mut parts, has_body, &permit, &visitor)?;
        fields::tell(sent, &parts.headers, told);
        told.push(("upstream", self.upstreams.name(&permit).map_or_else(String::new, |name| name.to_string())));
        Ok(())
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |length: &http::HeaderValue| length.as_bytes().iter().all(|digit| *digit == b'0');
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| !is_empty(length))
}

/// Which requests it is for, and who may pass.
fn route(route: &RouteSettings) -> String {
    let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
    let methods = if methods.is_empty() { "any method".to_owned() } else { methods.join(" ") };
    let host = route.host.as_deref().unwrap_or("any host");
    format!("{}, {}, {methods}, {host}", route.path.text(), access(route.access))
}

/// What becomes of the client's own `Authorization`, where that is not what is usual.
fn authorization(authorization: Authorization) -> Option<&'static str> {
    match authorization {
        Authorization::Passed => None,
        Authorization::Required => Some("the client's own goes on, and is needed where there is no session"),
        Authorization::Stripped => Some("the client's own goes no further"),
    }
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Optional => "optional",
        Access::Required => "required",
    }
}

fn call(caller: &Caller, request: &Request<()>) -> &'static str {
    match caller.kind {
        Kind::Preflight => "a preflight: without credentials",
        Kind::Upgrade => "an upgrade, such as to a WebSocket",
        Kind::Ordinary if caller.is_navigation(request.method(), request.headers()) => "a browser's navigation",
        Kind::Ordinary if caller.is_unsafe => "a script or client that changes something",
        Kind::Ordinary => "a script or client",
    }
}

/// The session that a request proves, or why it proves none.
pub(super) async fn session(
    sessions: &CoreSessions,
    proof: Option<&Proof>,
    headers: &HeaderMap,
    here: Here<'_>,
) -> String {
    let Some(proof) = proof else {
        let reasons = sessions.reasons(headers, &here.site.wire, here.now).await;
        return format!("none: {}", reasons.join("; "));
    };
    let by = match proof.bearer {
        Bearer::Cookie => "cookie",
        Bearer::ApiToken => "API token",
    };
    let snapshot = &proof.snapshot;
    format!("by {by}: user {}, session {}, since {}", snapshot.user, snapshot.session, snapshot.began)
}

/// What following the shop's own logout link would end.
fn logout(is_followed: bool, ending: &[std::sync::Arc<Proof>]) -> String {
    let sessions: Vec<String> = ending.iter().map(|proof| proof.snapshot.session.to_string()).collect();
    match sessions.as_slice() {
        _ if !is_followed => "the shop's logout link, but nothing would end: nobody asked for it".to_owned(),
        [] => "the shop's logout link, and there is no session to end".to_owned(),
        [one] => format!("the shop's logout link: session {one} would end"),
        several => format!("the shop's logout link: sessions {} would end", several.join(", ")),
    }
}

/// What becomes of the handshake before the request, of which nothing is asked here.
fn certificate(wanted: ClientAuth) -> Option<&'static str> {
    match wanted {
        ClientAuth::Off => None,
        ClientAuth::Optional => Some("clients are asked for one; what follows is said of who has none"),
        ClientAuth::Required => Some("needed: what follows is said of who has one, and nobody else gets any answer"),
    }
}

fn answer(decision: &Decision, matched: Matched<'_>) -> &'static str {
    let access = matched.access;
    match decision {
        Decision::Allow(clearance) if clearance.identity().is_some() => "the application's, which learns who it is",
        Decision::Allow(_) if access == Access::Public => "the application's, which learns nobody's identity here",
        Decision::Allow(_) => "the application's, as for a stranger",
        Decision::Login if matched.route.handling.not_logged_in.page.is_some() => {
            "302 to the route's not_logged_in.page: a session is needed"
        }
        Decision::Login => "302 to the login page: a session is needed",
        Decision::Unauthorized if matched.route.handling.not_logged_in.words.is_some() => {
            "what the route's not_logged_in.json says: a session is needed, and this is no navigation that could log in"
        }
        Decision::Unauthorized if access != Access::Required => {
            "401: the route wants an Authorization of the client's own, or a session"
        }
        Decision::Unauthorized => "401: a session is needed, and this is no navigation that could log in",
        Decision::ForeignOrigin => {
            "403: the cookie came along unasked, and another site makes the browser ask for this"
        }
    }
}
