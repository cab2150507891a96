//! HTTP/2 towards clients: what comes by it reaches the application as what comes by HTTP/1.1 does.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, Method, Request};
use rustls::version::{TLS12, TLS13};

use crate::support::{
    Authority, Connection, Http2, PATIENCE, Proxy, SITE, Setup, Upstream, endless, read_head, reset, sent, streamed,
    wait,
};

fn secure(authority: &Authority) -> Setup {
    authority.issue("site", &[SITE, "other.example"]);
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(&["site"]));
    setup.server("listen_tls = [\"127.0.0.1:0\"]")
}

fn client(proxy: &Proxy, authority: &Authority) -> Http2 {
    Http2::secured(proxy.tls_address(), SITE, &authority.client(&[&TLS13]))
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("https://{SITE}{path}"))
}

#[test]
fn a_request_reaches_the_application_as_if_it_had_come_by_http_1() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).before(&upstream);
    for version in [&TLS12, &TLS13] {
        let client = Http2::secured(proxy.tls_address(), SITE, &authority.client(&[version]));
        let request = get("/path?a=b").header("cookie", "a=1").header("cookie", "b=2; c=3").header("x-own", "y");
        let answer = client.ask(request.body(sent("")).unwrap()).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
        let received = upstream.next();
        assert_eq!(received.line(), "GET /path?a=b HTTP/1.1");
        assert_eq!(received.all("host"), [SITE]);
        assert_eq!(received.all("cookie"), ["a=1; b=2; c=3"]);
        assert_eq!(received.header("x-own"), Some("y"));
        assert_eq!(received.header("x-forwarded-proto"), Some("https"));
        assert!(received.names().iter().all(|name| !name.starts_with(':')), "{:?}", received.names());
        assert_eq!((received.header("transfer-encoding"), received.header("content-length")), (None, None));
    }
}

#[test]
fn bodies_and_their_lengths_arrive_as_they_were_sent() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).before(&upstream);
    let client = client(&proxy, &authority);
    for method in [Method::POST, Method::GET, Method::PUT] {
        let told = get("/").method(&method).header("content-length", "4").body(sent("body")).unwrap();
        assert_eq!(client.ask(told).unwrap().status, 200);
        let received = upstream.next();
        assert_eq!((received.header("content-length"), &received.body[..]), (Some("4"), &b"body"[..]), "{method}");
        let untold = get("/").method(&method).body(streamed(&["bo", "dy"], None)).unwrap();
        assert_eq!(client.ask(untold).unwrap().status, 200);
        let received = upstream.next();
        assert_eq!(received.header("transfer-encoding"), Some("chunked"), "{method}");
        assert_eq!(received.body, b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", "{method}");
    }
    let lied = get("/").method(Method::POST).header("content-length", "9").body(streamed(&["body"], None)).unwrap();
    assert!(client.ask(lied).is_err() || upstream.try_next().is_none(), "a length that is none never looks whole");
}

/// Regression: both went on, a length told twice and a name that no parser of HTTP/1.1 takes.
#[test]
fn what_only_http_2_can_say_goes_on_as_http_1_says_it() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).before(&upstream);
    let client = client(&proxy, &authority);
    let quoted = HeaderName::from_lowercase(b"x\"y").unwrap();
    let request = get("/").method(Method::POST).header("content-length", "4").header("content-length", "4");
    assert_eq!(
        client.ask(request.header(quoted, "1").header("x-z", "2").body(sent("body")).unwrap()).unwrap().status,
        200
    );
    let received = upstream.next();
    assert_eq!((received.all("content-length"), &received.body[..]), (vec!["4"], &b"body"[..]));
    assert_eq!((received.header("x\"y"), received.header("x-z")), (None, Some("2")));
    let too_long = get("/").method(Method::POST).header("content-length", "9223372036854775808");
    // Were it to end, the server's end of HTTP/2 would find it too short before anybody has answered.
    assert_eq!(client.ask(too_long.body(endless()).unwrap()).unwrap().status, 400);
    upstream.saw_nothing();
}

#[test]
fn many_requests_on_one_connection_are_served_at_once() {
    const MANY: usize = 100;
    let arrived = std::sync::Arc::new((std::sync::Mutex::new(0), std::sync::Condvar::new()));
    let upstream = Upstream::scripted(move |_| {
        let (count, all_there) = &*arrived;
        *count.lock().unwrap() += 1;
        all_there.notify_all();
        let count = count.lock().unwrap();
        drop(all_there.wait_timeout_while(count, std::time::Duration::from_secs(10), |count| *count < MANY).unwrap());
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let authority = Authority::new();
    let proxy = secure(&authority).before(&upstream);
    let client = client(&proxy, &authority);
    let answers = wait(async move {
        let ask = |number| client.clone().asked(get(&format!("/{number}")).body(sent("")).unwrap());
        join_all((0..MANY).map(ask)).await
    });
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().body == "ok"));
}

/// Regression: answers of ours came with their text, which is a stream that breaks off.
#[test]
fn what_has_no_content_comes_without_any() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc".to_vec());
    let authority = Authority::new();
    let route = |path, lines| format!("[[routes]]\npath = \"{path}\"\n{lines}\n");
    let setup = secure(&authority)
        .section(&route("/required/*", "upstream = \"mall\"\naccess = \"required\""))
        .section(&route("/text", "answer.text = \"hello\""))
        .section(&route("/reset", "answer.status = 205"))
        .section(&route("/maintenance", "maintenance = true"));
    let proxy = setup.before(&upstream);
    let client = client(&proxy, &authority);
    let own = ["/.menshen/health", "/qq/login/", "/.menshen/userinfo", "/required/", "/text", "/maintenance", "/a%2fb"];
    for path in own {
        let told = |method: Method| {
            let (client, request) = (client.clone(), get(path).method(method).body(sent("")).unwrap());
            let answer = wait(async move { client.begun(request).await.unwrap() });
            (answer.status(), answer.headers().get("content-length").cloned())
        };
        let answer = client.ask(get(path).method("HEAD").body(sent("")).unwrap()).unwrap();
        assert_eq!(answer.body.len(), 0, "{path}");
        // A login is begun by GET alone.
        if path != "/qq/login/" {
            assert_eq!(told(Method::HEAD), told(Method::GET), "{path}");
        }
    }
    for (method, path) in [("GET", "/"), ("HEAD", "/"), ("GET", "/reset"), ("HEAD", "/reset")] {
        let answer = client.ask(get(path).method(method).body(sent("")).unwrap()).unwrap();
        assert_eq!(answer.body.len(), 0, "{method} {path}: {}", answer.status);
    }
}

#[test]
fn there_are_no_more_fields_by_http_2_than_by_http_1() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).section("[limits]\nheaders = 20").before(&upstream);
    let client = client(&proxy, &authority);
    let status = |count: usize| {
        let fields = (0..count).fold(get("/"), |request, at| request.header(format!("x-field-{at}"), "x"));
        client.ask(fields.body(sent("")).unwrap()).unwrap().status
    };
    // The name of the site is one of them.
    assert_eq!((status(19), status(20), status(300)), (200, 431, 431));
    assert_eq!(status(0), 200, "the connection goes on");
    assert_eq!(std::iter::from_fn(|| upstream.try_next()).count(), 2);
}

#[test]
fn a_request_that_does_not_name_one_site_goes_nowhere() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).before(&upstream);
    let client = client(&proxy, &authority);
    let status = |request: http::request::Builder| client.ask(request.body(sent("")).unwrap()).unwrap().status;
    assert_eq!(status(get("/").header("host", "other.example")), 400, "authority and Host disagree");
    assert_eq!(status(Request::get("https://stranger.example/")), 421);
    assert_eq!(status(Request::get("https://other.example/")), 421, "a certificate makes no site");
    assert_eq!(status(Request::builder().method("TRACE").uri(format!("https://{SITE}/"))), 405);
    assert_eq!(status(Request::builder().method("CONNECT").uri(format!("{SITE}:443"))), 405);
    upstream.saw_nothing();
    assert_eq!(status(get("/").header("host", SITE)), 200, "who says it twice says it once");
}

#[test]
fn a_session_in_crumbs_of_a_cookie_is_one() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    // The browser logs in without TLS.
    let setup = secure(&authority).section("[tls]\nredirect = false");
    let proxy = setup.route("/user/*", "required").before(&upstream);
    let client = client(&proxy, &authority);
    let browser = proxy.browser();
    browser.log_in("10001");
    let status = |crumbs: &[String]| {
        let request = crumbs.iter().fold(get("/user/"), |request, crumb| request.header("cookie", crumb));
        client.ask(request.body(sent("")).unwrap()).unwrap().status
    };
    let crumbs: Vec<String> = browser.cookie_header().unwrap().split("; ").map(str::to_owned).collect();
    assert_eq!(status(&crumbs), 200);
    assert!(upstream.next().header("authorization").is_some());
    assert_eq!(status(&["theme=dark".to_owned()]), 401);
}

#[test]
fn an_answers_trailers_arrive_and_one_that_breaks_off_breaks_its_own_stream_alone() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        while let Some(request) = read_head(&mut stream, connection) {
            let is_broken = request.line().contains("/broken");
            seen.send(request).unwrap();
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            if is_broken {
                return reset(stream);
            }
            stream.write_all(b"0\r\nx-sum: 7\r\n\r\n").unwrap();
        }
    });
    let authority = Authority::new();
    let proxy = secure(&authority).before(&upstream);
    let client = client(&proxy, &authority);
    let whole = || client.ask(get("/whole").header("te", "trailers").body(sent("")).unwrap()).unwrap();
    assert_eq!(whole().trailers.unwrap()["x-sum"], HeaderValue::from_static("7"));
    assert!(client.ask(get("/broken").body(sent("")).unwrap()).is_err());
    assert_eq!(whole().body, "hi");
}

#[test]
fn http_2_in_plain_text_is_spoken_where_the_setting_says_so_and_http_1_beside_it() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().server("h2c = true").before(&upstream);
    let client = Http2::plain(proxy.address);
    let get = || Request::get(format!("http://{SITE}/")).body(sent("")).unwrap();
    assert_eq!(client.ask(get()).unwrap().body, "hello");
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "hello");
    // A first byte that could begin either, and later ones that could not.
    for method in ["PUT", "POST", "PROPFIND", "PRI"] {
        let mut connection = proxy.connect();
        let request = format!("{method} / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 0\r\n\r\n");
        for byte in request.as_bytes() {
            connection.send([*byte]);
        }
        assert_eq!(connection.answer().status, 200, "{method}");
    }
    let without = Setup::new().before(&upstream);
    let answer =
        Connection::to(without.address).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").until_closed().rest().to_vec();
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 505"),
        "{answer:?}"
    );
}

#[test]
fn a_connection_that_is_not_used_is_closed_with_a_word() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = secure(&authority).section("[limits]\nkeep_alive = \"200ms\"").before(&upstream);
    let client = client(&proxy, &authority);
    assert_eq!(client.ask(get("/").body(sent("")).unwrap()).unwrap().status, 200);
    assert!(client.ended());
}

/// Regression: hyper took the whole connection for over.
#[test]
fn a_connect_that_is_refused_ends_nobodys_stream_but_its_own() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (arrive, arrived) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let upstream = Upstream::scripted(move |received| {
        if received.line().starts_with("GET /held ") {
            arrive.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let proxy = Setup::new().server("h2c = true").section("[limits]\nstreams = 300").before(&upstream);
    let connect = || Request::builder().method(Method::CONNECT).header("content-length", "5");
    wait(async move {
        let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let ask = |request: http::request::Builder, is_all| {
            let client = client.clone();
            async move { client.ready().await?.send_request(request.body(()).unwrap(), is_all)?.0.await }
        };
        let get = |path: &str| ask(Request::get(format!("http://{SITE}{path}")), true);
        // What h2 refuses by itself, as it would a body that is too short, is none of these.
        let refused = |request| ask(request, false);
        let held = tokio::spawn(get("/held"));
        arrived.recv_timeout(PATIENCE).unwrap();
        let tunnel = || connect().uri(format!("{SITE}:443"));
        let web_socket = || connect().uri(format!("http://{SITE}/ws")).extension(h2::ext::Protocol::from("websocket"));
        for _ in 0..3 {
            let refused = join_all((0..120).flat_map(|_| [refused(tunnel()), refused(web_socket())])).await;
            assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(h2::Error::is_reset)), "{refused:?}");
            assert_eq!(get("/").await.unwrap().status(), 200);
        }
        release.send(()).unwrap();
        assert_eq!(held.await.unwrap().unwrap().status(), 200);
    });
}

#[test]
fn a_proxy_that_goes_down_lets_requests_end_and_takes_no_more() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (arrive, arrived) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let upstream = Upstream::scripted(move |_| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        arrive.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let authority = Authority::new();
    let mut proxy = secure(&authority).server_drain("10s").before(&upstream);
    let (client, idle) = (client(&proxy, &authority), client(&proxy, &authority));
    let under_way = {
        let client = client.clone();
        std::thread::spawn(move || client.ask(get("/").body(sent("")).unwrap()))
    };
    arrived.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    let stopping = std::thread::spawn(move || proxy.stop());
    assert!(idle.ended());
    release.send(()).unwrap();
    assert_eq!(under_way.join().unwrap().unwrap().body, "ok");
    stopping.join().unwrap();
    assert!(client.ask(get("/late").body(sent("")).unwrap()).is_err());
    assert_eq!((client.ended(), ASKED.load(Ordering::SeqCst)), (true, 1));
}
