//! The language a visitor reads.

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, HeaderValue};

/// A language that every text for visitors exists in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    /// 简体中文: also for whoever states no preference, since QQ's users are there.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The one of our languages that `Accept-Language` prefers (RFC 9110, 12.5.4). Someone who reads neither gets English.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::accepted(headers.get(ACCEPT_LANGUAGE))
    }

    /// The same, of the field's value alone.
    pub fn accepted(value: Option<&HeaderValue>) -> Self {
        let Some(accepted) = value.and_then(|value| value.to_str().ok()) else {
            return Language::default();
        };
        let best = accepted.split(',').filter_map(preference).filter(|(_, weight)| *weight > 0);
        // `max_by_key` would take the last of equals; the first one listed is meant.
        best.reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map_or(Language::English, |(language, _)| language)
    }

    /// The value for `lang=` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }
}

/// One item of the list, if it is a language of ours; the weight in thousandths.
fn preference(item: &str) -> Option<(Language, u32)> {
    let mut parts = item.split(';').map(str::trim);
    let tag = parts.next()?;
    let primary = tag.split('-').next().unwrap_or_default();
    let language = match primary {
        _ if primary.eq_ignore_ascii_case("zh") => Language::Chinese,
        _ if primary.eq_ignore_ascii_case("en") => Language::English,
        "*" => Language::default(),
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |text| text.parse::<f32>().ok())?;
    Some((language, (weight.clamp(0.0, 1.0) * 1000.0) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_of_our_languages_is_taken() {
        let cases = [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9,zh;q=0.8", Language::English),
            ("fr-FR,en;q=0.5,zh;q=0.6", Language::Chinese),
            ("fr-FR,fr", Language::English),
            ("ZH-hant", Language::Chinese),
            ("zh;q=0, en;q=0.1", Language::English),
            ("*", Language::Chinese),
            ("en, zh", Language::English),
            (";;;,,,", Language::English),
            ("en;q=x, zh;q=0.1", Language::Chinese),
        ];
        for (accepted, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(Language::of(&headers), expected, "{accepted}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::Chinese);
    }
}
