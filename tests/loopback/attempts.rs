//! What an attempt is good for: one provider, one code, one try.

use menshen::demo::qq::Endpoint;
use menshen::login::provider::ProviderId;

use crate::callback::{ATTEMPT, parts, refused};
use crate::support::{PAGE, Proxy, SCRIPT, Setup, Upstream};

const USED: [&str; 2] = ["这次登录已经用过了", "This login has been used"];

/// The proxy on the same store and keys, before the same QQ under another name.
fn rename(proxy: &mut Proxy, name: &str) {
    proxy.reconfigure(|config| config.qq.id = ProviderId::new(name));
    proxy.restart();
}

#[test]
fn a_login_that_was_begun_with_one_provider_does_not_end_with_another() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    rename(&mut proxy, "other");
    let (callback, attempt) = {
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        let name = browser.cookie_names(ATTEMPT).remove(0);
        (callback, format!("{name}={}", browser.cookie(&name).unwrap()))
    };
    rename(&mut proxy, "qq");
    {
        let browser = proxy.browser();
        browser.keep(&attempt);
        let elsewhere = ["这次登录不是从这里开始的", "This login began somewhere else"];
        refused(&browser, &callback, 403, "403", "登录不是在这个浏览器里开始的", elsewhere);
        assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    }
    // Nothing else was wrong with it.
    rename(&mut proxy, "other");
    let browser = proxy.browser();
    browser.keep(&attempt);
    assert_eq!(browser.visit(&callback).status, 303);
}

#[test]
fn a_code_that_was_used_logs_nobody_in_under_a_new_state() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let victim = proxy.browser();
    let (first, second) = (victim.begin_login("/", "10001"), victim.begin_login("/", "10001"));
    assert_eq!(victim.visit(&first).status, 303);
    let user = victim.user_id();
    let (code, _) = parts(&first);
    let thief = proxy.browser();
    let begun = thief.begin_login("/", "10002");
    for (asked, (browser, own)) in [(&victim, second), (&thief, begun)].into_iter().enumerate() {
        let (unused, state) = parts(&own);
        let kept = browser.copy();
        let answer = browser.get(&format!("/oauth_callback/?code={code}&state={state}"), &[SCRIPT]);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (500, Some("5005")), "{}", answer.text());
        assert!(answer.cookie("menshen_session=").is_none());
        assert_eq!(proxy.qq.count(Endpoint::Token), asked + 2);
        // The state is spent with it, also for the code that it was made for.
        let answer = kept.get(&format!("/oauth_callback/?code={unused}&state={state}"), &[SCRIPT]);
        assert!(answer.cookie("menshen_session=").is_none(), "{:?}", answer.headers);
        // Who is logged in is led on, as after going back.
        assert_eq!(answer.status, if asked == 0 { 303 } else { 403 });
        assert_eq!(proxy.qq.count(Endpoint::Token), asked + 2);
    }
    assert_eq!((victim.user_id(), thief.user_id()), (user, None));
}

#[test]
fn of_many_codes_under_one_state_the_first_alone_is_tried() {
    const CODES: usize = 12;
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (round, good_at) in [0, 1, CODES - 1].into_iter().enumerate() {
        let browser = proxy.browser();
        let (good, state) = parts(&browser.begin_login("/", "10001"));
        for at in 0..CODES {
            let code = if at == good_at { good.clone() } else { format!("{at:032X}") };
            let callback = format!("/oauth_callback/?code={code}&state={state}");
            if at == 0 {
                let answer = browser.copy().visit(&callback);
                assert_eq!(answer.status, if good_at == 0 { 303 } else { 500 }, "{}", answer.text());
                assert_eq!(answer.cookie("menshen_session=").is_some(), good_at == 0);
            } else {
                refused(&browser, &callback, 403, "403", "登录链接已使用，请重新登录", USED);
            }
        }
        assert_eq!(proxy.qq.count(Endpoint::Token), round + 1);
    }
}

/// The words of an attacker in every place of a callback, to whoever holds the attempt and to whoever does not.
#[test]
fn nothing_that_a_callback_says_comes_back_in_a_field_or_a_text() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let marks = [
        "zqxjkvw",
        "//evil.example",
        "zqxjkvw%0d%0aX-Evil:%20zqxjkvw",
        "%22%3E%3Cscript%3Ezqxjkvw",
        "zqxjkvw%E2%80%A8%00",
    ];
    for mark in marks {
        for place in [
            "code={}&state=S",
            "code=C&state={}",
            "code=C&state=S&{}={}",
            "usercancel=1&state={}",
            "usercancel={}&state=S",
        ]
        .into_iter()
        .chain(["code=C&state=S&next={}", "code=100010&msg={}&state=S", "error={}&error_description={}&state=S"])
        .chain(["code=C&code={}&state=S", "code=C&state=S&state={}", "error=100010&error_description={}"])
        {
            let browser = proxy.browser();
            let (code, state) = parts(&browser.begin_login("/", "10001"));
            let query = place.replace("=C", &format!("={code}")).replace("=S", &format!("={state}"));
            let callback = format!("/oauth_callback/?{}", query.replace("{}", mark));
            for fields in [[PAGE, "Accept-Language: zh"], [PAGE, "Accept-Language: en"], [SCRIPT, "X: y"]] {
                for browser in [&browser.copy(), &proxy.browser()] {
                    let answer = browser.get(&callback, &fields);
                    let whole = format!("{:?} {}", answer.headers, answer.text());
                    for unsaid in ["zqxjkvw", "evil", "Evil", &code, &state] {
                        assert!(!whole.contains(unsaid), "{callback}: {unsaid} in {whole}");
                    }
                }
            }
            // Failures of one address are counted, and such callbacks are many.
            proxy.advance(std::time::Duration::from_secs(30));
        }
    }
}
