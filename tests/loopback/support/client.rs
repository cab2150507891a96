//! A client that sends any byte, and reads answers as strictly as it can.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustls::ClientConnection;
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// An answer: its head as sent, its body with the chunks put together.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub version: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Whether the body ended as its framing says; a close-delimited one counts as whole.
    pub is_whole: bool,
}

impl Answer {
    /// The only value of a header; it must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {:?}", self.headers);
        value
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The `Set-Cookie` of a cookie whose name begins so; there must be at most one.
    pub fn cookie(&self, prefix: &str) -> Option<&str> {
        let mut found = self.all("set-cookie").into_iter().filter(|cookie| cookie.starts_with(prefix));
        let first = found.next();
        assert!(found.next().is_none(), "{prefix} is set twice: {:?}", self.headers);
        first
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }
}

/// One connection to the proxy.
pub struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    buffer: Vec<u8>,
    was_reset: bool,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        Connection::of(TcpStream::connect(address).unwrap())
    }

    /// From an address of this machine's.
    pub fn from(address: SocketAddr, to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Connection::of(socket.into())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, tls: None, buffer: Vec::new(), was_reset: false }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.write(bytes.as_ref()).unwrap();
        self
    }

    /// From here on it speaks TLS.
    pub fn secure(&mut self, tls: ClientConnection) {
        self.tls = Some(Box::new(tls));
    }

    /// What was agreed on over TLS.
    pub fn tls(&self) -> &ClientConnection {
        self.tls.as_ref().unwrap()
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.stream).write_all(bytes),
            None => self.stream.write_all(bytes),
        }
    }

    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.stream).read(piece),
            None => self.stream.read(piece),
        }
    }

    /// Sends bytes; false once the other side has closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.write(bytes.as_ref()).is_ok()
    }

    /// Why nothing comes, if nothing does.
    pub fn refusal(&mut self) -> Option<String> {
        let mut piece = [0; 16 * 1024];
        match self.read(&mut piece) {
            Ok(0) => Some("closed".to_owned()),
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends a GET with `Host` and further fields, each a whole line without its end.
    pub fn get(&mut self, target: &str, fields: &[&str]) -> &mut Self {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", super::SITE))
    }

    /// Ends our side.
    pub fn finish(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Reads the next answer. `is_head`: it answers a HEAD, so that it has no body.
    pub fn answer_to(&mut self, is_head: bool) -> Answer {
        let head = self.until(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut status = lines.next().unwrap().splitn(3, ' ');
        let version = status.next().unwrap().to_owned();
        let status = status.next().unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines.map(field).collect();
        let mut answer = Answer { status, version, headers, body: Vec::new(), trailers: Vec::new(), is_whole: true };
        if is_head || status < 200 || status == 204 || status == 304 {
            return answer;
        }
        if answer.header("transfer-encoding").is_some() {
            self.read_chunks(&mut answer);
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().unwrap();
            answer.is_whole = self.fill(length);
            let taken = length.min(self.buffer.len());
            answer.body = self.buffer.drain(..taken).collect();
        } else {
            while self.read_more() {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        answer
    }

    /// Reads the next answer, to anything but HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    /// Waits until exactly these many bytes are there, and takes them.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        assert!(self.fill(length), "closed after {:?}", String::from_utf8_lossy(&self.buffer));
        self.buffer.drain(..length).collect()
    }

    /// Everything up to and with `end`.
    pub fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.buffer.drain(..at + end.len()).collect();
            }
            assert!(self.read_more(), "closed after {:?}", String::from_utf8_lossy(&self.buffer));
        }
    }

    /// Whether the other side has closed, with nothing more to read.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read_more()
    }

    /// Whether the other side closes in this time, having sent nothing.
    pub fn closes_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let read = self.read(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match read {
            Ok(length) => {
                assert_eq!(length, 0, "it has sent something");
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(_) => true,
        }
    }

    /// Waits until the other side has closed.
    pub fn until_closed(&mut self) -> &mut Self {
        while self.read_more() {}
        self
    }

    /// Reads to the end; whether that was an orderly one, in TLS too.
    pub fn ends_orderly(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                    return false;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What has arrived and was not taken.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether the other side's end was a reset.
    pub fn was_reset(&self) -> bool {
        self.was_reset
    }

    /// Takes in `length` bytes and keeps none; how many came before the end.
    pub fn swallow(&mut self, length: usize) -> usize {
        let mut taken = 0;
        loop {
            taken += self.buffer.len();
            self.buffer.clear();
            if taken >= length || !self.read_more() {
                return taken;
            }
        }
    }

    fn read_chunks(&mut self, answer: &mut Answer) {
        loop {
            let Some(size) = self.line() else { return answer.is_whole = false };
            let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
            if size == 0 {
                while let Some(line) = self.line() {
                    if line.is_empty() {
                        return;
                    }
                    answer.trailers.push(field(&line));
                }
                return answer.is_whole = false;
            }
            if !self.fill(size + 2) {
                answer.is_whole = false;
                answer.body.append(&mut self.buffer);
                return;
            }
            answer.body.extend(self.buffer.drain(..size));
            assert_eq!(self.buffer.drain(..2).collect::<Vec<u8>>(), b"\r\n");
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            if !self.read_more() {
                return None;
            }
        }
    }

    fn fill(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            if !self.read_more() {
                return false;
            }
        }
        true
    }

    /// False at the end of the stream, or if it was reset.
    fn read_more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.read(&mut piece) {
            Ok(0) => false,
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.was_reset = true;
                false
            }
            Err(error) => panic!("{error}; so far {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

fn field(line: impl AsRef<str>) -> (String, String) {
    let (name, value) = line.as_ref().split_once(':').unwrap();
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
