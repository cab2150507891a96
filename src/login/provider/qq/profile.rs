//! The user's name and picture, made fit for display. Both were chosen by a person and mean nothing else.

use url::Url;

use super::answer::Members;

/// Longest name kept, in characters. QQ's own limit is lower.
const NAME_CHARACTERS: usize = 64;
/// Longest picture address kept, in bytes. QQ's are below 200.
const AVATAR_BYTES: usize = 512;

/// What can be shown of a user.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) display_name: Option<String>,
    pub(super) avatar: Option<String>,
}

impl Profile {
    /// Takes what is usable; a member that is missing or odd is left out.
    pub(super) fn of(members: &Members) -> Self {
        // 100 pixels, which not every user has, or 40, which every user has.
        let mut avatars = ["figureurl_qq_2", "figureurl_qq_1"].into_iter();
        Profile {
            display_name: members.text("nickname").and_then(display_name),
            avatar: avatars.find_map(|name| members.text(name).and_then(avatar)),
        }
    }
}

fn display_name(nickname: &str) -> Option<String> {
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

fn avatar(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    // QQ writes `http`, which browsers on an `https` page load over `https` or not at all: its own picture hosts serve both.
    if url.scheme() == "http" && url.port().is_none() && (host == "qlogo.cn" || host.ends_with(".qlogo.cn")) {
        url.set_scheme("https").ok()?;
    }
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

    #[test]
    fn only_addresses_of_pictures_on_the_web_are_kept() {
        let cases = [
            ("http://thirdqq.qlogo.cn/g?b=oidb&s=100", Some("https://thirdqq.qlogo.cn/g?b=oidb&s=100")),
            ("https://thirdqq.qlogo.cn/g", Some("https://thirdqq.qlogo.cn/g")),
            ("http://qlogo.cn:8080/g", Some("http://qlogo.cn:8080/g")),
            ("http://evilqlogo.cn/g", Some("http://evilqlogo.cn/g")),
            ("http://a.example/\"><script>", Some("http://a.example/%22%3E%3Cscript%3E")),
            ("javascript:alert(1)", None),
            ("data:image/png;base64,AAAA", None),
            ("//thirdqq.qlogo.cn/g", None),
            ("http://user:pass@thirdqq.qlogo.cn/g", None),
            ("http://", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(avatar(text).as_deref(), expected, "{text}");
        }
        assert_eq!(avatar(&format!("http://a.example/{}", "a".repeat(512))), None);
    }
}
