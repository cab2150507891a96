//! The good way through, the order of the checks, and the bytes of each answer.

use futures_util::future::join_all;

use super::*;
use crate::clock::Timestamp;
use crate::login::provider::{Challenge, Code, Display, Exchange, IdentityProvider, ProviderId, Way, qq};
use crate::secret::Secret;

#[tokio::test]
async fn a_browser_without_scripts_logs_in_by_two_redirects_and_a_form() {
    let simulator = simulator().await;
    let query = authorize_query("&state=a%26b&scope=get_user_info&display=mobile");
    let answer = get(&simulator, &format!("/oauth2.0/authorize?{query}")).await;
    assert_eq!(answer.status, 302);
    let page = answer.header("location").unwrap().to_owned();
    assert_eq!(page, format!("/oauth2.0/show?which=Login&display=mobile&{query}"));

    let page = get(&simulator, &page).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let hidden = format!(r#"name="query" value="{}""#, query.replace('&', "&#38;"));
    assert!(page.body.contains(&hidden), "{hidden} is not in {}", page.body);
    assert!(page.body.contains(r#"name="user" value="10001""#) && !page.body.contains("<script"));

    let form = format!("query={}&answer=approve&user=10001", query::encode(query.as_bytes()));
    let answer = post(&simulator, "/oauth2.0/authorize", &form).await;
    let location = answer.header("location").unwrap();
    let code = location.strip_prefix(&format!("{CALLBACK}?code=")).and_then(|rest| rest.strip_suffix("&state=a%26b"));
    assert!(answer.status == 302 && is_hex_32(code.unwrap()), "{location}");
}

#[tokio::test]
async fn the_state_comes_back_byte_for_byte() {
    let simulator = simulator().await;
    for state in ["", "a1B2", "%2Fcart.html%3Fa%3D1%26b%3D%E4%B8%AD%E6%96%87", "a+b%2Bc", "%FF%00%0D%0A", "%25%23%3F"] {
        let query = authorize_query(&format!("&state={state}"));
        let sent = query::Query::parse(query.as_bytes());
        let form = format!("query={}&answer=approve&user=10001", query::encode(query.as_bytes()));
        let answer = post(&simulator, "/oauth2.0/authorize", &form).await;
        let location = answer.header("location").unwrap().to_owned();
        let returned = query::Query::parse(location.split_once('?').unwrap().1.as_bytes());
        assert_eq!(returned.bytes("state").unwrap(), sent.bytes("state").unwrap(), "{location}");
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
    }
    let url = Url::parse(&format!("http://qq.example/?{}", authorize_query(""))).unwrap();
    assert!(!simulator.log_in(&url, "10001").unwrap().contains("state"));
}

#[tokio::test]
async fn authorize_errors_stay_on_qq_in_the_order_of_its_checks() {
    let simulator = simulator().await;
    let callback = query::encode(CALLBACK.as_bytes());
    let long = format!("{callback}%3Fa%3D{}", "a".repeat(1024));
    let offline = App { client_id: "1".into(), callbacks: CALLBACK.into(), online: false, ..App::default() };
    simulator.add_app(offline.clone());
    let cases = [
        ("".to_owned(), 100000),
        ("response_type=token&client_id=9".to_owned(), 100000),
        ("response_type=code".to_owned(), 100001),
        ("response_type=code&client_id=".to_owned(), 100001),
        ("response_type=code&client_id=9".to_owned(), 100008),
        (format!("response_type=code&client_id={CLIENT}"), 100010),
        (format!("response_type=code&client_id={CLIENT}&redirect_uri={callback}%2F"), 100010),
        (format!("response_type=code&client_id={CLIENT}&redirect_uri={callback}%23x"), 100010),
        (format!("response_type=code&client_id={CLIENT}&redirect_uri={callback}%0D%0Ax"), 100010),
        (format!("response_type=code&client_id={CLIENT}&redirect_uri={long}"), 100010),
        (format!("response_type=code&client_id={CLIENT}&redirect_uri={}", query::encode(callback.as_bytes())), 100010),
        (
            format!("response_type=code&client_id={CLIENT}&redirect_uri=http%3A%2F%2Fevil.example%2Foauth_callback"),
            100010,
        ),
        (format!("response_type=code&client_id=1&redirect_uri={callback}&display=mobile"), 100011),
    ];
    for (query, number) in cases {
        let display = if query.contains("mobile") { "mobile" } else { "pc" };
        let expected = format!("/oauth2.0/show?which=error&display={display}&error={number}&{query}");
        let answer = get(&simulator, &format!("/oauth2.0/authorize?{query}")).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())));
        // A form that was made up is checked just the same.
        let form = format!("query={}&answer=approve&user=10001", query::encode(query.as_bytes()));
        let answer = post(&simulator, "/oauth2.0/authorize", &form).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())));
    }
    let page = get(&simulator, "/oauth2.0/show?which=error&display=pc&error=100010&x=1").await;
    assert!(page.status == 200 && page.body.contains("redirect uri is illegal(100010)"), "{}", page.body);

    // With a query the callback is the same one; while the app is not online, its testers alone get in.
    let with_query = format!("response_type=code&client_id=1&redirect_uri={callback}%3Fa%3D1&state=x");
    let url = Url::parse(&format!("http://qq.example/?{with_query}")).unwrap();
    simulator.add_app(App { testers: vec!["10002".into()], ..offline });
    assert_eq!(simulator.log_in(&url, "10001").unwrap_err().number, 100011);
    assert!(simulator.log_in(&url, "10002").unwrap().starts_with(&format!("{CALLBACK}?a=1&code=")));
    simulator.set_rules(Rules { strict_host: true, ..Rules::default() });
    assert_eq!(simulator.log_in(&url, "10002").unwrap_err().number, 100010);
}

#[tokio::test]
async fn cancelling_closes_the_window_on_a_desktop_and_returns_on_a_phone() {
    let simulator = simulator().await;
    let cancel = |query: &str| format!("query={}&answer=cancel", query::encode(query.as_bytes()));
    let answer = post(&simulator, "/oauth2.0/authorize", &cancel(&authorize_query("&state=s"))).await;
    assert_eq!((answer.status, answer.header("location")), (200, None));
    let answer = post(&simulator, "/oauth2.0/authorize", &cancel(&authorize_query("&state=s&display=mobile"))).await;
    let expected = format!("{CALLBACK}?usercancel=1&state=s");
    assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())));
}

#[tokio::test]
async fn a_token_comes_in_the_form_that_was_asked_for() {
    let simulator = simulator().await;
    let openid = Simulator::openid("10001", CLIENT);
    for (more, before, between, after) in [
        ("", "access_token=", "&expires_in=5184000&refresh_token=", String::new()),
        ("&need_openid=1", "access_token=", "&expires_in=5184000&refresh_token=", format!("&openid={openid}")),
        ("&fmt=json", r#"{"access_token":""#, r#"","expires_in":"5184000","refresh_token":""#, r#""}"#.to_owned()),
        (
            "&fmt=json&need_openid=1",
            r#"{"access_token":""#,
            r#"","expires_in":"5184000","refresh_token":""#,
            format!(r#"","openid":"{openid}"}}"#),
        ),
    ] {
        let answer = get(&simulator, &format!("/oauth2.0/token?{}{more}", token_query(&code(&simulator)))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html")));
        let rest = answer.body.strip_prefix(before).unwrap();
        let (access, rest) = rest.split_at(32);
        let refresh = rest.strip_prefix(between).unwrap().strip_suffix(&after).unwrap();
        assert!(is_hex_32(access) && is_hex_32(refresh), "{}", answer.body);
    }
}

#[tokio::test]
async fn token_errors_come_in_the_order_of_qqs_checks() {
    let simulator = simulator().await;
    let code = code(&simulator);
    let mut query = String::new();
    for (more, error) in [
        ("grant_type=password", r#"100004,"error_description":"param grant_type is wrong or lost""#),
        ("grant_type=authorization_code", r#"100001,"error_description":"param client_id is wrong or lost ""#),
        ("client_id=9", r#"100002,"error_description":"param client_secret is wrong or lost""#),
        ("client_secret=x", r#"100005,"error_description":"param code is wrong or lost""#),
        ("code=x", r#"100008,"error_description":"client id is illegal""#),
        ("client_id=101000001", r#"100009,"error_description":"client secret is illegal""#),
        ("client_secret=appkey%2B%26%23%25", r#"100019,"error_description":"code to access token error""#),
        (&format!("code={code}"), r#"100010,"error_description":"redirect uri is illegal""#),
        // The mismatch has spent the code.
        ("redirect_uri=CALLBACK", r#"100020,"error_description":"code is reused error""#),
    ] {
        // A later pair goes first, so that it is the one that counts.
        query = format!("{}&{query}", more.replace("CALLBACK", &query::encode(CALLBACK.as_bytes())));
        let answer = get(&simulator, &format!("/oauth2.0/token?{query}")).await;
        assert_eq!((answer.status, answer.body), (200, format!("callback( {{\"error\":{error}}} );\n")), "{more}");
        let answer = get(&simulator, &format!("/oauth2.0/token?{query}&fmt=json")).await;
        assert_eq!(answer.body, format!("{{\"error\":{error}}}").replace("100010", "100010"), "{more}");
    }
}

#[tokio::test]
async fn of_many_exchanges_of_one_code_exactly_one_succeeds() {
    let simulator = simulator().await;
    let target = format!("/oauth2.0/token?{}&fmt=json", token_query(&code(&simulator)));
    let answers = join_all((0..32).map(|_| get(&simulator, &target))).await;
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.body.contains("access_token"));
    assert_eq!((good.len(), refused.len()), (1, 31));
    assert!(
        refused.iter().all(|answer| answer.body == r#"{"error":100020,"error_description":"code is reused error"}"#)
    );
    assert_eq!(simulator.count(Endpoint::Token), 32);
}

#[tokio::test]
async fn codes_live_ten_minutes_tokens_sixty_days_and_belong_to_one_app() {
    let simulator = simulator().await;
    let expired = code(&simulator);
    simulator.advance(Duration::from_secs(600));
    let answer = get(&simulator, &format!("/oauth2.0/token?{}", token_query(&expired))).await;
    assert!(answer.body.contains("100019"), "{}", answer.body);
    let foreign = token_query(&code(&simulator)).replace(CLIENT, OTHER_CLIENT);
    let answer = get(&simulator, &format!("/oauth2.0/token?{foreign}")).await;
    assert!(answer.body.contains("100019"), "{}", answer.body);

    let minted = simulator.mint_token(CLIENT, "10001").unwrap();
    simulator.advance(Duration::from_secs(5_184_000 - 1));
    let me = format!("/oauth2.0/me?access_token={}", minted.access_token);
    assert!(get(&simulator, &me).await.body.contains(&minted.openid));
    simulator.advance(Duration::from_secs(1));
    assert!(get(&simulator, &me).await.body.contains("100014"));
    let info = format!("/user/get_user_info?access_token={}", minted.access_token);
    assert_eq!(get(&simulator, &info).await.body, r#"{"ret":100014,"msg":"access token is expired"}"#);
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let simulator = simulator().await;
    let answer = get(&simulator, &format!("/oauth2.0/token?{}", token_query(&code(&simulator)))).await;
    let refresh = answer.body.split_once("refresh_token=").unwrap().1;
    let secret = query::encode(SECRET.as_bytes());
    let query = format!("grant_type=refresh_token&client_id={CLIENT}&client_secret={secret}");
    assert!(get(&simulator, &format!("/oauth2.0/token?{query}")).await.body.contains("100006"));
    let target = format!("/oauth2.0/token?{query}&refresh_token={refresh}");
    assert!(get(&simulator, &target).await.body.starts_with("access_token="));
    assert!(get(&simulator, &target).await.body.contains("100021"));
}

#[tokio::test]
async fn me_tells_app_and_openid_and_the_unionid_to_those_with_the_right() {
    let simulator = simulator().await;
    let ours = simulator.mint_token(CLIENT, "10001").unwrap();
    let other = simulator.mint_token(OTHER_CLIENT, "10001").unwrap();
    assert!(is_hex_32(&ours.openid) && ours.openid != other.openid);
    let unionid = Simulator::unionid("10001", "developer");
    let (token, openid) = (&ours.access_token, &ours.openid);
    let error =
        |number: u32, text: &str| format!("callback( {{\"error\":{number},\"error_description\":\"{text}\"}} );\n");
    for (query, body) in [
        (
            format!("access_token={token}"),
            format!("callback( {{\"client_id\":\"{CLIENT}\",\"openid\":\"{openid}\"}} );\n"),
        ),
        (format!("access_token={token}&fmt=json"), format!(r#"{{"client_id":"{CLIENT}","openid":"{openid}"}}"#)),
        (
            format!("access_token={token}&unionid=1"),
            format!("callback( {{\"client_id\":\"{CLIENT}\",\"openid\":\"{openid}\",\"unionid\":\"{unionid}\"}} );\n"),
        ),
        (format!("access_token={}&unionid=1", other.access_token), error(100048, "CompanyID not set")),
        (String::new(), error(100007, "param access_token is wrong or lost")),
        ("access_token=x".to_owned(), error(100016, "access token check failed")),
    ] {
        let answer = get(&simulator, &format!("/oauth2.0/me?{query}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.body.as_str()),
            (200, Some("text/html"), &body[..])
        );
    }
    simulator.set_rules(Rules { unknown_token: 100013, ..Rules::default() });
    let answer = get(&simulator, "/oauth2.0/me?access_token=x").await;
    assert_eq!(answer.body, error(100013, "access token is illegal"));
}

#[tokio::test]
async fn user_info_is_given_where_token_app_and_openid_agree() {
    let simulator = simulator().await;
    simulator.add_user(User::new("10009", "\"小\\明\"<b>😀"));
    let minted = simulator.mint_token(CLIENT, "10009").unwrap();
    let (token, openid) = (&minted.access_token, &minted.openid);
    let good = format!("/user/get_user_info?access_token={token}&oauth_consumer_key={CLIENT}&openid={openid}");
    let answer = get(&simulator, &good).await;
    let old = format!("http:\\/\\/qzapp.qlogo.cn\\/qzapp\\/{CLIENT}\\/{openid}");
    let new = format!("http://thirdqq.qlogo.cn/g?b=oidb&k={}", &openid[..13]);
    let expected = [
        "{",
        "    \"ret\": 0,",
        "    \"msg\": \"\",",
        "    \"is_lost\":0,",
        "    \"nickname\": \"\\\"小\\\\明\\\"<b>😀\",",
        "    \"gender\": \"男\",",
        "    \"gender_type\": 2,",
        "    \"province\": \"\",",
        "    \"city\": \"\",",
        "    \"year\": \"0\",",
        "    \"constellation\": \"\",",
        &format!("    \"figureurl\": \"{old}\\/30\","),
        &format!("    \"figureurl_1\": \"{old}\\/50\","),
        &format!("    \"figureurl_2\": \"{old}\\/100\","),
        &format!("    \"figureurl_qq_1\": \"{new}&s=40&t=1\","),
        &format!("    \"figureurl_qq_2\": \"{new}&s=100&t=1\","),
        &format!("    \"figureurl_qq\": \"{new}&s=640&t=1\","),
        "    \"figureurl_type\": \"1\",",
        "    \"is_yellow_vip\": \"0\",",
        "    \"vip\": \"0\",",
        "    \"yellow_vip_level\": \"0\",",
        "    \"level\": \"0\",",
        "    \"is_yellow_year_vip\": \"0\"",
        "}",
        "",
    ];
    assert_eq!(answer.body, expected.join("\n"));
    let by_appid = good.replace("oauth_consumer_key", "appid");
    assert!(get(&simulator, &by_appid).await.body.contains("\"ret\": 0"));

    let disagreeing = r#"{"ret":-1,"msg":"client request's parameters are invalid, invalid openid"}"#;
    let foreign = good.replace(CLIENT, OTHER_CLIENT);
    let other = good.replace(openid.as_str(), &Simulator::openid("10002", CLIENT));
    for target in [&foreign, &other, &format!("/user/get_user_info?access_token={token}")] {
        assert_eq!(get(&simulator, target).await.body, disagreeing);
    }
    let unknown = good.replace(token.as_str(), "x");
    assert_eq!(get(&simulator, &unknown).await.body, r#"{"ret":-23,"msg":"token is invalid"}"#);
}

#[tokio::test]
async fn an_app_gets_only_what_the_user_granted() {
    let simulator = simulator().await;
    let url = Url::parse(&format!("http://qq.example/?{}", authorize_query("&scope=list_album"))).unwrap();
    let callback = Url::parse(&simulator.log_in(&url, "10001").unwrap()).unwrap();
    let code = callback.query_pairs().next().unwrap().1.into_owned();
    let answer = get(&simulator, &format!("/oauth2.0/token?{}", token_query(&code))).await;
    let token = &answer.body["access_token=".len()..][..32];
    let openid = Simulator::openid("10001", CLIENT);
    let target = format!("/user/get_user_info?access_token={token}&oauth_consumer_key={CLIENT}&openid={openid}");
    let expected = r#"{"ret":100030,"msg":"this api without user authorization"}"#;
    assert_eq!(get(&simulator, &target).await.body, expected);
}

#[tokio::test]
async fn a_token_call_by_post_is_understood_only_where_the_rule_says_so() {
    let simulator = simulator().await;
    let form = token_query(&code(&simulator));
    assert!(post(&simulator, "/oauth2.0/token", &form).await.body.contains("100004"));
    simulator.set_rules(Rules { post_token: true, ..Rules::default() });
    assert!(post(&simulator, "/oauth2.0/token", &form).await.body.starts_with("access_token="));
}

#[tokio::test]
async fn qqs_undocumented_choices_are_rules() {
    let simulator = simulator().await;
    simulator.set_rules(Rules {
        mismatch_spends_code: false,
        reuse_revokes: true,
        dead_token: 1002,
        unknown_code: 100020,
        token_seconds: 7_776_000,
        ..Rules::default()
    });
    let query = token_query(&code(&simulator));
    let token = async |query: &str| get(&simulator, &format!("/oauth2.0/token?{query}")).await.body;
    assert!(token(&query.replace("oauth_callback", "elsewhere")).await.contains("100010"));
    let answer = token(&query).await;
    assert!(answer.contains("&expires_in=7776000&"), "{answer}");
    let access_token = &answer["access_token=".len()..][..32];
    assert!(token(&query).await.contains("100020"));
    let me = get(&simulator, &format!("/oauth2.0/me?access_token={access_token}")).await;
    assert!(me.body.contains("100015"), "{}", me.body);
    let info = get(&simulator, &format!("/user/get_user_info?access_token={access_token}")).await;
    assert_eq!(info.body, r#"{"ret":1002,"msg":"请先登录"}"#);
    assert!(token(&token_query("unknown")).await.contains("100020"));
}

#[tokio::test]
async fn pages_speak_the_visitors_language_and_escape_what_people_chose() {
    let simulator = simulator().await;
    simulator.add_user(User::new("\"><script>", "<script>alert(1)</script>"));
    let page = async |language: &str| {
        let query = authorize_query("&state=%22%3E%3Cscript%3E&client_id=x");
        let request = format!("GET /oauth2.0/show?which=Login&display=pc&{query} HTTP/1.1\r\nHost: x\r\n");
        ask(simulator.addr(), &format!("{request}Connection: close\r\nAccept-Language: {language}\r\n\r\n")).await
    };
    let (request_zh, request_en) = (page("zh-CN").await, page("en-GB,en;q=0.9").await);
    assert!(request_zh.body.contains("不是腾讯 QQ") && request_en.body.contains("not Tencent QQ"));
    for answer in [request_zh, request_en] {
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused_and_not_logged() {
    let simulator = simulator().await;
    assert_eq!(get(&simulator, "/").await.status, 404);
    assert_eq!(get(&simulator, "/moc2/authorize").await.status, 404);
    let answer = post(&simulator, "/oauth2.0/me", "access_token=x").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    assert_eq!(simulator.requests().len(), 0);
}

#[tokio::test]
async fn our_own_provider_logs_in_here() {
    let simulator = simulator().await;
    let endpoint = |path: &str| Url::parse(&format!("http://{}{path}", simulator.addr())).unwrap();
    let provider = qq::Qq::new(qq::Settings {
        id: ProviderId::new("qq"),
        client_id: CLIENT.into(),
        client_secret: Secret::from(SECRET),
        authorize_url: endpoint("/oauth2.0/authorize"),
        token_url: endpoint("/oauth2.0/token"),
        openid_url: endpoint("/oauth2.0/me"),
        user_info_url: endpoint("/user/get_user_info"),
        unionid: true,
        scope: Vec::new(),
        exchange_timeout: Duration::from_secs(30),
        way: Way { connect_timeout: Duration::from_secs(10), proxy: None, extra_ca: None },
    })
    .unwrap();
    let redirect_uri = Url::parse(CALLBACK).unwrap();
    let challenge = Challenge { state: "a1B2", redirect_uri: &redirect_uri, display: Display::Desktop, pkce: None };
    let callback =
        Url::parse(&simulator.log_in(&provider.authorize_url(&challenge).unwrap(), "10001").unwrap()).unwrap();
    let pairs: Vec<_> = callback.query_pairs().into_owned().collect();
    let code = Code::parse(&pairs[0].1).unwrap();
    let identity = provider
        .identify(Exchange { code, redirect_uri: &redirect_uri, pkce: None, now: Timestamp::EPOCH })
        .await
        .unwrap();
    assert_eq!(identity.subject, Simulator::openid("10001", CLIENT));
    assert_eq!(identity.unionid, Some(Simulator::unionid("10001", "developer")));
    assert_eq!(identity.display_name.as_deref(), Some("小明"));
    let asked: Vec<_> = simulator.requests().iter().map(|request| request.endpoint).collect();
    assert_eq!(asked, [Endpoint::Token, Endpoint::Me, Endpoint::UserInfo]);
}
