//! No API token is accepted but one that we made, as it stands; and whatever names us as its issuer, to however lenient a
//! reader, is never passed on to an application as if it were its own.
//!
//! `h` and lines of `Authorization` values, with `{token}` for one of ours; or `e` and edits to one of ours; or `s` and a
//! token's header and claims, which are signed by our very key.

#![no_main]

use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use menshen::clock::Timestamp;
use menshen::session::{CoreSessions, Proof, Refused};
use menshen::token::api::ApiTokens;
use menshen_fuzz::{NOW, ORIGIN, edited, parts, scene};
use serde_json::{Map, Value};

static GENUINE: LazyLock<String> =
    LazyLock::new(|| scene().sessions.api_token(&scene().snapshot, ORIGIN, NOW).unwrap().expose().clone());
static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_pkcs8(scene().api_key.expose()).unwrap());

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'h', lines)) => what_names_us_is_verified(lines),
        Some((b'e', edits)) => an_edited_token_is_refused(edits),
        Some((b's', claims)) => only_a_token_for_us_is_accepted(claims),
        _ => {}
    }
});

fn what_names_us_is_verified(lines: &[u8]) {
    let Ok(text) = std::str::from_utf8(lines) else { return };
    let text = text.replace("{token}", &GENUINE);
    let values = text.split('\n').filter_map(|line| HeaderValue::from_str(line).ok());
    let headers: HeaderMap = values.map(|value| (AUTHORIZATION, value)).collect();
    let sent = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    match load(&headers) {
        Ok(Some(_)) => assert!(sent.iter().any(|value| holds(value, GENUINE.as_bytes()))),
        Ok(None) => assert!(!sent.iter().any(|value| names_us(value)), "{text:?}"),
        Err(_) => {}
    }
}

fn an_edited_token_is_refused(edits: &[u8]) {
    let token = edited(GENUINE.as_bytes(), edits);
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat()) else { return };
    let loaded = load(&HeaderMap::from_iter([(AUTHORIZATION, value)]));
    if !holds(&token, GENUINE.as_bytes()) {
        assert!(!matches!(loaded, Ok(Some(_))), "{}", String::from_utf8_lossy(&token));
    }
}

fn only_a_token_for_us_is_accepted(claims: &[u8]) {
    let [header, payload] = parts::<2>(claims);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(KEY.sign(signed.as_bytes())));
    let Ok((_, expires)) = ApiTokens::verify::<Map<String, Value>>(&scene().api, ORIGIN, &token, NOW) else { return };
    let [header, payload] = [header, payload].map(|text| serde_json::from_slice::<Map<String, Value>>(text).unwrap());
    assert_eq!(
        (&header["alg"], &header["typ"], &header["kid"]),
        (&"EdDSA".into(), &"menshen-api+jwt".into(), &"k1".into())
    );
    assert_eq!((&payload["iss"], &payload["aud"]), (&ORIGIN.into(), &format!("{ORIGIN}#menshen").into()));
    assert_eq!(payload["exp"].as_u64().map(Timestamp::from_secs), Some(expires));
    assert!(expires > NOW);
}

fn load(headers: &HeaderMap) -> Result<Option<Arc<Proof>>, Refused> {
    let scene = scene();
    let core = CoreSessions::new(Arc::clone(&scene.sessions));
    scene.runtime.block_on(core.load_token(headers, &scene.wire, NOW))
}

/// Whether some application would read our name out of it: in the second part of any word.
fn names_us(value: &[u8]) -> bool {
    value.split(|byte| b" \t,;\"".contains(byte)).any(|word| {
        let payload = word.split(|byte| *byte == b'.').nth(1).unwrap_or_default();
        let payload: Vec<u8> = payload.iter().copied().filter(|byte| *byte != b'=').collect();
        [URL_SAFE_NO_PAD.decode(&payload), STANDARD_NO_PAD.decode(&payload)].into_iter().flatten().any(|claims| {
            let claims = serde_json::from_slice::<Value>(&claims).ok();
            claims.and_then(|claims| claims.get("iss").cloned()) == Some(ORIGIN.into())
        })
    })
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}
