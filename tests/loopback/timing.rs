//! Timers on the client's side, and stopping.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::{Setup, Upstream, read_body, read_head};

#[test]
fn a_head_that_trickles_in_is_cut_off() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[limits]\nhead_timeout = \"200ms\"").before(&upstream);
    let mut client = proxy.connect();
    // Bytes keep coming; the time counts from the first.
    let mut sent = 0;
    while client.try_send("G") {
        sent += 1;
        if client.closes_within(Duration::from_millis(20)) {
            break;
        }
    }
    assert!(sent > 2, "closed after {sent} bytes");
    upstream.saw_nothing();
}

#[test]
fn an_idle_connection_is_closed_whether_it_has_been_used_or_not() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[limits]\nkeep_alive = \"100ms\"").before(&upstream);
    assert!(proxy.connect().is_closed());
    for requests in 1..4 {
        let mut client = proxy.connect();
        (0..requests).for_each(|_| assert_eq!(client.get("/", &[]).answer().text(), "hello"));
        assert!(client.is_closed());
        let mut client = proxy.connect();
        assert_eq!(client.get("/.menshen/health", &[]).answer().status, 200);
        assert!(client.is_closed());
    }
}

/// Regression: silent connections kept others out for as long as a used one may idle.
#[test]
fn a_connection_that_has_sent_nothing_waits_no_longer_than_for_a_head() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[limits]\nhead_timeout = \"100ms\"\nkeep_alive = \"1h\"").before(&upstream);
    let mut used = proxy.connect();
    used.get("/", &[]).answer();
    assert!(proxy.connect().is_closed());
    assert_eq!(used.get("/", &[]).answer().text(), "hello");
}

/// Regression: it was listened to for ten seconds, as fast as it could send.
#[test]
fn a_client_that_goes_on_sending_after_its_answer_is_not_listened_to_without_end() {
    let upstream = Upstream::hello();
    let proxy = Setup::without_routes().route("/*", "required").before(&upstream);
    let mut client = proxy.connect();
    let tebibyte = 1_u64 << 40;
    client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: {tebibyte}\r\n\r\n"));
    let piece = vec![b'x'; 1 << 20];
    // What is on its way in the system's buffers counts too.
    let sent = (0..1024).take_while(|_| client.try_send(&piece)).count();
    assert!((60..512).contains(&sent), "{sent} MiB");
    upstream.saw_nothing();
}

#[test]
fn neither_timer_ends_a_request_that_is_being_answered() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        seen.send(request).unwrap();
        // Until the test says so.
        assert_eq!(read_body(&mut stream, 2), b"go");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let proxy = Setup::new().section("[limits]\nhead_timeout = \"50ms\"\nkeep_alive = \"50ms\"").before(&upstream);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\n");
    upstream.next();
    // Idle connections that came later are over by now.
    assert!(proxy.connect().is_closed() && proxy.connect().is_closed());
    assert_eq!(client.send("go").answer().text(), "ok");
}

/// Regression: a connection whose last request we had answered ourselves was read from for ten seconds more, and so was
/// one on which half a head had come.
#[test]
fn stopping_waits_for_nothing_that_an_idle_connection_may_still_say() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().route("/user/*", "required").server_drain("1m").before(&upstream);
    let mut clients = ["POST /user/ HTTP/1.1", "POST /.menshen/nothing HTTP/1.1"].map(|line| {
        let mut client = proxy.connect();
        client.send(format!("{line}\r\nHost: www.meiduo.site\r\nContent-Length: 3\r\n\r\nabc"));
        assert!(client.answer().status >= 400);
        client
    });
    clients[0].send("GET / HTT");
    // Until it is no answer that has just been given any more.
    thread::sleep(Duration::from_millis(200));
    let begun = tokio::time::Instant::now();
    proxy.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(clients[1].is_closed());
}

#[test]
fn stopping_closes_idle_connections_and_lets_a_running_answer_end() {
    let (finish, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe").unwrap();
        seen.send(request).unwrap();
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(b"re").unwrap();
    });
    let mut proxy = Setup::new().server_drain("10s").before(&upstream);
    let (mut idle, mut fresh, mut busy) = (proxy.connect(), proxy.connect(), proxy.connect());
    assert_eq!(idle.get("/.menshen/health", &[]).answer().status, 200);
    busy.get("/", &[]).until(b"he");
    upstream.next();
    thread::scope(|scope| {
        let stopping = scope.spawn(|| proxy.stop());
        assert!(idle.is_closed() && fresh.is_closed());
        assert!(!stopping.is_finished());
        finish.send(()).unwrap();
        assert_eq!(busy.exactly(2), b"re");
        assert!(busy.is_closed());
        stopping.join().unwrap();
    });
}

#[test]
fn stopping_takes_no_longer_than_the_drain_time() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        seen.send(request.clone()).unwrap();
        read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let mut proxy = Setup::new().server_drain("50ms").before(&upstream);
    let mut client = proxy.connect();
    client.get("/never", &[]);
    upstream.next();
    proxy.stop();
    upstream.next();
    assert!(client.is_closed());
}
