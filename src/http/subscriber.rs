//! Whom an address stands for, where each is to have a share.

use std::net::IpAddr;

use crate::rule::{self, Rule};

/// Whom an address stands for: one subscriber of IPv6 has a /64 at least, and may take another address for each
/// connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscriber(Network);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6(u64),
}

impl Subscriber {
    /// Whose it is. An address of IPv4 that is written as one of IPv6 is the same.
    pub fn of(address: IpAddr) -> Self {
        Subscriber(match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.to_bits()),
            IpAddr::V6(address) if !rule::holds(Rule::ASubscribersAddressesAreOne) => {
                Network::V6(address.to_bits() as u64)
            }
            IpAddr::V6(address) => Network::V6((address.to_bits() >> 64) as u64),
        })
    }
}
