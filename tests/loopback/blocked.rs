//! A user who is blocked.

use menshen::store::UserState;

use crate::support::{PAGE, SCRIPT, Setup, Upstream, events};

#[test]
fn a_blocked_users_login_is_refused_with_a_page_that_says_so_and_leaves_no_session() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    let blocked = {
        let browser = proxy.browser();
        browser.log_in("10001");
        browser.user_id().unwrap()
    };
    proxy.edit_user(&blocked, |user| user.state = UserState::Blocked);
    proxy.restart();
    let refused = |fields: &[&str]| {
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        let answer = browser.get(&callback, fields);
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.cookie("menshen_session=").is_none() && answer.cookie("username=").is_none());
        assert!(browser.cookie_names("").is_empty(), "the attempt is over");
        assert_eq!(browser.user_id(), None);
        answer
    };
    for (language, heading, errmsg) in
        [("zh-CN", "这个账号已停用", "账号已停用"), ("en", "This account is blocked", "account blocked")]
    {
        let language = format!("Accept-Language: {language}");
        let page = refused(&[PAGE, &language]).text();
        assert!(page.contains(heading), "{page}");
        assert!(!page.contains("/.menshen/login"), "to log in again would not help: {page}");
        for accept in [SCRIPT, "Accept: application/json"] {
            let body = refused(&[accept, &language]).json();
            assert_eq!((body["code"].as_str(), body["errmsg"].as_str()), (Some("403"), Some(errmsg)));
            let id = body["request_id"].as_str().unwrap();
            events().wait_for(1, &[id, "WARN", &format!("user {blocked} is blocked")]);
            let mut names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["code", "errmsg", "request_id"]);
        }
    }
    // Others are not concerned.
    proxy.browser().log_in("10002");
}
