//! The names and attributes of our cookies at one site.

use std::time::Duration;

use http::HeaderValue;

use crate::http::cookie::{self, Attributes};
use crate::rule::{self, Rule};
use crate::site::{SameSite, Site};

/// After the browser's prefix, the name of a login attempt's cookie begins like this.
const ATTEMPT: &str = "menshen_login_";

/// What our cookies are called at one site.
///
/// On an https site they carry the prefix that keeps subdomains and plain http from planting them (`__Host-`, or
/// `__Secure-` where they are shared with subdomains), and without it they are nobody's.
#[derive(Debug, Clone)]
pub struct CookieJar {
    session: String,
    attempt_prefix: String,
    domain: Option<String>,
    secure: bool,
    same_site: &'static str,
}

impl CookieJar {
    /// `session` is the configured name, without prefix.
    pub fn new(site: &Site, session: &str) -> Self {
        let secure = site.origin.is_https();
        let prefix = match (&site.cookie_domain, secure) {
            _ if !rule::holds(Rule::CookiesBearTheirPrefix) => "",
            (None, true) => "__Host-",
            (Some(_), true) => "__Secure-",
            (_, false) => "",
        };
        CookieJar {
            session: format!("{prefix}{session}"),
            attempt_prefix: format!("{prefix}{ATTEMPT}"),
            domain: site.cookie_domain.clone(),
            secure,
            same_site: match site.same_site {
                SameSite::Lax => "Lax",
                SameSite::None => "None",
            },
        }
    }

    /// The session cookie's name.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The name of the cookie that holds the attempt with this short name.
    pub fn attempt(&self, short_name: &str) -> String {
        format!("{}{short_name}", self.attempt_prefix)
    }

    /// The short name of an attempt, if the cookie of this name holds one.
    pub fn attempt_name<'a>(&self, cookie: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(cookie.strip_prefix(self.attempt_prefix.as_bytes())?).ok()
    }

    /// Whether a cookie is ours, so that no upstream may see it: under our prefix, or planted without it.
    pub fn is_ours(&self, name: &[u8]) -> bool {
        let name = without_prefix(name);
        name == without_prefix(self.session.as_bytes()) || name.starts_with(ATTEMPT.as_bytes())
    }

    /// A `Set-Cookie` for a cookie that only we read.
    pub fn set(&self, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        cookie::set(name, value, self.attributes(rule::holds(Rule::OwnCookiesAreHttpOnly), lifetime.as_secs()))
    }

    /// A `Set-Cookie` that removes such a cookie.
    pub fn remove(&self, name: &str) -> Option<HeaderValue> {
        cookie::set(name, "", self.attributes(true, 0))
    }

    /// A `Set-Cookie` for a cookie that the shop's own scripts read.
    pub fn set_companion(&self, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        cookie::set(name, value, self.attributes(false, lifetime.as_secs()))
    }

    /// A `Set-Cookie` that removes such a cookie.
    pub fn remove_companion(&self, name: &str) -> Option<HeaderValue> {
        cookie::set(name, "", self.attributes(false, 0))
    }

    fn attributes(&self, http_only: bool, max_age: u64) -> Attributes<'_> {
        let (secure, same_site) = (self.secure, self.same_site);
        Attributes { path: "/", domain: self.domain.as_deref(), secure, http_only, max_age, same_site }
    }
}

fn without_prefix(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"__Host-").or(name.strip_prefix(b"__Secure-")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client_certificate::ClientAuth;
    use crate::site::Origin;
    use std::collections::BTreeMap;

    fn jar(origin: &str, domain: Option<&str>) -> CookieJar {
        let site = Site {
            origin: Origin::parse(origin).unwrap(),
            aliases: Vec::new(),
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            same_site: SameSite::Lax,
            logout_paths: Vec::new(),
            redirect_uris: BTreeMap::new(),
            client_auth: ClientAuth::Off,
            cookie_domain: domain.map(str::to_owned),
        };
        CookieJar::new(&site, "menshen_session")
    }

    #[test]
    fn an_https_site_has_prefixed_secure_cookies_and_http_plain_ones() {
        assert_eq!(jar("https://a", None).session(), "__Host-menshen_session");
        assert_eq!(jar("https://www.a.example", Some("a.example")).session(), "__Secure-menshen_session");
        assert_eq!(jar("http://a", None).session(), "menshen_session");
        let set = jar("https://a", None).set("x", "y", Duration::from_secs(5)).unwrap();
        assert_eq!(set, "x=y; Path=/; Max-Age=5; Secure; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn no_spelling_of_our_cookies_is_taken_for_somebody_elses() {
        for jar in [jar("https://a", None), jar("http://a", None)] {
            for name in [
                "menshen_session",
                "__Host-menshen_session",
                "__Secure-menshen_session",
                "menshen_login_x",
                "__Host-menshen_login_x",
            ] {
                assert!(jar.is_ours(name.as_bytes()), "{name}");
            }
            for name in ["sessionid", "session", "menshen_sessions", "xmenshen_session", "", "csrftoken"] {
                assert!(!jar.is_ours(name.as_bytes()), "{name}");
            }
        }
    }
}
