//! What a callback says of QQ, and whom it is believed of: nobody who holds no attempt of this browser's.

use menshen::demo::qq::Endpoint;

use crate::callback::{ATTEMPT, parts, refused};
use crate::support::{PAGE, SCRIPT, Setup, Upstream, events};

/// How QQ tells an error by redirect, in the words of whoever types an address.
const REFUSALS: [&str; 3] = [
    "code=100010&msg=redirect+uri+is+illegal",
    "error=100010&error_description=zqxjkvw",
    "code=100010&msg=zqxjkvw%3Cscript%3E",
];

#[test]
fn an_error_that_qq_tells_by_redirect_is_a_failed_login_once_whose_cause_is_logged() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for query in REFUSALS {
        let browser = proxy.browser();
        let refused_callback = || {
            let (code, state) = parts(&browser.begin_login("/", "10001"));
            (format!("/oauth_callback/?{query}&state={state}"), format!("/oauth_callback/?code={code}&state={state}"))
        };
        for (language, heading) in [("zh-CN", "这次没能登录成功"), ("en", "The login did not work")] {
            let page = browser.get(&refused_callback().0, &[PAGE, &format!("Accept-Language: {language}")]);
            assert_eq!((page.status, page.text().contains(heading)), (500, true), "{}", page.text());
            assert!(!page.text().contains("zqxjkvw"));
        }
        let (callback, good) = refused_callback();
        let again = browser.copy();
        let answer = browser.get(&callback, &[SCRIPT]);
        let body = answer.json();
        assert_eq!((answer.status, body["code"].as_str()), (500, Some("5005")));
        assert_eq!(body["errmsg"], "OAuth2.0认证失败");
        assert_eq!(browser.cookie_names(ATTEMPT).len(), 0);
        events().wait_for(1, &[body["request_id"].as_str().unwrap(), "ERROR", "error 100010"]);
        // The attempt is spent, whatever comes with it again.
        let used = ["这次登录已经用过了", "This login has been used"];
        for callback in [&callback, &good] {
            refused(&again, callback, 403, "403", "登录链接已使用，请重新登录", used);
        }
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
}

/// Regression: such addresses were answered 500 and written down as errors, so that anybody could hide real ones.
#[test]
fn of_who_holds_no_attempt_nothing_is_believed_that_qq_would_have_said() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let holder = proxy.browser();
    let (_, state) = parts(&holder.begin_login("/", "10001"));
    let (stranger, other) = (proxy.browser(), proxy.browser());
    other.begin_login("/", "10001");
    let causes = ["还差一步，没能登录", "Almost there, but not logged in"];
    let elsewhere = ["这次登录不是从这里开始的", "This login began somewhere else"];
    for query in REFUSALS {
        for state in ["", "&state=zqxjkvw", &format!("&state={}", "0".repeat(32)), &format!("&state={state}")] {
            let callback = format!("/oauth_callback/?{query}{state}");
            refused(&stranger, &callback, 403, "403", "登录状态缺失，请重新登录", causes);
            refused(&other, &callback, 403, "403", "登录不是在这个浏览器里开始的", elsewhere);
            let id = stranger.get(&callback, &[SCRIPT]).json()["request_id"].as_str().unwrap().to_owned();
            events().wait_for(1, &[&id, "INFO", "a callback ended in no login", "no attempt cookie"]);
        }
    }
    // The attempt that they spoke of goes on.
    let callback = format!("/oauth_callback/?{}&state={state}", REFUSALS[0]);
    assert_eq!(holder.visit(&callback).status, 500);
}

#[test]
fn who_brings_no_attempt_at_all_is_told_the_likely_causes_whatever_the_query() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let stranger = proxy.browser();
    for query in
        ["code=abc", "code=abc&state=", "code=abc&state=zqxjkvw", "code=abc&state=a&state=b", "code=&state=zqxjkvw"]
    {
        refused(
            &stranger,
            &format!("/oauth_callback/?{query}"),
            403,
            "403",
            "登录状态缺失，请重新登录",
            ["还差一步，没能登录", "Almost there, but not logged in"],
        );
    }
}
