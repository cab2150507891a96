//! How long a session lasts, who can end it, and what is no session.

use std::time::Duration;

use menshen::demo::qq;
use menshen::session::Settings;

use crate::support::{Browser, PAGE, SCRIPT, Setup, Upstream, events, eventually};

const SESSION: &str = "menshen_session";
const HOUR: Duration = Duration::from_secs(3600);

/// Whether the browser passes where only somebody who is logged in does.
fn is_logged_in(browser: &Browser<'_>) -> bool {
    match browser.get("/user/", &[SCRIPT]).status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

fn setup() -> Setup {
    Setup::new().route("/user/*", "required")
}

#[test]
fn the_session_cookie_has_the_attributes_its_site_calls_for() {
    let upstream = Upstream::hello();
    for (origin, site, name, attributes) in [
        ("http://www.meiduo.site", "", "menshen_session=", "; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"),
        (
            "https://www.meiduo.site",
            "",
            "__Host-menshen_session=",
            "; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "https://www.meiduo.site",
            "cookie_domain = \"meiduo.site\"",
            "__Secure-menshen_session=",
            "; Path=/; Domain=meiduo.site; Max-Age=43200; Secure; HttpOnly; SameSite=Lax",
        ),
    ] {
        let proxy = setup().origin(origin).site(site).before(&upstream);
        let browser = proxy.browser();
        let answer = browser.log_in("10001");
        let cookie = answer.cookie(name).unwrap();
        assert!(cookie.ends_with(attributes), "{cookie}");
        let companion = answer.cookie("username=").unwrap();
        let readable = attributes.replace("; HttpOnly", "");
        assert_eq!(companion, format!("username=%E5%B0%8F%E6%98%8E{readable}"));
        assert!(is_logged_in(&browser));
        assert!(upstream.next().header("cookie").is_some_and(|cookies| !cookies.contains("menshen")));
        // Under another site's name for it, the cookie proves nothing.
        let other = if name.starts_with("__") { "menshen_session=" } else { "__Host-menshen_session=" };
        let value = cookie.split_once('=').unwrap().1.split(';').next().unwrap();
        let renamed = proxy.browser();
        renamed.keep(&format!("{other}{value}"));
        assert!(!is_logged_in(&renamed));
    }
}

#[test]
fn a_session_ends_when_it_is_not_used() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    proxy.advance(HOUR);
    assert!(is_logged_in(&browser.copy()));
    proxy.advance(11 * HOUR - Duration::from_secs(1));
    assert!(is_logged_in(&browser.copy()));
    proxy.advance(Duration::from_secs(1));
    assert!(!is_logged_in(&browser.copy()));
}

#[test]
fn a_session_that_is_used_is_renewed_up_to_its_lifetime_and_no_further() {
    let upstream = Upstream::hello();
    let proxy =
        setup().route("/public/*", "public").section("[session]\nidle = \"8h\"\nlifetime = \"20h\"").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    proxy.advance(HOUR - Duration::from_secs(1));
    assert!(browser.visit("/user/").cookie(SESSION).is_none(), "too early");
    proxy.advance(Duration::from_secs(1));
    assert!(browser.visit("/public/").cookie(SESSION).is_none(), "a public page is not about anybody");
    let answer = browser.visit("/user/");
    let renewed = answer.cookie(SESSION).unwrap();
    assert!(renewed.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax"), "{renewed}");
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert!(browser.visit("/user/").cookie(SESSION).is_none(), "once is enough");
    for _ in 0..3 {
        proxy.advance(6 * HOUR);
        assert!(is_logged_in(&browser));
    }
    let last = proxy.browser();
    last.keep(&format!("{SESSION}={}", browser.cookie(SESSION).unwrap()));
    proxy.advance(HOUR - Duration::from_secs(1));
    let answer = browser.visit("/user/");
    assert_eq!(answer.status, 200);
    assert!(answer.cookie(SESSION).is_none_or(|cookie| cookie.contains("Max-Age=1;")));
    proxy.advance(Duration::from_secs(1));
    assert!(!is_logged_in(&browser) && !is_logged_in(&last), "it was kept alive past its lifetime");
}

#[test]
fn our_logout_asks_first_and_then_ends_the_session_at_once_and_for_good() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    proxy.qq.add_user(qq::User::new("10009", "<b>\"O'Neil\"&"));
    let thief = {
        let browser = proxy.browser();
        browser.log_in("10009");
        let thief = browser.copy();
        let page = browser.visit("/.menshen/logout");
        assert_eq!((page.status, page.header("referrer-policy")), (200, Some("same-origin")));
        let text = page.text();
        assert!(text.contains(r#"action="/.menshen/logout""#) && !text.contains("<b>"), "{text}");
        // A script has no page to be asked on, and must not take an answer for the deed.
        let answer = browser.get("/.menshen/logout", &[SCRIPT]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
        for foreign in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
            assert_eq!(browser.post("/.menshen/logout", &[PAGE, foreign]).status, 403, "{foreign}");
        }
        assert!(is_logged_in(&browser), "asking has logged the user out");

        let answer = browser.post("/.menshen/logout", &[PAGE, "Origin: http://www.meiduo.site"]);
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("你已退出登录"));
        for name in ["menshen_session=", "username="] {
            let removal = answer.cookie(name).unwrap();
            assert!(removal.starts_with(&format!("{name};")) && removal.contains("Max-Age=0"), "{removal}");
        }
        assert!(!is_logged_in(&browser) && !is_logged_in(&thief.copy()));
        // Once more does no harm.
        assert_eq!(browser.post("/.menshen/logout", &[SCRIPT]).text(), r#"{"code":"0","errmsg":"OK"}"#);
        thief.cookie_header().unwrap()
    };
    proxy.restart();
    let answer = proxy.connect().get("/user/", &[&format!("Cookie: {thief}")]).answer();
    assert_eq!(answer.status, 401, "it came back with the restart");
}

#[test]
fn a_session_outlives_a_restart() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let (user, cookies) = (browser.user_id().unwrap(), browser.cookie_header().unwrap());
    proxy.restart();
    let answer = proxy.connect().get("/.menshen/userinfo", &[&format!("Cookie: {cookies}")]).answer();
    assert_eq!(answer.json()["user_id"], user);
}

/// Regression: a machine that started with its clock an hour behind took everybody's cookies away.
#[test]
fn while_the_clock_is_behind_nobody_is_let_in_and_nobody_loses_a_session() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let token = proxy.browser().token("10001");
    proxy.clock.set_back(HOUR);
    let answer = browser.visit("/user/center/");
    assert_eq!((answer.status, answer.all("set-cookie").len()), (302, 0));
    assert!(!is_logged_in(&browser));
    let refused = proxy.connect().get("/user/", &[&format!("Authorization: Bearer {token}")]).answer();
    assert_eq!(refused.status, 401);
    events().wait_for(1, &["a session is dated ahead of this machine's clock"]);
    proxy.advance(HOUR);
    assert!(is_logged_in(&browser));
    assert_eq!(proxy.connect().get("/user/", &[&format!("Authorization: Bearer {token}")]).answer().status, 200);
}

/// A machine may start with a clock that is ahead, and forget what seems to have run out.
#[test]
fn what_was_ended_stays_ended_under_a_clock_that_was_ahead_at_a_start() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let copied = {
        let browser = proxy.browser();
        browser.log_in("10001");
        let copied = browser.cookie_header().unwrap();
        browser.post("/.menshen/logout", &[]);
        copied
    };
    let month = Duration::from_secs(20 * 86_400);
    proxy.advance(month);
    proxy.restart();
    proxy.clock.set_back(month);
    let answer = proxy.connect().get("/user/", &[&format!("Cookie: {copied}")]).answer();
    assert_eq!(answer.status, 401);
}

#[test]
fn the_shops_own_logout_link_ends_our_session_too() {
    let upstream = Upstream::scripted(|request| match request.line() {
        "GET /logout/ HTTP/1.1" => {
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: sessionid=; Max-Age=0\r\nContent-Length: 0\r\n\r\n"
                .to_vec()
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let proxy = setup().site("logout_paths = [\"/logout/\"]").before(&upstream);
    assert_eq!(proxy.browser().visit("/logout/").all("set-cookie"), ["sessionid=; Max-Age=0"]);
    upstream.next();
    for path in ["/logout/?next=/", "/logout/x", "/logout", "/logout/"] {
        let browser = proxy.browser();
        browser.log_in("10001");
        let thief = browser.copy();
        let answer = browser.visit(path);
        let ends = path != "/logout/x";
        assert_eq!(answer.cookie("menshen_session=;").is_some(), ends, "{path}: {:?}", answer.headers);
        assert_eq!(answer.cookie("username=;").is_some(), ends);
        assert!(upstream.next().header("x-menshen-user").is_some(), "the shop must know whom to log out");
        assert_eq!(is_logged_in(&thief), !ends, "{path}");
        if path == "/logout/" {
            assert_eq!((answer.status, answer.header("location")), (302, Some("/")));
            assert!(answer.cookie("sessionid=").is_some());
        }
    }
}

#[test]
fn sessions_of_two_users_in_one_request_are_nobodys() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let session = |user: &str| {
        let browser = proxy.browser();
        browser.log_in(user);
        format!("{SESSION}={}", browser.cookie(SESSION).unwrap())
    };
    let (mine, mine_too, planted) = (session("10001"), session("10001"), session("10002"));
    for (cookies, status) in [
        (vec![format!("Cookie: {mine}")], 200),
        (vec![format!("Cookie: {mine}; {mine_too}")], 200),
        (vec![format!("Cookie: {SESSION}=junk; {SESSION}=; {mine}")], 200),
        (vec![format!("Cookie: {mine}; {planted}")], 401),
        (vec![format!("Cookie: {planted}; {mine}")], 401),
        (vec![format!("Cookie: {planted}"), format!("Cookie: {mine}")], 401),
    ] {
        let fields: Vec<&str> = cookies.iter().map(String::as_str).collect();
        assert_eq!(proxy.connect().get("/user/", &fields).answer().status, status, "{cookies:?}");
    }
}

#[test]
fn a_cookie_that_was_changed_or_comes_from_another_site_proves_nothing() {
    let upstream = Upstream::hello();
    let proxy = setup().section("[[sites]]\norigin = \"http://other.example\"").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let value = browser.cookie(SESSION).unwrap();
    let forged = |value: &str| proxy.connect().get("/user/", &[&format!("Cookie: {SESSION}={value}")]).answer().status;
    assert_eq!(forged(&value), 200);
    for at in (0..value.len()).step_by(7).chain([value.len() - 1]) {
        let other = if &value[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &value[..at], &value[at + 1..]);
        assert_eq!(forged(&changed), 401, "changed at {at}");
        assert_eq!(forged(&value[..at]), 401, "cut at {at}");
    }
    for junk in ["", "A", "%00", &"A".repeat(4000), &format!("{value}A"), &format!("A{value}"), &format!("{value}=")] {
        assert_eq!(forged(junk), 401, "{junk}");
    }
    // Sealed for one site, it opens nothing at another of the same proxy; nor does an attempt.
    let request = format!("GET /user/ HTTP/1.1\r\nHost: other.example\r\nCookie: {SESSION}={value}\r\n\r\n");
    assert_eq!(proxy.connect().send(&request).answer().status, 401);
    assert_eq!(proxy.connect().send(request.replace("other.example", "www.meiduo.site")).answer().status, 200);
    let callback = browser.begin_login("/", "10002");
    let cookies = browser.cookie_header().unwrap();
    let request = format!("GET {callback} HTTP/1.1\r\nHost: other.example\r\nCookie: {cookies}\r\n\r\n");
    assert_eq!(proxy.connect().send(request).answer().status, 403);
    let attempt = browser.cookie(&browser.cookie_names("menshen_login_")[0]).unwrap();
    assert_eq!(forged(&attempt), 401);
}

#[test]
fn a_new_name_at_qq_reaches_sessions_that_are_already_open() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (old, new) = (proxy.browser(), proxy.browser());
    old.log_in("10001");
    assert_eq!(old.get("/.menshen/userinfo", &[]).json()["display_name"], "小明");
    proxy.qq.add_user(qq::User::new("10001", "大明"));
    new.log_in("10001");
    assert_eq!(new.get("/.menshen/userinfo", &[]).json()["display_name"], "大明");
    // Told by the store's feed.
    eventually(|| old.get("/.menshen/userinfo", &[]).json()["display_name"] == "大明");
    let answer = old.visit("/user/");
    assert!(answer.cookie(SESSION).is_some(), "the cookie still holds the old name");
}

#[test]
fn planting_many_session_cookies_makes_nobody_their_owner() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (attacker, victim) = (proxy.browser(), proxy.browser());
    attacker.log_in("10001");
    victim.log_in("10002");
    let planted = format!("{SESSION}={}; ", attacker.cookie(SESSION).unwrap());
    for count in [4, 5, 20] {
        let cookies = format!("Cookie: {}{SESSION}={}", planted.repeat(count), victim.cookie(SESSION).unwrap());
        assert_eq!(proxy.connect().get("/user/", &[SCRIPT, &cookies]).answer().status, 401, "{count}");
    }
    // Nobody's either where all are the same: no browser sends so many.
    for (count, status) in [(4, 200), (5, 401)] {
        let cookies = format!("Cookie: {}", planted.repeat(count));
        assert_eq!(proxy.connect().get("/user/", &[SCRIPT, &cookies]).answer().status, status, "{count}");
    }
    upstream.next();
    upstream.saw_nothing();
}

#[test]
fn planted_cookies_that_prove_nothing_lock_nobody_out() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let own = browser.cookie(SESSION).unwrap();
    let left = proxy.browser();
    left.log_in("10002");
    let over = left.cookie(SESSION).unwrap().to_owned();
    assert_eq!(left.post("/.menshen/logout", &[SCRIPT]).status, 200);
    for planted in ["x".to_owned(), String::new(), own[..own.len() - 2].to_owned(), "A".repeat(own.len()), over] {
        for count in [1, 4, 40] {
            let junk = format!("{SESSION}={planted}; ").repeat(count);
            let cookies = format!("Cookie: {junk}{SESSION}={own}; {junk}other=1");
            let answer = proxy.connect().get("/user/", &[SCRIPT, &cookies]).answer();
            assert_eq!(answer.status, 200, "{count} × {planted:?}");
        }
    }
}

#[test]
fn a_login_as_somebody_else_ends_the_session_it_replaces_and_no_other() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let another_tab = browser.copy();
    browser.log_in("10001");
    assert!(is_logged_in(&another_tab) && is_logged_in(&browser));
    let before = browser.copy();
    browser.log_in("10002");
    assert!(!is_logged_in(&before));
    assert!(is_logged_in(&browser));
}

#[test]
fn another_sites_form_removes_no_cookie_of_ours() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    // SameSite=Lax: such a form brings no cookie.
    let answer = proxy.browser().post("/.menshen/logout", &["Origin: https://evil.example", PAGE]);
    assert_eq!(answer.status, 403);
    assert!(answer.all("set-cookie").is_empty());
}

#[test]
fn an_api_token_is_no_session_cookie_not_even_once_it_is_known() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let token = proxy.browser().token("10001");
    let (header, cookie) = (format!("Authorization: Bearer {token}"), format!("Cookie: {SESSION}={token}"));
    for _ in 0..3 {
        assert_eq!(proxy.connect().get("/user/", &[SCRIPT, &header]).answer().status, 200);
        assert_eq!(proxy.connect().get("/user/", &[SCRIPT, &cookie]).answer().status, 401);
    }
}

#[test]
fn the_shops_own_logout_link_ends_our_session_on_a_public_route_too() {
    let upstream = Upstream::hello();
    let proxy = setup().route("/logout/", "public").site("logout_paths = [\"/logout/\"]").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let before = browser.copy();
    let answer = browser.visit("/logout/");
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, Some("private")),
        "kept, it would log others out"
    );
    assert!(!is_logged_in(&before));
    assert_eq!(upstream.next().header("authorization"), None);
}

#[test]
fn raising_the_lifetime_brings_no_session_back_that_had_ended() {
    let upstream = Upstream::hello();
    let mut proxy = setup().section("[session]\nidle = \"1m\"\nlifetime = \"1m\"").before(&upstream);
    let cookie = {
        let browser = proxy.browser();
        browser.log_in("10001");
        let cookie = format!("Cookie: {SESSION}={}", browser.cookie(SESSION).unwrap());
        assert_eq!(browser.post("/.menshen/logout", &[PAGE]).status, 200);
        cookie
    };
    proxy.advance(Duration::from_secs(62));
    let longer = Settings::new(12 * HOUR, 14 * 24 * HOUR, 12 * HOUR, SESSION.to_owned(), 1024).unwrap();
    proxy.reconfigure(|config| config.session = longer);
    proxy.restart();
    assert_eq!(proxy.connect().get("/user/", &[SCRIPT, &cookie]).answer().status, 401);
}
