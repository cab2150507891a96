//! How often one address may begin logins, and fail them.

use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Mangle, Switch, WireFault};

use crate::callback::parts;
use crate::support::{Answer, PAGE, Proxy, SCRIPT, Setup, Upstream};

const MINUTE: Duration = Duration::from_secs(60);

fn limited(limits: &str, upstream: &Upstream) -> Proxy {
    Setup::new().section(&format!("[limits]\n{limits}")).server("trusted_proxies = [\"127.0.0.1\"]").before(upstream)
}

#[test]
fn an_address_that_begins_too_many_logins_is_told_when_to_come_back_and_no_other_is() {
    let upstream = Upstream::hello();
    let proxy = limited("logins_per_address = 3", &upstream);
    let start = |from: &str| proxy.browser().get("/qq/login/", &[SCRIPT, &format!("X-Forwarded-For: {from}")]);
    for from in ["203.0.113.1", "2001:db8::1"] {
        (0..3).for_each(|_| assert_eq!(start(from).status, 200, "{from}"));
        let answer = start(from);
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("20")), "{from}");
        assert_eq!(answer.json()["code"], "4002");
        assert!(answer.all("set-cookie").is_empty());
    }
    assert_eq!(start("2001:db8::ffff:1").status, 429, "it is of the same subscriber");
    assert_eq!(start("203.0.113.2").status, 200);
    for (language, words) in [("zh-CN", "歇口气"), ("en", "take a breath")] {
        let fields = [PAGE, "X-Forwarded-For: 203.0.113.1", &format!("Accept-Language: {language}")];
        let page = proxy.browser().get("/qq/login/", &fields).text();
        assert!(page.to_lowercase().contains(words), "{page}");
    }
    proxy.advance(MINUTE);
    (0..3).for_each(|_| assert_eq!(start("203.0.113.1").status, 200));
}

#[test]
fn a_city_behind_one_address_logs_in_by_the_defaults() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for _ in 0..300 {
        assert_eq!(proxy.browser().log_in("10001").status, 303);
    }
}

/// A callback whose code QQ does not know, with an attempt of its own: it costs a call.
fn forged(proxy: &Proxy) -> Answer {
    let browser = proxy.browser();
    let (_, state) = parts(&browser.begin_login("/", "10001"));
    browser.get(&format!("/oauth_callback/?code={}&state={state}", "0".repeat(32)), &[SCRIPT])
}

#[test]
fn an_address_that_fails_too_many_callbacks_asks_qq_no_more_and_loses_nothing() {
    let upstream = Upstream::hello();
    let proxy = limited("failed_callbacks_per_address = 3", &upstream);
    let honest = proxy.browser();
    let callback = honest.begin_login("/", "10001");
    (0..3).for_each(|_| assert_eq!(forged(&proxy).status, 500));
    proxy.qq_asked(Endpoint::Token, 3);
    let answer = honest.get(&callback, &[SCRIPT]);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("20")));
    assert!(answer.all("set-cookie").is_empty(), "the attempt is kept");
    for (language, words) in [("zh-CN", "歇口气"), ("en", "take a breath")] {
        let answer = honest.get(&callback, &[PAGE, &format!("Accept-Language: {language}")]);
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("20")), "{language}");
        assert!(answer.header("content-security-policy").is_some() && answer.all("set-cookie").is_empty());
        let page = answer.text();
        assert!(page.to_lowercase().contains(words), "{page}");
    }
    proxy.advance(Duration::from_secs(20));
    assert_eq!(honest.get(&callback, &[PAGE]).status, 303, "nothing had been spent");
    proxy.qq_asked(Endpoint::Token, 4);
}

/// Regression: whoever could have a city's browsers load a few addresses kept the city out.
#[test]
fn what_costs_qq_no_call_does_not_count() {
    let upstream = Upstream::hello();
    let proxy = limited("failed_callbacks_per_address = 1", &upstream);
    for _ in 0..5 {
        assert_eq!(proxy.browser().log_in("10001").status, 303);
        assert_eq!(proxy.browser().get("/oauth_callback/?usercancel=1", &[SCRIPT]).json()["code"], "4003");
        let browser = proxy.browser();
        for query in ["code=a&state=b", "state=b", "error=1"] {
            assert_eq!(browser.get(&format!("/oauth_callback/?{query}"), &[SCRIPT]).status, 403);
        }
        let callback = browser.begin_login("/", "10001");
        assert_eq!(browser.visit(&callback).status, 303);
        browser.visit("/.menshen/logout");
        assert_eq!(browser.copy().visit(&callback).status, 303, "used, and logged in");
    }
    assert_eq!(forged(&proxy).status, 500);
    assert_eq!(forged(&proxy).status, 429);
}

/// Regression: what QQ had failed at used up the address's share.
#[test]
fn what_qq_fails_at_is_not_the_visitors_failure() {
    let upstream = Upstream::hello();
    let proxy = limited("failed_callbacks_per_address = 1", &upstream);
    let browser = proxy.browser();
    for effect in [
        Effect::Wire(WireFault::Status(502)),
        Effect::Error { number: -6, text: None },
        Effect::Wire(WireFault::Status(429)),
        Effect::Body(Mangle::Html),
    ] {
        let callback = browser.begin_login("/", "10001");
        proxy.qq.set(Switch::once(Endpoint::Token, effect));
        assert_eq!(browser.get(&callback, &[SCRIPT]).status, 500);
        // Before the breaker opens.
        assert_eq!(browser.log_in("10001").status, 303);
    }
    assert_eq!(forged(&proxy).status, 500);
    assert_eq!(forged(&proxy).status, 429);
}

/// Regression: a phone that gave its callback up and repeated it paid for the first as for a failure.
#[test]
fn who_leaves_before_a_login_ends_well_has_not_failed() {
    let upstream = Upstream::hello();
    let proxy = limited("failed_callbacks_per_address = 3", &upstream);
    for round in [1, 3, 5, 7, 9] {
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
        let mut leaving = proxy.connect();
        leaving.get(&callback, &[PAGE, &format!("Cookie: {}", browser.cookie_header().unwrap())]);
        proxy.qq_asked(Endpoint::Token, round);
        drop(leaving);
        proxy.qq.release();
        assert_eq!(proxy.browser().log_in("10002").status, 303);
    }
}

#[test]
fn a_callback_that_the_breaker_turns_away_takes_nobodys_place() {
    let upstream = Upstream::hello();
    let proxy = limited("callbacks = 4", &upstream);
    let browser = proxy.browser();
    let callbacks = [(); 4].map(|()| {
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        (browser, callback)
    });
    let (last, failing) = callbacks.split_last().unwrap();
    for (browser, callback) in failing {
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Status(502))));
        assert_eq!(browser.get(callback, &[SCRIPT]).status, 500);
    }
    // One place is left, and the breaker is open for 30 s.
    for _ in 0..3 {
        let answer = last.0.get(&last.1, &[SCRIPT]);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    }
    proxy.advance(Duration::from_secs(30));
    // Three places are there: the one that was left, and two that have come since.
    assert_eq!(last.0.get(&last.1, &[PAGE]).status, 303);
    (0..2).for_each(|_| assert_eq!(proxy.browser().log_in("10001").status, 303));
    let callback = browser.begin_login("/", "10001");
    assert_eq!(browser.get(&callback, &[SCRIPT]).status, 503);
}

#[test]
fn all_together_have_their_limits_too() {
    let upstream = Upstream::hello();
    let proxy = limited("logins = 2\ncallbacks = 2", &upstream);
    let callbacks = [1, 2].map(|_| {
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        (browser, callback)
    });
    let answer = proxy.browser().get("/qq/login/", &[SCRIPT]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    for (browser, callback) in &callbacks {
        assert_eq!(browser.get(callback, &[PAGE]).status, 303);
    }
    // What proves no attempt takes nobody's place, and is told as ever.
    assert_eq!(proxy.browser().get("/oauth_callback/?code=a&state=b", &[SCRIPT]).status, 403);
    proxy.advance(Duration::from_secs(30));
    let late = proxy.browser();
    let callback = late.begin_login("/", "10001");
    assert_eq!(late.get(&callback, &[PAGE]).status, 303);
}

/// Regression: the answer that told to try again took the attempt away.
#[test]
fn a_callback_beyond_the_limit_for_all_spends_nothing() {
    let upstream = Upstream::hello();
    let proxy = limited("callbacks = 2", &upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    (0..2).for_each(|_| assert_eq!(proxy.browser().log_in("10001").status, 303));
    for fields in [[PAGE], [SCRIPT]] {
        let answer = browser.get(&callback, &fields);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
        assert!(answer.all("set-cookie").is_empty());
    }
    proxy.advance(Duration::from_secs(30));
    assert_eq!(browser.get(&callback, &[PAGE]).status, 303);
}
