//! Other proxies carry the requests, with the configuration that we hand out, and ask us about each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use crate::backends::{PAGE, Program, Proxy, Received, SCRIPT, SITE, Setup, Upstream, edges, free_address, nginx, tls};

/// Where visitors come from; nginx and the proxy are at 127.0.0.1.
const VISITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Somebody before the application, and we beside it.
struct Front {
    /// Its address is that of the way to whoever stands before the application, over TLS.
    proxy: Proxy,
    _folder: TempDir,
    _edge: Program,
}

/// Starts who stands before the application: with its files in a folder, asking us, listening, before the application.
type Start = fn(&Path, SocketAddr, SocketAddr, SocketAddr) -> Program;

impl Front {
    fn before(upstream: &Upstream, dialect: &str, start: Start) -> Self {
        // Requests that came through us would lead nowhere.
        let mut proxy = Setup::new()
            .https()
            .server("trusted_proxies = [\"127.0.0.1\"]")
            .section(&format!("[forward_auth]\ncallers = [\"127.0.0.1\"]\ndialect = \"{dialect}\"\n"))
            .section("[[routes]]\npath = \"/user/*\"\naccess = \"required\"\n")
            .section("[[routes]]\npath = \"/stripped/*\"\nauthorization = \"strip\"\n")
            .before(free_address());
        let folder = tempfile::tempdir().unwrap();
        let certificate = tls::certificate(&[SITE], folder.path());
        let https = free_address();
        let edge = start(folder.path(), proxy.address, https, upstream.address());
        proxy.address = tls::client(https, VISITOR, &certificate);
        Front { proxy, _folder: folder, _edge: edge }
    }
}

fn nginx(folder: &Path, proxy: SocketAddr, https: SocketAddr, upstream: SocketAddr) -> Program {
    nginx::serve(folder, &nginx::asking(folder, proxy, https, upstream))
}

#[test]
fn nginx_lets_nobody_pass_whom_we_do_not_and_tells_the_application_who_it_is() {
    lets_nobody_pass_whom_we_do_not("nginx", nginx);
}

#[test]
fn caddy_lets_nobody_pass_whom_we_do_not_and_tells_the_application_who_it_is() {
    lets_nobody_pass_whom_we_do_not("caddy", edges::caddy);
}

#[test]
fn envoy_lets_nobody_pass_whom_we_do_not_and_tells_the_application_who_it_is() {
    lets_nobody_pass_whom_we_do_not("envoy", edges::envoy);
}

fn lets_nobody_pass_whom_we_do_not(dialect: &str, start: Start) {
    let upstream = Upstream::hello();
    let front = Front::before(&upstream, dialect, start);
    let browser = front.proxy.browser();
    let guarded = browser.visit("/user/center/?a=b");
    let login = Some("/.menshen/login?next=%2Fuser%2Fcenter%2F%3Fa%3Db");
    assert_eq!((guarded.status, guarded.header("location")), (302, login));
    assert_eq!(browser.get("/user/center/", &[SCRIPT]).status, 401);
    // What a client says of the request and of itself by the names that some proxy uses.
    let spoofed = [
        "X-Original-URI: /",
        "X-Original-Method: GET",
        "X-Forwarded-Uri: /",
        "X-Original-URL: /",
        "X-Rewrite-URL: /",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: evil.example",
        "X-Menshen-User: root",
        "X-Http-Method: DELETE",
        "Authorization: Bearer forged",
    ];
    for target in ["/user/center/", "/x/..%2fuser/", "/user%2Fcenter/", "//user/"] {
        assert_eq!(browser.get(target, &[&[SCRIPT], &spoofed[..]].concat()).status, 401, "{target}");
    }
    upstream.saw_nothing();
    assert_eq!(browser.get("/", &[&[PAGE], &spoofed[..]].concat()).text(), "hello");
    let seen = upstream.next();
    let told = |seen: &Received, name: &str| seen.header(name).filter(|value| !value.is_empty()).map(str::to_owned);
    for name in ["x-original-uri", "x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-menshen-user"] {
        assert_eq!(told(&seen, name), None, "{name}");
    }
    assert_eq!(seen.header("authorization"), Some("Bearer forged"), "what strangers say is the application's to judge");

    // Whoever would be taken for another by a backend that folds names is not let in, or comes without that.
    let disguised = browser.get("/", &[PAGE, "X_Menshen_User: root"]);
    if disguised.status == 200 {
        let seen = upstream.next();
        assert!(!seen.head.to_ascii_lowercase().contains("x_menshen_user"), "{}", seen.head);
    } else {
        assert!([400, 403].contains(&disguised.status), "{}", disguised.status);
    }
    assert_eq!(browser.get("/stripped/x", &[&[PAGE], &spoofed[..]].concat()).text(), "hello");
    assert_eq!(told(&upstream.next(), "authorization"), None);

    browser.log_in("10001");
    assert_eq!(browser.get("/user/center/", &[&[PAGE], &spoofed[..]].concat()).text(), "hello");
    let seen = upstream.next();
    assert_eq!(told(&seen, "x-menshen-user"), browser.user_id());
    assert!(seen.header("authorization").unwrap().starts_with("Bearer ey"));
    assert!(!seen.header("cookie").unwrap_or_default().contains("menshen"), "{:?}", seen.header("cookie"));
    assert_eq!((seen.header("host"), seen.header("x-forwarded-for")), (Some(SITE), Some("127.0.0.2")));
    // Who asks as nginx does would read in the answer what only the application is to see.
    let asking = ["X-Original-URI: /", "X-Original-Method: GET"];
    for target in ["/.menshen/auth", "/.menshen/%61uth", "//.menshen/auth", "/.menshen/x/../auth", "/.menshen/auth/"] {
        let answer = browser.get(target, &asking);
        // Where it is no name of ours to the one who asks, it is one of the application's.
        assert!(answer.status == 404 || answer.text() == "hello", "{target}: {}", answer.status);
        for told in ["authorization", "x-menshen-user", "cookie"] {
            assert_eq!(answer.header(told), None, "{target}");
        }
        if answer.status == 200 {
            upstream.next();
        }
    }
    assert_eq!(browser.post("/user/x", &["Origin: https://evil.example"]).status, 403);
    assert_eq!(browser.post("/user/x", &[&format!("Origin: https://{SITE}")]).status, 200);
    upstream.next();
    assert_eq!(browser.post("/.menshen/logout", &[&format!("Origin: https://{SITE}")]).status, 200);
    assert_eq!(browser.get("/user/center/", &[SCRIPT]).status, 401);
    upstream.saw_nothing();
}
