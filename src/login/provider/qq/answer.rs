//! From bytes to members, in every shape QQ has been seen to answer in: JSON, JSONP, form pairs. The Content-Type is
//! not looked at: QQ says `text/html` of them all.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use url::form_urlencoded;

use super::errors::{Fault, Step, Told};
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// Longest access token taken, in bytes. QQ's have 32.
const TOKEN_BYTES: usize = 512;

/// An answer that is no error: its members, each there once. Not `Debug`, since a token may be among them.
pub(super) struct Members(BTreeMap<String, Value>);

impl Members {
    /// Reads an answer to `step`. An error that QQ tells is an `Err`, whatever else the answer holds.
    pub(super) fn read(step: Step, body: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| Fault::Malformed("not UTF-8"))?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).trim_ascii();
        let members = match unwrap_callback(text)? {
            Some(json) => Members::from_json(json)?,
            None if text.starts_with('{') => Members::from_json(text)?,
            None if step == Step::Token => Members::from_form(text)?,
            None => return Err(Fault::Malformed("neither JSON nor a callback")),
        };
        match members.error(step)? {
            Some(error) => Err(error),
            None => Ok(members),
        }
    }

    /// The access token. How long it would live is not read: it is used at once and forgotten, and QQ has written its
    /// life as a number, as text and not at all.
    pub(super) fn access_token(&self) -> Result<Secret<String>, Fault> {
        let token = self.text("access_token").ok_or(Fault::Malformed("access_token is missing or not text"))?;
        let is_token = (1..=TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_token
            .then(|| Secret::from(token))
            .ok_or(Fault::Malformed("access_token is empty, too long or not visible ASCII"))
    }

    /// The member of this name, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn from_json(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|_| Fault::Malformed("not a JSON object whose members differ"))
    }

    fn from_form(text: &str) -> Result<Self, Fault> {
        let mut members = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            // Else a page of HTML with `&access_token=` somewhere in it would do.
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                return Err(Fault::Malformed("neither form pairs, JSON nor a callback"));
            }
            if members.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(Fault::Malformed("a form name comes twice"));
            }
        }
        Ok(Members(members))
    }

    /// The error the answer tells, if it tells one: in `error`; in `code` beside `msg`, in form pairs of old; in `ret`,
    /// which user info always has. Zero is QQ's number for "all is well".
    fn error(&self, step: Step) -> Result<Option<Fault>, Fault> {
        let by_step = match step {
            Step::UserInfo => Some(self.0.get("ret").ok_or(Fault::Malformed("ret is missing"))?),
            Step::Token if self.has("msg") => self.0.get("code"),
            Step::Token | Step::OpenId | Step::Authorize => None,
        };
        for value in self.0.get("error").into_iter().chain(by_step) {
            let unreadable = Fault::Malformed("the error is neither a number nor text");
            let told = match value {
                Value::Number(number) => Told::number(number.as_i64().ok_or(unreadable)?),
                Value::String(text) => Told::text(text),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(unreadable),
            };
            if !told.is_success() {
                return Ok(Some(told.into()));
            }
        }
        Ok(None)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

/// Refuses an object that names a member twice: of two openids, another reader might take the other one.
struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() && rule::holds(Rule::AMemberComesOnce) {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(Members(members))
    }
}

/// What stands inside `callback( … );`, or `None` if the text is no such call. The last parenthesis ends it, since a
/// value may hold one; the semicolon may be missing; nothing else may follow.
fn unwrap_callback(text: &str) -> Result<Option<&str>, Fault> {
    let call = text.strip_prefix("callback").map(str::trim_ascii_start);
    let Some(arguments) = call.and_then(|rest| rest.strip_prefix('(')) else { return Ok(None) };
    let (inside, after) = arguments.rsplit_once(')').ok_or(Fault::Malformed("callback is not closed"))?;
    let after = after.trim_ascii();
    match after.strip_prefix(';').unwrap_or(after).trim_ascii() {
        "" => Ok(Some(inside)),
        _ => Err(Fault::Malformed("something follows callback")),
    }
}
