//! Several endpoints of one upstream: which of them gets a request, and what if it gives no answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Proxy, SITE, Setup, Upstream, events, eventually, nobody_listens, read_head};

/// An upstream whose answers bear its name.
fn named(name: &'static str) -> Upstream {
    Upstream::scripted(move |_| answer(200, name))
}

fn answer(status: u16, text: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Thus\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn addresses(upstreams: &[&Upstream]) -> Vec<SocketAddr> {
    upstreams.iter().map(|upstream| upstream.address()).collect()
}

fn text(proxy: &Proxy) -> String {
    proxy.connect().get("/", &[]).answer().text()
}

#[test]
fn every_core_goes_by_the_same_turns_and_weights() {
    let (a, b) = (named("a"), named("b"));
    let heavy = format!("http://{} weight=3", a.address());
    let proxy = Setup::new().before_endpoints(&[heavy, format!("http://{}", b.address())]);
    // Each on a connection of its own, so that both cores have some.
    let answers: Vec<String> = (0..40).map(|_| text(&proxy)).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "a").count(), 30, "{answers:?}");
}

#[test]
fn a_request_goes_to_whoever_has_fewer_under_way() {
    let held = Arc::new(AtomicBool::new(true));
    let holding = |name: &'static str| {
        let holds = Arc::clone(&held);
        Upstream::scripted(move |request| {
            while request.line() == "GET /held HTTP/1.1" && holds.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            answer(200, name)
        })
    };
    let (a, b) = (holding("a"), holding("b"));
    let setup = Setup::new().monitored().upstream("balance = \"least_request\"");
    let proxy = setup.before_all(&addresses(&[&a, &b]));
    let mut waiting = proxy.connect();
    waiting.get("/held", &[]);
    let is_busy = |upstream: &Upstream| {
        let address = upstream.address();
        format!("menshen_upstream_endpoint_requests{{upstream=\"mall\",endpoint=\"{address}\"}} 1\n")
    };
    eventually(|| [&a, &b].iter().any(|upstream| proxy.metrics().contains(&is_busy(upstream))));
    let other = if proxy.metrics().contains(&is_busy(&a)) { "b" } else { "a" };
    for _ in 0..20 {
        assert_eq!(text(&proxy), other);
    }
    held.store(false, Ordering::Relaxed);
    assert_ne!(waiting.answer().text(), other);
}

#[test]
fn a_cookie_leads_a_browser_back_and_never_reaches_the_application() {
    let (a, b) = (named("a"), named("b"));
    let setup = Setup::new().upstream("balance = \"sticky\"\nsticky_cookie = \"at\"");
    let proxy = setup.before_all(&addresses(&[&a, &b]));
    let first = proxy.connect().get("/", &[]).answer();
    let cookie = first.header("set-cookie").unwrap();
    assert!(cookie.starts_with("at=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(first.header("cache-control"), Some("private"), "nobody hands it on to others");
    let cookie = cookie.split(';').next().unwrap();
    for _ in 0..10 {
        let again = proxy.connect().get("/", &[&format!("Cookie: {cookie}; shop=1")]).answer();
        assert_eq!((again.text(), again.header("set-cookie")), (first.text(), None));
    }
    let there = if first.text() == "a" { &a } else { &b };
    there.next();
    assert_eq!(there.next().header("cookie"), Some("shop=1"));
}

/// Regression: one cookie for all led away from the endpoint of whichever was asked before.
#[test]
fn each_upstream_has_a_cookie_of_its_own() {
    let (a, b, blog) = (named("a"), named("b"), named("blog"));
    let endpoints = format!("endpoints = [\"http://{}\", \"http://{}\"]", a.address(), blog.address());
    let another = format!("[upstreams.blog]\nbalance = \"sticky\"\n{endpoints}");
    let setup = Setup::new().upstream("balance = \"sticky\"").section(&another);
    let setup = setup.section("[[routes]]\npath = \"/blog/*\"\nupstream = \"blog\"");
    let proxy = setup.before_all(&addresses(&[&a, &b]));
    let set = |target: &str, sent: &str| {
        let answer = proxy.connect().get(target, &[sent]).answer();
        answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned())
    };
    let (of_mall, of_blog) = (set("/", "X-A: b").unwrap(), set("/blog/", "X-A: b").unwrap());
    assert!(of_mall.starts_with("menshen_endpoint_mall="), "{of_mall}");
    assert!(of_blog.starts_with("menshen_endpoint_blog="), "{of_blog}");
    let both = format!("Cookie: {of_mall}; {of_blog}");
    assert_eq!((set("/", &both), set("/blog/", &both)), (None, None), "both lead back");
}

#[test]
fn nobody_is_led_back_to_an_endpoint_that_says_another_one_should_be_asked() {
    let both = [0, 1].map(|_| Upstream::scripted(|_| answer(503, "full")));
    let setup = Setup::new().upstream("balance = \"sticky\"\nretries.statuses = [\"503\"]");
    let proxy = setup.before_all(&addresses(&[&both[0], &both[1]]));
    let answer = proxy.connect().get("/", &[]).answer();
    assert_eq!((answer.status, answer.header("set-cookie")), (503, None));
}

#[test]
fn a_sticky_cookie_is_set_on_no_answer_that_may_be_kept() {
    let kept = b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: 2\r\n\r\nok";
    let (a, b) = (Upstream::scripted(|_| kept.to_vec()), Upstream::scripted(|_| kept.to_vec()));
    let proxy = Setup::new().upstream("balance = \"sticky\"").before_all(&addresses(&[&a, &b]));
    let answer = proxy.connect().get("/style.css", &[]).answer();
    assert_eq!((answer.header("set-cookie"), answer.header("cache-control")), (None, Some("public, max-age=60")));
}

#[test]
fn the_same_field_leads_to_the_same_endpoint() {
    let (a, b) = (named("a"), named("b"));
    let setup = Setup::new().upstream("balance = \"hash\"\nhash_on = \"header:X-Shop\"");
    let proxy = setup.before_all(&addresses(&[&a, &b]));
    let mut seen = std::collections::BTreeSet::new();
    for shop in 0..16 {
        let ask = || proxy.connect().get("/", &[&format!("X-Shop: {shop}")]).answer().text();
        let first = ask();
        assert!((0..4).all(|_| ask() == first), "shop {shop}");
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2, "each has some");
}

#[test]
fn an_endpoint_that_takes_no_connection_costs_nobody_an_answer_and_is_left_out_soon() {
    let (gone, well) = (nobody_listens(), named("well"));
    let setup = Setup::new().upstream("ejection.failures = 3\nejection.time = \"1h\"");
    let proxy = setup.monitored().before_all(&[gone, well.address()]);
    let post = format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 2\r\n\r\nhi");
    for _ in 0..20 {
        assert_eq!(proxy.connect().send(&post).answer().text(), "well", "its body was not sent anywhere else");
    }
    let name = gone.to_string();
    events().wait_for(1, &["WARN", "an endpoint failed several times in a row", &name]);
    let metrics = proxy.metrics();
    let line = |metric: &str, value: &str| {
        metrics.contains(&format!("{metric}{{upstream=\"mall\",endpoint=\"{name}\"}} {value}\n"))
    };
    assert!(line("menshen_upstream_endpoint_up", "0") && line("menshen_upstream_ejections_total", "1"), "{metrics}");
    assert!(metrics.contains("menshen_upstream_retries_total{upstream=\"mall\"} 3\n"), "three found out: {metrics}");
    assert!(
        metrics.contains("menshen_upstream_connections_total{upstream=\"mall\",outcome=\"failed\"} 3\n"),
        "{metrics}"
    );
}

#[test]
fn an_endpoint_that_answers_as_one_without_an_answer_is_left_out_and_comes_back() {
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = Arc::clone(&is_ill);
    let flapping =
        Upstream::scripted(move |_| if ill.load(Ordering::Relaxed) { answer(502, "no") } else { answer(200, "back") });
    let well = named("well");
    let setup = Setup::new().upstream("slow_start = \"0s\"\nejection = { failures = 2, time = \"50ms\" }");
    let proxy = setup.before_all(&addresses(&[&flapping, &well]));
    let name = flapping.address().to_string();
    let until = |answer: &str| (0..10_000).any(|_| text(&proxy) == answer);
    assert!(until("no") && until("no"));
    events().wait_for(1, &["WARN", "an endpoint failed several times in a row", &name]);
    is_ill.store(false, Ordering::Relaxed);
    assert!(until("back"));
    events().wait_for(1, &["INFO", "an endpoint that was left out answers again", &name]);
}

#[test]
fn an_answer_that_is_none_is_asked_for_elsewhere_where_that_does_no_harm() {
    let (full, well) = (Upstream::scripted(|_| answer(503, "full")), named("well"));
    let setup = Setup::new().upstream("ejection.failures = 0\nretries.statuses = [\"503\"]");
    let proxy = setup.before_all(&addresses(&[&full, &well]));
    for _ in 0..10 {
        assert_eq!(text(&proxy), "well");
    }
    let post = format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 2\r\n\r\nhi");
    let put = post.replace("POST", "PUT");
    for method in [post, put] {
        let answers: Vec<u16> = (0..4).map(|_| proxy.connect().send(&method).answer().status).collect();
        assert_eq!(answers.iter().filter(|status| **status == 503).count(), 2, "with a body, in turn: {answers:?}");
    }
    let delete = format!("DELETE / HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
    assert!((0..4).all(|_| proxy.connect().send(&delete).answer().status == 200), "it does no harm twice");
    let empty_post = format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 0\r\n\r\n");
    let answers: Vec<u16> = (0..4).map(|_| proxy.connect().send(&empty_post).answer().status).collect();
    assert_eq!(answers.iter().filter(|status| **status == 503).count(), 2, "it might do harm: {answers:?}");
}

#[test]
fn where_all_answer_so_their_answer_is_passed_on() {
    let both = [0, 1].map(|_| Upstream::scripted(|_| answer(503, "full")));
    let proxy = Setup::new().upstream("retries.statuses = [\"503\"]").before_all(&addresses(&[&both[0], &both[1]]));
    let answer = proxy.connect().get("/", &[]).answer();
    assert_eq!((answer.status, answer.text().as_str()), (503, "full"));
    assert!(both.iter().all(|upstream| upstream.next().line() == "GET / HTTP/1.1"), "each was asked");
    assert!(both.iter().all(|upstream| upstream.try_next().is_none()), "once");
}

/// Regression: the answer was given up for an endpoint that took no connection.
#[test]
fn what_one_says_is_better_than_that_another_says_nothing() {
    let (full, gone) = (Upstream::scripted(|_| answer(503, "full")), nobody_listens());
    let hangs_up = Upstream::serving(|mut stream, connection, _| drop(read_head(&mut stream, connection)));
    let setup = || Setup::new().upstream("ejection.failures = 0\nretries.statuses = [\"503\"]");
    for proxy in [setup().before_all(&[full.address(), gone]), setup().before_all(&addresses(&[&full, &hangs_up]))] {
        let answers: Vec<String> = (0..2).map(|_| text(&proxy)).collect();
        let asked = std::iter::from_fn(|| full.try_next()).count();
        assert_eq!(answers.iter().filter(|answer| *answer == "full").count(), asked, "{answers:?}");
        assert!(asked > 0);
    }
}

/// Regression: the answer was taken up again when there was no time left to pass it on, and broken off at once.
#[test]
fn a_route_whose_time_is_over_says_so_whatever_one_endpoint_has_said() {
    let full = Upstream::scripted(|_| answer(503, "full"));
    let holds = Upstream::serving(|mut stream, connection, _| while read_head(&mut stream, connection).is_some() {});
    let setup = Setup::without_routes().route_of("path = \"/*\"\ntimeout = \"100ms\"");
    let setup = setup.upstream("ejection.failures = 0\nretries.statuses = [\"503\"]");
    let proxy = setup.before_all(&addresses(&[&full, &holds]));
    let statuses = [(); 4].map(|()| proxy.connect().get("/", &[]).answer().status);
    assert_eq!(statuses, [504; 4]);
}

#[test]
fn without_a_budget_nothing_goes_elsewhere() {
    let (gone, well) = (nobody_listens(), named("well"));
    let setup = Setup::new().upstream("ejection.failures = 0\nretries.budget_percent = 0");
    let proxy = setup.before_all(&[gone, well.address()]);
    let statuses: Vec<u16> = (0..4).map(|_| proxy.connect().get("/", &[]).answer().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
}
