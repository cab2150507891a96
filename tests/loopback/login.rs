//! Where a login begins: the attempt, its cookie, where it will return to, and when it cannot be served.

use std::time::Duration;

use menshen::demo::qq::Endpoint;
use url::Url;

use crate::support::{Answer, Browser, CLIENT_ID, Next, PAGE, Proxy, SCRIPT, SITE, Setup, Upstream, open_redirects};

/// Most cookies, and most bytes of their values, that attempts may take.
const MOST: (usize, usize) = (8, 4096);

const ATTEMPT: &str = "menshen_login_";

fn login_url(answer: &Answer) -> Url {
    assert_eq!(answer.status, 200, "{}", answer.text());
    Url::parse(answer.json()["login_url"].as_str().unwrap()).unwrap()
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

/// How the callback of a login is answered that was begun for `next`.
fn returns_to(browser: &Browser<'_>, next: &str) -> String {
    let answer = browser.visit(&browser.begin_login(next, "10001"));
    assert_eq!(answer.status, 303, "{next:?}: {}", answer.text());
    answer.header("location").unwrap().to_owned()
}

#[test]
fn a_script_gets_the_providers_address_and_a_browser_is_sent_there() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for path in ["/qq/login/?next=/cart/", "/qq/login?next=/cart/", "/qq/login/", "/qq/login"] {
        let answer = proxy.browser().get(path, &[SCRIPT]);
        let url = login_url(&answer);
        assert_eq!((&answer.json()["code"], &answer.json()["errmsg"]), (&"0".into(), &"OK".into()));
        let redirected = proxy.browser().visit(path);
        assert_eq!(redirected.status, 302, "{path}");
        assert_eq!(redirected.header("referrer-policy"), Some("no-referrer"));
        for (answer, url) in
            [(&answer, &url), (&redirected, &Url::parse(redirected.header("location").unwrap()).unwrap())]
        {
            assert_eq!(url.path(), "/oauth2.0/authorize");
            assert_eq!(parameter(url, "response_type"), "code");
            assert_eq!(parameter(url, "client_id"), CLIENT_ID);
            assert_eq!(parameter(url, "redirect_uri"), format!("http://{SITE}/oauth_callback"));
            let state = parameter(url, "state");
            assert!(state.len() == 32 && state.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{state}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(answer.all("set-cookie").len(), 1, "{path}");
        }
    }
    upstream.saw_nothing();
}

#[test]
fn the_attempt_cookie_has_the_attributes_of_the_session_cookie() {
    let upstream = Upstream::hello();
    for (origin, prefix, attributes) in [
        ("http://www.meiduo.site", "", "; Path=/; Max-Age=1200; HttpOnly; SameSite=Lax"),
        ("https://www.meiduo.site", "__Host-", "; Path=/; Max-Age=1200; Secure; HttpOnly; SameSite=Lax"),
    ] {
        let proxy = Setup::new().origin(origin).before(&upstream);
        let answer = proxy.browser().get("/qq/login/", &[SCRIPT]);
        let cookie = answer.cookie(&format!("{prefix}{ATTEMPT}")).unwrap();
        assert!(cookie.ends_with(attributes), "{cookie}");
        // It tells nothing: neither the state nor where the browser returns to.
        assert!(!cookie.contains(&parameter(&login_url(&answer), "state")), "{cookie}");
    }
}

#[test]
fn attempts_are_bounded_and_the_oldest_gives_way() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for next in ["/".to_owned(), format!("/{}", "n".repeat(1000))] {
        let browser = proxy.browser();
        let mut callbacks = Vec::new();
        for _ in 0..12 {
            callbacks.push(browser.begin_login(&next, "10001"));
            proxy.advance(Duration::from_secs(1));
            let names = browser.cookie_names(ATTEMPT);
            let bytes: usize = names.iter().map(|name| browser.cookie(name).unwrap().len()).sum();
            assert!(names.len() <= MOST.0 && bytes <= MOST.1, "{} cookies, {bytes} bytes", names.len());
        }
        let kept = browser.cookie_names(ATTEMPT).len();
        assert!(kept >= 2);
        let answer = browser.visit(&callbacks[12 - kept - 1]);
        assert_eq!(answer.status, 403, "the one that gave way");
        for callback in &callbacks[12 - kept..] {
            assert_eq!(browser.visit(callback).status, 303);
        }
        assert_eq!(browser.cookie_names(ATTEMPT).len(), 0);
    }
}

/// Regression: the callback looked at the first 24 attempt cookies alone, so that planted ones hid the true one.
#[test]
fn junk_under_the_name_of_an_attempt_breaks_no_login() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let plant = || {
        for number in 0..40 {
            browser.keep(&format!("{ATTEMPT}{number:08}=AAAA{number}"));
        }
        browser.keep(&format!("{ATTEMPT}=x"));
        browser.keep(&format!("{ATTEMPT}0=%00"));
    };
    plant();
    let callback = browser.begin_login("/", "10001");
    plant();
    assert_eq!(browser.visit(&callback).status, 303);
    assert!(browser.user_id().is_some());
}

/// Below what a head may take by default, 64 KiB, and beyond what most servers take.
const FLOOD: usize = 46 * 1024;

/// A browser that is full of cookies, ours and others', is served, logs in and comes back like any other.
#[test]
fn no_number_of_cookies_keeps_a_browser_out() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    (0..MOST.0).for_each(|tab| _ = browser.begin_login(&format!("/tab/{tab}"), "10001"));
    for number in 0..24 {
        browser.keep(&format!("junk_{number:02}={}", "j".repeat(1700)));
    }
    let room = FLOOD - browser.cookie_header().unwrap().len() - "; a_last_one=".len();
    browser.keep(&format!("a_last_one={}", "j".repeat(room)));
    assert_eq!(browser.cookie_header().unwrap().len(), FLOOD);

    assert_eq!(browser.visit("/user/").status, 200);
    let seen = upstream.next();
    assert!(seen.header("x-menshen-user").is_some());
    assert!(!seen.head.contains("menshen_"), "a cookie of ours went on");
    assert_eq!(seen.all("cookie").concat().matches("junk_").count(), 24);

    let callback = browser.begin_login("/user/orders/", "10002");
    assert_eq!(browser.cookie_names(ATTEMPT).len(), MOST.0);
    let before = browser.user_id();
    let answer = browser.visit(&callback);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/user/orders/")));
    assert!(browser.user_id().is_some() && browser.user_id() != before);
    assert_eq!(browser.visit("/user/orders/").status, 200);
}

#[test]
fn several_tabs_log_in_at_once_and_each_returns_to_its_own_page() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let tabs: Vec<String> = (0..4).map(|tab| browser.begin_login(&format!("/tab/{tab}"), "10001")).collect();
    for (tab, callback) in tabs.iter().enumerate().rev() {
        let answer = browser.visit(callback);
        assert_eq!(answer.header("location"), Some(format!("/tab/{tab}").as_str()));
    }
}

#[test]
fn neither_a_prefetch_nor_a_head_begins_or_ends_a_login() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    for path in ["/qq/login/", callback.as_str()] {
        for (method, fields, status) in [
            ("HEAD", &[PAGE][..], 405),
            ("GET", &[PAGE, "Sec-Purpose: prefetch"], 400),
            ("GET", &[PAGE, "Sec-Purpose: prefetch;prerender"], 400),
            ("GET", &[PAGE, "Purpose: prefetch"], 400),
        ] {
            let answer = browser.request(method, path, fields, "");
            assert_eq!(answer.status, status, "{method} {path} {fields:?}");
            assert!(answer.all("set-cookie").is_empty());
        }
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    assert_eq!(browser.visit(&callback).status, 303, "the code was spent");
}

#[test]
fn no_next_leads_off_the_site() {
    let upstream = Upstream::hello();
    let proxy = site_with_a_port(&upstream);
    let browser = proxy.browser();
    assert_eq!(returns_to(&browser, ""), "/");
    for Next { class, next, place } in open_redirects() {
        let location = returns_to(&browser, &next);
        assert_eq!(location, place, "{class}: {next:?}");
        // And to a browser, which reads it by the page that it is on.
        let callback = Url::parse("http://www.meiduo.site:8000/oauth_callback/?code=a&state=b").unwrap();
        let led_to = callback.join(&location).unwrap();
        assert_eq!(led_to.origin(), callback.origin(), "{class}: {next:?}");
    }
}

#[test]
fn nor_does_one_that_was_given_at_another_name_of_the_sites() {
    let upstream = Upstream::hello();
    let proxy = site_with_a_port(&upstream);
    for Next { class, next, place } in open_redirects() {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        for fields in [PAGE, SCRIPT] {
            let head = format!("GET /qq/login/?{query} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n\r\n");
            let sent_on = proxy.connect().send(head).answer();
            let location = match sent_on.header("location") {
                Some(location) => location.to_owned(),
                None => sent_on.json()["login_url"].as_str().unwrap().to_owned(),
            };
            let led_to = Url::parse("http://shop.example/qq/login/").unwrap().join(&location).unwrap();
            assert_eq!(led_to.origin().ascii_serialization(), "http://www.meiduo.site:8000", "{class}: {next:?}");
            assert_eq!(led_to.path(), "/qq/login/", "{class}: {next:?}");
            let pairs: Vec<(String, String)> = led_to.query_pairs().into_owned().collect();
            let expected = [("next", place), ("sent-on", "1")].map(|(name, value)| (name.into(), value.into()));
            assert_eq!(pairs, expected, "{class}: {next:?}");
        }
    }
    upstream.saw_nothing();
}

#[test]
fn a_next_on_this_site_or_a_listed_host_is_kept_through_the_login() {
    let upstream = Upstream::hello();
    let proxy = site_with_a_port(&upstream);
    let browser = proxy.browser();
    let long = format!("/list?{}", "x".repeat(1020));
    for (next, expected) in [
        ("/user/center/", "/user/center/"),
        ("/list?page=2&sort=price#top", "/list?page=2&sort=price#top"),
        ("/搜索?q=手机", "/%E6%90%9C%E7%B4%A2?q=%E6%89%8B%E6%9C%BA"),
        ("http://www.meiduo.site:8000/cart/", "/cart/"),
        ("https://m.meiduo.site/x?y", "https://m.meiduo.site/x?y"),
        (long.as_str(), "/list"),
    ] {
        assert_eq!(returns_to(&browser, next), expected, "{next}");
    }
    // The page of providers hands it on.
    let page = browser.visit("/.menshen/login?next=/cart/%3Fa%3Db").text();
    assert!(page.contains("/qq/login/?next=%2Fcart%2F%3Fa%3Db"), "{page}");
    let page = browser.visit("/.menshen/login?next=//evil.example").text();
    assert!(page.contains("/qq/login/?next=%2F\"") && !page.contains("evil"), "{page}");
}

fn site_with_a_port(upstream: &Upstream) -> Proxy {
    let setup = Setup::new().origin("http://www.meiduo.site:8000");
    let names = "aliases = [\"shop.example\"]\nallowed_hosts = [\"https://m.meiduo.site\"]";
    setup.site(names).before(upstream)
}

#[test]
fn a_page_that_was_refused_is_where_the_login_returns_to() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let browser = proxy.browser();
    let to_log_in = browser.visit("/user/orders/?page=2");
    let page = browser.visit(to_log_in.header("location").unwrap());
    assert_eq!(page.status, 200);
    let text = page.text();
    let href = text.split('"').find(|part| part.starts_with("/qq/login/")).unwrap();
    let to_qq = browser.visit(&href.replace("&amp;", "&"));
    let callback = proxy.qq.log_in(&Url::parse(to_qq.header("location").unwrap()).unwrap(), "10001").unwrap();
    let callback = Url::parse(&callback).unwrap();
    let answer = browser.visit(&format!("{}?{}", callback.path(), callback.query().unwrap()));
    assert_eq!(answer.header("location"), Some("/user/orders/?page=2"));
    assert_eq!(browser.visit("/user/orders/?page=2").status, 200);
}

/// Regression: cookies do not know ports, and a login at one site removed those that were under way at the other.
#[test]
fn our_pages_run_no_script_and_stand_in_no_frame() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    for path in ["/.menshen/login", "/.menshen/logout", "/.menshen/nothing", "/oauth_callback/?code=a"] {
        let answer = browser.visit(path);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        let directives: Vec<&str> = policy.split("; ").collect();
        let is_strict = ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]
            .iter()
            .all(|strict| directives.contains(strict));
        let runs_scripts = directives.iter().any(|directive| directive.starts_with("script-src"));
        assert!(answer.status == 303 || (is_strict && !runs_scripts), "{path}: {policy}");
    }
}

/// Regression: the attempt's cookie stayed at the alias, and every first try ended on the page about missing cookies.
#[test]
fn a_login_that_begins_under_another_name_goes_on_where_its_cookies_come_back() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().site("aliases = [\"meiduo.site\", \"www.meiduo.site:8443\"]").before(&upstream);
    let at = |host: &str, target: &str, accept: &str| {
        proxy.connect().send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{accept}\r\n\r\n")).answer()
    };
    let there = format!("http://{SITE}/qq/login/?next=%2Fcart%2F%3Fa%3Db&sent-on=1");
    for host in ["meiduo.site", "MEIDUO.site.:80", "www.meiduo.site."] {
        let sent = at(host, "/qq/login/?next=%2Fcart%2F%3Fa%3Db", PAGE);
        assert_eq!((sent.status, sent.header("location")), (302, Some(there.as_str())), "{host}");
        assert_eq!((sent.all("set-cookie").len(), sent.header("cache-control")), (0, Some("no-store")));
        let told = at(host, "/qq/login/?next=%2Fcart%2F%3Fa%3Db", SCRIPT);
        assert_eq!((told.status, told.json()["login_url"].as_str()), (200, Some(there.as_str())), "{host}");
    }
    // The way on leads through a login to the page that was asked for.
    let browser = proxy.browser();
    let begun = browser.visit("/qq/login/?next=%2Fcart%2F%3Fa%3Db&sent-on=1");
    let authorize = Url::parse(begun.header("location").unwrap()).unwrap();
    let callback = Url::parse(&proxy.qq.log_in(&authorize, "10001").unwrap()).unwrap();
    let answer = browser.visit(&format!("{}?{}", callback.path(), callback.query().unwrap()));
    assert_eq!((answer.status, answer.header("location")), (303, Some("/cart/?a=b")));
    // A port is no other host, and a proxy that always says another name sends nobody round for ever.
    for (host, target) in [("www.meiduo.site:8443", "/qq/login/"), ("meiduo.site", "/qq/login/?sent-on=1")] {
        let begun = at(host, target, PAGE);
        assert!(begun.status == 302 && begun.all("set-cookie").len() == 1, "{host} {target}");
    }
    let elsewhere = at("meiduo.site", "/qq/login/?next=http://evil.example/", PAGE);
    assert_eq!(elsewhere.header("location"), Some("http://www.meiduo.site/qq/login/?next=%2F&sent-on=1"));
    upstream.saw_nothing();
}

#[test]
fn with_a_cookie_domain_a_login_begins_under_any_name() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().site("aliases = [\"meiduo.site\"]\ncookie_domain = \"meiduo.site\"").before(&upstream);
    let begun =
        proxy.connect().send(format!("GET /qq/login/ HTTP/1.1\r\nHost: meiduo.site\r\n{SCRIPT}\r\n\r\n")).answer();
    assert_eq!(begun.all("set-cookie").len(), 1);
}

#[test]
fn a_login_at_one_site_leaves_those_at_another_with_the_same_cookies_alone() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[[sites]]\norigin = \"http://www.meiduo.site:8001\"").before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    let cookies = browser.cookie_header().unwrap();
    let other = format!(
        "GET /qq/login/ HTTP/1.1\r\nHost: www.meiduo.site:8001\r\nCookie: {cookies}; menshen_login_junk=x\r\n\r\n"
    );
    let answer = proxy.connect().send(other).answer();
    let removed: Vec<_> = answer.all("set-cookie").into_iter().filter(|cookie| cookie.contains("Max-Age=0")).collect();
    assert!(removed.len() == 1 && removed[0].starts_with("menshen_login_junk="), "{removed:?}");
    assert_eq!(browser.visit(&callback).status, 303);
}
