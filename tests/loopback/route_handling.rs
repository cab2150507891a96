//! What a route does beside letting requests pass: times, paths, fields, answers of its own.

use std::io::Write;
use std::net::TcpStream;

use crate::support::{PAGE, SCRIPT, SITE, Setup, Upstream, read_request};

/// Says nothing to `/silent`, begins an answer to `/body`, `/events` and `/upgrade` and goes on only where it is told, and
/// answers everything else.
fn slow() -> Upstream {
    Upstream::serving(|mut stream: TcpStream, connection, seen| {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer, connection) {
            let begun: &[u8] = match request.line().split(' ').nth(1).unwrap() {
                "/silent" => b"",
                "/body" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun",
                "/events" => {
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: 10\r\n\r\nbegun"
                }
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            };
            stream.write_all(begun).unwrap();
            let _ = seen.send(request);
        }
    })
}

#[test]
fn a_route_has_times_of_its_own() {
    let upstream = slow();
    let setup = Setup::without_routes().upstream("head_timeout = \"1m\"\nidle_timeout = \"1m\"");
    let proxy = setup
        .route_of("path = \"/*\"")
        .route_of("path = \"/silent\"\nhead_timeout = \"50ms\"")
        .route_of("path = \"/body\"\nidle_timeout = \"50ms\"")
        .before(&upstream);
    assert_eq!(proxy.connect().get("/silent", &[]).answer().status, 504);
    let mut client = proxy.connect();
    client.get("/body", &[]).until(b"begun");
    assert!(client.is_closed(), "the answer is broken off");
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
}

#[test]
fn a_whole_answer_may_have_a_time_which_cuts_off_no_stream_of_events() {
    let upstream = slow();
    let setup = Setup::without_routes().upstream("head_timeout = \"1m\"\nidle_timeout = \"1m\"");
    let proxy = setup.route_of("path = \"/*\"\ntimeout = \"100ms\"").before(&upstream);
    assert_eq!(proxy.connect().get("/silent", &[]).answer().status, 504);
    let (mut body, mut events) = (proxy.connect(), proxy.connect());
    events.get("/events", &[]).until(b"begun");
    body.get("/body", &[]).until(b"begun");
    assert!(body.is_closed(), "the answer is broken off");
    assert!(!events.closes_within(std::time::Duration::from_millis(300)), "it goes on");
}

#[test]
fn the_application_gets_another_path_and_the_query_as_it_came() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route_of("path = \"/api/*\"\n[routes.rewrite]\nprefix = \"/api/\"")
        .route_of("path = \"/old/*\"\n[routes.rewrite]\nprefix = \"/old\"\nto = \"/new\"")
        .route_of("path = \"/goods/*\"\n[routes.rewrite]\npattern = \"^/goods/([0-9]+)/?$\"\nto = \"/item/$1\"")
        .before(&upstream);
    for (asked, given) in [
        ("/api/users/?a=%20&b=/../", "/users/?a=%20&b=/../"),
        ("/api", "/"),
        ("/%61pi/x", "/x"),
        ("/old/a", "/new/a"),
        ("/goods/12/", "/item/12"),
        ("/goods/all", "/goods/all"),
        ("/other/api/", "/other/api/"),
    ] {
        assert_eq!(proxy.connect().get(asked, &[]).answer().status, 200, "{asked}");
        assert_eq!(upstream.next().line(), format!("GET {given} HTTP/1.1"), "{asked}");
    }
    for uncertain in ["/api//users", "/api/x/%2e%2e/y", "/api/a%2fb", "/api/a;b"] {
        assert_eq!(proxy.connect().get(uncertain, &[]).answer().status, 400, "{uncertain}");
    }
    upstream.saw_nothing();
}

#[test]
fn fields_are_removed_set_and_added_both_ways_and_never_instead_of_an_identity() {
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nServer: mall\r\nX-Powered-By: a\r\nVary: Accept\r\nCache-Control: public\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let handling = r#"
access = "required"
[routes.request_headers]
remove = ["Accept-Language"]
set = { X-Shop = "1", X-Menshen-User = "forged", Authorization = "forged" }
add = { X-Tag = "ours" }
[routes.response_headers]
remove = ["Server", "X-Powered-By"]
set = { X-Frame-Options = "DENY", Cache-Control = "public, max-age=60" }
add = { Vary = "X-Shop" }
"#;
    let proxy = Setup::without_routes().route_of(&format!("path = \"/*\"{handling}")).before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    while upstream.try_next().is_some() {}
    let fields = ["Accept-Language: zh", "X-Shop: theirs", "X-Tag: theirs", SCRIPT];
    let answer = browser.get("/", &fields);
    let got = upstream.next();
    assert_eq!((got.header("accept-language"), got.header("x-shop")), (None, Some("1")));
    assert_eq!(got.all("x-tag"), ["theirs", "ours"]);
    assert_ne!(got.header("x-menshen-user"), Some("forged"), "whoever is logged in counts");
    assert!(got.header("authorization").unwrap().starts_with("Bearer "));
    assert_eq!((answer.header("server"), answer.header("x-powered-by")), (None, None));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.all("vary"), ["Accept", "X-Shop"]);
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"), "what belongs to one user stays so");
}

#[test]
fn a_route_answers_by_itself_within_its_access() {
    let upstream = Upstream::hello();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("sorry.html");
    std::fs::write(&page, "<p>抱歉</p>").unwrap();
    let proxy = Setup::new()
        .route_of("path = \"/robots.txt\"\n[routes.answer]\ntext = \"User-agent: *\\nDisallow: /\\n\"")
        .route_of(&format!("path = \"/gone/*\"\n[routes.answer]\nstatus = 410\nfile = {page:?}\nretry_after = \"1h\""))
        .route_of("path = \"/secret\"\naccess = \"required\"\n[routes.answer]\ntext = \"for members\"")
        .route_of("path = \"/go/*\"\n[routes.redirect]\nto = \"https://new.example{target}\"\nstatus = 308")
        .route_of("path = \"/moved\"\n[routes.redirect]\nto = \"/new\"\n[routes.response_headers]\nset = { X-Why = \"moved\" }")
        .before(&upstream);
    let robots = proxy.connect().get("/robots.txt", &[]).answer();
    assert_eq!((robots.status, robots.text().as_str()), (200, "User-agent: *\nDisallow: /\n"));
    assert_eq!(robots.header("content-type"), Some("text/plain; charset=utf-8"));
    let mut head = proxy.connect();
    let head = head.send(format!("HEAD /robots.txt HTTP/1.1\r\nHost: {SITE}\r\n\r\n")).answer_to(true);
    assert_eq!((head.status, head.header("content-length")), (200, Some("26")));
    let gone = proxy.connect().get("/gone/x", &[]).answer();
    assert_eq!((gone.status, gone.text().as_str(), gone.header("retry-after")), (410, "<p>抱歉</p>", Some("3600")));
    assert_eq!(gone.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(proxy.connect().get("/secret", &[SCRIPT]).answer().status, 401);
    let go = proxy.connect().get("/go//evil.example/?a=%20", &[]).answer();
    assert_eq!((go.status, go.header("location")), (308, Some("https://new.example/go//evil.example/?a=%20")));
    let moved = proxy.connect().get("/moved", &[]).answer();
    assert_eq!((moved.status, moved.header("location")), (302, Some("/new")));
    assert_eq!(moved.header("x-why"), Some("moved"));
    let browser = proxy.browser();
    browser.log_in("10001");
    while upstream.try_next().is_some() {}
    assert_eq!(browser.get("/secret", &[SCRIPT]).text(), "for members");
    upstream.saw_nothing();
}

#[test]
fn while_the_site_is_worked_on_visitors_are_asked_for_patience_in_their_language() {
    let upstream = Upstream::hello();
    let proxy = Setup::without_routes().route_of("path = \"/*\"\nmaintenance = true").before(&upstream);
    let english = proxy.connect().get("/", &[PAGE, "Accept-Language: en"]).answer();
    assert_eq!((english.status, english.header("retry-after")), (503, Some("300")));
    assert!(english.text().contains("<h1>The site is being worked on</h1>"), "{}", english.text());
    let chinese = proxy.connect().get("/", &[PAGE, "Accept-Language: zh-CN"]).answer();
    assert!(chinese.text().contains("<h1>网站正在维护</h1>"), "{}", chinese.text());
    assert_eq!(proxy.connect().get("/", &[SCRIPT]).answer().json()["code"], "503");
    upstream.saw_nothing();
    assert_eq!(proxy.connect().get("/.menshen/health", &[]).answer().status, 200, "we are well");
    proxy.rewrite(|text| text.replace("maintenance = true", "maintenance = false"));
    proxy.reload().unwrap();
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "hello");
}

/// Regression: the application's own login was reached by the name of another path.
#[test]
fn no_other_path_leads_to_what_the_application_has_at_ours() {
    let upstream = Upstream::hello();
    let route = "path = \"/api/*\"\n[routes.rewrite]\nprefix = \"/api\"";
    let proxy = Setup::new().route_of(route).before(&upstream);
    for target in ["/api/qq/login/", "/api/qq/login", "/api/oauth_callback?code=1", "/api/QQ/Login/"] {
        assert_eq!(proxy.connect().get(target, &[]).answer().status, 404, "{target}");
    }
    upstream.saw_nothing();
    assert_eq!(proxy.connect().get("/api/goods", &[]).answer().status, 200);
}

/// Regression: a public prefix that is cut off led to everything else that is guarded.
#[test]
fn no_other_path_leads_past_a_guard() {
    let upstream = Upstream::hello();
    let proxy = Setup::without_routes()
        .route_of("path = \"/*\"\naccess = \"required\"")
        .route_of("path = \"/v2/*\"\naccess = \"public\"\n[routes.rewrite]\nprefix = \"/v2\"")
        .route_of("path = \"/s/*\"\naccess = \"public\"\n[routes.rewrite]\npattern = \"^/s/([a-z]+)-\"\nto = \"/$1/\"")
        .route_of("path = \"/admin/*\"\naccess = \"required\"")
        .before(&upstream);
    for target in ["/v2/admin/users", "/v2/admin", "/s/admin-users", "/v2/%61dmin/"] {
        assert_eq!(proxy.connect().get(target, &[SCRIPT]).answer().status, 401, "{target}");
    }
    upstream.saw_nothing();
    for (target, given) in [("/v2/goods", "/goods"), ("/s/goods-1", "/goods/1")] {
        assert_eq!(proxy.connect().get(target, &[SCRIPT]).answer().status, 200, "{target}");
        assert_eq!(upstream.next().line(), format!("GET {given} HTTP/1.1"));
    }
    let browser = proxy.browser();
    browser.log_in("10001");
    while upstream.try_next().is_some() {}
    let answer = browser.visit("/v2/admin/users");
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, Some("private")),
        "and no cache for anybody else"
    );
    let seen = upstream.next();
    assert_eq!(seen.line(), "GET /admin/users HTTP/1.1");
    assert_eq!(seen.header("authorization"), None, "the route is public: nobody's identity goes there");
}

/// Regression: whoever listed it in `Connection` had it taken out.
#[test]
fn a_field_that_a_route_puts_in_is_taken_out_by_no_connection() {
    let upstream = Upstream::hello();
    let fields = "set = { X-Read-Only = \"1\" }\nadd = { X-Beside = \"ours\" }";
    let proxy = Setup::without_routes()
        .route_of(&format!("path = \"/*\"\n[routes.request_headers]\n{fields}"))
        .before(&upstream);
    let listed = ["Connection: x-read-only, x-gone", "Connection: X-Beside", "X-Gone: 1", "X-Beside: theirs"];
    assert_eq!(proxy.connect().get("/", &listed).answer().status, 200);
    let received = upstream.next();
    assert_eq!(received.all("x-read-only"), ["1"]);
    assert_eq!(received.all("x-beside"), ["ours"], "the client's own goes no further");
    assert_eq!((received.header("x-gone"), received.header("connection")), (None, None));
}

/// Regression: a cache had it for whoever asked.
#[test]
fn an_answer_of_a_guarded_route_is_kept_by_no_cache_for_others() {
    let upstream = Upstream::hello();
    let lines = "path = \"/internal\"\naccess = \"required\"\n[routes.answer]\ntext = \"internal\"\n\
                 [routes.response_headers]\nset = { Cache-Control = \"public, max-age=3600\" }";
    let proxy = Setup::new().route_of(lines).before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let answer = browser.visit("/internal");
    assert_eq!(answer.text(), "internal");
    let kept = answer.header("cache-control").unwrap();
    assert!(kept.contains("private") && !kept.contains("public"), "{kept}");
}
