//! Where a route leads its visitors that nobody can mean: back to itself, or past its own rewrite.

use super::routes::Known;
use crate::config::error::{Findings, Remark};
use crate::gateway::{FixedAnswer, Rewrite, RouteSettings, TARGET};
use crate::http::path_pattern::PathPattern;

/// Warns of redirects that come back to the route that sends them, and of prefixes that none of a route's paths has.
pub(super) fn check(routes: &[Known], log: &mut Findings) {
    // One that could not be read may be the one that a redirect leads to.
    let Some(settings) = routes.iter().map(|route| route.settings.as_ref()).collect::<Option<Vec<_>>>() else { return };
    for (at, route) in routes.iter().enumerate() {
        let (Some(path), Some(ours)) = (&route.path, settings.get(at)) else { continue };
        if let Some(to) = redirect(ours).filter(|to| comes_back(to, ours, &settings)) {
            let remark = Remark::new(format!("its requests are redirected to {to:?}, which it takes itself"));
            let remark = remark.so("browsers would go round in a circle and give up");
            log.warn(&path.spot, remark.fix("redirect to a path that another route takes, or narrow this one"));
        }
        if let Some(prefix) = prefix(ours).filter(|prefix| !may_begin(prefix, &path.value)) {
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

/// Whether the place, one of the same site, is taken by the route that leads there.
fn comes_back(to: &str, route: &RouteSettings, all: &[&RouteSettings]) -> bool {
    if !to.starts_with('/') {
        return false;
    }
    let place = match to.split_once(TARGET) {
        // Whatever is asked for stands there; of its paths one is enough, and all others end as it does.
        Some((before, _)) => format!("{before}{}", route.path.literal()),
        None => to.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    let takers = all.iter().filter(|other| {
        let is_there = other.host.is_none() || other.host == route.host;
        is_there && other.path.matches(&place) && (other.methods.is_empty() || other.methods == route.methods)
    });
    let taker = takers.max_by_key(|taker| taker.specificity());
    taker.is_some_and(|taker| std::ptr::eq(*taker, route))
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
