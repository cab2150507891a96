//! Which header fields pass, in both directions.

use crate::support::{Setup, Upstream};

const HOP_BY_HOP: [&str; 9] = [
    "Connection: keep-alive, X-Private",
    "X-Private: 1",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eDp5",
    "Proxy-Authenticate: Basic",
    "TE: deflate",
    "Upgrade: h2c",
    "X-Kept: a  b",
];

#[test]
fn the_upstream_gets_exactly_these_bytes() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    proxy.connect().get("/a", &["Accept: */*", "X-Twice: 1", "X-Twice: 2", "X-Bytes: a;b=\"c\""]).answer();
    let mut lines: Vec<_> = upstream.next().head.split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "GET /a HTTP/1.1");
    lines.sort();
    assert_eq!(
        lines,
        [
            "accept: */*",
            "host: www.meiduo.site",
            "x-bytes: a;b=\"c\"",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: www.meiduo.site",
            "x-forwarded-proto: http",
            "x-twice: 1",
            "x-twice: 2",
        ]
    );
}

#[test]
fn what_concerns_the_clients_connection_does_not_reach_the_upstream() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    proxy.connect().get("/", &HOP_BY_HOP).answer();
    let request = upstream.next();
    assert_eq!(request.names(), ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-kept"]);
    assert_eq!(request.header("x-kept"), Some("a  b"));
}

#[test]
fn what_concerns_the_upstreams_connection_does_not_reach_the_client() {
    let upstream = Upstream::scripted(|_| {
        let fields = HOP_BY_HOP.join("\r\n");
        format!("HTTP/1.1 200 OK\r\n{fields}\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok")
            .into()
    });
    let proxy = Setup::new().before(&upstream);
    let answer = proxy.connect().get("/", &[]).answer();
    let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "vary", "x-kept"]);
    assert_eq!(answer.header("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
}

#[test]
fn via_passes_as_it_is_and_none_of_ours_is_added() {
    let upstream =
        Upstream::scripted(|_| b"HTTP/1.1 200 OK\r\nVia: 1.1 varnish\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let proxy = Setup::new().before(&upstream);
    for sent in [&["Via: 1.0 fred, 1.1 p.example.net (Apache)", "Via: 2 edge"][..], &[]] {
        let answer = proxy.connect().get("/", sent).answer();
        assert_eq!(answer.header("via"), Some("1.1 varnish"));
        let passed: Vec<String> = upstream.next().all("via").iter().map(|via| format!("Via: {via}")).collect();
        assert_eq!(passed, sent);
    }
}

#[test]
fn connection_cannot_take_host_or_length_away() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let request =
        "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 3\r\nConnection: host, content-length\r\n\r\nabc";
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    let request = upstream.next();
    assert_eq!((request.header("host"), request.header("content-length")), (Some("www.meiduo.site"), Some("3")));
    assert_eq!(request.body, b"abc");
}

#[test]
fn what_a_stranger_says_of_where_it_comes_from_is_replaced() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let claims = [
        "X-Forwarded-For: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 443",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6;proto=https",
    ];
    proxy.connect().get("/", &claims).answer();
    let request = upstream.next();
    assert_eq!(request.names(), ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("x-forwarded-host"), Some("www.meiduo.site"));
}

#[test]
fn a_trusted_proxy_is_believed_as_far_as_the_client_and_no_further() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().server("trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]").before(&upstream);
    let fields = ["X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-For: 10.0.0.2", "X-Forwarded-Proto: https"];
    proxy.connect().get("/", &fields).answer();
    let request = upstream.next();
    assert_eq!(request.header("x-forwarded-for"), Some("203.0.113.9, 10.0.0.2, 127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"), "the site says what it is");
}

#[test]
fn forwarded_takes_the_place_of_the_three_by_setting() {
    let upstream = Upstream::hello();
    let lines = "forwarded = \"forwarded\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let proxy = Setup::new().server(lines).before(&upstream);
    for (said, passed) in [
        ("X-Other: 1", "for=127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.9", "for=203.0.113.9, for=127.0.0.1"),
        ("X-Forwarded-For: [2001:db8::9]:4711", "for=\"[2001:db8::9]\", for=127.0.0.1"),
        ("X-Forwarded-For: x\";proto=https", "for=127.0.0.1"),
    ] {
        proxy.connect().get("/", &[said, "Forwarded: for=6.6.6.6"]).answer();
        let request = upstream.next();
        let expected = format!("{passed};host=\"www.meiduo.site\";proto=http");
        assert_eq!(request.header("forwarded"), Some(expected.as_str()), "{said}");
        assert!(!request.names().iter().any(|name| name.starts_with("x-forwarded")), "{}", request.head);
    }
}

#[test]
fn host_is_the_clients_or_the_configured_one() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().upstream("host = \"mall.internal:8001\"").before(&upstream);
    proxy.connect().get("/", &[]).answer();
    let request = upstream.next();
    assert_eq!(request.header("host"), Some("mall.internal:8001"));
    assert_eq!(request.header("x-forwarded-host"), Some("www.meiduo.site"));
}

#[test]
fn fields_that_change_the_request_behind_the_gates_back_are_dropped() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let fields =
        ["X-Original-URL: /admin/", "X-Rewrite-URL: /admin/", "X-HTTP-Method-Override: DELETE", "Proxy: x", "A_b: 1"];
    proxy.connect().get("/", &fields).answer();
    assert_eq!(upstream.next().names(), ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
}
