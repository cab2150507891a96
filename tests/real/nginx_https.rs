//! nginx before us, with the configuration that we hand out: https outside, and all of it works inside.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tempfile::TempDir;

use crate::backends::{
    Connection, PATIENCE, Program, Proxy, Received, SITE, Setup, Upstream, free_address, nginx, read_request, tls,
};

/// Where visitors come from; nginx and the proxy are at 127.0.0.1.
const VISITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn a_visitor_logs_in_over_https_with_cookies_that_stay_there() {
    let upstream = Upstream::hello();
    let front = Front::before(upstream.address());
    let browser = front.proxy.browser();

    let guarded = browser.visit("/user/center/");
    assert_eq!((guarded.status, guarded.header("location")), (302, Some("/.menshen/login?next=%2Fuser%2Fcenter%2F")));
    let start = browser.get("/qq/login/?next=/user/center/", &["Accept: */*"]);
    let login_url = start.json()["login_url"].as_str().unwrap().to_owned();
    assert!(login_url.contains("redirect_uri=https%3A%2F%2Fwww.meiduo.site%2Foauth_callback"), "{login_url}");
    assert_kept_to_https(start.all("set-cookie")[0], "__Host-menshen_login_");

    let done = browser.log_in("10001");
    let cookies = done.all("set-cookie");
    let session = cookies.iter().find(|cookie| cookie.contains("menshen_session=")).unwrap();
    assert_kept_to_https(session, "__Host-menshen_session=");
    assert!(cookies.iter().all(|cookie| cookie.contains("; Secure")), "{cookies:?}");

    upstream.saw_nothing();
    assert_eq!(browser.visit("/user/center/").text(), "hello");
    let id = browser.user_id().unwrap();
    let claims = claims(&upstream.next());
    assert_eq!((&claims["sub"], &claims["iss"]), (&id.into(), &"https://www.meiduo.site".into()));

    // The site's own forms pass, others' do not.
    assert_eq!(browser.post("/cart/", &[&format!("Origin: https://{SITE}")]).status, 200);
    assert_eq!(browser.post("/.menshen/logout", &[&format!("Origin: http://{SITE}")]).status, 403);
    assert_eq!(browser.post("/.menshen/logout", &[&format!("Origin: https://{SITE}")]).status, 200);
    assert_eq!(browser.user_id(), None);
}

#[test]
fn the_application_learns_the_visitors_own_address_and_that_it_is_https() {
    let upstream = Upstream::hello();
    let front = Front::before(upstream.address());
    let claimed =
        ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: http", "X-Real-IP: 6.6.6.6", "X-Forwarded-Host: evil"];
    assert_eq!(front.proxy.browser().get("/path?a=%20", &claimed).status, 200);
    let seen = upstream.next();
    assert_eq!(seen.line(), "GET /path?a=%20 HTTP/1.1");
    assert_eq!(seen.header("host"), Some(SITE));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some(SITE));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.2, 127.0.0.1"));
    assert_eq!(seen.header("x-real-ip"), None);
    let logged = front.proxy.program.wait_for(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["path"] == "/path").then(|| line["client"].clone())
    });
    assert_eq!(logged, VISITOR.to_string());
}

#[test]
fn browsers_speak_http_2_to_it() {
    let upstream = Upstream::hello();
    let front = Front::before(upstream.address());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--http2", "--noproxy", "*", "--write-out", " %{http_version}"]);
    curl.arg("--cacert").arg(front.folder.path().join("cert.pem"));
    curl.args(["--connect-to", &format!("{SITE}:443:{}", front.https), &format!("https://{SITE}/")]);
    let output = curl.output().expect("curl is needed: apt-get install curl");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello 2", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(upstream.next().header("host"), Some(SITE));
}

#[test]
fn many_logins_begun_in_many_tabs_fit_through() {
    let upstream = Upstream::hello();
    let front = Front::before(upstream.address());
    let browser = front.proxy.browser();
    let next = format!("/?{}", "x".repeat(900));
    let callbacks: Vec<_> = (0..12).map(|_| browser.begin_login(&next, "10001")).collect();
    let cookies = browser.cookie_header().unwrap();
    println!("{} bytes of cookies", cookies.len());
    assert_eq!(browser.visit(callbacks.last().unwrap()).status, 303);
    assert!(browser.user_id().is_some());
}

#[test]
fn plain_http_is_sent_to_https() {
    let upstream = Upstream::hello();
    let front = Front::before(upstream.address());
    let answer = Connection::to(front.http).get("/list/?page=2", &[]).answer();
    assert_eq!((answer.status, answer.header("location")), (301, Some("https://www.meiduo.site/list/?page=2")));
    upstream.saw_nothing();
}

#[test]
fn events_arrive_one_by_one_and_web_sockets_both_ways() {
    let (next, wanted) = channel::<&'static str>();
    let wanted = Mutex::new(wanted);
    let serve = move |mut stream: TcpStream, connection, _: Sender<Received>| {
        let request = read_request(&mut stream, &mut Vec::new(), connection).unwrap();
        if request.header("upgrade") == Some("websocket") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                .unwrap();
            let mut back = stream.try_clone().unwrap();
            std::io::copy(&mut stream, &mut back).unwrap();
        } else {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                .unwrap();
            while let Ok(event) = wanted.lock().unwrap().recv_timeout(PATIENCE) {
                stream.write_all(event.as_bytes()).unwrap();
            }
        }
    };
    let upstream = Upstream::serving(serve);
    let front = Front::before(upstream.address());
    let mut events = front.proxy.connect();
    events.get("/events", &["Accept: text/event-stream"]).until(b"\r\n\r\n");
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        next.send(event).unwrap();
        // The next one is sent only when this one has arrived.
        events.until(event.as_bytes());
    }

    let mut socket = front.proxy.connect();
    let fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];
    let head = socket.get("/ws", &fields).until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    for message in ["there", "and back"] {
        assert_eq!(socket.send(message).exactly(message.len()), message.as_bytes());
    }
}

/// Sent over https alone, to this host alone, and out of scripts' reach.
fn assert_kept_to_https(set_cookie: &str, name: &str) {
    assert!(set_cookie.starts_with(name), "{set_cookie}");
    let attributes: Vec<&str> = set_cookie.split("; ").skip(1).collect();
    assert!(
        ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"].iter().all(|one| attributes.contains(one)),
        "{set_cookie}"
    );
    assert!(!set_cookie.contains("Domain"), "{set_cookie}");
}

/// What the token says that the upstream was sent.
fn claims(request: &Received) -> serde_json::Value {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// nginx before the proxy, and the way to it over TLS.
struct Front {
    /// Its address is that of the way over TLS: all of its clients go through nginx.
    proxy: Proxy,
    https: SocketAddr,
    http: SocketAddr,
    folder: TempDir,
    _nginx: Program,
}

impl Front {
    fn before(upstream: SocketAddr) -> Self {
        let mut proxy = Setup::new()
            .https()
            .server("trusted_proxies = [\"127.0.0.1\"]")
            .section("[[routes]]\npath = \"/user/*\"\naccess = \"required\"\n")
            .before(upstream);
        let folder = tempfile::tempdir().unwrap();
        let certificate = tls::certificate(&[SITE], folder.path());
        let (https, http) = (free_address(), free_address());
        let nginx = nginx::serve(folder.path(), &nginx::handed_out(folder.path(), proxy.address, https, http));
        proxy.address = tls::client(https, VISITOR, &certificate);
        Front { proxy, https, http, folder, _nginx: nginx }
    }
}
