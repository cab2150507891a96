//! What must hold between sections, and what is odd enough to be asked about.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::Url;

use super::{identities, login, qq, redirects, routes, server, sessions, sites, upstreams};
use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::parse;
use crate::gateway::Access;
use crate::http::path_pattern::PathPattern;
use crate::upstream::Endpoint;

/// How long QQ's authorization codes live.
const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Every part that could be made.
pub(super) struct Parts<'p> {
    pub(super) listening: Option<&'p server::Listening>,
    pub(super) login: Option<&'p login::Login>,
    pub(super) sites: Option<&'p [sites::Known]>,
    pub(super) qq: Option<&'p qq::Qq>,
    pub(super) upstreams: Option<&'p [upstreams::Known]>,
    pub(super) identities: Option<&'p [identities::Known]>,
    pub(super) routes: Option<&'p [routes::Known]>,
    pub(super) session: Option<&'p sessions::Sessions>,
}

impl Parts<'_> {
    /// Notes down whatever does not go together.
    pub(super) fn check(&self, log: &mut Findings) {
        self.own_paths(log);
        self.attempt_lifetime(log);
        if let (Some(sites), Some(login), Some(_)) = (self.sites, self.login, self.qq) {
            redirects::check(sites, &login.settings, log);
        }
        self.transport(log);
        self.loops(log);
        self.cookies(log);
        self.unused(log);
        self.unrouted(log);
    }

    fn own_paths(&self, log: &mut Findings) {
        let (Some(listening), Some(login)) = (self.listening, self.login) else { return };
        let prefix = &listening.prefix;
        for (path, spot) in [(&login.settings.start, &login.start), (&login.settings.callback, &login.callback)] {
            if path.starts_with(&prefix.value) {
                let written = if prefix.is_default() { spot } else { &prefix.spot };
                let remark = match prefix.is_default() {
                    true => Remark::new(format!("lies below {}", prefix.spot.quoted())),
                    false => Remark::new(format!("swallows {}", spot.quoted())),
                };
                let remark = remark.so("our own pages live there, and the login would never be reached");
                log.error(written, remark.fix("take a path outside of server.prefix"));
            }
        }
        let ours = |pattern: &PathPattern| {
            [&login.settings.start, &login.settings.callback].iter().any(|path| {
                !pattern.is_prefix() && (pattern.literal() == *path || pattern.literal() == path.trim_end_matches('/'))
            }) || pattern.literal().starts_with(&prefix.value)
        };
        for path in self.sites.into_iter().flatten().flat_map(|site| &site.logout_paths) {
            if ours(&path.value) {
                let remark = Remark::new("is a path that we answer ourselves, and never reaches the application");
                log.error(&path.spot, remark.fix("name a logout link of the application, or leave it out"));
            }
        }
        for route in self.routes.into_iter().flatten().filter(|route| ours(&route.settings.path)) {
            let remark = Remark::new("is a path that we answer ourselves: the route never matches");
            log.warn(&route.path, remark.fix("remove the route"));
        }
    }

    fn attempt_lifetime(&self, log: &mut Findings) {
        let Some(login) = self.login else { return };
        if login.settings.attempt_lifetime > CODE_LIFETIME {
            let remark = Remark::new("is longer than QQ's code lives, 10 minutes");
            let remark = remark.so(
                "a return that was left lying for so long is refused by QQ anyway; only a thief of an old attempt gains",
            );
            log.warn(&login.attempt_lifetime, remark.fix("\"10m\""));
        }
    }

    fn transport(&self, log: &mut Findings) {
        let (Some(listening), Some(sites)) = (self.listening, self.sites) else { return };
        if let Some(site) = sites.iter().find(|known| known.site.origin.is_https())
            && listening.trusted_proxies.is_empty()
        {
            let remark =
                Remark::new(format!("is empty, while {} is https and we listen without TLS", site.site.origin));
            let remark = remark.so(
                "whoever ends TLS in front of us is taken for the only client there is: logs and the application see its \
                 address in place of the visitors'",
            );
            log.warn(&listening.trusted_proxies_spot, remark.fix("name that proxy's address: [\"127.0.0.1\"]"));
        }
        for known in sites.iter().filter(|known| !known.site.origin.is_https()) {
            let url = Url::parse(known.site.origin.as_str());
            if url.is_ok_and(|url| parse::web::is_public(&url)) {
                let remark = Remark::new("is http on a public name");
                let remark = remark.so("whoever sits on the way can read and take over every session");
                log.warn(&known.origin, remark.fix("fine for trying things out; for visitors, use https"));
            }
        }
    }

    fn loops(&self, log: &mut Findings) {
        let (Some(listening), Some(upstreams)) = (self.listening, self.upstreams) else { return };
        let sites = self.sites.unwrap_or_default();
        for endpoint in upstreams.iter().flat_map(|upstream| &upstream.endpoints) {
            let listener =
                listening.listen.iter().find(|listener| is_ourselves(&endpoint.value, &listener.value, sites));
            if let Some(listener) = listener {
                let remark = Remark::new(format!("is where we listen ourselves: {}", listener.spot.quoted()));
                let remark = remark.so("every request would come back to us until no connection is left");
                log.error(&endpoint.spot, remark.fix("name the application's own port"));
            }
        }
    }

    fn cookies(&self, log: &mut Findings) {
        let Some(session) = self.session else { return };
        for cookie in self.identities.into_iter().flatten().flat_map(|identity| &identity.cookies) {
            if cookie.value == session.settings.cookie() {
                let written = if cookie.is_default() { &session.cookie } else { &cookie.spot };
                let remark =
                    Remark::new(format!("the cookie {:?} is both the session's and one for scripts", cookie.value));
                let remark = remark.so("one would overwrite the other, and nobody would stay logged in");
                log.error(written, remark.fix("give one of them another name"));
            }
        }
    }

    fn unused(&self, log: &mut Findings) {
        let (Some(routes), Some(upstreams), Some(identities)) = (self.routes, self.upstreams, self.identities) else {
            return;
        };
        for (at, upstream) in upstreams.iter().enumerate() {
            if routes.iter().all(|route| route.settings.upstream != at) {
                log.warn(
                    &upstream.spot,
                    Remark::new("no route leads to this upstream").fix("add a route, or remove it"),
                );
            }
        }
        for (at, identity) in identities.iter().enumerate().filter(|(_, identity)| identity.is_written) {
            if routes.iter().all(|route| route.settings.identity != at) {
                log.warn(
                    &identity.spot,
                    Remark::new("no route uses this identity").fix("name it in a route, or remove it"),
                );
            }
        }
        for route in routes.iter().filter(|route| route.settings.access == Access::Public) {
            if !route.identity.is_default() {
                let remark = Remark::new("is never used: the route's access is \"public\"");
                log.warn(
                    &route.identity.spot,
                    remark.fix("access = \"optional\" sends identity where there is a session"),
                );
            }
        }
    }

    fn unrouted(&self, log: &mut Findings) {
        let (Some(routes), Some(sites)) = (self.routes, self.sites) else { return };
        for known in sites {
            let takes_all = |route: &&routes::Known| {
                let settings = &route.settings;
                let everything =
                    settings.path.is_prefix() && settings.path.literal() == "/" && settings.methods.is_empty();
                everything && settings.host.as_ref().is_none_or(|host| known.site.answers_to(host))
            };
            if !routes.iter().any(|route| takes_all(&route)) {
                let remark =
                    Remark::new(format!("at {}, no route takes whatever the others do not", known.site.origin));
                let spot = Spot { place: Place::File, key: "routes".to_owned(), found: None };
                log.warn(&spot, remark.so("such requests are answered 404").fix("[[routes]]\npath = \"/*\""));
            }
        }
    }
}

/// Whether a connection to the endpoint would arrive at the listener, as far as can be told without asking the network.
fn is_ourselves(endpoint: &Endpoint, listener: &SocketAddr, sites: &[sites::Known]) -> bool {
    if endpoint.port != listener.port() {
        return false;
    }
    let authority = format!("{}:{}", endpoint.host, endpoint.port);
    if sites.iter().any(|known| known.site.answers_to(&authority)) {
        return true;
    }
    let name_is_here = endpoint.host == "localhost" || endpoint.host.ends_with(".localhost");
    let address = match endpoint.host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical(),
        Err(_) if name_is_here => return listener.ip().is_loopback() || listener.ip().is_unspecified(),
        Err(_) => return false,
    };
    let here = address.is_loopback() || address.is_unspecified();
    address == listener.ip()
        || (here && listener.ip().is_unspecified())
        || (address.is_unspecified() && listener.ip().is_loopback())
}
