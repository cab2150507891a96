//! More requests than the application can take: who waits, who is turned away, and what they hear.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::support::{PATIENCE, Setup, Upstream, read_request};

/// Hands over every connection that has brought a request, to be answered when the test likes.
fn held() -> (Upstream, impl Fn() -> TcpStream) {
    let (hand_over, handed) = channel();
    let (hand_over, handed) = (Mutex::new(hand_over), Mutex::new(handed));
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        let Some(request) = read_request(&mut stream, &mut Vec::new(), connection) else { return };
        seen.send(request).unwrap();
        hand_over.lock().unwrap().send(stream).unwrap();
    });
    (upstream, move || handed.lock().unwrap().recv_timeout(PATIENCE).unwrap())
}

fn finish(mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").unwrap();
}

#[test]
fn who_finds_no_room_waits_for_it_and_has_it_as_soon_as_an_answer_has_ended() {
    let (upstream, next) = held();
    let proxy = Setup::new().monitored().upstream("max_requests = 1\npending_timeout = \"1m\"").before(&upstream);
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    first.get("/first", &[]);
    let mut one = next();
    second.get("/second", &[]);
    // The head alone is no end.
    one.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\no").unwrap();
    assert_eq!(upstream.next().line(), "GET /first HTTP/1.1");
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 1");
    upstream.saw_nothing();
    one.write_all(b"k").unwrap();
    assert_eq!(first.answer().text(), "ok");
    finish(next());
    assert_eq!(second.answer().text(), "ok");
    assert_eq!(upstream.next().line(), "GET /second HTTP/1.1");
}

#[test]
fn who_waits_in_vain_or_cannot_even_wait_is_told_when_to_come_again() {
    let (upstream, next) = held();
    let proxy = Setup::new()
        .monitored()
        .upstream("max_requests = 1\nmax_pending = 1\npending_timeout = \"300ms\"")
        .before(&upstream);
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    first.get("/", &[]);
    let one = next();
    second.get("/", &[]);
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 1");
    for answer in [proxy.connect().get("/", &["Accept-Language: en"]).answer(), second.answer()] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert!(answer.text().contains("\"code\":\"503\""), "{}", answer.text());
    }
    assert!(proxy.metrics().contains("menshen_upstream_turned_away_total{upstream=\"mall\"} 2\n"));
    finish(one);
    assert_eq!(first.answer().text(), "ok", "who was there first has its answer");
}

#[test]
fn who_leaves_while_waiting_takes_nobodys_room() {
    let (upstream, next) = held();
    let proxy = Setup::new().monitored().upstream("max_requests = 1\npending_timeout = \"1m\"").before(&upstream);
    let (mut first, mut gone, mut last) = (proxy.connect(), proxy.connect(), proxy.connect());
    first.get("/", &[]);
    let one = next();
    gone.get("/gone", &[]);
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 1");
    drop(gone);
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 0");
    last.get("/last", &[]);
    finish(one);
    assert_eq!(first.answer().text(), "ok");
    finish(next());
    assert_eq!(last.answer().text(), "ok");
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_its_answer_gives_its_room_back() {
    let (upstream, next) = held();
    let proxy = Setup::new().monitored().upstream("max_requests = 1\npending_timeout = \"1m\"").before(&upstream);
    let mut first = proxy.connect();
    first.get("/", &[]);
    let mut one = next();
    one.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n").unwrap();
    drop(first);
    let mut second = proxy.connect();
    second.get("/", &[]);
    finish(next());
    assert_eq!(second.answer().text(), "ok");
}

#[test]
fn of_all_together_no_more_are_under_way_than_the_operator_allows() {
    let (upstream, next) = held();
    let proxy = Setup::new().monitored().section("[limits]\nrequests = 2").before(&upstream);
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    first.get("/first", &[]);
    let mut one = next();
    second.get("/second", &[]);
    let two = next();
    let refused = proxy.connect().get("/third", &["Accept-Language: en"]).answer();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("\"code\":\"503\""), "{}", refused.text());
    assert_eq!(proxy.connect().get("/.menshen/health", &[]).answer().status, 200, "who watches is always answered");
    proxy.until_metric("menshen_requests_in_flight 2");
    proxy.until_metric("menshen_requests_turned_away_total 1");
    // The head alone is no end, and a reload forgets nobody.
    one.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\no").unwrap();
    first.until(b"\r\n\r\no");
    proxy.reload().unwrap();
    assert_eq!(proxy.connect().get("/third", &[]).answer().status, 503);
    one.write_all(b"k").unwrap();
    first.until(b"k");
    proxy.until_metric("menshen_requests_in_flight 1");
    // Who leaves gives their room back.
    drop(second);
    drop(two);
    proxy.until_metric("menshen_requests_in_flight 0");
    let mut third = proxy.connect();
    third.get("/third", &[]);
    finish(next());
    assert_eq!(third.answer().text(), "ok");
}

/// Regression: the wait counted as the endpoint's silence, and it was left out for that.
#[test]
fn who_has_waited_for_room_has_the_whole_time_for_the_answer() {
    let (upstream, next) = held();
    let lines = "max_requests = 1\npending_timeout = \"1m\"\nhead_timeout = \"1s\"";
    let proxy = Setup::new().monitored().upstream(lines).before(&upstream);
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    first.get("/first", &[]);
    let mut one = next();
    second.get("/second", &[]);
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 1");
    one.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\no").unwrap();
    // Longer than an answer may take.
    assert!(!second.closes_within(std::time::Duration::from_millis(1200)));
    one.write_all(b"k").unwrap();
    finish(next());
    assert_eq!(second.answer().text(), "ok");
}

/// Regression: it counted from when there was room, and what was sent then was sent for nobody.
#[test]
fn a_routes_time_goes_on_while_its_request_waits_for_room() {
    let (upstream, next) = held();
    let limits = "max_requests = 1\npending_timeout = \"1m\"";
    let proxy = Setup::new().monitored().upstream(limits).route_of("path = \"/soon\"\ntimeout = \"100ms\"");
    let proxy = proxy.before(&upstream);
    let mut first = proxy.connect();
    first.get("/first", &[]);
    let one = next();
    assert_eq!(proxy.connect().get("/soon", &[]).answer().status, 504);
    proxy.until_metric("menshen_upstream_waiting{upstream=\"mall\"} 0");
    finish(one);
    assert_eq!(first.answer().text(), "ok");
    assert_eq!(upstream.next().line(), "GET /first HTTP/1.1");
    upstream.saw_nothing();
}
