//! What a client writes, in every way to write it, as the bytes that an upstream gets: who somebody is comes from us or
//! from nobody.

#[path = "../real/spoofing/shape.rs"]
mod shape;

use self::shape::{SHAPES, Shape};
use crate::support::{Proxy, Received, SITE, Setup, Upstream};

/// Names that become, in some backend, the name of a header that we send or that says what we decide.
const NAMES: &str = include_str!("../data/forged_headers.txt");

/// As many of them as fit into one request, twice.
const AT_ONCE: usize = 40;

/// What an application does with its own.
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Agrees to every upgrade.
fn agreeing() -> Upstream {
    Upstream::scripted(|request| match request.header("upgrade") {
        Some(_) => SWITCHED.to_vec(),
        None => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
    })
}

fn before(upstream: &Upstream) -> Proxy {
    Setup::new()
        .route("/public/*", "public")
        .route("/optional/*", "optional")
        .route("/required/*", "required")
        .route_of("path = \"/other/*\"\naccess = \"required\"\nidentity = \"other\"")
        .section(include_str!("../data/told_headers.toml"))
        .before(upstream)
}

/// What arrives of names written so; `None`: the request is refused, and nothing of it arrives.
fn ask(proxy: &Proxy, upstream: &Upstream, shape: &Shape, request: &str) -> Option<Received> {
    let answer = proxy.connect().send(request).answer();
    if answer.status == 400 {
        assert!(shape.may_be_refused, "{} is refused: {request}", shape.name);
        upstream.saw_nothing();
        return None;
    }
    let seen = upstream.next();
    assert_eq!(answer.status, if seen.header("upgrade").is_some() { 101 } else { 200 }, "{}", shape.name);
    Some(seen)
}

/// All that a request says, in lower case, but for the field of the honest ones. A trailer that is only announced says
/// nothing.
fn said(request: &Received) -> Vec<String> {
    let body = String::from_utf8(request.body.clone()).unwrap();
    let lines = request.head.split("\r\n").chain(body.split("\r\n")).map(str::to_ascii_lowercase);
    let mut lines: Vec<String> =
        lines.filter(|line| !line.contains("x-innocent") && !line.starts_with("trailer:")).collect();
    lines.sort();
    lines
}

#[test]
fn no_way_to_write_a_field_makes_anybody_somebody() {
    let upstream = agreeing();
    let proxy = before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let (id, session) = (user.user_id().unwrap(), format!("Cookie: {}\r\n", user.cookie_header().unwrap()));
    let names: Vec<&str> = NAMES.lines().collect();
    for (cookie, access, told) in [
        ("", "public", None),
        ("", "optional", None),
        (&session, "public", None),
        (&session, "optional", Some("x-menshen-user")),
        (&session, "required", Some("x-menshen-user")),
        (&session, "other", Some("x-auth-openid")),
    ] {
        let target = format!("/{access}/");
        for shape in &SHAPES {
            let Some(honest) = ask(&proxy, &upstream, shape, &(shape.write)(&target, cookie, &["X-Innocent"])) else {
                continue;
            };
            for name in ["x-menshen-user", "x-auth-openid"] {
                assert_eq!(honest.header(name).is_some(), told == Some(name), "{} {access}", shape.name);
            }
            assert!(told != Some("x-menshen-user") || honest.header("x-menshen-user") == Some(&id));
            assert_eq!(honest.header("upgrade").is_some(), shape.name == "on an upgrade");
            for names in names.chunks(AT_ONCE) {
                let Some(forged) = ask(&proxy, &upstream, shape, &(shape.write)(&target, cookie, names)) else {
                    continue;
                };
                assert_eq!(said(&forged), said(&honest), "{} {access}", shape.name);
            }
        }
    }
}

#[test]
fn no_way_to_write_a_field_stands_for_a_session() {
    let upstream = agreeing();
    let proxy = before(&upstream);
    let names: Vec<&str> = NAMES.lines().collect();
    for shape in &SHAPES {
        for names in names.chunks(AT_ONCE) {
            let status = proxy.connect().send((shape.write)("/required/", "", names)).answer().status;
            assert!(status == 401 || (status == 400 && shape.may_be_refused), "{} {names:?}: {status}", shape.name);
        }
    }
    upstream.saw_nothing();
}
