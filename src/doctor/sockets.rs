//! Who listens where on this machine, as the kernel tells it (proc(5), `/proc/net/tcp`).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens.
const LISTEN: &str = "0A";

/// Every address and port that somebody listens on.
pub(super) fn listening() -> io::Result<Vec<SocketAddr>> {
    let mut found = parse(&fs::read_to_string("/proc/net/tcp")?);
    // Without IPv6 there is no such file.
    found.extend(parse(&fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
    Ok(found)
}

fn parse(table: &str) -> Vec<SocketAddr> {
    table.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<SocketAddr> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, _remote, state) = (columns.next()?, columns.next()?, columns.next()?);
    if state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    Some(SocketAddr::new(self::address(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// Words of 32 bits in the machine's own order, each in hexadecimal.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_that_listen_are_found_with_their_addresses() {
        let here = [
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.2:0").unwrap(),
            TcpListener::bind("[::1]:0").unwrap(),
        ];
        let found = listening().unwrap();
        for listener in &here {
            assert!(found.contains(&listener.local_addr().unwrap()), "{found:?}");
        }
    }

    #[test]
    fn what_is_no_table_is_no_address() {
        for text in ["", "head\n", "head\n0: zz:1F41 0:0 0A", "head\n0: 0100007F:1F41 00000000:0000 01", "head\n\u{7f}"]
        {
            assert!(parse(text).is_empty(), "{text:?}");
        }
    }
}
