//! Ports for programs that cannot be asked for any free one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that systems hand out by themselves (Linux: from 32768), so that no client of another test's gets
/// one between its being chosen and its being listened on.
const FIRST: u16 = 20_000;
const PORTS: u16 = 12_000;

/// How far the tests have come, counted from `FIRST`.
static TAKEN: AtomicU16 = AtomicU16::new(0);

/// An address on which nobody listens; no two calls give the same.
pub(crate) fn free_address() -> SocketAddr {
    // Where the ports begin differs from one run of the tests to the next, which may still hold some of its own.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS / 100)).unwrap() * 100;
    (0..PORTS)
        .map(|_| FIRST + (begin + TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("no port is free")
}

#[test]
fn no_two_programs_are_given_the_same_address() {
    let given: std::collections::HashSet<_> = (0..100).map(|_| free_address()).collect();
    assert_eq!(given.len(), 100);
}
