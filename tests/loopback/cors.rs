//! Pages of other origins: which of them may read what we answer, and act as whoever is logged in.

use crate::support::{Answer, PAGE, Proxy, SCRIPT, Setup, Upstream};

const LISTED: &str = "http://web.meiduo.site:8080";
const LISTED_ORIGIN: &str = "Origin: http://web.meiduo.site:8080";

fn setup() -> Setup {
    Setup::new()
        .site(&format!("cors_origins = [\"{LISTED}\"]"))
        .route("/user/*", "required")
        .route_of("path = \"/words/*\"\naccess = \"required\"\nnot_logged_in.status = 200\nnot_logged_in.json = { code = \"4101\" }")
}

fn send(proxy: &Proxy, method: &str, target: &str, fields: &[&str]) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let host = &proxy.host;
    proxy
        .connect()
        .send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: 0\r\n\r\n"))
        .answer()
}

/// Which page may read it, with credentials or not.
fn readers(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"))
}

#[test]
fn scripts_of_listed_pages_read_what_we_answer_and_no_others() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for (method, target, status) in [
        ("GET", "/qq/login/?next=/", 200),
        ("GET", "/oauth_callback/?code=x&state=y", 403),
        ("GET", "/.menshen/userinfo", 401),
        ("POST", "/.menshen/logout", 200),
        ("PUT", "/.menshen/logout", 405),
        ("GET", "/user/x", 401),
        ("GET", "/words/x", 200),
        ("GET", "/.menshen/nothing", 404),
    ] {
        let answer = send(&proxy, method, target, &[SCRIPT, LISTED_ORIGIN]);
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(readers(&answer), (Some(LISTED), Some("true")), "{method} {target}");
        let vary = answer.all("vary").join(", ");
        assert!(vary.split(", ").any(|name| name == "Origin"), "{method} {target}: {vary}");
    }
    for origin in [
        "http://web.meiduo.site",
        "http://web.meiduo.site:8081",
        "https://web.meiduo.site:8080",
        "http://evil.example",
        "http://web.meiduo.site:8080.evil.example",
        "HTTP://WEB.MEIDUO.SITE:8080",
        "null",
        "*",
    ] {
        let field = format!("Origin: {origin}");
        let answer = send(&proxy, "GET", "/.menshen/userinfo", &[SCRIPT, &field]);
        assert_eq!((answer.status, readers(&answer)), (401, (None, None)), "{origin}");
    }
    let two = send(&proxy, "GET", "/.menshen/userinfo", &[SCRIPT, LISTED_ORIGIN, "Origin: http://evil.example"]);
    assert_eq!(readers(&two), (None, None));
    assert_eq!(readers(&send(&proxy, "GET", "/.menshen/userinfo", &[SCRIPT])), (None, None));
    // The application speaks for itself.
    assert_eq!(readers(&send(&proxy, "GET", "/", &[SCRIPT, LISTED_ORIGIN])), (None, None));
}

#[test]
fn a_site_without_a_list_says_nothing_of_origins() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let answer = send(&proxy, "GET", "/.menshen/userinfo", &[SCRIPT, LISTED_ORIGIN]);
    assert_eq!(readers(&answer), (None, None));
    assert!(answer.all("vary").iter().all(|vary| !vary.contains("Origin")));
}

#[test]
fn a_preflight_for_an_endpoint_of_ours_is_answered_and_any_other_goes_on() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let asks = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, x-csrftoken"];
    let preflight = |target: &str, more: &[&str]| {
        let fields: String = asks.iter().chain(more).map(|field| format!("{field}\r\n")).collect();
        proxy.connect().send(format!("OPTIONS {target} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", proxy.host)).answer()
    };
    let answer = preflight("/.menshen/logout", &[LISTED_ORIGIN]);
    assert_eq!((answer.status, readers(&answer)), (204, (Some(LISTED), Some("true"))));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, x-csrftoken"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert!(answer.all("vary").join(",").contains("Origin"));
    let other = preflight("/.menshen/logout", &["Origin: http://evil.example"]);
    assert_eq!((other.status, readers(&other)), (405, (None, None)));
    upstream.saw_nothing();
    assert_eq!(preflight("/user/x", &[LISTED_ORIGIN]).status, 200, "the application's to answer");
}

#[test]
fn names_that_are_none_are_not_granted() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let long = format!("x{}", ", y".repeat(600));
    for names in ["a;b", "a\"b", long.as_str()] {
        let fields =
            format!("{LISTED_ORIGIN}\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: {names}");
        let answer = proxy
            .connect()
            .send(format!("OPTIONS /.menshen/userinfo HTTP/1.1\r\nHost: {}\r\n{fields}\r\n\r\n", proxy.host))
            .answer();
        assert_eq!((answer.status, answer.header("access-control-allow-headers")), (204, None), "{names}");
    }
}

#[test]
fn a_listed_page_acts_as_whoever_is_logged_in_and_no_other_does() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let post = |origin: &str| {
        browser.copy().post("/user/x", &[SCRIPT, &format!("Origin: {origin}"), "Sec-Fetch-Site: same-site"])
    };
    assert_eq!(post(LISTED).status, 200);
    for origin in ["http://other.meiduo.site:8080", "http://evil.example", "null"] {
        assert_eq!(post(origin).status, 403, "{origin}");
    }
    let logout = |origin: &str| browser.copy().post("/.menshen/logout", &[SCRIPT, &format!("Origin: {origin}")]).status;
    assert_eq!((logout("http://evil.example"), logout(LISTED)), (403, 200));
    assert_eq!(browser.visit("/user/x").status, 302, "the session is over");
}

#[test]
fn cookies_for_pages_of_other_sites_say_so() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .origin("https://www.meiduo.site")
        .site("cors_origins = [\"https://pages.example\"]\nsame_site = \"none\"")
        .server("trusted_proxies = [\"127.0.0.1\"]")
        .before(&upstream);
    let answer = proxy.connect().get("/qq/login/", &["X-Forwarded-Proto: https", PAGE]).answer();
    assert_eq!(answer.status, 302);
    let attempt = answer.all("set-cookie").join(" ");
    assert!(attempt.contains("; Secure; HttpOnly; SameSite=None"), "{attempt}");
}
