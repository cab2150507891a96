//! `routes[].authorization`: what becomes of the `Authorization` that a client sends.

use crate::support::{PAGE, Proxy, SCRIPT, Setup, Upstream};

/// What a page says whose scripts have nobody's token.
const NOBODYS: &str = "Authorization: JWT undefined";

fn proxy(upstream: &Upstream) -> Proxy {
    Setup::new()
        .route_of("path = \"/stripped/*\"\nauthorization = \"strip\"")
        .route_of("path = \"/api/*\"\nauthorization = \"require\"")
        .route_of("path = \"/public/*\"\naccess = \"public\"\nauthorization = \"require\"")
        .route_of("path = \"/user/*\"\naccess = \"required\"\nauthorization = \"require\"")
        .before(upstream)
}

#[test]
fn what_a_client_says_goes_on_unless_its_route_says_otherwise() {
    let upstream = Upstream::hello();
    let proxy = proxy(&upstream);
    for path in ["/", "/api/x", "/public/x"] {
        assert_eq!(proxy.connect().get(path, &[NOBODYS]).answer().status, 200, "{path}");
        assert_eq!(upstream.next().header("authorization"), Some("JWT undefined"), "{path}");
    }
}

#[test]
fn a_route_that_strips_it_sends_nobodys_authorization_in_any_reading_of_its_path() {
    let upstream = Upstream::hello();
    let proxy = proxy(&upstream);
    for path in ["/stripped/x", "/stripped%2Fx", "/x/..%2fstripped/x"] {
        assert_eq!(proxy.connect().get(path, &[NOBODYS]).answer().status, 200, "{path}");
        assert_eq!(upstream.next().header("authorization"), None, "{path}");
    }
    let browser = proxy.browser();
    browser.log_in("10001");
    assert_eq!(browser.get("/stripped/x", &[SCRIPT, NOBODYS]).status, 200);
    let told = upstream.next();
    assert!(told.header("authorization").unwrap().starts_with("Bearer ey"), "what we say goes on");
}

#[test]
fn a_route_that_requires_it_takes_nobody_without_an_authorization_or_a_session() {
    let upstream = Upstream::hello();
    let proxy = proxy(&upstream);
    let browser = proxy.browser();
    for kind in [SCRIPT, PAGE] {
        for path in ["/api/x", "/api%2Fx", "/public/x"] {
            assert_eq!(browser.get(path, &[kind]).status, 401, "{path}");
        }
    }
    // It says nothing of itself by its standard.
    let preflight = ["Origin: http://a.example", "Access-Control-Request-Method: GET"];
    assert_eq!(browser.request("OPTIONS", "/api/x", &preflight, "").status, 200);
    upstream.next();
    upstream.saw_nothing();
    browser.log_in("10001");
    assert_eq!(browser.get("/api/x", &[SCRIPT]).status, 200);
    assert!(upstream.next().header("authorization").unwrap().starts_with("Bearer ey"));
    // Where nobody is told who it is, a session is nothing to pass by.
    assert_eq!(browser.get("/public/x", &[SCRIPT]).status, 401);
    upstream.saw_nothing();
}

#[test]
fn where_a_session_is_needed_an_authorization_is_none() {
    let upstream = Upstream::hello();
    let proxy = proxy(&upstream);
    assert_eq!(proxy.connect().get("/user/x", &[SCRIPT, NOBODYS]).answer().status, 401);
    upstream.saw_nothing();
}

#[test]
fn what_is_explained_says_what_becomes_of_it() {
    let upstream = Upstream::hello();
    let proxy = proxy(&upstream);
    for (path, said) in [
        ("/stripped/x", "the client's own goes no further"),
        ("/api/x", "401: the route wants an Authorization of the client's own, or a session"),
    ] {
        let told = proxy.command(&["explain", "GET", path]).good();
        assert!(told.contains(said), "{path}: {told}");
    }
}
