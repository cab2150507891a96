//! The readable cookies beside the session's, for the shop's own scripts.

use std::time::Duration;

use super::field::Field;
use crate::template::Template;

/// One of them.
#[derive(Debug, Clone)]
pub struct Companion {
    /// Its name.
    pub name: String,
    /// What it says.
    pub content: Content,
    /// How long it stays at most; in any case no longer than the session. `None`: as long.
    pub lifetime: Option<Duration>,
}

/// What a companion says.
#[derive(Debug, Clone)]
pub enum Content {
    /// Something of the user. Renewed with the session's cookie.
    Told(Template<Field>),
    /// Something that nobody can guess, for backends that compare a cookie with what their pages send beside it. Stays for as
    /// long as the session can last, since open pages hold its value.
    Random,
}
