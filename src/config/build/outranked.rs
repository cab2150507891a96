//! Where an open route takes what a guarded one seems to guard.

use super::routes::{Known, Matcher};
use crate::config::error::{Findings, Remark};
use crate::config::section::Given;
use crate::gateway::Access;
use crate::http::path_pattern::PathPattern;

/// Warns of every open route for one host that takes precedence of guarded ones, and of every guarded one for some methods
/// whose other methods an open one takes.
pub(super) fn check(routes: &[Known], log: &mut Findings) {
    of_access(routes, false).for_each(|open| at_one_host(&open, routes, log));
    of_access(routes, true).for_each(|guarded| by_other_methods(&guarded, routes, log));
}

fn at_one_host(open: &Route<'_>, routes: &[Known], log: &mut Findings) {
    let Some(host) = open.host() else { return };
    let is_guarded_there = |route: &Route<'_>| {
        let mut there = of_access(routes, true).filter(|other| other.host() == Some(host));
        there.any(|other| covers(other.matcher, route.matcher))
    };
    let passed_over = of_access(routes, true).filter(|guarded| {
        let is_same = guarded.host().is_none() && guarded.upstream == open.upstream;
        is_same && covers(open.matcher, guarded.matcher) && !is_guarded_there(guarded)
    });
    let names: Vec<String> = passed_over.map(|guarded| format!("{:?}", guarded.matcher.path.text())).collect();
    if names.is_empty() {
        return;
    }
    let remark = Remark::new(format!("is open at {host:?}, where a route for one host goes before any other"));
    let remark = remark.so(format!("who asks by that name needs no login for {}", names.join(" and ")));
    let fix = format!("write what is guarded once more with host = {host:?}, or leave this route's host out");
    log.warn(&open.path.spot, remark.fix(fix));
}

fn by_other_methods(guarded: &Route<'_>, routes: &[Known], log: &mut Findings) {
    let methods = &guarded.matcher.methods;
    let takes_any = |other: &Route<'_>| {
        let is_there = other.host().is_none() || other.host() == guarded.host();
        is_there && other.matcher.methods.is_empty() && covers(other.matcher, guarded.matcher)
    };
    if !methods.contains(&http::Method::GET) || of_access(routes, true).any(|other| takes_any(&other)) {
        return;
    }
    let leads_there = |open: &Route<'_>| takes_any(open) && open.upstream == guarded.upstream;
    let Some(open) = of_access(routes, false).find(leads_there) else { return };
    let methods: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
    let remark = Remark::new(format!("is guarded for {} alone", methods.join(", "))).so(format!(
        "by any other method, OPTIONS or one that nobody knows, {:?} leads to the application without a login",
        open.matcher.path.text()
    ));
    log.warn(&guarded.path.spot, remark.fix("leave methods out, unless the application looks at them as closely"));
}

/// A route that is whole enough to be compared.
struct Route<'r> {
    matcher: &'r Matcher,
    path: &'r Given<PathPattern>,
    upstream: Option<usize>,
}

impl Route<'_> {
    fn host(&self) -> Option<&str> {
        self.matcher.host.as_deref()
    }
}

fn of_access(routes: &[Known], is_guarded: bool) -> impl Iterator<Item = Route<'_>> {
    let routes = routes
        .iter()
        .filter(move |route| route.access.is_some_and(|access| (access == Access::Required) == is_guarded));
    routes.filter_map(|route| {
        Some(Route { matcher: route.matcher.as_ref()?, path: route.path.as_ref()?, upstream: route.upstream })
    })
}

/// Whether one's path holds all of the other's, by some method that the other takes.
fn covers(one: &Matcher, other: &Matcher) -> bool {
    let is_path =
        one.path == other.path || (one.path.is_prefix() && other.path.literal().starts_with(one.path.literal()));
    let is_method = one.methods.is_empty()
        || other.methods.is_empty()
        || other.methods.iter().any(|method| one.methods.contains(method));
    is_path && is_method
}
