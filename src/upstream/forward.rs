//! Forwarding: one request to one upstream, and its answer back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{EXPECT, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::sleep;

use super::body::{Origin, Progress, RequestBody, ResponseBody};
use super::counts::ConnectionCounts;
use super::exchange::Upstream;
use super::outgoing::{self, Forwarding, Visitor};
use super::permit::Permit;
use super::upgrade::Tunnel;
use super::{Error, Settings, expect};
use crate::http::hop_by_hop::Hop;
use crate::http::request_end::RequestEnd;
use crate::http::strip::StripList;
use crate::rule::{self, Rule};

/// How often connections that have been unused for too long are closed.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Every configured upstream, as one core reaches it.
#[derive(Debug)]
pub struct Upstreams {
    list: Vec<Upstream>,
    forwarding: Forwarding,
    strip: Rc<StripList>,
}

impl Upstreams {
    /// For one core. `strip` is what must not pass in trailers either. Must be called on that core's runtime.
    pub fn new(
        settings: &[Settings],
        counts: &ConnectionCounts,
        forwarding: Forwarding,
        strip: Rc<StripList>,
    ) -> Rc<Self> {
        let list = settings.iter().map(|settings| Upstream::new(settings.clone(), counts)).collect();
        let upstreams = Rc::new(Upstreams { list, forwarding, strip });
        spawn_pruning(&upstreams);
        upstreams
    }

    /// The name of the upstream a permit is for.
    pub fn name(&self, permit: &Permit) -> Option<&Arc<str>> {
        self.list.get(permit.upstream()).map(|upstream| &upstream.settings.name)
    }

    /// Sends a request on, and hands back the answer as soon as its head has arrived, with the tunnel to be opened if
    /// both sides switch protocols. Dropping the future, or the answer's body, cancels the upstream's work by closing
    /// the connection.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        permit: &Permit,
        visitor: &Visitor,
    ) -> Result<(Response<ResponseBody>, Option<Tunnel>), Error> {
        let (mut parts, incoming) = request.into_parts();
        let spoken = parts.version;
        let (upstream, asked) = self.prepare(&mut parts, !incoming.is_end_stream(), permit, visitor)?;
        let settings = &upstream.settings;
        let client_upgrade = parts.extensions.remove::<OnUpgrade>();
        let is_head = parts.method == Method::HEAD;

        let (body, progress, opener) = self.relay(incoming, &mut parts, settings, spoken);
        let mut request = Request::from_parts(parts, body);
        if let Some(opener) = opener {
            opener.watch(&mut request);
        }
        let (mut response, lease) = upstream.exchange(request, &progress, asked.upgrade.is_some()).await?;
        outgoing::accept(&mut response, &asked, is_head)?;
        let has_switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let client_upgrade = client_upgrade.filter(|_| has_switched);
        let half_closed = settings.idle_timeout;
        let tunnel = client_upgrade.map(|client| Tunnel::new(client, hyper::upgrade::on(&mut response), half_closed));
        let body = |incoming| match has_switched {
            true => ResponseBody::switched(incoming, lease),
            false => ResponseBody::new(incoming, lease),
        };
        Ok((response.map(body), tunnel))
    }

    /// Makes a request's head as it would go on. Nothing is sent.
    pub fn preview(&self, parts: &mut Parts, has_body: bool, permit: &Permit, visitor: &Visitor) -> Result<(), Error> {
        self.prepare(parts, has_body, permit, visitor).map(drop)
    }

    /// Makes a request's head ready for its upstream; what it asks of that connection.
    fn prepare(
        &self,
        parts: &mut Parts,
        has_body: bool,
        permit: &Permit,
        visitor: &Visitor,
    ) -> Result<(&Upstream, Hop), Error> {
        let upstream = self.list.get(permit.upstream()).ok_or(Error::NoSuchUpstream)?;
        let settings = &upstream.settings;
        if has_body && rule::holds(Rule::NoUpgradeBesideABody) {
            // What is still to come of a body would be taken for the other protocol's, past whoever watches that.
            parts.headers.remove(UPGRADE);
        }
        let asked = outgoing::prepare(parts, &settings.host, self.forwarding, visitor, permit, &settings.upgrades)?;
        Ok((upstream, asked))
    }

    fn relay(
        &self,
        incoming: Incoming,
        parts: &mut Parts,
        settings: &Settings,
        spoken: Version,
    ) -> (RequestBody, Progress, Option<expect::Opener>) {
        if incoming.is_end_stream() {
            // Without a body there is nothing to wait for. Any other expectation is the application's affair.
            if expect::is_expected(&parts.headers) {
                parts.headers.remove(EXPECT);
            }
            let (body, progress) = RequestBody::none();
            return (body, progress, None);
        }
        let (gate, opener) = expect::gate(&parts.headers).unzip();
        let origin = Origin { is_http_2: spoken == Version::HTTP_2, end: parts.extensions.remove::<RequestEnd>() };
        let (body, progress) =
            RequestBody::relayed(incoming, gate, settings.idle_timeout, Rc::clone(&self.strip), origin);
        (body, progress, opener)
    }
}

/// Ends with the upstreams it prunes.
fn spawn_pruning(upstreams: &Rc<Upstreams>) {
    let upstreams = Rc::downgrade(upstreams);
    tokio::task::spawn_local(async move {
        loop {
            sleep(PRUNE_EVERY).await;
            let Some(upstreams) = upstreams.upgrade() else { return };
            upstreams.list.iter().for_each(Upstream::prune);
        }
    });
}
