//! Who a token says has issued it, before anything is verified.

use std::fmt;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::http::fold_case::fold_case;
use crate::rule::{self, Rule};

/// Whether a token claims to be issued by one of `issuers`, read without verifying anything, and as leniently as any
/// backend may read it that does not verify either: what is no JSON claims whatever stands in it.
pub fn is_claimed<'a>(token: &[u8], issuers: impl Iterator<Item = &'a str> + Clone) -> bool {
    // Whichever part it is: with something stuck before it, the payload is not the second, and in JSON (RFC 7515, 7.2) it
    // stands alone.
    token.split(|byte| *byte == b'.').filter(|part| !part.is_empty()).any(|part| {
        let mut payload = decode_leniently(part);
        // Of UTF-16, what is left without its NULs shows what is said, and not where.
        let is_wide = payload.contains(&0);
        payload.retain(|byte| *byte != 0);
        match serde_json::from_slice(&payload) {
            Ok(Issuers(claimed)) if !is_wide => {
                claimed.iter().any(|claim| issuers.clone().any(|issuer| names(claim, issuer)))
            }
            Ok(_) | Err(_) if !rule::holds(Rule::TokensAreReadLeniently) => false,
            Ok(_) | Err(_) => {
                let text = unescape(&payload);
                issuers.clone().any(|issuer| holds_quoted(&text, issuer.as_bytes()))
            }
        }
    })
}

fn names(claim: &Value, issuer: &str) -> bool {
    match claim {
        Value::String(claimed) if rule::holds(Rule::IssuersAreComparedLoosely) => loosely(claimed) == loosely(issuer),
        Value::String(claimed) => claimed == issuer,
        Value::Array(several) => several.iter().any(|claim| names(claim, issuer)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// An issuer as it may be written by whoever hopes that it is taken for ours there and not here: whatever its scheme, case,
/// default port, last dot and last slashes.
fn loosely(issuer: &str) -> String {
    let folded = fold_case(issuer.trim());
    let bare = folded.split_once("://").map_or(&*folded, |(_, bare)| bare).trim_end_matches('/');
    let bare = bare.strip_suffix(":80").or_else(|| bare.strip_suffix(":443")).unwrap_or(bare);
    bare.trim_end_matches('.').to_owned()
}

/// Every value of `iss` in an object, in any case: of two, some readers take the first and some the last, and some take
/// `ISS` for it.
struct Issuers(Vec<Value>);

impl<'de> Deserialize<'de> for Issuers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Issuers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token's claims")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Issuers, M::Error> {
                let mut issuers = Vec::new();
                while let Some(name) = members.next_key::<String>()? {
                    match fold_case(&name) == "iss" {
                        true => issuers.push(members.next_value()?),
                        false => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Issuers(issuers))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Whether a text holds a word in quotes of either kind.
fn holds_quoted(text: &[u8], word: &[u8]) -> bool {
    let is_quote = |byte: Option<&u8>| byte.is_some_and(|byte| b"\"'".contains(byte));
    memchr::memmem::find_iter(text, word).any(|at| {
        is_quote(at.checked_sub(1).and_then(|before| text.get(before))) && is_quote(text.get(at + word.len()))
    })
}

/// Undoes JSON's escapes of what an issuer can consist of: `\/` and `\u0068`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                if let Some((code, after)) = ascii_escape(after) {
                    plain.push(code);
                    rest = after;
                }
            }
            byte => plain.push(byte),
        }
    }
    plain
}

/// The byte that `u00XX` stands for, and what follows.
fn ascii_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.strip_prefix(b"u00")?.split_at_checked(2)?;
    let code = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((code, after))
}

/// Base64 of either alphabet, without regard to padding, to bits left over, and to bytes that are none of it.
fn decode_leniently(part: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
    let plain = part.iter().filter_map(|&byte| match byte {
        b'+' => Some(b'-'),
        b'/' => Some(b'_'),
        _ => (byte.is_ascii_alphanumeric() || b"-_".contains(&byte)).then_some(byte),
    });
    let mut plain: Vec<u8> = plain.collect();
    if plain.len() % 4 == 1 {
        plain.pop();
    }
    ENGINE.decode(plain).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    const ISSUER: &str = "http://www.meiduo.site:8000";

    /// Regression: a backend that only decodes what the proxy let pass believed tokens that the proxy had not read.
    #[test]
    fn no_lenient_reading_of_a_token_hides_that_it_claims_to_be_ours() {
        let plain = format!(r#"{{"iss":"{ISSUER}","sub":"admin"}}"#);
        let utf_16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // Read without its NULs, the issuer would stand where it does not count.
        let hiding = |bytes: &str| -> Vec<u8> { bytes.bytes().collect() };
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let nested = [
            wide(r#"{"a":""#),
            hiding(r#"","z":{"q":""#),
            wide(&format!(r#"","iss":"{ISSUER}","b":""#)),
            hiding(r#""} ,"c":""#),
            wide(r#"","sub":"admin"}"#),
        ]
        .concat();
        let encode = |text: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(text);
        let (head, tail) = (encode(plain.as_bytes()), encode(b"x"));
        let (first, last) = head.split_at(7);
        for payload in [
            head.clone(),
            format!("{head}=="),
            format!("{first}!{last}"),
            encode(&utf_16),
            encode(&nested),
            encode(format!(r#"{{"iſſ":"{ISSUER}"}}"#).as_bytes()),
            encode(format!("\u{feff}{plain}").as_bytes()),
            encode(format!(r#"{{"iss":"a","iss":"{ISSUER}"}}"#).as_bytes()),
            encode(format!(r#"{{"iss":"{ISSUER}","iss":"a"}}"#).as_bytes()),
            encode(format!(r#"{{"Iss":"{ISSUER}"}}"#).as_bytes()),
            encode(format!(r#"{{"\u0069ss":"{ISSUER}"}}"#).as_bytes()),
            encode(format!(r#"{{"iss":["{ISSUER}"]}}"#).as_bytes()),
            encode(format!(r#"{{"iss":"{ISSUER}","x":NaN}}"#).as_bytes()),
            encode(format!(r#"{{"iss":"{}","x":NaN}}"#, ISSUER.replace('/', "\\/")).as_bytes()),
            encode(format!(r#"{{"iss":"{}","x":NaN}}"#, ISSUER.replace('h', "\\u0068")).as_bytes()),
            encode(format!(r#"{{"iss":"x","iss":"{}"}}"#, ISSUER.replace('/', "\\/")).as_bytes()),
        ] {
            assert!(is_claimed(format!("{tail}.{payload}.").as_bytes(), [ISSUER].into_iter()), "{payload}");
        }
    }

    #[test]
    fn no_other_spelling_of_the_issuer_hides_whose_token_it_claims_to_be() {
        const PLAIN: &str = "http://www.meiduo.site";
        for claimed in [
            "http://www.meiduo.site/",
            "HTTP://WWW.meiduo.SITE",
            "https://www.meiduo.site",
            "http://www.meiduo.site:80",
            "http://www.meiduo.site.",
            "http://www.meiduo.site.:80//",
            " http://www.meiduo.site ",
            "www.meiduo.site",
        ] {
            let token = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{claimed}"}}"#)));
            assert!(is_claimed(token.as_bytes(), [PLAIN].into_iter()), "{claimed}");
        }
        for anothers in ["http://www.meiduo.site:8080", "http://meiduo.site", "http://www.meiduo.site/x", ""] {
            let token = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{anothers}"}}"#)));
            assert!(!is_claimed(token.as_bytes(), [PLAIN].into_iter()), "{anothers}");
        }
        let alone = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{PLAIN}"}}"#));
        assert!(is_claimed(alone.as_bytes(), [PLAIN].into_iter()), "a JWS in JSON");
    }

    /// Regression: an application's own tokens, which name no issuer, were refused for naming the site anywhere.
    #[test]
    fn anothers_token_may_be_about_us() {
        for claims in [
            format!(r#"{{"iss":"https://idp.example","aud":"{ISSUER}"}}"#),
            format!(r#"{{"user_id":7,"avatar":"{ISSUER}/media/7.png","aud":["{ISSUER}"]}}"#),
            format!(r#"{{"iss":7,"user":{{"iss":"{ISSUER}"}}}}"#),
            format!(r#"{{"iss":null,"aud":"{ISSUER}"}}"#),
        ] {
            let token = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(&claims));
            assert!(!is_claimed(token.as_bytes(), [ISSUER].into_iter()), "{claims}");
        }
        let damaged = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(r#"{"size":"small","x":NaN}"#));
        assert!(!is_claimed(damaged.as_bytes(), ["mall"].into_iter()), "a part of a word");
        assert!(!is_claimed(b"a.b.c", [ISSUER].into_iter()));
    }
}
