//! Endpoints that are asked whether they are well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::support::{SITE, Setup, Upstream, events, nobody_listens};

const EVERY: &str = "interval = \"20ms\"\ntimeout = \"5s\"";

fn answer(status: u16, text: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Thus\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// Answers visitors always, and health checks as the switch says.
fn switched(name: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let is_well = Arc::new(AtomicBool::new(true));
    let well = Arc::clone(&is_well);
    let upstream = Upstream::scripted(move |request| match request.line() {
        "GET /healthz HTTP/1.1" if !well.load(Ordering::Relaxed) => answer(500, "ill"),
        _ => answer(200, name),
    });
    (upstream, is_well)
}

fn setup() -> Setup {
    Setup::new()
        .monitored()
        .upstream(&format!("slow_start = \"0s\"\n[upstreams.mall.health]\npath = \"/healthz\"\n{EVERY}"))
}

#[test]
fn an_endpoint_that_is_ill_gets_no_requests_until_it_is_well_again() {
    let ((a, a_is_well), (b, _)) = (switched("a"), switched("b"));
    let proxy = setup().before_all(&[a.address(), b.address()]);
    let name = a.address().to_string();
    let check = a.next();
    assert_eq!((check.line(), check.header("host")), ("GET /healthz HTTP/1.1", Some(SITE)));
    assert_eq!(check.header("user-agent"), Some("menshen-health"));
    a_is_well.store(false, Ordering::Relaxed);
    events().wait_for(1, &["WARN", "an endpoint is not well", &name, "500"]);
    for _ in 0..10 {
        assert_eq!(proxy.connect().get("/", &[]).answer().text(), "b");
    }
    let line = format!("menshen_upstream_endpoint_up{{upstream=\"mall\",endpoint=\"{name}\"}} 0\n");
    assert!(proxy.metrics().contains(&line));
    a_is_well.store(true, Ordering::Relaxed);
    events().wait_for(1, &["INFO", "an endpoint is well again", &name]);
    let answers: Vec<String> = (0..10).map(|_| proxy.connect().get("/", &[]).answer().text()).collect();
    assert!(answers.contains(&"a".to_owned()), "{answers:?}");
}

#[test]
fn the_first_answer_ever_counts_alone() {
    let (gone, (well, _)) = (nobody_listens(), switched("well"));
    let proxy = setup().before_all(&[gone, well.address()]);
    events().wait_for(1, &["WARN", "an endpoint is not well", &gone.to_string()]);
    for _ in 0..10 {
        assert_eq!(proxy.connect().get("/", &[]).answer().text(), "well");
    }
    let failed = "menshen_upstream_retries_total{upstream=\"mall\"} 0\n";
    assert!(proxy.metrics().contains(failed), "no visitor had to find out");
}

#[test]
fn where_none_is_well_visitors_get_what_there_is() {
    let ((a, a_is_well), (b, b_is_well)) = (switched("a"), switched("b"));
    a_is_well.store(false, Ordering::Relaxed);
    b_is_well.store(false, Ordering::Relaxed);
    let proxy = setup().before_all(&[a.address(), b.address()]);
    for upstream in [&a, &b] {
        events().wait_for(1, &["WARN", "an endpoint is not well", &upstream.address().to_string()]);
    }
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
}

#[test]
fn a_configuration_without_checks_asks_no_more() {
    let (upstream, _) = switched("a");
    let proxy = setup().before(&upstream);
    upstream.next();
    // A request that goes on by the old configuration.
    let mut held = proxy.connect();
    held.send(format!("POST /held HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 2\r\n\r\nh"));
    proxy.until_metric("menshen_upstream_connections{upstream=\"mall\"} 1");
    proxy.rewrite(|text| text.replace("[upstreams.mall.health]\npath = \"/healthz\"\n", "").replace(EVERY, ""));
    proxy.reload().unwrap();
    // Who still asked would do so among these; a question may be on its way.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        proxy.connect().get("/later", &[]).answer();
    }
    let all = std::iter::from_fn(|| upstream.try_next());
    let checks = all.skip_while(|request| request.line() != "GET /later HTTP/1.1");
    let checks = checks.filter(|request| request.line() == "GET /healthz HTTP/1.1").count();
    assert!(checks <= 1, "{checks} checks");
    assert_eq!(held.send("i").answer().text(), "a", "it has gone on all the while");
}

/// Regression: what hung up with its answer had "hung up", however good that was.
#[test]
fn an_endpoint_may_hang_up_with_its_answer() {
    let upstream = Upstream::scripted(|request| match request.line() {
        "GET /healthz HTTP/1.1" => b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    });
    let name = upstream.address().to_string();
    let proxy = setup().before(&upstream);
    // The answer to the first has been judged when the third is asked.
    for _ in 0..3 {
        assert_eq!(upstream.next().line(), "GET /healthz HTTP/1.1");
    }
    proxy.until_metric(&format!("menshen_upstream_endpoint_up{{upstream=\"mall\",endpoint=\"{name}\"}} 1"));
    assert!(!events().text().contains(&format!("endpoint={name} error=it hung up")));
}

/// Regression: nobody asked it any more, and it was ill until a restart.
#[test]
fn an_endpoint_that_was_ill_when_checks_were_given_up_gets_requests_again() {
    let ((a, a_is_well), (b, _)) = (switched("a"), switched("b"));
    a_is_well.store(false, Ordering::Relaxed);
    let proxy = setup().before_all(&[a.address(), b.address()]);
    let name = a.address().to_string();
    events().wait_for(1, &["WARN", "an endpoint is not well", &name]);
    proxy.rewrite(|text| text.replace("[upstreams.mall.health]\npath = \"/healthz\"\n", "").replace(EVERY, ""));
    proxy.reload().unwrap();
    let answers: Vec<String> = (0..10).map(|_| proxy.connect().get("/", &[]).answer().text()).collect();
    assert!(answers.contains(&"a".to_owned()), "{answers:?}");
}
