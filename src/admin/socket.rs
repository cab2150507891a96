//! The socket by which a running proxy is administered: HTTP/1.1 on a Unix socket, one JSON document each way.
//!
//! Who may use it is decided three times: its folder is its owner's alone (0700), so is the socket (0600), and whoever
//! connects must run as the proxy's own user or as root (SO_PEERCRED).

use std::convert::Infallible;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::Admin;
use super::operation::{Operation, Problem, Reply};
use crate::store::Actor;
use crate::units::ByteSize;

/// Where operations are sent.
pub const PATH: &str = "/v1";

/// The largest operation: [`super::MOST_ROWS`] rows of 8 KiB.
const LARGEST: ByteSize = ByteSize::mib(4);

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an operation's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// When to try again after an accept that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Longest path of a Unix socket, without the zero byte at its end (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Others may use the folder.
    #[error(
        "the administration's socket needs a folder that is its owner's alone, and {} is not: its mode is {mode:o}, its \
         owner {owner}; where it is made for this alone, `chmod 700` it and give it to the user that runs Menshen, else set \
         admin.socket to another place",
        folder.display()
    )]
    Exposed {
        /// The folder.
        folder: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its owner's id.
        owner: u32,
    },
    /// Another process answers there.
    #[error("another process answers at the administration's socket {}: set admin.socket to another place", .0.display())]
    InUse(PathBuf),
    /// Something lies there that is no socket, and perhaps all that somebody has.
    #[error("the administration's socket cannot be {}: there is a file that is no socket; set admin.socket to another place", .0.display())]
    NotASocket(PathBuf),
    /// The path is too long for a socket.
    #[error(
        "the administration's socket cannot be {}: the system allows a path of {LONGEST_PATH} bytes at most; set \
         admin.socket to a shorter one", .0.display()
    )]
    TooLong(PathBuf),
    /// The system refuses.
    #[error("the administration's socket {} cannot be made", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The socket. Removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Makes the socket, in place of one that a killed process has left. Must be called on a runtime.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::System { path: path.to_owned(), source };
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        prepare(folder, path)?;
        if Probe::connect(path).is_ok() {
            return Err(SocketError::InUse(path.to_owned()));
        }
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
            Ok(_) => return Err(SocketError::NotASocket(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Socket { listener, path: path.to_owned() })
    }

    /// Answers whoever may ask, for ever.
    pub async fn serve(self, admin: Arc<Admin>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer_one(stream, Arc::clone(&admin)))),
                Err(error) => {
                    tracing::warn!(%error, "the administration's socket cannot accept");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A folder that is missing is made; one that is there is not changed, for it may be everybody's.
fn prepare(folder: &Path, path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::System { path: path.to_owned(), source };
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let metadata = fs::metadata(folder).map_err(failed)?;
    let (mode, owner) = (metadata.permissions().mode() & 0o777, metadata.uid());
    if mode & 0o077 != 0 || owner != own_user() {
        return Err(SocketError::Exposed { folder: folder.to_owned(), mode, owner });
    }
    Ok(())
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

async fn answer_one(stream: UnixStream, admin: Arc<Admin>) {
    let user = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => return tracing::warn!(%error, "the administration's socket cannot tell who connects"),
    };
    if user != 0 && user != own_user() {
        return tracing::warn!(user, "a user of this machine may not administer Menshen, and was turned away");
    }
    let service = service_fn(|request| answer(request, &admin, Actor::Operator(user)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the administration's socket broke off");
    }
}

pub(super) async fn answer(
    request: Request<Incoming>,
    admin: &Admin,
    by: Actor,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH || request.method() != Method::POST {
        return Ok(json(StatusCode::NOT_FOUND, &Problem::Unacceptable(format!("POST {PATH} alone is answered"))));
    }
    let read = Limited::new(request.into_body(), LARGEST.as_usize()).collect();
    let operation = match timeout(BODY_TIMEOUT, read).await {
        Err(_) => Err(format!("it was not all here within {} seconds", BODY_TIMEOUT.as_secs())),
        Ok(Ok(body)) => serde_json::from_slice::<Operation>(&body.to_bytes()).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
    };
    let outcome = match operation {
        Ok(operation) => admin.carry_out(operation, by).await,
        Err(reason) => Err(Problem::Unacceptable(format!("this is no operation: {reason}"))),
    };
    Ok(respond(&outcome))
}

fn respond(outcome: &Result<Reply, Problem>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(reply) => json(StatusCode::OK, reply),
        Err(problem) => {
            let status = match problem {
                Problem::NotFound(_) => StatusCode::NOT_FOUND,
                Problem::Unacceptable(_) => StatusCode::BAD_REQUEST,
                Problem::NotRunning => StatusCode::CONFLICT,
                Problem::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                Problem::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            json(status, problem)
        }
    }
}

pub(super) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    // Plain data of ours; serialising it cannot fail.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as Listener;

    use tempfile::TempDir;

    use super::*;

    /// A folder that is its owner's alone.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_folder_that_others_may_enter_is_refused_and_told_how_to_mend() {
        let folder = folder();
        for mode in [0o750, 0o701, 0o777] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let error = Socket::bind(&folder.path().join("admin.sock")).unwrap_err();
            assert!(error.to_string().contains(&format!("its mode is {mode:o}")), "{error}");
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_a_killed_process_has_left_is_replaced_and_what_another_one_answers_at_is_not() {
        let folder = folder();
        let path = folder.path().join("admin.sock");
        drop(Listener::bind(&path).unwrap());
        let socket = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path), Err(SocketError::InUse(_))));
        drop(socket);
        assert!(!path.exists());
    }

    /// Regression: a mistake in `admin.socket` could delete a file.
    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_as_it_is() {
        let folder = folder();
        let (file, link) = (folder.path().join("config.toml"), folder.path().join("link"));
        fs::write(&file, "all that there is").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            assert!(matches!(Socket::bind(path), Err(SocketError::NotASocket(_))), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "all that there is");
    }
}
