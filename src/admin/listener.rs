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
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Authority;
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

use super::silent::{Silent, Waiting};
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

/// Connections at the same time: monitoring needs few. Of those that have asked nothing one makes room for the next.
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
    let (places, silent) = (Arc::new(Semaphore::new(CONNECTIONS)), Silent::default());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if places.available_permits() == 0 {
                    silent.give_way();
                }
                // Closed only if somebody closed it, and nobody does.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (access, admin, (waiting, wanted)) = (Arc::clone(&access), Arc::clone(&admin), silent.enter());
                tokio::spawn(async move {
                    tokio::select! {
                        () = answer_one(stream, peer, &access, &admin, &waiting) => {}
                        Ok(()) = wanted => tracing::debug!(%peer, "a connection that asked nothing made room for another"),
                    }
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

async fn answer_one(stream: TcpStream, peer: SocketAddr, access: &Access, admin: &Admin, waiting: &Waiting) {
    let operates = AtomicBool::new(false);
    let service = service_fn(|request| {
        waiting.heard();
        answer(request, access, admin, peer, &operates)
    });
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
    if let Some(refusal) = access.refusal(&request)
        && rule::holds(Rule::AdministrationAnswersToItsNames)
    {
        return Ok(refusal);
    }
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    Ok(match request.uri().path() {
        "/metrics" | "/live" | "/ready" if !is_read => only("GET, HEAD"),
        "/metrics" => metrics(admin).await,
        "/live" => socket::json(StatusCode::OK, &json!({ "status": "ok" })),
        "/ready" => ready(admin).await,
        PATH if access.token.is_some() => {
            let is_opened = access.is_opened_by(request.headers().get(AUTHORIZATION));
            if is_opened || !rule::holds(Rule::OperationsNeedTheToken) {
                if request.method() != Method::POST {
                    return Ok(only("POST"));
                }
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

fn only(methods: &'static str) -> Response<Full<Bytes>> {
    let problem = Problem::Unacceptable(format!("this takes {methods} alone"));
    let mut response = socket::json(StatusCode::METHOD_NOT_ALLOWED, &problem);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
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
    /// For a request that does not name one host, in its target too if that is absolute (RFC 9112, 3.2), or none of ours.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_another = |authority: &Authority| !authority.as_str().eq_ignore_ascii_case(host);
        let (status, why) = if hosts.next().is_some() || request.uri().authority().is_some_and(is_another) {
            (StatusCode::BAD_REQUEST, "a request names one host, and its target names no other".to_owned())
        } else if !self.answers_to(host) {
            (StatusCode::MISDIRECTED_REQUEST, format!("{host:?} is none of this address's names: see admin.hosts"))
        } else {
            return None;
        };
        Some(socket::json(status, &Problem::Unacceptable(why)))
    }

    fn answers_to(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let name = without_last_dot(name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| without_last_dot(known).eq_ignore_ascii_case(name))
    }

    fn is_opened_by(&self, presented: Option<&HeaderValue>) -> bool {
        // A scheme has no case (RFC 9110, 11.1).
        let is_bearer = |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"Bearer ");
        let presented = presented.and_then(|value| value.as_bytes().split_at_checked("Bearer ".len()));
        let presented = presented.filter(|(scheme, _)| is_bearer(scheme)).map(|(_, token)| token.trim_ascii_start());
        let token = self.token.as_ref().map(|token| token.expose().as_bytes());
        token.zip(presented).is_some_and(|(token, presented)| token.ct_eq(presented).into())
    }
}

/// The dot with which a name ends that is written out to the root of all names.
fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { hosts: vec!["proxy.internal".to_owned()], token: Some(Secret::from("0123456789abcdef")) }
    }

    #[test]
    fn addresses_localhost_and_the_listed_names_are_answered_and_nobody_elses() {
        let of_addresses = ["127.0.0.1:9464", "10.1.2.3", "[::1]:9464", "[::1]"];
        let of_names = ["localhost:1", "LOCALHOST", "Proxy.Internal:9464", "localhost.", "proxy.internal.:9464"];
        for host in of_addresses.into_iter().chain(of_names) {
            assert!(access().answers_to(host), "{host}");
        }
        let dotted = Access { hosts: vec!["proxy.internal.".to_owned()], ..access() };
        assert!(dotted.answers_to("proxy.internal") && dotted.answers_to("proxy.internal."));
        for host in [
            "",
            ".",
            "evil.example.",
            "localhost..",
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a:b",
        ] {
            assert!(!access().answers_to(host), "{host}");
        }
    }

    #[test]
    fn only_the_whole_token_opens() {
        let opens = |value: &str| access().is_opened_by(Some(&HeaderValue::from_str(value).unwrap()));
        for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", "BEARER  0123456789abcdef"] {
            assert!(opens(right), "{right}");
        }
        for value in ["", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "0123456789abcdef"] {
            assert!(!opens(value), "{value}");
        }
        assert!(!access().is_opened_by(None));
        assert!(!Access { token: None, ..access() }.is_opened_by(Some(&HeaderValue::from_static("Bearer "))));
    }
}
