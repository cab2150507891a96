//! What must hold between sections, and what is odd enough to be asked about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use url::Url;

use super::{
    aliased, cookie_reach, identities, login, misled, not_logged_in, outranked, redirects, routes, server, sessions,
    sites, tls, unrouted, upstreams,
};
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse;
use crate::config::section::Many;
use crate::gateway::Access;
use crate::http::path_pattern::PathPattern;
use crate::server::ListenAt;
use crate::upstream::{Endpoint, Place, Policy, Settings};

/// How long QQ's authorization codes live.
const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What is known of every part. A value that is wrong is missing here, so that nothing is said of it twice.
pub(super) struct Parts<'p> {
    pub(super) listening: &'p server::Listening,
    pub(super) admin_listen: &'p Many<SocketAddr>,
    pub(super) login: &'p login::Login,
    pub(super) tls: &'p tls::Known,
    pub(super) sites: Option<&'p [sites::Known]>,
    pub(super) upstreams: Option<&'p [upstreams::Known]>,
    pub(super) identities: &'p [identities::Known],
    pub(super) routes: Option<&'p [routes::Known]>,
    pub(super) session: &'p sessions::Sessions,
}

impl Parts<'_> {
    /// Notes down whatever does not go together.
    pub(super) fn check(&self, log: &mut Findings) {
        self.own_paths(log);
        self.attempt_lifetime(log);
        if let (Some(sites), Some(callback)) = (self.sites, &self.login.callback) {
            let prefix = self.listening.prefix.as_ref().map(|prefix| prefix.value.as_str());
            redirects::check(sites, &callback.value, prefix, log);
        }
        self.transport(log);
        self.sockets(log);
        self.loops(log);
        self.cookies(log);
        self.unused(log);
        if let Some(sites) = self.sites {
            self.tls.names(sites.iter().filter_map(|known| Some(&known.site.as_ref()?.origin)), log);
            cookie_reach::check(sites, log);
        }
        if let (Some(routes), Some(sites)) = (self.routes, self.sites) {
            aliased::check(routes, sites, log);
            outranked::check(routes, log);
            misled::check(routes, sites, log);
            not_logged_in::unheard(routes, log);
        }
        if let (Some(routes), Some(sites), Some(upstreams)) = (self.routes, self.sites, self.upstreams) {
            unrouted::check(routes, sites, upstreams, log);
        }
    }

    fn own_paths(&self, log: &mut Findings) {
        let contract = [&self.login.start, &self.login.callback].into_iter().flatten();
        let of_front_ends = self.sites.into_iter().flatten().flat_map(|site| &site.front_end.paths);
        let own: Vec<_> = contract.clone().chain(of_front_ends.clone()).collect();
        for path in of_front_ends.filter(|path| contract.clone().any(|contract| contract.value == path.value)) {
            let remark =
                Remark::new("is login.start or login.callback").so("only one of the two could be answered there");
            log.error(&path.spot, remark.fix("give the front end's calls paths of their own"));
        }
        let prefix = self.listening.prefix.as_ref();
        for path in &own {
            let Some(prefix) = prefix.filter(|prefix| path.value.starts_with(&prefix.value)) else { continue };
            let (written, says) = match prefix.is_default() {
                true => (&path.spot, format!("lies below {}", prefix.spot.quoted())),
                false => (&prefix.spot, format!("swallows {}", path.spot.quoted())),
            };
            let remark = Remark::new(says).so("our own pages live there, and the login would never be reached");
            log.error(written, remark.fix("take a path outside of server.prefix"));
        }
        let ours = |pattern: &PathPattern| {
            own.iter().any(|path| {
                let bare = path.value.trim_end_matches('/');
                !pattern.is_prefix() && (pattern.literal() == path.value || pattern.literal() == bare)
            }) || prefix.is_some_and(|prefix| pattern.literal().starts_with(&prefix.value))
        };
        for path in self.sites.into_iter().flatten().flat_map(|site| &site.logout_paths) {
            if ours(&path.value) {
                let remark = Remark::new("is a path that we answer ourselves");
                let remark = remark.so("the application never answers there, and the link would end no session");
                log.error(&path.spot, remark.fix("name a logout link of the application, or leave it out"));
            }
        }
        let paths = self.routes.into_iter().flatten().filter_map(|route| route.path.as_ref());
        for path in paths.filter(|path| ours(&path.value)) {
            let remark = Remark::new("is a path that we answer ourselves").so("the route never matches");
            log.warn(&path.spot, remark.fix("remove the route"));
        }
    }

    fn attempt_lifetime(&self, log: &mut Findings) {
        if let Some(lifetime) = self.login.attempt_lifetime.as_ref().filter(|lifetime| lifetime.value > CODE_LIFETIME) {
            let remark = Remark::new("is longer than QQ's code lives, 10 minutes");
            let remark = remark.so(
                "a return that was left lying for so long is refused by QQ anyway; only a thief of an old attempt gains",
            );
            log.warn(&lifetime.spot, remark.fix("\"10m\""));
        }
    }

    fn transport(&self, log: &mut Findings) {
        let no_proxy = self.listening.is_first();
        let sites = || self.sites.into_iter().flatten();
        let no_tls = self.listening.listen_tls.whole && self.listening.listen_tls.items.is_empty();
        if let Some(site) = sites().filter_map(|known| known.site.as_ref()).find(|site| site.origin.is_https())
            && no_proxy
            && no_tls
        {
            let remark = Remark::new(format!("is empty, while {} is https and we listen without TLS", site.origin));
            let remark = remark.so(
                "whoever ends TLS in front of us is taken for the only client there is: logs and the application see its \
                 address in place of the visitors'",
            );
            log.warn(&self.listening.trusted_proxies_spot, remark.fix("name that proxy's address: [\"127.0.0.1\"]"));
        }
        if let Some(hsts) = self.tls.hsts.as_ref().filter(|hsts| hsts.value > Duration::ZERO)
            && let Some(sites) = self.sites
            && sites.iter().all(|known| known.site.as_ref().is_some_and(|site| !site.origin.is_https()))
        {
            let remark = Remark::new("no site is https").so("no browser would ever hear of it");
            log.warn(&hsts.spot, remark.fix("an origin that begins with https://, or leave it out"));
        }
        for known in sites() {
            let Some(url) = known.site.as_ref().and_then(|site| Url::parse(site.origin.as_str()).ok()) else {
                continue;
            };
            if url.scheme() != "http" {
                continue;
            }
            if parse::web::is_public(&url) {
                let remark = Remark::new("is http on a public name");
                let remark = remark.so("whoever sits on the way can read and take over every session");
                log.warn(&known.origin, remark.fix("fine for trying things out; for visitors, use https"));
            }
            if no_proxy {
                self.port(&url, &known.origin, log);
            }
        }
    }

    /// Where nobody stands in front of us, the port that visitors type has to be one of ours.
    fn port(&self, origin: &Url, spot: &Spot, log: &mut Findings) {
        let listen = self.listening.listen.filter_map(|at| at.address());
        let (Some(port), Some(first)) = (origin.port_or_known_default(), listen.items.first()) else { return };
        // Whoever leads to a socket without a port may do so from any. Port 0 is whichever is free.
        if !listen.whole
            || listen.items.len() < self.listening.listen.items.len()
            || listen.items.iter().any(|address| [port, 0].contains(&address.value.port()))
        {
            return;
        }
        let remark = Remark::new(format!("is on port {port}, while {} is not", first.spot.quoted()));
        let remark = remark.so("visitors who type it reach nothing here, unless something maps the port");
        let beside = SocketAddr::new(first.value.ip(), port);
        let mut origin = origin.clone();
        let typed = match origin.set_port(Some(first.value.port())) {
            Ok(()) => format!("origin = {:?}", origin.origin().ascii_serialization()),
            Err(()) => "that port in the origin".to_owned(),
        };
        log.warn(
            spot,
            remark.fix(format!(
                "listen = [\"{beside}\"], or {typed}; if a proxy stands in front, name it in trusted_proxies"
            )),
        );
    }

    /// An application that is not there yet will make its socket; where something else lies it cannot.
    fn sockets(&self, log: &mut Findings) {
        for endpoint in self.upstreams.into_iter().flatten().flat_map(|upstream| &upstream.endpoints) {
            let Place::Unix(path) = &endpoint.value.place else { continue };
            if server::is_no_socket(path) {
                let remark = Remark::new("is there, and is no socket").so("no request could be sent there");
                log.warn(&endpoint.spot, remark.fix("name the file that the application listens on"));
            }
        }
    }

    fn loops(&self, log: &mut Findings) {
        let sites = self.sites.unwrap_or_default();
        for endpoint in self.upstreams.into_iter().flatten().flat_map(|upstream| &upstream.endpoints) {
            let mut places = self.listening.listen.items.iter().chain(&self.listening.listen_tls.items);
            let ours = places.find(|at| leads_to(&endpoint.value, &at.value, sites));
            let ours = ours.map(|at| (&at.spot, "every request would come back to us until no connection is left"));
            let found = ours.or_else(|| {
                let at = self.admin_listen.items.iter().find(|at| is_ourselves(&endpoint.value, &at.value, &[]))?;
                Some((
                    &at.spot,
                    "visitors would ask our own administration, and no request would reach the application",
                ))
            });
            if let Some((listener, so)) = found {
                let remark = Remark::new(format!("is where we listen ourselves: {}", listener.quoted())).so(so);
                log.error(&endpoint.spot, remark.fix("name the application's own port"));
            }
        }
    }

    fn cookies(&self, log: &mut Findings) {
        let Some(session) = &self.session.cookie else { return };
        for cookie in self.identities.iter().flat_map(|identity| &identity.cookies) {
            if cookie.value == session.value {
                let written = if cookie.is_default() { &session.spot } else { &cookie.spot };
                let remark =
                    Remark::new(format!("the cookie {:?} is both the session's and one for scripts", cookie.value));
                let remark = remark.so("one would overwrite the other, and nobody would stay logged in");
                log.error(written, remark.fix("give one of them another name"));
            }
        }
        self.sticky_cookies(log);
    }

    fn sticky_cookies(&self, log: &mut Findings) {
        let upstreams = || self.upstreams.into_iter().flatten();
        let named = |known: &'_ upstreams::Known| match &known.settings {
            Some(Settings { balance: Policy::Sticky(name), .. }) => Some(name.clone()),
            Some(_) | None => None,
        };
        let sessions = self.session.cookie.iter();
        let sessions: Vec<_> = sessions.chain(self.identities.iter().flat_map(|identity| &identity.cookies)).collect();
        for (at, upstream) in upstreams().enumerate() {
            let Some(name) = named(upstream) else { continue };
            let before = upstreams().take(at).find(|other| named(other).as_ref() == Some(&name));
            let (written, says, so) = if let Some(other) = before {
                let written = upstream.cookie.as_ref().or(other.cookie.as_ref());
                let says =
                    format!("leads to endpoints of both upstreams.{} and upstreams.{}", other.name, upstream.name);
                (written, says, "each would lead browsers away from the other's endpoint")
            } else if let Some(session) = sessions.iter().find(|session| session.value == name) {
                let says =
                    format!("is a cookie of the session's, and leads to an endpoint of upstreams.{}", upstream.name);
                (
                    upstream.cookie.as_ref().or(Some(session)),
                    says,
                    "one would overwrite the other, and nobody would stay logged in",
                )
            } else {
                continue;
            };
            let spot = written.map_or(&upstream.spot, |written| &written.spot);
            log.error(
                spot,
                Remark::new(says)
                    .so(so)
                    .fix("give one of them another name: each upstream has its own if none is given"),
            );
        }
    }

    fn unused(&self, log: &mut Findings) {
        let (Some(routes), Some(upstreams)) = (self.routes, self.upstreams) else { return };
        // A route whose own upstream is not known may be meant for any of them.
        let unused_upstream =
            |at: usize| routes.iter().all(|route| route.upstream.is_some_and(|upstream| upstream != at));
        for (_, upstream) in upstreams.iter().enumerate().filter(|(at, _)| unused_upstream(*at)) {
            let remark = Remark::new("no route leads to this upstream").so("it never gets a request");
            log.warn(&upstream.spot, remark.fix("add a route, or remove it"));
        }
        let unused_identity =
            |at: usize| routes.iter().all(|route| route.identity.as_ref().is_some_and(|identity| identity.at != at));
        for (at, identity) in self.identities.iter().enumerate() {
            if identity.is_written && unused_identity(at) {
                let remark = Remark::new("no route uses this identity").so("no request ever carries it");
                log.warn(&identity.spot, remark.fix("name it in a route, or remove it"));
            }
        }
        for route in routes.iter().filter(|route| route.access == Some(Access::Public)) {
            if let Some(identity) = route.identity.as_ref().filter(|identity| !identity.name.is_default()) {
                let remark = Remark::new("the route's access is \"public\"");
                let remark = remark.so("such requests never carry identity, and this one is never used");
                log.warn(
                    &identity.name.spot,
                    remark.fix("access = \"optional\" sends identity where there is a session"),
                );
            }
        }
    }
}

/// Whether this machine has the address: only then can a socket be bound to it, unless the system lets sockets be bound to
/// any; and only then would it talk to it from the same one. Nothing is sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    let version = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    let setting = std::fs::read_to_string(format!("/proc/sys/net/{version}/ip_nonlocal_bind"));
    if setting.is_ok_and(|setting| setting.trim() == "0") {
        return UdpSocket::bind((address, 0)).is_ok();
    }
    let anywhere =
        if address.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let talking = UdpSocket::bind((anywhere, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    talking.is_ok_and(|from| from.ip() == address)
}

/// Whether a connection to the endpoint would arrive at us.
fn leads_to(endpoint: &Endpoint, at: &ListenAt, sites: &[sites::Known]) -> bool {
    match (at, &endpoint.place) {
        (ListenAt::Address(address), _) => is_ourselves(endpoint, address, sites),
        (ListenAt::Unix(ours), Place::Unix(path)) => ours == path,
        _ => false,
    }
}

/// Whether a connection to the endpoint would arrive at the listener, as far as can be told without asking the network.
fn is_ourselves(endpoint: &Endpoint, listener: &SocketAddr, sites: &[sites::Known]) -> bool {
    let Place::Tcp { host, port } = &endpoint.place else { return false };
    if *port != listener.port() {
        return false;
    }
    let authority = format!("{host}:{port}");
    if sites.iter().any(|known| known.answers_to(&authority)) {
        return true;
    }
    let name = host.trim_end_matches('.');
    let name_is_here = name == "localhost" || name.ends_with(".localhost");
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical(),
        Err(_) if name_is_here => return listener.ip().is_loopback() || listener.ip().is_unspecified(),
        Err(_) => return false,
    };
    let here = address.is_loopback()
        || address.is_unspecified()
        || (listener.ip().is_unspecified() && is_of_this_machine(address));
    address == listener.ip()
        || (here && listener.ip().is_unspecified())
        || (address.is_unspecified() && listener.ip().is_loopback())
}
