//! Shops whose API verifies tokens by its own SECRET_KEY and looks their users up among those it has had for long. Which QQ
//! user is which of them comes from the shop's own table.

use std::fs;

use menshen::demo::qq::Simulator;

use crate::backends::mall_api::{MallApi, SECRET};
use crate::backends::{CLIENT_ID, Layout, Proxy, Setup, menshen};

/// djangorestframework-jwt.
pub(crate) const DRF_JWT: [&str; 2] = ["drf_jwt", "rest_framework_jwt.authentication.JSONWebTokenAuthentication"];

/// djangorestframework-simplejwt.
const SIMPLE_JWT: [&str; 2] = ["django", "rest_framework_simplejwt.authentication.JWTAuthentication"];

fn identity(preset: &str, more: &str) -> String {
    format!("[identity.default]\npreset = \"{preset}\"\nsecret = {SECRET:?}\n{more}")
}

fn laid_out(api: &MallApi, preset: &str, more: &str) -> Layout {
    let member = "[[routes]]\npath = \"/member/*\"\naccess = \"required\"\n";
    Setup::new().section(&identity(preset, more)).section(member).lay_out(api.address)
}

/// Takes in what the shop exports of its own bindings.
pub(crate) fn import(proxy: &Proxy) {
    let openid = |user: &str| Simulator::openid(user, CLIENT_ID);
    let table = format!("openid,upstream_id,username\n{},42,ming\n{},43,hong\n", openid("10001"), openid("10002"));
    let file = proxy.config().with_file_name("shop.csv");
    fs::write(&file, table).unwrap();
    let mut import = menshen("bindings", &proxy.config());
    import.arg("import").arg(&file);
    let import = import.output().unwrap();
    let said = [import.stdout, import.stderr].concat();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn djangorestframework_jwt_finds_the_shops_own_users_by_name() {
    finds_its_own_users(DRF_JWT, "drf-jwt");
}

#[test]
fn djangorestframework_simplejwt_finds_the_shops_own_users_by_id() {
    finds_its_own_users(SIMPLE_JWT, "simplejwt");
}

fn finds_its_own_users([environment, authentication]: [&str; 2], preset: &str) {
    let api = MallApi::start(environment, authentication, "");
    let proxy = Proxy::start(laid_out(&api, preset, ""));
    import(&proxy);
    for (user, id, username) in [("10001", 42, "ming"), ("10002", 43, "hong")] {
        let browser = proxy.browser();
        browser.log_in(user);
        for target in ["/user/", "/goods/"] {
            let answer = browser.get(target, &["Authorization: JWT undefined"]);
            let seen = answer.json();
            assert_eq!(
                (answer.status, &seen["id"], &seen["username"]),
                (200, &id.into(), &username.into()),
                "{target}"
            );
        }
        assert_eq!(browser.post("/user/", &[]).json()["id"], id);
        let token = browser.token(user);
        let scheme = if preset == "drf-jwt" { "JWT" } else { "Bearer" };
        let answer = proxy.browser().get("/user/", &[&format!("Authorization: {scheme} {token}")]);
        assert_eq!(answer.json()["username"], username, "{}", answer.text());
    }
    // Nobody becomes one of them by being new here, least of all the first of all.
    let stranger = proxy.browser();
    stranger.log_in("10003");
    assert_eq!(stranger.get("/goods/", &[]).json()["id"], serde_json::Value::Null);
    assert_eq!(stranger.get("/user/", &[]).status, 401);
    assert_eq!(stranger.get("/member/", &[]).status, 403);
    // What an anonymous page sends is the shop's to judge.
    let nobody = proxy.browser();
    assert_eq!(nobody.get("/goods/", &[]).json()["authorization"], serde_json::Value::Null);
    let undefined = nobody.get("/goods/", &["Authorization: JWT undefined"]);
    match preset {
        "drf-jwt" => assert_eq!((undefined.status, undefined.text().contains("decoding")), (401, true)),
        _ => assert_eq!(undefined.json()["authorization"], "JWT undefined"),
    }
}

#[test]
fn djangorestframework_jwt_refuses_a_token_that_says_whom_it_is_for_as_check_warns() {
    let [environment, authentication] = DRF_JWT;
    let api = MallApi::start(environment, authentication, "");
    let layout = laid_out(&api, "drf-jwt", "audience = \"mall\"\n");
    let checked = menshen("check", &layout.config()).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("takes no token that says whom it is for"), "{said}");
    let proxy = Proxy::start(layout);
    import(&proxy);
    let browser = proxy.browser();
    browser.log_in("10001");
    assert_eq!(browser.get("/user/", &[]).status, 401);
}
