//! The user's name and picture, made fit for display. Both were chosen by a person and mean nothing else.

use url::Url;

use super::answer::Members;
use crate::login::provider::profile::{self, display_name};

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

fn avatar(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    // QQ writes `http`, which browsers on an `https` page load over `https` or not at all: its own picture hosts serve both.
    if url.scheme() == "http" && url.port().is_none() && (host == "qlogo.cn" || host.ends_with(".qlogo.cn")) {
        url.set_scheme("https").ok()?;
    }
    profile::picture(url)
}

#[cfg(test)]
mod tests {
    use super::*;

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
