//! A server that answers what a script says, byte for byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

/// One answer, or the lack of one.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status 200 with this body; the connection stays open.
    Body(String),
    /// These bytes, then the connection is closed.
    Bytes(String),
    /// The connection is reset as soon as the request has been read.
    Reset,
    /// The connection stays open and nothing is said.
    Silence,
    /// A head, then a byte now and then, without end.
    Drip,
    /// This head, then megabytes for as long as the client takes them, 64 MiB at most.
    Flood(&'static str),
}

/// The server. Ends when dropped.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl ScriptedServer {
    /// Starts on a free port; `script` is given each request's path, without its query.
    pub(crate) async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&requests));
        let accepting = tokio::spawn(async move {
            // Owns the connections' tasks, so that they end with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                connections.spawn(async move { converse(stream, &*script, &seen).await });
            }
        });
        ScriptedServer { address, requests, accepting: accepting.abort_handle() }
    }

    /// The address of `path` here.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The head of every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests asked for `path`.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|head| path_of(head) == path).count()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse(mut stream: TcpStream, script: &(dyn Fn(&str) -> Reply + Sync), seen: &Mutex<Vec<String>>) {
    while let Some(head) = read_head(&mut stream).await {
        let reply = script(path_of(&head));
        seen.lock().unwrap().push(head);
        // A client that goes away in the middle is part of the game.
        match reply {
            Reply::Body(body) => {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Bytes(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Reset => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Reply::Silence => {
                // Ends when the client gives up.
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Reply::Drip => return drip(stream).await,
            Reply::Flood(head) => return flood(stream, head).await,
        }
    }
}

async fn drip(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
    while stream.write_all(b" ").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn flood(mut stream: TcpStream, head: &str) {
    let _ = stream.write_all(head.as_bytes()).await;
    // As a chunk it says its own length (0x100000); as plain body it is as good as any other byte.
    let piece = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    for _ in 0..64 {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A request without a body, up to its blank line; `None` when the client has gone.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// The path of the request's target, which is a whole address where the client takes this for a proxy.
fn path_of(head: &str) -> &str {
    let target = head.split([' ', '?']).nth(1).unwrap_or_default();
    match target.split_once("://") {
        Some((_, address)) => address.find('/').map_or("/", |at| &address[at..]),
        None => target,
    }
}
