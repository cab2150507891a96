//! Forwarding: one request to one upstream, and its answer back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep};

use super::balance::Affinity;
use super::body::{Origin, Progress, RequestBody, ResponseBody};
use super::counts::ConnectionCounts;
use super::exchange::{Answered, Asking, Patience, Upstream};
use super::outgoing::{self, Forwarding, Visitor};
use super::permit::Permit;
use super::upgrade::Tunnel;
use super::{Error, Groups, Names, Places, Settings, Timeouts, expect};
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

/// An upstream's answer, as soon as its head has arrived.
#[derive(Debug)]
pub struct Answer {
    /// Its head, and its body as it comes.
    pub response: Response<ResponseBody>,
    /// To be opened if both sides switch protocols.
    pub tunnel: Option<Tunnel>,
    /// Which endpoint it is from.
    pub endpoint: Option<Arc<str>>,
    /// How many times another endpoint was asked after one that did not answer as it should.
    pub retries: usize,
    /// A cookie that leads the browser back to the same endpoint, for an answer that nobody keeps.
    pub cookie: Option<HeaderValue>,
}

/// What all cores share of the upstreams.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// Where connections are counted.
    pub counts: &'a ConnectionCounts,
    /// How endpoints stand.
    pub groups: &'a Groups,
    /// What sticky cookies call them.
    pub places: &'a Places,
    /// Where their names lead.
    pub names: &'a Names,
    /// Which forwarding header upstreams get.
    pub forwarding: Forwarding,
}

/// What a request takes with it beside its permit.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// Where it comes from.
    pub visitor: &'a Visitor,
    /// Where it belongs.
    pub affinity: Affinity,
    /// How long it may take.
    pub timeouts: Timeouts,
}

impl Upstreams {
    /// For one core. `strip` is what must not pass in trailers either; `seed` tells the cores apart. Must be called on
    /// that core's runtime.
    pub fn new(settings: &[Settings], common: Common<'_>, strip: Rc<StripList>, seed: u64) -> Rc<Self> {
        let list = settings.iter().map(|settings| Upstream::new(settings.clone(), common, seed)).collect();
        let upstreams = Rc::new(Upstreams { list, forwarding: common.forwarding, strip });
        spawn_pruning(&upstreams);
        upstreams
    }

    /// The name of the upstream a permit is for.
    pub fn name(&self, permit: &Permit) -> Option<&Arc<str>> {
        self.list.get(permit.upstream()).map(|upstream| &upstream.settings.name)
    }

    /// Whether a cookie of this name only says which endpoint of an upstream is meant.
    pub fn sticks_by(&self, name: &[u8]) -> bool {
        self.list.iter().any(|upstream| upstream.balance.sticks_by(name))
    }

    /// Where a request belongs among an upstream's endpoints. Asked before cookies of ours are taken out.
    pub fn affinity(&self, upstream: usize, headers: &HeaderMap, visitor: &Visitor) -> Affinity {
        self.list.get(upstream).map_or_else(Affinity::default, |upstream| upstream.affinity(headers, visitor))
    }

    /// Sends a request on, and hands back the answer as soon as its head has arrived. Dropping the future, or the answer's
    /// body, cancels the upstream's work by closing the connection.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        permit: &Permit,
        course: Course<'_>,
    ) -> Result<Answer, Error> {
        let Course { visitor, affinity, timeouts } = course;
        let until = timeouts.whole.map(|whole| Instant::now() + whole);
        let (mut parts, incoming) = request.into_parts();
        let spoken = parts.version;
        let (upstream, asked) = self.prepare(&mut parts, !incoming.is_end_stream(), permit, visitor)?;
        let settings = &upstream.settings;
        let client_upgrade = parts.extensions.remove::<OnUpgrade>();
        let is_head = parts.method == Method::HEAD;

        let patience = Patience {
            connect: timeouts.connect.unwrap_or(settings.connect_timeout),
            head: timeouts.head.unwrap_or(settings.head_timeout),
            idle: timeouts.idle.unwrap_or(settings.idle_timeout),
            until,
        };
        let (body, progress, opener) = self.relay(incoming, &mut parts, patience.idle, spoken);
        let mut request = Request::from_parts(parts, body);
        if let Some(opener) = opener {
            opener.watch(&mut request);
        }
        let asking = Asking { switches: asked.upgrade.is_some(), affinity, patience };
        // Large: every connection of a client has room for the future of one request, also while it idles.
        let answered = Box::pin(upstream.exchange(request, &progress, asking)).await?;
        let Answered { mut response, lease, busy, at, retries } = answered;
        let endpoint = upstream.balance.endpoint(at);
        outgoing::accept(&mut response, &asked, is_head)?;
        let has_switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let half_closed = patience.idle;
        let until = until.filter(|_| !is_stream_of_events(response.headers()));
        // Nobody is led back to who says that another one should be asked.
        let leads_back = !settings.retries.statuses.contains(&response.status());
        let cookie = leads_back.then(|| upstream.balance.cookie(at, affinity, visitor.proto == "https")).flatten();
        if !has_switched {
            let response = response.map(|incoming| ResponseBody::new(incoming, lease, busy, until));
            return Ok(Answer { response, tunnel: None, endpoint, retries, cookie });
        }
        let switched = hyper::upgrade::on(&mut response);
        let tunnel = client_upgrade.map(|client| Tunnel::new(client, switched, half_closed, busy.at_its_endpoint()));
        let response = response.map(|incoming| ResponseBody::switched(incoming, lease));
        Ok(Answer { response, tunnel, endpoint, retries, cookie })
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
        idle: Duration,
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
        let (body, progress) = RequestBody::relayed(incoming, gate, idle, Rc::clone(&self.strip), origin);
        (body, progress, opener)
    }
}

/// Whether an answer goes on for as long as somebody listens.
fn is_stream_of_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"text/event-stream")
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
