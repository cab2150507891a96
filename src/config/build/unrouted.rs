//! What a site's routes leave over: paths that none of them names, and methods that none of them takes.

use http::Method;

use super::{routes, sites, upstreams};
use crate::config::error::{Findings, Place, Remark, Spot};
use crate::gateway::Access;

/// What applications are asked by. `HEAD` goes where `GET` goes.
const USUAL: [Method; 6] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Warns of every site that has no route for some of its requests. The advice never opens what a neighbour guards.
pub(super) fn check(
    routes: &[routes::Known],
    sites: &[sites::Known],
    upstreams: &[upstreams::Known],
    log: &mut Findings,
) {
    // A route that could not be read may be the one that takes the rest.
    let Some(routes) = routes.iter().map(Route::of).collect::<Option<Vec<_>>>() else { return };
    for site in sites.iter().filter_map(|known| known.site.as_ref()) {
        let here: Vec<_> = routes.iter().filter(|route| route.host.is_none_or(|host| site.answers_to(host))).collect();
        let everywhere: Vec<_> = here.iter().filter(|route| route.is_everywhere).copied().collect();
        if everywhere.iter().any(|route| route.methods.is_empty()) {
            continue;
        }
        let missing: Vec<_> = USUAL
            .iter()
            .filter(|method| !everywhere.iter().any(|route| route.methods.contains(method)))
            .map(Method::as_str)
            .collect();
        let (remark, neighbours) = match (everywhere.is_empty(), missing.is_empty()) {
            (false, true) => continue,
            (false, false) => {
                let remark =
                    Remark::new(format!("at {}, no route for \"/*\" takes {}", site.origin, missing.join(", ")));
                (remark.so("where no other route fits, they are answered 405"), everywhere)
            }
            (true, _) => {
                let remark = Remark::new(format!("at {}, there is no route for \"/*\"", site.origin));
                let why =
                    "paths that no route names are answered 404, and methods that a route's path does not take 405";
                (remark.so(why), here)
            }
        };
        // With one site or one upstream there is nothing to tell apart.
        let host = (sites.len() > 1).then(|| site.origin.authority());
        let upstream = match upstreams {
            [_] => None,
            _ => neighbours.first().and_then(|route| upstreams.get(route.upstream)).or(upstreams.first()),
        };
        let access = neighbours.iter().map(|route| route.access).max().unwrap_or(Access::Optional);
        let spot = Spot { place: Place::File, key: "routes".to_owned(), found: None };
        log.warn(&spot, remark.fix(addition(host, upstream.map(|upstream| upstream.name.as_str()), access)));
    }
}

/// A route as far as this is about it.
struct Route<'r> {
    host: Option<&'r str>,
    is_everywhere: bool,
    methods: &'r [Method],
    access: Access,
    upstream: usize,
}

impl<'r> Route<'r> {
    fn of(known: &'r routes::Known) -> Option<Self> {
        let matcher = known.matcher.as_ref()?;
        Some(Route {
            host: matcher.host.as_deref(),
            is_everywhere: matcher.path.is_prefix() && matcher.path.literal() == "/",
            methods: &matcher.methods,
            access: known.access?,
            upstream: known.upstream?,
        })
    }
}

/// A route for the rest, behind the strictest access that there is beside it.
fn addition(host: Option<&str>, upstream: Option<&str>, access: Access) -> String {
    let mut text = "[[routes]]\npath = \"/*\"".to_owned();
    text.extend(host.map(|host| format!("\nhost = {host:?}")));
    text.extend(upstream.map(|upstream| format!("\nupstream = {upstream:?}")));
    text.push_str(match access {
        Access::Required => "\naccess = \"required\"",
        Access::Public => "\naccess = \"public\"",
        Access::Optional => "",
    });
    text
}
