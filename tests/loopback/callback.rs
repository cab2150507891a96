//! Where a login ends: what is refused, what is exchanged once, and what a failed exchange leaves behind.

use std::time::Duration;

use menshen::demo::qq::{self, Effect, Endpoint, Format, Mangle, Switch, WireFault};

use crate::support::{Answer, Browser, CLIENT_ID, Connection, PAGE, SCRIPT, SITE, Setup, Upstream, events};

pub const ATTEMPT: &str = "menshen_login_";
const SESSION: &str = "menshen_session=";

/// What attackers' texts hold, and no page of ours ever.
const MARK: &str = "zqxjkvw<script>alert(1)</script>";

/// The code and the state of a callback.
pub fn parts(callback: &str) -> (String, String) {
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(callback.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let value = |name| query.iter().find(|(found, _)| found == name).unwrap().1.clone();
    (value("code"), value("state"))
}

/// Asserts that no field of an answer holds any of these words.
pub fn fields_say_nothing_of(answer: &Answer, unsaid: &[&str]) {
    for (name, value) in &answer.headers {
        unsaid.iter().for_each(|word| assert!(!format!("{name}: {value}").contains(word), "{word} in {name}: {value}"));
    }
}

/// A callback on its way, its answer not yet read.
fn send(browser: &Browser<'_>, mut connection: Connection, callback: &str) -> Connection {
    let cookies = browser.cookie_header().unwrap();
    connection.get(callback, &[PAGE, &format!("Cookie: {cookies}")]);
    connection
}

/// Asserts a refusal, in JSON and, in both languages, as a page with a way to log in again.
pub fn refused(browser: &Browser<'_>, callback: &str, status: u16, code: &str, errmsg: &str, heading: [&str; 2]) {
    let answer = browser.copy().get(callback, &[SCRIPT]);
    assert_eq!(answer.status, status, "{callback}: {}", answer.text());
    assert_eq!((answer.json()["code"].as_str(), answer.json()["errmsg"].as_str()), (Some(code), Some(errmsg)));
    fields_say_nothing_of(&answer, &["zqxjkvw"]);
    for (language, heading) in ["zh-CN", "en"].into_iter().zip(heading) {
        let answer = browser.copy().get(callback, &[PAGE, &format!("Accept-Language: {language}")]);
        assert_eq!(answer.status, status, "{callback}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.cookie(SESSION).is_none(), "{:?}", answer.headers);
        let page = answer.text();
        assert!(page.contains(heading), "{callback}: {heading:?} in {page}");
        assert!(page.contains(r#"href="/.menshen/login"#), "{page}");
        assert!(!page.contains("zqxjkvw"), "{page}");
        fields_say_nothing_of(&answer, &["zqxjkvw"]);
    }
}

#[test]
fn a_callback_without_a_code_is_a_cancel_with_a_way_back() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let (_, state) = parts(&browser.begin_login("/", "10001"));
    for path in ["/oauth_callback", "/oauth_callback/"] {
        for query in ["", "?", "?state=x", "?usercancel=1", &format!("?usercancel=1&state={state}"), "?msg=zqxjkvw"] {
            let callback = format!("{path}{query}");
            refused(&browser, &callback, 403, "4003", "缺少code", ["登录已取消", "Login cancelled"]);
        }
    }
    // A cancelled attempt is over, also for whoever has kept its cookie.
    let kept = browser.copy();
    browser.visit(&format!("/oauth_callback/?usercancel=1&state={state}"));
    assert_eq!(browser.cookie_names(ATTEMPT).len(), 0);
    let answer = kept.get(&format!("/oauth_callback/?code={}&state={state}", "0".repeat(32)), &[SCRIPT]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("403")));
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
}

#[test]
fn a_callback_with_a_shape_that_nobody_issues_never_reaches_qq() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let (code, state) = parts(&browser.begin_login("/", "10001"));
    let long = "a".repeat(513);
    for query in [
        format!("code={code}"),
        format!("code={code}&state="),
        format!("code={code}&state=zqxjkvw"),
        format!("code={code}&state={state}x"),
        format!("code={code}&state={}", state.replace(|_| true, "%00")),
        format!("code={code}&state={state}&state={state}"),
        format!("code={code}&state={}", &state[1..]),
        format!("code={code}&code={code}&state={state}"),
        format!("code={code}&code=zqxjkvw&state={state}"),
        format!("code=&state={state}"),
        format!("code=zqxjkvw%20&state={state}"),
        format!("code=zqxjkvw%0d%0aSet-Cookie:x&state={state}"),
        format!("code={long}&state={state}"),
        format!("code={code}&state={}", "0".repeat(32)),
    ] {
        let callback = format!("/oauth_callback/?{query}");
        refused(
            &browser,
            &callback,
            403,
            "403",
            "登录不是在这个浏览器里开始的",
            ["这次登录不是从这里开始的", "This login began somewhere else"],
        );
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    upstream.saw_nothing();
}

#[test]
fn a_login_ends_only_in_the_browser_and_in_the_time_it_began_in() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let victim = proxy.browser();
    let callback = victim.begin_login("/", "10001");
    let without = proxy.browser();
    let missing = "登录状态缺失，请重新登录";
    refused(&without, &callback, 403, "403", missing, ["还差一步，没能登录", "Almost there, but not logged in"]);
    let causes = without.visit(&callback).text();
    for cause in ["QQ 打开了另一个浏览器", "浏览器拦下了 Cookie", "另一个网址"] {
        assert!(causes.contains(cause), "{cause} in {causes}");
    }
    let foreign = proxy.browser();
    foreign.begin_login("/", "10002");
    let elsewhere = "登录不是在这个浏览器里开始的";
    refused(
        &foreign,
        &callback,
        403,
        "403",
        elsewhere,
        ["这次登录不是从这里开始的", "This login began somewhere else"],
    );
    assert_eq!(foreign.cookie_names(ATTEMPT).len(), 1, "its own attempt goes on");
    // A session at the wrong browser is no excuse.
    foreign.log_in("10003");
    foreign.begin_login("/", "10002");
    let before = foreign.user_id();
    assert_eq!(foreign.visit(&callback).status, 403);
    assert_eq!(foreign.user_id(), before);

    let late = victim.copy();
    proxy.advance(Duration::from_secs(599));
    assert_eq!(victim.visit(&callback).status, 303);
    let callback = late.begin_login("/", "10001");
    proxy.advance(Duration::from_secs(601));
    let asked = proxy.qq.count(Endpoint::Token);
    refused(&late, &callback, 403, "403", "登录已超时，请重新登录", ["等得有点久了", "That took a little too long"]);
    assert_eq!(proxy.qq.count(Endpoint::Token), asked);
}

#[test]
fn a_login_is_kept_by_no_cache_and_its_address_is_told_to_nobody() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let answer = proxy.browser().log_in("10001");
    let told = ["cache-control", "referrer-policy", "location"].map(|name| answer.header(name));
    assert_eq!(told, [Some("no-store"), Some("no-referrer"), Some("/")]);
}

#[test]
fn a_replayed_callback_is_never_exchanged_again() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/cart/", "10001");
    let stolen = browser.copy();
    assert_eq!(browser.visit(&callback).header("location"), Some("/cart/"));
    // The browser itself: going back, reloading.
    let again = browser.visit(&callback);
    assert_eq!((again.status, again.header("location")), (303, Some("/")));
    assert!(again.all("set-cookie").is_empty());
    // Whoever else: with the attempt's cookie, or with nothing.
    for browser in [&stolen, &proxy.browser()] {
        let used = "登录链接已使用，请重新登录";
        refused(browser, &callback, 403, "403", used, ["这次登录已经用过了", "This login has been used"]);
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 1);
    // After a restart nothing is remembered here, and QQ refuses the code.
    let cookies = stolen.cookie_header().unwrap();
    proxy.restart();
    let answer = proxy.connect().get(&callback, &[PAGE, &format!("Cookie: {cookies}")]).answer();
    assert_eq!(answer.status, 500);
    assert!(answer.cookie(SESSION).is_none());
    assert_eq!(proxy.bindings().len(), 1);
}

/// Regression: a state was forgotten in the very millisecond in which its attempt was still good.
#[test]
fn a_state_is_spent_to_the_last_millisecond_of_its_attempt() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let begun = browser.get("/qq/login/", &[SCRIPT]).json();
    let (again, late) = (browser.copy(), browser.copy());
    proxy.advance(Duration::from_secs(600));
    let login_url = begun["login_url"].as_str().unwrap().parse().unwrap();
    let callback = proxy.qq.log_in(&login_url, "10001").unwrap();
    let callback = callback.split_once(SITE).unwrap().1;
    assert_eq!(browser.visit(callback).status, 303, "the last moment is good");
    assert_eq!(again.visit(callback).status, 403);
    proxy.advance(Duration::from_millis(1));
    assert_eq!(late.visit(callback).status, 403);
    assert_eq!(proxy.qq.count(Endpoint::Token), 1);
}

#[test]
fn doubled_callbacks_share_one_exchange_and_one_result_even_in_the_last_place() {
    const DOUBLES: usize = 5;
    let upstream = Upstream::hello();
    for (round, places) in [64, 1].into_iter().enumerate() {
        let proxy = Setup::new().section(&format!("[limits]\nexchanges = {places}")).before(&upstream);
        let browser = proxy.browser();
        let callback = browser.begin_login("/cart/", "10001");
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
        let mut connections = vec![send(&browser, proxy.connect(), &callback)];
        proxy.qq_asked(Endpoint::Token, 1);
        // Whatever code the doubles bring: it is the state that they share.
        let (code, _) = parts(&callback);
        let doubles = (0..DOUBLES).map(|at| if at % 2 == 0 { code.clone() } else { format!("{at:032X}") });
        connections.extend(doubles.map(|other| send(&browser, proxy.connect(), &callback.replace(&code, &other))));
        events().wait_for((round + 1) * DOUBLES, &["a doubled callback waits"]);
        proxy.qq.release();
        let mut users = Vec::new();
        for connection in &mut connections {
            let answer = connection.answer();
            assert_eq!((answer.status, answer.header("location")), (303, Some("/cart/")));
            let one = proxy.browser();
            one.keep(answer.cookie(SESSION).unwrap());
            users.push(one.user_id().unwrap());
        }
        users.dedup();
        assert_eq!(users.len(), 1);
        // One login is told of once, however many answers it has.
        let told = events()
            .text()
            .lines()
            .filter(|line| line.contains("a login finished") && line.contains(&users[0]))
            .count();
        assert_eq!(told, 1);
        assert_eq!(proxy.qq.count(Endpoint::Token), 1);
    }
}

#[test]
fn when_all_places_are_taken_nothing_is_spent_and_a_reload_works() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[limits]\nexchanges = 1").before(&upstream);
    let (first, second) = (proxy.browser(), proxy.browser());
    let (first_callback, second_callback) = (first.begin_login("/", "10001"), second.begin_login("/", "10002"));
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
    let mut held = send(&first, proxy.connect(), &first_callback);
    proxy.qq_asked(Endpoint::Token, 1);
    for _ in 0..3 {
        let answer = second.get(&second_callback, &[SCRIPT]);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
        assert_eq!((answer.json()["code"].as_str(), answer.all("set-cookie").len()), (Some("5000"), 0));
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 1);
    proxy.qq.release();
    assert_eq!(held.answer().status, 303);
    assert_eq!(second.visit(&second_callback).status, 303);
}

/// Everything QQ, or something between, can answer that is no identity.
fn failures() -> Vec<(Endpoint, Effect)> {
    use Endpoint::{Me, Token};
    let error = |number| Effect::Error { number, text: Some(MARK.to_owned()) };
    let mut failures = vec![(Me, Effect::ForeignClient("101000002".to_owned()))];
    for number in [100_002, 100_009, 100_010, 100_019, 100_020, -1, i64::MAX] {
        failures.push((Token, error(number)));
    }
    for number in [100_007, 100_013, 100_014, 100_016, 100_048] {
        failures.push((Me, error(number)));
    }
    for body in ["", "zqxjkvw", "null", "[]", "{}", "callback(  );", "callback( {\"openid\":\"zqxjkvw\"} );", MARK] {
        failures.extend([Token, Me].map(|endpoint| (endpoint, Effect::Body(Mangle::Replace(body.to_owned())))));
    }
    for mangle in [
        Mangle::OpenIdMissing,
        Mangle::OpenIdEmpty,
        Mangle::OpenIdTooLong,
        Mangle::OpenIdNumber,
        Mangle::OpenIdTwice,
        Mangle::OtherCallback,
        Mangle::Unclosed,
        Mangle::TextBefore,
        Mangle::TextAfter,
        Mangle::BrokenUtf8,
        Mangle::Html,
    ] {
        failures.push((Me, Effect::Body(mangle)));
    }
    for fault in [
        WireFault::Silence,
        WireFault::SlowHead(60_000),
        WireFault::SlowBody(60_000),
        WireFault::CutBody,
        WireFault::CutChunk,
        WireFault::ResetBeforeHead,
        WireFault::ResetAfterHead,
        WireFault::Huge,
        WireFault::Endless,
        WireFault::GzipBomb,
        WireFault::Status(400),
        WireFault::Status(429),
        WireFault::Status(500),
        WireFault::Status(503),
        WireFault::Redirect("http://evil.example/".to_owned()),
    ] {
        failures.extend([Token, Me].map(|endpoint| (endpoint, Effect::Wire(fault.clone()))));
    }
    failures
}

#[test]
fn no_failed_exchange_makes_a_user_or_tells_a_visitor_why() {
    let upstream = Upstream::hello();
    let mut proxy =
        Setup::new().provider("connect_timeout = \"100ms\"\nexchange_timeout = \"200ms\"").before(&upstream);
    for ((endpoint, effect), form) in
        failures().into_iter().flat_map(|failure| [PAGE, SCRIPT].map(|form| (failure.clone(), form)))
    {
        let case = format!("{endpoint:?} {effect:?} {form}");
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        let (code, state) = parts(&callback);
        // The native form, so that what spoils a callback finds one.
        proxy.qq.set(Switch::once(Endpoint::Me, Effect::Format(Format::Native)));
        proxy.qq.set(Switch::once(endpoint, effect));
        let asked = proxy.qq.count(Endpoint::Token);
        let page = browser.get(&callback, &[form]);
        assert_eq!(page.status, 500, "{case}: {}", page.text());
        let text = page.text();
        let said = text.split("</style>").last().unwrap();
        let id = said.split(|char: char| !char.is_ascii_hexdigit()).find(|word| word.len() == 16).unwrap();
        let said = said.replace(id, "");
        for unsaid in ["zqxjkvw", "evil", "100", &code, &state, "openid", "client_id"] {
            assert!(!said.contains(unsaid), "{case}: {unsaid} in {said}");
        }
        fields_say_nothing_of(&page, &["zqxjkvw", "evil", &code, &state]);
        assert!(page.cookie(SESSION).is_none(), "{case}");
        assert_eq!(browser.cookie_names(ATTEMPT).len(), 0, "{case}: the attempt is over");
        assert_eq!(proxy.qq.count(Endpoint::Token), asked + 1, "{case}: one try for each code");
        assert!(browser.user_id().is_none(), "{case}");
        // The cause stands in the log, under the id that the page shows.
        events().wait_for(1, &[id, "a login failed"]);
        proxy.qq.clear_switches();
        // So that several in a row do not stop the next.
        proxy.advance(Duration::from_secs(30));
    }
    assert_eq!(proxy.bindings(), []);
    upstream.saw_nothing();
}

#[test]
fn a_token_that_was_issued_to_another_app_logs_nobody_in() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    let mallory = qq::App { client_id: "101000666".to_owned(), ..qq::App::default() };
    proxy.qq.add_app(mallory);
    let stolen = proxy.qq.mint_token("101000666", "10002").unwrap();
    let token = format!("access_token={}&expires_in=5184000&refresh_token=0", stolen.access_token);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Body(Mangle::Replace(token))));
    let answer = browser.get(&callback, &[SCRIPT]);
    assert_eq!((answer.status, answer.json()["errmsg"].as_str()), (500, Some("OAuth2.0认证失败")));
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    events().wait_for(1, &[&id, "the token was issued to another client id than ours"]);
    assert!(browser.user_id().is_none());
    assert_eq!(proxy.bindings(), []);
}

#[test]
fn a_qq_that_cannot_say_a_users_name_still_logs_the_user_in() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    proxy.qq.set(Switch::once(Endpoint::UserInfo, Effect::Wire(WireFault::Status(500))));
    let browser = proxy.browser();
    browser.log_in("10001");
    assert_eq!(browser.get("/.menshen/userinfo", &[]).json()["display_name"], "QQ用户");
    browser.log_in("10001");
    assert_eq!(browser.get("/.menshen/userinfo", &[]).json()["display_name"], "小明");
}

#[test]
fn an_openid_in_another_case_is_the_same_user() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    proxy.browser().log_in("10001");
    proxy.qq.set(Switch::once(Endpoint::Me, Effect::Body(Mangle::OpenIdLowerCase)));
    proxy.browser().log_in("10001");
    assert_eq!(proxy.bindings().len(), 1);
}

#[test]
fn two_first_logins_at_once_make_one_user() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(&upstream);
    let users: Vec<String> = {
        let browsers = [(); 4].map(|()| proxy.browser());
        proxy.qq.set(Switch::standing(Endpoint::UserInfo, Effect::Wire(WireFault::Hold)));
        let mut held: Vec<Connection> =
            browsers.iter().map(|browser| send(browser, proxy.connect(), &browser.begin_login("/", "10001"))).collect();
        proxy.qq_asked(Endpoint::UserInfo, browsers.len());
        proxy.qq.clear_switches();
        let answers: Vec<Answer> = held.iter_mut().map(Connection::answer).collect();
        let user = |answer: &Answer| {
            let browser = proxy.browser();
            browser.keep(answer.cookie(SESSION).unwrap());
            browser.user_id().unwrap()
        };
        answers.iter().map(user).collect()
    };
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    let bindings = proxy.bindings();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].user.to_string(), users[0]);
    assert_eq!(bindings[0].identity.subject, qq::Simulator::openid("10001", CLIENT_ID));
}

#[test]
fn a_client_that_asks_for_json_gets_the_login_as_json() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/cart/?a=b", "10001");
    let answer = browser.get(&callback, &["Accept: application/json"]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!((answer.header("cache-control"), answer.header("location")), (Some("no-store"), None));
    let body = answer.json();
    let mut names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "errmsg", "next", "token", "user_id", "username"]);
    assert_eq!((body["code"].as_str(), body["errmsg"].as_str()), (Some("0"), Some("OK")));
    assert_eq!(body["next"], "/cart/?a=b");
    assert_eq!(body["user_id"].as_str(), browser.user_id().as_deref());
    let bearer = format!("Authorization: Bearer {}", body["token"].as_str().unwrap());
    assert_eq!(proxy.connect().get("/user/", &[&bearer]).answer().status, 200);
    let seen = upstream.next();
    assert!(!seen.head.contains(body["token"].as_str().unwrap()));
    assert_eq!(seen.header("host"), Some(SITE));
}
