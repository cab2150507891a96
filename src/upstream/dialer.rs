//! Fresh connections to one endpoint.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::counts::OfOne;
use super::driver::Driver;
use super::names::{Name, Names};
use super::pool::Connection;
use super::shared::Shared;
use super::stream::Stream;
use super::{Endpoint, Place, Scheme, Settings};
use crate::http::idle::IdleLimit;
use crate::tls::{self, Offer, Outgoing};

/// Room for one response head. Bodies pass through the same buffer, in pieces of at most this size.
const BUFFER: usize = 64 * 1024;

/// How long what was sent may stay unconfirmed by the other machine before the connection counts as broken: a connection
/// that many requests share must not take all of them with it for as long as the system would wait.
const UNCONFIRMED: Duration = Duration::from_secs(20);

/// How long one of a name's addresses is waited for while there is another.
const NEXT_AFTER: Duration = Duration::from_secs(1);

/// Makes connections to one endpoint.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) endpoint: Endpoint,
    /// Where it is to be looked for, if that is no address.
    pub(super) name: Option<Arc<Name>>,
    tls: Option<Arc<Outgoing>>,
    idle_timeout: Duration,
    counts: Arc<OfOne>,
}

/// A connection, by what is spoken on it.
#[derive(Debug)]
pub(super) enum Opened {
    /// One request at a time.
    Http1(Box<Connection>),
    /// Many at once, and at which address.
    Http2(Rc<Shared>, Option<IpAddr>),
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, settings: &Settings, names: &Names, counts: Arc<OfOne>) -> Self {
        let name = names.of(&endpoint, &settings.dns);
        Dialer { endpoint, name, tls: settings.tls.clone(), idle_timeout: settings.idle_timeout, counts }
    }

    /// Whether HTTP/2 may come of a connection.
    pub(super) fn may_speak_http_2(&self) -> bool {
        match self.endpoint.scheme {
            Scheme::Http => false,
            Scheme::H2c => true,
            Scheme::Https => self.tls.as_ref().is_some_and(|tls| tls.offers_http_2()),
        }
    }

    /// A fresh connection.
    ///
    /// # Errors
    /// The endpoint took none in time, or is not who it has to be.
    pub(super) async fn dial(&self, offer: Offer, patience: Duration) -> io::Result<Opened> {
        let opened = timeout(patience, self.open(offer)).await;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, too_late(self.endpoint.scheme));
        let opened = opened.map_err(late).flatten();
        if opened.is_err() {
            self.counts.failed();
        }
        opened
    }

    async fn open(&self, offer: Offer) -> io::Result<Opened> {
        let (stream, spoken) = connect(&self.endpoint, self.name.as_ref(), self.tls.as_deref(), offer).await?;
        let open = self.counts.opened();
        let peer = stream.transport().and_then(|stream| stream.peer_addr().ok()).map(|peer| peer.ip());
        if spoken == Spoken::Http2 {
            stream.transport().map_or(Ok(()), |stream| watch(stream, UNCONFIRMED.max(self.idle_timeout)))?;
            let is_tls = self.endpoint.scheme == Scheme::Https;
            let shared = Shared::over(stream, open, is_tls, self.idle_timeout).await.map_err(no_http_2)?;
            return Ok(Opened::Http2(shared, peer));
        }
        let is_full = stream.is_full();
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        let (driver, silence) =
            (Driver::new(connection.with_upgrades(), is_full, open), IdleLimit::new(self.idle_timeout));
        Ok(Opened::Http1(Box::new(Connection { sender, silence, driver, peer })))
    }
}

/// Reaches for an endpoint as for a request, and hangs up; what would be spoken.
///
/// # Errors
/// It took no connection, or is not who it has to be.
pub async fn reach(endpoint: &Endpoint, settings: &Settings) -> io::Result<Spoken> {
    let names = Names::new(Handle::current());
    let name = names.of(endpoint, &settings.dns);
    connect(endpoint, name.as_ref(), settings.tls.as_deref(), Offer::Any).await.map(|(_, spoken)| spoken)
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection to an endpoint, looked for by its `name`, if it has one.
pub(super) async fn connect(
    endpoint: &Endpoint,
    name: Option<&Arc<Name>>,
    tls: Option<&Outgoing>,
    offer: Offer,
) -> io::Result<(Stream, Spoken)> {
    let (host, port) = match &endpoint.place {
        Place::Unix(path) => return Ok((Stream::unix(UnixStream::connect(path).await?), Spoken::Http1)),
        Place::Tcp { host, port } => (host.as_str(), *port),
    };
    let stream = match name {
        Some(name) => first_of(name.addresses().await?, port).await?,
        None => TcpStream::connect((host, port)).await?,
    };
    stream.set_nodelay(true)?;
    match (endpoint.scheme, tls) {
        (Scheme::Http, _) => Ok((Stream::tcp(stream), Spoken::Http1)),
        (Scheme::H2c, _) => Ok((Stream::tcp(stream), Spoken::Http2)),
        (Scheme::Https, Some(tls)) => {
            let stream = tls.connect(host, stream, offer).await.map_err(no_tls)?;
            let spoken = if tls::speaks_http_2(&stream) { Spoken::Http2 } else { Spoken::Http1 };
            Ok((Stream::tls(stream), spoken))
        }
        (Scheme::Https, None) => Err(io::Error::other("TLS is not set up: a fault of Menshen's")),
    }
}

/// The first that takes a connection.
async fn first_of(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter().peekable();
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    while let Some(address) = left.next() {
        let connecting = TcpStream::connect((address, port));
        outcome = match left.peek() {
            Some(_) => {
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the connection was not accepted in time");
                timeout(NEXT_AFTER, connecting).await.map_err(late).flatten()
            }
            None => connecting.await,
        };
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn too_late(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "the connection was not accepted in time",
        Scheme::H2c => "the connection was not accepted, or not a word of HTTP/2 came, in time",
        Scheme::Https => "the connection was not accepted, or TLS did not come about, in time",
    }
}

fn no_http_2(error: io::Error) -> io::Error {
    let told = format!(
        "HTTP/2 did not come about; an application that speaks HTTP/1.1 is written http://, not h2c:// ({error})"
    );
    io::Error::new(error.kind(), told)
}

/// Only what is no TLS at all is a matter of how the endpoint is written: of certificates the library tells well.
fn no_tls(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidMessage(_)) => {
            let told =
                format!("what it says is no TLS; a port in plain text is written http://, not https:// ({error})");
            io::Error::new(error.kind(), told)
        }
        Some(_) | None => error,
    }
}

/// Has the system find out that the other machine is gone, where nobody else would for long: on HTTP/2 the end of one
/// request says nothing of the connection, and applications refuse to be asked often (gRPC: once in five minutes). An
/// application that takes nothing for so long counts as gone, too.
fn watch(stream: &TcpStream, unconfirmed: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(UNCONFIRMED).with_interval(UNCONFIRMED / 4))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(unconfirmed))?;
    Ok(())
}
