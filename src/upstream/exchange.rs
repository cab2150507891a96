//! One request to one upstream, and its answer's head: on which connection, and what if that breaks.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::admission::{Admission, Admitted};
use super::balance::{Affinity, Balance, Group, InFlight, Tried};
use super::body::{ClientSide, Progress, RequestBody};
use super::channel::{Channel, Lease};
use super::forward::Common;
use super::spare::{self, Spare};
use super::target::{Target, Wanted};
use super::{Error, Settings, Visitor};

/// One upstream, as one core reaches it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: Settings,
    targets: Vec<Target>,
    pub(super) balance: Balance,
    admission: Admission,
    group: Arc<Group>,
}

/// An upstream's answer, with everything that is held for as long as its body comes.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) busy: Busy,
    /// Which endpoint it came from, by its place.
    pub(super) at: usize,
    /// How many times another endpoint was asked.
    pub(super) retries: usize,
}

/// What counts a request as under way, until the last byte of its answer.
#[derive(Debug, Default)]
pub(super) struct Busy {
    _admitted: Admitted,
    in_flight: Option<InFlight>,
}

impl Busy {
    /// What counts it at its endpoint alone.
    pub(super) fn at_its_endpoint(self) -> Option<InFlight> {
        self.in_flight
    }
}

/// One endpoint's answer.
struct Got {
    response: Response<Incoming>,
    lease: Lease,
    in_flight: Option<InFlight>,
    at: usize,
    retries: usize,
}

/// What a request asks of its upstream.
#[derive(Clone, Copy)]
pub(super) struct Asking {
    /// Whether it would switch to another protocol.
    pub(super) switches: bool,
    /// Where it belongs.
    pub(super) affinity: Affinity,
    /// How long it may take.
    pub(super) patience: Patience,
}

/// How long one request may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// All of it.
    pub(super) until: Option<Instant>,
}

/// Where a request has been so far.
struct Course {
    affinity: Affinity,
    tried: Tried,
    retries: usize,
}

/// A connection for a request.
struct Way<'u> {
    channel: Channel,
    target: &'u Target,
    at: usize,
    /// It may have been closed by the other end meanwhile.
    is_reused: bool,
    in_flight: Option<InFlight>,
}

impl Upstream {
    /// `seed` tells the cores apart.
    pub(super) fn new(settings: Settings, common: Common<'_>, seed: u64) -> Self {
        let (counts, group) = (common.counts.of(&settings.name), common.groups.of(&settings.name));
        let target =
            |at: &super::Member| Target::new(at.endpoint.clone(), &settings, common.names, Arc::clone(&counts));
        let targets = settings.members.iter().map(target).collect();
        let balance = Balance::new(&settings, Arc::clone(&group), common.places, seed);
        let admission = Admission::new(&settings, Arc::clone(&group));
        Upstream { settings, targets, balance, admission, group }
    }

    /// Where a request belongs.
    pub(super) fn affinity(&self, headers: &HeaderMap, visitor: &Visitor) -> Affinity {
        self.balance.affinity(headers, visitor)
    }

    /// One request and its answer's head, once there is room for it.
    pub(super) async fn exchange(
        &self,
        request: Request<RequestBody>,
        progress: &Progress,
        asking: Asking,
    ) -> Result<Answered, Error> {
        let admitted = match asking.patience.until {
            Some(until) => timeout_at(until, self.admission.enter()).await.map_err(|_| self.late())??,
            None => self.admission.enter().await?,
        };
        if self.targets.len() > 1 {
            self.group.budget.note(Instant::now());
        }
        let (mut poor, until) = (None, asking.patience.until);
        let got = self.answer_of_some(request, progress, asking, &mut poor).await;
        // That one endpoint said it could not is better than that another said nothing, while there is time to say so.
        let has_time = || until.is_none_or(|until| Instant::now() < until);
        let Got { response, lease, in_flight, at, retries } =
            got.or_else(|error| poor.filter(|_| has_time()).ok_or(error))?;
        Ok(Answered { response, lease, busy: Busy { _admitted: admitted, in_flight }, at, retries })
    }

    /// A kept connection may be closed under our hands: a request of which not a byte was sent goes out again on another,
    /// and one that does no harm twice, or that the upstream says it has not looked at, once more on a fresh one (RFC 9110,
    /// 9.2.2; RFC 9113, 8.7). `poor`: the last answer that was as good as none, and that another endpoint is asked after.
    async fn answer_of_some(
        &self,
        mut request: Request<RequestBody>,
        progress: &Progress,
        asking: Asking,
        poor: &mut Option<Got>,
    ) -> Result<Got, Error> {
        let Asking { switches, affinity, patience } = asking;
        let mut course = Course { affinity, tried: Tried::new(), retries: 0 };
        let (mut wanted, mut unsent_before) =
            (Wanted { is_reusable: true, switches, connect_timeout: patience.connect }, false);
        loop {
            // What nobody waits for any more is not begun.
            if patience.until.is_some_and(|until| until <= Instant::now()) {
                return Err(self.late());
            }
            let Way { mut channel, target, at, is_reused, in_flight } =
                self.way(wanted, patience.until, &mut course).await?;
            let may_go_elsewhere = self.targets.len() > 1 && !self.settings.retries.statuses.is_empty();
            let spare = if is_reused || may_go_elsewhere { Spare::of(&request, channel.is_shared()) } else { None };
            let sent = Instant::now();
            let mut answer = pin!(channel.send(request));
            channel.silence().set(patience.idle);
            let answered = poll_fn(|cx| match channel.poll_answer(answer.as_mut(), cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                // A long upload is not a slow answer, and neither is a long wait for room: the time runs from what was sent
                // last.
                Poll::Pending => {
                    let late = progress.last().max(sent) + patience.head;
                    channel
                        .silence()
                        .poll_until(cx, patience.until.map_or(late, |until| late.min(until)))
                        .map(|()| None)
                }
            });
            let answered = answered.await;
            let Some(answered) = answered else {
                return Err(match progress.client_side() {
                    // Who waits for the rest of a body owes no answer yet.
                    ClientSide::Owing | ClientSide::Silent => Error::ClientSilent,
                    ClientSide::Done | ClientSide::Sending | ClientSide::Broken => {
                        // That the time for all of it is over says nothing of the endpoint.
                        if Instant::now() >= progress.last().max(sent) + patience.head {
                            channel.retire();
                            self.balance.failed(at);
                        }
                        let upstream = Arc::clone(&self.settings.name);
                        Error::TooSlow { upstream, endpoint: target.endpoint().to_string() }
                    }
                });
            };
            let mut error = match answered {
                Ok(response) => {
                    let keep_alive = spare::kept_by_upstream(response.headers(), self.settings.keep_alive);
                    let lease = channel.lease(&target.pool, keep_alive, progress);
                    self.note(at, response.status());
                    let again = self.once_more(&response, spare, at, &mut course);
                    let got = Got { response, lease, in_flight, at, retries: course.retries };
                    let Some(again) = again else { return Ok(got) };
                    (request, *poor) = (again, Some(got));
                    continue;
                }
                Err(error) => error,
            };
            let is_refused = spare::was_refused(error.error());
            match (error.take_message(), spare) {
                (Some(unsent), _) if is_reused => {
                    request = channel.unsent(unsent);
                    // There is no end of connections that are opened for all and closed at once.
                    wanted.is_reusable = !(channel.is_shared() && unsent_before);
                    unsent_before = true;
                }
                (None, Some(spare))
                    if is_reused
                        && (is_refused || (spare.is_harmless && spare::has_lost_its_connection(error.error()))) =>
                {
                    request = spare.request;
                    wanted.is_reusable = false;
                }
                _ => return Err(self.broken(error.into_error(), at, progress)),
            }
        }
    }

    /// The request for another endpoint, if this answer is as good as none and there may be another try.
    fn once_more(
        &self,
        response: &Response<Incoming>,
        spare: Option<Spare>,
        at: usize,
        course: &mut Course,
    ) -> Option<Request<RequestBody>> {
        let is_none = self.settings.retries.statuses.contains(&response.status());
        let spare = spare.filter(|spare| is_none && spare.is_harmless)?;
        course.tried.push(at);
        // Where there is nobody else who may know better, this answer is it.
        (self.balance.has_another(&course.tried) && self.may_retry(course)).then_some(spare.request)
    }

    /// Notes down what an endpoint's answer says of it: one that got no answer itself is as bad as one that gives none.
    fn note(&self, at: usize, status: http::StatusCode) {
        match status.as_u16() {
            502..=504 => self.balance.failed(at),
            _ => self.balance.succeeded(at),
        }
    }

    /// Why an exchange broke: an upload that fails takes the connection to the upstream with it.
    fn broken(&self, source: hyper::Error, at: usize, progress: &Progress) -> Error {
        match progress.client_side() {
            ClientSide::Broken => Error::ClientGone,
            ClientSide::Silent => Error::ClientSilent,
            ClientSide::Done | ClientSide::Sending | ClientSide::Owing => {
                self.balance.failed(at);
                let upstream = Arc::clone(&self.settings.name);
                let endpoint = self.targets.get(at).map_or_else(String::new, |target| target.endpoint().to_string());
                Error::BrokenAnswer { upstream, endpoint, source }
            }
        }
    }

    fn late(&self) -> Error {
        Error::Late { upstream: Arc::clone(&self.settings.name) }
    }

    /// A kept connection, or else a fresh one, to the endpoint that the request belongs to; if it takes none, to another.
    async fn way(&self, wanted: Wanted, until: Option<Instant>, course: &mut Course) -> Result<Way<'_>, Error> {
        let mut failure = None;
        while let Some(at) = self.balance.pick(course.affinity, &course.tried) {
            let Some(target) = self.targets.get(at) else { break };
            let in_flight = self.balance.begin(at);
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let wanted = wanted.within(left);
            let source = match target.channel(wanted).await {
                Ok((channel, is_reused)) => return Ok(Way { channel, target, at, is_reused, in_flight }),
                Err(source) => source,
            };
            // That there was no time left says nothing of the endpoint.
            let is_late = until.is_some_and(|until| until <= Instant::now());
            if is_late && source.kind() == io::ErrorKind::TimedOut {
                return Err(self.late());
            }
            self.balance.failed(at);
            failure = Some((target, source));
            if is_late {
                break;
            }
            course.tried.push(at);
            if course.tried.len() == self.targets.len() || !self.may_retry(course) {
                break;
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

    fn may_retry(&self, course: &mut Course) -> bool {
        let retries = &self.settings.retries;
        let may = course.retries < retries.attempts && self.group.budget.spend(retries.budget_percent, Instant::now());
        course.retries += usize::from(may);
        may
    }

    /// Closes connections that have been unused for too long.
    pub(super) fn prune(&self) {
        self.targets.iter().for_each(Target::prune);
    }
}
