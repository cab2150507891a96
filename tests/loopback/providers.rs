//! Ways to log in beside QQ: one page for all, a path of its own for each to come back to.

use menshen::demo::qq::Endpoint;
use url::Url;

use crate::support::{Browser, PAGE, Proxy, Received, SCRIPT, Setup, Upstream};

fn text(request: &Received) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

/// GitHub, as far as logins need it: every code is the user of its number.
fn github() -> Upstream {
    Upstream::scripted(|request| {
        let body = match request.line().split(' ').nth(1).unwrap() {
            "/token" if text(request).contains("code=bad") => r#"{"error":"bad_verification_code"}"#.to_owned(),
            "/token" => {
                let body = text(request);
                let value = |name: &str| {
                    url::form_urlencoded::parse(body.as_bytes())
                        .find(|(found, _)| found == name)
                        .unwrap()
                        .1
                        .into_owned()
                };
                assert_eq!((value("client_id"), value("client_secret")), ("gh".to_owned(), "gh-secret".to_owned()));
                assert_eq!(value("code_verifier").len(), 64);
                format!(r#"{{"access_token":"{}","token_type":"bearer","scope":""}}"#, value("code"))
            }
            "/user" => {
                let number = request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
                format!(
                    r#"{{"id":{number},"login":"octocat{number}","name":null,"avatar_url":"https://a.example/{number}"}}"#
                )
            }
            _ => "{}".to_owned(),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    })
}

fn before(github: &Upstream) -> (Proxy, Upstream) {
    let upstream = Upstream::hello();
    let at = github.address();
    let section = format!(
        "[providers.github]\nkind = \"github\"\nclient_id = \"gh\"\nclient_secret = \"gh-secret\"\n\
         authorize_url = \"http://{at}/authorize\"\ntoken_url = \"http://{at}/token\"\nuser_url = \"http://{at}/user\"\n"
    );
    (Setup::new().section(&section).route("/user/*", "required").before(&upstream), upstream)
}

/// Where GitHub would send the browser back to, for a user who agrees.
fn begin(browser: &Browser<'_>, next: &str, user: &str) -> String {
    let sent = browser.visit(&format!("/.menshen/login/github/?next={next}"));
    assert_eq!(sent.status, 302, "{}", sent.text());
    let asked = Url::parse(sent.header("location").unwrap()).unwrap();
    let value = |name: &str| asked.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
    assert_eq!((asked.path(), value("client_id").as_str()), ("/authorize", "gh"));
    assert_eq!((value("code_challenge").len(), value("code_challenge_method").as_str()), (43, "S256"));
    assert_eq!(value("redirect_uri"), "http://www.meiduo.site/.menshen/callback/github");
    format!("/.menshen/callback/github?code={user}&state={}", value("state"))
}

#[test]
fn the_page_of_providers_has_a_button_for_each() {
    let github = github();
    let (proxy, _upstream) = before(&github);
    let page = proxy.browser().visit("/.menshen/login?next=/user/x").text();
    for (href, name) in [("/qq/login/?next=%2Fuser%2Fx", "QQ"), ("/.menshen/login/github/?next=%2Fuser%2Fx", "GitHub")]
    {
        assert!(page.contains(&format!("href=\"{href}\"")) && page.contains(name), "{page}");
    }
}

#[test]
fn a_login_with_another_provider_ends_where_it_was_to_and_is_another_user() {
    let github = github();
    let (proxy, upstream) = before(&github);
    let browser = proxy.browser();
    let callback = begin(&browser, "/user/x", "7");
    let back = browser.visit(&callback);
    assert_eq!((back.status, back.header("location")), (303, Some("/user/x")), "{}", back.text());
    let first = browser.user_id().unwrap();
    assert_eq!(browser.visit("/user/x").status, 200);
    assert_eq!(upstream.next().header("x-menshen-user"), Some(first.as_str()));
    let info = browser.get("/.menshen/userinfo", &[SCRIPT]).json();
    assert_eq!(
        (info["display_name"].as_str(), info["avatar"].as_str()),
        (Some("octocat7"), Some("https://a.example/7"))
    );
    // The same user again is the same, another is another, and so is one of QQ's.
    let again = proxy.browser();
    again.visit(&begin(&again, "/", "7"));
    assert_eq!(again.user_id().as_ref(), Some(&first));
    let other = proxy.browser();
    other.visit(&begin(&other, "/", "8"));
    let by_qq = proxy.browser();
    by_qq.log_in("10001");
    for user in [other.user_id(), by_qq.user_id()] {
        assert!(user.is_some_and(|user| user != first));
    }
    // A script is told the address, as by the contract.
    let told = proxy.browser().get("/.menshen/login/github/?next=/", &[SCRIPT]).json();
    assert!(told["login_url"].as_str().unwrap().contains("/authorize?"));
}

#[test]
fn a_return_to_another_providers_path_ends_no_login() {
    let github = github();
    let (proxy, _upstream) = before(&github);
    let browser = proxy.browser();
    let by_github = begin(&browser, "/", "7");
    let by_qq = browser.begin_login("/", "10001");
    let query = |callback: &str| callback.split_once('?').unwrap().1.to_owned();
    for mixed in
        [format!("/oauth_callback/?{}", query(&by_github)), format!("/.menshen/callback/github?{}", query(&by_qq))]
    {
        let answer = browser.copy().visit(&mixed);
        assert_eq!(answer.status, 403, "{mixed}: {}", answer.text());
        assert!(answer.cookie("menshen_session=").is_none());
    }
    assert_eq!(proxy.qq.count(Endpoint::Token), 0);
    github.saw_nothing();
    assert_eq!(browser.copy().visit(&by_qq).status, 303);
    assert_eq!(browser.visit(&by_github).status, 303);
}

#[test]
fn what_goes_wrong_there_is_told_as_with_qq() {
    let github = github();
    let (proxy, _upstream) = before(&github);
    let browser = proxy.browser();
    let state = |callback: String| callback.split_once("state=").unwrap().1.to_owned();
    let cancelled = browser
        .visit(&format!("/.menshen/callback/github?error=access_denied&state={}", state(begin(&browser, "/", "7"))));
    assert_eq!(cancelled.status, 403);
    assert!(cancelled.text().contains("取消") || cancelled.text().contains("cancel"), "{}", cancelled.text());
    let failed = browser
        .get(&format!("/.menshen/callback/github?code=bad&state={}", state(begin(&browser, "/", "7"))), &[SCRIPT]);
    assert_eq!((failed.status, failed.json()["code"].as_str()), (500, Some("5005")));
    assert_eq!(browser.visit("/.menshen/callback/github?code=7&state=0123456789abcdef0123456789abcdef").status, 403);
    for target in
        ["/.menshen/login/other/", "/.menshen/callback/other", "/.menshen/login/github/x", "/.menshen/callback/"]
    {
        assert_eq!(browser.get(target, &[PAGE]).status, 404, "{target}");
    }
}
