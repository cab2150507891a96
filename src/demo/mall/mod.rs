//! The sample mall, 美多小铺: a small shop to stand behind the proxy. It is an *unmodified backend*: goods, a cart, pages
//! for known visitors, scripts like those of the shops we serve, and no notion of Menshen but the names of two headers.
//!
//! | address | is |
//! | --- | --- |
//! | `/`, `/goods/<id>/`, `/cart/` | for anyone |
//! | `/user/center/`, `/orders/` | for known visitors: 401 without identity; meant for `required` routes |
//! | `/headers/` | what the request brought, with the claims of its JWT decoded and not verified |
//! | `/api/cart/`, `/api/me/` | JSON; `/api/me/` answers code 4101 to strangers |
//! | `/logout/` | the shop's own: 302 to `/`, and its `username` cookie is gone |
//!
//! It believes `X-Menshen-User` and `X-Menshen-Name` (percent-encoded UTF-8), else the claims of the JWT in
//! `Authorization`. The greeting in the corner is drawn by its script, from the readable cookie `username`
//! (percent-encoded where it is not ASCII).

mod cart;
mod catalogue;
mod shop;
#[cfg(test)]
mod tests;
mod texts;
mod token;
mod view;
mod visitor;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Longest wait for a request's head; an idle connection is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause after the system refused a connection, so that a lack of file descriptors is not met with a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running mall. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Mall {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Mall {
    /// Opens the shop on a free port of 127.0.0.1, on the runtime of the caller.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok(Mall { addr, serving: tokio::spawn(accept(listener)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Mall {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Owns the connections: they end with it.
async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream) {
    let service = service_fn(async |request| Ok::<_, Infallible>(shop::answer(request).await));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    // A client that breaks off is nobody's fault here and nothing to act on.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}
