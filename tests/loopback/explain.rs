//! `menshen explain`: what it says is what happens.

use crate::support::{Browser, PAGE, Proxy, SCRIPT, Setup, Upstream};

fn setup() -> Setup {
    Setup::new().route("/user/*", "required").route("/static/*", "public")
}

/// What is said of a request, by its words.
fn explain(proxy: &Proxy, words: &[&str]) -> String {
    proxy.command(&[&["explain"], words].concat()).good()
}

fn finding<'t>(told: &'t str, word: &str) -> Option<&'t str> {
    told.lines().find_map(|line| Some(line.strip_prefix(word)?.trim()))
}

#[test]
fn the_answer_that_is_foretold_is_the_answer_that_comes() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = browser.cookie_header().unwrap();
    let foreign = "Origin: http://evil.example";
    let answers = |status| match status {
        200 => "the application's",
        302 => "302 to the login page",
        401 => "401: ",
        403 => "403: ",
        404 => "refused: there is nothing",
        other => panic!("{other}"),
    };
    for (method, target, field, is_logged_in) in [
        ("GET", "/", SCRIPT, false),
        ("GET", "/user/", PAGE, false),
        ("GET", "/user/", SCRIPT, false),
        ("GET", "/user/", SCRIPT, true),
        ("GET", "/static/../user/", SCRIPT, false),
        ("GET", "/static/..%2fuser/", SCRIPT, false),
        ("POST", "/user/", foreign, true),
        ("POST", "/user/", foreign, false),
        ("GET", "/OAUTH_callback/", SCRIPT, false),
        ("GET", "/static/a.css", SCRIPT, true),
    ] {
        let stranger = proxy.browser();
        let asking: &Browser<'_> = if is_logged_in { &browser } else { &stranger };
        let status = asking.request(method, target, &[field], "").status;
        let mut words = vec![method, target, "-H", field];
        if is_logged_in {
            words.extend(["--cookie", &cookies]);
        }
        let told = explain(&proxy, &words);
        let answer = finding(&told, "answer").unwrap();
        assert!(answer.starts_with(answers(status)), "{method} {target} {field} {status}\n{told}");
    }
}

#[test]
fn the_application_would_get_what_is_told_and_nothing_is_sent() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let (cookies, id) = (browser.cookie_header().unwrap(), browser.user_id().unwrap());
    let forged = "X-Menshen-User: admin";
    let told = explain(&proxy, &["GET", "http://www.meiduo.site/user/?a=b", "--cookie", &cookies, "-H", forged]);
    assert_eq!(finding(&told, "dropped"), Some("x-menshen-user"), "{told}");
    assert!(told.contains(&format!("x-menshen-user: {id}")), "{told}");
    assert!(told.contains(&format!(r#""sub":"{id}""#)) && told.contains("authorization: Bearer <a token"), "{told}");
    assert!(!told.contains("eyJ") && !told.contains(&cookies), "no token and no cookie is shown: {told}");
    assert_eq!(finding(&told, "upstream"), Some("mall"), "{told}");
    assert!(finding(&told, "session").unwrap().starts_with(&format!("by cookie: user {id}")), "{told}");
    upstream.saw_nothing();
    assert!(browser.user_id().is_some());
}

#[test]
fn what_cannot_be_foretold_is_refused_with_the_reason() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let told = explain(&proxy, &["GET", "http://other.example/"]);
    assert!(finding(&told, "answer").unwrap().contains("no site is called \"other.example\""), "{told}");
    let own = explain(&proxy, &["GET", "/qq/login/"]);
    assert_eq!(finding(&own, "endpoint"), Some("Menshen's own: LoginStart"), "{own}");
    for (words, reason) in [
        (["explain", "G ET", "/", "-H", "a:b"], "is no method"),
        (["explain", "GET", "/", "-H", "nonsense"], "Name: value"),
        (["explain", "GET", "http://[", "-H", "a:b"], "the address"),
    ] {
        assert!(proxy.command(&words).bad().contains(reason), "{words:?}");
    }
    proxy.stop();
    assert!(proxy.command(&["explain", "GET", "/"]).bad().contains("no proxy runs"));
}
