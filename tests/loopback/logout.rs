//! Logging out: whatever a request proves is over, and nobody else's session is.

use std::time::Duration;

use crate::support::{Answer, PAGE, Proxy, SCRIPT, Setup, Upstream, nobody_listens, read_head};

const SESSION: &str = "menshen_session";

fn setup() -> Setup {
    Setup::new().route("/user/*", "required")
}

/// The session cookie of a browser of its own, as a pair.
fn session_of(proxy: &Proxy, user: &str) -> String {
    let browser = proxy.browser();
    browser.log_in(user);
    format!("{SESSION}={}", browser.cookie(SESSION).unwrap())
}

/// Whether a request with this field alone is somebody's.
fn is_somebodys(proxy: &Proxy, field: &str) -> bool {
    proxy.connect().get("/.menshen/userinfo", &[SCRIPT, field]).answer().status == 200
}

fn post_logout(proxy: &Proxy, fields: &[&str]) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let request =
        format!("POST /.menshen/logout HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 0\r\n{fields}\r\n");
    proxy.connect().send(request).answer()
}

/// Who is told that he is logged out must be.
#[test]
fn a_logout_ends_every_session_that_its_request_proves() {
    let upstream = Upstream::hello();
    let proxy = setup().route("/logout/", "required").site("logout_paths = [\"/logout/\"]").before(&upstream);
    let junk = format!("{SESSION}=junk; ").repeat(40);
    for by_shops_link in [false, true] {
        for (case, users, before) in [
            ("two of one user", ["10001", "10001"], ""),
            ("two users", ["10001", "10002"], ""),
            ("behind planted ones", ["10001", "10001"], junk.as_str()),
        ] {
            let cookies = users.map(|user| session_of(&proxy, user));
            let field = format!("Cookie: {before}{}", cookies.join("; "));
            let answer = if by_shops_link {
                proxy.connect().get("/logout/", &[PAGE, &field]).answer()
            } else {
                let page = proxy.connect().get("/.menshen/logout", &[PAGE, &field]).answer();
                assert!(page.text().contains("<form"), "{case}: it says that it has happened");
                post_logout(&proxy, &[&field])
            };
            assert!(by_shops_link || answer.status == 200, "{case}");
            assert!(answer.cookie("menshen_session=;").is_some(), "{case}");
            for cookie in cookies {
                assert!(!is_somebodys(&proxy, &format!("Cookie: {cookie}")), "{case}, {by_shops_link}");
            }
        }
    }
}

#[test]
fn a_logout_by_token_ends_the_session_of_the_cookie_beside_it_too() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let token = format!("Authorization: Bearer {}", proxy.browser().token("10001"));
    for lives in [true, false] {
        let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
        assert_eq!(is_somebodys(&proxy, &token), lives);
        assert_eq!(post_logout(&proxy, &[&token, &cookie]).status, 200);
        assert!(!is_somebodys(&proxy, &token) && !is_somebodys(&proxy, &cookie), "{lives}");
    }
    assert_eq!(post_logout(&proxy, &[&token]).status, 401, "nothing was proved, and nothing has ended");
}

#[test]
fn the_shops_own_logout_link_ends_our_session_whatever_comes_of_it() {
    let mute = Upstream::serving(|mut stream, connection, seen| {
        while let Some(request) = read_head(&mut stream, connection) {
            seen.send(request).unwrap();
        }
    });
    let link = || setup().site("logout_paths = [\"/logout/\"]");
    let cookie_at = |proxy: &Proxy| format!("Cookie: {}", session_of(proxy, "10001"));
    let proxy = link().before(&mute);
    let cookie = cookie_at(&proxy);
    let mut client = proxy.connect();
    client.get("/logout/", &[PAGE, &cookie]);
    mute.next();
    drop(client);
    assert!(!is_somebodys(&proxy, &cookie), "it went on when the client had left");

    let slow = link().upstream("head_timeout = \"10ms\"").before(&mute);
    for (proxy, status) in [(slow, 504), (link().before_address(nobody_listens()), 502)] {
        let cookie = cookie_at(&proxy);
        let answer = proxy.connect().get("/logout/", &[PAGE, &cookie]).answer();
        assert_eq!(answer.status, status);
        for name in ["menshen_session=;", "username=;"] {
            assert!(answer.cookie(name).is_some(), "{status}: {:?}", answer.headers);
        }
        assert!(!is_somebodys(&proxy, &cookie), "{status}");
    }
}

#[test]
fn a_preflight_logs_nobody_out() {
    let upstream = Upstream::hello();
    let proxy = setup().site("logout_paths = [\"/logout/\"]").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let asks = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"];
    let answer = browser.request("OPTIONS", "/logout/", &asks, "");
    assert_eq!(answer.status, 200);
    assert!(answer.all("set-cookie").is_empty(), "{:?}", answer.headers);
    assert!(is_somebodys(&proxy, &format!("Cookie: {}", browser.cookie_header().unwrap())));
}

#[test]
fn sites_that_share_a_cookie_do_not_log_each_other_out() {
    let upstream = Upstream::hello();
    for (origin, other, domain) in [
        ("http://www.meiduo.site", "m.meiduo.site", "cookie_domain = \"meiduo.site\""),
        ("http://www.meiduo.site", "www.meiduo.site:9000", ""),
    ] {
        let proxy = setup()
            .origin(origin)
            .site(domain)
            .section(&format!("[[sites]]\norigin = \"http://{other}\"\n{domain}"))
            .before(&upstream);
        let cookie = session_of(&proxy, "10001");
        let ask = |line: &str, host: &str, cookies: &str| {
            let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nCookie: {cookies}\r\n\r\n");
            proxy.connect().send(request).answer()
        };
        for cookies in [cookie.clone(), format!("{SESSION}=junk; {cookie}"), format!("{cookie}; {SESSION}=junk")] {
            for path in ["GET /", "GET /user/"] {
                let answer = ask(path, other, &cookies);
                assert!(answer.all("set-cookie").is_empty(), "{other} {path}: {:?}", answer.headers);
            }
        }
        assert_eq!(ask("GET /user/", other, &cookie).status, 401, "it opens nothing there");
        // What nobody has sealed, as after a change of the master key, goes.
        let answer = ask("GET /", other, &format!("{SESSION}=junk"));
        assert!(answer.cookie("menshen_session=;").is_some());
        assert!(is_somebodys(&proxy, &format!("Cookie: {cookie}")));
        // A logout takes the one cookie away for both: what it proved must end.
        assert_eq!(ask("POST /.menshen/logout", other, &cookie).status, 200);
        assert!(!is_somebodys(&proxy, &format!("Cookie: {cookie}")), "{other}");
    }
}

#[test]
fn neither_a_prefetch_nor_a_picture_of_the_shops_link_ends_anything() {
    let upstream = Upstream::hello();
    let proxy = setup().route("/logout/", "required").site("logout_paths = [\"/logout/\"]").before(&upstream);
    let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
    for fetched_ahead in [
        "Sec-Purpose: prefetch",
        "Sec-Purpose: \"prefetch\"",
        "Sec-Purpose: other, prefetch;prerender",
        "Purpose: prefetch",
        "X-Moz: prefetch",
        "X-Purpose: preview",
        "Sec-Fetch-Dest: image",
        "Sec-Fetch-Dest: style",
    ] {
        proxy.connect().get("/logout/", &[PAGE, &cookie, fetched_ahead]).answer();
        assert!(is_somebodys(&proxy, &cookie), "{fetched_ahead}");
    }
}

#[test]
fn the_shops_link_is_known_by_whatever_spelling_the_shop_would_know_it_by() {
    let upstream = Upstream::hello();
    let proxy = setup().site("logout_paths = [\"/logout/\"]").before(&upstream);
    for path in ["/logout/", "/logout", "//logout/", "/x/../logout/", "/logout/;x", "/%6cogout"] {
        let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
        proxy.connect().get(path, &[PAGE, &cookie, "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"]).answer();
        assert!(!is_somebodys(&proxy, &cookie), "{path}");
    }
}

#[test]
fn neither_a_look_at_the_head_nor_another_sites_form_ends_a_session_by_the_shops_link() {
    let upstream = Upstream::hello();
    let proxy = setup().route("/logout/", "public").site("logout_paths = [\"/logout/\"]").before(&upstream);
    let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
    let head = format!("HEAD /logout/ HTTP/1.1\r\nHost: www.meiduo.site\r\n{cookie}\r\n\r\n");
    proxy.connect().send(head).answer_to(true);
    for origin in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        let post = format!(
            "POST /logout/ HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 0\r\n{cookie}\r\n{origin}\r\n\r\n"
        );
        proxy.connect().send(post).answer();
        assert!(is_somebodys(&proxy, &cookie), "{origin}");
    }
}

#[test]
fn a_login_never_ends_at_the_shops_own_logout() {
    let upstream = Upstream::hello();
    let proxy = setup().site("logout_paths = [\"/logout/\"]").before(&upstream);
    for next in ["/logout/", "/x/../logout/", "http://www.meiduo.site/logout/"] {
        let browser = proxy.browser();
        let callback = browser.begin_login(next, "10001");
        assert_eq!(browser.visit(&callback).header("location"), Some("/"), "{next}");
    }
}

/// Regression: it asked the site where the login was begun alone.
#[test]
fn nor_at_the_logout_of_another_site_of_ours() {
    let upstream = Upstream::hello();
    let proxy = setup()
        .site("allowed_hosts = [\"http://m.meiduo.site\"]")
        .section("[[sites]]\norigin = \"http://m.meiduo.site\"\nlogout_paths = [\"/abmelden/\"]")
        .before(&upstream);
    for (next, kept) in
        [("http://m.meiduo.site/abmelden/", "/"), ("http://m.meiduo.site/cart/", "http://m.meiduo.site/cart/")]
    {
        let browser = proxy.browser();
        let callback = browser.begin_login(next, "10001");
        assert_eq!(browser.visit(&callback).header("location"), Some(kept), "{next}");
    }
}

/// Regression: told that they had logged out, users were logged in again once the clock was right.
#[test]
fn a_logout_counts_under_whatever_clock() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let day = Duration::from_secs(86_400);
    for is_ahead in [true, false] {
        let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
        if is_ahead {
            proxy.advance(day)
        } else {
            proxy.clock.set_back(day)
        }
        assert_eq!(post_logout(&proxy, &[&cookie]).status, 200);
        if is_ahead {
            proxy.clock.set_back(day)
        } else {
            proxy.advance(day)
        }
        assert!(!is_somebodys(&proxy, &cookie), "{is_ahead}");
    }
}

/// Regression: a frame of a sibling's, or a script's call from there, ended the session.
#[test]
fn whatever_another_sites_page_loads_ends_no_session_by_the_shops_link() {
    let upstream = Upstream::hello();
    let proxy = setup().route("/logout/", "required").site("logout_paths = [\"/logout/\"]").before(&upstream);
    let cookie = format!("Cookie: {}", session_of(&proxy, "10001"));
    for from in ["same-site", "cross-site", "nonsense"] {
        let from = format!("Sec-Fetch-Site: {from}");
        for (mode, to) in [
            ("no-cors", "empty"),
            ("cors", "empty"),
            ("navigate", "iframe"),
            ("navigate", "frame"),
            ("navigate", "object"),
            ("navigate", "embed"),
            ("same-origin", "worker"),
            ("no-cors", "audioworklet"),
            ("no-cors", "json"),
            ("no-cors", "document"),
        ] {
            let (mode, to) = (format!("Sec-Fetch-Mode: {mode}"), format!("Sec-Fetch-Dest: {to}"));
            assert_eq!(proxy.connect().get("/logout/", &[PAGE, &cookie, &from, &mode, &to]).answer().status, 200);
            assert!(is_somebodys(&proxy, &cookie), "{from} {mode} {to}");
        }
    }
    // The site's own script calls it on purpose.
    let own = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"];
    proxy.connect().get("/logout/", &[&cookie, own[0], own[1], own[2]]).answer();
    assert!(!is_somebodys(&proxy, &cookie));
}
