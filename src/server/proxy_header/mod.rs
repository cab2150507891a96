//! What a balancer says of a connection before the connection's own first byte: the PROXY protocol, versions 1 and 2
//! (haproxy.org, `proxy-protocol.txt`).
//!
//! Not a byte behind the header is read: what follows is the client's, TLS or a request. Nothing of a header is kept but
//! the line or the addresses; how long it may take is the caller's to say.

#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::io;
use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncReadExt;

use super::transport::Transport;

/// As many bytes tell both versions apart, and no header is shorter.
const START: usize = v2::SIGNATURE.len();

/// Whom a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Introduced {
    /// A client at this address.
    Client(SocketAddr),
    /// The balancer itself, such as when it looks whether we are well, or somebody who has no address.
    Nobody,
}

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nothing was said at all, as by whoever only looks whether somebody listens.
    #[error("it was closed before anything came")]
    Silent,
    /// There is no header.
    #[error(
        "it does not begin with a PROXY header: have the balancer send one, or take it out of server.proxy_protocol"
    )]
    Missing,
    /// There is one that cannot be read.
    #[error("its PROXY header is wrong: {0}")]
    Wrong(&'static str),
    /// It broke off.
    #[error("its PROXY header broke off")]
    BrokenOff(#[from] io::Error),
}

/// Reads the header with which a connection has to begin.
pub(super) async fn read(stream: &mut Transport) -> Result<Introduced, Fault> {
    let mut start = BytesMut::with_capacity(START);
    while start.len() < START {
        let missing = START - start.len();
        match stream.read_buf(&mut (&mut start).limit(missing)).await? {
            0 if start.is_empty() => return Err(Fault::Silent),
            0 => return Err(cut_off()),
            _ => {}
        }
        let agrees = |with: &[u8]| start.iter().zip(with).all(|(byte, expected)| byte == expected);
        if !agrees(v1::BEGINNING) && !agrees(v2::SIGNATURE) {
            return Err(Fault::Missing);
        }
    }
    match start.starts_with(v2::SIGNATURE) {
        true => v2::read(stream).await,
        false => v1::read(stream, start).await,
    }
}

fn cut_off() -> Fault {
    Fault::BrokenOff(io::ErrorKind::UnexpectedEof.into())
}
