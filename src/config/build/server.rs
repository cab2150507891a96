//! `[server]` and `[limits]`: listening, and what one client may cost.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::{address, mode, path};
use crate::config::read;
use crate::config::section::{Given, Many, Section};
use crate::http::peer::{Listed, Peers};
use crate::server::{Limits, ListenAt, Settings};
use crate::upstream::Forwarding;

/// Write permission for everybody: to connect is to write.
const EVERYBODY_CONNECTS: u32 = 0o002;

/// What is known of listening.
pub(super) struct Listening {
    pub(super) settings: Option<Settings>,
    pub(super) listen: Many<ListenAt>,
    pub(super) listen_tls: Many<ListenAt>,
    pub(super) trusted_proxies: Many<Listed>,
    pub(super) trusted_proxies_spot: Spot,
    pub(super) balancers: Many<Listed>,
    pub(super) prefix: Option<Given<String>>,
    pub(super) forwarding: Option<Forwarding>,
}

/// Reads both sections.
pub(super) fn listening(server: &Section<'_>, limits: &Section<'_>, log: &mut Findings) -> Listening {
    let (listen, listen_tls) = listen(server, log);
    let socket_mode = server.value("socket_mode", log, read::text(mode::parse));
    let cores = server.optional("cores", log, read::count);
    let drain = server.value("drain", log, read::duration);
    let trusted_proxies = server.each("trusted_proxies", log, address::peer);
    let forwardings = [Forwarding::XForwarded, Forwarding::Forwarded];
    let forwarding = server.value("forwarded", log, read::choice(&forwardings));
    let prefix = server.value("prefix", log, read::text(path::folder));
    let proxies = trusted_proxies.clone().values().collect();
    let limits = self::limits(limits, server, proxies, log);
    let balancers = server.each("proxy_protocol", log, address::peer);
    for everybody in balancers.items.iter().filter(|listed| is_everybody(listed.value)) {
        let remark = Remark::new("takes everybody for a balancer");
        let remark = remark.so("whoever connects can say that it is somebody else, and browsers are not served at all");
        log.warn(&everybody.spot, remark.fix("name the addresses of your balancers alone"));
    }
    for everybody in trusted_proxies.items.iter().filter(|listed| is_everybody(listed.value)) {
        let remark = Remark::new("trusts every client").so("whoever connects can lie about its own address and scheme");
        log.warn(&everybody.spot, remark.fix("name the addresses of your proxies alone"));
    }
    if let Some(prefix) = prefix.as_ref().filter(|prefix| prefix.value.starts_with("/.well-known/")) {
        let remark = Remark::new("/.well-known/ is shared with others, and holds our keys")
            .so("what others look up there would not be found");
        log.error(&prefix.spot, remark.fix("\"/.menshen/\""));
    }
    let settings = || {
        Some(Settings {
            listen: listen.clone().values().collect(),
            listen_tls: listen_tls.clone().values().collect(),
            socket_mode: socket_mode.as_ref()?.value,
            cores: cores?.and_then(|cores| NonZeroUsize::new(cores.value)),
            drain: drain?.value,
            balancers: balancers.clone().values().collect(),
            limits: limits?,
        })
    };
    let listening = Listening {
        settings: settings(),
        listen,
        listen_tls,
        trusted_proxies,
        trusted_proxies_spot: server.spot("trusted_proxies"),
        balancers,
        prefix,
        forwarding: forwarding.map(|forwarding| forwarding.value),
    };
    listening.unix(socket_mode.as_ref(), log);
    listening
}

fn is_everybody(listed: Listed) -> bool {
    matches!(listed, Listed::Network(network) if network.prefix_len() == 0)
}

impl Listening {
    /// Whether nobody stands between visitors and us, as far as is known.
    pub(super) fn is_first(&self) -> bool {
        let known = [&self.trusted_proxies, &self.balancers];
        known.iter().all(|known| known.whole && known.items.is_empty())
    }

    /// Every address that visitors are served at.
    pub(super) fn addresses(&self) -> Many<SocketAddr> {
        self.listen.with(&self.listen_tls).filter_map(|at| at.address())
    }

    /// Whoever comes by a unix socket is a proxy, and is known to be one or taken for the only client there is.
    fn unix(&self, socket_mode: Option<&Given<u32>>, log: &mut Findings) {
        let mut listed = self.trusted_proxies.items.iter().chain(&self.balancers.items);
        let listed = listed.find(|listed| listed.value == Listed::Unix);
        let both = self.listen.with(&self.listen_tls);
        let at = both.items.iter().find(|at| matches!(at.value, ListenAt::Unix(_)));
        for given in &both.items {
            let ListenAt::Unix(path) = &given.value else { continue };
            if is_no_socket(path) {
                let remark = Remark::new("is there already, and is no socket");
                let remark = remark.so("it would be left as it is, and nobody could connect here");
                log.error(&given.spot, remark.fix("name another path, or move away what lies there"));
            }
        }
        let is_whole = self.trusted_proxies.whole && self.balancers.whole;
        match (at, listed) {
            (Some(at), None) if is_whole => {
                let remark = Remark::new("is for a proxy on this machine, and \"unix\" is no trusted proxy");
                let remark = remark.so(
                    "all visitors are taken for one: logs and the application see 127.0.0.1, and limits for one address \
                     are for all together",
                );
                log.warn(&at.spot, remark.fix("trusted_proxies = [\"unix\"], or proxy_protocol = [\"unix\"]"));
            }
            (Some(_), Some(listed)) => {
                let open = socket_mode.filter(|mode| mode.value & EVERYBODY_CONNECTS != 0);
                if let Some(mode) = open {
                    let remark = Remark::new(format!(
                        "lets every user of this machine connect, and {} believes them",
                        listed.spot.key
                    ));
                    let remark = remark.so("any program here can lie about its own address and scheme");
                    log.warn(&mode.spot, remark.fix("\"0660\", with the proxy in front in Menshen's group"));
                }
            }
            (Some(_) | None, _) => {}
        }
    }
}

/// Whether something lies there that nobody can listen on.
pub(super) fn is_no_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

/// Where clients speak in plain text, and where TLS.
fn listen(server: &Section<'_>, log: &mut Findings) -> (Many<ListenAt>, Many<ListenAt>) {
    let listen = server.each("listen", log, address::listen_at);
    let listen_tls = server.each("listen_tls", log, address::listen_at);
    let both = listen.with(&listen_tls);
    if both.items.is_empty() && both.whole {
        let remark = Remark::new("nothing to listen on").so("no visitor could reach us");
        log.error(&server.spot("listen"), remark.fix("listen = [\"0.0.0.0:8000\"]"));
    }
    once(&both, clash, log);
    (listen, listen_tls)
}

/// Of places to listen at none may hold another.
pub(super) fn once<T: Display + PartialEq>(listen: &Many<T>, clash: fn(&T, &T) -> bool, log: &mut Findings) {
    for (at, place) in listen.items.iter().enumerate() {
        let mut earlier = listen.items.iter().take(at).map(|earlier| &earlier.value);
        let Some(earlier) = earlier.find(|earlier| clash(earlier, &place.value)) else { continue };
        let remark = match *earlier == place.value {
            true => Remark::new("stands in the list twice"),
            false => Remark::new(format!("is in {earlier} already, or the other way round")),
        };
        log.error(&place.spot, remark.so("the second one could not be bound").fix("remove one of the two"));
    }
}

fn clash(one: &ListenAt, other: &ListenAt) -> bool {
    match (one.address(), other.address()) {
        (Some(one), Some(other)) => overlap(&one, &other),
        _ => one == other,
    }
}

/// Whether one address holds the other: on one port, `0.0.0.0` every address of IPv4, `[::]` every address there is.
pub(super) fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let holds =
        |every: &SocketAddr, other: &SocketAddr| every.ip().is_unspecified() && (every.is_ipv6() || other.is_ipv4());
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || holds(one, other) || holds(other, one))
}

fn limits(limits: &Section<'_>, server: &Section<'_>, proxies: Peers, log: &mut Findings) -> Option<Limits> {
    let head_timeout = limits.value("head_timeout", log, read::duration);
    let keep_alive = limits.value("keep_alive", log, read::duration);
    let header_bytes = limits.value("header_bytes", log, read::size);
    let headers = limits.value("headers", log, read::count);
    let target_bytes = limits.value("target_bytes", log, read::size);
    let streams = limits.value("streams", log, read::count);
    let h2c = server.value("h2c", log, read::flag);
    let requests = limits.optional("requests", log, read::count);
    let connections = limits.value("connections", log, read::count);
    let per_address = limits.optional("connections_per_address", log, read::count);
    let (header_bytes, target_bytes) = (header_bytes?, target_bytes?);
    if target_bytes.value > header_bytes.value {
        let (spot, other) = match target_bytes.is_default() {
            true => (&header_bytes.spot, &target_bytes.spot),
            false => (&target_bytes.spot, &header_bytes.spot),
        };
        let remark = Remark::new(format!("does not go with {}", other.quoted()));
        let remark = remark.so("the target is a part of the head: target_bytes could never be reached");
        log.error(spot, remark.fix("keep target_bytes at or below header_bytes"));
        return None;
    }
    let (connections, per_address) = (connections?.value, per_address?);
    if let Some(per_address) = per_address.as_ref().filter(|per_address| per_address.value >= connections) {
        let remark = Remark::new(format!("is no less than limits.connections, {connections}"));
        let remark = remark.so("one address can take every place, and keep everybody else out");
        log.warn(&per_address.spot, remark.fix("leave it out to have a quarter"));
    }
    Some(Limits {
        head_timeout: head_timeout?.value,
        keep_alive: keep_alive?.value,
        header_bytes: header_bytes.value,
        headers: headers?.value,
        target_bytes: target_bytes.value,
        streams: u32::try_from(streams?.value).unwrap_or(u32::MAX),
        speaks_h2c: h2c?.value,
        requests: requests?.map(|requests| requests.value),
        connections,
        connections_per_address: per_address.map_or(connections.div_ceil(4), |per_address| per_address.value),
        proxies,
    })
}
