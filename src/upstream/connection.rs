//! One endpoint of an upstream: connecting, and the connections that wait.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::Endpoint;
use super::body::RequestBody;
use super::counts::{OfOne, Open};
use super::pool::Pool;

/// Room for one response head. Bodies pass through the same buffer, in pieces of at most this size.
const BUFFER: usize = 64 * 1024;

/// An endpoint and this core's unused connections to it.
#[derive(Debug)]
pub(super) struct Target {
    endpoint: Endpoint,
    pub(super) pool: Rc<Pool>,
}

impl Target {
    pub(super) fn new(endpoint: Endpoint, max_idle: usize) -> Self {
        Target { endpoint, pool: Pool::new(max_idle) }
    }

    /// A fresh connection.
    pub(super) async fn connect(
        &self,
        limit: Duration,
        counts: &Arc<OfOne>,
    ) -> io::Result<(http1::SendRequest<RequestBody>, Running)> {
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let stream = tokio::time::timeout(limit, TcpStream::connect(address))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the connection was not accepted in time"))??;
        stream.set_nodelay(true)?;
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        let task = tokio::task::spawn_local(async move {
            // What goes wrong here reaches whoever waits for the answer.
            let _ = connection.with_upgrades().await;
        });
        Ok((sender, Running { task: Some(task.abort_handle()), _open: counts.opened() }))
    }
}

/// What moves a connection's bytes. Dropped, the connection is closed at once: left to itself, hyper would still send the
/// rest of a request whose answer nobody waits for.
#[derive(Debug)]
pub(super) struct Running {
    task: Option<AbortHandle>,
    _open: Open,
}

impl Running {
    /// Leaves the connection to end by itself, as one that is handed over to another protocol.
    pub(super) fn leave_alone(&mut self) {
        self.task = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Endpoint { host, port } = &self.endpoint;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
