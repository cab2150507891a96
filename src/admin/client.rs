//! The other end of the socket: how a command asks a running proxy.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::operation::{Operation, Problem, Reply};
use super::socket::PATH;

/// Why a running proxy was not asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy did not carry the operation out.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The connection broke off, or what came back is nothing of ours.
    #[error("the proxy behind {} does not answer as it should: {reason}", socket.display())]
    Broken {
        /// Its socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Longest wait for a reply. A disk that is slow over five hundred rows takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to a running proxy.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects. Must be called on a runtime.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` where no proxy runs; `PermissionDenied` where it is somebody else's.
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Client { socket: socket.to_owned(), sender: connected(socket).await? })
    }

    /// Has an operation carried out.
    pub async fn ask(&mut self, operation: &Operation) -> Result<Reply, ClientError> {
        let socket = self.socket.clone();
        match timeout(PATIENCE, self.asked(operation)).await {
            Ok(replied) => replied,
            Err(_) => {
                let reason =
                    format!("it has said nothing for {} s; what was asked may yet be done", PATIENCE.as_secs());
                Err(ClientError::Broken { socket, reason })
            }
        }
    }

    async fn asked(&mut self, operation: &Operation) -> Result<Reply, ClientError> {
        let socket = self.socket.clone();
        let broken = |reason: String| ClientError::Broken { socket: socket.clone(), reason };
        let body = serde_json::to_vec(operation).map_err(|error| broken(error.to_string()))?;
        let request = Request::post(PATH).header(http::header::HOST, "menshen").body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| broken(error.to_string()))?;
        // The proxy closes what is silent for long, as somebody is who waits for a table; nothing has been asked yet.
        if self.sender.ready().await.is_err() {
            self.sender = connected(&self.socket).await.map_err(|error| broken(error.to_string()))?;
        }
        let response = self.sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| broken(error.to_string()));
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(|_| broken(format!("it answered {status}")))?;
        Err(problem.into())
    }
}

async fn connected(socket: &Path) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = UnixStream::connect(socket).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the sender, and what breaks it off is told to whoever asks.
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    /// Regression: an import failed whose table was ten seconds in coming.
    #[tokio::test]
    async fn whoever_was_silent_for_so_long_that_the_proxy_closed_the_connection_asks_on_another() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut client = Client::connect(&socket).await.unwrap();
        drop(listener.accept().await.unwrap());
        while !client.sender.is_closed() {
            tokio::task::yield_now().await;
        }
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\"done\"").await.unwrap();
        };
        let (reply, ()) = tokio::join!(client.ask(&Operation::Reload), answer);
        assert_eq!(reply.unwrap(), Reply::Done);
    }
}
