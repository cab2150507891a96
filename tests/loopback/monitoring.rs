//! What monitoring sees: numbers, and whether the proxy is well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use menshen::admin::{Operation, Reply};
use menshen::demo::qq::{Effect, Endpoint, Switch, WireFault};
use menshen::telemetry::metrics::METRICS;

use crate::support::{Authority, Connection, PAGE, PATIENCE, Proxy, SCRIPT, Setup, Upstream, eventually};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn setup() -> Setup {
    let admin = format!("[admin]\nlisten = [\"127.0.0.1:0\"]\nhosts = [\"proxy.internal\"]\ntoken = \"{TOKEN}\"\n");
    Setup::new().route("/user/*", "required").section(&admin)
}

fn ask(proxy: &Proxy, path: &str, host: &str) -> crate::support::Answer {
    ask_at(proxy.admin_address(), path, host)
}

fn ask_at(address: SocketAddr, path: &str, host: &str) -> crate::support::Answer {
    let mut connection = Connection::to(address);
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    connection.answer()
}

/// Every number, by its name and labels.
fn numbers(proxy: &Proxy) -> BTreeMap<String, f64> {
    let answer = ask(proxy, "/metrics", "localhost:9464");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

#[test]
fn requests_and_logins_are_counted_by_what_became_of_them() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    for _ in 0..3 {
        assert_eq!(browser.get("/user/", &[SCRIPT]).status, 200);
    }
    assert_eq!(proxy.browser().get("/user/", &[SCRIPT]).status, 401);
    assert_eq!(proxy.browser().get("/oauth_callback/?code=ABCDEF&state=x", &[PAGE]).status, 403);
    let mut garbage = proxy.connect();
    assert_eq!(garbage.send("nonsense\r\n\r\n").answer().status, 400);
    drop(garbage);
    eventually(|| numbers(&proxy)["menshen_requests_unreadable_total"] > 0.0);
    let numbers = numbers(&proxy);
    for (name, expected) in [
        (r#"menshen_requests_total{route="/user/*",decision="identity",status="200"}"#, 3.0),
        (r#"menshen_requests_total{route="/user/*",decision="unauthorized",status="401"}"#, 1.0),
        (r#"menshen_requests_total{route="Callback",decision="own",status="303"}"#, 1.0),
        (r#"menshen_request_duration_seconds_count{route="/user/*"}"#, 4.0),
        (r#"menshen_upstream_duration_seconds_count{upstream="mall"}"#, 3.0),
        (r#"menshen_logins_total{outcome="finished",cause=""}"#, 1.0),
        (r#"menshen_logins_total{outcome="refused",cause="no-attempt"}"#, 1.0),
        ("menshen_exchange_duration_seconds_count", 1.0),
        (r#"menshen_upstream_connections_total{upstream="mall",outcome="failed"}"#, 0.0),
        (r#"menshen_session_lookups_total{result="opened"}"#, 1.0),
        (r#"menshen_session_lookups_total{result="remembered"}"#, 2.0),
        (r#"menshen_session_lookups_total{result="refused"}"#, 0.0),
        ("menshen_store_reopened_total", 0.0),
        ("menshen_store_up", 1.0),
        ("menshen_provider_up", 1.0),
        ("menshen_sessions_remembered", 1.0),
        ("menshen_start_time_seconds", 1_800_000_000.0),
    ] {
        assert_eq!(numbers.get(name), Some(&expected), "{name}\n{numbers:#?}");
    }
    // Each core has connections of its own.
    let opened = numbers[r#"menshen_upstream_connections_total{upstream="mall",outcome="opened"}"#];
    assert!((1.0..=3.0).contains(&opened), "{opened}");
    assert_eq!(numbers[r#"menshen_upstream_connections{upstream="mall"}"#], opened);
    // Without TLS there is no certificate.
    for metric in METRICS.iter().filter(|metric| !metric.name.starts_with("menshen_certificate_")) {
        assert!(numbers.keys().any(|name| name.starts_with(metric.name)), "{} has no number", metric.name);
    }
}

#[test]
fn numbers_outlive_a_reload_which_is_counted_too() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    assert_eq!(proxy.browser().get("/", &[SCRIPT]).status, 200);
    proxy.reload().unwrap();
    assert_eq!(proxy.browser().get("/", &[SCRIPT]).status, 200);
    proxy.rewrite(|text| text + "\nnonsense");
    proxy.reload().unwrap_err();
    let numbers = numbers(&proxy);
    let requests = numbers[r#"menshen_requests_total{route="/*",decision="anonymous",status="200"}"#];
    assert!((requests - 2.0).abs() < f64::EPSILON, "{requests}");
    for outcome in ["taken", "refused"] {
        let reloads = numbers[&format!("menshen_reloads_total{{outcome=\"{outcome}\"}}")];
        assert!((reloads - 1.0).abs() < f64::EPSILON, "{outcome} {reloads}");
    }
}

#[test]
fn a_proxy_is_live_and_ready_and_tells_what_does_not_work_beside() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    assert_eq!(ask(&proxy, "/live", "127.0.0.1").json()["status"], "ok");
    let ready = ask(&proxy, "/ready", "127.0.0.1").json();
    assert_eq!((ready["status"].as_str(), ready["reasons"].as_array().unwrap().len()), (Some("ok"), 0));
    for _ in 0..3 {
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Status(503))));
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        assert_eq!(browser.visit(&callback).status, 500);
    }
    let answer = ask(&proxy, "/ready", "127.0.0.1");
    assert_eq!(answer.status, 200, "sessions go on without QQ");
    let ready = answer.json();
    assert_eq!(ready["status"], "degraded");
    assert!(ready["reasons"][0].as_str().unwrap().contains("QQ does not answer"), "{ready}");
    let is_down = |proxy: &Proxy| numbers(proxy)["menshen_provider_up"].abs() < f64::EPSILON;
    assert!(is_down(&proxy));
    // Regression: where nobody logged in meanwhile, it was taken for well again.
    proxy.advance(Duration::from_secs(31));
    assert!(is_down(&proxy));
    assert_eq!(ask(&proxy, "/ready", "127.0.0.1").json()["status"], "degraded");
    proxy.reload().unwrap();
    assert!(is_down(&proxy), "another configuration makes QQ no better");
    proxy.browser().log_in("10001");
    assert!(!is_down(&proxy));
    assert_eq!(ask(&proxy, "/ready", "127.0.0.1").json()["status"], "ok");
}

/// Regression: it said that it was ready to its very end.
#[test]
fn a_proxy_that_was_told_to_end_is_ready_for_nobody_and_reads_no_configuration() {
    let (answer, may_answer) = channel::<()>();
    let (asked, is_asked) = channel::<()>();
    let may_answer = Mutex::new(may_answer);
    let upstream = Upstream::scripted(move |_| {
        asked.send(()).unwrap();
        may_answer.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec()
    });
    let mut proxy = setup().before(&upstream);
    let address = proxy.admin_address();
    let mut waiting = proxy.connect();
    waiting.get("/", &[]);
    is_asked.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| proxy.stop());
        eventually(|| ask_at(address, "/ready", "localhost").status == 503);
        assert_eq!(ask_at(address, "/live", "localhost").status, 200);
        let operate = |operation| {
            let body = serde_json::to_string(&operation).unwrap();
            let mut connection = Connection::to(address);
            connection.send(format!(
                "POST /v1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            connection.answer()
        };
        let refused = operate(Operation::Reload);
        assert!(refused.status == 400 && refused.text().contains("going down"), "{}", refused.text());
        let Reply::Status(status) = serde_json::from_slice(&operate(Operation::Status).body).unwrap() else { panic!() };
        assert!(status.degraded[0].contains("told to end"), "what doctor tells: {status:?}");
        answer.send(()).unwrap();
    });
    assert_eq!(waiting.answer().status, 200);
}

/// Who kept connections kept everybody else out.
#[test]
fn a_connection_to_the_administrations_address_is_for_one_answer() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let mut connection = Connection::to(proxy.admin_address());
    connection.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(connection.is_closed());
}

/// Regression: for ten seconds they kept a health check out.
#[test]
fn connections_that_ask_nothing_keep_nobody_out() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let mut silent: Vec<Connection> = (0..100).map(|_| Connection::to(proxy.admin_address())).collect();
    // Accepted after all of them.
    assert_eq!(ask(&proxy, "/live", "localhost").status, 200);
    assert!(silent[0].is_closed(), "the oldest made room");
    let last = silent.last_mut().unwrap();
    last.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(last.answer().status, 200, "the newest kept its place");
}

#[test]
fn what_is_asked_in_another_way_is_refused_as_http_has_it() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let send = |head: &str| {
        let mut connection = Connection::to(proxy.admin_address());
        connection.send(format!("{head}\r\n\r\n")).answer_to(head.starts_with("HEAD"))
    };
    for path in ["/live", "/ready", "/metrics"] {
        let head = send(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost"));
        assert_eq!((head.status, head.header("content-length") == Some("0")), (200, false), "{path}");
        let post = send(&format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0"));
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    let operation = format!("GET /v1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: bearer {TOKEN}");
    assert_eq!((send(&operation).status, send(&operation).header("allow")), (405, Some("POST")));
    for (head, status) in [
        ("GET /live HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        ("GET /live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        ("GET http://evil.example/live HTTP/1.1\r\nHost: localhost", 400),
        ("GET http://evil.example/live HTTP/1.1\r\nHost: evil.example", 421),
        ("GET http://localhost/live HTTP/1.1\r\nHost: localhost", 200),
        ("GET /live HTTP/1.1\r\nHost: localhost.", 200),
    ] {
        assert_eq!(send(head).status, status, "{head}");
    }
}

#[test]
fn no_page_under_a_name_of_its_own_reaches_the_administrations_address() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for host in ["evil.example", "127.0.0.1.evil.example:9464", "www.meiduo.site", ""] {
        assert_eq!(ask(&proxy, "/metrics", host).status, 421, "{host}");
    }
    for host in ["proxy.internal", "proxy.internal:9464", "127.0.0.1", "[::1]:9464", "localhost"] {
        assert_eq!(ask(&proxy, "/metrics", host).status, 200, "{host}");
    }
    assert_eq!(ask(&proxy, "/", "localhost").status, 404);
    assert_eq!(proxy.browser().get("/metrics", &[SCRIPT]).status, 200, "visitors' /metrics is the application's");
    assert!(upstream.next().line().starts_with("GET /metrics"));
}

#[test]
fn operations_need_the_token_and_are_not_there_without_one() {
    let upstream = Upstream::hello();
    let operate = |proxy: &Proxy, authorization: &str| {
        let body = serde_json::to_string(&Operation::Users(None)).unwrap();
        let mut connection = Connection::to(proxy.admin_address());
        connection.send(format!(
            "POST /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        connection.answer()
    };
    let with = setup().before(&upstream);
    with.browser().log_in("10001");
    for wrong in ["", "Authorization: Bearer x\r\n", "Authorization: Basic eA==\r\n"] {
        assert_eq!(operate(&with, wrong).status, 401, "{wrong}");
    }
    let answer = operate(&with, &format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(answer.status, 200);
    let Reply::Users(users) = serde_json::from_slice(&answer.body).unwrap() else { panic!("{}", answer.text()) };
    assert_eq!(users.len(), 1);
    let without = Setup::new().section("[admin]\nlisten = [\"127.0.0.1:0\"]\n").before(&upstream);
    assert_eq!(operate(&without, &format!("Authorization: Bearer {TOKEN}\r\n")).status, 404);
}

#[test]
fn when_a_certificate_ends_is_known_before_it_does() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue_expired("site", crate::support::SITE);
    std::fs::set_permissions(authority.key("site"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let tls = setup().origin(&format!("https://{}", crate::support::SITE)).server("listen_tls = [\"127.0.0.1:0\"]");
    let proxy = tls.section(&authority.section(&["site"])).before(&upstream);
    let name = format!("menshen_certificate_not_after_seconds{{chain_file=\"{}\"}}", authority.chain("site").display());
    // The first of January 2021.
    assert_eq!(numbers(&proxy)[&name], 1_609_459_200.0);
    let told = proxy.command(&["doctor"]).out;
    let line = told.lines().find(|line| line.contains("certificate") && line.contains("has run out")).unwrap();
    assert!(line.trim_start().starts_with("BAD"), "{told}");
    let checked = proxy.command(&["check"]);
    let warned = format!("{}{}", checked.out, checked.err);
    assert!(warned.contains("key_file") && warned.contains("every user of this machine can read"), "{warned}");
}
