//! Which methods pass, and what is said of those that do not.

use http::{Method, Uri};

use super::error::Error;
use super::route::{Matched, Routes};
use crate::http::request_path::Readings;
use crate::rule::{self, Rule};

/// The methods that are passed on among those with a registered meaning.
const STANDARD: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The route a request takes, if its method may pass.
///
/// # Errors
/// [`Error::MethodNotAllowed`] where the path takes other methods, [`Error::NotFound`] where it takes none.
pub(super) fn find<'r>(
    routes: &'r Routes,
    host: &str,
    readings: &Readings<'_>,
    method: &Method,
) -> Result<Matched<'r>, Error> {
    if is_forwarded(method)
        && let Some(matched) = routes.find(host, readings, method)
    {
        return Ok(matched);
    }
    let allow = allowed(routes, host, readings);
    Err(if allow.is_empty() { Error::NotFound } else { Error::MethodNotAllowed { allow: allow.into() } })
}

/// Whether a target has a form that is this method's: `host:port` is CONNECT's alone, and `*` is OPTIONS' (RFC 9112, 3.2).
pub(super) fn has_form(method: &Method, target: &Uri) -> bool {
    let is_authority = target.authority().is_some() && target.scheme().is_none();
    let fits = (!is_authority || method == Method::CONNECT) && (target.path() != "*" || method == Method::OPTIONS);
    fits || !rule::holds(Rule::TargetsHaveTheirMethodsForm)
}

/// Whether a method is passed on: neither CONNECT nor TRACE, and no standard one in another case. Methods have a case
/// (RFC 9110, 9.1), but there are frameworks that fold it: `post` would be a POST to them and none to our routes.
fn is_forwarded(method: &Method) -> bool {
    let is_kind_of = |known: &Method| known.as_str().eq_ignore_ascii_case(method.as_str());
    match STANDARD.iter().chain(&[Method::CONNECT, Method::TRACE]).find(|known| is_kind_of(known)) {
        Some(known) if known != method => !rule::holds(Rule::MethodsHaveACase),
        Some(known) => STANDARD.contains(known) || !rule::holds(Rule::ConnectAndTraceStayHere),
        None => true,
    }
}

/// What a path takes, for `Allow` (RFC 9110, 10.2.1): the standard methods that some route would take, and the others
/// that routes name.
fn allowed(routes: &Routes, host: &str, readings: &Readings<'_>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for method in STANDARD.iter().chain(routes.named_methods()).filter(|method| is_forwarded(method)) {
        if !names.contains(&method.as_str()) && routes.find(host, readings, method).is_some() {
            names.push(method.as_str());
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::route::tests as routes;
    use crate::gateway::{Access, RouteSettings};
    use crate::http::request_path;

    fn route(path: &str, methods: &[&str]) -> RouteSettings {
        let methods: Vec<Method> = methods.iter().map(|name| name.parse().unwrap()).collect();
        routes::route(path, &methods, Access::Optional)
    }

    #[test]
    fn a_standard_method_passes_in_its_own_case_alone() {
        for (name, passes) in [
            ("GET", true),
            ("PATCH", true),
            ("get", false),
            ("Patch", false),
            ("TRACE", false),
            ("CONNECT", false),
            ("connect", false),
            ("PROPFIND", true),
            ("purge", true),
        ] {
            assert_eq!(is_forwarded(&name.parse().unwrap()), passes, "{name}");
        }
    }

    #[test]
    fn a_path_allows_what_its_routes_take() {
        let list = [route("/api/*", &["POST", "GET", "PURGE"]), route("/api/x", &["PUT"]), route("/open/*", &[])];
        let routes = Routes::for_site(&list, "http", |_| true);
        let allowed = |path| allowed(&routes, "a.example", &request_path::read(path).unwrap());
        assert_eq!(allowed("/api/"), "GET, HEAD, POST, PURGE");
        assert_eq!(allowed("/api/x"), "GET, HEAD, POST, PUT, PURGE");
        assert_eq!(allowed("/open/"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, PURGE");
        assert_eq!(allowed("/"), "");
    }

    #[test]
    fn a_path_without_routes_is_not_there_whatever_the_method() {
        let routes = Routes::for_site(&[route("/api/*", &["GET"])], "http", |_| true);
        let refused = |path, name: &str| {
            let readings = request_path::read(path).unwrap();
            find(&routes, "a.example", &readings, &name.parse().unwrap()).unwrap_err()
        };
        for (path, name, allow) in
            [("/api/", "TRACE", Some("GET, HEAD")), ("/api/", "POST", Some("GET, HEAD")), ("/", "get", None)]
        {
            match (refused(path, name), allow) {
                (Error::MethodNotAllowed { allow }, Some(expected)) => assert_eq!(allow, expected),
                (Error::NotFound, None) => {}
                (error, _) => panic!("{name} {path}: {error}"),
            }
        }
    }
}
