//! What an application can be told of a user.

use std::fmt;

use crate::template::Placeholder;

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

impl Placeholder for Field {
    const ALL: &'static [(&'static str, Self)] = &[
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
}

impl Field {
    /// Whether somebody is looked up by it. Without it nobody is told of, where everything else may be left out.
    pub fn names_somebody(self) -> bool {
        match self {
            Field::UserId | Field::UpstreamId | Field::Username | Field::Handle | Field::OpenId => true,
            Field::DisplayName | Field::Avatar | Field::Provider | Field::SessionId | Field::Site => false,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Field::ALL.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name);
        write!(f, "{{{name}}}")
    }
}
