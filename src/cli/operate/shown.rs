//! How what people chose is shown on a terminal.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::admin::{BoundUser, Person};
use crate::rule::{self, Rule};
use crate::store::{Binding, User, UserState};

/// A text without whatever would move the cursor, ring the bell or turn the writing round: those are written out.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if plays_tricks(char) {
            let _ = write!(shown, "{}", char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// JSON on one line, without what would play tricks: it means the same written out.
pub(super) fn json_line(value: &Value) -> String {
    json(&value.to_string())
}

/// JSON to be read by people, likewise.
pub(super) fn json_pretty(value: &Value) -> String {
    json(&format!("{value:#}"))
}

fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        // Within a string a line's end is written out already.
        if char != '\n' && plays_tricks(char) {
            // All of them are of the first 65,536.
            let _ = write!(shown, "\\u{:04x}", u32::from(char));
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Whether a character moves the cursor, rings the bell, hides, or turns the writing round.
fn plays_tricks(char: char) -> bool {
    let hides = matches!(char, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    (char.is_control() || hides) && rule::holds(Rule::NamesPlayNoTricksOnTerminals)
}

/// The same, and `-` for nothing.
pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), plain)
}

pub(super) fn state(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Blocked => "blocked",
    }
}

/// A user as JSON, in the form that an import takes.
pub(super) fn user_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "state": state(user.state),
        "upstream_id": user.upstream_id,
        "username": user.username,
        "display_name": user.display_name,
        "avatar": user.avatar,
        "created_at": user.created_at.to_string(),
        "updated_at": user.updated_at.to_string(),
    })
}

/// A binding as JSON.
pub(super) fn binding_json(binding: &Binding) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("provider".to_owned(), json!(binding.identity.provider));
    object.insert("client_id".to_owned(), json!(binding.identity.client_id));
    object.insert("openid".to_owned(), json!(binding.identity.subject));
    object.insert("unionid".to_owned(), json!(binding.unionid));
    object.insert("created_at".to_owned(), json!(binding.created_at.to_string()));
    object
}

/// A binding with its user, as an import takes it.
pub(super) fn bound_json(bound: &BoundUser) -> Value {
    let mut object = binding_json(&bound.binding);
    object.insert("user".to_owned(), bound.user.as_ref().map_or(Value::Null, user_json));
    Value::Object(object)
}

/// A user with all that is kept of them.
pub(super) fn person_json(person: &Person) -> Value {
    let bindings: Vec<_> = person.bindings.iter().map(binding_json).collect();
    json!({ "user": user_json(&person.user), "bindings": bindings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_plays_with_the_terminal() {
        assert_eq!(plain("门神🐉"), "门神🐉");
        let hostile = "\u{1b}[2J\u{7}a\nb\u{202e}c\u{9b}31m";
        let shown = plain(hostile);
        assert_eq!(shown, "\\u{1b}[2J\\u{7}a\\u{a}b\\u{202e}c\\u{9b}31m");
        assert!(!shown.chars().any(char::is_control));
        let value = json!({ "name": hostile, "also": "\u{2028}\u{feff}\u{61c}门神" });
        for text in [json_line(&value), json_pretty(&value)] {
            assert!(!text.chars().any(|char| char != '\n' && plays_tricks(char)), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}
