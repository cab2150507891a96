//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncReadExt;

use super::{Fault, Introduced, cut_off};
use crate::server::transport::Transport;

/// How it begins.
pub(super) const BEGINNING: &[u8] = b"PROXY ";

/// The longest line there can be, its end included: two IPv6 addresses written out.
const LONGEST: usize = 107;

/// Reads the rest of the line, of which `line` has come.
pub(super) async fn read(stream: &mut Transport, mut line: BytesMut) -> Result<Introduced, Fault> {
    let mut seen = [0; LONGEST];
    while !line.ends_with(b"\n") {
        let room = LONGEST.saturating_sub(line.len());
        let (seen, _) = seen.split_at_mut(room);
        if seen.is_empty() {
            return Err(Fault::Wrong("its line is longer than 107 bytes"));
        }
        // Looked at, so that nothing is taken from behind the line's end.
        let count = match stream.peek(seen).await? {
            0 => return Err(cut_off()),
            count => count,
        };
        let ours = seen.iter().take(count).position(|byte| *byte == b'\n').map_or(count, |end| end + 1);
        let until = line.len() + ours;
        while line.len() < until {
            let missing = until - line.len();
            if stream.read_buf(&mut (&mut line).limit(missing)).await? == 0 {
                return Err(cut_off());
            }
        }
    }
    parse(&line)
}

/// The whole line, its end included.
pub(super) fn parse(line: &[u8]) -> Result<Introduced, Fault> {
    let line = line.strip_suffix(b"\r\n").ok_or(Fault::Wrong("its line does not end in CR LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| Fault::Wrong("its line is no ASCII"))?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        // What follows is for people.
        return Ok(Introduced::Nobody);
    }
    let (Some(from), Some(to), Some(from_port), Some(to_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Fault::Wrong("its line has not six words with one blank between"));
    };
    let is_address: fn(&str) -> Option<IpAddr> = match family {
        Some("TCP4") => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some("TCP6") => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        Some(_) | None => return Err(Fault::Wrong("its line names neither TCP4, TCP6 nor UNKNOWN")),
    };
    let (Some(from), Some(_)) = (is_address(from), is_address(to)) else {
        return Err(Fault::Wrong("what should be an address of its family is none"));
    };
    let (Some(from_port), Some(_)) = (port(from_port), port(to_port)) else {
        return Err(Fault::Wrong("what should be a port is none"));
    };
    Ok(Introduced::Client(SocketAddr::new(from, from_port)))
}

/// Digits alone, without a sign and without a zero too many.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}
