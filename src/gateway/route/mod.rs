//! Host, path and method → route. Pure.

mod rewritten;
mod settings;

use std::cmp::Reverse;

use http::Method;

pub use self::settings::{Access, Authorization, RouteSettings};
use crate::http::fold_case::fold_case;
use crate::http::path_pattern::PathPattern;
use crate::http::request_path::Readings;
use crate::rule::{self, Rule};
use crate::site::same_authority;

/// The routes of one site, the most specific first.
#[derive(Debug, Clone)]
pub struct Routes {
    list: Vec<RouteSettings>,
    /// Those for which case does not count, by their folded paths.
    folded: Vec<RouteSettings>,
    /// The exact ones under their other spelling, with a last slash or without.
    twins: Vec<Twin>,
    /// The site's, which decides what default port a host may leave out.
    scheme: &'static str,
}

/// An exact route under its other spelling.
#[derive(Debug, Clone)]
struct Twin {
    route: RouteSettings,
    /// Where case does not count.
    folded: Option<PathPattern>,
}

/// The route a request takes, and how it is guarded.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'a> {
    /// The route.
    pub route: &'a RouteSettings,
    /// The strictest access of all the readings of its path.
    pub access: Access,
    /// The strictest of them on the client's own `Authorization`.
    pub authorization: Authorization,
}

impl Matched<'_> {
    /// Guarded as strictly as another route guards, too.
    fn guarded_by(self, other: &RouteSettings) -> Self {
        let (access, authorization) = (other.access, other.authorization);
        Matched { access: self.access.max(access), authorization: self.authorization.max(authorization), ..self }
    }
}

impl Routes {
    /// The routes that apply to a site: those without a host, and those for one of its own.
    pub fn for_site(routes: &[RouteSettings], scheme: &'static str, is_host: impl Fn(&str) -> bool) -> Self {
        let mut list: Vec<RouteSettings> =
            routes.iter().filter(|route| route.host.as_deref().is_none_or(&is_host)).cloned().collect();
        list.sort_by_key(|route| Reverse(route.specificity()));
        let under = |path, route: &RouteSettings| RouteSettings { path, ..route.clone() };
        let anyhow = list.iter().filter(|route| route.ignore_case);
        let folded_list = anyhow.filter_map(|route| Some(under(folded(&route.path)?, route))).collect();
        let twins = list.iter().filter_map(|route| {
            let twin = under(route.path.twin()?, route);
            Some(Twin { folded: folded(&twin.path).filter(|_| twin.ignore_case), route: twin })
        });
        let twins = twins.collect();
        Routes { list, folded: folded_list, twins, scheme }
    }

    /// The most specific route of a host, a path's readings and a method, guarded as strictly as any server could read
    /// that path.
    pub fn find(&self, host: &str, readings: &Readings<'_>, method: &Method) -> Option<Matched<'_>> {
        let asked = Asked { host, method, scheme: self.scheme };
        let route = self.first(&readings.usual, asked)?;
        let matched = Matched { route, access: route.access, authorization: route.authorization };
        Some(self.by_other_readings(readings, asked).fold(matched, Matched::guarded_by))
    }

    /// What guards a path beside the route that takes it.
    fn by_other_readings<'a>(
        &'a self,
        readings: &'a Readings<'_>,
        asked: Asked<'a>,
    ) -> impl Iterator<Item = &'a RouteSettings> {
        let others = readings.others.iter().filter(|_| rule::holds(Rule::TheStrictestReadingGuards));
        let others = others.filter_map(move |reading| self.first(reading, asked));
        let all = move || std::iter::once(readings.usual.as_ref()).chain(readings.others.iter().map(String::as_str));
        // Where a backend takes `/Admin/` for `/admin/`, another spelling of a route is as guarded as the route.
        let folded = all().filter(|_| rule::holds(Rule::CaseIsFoldedWhereBackendsDo));
        let folded = folded.filter_map(move |reading| self.first_ignoring_case(reading, asked));
        // Nor do some look at a last slash.
        let twins = all().filter(|_| rule::holds(Rule::ALastSlashGoesRoundNoRoute));
        others.chain(folded).chain(
            twins.flat_map(move |reading| self.twins_of(reading, asked).filter(move |twin| asked.may_take(twin))),
        )
    }

    /// Every method that some route names.
    pub(super) fn named_methods(&self) -> impl Iterator<Item = &Method> {
        self.list.iter().flat_map(|route| &route.methods)
    }

    fn first(&self, path: &str, asked: Asked<'_>) -> Option<&RouteSettings> {
        self.list.iter().find(|route| asked.may_take(route) && route.path.matches(path))
    }

    fn first_ignoring_case(&self, path: &str, asked: Asked<'_>) -> Option<&RouteSettings> {
        if self.folded.is_empty() {
            return None;
        }
        let path = fold_case(path);
        self.folded.iter().find(|route| asked.may_take(route) && route.path.matches(&path))
    }

    fn twins_of(&self, path: &str, asked: Asked<'_>) -> impl Iterator<Item = &RouteSettings> {
        let folded_path = self.twins.iter().any(|twin| twin.folded.is_some()).then(|| fold_case(path));
        let matching = self.twins.iter().filter(move |twin| {
            let folded = twin.folded.as_ref().zip(folded_path.as_ref());
            twin.route.path.matches(path) || folded.is_some_and(|(pattern, path)| pattern.matches(path))
        });
        let routes = matching.map(|twin| &twin.route);
        routes.filter(move |twin| asked.is_host(twin) && !self.is_spelt_out(twin.path.literal(), asked))
    }

    /// Whether the route that takes this very spelling is for it.
    fn is_spelt_out(&self, literal: &str, asked: Asked<'_>) -> bool {
        self.first(literal, asked).is_some_and(|route| route.path.literal() == literal)
    }
}

/// What a request asks for, beside its path.
#[derive(Clone, Copy)]
struct Asked<'r> {
    host: &'r str,
    method: &'r Method,
    scheme: &'static str,
}

impl Asked<'_> {
    fn may_take(self, route: &RouteSettings) -> bool {
        self.is_host(route) && self.is_method(route)
    }

    fn is_host(self, route: &RouteSettings) -> bool {
        route.host.as_deref().is_none_or(|host| same_authority(host, self.host, self.scheme))
    }

    /// A HEAD asks for what a GET would get (RFC 9110, 9.3.2), so a route for GET guards it too.
    fn is_method(self, route: &RouteSettings) -> bool {
        let methods = &route.methods;
        methods.is_empty()
            || methods.contains(self.method)
            || (self.method == Method::HEAD
                && methods.contains(&Method::GET)
                && rule::holds(Rule::AHeadIsGuardedLikeItsGet))
    }
}

fn folded(pattern: &PathPattern) -> Option<PathPattern> {
    PathPattern::parse(&fold_case(pattern.text()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::NullOrigin;
    use crate::http::request_path;

    pub(in crate::gateway) fn route(path: &str, methods: &[Method], access: Access) -> RouteSettings {
        RouteSettings {
            host: None,
            path: PathPattern::parse(path).unwrap(),
            methods: methods.to_vec(),
            access,
            authorization: Authorization::Passed,
            upstream: 0,
            application: 0,
            identity: 0,
            ignore_case: false,
            null_origin: NullOrigin::IsForeign,
            websocket_origins: Vec::new(),
            handling: Arc::default(),
        }
    }

    fn access(routes: &Routes, method: Method, path: &str) -> Option<Access> {
        let readings = request_path::read(path).unwrap();
        routes.find("a.example", &readings, &method).map(|matched| matched.access)
    }

    #[test]
    fn a_route_for_one_host_is_nobody_elses() {
        let (mut public, mut required) = (route("/h/*", &[], Access::Public), route("/h/*", &[], Access::Required));
        public.host = Some("a.example".into());
        required.host = Some("admin.example:80".into());
        let routes = Routes::for_site(&[public, required], "http", |_| true);
        let readings = request_path::read("/h/x").unwrap();
        let access = |host| routes.find(host, &readings, &Method::GET).map(|matched| matched.access);
        assert_eq!(access("a.example"), Some(Access::Public));
        assert_eq!(access("ADMIN.example"), Some(Access::Required));
        assert_eq!(access("admin.example.:80"), Some(Access::Required));
        assert_eq!(access("other.example"), None);
    }

    #[test]
    fn a_head_is_guarded_like_the_get_it_stands_for() {
        let guarded = route("/api/*", &[Method::GET, Method::POST], Access::Required);
        let routes = Routes::for_site(&[route("/*", &[], Access::Public), guarded], "http", |_| true);
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert_eq!(access(&routes, method, "/api/x"), Some(Access::Required));
        }
        assert_eq!(access(&routes, Method::PUT, "/api/x"), Some(Access::Public));
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        let routes = Routes::for_site(
            &[
                route("/*", &[], Access::Optional),
                route("/api/*", &[Method::POST], Access::Required),
                route("/api/open", &[], Access::Public),
                route("/api/*", &[], Access::Optional),
            ],
            "http",
            |_| true,
        );
        assert_eq!(access(&routes, Method::GET, "/"), Some(Access::Optional));
        assert_eq!(access(&routes, Method::POST, "/api/x"), Some(Access::Required));
        assert_eq!(access(&routes, Method::GET, "/api/x"), Some(Access::Optional));
        assert_eq!(access(&routes, Method::POST, "/api/open"), Some(Access::Public));
    }

    #[test]
    fn an_ambiguous_path_is_as_guarded_as_its_strictest_reading() {
        let routes = Routes::for_site(
            &[route("/*", &[], Access::Public), route("/admin/*", &[], Access::Required)],
            "http",
            |_| true,
        );
        for path in
            ["/admin/x", "/x/..;/admin/x", "//admin/x", "/%61dmin/x", "/admin%2fx", "/x/%2e%2e/admin/x", "/admin"]
        {
            assert_eq!(access(&routes, Method::GET, path), Some(Access::Required), "{path}");
        }
        for path in ["/", "/x", "/Admin/x", "/administrator"] {
            assert_eq!(access(&routes, Method::GET, path), Some(Access::Public), "{path}");
        }
    }

    #[test]
    fn another_case_is_as_guarded_where_the_backend_folds_it() {
        let mut admin = route("/Admin/*", &[], Access::Required);
        admin.ignore_case = true;
        let routes = Routes::for_site(&[route("/*", &[], Access::Public), admin], "http", |_| true);
        for path in ["/admin/x", "/ADMIN/x", "/Admin/x", "/%41dMIN/x"] {
            assert_eq!(access(&routes, Method::GET, path), Some(Access::Required), "{path}");
        }
    }
}
