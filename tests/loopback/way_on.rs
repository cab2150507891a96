//! Where a login leads that came to nothing: into another that ends where this one would have, and back to a page that does
//! not at once ask for a login again.

use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Switch};
use url::Url;

use crate::support::{Answer, Browser, PAGE, Proxy, Setup, Upstream};

const LOGIN: &str = "/.menshen/login";

/// The buttons of a page, in order: where each leads, and what it says.
fn buttons(answer: &Answer) -> Vec<(String, String)> {
    let page = answer.text();
    let buttons = page.split("<a class=\"button").skip(1).map(|rest| {
        let (href, rest) = rest.split_once("href=\"").unwrap().1.split_once("\">").unwrap();
        (href.replace("&#38;", "&"), rest.split_once("</a>").unwrap().0.to_owned())
    });
    buttons.collect()
}

fn hrefs(answer: &Answer) -> Vec<String> {
    buttons(answer).into_iter().map(|(href, _)| href).collect()
}

/// The page of providers, for a login that ends at `next`.
fn login_for(next: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{LOGIN}?{query}")
}

/// The callback of somebody who began a login for `next`, and cancelled.
fn cancelled(browser: &Browser<'_>, next: &str) -> String {
    let callback = browser.begin_login(next, "10001");
    let state = callback.split_once("state=").unwrap().1;
    format!("/oauth_callback?usercancel=1&state={state}")
}

fn shop(upstream: &Upstream) -> Proxy {
    let site = "allowed_hosts = [\"https://m.meiduo.site\"]";
    Setup::new().site(site).route("/user/*", "required").before(upstream)
}

#[test]
fn who_cancels_can_begin_again_or_go_back_to_a_page_that_strangers_may_see() {
    let upstream = Upstream::hello();
    let proxy = shop(&upstream);
    let browser = proxy.browser();
    for (next, back) in [
        ("/goods/3/?a=1&b=2#reviews", "/goods/3/?a=1&b=2#reviews"),
        ("/", "/"),
        // Guarded, in any spelling: going there would be another login.
        ("/user/center/", "/"),
        ("/goods/%2e%2e/user/", "/"),
        ("/%75ser/", "/"),
        // What another host guards is not known here.
        ("https://m.meiduo.site/cart", "/"),
    ] {
        let callback = cancelled(&browser, next);
        let labels = if back == "/" {
            ["回到首页", "Go to the home page"]
        } else {
            ["回到刚才的页面", "Back to where you were"]
        };
        for (language, label) in ["zh-CN", "en"].into_iter().zip(labels) {
            let answer = browser.copy().get(&callback, &[PAGE, &format!("Accept-Language: {language}")]);
            assert_eq!(answer.status, 403, "{next}");
            let buttons = buttons(&answer);
            let normal = Url::parse("http://www.meiduo.site").unwrap().join(next).unwrap();
            let kept = if next.starts_with('/') { normal.as_str().split_once("meiduo.site").unwrap().1 } else { next };
            assert_eq!(buttons[0].0, login_for(kept), "{next}");
            assert_eq!((buttons[1].0.as_str(), buttons[1].1.as_str()), (back, label), "{next}");
            assert_eq!(buttons.len(), 2, "{next}");
        }
    }
}

/// Regression: who had logged in was thrown into a second login, or was asked whether to log out.
#[test]
fn no_login_ends_at_an_endpoint_of_ours() {
    let upstream = Upstream::hello();
    let site = "allowed_hosts = [\"https://m.meiduo.site\", \"https://other.example\"]";
    let second = "[[sites]]\norigin = \"https://m.meiduo.site\"";
    let proxy = Setup::new().site(site).section(second).before(&upstream);
    let browser = proxy.browser();
    for next in [
        "/qq/login/",
        "/qq/login?next=/a",
        "/oauth_callback/?code=1&state=2",
        "/oauth_callback#x",
        "/.menshen/login",
        "/.menshen/logout",
        "/.menshen/userinfo",
        "/.well-known/jwks.json",
        "/qq/%6cogin/",
        "/a/../qq/login/",
        "http://www.meiduo.site/.menshen/logout?x",
        "https://m.meiduo.site/.menshen/logout",
        "https://m.meiduo.site/qq/login/",
    ] {
        let answer = browser.visit(&browser.begin_login(next, "10001"));
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{next}");
        let page = browser.visit(&login_for(next)).text();
        assert!(page.contains("/qq/login/?next=%2F\""), "{next}: {page}");
    }
    for next in ["/qq/", "/qq/login/x", "/.menshen", "https://m.meiduo.site/a", "https://other.example/qq/login/"] {
        let answer = browser.visit(&browser.begin_login(next, "10001"));
        assert_eq!(answer.header("location"), Some(next));
    }
}

#[test]
fn a_login_begun_again_ends_where_the_first_one_would_have() {
    let upstream = Upstream::hello();
    let proxy = shop(&upstream);
    let browser = proxy.browser();
    let page = browser.visit(&cancelled(&browser, "/user/orders/?page=2"));
    let providers = browser.visit(&hrefs(&page)[0]);
    let to_qq = browser.visit(&hrefs(&providers)[0]);
    assert_eq!(to_qq.status, 302);
    let callback = proxy.qq.log_in(&Url::parse(to_qq.header("location").unwrap()).unwrap(), "10001").unwrap();
    let answer = browser.visit(callback.split_once("meiduo.site").unwrap().1);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/user/orders/?page=2")));
}

#[test]
fn where_every_page_is_guarded_no_way_back_is_offered() {
    let upstream = Upstream::hello();
    let guarded = "path = \"/*\"\nmethods = [\"GET\"]\naccess = \"required\"";
    let proxy = Setup::new().route_of(guarded).before(&upstream);
    let browser = proxy.browser();
    assert_eq!(hrefs(&browser.visit(&cancelled(&browser, "/goods/3/"))), [login_for("/goods/3/")]);
}

#[test]
fn who_has_a_session_goes_back_to_guarded_pages_too() {
    let upstream = Upstream::hello();
    let proxy = shop(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let page = browser.visit(&cancelled(&browser, "/user/center/"));
    assert_eq!(hrefs(&page), [login_for("/user/center/"), "/user/center/".to_owned()]);
}

#[test]
fn however_a_login_fails_the_next_one_still_ends_where_it_would_have() {
    let upstream = Upstream::hello();
    let proxy = shop(&upstream);
    let (next, login) = ("/goods/3/", login_for("/goods/3/"));
    let assert_leads_on = |answer: &Answer, status: u16| {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(hrefs(answer).contains(&login), "{:?}", hrefs(answer));
    };
    let browser = proxy.browser();

    // QQ says no, in the exchange and by redirect.
    let callback = browser.begin_login(next, "10001");
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Error { number: 100_019, text: None }));
    assert_leads_on(&browser.visit(&callback), 500);
    let state = cancelled(&browser, next).split_once("state=").unwrap().1.to_owned();
    assert_leads_on(&browser.visit(&format!("/oauth_callback?error=100010&state={state}")), 500);

    // Used, by somebody who still has the attempt: without a session, and with one.
    let callback = browser.begin_login(next, "10001");
    let (doubled, again) = (browser.copy(), browser.copy());
    let answer = browser.visit(&callback);
    let used = doubled.visit(&callback);
    assert_leads_on(&used, 403);
    assert_eq!(hrefs(&used)[0], next, "who is logged in already goes on");
    again.keep(answer.cookie("menshen_session=").unwrap());
    let answer = again.visit(&callback);
    assert_eq!((answer.status, answer.header("location")), (303, Some(next)));

    // Too late, while the browser still has the attempt.
    let late = proxy.browser();
    let callback = late.begin_login(next, "10001");
    proxy.advance(Duration::from_secs(601));
    assert_leads_on(&late.visit(&callback), 403);

    // Another browser knows nothing of it.
    let elsewhere = proxy.browser().visit(&callback);
    assert_eq!((elsewhere.status, hrefs(&elsewhere)), (403, vec![LOGIN.to_owned(), "/".to_owned()]));
}
