//! That the fixture itself stands: the other tests rely on it.

use crate::support::{Setup, Upstream};

#[test]
fn a_request_passes_and_its_answer_comes_back() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let answer = proxy.connect().get("/path?query", &[]).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(upstream.next().line(), "GET /path?query HTTP/1.1");
}

#[test]
fn a_qq_user_logs_in_and_is_the_same_user_next_time() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let browser = proxy.browser();
    assert_eq!(browser.visit("/user/center/").status, 302);
    browser.log_in("10001");
    assert_eq!(browser.visit("/user/center/").status, 200);
    let first = browser.user_id().unwrap();
    let another_browser = proxy.browser();
    another_browser.log_in("10001");
    assert_eq!(another_browser.user_id().unwrap(), first);
    let somebody_else = proxy.browser();
    somebody_else.log_in("10002");
    assert_ne!(somebody_else.user_id().unwrap(), first);
}
