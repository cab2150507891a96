//! What is kept: users, the identities bound to them, what has been revoked, and the keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A user's id: a UUIDv7 of ours, never the application's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Uuid);

impl UserId {
    /// A fresh id. `entropy` must come from [`crate::random`].
    pub fn new(now: Timestamp, entropy: &[u8; 10]) -> Self {
        UserId(uuid::Builder::from_unix_timestamp_millis(now.as_millis(), entropy).into_uuid())
    }

    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        UserId(Uuid::from_bytes(bytes))
    }

    /// The id's 16 bytes; they sort by time of creation.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for UserId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(UserId)
    }
}

/// One session's id: 128 random bits. Knowing it opens nothing; it names the session in logs and revocations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        SessionId(bytes)
    }

    /// The id's 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(|uuid| SessionId(uuid.into_bytes()))
    }
}

/// Who somebody is at a provider: what a binding is keyed by. An openid means nothing outside the app it was issued to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IdentityKey {
    /// The provider's name in the configuration, such as `qq`.
    pub provider: String,
    /// The client id (QQ: appid) the subject was issued to.
    pub client_id: String,
    /// The provider's stable name for the user (QQ: openid).
    pub subject: String,
}

/// Whether a user may log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserState {
    /// May log in.
    Active,
    /// May not, and has no session.
    Blocked,
}

/// A user of the site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// What the provider last said the user is called. For display only: never a key, never a username.
    pub display_name: String,
    /// Where the provider keeps the user's picture.
    pub avatar: Option<String>,
    /// Whether the user may log in.
    pub state: UserState,
    /// The user's id in the application's own tables, where that is known.
    pub upstream_id: Option<String>,
    /// The user's name in the application's own tables, where that is known.
    pub username: Option<String>,
    /// Counts the changes to this user; a session with a lower one is refreshed from the store.
    pub generation: u32,
    /// When the user first came.
    pub created_at: Timestamp,
    /// When this record last changed.
    pub updated_at: Timestamp,
}

/// The tie between an identity and a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Who it is at the provider.
    pub identity: IdentityKey,
    /// Whom it stands for here.
    pub user: UserId,
    /// The id that all apps of one QQ developer share, where the app has that right.
    pub unionid: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a first login brings. The id is made by the caller, so that a store needs neither clock nor randomness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// The id the user gets, unless the identity turns out to be bound already.
    pub id: UserId,
    /// See [`User::display_name`].
    pub display_name: String,
    /// See [`User::avatar`].
    pub avatar: Option<String>,
    /// See [`Binding::unionid`].
    pub unionid: Option<String>,
}

/// What the provider said of a known user at this login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// See [`User::display_name`]. `None` keeps the old one.
    pub display_name: Option<String>,
    /// See [`User::avatar`]. `None` keeps the old one.
    pub avatar: Option<String>,
}

/// The user an identity is bound to, and whether this call made it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The bound user.
    pub user: User,
    /// True for exactly one of any number of racing calls.
    pub created: bool,
}

/// Something that sessions must no longer rely on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revocation {
    /// What is revoked.
    pub subject: Revoked,
    /// When it was revoked.
    pub at: Timestamp,
    /// From when on nothing it concerns can still be alive, so that the entry may be forgotten.
    pub until: Timestamp,
}

/// What a [`Revocation`] is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Revoked {
    /// One session: logged out.
    Session(SessionId),
    /// Every session of a user that began at or before [`Revocation::at`].
    User(UserId),
    /// Every session of everybody that began at or before [`Revocation::at`].
    Everybody,
    /// The user's record has changed: sessions of a lower generation are refreshed from the store.
    Changed(UserId, u32),
}

/// Which sessions of a user are over by a change to the user, and for how long that has to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionsEnd {
    /// Those that began at or before this time: see [`Revoked::User`].
    pub began_by: Timestamp,
    /// See [`Revocation::until`].
    pub until: Timestamp,
}

/// How far a reader of the revocation feed has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cursor(pub u64);

/// What a key is for. A key made for one purpose is never used for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Seals session and login cookies.
    Seal,
    /// Signs the JWT that upstreams get; its public half stands in JWKS.
    Upstream,
    /// Signs the tokens that API clients hold; never in JWKS.
    Api,
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyPurpose::Seal => "seal",
            KeyPurpose::Upstream => "upstream",
            KeyPurpose::Api => "api",
        })
    }
}

/// What somebody keeps under a name that they alone can open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedRecord {
    /// Letters, digits, `-` and `_`.
    pub sealed: String,
}

/// A key as the store sees it: sealed under the master secret, so that a copy of the store opens nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredKey {
    /// Names the key, in JWKS and in sealed values: 8 lower-case hexadecimal digits.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its algorithm: a JOSE name such as `ES256`, or `A256GCM-SIV`.
    pub algorithm: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs or seals; before that it is only published.
    pub active_from: Timestamp,
    /// When it stopped being the newest of its purpose, if it has.
    pub superseded_at: Option<Timestamp>,
    /// The key itself, sealed.
    pub sealed: Vec<u8>,
}
