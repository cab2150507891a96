//! What strangers can get into our pages: texts and addresses, made harmless before a template sees them. The templates
//! escape what is left for HTML.

use std::fmt;

use crate::rule::{self, Rule};

/// Longest foreign text shown, in characters: more than any honest host or name, and little enough to keep pages small.
const LONGEST: usize = 100;

/// A text that a client, a user or a provider chose. Shows what is invisible as `�`, and cuts what is too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForeignText<'a>(pub(super) &'a str);

impl fmt::Display for ForeignText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(LONGEST) {
            f.write_char(if is_treacherous(character) { char::REPLACEMENT_CHARACTER } else { character })?;
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Controls, line separators, and marks that turn the direction of what follows (UAX #9, 2).
fn is_treacherous(character: char) -> bool {
    let is_mark = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    (character.is_control() || is_mark) && rule::holds(Rule::ForeignTextHidesNothing)
}

/// The address if it is a path on this site, else `/`. Browsers read `\` as `/` and skip tabs and line ends, so that
/// `/\t/host` would leave the site.
pub(super) fn local_path(href: &str) -> &str {
    let leaves = href.starts_with("//") || href.contains('\\') || href.chars().any(char::is_control);
    let is_local = href.starts_with('/') && !leaves;
    if is_local || !rule::holds(Rule::LinksStayOnTheSite) { href } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_shown_and_long_texts_are_cut() {
        assert_eq!(ForeignText("a\0b\nc\u{202e}d").to_string(), "a�b�c�d");
        assert_eq!(ForeignText("张三 👩‍👩‍👧").to_string(), "张三 👩‍👩‍👧");
        let emoji = "🐧".repeat(256);
        assert_eq!(ForeignText(&emoji).to_string(), format!("{}…", "🐧".repeat(100)));
        assert_eq!(ForeignText(&emoji[..400]).to_string(), "🐧".repeat(100));
    }

    #[test]
    fn only_paths_on_this_site_stay_as_they_are() {
        assert_eq!(local_path("/.menshen/login?next=%2Fa&b"), "/.menshen/login?next=%2Fa&b");
        for bad in ["", "javascript:alert(1)", "//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil"]
        {
            assert_eq!(local_path(bad), "/", "{bad}");
        }
    }
}
