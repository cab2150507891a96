//! Where a login may send the browser afterwards.

use http::HeaderValue;
use url::Url;

use crate::rule::{self, Rule};
use crate::site::{Origin, Site};

/// A place on this site, or on a host that the site lists. The only thing a `Location` after a login can be made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafeRedirect(String);

impl SafeRedirect {
    /// Longest `next`, in bytes; of a longer one only the path is kept.
    pub const MAX: usize = 1024;

    /// The site's front page.
    pub fn home() -> Self {
        SafeRedirect("/".to_owned())
    }

    /// `next` as a client gave it, percent-decoded once. Whatever is not surely a place on this site, or on a host that
    /// the site lists, is the front page.
    ///
    /// Decided by the very parser that browsers' rules are written for (WHATWG URL), on the text as it will be sent:
    /// backslashes, tabs and the like mean to it what they mean to a browser.
    pub fn parse(next: &str, site: &Site) -> Self {
        Self::checked(next, site).unwrap_or_else(Self::home)
    }

    fn checked(next: &str, site: &Site) -> Option<Self> {
        // Browsers drop control characters and fold backslashes before they look at an address: nothing honest has them.
        if next.chars().any(|char| char.is_control() || char.is_whitespace() && char != ' ' || char == '\\') {
            return None;
        }
        let base = Url::parse(site.origin.as_str()).ok()?;
        let url = base.join(next).ok()?;
        let origin = Origin::of(&url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let place = if origin == site.origin {
            // A path must look like one to every parser, not just to this one.
            let is_path = next.starts_with('/') && !next.starts_with("//");
            let is_absolute = next.starts_with("http://") || next.starts_with("https://");
            (is_path || is_absolute).then_some(())?;
            url.path().to_owned() + &suffix(&url)
        } else if (site.allowed_hosts.contains(&origin) || !rule::holds(Rule::NextStaysOnListedHosts))
            && (next.starts_with("http://") || next.starts_with("https://"))
        {
            url.as_str().to_owned()
        } else {
            return None;
        };
        let fitting = if place.len() <= Self::MAX { place } else { place.split(['?', '#']).next()?.to_owned() };
        // `//evil.example` can also come out of `/.//evil.example`.
        let stays = !fitting.starts_with("//") && fitting.len() <= Self::MAX;
        stays.then_some(SafeRedirect(fitting))
    }

    /// A path of our own, or the site's origin with one: text of the program's, not of a client's.
    pub fn own(path: &'static str) -> Self {
        SafeRedirect(path.to_owned())
    }

    /// One that was made before, out of a sealed cookie.
    pub fn from_sealed(text: String) -> Self {
        SafeRedirect(text)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its path on this site, or on another host that `is_ours` knows.
    pub fn path_where(&self, is_ours: impl FnOnce(&str) -> bool) -> Option<&str> {
        let place = self.0.split(['?', '#']).next().unwrap_or_default();
        if place.starts_with('/') {
            return Some(place);
        }
        let (_, rest) = place.split_once("://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        is_ours(host).then_some(path)
    }

    /// As a `Location`. It is ASCII already: the parser percent-encodes the rest.
    pub fn location(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("/"))
    }
}

fn suffix(url: &Url) -> String {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let fragment = url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
    query + &fragment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client_certificate::ClientAuth;
    use crate::site::SameSite;
    use percent_encoding::percent_decode_str;
    use std::collections::BTreeMap;

    fn site() -> Site {
        Site {
            origin: Origin::parse("http://www.meiduo.site:8000").unwrap(),
            aliases: Vec::new(),
            allowed_hosts: vec![Origin::parse("https://m.meiduo.site").unwrap()],
            cors_origins: Vec::new(),
            same_site: SameSite::Lax,
            logout_paths: Vec::new(),
            redirect_uris: BTreeMap::new(),
            client_auth: ClientAuth::Off,
            cookie_domain: None,
        }
    }

    #[test]
    fn places_on_this_site_and_on_listed_hosts_are_kept() {
        let cases = [
            ("/user/center/", "/user/center/"),
            ("/list?page=2&sort=price#top", "/list?page=2&sort=price#top"),
            ("/搜索?q=手机", "/%E6%90%9C%E7%B4%A2?q=%E6%89%8B%E6%9C%BA"),
            ("/a b", "/a%20b"),
            ("/?next=//evil.example", "/?next=//evil.example"),
            ("http://www.meiduo.site:8000/cart/", "/cart/"),
            ("https://m.meiduo.site/x?y", "https://m.meiduo.site/x?y"),
        ];
        for (next, expected) in cases {
            assert_eq!(SafeRedirect::parse(next, &site()).as_str(), expected, "{next}");
        }
    }

    #[test]
    fn anything_else_is_the_front_page() {
        let rows = include_str!("../../tests/data/open_redirects.txt").lines();
        for row in rows.filter(|row| !row.is_empty() && !row.starts_with('[')) {
            let (next, place) = row.split_once(" -> ").unwrap_or((row, "/"));
            let next = percent_decode_str(next).decode_utf8().unwrap();
            assert_eq!(SafeRedirect::parse(&next, &site()).as_str(), place, "{next:?}");
        }
    }

    #[test]
    fn of_a_long_next_the_path_alone_is_kept() {
        let long = format!("/list?{}", "x".repeat(1020));
        assert_eq!(SafeRedirect::parse(&long, &site()).as_str(), "/list");
        assert_eq!(SafeRedirect::parse(&"/x".repeat(600), &site()), SafeRedirect::home());
    }

    #[test]
    fn what_was_kept_stays_on_its_origin_when_a_browser_resolves_it() {
        let base = Url::parse("http://www.meiduo.site:8000/oauth_callback/?code=1").unwrap();
        for next in ["/a/..//b", "/./x", "/%2f%2fevil.example", "/;/x", "/a//b", "/..//evil.example"] {
            let kept = SafeRedirect::parse(next, &site());
            let resolved = base.join(kept.as_str()).unwrap();
            assert_eq!(Origin::of(&resolved).unwrap(), site().origin, "{next}");
        }
    }
}
