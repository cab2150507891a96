//! Stands between the proxy and a backend, and keeps every byte that goes to the backend.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use socket2::{Domain, Socket, Type};

/// What has been sent on one connection.
pub(super) struct Sent {
    /// From which the backend was reached.
    pub(super) port: u16,
    pub(super) bytes: Vec<u8>,
}

/// A running one.
pub(super) struct Tap {
    pub(super) address: SocketAddr,
    /// Who comes from here ends it.
    last: Arc<Mutex<Option<SocketAddr>>>,
    accepting: JoinHandle<Vec<JoinHandle<Sent>>>,
}

impl Tap {
    pub(super) fn before(backend: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let last = Arc::new(Mutex::new(None));
        let ends = Arc::clone(&last);
        let accepting = thread::spawn(move || {
            let mut connections = Vec::new();
            loop {
                let (from, peer) = listener.accept().unwrap();
                if *ends.lock().unwrap() == Some(peer) {
                    return connections;
                }
                let to = TcpStream::connect(backend).unwrap();
                to.set_nodelay(true).unwrap();
                connections.push(thread::spawn(move || relay(&from, &to)));
            }
        });
        Tap { address, last, accepting }
    }

    /// Waits until every connection is over, on both sides. The proxy has ended before: nobody else comes.
    pub(super) fn end(self) -> Vec<Sent> {
        let ours = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        ours.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        *self.last.lock().unwrap() = ours.local_addr().unwrap().as_socket();
        ours.connect(&self.address.into()).unwrap();
        self.accepting.join().unwrap().into_iter().map(|connection| connection.join().unwrap()).collect()
    }
}

fn relay(from: &TcpStream, to: &TcpStream) -> Sent {
    let port = to.local_addr().unwrap().port();
    let bytes = thread::scope(|scope| {
        // Either direction ends by itself; an end that is an error is one.
        scope.spawn(|| copy(to, from));
        copy(from, to)
    });
    Sent { port, bytes }
}

/// Carries everything on, and its end. What it was.
fn copy(mut from: &TcpStream, mut to: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        bytes.extend_from_slice(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    bytes
}
