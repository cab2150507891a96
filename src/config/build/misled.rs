//! Where a route leads its visitors that nobody can mean: back to itself, or past its own rewrite.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::routes::Known;
use super::sites;
use crate::config::error::{Findings, Remark};
use crate::gateway::{Access, Blank, FixedAnswer, Rewrite, RouteSettings, TARGET};
use crate::http::path_pattern::PathPattern;
use crate::template;

/// Warns of redirects that come back to the route that sends them, and of prefixes that none of a route's paths has.
pub(super) fn check(routes: &[Known], sites: &[sites::Known], log: &mut Findings) {
    // One that could not be read may be the one that a redirect leads to.
    let Some(settings) = routes.iter().map(|route| route.settings.as_ref()).collect::<Option<Vec<_>>>() else { return };
    for (at, route) in routes.iter().enumerate() {
        let (Some(path), Some(ours)) = (&route.path, settings.get(at)) else { continue };
        if let Some(to) = redirect(ours).filter(|_| comes_back(ours, &settings, sites)) {
            let remark = Remark::new(format!("its requests are redirected to {to:?}, which leads back to it"));
            let remark = remark.so("browsers would go round in a circle and give up");
            log.warn(&path.spot, remark.fix("redirect to a path that another route takes, or narrow this one"));
        }
        if let Some(page) = login_page(ours).filter(|page| is_guarded(ours, page, &settings, sites)) {
            let remark = Remark::new(format!("not_logged_in.page leads to {page}, where one has to log in"));
            let remark = remark.so("browsers would go round in a circle and give up");
            log.warn(&path.spot, remark.fix("a page that strangers may see: another route for it"));
        }
        if let Some(prefix) = self::prefix(ours).filter(|prefix| !may_begin(prefix, &path.value)) {
            let remark = Remark::new(format!("none of its paths begins with rewrite.prefix = {prefix:?}"));
            let remark = remark.so("every path would go on as it is");
            log.warn(&path.spot, remark.fix("a prefix of whole segments that these paths begin with"));
        }
    }
}

fn redirect(route: &RouteSettings) -> Option<&str> {
    match route.handling.answer.as_ref()? {
        FixedAnswer::Redirect { to, .. } => Some(to),
        FixedAnswer::Text { .. } | FixedAnswer::Maintenance { .. } => None,
    }
}

/// Whether who follows the route's redirect, and those that it leads to, is led to the route again.
fn comes_back(route: &RouteSettings, all: &[&RouteSettings], sites: &[sites::Known]) -> bool {
    let mut at = (route, Place { host: route.host.clone(), path: route.path.literal().to_owned() });
    // Longer than all routes in a row it cannot be without a circle.
    for _ in 0..=all.len() {
        let (sender, from) = at;
        let Some(place) = redirect(sender).and_then(|to| from.after(to, sites)) else { return false };
        let Some(taker) = place.taker(all) else { return false };
        if std::ptr::eq(taker, route) {
            return true;
        }
        at = (taker, place);
    }
    false
}

/// Where a visitor is. Of the paths of a route one stands for all.
struct Place {
    /// `None`: at any site.
    host: Option<String>,
    path: String,
}

impl Place {
    /// Where a redirect leads from here; `None`: to somebody else's.
    fn after(&self, to: &str, sites: &[sites::Known]) -> Option<Place> {
        let (host, to) = match to.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find(['/', '?', '#', '{']).unwrap_or(rest.len()));
                let host = host.to_ascii_lowercase();
                let is_ours = |known: &sites::Known| {
                    known.site.as_ref().is_some_and(|site| site.origin.scheme() == scheme && site.answers_to(&host))
                };
                sites.iter().any(is_ours).then_some((Some(host), path))?
            }
            None => (self.host.clone(), to),
        };
        let path = match to.split_once(TARGET) {
            Some((before, _)) => format!("{before}{}", self.path),
            None => to.split(['?', '#']).next().unwrap_or_default().to_owned(),
        };
        let path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        Some(Place { host, path: if path.is_empty() { "/".to_owned() } else { path } })
    }

    /// The route that takes a GET for it.
    fn taker<'r>(&self, all: &[&'r RouteSettings]) -> Option<&'r RouteSettings> {
        let takers = all.iter().filter(|route| {
            let is_there = route.host.is_none() || route.host == self.host;
            let is_method = route.methods.is_empty() || route.methods.contains(&Method::GET);
            is_there && is_method && route.path.matches(&self.path)
        });
        takers.max_by_key(|taker| taker.specificity()).copied()
    }
}

/// Where a navigation is led that has to log in.
fn login_page(route: &RouteSettings) -> Option<String> {
    let text_of = |blank| match blank {
        Blank::Site => None,
        Blank::Next | Blank::LoginUrl => Some(Cow::Borrowed("/")),
    };
    route.handling.not_logged_in.page.as_ref()?.fill(template::Place::Address, text_of).ok()
}

fn is_guarded(route: &RouteSettings, page: &str, all: &[&RouteSettings], sites: &[sites::Known]) -> bool {
    let from = Place { host: route.host.clone(), path: route.path.literal().to_owned() };
    let place = from.after(page, sites);
    place.and_then(|place| place.taker(all)).is_some_and(|taker| taker.access == Access::Required)
}

fn prefix(route: &RouteSettings) -> Option<&str> {
    match route.handling.rewrite.as_ref()? {
        Rewrite::Prefix { from, .. } => Some(from),
        Rewrite::Pattern { .. } => None,
    }
}

/// Whether a path of the pattern can begin with these whole segments.
fn may_begin(prefix: &str, pattern: &PathPattern) -> bool {
    let folder = format!("{prefix}/");
    let literal = pattern.literal();
    literal == prefix || literal.starts_with(&folder) || (pattern.is_prefix() && folder.starts_with(literal))
}
