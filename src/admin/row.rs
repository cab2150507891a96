//! A row of a table of bindings, and what it has to be to be taken in, whoever brings it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{IdentityKey, UserId, UserState};

/// Who somebody is at the configured app, by an openid, in the one spelling that is stored; `None` if it is none.
pub type Identify = dyn Fn(&str) -> Option<IdentityKey> + Send + Sync;

/// The longest value, in bytes: what a shop calls its users is shorter.
const LONGEST: usize = 512;

/// The longest address of a picture, in bytes.
const LONGEST_ADDRESS: usize = 2048;

/// The longest name of a provider or an app, in bytes.
const LONGEST_NAME: usize = 64;

/// What programs write for nothing when they are told to write a table, in any case.
const NOTHING: [&str; 13] =
    ["null", "\\n", "none", "nil", "nan", "undefined", "(null)", "(none)", "<null>", "<na>", "[null]", "n/a", "#n/a"];

/// A row of a table of bindings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Who it is at the provider.
    pub identity: IdentityKey,
    /// Whom it stands for here, where the row says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// See [`crate::store::User::upstream_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<String>,
    /// See [`crate::store::User::username`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// See [`crate::store::User::display_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// See [`crate::store::User::avatar`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// See [`crate::store::User::state`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<UserState>,
    /// See [`crate::store::Binding::unionid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unionid: Option<String>,
    /// When the binding was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When the user first came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_created_at: Option<Timestamp>,
}

impl Row {
    /// The row with its openid as it is stored; an error says what is wrong with it.
    pub fn checked(self, identify: &Identify) -> Result<Self, String> {
        let subject =
            identify(&self.identity.subject).ok_or("has an openid that is not 32 hexadecimal digits")?.subject;
        if !is_name(&self.identity.provider) || !is_name(&self.identity.client_id) {
            return Err("has a provider or a client_id that is no name of one".to_owned());
        }
        if self.user.is_some_and(|user| *user.as_bytes() == [0; 16]) {
            return Err("names a user by an id that is all zero".to_owned());
        }
        for (name, value, longest) in [
            ("upstream_id", &self.upstream_id, LONGEST),
            ("username", &self.username, LONGEST),
            ("display_name", &self.display_name, LONGEST),
            ("unionid", &self.unionid, LONGEST),
            ("avatar", &self.avatar, LONGEST_ADDRESS),
        ] {
            let Some(value) = value else { continue };
            // A backend gets these in headers and claims, and people read them.
            if value.len() > longest || value.chars().any(char::is_control) {
                return Err(format!("has a {name} with control characters, or longer than {longest} bytes"));
            }
        }
        if self.username.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err("has a username that is blank: leave it out".to_owned());
        }
        match &self.upstream_id {
            // Everybody with it would be one user.
            Some(id) if is_nobodys(id) => {
                Err(format!("has upstream_id {id:?}, which is nobody's: leave the cell empty, or the row out"))
            }
            Some(_) | None => Ok(Row { identity: IdentityKey { subject, ..self.identity }, ..self }),
        }
    }
}

/// Whether a text is how some program writes that there is nothing.
pub fn is_nothing(text: &str) -> bool {
    text.trim().is_empty() || NOTHING.iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

/// Whether an id is one that shops write where there is nobody: 0, -1, a UUID of zeros, no id at all.
fn is_nobodys(id: &str) -> bool {
    let is_negative = id.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| b"0123456789.".contains(&byte)));
    is_nothing(id) || is_negative || id.eq_ignore_ascii_case("na") || id.bytes().all(|byte| b"0.-".contains(&byte))
}

/// Whether it could be what a provider is called in the configuration, or an app at a provider.
fn is_name(text: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "A1B2C3D4E5F60718293A4B5C6D7E8F90";

    fn row() -> Row {
        let identity = IdentityKey { provider: "qq".to_owned(), client_id: "7".to_owned(), subject: A.to_lowercase() };
        Row {
            identity,
            user: None,
            upstream_id: None,
            username: None,
            display_name: None,
            avatar: None,
            state: None,
            unionid: None,
            created_at: None,
            user_created_at: None,
        }
    }

    fn checked(row: Row) -> Result<Row, String> {
        row.checked(&|openid| {
            let is_right = openid.len() == 32 && openid.bytes().all(|byte| byte.is_ascii_hexdigit());
            let (provider, client_id) = ("qq".to_owned(), "101000001".to_owned());
            is_right.then(|| IdentityKey { provider, client_id, subject: openid.to_ascii_uppercase() })
        })
    }

    #[test]
    fn an_openid_is_stored_in_one_spelling_and_its_app_stays_as_the_row_says() {
        let identity = checked(row()).unwrap().identity;
        assert_eq!((identity.subject.as_str(), identity.client_id.as_str()), (A, "7"));
    }

    #[test]
    fn an_upstream_id_that_is_nobodys_is_refused_in_every_spelling() {
        for nobody in [
            "0",
            "00",
            "0.0",
            "-0",
            "-1",
            "-1.0",
            "-",
            "None",
            "null",
            "NULL",
            "nan",
            "NaN",
            "(null)",
            "nil",
            "N/A",
            "NA",
            "undefined",
            "\\N",
            "",
            " ",
            "00000000-0000-0000-0000-000000000000",
        ] {
            let refused = checked(Row { upstream_id: Some(nobody.to_owned()), ..row() }).unwrap_err();
            assert!(refused.contains("nobody's"), "{nobody:?}: {refused}");
        }
        for somebody in ["1", "42", "-a", "100", "0x1", "0190a5b2-3c4d-7e8f-9a0b-112233445566", "nona", "0e123"] {
            assert!(checked(Row { upstream_id: Some(somebody.to_owned()), ..row() }).is_ok(), "{somebody}");
        }
    }

    #[test]
    fn what_could_be_no_row_of_ours_is_refused() {
        let named = |provider: &str, client_id: &str, subject: &str| Row {
            identity: IdentityKey {
                provider: provider.to_owned(),
                client_id: client_id.to_owned(),
                subject: subject.to_owned(),
            },
            ..row()
        };
        let text = |text: &str| Some(text.to_owned());
        for (bad, words) in [
            (named("<b>", "7", A), "provider"),
            (named("", "7", A), "provider"),
            (named("qq", "", A), "client_id"),
            (named("qq", "7", "not an openid"), "32 hexadecimal"),
            (Row { user: Some(UserId::from_bytes([0; 16])), ..row() }, "all zero"),
            (Row { username: text("a\r\nSet-Cookie: x=1"), ..row() }, "control characters"),
            (Row { username: text(" "), ..row() }, "blank"),
            (Row { display_name: text("\u{1b}[31m"), ..row() }, "control characters"),
            (Row { unionid: text(&"x".repeat(513)), ..row() }, "512 bytes"),
            (Row { avatar: text(&"x".repeat(2049)), ..row() }, "2048 bytes"),
        ] {
            let refused = checked(bad).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
