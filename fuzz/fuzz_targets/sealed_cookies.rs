//! What we have not sealed never opens, and what we have sealed opens for its purpose alone, as it stands.
//!
//! `c` and lines of `Cookie` values, or `e` and edits to a cookie of ours.

#![no_main]

use std::sync::LazyLock;

use http::header::{COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use menshen::session::{CoreSessions, Presented};
use menshen_fuzz::{NOW, ORIGIN, edited, scene};

static GENUINE: LazyLock<String> = LazyLock::new(|| scene().session_cookie());

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'c', lines)) => strangers_cookies_prove_nothing(lines),
        Some((b'e', edits)) => an_edited_cookie_proves_nothing(edits),
        _ => {}
    }
});

fn strangers_cookies_prove_nothing(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        // An opening as a value of its own, too: a header holds no NUL and few others.
        assert!(scene().sealer.open(&format!("session {ORIGIN}"), line).is_none());
        assert!(scene().sealer.open_bytes(&format!("session {ORIGIN}"), line).is_none());
        headers.extend(HeaderValue::from_bytes(line).ok().map(|value| (COOKIE, value)));
    }
    assert!(session(&headers).is_none());
}

fn an_edited_cookie_proves_nothing(edits: &[u8]) {
    let value = edited(GENUINE.as_bytes(), edits);
    let is_genuine = value == GENUINE.as_bytes();
    assert_eq!(scene().sealer.open(&format!("session {ORIGIN}"), &value).is_some(), is_genuine);
    for other in [format!("login {ORIGIN}"), format!("token {ORIGIN}"), "session https://m.meiduo.site".into()] {
        assert!(scene().sealer.open(&other, &value).is_none());
    }
    let Ok(cookie) = HeaderValue::from_bytes(&[b"menshen_session=", &value[..]].concat()) else { return };
    let proved = session(&HeaderMap::from_iter([(COOKIE, cookie)]));
    // Around a cookie's value blanks do not count, and behind a `;` there is another one.
    let read = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    assert_eq!(proved.is_some(), read == GENUINE.as_bytes());
}

fn session(headers: &HeaderMap) -> Option<String> {
    let scene = scene();
    let core = CoreSessions::new(scene.sessions.clone());
    match scene.runtime.block_on(core.load_cookie(headers, &scene.wire, NOW)) {
        Presented::Session(proof) => Some(proof.snapshot.session.to_string()),
        Presented::Over | Presented::Nothing => None,
    }
}
