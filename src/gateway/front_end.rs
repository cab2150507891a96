//! A site's front end that lives elsewhere: pages that are no application's, whose scripts call an API by paths and in words
//! of its own.

use http::StatusCode;
use url::Url;

use crate::identity::Field;
use crate::login::StateShape;
use crate::template::{JsonTemplate, Placeholder};

/// How such a front end logs its visitors in.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    /// The call that begins a login; `None`: the contract's alone does.
    pub start: Option<Start>,
    /// The call that hands in the code; `None`: nobody does.
    pub handed: Option<Handed>,
    /// What is answered where something went wrong.
    pub error: JsonTemplate<Fault>,
    /// The status of what is the visitor's affair, such as a code that is missing.
    pub refused: StatusCode,
    /// The status of what is not, such as a QQ that does not answer.
    pub failed: StatusCode,
}

/// The call that begins a login.
#[derive(Debug, Clone)]
pub struct Start {
    /// Where; with a last slash or without.
    pub path: String,
    /// The parameter that says where the visitor goes afterwards.
    pub next: String,
    /// What is answered.
    pub json: JsonTemplate<Started>,
    /// When the login begins, and this browser is given its attempt.
    pub begins: Begins,
    /// The page that QQ sends browsers to, and that hands in the code; `None`: wherever the site has them sent.
    pub redirect_uri: Option<Url>,
    /// What that page is told by `state`.
    pub state: StateShape,
}

/// When a login begins that a script asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// When the page goes to the address that it is told, which is one of ours: browsers drop cookies of a call without
    /// credentials.
    WithNavigation,
    /// With the call, which brings credentials; the address it is told is QQ's.
    WithCall,
}

/// The call that hands in the code.
#[derive(Debug, Clone)]
pub struct Handed {
    /// Where; with a last slash or without.
    pub path: String,
    /// The parameter with the code.
    pub code: String,
    /// How it tells which login it ends.
    pub state: StateShape,
    /// What is answered.
    pub json: JsonTemplate<Done>,
    /// Whether the browser also gets the session's cookies, and not just a token.
    pub with_cookies: bool,
}

/// What the answer to a login that begins can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// `{login_url}`: where the page goes.
    LoginUrl,
}

/// What the answer to a finished login can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// `{token}`: an API token.
    Token,
    /// `{next}`: where the visitor goes.
    Next,
    /// What an identity can say.
    User(Field),
}

/// What the answer to a failed call can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `{message}`: what went wrong, for visitors.
    Message,
    /// `{code}`: the same, for scripts.
    Code,
    /// `{request_id}`: for the operator to search for.
    RequestId,
}

impl Placeholder for Started {
    const ALL: &'static [(&'static str, Self)] = &[("login_url", Started::LoginUrl)];
}

impl Placeholder for Done {
    const ALL: &'static [(&'static str, Self)] = &[
        ("token", Done::Token),
        ("next", Done::Next),
        ("user.id", Done::User(Field::UserId)),
        ("user.upstream_id", Done::User(Field::UpstreamId)),
        ("user.username", Done::User(Field::Username)),
        ("user.handle", Done::User(Field::Handle)),
        ("user.display_name", Done::User(Field::DisplayName)),
        ("user.avatar", Done::User(Field::Avatar)),
        ("provider", Done::User(Field::Provider)),
        ("openid", Done::User(Field::OpenId)),
        ("session.id", Done::User(Field::SessionId)),
        ("site", Done::User(Field::Site)),
    ];
}

impl Placeholder for Fault {
    const ALL: &'static [(&'static str, Self)] =
        &[("message", Fault::Message), ("code", Fault::Code), ("request_id", Fault::RequestId)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_identity_can_say_the_answer_to_a_login_can_say() {
        for (name, field) in Field::ALL {
            assert!(Done::ALL.contains(&(name, Done::User(*field))), "{name}");
        }
    }
}
