//! Tokens: those that API clients hold, and those that upstreams get.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::{Browser, Proxy, SCRIPT, Setup, Upstream, eventually};

const ISSUER: &str = "http://www.meiduo.site";
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789";

fn setup() -> Setup {
    Setup::new().route("/public/*", "public").route("/user/*", "required")
}

/// The token that the upstream got with its next request.
fn received(upstream: &Upstream) -> String {
    let seen = upstream.next();
    seen.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// The claims of an upstream's token, verified as a backend does it: by what we publish.
fn verified(proxy: &Proxy, token: &str) -> Value {
    let keys: JwkSet =
        serde_json::from_slice(&proxy.connect().get("/.well-known/jwks.json", &[]).answer().body).unwrap();
    let header = decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    assert_eq!(key.common.key_algorithm.unwrap().to_string(), format!("{:?}", header.alg));
    claims(token, &DecodingKey::from_jwk(key).unwrap(), header.alg)
}

fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Value>(token, key, &validation).unwrap().claims
}

#[test]
fn an_api_token_passes_under_any_scheme_and_goes_no_further() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let token = proxy.browser().token("10001");
    let other = proxy.browser();
    other.log_in("10002");
    for value in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("JWT {token}"),
        format!("Bearer  {token}"),
        format!("Bearer\t{token} "),
        format!("Bearer {token} x"),
        format!("Bearer x, {token}, y"),
        format!("Bearer \"{token}\""),
        token.clone(),
    ] {
        let field = format!("Authorization: {value}");
        for (path, has_identity) in [("/user/", true), ("/", true), ("/public/", true)] {
            // The token was put there on purpose: it comes before whatever cookie there is.
            for browser in [&proxy.browser(), &other] {
                assert_eq!(browser.get(path, &[&field]).status, 200, "{path} {field}");
                let seen = upstream.next();
                assert!(!seen.head.contains(&token), "{}", seen.head);
                if path == "/public/" {
                    assert_eq!(seen.header("authorization"), None);
                } else {
                    assert_eq!(seen.header("x-menshen-user").is_some(), has_identity);
                    assert_ne!(seen.header("x-menshen-user"), other.user_id().as_deref());
                }
            }
        }
    }
    // In a second field it is ours all the same.
    let fields = ["Authorization: Basic eDp5".to_owned(), format!("Authorization: Bearer {token}")];
    assert_eq!(proxy.connect().get("/public/", &[&fields[0], &fields[1]]).answer().status, 200);
    assert!(!upstream.next().head.contains(&token));
}

#[test]
fn a_token_that_claims_to_be_ours_and_is_not_is_refused_everywhere() {
    let upstream = Upstream::hello();
    let proxy = setup().section("[session]\napi_token_lifetime = \"2h\"").before(&upstream);
    let client = proxy.browser();
    let token = client.token("10001");
    let parts: Vec<&str> = token.split('.').collect();
    let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let anothers = proxy.browser().token("10002");
    let another_user = anothers.split('.').nth(1).unwrap();
    assert_ne!(parts[1], another_user);
    client.visit("/user/");
    let upstreams = received(&upstream);
    let logged_out = {
        let browser = proxy.browser();
        let token = browser.token("10001");
        assert_eq!(browser.post("/.menshen/logout", &[]).status, 200);
        token
    };
    let refused = |token: &str| {
        for path in ["/user/", "/", "/public/", "/.menshen/userinfo"] {
            let answer = proxy.connect().get(path, &[SCRIPT, &format!("Authorization: Bearer {token}")]).answer();
            assert_eq!(answer.status, 401, "{path} {token}");
            let challenge = "Bearer realm=\"menshen\", error=\"invalid_token\"";
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
            assert_eq!(answer.json()["code"], "4101");
        }
        upstream.saw_nothing();
    };
    for forged in [
        format!("{}.{}.{}", parts[0], another_user, parts[2]),
        format!("{}.{}.", encoded(r#"{"alg":"none","typ":"menshen-api+jwt"}"#), parts[1]),
        format!("{}.{}.{}", encoded(r#"{"alg":"HS256","typ":"menshen-api+jwt"}"#), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], &parts[2][..parts[2].len() - 4]),
        format!("x.{}.x", encoded(&format!(r#"{{"iss":"{ISSUER}"}}"#))),
        upstreams,
        logged_out,
    ] {
        refused(&forged);
    }
    proxy.advance(Duration::from_secs(2 * 3600 - 1));
    assert_eq!(proxy.connect().get("/user/", &[&format!("Authorization: Bearer {token}")]).answer().status, 200);
    upstream.next();
    proxy.advance(Duration::from_secs(1));
    refused(&token);
}

#[test]
fn a_token_that_names_any_issuer_of_ours_is_verified_here_and_goes_no_further() {
    let upstream = Upstream::hello();
    let proxy = setup()
        .section("[[sites]]\norigin = \"http://other.example\"")
        .section("[identity.default]\nissuer = \"https://door.example\"")
        .before(&upstream);
    let user = proxy.browser();
    let api = user.token("10001");
    user.visit("/user/");
    let upstreams = received(&upstream);
    assert_eq!(verified(&proxy, &upstreams)["iss"], "https://door.example");
    let naming = |issuer: &str| format!("x.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{issuer}"}}"#)));
    let ask = |host: &str, path: &str, token: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        proxy.connect().send(request).answer().status
    };
    for path in ["/", "/public/", "/user/"] {
        for (host, token) in [
            ("www.meiduo.site", &upstreams),
            ("www.meiduo.site", &naming("https://door.example")),
            ("www.meiduo.site", &naming("http://other.example")),
            ("other.example", &naming(ISSUER)),
            ("other.example", &api),
        ] {
            assert_eq!(ask(host, path, token), 401, "{host} {path} {token}");
        }
    }
    upstream.saw_nothing();
    assert_eq!(ask("www.meiduo.site", "/", &naming("https://nobody.of.ours")), 200);
}

/// Regression: whoever drops what belongs into no token put together again what we had taken apart.
#[test]
fn no_junk_in_a_token_hides_that_it_claims_to_be_ours() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let api = proxy.browser().token("10001");
    let forged = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{ISSUER}","sub":"admin"}}"#)));
    for token in [&api, &forged] {
        for junk in [&b" "[..], b"\"", b"'", b"<", b"(", b",", b";", b"\t", b"!", b"\xff", b"\xe9\x97\xa8"] {
            let (before, after) = token.as_bytes().split_at(token.find('.').unwrap() + 5);
            let mut request = b"GET / HTTP/1.1\r\nHost: www.meiduo.site\r\nAuthorization: Bearer ".to_vec();
            request.extend([before, junk, after, b"\r\n\r\n"].concat());
            assert_eq!(proxy.connect().send(request).answer().status, 401, "{junk:?}");
        }
    }
    upstream.saw_nothing();
}

/// Regression: a shop's own token was refused for an address of the shop in it.
#[test]
fn the_shops_own_token_passes_whatever_it_says_of_the_site() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for claims in [
        r#"{"token_type":"access","exp":1900000000,"user_id":7}"#.to_owned(),
        format!(r#"{{"user_id":7,"avatar":"{ISSUER}/media/7.png"}}"#),
        format!(r#"{{"user_id":7,"aud":"{ISSUER}"}}"#),
    ] {
        let token = format!("Bearer e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(&claims));
        let answer = proxy.connect().get("/", &[&format!("Authorization: {token}")]).answer();
        assert_eq!((answer.status, upstream.next().header("authorization")), (200, Some(token.as_str())), "{claims}");
    }
}

#[test]
fn a_foreign_authorization_is_the_upstreams_own_affair() {
    let upstream = Upstream::hello();
    let proxy = setup()
        .route_of("path = \"/both/*\"\nidentity = \"both\"")
        .section("[identity.both]\nheader = \"X-Token\"\nforward_authorization = true")
        .before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    for value in ["JWT undefined", "Bearer abc.def.ghi", "Basic eDp5", "Negotiate", "Bearer eyJ.eyJpc3MiOiJ4In0.x"] {
        let field = format!("Authorization: {value}");
        for path in ["/", "/public/", "/both/"] {
            assert_eq!(proxy.connect().get(path, &[&field]).answer().status, 200);
            assert_eq!(upstream.next().header("authorization"), Some(value), "anonymous at {path}");
        }
        assert_eq!(user.get("/", &[&field]).status, 200);
        assert!(!upstream.next().head.contains(value), "ours took its place");
        assert_eq!(user.get("/both/", &[&field]).status, 200);
        let seen = upstream.next();
        assert_eq!(seen.header("authorization"), Some(value));
        assert!(seen.header("x-token").unwrap().starts_with("Bearer "));
        // No client says by itself what only we say.
        assert_eq!(proxy.connect().get("/both/", &["X-Token: Bearer forged"]).answer().status, 200);
        assert_eq!(upstream.next().header("x-token"), None);
    }
}

#[test]
fn where_we_say_who_it_is_under_another_name_nobody_says_it_in_authorization() {
    let upstream = Upstream::hello();
    let proxy = setup()
        .route_of("path = \"/alone/*\"\nidentity = \"alone\"")
        .section("[identity.alone]\nheader = \"X-Token\"")
        .before(&upstream);
    let (stranger, user) = (proxy.browser(), proxy.browser());
    user.log_in("10001");
    for (browser, expected) in [(&stranger, Some("Basic eDp5")), (&user, None)] {
        assert_eq!(browser.get("/alone/", &["Authorization: Basic eDp5"]).status, 200);
        let seen = upstream.next();
        assert_eq!(seen.header("authorization"), expected);
        assert_eq!(seen.header("x-token").is_some(), expected.is_none());
    }
}

#[test]
fn a_backend_verifies_our_tokens_by_the_published_keys() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route_of("path = \"/eddsa/*\"\nidentity = \"eddsa\"")
        .route_of("path = \"/rs256/*\"\nidentity = \"rs256\"")
        .route_of("path = \"/hs256/*\"\nidentity = \"hs256\"")
        .section("[identity.eddsa]\nalgorithm = \"EdDSA\"\naudience = \"mall\"\nissuer = \"https://door.example\"")
        .section("[identity.rs256]\nalgorithm = \"RS256\"\nlifetime = \"1m\"\nclaims = { user_id = \"{user.id}\", admin = false, level = 3, text = \"{provider}-{session.id}\" }")
        .section(&format!("[identity.hs256]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\nscheme = \"JWT\""))
        .before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let id = user.user_id().unwrap();
    let now = proxy.clock.now().as_secs();
    let token = |path: &str| {
        user.visit(path);
        received(&upstream)
    };

    let es256 = token("/");
    let said = verified(&proxy, &es256);
    assert_eq!(decode_header(&es256).unwrap().alg, Algorithm::ES256);
    assert_eq!((said["iss"].as_str(), said["sub"].as_str()), (Some(ISSUER), Some(id.as_str())));
    assert_eq!((said["iat"].as_u64(), said["exp"].as_u64()), (Some(now), Some(now + 300)));
    assert_eq!((said["name"].as_str(), said["provider"].as_str()), (Some("小明"), Some("qq")));
    assert!(said.get("aud").is_none() && said.get("nbf").is_none(), "some backends refuse either");

    let eddsa = token("/eddsa/");
    let said = verified(&proxy, &eddsa);
    assert_eq!(decode_header(&eddsa).unwrap().alg, Algorithm::EdDSA);
    assert_eq!((said["iss"].as_str(), said["aud"].as_str()), (Some("https://door.example"), Some("mall")));

    let rs256 = token("/rs256/");
    let said = verified(&proxy, &rs256);
    assert_eq!(decode_header(&rs256).unwrap().alg, Algorithm::RS256);
    assert_eq!(said["exp"].as_u64(), Some(now + 60));
    assert_eq!((&said["user_id"], &said["admin"], &said["level"]), (&id.as_str().into(), &false.into(), &3.into()));
    assert!(said["text"].as_str().unwrap().starts_with("qq-"));

    user.visit("/hs256/");
    let seen = upstream.next();
    let hs256 = seen.header("authorization").unwrap().strip_prefix("JWT ").unwrap();
    assert_eq!(decode_header(hs256).unwrap().alg, Algorithm::HS256);
    let said = claims(hs256, &DecodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256);
    assert_eq!(said["sub"].as_str(), Some(id.as_str()));

    let answer = proxy.connect().get("/.well-known/jwks.json", &[]).answer();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let published = answer.json();
    let algorithms: BTreeSet<&str> =
        published["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms, BTreeSet::from(["ES256", "EdDSA", "RS256"]));
    let text = answer.text();
    assert!(!text.contains(SECRET) && !text.contains("\"d\"") && !text.contains("\"p\"") && !text.contains("\"k\""));
    let discovery = proxy.connect().get("/.well-known/openid-configuration", &[]).answer().json();
    assert_eq!(discovery["issuer"], ISSUER);
    assert_eq!(discovery["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
}

#[test]
fn what_is_not_published_is_the_applications_own_path() {
    let upstream = Upstream::hello();
    for (jwks, configuration) in [(true, false), (false, false)] {
        let section = format!("[discovery]\njwks = {jwks}\nopenid_configuration = {configuration}");
        let proxy = Setup::new().section(&section).before(&upstream);
        for (path, is_ours) in [("/.well-known/jwks.json", jwks), ("/.well-known/openid-configuration", configuration)]
        {
            let answer = proxy.connect().get(path, &[]).answer();
            assert_eq!((answer.status, answer.text() != "hello"), (200, is_ours), "{path}");
            if !is_ours {
                assert!(upstream.next().line().contains(path));
            }
        }
    }
}

/// Regression: two cores that met a session at the same moment each made its token.
#[test]
fn requests_that_come_together_share_the_token_that_is_made_for_the_first() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for _ in 0..20 {
        let user = proxy.browser();
        user.log_in("10001");
        let cookie = format!("Cookie: {}", user.cookie_header().unwrap());
        let mut clients: Vec<_> = (0..8).map(|_| proxy.connect()).collect();
        for client in &mut clients {
            client.get("/", &[&cookie]);
        }
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        let tokens: BTreeSet<_> = clients.iter().map(|_| received(&upstream)).collect();
        assert_eq!(tokens.len(), 1);
    }
}

#[test]
fn a_token_is_made_once_for_a_session_and_renewed_before_it_expires() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (user, other) = (proxy.browser(), proxy.browser());
    user.log_in("10001");
    other.log_in("10001");
    let token = |browser: &Browser<'_>| {
        assert_eq!(browser.visit("/").status, 200);
        received(&upstream)
    };
    let first = token(&user);
    assert_ne!(first, token(&other), "each session has its own");
    for _ in 0..8 {
        assert_eq!(token(&user), first);
    }
    proxy.advance(Duration::from_secs(239));
    assert_eq!(token(&user), first);
    // From four fifths on a new one is made in the background, while the old one still serves.
    proxy.advance(Duration::from_secs(1));
    let mut second = token(&user);
    eventually(|| {
        second = token(&user);
        second != first
    });
    assert_eq!(verified(&proxy, &second)["iat"].as_u64(), Some(proxy.clock.now().as_secs()));
    assert_eq!(token(&user), second);
    // After a pause nothing that is about to expire is sent.
    for pause in [271, 299, 300, 10_000] {
        proxy.advance(Duration::from_secs(pause));
        let fresh = verified(&proxy, &token(&user));
        assert_eq!(fresh["exp"].as_u64(), Some(proxy.clock.now().as_secs() + 300), "after {pause} s");
    }
}

#[test]
fn a_backend_still_knows_our_keys_after_a_restart() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let (token, api) = {
        let user = proxy.browser();
        let api = user.token("10001");
        user.visit("/");
        (received(&upstream), api)
    };
    proxy.restart();
    verified(&proxy, &token);
    assert_eq!(proxy.connect().get("/user/", &[&format!("Authorization: Bearer {api}")]).answer().status, 200);
}

#[test]
fn an_api_token_tells_its_holder_no_openid_and_no_session() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let token = proxy.browser().token("10001");
    let parts = token.split('.').take(2).map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    let told: Vec<String> = parts.map(|part| String::from_utf8(part).unwrap()).collect();
    let payload: Value = serde_json::from_str(&told[1]).unwrap();
    let names: BTreeSet<_> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["aud", "exp", "iat", "iss", "s"]));
    for binding in proxy.bindings() {
        assert!(told.iter().all(|text| !text.contains(&binding.identity.subject)), "{told:?}");
    }
}

/// Regression: the first one counted, and what stood behind it was looked at by nobody.
#[test]
fn tokens_of_several_sessions_in_one_request_are_refused_and_so_is_a_forged_one_beside_a_good_one() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (one, another) = (proxy.browser().token("10001"), proxy.browser().token("10002"));
    let forged = format!("{}x", &one[..one.len() - 5]);
    for (tokens, status) in [
        ([&one, &one], 200),
        ([&one, &another], 401),
        ([&another, &one], 401),
        ([&one, &forged], 401),
        ([&forged, &one], 401),
    ] {
        let fields = tokens.map(|token| format!("Authorization: Bearer {token}"));
        let in_one = format!("Authorization: Bearer {}, Bearer {}", tokens[0], tokens[1]);
        for fields in [&[fields[0].as_str(), &fields[1]][..], &[&in_one]] {
            assert_eq!(proxy.connect().get("/user/", fields).answer().status, status, "{fields:?}");
        }
    }
    let many = format!("Authorization: Bearer {}", vec![one.as_str(); 30].join(", "));
    assert_eq!(proxy.connect().get("/user/", &[&many]).answer().status, 401);
}
