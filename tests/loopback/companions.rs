//! The readable cookies beside the session's: they come, stay and go with it, and the shop's own are the shop's.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::support::{Answer, Browser, PAGE, Proxy, SCRIPT, Setup, Upstream};

const SESSION: &str = "menshen_session";
const HOUR: Duration = Duration::from_secs(3600);

/// A shop that says how long its pages may be kept, and sets a cookie of the same name, where the path asks for it.
fn shop() -> Upstream {
    Upstream::scripted(|request| {
        let field = match request.line().split(' ').nth(1).unwrap() {
            "/kept/" => "Cache-Control: public, max-age=60\r\n",
            "/dated/" => "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            "/named/" => "Set-Cookie: username=shop; Path=/\r\n",
            _ => "",
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{field}\r\n").into_bytes()
    })
}

fn setup() -> Setup {
    Setup::new().route("/user/*", "required").route("/public/*", "public")
}

/// The names of the cookies that an answer sets or removes, and whether it removes all of them.
fn cookies(answer: &Answer) -> (Vec<&str>, bool) {
    let all = answer.all("set-cookie");
    let mut names: Vec<&str> = all.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
    names.sort_unstable();
    (names, all.iter().all(|cookie| cookie.contains("Max-Age=0")))
}

/// Browsers whose session cookie proves nothing any more, each in its own way.
fn of_sessions_that_are_over(proxy: &Proxy) -> Vec<(&'static str, Browser<'_>)> {
    let log_in = || {
        let browser = proxy.browser();
        browser.log_in("10001");
        browser
    };
    let (expired, revoked, unknown) = (log_in(), log_in(), log_in());
    proxy.advance(12 * HOUR);
    let twin = log_in();
    assert_eq!(twin.copy().post("/.menshen/logout", &[PAGE]).status, 200);
    revoked.keep(&format!("{SESSION}={}", twin.cookie(SESSION).unwrap()));
    unknown.keep(&format!("{SESSION}=sealed-by-nobody"));
    vec![("expired", expired), ("revoked", revoked), ("unknown", unknown)]
}

/// Regression: each identity brought its own.
#[test]
fn what_several_identities_have_alike_is_set_and_removed_once() {
    let upstream = shop();
    let others = "[identity.admin]\n[identity.api]\ncookies = { \"who\" = \"{user.id}\" }\n";
    let proxy = setup().section(others).before(&upstream);
    let browser = proxy.browser();
    let answer = browser.log_in("10001");
    for name in ["menshen_session=", "username=", "who="] {
        assert!(answer.cookie(name).is_some(), "{name} {:?}", answer.headers);
    }
    let gone = browser.post("/.menshen/logout", &[PAGE]);
    assert_eq!(cookies(&gone), (vec!["menshen_session", "username", "who"], true));
}

#[test]
fn companions_are_renewed_with_the_session_and_live_no_longer() {
    let upstream = shop();
    let proxy = setup().section("[session]\nidle = \"8h\"\nlifetime = \"20h\"").before(&upstream);
    let browser = proxy.browser();
    let ages = |answer: &Answer| {
        let age = |name: &str| {
            let (_, after) = answer.cookie(name)?.split_once("Max-Age=")?;
            after.split(';').next().unwrap().parse::<u64>().ok()
        };
        (age("menshen_session="), age("username="))
    };
    let eight_hours = Some(8 * 3600);
    assert_eq!(ages(&browser.log_in("10001")), (eight_hours, eight_hours));
    assert_eq!(ages(&browser.visit("/")), (None, None));
    proxy.advance(HOUR);
    assert_eq!(ages(&browser.visit("/")), (eight_hours, eight_hours));
    proxy.advance(7 * HOUR);
    assert_eq!(ages(&browser.visit("/")), (eight_hours, eight_hours));
    proxy.advance(7 * HOUR);
    assert_eq!(ages(&browser.visit("/")), (Some(5 * 3600), Some(5 * 3600)), "no longer than the session");
    // What the shop itself sets at the same time counts.
    proxy.advance(HOUR);
    let answer = browser.visit("/named/");
    assert!(answer.cookie("menshen_session=").is_some());
    assert_eq!(answer.cookie("username="), Some("username=shop; Path=/"));
}

#[test]
fn a_companion_may_live_for_less_than_its_session() {
    let upstream = shop();
    let cookies = "[identity.default]\ncookies = { greeting = { value = \"{user.display_name|base64}\", lifetime = \"1h\" }, \
        long = { value = \"1\", lifetime = \"30d\" } }";
    let proxy = setup().section(cookies).before(&upstream);
    let answer = proxy.browser().log_in("10001");
    assert_eq!(answer.cookie("greeting="), Some("greeting=5bCP5piO; Path=/; Max-Age=3600; SameSite=Lax"));
    assert_eq!(answer.cookie("long="), Some("long=1; Path=/; Max-Age=43200; SameSite=Lax"), "and never for more");
}

#[test]
fn a_random_companion_is_a_new_one_for_each_login_and_lasts_as_long_as_the_session_can() {
    let upstream = shop();
    let cookies = "[identity.default]\ncookies = { csrftoken = \"{random}\" }\n[identity.other]\ncookies = { csrftoken = \"{random}\" }";
    let proxy = setup().section(cookies).before(&upstream);
    let browser = proxy.browser();
    // What somebody else may have set does not stay.
    browser.keep("csrftoken=planted; Path=/");
    let first = browser.log_in("10001");
    let value = browser.cookie("csrftoken").unwrap();
    assert!(value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");
    let whole_life = 14 * 24 * 3600;
    assert_eq!(
        first.cookie("csrftoken="),
        Some(&*format!("csrftoken={value}; Path=/; Max-Age={whole_life}; SameSite=Lax"))
    );
    assert_eq!(first.all("set-cookie").iter().filter(|cookie| cookie.starts_with("csrftoken=")).count(), 1);
    // The pages that are open hold its value.
    proxy.advance(6 * HOUR);
    let renewed = browser.visit("/");
    assert!(renewed.cookie("menshen_session=").is_some() && renewed.cookie("csrftoken=").is_none());
    browser.log_in("10001");
    assert_ne!(browser.cookie("csrftoken").unwrap(), value);
    let gone = browser.post("/.menshen/logout", &[PAGE]);
    assert!(gone.cookie("csrftoken=").unwrap().contains("Max-Age=0"));
}

#[test]
fn a_session_that_is_over_takes_its_cookies_along_wherever_that_is_told() {
    let upstream = shop();
    let proxy = setup().before(&upstream);
    for (target, field, status) in [
        ("/", PAGE, 200),
        ("/", SCRIPT, 200),
        ("/user/", PAGE, 302),
        ("/user/", SCRIPT, 401),
        ("/.menshen/userinfo", SCRIPT, 401),
        ("/.menshen/logout", PAGE, 200),
    ] {
        for (how, browser) in of_sessions_that_are_over(&proxy) {
            let case = format!("{target} {field} {how}");
            let answer = browser.get(target, &[field]);
            assert_eq!(answer.status, status, "{case}");
            assert_eq!(cookies(&answer), (vec![SESSION, "username"], true), "{case}");
            assert!(["private", "no-store"].contains(&answer.header("cache-control").unwrap()), "{case}");
            assert_eq!(browser.cookie_header(), None);
            assert!(target.contains("logout") || browser.get(target, &[field]).all("set-cookie").is_empty(), "{case}");
        }
    }
}

#[test]
fn an_answer_that_may_be_kept_carries_no_cookie_and_stays_as_it_is() {
    let upstream = shop();
    let proxy = setup().before(&upstream);
    for (how, browser) in of_sessions_that_are_over(&proxy) {
        for (path, cache) in [("/kept/", Some("public, max-age=60")), ("/dated/", None), ("/public/", None)] {
            let answer = browser.visit(path);
            assert!(answer.all("set-cookie").is_empty(), "{how} {path}: {:?}", answer.headers);
            assert_eq!(answer.header("cache-control"), cache, "{how} {path}");
        }
    }
}

#[test]
fn what_the_shop_sets_by_the_same_name_stays() {
    let upstream = shop();
    let proxy = setup().before(&upstream);
    for (how, browser) in of_sessions_that_are_over(&proxy) {
        let answer = browser.visit("/named/");
        assert_eq!(answer.cookie("username="), Some("username=shop; Path=/"), "{how}");
        assert!(answer.cookie("menshen_session=;").is_some(), "{how}");
        // From now on nothing says that it was ever ours.
        assert!(browser.visit("/").all("set-cookie").is_empty(), "{how}");
        assert_eq!(browser.cookie_header().as_deref(), Some("username=shop"));
    }
}

/// Cookie tossing: a planted cookie must not take the real session with it.
#[test]
fn a_session_that_stands_keeps_its_cookies_whatever_lies_beside_it() {
    let upstream = shop();
    let proxy = setup().before(&upstream);
    let (browser, other) = (proxy.browser(), proxy.browser());
    browser.log_in("10001");
    other.log_in("10002");
    let (mine, others) = (browser.cookie(SESSION).unwrap(), other.cookie(SESSION).unwrap());
    for cookies in [
        format!("{SESSION}=junk; {SESSION}={mine}; username=x"),
        format!("{SESSION}={mine}; {SESSION}=junk; username=x"),
        format!("{SESSION}={mine}; {SESSION}={others}; username=x"),
        "username=x".to_owned(),
    ] {
        let answer = proxy.connect().get("/", &[&format!("Cookie: {cookies}")]).answer();
        assert!(answer.all("set-cookie").is_empty(), "{cookies}");
    }
}

#[test]
fn an_answer_that_took_long_removes_no_cookie_of_a_login_made_meanwhile() {
    let (arrived, arrival) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::scripted(move |_| {
        arrived.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let proxy = setup().before(&upstream);
    for (took, removes) in [(1, true), (2, false)] {
        let mut client = proxy.connect();
        client.get("/", &[&format!("Cookie: {SESSION}=of-a-session-that-is-over")]);
        arrival.recv().unwrap();
        proxy.advance(Duration::from_secs(took));
        go.send(()).unwrap();
        assert_eq!(client.answer().cookie("username=;").is_some(), removes, "after {took} s");
    }
}

/// Regression: the renewed cookie put a session back into the browser that had just logged out.
#[test]
fn nothing_is_renewed_for_a_session_that_ended_while_its_request_was_under_way() {
    let (arrived, arrival) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::scripted(move |_| {
        arrived.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let proxy = setup().before(&upstream);
    for ends in [false, true] {
        let browser = proxy.browser();
        browser.log_in("10001");
        proxy.advance(2 * HOUR);
        let mut client = proxy.connect();
        client.get("/user/", &[&format!("Cookie: {}", browser.cookie_header().unwrap())]);
        arrival.recv().unwrap();
        if ends {
            assert_eq!(browser.post("/.menshen/logout", &[PAGE]).status, 200);
        }
        go.send(()).unwrap();
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.all("set-cookie").is_empty(), ends, "{:?}", answer.headers);
    }
}

/// Whoever kept such an answer would put an old session back later.
#[test]
fn nothing_is_renewed_with_an_answer_that_may_be_kept() {
    let upstream = Upstream::scripted(|request| {
        let (status, fields) = match request.line().split(' ').nth(1).unwrap() {
            "/user/private/" => ("200 OK", "Content-Length: 0\r\nCache-Control: private, max-age=600\r\n"),
            "/user/dated/" => ("200 OK", "Content-Length: 0\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"),
            "/user/known/" => ("304 Not Modified", "ETag: \"1\"\r\n"),
            _ => ("200 OK", "Content-Length: 0\r\n"),
        };
        format!("HTTP/1.1 {status}\r\n{fields}\r\n").into_bytes()
    });
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    proxy.advance(2 * HOUR);
    for path in ["/user/private/", "/user/dated/", "/user/known/"] {
        let answer = browser.visit(path);
        assert!(answer.all("set-cookie").is_empty(), "{path}: {:?}", answer.headers);
    }
    assert_eq!(cookies(&browser.visit("/user/")), (vec![SESSION, "username"], false), "the next brings it");
    // Half of the time to come back is over, and a shop may have no other pages than these.
    proxy.advance(7 * HOUR);
    assert!(browser.visit("/user/known/").all("set-cookie").is_empty());
    let answer = browser.visit("/user/private/");
    assert_eq!(cookies(&answer), (vec![SESSION, "username"], false));
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    assert_eq!(browser.visit("/user/private/").all("cache-control"), ["private, max-age=600"]);
}

#[test]
fn no_odd_spelling_takes_our_cookie_upstream() {
    let upstream = shop();
    let proxy = setup().before(&upstream);
    for (sent, arrives) in [
        ("a=1, menshen_session=V", None),
        ("a=1, menshen_session=V; b=2", Some("b=2")),
        ("b=2; a=\"1, menshen_session = V\"", Some("b=2")),
        ("b=2; a=menshen_session=V", Some("b=2")),
        ("b=2; a=1,__Host-menshen_login_x=V", Some("b=2")),
        ("a=menshen_session; xmenshen_session=V", Some("a=menshen_session; xmenshen_session=V")),
    ] {
        assert_eq!(proxy.connect().get("/", &[&format!("Cookie: {sent}")]).answer().status, 200, "{sent}");
        assert_eq!(upstream.next().header("cookie"), arrives, "{sent}");
    }
}

/// Regression: whoever got a line into an answer of the application's logged the visitor in as another.
#[test]
fn no_backend_sets_a_cookie_of_ours() {
    let upstream = Upstream::scripted(|_| {
        let sets = [
            "a=1; Path=/",
            "menshen_session=x; Path=/",
            " menshen_session =x",
            "=menshen_session=x",
            "__Host-menshen_session=x; Secure; Path=/",
            "menshen_login_abc=x",
            "menshen_sessions=2",
            "b=menshen_session=x",
        ];
        let sets: String = sets.iter().map(|cookie| format!("Set-Cookie: {cookie}\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{sets}\r\n").into()
    });
    let proxy = setup().before(&upstream);
    for path in ["/public/", "/"] {
        let answer = proxy.connect().get(path, &[]).answer();
        assert_eq!(answer.all("set-cookie"), ["a=1; Path=/", "menshen_sessions=2", "b=menshen_session=x"], "{path}");
    }
}
