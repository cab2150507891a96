//! The people and things that the checks are played with, and short ways to ask for them.

use crate::clock::Timestamp;
use crate::store::{
    Actor, BindError, Error, IdentityKey, ImportRow, KeyPurpose, NewUser, Profile, Revocation, Revoked, SessionId,
    SessionsEnd, StoredKey, User, UserId,
};

/// When the checks take place.
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// An hour later.
pub(super) const LATER: Timestamp = Timestamp::from_secs(1_800_003_600);

/// Two hours later.
pub(super) const MUCH_LATER: Timestamp = Timestamp::from_secs(1_800_007_200);

/// Who does what operators do.
pub(super) const BY: Actor = Actor::Operator(1000);

/// Which sessions end by that.
pub(super) const END: SessionsEnd = SessionsEnd { began_by: LATER, until: MUCH_LATER };

pub(super) fn identity(subject: &str) -> IdentityKey {
    IdentityKey { provider: "qq".to_owned(), client_id: "101000001".to_owned(), subject: subject.to_owned() }
}

pub(super) fn user_id(number: u64) -> UserId {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    UserId::new(NOW, &[0, 0, a, b, c, d, e, f, g, h])
}

pub(super) fn new_user(number: u64) -> NewUser {
    NewUser {
        id: user_id(number),
        display_name: format!("访客{number}"),
        avatar: Some(format!("https://thirdqq.qlogo.cn/{number}")),
        unionid: Some(format!("UID_{number}")),
    }
}

pub(super) fn profile(display_name: &str) -> Profile {
    Profile { display_name: Some(display_name.to_owned()), avatar: None }
}

/// A row from elsewhere for a subject; `fresh` is the number of the user that has to be made.
pub(super) fn row(subject: &str, fresh: u64, upstream_id: &str) -> ImportRow {
    ImportRow {
        identity: identity(subject),
        user: None,
        fresh: user_id(fresh),
        upstream_id: Some(upstream_id.to_owned()),
        username: Some(format!("shopper-{upstream_id}")),
        display_name: "顾客".to_owned(),
        avatar: None,
        state: None,
        unionid: Some(format!("UID_{subject}")),
        created_at: None,
        user_created_at: None,
    }
}

/// The revocation of session `number`, which may be forgotten at `until`.
pub(super) fn logout(number: u64, until: Timestamp) -> Revocation {
    let mut session = [7; 16];
    session[8..].copy_from_slice(&number.to_be_bytes());
    Revocation { subject: Revoked::Session(SessionId::from_bytes(session)), at: NOW, until }
}

pub(super) fn key(id: &str, purpose: KeyPurpose, algorithm: &str, created_at: Timestamp) -> StoredKey {
    StoredKey {
        id: id.to_owned(),
        purpose,
        algorithm: algorithm.to_owned(),
        created_at,
        active_from: created_at,
        superseded_at: None,
        sealed: (0..=255).collect(),
    }
}

/// Turns a store's failure into a verdict that says during what.
pub(super) trait During<T> {
    fn during(self, what: &str) -> Result<T, String>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, what: &str) -> Result<T, String> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}

impl<T> During<T> for Result<T, BindError> {
    fn during(self, what: &str) -> Result<T, String> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}

/// A user who must be there.
pub(super) fn present(user: Option<User>, who: &str) -> Result<User, String> {
    user.ok_or_else(|| format!("{who} is not there"))
}
