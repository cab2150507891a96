//! What a person chose to be called and shown by, made fit for display. It means nothing else.

use url::Url;

/// Longest name kept, in characters.
const NAME_CHARACTERS: usize = 64;
/// Longest picture address kept, in bytes.
const AVATAR_BYTES: usize = 512;

/// A name, if anything of it can be seen.
pub(super) fn display_name(nickname: &str) -> Option<String> {
    let shown: String = nickname.chars().filter(|&character| !is_invisible_control(character)).collect();
    let shown: String = shown.trim().chars().take(NAME_CHARACTERS).collect();
    let shown = shown.trim_end();
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// Whether a character cannot be seen, or changes lines or the direction of the text around it. Joiners stay: emoji are
/// made with them.
fn is_invisible_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        )
}

/// A picture's address, if it is one on the web.
pub(super) fn picture(url: Url) -> Option<String> {
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_web = matches!(url.scheme(), "http" | "https");
    (is_plain && is_web && url.as_str().len() <= AVATAR_BYTES).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_cleaned_and_bounded() {
        let long = "名".repeat(1024);
        let cases = [
            ("  小明  ", Some("小明")),
            ("", None),
            (" \u{0}\n\t ", None),
            ("a\u{0}b\r\nc\u{7f}\u{85}", Some("abc")),
            ("\u{202E}gro.live", Some("gro.live")),
            ("\u{200B}\u{200F} \u{FEFF}", None),
            ("👨‍👩‍👧 家", Some("👨‍👩‍👧 家")),
            ("<script>alert(1)</script>", Some("<script>alert(1)</script>")),
            (long.as_str(), Some(&long[..64 * 3])),
        ];
        for (nickname, expected) in cases {
            assert_eq!(display_name(nickname).as_deref(), expected, "{nickname:?}");
        }
        let ends_in_blank = format!("{} b", "a".repeat(63));
        assert_eq!(display_name(&ends_in_blank).unwrap(), "a".repeat(63));
    }
}
