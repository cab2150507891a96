//! OpenID Connect: which tokens are believed, and which returns.

use std::sync::LazyLock;

use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::login::provider::Pkce;
use crate::login::provider::suite::server::{Reply, ScriptedServer};
use crate::login::provider::suite::{Call, NOW, Subject, VERIFIER, exchange, provider_suite};

const ISSUER: &str = "https://id.example";
const CLIENT: &str = "menshen";
const SECRET: &str = "0idc-s3cret";
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// The provider's key, and another's.
struct Signing {
    signs: EncodingKey,
    published: Value,
}

impl Signing {
    fn new(kid: &str) -> Self {
        let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
        let published =
            json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": part(1..33), "y": part(33..65) });
        let pkcs8 = key.to_pkcs8v1().unwrap();
        Signing { signs: EncodingKey::from_ec_der(pkcs8.as_ref()), published }
    }

    fn token(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        encode(&header, claims, &self.signs).unwrap()
    }
}

static KEY: LazyLock<Signing> = LazyLock::new(|| Signing::new("k1"));

fn keys() -> JwkSet {
    serde_json::from_value(json!({ "keys": [KEY.published] })).unwrap()
}

fn nonce() -> String {
    Pkce::new(VERIFIER).nonce()
}

fn claims() -> Value {
    let now = NOW.as_secs();
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce(),
    })
}

/// The claims with another value for one of them; without it where the value is null.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name)
    } else {
        fields.insert(name.to_owned(), value)
    };
    claims
}

fn expected(nonce: &str) -> Expected<'_> {
    Expected { issuer: ISSUER, client_id: CLIENT, algorithm: Algorithm::ES256, nonce, now: NOW }
}

fn verified(claims: &Value) -> Result<String, Bad> {
    let token = KEY.token("k1", claims);
    id_token::verify(&token, &keys(), &expected(&nonce())).map(|claims| claims.sub)
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn settings(exchange_timeout: Duration) -> Settings {
    Settings {
        id: ProviderId::new("corp"),
        title: "Corp".to_owned(),
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Secret::from(SECRET),
        token_auth: TokenAuth::Basic,
        algorithm: Algorithm::ES256,
        scope: vec!["openid".to_owned(), "profile".to_owned()],
        exchange_timeout,
        way: Way { connect_timeout: Duration::from_secs(10), proxy: None, extra_ca: None },
    }
}

fn metadata(base: &Url, more: Value) -> metadata::Metadata {
    let at = |path: &str| base.join(path).unwrap();
    let mut said = json!({
        "issuer": ISSUER, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
        "userinfo_endpoint": at("/userinfo"),
    });
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(said).unwrap()
}

/// A provider of which everything is known, with its endpoints below an address.
fn known(base: &Url, exchange_timeout: Duration) -> Oidc {
    let known = Knowledge::of(metadata(base, json!({})), keys(), Instant::now() + AN_HOUR);
    Oidc { knowledge: known, ..Oidc::new(settings(exchange_timeout)).unwrap() }
}

static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    let token = KEY.token("k1", &claims());
    let tokens = json!({ "access_token": "0pen-T0KEN", "token_type": "Bearer", "id_token": token });
    vec![
        Call { path: "/token", body: leaked(tokens.to_string()), required: true },
        Call {
            path: "/userinfo",
            body: r#"{"sub":"248289761001","name":"小明","picture":"https://a.example/p"}"#,
            required: false,
        },
    ]
});

static OIDC: LazyLock<Subject> = LazyLock::new(|| Subject {
    build: |base, patience| Box::new(known(base, patience)),
    calls: &CALLS,
    secrets: &[SECRET, "0pen-T0KEN", "T0KEN", VERIFIER],
});

provider_suite!(OIDC);

#[test]
fn a_token_that_was_asked_for_says_who_somebody_is() {
    assert_eq!(verified(&claims()).unwrap(), "248289761001");
    assert_eq!(verified(&with("aud", json!([CLIENT]))).unwrap(), "248289761001");
    let mut shared = with("aud", json!([CLIENT, "other"]));
    shared["azp"] = CLIENT.into();
    assert!(verified(&shared).is_ok());
    // Clocks may be a little apart.
    let now = NOW.as_secs();
    // Times may have fractions, and what is for display alone may be odd.
    assert!(verified(&with("iat", json!(now as f64 + 0.5))).is_ok());
    for odd in [json!(5), json!({ "a": 1 }), json!(["x"])] {
        assert!(verified(&with("name", odd.clone())).is_ok() && verified(&with("picture", odd)).is_ok());
    }
    assert!(verified(&with("exp", (now - 59).into())).is_ok() && verified(&with("iat", (now + 60).into())).is_ok());
}

#[test]
fn a_token_for_somebody_else_proves_nothing() {
    let mut shared = with("aud", json!([CLIENT, "other"]));
    assert_eq!(verified(&shared), Err(Bad::ForeignClient), "whose it is of the two is not said");
    shared["azp"] = "other".into();
    assert_eq!(verified(&shared), Err(Bad::ForeignClient));
    for audience in [json!("other"), json!(["other"]), json!([])] {
        assert_eq!(verified(&with("aud", audience)), Err(Bad::ForeignClient));
    }
    assert_eq!(verified(&with("azp", "other".into())), Err(Bad::ForeignClient));
}

#[test]
fn a_token_of_another_login_proves_nothing() {
    for nonce in [Value::Null, "".into(), "x".into(), VERIFIER.into(), Pkce::new("other").nonce().into()] {
        assert!(matches!(verified(&with("nonce", nonce.clone())), Err(Bad::Refused(_))), "{nonce}");
    }
}

#[test]
fn a_token_that_is_not_as_it_has_to_be_proves_nothing() {
    let now = NOW.as_secs();
    for (name, value) in [
        ("iss", json!("https://id.example/")),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("iss", json!([ISSUER, "x"])),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("小明")),
        ("sub", json!(7)),
        ("aud", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("iat", Value::Null),
    ] {
        assert!(matches!(verified(&with(name, value.clone())), Err(Bad::Refused(_))), "{name} {value}");
    }
}

#[test]
fn a_token_is_signed_by_a_key_of_the_providers_in_the_way_that_was_agreed_upon() {
    let nonce = nonce();
    let verify = |token: &str| id_token::verify(token, &keys(), &expected(&nonce)).map(|claims| claims.sub);
    let other = Signing::new("k2");
    assert_eq!(verify(&other.token("k2", &claims())), Err(Bad::UnknownKey));
    assert!(matches!(verify(&other.token("k1", &claims())), Err(Bad::Refused(_))), "under a name that is known");
    // No signature at all, and one by what everybody knows.
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none", "kid": "k1" })), part(&claims()));
    assert!(matches!(verify(&unsigned), Err(Bad::Refused(_))));
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let by_secret = EncodingKey::from_secret(KEY.published.to_string().as_bytes());
    let confused = encode(&header, &claims(), &by_secret).unwrap();
    assert!(matches!(verify(&confused), Err(Bad::Refused(_))));
    // An extension that has to be understood.
    let signed = KEY.token("k1", &claims());
    let (header, rest) = signed.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["crit"] = json!(["b64"]);
    assert!(matches!(verify(&format!("{}.{rest}", part(&header))), Err(Bad::Refused(why)) if why.contains("header")));
    for text in ["", "a", "a.b.c", "..", "eyJhbGciOiJFUzI1NiJ9.e30."] {
        assert!(verify(text).is_err(), "{text}");
    }
    // Another algorithm than the one that was agreed upon, though the key is the right one.
    let expected = Expected { algorithm: Algorithm::RS256, ..expected(&nonce) };
    assert!(id_token::verify(&KEY.token("k1", &claims()), &keys(), &expected).is_err());
}

#[test]
fn what_a_provider_says_of_itself_is_its_own_and_leads_over_tls() {
    let base = Url::parse("https://id.example/").unwrap();
    assert!(metadata(&base, json!({})).check(ISSUER).is_ok());
    for (name, value) in [
        ("issuer", "https://id.example/"),
        ("issuer", "https://evil.example"),
        ("token_endpoint", "http://id.example/token"),
        ("jwks_uri", "http://id.example/keys"),
        ("userinfo_endpoint", "ftp://id.example/"),
        ("authorization_endpoint", "javascript:alert(1)"),
    ] {
        assert!(metadata(&base, json!({ name: value })).check(ISSUER).is_err(), "{name} {value}");
    }
    let local = "http://127.0.0.1:1";
    assert!(metadata(&Url::parse(local).unwrap(), json!({ "issuer": local })).check(local).is_ok());
}

#[test]
fn a_return_names_the_issuer_that_was_asked() {
    let base = Url::parse("https://id.example/").unwrap();
    let returned = |is_promised: bool, query: &str| {
        let metadata = metadata(&base, json!({ "authorization_response_iss_parameter_supported": is_promised }));
        let knowledge = Knowledge::of(metadata, keys(), Instant::now() + AN_HOUR);
        let provider = Oidc { knowledge, ..Oidc::new(settings(Duration::from_secs(1))).unwrap() };
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        matches!(provider.read_return(&pairs), Returned::Code(_))
    };
    let theirs = "code=abc&iss=https%3A%2F%2Fid.example";
    assert!(returned(true, theirs) && returned(false, theirs) && returned(false, "code=abc"));
    assert!(!returned(true, "code=abc"));
    for query in ["code=abc&iss=https%3A%2F%2Fevil.example", "code=abc&iss=", &format!("{theirs}&iss=x")] {
        assert!(!returned(true, query) && !returned(false, query), "{query}");
    }
}

#[test]
fn a_browser_is_sent_there_with_what_ties_the_login_together() {
    let base = Url::parse("https://id.example/").unwrap();
    let provider = known(&base, Duration::from_secs(1));
    let redirect_uri = Url::parse("https://www.meiduo.site/.menshen/callback/corp").unwrap();
    let pkce = Some(Pkce::new(VERIFIER));
    let challenge =
        Challenge { state: "a1B2", redirect_uri: &redirect_uri, display: super::super::Display::Desktop, pkce };
    let url = provider.authorize_url(&challenge).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let value = |name: &str| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!((url.host_str(), url.path()), (Some("id.example"), "/auth"));
    assert_eq!((value("response_type"), value("client_id"), value("scope")), ("code", CLIENT, "openid profile"));
    assert_eq!((value("state"), value("redirect_uri")), ("a1B2", redirect_uri.as_str()));
    assert_eq!(value("code_challenge_method"), "S256");
    assert_eq!((value("code_challenge").len(), value("nonce").len()), (43, 43));
    assert_ne!(value("code_challenge"), value("nonce"));
    assert!(!url.as_str().contains(VERIFIER));
    let unknown = Oidc::new(settings(Duration::from_secs(1))).unwrap();
    assert!(!unknown.is_ready() && unknown.authorize_url(&challenge).is_none());
}

/// A provider at a server that says `documents` of itself and its keys.
async fn served(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> (Oidc, ScriptedServer) {
    let base = std::sync::Arc::new(std::sync::OnceLock::new());
    let told = std::sync::Arc::clone(&base);
    let server = ScriptedServer::start(move |path| script(path, told.get().map_or("", String::as_str))).await;
    let url = server.url("/");
    base.set(url.as_str().trim_end_matches('/').to_owned()).unwrap();
    let issuer = url.as_str().trim_end_matches('/').to_owned();
    let provider = Oidc::new(Settings { issuer, ..settings(Duration::from_secs(20)) }).unwrap();
    (provider, server)
}

fn document(base: &str) -> String {
    let document = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/auth"), "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
    });
    document.to_string()
}

#[tokio::test]
async fn a_provider_is_asked_once_for_all_who_log_in_at_once() {
    let (provider, server) = served(|path, base| match path {
        "/.well-known/openid-configuration" => Reply::Body(document(base)),
        _ => Reply::Body(json!({ "keys": [KEY.published] }).to_string()),
    })
    .await;
    assert!(!provider.is_ready());
    let all = futures_util::future::join_all((0..8).map(|_| provider.prepare())).await;
    assert!(all.iter().all(Result::is_ok) && provider.is_ready());
    assert_eq!((server.count("/.well-known/openid-configuration"), server.count("/keys")), (1, 1));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_not_asked_by_everybody() {
    let (provider, server) = served(|_, _| Reply::Body("<html>".to_owned())).await;
    for _ in 0..3 {
        assert!(matches!(provider.prepare().await, Err(Error::Malformed { step: "discovery", .. })));
    }
    assert_eq!(server.count("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn what_userinfo_says_of_another_person_is_left_out() {
    let body = |path: &str| CALLS.iter().find(|call| call.path == path).map_or("", |call| call.body);
    for (info, name) in [
        (r#"{"sub":"248289761001","name":"小明"}"#, Some("小明")),
        (r#"{"sub":"1","name":"小明"}"#, None),
        (r#"{"name":"小明"}"#, None),
    ] {
        let server = ScriptedServer::start(move |path| {
            Reply::Body(if path == "/userinfo" { info } else { body(path) }.to_owned())
        })
        .await;
        let provider = known(&server.url("/"), Duration::from_secs(20));
        let redirect_uri = Url::parse("http://www.meiduo.site:8000/").unwrap();
        let identity = provider.identify(exchange(&redirect_uri)).await.unwrap();
        assert_eq!(identity.display_name.as_deref(), name, "{info}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_known_is_asked_for_once_and_not_by_every_token() {
    let newer = Signing::new("k2");
    let token = newer.token("k2", &claims());
    let tokens = json!({ "access_token": "a", "id_token": token }).to_string();
    let both = json!({ "keys": [KEY.published, newer.published] }).to_string();
    let server = ScriptedServer::start(move |path| match path {
        "/token" => Reply::Body(tokens.clone()),
        "/keys" => Reply::Body(both.clone()),
        _ => Reply::Body(String::new()),
    })
    .await;
    let redirect_uri = Url::parse("http://www.meiduo.site:8000/").unwrap();
    let before = Knowledge::of(metadata(&server.url("/"), json!({})), keys(), Instant::now() + AN_HOUR);
    let provider = Oidc { knowledge: before, ..Oidc::new(settings(Duration::from_secs(20))).unwrap() };
    for _ in 0..2 {
        assert!(provider.identify(exchange(&redirect_uri)).await.is_ok());
    }
    assert_eq!(server.count("/keys"), 1);
    // One that nobody has: whoever makes tokens up has nobody ask again and again.
    let stray = json!({ "access_token": "a", "id_token": Signing::new("k3").token("k3", &claims()) }).to_string();
    let server = ScriptedServer::start(move |path| {
        Reply::Body(if path == "/token" { stray.clone() } else { json!({ "keys": [KEY.published] }).to_string() })
    })
    .await;
    let provider = known(&server.url("/"), Duration::from_secs(20));
    for _ in 0..3 {
        assert!(matches!(provider.identify(exchange(&redirect_uri)).await, Err(Error::Refused(_))));
    }
    assert_eq!(server.count("/keys"), 1);
}

#[test]
fn what_is_known_of_time_is_passed_in() {
    let later = Expected { now: Timestamp::from_secs(NOW.as_secs() + 361), ..expected("") };
    assert!(id_token::verify(&KEY.token("k1", &claims()), &keys(), &later).is_err());
}

#[test]
fn a_key_is_found_among_keys_for_other_things() {
    let nonce = nonce();
    let mut encrypts = KEY.published.clone();
    encrypts["use"] = "enc".into();
    let rsa = json!({ "kty": "RSA", "kid": "k1", "n": "AQAB", "e": "AQAB" });
    let keys: JwkSet = serde_json::from_value(json!({ "keys": [encrypts, rsa, KEY.published] })).unwrap();
    assert!(id_token::verify(&KEY.token("k1", &claims()), &keys, &expected(&nonce)).is_ok());
    let nameless = encode(&Header::new(Algorithm::ES256), &claims(), &KEY.signs).unwrap();
    assert!(id_token::verify(&nameless, &keys, &expected(&nonce)).is_ok(), "one suits");
    let two: JwkSet = serde_json::from_value(json!({ "keys": [KEY.published, Signing::new("k2").published] })).unwrap();
    assert_eq!(id_token::verify(&nameless, &two, &expected(&nonce)).map(|claims| claims.sub), Err(Bad::UnknownKey));
}

/// Regression: whoever refreshed what was old used up the time of the exchange.
#[tokio::test]
async fn what_is_old_serves_on_while_the_provider_says_nothing_of_itself() {
    let body = |path: &str| CALLS.iter().find(|call| call.path == path).map(|call| call.body.to_owned());
    let server = ScriptedServer::start(move |path| body(path).map_or(Reply::Silence, Reply::Body)).await;
    let knowledge = Knowledge::of(metadata(&server.url("/"), json!({})), keys(), Instant::now());
    let issuer = server.url("/").as_str().trim_end_matches('/').to_owned();
    // The token is of the usual issuer; what is asked at this one is its document.
    let provider = Oidc { knowledge, ..Oidc::new(settings(Duration::from_secs(8))).unwrap() };
    let asking = Asking { deadline: Instant::now() + Duration::from_secs(8), ..provider.asking() };
    let known = provider.knowledge.get(&asking, &issuer).await.unwrap();
    assert!(known.metadata.token_endpoint.as_str().ends_with("/token"));
    assert!(asking.deadline > Instant::now() + Duration::from_secs(4), "most of the time is left");
    // And nobody waits for it again so soon.
    let again = provider.knowledge.get(&asking, &issuer).await.unwrap();
    assert!(Arc::ptr_eq(&known, &again));
}
