//! Forwarding: one request to one upstream, and its answer back.

use std::cell::Cell;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{EXPECT, HeaderMap, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::sleep;

use super::body::{ClientSide, Progress, RelayError, RequestBody, ResponseBody};
use super::connection::Target;
use super::counts::{ConnectionCounts, OfOne};
use super::outgoing::{self, Forwarding, Visitor};
use super::permit::Permit;
use super::pool::{Connection, Lease};
use super::upgrade::Tunnel;
use super::{Settings, expect};
use crate::http::hop_by_hop::{AmbiguousFraming, Hop};
use crate::http::idle::IdleLimit;
use crate::http::request_end::RequestEnd;
use crate::http::strip::StripList;
use crate::rule::{self, Rule};

/// How often connections that have been unused for too long are closed.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Why a request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's request cannot be passed on so that everybody reads it alike.
    #[error(transparent)]
    Framing(#[from] AmbiguousFraming),
    /// The client broke off while it was sending its body.
    #[error("the client broke off its request")]
    ClientGone,
    /// The client announced a body and stopped sending it.
    #[error("the client stopped sending the body it had announced")]
    ClientSilent,
    /// No endpoint took a connection.
    #[error("no connection to upstream {upstream} at {endpoint}")]
    Unreachable {
        /// Which upstream.
        upstream: Arc<str>,
        /// The last endpoint that was tried.
        endpoint: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer within the time that the upstream has.
    #[error("upstream {upstream} at {endpoint} did not answer in time")]
    TooSlow {
        /// Which upstream.
        upstream: Arc<str>,
        /// Which of its endpoints.
        endpoint: String,
    },
    /// The connection broke before the answer's head, or the head was nonsense.
    #[error("upstream {upstream} at {endpoint} broke off or answered nonsense")]
    BrokenAnswer {
        /// Which upstream.
        upstream: Arc<str>,
        /// Which of its endpoints.
        endpoint: String,
        /// What hyper made of it.
        #[source]
        source: hyper::Error,
    },
    /// The upstream switched protocols without having been asked, or to another one.
    #[error("the upstream switched to a protocol nobody asked for")]
    UnaskedUpgrade,
    /// The upstream's answer has a length or a transfer encoding that cannot be passed on.
    #[error("the upstream's answer has a transfer encoding other than chunked, or a length that is no number")]
    UnreadableFraming,
    /// The permit names an upstream that is not configured: a fault of ours.
    #[error("there is no such upstream")]
    NoSuchUpstream,
}

/// Every configured upstream, as one core reaches it.
#[derive(Debug)]
pub struct Upstreams {
    list: Vec<Upstream>,
    forwarding: Forwarding,
    strip: Rc<StripList>,
}

#[derive(Debug)]
struct Upstream {
    settings: Settings,
    targets: Vec<Target>,
    next: Cell<usize>,
    counts: Arc<OfOne>,
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
        let (upstream, asked) = self.prepare(&mut parts, !incoming.is_end_stream(), permit, visitor)?;
        let settings = &upstream.settings;
        let client_upgrade = parts.extensions.remove::<OnUpgrade>();
        let is_head = parts.method == Method::HEAD;

        let end = parts.extensions.remove::<RequestEnd>();
        let (body, progress, opener) = self.relay(incoming, &mut parts.headers, settings, end);
        let mut request = Request::from_parts(parts, body);
        if let Some(opener) = opener {
            opener.watch(&mut request);
        }
        let (mut response, lease) = upstream.exchange(request, &progress).await?;
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
        headers: &mut HeaderMap,
        settings: &Settings,
        end: Option<RequestEnd>,
    ) -> (RequestBody, Progress, Option<expect::Opener>) {
        if incoming.is_end_stream() {
            // Without a body there is nothing to wait for. Any other expectation is the application's affair.
            if expect::is_expected(headers) {
                headers.remove(EXPECT);
            }
            let (body, progress) = RequestBody::none();
            return (body, progress, None);
        }
        let (gate, opener) = expect::gate(headers).unzip();
        let (body, progress) = RequestBody::relayed(incoming, gate, settings.idle_timeout, Rc::clone(&self.strip), end);
        (body, progress, opener)
    }
}

impl Upstream {
    fn new(settings: Settings, counts: &ConnectionCounts) -> Self {
        let targets = settings.endpoints.iter().cloned().map(|at| Target::new(at, settings.max_idle)).collect();
        let counts = counts.of(&settings.name);
        Upstream { settings, targets, next: Cell::new(0), counts }
    }

    /// One request and its answer's head. A kept connection may be closed under our hands: a request of which not a
    /// byte was sent goes out again on another, and one that does no harm twice once more on a fresh one (RFC 9110,
    /// 9.2.2).
    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Lease), Error> {
        let mut may_reuse = true;
        loop {
            let (mut connection, target, is_reused) = self.connection(may_reuse).await?;
            let spare = if is_reused { harmless_twice(&request) } else { None };
            let mut answer = pin!(connection.sender.try_send_request(request));
            let silence = &mut connection.silence;
            let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                // A long upload is not a slow answer: the time runs from what the client sent last.
                Poll::Pending => silence.poll_until(cx, progress.last() + self.settings.head_timeout).map(|()| None),
            });
            let answered = answered.await;
            let Some(answered) = answered else {
                return Err(match progress.client_side() {
                    // Who waits for the rest of a body owes no answer yet.
                    ClientSide::Owing => Error::ClientSilent,
                    ClientSide::Done | ClientSide::Sending | ClientSide::Broken => {
                        Error::TooSlow { upstream: Arc::clone(&self.settings.name), endpoint: target.to_string() }
                    }
                });
            };
            let mut error = match answered {
                Ok(response) => {
                    let keep_alive = kept_by_upstream(response.headers(), self.settings.keep_alive);
                    let lease = Lease::new(connection, Rc::clone(&target.pool), keep_alive, progress.clone());
                    return Ok((response, lease));
                }
                Err(error) => error,
            };
            match (error.take_message(), spare) {
                (Some(unsent), _) if is_reused => request = unsent,
                (None, Some(spare)) if !error.error().is_parse() => {
                    request = spare;
                    may_reuse = false;
                }
                _ => return Err(self.broken(error.into_error(), target, progress)),
            }
        }
    }

    /// Why an exchange broke: an upload that fails takes the connection to the upstream with it.
    fn broken(&self, source: hyper::Error, target: &Target, progress: &Progress) -> Error {
        match (progress.client_side(), source.source().and_then(|cause| cause.downcast_ref())) {
            (ClientSide::Broken, _) => Error::ClientGone,
            (ClientSide::Owing, Some(RelayError::Silent)) => Error::ClientSilent,
            (ClientSide::Done | ClientSide::Sending | ClientSide::Owing, _) => {
                let upstream = Arc::clone(&self.settings.name);
                Error::BrokenAnswer { upstream, endpoint: target.to_string(), source }
            }
        }
    }

    /// A kept connection, or else a fresh one to the endpoint whose turn it is; if it takes none, the next one's.
    async fn connection(&self, may_reuse: bool) -> Result<(Connection, &Target, bool), Error> {
        let mut failure = None;
        for target in self.in_turn() {
            if may_reuse && let Some(connection) = target.pool.take() {
                return Ok((connection, target, true));
            }
            match target.connect(self.settings.connect_timeout, &self.counts).await {
                Ok((sender, running)) => {
                    let silence = IdleLimit::new(self.settings.idle_timeout);
                    return Ok((Connection { sender, silence, running }, target, false));
                }
                Err(source) => {
                    self.counts.failed();
                    failure = Some((target, source));
                }
            }
        }
        Err(match failure {
            Some((target, source)) => {
                Error::Unreachable { upstream: Arc::clone(&self.settings.name), endpoint: target.to_string(), source }
            }
            None => Error::NoSuchUpstream,
        })
    }

    fn in_turn(&self) -> impl Iterator<Item = &Target> {
        let count = self.targets.len();
        let first = self.next.get();
        self.next.set(if first + 1 < count { first + 1 } else { 0 });
        self.targets.iter().cycle().skip(first).take(count)
    }
}

/// The same request once more, if it may be sent twice: idempotent, and without a body, which can be sent only once.
fn harmless_twice(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let is_harmless = request.method().is_idempotent() || !rule::holds(Rule::NothingIsDoneTwice);
    if !is_harmless || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut again = Request::new(RequestBody::Empty);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// How long a connection may be kept: our setting, or less where the upstream says (`Keep-Alive: timeout=5`) that it
/// will close earlier; a second before that, so as not to meet it.
fn kept_by_upstream(headers: &HeaderMap, ours: Duration) -> Duration {
    let Some(said) = headers.get("keep-alive").and_then(|value| value.to_str().ok()) else { return ours };
    let seconds = said.split(',').find_map(|item| item.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
    match seconds {
        Some(seconds) => ours.min(Duration::from_secs(seconds.saturating_sub(1))),
        None => ours,
    }
}

/// Ends with the upstreams it prunes.
fn spawn_pruning(upstreams: &Rc<Upstreams>) {
    let upstreams = Rc::downgrade(upstreams);
    tokio::task::spawn_local(async move {
        loop {
            sleep(PRUNE_EVERY).await;
            let Some(upstreams) = upstreams.upgrade() else { return };
            upstreams.list.iter().flat_map(|upstream| &upstream.targets).for_each(|target| target.pool.prune());
        }
    });
}
