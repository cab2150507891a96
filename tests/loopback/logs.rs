//! What operators read: enough to find a request again, and nothing that opens anything.

use std::collections::BTreeSet;
use std::io::Write;

use menshen::demo::qq::{Effect, Endpoint, Switch, WireFault};
use serde_json::Value;

use crate::support::{
    CLIENT_SECRET, Log, PAGE, SCRIPT, Setup, Upstream, events, nobody_listens, read_body, read_head, reset,
};

fn names(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn one<'l>(lines: &'l [Value], path: &str) -> &'l Value {
    let mut found = lines.iter().filter(|line| line["path"] == path);
    let line = found.next().unwrap_or_else(|| panic!("no line for {path}"));
    assert!(found.next().is_none(), "two lines for {path}");
    line
}

/// Regression: an answer that its client did not take in full stood in the log as one that it had.
#[test]
fn an_answer_that_the_client_did_not_wait_for_is_said_to_be_broken() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhi").unwrap();
        read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let mut proxy = Setup::new().log("access = true").before(&upstream);
    let mut client = proxy.connect();
    client.get("/left", &[]).until(b"hi");
    drop(client);
    upstream.next();
    proxy.stop();
    let lines = proxy.log.objects();
    let line = one(&lines, "/left");
    assert!(line["broken"].as_str().unwrap().contains("the client left"), "{line}");
    // Nor is there an answer where the client left before it.
    let (mute, asked) = (
        Upstream::serving(|mut stream, connection, seen| {
            seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
            read_body(&mut stream, 1);
        }),
        "/unanswered",
    );
    let mut proxy = Setup::new().log("access = true").before(&mute);
    let mut client = proxy.connect();
    client.get(asked, &[]);
    mute.next();
    drop(client);
    proxy.stop();
    let lines = proxy.log.objects();
    let line = one(&lines, asked);
    assert_eq!(line["status"], 0, "{line}");
    assert!(line["broken"].as_str().unwrap().contains("before there was an answer"), "{line}");
    // What has no body, and what was taken in full, is whole.
    let whole = Upstream::hello();
    let mut proxy = Setup::new().log("access = true").before(&whole);
    let mut client = proxy.connect();
    client.send("HEAD /head HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n").answer_to(true);
    client.get("/whole", &[]).answer();
    client.get("/.menshen/health", &[]).answer();
    drop(client);
    proxy.stop();
    let lines = proxy.log.objects();
    for path in ["/head", "/whole", "/.menshen/health"] {
        let line = one(&lines, path);
        assert!(line.get("broken").is_none(), "{line}");
    }
}

#[test]
fn a_line_names_the_endpoint_that_answered_and_how_many_did_not() {
    let (gone, upstream) = (nobody_listens(), Upstream::hello());
    let setup = Setup::new().one_core().log("access = true\nlevel = \"error\"").upstream("ejection.failures = 0");
    let mut proxy = setup.before_all(&[gone, upstream.address()]);
    for _ in 0..4 {
        assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    }
    proxy.stop();
    let lines = proxy.log.objects();
    let endpoint = upstream.address().to_string();
    assert_eq!(lines.len(), 4, "{lines:?}");
    // Every other time it is the dead one's turn.
    for (line, retries) in lines.iter().zip([Some(1), None, Some(1), None]) {
        assert_eq!((line["endpoint"].as_str(), line["retries"].as_u64()), (Some(endpoint.as_str()), retries), "{line}");
    }
}

#[test]
fn each_request_has_its_line_with_what_was_decided() {
    let upstream = Upstream::hello();
    let endpoint = upstream.address().to_string();
    let mut proxy = Setup::new()
        .log("access = true\nlevel = \"error\"")
        .route("/user/*", "required")
        .route("/public/*", "public")
        .before(&upstream);
    let user = {
        let browser = proxy.browser();
        let stranger = proxy.browser();
        stranger.get("/optional", &[SCRIPT]);
        stranger.get("/public/x?secret=1", &[SCRIPT]);
        stranger.visit("/user/page");
        stranger.get("/user/script", &[SCRIPT]);
        browser.log_in("10001");
        browser.get("/user/orders", &[SCRIPT]);
        browser.post("/user/foreign", &["Origin: http://evil.example"]);
        browser.get("/.menshen/nothing", &[SCRIPT]);
        for line in ["GET /elsewhere", "GET /.menshen/health", "GET /.well-known/jwks.json"] {
            proxy.connect().send(format!("{line} HTTP/1.1\r\nHost: evil.example\r\n\r\n")).answer();
        }
        stranger.request("TRACE", "/traced", &[SCRIPT], "");
        stranger.get("//oauth_callback/", &[SCRIPT]);
        let user = browser.user_id().unwrap();
        assert_eq!(browser.visit("/.menshen/logout").status, 200);
        user
    };
    proxy.stop();
    let lines = proxy.log.objects();
    for (path, decision, status, route, upstream) in [
        ("/optional", "anonymous", 200, Some("/*"), Some("mall")),
        ("/.menshen/logout", "own", 200, Some("Logout"), None),
        ("/.menshen/userinfo", "own", 200, Some("UserInfo"), None),
        ("/public/x", "anonymous", 200, Some("/public/*"), Some("mall")),
        ("/user/page", "login", 302, Some("/user/*"), None),
        ("/user/script", "unauthorized", 401, Some("/user/*"), None),
        ("/qq/login/", "own", 200, Some("LoginStart"), None),
        ("/oauth_callback", "own", 303, Some("Callback"), None),
        ("/user/orders", "identity", 200, Some("/user/*"), Some("mall")),
        ("/user/foreign", "foreign-origin", 403, Some("/user/*"), None),
        ("/.menshen/nothing", "own", 404, Some("Nothing"), None),
        ("/elsewhere", "none", 421, None, None),
        ("/traced", "none", 405, None, None),
        ("//oauth_callback/", "none", 404, None, None),
        ("/.menshen/health", "own", 200, Some("Health"), None),
        ("/.well-known/jwks.json", "own", 200, Some("Jwks"), None),
    ] {
        let line = one(&lines, path);
        assert_eq!(line["decision"], decision, "{line}");
        assert_eq!((line["status"].as_u64(), line["route"].as_str()), (Some(status), route), "{line}");
        assert_eq!(line.get("route").is_some(), route.is_some(), "{line}");
        assert_eq!(line["upstream"].as_str(), upstream, "{line}");
        assert_eq!(line["upstream_ms"].is_number(), upstream.is_some(), "{line}");
        let endpoint = upstream.map(|_| endpoint.as_str());
        assert_eq!((line["endpoint"].as_str(), line.get("retries")), (endpoint, None), "{line}");
        assert_eq!(
            (line["client"].as_str(), line["time"].as_str()),
            (Some("127.0.0.1"), Some("2027-01-15T08:00:00.000Z"))
        );
        let always =
            ["bytes", "client", "decision", "duration_ms", "host", "method", "path", "request_id", "status", "time"];
        assert!(names(line).is_superset(&BTreeSet::from(always)), "{line}");
    }
    assert_eq!(one(&lines, "/user/orders")["bytes"], 5);
    // Who was logged in, or is from this answer on.
    let hash = &one(&lines, "/user/orders")["openid_hash"];
    assert_eq!(hash.as_str().unwrap().len(), 16);
    for path in ["/user/orders", "/user/foreign", "/oauth_callback", "/.menshen/userinfo", "/.menshen/logout"] {
        let line = one(&lines, path);
        assert_eq!((line["user"].as_str(), &line["openid_hash"]), (Some(user.as_str()), hash), "{line}");
    }
    for path in ["/user/script", "/optional", "/qq/login/"] {
        let line = one(&lines, path);
        assert!(line.get("user").is_none() && line.get("openid_hash").is_none(), "{line}");
    }
    assert!(lines.iter().all(|line| line.get("cause").is_none()), "nothing failed");
    let ids: BTreeSet<&str> = lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), lines.len(), "ids repeat");
}

#[test]
fn what_the_operator_has_to_mend_stands_in_the_line_of_the_request_that_met_it() {
    let upstream = Upstream::serving(|stream, _, _| reset(stream));
    let mut proxy = Setup::new().log("access = true\nlevel = \"error\"").before(&upstream);
    let ids = {
        let browser = proxy.browser();
        let mut ids = Vec::new();
        for number in [100_009, 100_010] {
            let callback = browser.begin_login("/", "10001");
            proxy.qq.set(Switch::once(Endpoint::Token, Effect::Error { number, text: Some("told-by-qq".to_owned()) }));
            let answer = browser.get(&callback, &[SCRIPT]);
            assert_eq!(answer.status, 500);
            ids.push((answer.json()["request_id"].as_str().unwrap().to_owned(), 500, format!("error {number}")));
        }
        (0..3).for_each(|_| {
            let callback = browser.begin_login("/", "10001");
            proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Status(502))));
            assert_eq!(browser.visit(&callback).status, 500);
        });
        let answer = browser.get("/qq/login/", &[SCRIPT]);
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        ids.push((id, 503, "the provider has not answered lately".to_owned()));
        let answer = browser.get("/orders", &[SCRIPT]);
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        ids.push((id, 502, "upstream mall".to_owned()));
        ids
    };
    proxy.stop();
    let lines = proxy.log.objects();
    for (id, status, cause) in ids {
        let line = lines.iter().find(|line| line["request_id"] == id.as_str()).unwrap();
        assert_eq!(line["status"], status, "{line}");
        assert!(line["cause"].as_str().unwrap().contains(&cause), "{line}");
        assert!(!line.to_string().contains("told-by-qq"), "{line}");
    }
}

/// Regression: a `Host` of 50 KB made a line of 50 KB, which those who collect lines tear.
#[test]
fn nothing_that_a_client_sends_makes_a_line_too_long_for_who_collects_it() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().log("access = true\nlevel = \"error\"").before(&upstream);
    let long = "zqy".repeat(16_000);
    let target = format!("/{}", "x".repeat(6000));
    let answer = proxy.connect().send(format!("GET {target} HTTP/1.1\r\nHost: {long}\r\n\r\n")).answer();
    assert_eq!(answer.status, 421);
    proxy.stop();
    let lines = proxy.log.objects();
    let line = lines.iter().find(|line| line["status"] == 421).unwrap();
    assert_eq!(line["path"], format!("{}… ({} bytes more)", &target[..2048], target.len() - 2048));
    assert_eq!(line["host"], format!("{}… ({} bytes more)", &long[..2048], long.len() - 2048));
    events().wait_for(1, &["no site has this name", "zqyzqy", "bytes more)"]);
    let longest = events().text().lines().filter(|line| line.contains("zqyzqy")).map(str::len).max();
    assert!(longest < Some(4096), "{longest:?}");
}

#[test]
fn no_log_holds_a_code_a_state_a_cookie_a_token_or_a_secret() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().log("access = true\nlevel = \"debug\"").before(&upstream);
    let mut secrets = vec![CLIENT_SECRET.to_owned(), "next=%2Fsecret-place".to_owned()];
    let openid = menshen::demo::qq::Simulator::openid("10001", crate::support::CLIENT_ID);
    {
        let browser = proxy.browser();
        let mut keep = |callback: &str| {
            let query = callback.split_once('?').unwrap().1.to_owned();
            secrets.extend(url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()));
        };
        for effect in [
            Effect::Error { number: 100_020, text: Some("told-by-qq".to_owned()) },
            Effect::Error { number: 100_009, text: None },
        ] {
            proxy.qq.set(Switch::once(Endpoint::Token, effect));
            let failed = browser.begin_login("/secret-place", "10001");
            keep(&failed);
            assert_eq!(browser.visit(&failed).status, 500);
            browser.visit(&failed);
        }
        let callback = browser.begin_login("/", "10001");
        keep(&callback);
        let answer = browser.get(&callback, &["Accept: application/json"]);
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        browser.get("/?token=in-the-query", &[PAGE, &format!("Authorization: Bearer {token}")]);
        browser.get("/", &[PAGE, "Authorization: Basic c2VjcmV0"]);
        secrets.extend(
            answer
                .all("set-cookie")
                .iter()
                .map(|cookie| cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()),
        );
        secrets.push(upstream.next().header("authorization").unwrap().to_owned());
        secrets.extend([token, "in-the-query".to_owned(), "c2VjcmV0".to_owned(), openid]);
        browser.post("/.menshen/logout", &[]);
    }
    secrets.retain(|secret| secret.len() > 5);
    secrets.extend(proxy.qq.requests().iter().filter_map(|request| {
        let query = request.query.split('&').find_map(|pair| pair.strip_prefix("access_token="));
        query.map(str::to_owned)
    }));
    assert!(secrets.len() > 12, "{secrets:?}");
    proxy.stop();
    let logs: [(&str, &Log); 2] = [("access", &proxy.log), ("events", events())];
    for (name, log) in logs {
        let text = log.text();
        assert!(text.contains("request_id"), "the {name} log is empty");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} stands in the {name} log");
        }
    }
}
