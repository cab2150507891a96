//! The whole program, with its store on a disk that fills up: what visitors see who come back from QQ meanwhile.

use std::fs;
use std::time::Duration;

use menshen::demo::qq::{Endpoint, User};
use tokio::time::Instant;

use super::small_disk::SmallDisk;
use crate::backends::{Browser, PAGE, PATIENCE, Proxy, Setup, Upstream};

/// More first logins than fit into whatever room sled has already taken.
const TOO_MANY: usize = 3000;

/// Begins the login of a QQ user who has never been here.
fn begin(proxy: &Proxy, browser: &Browser<'_>, number: &str) -> String {
    proxy.qq.add_user(User::new(number, "访客"));
    browser.begin_login("/cart/", number)
}

/// Lets strangers log in until one is told that nobody can.
fn log_in_until_refused(proxy: &Proxy) {
    let mut failed = 0;
    for number in 0..TOO_MANY {
        let browser = proxy.browser();
        let callback = begin(proxy, &browser, &format!("stranger-{number}"));
        match browser.visit(&callback).status {
            303 => {}
            // The one under whom the store broke: its code was spent at QQ.
            500 => failed += 1,
            503 => {
                println!("full after {number} first logins, {failed} of them failed");
                return;
            }
            other => panic!("{other}"),
        }
    }
    panic!("{TOO_MANY} first logins did not fill the disk");
}

#[test]
fn while_the_store_is_down_a_callback_spends_nothing_and_a_reload_logs_in_once_it_is_back() {
    let disk = SmallDisk::mount("24m");
    let upstream = Upstream::hello();
    let store = disk.path().join("data");
    let proxy = Setup::new().section(&format!("[store]\npath = {store:?}")).before(upstream.address());
    let visitor = proxy.browser();
    let callback = begin(&proxy, &visitor, "visitor");
    let ballast = disk.fill();
    log_in_until_refused(&proxy);
    proxy.program.wait_for_words("the store cannot be reopened");

    let (asked, cookies) = (proxy.qq.requests().len(), visitor.cookie_header());
    for (language, words) in [("zh-CN", "暂时不能登录"), ("en", "Logging in is not possible now")] {
        let page = visitor.get(&callback, &[PAGE, &format!("Accept-Language: {language}")]);
        assert_eq!((page.status, page.header("retry-after")), (503, Some("30")));
        assert!(page.text().contains(words), "{}", page.text());
    }
    let answer = visitor.get(&callback, &["Accept: application/json"]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    assert_eq!(
        (answer.json()["code"].as_str(), answer.json()["errmsg"].as_str()),
        (Some("5000"), Some("暂时无法登录，请稍后再试"))
    );
    assert_eq!(proxy.qq.requests().len(), asked, "nothing was exchanged");
    assert_eq!(visitor.cookie_header(), cookies, "the attempt is kept");

    fs::remove_file(ballast).unwrap();
    let (exchanged, begun) = (proxy.qq.count(Endpoint::Token), Instant::now());
    let back = loop {
        let answer = visitor.visit(&callback);
        if answer.status != 503 {
            break answer;
        }
        assert_eq!(proxy.qq.count(Endpoint::Token), exchanged);
        assert!(begun.elapsed() < PATIENCE, "the store did not come back:\n{}", proxy.program.said());
        std::thread::sleep(Duration::from_millis(20));
    };
    println!("the visitor was let in {:?} after there was room again", begun.elapsed());
    assert_eq!((back.status, back.header("location")), (303, Some("/cart/")));
    assert_eq!(proxy.qq.count(Endpoint::Token), exchanged + 1);
    assert!(visitor.user_id().is_some());
}
