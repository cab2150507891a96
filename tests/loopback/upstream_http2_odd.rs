//! Upstreams that speak HTTP/2: what must not reach them, what they reset, and what they never take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::Notify;

use crate::support::{Http2, Http2Upstream, Manner, SITE, answer, sent, wait};
use crate::upstream_http2::{before, setup, told};

#[test]
fn what_http_2_takes_for_malformed_does_not_travel_on() {
    let upstream = Http2Upstream::serving(Manner::plain(), |request| async move {
        let collected = request.into_body().collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let told: Vec<String> = trailers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        Ok(answer(told.join(" ")))
    });
    let proxy = before(&upstream);
    let mut client = proxy.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {SITE}\r\nTransfer-Encoding: chunked\r\nX-Own: a\tb\r\n\r\n2\r\nhi\r\n0\r\n\
         Transfer-Encoding: x\r\nProxy-Connection: x\r\nContent-Length: 3\r\nX-Sum: abc \r\n\r\n"
    ));
    assert_eq!(client.answer().text(), "x-sum=\"abc\"");
    let blanks = Request::get(format!("http://{SITE}/")).header("x-own", HeaderValue::from_static(" y\t"));
    assert_eq!(Http2::plain(proxy.address).ask(blanks.body(sent("")).unwrap()).unwrap().status, 200);
    upstream.next();
    assert_eq!(upstream.next().head.headers["x-own"], "y");
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn what_the_upstream_resets_is_sent_again_only_if_it_says_that_it_has_not_looked_at_it() {
    for (reason, method, times) in [
        (h2::Reason::INTERNAL_ERROR, "DELETE", 1),
        (h2::Reason::CANCEL, "GET", 1),
        (h2::Reason::REFUSED_STREAM, "POST", 2),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let address = wait(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let counted = Arc::clone(&counted);
                    tokio::spawn(async move {
                        let mut connection = h2::server::handshake(stream).await.unwrap();
                        while let Some(Ok((_, mut answer))) = connection.accept().await {
                            counted.fetch_add(1, Ordering::SeqCst);
                            answer.send_reset(reason);
                        }
                    });
                }
            });
            address
        });
        let proxy = setup().before_endpoint(format!("h2c://{address}"));
        let asked = format!("{method} / HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
        assert_eq!(proxy.connect().send(asked).answer().status, 502, "{reason:?}");
        assert_eq!(count.load(Ordering::SeqCst), times, "{reason:?}");
    }
}

#[test]
fn a_client_that_leaves_while_nobody_takes_its_body_is_hung_up_for_all_the_same() {
    /// Tells that the application's work was cancelled.
    struct Cancelled(Arc<Notify>);
    impl Drop for Cancelled {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let ended = Arc::new(Notify::new());
    let ending = Arc::clone(&ended);
    let upstream = Http2Upstream::serving(Manner { streams: 1, ..Manner::plain() }, move |request| {
        let cancelled = Cancelled(Arc::clone(&ending));
        async move {
            if request.uri().path() != "/upload" {
                std::mem::forget(cancelled);
                return Ok(answer("hello"));
            }
            // It answers, never reads, and never ends.
            let (tell, response) = told();
            tell.send(Frame::data(Bytes::from_static(b"begun"))).unwrap();
            let (parts, body) = response.into_parts();
            let held = (body, request.into_body(), tell, cancelled);
            let frames = futures_util::stream::unfold(held, |mut held| async move {
                let frame = held.0.frame().await?;
                Some((frame, held))
            });
            Ok(Response::from_parts(parts, BodyExt::boxed(StreamBody::new(frames))))
        }
    });
    let proxy = before(&upstream);
    let client = Http2::plain(proxy.address);
    wait(async move {
        let (upload, body) = told();
        upload.send(Frame::data(Bytes::from(vec![b'x'; 1024 * 1024]))).unwrap();
        let request = Request::post(format!("http://{SITE}/upload")).body(body.into_body()).unwrap();
        let mut begun = client.begun(request).await.unwrap().into_body();
        assert_eq!(begun.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
        // It leaves with the connection, while the application's window is full.
        drop((begun, upload));
    });
    wait(async move { ended.notified().await });
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "hello");
    assert_eq!(upstream.connections(), 1, "where one request has its place, that is free again");
}
