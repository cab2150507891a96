//! One request to one upstream, and its answer's head: on which connection, and what if that breaks.

use std::cell::Cell;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Request, Response};
use hyper::body::Incoming;

use super::body::{ClientSide, Progress, RequestBody};
use super::channel::{Channel, Lease};
use super::counts::ConnectionCounts;
use super::target::{Target, Wanted};
use super::{Endpoint, Error, Settings};
use crate::rule::{self, Rule};

/// One upstream, as one core reaches it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: Settings,
    targets: Vec<Target>,
    next: Cell<usize>,
}

impl Upstream {
    pub(super) fn new(settings: Settings, counts: &ConnectionCounts) -> Self {
        let counts = counts.of(&settings.name);
        let target = |at: &Endpoint| Target::new(at.clone(), &settings, Arc::clone(&counts));
        let targets = settings.endpoints.iter().map(target).collect();
        Upstream { settings, targets, next: Cell::new(0) }
    }

    /// One request and its answer's head. A kept connection may be closed under our hands: a request of which not a
    /// byte was sent goes out again on another, and one that does no harm twice, or that the upstream says it has not
    /// looked at, once more on a fresh one (RFC 9110, 9.2.2; RFC 9113, 8.7).
    pub(super) async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        progress: &Progress,
        switches: bool,
    ) -> Result<(Response<Incoming>, Lease), Error> {
        let (mut wanted, mut unsent_before) = (Wanted { is_reusable: true, switches }, false);
        loop {
            let (mut channel, target, is_reused) = self.channel(wanted).await?;
            let spare = if is_reused { Spare::of(&request, channel.is_shared()) } else { None };
            let mut answer = pin!(channel.send(request));
            let silence = channel.silence();
            let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                // A long upload is not a slow answer: the time runs from what the client sent last.
                Poll::Pending => silence.poll_until(cx, progress.last() + self.settings.head_timeout).map(|()| None),
            });
            let answered = answered.await;
            let Some(answered) = answered else {
                return Err(match progress.client_side() {
                    // Who waits for the rest of a body owes no answer yet.
                    ClientSide::Owing | ClientSide::Silent => Error::ClientSilent,
                    ClientSide::Done | ClientSide::Sending | ClientSide::Broken => {
                        channel.retire();
                        let upstream = Arc::clone(&self.settings.name);
                        Error::TooSlow { upstream, endpoint: target.endpoint().to_string() }
                    }
                });
            };
            let mut error = match answered {
                Ok(response) => {
                    let keep_alive = kept_by_upstream(response.headers(), self.settings.keep_alive);
                    return Ok((response, channel.lease(&target.pool, keep_alive, progress)));
                }
                Err(error) => error,
            };
            let is_refused = was_refused(error.error());
            match (error.take_message(), spare) {
                (Some(unsent), _) if is_reused => {
                    request = channel.unsent(unsent);
                    // There is no end of connections that are opened for all and closed at once.
                    wanted.is_reusable = !(channel.is_shared() && unsent_before);
                    unsent_before = true;
                }
                (None, Some(spare)) if is_refused || (spare.is_harmless && has_lost_its_connection(error.error())) => {
                    request = spare.request;
                    wanted.is_reusable = false;
                }
                _ => return Err(self.broken(error.into_error(), target, progress)),
            }
        }
    }

    /// Why an exchange broke: an upload that fails takes the connection to the upstream with it.
    fn broken(&self, source: hyper::Error, target: &Target, progress: &Progress) -> Error {
        match progress.client_side() {
            ClientSide::Broken => Error::ClientGone,
            ClientSide::Silent => Error::ClientSilent,
            ClientSide::Done | ClientSide::Sending | ClientSide::Owing => {
                let upstream = Arc::clone(&self.settings.name);
                Error::BrokenAnswer { upstream, endpoint: target.endpoint().to_string(), source }
            }
        }
    }

    /// A kept connection, or else a fresh one to the endpoint whose turn it is; if it takes none, the next one's.
    async fn channel(&self, wanted: Wanted) -> Result<(Channel, &Target, bool), Error> {
        let mut failure = None;
        for target in self.in_turn() {
            match target.channel(wanted).await {
                Ok((channel, is_reused)) => return Ok((channel, target, is_reused)),
                Err(source) => failure = Some((target, source)),
            }
        }
        Err(match failure {
            Some((target, source)) => {
                let endpoint = target.endpoint().to_string();
                Error::Unreachable { upstream: Arc::clone(&self.settings.name), endpoint, source }
            }
            None => Error::NoSuchUpstream,
        })
    }

    /// Closes connections that have been unused for too long.
    pub(super) fn prune(&self) {
        self.targets.iter().for_each(Target::prune);
    }

    fn in_turn(&self) -> impl Iterator<Item = &Target> {
        let count = self.targets.len();
        let first = self.next.get();
        self.next.set(if first + 1 < count { first + 1 } else { 0 });
        self.targets.iter().cycle().skip(first).take(count)
    }
}

/// A request once more: without a body, which can be sent only once.
struct Spare {
    request: Request<RequestBody>,
    /// Whether it may be sent twice, whatever came of it the first time.
    is_harmless: bool,
}

impl Spare {
    /// What may have to be sent again. `is_shared`: whether the other end can say that it has not looked at it.
    fn of(request: &Request<RequestBody>, is_shared: bool) -> Option<Self> {
        let is_harmless = request.method().is_idempotent() || !rule::holds(Rule::NothingIsDoneTwice);
        if !(is_harmless || is_shared) || !matches!(request.body(), RequestBody::Empty) {
            return None;
        }
        let mut again = Request::new(RequestBody::Empty);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        Some(Spare { request: again, is_harmless })
    }
}

/// Whether it was the connection that broke: neither nonsense nor a stream that was reset, which are an answer of sorts.
fn has_lost_its_connection(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    !error.is_parse() && !cause.is_some_and(h2::Error::is_reset)
}

/// Whether the other end says that it has not looked at the request (RFC 9113, 6.8 and 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
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
