//! An upstream whose every received byte is seen, and that answers whatever bytes it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Request line and fields, as sent, without the empty line.
    pub head: String,
    /// The body as framed on the wire: chunk sizes and trailers included.
    pub body: Vec<u8>,
    /// Counts the connections from 0.
    pub connection: usize,
}

impl Received {
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// Every value of a field, its name in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is there twice: {}", self.head);
        values.first().copied()
    }

    /// The names of all fields, in lower case and sorted.
    pub fn names(&self) -> Vec<String> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<String> = fields.map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }
}

/// An upstream of the test's own.
pub struct Upstream {
    address: SocketAddr,
    received: Mutex<Receiver<Received>>,
}

type Script = dyn Fn(&Received) -> Vec<u8> + Send + Sync;

impl Upstream {
    /// Answers every request with what `script` makes of it. An answer that says `Connection: close`, or an empty one,
    /// closes the connection.
    pub fn scripted(script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        Self::serving(move |stream, connection, seen| converse(stream, connection, &seen, &*script))
    }

    /// As [`Upstream::scripted`], where a test listens already.
    pub fn scripted_at(listener: TcpListener, script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        Self::serving_at(listener, move |stream, connection, seen| converse(stream, connection, &seen, &*script))
    }

    /// Answers every request with 200 and `hello`.
    pub fn hello() -> Self {
        Self::scripted(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec())
    }

    /// Hands every connection to `serve`, which does with it what it likes, on a thread of its own.
    pub fn serving(serve: impl Fn(TcpStream, usize, Sender<Received>) + Send + Sync + 'static) -> Self {
        Self::serving_at(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    fn serving_at(
        listener: TcpListener,
        serve: impl Fn(TcpStream, usize, Sender<Received>) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (seen, received) = channel();
        let serve = Arc::new(serve);
        // Ends with the test's process.
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (serve, seen) = (Arc::clone(&serve), seen.clone());
                thread::spawn(move || serve(stream, connection, seen));
            }
        });
        Upstream { address, received: Mutex::new(received) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request that arrives, or has arrived.
    pub fn next(&self) -> Received {
        self.received.lock().unwrap().recv_timeout(PATIENCE).expect("no request reached the upstream")
    }

    /// The next request that has arrived, if any has.
    pub fn try_next(&self) -> Option<Received> {
        self.received.lock().unwrap().try_recv().ok()
    }

    /// Asserts that no request has arrived that was not taken.
    pub fn saw_nothing(&self) {
        if let Ok(request) = self.received.lock().unwrap().try_recv() {
            panic!("the upstream was asked: {}", request.head);
        }
    }
}

/// Reads one request off a stream; `None` at its end.
pub fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Received> {
    let end = fill_until(stream, buffer, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end - 4]).into_owned();
    buffer.drain(..end);
    let mut request = Received { head, body: Vec::new(), connection };
    let body_end = if request.header("transfer-encoding").is_some() {
        chunked_end(stream, buffer)?
    } else {
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        while buffer.len() < length {
            read_more(stream, buffer)?;
        }
        length
    };
    request.body = buffer.drain(..body_end).collect();
    Some(request)
}

/// Reads one request's head off a stream, and not a byte more; `None` at its end.
pub fn read_head(stream: &mut TcpStream, connection: usize) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read_some(stream, 1)?);
    }
    head.truncate(head.len() - 4);
    Some(Received { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new(), connection })
}

/// Reads as many bytes as there are before the end of the stream, at most `most`.
pub fn read_body(stream: &mut TcpStream, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < most {
        match read_some(stream, most - body.len()) {
            Some(piece) => body.extend(piece),
            None => break,
        }
    }
    body
}

/// Closes a connection so that the other side meets a reset.
pub fn reset(stream: TcpStream) {
    socket2::Socket::from(stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

fn read_some(stream: &mut TcpStream, most: usize) -> Option<Vec<u8>> {
    let mut piece = vec![0; most.min(16 * 1024)];
    match stream.read(&mut piece) {
        Ok(0) => None,
        Ok(length) => {
            piece.truncate(length);
            Some(piece)
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the proxy neither sent nor closed"),
        Err(_) => None,
    }
}

fn converse(mut stream: TcpStream, connection: usize, seen: &Sender<Received>, script: &Script) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection) {
        let answer = script(&request);
        let closes = answer.is_empty() || String::from_utf8_lossy(&answer).contains("Connection: close");
        if seen.send(request).is_err() || stream.write_all(&answer).is_err() || closes {
            return;
        }
    }
}

/// Where a chunked body ends, its trailers included.
fn chunked_end(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = loop {
            match buffer[at..].windows(2).position(|window| window == b"\r\n") {
                Some(length) => break at..at + length,
                None => read_more(stream, buffer)?,
            }
        };
        let text = String::from_utf8_lossy(&buffer[line.clone()]).into_owned();
        let size = usize::from_str_radix(text.split(';').next().unwrap(), 16).unwrap();
        at = line.end + 2;
        if size == 0 {
            // Trailers, if any, and an empty line.
            loop {
                match buffer[at..].windows(2).position(|window| window == b"\r\n") {
                    Some(0) => return Some(at + 2),
                    Some(length) => at += length + 2,
                    None => read_more(stream, buffer)?,
                }
            }
        }
        while buffer.len() < at + size + 2 {
            read_more(stream, buffer)?;
        }
        at += size + 2;
    }
}

fn fill_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, end: &[u8]) -> Option<usize> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            return Some(at + end.len());
        }
        read_more(stream, buffer)?;
    }
}

fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece) {
        Ok(0) | Err(_) => None,
        Ok(length) => {
            buffer.extend_from_slice(&piece[..length]);
            Some(())
        }
    }
}
