//! Asking endpoints whether they are well, beside all requests.

use std::error::Error as _;
use std::io;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::balance::{Groups, Standing};
use super::dialer::{self, Spoken};
use super::names::{Name, Names};
use super::{Endpoint, HostHeader, Settings};
use crate::tls::Offer;

/// How it is found out whether an endpoint is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for, by GET.
    pub path: PathAndQuery,
    /// From one answer to the next question.
    pub interval: Duration,
    /// How long an answer may take, its connection included.
    pub timeout: Duration,
    /// The statuses of one that is well.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// After how many bad answers in a row it is ill.
    pub ill_after: u32,
    /// After how many good ones it is well again.
    pub well_after: u32,
}

/// Why an endpoint is not well.
#[derive(Debug, thiserror::Error)]
enum Ill {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it did not answer in time")]
    Silent,
    #[error(transparent)]
    Unreachable(#[from] io::Error),
    #[error("it broke off or answered nonsense")]
    Broken(#[source] hyper::Error),
    #[error("it hung up")]
    HungUp,
}

/// Checks that go on until this is dropped.
#[derive(Debug, Default)]
pub struct HealthChecks(Vec<AbortHandle>);

impl HealthChecks {
    /// Begins to ask the endpoints of every upstream that wants it. `host`: what `Host` is, unless the upstream gets one
    /// of its own.
    pub fn start(upstreams: &[Settings], groups: &Groups, names: &Names, host: &HeaderValue, on: &Handle) -> Self {
        let mut tasks = Vec::new();
        for settings in upstreams {
            let Some(health) = &settings.health else { continue };
            let group = groups.of(&settings.name);
            for member in &settings.members {
                let standing = group.standing(&member.endpoint.to_string());
                let (endpoint, settings) = (member.endpoint.clone(), settings.clone());
                let (host, name) = (host_of(&settings, host), names.of(&endpoint, &settings.dns));
                let check = Check { endpoint, name, host, health: health.clone(), settings };
                tasks.push(on.spawn(check.go_on(standing)).abort_handle());
            }
        }
        HealthChecks(tasks)
    }
}

impl Drop for HealthChecks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

fn host_of(settings: &Settings, default: &HeaderValue) -> HeaderValue {
    match &settings.host {
        HostHeader::Keep => default.clone(),
        HostHeader::Set(host) => HeaderValue::try_from(host).unwrap_or_else(|_| default.clone()),
    }
}

/// The check of one endpoint.
struct Check {
    endpoint: Endpoint,
    name: Option<Arc<Name>>,
    settings: Settings,
    health: Health,
    host: HeaderValue,
}

impl Check {
    async fn go_on(self, standing: Arc<Standing>) {
        let (mut good, mut bad) = (0_u32, 0_u32);
        loop {
            let asked = timeout(self.health.timeout, self.ask()).await.unwrap_or(Err(Ill::Silent));
            // The first answer ever counts alone: nobody knows better.
            let is_first = !standing.is_checked();
            (good, bad) = if asked.is_ok() { (good.saturating_add(1), 0) } else { (0, bad.saturating_add(1)) };
            let counts = is_first || good >= self.health.well_after || bad >= self.health.ill_after;
            if counts && standing.found(asked.is_ok(), Instant::now()) {
                self.tell(asked);
            }
            sleep(self.health.interval).await;
        }
    }

    fn tell(&self, asked: Result<(), Ill>) {
        let (upstream, endpoint) = (&self.settings.name, &self.endpoint);
        match asked {
            Ok(()) => tracing::info!(%upstream, %endpoint, "an endpoint is well again"),
            Err(error) => {
                let cause = error.source().map(tracing::field::display);
                tracing::warn!(%upstream, %endpoint, %error, cause, "an endpoint is not well: it gets no requests while another one is");
            }
        }
    }

    async fn ask(&self) -> Result<(), Ill> {
        let (name, tls) = (self.name.as_ref(), self.settings.tls.as_deref());
        let (stream, spoken) = dialer::connect(&self.endpoint, name, tls, Offer::Any).await?;
        let stream = TokioIo::new(stream);
        let response = match spoken {
            Spoken::Http1 => {
                let (mut sender, connection) = http1::handshake(stream).await.map_err(Ill::Broken)?;
                answer_on(sender.send_request(self.request(false)), connection).await?
            }
            Spoken::Http2 => {
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), stream).await.map_err(Ill::Broken)?;
                answer_on(sender.send_request(self.request(true)), connection).await?
            }
        };
        self.judge(&response)
    }

    fn judge(&self, response: &http::Response<Incoming>) -> Result<(), Ill> {
        let status = response.status();
        let is_good = self.health.statuses.iter().any(|good| good.contains(&status.as_u16()));
        is_good.then_some(()).ok_or(Ill::Status(status))
    }

    /// In the form of HTTP/2 the host is the target's authority (RFC 9113, 8.3.1).
    fn request(&self, is_http_2: bool) -> Request<String> {
        let mut request = Request::new(String::new());
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.health.path.clone());
        let authority = Authority::try_from(self.host.as_bytes()).ok().filter(|_| is_http_2);
        if authority.is_some() {
            let is_tls = self.endpoint.scheme == super::Scheme::Https;
            uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
        } else {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        uri.authority = authority;
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("menshen-health"));
        request
    }
}

/// The answer that comes on a connection. One may end with it, and has then brought it.
async fn answer_on<A>(
    answer: impl Future<Output = Result<A, hyper::Error>>,
    connection: impl Future<Output = Result<(), hyper::Error>>,
) -> Result<A, Ill> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answered = &mut answer => answered.map_err(Ill::Broken),
        ended = connection => {
            ended.map_err(Ill::Broken)?;
            answer.await.map_err(|error| if error.is_canceled() { Ill::HungUp } else { Ill::Broken(error) })
        }
    }
}
