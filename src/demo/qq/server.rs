//! The two listeners: connections, and which request is for whom.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::endpoints::{self, Asked};
use super::log::{self, RequestLog};
use super::state::State;
use super::switch::{Effect, Endpoint, Switches};
use super::wire::{self, Body, Ended, Reply};
use crate::clock::{Clock, Timestamp};
use crate::http::language::Language;
use crate::units::ByteSize;

/// Longest body taken.
const BODY: ByteSize = ByteSize::kib(256);

/// Everything the listeners and the simulator's own methods share.
pub(super) struct Shared {
    state: Mutex<State>,
    switches: Mutex<Switches>,
    pub(super) log: RequestLog,
    /// Counts the releases of held answers.
    pub(super) releases: watch::Sender<u64>,
    clock: Clock,
    /// How far the simulator's time is ahead of its clock's, in milliseconds.
    ahead: AtomicU64,
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock) -> Self {
        Shared {
            state: Mutex::new(state),
            switches: Mutex::default(),
            log: RequestLog::new(),
            releases: watch::Sender::new(0),
            clock,
            ahead: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().plus(Duration::from_millis(self.ahead.load(Ordering::Acquire)))
    }

    pub(super) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        // Adds up to the end of time, not round it.
        let _ = self.ahead.fetch_update(Ordering::AcqRel, Ordering::Acquire, |ahead| Some(ahead.saturating_add(by)));
    }
}

/// Serves connections until the task is ended. `handle` may ask for the connection's end to be a reset.
pub(super) async fn listen<F>(
    listener: TcpListener,
    handle: impl Fn(Request<Incoming>, Arc<AtomicBool>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Result<Response<Body>, Ended>> + Send + 'static,
{
    // Owns the connections, so that they end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, handle.clone()))),
                // Too many open files, most likely: other connections have to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<F>(stream: TcpStream, handle: impl Fn(Request<Incoming>, Arc<AtomicBool>) -> F)
where
    F: Future<Output = Result<Response<Body>, Ended>> + Send + 'static,
{
    let reset = Arc::new(AtomicBool::new(false));
    // hyper takes the stream: a second handle can still say how it is to be closed.
    let handle_to_close = SockRef::from(&stream).try_clone();
    let service = service_fn(|request| handle(request, Arc::clone(&reset)));
    // An error ends this connection alone: the client left, or a switch said so.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Ok(socket) = handle_to_close
        && reset.load(Ordering::Acquire)
    {
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}

/// Answers a request to one of QQ's endpoints.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> Result<Response<Body>, Ended> {
    let (head, body) = request.into_parts();
    let endpoint = match endpoint_of(&head.method, head.uri.path()) {
        Ok(endpoint) => endpoint,
        Err(refusal) => return Ok(refusal.response()),
    };
    let Ok(body) = read(body).await else { return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "too long")) };
    let query = head.uri.query().unwrap_or_default();
    let now = shared.now();

    // Before the request can be seen in the log: whoever waits for it there may release it at once.
    let mut released = shared.releases.subscribe();
    let effects = shared.switches().take(endpoint);
    shared.log.push(log::Request {
        at: now,
        endpoint,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query.to_owned(),
        headers: readable(&head.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    });

    let form = (head.method == Method::POST).then_some(&body[..]);
    let asked = Asked { query, form, language: Language::of(&head.headers), now };
    let reply = endpoints::answer(endpoint, &mut shared.state(), &asked, &effects);
    let mut faults = Vec::new();
    let reply = effects.into_iter().fold(reply, |reply, effect| match effect {
        Effect::Body(mangle) => Reply { body: mangle.apply(&String::from_utf8_lossy(&reply.body)), ..reply },
        Effect::Wire(fault) => {
            faults.push(fault);
            reply
        }
        Effect::Error { .. }
        | Effect::Format(_)
        | Effect::AccessToken(_)
        | Effect::ForeignClient(_)
        | Effect::Nickname(_)
        | Effect::Avatar(_)
        | Effect::Callback(_) => reply,
    });
    wire::send(reply, &faults, &mut released, &reset).await
}

/// Why a request is for none of the endpoints.
enum NoEndpoint {
    Unknown,
    Method { allowed: &'static str },
}

impl NoEndpoint {
    fn response(&self) -> Response<Body> {
        match self {
            NoEndpoint::Unknown => plain(StatusCode::NOT_FOUND, "the QQ simulator has no such page"),
            NoEndpoint::Method { allowed } => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }
}

fn endpoint_of(method: &Method, path: &str) -> Result<Endpoint, NoEndpoint> {
    let (endpoint, allowed) = match (path, method) {
        ("/oauth2.0/authorize", &Method::POST) => (Endpoint::Approve, "GET, POST"),
        ("/oauth2.0/authorize", _) => (Endpoint::Authorize, "GET, POST"),
        ("/oauth2.0/show", _) => (Endpoint::Show, "GET"),
        ("/oauth2.0/token", _) => (Endpoint::Token, "GET, POST"),
        ("/oauth2.0/me", _) => (Endpoint::Me, "GET"),
        ("/user/get_user_info", _) => (Endpoint::UserInfo, "GET"),
        _ => return Err(NoEndpoint::Unknown),
    };
    let is_allowed = allowed.split(", ").any(|name| name == method.as_str());
    if is_allowed { Ok(endpoint) } else { Err(NoEndpoint::Method { allowed }) }
}

/// The whole body, if it is not too long and did arrive.
pub(super) async fn read(body: Incoming) -> Result<Bytes, ()> {
    Limited::new(body, BODY.as_usize()).collect().await.map(|body| body.to_bytes()).map_err(drop)
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(wire::whole(format!("{text}\n").into_bytes()));
    *response.status_mut() = status;
    response
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
