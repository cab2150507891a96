//! Upgrades: WebSocket passes once the upstream agrees, and nothing else does.

use std::io::Write;
use std::time::Duration;

use menshen::demo::qq;

use crate::support::{Browser, Connection, PAGE, Proxy, Setup, Upstream, eventually, read_body, read_head};

const UPGRADE: [&str; 4] =
    ["Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

const HOUR: Duration = Duration::from_secs(3600);

/// Agrees to every upgrade, and then says back whatever it hears, eight bytes at a time.
fn echo() -> Upstream {
    Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        seen.send(request.clone()).unwrap();
        if request.header("upgrade").is_none() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
            return;
        }
        stream.write_all(SWITCHED).unwrap();
        loop {
            let heard = read_body(&mut stream, 8);
            if heard.is_empty() || stream.write_all(&heard).is_err() {
                let _ = seen.send(request);
                return;
            }
        }
    })
}

fn switched(proxy: &Proxy) -> Connection {
    switched_with(proxy, &[])
}

fn switched_with(proxy: &Proxy, fields: &[&str]) -> Connection {
    let mut client = proxy.connect();
    client.get("/ws", &[&UPGRADE, fields].concat());
    let answer = client.answer();
    assert_eq!(answer.status, 101);
    assert_eq!((answer.header("upgrade"), answer.header("connection")), (Some("websocket"), Some("upgrade")));
    client
}

/// Regression: what had been upgraded was no load, and one endpoint could get all of it.
#[test]
fn what_is_upgraded_counts_for_whom_has_least_to_do() {
    let both = [echo(), echo()];
    let addresses = [both[0].address(), both[1].address()];
    let proxy = Setup::new().upstream("balance = \"least_request\"").before_all(&addresses);
    let clients: Vec<Connection> = (0..16).map(|_| switched(&proxy)).collect();
    let each = both.each_ref().map(|upstream| std::iter::from_fn(|| upstream.try_next()).count());
    assert_eq!(each, [8, 8]);
    drop(clients);
}

#[test]
fn bytes_pass_both_ways_until_the_client_leaves() {
    let upstream = echo();
    let proxy = Setup::new().before(&upstream);
    let mut client = switched(&proxy);
    let request = upstream.next();
    assert_eq!((request.header("upgrade"), request.header("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(request.header("sec-websocket-key"), Some("x"));
    for _ in 0..3 {
        assert_eq!(client.send(b"\x00\xff\x81 ping").exactly(8), b"\x00\xff\x81 ping");
    }
    drop(client);
    upstream.next();
}

#[test]
fn what_the_client_says_before_the_answer_is_not_lost() {
    let upstream = echo();
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.get("/ws", &UPGRADE).send("too soon");
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.exactly(8), b"too soon");
}

#[test]
fn an_upstream_that_leaves_is_the_end_for_the_client() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
        stream.write_all(&[SWITCHED, b"bye"].concat()).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = switched(&proxy);
    assert_eq!(client.exactly(3), b"bye");
    assert!(client.is_closed());
}

/// Regression: the tunnel read through the socket's timers, which took its first bytes for a request's head.
#[test]
fn neither_the_head_timer_nor_the_idle_timer_ends_an_upgraded_connection() {
    let upstream = echo();
    let limits = "[limits]\nhead_timeout = \"50ms\"\nkeep_alive = \"50ms\"";
    let proxy = Setup::new().section(limits).before(&upstream);
    let mut client = switched(&proxy);
    assert_eq!(client.send("0123456-").exactly(8), b"0123456-");
    // Another connection of the same age is over by then: that much time has really passed.
    let mut idle = proxy.connect();
    assert_eq!(idle.get("/.menshen/health", &[]).answer().status, 200);
    assert!(idle.is_closed());
    let mut idle = proxy.connect();
    assert!(idle.is_closed());
    assert_eq!(client.send("still 8b").exactly(8), b"still 8b");
}

#[test]
fn a_refused_upgrade_leaves_both_connections_to_http() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec());
    let proxy = Setup::new().one_core().before(&upstream);
    let mut client = proxy.connect();
    for _ in 0..2 {
        let answer = client.get("/ws", &UPGRADE).answer();
        assert_eq!((answer.status, answer.text().as_str(), upstream.next().connection), (403, "no", 0));
    }
}

/// Regression: what was announced as a body went on to the upstream after a logout had closed the tunnel.
#[test]
fn a_request_whose_body_is_still_to_come_is_not_upgraded() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        request.body = read_body(&mut stream, 5);
        seen.send(request).unwrap();
        stream.write_all(SWITCHED).unwrap();
        assert!(read_body(&mut stream, 1).is_empty());
    });
    let proxy = Setup::new().before(&upstream);
    for (framing, body) in [("Content-Length: 5", "first"), ("Transfer-Encoding: chunked", "5\r\nfirst\r\n0\r\n\r\n")] {
        let mut client = proxy.connect();
        client.get("/ws", &[&UPGRADE, &[framing][..]].concat()).send(body);
        assert_eq!(client.answer().status, 502, "nobody asked for it");
        let seen = upstream.next();
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (None, None), "{framing}");
    }
}

#[test]
fn other_protocols_are_not_asked_for() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for offer in ["Upgrade: h2c", "Upgrade: HTTP/2.0, TLS/1.0", "X: 1"] {
        let fields = ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk", offer];
        assert_eq!(proxy.connect().get("/", &fields).answer().status, 200);
        let request = upstream.next();
        assert_eq!((request.header("upgrade"), request.header("connection")), (None, None), "{offer}");
        assert_eq!(request.header("http2-settings"), None);
    }
    // Of several offers the allowed one goes on.
    proxy.connect().get("/", &["Connection: Upgrade", "Upgrade: h2c, WebSocket"]).answer();
    assert_eq!(upstream.next().header("upgrade"), Some("WebSocket"));
}

#[test]
fn an_empty_list_lets_no_upgrade_through() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().upstream("upgrades = []").before(&upstream);
    proxy.connect().get("/ws", &UPGRADE).answer();
    assert_eq!(upstream.next().header("upgrade"), None);
}

#[test]
fn a_101_that_nobody_asked_for_or_to_another_protocol_is_502() {
    for fields in ["Connection: upgrade\r\nUpgrade: h2c\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n"] {
        let upstream =
            Upstream::scripted(move |_| format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nevil").into());
        let proxy = Setup::new().before(&upstream);
        for asked in [&[][..], &UPGRADE] {
            let answer = proxy.connect().get("/", asked).answer();
            assert_eq!((answer.status, answer.header("upgrade")), (502, None), "{fields:?}");
        }
    }
}

#[test]
fn open_upgrades_count_as_connections_and_end_when_the_proxy_stops() {
    let upstream = echo();
    let mut proxy = Setup::new().section("[limits]\nconnections = 1").before(&upstream);
    let mut client = switched(&proxy);
    assert!(proxy.connect().is_closed(), "there is room for one");
    proxy.stop();
    assert_eq!(client.until_closed().rest(), [0x88, 2, 0x03, 0xe9], "it is told that we go away");
}

/// A tunnel with the identity of whoever is logged in.
fn tunnel_of(proxy: &Proxy, browser: &Browser<'_>) -> Connection {
    switched_with(proxy, &[&format!("Cookie: {}", browser.cookie_header().unwrap())])
}

/// That whose it was may not have it any more (RFC 6455, 7.4.1). In the middle of what could be a frame nothing is said.
const NO_LONGER: [u8; 4] = [0x88, 2, 0x03, 0xf0];

fn echoes(tunnel: &mut Connection) -> bool {
    tunnel.send("are you?").exactly(8) == b"are you?"
}

#[test]
fn a_tunnel_ends_at_once_with_its_session_and_all_others_go_on() {
    let upstream = echo();
    let proxy = Setup::new().site("logout_paths = [\"/logout/\"]").before(&upstream);
    let other = proxy.browser();
    other.log_in("10001");
    let mut others = [switched(&proxy), tunnel_of(&proxy, &other)];
    let ways: [fn(&Browser<'_>); 3] = [
        |browser| assert_eq!(browser.post("/.menshen/logout", &[PAGE]).status, 200),
        |browser| assert_eq!(browser.visit("/logout/").status, 200),
        |browser| assert_eq!(browser.log_in("10002").status, 303),
    ];
    for end in ways {
        let browser = proxy.browser();
        browser.log_in("10001");
        let mut tunnels = [tunnel_of(&proxy, &browser), tunnel_of(&proxy, &browser)];
        assert!(tunnels.iter_mut().all(echoes));
        end(&browser);
        assert!(tunnels.iter_mut().all(Connection::is_closed));
        assert!(others.iter_mut().all(echoes));
    }
}

#[test]
fn a_tunnel_of_an_api_token_ends_when_the_token_is_logged_out_or_expires() {
    let upstream = echo();
    let proxy = Setup::new().section("[session]\napi_token_lifetime = \"2h\"").before(&upstream);
    let client = proxy.browser();
    let header = format!("Authorization: Bearer {}", client.token("10001"));
    let mut tunnel = switched_with(&proxy, &[&header]);
    assert_eq!(proxy.browser().post("/.menshen/logout", &[&header]).status, 200);
    assert_eq!(tunnel.until_closed().rest(), NO_LONGER);
    let header = format!("Authorization: Bearer {}", client.token("10001"));
    let mut tunnel = switched_with(&proxy, &[&header]);
    proxy.advance(2 * HOUR - Duration::from_secs(1));
    assert!(echoes(&mut tunnel));
    proxy.advance(Duration::from_secs(1));
    assert!(tunnel.is_closed());
}

#[test]
fn a_tunnel_that_is_used_goes_on_until_its_sessions_lifetime_is_over() {
    let upstream = echo();
    let proxy = Setup::new().section("[session]\nidle = \"8h\"\nlifetime = \"20h\"").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let (mut used, mut unused) = (tunnel_of(&proxy, &browser), tunnel_of(&proxy, &browser));
    proxy.advance(7 * HOUR);
    assert!(echoes(&mut used));
    proxy.advance(HOUR);
    assert_eq!(unused.until_closed().rest(), NO_LONGER);
    proxy.advance(6 * HOUR);
    assert!(echoes(&mut used));
    proxy.advance(6 * HOUR - Duration::from_secs(1));
    assert!(echoes(&mut used));
    proxy.advance(Duration::from_secs(1));
    assert!(used.is_closed());
}

#[test]
fn a_tunnel_outlives_a_change_of_its_users_name() {
    let upstream = echo();
    let proxy = Setup::new().before(&upstream);
    let (old, new) = (proxy.browser(), proxy.browser());
    old.log_in("10001");
    let mut tunnel = tunnel_of(&proxy, &old);
    proxy.qq.add_user(qq::User::new("10001", "大明"));
    new.log_in("10001");
    eventually(|| old.get("/.menshen/userinfo", &[]).json()["display_name"] == "大明");
    assert!(echoes(&mut tunnel));
    old.post("/.menshen/logout", &[PAGE]);
    assert!(tunnel.is_closed());
}

/// Regression: an application that had closed its side left the connection to the client, who could hold it for ever.
#[test]
fn a_client_that_is_silent_after_the_upstream_has_left_is_hung_up_on() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(SWITCHED).unwrap();
        stream.write_all(b"bye").unwrap();
        seen.send(request).unwrap();
    });
    let mut proxy =
        Setup::new().upstream("idle_timeout = \"100ms\"").section("[limits]\nconnections = 1").before(&upstream);
    let mut client = switched(&proxy);
    assert_eq!(client.exactly(3), b"bye");
    assert!(client.is_closed());
    // Its place is free again, though the client has not closed its side.
    eventually(|| {
        let mut next = proxy.connect();
        next.try_send("GET /.menshen/health HTTP/1.0\r\n\r\n");
        next.until_closed().rest().starts_with(b"HTTP/1.0 200")
    });
    proxy.stop();
}

/// Regression: what a client sent after the upstream had closed its half was thrown away for ten seconds.
/// Regression: what was on its way to a client that took it slowly was cut off, and looked whole.
#[test]
fn what_is_on_its_way_to_a_slow_client_is_waited_for_after_it_has_closed_its_half() {
    const LENGTH: usize = 16 << 20;
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(SWITCHED).unwrap();
        assert!(read_body(&mut stream, 1).is_empty());
        seen.send(request).unwrap();
        stream.write_all(&vec![7; LENGTH]).unwrap();
    });
    let proxy = Setup::new().upstream("idle_timeout = \"100ms\"").before(&upstream);
    let mut client = switched(&proxy);
    client.finish();
    upstream.next();
    // As long as nobody takes anything: several times what silence is allowed.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(client.swallow(LENGTH), LENGTH);
}

#[test]
fn what_a_client_sends_after_the_upstream_has_closed_its_half_arrives() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        stream.write_all(SWITCHED).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        seen.send(request.clone()).unwrap();
        request.body = read_body(&mut stream, usize::MAX);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = switched(&proxy);
    upstream.next();
    assert!(client.is_closed(), "its half");
    for piece in ["one ", "two ", "three"] {
        client.send(piece);
    }
    client.finish();
    assert_eq!(upstream.next().body, b"one two three");
}
