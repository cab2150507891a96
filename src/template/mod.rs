//! Text with placeholders such as `{user.display_name}`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::http::encode;
use crate::rule::{self, Rule};

/// What a placeholder can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `{user.id}`: our id, a UUID.
    UserId,
    /// `{user.upstream_id}`: the application's own id, where known.
    UpstreamId,
    /// `{user.username}`: the name in the application's tables, where known.
    Username,
    /// `{user.handle}`: the username, or else a name with a random part that nobody could have registered before.
    Handle,
    /// `{user.display_name}`: what the user chose to be called. Not unique, not to be trusted.
    DisplayName,
    /// `{user.avatar}`: the picture's address, where known.
    Avatar,
    /// `{provider}`: the provider's name, such as `qq`.
    Provider,
    /// `{openid}`: the provider's name for the user at our app.
    OpenId,
    /// `{session.id}`: names the session; opens nothing.
    SessionId,
    /// `{site}`: the site's origin.
    Site,
}

/// Every placeholder with its meaning's field, for parsing, error messages and the documents.
pub const FIELDS: [(&str, Field); 10] = [
    ("user.id", Field::UserId),
    ("user.upstream_id", Field::UpstreamId),
    ("user.username", Field::Username),
    ("user.handle", Field::Handle),
    ("user.display_name", Field::DisplayName),
    ("user.avatar", Field::Avatar),
    ("provider", Field::Provider),
    ("openid", Field::OpenId),
    ("session.id", Field::SessionId),
    ("site", Field::Site),
];

impl Field {
    /// Whether somebody is looked up by it. Without it nobody is told of, where everything else may be left out.
    pub fn names_somebody(self) -> bool {
        match self {
            Field::UserId | Field::UpstreamId | Field::Username | Field::Handle | Field::OpenId => true,
            Field::DisplayName | Field::Avatar | Field::Provider | Field::SessionId | Field::Site => false,
        }
    }
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
    Claim,
    /// A header's value. What is not said otherwise is percent-encoded.
    Header,
    /// A cookie's value. What is not said otherwise is percent-encoded.
    Cookie,
}

impl Place {
    /// Whether a text can stand here as it is.
    fn takes(self, text: &str) -> bool {
        match self {
            Place::Claim => true,
            Place::Header => text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && text.trim() == text,
            // RFC 6265, 4.1.1.
            Place::Cookie => text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)),
        }
    }

    /// A value as it is written here; `None` if it cannot be.
    fn written(self, text: Cow<'_, str>, encoding: Option<Encoding>) -> Option<Cow<'_, str>> {
        let stated = if self == Place::Claim { Encoding::Raw } else { Encoding::Percent };
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
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field, Option<Encoding>),
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

impl Template {
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
                let field = FIELDS.iter().find(|(known, _)| *known == name.trim());
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

    /// Fills in the fields for a place. If this user has not what one of them names, or it cannot be written there, that
    /// field: nobody is sent with an empty or half-empty identity.
    pub fn fill<'v>(&self, place: Place, value_of: impl Fn(Field) -> Option<Cow<'v, str>>) -> Result<String, Field> {
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
    pub fn fields(&self) -> impl Iterator<Item = Field> {
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

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIELDS.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name);
        write!(f, "{{{name}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, Field> {
        Template::parse(text).unwrap().fill(Place::Claim, |field| {
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
            Template::parse(template).unwrap().fill(place, |_| Some(Cow::Borrowed(value))).ok()
        };
        for (template, place, value, written) in [
            ("{user.username}", Place::Claim, "小明", Some("小明")),
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
            ("{user.username|percent}", Place::Claim, "小", Some("%E5%B0%8F")),
        ] {
            assert_eq!(name(template, place, value).as_deref(), written, "{template} {value}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        assert_eq!(Template::parse("{user.name}"), Err(TemplateError::UnknownField("user.name".into())));
        assert_eq!(Template::parse("{user.id|hex}"), Err(TemplateError::UnknownEncoding("hex".into())));
        assert_eq!(Template::parse("{user.id"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::parse("a}b"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::parse("a\r\nb"), Err(TemplateError::Control));
    }
}
