//! Visitors who ask without end, some over HTTP/1.1 and some over HTTP/2, all over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::application::{LETTER, length_of};
use super::faults::{FAULTS, Fault, Ledger, Met};
use crate::backends::SITE;

/// Each with a connection of its own.
const BY_HTTP_1: usize = 12;

/// Connections, and visitors who share each.
const BY_HTTP_2: (usize, usize) = (2, 8);

pub(super) struct Visitors {
    all: JoinSet<()>,
    is_over: Arc<AtomicBool>,
}

/// Where they go, and how.
#[derive(Clone)]
struct Way {
    proxy: SocketAddr,
    roots: Arc<RootCertStore>,
    ledger: Arc<Ledger>,
    is_over: Arc<AtomicBool>,
}

impl Visitors {
    pub(super) fn begin(
        proxy: SocketAddr,
        trusted: CertificateDer<'static>,
        ledger: &Arc<Ledger>,
        on: &Handle,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let way = Way { proxy, roots: Arc::new(roots), ledger: Arc::clone(ledger), is_over: Arc::clone(&is_over) };
        let mut all = JoinSet::new();
        for _ in 0..BY_HTTP_1 {
            all.spawn_on(way.clone().by_http_1(), on);
        }
        for _ in 0..BY_HTTP_2.0 {
            all.spawn_on(way.clone().by_http_2(), on);
        }
        Visitors { all, is_over }
    }

    /// Has each end with the request that is under way.
    pub(super) async fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.all.join_next().await {
            ended.unwrap();
        }
    }
}

impl Way {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    async fn connect(&self, protocol: &[u8]) -> TokioIo<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        let tls = TlsConnector::from(Arc::new(config));
        TokioIo::new(tls.connect(ServerName::try_from(SITE).unwrap(), stream).await.expect("no handshake"))
    }

    async fn by_http_1(self) {
        while self.goes_on() {
            let (mut sender, connection) = http1::handshake(self.connect(b"http/1.1").await).await.unwrap();
            let connection = tokio::spawn(connection);
            // What was broken off ends its connection.
            while self.goes_on() && sender.ready().await.is_ok() {
                let (number, fault) = self.ledger.begin();
                let answered = sender.send_request(asking(number, fault)).await;
                self.ledger.met(number, fault, met(answered, number).await);
            }
            connection.abort();
        }
    }

    async fn by_http_2(self) {
        while self.goes_on() {
            let io = self.connect(b"h2").await;
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut together = JoinSet::new();
            for _ in 0..BY_HTTP_2.1 {
                let (way, mut sender) = (self.clone(), sender.clone());
                together.spawn(async move {
                    while way.goes_on() && sender.ready().await.is_ok() {
                        let (number, fault) = way.ledger.begin();
                        let answered = sender.send_request(asking(number, fault)).await;
                        way.ledger.met(number, fault, met(answered, number).await);
                    }
                });
            }
            while together.join_next().await.is_some() {}
            connection.abort();
        }
    }
}

fn asking(number: u64, fault: Fault) -> Request<String> {
    let place = FAULTS.iter().position(|known| *known == fault).unwrap();
    let target = format!("https://{SITE}/{number}/{place}/");
    Request::get(target).header("host", SITE).body(String::new()).unwrap()
}

/// What a visitor met, and what was there to read if it was no page of the application's.
async fn met(answered: hyper::Result<Response<Incoming>>, number: u64) -> (Met, String) {
    let Ok(response) = answered else { return (Met::Nothing, String::new()) };
    let status = response.status();
    let mut body = Box::pin(response.into_body());
    let (mut length, mut page) = (0, Vec::new());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else { return (Met::Broken, String::new()) };
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        if status != StatusCode::OK {
            page.extend_from_slice(&data);
            continue;
        }
        let is_foreign = data.iter().any(|byte| *byte != LETTER);
        assert!(
            !is_foreign,
            "somebody else's answer to {number}: {:?}",
            String::from_utf8_lossy(&data[..data.len().min(500)])
        );
        length += data.len();
    }
    let met = match status {
        StatusCode::OK if length == length_of(number) => Met::Whole,
        StatusCode::OK => Met::Broken,
        other => Met::Status(other.as_u16()),
    };
    (met, String::from_utf8_lossy(&page).into_owned())
}
