//! Who the client is, when other proxies stand before us.

use std::net::{IpAddr, SocketAddr};

use http::header::{HeaderMap, HeaderValue};

use super::peer::{Peers, Remote};
use crate::rule::{self, Rule};

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Client {
    /// Who connects; `None` where somebody else's word for it is not believed.
    nearest: Option<Remote>,
    address: IpAddr,
    /// `X-Forwarded-For` for the next hop: the client's address, then those of the proxies it came through.
    chain: HeaderValue,
}

impl Client {
    /// The other end of a connection. Written out once for all its requests.
    pub fn of(nearest: Remote) -> Self {
        let address = nearest.ip();
        Client { nearest: Some(nearest), address, chain: written(&address.to_string()) }
    }

    /// Somebody for whom a balancer began a connection without saying who it is. What they say was said by anybody, however
    /// much the balancer itself is trusted.
    pub fn behind_balancer(balancer: Remote) -> Self {
        Client { nearest: None, ..Client::of(balancer) }
    }

    /// The client's address, unless the peer is a trusted proxy. Then `X-Forwarded-For` is walked from the right, past
    /// every trusted proxy, to the first address that is not one; what stands left of it anybody could have written.
    pub fn behind(&self, headers: &HeaderMap, trusted: &Peers) -> Self {
        let is_believed = self.is_one_of(trusted);
        if !is_believed && rule::holds(Rule::StrangersSayNothingOfTheirAddress) {
            return self.clone();
        }
        let mut chain = vec![self.address];
        walk(headers, trusted, |hop| chain.push(hop));
        let address = chain.last().copied().unwrap_or(self.address);
        let text: Vec<String> = chain.iter().rev().map(ToString::to_string).collect();
        Client { nearest: self.nearest, address, chain: written(&text.join(", ")) }
    }

    /// Whether the client reached the proxy in front of us over https, as that says in `X-Forwarded-Proto`. Nobody else is
    /// believed.
    pub fn comes_over_https(&self, headers: &HeaderMap, trusted: &Peers) -> bool {
        if !self.is_one_of(trusted) {
            return false;
        }
        let nearest = headers.get_all("x-forwarded-proto").iter().next_back();
        let scheme = nearest.and_then(|field| field.as_bytes().rsplit(|byte| *byte == b',').next());
        scheme.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
    }

    fn is_one_of(&self, trusted: &Peers) -> bool {
        self.nearest.is_some_and(|nearest| trusted.hold(nearest))
    }

    /// The client's address and those of the proxies between, as `X-Forwarded-For` lists them.
    pub fn chain(&self) -> &HeaderValue {
        &self.chain
    }

    /// The client's address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The client's address, as text.
    pub fn text(&self) -> &str {
        self.chain.to_str().unwrap_or_default().split(',').next().unwrap_or_default()
    }
}

fn written(addresses: &str) -> HeaderValue {
    HeaderValue::from_str(addresses).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Shows every address that trusted proxies name, from the right.
fn walk(headers: &HeaderMap, trusted: &Peers, mut show: impl FnMut(IpAddr)) {
    let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        // An entry nobody can read ends the walk: what is left of it cannot be trusted either.
        let Some(address) = parse_hop(hop) else { return };
        show(address);
        if !trusted.hold_address(address) && rule::holds(Rule::TheWalkEndsAtTheFirstStranger) {
            return;
        }
    }
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
    use crate::http::peer::Listed;

    fn trusted(networks: &[&str]) -> Peers {
        networks.iter().map(|network| Listed::Network(network.parse().unwrap())).collect()
    }

    fn at(peer: &str) -> Client {
        Client::of(Remote::Network(peer.parse().unwrap()))
    }

    fn client(peer: &str, fields: &[&str], networks: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        at(peer).behind(&headers, &trusted(networks)).text().to_owned()
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
        let trusted = trusted(&["10.0.0.0/8"]);
        for (peer, said, chain) in [
            ("203.0.113.9:1", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1:1", "6.6.6.6, 203.0.113.9:4711, 10.0.0.2", "203.0.113.9, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1:1", "203.0.113.9\";proto=https, 10.0.0.2", "10.0.0.2, 10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", said.parse().unwrap());
            let client = at(peer).behind(&headers, &trusted);
            assert_eq!(client.chain(), chain, "{said}");
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
