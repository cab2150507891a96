//! A QQ that does not answer: after a few exchanges nobody is sent there, and one at a time finds out when it is back.

use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Mangle, Switch, WireFault};

use crate::support::{Browser, PAGE, Proxy, SCRIPT, Setup, Upstream, events};

const ATTEMPT: &str = "menshen_login_";

/// Exchanges in a row without an answer that it takes.
const FAILURES: usize = 3;

/// How long nobody is sent to QQ then.
const COOL_DOWN: Duration = Duration::from_secs(30);

fn reset() -> Effect {
    Effect::Wire(WireFault::ResetBeforeHead)
}

/// One login by somebody new, which QQ does not complete.
fn fail(proxy: &Proxy, effect: Effect) {
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    proxy.qq.set(Switch::once(Endpoint::Token, effect));
    assert_eq!(browser.visit(&callback).status, 500);
}

fn break_down(proxy: &Proxy) {
    (0..FAILURES).for_each(|_| fail(proxy, reset()));
}

/// Asserts that an address answers 503 at once, to scripts and, in both languages, as a page, and says when to come again.
fn unavailable(browser: &Browser<'_>, address: &str, seconds: u64) {
    let seconds = seconds.to_string();
    let answer = browser.get(address, &[SCRIPT]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some(seconds.as_str())), "{address}");
    let body = answer.json();
    assert_eq!((body["code"].as_str(), body["errmsg"].as_str()), (Some("5000"), Some("暂时无法登录，请稍后再试")));
    for (language, words) in [("zh-CN", "登录服务正在恢复"), ("en", "The login service is recovering")] {
        let answer = browser.get(address, &[PAGE, &format!("Accept-Language: {language}")]);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some(seconds.as_str())), "{address}");
        assert!(answer.text().contains(words) && answer.text().contains(&format!(" {seconds} ")), "{}", answer.text());
        assert!(answer.all("set-cookie").is_empty(), "{address}");
    }
}

#[test]
fn while_qq_is_down_nothing_is_exchanged_or_spent_and_a_reload_works_afterwards() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let (user, visitor) = (proxy.browser(), proxy.browser());
    user.log_in("10001");
    let callback = visitor.begin_login("/cart/", "10002");
    break_down(&proxy);
    events().wait_for(1, &["the provider does not answer as it should"]);
    let asked = proxy.qq.requests().len();
    let attempts = visitor.cookie_names(ATTEMPT);
    for address in [callback.as_str(), "/qq/login/", "/qq/login", "/.menshen/login?next=/cart/"] {
        unavailable(&visitor, address, 30);
    }
    proxy.advance(Duration::from_millis(28_500));
    assert_eq!(visitor.visit(&callback).header("retry-after"), Some("2"), "rounded up");
    assert_eq!(proxy.qq.requests().len(), asked, "QQ was left alone");
    assert_eq!((visitor.cookie_names(ATTEMPT), attempts.len()), (attempts.clone(), 1), "the attempt is kept");
    assert_eq!(user.visit("/user/").status, 200, "who is logged in carries on");

    proxy.advance(Duration::from_millis(1500));
    assert_eq!(visitor.visit("/.menshen/login").status, 200);
    let answer = visitor.visit(&callback);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/cart/")));
    events().wait_for(1, &["the provider answers as it should again"]);
    proxy.browser().log_in("10003");
}

#[test]
fn after_the_cool_down_exactly_one_exchange_finds_out_whether_qq_is_back() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browsers = [(); 3].map(|()| proxy.browser());
    let callbacks: Vec<String> = browsers.iter().map(|browser| browser.begin_login("/", "10001")).collect();
    break_down(&proxy);
    for probe_fails in [true, false] {
        proxy.advance(COOL_DOWN);
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
        let probe = if probe_fails { 0 } else { 1 };
        let asked = proxy.qq.count(Endpoint::Token);
        let mut held = proxy.connect();
        let cookies = browsers[probe].cookie_header().unwrap();
        held.get(&callbacks[probe], &[PAGE, &format!("Cookie: {cookies}")]);
        proxy.qq_asked(Endpoint::Token, asked + 1);
        // For as long as the probe may take: whoever comes back then is not turned away because of it again.
        unavailable(&browsers[2], &callbacks[2], 10);
        unavailable(&browsers[2], "/.menshen/login", 10);
        assert_eq!(proxy.qq.count(Endpoint::Token), asked + 1);
        if probe_fails {
            // What was held is answered well; the next step is not.
            proxy.qq.set(Switch::once(Endpoint::Me, Effect::Wire(WireFault::Status(503))));
        }
        proxy.qq.release();
        assert_eq!(held.answer().status, if probe_fails { 500 } else { 303 });
        if probe_fails {
            unavailable(&browsers[2], &callbacks[2], 30);
        }
    }
    assert_eq!(browsers[2].visit(&callbacks[2]).status, 303);
}

#[test]
fn what_qq_refuses_proves_that_it_is_there_and_what_is_no_answer_does_not() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let refused = || Effect::Error { number: 100_020, text: None };
    for no_answer in [
        reset(),
        Effect::Wire(WireFault::Status(502)),
        Effect::Wire(WireFault::Status(429)),
        Effect::Error { number: -6, text: None },
        Effect::Body(Mangle::Html),
    ] {
        for _ in 0..2 {
            (1..FAILURES).for_each(|_| fail(&proxy, no_answer.clone()));
            fail(&proxy, refused());
        }
        assert_eq!(proxy.browser().visit("/.menshen/login").status, 200, "{no_answer:?}");
        (0..FAILURES).for_each(|_| fail(&proxy, no_answer.clone()));
        assert_eq!(proxy.browser().visit("/.menshen/login").status, 503, "{no_answer:?}");
        // A refused probe closes it too.
        proxy.advance(COOL_DOWN);
        fail(&proxy, refused());
        fail(&proxy, no_answer);
        assert_eq!(proxy.browser().visit("/.menshen/login").status, 200);
        proxy.browser().log_in("10001");
    }
}
