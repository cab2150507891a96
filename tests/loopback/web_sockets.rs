//! WebSockets: by HTTP/2 (RFC 8441), and from pages of other origins.

use std::io::{Read, Write};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Http2, Http2Upstream, Manner, PAGE, SITE, Setup, Upstream, read_head, sent, wait};

const UPGRADE: [&str; 4] =
    ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];

/// Agrees to every WebSocket, and then says back whatever it hears. What asks for none gets `hello`.
fn echo() -> Upstream {
    Upstream::serving(|mut stream, connection, seen| {
        while let Some(request) = read_head(&mut stream, connection) {
            let key = request.header("upgrade").and(request.header("sec-websocket-key")).map(str::to_owned);
            let _ = seen.send(request);
            let Some(key) = key else {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
                continue;
            };
            let told =
                digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
            let accept = BASE64_STANDARD.encode(told);
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut bytes) {
                stream.write_all(&bytes[..length]).unwrap();
            }
            return;
        }
    })
}

fn setup() -> Setup {
    Setup::new().one_core().server("h2c = true")
}

/// Asks for another protocol by HTTP/2.
fn ask(client: &Http2, protocol: &'static str, cookie: Option<&str>) -> Response<Incoming> {
    let mut request = Request::builder().method(Method::CONNECT).uri(format!("http://{SITE}/ws?a=b"));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie).header("origin", format!("http://{SITE}"));
    }
    let request = request.extension(Protocol::from_static(protocol)).header("sec-websocket-version", "13");
    let request = request.body(sent("")).unwrap();
    wait(client.clone().begun(request)).unwrap()
}

/// Opens a WebSocket by HTTP/2.
fn open(client: &Http2, cookie: Option<&str>) -> TokioIo<Upgraded> {
    let response = ask(client, "websocket", cookie);
    assert_eq!(response.status(), 200);
    for name in ["connection", "upgrade", "sec-websocket-accept", "content-length"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    TokioIo::new(wait(async move { hyper::upgrade::on(response).await }).unwrap())
}

/// Says something and hears it back; the way, to go on with, or `None` where it has ended.
fn echoes(mut way: TokioIo<Upgraded>) -> Option<TokioIo<Upgraded>> {
    wait(async move {
        way.write_all(b"\x00\xff\x81 ping").await.ok()?;
        let mut back = [0; 8];
        way.read_exact(&mut back).await.ok()?;
        assert_eq!(&back, b"\x00\xff\x81 ping");
        Some(way)
    })
}

fn is_over(mut way: TokioIo<Upgraded>) -> bool {
    wait(async move { matches!(way.read(&mut [0; 8]).await, Ok(0) | Err(_)) })
}

fn get() -> Request<crate::support::Sent> {
    Request::get(format!("http://{SITE}/")).body(sent("")).unwrap()
}

#[test]
fn by_http_2_a_web_socket_reaches_the_application_as_by_http_1() {
    let upstream = echo();
    let proxy = setup().before(&upstream);
    let client = Http2::plain(proxy.address);
    let mut ways: Vec<_> = (0..2).map(|_| open(&client, None)).collect();
    for _ in 0..2 {
        let seen = upstream.next();
        assert_eq!(seen.line(), "GET /ws?a=b HTTP/1.1");
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (Some("websocket"), Some("upgrade")));
        assert_eq!((seen.header("host"), seen.header("sec-websocket-version")), (Some(SITE), Some("13")));
        assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, None));
    }
    for _ in 0..3 {
        ways = ways.into_iter().map(|way| echoes(way).unwrap()).collect();
        assert_eq!(client.ask(get()).unwrap().status, 200, "beside them");
        upstream.next();
    }
    let mut way = ways.remove(0);
    wait(async move { way.shutdown().await }).unwrap();
    assert!(echoes(ways.remove(0)).is_some(), "the end of one is no other's");
}

#[test]
fn by_http_2_nothing_but_a_switch_opens_a_way() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 501),
        ("HTTP/1.1 204 No Content\r\n\r\n", 501),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
    ] {
        let upstream = Upstream::scripted(move |_| answer.as_bytes().to_vec());
        let proxy = setup().before(&upstream);
        let client = Http2::plain(proxy.address);
        assert_eq!(ask(&client, "websocket", None).status(), status, "{answer}");
        // The connection goes on.
        assert!(client.ask(Request::get(format!("http://{SITE}/.menshen/health")).body(sent("")).unwrap()).is_ok());
    }
    // Nor does an application that speaks HTTP/2 itself hear of what it could not do.
    let upstream = Http2Upstream::hello(Manner::plain());
    let proxy = setup().before_endpoint(format!("h2c://{}", upstream.address));
    assert_eq!(ask(&Http2::plain(proxy.address), "websocket", None).status(), 501);
    let arrived = upstream.next().head;
    assert!(arrived.method == Method::GET && arrived.extensions.get::<Protocol>().is_none());
    upstream.saw_nothing();
    assert_eq!(upstream.connections(), 1);
    let upstream = echo();
    let proxy = setup().upstream("upgrades = []").before(&upstream);
    assert_eq!(ask(&Http2::plain(proxy.address), "websocket", None).status(), 501);
    let proxy = setup().before(&upstream);
    assert_eq!(ask(&Http2::plain(proxy.address), "connect-udp", None).status(), 405);
}

#[test]
fn by_http_2_a_web_socket_keeps_its_connection() {
    let upstream = echo();
    let proxy = setup().section("[limits]\nkeep_alive = \"20ms\"").before(&upstream);
    let client = Http2::plain(proxy.address);
    let mut way = open(&client, None);
    // As long as a connection that nobody uses is not closed is not told anybody, so others are seen to be.
    for _ in 0..5 {
        let other = Http2::plain(proxy.address);
        assert_eq!(other.ask(get()).unwrap().status, 200);
        assert!(other.ended(), "after 20 ms");
        way = echoes(way).unwrap();
    }
    drop(way);
    assert!(client.ended(), "once it is over");
}

#[test]
fn by_http_2_a_web_socket_ends_with_its_session_and_no_other() {
    let upstream = echo();
    let proxy = setup().before(&upstream);
    let (leaving, staying) = (proxy.browser(), proxy.browser());
    leaving.log_in("10001");
    staying.log_in("10002");
    let client = Http2::plain(proxy.address);
    let [ending, going_on] = [&leaving, &staying].map(|browser| open(&client, browser.cookie_header().as_deref()));
    let (ending, going_on) = (echoes(ending).unwrap(), echoes(going_on).unwrap());
    assert_eq!(leaving.post("/.menshen/logout", &[PAGE, &format!("Origin: http://{SITE}")]).status, 200);
    assert!(is_over(ending));
    assert!(echoes(going_on).is_some());
}

#[test]
fn pages_of_other_origins_open_web_sockets_only_where_the_route_lists_them() {
    let upstream = echo();
    let listed = "websocket_origins = [\"https://m.meiduo.site\"]";
    let setup = Setup::new().route_of(&format!("path = \"/ws\"\n{listed}")).route("/other", "optional");
    let proxy =
        setup.route_of("path = \"/ws/admin/*\"\naccess = \"required\"\nidentity = \"default\"").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookie = format!("Cookie: {}", browser.cookie_header().unwrap());
    let own = format!("http://{SITE}");
    for (path, origin, status) in [
        ("/ws", "https://m.meiduo.site", 101),
        ("/ws", own.as_str(), 101),
        ("/ws", "https://m.meiduo.site:8443", 403),
        ("/ws", "http://m.meiduo.site", 403),
        ("/ws", "https://m.meiduo.site.evil.example", 403),
        ("/ws", "null", 403),
        ("/other", "https://m.meiduo.site", 403),
        ("/other", own.as_str(), 101),
        // What another route may be meant by is as that one says.
        ("/ws/../ws", "https://m.meiduo.site", 403),
    ] {
        let origin = format!("Origin: {origin}");
        let fields = [&UPGRADE[..], &[&cookie, &origin]].concat();
        let answer = proxy.connect().get(path, &fields).answer();
        assert_eq!(answer.status, status, "{path} {origin}");
    }
    let twice = ["Origin: https://m.meiduo.site", "Origin: https://m.meiduo.site"];
    let answer = proxy.connect().get("/ws", &[&UPGRADE[..], &[&cookie], &twice].concat()).answer();
    assert_eq!(answer.status, 403);
    // A form of that page's changes nothing all the same.
    let form = format!(
        "POST /ws HTTP/1.1\r\nHost: {SITE}\r\nOrigin: https://m.meiduo.site\r\n{cookie}\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(proxy.connect().send(form).answer().status, 403);
    let cookie = cookie.trim_start_matches("Cookie: ");
    for (path, foretold) in [("/ws", "the application's"), ("/other", "403")] {
        let fields = [&UPGRADE[..], &["Origin: https://m.meiduo.site"]].concat();
        let mut arguments = vec!["explain", "--cookie", cookie, "GET", path];
        fields.iter().for_each(|field| arguments.extend(["-H", field]));
        let told = proxy.command(&arguments).good();
        let answer = told.lines().find_map(|line| line.strip_prefix("answer")).unwrap().trim();
        assert!(answer.starts_with(foretold), "{told}");
    }
}
