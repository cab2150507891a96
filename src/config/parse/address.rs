//! Hosts, ports and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::web;
use crate::admin::socket::LONGEST_PATH;
use crate::config::error::Remark;
use crate::config::tree::quoted;
use crate::http::peer::Listed;
use crate::server::ListenAt;
use crate::upstream::{Endpoint, Place, Scheme};

/// An address to listen on.
pub(in crate::config) fn listen(text: &str) -> Result<SocketAddr, Remark> {
    text.parse().map_err(|_| {
        let remark = Remark::expected("an IP address and a port: \"0.0.0.0:8000\" or \"[::]:8000\"")
            .so("who can reach us depends on both, and neither is guessed");
        let bare = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest).trim_end_matches('/');
        let rest = match bare.rsplit_once(':') {
            Some(("" | "*" | "0", port)) => format!("0.0.0.0:{port}"),
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            Some((host, port)) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
            Some(_) => bare.to_owned(),
            None if bare.parse::<u16>().is_ok() => format!("0.0.0.0:{bare}"),
            None => format!("{bare}:8000"),
        };
        match rest.parse::<SocketAddr>() {
            Ok(address) => remark.fix(format!("\"{address}\"")),
            Err(_) if bare.rsplit_once(':').is_some_and(|(host, _)| host.parse::<IpAddr>().is_ok()) => {
                remark.fix("the port is a number up to 65535")
            }
            Err(_) => remark.fix("a name is not enough: one name can have many addresses"),
        }
    })
}

/// Where to listen: an address, a unix socket's file, or what systemd has opened.
pub(in crate::config) fn listen_at(text: &str) -> Result<ListenAt, Remark> {
    if text == "systemd" {
        return Ok(ListenAt::Inherited(None));
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        return is_name.then(|| ListenAt::Inherited(Some(name.to_owned()))).ok_or_else(|| {
            Remark::expected("the name of a socket that systemd has opened: \"systemd:https\"")
                .so("no socket is called so")
                .fix("write what FileDescriptorName= says in the socket unit, or \"systemd\" for all that there are")
        });
    }
    unix_or_address(text)
}

fn unix_or_address(text: &str) -> Result<ListenAt, Remark> {
    let expected = || {
        Remark::expected("a unix socket's whole path: \"unix:/run/menshen/menshen.sock\"")
            .so("whoever connects has to find the file")
    };
    let path = text.strip_prefix("unix:");
    match path.map(|path| path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path)) {
        Some(path) if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') => {
            Err(expected().fix("the path begins in / and ends in the file's name"))
        }
        Some(path) if path.len() > LONGEST_PATH => Err(Remark::new(format!("its path is {} bytes long", path.len()))
            .so(format!("the system allows a path of {LONGEST_PATH} bytes at most for a socket"))
            .fix("\"unix:/run/menshen/menshen.sock\"")),
        Some(path) => Ok(ListenAt::Unix(path.into())),
        None if text.starts_with('/') => Err(expected().fix(quoted(&format!("unix:{text}")))),
        None => listen(text).map(ListenAt::Address),
    }
}

/// Some of those who connect: an address, a network, or `unix`.
pub(in crate::config) fn peer(text: &str) -> Result<Listed, Remark> {
    match text {
        "unix" => Ok(Listed::Unix),
        _ if text.starts_with("unix:") => Err(Remark::expected("\"unix\"")
            .so("whoever may connect to one of our unix sockets is told apart by nothing else")
            .fix("\"unix\" stands for all of them; who may connect is said by server.socket_mode")),
        _ => network(text).map(Listed::Network),
    }
}

/// An address, or a network such as `10.0.0.0/8`.
pub(in crate::config) fn network(text: &str) -> Result<IpNet, Remark> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let remark = Remark::expected("an address or a network: \"127.0.0.1\" or \"10.0.0.0/8\"")
        .so("who connects is known by address alone, and would be believed or not by chance");
    let Ok(network) = text.parse::<IpNet>() else {
        let is_network = text.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok());
        return Err(remark.fix(match is_network {
            true => "behind `/` stands a number up to 32, for IPv6 up to 128",
            false => "names and `*` are not looked up: write the proxy's own address",
        }));
    };
    if network.addr() != network.network() {
        let (all, one) = (network.trunc(), IpNet::from(network.addr()));
        return Err(Remark::new("the address goes on behind the network's length")
            .so("one machine or a whole network would be believed")
            .fix(format!("\"{all}\", or \"{one}\"")));
    }
    Ok(folded(network))
}

/// Whoever connects is known by an IPv4 address also where the socket is IPv6: so is a network of such.
fn folded(network: IpNet) -> IpNet {
    let mapped = network.prefix_len().checked_sub(96).and_then(|prefix| match network.addr() {
        IpAddr::V6(address) => IpNet::new(address.to_ipv4_mapped()?.into(), prefix).ok(),
        IpAddr::V4(_) => None,
    });
    mapped.unwrap_or(network)
}

/// Where an upstream listens, and how it is spoken to.
pub(in crate::config) fn endpoint(text: &str) -> Result<Endpoint, Remark> {
    let expected = || {
        Remark::expected("\"http://host:port\", \"https://…\", \"h2c://…\" or \"unix:/path\"")
            .so("no request could be sent there")
            .fix("write host and port alone: \"http://127.0.0.1:8001\"")
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_socket(path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path), expected);
    }
    if text.starts_with('/') {
        return Err(expected().fix(quoted(&format!("unix:{text}"))));
    }
    if let Some((scheme, _)) = text.split_once("://")
        && !["http", "https", "h2c"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(expected().fix("the scheme is http, https or h2c, which is HTTP/2 in plain text"));
    }
    // To the library that reads addresses it is a scheme without hosts and ports.
    let (scheme, read) = match text.split_at_checked("h2c://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("h2c://") => (Some(Scheme::H2c), format!("http://{rest}")),
        Some(_) | None => (None, text.to_owned()),
    };
    let url = web::address(&read).map_err(|remark| match text.contains("://") {
        true => remark,
        false => expected().fix(quoted(&format!("http://{text}"))),
    })?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let mut bare = url.origin().ascii_serialization();
        if scheme.is_some() {
            bare = bare.replacen("http", "h2c", 1);
        }
        return Err(expected()
            .so("every path is passed on as it comes; a path here would be lost")
            .fix(format!("{bare:?}")));
    }
    let scheme = scheme.unwrap_or(if url.scheme() == "https" { Scheme::Https } else { Scheme::Http });
    let host = match url.host() {
        Some(url::Host::Ipv6(ip)) => ip.to_string(),
        Some(host) => host.to_string(),
        None => return Err(expected()),
    };
    match url.port_or_known_default() {
        Some(port) if port > 0 => Ok(Endpoint { scheme, place: Place::Tcp { host, port } }),
        _ => Err(expected()),
    }
}

/// The longest path of a socket, on every system.
const MAX_SOCKET_PATH: usize = 103;

fn unix_socket(path: &str, expected: impl Fn() -> Remark) -> Result<Endpoint, Remark> {
    if !path.starts_with('/') {
        return Err(expected().fix("write the whole path: \"unix:/run/mall/mall.sock\""));
    }
    if path.len() > MAX_SOCKET_PATH || path.contains('\0') {
        return Err(Remark::new("is longer than the path of a socket can be")
            .so("no connection could be made to it")
            .fix(format!("take one of at most {MAX_SOCKET_PATH} bytes")));
    }
    Ok(Endpoint { scheme: Scheme::Http, place: Place::Unix(path.into()) })
}

/// `host` or `host:port`, as in a `Host` header.
/// A server of names: an address, with a port unless it is DNS's.
pub(in crate::config) fn dns_server(text: &str) -> Result<SocketAddr, Remark> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse().map(|ip| SocketAddr::new(ip, 53));
    text.parse().or_else(|_| bare()).map_err(|_| {
        Remark::expected("the address of a DNS server: \"10.0.0.2\" or \"127.0.0.1:5353\"")
            .so("nobody could be asked where the endpoints' names lead")
            .fix("an address, not a name: that would have to be looked up itself")
    })
}

/// `host` or `host:port`, as in a `Host` header.
pub(in crate::config) fn host(text: &str) -> Result<String, Remark> {
    let expected = || {
        Remark::expected("a host as in `Host`: \"meiduo.site\" or \"meiduo.site:8000\"")
            .so("no request names a host like that, and it would never match")
            .fix("write one host alone, with its port if visitors type one")
    };
    if let Some((_, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or_default();
        return Err(expected().fix(format!("leave out the scheme: {}", quoted(rest))));
    }
    if text.is_empty() || text.contains(['/', '?', '#', '@', '*', ',']) {
        return Err(expected());
    }
    let url = web::address(&format!("http://{text}")).map_err(|_| expected())?;
    if url.port().is_none() && text.ends_with(':') {
        return Err(expected());
    }
    // An `http` address loses `:80`, which an https site may well need.
    let port = text.rsplit_once(':').filter(|(_, port)| *port == "80").map_or(String::new(), |_| ":80".to_owned());
    let host = url.host_str().unwrap_or_default();
    Ok(url.port().map_or(format!("{host}{port}"), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_of_a_listening_address_are_told_the_right_one() {
        let cases = [
            (":8000", "0.0.0.0:8000"),
            ("8000", "0.0.0.0:8000"),
            ("*:8000", "0.0.0.0:8000"),
            ("localhost:8000", "127.0.0.1:8000"),
            ("http://0.0.0.0:8000/", "0.0.0.0:8000"),
            ("0.0.0.0", "0.0.0.0:8000"),
            (":::8000", "[::]:8000"),
        ];
        for (written, meant) in cases {
            let remark = listen(written).unwrap_err();
            assert!(format!("{remark:?}").contains(meant), "{written}: {remark:?}");
        }
        assert!(listen("0.0.0.0:8000").is_ok() && listen("[::]:8000").is_ok());
    }

    /// Regression: it matched nobody.
    #[test]
    fn a_network_of_ipv4_addresses_is_one_however_it_is_written() {
        for (written, meant) in [
            ("::ffff:172.16.0.0/108", "172.16.0.0/12"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("172.16.0.0/12", "172.16.0.0/12"),
            ("2001:db8::/100", "2001:db8::/100"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(written).unwrap().to_string(), meant, "{written}");
        }
        assert!(network("::ffff:172.16.0.1/108").is_err());
    }

    #[test]
    fn hosts_are_lower_case_and_keep_a_port_that_may_matter() {
        for (text, expected) in
            [("Meiduo.Site", "meiduo.site"), ("a:8000", "a:8000"), ("a:80", "a:80"), ("[::1]:80", "[::1]:80")]
        {
            assert_eq!(host(text).unwrap(), expected);
        }
        for bad in ["", "http://a", "a/b", "a b", "a:", "a:x", "*.a", "u@a", "a,b", "8001"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_a_scheme_and_a_place_and_nothing_more() {
        let at = |scheme, host: &str, port| Endpoint { scheme, place: Place::Tcp { host: host.to_owned(), port } };
        for (text, expected) in [
            ("http://[::1]:8001/", at(Scheme::Http, "::1", 8001)),
            ("http://mall", at(Scheme::Http, "mall", 80)),
            ("HTTPS://Mall", at(Scheme::Https, "mall", 443)),
            ("https://10.0.0.1:8443", at(Scheme::Https, "10.0.0.1", 8443)),
            ("h2c://127.0.0.1:50051", at(Scheme::H2c, "127.0.0.1", 50051)),
            ("H2C://mall/", at(Scheme::H2c, "mall", 80)),
        ] {
            assert_eq!(endpoint(text).unwrap(), expected, "{text}");
        }
        for text in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            let socket = Endpoint { scheme: Scheme::Http, place: Place::Unix("/run/a.sock".into()) };
            assert_eq!(endpoint(text).unwrap(), socket);
        }
        for bad in ["127.0.0.1:8001", "http://a/b", "unix:run/a", "unix:", "/run/a", "http://a:0", "http://a?x", ""] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        for bad in ["8001", "h2c://", "h2c://a/b", "ftp://a", "h2c:/a", "门h2c://a"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        assert!(endpoint(&format!("unix:/{}", "a".repeat(MAX_SOCKET_PATH))).is_err());
    }
}
