//! Keys that are rotated while the proxy runs.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Browser, Proxy, SCRIPT, Setup, Upstream};

fn setup() -> Setup {
    Setup::new().route("/user/*", "required")
}

fn passes(browser: &Browser<'_>) -> bool {
    browser.get("/user/", &[SCRIPT]).status == 200
}

/// The ids in the key set.
fn published(proxy: &Proxy) -> Vec<String> {
    let keys = proxy.browser().get("/.well-known/jwks.json", &[]).json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The id of the key that signed what the application was told.
fn signed_by(upstream: &Upstream, browser: &Browser<'_>) -> String {
    assert!(passes(browser));
    let received = upstream.next();
    let token = received.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    jsonwebtoken::decode_header(&token).unwrap().kid.unwrap()
}

#[test]
fn an_upstream_key_is_published_before_it_signs_and_the_old_one_stays_for_what_it_signed() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let old = signed_by(&upstream, &browser);
    proxy.command(&["keys", "rotate", "upstream"]).good();
    let both = published(&proxy);
    assert!(both.len() == 2 && both.contains(&old), "{both:?}");
    assert_eq!(signed_by(&upstream, &browser), old);
    // Ten minutes: twice as long as verifiers may keep the key set.
    proxy.advance(Duration::from_secs(599));
    browser.log_in("10002");
    assert_eq!(signed_by(&upstream, &browser), old);
    proxy.advance(Duration::from_secs(1));
    browser.log_in("10003");
    let new = signed_by(&upstream, &browser);
    assert!(new != old && both.contains(&new));
    assert_eq!(published(&proxy).len(), 2, "the old one stays for as long as what it signed");
    let list = proxy.command(&["keys", "list"]).good();
    assert!(list.contains(&old) && list.contains(&new), "{list}");
}

#[test]
fn rotated_seal_and_api_keys_leave_everybody_logged_in() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let before = proxy.browser();
    before.log_in("10001");
    let token = format!("Authorization: Bearer {}", proxy.browser().token("10001"));
    let attempt = proxy.browser();
    let callback = attempt.begin_login("/", "10002");
    proxy.command(&["keys", "rotate", "seal"]).good();
    proxy.command(&["keys", "rotate", "api"]).good();
    assert!(passes(&before), "a cookie sealed by the old key");
    assert_eq!(attempt.visit(&callback).status, 303, "a login begun under the old key");
    let after = proxy.browser();
    after.log_in("10003");
    let new_token = format!("Authorization: Bearer {}", proxy.browser().token("10003"));
    let by = |proxy: &Proxy, token: &str| proxy.browser().get("/user/", &[SCRIPT, token]).status;
    assert_eq!((by(&proxy, &token), by(&proxy, &new_token)), (200, 200));
    let cookies = [&before, &attempt, &after].map(|browser| browser.cookie_header().unwrap());
    drop((before, attempt, after));
    proxy.restart();
    for cookies in cookies {
        let browser = proxy.browser();
        cookies.split("; ").for_each(|cookie| browser.keep(cookie));
        assert!(passes(&browser), "also after a restart");
    }
    assert_eq!((by(&proxy, &token), by(&proxy, &new_token)), (200, 200));
}

#[test]
fn what_a_dropped_key_made_proves_nothing_any_more() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let token = format!("Authorization: Bearer {}", proxy.browser().token("10001"));
    let by_token = || proxy.browser().get("/user/", &[SCRIPT, &token]).status;
    let old = signed_by(&upstream, &browser);
    proxy.command(&["keys", "rotate", "upstream", "--drop-old"]).good();
    assert!(!published(&proxy).contains(&old));
    assert_ne!(signed_by(&upstream, &browser), old, "the new one signs at once");
    proxy.command(&["keys", "rotate", "api", "--drop-old"]).good();
    assert_eq!(by_token(), 401);
    assert!(passes(&browser));
    proxy.command(&["keys", "rotate", "seal", "--drop-old"]).good();
    assert!(!passes(&browser));
    browser.log_in("10001");
    assert!(passes(&browser));
    let list = proxy.command(&["keys", "list"]).good();
    assert_eq!(list.lines().count(), 4, "{list}");
}

#[test]
fn no_key_is_shown() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let list = proxy.command(&["keys", "list"]).good();
    for purpose in ["seal", "upstream", "api"] {
        assert!(list.contains(purpose), "{list}");
    }
    assert!(list.lines().all(|line| line.len() < 120), "{list}");
    let trail: Vec<Value> = {
        proxy.command(&["keys", "rotate", "seal"]).good();
        proxy.command(&["audit", "--json"]).good().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(trail[0]["act"], "key-rotated");
    assert!(trail[0]["detail"].as_str().unwrap().starts_with("seal A256GCM-SIV "));
}
