//! Request lines and `Host`: what passes byte for byte, and what is refused.

use crate::support::{Answer, Proxy, Setup, Upstream, events};

/// The answer to a request with these lines, each without its end.
fn raw(proxy: &Proxy, lines: &[&str]) -> Answer {
    proxy.connect().send(lines.join("\r\n") + "\r\n\r\n").answer()
}

#[test]
fn paths_and_queries_pass_byte_for_byte() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for target in [
        "/",
        "/a//b/./c/../d",
        "/%E6%90%9C%e7%b4%a2/%2f%2F%5c%00",
        "/a;b=c/;d",
        "/a?b=c&d=%20+&&e",
        "/?",
        "/?/../?x=1?",
        "/a|b[c]{d}",
        "/a\"b'c^d",
        "/\\..\\x",
        "/?a=|[]{}\\^`'",
        "/搜索?关键字=手机",
        "//evil.example/x",
    ] {
        assert_eq!(proxy.connect().get(target, &[]).answer().status, 200, "{target}");
        let line = upstream.next().line().to_owned();
        assert_eq!(line, format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn the_exceptions_are_the_documented_ones() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for target in ["/a<b", "/a>b", "/a`b", "/?a\"b", "/?a<b", "/?a>b", "/a\x7fb", "/a\tb"] {
        let answer = proxy.connect().get(target, &[]).answer();
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{target}");
    }
    let gbk = b"GET /\xcb\xd1 HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n";
    assert_eq!(proxy.connect().send(gbk).answer().status, 400);
    upstream.saw_nothing();
    proxy.connect().get("/a?b#fragment", &[]).answer();
    assert_eq!(upstream.next().line(), "GET /a?b HTTP/1.1");
}

#[test]
fn a_target_in_absolute_form_goes_on_in_origin_form() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (target, passed) in [
        ("http://www.meiduo.site/a?b", "/a?b"),
        ("http://WWW.meiduo.site", "/"),
        ("http://www.meiduo.site?x", "/?x"),
        ("https://www.meiduo.site/%2f", "/%2f"),
        // Regression: they went on as an empty target, which is a request of HTTP/0.9 to some.
        ("http://www.meiduo.site#/x", "/"),
        ("http://www.meiduo.site/#x", "/"),
    ] {
        assert_eq!(proxy.connect().get(target, &[]).answer().status, 200, "{target}");
        assert_eq!(upstream.next().line(), format!("GET {passed} HTTP/1.1"));
    }
}

#[test]
fn a_host_that_is_missing_doubled_or_another_than_the_targets_is_400() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for lines in [
        &["GET / HTTP/1.1"][..],
        &["GET / HTTP/1.1", "Host: www.meiduo.site", "Host: www.meiduo.site"],
        &["GET http://evil.example/ HTTP/1.1", "Host: www.meiduo.site"],
        &["GET http://www.meiduo.site@evil.example/ HTTP/1.1", "Host: www.meiduo.site"],
    ] {
        let answer = raw(&proxy, lines);
        assert_eq!(answer.status, 400, "{lines:?}");
        assert_eq!(answer.json()["request_id"].as_str().unwrap().len(), 16);
    }
    upstream.saw_nothing();
}

/// Regression: it went on with no target at all.
#[test]
fn a_target_in_authority_form_is_400() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for method in ["GET", "POST", "OPTIONS"] {
        let request =
            format!("{method} www.meiduo.site HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(proxy.connect().send(request).answer().status, 400, "{method}");
    }
    upstream.saw_nothing();
}

#[test]
fn an_unknown_host_is_421_and_the_page_tells_how_to_mend_it() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (language, words) in [("en", "proxy_set_header Host $http_host"), ("zh-CN", "proxy_set_header Host $http_host")]
    {
        let language = format!("Accept-Language: {language}");
        let answer = raw(&proxy, &["GET / HTTP/1.1", "Host: 127.0.0.1:8001", "Accept: text/html", &language]);
        assert_eq!(answer.status, 421);
        let page = answer.text();
        for word in [words, "127.0.0.1:8001", "http://www.meiduo.site"] {
            assert!(page.contains(word), "{word} is not in {page}");
        }
    }
    upstream.saw_nothing();
}

#[test]
fn an_unknown_host_is_told_the_same_as_json() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let host = "Host: \"><script>.example";
    let answer = raw(&proxy, &["GET / HTTP/1.1", host, "Accept: application/json", "Accept-Language: en"]);
    assert_eq!((answer.status, answer.header("content-type")), (421, Some("application/json")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let told = answer.json();
    assert_eq!((&told["code"], &told["errmsg"]), (&"421".into(), &"no such site here".into()));
    assert_eq!(
        (&told["host"], &told["sites"]),
        (&"\"><script>.example".into(), &["http://www.meiduo.site"][..].into())
    );
    assert!(told["hint"].as_str().unwrap().contains("proxy_set_header Host $http_host;"), "{told}");
    assert!(told["request_id"].is_string(), "{told}");
    upstream.saw_nothing();
}

#[test]
fn a_target_that_is_too_long_is_414_with_a_page_whether_it_is_ours_or_the_applications() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let fits = format!("/{}", "a".repeat(32 * 1024 - 1));
    assert_eq!(proxy.connect().get(&fits, &[]).answer().status, 200);
    assert_eq!(upstream.next().line().len(), fits.len() + "GET  HTTP/1.1".len());
    for target in [format!("{fits}a"), format!("/qq/login/?next={fits}"), format!("/.well-known/jwks.json?{fits}")] {
        let answer = proxy.connect().get(&target, &["Accept: text/html"]).answer();
        assert_eq!((answer.status, answer.header("content-type")), (414, Some("text/html; charset=utf-8")));
    }
    upstream.saw_nothing();
}

#[test]
fn a_target_that_the_parser_cannot_hold_is_414_or_431_without_a_page() {
    let upstream = Upstream::hello();
    // Where it does not fit into the head's limit, nobody can know where it would have ended.
    for (limit, length, status) in [("8KiB", 512 * 1024, 431), ("1MiB", 100 * 1024, 414)] {
        let limits = format!("[limits]\nheader_bytes = \"{limit}\"\ntarget_bytes = \"8KiB\"");
        let proxy = Setup::new().section(&limits).before(&upstream);
        let answer = proxy.connect().get(&format!("/{}", "a".repeat(length)), &[]).answer();
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{limit}");
    }
    upstream.saw_nothing();
}

#[test]
fn connect_and_trace_are_not_forwarded() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for line in ["TRACE / HTTP/1.1", "CONNECT www.meiduo.site HTTP/1.1"] {
        let answer = raw(&proxy, &[line, "Host: www.meiduo.site"]);
        assert_eq!(answer.status, 405, "{line}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"), "{line}");
    }
    upstream.saw_nothing();
}

#[test]
fn a_method_that_no_route_takes_is_405_and_told_what_is_taken() {
    let upstream = Upstream::hello();
    let proxy = Setup::without_routes()
        .route_of("path = \"/api/*\"\nmethods = [\"GET\", \"PURGE\"]\naccess = \"public\"")
        .before(&upstream);
    for (line, status, allow) in [
        ("POST /api/x HTTP/1.1", 405, Some("GET, HEAD, PURGE")),
        ("TRACE /api/x HTTP/1.1", 405, Some("GET, HEAD, PURGE")),
        ("POST /elsewhere HTTP/1.1", 404, None),
        ("TRACE /qq/login/ HTTP/1.1", 405, Some("GET")),
    ] {
        let answer = raw(&proxy, &[line, "Host: www.meiduo.site", "Content-Length: 0"]);
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{line}");
    }
    upstream.saw_nothing();
}

#[test]
fn methods_nobody_knows_pass_as_they_are() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for method in ["PROPFIND", "purge", "M-SEARCH"] {
        assert_eq!(raw(&proxy, &[&format!("{method} / HTTP/1.1"), "Host: www.meiduo.site"]).status, 200);
        assert_eq!(upstream.next().line(), format!("{method} / HTTP/1.1"));
    }
}

#[test]
fn an_http_1_0_client_is_answered_in_its_own_tongue() {
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    // No Host: such a client means the first site. Expect and Upgrade mean nothing from it.
    let answer = client
        .send("POST /x HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi")
        .answer();
    assert_eq!((answer.version.as_str(), answer.status, answer.text().as_str()), ("HTTP/1.0", 200, "hello"));
    assert_eq!(answer.header("transfer-encoding"), None);
    let request = upstream.next();
    assert_eq!(request.line(), "POST /x HTTP/1.1");
    assert_eq!((request.header("host"), request.body.as_slice()), (Some("www.meiduo.site"), &b"hi"[..]));
    assert_eq!((request.header("upgrade"), request.header("expect")), (None, None));
}

#[test]
fn too_many_or_too_large_fields_are_hypers_431() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let many: Vec<String> = (0..101).map(|at| format!("X-{at}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(proxy.connect().get("/", &many[..99]).answer().status, 200);
    let answer = proxy.connect().get("/", &many).answer();
    assert_eq!((answer.status, answer.body.len()), (431, 0));
    // Past the access log: this is its trace.
    for (request, told) in
        [(format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)), 431), ("G@T\r\n\r\n".into(), 400)]
    {
        let mut client = proxy.connect();
        let peer = client.stream().local_addr().unwrap();
        assert_eq!(client.send(request).answer().status, told);
        drop(client);
        events().wait_for(1, &[&format!("peer={peer} "), "refused a request that is not HTTP as we speak it"]);
    }
    // The limit is looked at between reads, so that a head may exceed it by the last one.
    let large = format!("X-Large: {}", "a".repeat(256 * 1024));
    assert_eq!(proxy.connect().get("/", &[&large]).answer().status, 431);
}
