//! The remote control.

use serde_json::{Value, json};

use super::*;

async fn control(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json");
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = ask(simulator.control_addr(), &request).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn a_test_in_another_process_can_do_all_of_it() {
    let simulator = simulator().await;
    let done = (200, json!({}));
    let app = json!({ "client_id": "7", "client_secret": "k", "callbacks": "http://127.0.0.1:9/back" });
    assert_eq!(control(&simulator, "POST", "/apps", &app).await, done);
    assert_eq!(control(&simulator, "POST", "/users", &json!({ "number": "5", "nickname": "五" })).await, done);
    assert_eq!(control(&simulator, "PUT", "/rules", &json!({ "unknown_code": 100018 })).await, done);

    let authorize = "http://x/?response_type=code&client_id=7&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fback&state=s";
    let login = json!({ "authorize_url": authorize, "user": "5" });
    let (status, answer) = control(&simulator, "POST", "/logins", &login).await;
    let callback = answer["callback"].as_str().unwrap();
    assert!(status == 200 && callback.starts_with("http://127.0.0.1:9/back?code="), "{callback}");
    let code = &callback["http://127.0.0.1:9/back?code=".len()..][..32];

    assert_eq!(control(&simulator, "POST", "/clock", &json!({ "advance_seconds": 600 })).await, done);
    let query = format!("grant_type=authorization_code&client_id=7&client_secret=k&code={code}");
    assert!(get(&simulator, &format!("/oauth2.0/token?{query}")).await.body.contains("100018"));

    let (_, minted) = control(&simulator, "POST", "/tokens", &json!({ "client_id": "7", "user": "5" })).await;
    assert_eq!(minted["openid"], Simulator::openid("5", "7"));
    let me = format!("/oauth2.0/me?access_token={}", minted["access_token"].as_str().unwrap());
    let switch = json!({ "endpoint": "me", "effect": { "body": "open-id-empty" }, "times": 1 });
    assert_eq!(control(&simulator, "POST", "/switches", &switch).await, done);
    assert!(get(&simulator, &me).await.body.contains(r#""openid":"""#));

    let (_, log) = control(&simulator, "GET", "/requests", &Value::Null).await;
    assert_eq!(log["requests"].as_array().unwrap().len(), 2);
    assert_eq!(log["requests"][0]["query"], query);
    assert_eq!(log["requests"][1]["endpoint"], "me");
    assert_eq!(control(&simulator, "DELETE", "/requests", &Value::Null).await, done);
    assert_eq!(simulator.requests().len(), 0);
}

#[tokio::test]
async fn every_kind_of_switch_can_be_written_as_json() {
    let simulator = simulator().await;
    for effect in [
        json!({ "error": { "number": 100020 } }),
        json!({ "error": { "number": 100002, "text": "client_secret is wrong" } }),
        json!({ "format": "native" }),
        json!({ "access-token": "a+b" }),
        json!({ "foreign-client": "9" }),
        json!({ "nickname": "" }),
        json!({ "avatar": "" }),
        json!({ "callback": "two-codes" }),
        json!({ "callback": { "state": "x" } }),
        json!({ "body": { "replace": "x" } }),
        json!({ "wire": "hold" }),
        json!({ "wire": { "slow-body": 10 } }),
        json!({ "wire": { "content-type": null } }),
    ] {
        let switch = json!({ "endpoint": "show", "effect": effect });
        assert_eq!(control(&simulator, "POST", "/switches", &switch).await.0, 200, "{effect}");
    }
    assert_eq!(control(&simulator, "DELETE", "/switches", &Value::Null).await.0, 200);
    assert_eq!(control(&simulator, "POST", "/release", &json!({})).await.0, 200);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_a_reason() {
    let simulator = simulator().await;
    let misspelt = json!({ "number": "5", "nickname": "x", "picture": "y" });
    let (status, answer) = control(&simulator, "POST", "/users", &misspelt).await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("picture"), "{answer}");
    let unknown = json!({ "client_id": "9", "user": "10001" });
    let (status, answer) = control(&simulator, "POST", "/tokens", &unknown).await;
    assert_eq!((status, &answer["error"]), (400, &json!("client id is illegal(100008)")));
    let login = json!({ "authorize_url": "http://x/", "user": "10001" });
    assert_eq!(control(&simulator, "POST", "/logins", &login).await.0, 400);
    assert_eq!(control(&simulator, "GET", "/nothing", &Value::Null).await.0, 404);
    // A form in some page of a browser on this machine cannot say that it is JSON.
    let form = "POST /users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(ask(simulator.control_addr(), form).await.status, 415);
}

#[tokio::test]
async fn the_help_has_a_command_for_every_switch_and_each_of_them_works() {
    let simulator = simulator().await;
    let address = simulator.control_addr();
    let help = ask(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await;
    assert!(help.status == 200 && help.head.contains("text/plain"), "{}", help.head);
    let (mut switches, mut others) = (Vec::new(), 0);
    for line in help.body.lines().filter_map(|line| line.strip_prefix("  curl")) {
        let (options, url) = line.rsplit_once(' ').unwrap();
        let path = url.strip_prefix(&format!("http://{address}")).unwrap();
        let body = options.split_once("-d '").map(|(_, body)| body.strip_suffix('\'').unwrap());
        let method = if options.contains("DELETE") { "DELETE" } else { body.map_or("GET", |_| "POST") };
        let body: Value = body.map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
        assert_eq!(control(&simulator, method, path, &body).await.0, 200, "{line}");
        if (method, path) == ("POST", "/switches") { switches.push(body) } else { others += 1 }
    }
    assert_eq!(others, 5);

    // What the code could have been told, in its own words.
    let known = |path: &[&str]| -> Vec<String> {
        let effect = path.iter().rev().fold(json!("no-such-one"), |inner, name| json!({ *name: inner }));
        let switch = json!({ "endpoint": "me", "effect": effect }).to_string();
        let error = serde_json::from_str::<crate::demo::qq::Switch>(&switch).unwrap_err().to_string();
        error.split_once("expected").unwrap().1.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let told = |path: &[&str], name: &str| {
        switches.iter().any(|switch| {
            let inner = path.iter().fold(&switch["effect"], |value, name| &value[*name]);
            inner.as_str() == Some(name) || inner.get(name).is_some()
        })
    };
    for path in [&[][..], &["callback"], &["wire"], &["body"], &["format"]] {
        let names = known(path);
        assert!(names.len() > 1, "{path:?}: {names:?}");
        for name in names {
            assert!(told(path, &name), "the help does not tell {path:?} {name}");
        }
    }
}
