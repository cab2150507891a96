//! `/.menshen/auth`: other proxies ask whether requests may pass.

use std::time::Duration;

use crate::support::{Answer, PAGE, Proxy, SCRIPT, Setup, Upstream};

fn asked(dialect: &str, callers: &str) -> Setup {
    Setup::new()
        .section(&format!("[forward_auth]\ncallers = [{callers}]\ndialect = \"{dialect}\""))
        .section("[identity.default.headers]\nX-User = \"{user.display_name}\"")
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .route("/user/*", "required")
        .route_of("path = \"/stripped/*\"\nauthorization = \"strip\"")
        .route_of("path = \"/gone/*\"\nanswer.status = 410")
}

fn before(setup: Setup) -> (Proxy, Upstream) {
    let upstream = Upstream::hello();
    (setup.before(&upstream), upstream)
}

/// What nginx asks.
fn ask(proxy: &Proxy, method: &str, target: &str, fields: &[&str]) -> Answer {
    let said = [format!("X-Original-Method: {method}"), format!("X-Original-URI: {target}")];
    let fields: Vec<&str> = said.iter().map(String::as_str).chain(fields.iter().copied()).collect();
    proxy.connect().get("/.menshen/auth", &fields).answer()
}

#[test]
fn who_may_pass_does_so_with_every_header_of_an_identity() {
    let (proxy, upstream) = before(asked("nginx", "\"127.0.0.1\""));
    let stranger = ask(&proxy, "GET", "/", &["Authorization: JWT undefined", "X-User: root", "Cookie: cart=1"]);
    assert_eq!(stranger.status, 200);
    assert_eq!((stranger.header("x-user"), stranger.header("authorization")), (Some(""), Some("JWT undefined")));
    assert_eq!((stranger.header("cookie"), stranger.header("cache-control")), (Some("cart=1"), Some("no-store")));

    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = format!("Cookie: cart=1; {}", browser.cookie_header().unwrap());
    for target in ["/", "/user/center?a=%20"] {
        let known = ask(&proxy, "GET", target, &[PAGE, &cookies, "Authorization: JWT undefined", "X-User: root"]);
        // What the shop's own scripts read is the shop's.
        assert_eq!(
            (known.status, known.header("cookie")),
            (200, Some("cart=1; username=%E5%B0%8F%E6%98%8E")),
            "{target}"
        );
        assert_eq!(known.header("x-user"), Some("%E5%B0%8F%E6%98%8E"), "{target}");
        assert!(known.header("authorization").unwrap().starts_with("Bearer ey"), "{target}");
    }
    let stripped = ask(&proxy, "GET", "/stripped/x", &["Authorization: JWT undefined"]);
    assert_eq!((stripped.status, stripped.header("authorization")), (200, Some("")));
    upstream.saw_nothing();
}

#[test]
fn who_has_to_log_in_is_told_where_if_it_is_a_page_that_was_asked_for() {
    let login = Some("/.menshen/login?next=%2Fuser%2Fcenter%3Fa%3Db");
    let (proxy, _upstream) = before(asked("nginx", "\"127.0.0.1\""));
    let page = ask(&proxy, "GET", "/user/center?a=b", &[PAGE]);
    assert_eq!((page.status, page.header("location")), (401, login));
    let script = ask(&proxy, "GET", "/user/center?a=b", &[SCRIPT]);
    assert_eq!((script.status, script.header("location")), (401, None));
    let (proxy, _upstream) = before(asked("forwarded", "\"127.0.0.1\""));
    let fields = ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /user/center?a=b", "X-Forwarded-Host: www.meiduo.site"];
    let page = proxy.connect().get("/.menshen/auth", &[&fields[..], &[PAGE]].concat()).answer();
    assert_eq!((page.status, page.header("location")), (302, login));
    let (proxy, _upstream) = before(asked("envoy", "\"127.0.0.1\""));
    let page = proxy.connect().get("/.menshen/auth/user/center?a=b", &[PAGE]).answer();
    assert_eq!((page.status, page.header("location")), (302, login));
}

#[test]
fn words_that_say_ok_are_no_yes_to_a_proxy_that_asks() {
    let route = "path = \"/words/*\"\naccess = \"required\"\nnot_logged_in.page = \"/login/?next={next}\"\n\
        not_logged_in.status = 200\nnot_logged_in.json = { code = \"4101\" }";
    for (dialect, sent_on) in [("nginx", 401), ("forwarded", 302), ("caddy", 302)] {
        let (proxy, _upstream) = before(asked(dialect, "\"127.0.0.1\"").route_of(route));
        let ask = |target: &str, field: &str| {
            let said = match dialect {
                "nginx" => vec!["X-Original-Method: GET".to_owned(), format!("X-Original-URI: {target}")],
                _ => vec![
                    "X-Forwarded-Method: GET".to_owned(),
                    "X-Forwarded-Host: www.meiduo.site".to_owned(),
                    format!("X-Forwarded-Uri: {target}"),
                ],
            };
            let fields: Vec<&str> = said.iter().map(String::as_str).chain([field]).collect();
            proxy.connect().get("/.menshen/auth", &fields).answer()
        };
        let script = ask("/words/x", SCRIPT);
        assert_eq!((script.status, script.text().as_str()), (401, "{\"code\":\"4101\"}"), "{dialect}");
        let page = ask("/words/x", PAGE);
        assert_eq!((page.status, page.header("location")), (sent_on, Some("/login/?next=/words/x")), "{dialect}");
    }
}

#[test]
fn headers_of_certificates_and_lists_come_as_they_would_go_on() {
    let (proxy, _upstream) = before(asked("nginx", "\"127.0.0.1\""));
    let fields = [
        "X-Client-Cert-Verified: SUCCESS",
        "X-Client-Cert-Subject: CN=root",
        "Authorization: JWT a",
        "Authorization: JWT b",
        "Cookie: a=1",
        "Cookie: b=2",
    ];
    let answer = ask(&proxy, "GET", "/", &fields);
    assert_eq!(answer.status, 200);
    for name in ["verified", "subject", "san", "serial", "fingerprint"] {
        assert_eq!(answer.header(&format!("x-client-cert-{name}")), Some(""), "{name}");
    }
    assert_eq!((answer.header("authorization"), answer.header("cookie")), (Some("JWT a, JWT b"), Some("a=1; b=2")));
}

#[test]
fn a_name_in_disguise_is_vouched_for_by_nobody() {
    for (dialect, status) in [("nginx", 403), ("forwarded", 400), ("caddy", 400)] {
        let (proxy, _upstream) = before(asked(dialect, "\"127.0.0.1\""));
        let said = match dialect {
            "nginx" => ["X-Original-Method: GET", "X-Original-URI: /", "Accept: */*"],
            _ => ["X-Forwarded-Method: GET", "X-Forwarded-Host: www.meiduo.site", "X-Forwarded-Uri: /"],
        };
        let ask = |field: &str| proxy.connect().get("/.menshen/auth", &[&said[..], &[field]].concat()).answer();
        for field in ["X_User: root", "x!user: root", "X.User: root", "X_Client_Cert_Subject: CN=root"] {
            let answer = ask(field);
            assert_eq!((answer.status, answer.header("x-user")), (status, None), "{dialect} {field}");
        }
        assert_eq!(ask("api_key: 1").status, 200, "what is nobody's");
    }
}

#[test]
fn a_session_that_is_used_is_renewed_by_as_many_cookies_as_the_proxy_can_carry() {
    for (dialect, names) in [
        ("nginx", &["menshen_session"][..]),
        ("caddy", &["menshen_session"]),
        ("forwarded", &["menshen_session", "username"]),
        ("envoy", &["menshen_session", "username"]),
    ] {
        let (proxy, _upstream) = before(asked(dialect, "\"127.0.0.1\""));
        let browser = proxy.browser();
        browser.log_in("10001");
        proxy.advance(Duration::from_secs(6 * 3600));
        let said = match dialect {
            "nginx" => vec!["X-Original-Method: GET", "X-Original-URI: /"],
            "envoy" => Vec::new(),
            _ => vec!["X-Forwarded-Method: GET", "X-Forwarded-Host: www.meiduo.site", "X-Forwarded-Uri: /"],
        };
        let cookie = format!("Cookie: {}", browser.cookie_header().unwrap());
        let endpoint = if dialect == "envoy" { "/.menshen/auth/" } else { "/.menshen/auth" };
        let answer = proxy.connect().get(endpoint, &[&said[..], &[&cookie, PAGE]].concat()).answer();
        assert_eq!(answer.status, 200, "{dialect}");
        let set: Vec<_> = answer.all("set-cookie").iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
        assert_eq!(set, names, "{dialect}");
    }
}

#[test]
fn nobody_but_a_listed_caller_asks() {
    for callers in ["", "\"127.0.0.2\"", "\"unix\""] {
        let (proxy, _upstream) = before(asked("nginx", callers));
        assert_eq!(ask(&proxy, "GET", "/", &[]).status, 404, "{callers}");
    }
}

#[test]
fn a_question_that_is_none_is_never_answered_by_a_yes() {
    let (proxy, _upstream) = before(asked("nginx", "\"127.0.0.1\""));
    let uri = "X-Original-URI: /";
    for fields in [
        &[][..],
        &[uri],
        &["X-Original-Method: GET"],
        &["X-Original-Method: GET", uri, "X-Original-URI: /user/x"],
        &["X-Original-Method: GET", "X-Original-Method: POST", uri],
        &["X-Original-Method: GET", "X-Original-URI: http://www.meiduo.site/"],
        &["X-Original-Method: GET", "X-Original-URI: /a#b"],
        &["X-Forwarded-Method: GET", "X-Forwarded-Uri: /", "X-Forwarded-Host: www.meiduo.site"],
        &["X-Original-URL: /", "X-Original-Method: GET"],
    ] {
        assert_eq!(proxy.connect().get("/.menshen/auth", fields).answer().status, 400, "{fields:?}");
    }
}

#[test]
fn what_does_not_pass_here_does_not_pass_there() {
    let (proxy, _upstream) = before(asked("nginx", "\"127.0.0.1\""));
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = format!("Cookie: {}", browser.cookie_header().unwrap());
    for (method, target) in [
        ("GET", "/qq/login/"),
        ("GET", "/qq%2Flogin/"),
        ("GET", "/.menshen/auth"),
        ("GET", "/gone/x"),
        ("TRACE", "/"),
        ("CONNECT", "/"),
        ("get", "/"),
        ("GET", "*"),
    ] {
        let status = ask(&proxy, method, target, &[&cookies]).status;
        assert!([400, 403].contains(&status), "{method} {target}: {status}");
    }
    // What another reading of the path guards, and what a client says of the path by other names.
    let spoofed = ["X-Forwarded-Uri: /", "X-Original-URL: /", "X-Forwarded-Method: GET", "X-Rewrite-URL: /"];
    for target in ["/user/x", "/x/..%2fuser/x", "/x;/../user/x", "/user%2Fx"] {
        assert_eq!(ask(&proxy, "GET", target, &spoofed).status, 401, "{target}");
    }
    let foreign = ask(&proxy, "POST", "/user/x", &[&cookies, "Origin: http://evil.example"]);
    assert_eq!(foreign.status, 403);
    let unknown = ask(&proxy, "GET", "/", &["Host: evil.example"]);
    assert!(unknown.status >= 400, "{}", unknown.status);
}
