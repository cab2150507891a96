//! The addresses under which visitors know us. What we build, redirects, links and the issuer, is built from these and
//! never from what a client sends as `Host`.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use crate::http::client_certificate::ClientAuth;
use crate::http::path_pattern::PathPattern;
use crate::http::request_path::Readings;

/// Scheme, host and port (RFC 6454), as browsers write it in `Origin`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    text: String,
    authority_at: usize,
}

impl Origin {
    /// An `http` or `https` origin: no path but `/`, no query, no fragment, no user.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        (bare && url.username().is_empty() && url.password().is_none()).then_some(())?;
        Self::of(&url)
    }

    /// The origin of an `http` or `https` address.
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        url.host_str()?;
        let text = url.origin().ascii_serialization();
        let authority_at = url.scheme().len() + "://".len();
        Some(Origin { text, authority_at })
    }

    /// As in an `Origin` header: `http://www.meiduo.site:8000`, the default port left out.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port as in a `Host` header, the default port left out.
    pub fn authority(&self) -> &str {
        self.text.get(self.authority_at..).unwrap_or_default()
    }

    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// Whether browsers take pages of both for one site, so that a page of one may send the other's `SameSite=Lax` cookies:
    /// scheme and registrable domain are the same (HTML, "schemelessly same site" and scheme). Of public suffixes this knows
    /// the common shape, such as `com.cn` and `co.uk`.
    pub fn is_same_site(&self, other: &Origin) -> bool {
        let (ours, theirs) = (host_name(self.authority()), host_name(other.authority()));
        let is_one_domain = || registrable(ours).zip(registrable(theirs)).is_some_and(|(ours, theirs)| ours == theirs);
        self.scheme() == other.scheme() && (ours == theirs || is_one_domain())
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https() { "https" } else { "http" }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One site: an origin, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The address visitors type.
    pub origin: Origin,
    /// Further `Host` values that are this site: lower case, default port left out.
    pub aliases: Vec<String>,
    /// Other origins to which a login may return.
    pub allowed_hosts: Vec<Origin>,
    /// Other origins whose pages belong to this site: their scripts call it as if they were its own.
    pub cors_origins: Vec<Origin>,
    /// When browsers send our cookies.
    pub same_site: SameSite,
    /// The application's own logout links: the answer to a request for one also ends our session.
    pub logout_paths: Vec<PathPattern>,
    /// By provider: the redirect_uri word for word as registered there, where it is not the usual one.
    pub redirect_uris: BTreeMap<String, Url>,
    /// Whether who comes is asked for a certificate.
    pub client_auth: ClientAuth,
    /// The `Domain` of our cookies; `None` keeps them to the host alone.
    pub cookie_domain: Option<String>,
}

/// When browsers send a cookie (RFC 6265bis, 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// From pages of the same site, and when somebody is led here by a link.
    Lax,
    /// From every page. On https alone.
    None,
}

/// Every configured site; there is at least one.
#[derive(Clone, Debug)]
pub struct Sites {
    first: Site,
    others: Vec<Site>,
    strict: bool,
}

impl Sites {
    /// `strict` refuses any `Host` that is not listed; otherwise it belongs to the first site.
    pub fn new(first: Site, others: Vec<Site>, strict: bool) -> Self {
        Sites { first, others, strict }
    }

    /// The site that a `Host` header names, by its place among [`Sites::iter`]. A default port may be written or left
    /// out; case does not count, nor does one dot at the end of the name.
    pub fn position(&self, host: &str) -> Option<usize> {
        self.iter().position(|site| site.answers_to(host))
    }

    /// Whether a `Host` that no site has is refused; else the first site answers it.
    pub fn are_strict(&self) -> bool {
        self.strict
    }

    /// Every site, the default one first.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The default site.
    pub fn first(&self) -> &Site {
        &self.first
    }
}

impl Site {
    /// Whether an `Origin` value is this site's own, under its origin or an alias.
    pub fn is_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix(self.origin.scheme()).and_then(|rest| rest.strip_prefix("://"));
        authority.is_some_and(|authority| self.answers_to(authority))
    }

    /// Whether an `Origin` value is that of a page elsewhere that belongs to this site.
    pub fn is_cors_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|listed| listed.as_str() == origin)
    }

    /// Whether a path is one of the shop's own logout links to some server, with a last slash or without: a session that
    /// goes on behind the back of a user who has logged out is worse than one that ends for no reason.
    pub fn is_logout_link(&self, readings: &Readings<'_>) -> bool {
        let mut all = std::iter::once(readings.usual.as_ref()).chain(readings.others.iter().map(String::as_str));
        let is_link = |path: &str| {
            self.logout_paths
                .iter()
                .any(|link| link.matches(path) || link.twin().is_some_and(|twin| twin.matches(path)))
        };
        all.any(is_link)
    }

    /// Whether a `Host` value names this site.
    pub fn answers_to(&self, host: &str) -> bool {
        let scheme = self.origin.scheme();
        same_authority(self.origin.authority(), host, scheme)
            || self.aliases.iter().any(|alias| same_authority(alias, host, scheme))
    }
}

/// What is sold below a country's domain as others sell below `com`.
const SECOND_LEVELS: [&str; 14] =
    ["ac", "co", "com", "edu", "gen", "go", "gov", "id", "mil", "ne", "net", "or", "org", "sch"];

/// The domain that somebody registered, of which a name is a part; none of an address.
fn registrable(name: &str) -> Option<&str> {
    let is_address = name.starts_with('[') || name.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (last, second) = (dots.next()?, dots.next());
    let (before, country) = (name.get(second.map_or(0, |at| at + 1)..last)?, name.get(last + 1..)?);
    let is_shared = country.len() == 2 && SECOND_LEVELS.contains(&before);
    let begins = match (is_shared, second) {
        (false, None) => 0,
        (false, Some(at)) => at + 1,
        (true, None) => return None,
        (true, Some(_)) => dots.next().map_or(0, |at| at + 1),
    };
    name.get(begins..).filter(|_| !is_address)
}

/// The name in a `host[:port]`.
pub(crate) fn host_name(authority: &str) -> &str {
    split_port(authority).0
}

/// Compares a configured `host[:port]` with one from a client.
pub(crate) fn same_authority(ours: &str, theirs: &str, scheme: &str) -> bool {
    if ours == theirs {
        return true;
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let ours = ours.strip_suffix(default_port).unwrap_or(ours);
    let theirs = theirs.strip_suffix(default_port).filter(|host| split_port(host).1.is_empty()).unwrap_or(theirs);
    if ours.eq_ignore_ascii_case(theirs) {
        return true;
    }
    // `www.meiduo.site.` and `www.meiduo.site.:8000` name the same host with its root dot written out.
    let (their_host, their_port) = split_port(theirs);
    let (our_host, our_port) = split_port(ours);
    their_port == our_port && their_host.strip_suffix('.').is_some_and(|host| host.eq_ignore_ascii_case(our_host))
}

fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(at) if !authority.get(at..).unwrap_or_default().contains(']') => authority.split_at(at),
        _ => (authority, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(origin: &str) -> Site {
        Site {
            origin: Origin::parse(origin).unwrap(),
            aliases: vec!["shop.example".into()],
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            same_site: SameSite::Lax,
            logout_paths: Vec::new(),
            redirect_uris: BTreeMap::new(),
            client_auth: ClientAuth::Off,
            cookie_domain: None,
        }
    }

    #[test]
    fn origins_lose_default_ports_and_refuse_more_than_an_origin() {
        assert_eq!(Origin::parse("HTTP://WWW.Meiduo.Site:80/").unwrap().as_str(), "http://www.meiduo.site");
        assert_eq!(Origin::parse("https://a:8443").unwrap().authority(), "a:8443");
        for bad in ["http://a/b", "http://a?x", "http://a#x", "http://u@a", "ftp://a", "a:80", "http://", "//a"] {
            assert!(Origin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn one_site_is_one_registered_domain_under_one_scheme() {
        let is_same = |one: &str, other: &str| {
            let origin = |text: &str| Origin::parse(text).unwrap();
            let found = origin(one).is_same_site(&origin(other));
            assert_eq!(found, origin(other).is_same_site(&origin(one)));
            found
        };
        for (one, other) in [
            ("http://www.meiduo.site:8080", "http://api.meiduo.site:8000"),
            ("http://meiduo.site", "http://a.b.meiduo.site"),
            ("https://www.shop.com.cn", "https://api.shop.com.cn"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8000"),
            ("http://localhost:8080", "http://localhost:8000"),
            ("http://[::1]:1", "http://[::1]:2"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("http://www.meiduo.site", "https://api.meiduo.site"),
            ("http://meiduo.site", "http://notmeiduo.site"),
            ("https://shop.com.cn", "https://other.com.cn"),
            ("https://shop.co.uk", "https://co.uk"),
            ("http://127.0.0.1", "http://128.0.0.1"),
            ("http://a.localhost", "http://127.0.0.1"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_host_finds_its_site_however_it_is_spelt() {
        let site = site("http://www.meiduo.site");
        for host in ["www.meiduo.site", "WWW.MEIDUO.SITE", "www.meiduo.site:80", "www.meiduo.site.", "shop.example"] {
            assert!(site.answers_to(host), "{host}");
        }
        for host in [
            "meiduo.site",
            "www.meiduo.site:8000",
            "www.meiduo.site..",
            "www.meiduo.site.evil",
            "",
            "shop.example:80:80",
        ] {
            assert!(!site.answers_to(host), "{host}");
        }
        let other = self::site("http://[::1]:8000");
        assert!(other.answers_to("[::1]:8000"));
        assert!(!other.answers_to("[::1]"));
    }

    #[test]
    fn an_origin_is_the_sites_own_by_scheme_and_by_any_of_its_names() {
        let site = site("http://www.meiduo.site:8000");
        for origin in ["http://www.meiduo.site:8000", "http://shop.example"] {
            assert!(site.is_origin(origin), "{origin}");
        }
        for origin in [
            "https://www.meiduo.site:8000",
            "http://www.meiduo.site",
            "http://www.meiduo.site:8000.evil.example",
            "http://evil.example",
            "www.meiduo.site:8000",
            "null",
            "",
        ] {
            assert!(!site.is_origin(origin), "{origin}");
        }
    }

    #[test]
    fn a_host_has_the_site_that_names_it_and_an_unknown_one_has_none() {
        assert!(Sites::new(site("http://a"), Vec::new(), true).position("b").is_none());
        assert_eq!(Sites::new(site("http://a"), vec![site("http://c")], true).position("C:80"), Some(1));
    }
}
