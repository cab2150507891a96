//! A request that may pass, on its way upstream, and its answer on the way back.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::AnswerBody;
use super::caller::Kind;
use super::error::Error;
use super::policy::Clearance;
use super::route::Matched;
use super::{Access, Authorization, Found, Gateway, Here, Passing, caching, cookies};
use crate::http::client_certificate::ClientCertificate;
use crate::http::cookie;
use crate::identity::{Incomplete, Ready};
use crate::rule::{self, Rule};
use crate::session::Proof;
use crate::telemetry::line::Line;
use crate::upstream::{Answer, Course, Visitor};

impl Gateway {
    pub(super) async fn forward(
        &self,
        mut request: Request<Incoming>,
        clearance: Clearance,
        passing: Passing<'_>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        let Passing { found: Found { matched, rewritten }, presented } = passing;
        let visitor = self.visitor(here, presented.session().filter(|_| clearance.identity().is_some()));
        let handling = &matched.route.handling;
        if let Some(answer) = &handling.answer {
            let mut response = answer.answer(request.uri(), here.caller)?;
            handling.response_fields.apply(response.headers_mut());
            if matched.access == Access::Required {
                caching::keep_private(response.headers_mut());
            }
            return Ok(response);
        }
        let affinity = self.upstreams.affinity(clearance.upstream(), request.headers(), &visitor);
        self.strip_claims(&mut request, clearance.identity(), matched, here);
        let fields = match clearance.identity().zip(presented.session()) {
            Some((identity, proof)) => self.told(proof, identity, matched, here).await?,
            None => None,
        };
        if let Some(rewritten) = rewritten {
            *request.uri_mut() = rewritten;
        }
        handling.request_fields.apply_to_request(request.headers_mut());
        let permit = clearance.permit(fields.as_ref());
        if let Some(line) = line {
            line.upstream = self.upstreams.name(&permit).map(Arc::clone);
        }
        let course = Course { visitor: &visitor, affinity, timeouts: handling.timeouts };
        let Answer { response, tunnel, endpoint, retries, cookie } =
            self.upstreams.forward(request, &permit, course).await?;
        if let Some(line) = line {
            (line.answered, line.endpoint, line.retries) = (Some(Instant::now()), endpoint, retries);
        }
        if let Some(tunnel) = tunnel {
            let is_by_session = fields.is_some() || matched.access == Access::Required;
            self.open(tunnel, presented.session().filter(|_| is_by_session).cloned(), here);
        }
        let mut response = response.map(AnswerBody::relayed);
        handling.response_fields.apply(response.headers_mut());
        cookies::keep_ours_ours(response.headers_mut(), &here.site.wire.jar);
        if let Some(cookie) = cookie {
            cookies::stick(cookie, &mut response);
        }
        // What strangers may not have from us they may not have from a cache.
        if fields.is_some() || matched.access == Access::Required {
            caching::keep_private(response.headers_mut());
        }
        if matched.access == Access::Optional && rule::holds(Rule::OptionalAnswersVary) {
            caching::vary_by_cookie(response.headers_mut());
        }
        let Some(proof) = presented.session() else {
            cookies::remove_if_over(&self.shared, &presented, here, &mut response);
            return Ok(response);
        };
        if fields.is_some() && self.shared.sessions.may_renew(proof, self.shared.clock.now()) {
            cookies::renew(&self.shared, proof, here, &mut response)?;
        }
        Ok(response)
    }

    /// What the application is told of a session's user: nothing where it can be told of nobody, if strangers may come.
    pub(super) async fn told(
        &self,
        proof: &Arc<Proof>,
        identity: usize,
        matched: Matched<'_>,
        here: Here<'_>,
    ) -> Result<Option<Arc<Ready>>, Error> {
        let ready = self.shared.sessions.identity_headers(proof, identity, here.now).await?;
        let lacking = ready.as_ref().is_some_and(|ready| ready.headers.is_none());
        if !lacking {
            return Ok(ready);
        }
        let settings = self.shared.identities.get(identity).map(|identity| &identity.settings);
        let may_be_nobody = matched.access != Access::Required && matched.authorization != Authorization::Required;
        match settings.map(|settings| settings.incomplete) {
            Some(Incomplete::Anonymous) if may_be_nobody => Ok(None),
            Some(Incomplete::Refused | Incomplete::Anonymous) | None => {
                let identity = settings.map(|settings| format!("identity.{}", settings.name));
                Err(Error::UnknownThere { identity: identity.unwrap_or_default() })
            }
        }
    }

    /// Takes out whatever a client must not send on: claims of an identity in every spelling, our cookies, and, where
    /// we say who it is or the route wants none, what it says in `Authorization`.
    pub(super) fn strip_claims<B>(
        &self,
        request: &mut Request<B>,
        identity: Option<usize>,
        matched: Matched<'_>,
        here: Here<'_>,
    ) {
        let headers = request.headers_mut();
        self.strip.apply(headers);
        let is_ours = |name: &[u8]| here.site.wire.jar.is_ours(name) && rule::holds(Rule::OwnCookiesStayHere);
        cookie::remove_ours(headers, |name| is_ours(name) || self.upstreams.sticks_by(name));
        // It carries none by its standard. By one of its own the application would know somebody who was not checked.
        if here.caller.kind == Kind::Preflight && rule::holds(Rule::PreflightsCarryNoCookie) {
            headers.remove(COOKIE);
        }
        let identity = identity.and_then(|identity| self.shared.identities.get(identity));
        let is_ours_alone = identity.is_some_and(|identity| !identity.settings.forward_authorization);
        if is_ours_alone && rule::holds(Rule::OneIdentityGoesUpstream) {
            headers.remove(AUTHORIZATION);
        }
        let is_wanted = matched.authorization != Authorization::Stripped;
        if !is_wanted && rule::holds(Rule::StrippedCredentialsStayHere) {
            headers.remove(AUTHORIZATION);
        }
    }

    /// Where a request comes from, as upstreams are told.
    pub(super) fn visitor(&self, here: Here<'_>, known: Option<&Arc<Proof>>) -> Visitor {
        let certificate = here.caller.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        let told = |certificate: &Arc<ClientCertificate>| {
            let names = self.shared.certificate_fields.iter();
            names.filter_map(|(name, field)| Some((name.clone(), certificate.field(*field)?))).collect()
        };
        Visitor {
            forwarded_for: here.caller.client.chain().clone(),
            proto: here.site.site.origin.scheme(),
            host: here.site.host.clone(),
            certificate: certificate.map(told).unwrap_or_default(),
            user: known.map(|proof| *proof.snapshot.user.as_bytes()),
        }
    }
}
