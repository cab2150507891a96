//! `menshen explain`: why a request proves no session.

use std::time::Duration;

use crate::support::{Browser, Connection, Proxy, SCRIPT, Setup, Upstream, events};

const OTHER: &str = "http://other.example";

fn start(upstream: &Upstream) -> Proxy {
    Setup::new().route("/user/*", "required").section(&format!("[[sites]]\norigin = \"{OTHER}\"")).before(upstream)
}

/// What is said of the session that these cookies come to.
fn session(proxy: &Proxy, url: &str, cookies: &str) -> String {
    let told = proxy.command(&["explain", "GET", url, "--cookie", cookies]).good();
    told.lines().find_map(|line| line.strip_prefix("session")).unwrap().trim().to_owned()
}

fn logged_in<'p>(proxy: &'p Proxy, user: &str) -> (Browser<'p>, String) {
    let browser = proxy.browser();
    browser.log_in(user);
    let cookies = browser.cookie_header().unwrap();
    (browser, cookies)
}

#[test]
fn why_there_is_no_session_is_told() {
    let upstream = Upstream::hello();
    let proxy = start(&upstream);
    let (first, cookies) = logged_in(&proxy, "10001");
    let name = "menshen_session";
    let value = first.cookie(name).unwrap();
    let tampered = format!("{name}={}", value.replace(|char: char| char.is_ascii_lowercase(), "x"));
    let many = vec![format!("{name}={value}"); 5].join("; ");
    for (url, cookies, reason) in [
        ("/user/", "theme=dark", format!("none: no cookie is called {name}")),
        ("/user/", &tampered, "none: its cookie was sealed by none of this proxy's keys, or changed since".to_owned()),
        ("/user/", &many, format!("none: more than 4 cookies called {name} prove a session")),
        (&format!("{OTHER}/user/"), &cookies, "none: its cookie is another site's: http://www.meiduo.site".to_owned()),
    ] {
        assert_eq!(session(&proxy, url, cookies), reason);
    }
    let (browser, ended) = logged_in(&proxy, "10002");
    assert_eq!(browser.post("/.menshen/logout", &[SCRIPT]).status, 200);
    assert!(session(&proxy, "/user/", &ended).ends_with("was ended"), "{}", session(&proxy, "/user/", &ended));
    let (browser, blocked) = logged_in(&proxy, "10003");
    let id = browser.user_id().unwrap();
    proxy.command(&["users", "block", &id]).good();
    assert_eq!(session(&proxy, "/user/", &blocked), format!("none: user {id} is blocked"));
    assert!(session(&proxy, "/user/", &cookies).starts_with("by cookie: "));
    proxy.advance(Duration::from_secs(13 * 3600));
    assert!(session(&proxy, "/user/", &cookies).contains(" ran out at "));
}

#[test]
fn cookies_of_two_users_are_told_to_whoever_asks_and_leave_no_warning_of_traffic() {
    let upstream = Upstream::hello();
    let proxy = start(&upstream);
    let ((_first, one), (_second, other)) = (logged_in(&proxy, "10001"), logged_in(&proxy, "10002"));
    let id = |cookies: &str| {
        let told = session(&proxy, "/user/", cookies);
        told.split("session ").nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    let (one_id, other_id) = (id(&one), id(&other));
    let both = format!("{one}; {other}");
    assert!(session(&proxy, "/user/", &both).starts_with("none: its cookies are of two users, "));
    let is_warned = || {
        events().text().lines().any(|line| line.contains("WARN") && line.contains(&one_id) && line.contains(&other_id))
    };
    assert!(!is_warned());
    assert_eq!(proxy.connect().get("/user/", &[&format!("Cookie: {both}"), SCRIPT]).answer().status, 401);
    assert!(is_warned(), "a real request does");
}

/// Regression: each question counted as a request that came.
#[test]
fn what_is_only_asked_about_is_counted_nowhere() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[admin]\nlisten = [\"127.0.0.1:0\"]").before(&upstream);
    let (_browser, cookies) = logged_in(&proxy, "10001");
    let counted = || {
        let mut connection = Connection::to(proxy.admin_address());
        connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let text = connection.answer().text();
        let is_count = |line: &&str| line.starts_with("menshen_session") || line.starts_with("menshen_requests");
        text.lines().filter(is_count).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = counted();
    assert!(before.iter().any(|line| line.starts_with("menshen_session_lookups_total")), "{before:?}");
    for cookies in [&cookies, "menshen_session=forged"] {
        session(&proxy, "/user/", cookies);
        session(&proxy, "/user/", cookies);
    }
    assert_eq!(counted(), before);
}
