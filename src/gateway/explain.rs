//! What would become of a request, and why, without sending it: the same steps as for one that came, told one by one.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Request;
use http::header::HOST;

use super::caller::{Caller, Kind};
use super::error::Error;
use super::policy::{self, Decision};
use super::{Access, Gateway, Here, NullOrigin, method, origin, settle_host};
use crate::http::forwarded::Client;
use crate::http::request_path;
use crate::identity::Ready;
use crate::session::{Bearer, Proof};

/// What is said of a request, in the order in which it was found out: a word, and the finding.
pub type Explanation = Vec<(&'static str, String)>;

impl Gateway {
    /// Tells what would become of a request from `peer`. Nothing is sent, begun or ended.
    pub async fn explain(&self, request: Request<()>, peer: &Client) -> Explanation {
        let mut told = Explanation::new();
        if let Err(error) = self.tell(request, peer, &mut told).await {
            told.push(("answer", format!("refused: {error}")));
        }
        told
    }

    async fn tell(&self, mut request: Request<()>, peer: &Client, told: &mut Explanation) -> Result<(), Error> {
        let now = self.shared.clock.now();
        let caller = Caller::of(&request, self.request_id(), peer, &self.shared.trusted_proxies);
        let own = self.shared.own_paths.find(request.uri().path());
        let site = self.site(&request, own)?;
        let here = Here { site, caller: &caller, now };
        told.push(("site", site.site.origin.to_string()));
        told.push(("client", caller.client.text().to_owned()));
        if self.is_too_long(request.uri()) {
            return Err(Error::TargetTooLong);
        }
        if !method::has_form(request.method(), request.uri()) {
            return Err(Error::TargetForm);
        }
        if let Some(own) = own {
            told.push(("endpoint", format!("Menshen's own: {}", own.name())));
            return Ok(());
        }
        settle_host(&mut request, site);
        let target = request.uri().clone();
        let readings = request_path::read(target.path())?;
        let also: Vec<&str> = readings.others.iter().map(String::as_str).collect();
        told.push(("path", readings.usual.to_string()));
        if !also.is_empty() {
            told.push(("also read as", also.join("  ")));
        }
        if self.shared.own_paths.is_shadowed(&readings) {
            return Err(Error::NotFound);
        }
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let matched = method::find(&site.routes, host, &readings, request.method())?;
        told.push(("route", format!("{}, {}", matched.route.path.text(), access(matched.route.access))));
        if matched.access != matched.route.access {
            told.push(("access", format!("{}: another reading of the path is guarded so", access(matched.access))));
        }
        told.push(("call", call(&caller, &request).to_owned()));
        let presented = self.load(matched.access != Access::Public, &mut request, here).await?;
        let proof = presented.session().map(AsRef::as_ref);
        told.push(("session", session(proof)));
        let is_own = || origin::is_own(request.headers(), &site.site, NullOrigin::by(matched.route, &readings));
        let is_navigation = || caller.is_navigation(request.method(), request.headers());
        let decision = policy::decide(matched, proof, &caller, is_own, is_navigation);
        told.push(("answer", answer(&decision, matched.access).to_owned()));
        let Decision::Allow(clearance) = decision else { return Ok(()) };
        let fields = match clearance.identity().zip(presented.session()) {
            Some((identity, proof)) => {
                let name = self.shared.identities.get(identity).map(|identity| identity.settings.name.clone());
                told.push(("identity", name.unwrap_or_default()));
                self.shared.sessions.identity_headers(proof, identity, now).await?
            }
            None => None,
        };
        let before: Vec<String> = request.headers().keys().map(ToString::to_string).collect();
        self.strip_claims(&mut request, clearance.identity(), here);
        let dropped = before.iter().filter(|name| !request.headers().contains_key(name.as_str()));
        dropped.for_each(|name| told.push(("dropped", name.clone())));
        fields.iter().for_each(|fields| tell_fields(fields, told));
        let permit = clearance.permit(fields.as_ref());
        told.push(("upstream", self.upstreams.name(&permit).map_or_else(String::new, |name| name.to_string())));
        Ok(())
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

fn session(proof: Option<&Proof>) -> String {
    let Some(proof) = proof else { return "none".to_owned() };
    let by = match proof.bearer {
        Bearer::Cookie => "cookie",
        Bearer::ApiToken => "API token",
    };
    let snapshot = &proof.snapshot;
    format!("by {by}: user {}, session {}, since {}", snapshot.user, snapshot.session, snapshot.began)
}

fn answer(decision: &Decision, access: Access) -> &'static str {
    match decision {
        Decision::Allow(clearance) if clearance.identity().is_some() => "the application's, which learns who it is",
        Decision::Allow(_) if access == Access::Public => "the application's, which learns nobody's identity here",
        Decision::Allow(_) => "the application's, as for a stranger",
        Decision::Login => "302 to the login page: a session is needed",
        Decision::Unauthorized => "401: a session is needed, and this is no navigation that could log in",
        Decision::ForeignOrigin => {
            "403: the cookie came along unasked, and another site makes the browser ask for this"
        }
    }
}

/// The header fields that the application gets; of a token its claims, which prove nothing by themselves.
fn tell_fields(ready: &Ready, told: &mut Explanation) {
    for (name, value) in ready.headers.iter() {
        let text = String::from_utf8_lossy(value.as_bytes());
        match claims(&text) {
            Some((scheme, claims)) => told.push(("header", format!("{name}: {scheme}<a token that claims {claims}>"))),
            None => told.push(("header", format!("{name}: {text}"))),
        }
    }
}

/// What stands before a token, and its claims, if the value is one.
fn claims(value: &str) -> Option<(&str, String)> {
    let start = value.rfind(' ').map_or(0, |blank| blank + 1);
    let (scheme, token) = value.split_at_checked(start)?;
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some((scheme, String::from_utf8(claims).ok()?))
}
