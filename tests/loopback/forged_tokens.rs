//! Tokens that say all the right things, under headers and signatures of whoever holds what everybody may hold: the
//! published keys, or a backend's secret.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
use serde_json::Value;

use crate::support::{Proxy, SCRIPT, Setup, Upstream};

/// What an upstream verifies its tokens by.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789";

/// A proxy that publishes a key of every algorithm, and shares a secret with one upstream.
fn before(upstream: &Upstream) -> Proxy {
    let algorithm = |name: &str, lines: &str| format!("[identity.{name}]\nalgorithm = \"{name}\"\n{lines}");
    Setup::new()
        .route("/user/*", "required")
        .route_of("path = \"/eddsa/*\"\nidentity = \"EdDSA\"")
        .route_of("path = \"/rs256/*\"\nidentity = \"RS256\"")
        .route_of("path = \"/hs256/*\"\nidentity = \"HS256\"")
        .section(&algorithm("EdDSA", ""))
        .section(&algorithm("RS256", ""))
        .section(&algorithm("HS256", &format!("secret = \"{SECRET}\"")))
        .before(upstream)
}

/// A token of the proxy's own, and what is forged after it.
struct Original {
    token: String,
    header: Header,
    claims: Value,
}

impl Original {
    fn of(proxy: &Proxy) -> Self {
        let token = proxy.browser().token("10001");
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        Original { header: decode_header(&token).unwrap(), claims: serde_json::from_slice(&claims).unwrap(), token }
    }

    /// Its claims under this header, signed by this key.
    fn forged(&self, change: impl FnOnce(&mut Header), key: &EncodingKey) -> String {
        let mut header = self.header.clone();
        change(&mut header);
        encode(&header, &self.claims, key).unwrap()
    }

    fn forged_by_secret(&self, kid: Option<&str>, secret: &[u8]) -> String {
        let change = |header: &mut Header| {
            header.alg = Algorithm::HS256;
            header.kid = kid.map(str::to_owned);
        };
        self.forged(change, &EncodingKey::from_secret(secret))
    }
}

/// Asserts that the proxy takes none of these, whoever they are for, and still takes the original.
fn refused(proxy: &Proxy, upstream: &Upstream, original: &Original, forged: &[(String, String)]) {
    let mut connection = proxy.connect();
    let mut ask =
        |path: &str, token: &str| connection.get(path, &[SCRIPT, &format!("Authorization: Bearer {token}")]).answer();
    for (case, token) in forged {
        for path in ["/user/", "/", "/.menshen/userinfo"] {
            let answer = ask(path, token);
            assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("4101")), "{path} {case}: {token}");
        }
    }
    upstream.saw_nothing();
    assert_eq!(ask("/user/", &original.token).status, 200);
    upstream.next();
}

/// The proxy's published keys, as published.
fn published(proxy: &Proxy) -> (String, Vec<Value>) {
    let text = proxy.connect().get("/.well-known/jwks.json", &[]).answer().text();
    let keys: Value = serde_json::from_str(&text).unwrap();
    (text, keys["keys"].as_array().unwrap().clone())
}

#[test]
fn no_public_key_and_no_upstreams_secret_is_a_key_to_the_proxy() {
    let upstream = Upstream::hello();
    let proxy = before(&upstream);
    let original = Original::of(&proxy);
    let (document, keys) = published(&proxy);
    let algorithms: Vec<&str> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        assert!(algorithms.contains(&algorithm), "{algorithms:?}");
    }
    let own = original.header.kid.clone().unwrap();
    let mut secrets = vec![
        ("the upstream's secret".to_owned(), SECRET.as_bytes().to_vec()),
        ("the document".to_owned(), document.into_bytes()),
        ("no key".to_owned(), Vec::new()),
        ("the key's name".to_owned(), own.clone().into_bytes()),
    ];
    for key in &keys {
        secrets.extend(forms(key).into_iter().map(|(form, bytes)| (format!("{} as {form}", key["alg"]), bytes)));
    }
    let mut names: Vec<Option<&str>> = vec![None, Some(&own)];
    names.extend(keys.iter().map(|key| key["kid"].as_str()));
    let forge = |(form, secret): &(String, Vec<u8>)| {
        let case = |kid: &Option<&str>| (format!("{form}, kid {kid:?}"), original.forged_by_secret(*kid, secret));
        names.iter().map(case).collect::<Vec<_>>()
    };
    let forged: Vec<_> = secrets.iter().flat_map(forge).collect();
    refused(&proxy, &upstream, &original, &forged);
}

#[test]
fn no_token_brings_its_own_key_or_names_another() {
    let upstream = Upstream::hello();
    let proxy = before(&upstream);
    let original = Original::of(&proxy);
    let (_, keys) = published(&proxy);
    let attackers = attackers_key();
    let jwk = Jwk::from_encoding_key(&attackers, Algorithm::ES256).unwrap();
    let with = |change: &dyn Fn(&mut Header)| {
        let es256 = |header: &mut Header| {
            header.alg = Algorithm::ES256;
            change(header);
        };
        original.forged(es256, &attackers)
    };
    let mut forged = vec![
        ("signed by somebody else".to_owned(), with(&|_| ())),
        ("with its key".to_owned(), with(&|header| header.jwk = Some(jwk.clone()))),
        ("with its key alone".to_owned(), with(&|header| (header.jwk, header.kid) = (Some(jwk.clone()), None))),
        ("with its chain".to_owned(), with(&|header| header.x5c = Some(vec!["MAA=".to_owned()]))),
    ];
    // Nobody is asked for a key; if somebody were, it would be the upstream, who would have seen it.
    let address = format!("http://{}/jwks.json", upstream.address());
    forged.push(("from an address".to_owned(), with(&|header| header.jku = Some(address.clone()))));
    forged.push(("of an address".to_owned(), with(&|header| header.x5u = Some(address.clone()))));
    forged.push(("named by an address".to_owned(), with(&|header| header.kid = Some(address.clone()))));
    let mut names = vec!["", " ", "*", "0", "/dev/null", "../../../../dev/null", "x' UNION SELECT '", "menshen", "\0"];
    names.extend(keys.iter().map(|key| key["kid"].as_str().unwrap()));
    for name in names {
        forged.push((format!("kid {name:?}"), with(&|header| header.kid = Some(name.to_owned()))));
        forged.push((format!("kid {name:?}, no key"), original.forged_by_secret(Some(name), b"")));
    }
    refused(&proxy, &upstream, &original, &forged);
}

/// A key pair that nobody here has ever seen.
fn attackers_key() -> EncodingKey {
    let key = rcgen::KeyPair::generate().unwrap();
    EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap()
}

/// The ways in which a public key is written down, each a secret to whoever mistakes it for one.
fn forms(jwk: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let raw = match jwk["kty"].as_str().unwrap() {
        "EC" => [vec![4], part("x"), part("y")].concat(),
        "OKP" => part("x"),
        "RSA" => der(0x30, &[integer(&part("n")), integer(&part("e"))].concat()),
        other => panic!("{other}"),
    };
    let id: &[u8] = match jwk["kty"].as_str().unwrap() {
        // ecPublicKey on P-256, Ed25519, rsaEncryption (RFC 5480, 8410, 3279).
        "EC" => b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        "OKP" => b"\x06\x03\x2b\x65\x70",
        _ => b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00",
    };
    let spki = der(0x30, &[der(0x30, id), der(3, &[&[0], &raw[..]].concat())].concat());
    let lines: Vec<String> =
        BASE64_STANDARD.encode(&spki).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let member = ["x", "n"].into_iter().find(|name| jwk[name].is_string()).unwrap();
    vec![
        ("JWK", jwk.to_string().into_bytes()),
        ("one member", jwk[member].as_str().unwrap().as_bytes().to_vec()),
        ("the bytes of one member", part(member)),
        ("the bare key", raw),
        ("DER", spki),
        ("PEM", pem.clone().into_bytes()),
        ("PEM with its line end", format!("{pem}\n").into_bytes()),
    ]
}

/// ASN.1's framing.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let head = match content.len() {
        short @ 0..128 => vec![tag, u8::try_from(short).unwrap()],
        _ => [&[tag, 0x80 | u8::try_from(length.len()).unwrap()], length].concat(),
    };
    [&head, content].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
    der(2, &[sign, bytes].concat())
}
