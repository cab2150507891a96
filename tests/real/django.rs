//! A REST API of Django, unmodified: REST framework and Simple JWT verify our tokens as they verify anybody's, by a
//! shared secret or by our published keys.

use std::net::SocketAddr;
use std::path::Path;

use crate::backends::{Environment, PAGE, Program, Proxy, SITE, Setup, free_address};

const SECRET: &str = "a secret of 32 bytes or more, which both hold";

/// What Simple JWT asks for, beside the times and the id that every token of ours has.
const CLAIMS: &str = r#"
audience = "api"
[identity.default.claims]
token_type = "access"
user_id = "{user.id}"
"#;

#[test]
fn the_api_knows_the_user_by_a_shared_secret() {
    let api = serve(&[("API_ALGORITHM", "HS256"), ("API_SECRET", SECRET)]);
    let signing = format!("[identity.default]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\n{CLAIMS}");
    let proxy = Setup::new().section(&signing).before(address_of(&api));
    each_user_is_seen(&proxy);
    strangers_are_nobody(&proxy);
}

#[test]
fn the_api_knows_the_user_by_our_published_es256_key() {
    by_published_key("ES256");
}

#[test]
fn the_api_knows_the_user_by_our_published_rs256_key() {
    by_published_key("RS256");
}

#[test]
fn the_api_knows_the_user_by_our_published_ed25519_key() {
    by_published_key("EdDSA");
}

fn by_published_key(algorithm: &str) {
    // The API asks for our keys at an address, so the site has to know itself by that name too.
    let listen = free_address();
    let jwk_url = format!("http://{listen}/.well-known/jwks.json");
    let api = serve(&[("API_ALGORITHM", algorithm), ("API_JWK_URL", &jwk_url)]);
    let proxy = Setup::new()
        .server(&format!("listen = [\"{listen}\"]"))
        .site(&format!("aliases = [\"{listen}\"]"))
        .section(&format!("[identity.default]\nalgorithm = \"{algorithm}\"\n{CLAIMS}"))
        .before(address_of(&api));
    each_user_is_seen(&proxy);
    strangers_are_nobody(&proxy);
}

fn each_user_is_seen(proxy: &Proxy) {
    let (one, other) = (proxy.browser(), proxy.browser());
    one.log_in("10001");
    other.log_in("10002");
    for browser in [&one, &other] {
        let id = browser.user_id().unwrap();
        let answer = browser.get("/api/me/", &[]);
        assert_eq!((answer.status, answer.json()["user"].as_str()), (200, Some(id.as_str())), "{}", answer.text());
        assert_eq!(browser.visit("/api/anybody/").json()["user"], id);
        assert_eq!(browser.post("/api/me/", &[&format!("Origin: http://{SITE}")]).json()["user"], id);

        let claims = browser.get("/api/claims/", &[]).json();
        assert_eq!((&claims["token_type"], &claims["user_id"]), (&"access".into(), &id.into()));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
        assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()), "{claims}");
    }
    assert_ne!(one.user_id(), other.user_id());

    // Beside a session, what a client claims by itself counts for nothing.
    let id = one.user_id().unwrap();
    for claim in ["Authorization: Bearer a.b.c", "authorization: Basic YTpi", "Authorization: "] {
        assert_eq!(one.get("/api/me/", &[claim]).json()["user"], id, "{claim}");
    }
}

fn strangers_are_nobody(proxy: &Proxy) {
    let stranger = proxy.browser();
    let answer = stranger.get("/api/me/", &[]);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"api\"")));
    let answer = stranger.get("/api/anybody/", &[PAGE]).json();
    assert_eq!((&answer["user"], &answer["authorization"]), (&().into(), &().into()));

    // Their own Authorization is the API's to judge: another scheme is none of its business, a bad token is refused.
    let given = "Basic YWxhZGRpbjpvcGVu";
    let answer = stranger.get("/api/anybody/", &[&format!("Authorization: {given}")]).json();
    assert_eq!((&answer["user"], &answer["authorization"]), (&().into(), &given.into()));
    let answer = stranger.get("/api/anybody/", &["Authorization: Bearer a.b.c"]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("token_not_valid")));

    // Backends of this kind read HTTP_AUTHORIZATION: no other spelling of the name may become it.
    let mine = proxy.browser();
    mine.log_in("10003");
    let token = mine.get("/api/me/", &[]).json()["authorization"].as_str().unwrap().to_owned();
    assert_eq!(stranger.get("/api/me/", &["X-Authorization: x", "HTTP_AUTHORIZATION: x"]).status, 401);
    // The token itself opens the API, as any bearer's would, and nothing at the proxy.
    let field = format!("Authorization: {token}");
    assert_eq!(stranger.get("/.menshen/userinfo", &[&field]).status, 401);
}

fn serve(environment: &[(&str, &str)]) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/backends/django");
    let mut gunicorn = Environment::new("django").python();
    gunicorn.args(["-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "4", "--no-control-socket"]);
    gunicorn.arg("django.core.wsgi:get_wsgi_application()").current_dir(folder);
    gunicorn.env("DJANGO_SETTINGS_MODULE", "settings").envs(environment.iter().copied());
    Program::start(&mut gunicorn)
}

/// Gunicorn says it when it listens.
fn address_of(api: &Program) -> SocketAddr {
    api.wait_for(|line| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok())
}
