//! What a route says to whoever has to log in, in its application's own words.

use crate::support::{PAGE, SCRIPT, Setup, Upstream};

const LOGIN: &str = "not_logged_in.page = \"/login/?next={next}\"";
const WORDS: &str = "not_logged_in.status = 200\n\
    not_logged_in.json = { code = \"4101\", errmsg = \"用户未登录\", login_url = \"{login_url}\", ok = false }";

fn setup() -> Setup {
    Setup::new()
        .route_of(&format!("path = \"/user/*\"\naccess = \"required\"\n{LOGIN}\n{WORDS}"))
        .route_of(&format!("path = \"/page/*\"\naccess = \"required\"\n{LOGIN}"))
        .route_of(&format!("path = \"/script/*\"\naccess = \"required\"\n{WORDS}"))
        .route_of("path = \"/far/*\"\naccess = \"required\"\nnot_logged_in.page = \"http://m.meiduo.site/#/in?to={site}{next}\"")
        .route("/plain/*", "required")
}

#[test]
fn a_page_is_led_to_the_shops_own_login_and_knows_the_way_back() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for (target, location) in [
        ("/user/info/?a=b&c=%20", "/login/?next=/user/info/%3Fa%3Db%26c%3D%2520"),
        ("/page/x", "/login/?next=/page/x"),
        ("/script/x", "/.menshen/login?next=%2Fscript%2Fx"),
        ("/far/x?y", "http://m.meiduo.site/#/in?to=http://www.meiduo.site/far/x%3Fy"),
        ("/user//evil.example/%0d%0aX:1", "/login/?next=/user//evil.example/%250d%250aX%3A1"),
    ] {
        let answer = proxy.connect().get(target, &[PAGE]).answer();
        let expected = location.replace("X%3A1", "X:1");
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
    }
    upstream.saw_nothing();
}

#[test]
fn a_script_is_told_in_the_shops_own_words() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let words = |target: &str| {
        let answer = proxy.connect().get(target, &[SCRIPT]).answer();
        assert_eq!(answer.header("content-type"), Some("application/json"), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
        (answer.status, answer.header("www-authenticate").is_some(), answer.text())
    };
    let said =
        |login: &str| format!("{{\"code\":\"4101\",\"errmsg\":\"用户未登录\",\"login_url\":\"{login}\",\"ok\":false}}");
    assert_eq!(words("/user/info/?a=b"), (200, false, said("/login/?next=/user/info/%3Fa%3Db")));
    assert_eq!(words("/script/x"), (200, false, said("/.menshen/login")));
    for target in ["/page/x", "/plain/x"] {
        let (status, challenge, text) = words(target);
        assert!(status == 401 && challenge && text.contains("4101") && text.contains("request_id"), "{text}");
    }
    // A form that is sent is no script, and no navigation that could be led away.
    let form = proxy
        .connect()
        .send("POST /user/info/ HTTP/1.1\r\nHost: www.meiduo.site\r\nAccept: text/html\r\nContent-Length: 0\r\n\r\n")
        .answer();
    assert_eq!(form.status, 401);
    assert!(form.header("content-type").unwrap().starts_with("text/html"));
    upstream.saw_nothing();
}

#[test]
fn whoever_was_logged_in_is_told_so_by_his_cookies_too() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for field in [PAGE, SCRIPT] {
        let browser = proxy.browser();
        browser.log_in("10001");
        assert_eq!(browser.copy().post("/.menshen/logout", &[PAGE]).status, 200);
        let answer = browser.get("/user/info/", &[field]);
        let removed = |name: &str| answer.cookie(name).is_some_and(|cookie| cookie.contains("Max-Age=0"));
        assert!(removed("menshen_session=") && removed("username="), "{:?}", answer.headers);
    }
}

#[test]
fn whoever_is_logged_in_hears_none_of_it() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    for target in ["/user/x", "/page/x", "/script/x", "/far/x"] {
        assert_eq!(browser.get(target, &[SCRIPT]).status, 200, "{target}");
    }
}
