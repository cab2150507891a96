//! What people put into `next` to lead others off the site.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// One such value.
pub struct Next {
    /// The kind of trick.
    pub class: &'static str,
    pub next: Cow<'static, str>,
    /// Where the login returns to all the same: nearly always the front page.
    pub place: &'static str,
}

/// The table: percent-encoded values, below the name of their class in brackets; ` -> ` and a place after those that
/// are good for something.
pub fn open_redirects() -> Vec<Next> {
    let mut class = "";
    let mut rows = Vec::new();
    for line in include_str!("../../data/open_redirects.txt").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            class = name;
        } else if !line.is_empty() {
            let (next, place) = line.split_once(" -> ").unwrap_or((line, "/"));
            rows.push(Next { class, next: percent_decode_str(next).decode_utf8().unwrap(), place });
        }
    }
    rows
}
