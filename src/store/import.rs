//! Bindings that come from elsewhere: a shop's own table, or an export of ours.

use serde::{Deserialize, Serialize};

use super::{IdentityKey, User, UserId, UserState};
use crate::clock::Timestamp;

/// One row to take in. It states what it knows; what it does not say, it leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImportRow {
    /// Who it is at the provider.
    pub identity: IdentityKey,
    /// Whom the identity stands for, where the row says so.
    pub user: Option<UserId>,
    /// The id of the user that has to be made, where the row names none.
    pub fresh: UserId,
    /// See [`User::upstream_id`].
    pub upstream_id: Option<String>,
    /// See [`User::username`].
    pub username: Option<String>,
    /// See [`User::display_name`]: for a user that is made.
    pub display_name: String,
    /// See [`User::avatar`]: for a user that is made.
    pub avatar: Option<String>,
    /// See [`User::state`].
    pub state: Option<UserState>,
    /// See [`super::Binding::unionid`].
    pub unionid: Option<String>,
    /// When the binding was made, where the row says so.
    pub created_at: Option<Timestamp>,
    /// When the user first came, where the row says so.
    pub user_created_at: Option<Timestamp>,
}

impl ImportRow {
    /// Whether a user is already what the row says.
    pub fn fits(&self, user: &User) -> bool {
        let is_said = |said: &Option<String>, is: &Option<String>| said.is_none() || said == is;
        is_said(&self.upstream_id, &user.upstream_id)
            && is_said(&self.username, &user.username)
            && self.state.is_none_or(|state| state == user.state)
    }
}

/// What became of a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Imported {
    /// A user was made, and the identity bound to it.
    Created(UserId),
    /// The identity was bound to a user who was there.
    Added(UserId),
    /// It was so already.
    Unchanged(UserId),
    /// It took the place of what was there; the user's sessions are over.
    Replaced(UserId),
    /// Something else is there, and was left. This is whom the identity, or the id in the row, stands for.
    Conflict(UserId),
}
