//! Upstreams that speak HTTP/2: many requests share a connection, and none suffers for what becomes of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{Notify, mpsc};

use crate::support::{
    Connection, Http2, Http2Upstream, Manner, Proxy, SITE, Sent, Setup, Upstream, answer, events, read_head, sent,
    streamed, wait,
};

pub(crate) fn setup() -> Setup {
    Setup::new().one_core().server("h2c = true")
}

pub(crate) fn before(upstream: &Http2Upstream) -> Proxy {
    setup().before_endpoint(format!("h2c://{}", upstream.address))
}

fn get(path: &str) -> Request<Sent> {
    Request::get(format!("http://{SITE}{path}")).body(sent("")).unwrap()
}

/// An answer whose body is what is sent into the channel.
pub(crate) fn told() -> (mpsc::UnboundedSender<Frame<Bytes>>, Response<Sent>) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| told.poll_recv(cx)).map(Ok);
    (tell, Response::new(BodyExt::boxed(StreamBody::new(frames))))
}

#[test]
fn requests_by_whatever_protocol_share_one_connection() {
    let upstream = Http2Upstream::hello(Manner::plain());
    let proxy = before(&upstream);
    let fields = ["TE: trailers", "Connection: te, x-secret", "X-Secret: 1", "X-Own: y", "Cookie: a=1; b=2"];
    assert_eq!(proxy.connect().get("/path?a=%20b", &fields).answer().text(), "hello");
    let arrived = upstream.next().head;
    assert_eq!((&arrived.method, arrived.version), (&Method::GET, Version::HTTP_2));
    assert_eq!(arrived.uri.to_string(), format!("http://{SITE}/path?a=%20b"));
    assert_eq!(
        (&arrived.headers["te"], &arrived.headers["x-own"]),
        (&"trailers".parse().unwrap(), &"y".parse().unwrap())
    );
    assert_eq!(arrived.headers["cookie"], "a=1; b=2");
    assert_eq!(
        (&arrived.headers["x-forwarded-for"], &arrived.headers["x-forwarded-host"]),
        (&"127.0.0.1".parse().unwrap(), &SITE.parse().unwrap())
    );
    for name in ["host", "connection", "x-secret", "transfer-encoding", "content-length"] {
        assert!(!arrived.headers.contains_key(name), "{name}");
    }
    let client = Http2::plain(proxy.address);
    let answers = wait(join_all((0..50).map(move |at| client.clone().asked(get(&format!("/{at}"))))));
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == 200));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn many_who_come_first_wait_for_the_same_connection() {
    let upstream = Http2Upstream::hello(Manner::plain());
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    let answers = wait(join_all((0..50).map(move |_| client.clone().asked(get("/")))));
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == 200));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn bodies_trailers_and_lengths_arrive_as_they_were_sent() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        let length = request.headers().get("content-length").cloned();
        let collected = request.into_body().collect().await?;
        let mut trailers = collected.trailers().cloned().unwrap_or_default();
        trailers.insert("x-status", HeaderValue::from_static("well"));
        trailers.extend(length.map(|length| (http::HeaderName::from_static("x-length"), length)));
        let frames = [Frame::data(collected.to_bytes()), Frame::trailers(trailers)].map(Ok);
        Ok(Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))))
    });
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), HeaderValue::from_static("abc"))]);
    let post = || Request::post(format!("http://{SITE}/"));
    let echoed = client.ask(post().body(streamed(&["one ", "two"], Some(trailers))).unwrap()).unwrap();
    assert_eq!(&echoed.body[..], b"one two");
    let trailers = echoed.trailers.unwrap();
    assert_eq!((&trailers["x-checksum"], &trailers["x-status"]), (&"abc".parse().unwrap(), &"well".parse().unwrap()));
    assert!(!trailers.contains_key("x-length"), "none was told");
    let echoed = client.ask(post().body(sent("whole")).unwrap()).unwrap();
    assert_eq!((&echoed.body[..], &echoed.trailers.unwrap()["x-length"]), (&b"whole"[..], &"5".parse().unwrap()));
    // An empty block of trailers is a body's end like any other.
    let echoed = client.ask(post().body(streamed(&["end"], Some(HeaderMap::new()))).unwrap()).unwrap();
    assert_eq!((echoed.status, &echoed.body[..]), (200, &b"end"[..]));

    // By HTTP/1.1: chunks in, chunks out.
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"));
    let echoed = client.answer();
    assert_eq!((echoed.text(), echoed.header("transfer-encoding")), ("one".to_owned(), Some("chunked")));
    client.send(format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("body").answer().text(), "body");
    client.get("/", &[]);
    assert_eq!(client.answer().status, 200, "the connection serves on");
}

#[test]
fn no_more_requests_go_out_on_a_connection_than_the_upstream_takes_at_once() {
    let (all_there, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (count, told, gone) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&all_there), Arc::clone(&go));
    let manner = Manner { streams: 2, ..Manner::plain() };
    let upstream = Http2Upstream::serving(manner, move |request| {
        let (count, told, go) = (Arc::clone(&count), Arc::clone(&told), Arc::clone(&gone));
        async move {
            if request.uri().path() == "/wait" {
                let going = go.notified();
                if count.fetch_add(1, Ordering::SeqCst) == 4 {
                    told.notify_one();
                }
                going.await;
            }
            Ok(answer("done"))
        }
    });
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    let answers = wait(async move {
        let asked = join_all((0..5).map(|_| tokio::spawn(client.clone().asked(get("/wait")))));
        all_there.notified().await;
        go.notify_waiters();
        asked.await
    });
    assert!(answers.into_iter().all(|answer| answer.unwrap().unwrap().status == 200));
    assert_eq!(upstream.connections(), 3);
}

#[test]
fn a_client_that_leaves_takes_its_own_request_along_and_no_other() {
    let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (beginning, ending) = (Arc::clone(&began), Arc::clone(&ended));
    /// Tells that the application's work was cancelled.
    struct Cancelled(Arc<Notify>);
    impl Drop for Cancelled {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let upstream = Http2Upstream::serving(Manner::plain(), move |request| {
        let (began, cancelled) = (Arc::clone(&beginning), Cancelled(Arc::clone(&ending)));
        async move {
            if request.uri().path() == "/wait" {
                began.notify_one();
                std::future::pending::<()>().await;
            }
            // Only that of a request that waits is heard of.
            std::mem::forget(cancelled);
            Ok(answer("hello"))
        }
    });
    let proxy = before(&upstream);
    let mut leaves = proxy.connect();
    leaves.get("/wait", &[]);
    wait(async move { began.notified().await });
    drop(leaves);
    wait(async move { ended.notified().await });
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_client_that_breaks_off_its_body_breaks_off_that_request_alone() {
    let broken = Arc::new(Notify::new());
    let told = Arc::clone(&broken);
    let upstream = Http2Upstream::serving(Manner::plain(), move |request| {
        let told = Arc::clone(&told);
        async move {
            let read = request.into_body().collect().await;
            if read.is_err() {
                told.notify_one();
            }
            read.map(|_| answer("whole"))
        }
    });
    let proxy = before(&upstream);
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 100\r\n\r\nnot all"));
    upstream.next();
    drop(client);
    wait(async move { broken.notified().await });
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "whole");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_upstream_that_goes_away_ends_what_it_began_and_is_asked_the_rest_elsewhere() {
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let upstream = Http2Upstream::serving(Manner::plain(), move |request| {
        let go = Arc::clone(&gone);
        async move {
            if request.uri().path() == "/wait" {
                go.notified().await;
            }
            Ok(answer("done"))
        }
    });
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    let waiting = {
        let client = client.clone();
        std::thread::spawn(move || client.ask(get("/wait")))
    };
    assert_eq!(upstream.next().connection, 0);
    upstream.go_away();
    // Those that come meanwhile go wherever they can, by whatever method.
    for method in [Method::GET, Method::POST, Method::POST] {
        let request = Request::builder().method(method).uri(format!("http://{SITE}/")).body(sent("")).unwrap();
        assert_eq!(client.ask(request).unwrap().status, 200);
    }
    go.notify_one();
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn an_answer_that_falls_silent_or_short_is_never_taken_for_whole() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        let (tell, mut response) = told();
        tell.send(Frame::data(Bytes::from_static(b"part"))).unwrap();
        match request.uri().path() {
            "/silent" => std::mem::forget(tell),
            "/short" => drop(response.headers_mut().insert("content-length", HeaderValue::from_static("5"))),
            _ => {}
        }
        Ok(response)
    });
    let proxy = setup().upstream("idle_timeout = \"100ms\"").before_endpoint(format!("h2c://{}", upstream.address));
    let by_http_2 = Http2::plain(proxy.address);
    for path in ["/silent", "/short"] {
        let mut client = proxy.connect();
        let cut = client.get(path, &[]).until_closed();
        assert!(!cut.rest().ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(cut.rest()));
        assert!(by_http_2.ask(get(path)).is_err(), "{path}");
        assert_eq!(&by_http_2.ask(get("/whole")).unwrap().body[..], b"part", "beside it all is well");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_upstream_that_does_not_answer_is_504_and_asked_on_a_fresh_connection_from_then_on() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        if request.uri().path() == "/wait" {
            std::future::pending::<()>().await;
        }
        Ok(answer("hello"))
    });
    let proxy = setup().upstream("head_timeout = \"50ms\"").before_endpoint(format!("h2c://{}", upstream.address));
    assert_eq!(proxy.connect().get("/wait", &[]).answer().status, 504);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!((upstream.next().connection, upstream.next().connection), (0, 1));
    upstream.until_open(1);
}

#[test]
fn clients_that_do_not_read_keep_nobody_elses_answer_from_coming() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        Ok(match request.uri().path() {
            "/large" => answer(vec![b'x'; 32 * 1024 * 1024]),
            _ => answer("hello"),
        })
    });
    let proxy = before(&upstream);
    let stalled: Vec<Connection> = (0..30)
        .map(|_| {
            let mut client = proxy.connect();
            client.get("/large", &[]).until(b"\r\n\r\n");
            client
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(proxy.connect().get("/", &[]).answer().text(), "hello");
    }
    assert_eq!(upstream.connections(), 1);
    drop(stalled);
}

#[test]
fn a_connection_that_nobody_uses_is_closed() {
    let upstream = Http2Upstream::hello(Manner::plain());
    let proxy = setup().upstream("keep_alive = \"0s\"").before_endpoint(format!("h2c://{}", upstream.address));
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    upstream.until_open(0);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
}

#[test]
fn a_server_that_closes_every_connection_at_once_is_502_after_few_tries() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let upstream = Upstream::serving(move |stream, _, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        drop(stream);
    });
    let proxy = setup().before_endpoint(format!("h2c://{}", upstream.address()));
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    assert!((1..=3).contains(&tries.load(Ordering::SeqCst)), "{tries:?}");
}

#[test]
fn a_server_that_speaks_http_1_where_http_2_is_expected_is_502() {
    let upstream = Upstream::serving(|mut stream, _, _| {
        read_head(&mut stream, 0);
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let endpoint = format!("h2c://{}", upstream.address());
    let proxy = setup().before_endpoint(&endpoint);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    events().wait_for(1, &[&endpoint, "is written http://, not h2c://"]);
}

#[test]
fn nothing_is_upgraded_where_http_2_is_spoken() {
    let upstream = Http2Upstream::hello(Manner::plain());
    let proxy = before(&upstream);
    let fields = ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"];
    assert_eq!(proxy.connect().get("/ws", &fields).answer().status, 200);
    let arrived = upstream.next().head;
    assert!(!arrived.headers.contains_key("upgrade") && arrived.method == Method::GET);
}

#[test]
fn a_body_and_its_answer_flow_at_the_same_time() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        Ok(Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::unfold(
            request.into_body(),
            |mut body| async move {
                let frame = body.frame().await?.ok()?;
                Some((Ok(frame), body))
            },
        )))))
    });
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    wait(async move {
        let (tell, body) = self::told();
        let request = Request::post(format!("http://{SITE}/")).body(body.into_body()).unwrap();
        let mut echoed = client.begun(request).await.unwrap().into_body();
        for piece in ["one", "two", "three"] {
            tell.send(Frame::data(Bytes::from_static(piece.as_bytes()))).unwrap();
            // The next one is sent only when this one has come back.
            assert_eq!(echoed.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
        }
        drop(tell);
        assert!(echoed.frame().await.is_none_or(|frame| frame.unwrap().into_data().is_ok_and(|data| data.is_empty())));
        told.store(true, Ordering::SeqCst);
    });
    assert!(ended.load(Ordering::SeqCst));
}
