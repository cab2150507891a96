//! The administration's TCP address: numbers for Prometheus and whether the proxy is well, for whoever may connect; and
//! operations, for whoever holds the token.
//!
//! A page in somebody's browser must not reach it under a name of its own (DNS rebinding): only addresses, `localhost` and
//! the configured hosts are answered.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::socket::{self, PATH};
use super::{Admin, Problem};
use crate::rule::{self, Rule};
use crate::secret::Secret;
use crate::store::Actor;

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection lasts, which is for one request and its answer: who keeps it longer keeps others out.
const CONNECTION: Duration = Duration::from_secs(20);

/// How much longer it lasts for whoever holds the token: operations may wait for the disk.
const OPERATION: Duration = Duration::from_secs(150);

/// When to try again after an accept that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Connections at the same time: monitoring needs few.
const CONNECTIONS: usize = 64;

/// Where and for whom.
#[derive(Debug, Clone)]
pub struct Access {
    /// Names under which it is answered, beside addresses and `localhost`; without a port.
    pub hosts: Vec<String>,
    /// What opens operations; without one they are not there.
    pub token: Option<Secret<String>>,
}

/// Answers for ever.
pub async fn serve(listener: TcpListener, access: Arc<Access>, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Closed only if somebody closed it, and nobody does.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (access, admin) = (Arc::clone(&access), Arc::clone(&admin));
                tokio::spawn(async move {
                    answer_one(stream, peer, &access, &admin).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the administration's address cannot accept");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn answer_one(stream: TcpStream, peer: SocketAddr, access: &Access, admin: &Admin) {
    let operates = AtomicBool::new(false);
    let service = service_fn(|request| answer(request, access, admin, peer, &operates));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = match timeout(CONNECTION, connection.as_mut()).await {
        Err(_) if operates.load(Ordering::Relaxed) => timeout(OPERATION, connection.as_mut()).await,
        ended => ended,
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a connection to the administration's address broke off"),
        Err(_) => tracing::debug!(%peer, "a connection to the administration's address took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    access: &Access,
    admin: &Admin,
    peer: SocketAddr,
    operates: &AtomicBool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !access.answers_to(host) && rule::holds(Rule::AdministrationAnswersToItsNames) {
        let problem = Problem::Unacceptable(format!("{host:?} is none of this address's names: see admin.hosts"));
        return Ok(socket::json(StatusCode::MISDIRECTED_REQUEST, &problem));
    }
    let is_read = request.method() == Method::GET;
    Ok(match request.uri().path() {
        "/metrics" if is_read => metrics(admin).await,
        "/live" if is_read => socket::json(StatusCode::OK, &json!({ "status": "ok" })),
        "/ready" if is_read => ready(admin).await,
        PATH if access.token.is_some() => {
            let is_opened = access.is_opened_by(request.headers().get(AUTHORIZATION));
            if is_opened || !rule::holds(Rule::OperationsNeedTheToken) {
                operates.store(true, Ordering::Relaxed);
                return socket::answer(request, admin, Actor::Token).await;
            }
            tracing::warn!(%peer, "somebody without the token asked for an operation, and was refused");
            let mut response =
                socket::json(StatusCode::UNAUTHORIZED, &Problem::Unacceptable("the token is wrong".to_owned()));
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        _ => socket::json(
            StatusCode::NOT_FOUND,
            &Problem::Unacceptable("/metrics, /live and /ready are here".to_owned()),
        ),
    })
}

async fn metrics(admin: &Admin) -> Response<Full<Bytes>> {
    match admin.metrics().await {
        Some(text) => {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        None => socket::json(StatusCode::NOT_FOUND, &Problem::NotRunning),
    }
}

/// Ready is whoever serves visitors. What does not work beside is told, and is no reason to send them elsewhere: sessions
/// go on without the store and without QQ.
async fn ready(admin: &Admin) -> Response<Full<Bytes>> {
    if admin.is_going_down() {
        let body = json!({ "status": "going down", "reasons": ["the proxy was told to end"] });
        return socket::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    }
    let reasons = admin.degraded().await;
    let status = if reasons.is_empty() { "ok" } else { "degraded" };
    socket::json(StatusCode::OK, &json!({ "status": status, "reasons": reasons }))
}

impl Access {
    fn answers_to(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn is_opened_by(&self, presented: Option<&HeaderValue>) -> bool {
        let presented = presented.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let token = self.token.as_ref().map(|token| token.expose().as_bytes());
        token.zip(presented).is_some_and(|(token, presented)| token.ct_eq(presented).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { hosts: vec!["proxy.internal".to_owned()], token: Some(Secret::from("0123456789abcdef")) }
    }

    #[test]
    fn addresses_localhost_and_the_listed_names_are_answered_and_nobody_elses() {
        for host in
            ["127.0.0.1:9464", "10.1.2.3", "[::1]:9464", "[::1]", "localhost:1", "LOCALHOST", "Proxy.Internal:9464"]
        {
            assert!(access().answers_to(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example", "a:b"]
        {
            assert!(!access().answers_to(host), "{host}");
        }
    }

    #[test]
    fn only_the_whole_token_opens() {
        let opens = |value: &str| access().is_opened_by(Some(&HeaderValue::from_str(value).unwrap()));
        assert!(opens("Bearer 0123456789abcdef"));
        for value in ["", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "0123456789abcdef"] {
            assert!(!opens(value), "{value}");
        }
        assert!(!access().is_opened_by(None));
        assert!(!Access { token: None, ..access() }.is_opened_by(Some(&HeaderValue::from_static("Bearer "))));
    }
}
