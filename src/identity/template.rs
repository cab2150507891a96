//! Text with placeholders such as `{user.display_name}`.

use std::fmt;

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

/// Literal text and fields, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder names nothing.
    #[error("there is no {{{0}}}")]
    UnknownField(String),
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
                let field = FIELDS.iter().find(|(known, _)| *known == name.trim());
                let (_, field) = field.ok_or_else(|| TemplateError::UnknownField(name.to_owned()))?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(*field));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template(parts))
    }

    /// Fills in the fields; `None` if this user has not what one of them names, so that nobody is sent with an empty
    /// or half-empty identity.
    pub fn fill<'v>(&self, value_of: impl Fn(Field) -> Option<std::borrow::Cow<'v, str>>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(field) => text.push_str(&value_of(*field).filter(|value| !value.is_empty())?),
            }
        }
        Some(text)
    }

    /// The fields it names.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Field(field) => Some(*field),
        })
    }
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
    use std::borrow::Cow;

    fn fill(text: &str) -> Option<String> {
        Template::parse(text).unwrap().fill(|field| {
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
        assert_eq!(fill("u-{user.username}"), None);
        assert_eq!(fill("{user.avatar}"), None);
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        assert_eq!(Template::parse("{user.name}"), Err(TemplateError::UnknownField("user.name".into())));
        assert_eq!(Template::parse("{user.id"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::parse("a}b"), Err(TemplateError::LoneBrace));
        assert_eq!(Template::parse("a\r\nb"), Err(TemplateError::Control));
    }
}
