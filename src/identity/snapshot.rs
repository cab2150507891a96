//! What a session says of its user, so that nobody need ask the store.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::field::Field;
use crate::clock::Timestamp;
use crate::store::{IdentityKey, SessionId, User, UserId};

/// Longest display name that travels in a cookie, in characters.
const MAX_DISPLAY_NAME: usize = 64;

/// Letters and digits that are not mistaken for each other.
const HANDLE_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Who somebody was when the session was last refreshed. Names are short because all of it rides in a cookie.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Names the session.
    #[serde(rename = "s")]
    pub session: SessionId,
    /// Our user id.
    #[serde(rename = "u")]
    pub user: UserId,
    /// [`User::generation`] at that time.
    #[serde(rename = "g")]
    pub generation: u32,
    /// When the session began.
    #[serde(rename = "b")]
    pub began: Timestamp,
    /// When it ends in any case, whatever is configured later.
    #[serde(rename = "e")]
    pub ends: Timestamp,
    /// The provider that vouched.
    #[serde(rename = "p")]
    pub provider: String,
    /// The provider's name for the user at our app.
    #[serde(rename = "o")]
    pub openid: String,
    /// For display only.
    #[serde(rename = "n")]
    pub display_name: String,
    /// The picture's address.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// The application's own id.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<String>,
    /// The name in the application's tables.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Snapshot {
    /// A new session's first snapshot.
    pub fn of(user: &User, identity: &IdentityKey, session: SessionId, now: Timestamp, ends: Timestamp) -> Self {
        let began = Snapshot {
            session,
            user: user.id,
            generation: user.generation,
            began: now,
            ends,
            provider: identity.provider.clone(),
            openid: identity.subject.clone(),
            display_name: String::new(),
            avatar: None,
            upstream_id: None,
            username: None,
        };
        began.refreshed(user)
    }

    /// The same session after its user has changed.
    pub fn refreshed(&self, user: &User) -> Self {
        Snapshot {
            generation: user.generation,
            display_name: user.display_name.chars().take(MAX_DISPLAY_NAME).collect(),
            avatar: user.avatar.clone(),
            upstream_id: user.upstream_id.clone(),
            username: user.username.clone(),
            ..self.clone()
        }
    }

    /// The user's name for a backend that knows users by name: the application's own, or else one with a random part,
    /// which nobody could have registered before the user first came.
    pub fn handle(&self) -> Cow<'_, str> {
        match &self.username {
            Some(username) => Cow::Borrowed(username),
            None => Cow::Owned(made_up_handle(&self.provider, self.user)),
        }
    }

    /// A template's field.
    pub fn field(&self, field: Field, site: &str) -> Option<Cow<'_, str>> {
        match field {
            Field::UserId => Some(Cow::Owned(self.user.to_string())),
            Field::UpstreamId => self.upstream_id.as_deref().map(Cow::Borrowed),
            Field::Username => self.username.as_deref().map(Cow::Borrowed),
            Field::Handle => Some(self.handle()),
            Field::DisplayName => Some(Cow::Borrowed(&self.display_name)),
            Field::Avatar => self.avatar.as_deref().map(Cow::Borrowed),
            Field::Provider => Some(Cow::Borrowed(&self.provider)),
            Field::OpenId => Some(Cow::Borrowed(&self.openid)),
            Field::SessionId => Some(Cow::Owned(self.session.to_string())),
            Field::Site => Some(Cow::Owned(site.to_owned())),
        }
    }
}

/// `qq_` and 60 of the id's 62 random bits.
fn made_up_handle(provider: &str, user: UserId) -> String {
    let random = user.as_bytes().iter().skip(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let letters = (0..12).map(|at| {
        let index = (random >> (at * 5)) & 31;
        HANDLE_ALPHABET.get(usize::try_from(index).unwrap_or_default()).map_or('a', |letter| char::from(*letter))
    });
    format!("{provider}_{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::UserState;

    fn user(username: Option<&str>) -> User {
        User {
            id: UserId::new(Timestamp::from_secs(1), &[9; 10]),
            display_name: "小".repeat(100),
            avatar: None,
            state: UserState::Active,
            upstream_id: None,
            username: username.map(str::to_owned),
            generation: 3,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        }
    }

    fn snapshot(user: &User) -> Snapshot {
        let identity = IdentityKey { provider: "qq".into(), client_id: "1".into(), subject: "A".repeat(32) };
        Snapshot::of(user, &identity, SessionId::from_bytes([1; 16]), Timestamp::from_secs(5), Timestamp::from_secs(9))
    }

    #[test]
    fn a_users_own_name_wins_and_a_made_up_one_is_long_and_steady() {
        assert_eq!(snapshot(&user(Some("python"))).handle(), "python");
        let made_up = snapshot(&user(None)).handle().into_owned();
        assert_eq!(made_up, snapshot(&user(None)).handle());
        assert_eq!(made_up.len(), "qq_".len() + 12);
    }

    #[test]
    fn a_display_name_is_cut_before_it_fills_the_cookie() {
        assert_eq!(snapshot(&user(None)).display_name.chars().count(), MAX_DISPLAY_NAME);
    }

    #[test]
    fn a_snapshot_survives_its_cookie() {
        let before = snapshot(&user(Some("python")));
        let text = serde_json::to_vec(&before).unwrap();
        assert_eq!(serde_json::from_slice::<Snapshot>(&text).unwrap(), before);
    }
}
