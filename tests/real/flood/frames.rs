//! Frames of HTTP/2 as no library would write them (RFC 9113, 4.1).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::backends::SITE;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Longest wait for a word of the proxy's.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that was begun as HTTP/2 wants it, and goes on otherwise.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
}

impl Raw {
    /// With a window without bounds for everything that may be answered.
    pub(super) fn to(proxy: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(proxy).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE, and as much for the connection.
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
        let window = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &window].concat()).unwrap();
        Raw { stream }
    }

    /// Writes what may be more than the proxy wants to hear.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads until the proxy has closed.
    pub(super) fn until_closed(&mut self) {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(1..) => {}
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is not closed"),
                Err(_) => return,
            }
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The fields of a GET: `:method` and `:scheme` by their place in the table, the others spelt out (RFC 7541, 6.1 and 6.2.2).
pub(super) fn get(path: &str) -> Vec<u8> {
    let spelt = |index: u8, value: &str| [&[index, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [vec![0x82, 0x86], spelt(0x04, path), spelt(0x01, SITE)].concat()
}
