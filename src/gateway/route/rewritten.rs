//! Who may pass a route that sends a request on under another path.

use http::Method;

use super::super::Rewrite;
use super::{Asked, Matched, RouteSettings, Routes};
use crate::http::fold_case::fold_case;
use crate::http::request_path::Readings;
use crate::rule::{self, Rule};

impl Routes {
    /// The same route for a request that it sends on under another path: as guarded as that path is for whoever asks for it
    /// by its own name. A route for the very place that the rewrite names, `/*` where a prefix is cut off, does not count:
    /// the one that rewrites was written to go before it. `None`: the application is asked for nothing there, since a route
    /// has an answer of its own.
    pub(in crate::gateway) fn find_rewritten<'a>(
        &'a self,
        matched: Matched<'a>,
        rewrite: &Rewrite,
        rewritten: &Readings<'_>,
        host: &str,
        method: &Method,
    ) -> Option<Matched<'a>> {
        if !rule::holds(Rule::ARewriteGoesRoundNoGuard) {
            return Some(matched);
        }
        let asked = Asked { host, method, scheme: self.scheme };
        let (path, place) = (rewritten.usual.as_ref(), rewrite.place());
        let (folded_path, below) = (fold_case(path), format!("{place}/"));
        let counts = |route: &&RouteSettings| {
            let is_meant = route.path.matches(place) || route.path.matches(&below);
            let is_there = route.application == matched.route.application || route.handling.answer.is_some();
            asked.is_host(route) && is_there && !is_meant
        };
        let named = self.list.iter().filter(|route| route.path.matches(path)).filter(counts);
        let folded = self.folded.iter().filter(|route| route.path.matches(&folded_path)).filter(counts);
        let twins = self.twins_of(path, asked).filter(counts);
        let guards = [guards(named, asked), guards(folded, asked), guards(twins, asked)].concat();
        if guards.iter().any(|guard| guard.handling.answer.is_some()) {
            return None;
        }
        Some(guards.into_iter().fold(matched, Matched::guarded_by))
    }
}

/// Of routes for one path, the most specific first: the one that takes a method, or all of them, if none does. Somebody who
/// asks by a method that nobody has thought of is no better than any other.
fn guards<'a>(routes: impl Iterator<Item = &'a RouteSettings>, asked: Asked<'_>) -> Vec<&'a RouteSettings> {
    let mut all = Vec::new();
    for route in routes {
        if asked.is_method(route) {
            return vec![route];
        }
        all.push(route);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::Uri;

    use super::super::super::{Access, FixedAnswer, Handling};
    use super::super::tests::route;
    use super::*;
    use crate::http::request_path;

    fn access_rewritten(routes: &Routes, rewrite: &Rewrite, method: &Method, sent: &str) -> Option<Access> {
        let uri: Uri = sent.parse().unwrap();
        let readings = request_path::read(uri.path()).unwrap();
        let matched = routes.find("a.example", &readings, method).unwrap();
        let rewritten = rewrite.apply(&uri, &readings).unwrap();
        let rewritten = request_path::read(rewritten.path()).unwrap();
        routes.find_rewritten(matched, rewrite, &rewritten, "a.example", method).map(|matched| matched.access)
    }

    #[test]
    fn a_path_that_comes_of_another_is_as_guarded_as_under_its_own_name() {
        let mut admin = route("/Admin/*", &[Method::GET, Method::POST], Access::Required);
        admin.ignore_case = true;
        let mut elsewhere = route("/elsewhere/*", &[], Access::Required);
        elsewhere.application = 1;
        let mut hidden = route("/internal/*", &[], Access::Public);
        let answer = FixedAnswer::Maintenance { retry_after: Duration::from_secs(1) };
        hidden.handling = Arc::new(Handling { answer: Some(answer), ..Handling::default() });
        let routes = [
            route("/*", &[], Access::Required),
            route("/v2/*", &[], Access::Public),
            route("/api/*", &[], Access::Required),
            route("/api/public/*", &[], Access::Public),
            route("/me", &[], Access::Optional),
            route("/form", &[Method::POST], Access::Required),
            route("/form", &[], Access::Public),
            admin,
            elsewhere,
            hidden,
        ];
        let routes = Routes::for_site(&routes, "http", |_| true);
        let cut = |prefix: &str| Rewrite::Prefix { from: prefix.to_owned(), to: String::new() };
        let access = |method: Method, sent: &str| access_rewritten(&routes, &cut("/v2"), &method, sent);
        for guarded in ["/v2/Admin/users", "/v2/admin/users", "/v2/ADMIN", "/v2/api/x"] {
            assert_eq!(access(Method::GET, guarded), Some(Access::Required), "{guarded}");
        }
        assert_eq!(
            access(Method::DELETE, "/v2/Admin/users"),
            Some(Access::Required),
            "by a method that no route names"
        );
        assert_eq!(access(Method::GET, "/v2/form"), Some(Access::Public));
        assert_eq!(access(Method::POST, "/v2/form"), Some(Access::Required));
        assert_eq!(access(Method::GET, "/v2/me/"), Some(Access::Optional), "by another spelling too");
        assert_eq!(access(Method::GET, "/v2/goods"), Some(Access::Public), "the route goes before whatever takes all");
        assert_eq!(access(Method::GET, "/v2/elsewhere/x"), Some(Access::Public), "another application");
        assert_eq!(access(Method::GET, "/v2/internal/x"), None, "the application is asked for nothing there");
        let nested = |sent: &str| access_rewritten(&routes, &cut("/api/public"), &Method::GET, sent);
        assert_eq!(nested("/api/public/goods"), Some(Access::Public));
        assert_eq!(nested("/api/public/api/admin"), Some(Access::Required), "though it lies below what it leads to");
        let into = Rewrite::Prefix { from: "/api/public".to_owned(), to: "/api".to_owned() };
        let into = access_rewritten(&routes, &into, &Method::GET, "/api/public/goods");
        assert_eq!(into, Some(Access::Public), "it is where the rewrite says that it leads");
    }
}
