//! What happens to a request: the hot path.

mod body;
mod caching;
mod caller;
mod cookies;
mod cors;
mod error;
mod explain;
mod find_route;
mod fixed_answer;
mod forward;
mod forward_auth;
mod front_end;
mod handling;
mod in_flight;
mod method;
mod not_logged_in;
mod origin;
mod own;
mod own_paths;
mod policy;
mod respond;
mod rewrite;
mod route;
mod site;
mod transport;
mod tunnel;
mod unwind;
mod way_on;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::sync::watch;

pub use self::body::AnswerBody;
use self::caller::{Caller, RequestId};
use self::error::Error;
pub use self::explain::Explanation;
use self::find_route::{Found, settle_host};
pub use self::fixed_answer::{FixedAnswer, TARGET};
pub use self::forward_auth::{Dialect, ForwardAuth};
pub use self::front_end::{Begins, Done, Fault, FrontEnd, Handed, Start, Started};
pub use self::handling::{Fields, Handling};
pub use self::in_flight::InFlight;
use self::in_flight::{Full, UnderWay};
pub use self::not_logged_in::{Blank, NotLoggedIn, Words};
pub use self::origin::NullOrigin;
pub use self::own_paths::{Endpoints, OwnPath, OwnPaths};
use self::policy::Decision;
pub use self::rewrite::Rewrite;
use self::route::Matched;
pub use self::route::{Access, Authorization, RouteSettings};
pub use self::site::{SiteContext, SiteContexts, SiteError, Transport};
use crate::clock::{Clock, Timestamp};
use crate::http::client_certificate::CertificateField;
use crate::http::hop_by_hop;
use crate::http::http_01::Tokens;
use crate::http::peer::{Peer, Peers};
use crate::http::request_path;
use crate::http::strip::StripList;
use crate::identity::Identities;
use crate::login::Logins;
use crate::rule::{self, Rule};
use crate::session::{CoreSessions, Presented, Proof, Sessions};
use crate::telemetry::access_log::{CoreLog, LogHandle};
use crate::telemetry::line::{Line, Route};
use crate::telemetry::metrics::Metrics;
use crate::token::signing_key::SigningKey;
use crate::trail::Trail;
use crate::units::ByteSize;
use crate::upstream::{self, Common, ConnectionCounts, Forwarding, Groups, Names, Places, Upstreams};

/// What all cores share.
#[derive(Debug)]
pub struct Shared {
    /// Where the time comes from.
    pub clock: Clock,
    /// Every site.
    pub sites: SiteContexts,
    /// Our own endpoints.
    pub own_paths: OwnPaths,
    /// Which other proxies ask whether requests may pass; `None`: none does.
    pub forward_auth: Option<ForwardAuth>,
    /// Logging in.
    pub logins: Logins,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Where logins and logouts are noted down.
    pub trail: Trail,
    /// What upstreams are told.
    pub identities: Arc<Identities>,
    /// By which headers upstreams are told of a client's certificate.
    pub certificate_fields: Vec<(HeaderName, CertificateField)>,
    /// What certificate authorities are told that look whether a name is ours.
    pub acme_tokens: Tokens,
    /// The keys whose public halves are published.
    pub signing_keys: Vec<Arc<SigningKey>>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Peers,
    /// The longest request target.
    pub target_bytes: ByteSize,
    /// What is under way.
    pub in_flight: InFlight,
    /// How much of that there may be; `None`: as much as comes.
    pub most_in_flight: Option<usize>,
    /// Every upstream; routes point into this list.
    pub upstreams: Vec<upstream::Settings>,
    /// Where connections to them are counted.
    pub connections: ConnectionCounts,
    /// How their endpoints stand.
    pub groups: Groups,
    /// What sticky cookies call them.
    pub places: Places,
    /// Where their names lead.
    pub names: Names,
    /// Which forwarding header upstreams get.
    pub forwarding: Forwarding,
    /// Whether the proxy goes down.
    pub going_down: watch::Receiver<bool>,
    /// Where a line for each request goes, if anywhere.
    pub access_log: Option<LogHandle>,
    /// Where everything is counted.
    pub metrics: Metrics,
}

impl Shared {
    fn common(&self) -> Common<'_> {
        let Shared { connections: counts, groups, places, names, forwarding, .. } = self;
        Common { counts, groups, places, names, forwarding: *forwarding }
    }
}

/// The gateway on one core.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    sessions: CoreSessions,
    upstreams: Rc<Upstreams>,
    strip: Rc<StripList>,
    log: Rc<CoreLog>,
    next_id: Cell<u64>,
}

impl Gateway {
    /// For one core; must be made on that core's runtime. `seed` tells the cores' request ids apart.
    pub fn new(shared: Arc<Shared>, seed: u64) -> Self {
        let strip = Rc::new(StripList::new(
            shared.identities.header_names(),
            shared.certificate_fields.iter().map(|(name, _)| name),
        ));
        Gateway {
            sessions: CoreSessions::new(Arc::clone(&shared.sessions)),
            upstreams: Upstreams::new(&shared.upstreams, shared.common(), Rc::clone(&strip), seed),
            log: CoreLog::start(shared.access_log.clone(), shared.metrics.of_this_core()),
            next_id: Cell::new(seed),
            strip,
            shared,
        }
    }

    /// For [`Gateway::explain`] alone: what is odd about a request that nobody has sent is told to whoever asks, not to
    /// the log, and nothing of it is counted.
    pub fn of_questions(shared: Arc<Shared>) -> Self {
        let sessions = CoreSessions::of_questions(Arc::new(shared.sessions.of_questions()));
        Gateway { sessions, ..Gateway::new(shared, 0) }
    }

    /// Answers one request, whatever comes of it.
    pub async fn handle(&self, request: Request<Incoming>, peer: &Peer) -> Response<AnswerBody> {
        let now = self.shared.clock.now();
        let caller = Caller::of(&request, self.request_id(), peer, &self.shared.trusted_proxies);
        let mut line = self.begin_line(&request, &caller, now);
        let under_way = self.begin(&request);
        let is_head = request.method() == Method::HEAD;
        let answered = match &under_way {
            Ok(_) => unwind::caught(self.answer(request, peer, &caller, now, &mut line)).await,
            Err(Full) => Ok(Err(Failed::nowhere(Error::Crowded))),
        };
        let mut response = match answered.unwrap_or_else(|panicked| Err(Failed::nowhere(panicked.into()))) {
            Ok(response) => response,
            Err(Failed { error, site }) => {
                let mut response = respond::to(&error, &caller, site, &self.shared.sites.origins());
                if let Some(site) = site {
                    transport::insist(&mut response, site, &caller);
                }
                response
            }
        };
        AnswerBody::suit(&mut response, is_head);
        let under_way = under_way.unwrap_or_default();
        match line {
            Some(mut line) => {
                line.status = response.status().as_u16();
                line.cause = response.extensions_mut().remove().map(|respond::Cause(cause)| cause);
                response.map(|body| body.counted(under_way).logged(line))
            }
            None => response.map(|body| body.counted(under_way)),
        }
    }

    /// Counts a request as under way, where there is a limit. Whoever watches us is answered all the same.
    fn begin<B>(&self, request: &Request<B>) -> Result<Option<UnderWay>, Full> {
        let Some(most) = self.shared.most_in_flight else { return Ok(None) };
        if self.shared.own_paths.find(request.uri().path()) == Some(OwnPath::Health) {
            return Ok(None);
        }
        self.shared.in_flight.begin(most).map(Some)
    }

    /// Counts what a client sent that is no request.
    pub fn unreadable(&self) {
        self.log.unreadable();
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        caller: &Caller,
        now: Timestamp,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Failed<'_>> {
        let framing = hop_by_hop::check_framing(request.headers());
        framing.map_err(|error| Failed::nowhere(upstream::Error::from(error).into()))?;
        // An authority comes without TLS, and to a site that nobody may reach yet.
        if let Some(response) = own::acme_challenge::answered(&self.shared, &request, line) {
            return Ok(response);
        }
        let own = self.shared.own_paths.find(request.uri().path());
        if own == Some(OwnPath::Auth) {
            return Box::pin(self.answer_question(request, peer, caller, now, line)).await;
        }
        let site = self.site(&request, own).or_else(|error| transport::meant(error, caller, &self.shared.sites));
        let site = site.map_err(Failed::nowhere)?;
        let here = Here { site, caller, now };
        let own = own.or_else(|| site.own_path(request.uri().path()));
        let answered = match own {
            // Whoever watches us asks without TLS.
            Some(OwnPath::Health) => Box::pin(self.answer_own(OwnPath::Health, &request, here, line)).await,
            _ if transport::is_sent_on(site, caller) => Ok(transport::over_tls(request.uri(), site, line)),
            _ if transport::is_misdirected(site, caller) => Err(Error::Misdirected),
            _ if self.is_too_long(request.uri()) => Err(Error::TargetTooLong),
            _ if !method::has_form(request.method(), request.uri()) => Err(Error::TargetForm),
            Some(own) => Box::pin(self.answer_own_in_view(own, &request, here, line)).await,
            None => self.pass(request, here, line).await,
        };
        match answered {
            Ok(mut response) => {
                transport::insist(&mut response, site, caller);
                Ok(response)
            }
            Err(error) => Err(Failed { error, site: Some(site) }),
        }
    }

    /// Find the route, load the session, decide, forward.
    async fn pass(
        &self,
        mut request: Request<Incoming>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        let Judged { decision, passing, ending } = self.judge(&mut request, here, line).await?;
        let is_foreign = matches!(decision, Decision::ForeignOrigin);
        if is_foreign || ending.is_empty() {
            return self.carry_out(decision, request, passing, here, line).await;
        }
        // Seldom: every connection has room for the future of a request, also while it idles.
        let answered = self.carry_out(decision, request, passing, here, line);
        Box::pin(own::logout::follow(&self.shared, here, &ending, answered)).await
    }

    /// Find the route, load the session, decide. A token of ours is taken out of the request.
    async fn judge<'r, B>(
        &self,
        request: &mut Request<B>,
        here: Here<'r>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Judged<'r>, Error> {
        settle_host(request, here.site);
        let readings = request_path::read(request.uri().path())?;
        let found = self.find_route(request, &readings, here.site)?;
        let matched = found.matched;
        let null = NullOrigin::by(matched.route, &readings);
        let listed = origin::listed(matched.route, &readings, here.caller);
        let ends_sessions = here.site.site.is_logout_link(&readings) && own::logout::is_asked(request, null, here);
        let wants_session = matched.access != Access::Public || ends_sessions;
        // Before a token is taken out.
        let ending = if ends_sessions {
            self.sessions.load_all(request.headers(), &here.site.wire, here.now)?
        } else {
            Vec::new()
        };
        let presented = self.load(wants_session, request, here).await?;
        let proof = presented.session().map(AsRef::as_ref);
        let headers = request.headers();
        let is_own = || origin::is_own(headers, &here.site.site, null) || origin::is_of(headers, listed);
        let is_navigation = || here.caller.is_navigation(request.method(), headers);
        let has_credentials = || headers.contains_key(AUTHORIZATION);
        let decision = policy::decide(matched, proof, here.caller, is_own, is_navigation, has_credentials);
        note(line, matched, proof, &decision);
        Ok(Judged { decision, passing: Passing { found, presented }, ending })
    }

    async fn carry_out(
        &self,
        decision: Decision,
        request: Request<Incoming>,
        passing: Passing<'_>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        match decision {
            Decision::Allow(clearance) => self.forward(request, clearance, passing, here, line).await,
            Decision::Login => Ok(own::invite(&self.shared, request.uri(), &passing, here)),
            Decision::Unauthorized => own::turn_away(&self.shared, request.uri(), &passing, here),
            Decision::ForeignOrigin => Err(Error::ForeignOrigin),
        }
    }

    fn request_id(&self) -> RequestId {
        let id = self.next_id.get().wrapping_add(1);
        self.next_id.set(id);
        // Spreads a counter over all 64 bits, so that ids of different cores and starts do not look alike.
        let mixed = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        RequestId((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb))
    }

    fn begin_line(&self, request: &Request<Incoming>, caller: &Caller, now: Timestamp) -> Option<Box<Line>> {
        let log = Rc::clone(&self.log);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let mut line = Line::begin(log, now, caller.id.0, method, uri, caller.client.clone());
        line.host = request.headers().get(HOST).cloned();
        Some(Box::new(line))
    }

    /// The site that the request is for. What is the same at every site is answered whatever the `Host`.
    fn site<B>(&self, request: &Request<B>, own: Option<OwnPath>) -> Result<&SiteContext, Error> {
        let named = self.named_site(request);
        match own {
            Some(own) if own.is_the_same_everywhere() => named.or_else(|error| self.shared.sites.first().ok_or(error)),
            Some(_) | None => named,
        }
    }

    /// The site that the request names: by one `Host`, which agrees with an absolute target (RFC 9112, 3.2).
    fn named_site<B>(&self, request: &Request<B>) -> Result<&SiteContext, Error> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        if another.is_some() && rule::holds(Rule::ARequestNamesOneHost) {
            return Err(Error::NoHost);
        }
        let host = match host {
            Some(host) => host.to_str().map_err(|_| Error::NoHost)?,
            // HTTP/1.0 knows no Host: such a client means the default site.
            None if request.version() == Version::HTTP_10 => {
                return self.shared.sites.first().ok_or(Error::NoHost);
            }
            None => return Err(Error::NoHost),
        };
        if let Some(authority) = request.uri().authority()
            && !authority.as_str().eq_ignore_ascii_case(host)
            && rule::holds(Rule::TargetAndHostAgree)
        {
            return Err(Error::NoHost);
        }
        self.shared.sites.find(host).ok_or_else(|| Error::UnknownHost { host: host.to_owned() })
    }

    fn is_too_long(&self, target: &Uri) -> bool {
        let length = target.path_and_query().map_or(0, |target| target.as_str().len());
        length > self.shared.target_bytes.as_usize() && rule::holds(Rule::TargetsHaveALength)
    }

    /// The session the request proves. A token of ours goes no further, on public routes neither: it is for this proxy
    /// alone.
    async fn load<B>(&self, wants_session: bool, request: &mut Request<B>, here: Here<'_>) -> Result<Presented, Error> {
        let wire = &here.site.wire;
        if let Some(proof) = self.sessions.load_token(request.headers(), wire, here.now).await? {
            if rule::holds(Rule::ApiTokensStayHere) {
                request.headers_mut().remove(AUTHORIZATION);
            }
            return Ok(Presented::Session(proof));
        }
        if !wants_session {
            return Ok(Presented::Nothing);
        }
        Ok(self.sessions.load_cookie(request.headers(), wire, here.now).await)
    }
}

/// What becomes of a request.
struct Judged<'r> {
    decision: Decision,
    passing: Passing<'r>,
    /// Sessions that it ends.
    ending: Vec<Arc<Proof>>,
}

/// What was found out about a request on the way.
struct Passing<'r> {
    found: Found<'r>,
    presented: Presented,
}

/// Where a request has arrived, and who sent it.
#[derive(Debug, Clone, Copy)]
struct Here<'r> {
    site: &'r SiteContext,
    caller: &'r Caller,
    now: Timestamp,
}

/// An error, and the site it happened at if one was found.
struct Failed<'s> {
    error: Error,
    site: Option<&'s SiteContext>,
}

impl Failed<'_> {
    fn nowhere(error: Error) -> Self {
        Failed { error, site: None }
    }
}

fn note(line: &mut Option<Box<Line>>, matched: Matched<'_>, proof: Option<&Proof>, decision: &Decision) {
    let Some(line) = line else { return };
    line.route = Some(Route::Pattern(Arc::clone(matched.route.path.text())));
    line.user = proof.map(|proof| Arc::clone(&proof.logged));
    line.decision = match decision {
        Decision::Allow(clearance) if clearance.identity().is_some() => "identity",
        Decision::Allow(_) => "anonymous",
        Decision::Login => "login",
        Decision::Unauthorized => "unauthorized",
        Decision::ForeignOrigin => "foreign-origin",
    };
}
