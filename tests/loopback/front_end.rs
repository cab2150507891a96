//! Front ends elsewhere: pages whose scripts begin a login and hand in its code, by paths and in words of their own.

use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Switch, WireFault};
use serde_json::json;
use url::Url;

use crate::support::{Answer, Browser, PAGE, Proxy, SCRIPT, Setup, Upstream};

const PAGES: &str = "http://web.meiduo.site:8080";
const FROM_PAGES: &str = "Origin: http://web.meiduo.site:8080";
const RETURN: &str = "http://web.meiduo.site:8080/oauth_callback.html";
const START: &str = "/oauth/qq/authorization/";
const HAND_IN: &str = "/oauth/qq/user/";

fn setup(more: &str) -> Setup {
    Setup::new()
        .callback(RETURN)
        .site(&format!("cors_origins = [\"{PAGES}\"]"))
        .section(&format!(
            "[sites.front_end]\nstart = \"{START}\"\ncallback = \"{HAND_IN}\"\nredirect_uri = \"{RETURN}\"\n{more}"
        ))
        .route("/user/*", "required")
}

fn before(more: &str) -> (Proxy, Upstream) {
    let upstream = Upstream::hello();
    (setup(more).before(&upstream), upstream)
}

/// A script's call, without credentials as most of them, or with them.
fn call(proxy: &Proxy, target: &str) -> Answer {
    proxy.connect().get(target, &[SCRIPT, FROM_PAGES]).answer()
}

fn login_url(answer: &Answer) -> Url {
    assert_eq!(answer.status, 200, "{}", answer.text());
    Url::parse(answer.json()["login_url"].as_str().unwrap()).unwrap()
}

/// The page goes to the address that its script was told: from there to QQ's, and back to the page of redirect_uri.
fn through_qq(proxy: &Proxy, browser: &Browser<'_>, told: &Url, user: &str) -> Url {
    assert_eq!(told.origin().ascii_serialization(), format!("http://{}", proxy.host));
    let page = format!("Referer: {PAGES}/login.html");
    let sent = browser.get(&format!("{}?{}", told.path(), told.query().unwrap()), &[PAGE, &page]);
    assert_eq!(sent.status, 302, "{}", sent.text());
    let qq = Url::parse(sent.header("location").unwrap()).unwrap();
    let back = Url::parse(&proxy.qq.log_in(&qq, user).unwrap()).unwrap();
    assert!(back.as_str().starts_with(RETURN), "{back}");
    back
}

fn parameter(back: &Url, name: &str) -> String {
    back.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn a_page_elsewhere_logs_in_by_the_calls_that_it_knows() {
    let (proxy, upstream) = before(
        "callback_json = { token = \"{token}\", username = \"{user.handle}\", user_id = \"{user.id}\", next = \"{next}\", ok = true }",
    );
    let browser = proxy.browser();
    let begun = call(&proxy, &format!("{START}?{}", query(&[("next", "/user/center?a=b")])));
    assert_eq!(begun.all("set-cookie"), Vec::<&str>::new(), "a call without credentials keeps no cookie");
    assert_eq!(begun.header("access-control-allow-origin"), Some(PAGES));
    let back = through_qq(&proxy, &browser, &login_url(&begun), "10001");
    let (code, state) = (parameter(&back, "code"), parameter(&back, "state"));
    let answer =
        browser.get(&format!("{HAND_IN}?{}", query(&[("code", &code), ("state", &state)])), &[SCRIPT, FROM_PAGES]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let said = answer.json();
    assert_eq!((said["next"].as_str(), said["ok"].as_bool()), (Some("/user/center?a=b"), Some(true)));
    assert!(said["username"].as_str().unwrap().starts_with("qq_"));
    assert!(answer.cookie("menshen_session=").is_none(), "whoever clears the token is logged out");
    assert!(answer.cookie("menshen_login_").unwrap().contains("Max-Age=0"));
    // The page keeps the token, and sends it as it would the application's.
    let token = said["token"].as_str().unwrap();
    let opened =
        proxy.connect().get("/user/center", &[SCRIPT, FROM_PAGES, &format!("Authorization: JWT {token}")]).answer();
    assert_eq!(opened.status, 200);
    let seen = upstream.next();
    assert!(seen.header("authorization").unwrap().starts_with("Bearer ey"), "{}", seen.head);
    assert_ne!(seen.header("authorization").unwrap().split(' ').nth(1), Some(token));
    assert_eq!(call(&proxy, "/user/center").status, 401);
    assert_eq!(proxy.qq.count(Endpoint::Token), 1);
}

#[test]
fn names_and_bodies_and_statuses_are_the_front_ends() {
    let (proxy, _upstream) = before(
        "next = \"state\"\ncode = \"auth_code\"\nstart_json = { qq_login_url = \"{login_url}\", code = 0 }\n\
         callback_json = { access = \"{token}\", who = \"{user.display_name}\" }\n\
         error_json = { detail = \"{message}\", code = \"{code}\" }\nrefused_status = 422\nfailed_status = 502",
    );
    let browser = proxy.browser();
    let begun = call(&proxy, &format!("{}?state=/cart/", START.trim_end_matches('/')));
    let told = Url::parse(begun.json()["qq_login_url"].as_str().unwrap()).unwrap();
    assert_eq!(begun.json()["code"], json!(0));
    assert_eq!(parameter(&told, "state"), "/cart/");
    let back = through_qq(&proxy, &browser, &told, "10001");
    let hand_in = |pairs: &[(&str, &str)]| browser.get(&format!("{HAND_IN}?{}", query(pairs)), &[SCRIPT, FROM_PAGES]);
    let (code, state) = (parameter(&back, "code"), parameter(&back, "state"));
    let missing = hand_in(&[("code", &code)]);
    assert_eq!((missing.status, missing.text()), (422, "{\"code\":\"4003\",\"detail\":\"缺少code\"}".to_owned()));
    let answer = hand_in(&[("auth_code", &code), ("state", &state)]);
    assert_eq!((answer.status, answer.json()["who"].as_str()), (200, Some("小明")));
    assert!(answer.json()["access"].as_str().unwrap().len() > 100);
}

#[test]
fn what_goes_wrong_is_told_in_its_words() {
    let (proxy, _upstream) = before("");
    let browser = proxy.browser();
    let fails = |browser: &Browser<'_>, target: &str| {
        let answer = browser.get(target, &[SCRIPT, FROM_PAGES, "Accept-Language: zh-CN"]);
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGES), "{target}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{}", answer.text());
        (answer.status, message)
    };
    assert_eq!(fails(&browser, HAND_IN), (400, "缺少code".to_owned()));
    assert_eq!(fails(&browser, &format!("{HAND_IN}?code=ABC&state=x")).0, 400);
    // Another browser's login.
    let back = through_qq(&proxy, &proxy.browser(), &login_url(&call(&proxy, START)), "10001");
    let stolen = format!("{HAND_IN}?{}", back.query().unwrap());
    assert_eq!(fails(&browser, &stolen).0, 400);
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    // A code that QQ does not know, and a QQ that does not answer.
    let begin = || through_qq(&proxy, &browser, &login_url(&call(&proxy, START)), "10001");
    let state = parameter(&begin(), "state");
    let unknown = format!("{HAND_IN}?{}", query(&[("code", &"0".repeat(32)), ("state", &state)]));
    assert_eq!(fails(&browser, &unknown), (503, "OAuth2.0认证失败".to_owned()));
    let back = begin();
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Status(500))));
    assert_eq!(fails(&browser, &format!("{HAND_IN}?{}", back.query().unwrap())).0, 503);
    assert_eq!(
        proxy
            .connect()
            .send(format!("POST {HAND_IN} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", proxy.host))
            .answer()
            .status,
        405
    );
    let prefetch = proxy.connect().get(&format!("{HAND_IN}?code=A&state=b"), &["Sec-Purpose: prefetch"]).answer();
    assert_eq!(prefetch.status, 400);
}

#[test]
fn a_call_with_credentials_may_begin_the_login_itself() {
    let (proxy, _upstream) = before("begins = \"with_call\"\ncookies = true");
    let browser = proxy.browser();
    let begun = browser.get(&format!("{START}?next=/"), &[SCRIPT, FROM_PAGES]);
    let qq = login_url(&begun);
    assert!(begun.cookie("menshen_login_").is_some() && !qq.as_str().contains(&proxy.host));
    let back = Url::parse(&proxy.qq.log_in(&qq, "10001").unwrap()).unwrap();
    let answer = browser.get(&format!("{HAND_IN}?{}", back.query().unwrap()), &[SCRIPT, FROM_PAGES]);
    assert_eq!(answer.status, 200);
    for name in ["menshen_session=", "username="] {
        assert!(answer.cookie(name).is_some(), "{name}");
    }
    assert_eq!(browser.visit("/user/x").status, 200);
}

/// Begins a login whose state is the next page; what its page gets.
fn begin_stateless(proxy: &Proxy, browser: &Browser<'_>, user: &str) -> String {
    let begun = call(proxy, &format!("{START}?{}", query(&[("next", "/cart/?a=b")])));
    let back = through_qq(proxy, browser, &login_url(&begun), user);
    assert_eq!(parameter(&back, "state"), "/cart/?a=b");
    format!("{HAND_IN}?{}", query(&[("code", &parameter(&back, "code"))]))
}

#[test]
fn a_code_without_a_state_is_taken_where_one_login_is_under_way_and_no_more() {
    let (proxy, _upstream) = before("state = \"next\"");
    let hand_in = |browser: &Browser<'_>, target: &str| browser.get(target, &[SCRIPT, FROM_PAGES]).status;
    let browser = proxy.browser();
    let first = begin_stateless(&proxy, &browser, "10001");
    assert_eq!(hand_in(&proxy.browser(), &first), 400, "none is under way there");
    let kept = browser.copy();
    assert_eq!(hand_in(&browser, &first), 200);
    assert_eq!(hand_in(&kept, &first), 400, "used");
    // Whoever begins anew has given up the one before.
    let (one, two) = (begin_stateless(&proxy, &browser, "10001"), begin_stateless(&proxy, &browser, "10002"));
    assert_eq!(browser.cookie_names("menshen_login_").len(), 1);
    assert_eq!(hand_in(&browser.copy(), &two), 200);
    // With two under way, as by another's cookie, a code could be of either, or of neither.
    let stranger = proxy.browser();
    begin_stateless(&proxy, &stranger, "10001");
    let planted = stranger.cookie_names("menshen_login_").remove(0);
    let both = proxy.browser();
    let own = begin_stateless(&proxy, &both, "10001");
    both.keep(&format!("{planted}={}", stranger.cookie(&planted).unwrap()));
    let asked = proxy.qq.count(Endpoint::Token);
    assert_eq!((hand_in(&both, &own), hand_in(&both, &one)), (400, 400));
    assert_eq!(proxy.qq.count(Endpoint::Token), asked);
    // One that has been left lying does not stand in the way, and is good for nothing.
    proxy.advance(Duration::from_secs(601));
    assert_eq!(hand_in(&browser, &two), 400);
    let fresh = proxy.browser();
    begin_stateless(&proxy, &fresh, "10001");
    proxy.advance(Duration::from_secs(601));
    let third = begin_stateless(&proxy, &fresh, "10001");
    assert_eq!(hand_in(&fresh, &third), 200);
}

#[test]
fn a_code_without_a_state_is_taken_from_listed_pages_alone() {
    let (proxy, _upstream) = before("state = \"next\"");
    let browser = proxy.browser();
    let target = begin_stateless(&proxy, &browser, "10001");
    for fields in [&[SCRIPT][..], &[SCRIPT, "Origin: http://evil.example"], &[SCRIPT, "Origin: null"], &[PAGE]] {
        assert_eq!(browser.copy().get(&target, fields).status, 400, "{fields:?}");
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    assert_eq!(browser.get(&target, &[SCRIPT, FROM_PAGES]).status, 200);
}

#[test]
fn a_login_that_was_given_a_state_does_not_end_without_it() {
    let (proxy, _upstream) = before("state = \"next\"");
    let browser = proxy.browser();
    // Begun by the contract's own endpoint, in a browser that has no other under way.
    let callback = browser.begin_login("/", "10001");
    let (_, query) = callback.split_once('?').unwrap();
    let answer = browser.get(&format!("{HAND_IN}?{query}"), &[SCRIPT, FROM_PAGES]);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    assert_eq!(browser.visit(&callback).status, 303);
}

#[test]
fn no_spelling_of_its_paths_reaches_the_application() {
    let (proxy, upstream) = before("");
    for target in
        ["/oauth/qq/User/", "/oauth/qq%2Fuser/", "/oauth//qq/user/", "/oauth/qq/./authorization/", "/%6fauth/qq/user/"]
    {
        assert_eq!(call(&proxy, target).status, 404, "{target}");
    }
    upstream.saw_nothing();
    assert_eq!(call(&proxy, "/oauth/qq/").status, 200);
}

#[test]
fn a_user_without_what_the_page_is_told_is_told_so() {
    let (proxy, _upstream) = before("callback_json = { token = \"{token}\", user_id = \"{user.upstream_id}\" }");
    let browser = proxy.browser();
    let back = through_qq(&proxy, &browser, &login_url(&call(&proxy, START)), "10001");
    let answer = browser.get(&format!("{HAND_IN}?{}", back.query().unwrap()), &[SCRIPT, FROM_PAGES]);
    assert_eq!(answer.status, 400);
    assert!(!answer.text().contains("token"), "{}", answer.text());
}

#[test]
fn nobody_is_led_elsewhere_after_it() {
    let (proxy, _upstream) = before("state = \"next\"");
    for next in ["http://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let begun = call(&proxy, &format!("{START}?{}", query(&[("next", next)])));
        let told = login_url(&begun);
        assert_eq!(parameter(&told, "next"), "/", "{next}");
        let page = format!("Referer: {PAGES}/");
        let sent = proxy.connect().get(&format!("{}?{}", told.path(), told.query().unwrap()), &[PAGE, &page]).answer();
        let qq = Url::parse(sent.header("location").unwrap()).unwrap();
        assert_eq!(parameter(&qq, "state"), "/", "{next}");
    }
}

/// Regression: any page could have a visitor begin a login, and end it with a code of its own.
#[test]
fn a_login_without_a_state_is_begun_by_listed_pages_alone() {
    let (proxy, _upstream) = before("state = \"next\"");
    let begin = |fields: &[&str]| {
        let answer = proxy.connect().get(&format!("{START}?next=/&sent-on=1"), fields).answer();
        (answer.status, answer.cookie("menshen_login_").is_some())
    };
    let ours = format!("Referer: {PAGES}/login.html");
    let this_site = format!("Referer: http://{}/login/", proxy.host);
    for fields in [&[PAGE, &ours][..], &[PAGE, &this_site], &[SCRIPT, FROM_PAGES]] {
        assert_eq!(begin(fields), (302, true), "{fields:?}");
    }
    for fields in [
        &[PAGE][..],
        &[PAGE, "Referer: http://evil.example/"],
        &[PAGE, "Referer: http://web.meiduo.site:8080.evil.example/"],
        &[PAGE, "Referer: x"],
        &[PAGE, &ours, "Sec-Fetch-Site: cross-site"],
        &[SCRIPT, "Origin: http://evil.example"],
        &[SCRIPT, "Origin: null", &ours],
    ] {
        assert_eq!(begin(fields), (400, false), "{fields:?}");
    }
}

#[test]
fn what_becomes_of_its_calls_can_be_explained() {
    let (proxy, _upstream) = before("");
    let explained = |target: &str| proxy.command(&["explain", "GET", target]).good();
    assert!(explained(&format!("{START}?next=/")).contains("200: JSON with"), "{}", explained(START));
    assert!(explained(&format!("{HAND_IN}?code=A&state=b")).contains("403"), "{}", explained(HAND_IN));
}
