//! Whatever QQ, or who stands in its place, answers: an identity has the documented shape, and an error shows nothing of
//! the answer but a number or a plain name.
//!
//! `t`, `m` or `i`, for the token's answer, the openid's or the profile's, and that answer.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use menshen::login::provider::{Error, Identity, RefusedBy, qq};
use menshen::secret::Secret;
use menshen_fuzz::{QQ_CLIENT_ID, qq_provider};
use url::Url;

static QQ: LazyLock<qq::Qq> = LazyLock::new(qq_provider);

const TOKEN: &[u8] = br#"{"access_token":"FE04A1B2C3D4E5F60718293A4B5CCCE2"}"#;
const ME: &[u8] = br#"{"client_id":"101000001","openid":"1A376CE57476A73F2FCA3BE9D5397DFC"}"#;
const INFO: &[u8] = br#"{"ret":0,"nickname":"x"}"#;

fuzz_target!(|data: &[u8]| {
    let Some((kind, answer)) = data.split_first() else { return };
    match read(*kind, answer) {
        Ok((token, identity)) => has_the_documented_shape(&token, &identity),
        Err(error) => shows_nothing_of(*kind, &error),
    }
});

fn read(kind: u8, answer: &[u8]) -> Result<(Secret<String>, Identity), Error> {
    match kind {
        b't' => QQ.read_answers(answer, ME, INFO),
        b'm' => QQ.read_answers(TOKEN, answer, INFO),
        _ => QQ.read_answers(TOKEN, ME, answer),
    }
}

fn has_the_documented_shape(token: &Secret<String>, identity: &Identity) {
    let token = token.expose();
    assert!((1..=512).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()));
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte));
    assert!(is_hex(&identity.subject), "{}", identity.subject);
    assert_eq!(identity.client_id, QQ_CLIENT_ID);
    assert!(identity.unionid.as_deref().is_none_or(|id| id.strip_prefix("UID_").is_some_and(is_hex)));
    if let Some(name) = &identity.display_name {
        assert!((1..=64).contains(&name.chars().count()) && name.trim() == name);
        assert!(!name.contains(|char: char| char.is_control() || ('\u{202A}'..='\u{202E}').contains(&char)));
    }
    if let Some(avatar) = &identity.avatar {
        let url = Url::parse(avatar).unwrap();
        assert!(avatar.len() <= 512 && avatar.is_ascii() && matches!(url.scheme(), "http" | "https"));
        assert!(url.username().is_empty() && url.password().is_none() && url.as_str() == avatar);
    }
}

/// Told the same again by the shortest answer with that number or name: nothing else of the answer was in it.
fn shows_nothing_of(kind: u8, error: &Error) {
    let code = match error {
        Error::Refused(RefusedBy { code, .. }) => code.as_str(),
        Error::Busy { reason, .. } | Error::Unavailable { reason, .. } | Error::Local { reason, .. } => {
            reason.split("error ").nth(1).and_then(|rest| rest.split(':').next()).unwrap()
        }
        Error::Malformed { .. } | Error::ForeignClient { .. } => return,
    };
    let is_name = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let is_number = code.parse::<i64>().is_ok_and(|number| number != 0);
    assert!(is_number || is_name || code == "(not a name)", "{code:?}");
    let shortest = format!(r#"{{"ret":0,"error":"{code}"}}"#);
    assert_eq!(read(kind, shortest.as_bytes()).unwrap_err().to_string(), error.to_string());
}
