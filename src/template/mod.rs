//! Texts of the operator's with placeholders such as `{user.display_name}`, and JSON made of them.

mod json;

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub use self::json::JsonTemplate;
use crate::http::encode;
use crate::rule::{self, Rule};

/// What a placeholder can name, where texts of one kind stand.
pub trait Placeholder: Copy + PartialEq + 'static {
    /// Each with its name, for parsing, error messages and the documents.
    const ALL: &'static [(&'static str, Self)];
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `|raw`: as it is. In a header or cookie that is printable ASCII, and nothing that could end it; a value that is not
    /// counts as missing.
    Raw,
    /// `|percent`: percent-encoded UTF-8, but for ASCII letters, digits and `-._~@:/`.
    Percent,
    /// `|base64`: its UTF-8 in Base64 (RFC 4648, 4).
    Base64,
}

/// Every encoding that can stand after a placeholder's name and a `|`.
pub const ENCODINGS: [(&str, Encoding); 3] =
    [("raw", Encoding::Raw), ("percent", Encoding::Percent), ("base64", Encoding::Base64)];

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// JSON, which takes any text. What is not said otherwise is written as it is.
    Json,
    /// A header's value. What is not said otherwise is percent-encoded.
    Header,
    /// A cookie's value. What is not said otherwise is percent-encoded.
    Cookie,
    /// An address. What is not said otherwise is percent-encoded.
    Address,
}

impl Place {
    /// Whether a text can stand here as it is.
    fn takes(self, text: &str) -> bool {
        match self {
            Place::Json => true,
            Place::Header => text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && text.trim() == text,
            // RFC 6265, 4.1.1.
            Place::Cookie => text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)),
            Place::Address => text.bytes().all(|byte| byte.is_ascii_graphic()),
        }
    }

    /// A value as it is written here; `None` if it cannot be.
    fn written(self, text: Cow<'_, str>, encoding: Option<Encoding>) -> Option<Cow<'_, str>> {
        let stated = if self == Place::Json { Encoding::Raw } else { Encoding::Percent };
        match encoding.unwrap_or(stated) {
            Encoding::Raw => self.takes(&text).then_some(text),
            Encoding::Percent if !rule::holds(Rule::ChosenNamesAreEncoded) => Some(text),
            Encoding::Percent => Some(encode::percent(&text).into()),
            Encoding::Base64 => Some(BASE64_STANDARD.encode(&*text).into()),
        }
    }
}

/// Literal text and fields, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<F>(Vec<Part<F>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<F> {
    Literal(String),
    Field(F, Option<Encoding>),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder names nothing.
    #[error("there is no {{{0}}}")]
    UnknownField(String),
    /// What stands after a placeholder's `|` is no encoding.
    #[error("there is no encoding {0:?}")]
    UnknownEncoding(String),
    /// A `{` without its `}`, or the reverse.
    #[error("a brace stands alone: write {{{{ or }}}} for a literal one")]
    LoneBrace,
    /// Control characters can stand neither in a header nor in a cookie.
    #[error("control characters are not allowed")]
    Control,
}

impl<F: Placeholder> Template<F> {
    /// Reads `text`; `{{` and `}}` stand for literal braces.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.chars().any(char::is_control) {
            return Err(TemplateError::Control);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let inside = from.strip_prefix('{').ok_or(TemplateError::LoneBrace)?;
                let (name, after) = inside.split_once('}').ok_or(TemplateError::LoneBrace)?;
                let (name, encoding) = name.split_once('|').map_or((name, None), |(name, after)| (name, Some(after)));
                let field = F::ALL.iter().find(|(known, _)| *known == name.trim());
                let (_, field) = field.ok_or_else(|| TemplateError::UnknownField(name.to_owned()))?;
                let encoding = encoding.map(encoding_of).transpose()?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(*field, encoding));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template(parts))
    }

    /// Fills in the fields for a place. If there is nothing for one of them, or it cannot be written there, that field:
    /// nobody is sent with an empty or half-empty identity.
    pub fn fill<'v>(&self, place: Place, value_of: impl Fn(F) -> Option<Cow<'v, str>>) -> Result<String, F> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(field, encoding) => {
                    let value = value_of(*field).filter(|value| !value.is_empty());
                    let written = value.and_then(|value| place.written(value, *encoding));
                    text.push_str(&written.ok_or(*field)?);
                }
            }
        }
        Ok(text)
    }

    /// The fields it names.
    pub fn fields(&self) -> impl Iterator<Item = F> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Field(field, _) => Some(*field),
        })
    }
}

fn encoding_of(written: &str) -> Result<Encoding, TemplateError> {
    let known = ENCODINGS.iter().find(|(known, _)| *known == written.trim());
    known.map(|(_, encoding)| *encoding).ok_or_else(|| TemplateError::UnknownEncoding(written.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Field {
        UserId,
        Username,
        Avatar,
        Provider,
    }

    impl Placeholder for Field {
        const ALL: &'static [(&'static str, Self)] = &[
            ("user.id", Field::UserId),
            ("user.username", Field::Username),
            ("user.avatar", Field::Avatar),
            ("provider", Field::Provider),
        ];
    }

    fn fill(text: &str) -> Result<String, Field> {
        Template::parse(text).unwrap().fill(Place::Json, |field| {
            if field == Field::Username {
                return None;
            }
            Some(if field == Field::Avatar { Cow::Borrowed("") } else { Cow::Owned(format!("<{field:?}>")) })
        })
    }

    #[test]
    fn fields_are_filled_in_and_doubled_braces_are_literal() {
        assert_eq!(fill("a{user.id}b{{c}}{ provider }").unwrap(), "a<UserId>b{c}<Provider>");
        assert_eq!(fill("").unwrap(), "");
    }

    #[test]
    fn a_missing_or_empty_value_leaves_no_half_identity() {
        assert_eq!(fill("u-{user.username}"), Err(Field::Username));
        assert_eq!(fill("{user.avatar}"), Err(Field::Avatar));
    }

    #[test]
    fn a_value_is_written_as_the_place_takes_it_unless_it_is_said_otherwise() {
        let name = |template: &str, place, value: &'static str| {
            Template::<Field>::parse(template).unwrap().fill(place, |_| Some(Cow::Borrowed(value))).ok()
        };
        for (template, place, value, written) in [
            ("{user.username}", Place::Json, "小明", Some("小明")),
            ("{user.username}", Place::Header, "小明", Some("%E5%B0%8F%E6%98%8E")),
            ("{user.username}", Place::Cookie, "a+b c", Some("a%2Bb%20c")),
            ("{ user.username | raw }", Place::Header, "a+b@c.d", Some("a+b@c.d")),
            ("{user.username|raw}", Place::Header, "Ming Li", Some("Ming Li")),
            ("{user.username|raw}", Place::Header, " Ming", None),
            ("{user.username|raw}", Place::Header, "小明", None),
            ("{user.username|raw}", Place::Header, "a\r\nX-Admin: 1", None),
            ("{user.username|raw}", Place::Cookie, "a+b@c.d", Some("a+b@c.d")),
            ("{user.username|raw}", Place::Cookie, "a;b", None),
            ("{user.username|raw}", Place::Cookie, "a b", None),
            ("{user.username|base64}", Place::Cookie, "小明", Some("5bCP5piO")),
            ("{user.username|percent}", Place::Json, "小", Some("%E5%B0%8F")),
            ("/?next={user.username}", Place::Address, "/a?b=c&d", Some("/?next=/a%3Fb%3Dc%26d")),
            ("{user.username|raw}", Place::Address, "a b", None),
        ] {
            assert_eq!(name(template, place, value).as_deref(), written, "{template} {value}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        assert_eq!(Template::<Field>::parse("{user.name}"), Err(TemplateError::UnknownField("user.name".into())));
        assert_eq!(Template::<Field>::parse("{user.id|hex}"), Err(TemplateError::UnknownEncoding("hex".into())));
        assert_eq!(Template::<Field>::parse("{user.id"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::<Field>::parse("a}b"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::<Field>::parse("a\r\nb"), Err(TemplateError::Control));
    }
}
