//! `identity.<name>.preset`: what backends that people run already verify.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use menshen::demo::qq::Simulator;
use serde_json::{Value, json};

use crate::support::{CLIENT_ID, PAGE, Proxy, Received, SCRIPT, Setup, Upstream};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789";

/// A proxy whose application knows the user 10001 as number 42, `ming`.
fn proxy(identity: &str, upstream: &Upstream) -> Proxy {
    let setup = Setup::new().route("/user/*", "required");
    let proxy = setup.section(&format!("[identity.default]\n{identity}\n")).before(upstream);
    let table =
        format!("openid,upstream_id,username\n{},42,ming+li@a.example\n", Simulator::openid("10001", CLIENT_ID));
    proxy.command_with(&["bindings", "import", "-", "--format", "csv"], &table).good();
    proxy
}

/// What the application is sent of somebody who has logged in.
fn sent(proxy: &Proxy, upstream: &Upstream, number: &str) -> Received {
    let browser = proxy.browser();
    browser.log_in(number);
    assert_eq!(browser.get("/", &[SCRIPT]).status, 200);
    upstream.next()
}

/// The claims of a token with this scheme, without those that are another each time.
fn claims(proxy: &Proxy, seen: &Received, scheme: &str) -> Value {
    let token = seen.header("authorization").unwrap().strip_prefix(scheme).unwrap().trim_start();
    let header = decode_header(token).unwrap();
    let key = if header.alg == Algorithm::HS256 {
        DecodingKey::from_secret(SECRET.as_bytes())
    } else {
        let keys = proxy.connect().get("/.well-known/jwks.json", &[]).answer();
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.body).unwrap();
        DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap()
    };
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let mut claims = decode::<Value>(token, &key, &validation).unwrap().claims;
    let all = claims.as_object_mut().unwrap();
    for name in ["iat", "exp", "jti", "sub"] {
        assert!(all.remove(name).is_some(), "{name}");
    }
    claims
}

#[test]
fn each_preset_sends_what_its_backend_verifies() {
    let secret = format!("secret = \"{SECRET}\"");
    let (issuer, handle) = ("http://www.meiduo.site", "ming+li@a.example");
    for (preset, scheme, more, wanted) in [
        ("plain", "Bearer", "", json!({"iss": issuer, "name": "小明", "provider": "qq"})),
        ("drf-jwt", "JWT", secret.as_str(), json!({"iss": issuer, "username": handle})),
        ("simplejwt", "Bearer", secret.as_str(), json!({"iss": issuer, "token_type": "access", "user_id": "42"})),
        ("spring", "Bearer", "", json!({"iss": issuer, "preferred_username": handle, "name": "小明"})),
    ] {
        let upstream = Upstream::hello();
        let proxy = proxy(&format!("preset = \"{preset}\"\n{more}"), &upstream);
        let seen = sent(&proxy, &upstream, "10001");
        assert_eq!(claims(&proxy, &seen, scheme), wanted, "{preset}");
    }
    let upstream = Upstream::hello();
    let proxy = proxy("preset = \"hasura\"", &upstream);
    let seen = sent(&proxy, &upstream, "10001");
    let told = claims(&proxy, &seen, "Bearer");
    let told = &told["https://hasura.io/jwt/claims"];
    assert_eq!((&told["x-hasura-default-role"], &told["x-hasura-allowed-roles"]), (&json!("user"), &json!(["user"])));
    assert_eq!(told["x-hasura-user-id"].as_str(), seen.header("x-menshen-user"));
}

#[test]
fn any_part_of_a_preset_can_be_written_otherwise() {
    let upstream = Upstream::hello();
    let written = format!(
        "preset = \"simplejwt\"\nsecret = \"{SECRET}\"\nheader = \"X-Token\"\nscheme = \"\"\nissuer = \"mall\"\n\
        claims = {{ token_type = \"access\", uid = \"{{user.upstream_id}}\", groups = [\"{{provider}}\", 7] }}"
    );
    let proxy = proxy(&written, &upstream);
    let seen = sent(&proxy, &upstream, "10001");
    let token = seen.header("x-token").unwrap();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    let told = decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation).unwrap().claims;
    assert_eq!((&told["iss"], &told["uid"], &told["groups"]), (&json!("mall"), &json!("42"), &json!(["qq", 7])));
}

#[test]
fn a_name_in_a_header_is_written_as_the_application_has_it_and_no_client_can_send_one() {
    let upstream = Upstream::hello();
    let proxy = proxy("preset = \"remote-user\"", &upstream);
    let seen = sent(&proxy, &upstream, "10001");
    assert_eq!(seen.all("remote-user"), ["ming+li@a.example"]);
    assert_eq!((seen.header("authorization"), seen.header("x-menshen-user")), (None, None));
    let fresh = sent(&proxy, &upstream, "10002");
    assert!(fresh.header("remote-user").unwrap().starts_with("qq_"), "a name that nobody could have had before");
    for forged in ["Remote-User: admin", "remote_user: admin", "REMOTE-USER: admin", "Remote.User: admin"] {
        assert_eq!(proxy.connect().get("/", &[forged]).answer().status, 200);
        assert!(!upstream.next().head.contains("admin"), "{forged}");
    }
}

#[test]
fn whom_the_application_does_not_know_is_a_stranger_where_strangers_may_come_and_refused_elsewhere() {
    let upstream = Upstream::hello();
    let preset = format!("preset = \"drf-jwt\"\nsecret = \"{SECRET}\"");
    let first = proxy(&preset, &upstream);
    let browser = first.browser();
    browser.log_in("10002");
    assert_eq!(browser.get("/", &[SCRIPT, "Authorization: JWT undefined"]).status, 200);
    let seen = upstream.next();
    assert_eq!((seen.header("authorization"), seen.header("x-menshen-user")), (None, None), "{}", seen.head);
    let refused = |proxy: &Proxy, path: &str| {
        let browser = proxy.browser();
        browser.log_in("10002");
        for (fields, said) in [
            ([PAGE, "Accept-Language: zh-CN"], "这里还没有你的用户"),
            ([SCRIPT, "Accept-Language: en"], "the account is not bound to a user of the site yet"),
        ] {
            let answer = browser.get(path, &fields);
            assert_eq!(answer.status, 403, "{}", answer.text());
            assert!(answer.text().contains(said), "{}", answer.text());
        }
    };
    refused(&first, "/user/");
    let strict = proxy(&format!("{preset}\nincomplete = \"refused\""), &upstream);
    refused(&strict, "/");
    upstream.saw_nothing();
    assert!(sent(&strict, &upstream, "10001").header("authorization").is_some());
    let told = strict.command(&["explain", "GET", "/", "-H", &session_of(&strict, "10002")]).good();
    assert!(told.contains("403: the user has not what identity.default tells"), "{told}");
}

fn session_of(proxy: &Proxy, number: &str) -> String {
    let browser = proxy.browser();
    browser.log_in(number);
    format!("Cookie: {}", browser.cookie_header().unwrap())
}
