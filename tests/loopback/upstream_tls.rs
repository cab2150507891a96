//! Upstreams that speak TLS: they prove who they are before they get a byte of a request.

use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::copy;

use crate::support::{
    Authority, Http2Upstream, Manner, Proxy, SITE, Setup, Upstream, answer, events, nobody_listens, sent,
};

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
const HTTP_1: &[&[u8]] = &[b"http/1.1"];

/// The proxy before an application at `localhost`, trusting whom `authority` vouches for.
fn before(upstream: &Http2Upstream, authority: &Authority, more: &str) -> Proxy {
    let tls = format!("[upstreams.mall.tls]\nca_file = {:?}\n{more}", authority.ca_file());
    Setup::new().one_core().section(&tls).before_endpoint(format!("https://localhost:{}", upstream.address.port()))
}

#[test]
fn an_upstream_that_proves_who_it_is_is_spoken_to_by_what_it_prefers() {
    let authority = Authority::new();
    authority.issue("app", &["localhost"]);
    for (alpn, version) in
        [(BOTH, http::Version::HTTP_2), (HTTP_1, http::Version::HTTP_11), (&[], http::Version::HTTP_11)]
    {
        let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", alpn, false)));
        let proxy = before(&upstream, &authority, "");
        let mut client = proxy.connect();
        for _ in 0..3 {
            client
                .send(format!("POST /path?a=b HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 4\r\nX-Own: y\r\n\r\nbody"));
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()));
            let arrived = upstream.next();
            assert_eq!((arrived.head.version, arrived.connection), (version, 0));
            assert_eq!(arrived.head.uri.path_and_query().unwrap(), "/path?a=b");
            assert_eq!(arrived.head.headers["x-own"], "y");
        }
    }
}

#[test]
fn http_2_is_not_offered_where_the_setting_says_so() {
    let authority = Authority::new();
    authority.issue("app", &["localhost"]);
    let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", BOTH, false)));
    let proxy = before(&upstream, &authority, "http2 = false");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.next().head.version, http::Version::HTTP_11);
}

#[test]
fn an_upstream_that_is_not_who_it_has_to_be_gets_no_request() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("app", &["localhost"]);
    authority.issue("other", &["other.example"]);
    authority.issue_expired("expired", "localhost");
    stranger.issue("app", &["localhost"]);
    for (issuer, file) in [(&stranger, "app"), (&authority, "other"), (&authority, "expired")] {
        let upstream = Http2Upstream::hello(Manner::secured(issuer.server(file, BOTH, false)));
        let proxy = before(&upstream, &authority, "");
        assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "{file}");
        upstream.saw_nothing();
        assert!(upstream.connections() > 0);
    }
}

#[test]
fn without_a_ca_of_its_own_an_upstream_is_vouched_for_by_whom_the_machine_trusts() {
    let authority = Authority::new();
    authority.issue("app", &["localhost"]);
    let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", BOTH, false)));
    let endpoint = format!("https://localhost:{}", upstream.address.port());
    let proxy = Setup::new().before_endpoint(&endpoint);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    upstream.saw_nothing();
    let proxy = Setup::new().section("[upstreams.mall.tls]\nverify = false").before_endpoint(&endpoint);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200, "where it may be anybody");
}

#[test]
fn another_name_than_the_endpoints_may_be_asked_for() {
    let authority = Authority::new();
    authority.issue("app", &["mall.internal"]);
    let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", BOTH, false)));
    let proxy = before(&upstream, &authority, "server_name = \"mall.internal\"");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.next().head.uri.host(), Some(SITE), "who is asked for is not whom the client wants");
    let proxy = before(&upstream, &authority, "");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
}

#[test]
fn an_upstream_that_asks_who_we_are_is_shown_our_certificate() {
    let authority = Authority::new();
    authority.issue("app", &["localhost"]);
    authority.issue("us", &["menshen.internal"]);
    let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", BOTH, true)));
    let ours = format!("chain_file = {:?}\nkey_file = {:?}", authority.chain("us"), authority.key("us"));
    let proxy = before(&upstream, &authority, &ours);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    upstream.next();
    let proxy = before(&upstream, &authority, "");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "without one");
    upstream.saw_nothing();
}

#[test]
fn what_upgrades_goes_by_http_1_also_where_http_2_is_preferred() {
    let authority = Authority::new();
    authority.issue("app", &["localhost"]);
    let manner = Manner::secured(authority.server("app", BOTH, false));
    let upstream = Http2Upstream::serving(manner, |mut request| async move {
        if !request.headers().contains_key("upgrade") {
            return Ok(answer("hello"));
        }
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
            copy(&mut read, &mut write).await
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        Ok(response.header("connection", "upgrade").header("upgrade", "websocket").body(sent("")).unwrap())
    });
    let proxy = before(&upstream, &authority, "");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.next().head.version, http::Version::HTTP_2);
    let fields = ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];
    let mut socket = proxy.connect();
    let head = socket.get("/ws", &fields).until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    assert_eq!(socket.send("there and back").exactly(14), b"there and back");
    assert_eq!(upstream.next().head.version, http::Version::HTTP_11);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.next().head.version, http::Version::HTTP_2, "everything else still goes by HTTP/2");
}

#[test]
fn an_upstream_in_plain_text_is_502_and_the_log_says_how_it_is_written() {
    let plain = Upstream::serving(|mut stream, _, _| {
        let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let endpoint = format!("https://{}", plain.address());
    let proxy = Setup::new().before_endpoint(&endpoint);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    events().wait_for(1, &[&endpoint, "is written http://, not https://"]);
}

#[test]
fn an_upstream_over_tls_that_is_down_is_502() {
    let endpoint = format!("https://{}", nobody_listens());
    assert_eq!(Setup::new().before_endpoint(endpoint).connect().get("/", &[]).answer().status, 502);
}
