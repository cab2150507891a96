//! Every switch, and how long it holds.

use super::*;

/// The body that `me` answers in QQ's own form, spoilt.
async fn spoilt(simulator: &Simulator, mangle: Mangle) -> Vec<u8> {
    let token = simulator.mint_token(CLIENT, "10001").unwrap().access_token;
    simulator.set(Switch::once(Endpoint::Me, Effect::Body(mangle)));
    let request = format!("GET /oauth2.0/me?access_token={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let bytes = raw(simulator.addr(), &request).await.unwrap();
    let body_at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    bytes[body_at..].to_vec()
}

#[tokio::test]
async fn every_spoilt_callback_has_its_bytes() {
    let simulator = simulator().await;
    let id = Simulator::openid("10001", CLIENT);
    let inside = format!(r#"{{"client_id":"{CLIENT}","openid":"{id}"}}"#);
    let with = |openid: &str| format!("callback( {{\"client_id\":\"{CLIENT}\"{openid}}} );\n");
    let cases = [
        (Mangle::Replace("x".into()), "x".to_owned()),
        (Mangle::OpenIdMissing, with("")),
        (Mangle::OpenIdEmpty, with(r#","openid":"""#)),
        (Mangle::OpenIdLowerCase, with(&format!(r#","openid":"{}""#, id.to_ascii_lowercase()))),
        (Mangle::OpenIdTooLong, with(&format!(r#","openid":"{id}0""#))),
        (Mangle::OpenIdNumber, with(r#","openid":12345678901234567890123456789012"#)),
        (Mangle::OpenIdTwice, with(&format!(r#","openid":"{id}","openid":"{}""#, "0".repeat(32)))),
        (Mangle::NoLineFeed, format!("callback( {inside} );")),
        (Mangle::TwoLineFeeds, format!("callback( {inside} );\n\n")),
        (Mangle::CarriageReturn, format!("callback( {inside} );\r\n")),
        (Mangle::NoBlanks, format!("callback({inside});\n")),
        (Mangle::SeveralLines, format!("callback(\n{}\n);\n", inside.replace(',', ",\n  "))),
        (Mangle::OtherCallback, format!("jsonp1( {inside} );\n")),
        (Mangle::Unclosed, format!("callback( {inside} ;\n")),
        (Mangle::NoSemicolon, format!("callback( {inside} )\n")),
        (Mangle::TextBefore, format!("while(1); callback( {inside} );\n")),
        (Mangle::TextAfter, format!("callback( {inside} ); alert(1)\n")),
        (Mangle::ParenthesisInValue, with(&format!(r#","openid":"{id}""#)).replacen('{', r#"{"note":"a);b(","#, 1)),
        (Mangle::ByteOrderMark, format!("\u{FEFF}callback( {inside} );\n")),
        (Mangle::LineFeed, format!("callback( {inside} );\n\n")),
    ];
    for (mangle, expected) in cases {
        let name = format!("{mangle:?}");
        assert_eq!(String::from_utf8(spoilt(&simulator, mangle).await).unwrap(), expected, "{name}");
    }
    assert!(String::from_utf8(spoilt(&simulator, Mangle::BrokenUtf8).await).is_err());
    assert!(String::from_utf8(spoilt(&simulator, Mangle::Html).await).unwrap().starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn the_life_of_a_token_is_told_in_every_way_qq_might() {
    let simulator = simulator().await;
    for (mangle, form, json) in [
        (Mangle::ExpiresInNumber, "&expires_in=5184000&", r#","expires_in":5184000,"#),
        (Mangle::ExpiresInText, "&expires_in=5184000&", r#","expires_in":"5184000","#),
        (Mangle::ExpiresInMissing, "&refresh_token=", r#","refresh_token":"#),
        (Mangle::ExpiresInNegative, "&expires_in=-1&", r#","expires_in":"-1","#),
        (Mangle::ExpiresInHuge, "&expires_in=99999999999999999999999999&", r#""99999999999999999999999999","#),
    ] {
        simulator.set(Switch::times(Endpoint::Token, Effect::Body(mangle.clone()), 2));
        for (more, part) in [("", form), ("&fmt=json", json)] {
            let answer = get(&simulator, &format!("/oauth2.0/token?{}{more}", token_query(&code(&simulator)))).await;
            assert!(answer.body.contains(part), "{mangle:?}: {}", answer.body);
            assert!(!answer.body.contains("&&") && !answer.body.contains(",,"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn errors_are_told_in_the_endpoints_own_form_and_touch_nothing() {
    let simulator = simulator().await;
    let target = format!("/oauth2.0/token?{}", token_query(&code(&simulator)));
    let text = Some("client_secret is wrong".to_owned());
    simulator.set(Switch::once(Endpoint::Token, Effect::Error { number: 100002, text }));
    let expected = "callback( {\"error\":100002,\"error_description\":\"client_secret is wrong\"} );\n";
    assert_eq!(get(&simulator, &target).await.body, expected);
    simulator.set(Switch::once(Endpoint::Token, Effect::Error { number: 100020, text: None }));
    simulator.set(Switch::once(Endpoint::Token, Effect::Body(Mangle::ErrorPairs)));
    assert_eq!(get(&simulator, &target).await.body, "code=100020&msg=code%20is%20reused%20error");
    assert!(get(&simulator, &target).await.body.starts_with("access_token="));

    simulator.set(Switch::once(Endpoint::UserInfo, Effect::Error { number: 1002, text: None }));
    assert_eq!(get(&simulator, "/user/get_user_info").await.body, r#"{"ret":1002,"msg":"请先登录"}"#);
    simulator.set(Switch::once(Endpoint::Authorize, Effect::Error { number: 100011, text: None }));
    let answer = get(&simulator, &format!("/oauth2.0/authorize?{}", authorize_query(""))).await;
    assert!(answer.header("location").unwrap().starts_with("/oauth2.0/show?which=error&display=pc&error=100011&"));
}

#[tokio::test]
async fn what_an_answer_tells_can_be_chosen() {
    let simulator = simulator().await;
    simulator.set(Switch::once(Endpoint::Token, Effect::AccessToken("A+&#% B".into())));
    simulator.set(Switch::once(Endpoint::Token, Effect::Format(Format::Json)));
    let answer = get(&simulator, &format!("/oauth2.0/token?{}", token_query(&code(&simulator)))).await;
    assert!(answer.body.starts_with(r#"{"access_token":"A+&#% B","#), "{}", answer.body);
    simulator.set(Switch::once(Endpoint::Me, Effect::ForeignClient("101999999".into())));
    let target = "/oauth2.0/me?access_token=A%2B%26%23%25%20B";
    assert!(get(&simulator, target).await.body.starts_with("callback( {\"client_id\":\"101999999\","));
    assert!(get(&simulator, target).await.body.starts_with("callback( {\"client_id\":\"101000001\","));

    simulator.set(Switch::once(Endpoint::Token, Effect::AccessToken("A+&#% B".into())));
    let answer = get(&simulator, &format!("/oauth2.0/token?{}", token_query(&code(&simulator)))).await;
    assert!(answer.body.starts_with("access_token=A%2B%26%23%25%20B&"), "{}", answer.body);

    simulator.set(Switch::once(Endpoint::UserInfo, Effect::Nickname("<script>\0".into())));
    simulator.set(Switch::once(Endpoint::UserInfo, Effect::Avatar("javascript:alert(1)".into())));
    let minted = simulator.mint_token(CLIENT, "10001").unwrap();
    let (token, openid) = (&minted.access_token, &minted.openid);
    let target = format!("/user/get_user_info?access_token={token}&oauth_consumer_key={CLIENT}&openid={openid}");
    let body = get(&simulator, &target).await.body;
    assert!(body.contains("\"nickname\": \"<script>\\u0000\",") && body.contains("\"javascript:alert(1)\""), "{body}");
}

#[tokio::test]
async fn the_browser_can_be_sent_back_in_every_wrong_way() {
    let simulator = simulator().await;
    let url = Url::parse(&format!("http://qq.example/?{}", authorize_query("&state=s"))).unwrap();
    for (fault, expected) in [
        (CallbackFault::State("x&y".into()), "?code=CODE&state=x%26y"),
        (CallbackFault::NoState, "?code=CODE"),
        (CallbackFault::NoCode, "?state=s"),
        (CallbackFault::TwoCodes, "?code=CODE&code=CODE&state=s"),
        (CallbackFault::UserCancel, "?usercancel=1&state=s"),
        (CallbackFault::Error(100010), "?error=100010&error_description=redirect%20uri%20is%20illegal&state=s"),
        (CallbackFault::CodeAndMessage(100010), "?code=100010&msg=redirect%20uri%20is%20illegal&state=s"),
    ] {
        simulator.set(Switch::once(Endpoint::Approve, Effect::Callback(fault)));
        let callback = simulator.log_in(&url, "10001").unwrap();
        let query = callback.strip_prefix(CALLBACK).unwrap();
        let code = query.strip_prefix("?code=").and_then(|rest| rest.get(..32)).filter(|code| is_hex_32(code));
        assert_eq!(query.replace(code.unwrap_or("no code"), "CODE"), expected);
    }
    assert!(simulator.log_in(&url, "10001").unwrap().ends_with("&state=s"));

    simulator.set(Switch::once(Endpoint::Approve, Effect::Callback(CallbackFault::Twice)));
    let form = format!("query={}&answer=approve&user=10001", query::encode(authorize_query("&state=s").as_bytes()));
    let page = post(&simulator, "/oauth2.0/authorize", &form).await.body;
    assert_eq!(page.matches("/oauth_callback?code=").count(), 2, "{page}");
}

#[tokio::test]
async fn a_switch_holds_for_as_many_calls_as_it_was_set_for() {
    let simulator = simulator().await;
    let broken = Effect::Wire(WireFault::Status(503));
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(get(&simulator, "/oauth2.0/me").await.status);
        }
        statuses
    };
    simulator.set(Switch::once(Endpoint::Me, broken.clone()));
    assert_eq!(statuses(2).await, [503, 200]);
    simulator.set(Switch::times(Endpoint::Me, broken.clone(), 2));
    assert_eq!(statuses(3).await, [503, 503, 200]);
    simulator.set(Switch::times(Endpoint::Me, broken.clone(), 0));
    assert_eq!(statuses(1).await, [200]);
    simulator.set(Switch::standing(Endpoint::Me, broken));
    assert_eq!(statuses(3).await, [503, 503, 503]);
    assert_eq!(get(&simulator, "/user/get_user_info").await.status, 200);
    simulator.clear_switches();
    assert_eq!(statuses(1).await, [200]);
}

#[tokio::test]
async fn answers_arrive_as_badly_as_they_are_told_to() {
    let simulator = simulator().await;
    let request = "GET /oauth2.0/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let whole = get(&simulator, "/oauth2.0/me").await;
    let faulty = async |fault: WireFault| {
        simulator.set(Switch::once(Endpoint::Me, Effect::Wire(fault)));
        raw(simulator.addr(), request).await
    };
    let text = |bytes: io::Result<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();

    let answer = text(faulty(WireFault::Redirect("http://evil.example/".into())).await);
    assert!(answer.starts_with("HTTP/1.1 302") && answer.contains("location: http://evil.example/\r\n"), "{answer}");
    let answer = text(faulty(WireFault::ContentType(None)).await);
    assert!(!answer.to_ascii_lowercase().contains("content-type"), "{answer}");
    let answer = text(faulty(WireFault::ContentType(Some("application/json".into()))).await);
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    let answer = text(faulty(WireFault::SlowHead(10)).await);
    assert!(answer.ends_with(&whole.body), "{answer}");
    assert!(text(faulty(WireFault::SlowBody(1)).await).starts_with("HTTP/1.1 200"));

    let half = &whole.body[..whole.body.len() / 2];
    let answer = text(faulty(WireFault::CutBody).await);
    let promised = format!("content-length: {}\r\n", whole.body.len() + 100);
    assert!(answer.contains(&promised) && answer.ends_with(half), "{answer}");
    let answer = text(faulty(WireFault::CutChunk).await);
    assert!(answer.contains("transfer-encoding: chunked") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(faulty(WireFault::ResetBeforeHead).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(faulty(WireFault::ResetAfterHead).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let huge = faulty(WireFault::Huge).await.unwrap();
    assert!(huge.len() > 64 * 1024 * 1024 && huge.starts_with(b"HTTP/1.1 200"));
    let bomb = faulty(WireFault::GzipBomb).await.unwrap();
    let gzip_at = bomb.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(bomb.len() < 500 * 1024 && bomb[gzip_at..].starts_with(&[0x1F, 0x8B, 8]));
    assert!(String::from_utf8_lossy(&bomb[..gzip_at]).contains("content-encoding: gzip"));
}

#[tokio::test]
async fn endless_and_silent_answers_last_until_the_client_leaves() {
    let simulator = simulator().await;
    simulator.set(Switch::once(Endpoint::Me, Effect::Wire(WireFault::Endless)));
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    stream.write_all(b"GET /oauth2.0/me HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut piece = vec![0; 64 * 1024 * 1024 + 1];
    stream.read_exact(&mut piece).await.unwrap();
    drop(stream);

    simulator.set(Switch::once(Endpoint::Me, Effect::Wire(WireFault::Silence)));
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    stream.write_all(b"GET /oauth2.0/me HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    simulator.asked(Endpoint::Me, 2).await;
    let answer = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_held_answer_goes_when_it_is_released() {
    let simulator = simulator().await;
    simulator.set(Switch::once(Endpoint::Me, Effect::Wire(WireFault::Hold)));
    let (held, ()) = tokio::join!(get(&simulator, "/oauth2.0/me"), async {
        simulator.asked(Endpoint::Me, 1).await;
        simulator.release();
    });
    assert!(held.body.contains("100007"), "{}", held.body);
}
