//! Version 2: binary.

use std::net::{Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, copy, sink};

use super::{Fault, Introduced, cut_off};
use crate::server::transport::Transport;

/// How it begins.
pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the addresses of each family take.
const IPV4: u16 = 12;
const IPV6: u16 = 36;
const UNIX: u16 = 216;

/// Reads what follows the signature. Behind the addresses stands what a balancer says beside them, which is skipped.
pub(super) async fn read(stream: &mut Transport) -> Result<Introduced, Fault> {
    let [version_and_command, family, length @ ..] = exactly::<4>(stream).await?;
    if version_and_command >> 4 != 2 {
        return Err(Fault::Wrong("its version is not 2"));
    }
    let is_for_another = match version_and_command & 0xf {
        0 => false,
        1 => true,
        _ => return Err(Fault::Wrong("its command is neither LOCAL nor PROXY")),
    };
    let addresses = match family {
        // Where nobody is spoken for, the family counts for nothing.
        _ if !is_for_another => 0,
        0x00 => 0,
        0x11 => IPV4,
        0x21 => IPV6,
        // Who came to the balancer by a file has no address.
        0x31 => UNIX,
        0x12 | 0x22 | 0x32 => return Err(Fault::Wrong("it speaks of datagrams")),
        _ => return Err(Fault::Wrong("its family is none that there is")),
    };
    let length = u16::from_be_bytes(length);
    let rest = length.checked_sub(addresses).ok_or(Fault::Wrong("its addresses are longer than it is"))?;
    let introduced = match addresses {
        IPV4 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = exactly::<{ IPV4 as usize }>(stream).await?;
            let client = SocketAddr::new([a, b, c, d].into(), u16::from_be_bytes([high, low]));
            Introduced::Client(client)
        }
        IPV6 => {
            let addresses: [[u8; 16]; 2] = [exactly(stream).await?, exactly(stream).await?];
            let [high, low, _, _] = exactly::<4>(stream).await?;
            let [from, _to] = addresses.map(Ipv6Addr::from);
            Introduced::Client(SocketAddr::new(from.into(), u16::from_be_bytes([high, low])))
        }
        unread => {
            skip(stream, unread).await?;
            Introduced::Nobody
        }
    };
    skip(stream, rest).await?;
    Ok(introduced)
}

async fn exactly<const LENGTH: usize>(stream: &mut Transport) -> Result<[u8; LENGTH], Fault> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn skip(stream: &mut Transport, length: u16) -> Result<(), Fault> {
    let skipped = copy(&mut stream.take(u64::from(length)), &mut sink()).await?;
    if skipped < u64::from(length) { Err(cut_off()) } else { Ok(()) }
}
