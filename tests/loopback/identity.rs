//! What upstreams and the shop's own scripts are told, whatever people call themselves.

use std::borrow::Cow;

use menshen::demo::qq;
use percent_encoding::percent_decode_str;

use crate::support::{CLIENT_ID, SCRIPT, Setup, Upstream};

const TEMPLATES: &str = r#"
[identity.default]
headers = { X-Name = "{user.display_name}", X-Mixed = "n={user.display_name};p={provider}", X-Handle = "{user.handle}", X-Openid = "{openid}", X-Site = "{site}", X-Site-Again = "{site|raw}" }
cookies = { username = "{user.display_name}", upstream = "{user.upstream_id}" }
"#;

/// Names people could choose, and what is shown of them.
fn nicknames() -> Vec<(String, String)> {
    let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let rows = include_str!("../data/nicknames.tsv").lines().map(|row| row.split_once('\t').unwrap());
    rows.map(|(name, shown)| (decoded(name), decoded(shown))).collect()
}

fn decoded(text: &str) -> Cow<'_, str> {
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)), "{text}");
    percent_decode_str(text).decode_utf8().unwrap()
}

#[test]
fn whatever_people_call_themselves_stays_one_value_of_one_field() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section(TEMPLATES).before(&upstream);
    for (at, (nickname, shown)) in nicknames().into_iter().enumerate() {
        let number = format!("2000{at}");
        proxy.qq.add_user(qq::User::new(&number, &nickname));
        let browser = proxy.browser();
        let login = browser.log_in(&number);
        assert_eq!(login.all("set-cookie").len(), 3, "session, companion, the attempt's removal: {:?}", login.headers);
        let companion = login.cookie("username=").unwrap();
        let (value, attributes) = companion.strip_prefix("username=").unwrap().split_once("; ").unwrap();
        assert_eq!(decoded(value), shown);
        assert_eq!(attributes, "Path=/; Max-Age=43200; SameSite=Lax");

        assert_eq!(browser.get("/", &[SCRIPT]).status, 200);
        let seen = upstream.next();
        assert_eq!(decoded(seen.header("x-name").unwrap()), shown);
        let mixed = seen.header("x-mixed").unwrap();
        let name = mixed.strip_prefix("n=").unwrap().strip_suffix(";p=qq").unwrap();
        assert_eq!(decoded(name), shown);
        assert_eq!(seen.all("x-menshen-user").len(), 0);
        assert_eq!(seen.header("x-openid"), Some(qq::Simulator::openid(&number, CLIENT_ID).as_str()));
        assert_eq!(seen.header("x-site"), Some("http://www.meiduo.site"));
        let handle = seen.header("x-handle").unwrap();
        assert!(handle.starts_with("qq_") && handle.len() == 15, "{handle}");
        assert_eq!(seen.header("x-site-again"), Some("http://www.meiduo.site"));

        let said = browser.get("/.menshen/userinfo", &[]).json();
        assert_eq!((said["display_name"].as_str(), said["username"].as_str()), (Some(shown.as_str()), Some(handle)));
        let page = browser.visit("/.menshen/logout").text();
        assert!(!page.contains("<script>") && !page.contains("<html>\r"), "{page}");
    }
}

#[test]
fn userinfo_tells_a_front_end_who_is_logged_in_and_strangers_that_nobody_is() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let answer = proxy.browser().get("/.menshen/userinfo", &[SCRIPT]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("4101")));
    let browser = proxy.browser();
    browser.log_in("10001");
    let answer = browser.get("/.menshen/userinfo", &[SCRIPT]);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let said = answer.json();
    let now = proxy.clock.now().as_secs();
    assert_eq!((said["code"].as_str(), said["provider"].as_str()), (Some("0"), Some("qq")));
    assert_eq!(said["display_name"], "小明");
    assert!(said["upstream_id"].is_null());
    assert!(said["avatar"].as_str().unwrap().starts_with("https://"), "{said}");
    assert_eq!((said["logged_in_at"].as_u64(), said["expires_at"].as_u64()), (Some(now), Some(now + 43_200)));
    assert!(said.get("openid").is_none() && said.get("session").is_none(), "{said}");
    upstream.saw_nothing();
}
