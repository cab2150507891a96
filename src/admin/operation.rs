//! What can be asked for, and what is answered.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::row::Row;
use crate::clock::Timestamp;
use crate::store::{
    self, AuditEntry, AuditPage, AuditPosition, Binding, IdentityKey, Imported, KeyPurpose, SessionId, User, UserId,
    UserState,
};

/// The most that one page holds.
pub const PAGE: usize = 500;

/// The most rows that are taken in at once.
pub const MOST_ROWS: usize = 500;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// How the proxy is.
    Status,
    /// The users after one.
    Users(Option<UserId>),
    /// One user, with everything bound to them.
    User(UserId),
    /// Whom an identity stands for.
    WhoIs(IdentityKey),
    /// Keep a user out, or let them in again.
    SetState(UserId, UserState),
    /// End all sessions of a user.
    Logout(UserId),
    /// Remove a user, with everything that is kept of them.
    Erase(UserId),
    /// Note down that everything that is kept of a user was handed out, and hand it out.
    Export(UserId),
    /// The bindings after one, with their users.
    Bindings(Option<IdentityKey>),
    /// The same, to be handed out: whoever begins is noted down.
    ExportBindings(Option<IdentityKey>),
    /// Remove a binding.
    Unbind(IdentityKey),
    /// Take rows in, at most [`MOST_ROWS`].
    Import {
        /// The rows.
        rows: Vec<Row>,
        /// Whether they take the place of what is there.
        replace: bool,
    },
    /// All keys.
    Keys,
    /// Put a new key in the place of each that is in use for a purpose.
    RotateKeys {
        /// Which ones.
        purpose: KeyPurpose,
        /// Whether the old ones prove nothing from now on.
        drop_old: bool,
    },
    /// End one session.
    RevokeSession(SessionId),
    /// End everybody's sessions.
    RevokeEverybody,
    /// A piece of the audit trail.
    Audit(AuditPage),
    /// What would become of a request.
    Explain(Question),
    /// Read the configuration again.
    Reload,
}

/// A request that is asked about, and not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// An address at one of the sites, or a path at the first one.
    pub url: String,
    /// Its header fields, each `Name: value`.
    pub headers: Vec<String>,
    /// Where it comes from.
    pub from: IpAddr,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done, and there is nothing to say.
    Done,
    /// See [`Operation::Status`].
    Status(Status),
    /// At most [`PAGE`]; fewer are the last.
    Users(Vec<User>),
    /// One user.
    Person(Person),
    /// A user as they are now.
    User(User),
    /// At most [`PAGE`]; fewer are the last.
    Bindings(Vec<BoundUser>),
    /// What was removed.
    Unbound(Binding),
    /// What became of each row, in their order.
    Imported(Vec<Imported>),
    /// All keys, or those that were made.
    Keys(Vec<KeyState>),
    /// At most [`PAGE`]; fewer are the last.
    Audit(Vec<(AuditPosition, AuditEntry)>),
    /// What was found out, in that order: a word for each, and the finding.
    Explained(Vec<(String, String)>),
    /// See [`Operation::Reload`].
    Reloaded(Reloaded),
}

/// A user with everything that is kept of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user.
    pub user: User,
    /// Who they are at providers.
    pub bindings: Vec<Binding>,
}

/// A binding with its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundUser {
    /// The binding.
    pub binding: Binding,
    /// The user. Not there if an operator removed them this very moment.
    pub user: Option<User>,
}

/// A key, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// `kid`.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs or seals.
    pub active_from: Timestamp,
    /// From when on another does.
    pub superseded_at: Option<Timestamp>,
}

/// A configuration that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// What might be meant otherwise.
    pub warnings: Vec<String>,
    /// Keys that have changed and count only after a restart.
    pub need_a_restart: Vec<String>,
}

/// How a running proxy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub process: u32,
    /// Since when it runs.
    pub since: Timestamp,
    /// The identity provider's name.
    pub provider: String,
    /// The app's id there: what makes its openids somebody.
    pub client_id: String,
    /// What does not work, while visitors are served.
    #[serde(default)]
    pub degraded: Vec<String>,
}

/// Why an operation was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// There is no such user, or nothing is bound so.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be asked like that.
    #[error("{0}")]
    Unacceptable(String),
    /// Only a running proxy can do it.
    #[error("no proxy runs on this store: start it, or look for its socket where its configuration puts it")]
    NotRunning,
    /// The store does not serve now.
    #[error("{0}")]
    Unavailable(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let text = error.to_string();
        match error {
            store::Error::Unavailable { .. } => Problem::Unavailable(text),
            store::Error::NoSuchUser(_) => Problem::NotFound(text),
            store::Error::TooLarge { .. } => Problem::Unacceptable(text),
            store::Error::Unreadable { .. } => Problem::Failed(text),
        }
    }
}
