//! Who listens where on this machine, as the kernel tells it (proc(5), `/proc/net/tcp`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The state of a socket that listens.
const LISTEN: &str = "0A";

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listening {
    /// On which address and port.
    pub(super) address: SocketAddr,
    /// Its number, by which the processes that hold it are found.
    pub(super) inode: u64,
}

/// Every socket that listens.
pub(super) fn listening() -> io::Result<Vec<Listening>> {
    let mut found = parse(&fs::read_to_string("/proc/net/tcp")?);
    // Without IPv6 there is no such file.
    found.extend(parse(&fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
    Ok(found)
}

/// The processes that hold a socket, as far as this user may look into them: none, if they are all somebody else's.
pub(super) fn holders(inode: u64) -> BTreeSet<u32> {
    let wanted = format!("socket:[{inode}]");
    let Ok(processes) = fs::read_dir("/proc") else { return BTreeSet::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| holds(*id, &wanted)).collect()
}

fn holds(process: u32, wanted: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(wanted)))
}

fn parse(table: &str) -> Vec<Listening> {
    table.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<Listening> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, _remote, state) = (columns.next()?, columns.next()?, columns.next()?);
    if state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let address = SocketAddr::new(self::address(address)?, u16::from_str_radix(port, 16).ok()?);
    // Queues, timer, retransmissions, user and timeout stand between.
    Some(Listening { address, inode: columns.nth(5)?.parse().ok()? })
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
    fn sockets_that_listen_are_found_with_their_addresses_and_the_process_that_holds_them() {
        let here = [
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.2:0").unwrap(),
            TcpListener::bind("[::1]:0").unwrap(),
        ];
        let found = listening().unwrap();
        for listener in &here {
            let address = listener.local_addr().unwrap();
            let socket = found.iter().find(|socket| socket.address == address).unwrap();
            assert!(holders(socket.inode).contains(&std::process::id()), "{socket:?}");
        }
        assert!(holders(0).is_empty());
    }

    #[test]
    fn what_is_no_table_is_no_address() {
        for text in [
            "",
            "head\n",
            "head\n0: zz:1F41 0:0 0A 0:0 0:0 0 0 0 7",
            "head\n0: 0100007F:1F41 00000000:0000 01 0:0 0:0 0 0 0 7",
            "head\n0: 0100007F:1F41 00000000:0000 0A",
            "head\n\u{7f}",
        ] {
            assert!(parse(text).is_empty(), "{text:?}");
        }
        assert_eq!(parse("head\n0: 0100007F:1F41 00000000:0000 0A 0:0 0:0 0 0 0 7").len(), 1);
    }
}
