//! Bodies that a client has to cope with or refuse: good ones, spoilt.

use serde::{Deserialize, Serialize};

/// One way to spoil a body. Those about members change the text of the good answer, in whatever form it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mangle {
    /// This body instead.
    Replace(String),
    /// A page of HTML instead.
    Html,
    /// The member `openid` is gone.
    OpenIdMissing,
    /// It is empty.
    OpenIdEmpty,
    /// It is in lower case.
    OpenIdLowerCase,
    /// It has a digit too many.
    OpenIdTooLong,
    /// It is a number.
    OpenIdNumber,
    /// It comes twice, the second time as zeros.
    OpenIdTwice,
    /// `expires_in` is a number.
    ExpiresInNumber,
    /// It is text.
    ExpiresInText,
    /// It is gone.
    ExpiresInMissing,
    /// It is -1.
    ExpiresInNegative,
    /// It has 26 digits.
    ExpiresInHuge,
    /// A line feed follows.
    LineFeed,
    /// `callback` without its line feed.
    NoLineFeed,
    /// With two.
    TwoLineFeeds,
    /// With a carriage return.
    CarriageReturn,
    /// Without the blanks inside its parentheses.
    NoBlanks,
    /// Over several lines.
    SeveralLines,
    /// By another name.
    OtherCallback,
    /// Without `)`.
    Unclosed,
    /// Without `;`.
    NoSemicolon,
    /// With text before it.
    TextBefore,
    /// With text after it.
    TextAfter,
    /// With a `);` inside a value.
    ParenthesisInValue,
    /// A byte order mark comes first.
    ByteOrderMark,
    /// It is not UTF-8.
    BrokenUtf8,
    /// An error as `code=…&msg=…`, as of old.
    ErrorPairs,
}

impl Mangle {
    /// The spoilt body.
    pub(super) fn apply(&self, body: &str) -> Vec<u8> {
        let inside =
            || body.trim_end().strip_prefix("callback( ").and_then(|rest| rest.strip_suffix(" );")).unwrap_or(body);
        let spoilt = match self {
            Mangle::Replace(other) => other.clone(),
            Mangle::Html => "<!DOCTYPE html>\n<html><body><h1>Sorry</h1></body></html>\n".to_owned(),
            Mangle::OpenIdMissing => set_member(body, "openid", |_| None),
            Mangle::OpenIdEmpty => set_member(body, "openid", |_| Some(String::new())),
            Mangle::OpenIdLowerCase => set_member(body, "openid", |value| Some(value.to_ascii_lowercase())),
            Mangle::OpenIdTooLong => set_member(body, "openid", |value| Some(format!("{value}0"))),
            Mangle::OpenIdNumber => unquote(body, "openid", "12345678901234567890123456789012"),
            Mangle::OpenIdTwice => body.replacen('}', &format!(r#","openid":"{}"}}"#, "0".repeat(32)), 1),
            Mangle::ExpiresInNumber => unquote(body, "expires_in", "5184000"),
            Mangle::ExpiresInText => set_member(body, "expires_in", |_| Some("5184000".to_owned())),
            Mangle::ExpiresInMissing => set_member(body, "expires_in", |_| None),
            Mangle::ExpiresInNegative => set_member(body, "expires_in", |_| Some("-1".to_owned())),
            Mangle::ExpiresInHuge => set_member(body, "expires_in", |_| Some("9".repeat(26))),
            Mangle::LineFeed => format!("{body}\n"),
            Mangle::NoLineFeed => body.trim_end().to_owned(),
            Mangle::TwoLineFeeds => format!("{}\n\n", body.trim_end()),
            Mangle::CarriageReturn => format!("{}\r\n", body.trim_end()),
            Mangle::NoBlanks => format!("callback({});\n", inside()),
            Mangle::SeveralLines => format!("callback(\n{}\n);\n", inside().replace(',', ",\n  ")),
            Mangle::OtherCallback => format!("jsonp1( {} );\n", inside()),
            Mangle::Unclosed => format!("callback( {} ;\n", inside()),
            Mangle::NoSemicolon => format!("callback( {} )\n", inside()),
            Mangle::TextBefore => format!("while(1); {body}"),
            Mangle::TextAfter => format!("{} alert(1)\n", body.trim_end()),
            Mangle::ParenthesisInValue => body.replacen('{', r#"{"note":"a);b(","#, 1),
            Mangle::ByteOrderMark => format!("\u{FEFF}{body}"),
            Mangle::BrokenUtf8 => return [body.as_bytes(), &[0xFF, 0xFE]].concat(),
            Mangle::ErrorPairs => error_pairs(inside()),
        };
        spoilt.into_bytes()
    }
}

/// Gives the member another text, or takes it away: in form pairs, or in JSON where its value is text.
fn set_member(body: &str, name: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let Some((before, quoted)) = body.split_once(&format!(r#""{name}":""#)) else {
        let pairs = body.split('&').filter_map(|pair| match pair.split_once('=') {
            Some((key, value)) if key == name => change(value).map(|value| format!("{name}={value}")),
            _ => Some(pair.to_owned()),
        });
        return pairs.collect::<Vec<_>>().join("&");
    };
    let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
    match change(value) {
        Some(value) => format!(r#"{before}"{name}":"{value}"{after}"#),
        // Neither member of interest is the first one: a comma goes with it.
        None => format!("{}{after}", before.trim_end_matches(',')),
    }
}

/// Makes the member a bare number.
fn unquote(body: &str, name: &str, number: &str) -> String {
    let marked = set_member(body, name, |_| Some("\0".to_owned()));
    marked.replace("\"\0\"", number).replace('\0', number)
}

fn error_pairs(json: &str) -> String {
    let Ok(error) = serde_json::from_str::<serde_json::Value>(json) else { return json.to_owned() };
    let text = error.get("error_description").and_then(serde_json::Value::as_str).unwrap_or_default();
    let number = error.get("error").and_then(serde_json::Value::as_i64).unwrap_or_default();
    format!("code={number}&msg={}", super::query::encode(text.as_bytes()))
}
