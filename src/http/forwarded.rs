//! Who the client is, when other proxies stand before us.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderMap;
use ipnet::IpNet;

/// The client's address: the peer's, unless the peer is a trusted proxy. Then `X-Forwarded-For` is walked from the
/// right, past every trusted proxy, to the first address that is not one; what stands left of it anybody could have
/// written.
pub fn client_addr(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer.ip().to_canonical();
    walk(peer, headers, trusted, |address| nearest = address);
    nearest
}

/// The client's address and those of the proxies it came through, as `X-Forwarded-For` for the next hop: as far to the
/// left as [`client_addr`] believes, and no further.
pub fn client_chain(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> String {
    let mut chain = String::new();
    walk(peer, headers, trusted, |address| {
        let address = address.to_string();
        chain = if chain.is_empty() { address } else { format!("{address}, {chain}") };
    });
    chain
}

/// Shows every address from the peer's to the client's.
fn walk(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet], mut show: impl FnMut(IpAddr)) {
    let peer = peer.ip().to_canonical();
    show(peer);
    if trusted.is_empty() || !is_trusted(peer, trusted) {
        return;
    }
    let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        // An entry nobody can read ends the walk: what is left of it cannot be trusted either.
        let Some(address) = parse_hop(hop) else { return };
        show(address);
        if !is_trusted(address, trusted) {
            return;
        }
    }
}

/// Whether an address belongs to a trusted proxy.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, fields: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_addr(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_never_believed() {
        assert_eq!(client("203.0.113.9:1", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9:1", &["1.2.3.4"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn trusted_proxies_are_walked_from_the_right() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"];
        assert_eq!(client("10.0.0.1:1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], &trusted), "203.0.113.9");
        assert_eq!(client("10.0.0.1:1", &["6.6.6.6", "203.0.113.9", "10.0.0.2"], &trusted), "203.0.113.9");
        assert_eq!(client("[2001:db8::1]:1", &["[2001:db9::7]:443"], &trusted), "2001:db9::7");
        assert_eq!(client("[::ffff:10.0.0.1]:1", &["::ffff:203.0.113.9"], &trusted), "203.0.113.9");
        assert_eq!(client("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], &trusted), "10.0.0.3");
    }

    #[test]
    fn the_chain_reaches_no_further_than_the_client() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, said, chain) in [
            ("203.0.113.9:1", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1:1", "6.6.6.6, 203.0.113.9:4711, 10.0.0.2", "203.0.113.9, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1:1", "203.0.113.9\";proto=https, 10.0.0.2", "10.0.0.2, 10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", said.parse().unwrap());
            assert_eq!(client_chain(peer.parse().unwrap(), &headers, &trusted), chain, "{said}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.1:1", &["203.0.113.9, unknown"], &trusted), "10.0.0.1");
        assert_eq!(client("10.0.0.1:1", &["203.0.113.9, , 10.0.0.2"], &trusted), "10.0.0.2");
        assert_eq!(client("10.0.0.1:1", &[], &trusted), "10.0.0.1");
    }
}
