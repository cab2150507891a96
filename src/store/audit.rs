//! The audit trail: who did what to whose account, and when.
//!
//! An entry names users, sessions and requests by their ids, and holds neither an openid, nor a name, nor an address: what
//! those were at the time is in the access log, under the request's id. So erasing a person leaves nothing of theirs here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{SessionId, UserId};
use crate::clock::Timestamp;

/// Something that was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// By whom.
    pub by: Actor,
    /// To whom, if to somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// In or to which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// By which request, as the access log names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What else there is to say, such as which key was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl AuditEntry {
    /// An act that concerns nobody in particular yet.
    pub fn new(at: Timestamp, act: Act, by: Actor) -> Self {
        AuditEntry { at, act, by, user: None, session: None, request: None, detail: None }
    }

    /// The same, done to this user.
    pub fn of(self, user: UserId) -> Self {
        AuditEntry { user: Some(user), ..self }
    }

    /// The same, with something more to say.
    pub fn with(self, detail: impl Into<String>) -> Self {
        AuditEntry { detail: Some(detail.into()), ..self }
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A user logged in.
    LoggedIn,
    /// A blocked user tried to.
    LoginRefused,
    /// A session was ended by its user.
    LoggedOut,
    /// An identity was bound to a user.
    Bound,
    /// An identity was bound to nobody any more.
    Unbound,
    /// An imported row took the place of what was there.
    Replaced,
    /// A user may no longer log in.
    Blocked,
    /// A user may log in again.
    Unblocked,
    /// All that was kept of a user was removed.
    Erased,
    /// All that is kept of a user, or everybody's bindings, was handed out.
    Exported,
    /// A session, or all of a user's, or everybody's, was ended by an operator.
    SessionsRevoked,
    /// A key was made that takes the place of another.
    KeyRotated,
    /// The configuration was read again.
    Reloaded,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 13] = [
        Act::LoggedIn,
        Act::LoginRefused,
        Act::LoggedOut,
        Act::Bound,
        Act::Unbound,
        Act::Replaced,
        Act::Blocked,
        Act::Unblocked,
        Act::Erased,
        Act::Exported,
        Act::SessionsRevoked,
        Act::KeyRotated,
        Act::Reloaded,
    ];

    /// Its name in logs and lists.
    pub const fn name(self) -> &'static str {
        match self {
            Act::LoggedIn => "logged-in",
            Act::LoginRefused => "login-refused",
            Act::LoggedOut => "logged-out",
            Act::Bound => "bound",
            Act::Unbound => "unbound",
            Act::Replaced => "replaced",
            Act::Blocked => "blocked",
            Act::Unblocked => "unblocked",
            Act::Erased => "erased",
            Act::Exported => "exported",
            Act::SessionsRevoked => "sessions-revoked",
            Act::KeyRotated => "key-rotated",
            Act::Reloaded => "reloaded",
        }
    }
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The user, by a request.
    Visitor,
    /// Whoever runs commands on this machine under this user id.
    Operator(u32),
    /// Whoever holds the administration's token.
    Token,
    /// Menshen itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Visitor => f.write_str("visitor"),
            Actor::Operator(uid) => write!(f, "operator uid={uid}"),
            Actor::Token => f.write_str("token"),
            Actor::System => f.write_str("menshen"),
        }
    }
}

/// A place in the trail, which is ordered by time. Of entries of one moment the later one has the higher number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct AuditPosition {
    /// When the entry was made.
    pub at: Timestamp,
    /// Its number.
    pub number: u64,
}

impl AuditPosition {
    /// Before every entry of this moment and later.
    pub const fn before(at: Timestamp) -> Self {
        AuditPosition { at, number: 0 }
    }

    /// Behind every entry.
    pub const END: AuditPosition = AuditPosition { at: Timestamp::from_millis(u64::MAX), number: u64::MAX };
}

/// Which piece of the trail to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditPage {
    /// What comes after a place, the oldest first.
    After(AuditPosition),
    /// What comes before a place, the newest first.
    Before(AuditPosition),
}

impl AuditPage {
    /// What comes behind an entry of it.
    pub const fn moved_to(self, at: AuditPosition) -> Self {
        match self {
            AuditPage::After(_) => AuditPage::After(at),
            AuditPage::Before(_) => AuditPage::Before(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_called_in_lists_what_it_is_called_in_records() {
        for act in Act::ALL {
            assert_eq!(serde_json::to_string(&act).unwrap(), format!("{:?}", act.name()));
        }
    }
}
