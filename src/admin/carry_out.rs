//! Carrying out operations.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::operation::{BoundUser, KeyState, MOST_ROWS, Operation, PAGE, Person, Problem, Reply};
use super::{Admin, Row, Running};
use crate::clock::Timestamp;
use crate::keyring::Keyring;
use crate::random;
use crate::store::{
    Act, Actor, AuditEntry, IdentityKey, ImportRow, KeyPurpose, Revocation, Revoked, SessionId, SessionsEnd, StoredKey,
    User, UserId,
};

/// The longest a session can have been made to last: no configuration allows more.
const LONGEST_SESSION: Duration = Duration::from_secs(400 * 86_400);

/// Verifiers keep a copy of our key set for five minutes, as its `Cache-Control` allows: a new key signs after twice that.
const PUBLISHED_BEFORE: Duration = Duration::from_secs(600);

/// What a user is called of whom a row says no name.
const NAMELESS: &str = "QQ用户";

impl Admin {
    /// Carries an operation out. What it ends is over when this returns.
    pub async fn carry_out(&self, operation: Operation, by: Actor) -> Result<Reply, Problem> {
        let now = self.clock.now();
        match operation {
            Operation::Status => Ok(Reply::Status(self.running()?.status().await)),
            Operation::Users(after) => Ok(Reply::Users(self.store.users(after, PAGE).await?)),
            Operation::User(id) => self.person(id).await.map(Reply::Person),
            Operation::WhoIs(identity) => {
                let identity = self.settled(identity)?;
                let user = self.store.find_user(&identity).await?.ok_or_else(|| unbound(&identity))?;
                self.person(user.id).await.map(Reply::Person)
            }
            Operation::SetState(user, state) => {
                let user = self.store.set_state(user, state, by, now, end(now)).await?;
                self.told().await?;
                Ok(Reply::User(user))
            }
            Operation::Logout(user) => {
                self.store.user(user).await?.ok_or_else(|| no_such(user))?;
                self.revoke(Revoked::User(user), AuditEntry::new(now, Act::SessionsRevoked, by).of(user)).await
            }
            Operation::Erase(user) => {
                let was_there = self.store.erase(user, by, now, end(now)).await?;
                self.told().await?;
                if was_there { Ok(Reply::Done) } else { Err(no_such(user)) }
            }
            Operation::Export(user) => {
                let person = self.person(user).await?;
                self.store.record(AuditEntry::new(now, Act::Exported, by).of(user)).await?;
                Ok(Reply::Person(person))
            }
            Operation::Bindings(after) => self.bindings(after.as_ref()).await,
            Operation::ExportBindings(after) => {
                if after.is_none() {
                    self.store.record(AuditEntry::new(now, Act::Exported, by).with("everybody's bindings")).await?;
                }
                self.bindings(after.as_ref()).await
            }
            Operation::Unbind(identity) => {
                let identity = self.settled(identity)?;
                let removed = self.store.unbind(&identity, by, now, end(now)).await?;
                self.told().await?;
                removed.map(Reply::Unbound).ok_or_else(|| unbound(&identity))
            }
            Operation::Import { rows, replace } => self.import(rows, replace, by, now).await,
            Operation::Keys => Ok(Reply::Keys(self.store.keys().await?.into_iter().map(KeyState::from).collect())),
            Operation::RotateKeys { purpose, drop_old } => self.rotate(purpose, drop_old, by, now).await,
            Operation::RevokeSession(session) => {
                self.ensure_nobodys(session).await?;
                let entry = AuditEntry { session: Some(session), ..AuditEntry::new(now, Act::SessionsRevoked, by) };
                self.revoke(Revoked::Session(session), entry).await
            }
            Operation::RevokeEverybody => {
                let entry = AuditEntry::new(now, Act::SessionsRevoked, by).with("everybody's");
                self.revoke(Revoked::Everybody, entry).await
            }
            Operation::Audit(page) => Ok(Reply::Audit(self.store.audit(page, PAGE).await?)),
            Operation::Explain(question) => self.running()?.explain(question).await.map(Reply::Explained),
            Operation::Reload => self.running()?.reload(by).await.map(Reply::Reloaded),
        }
    }

    fn running(&self) -> Result<&dyn Running, Problem> {
        self.running.as_deref().ok_or(Problem::NotRunning)
    }

    /// Has the running proxy, if there is one, know by now what the store has been told of sessions.
    async fn told(&self) -> Result<(), Problem> {
        match &self.running {
            Some(running) => running.take_revocations().await,
            None => Ok(()),
        }
    }

    async fn revoke(&self, subject: Revoked, entry: AuditEntry) -> Result<Reply, Problem> {
        let at = entry.at;
        self.store.revoke(Revocation { subject, at, until: at.plus(LONGEST_SESSION) }).await?;
        self.store.record(entry).await?;
        self.told().await?;
        Ok(Reply::Done)
    }

    async fn person(&self, id: UserId) -> Result<Person, Problem> {
        let user = self.store.user(id).await?.ok_or_else(|| no_such(id))?;
        Ok(Person { user, bindings: self.store.bindings_of(id).await? })
    }

    async fn bindings(&self, after: Option<&crate::store::IdentityKey>) -> Result<Reply, Problem> {
        let bindings = self.store.bindings(after, PAGE).await?;
        let users = try_join_all(bindings.iter().map(|binding| self.store.user(binding.user))).await?;
        let bound = bindings.into_iter().zip(users).map(|(binding, user)| BoundUser { binding, user });
        Ok(Reply::Bindings(bound.collect()))
    }

    async fn import(&self, rows: Vec<Row>, replace: bool, by: Actor, now: Timestamp) -> Result<Reply, Problem> {
        if rows.len() > MOST_ROWS {
            return Err(Problem::Unacceptable(format!("at most {MOST_ROWS} rows at once")));
        }
        let rows = (1..).zip(rows).map(|(number, row)| self.import_row(number, row, now));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        // In their order: the store carries them out as they are asked for, and all of them share few syncs.
        let taken = rows.into_iter().map(|row| self.store.import(row, replace, by.clone(), now, end(now)));
        let outcomes = try_join_all(taken).await?;
        self.told().await?;
        Ok(Reply::Imported(outcomes))
    }

    /// Sessions are not listed, so that every id could be one: but not what is somebody's name here, who would stay logged in.
    async fn ensure_nobodys(&self, session: SessionId) -> Result<(), Problem> {
        let named = UserId::from_bytes(*session.as_bytes());
        let (what, user) = match (self.store.user(named).await?, (self.identify)(&session.to_string())) {
            (Some(user), _) => ("a user's id", Some(user)),
            (None, Some(identity)) => ("an openid", self.store.find_user(&identity).await?),
            (None, None) => return Ok(()),
        };
        let Some(User { id, .. }) = user else { return Ok(()) };
        Err(Problem::Unacceptable(format!(
            "{session} is {what}, and no session's: `menshen users logout {id}` ends all sessions of that user"
        )))
    }

    /// The identity with its openid in the one spelling that is stored.
    fn settled(&self, identity: IdentityKey) -> Result<IdentityKey, Problem> {
        match (self.identify)(&identity.subject) {
            Some(IdentityKey { subject, .. }) => Ok(IdentityKey { subject, ..identity }),
            None => Err(Problem::Unacceptable("an openid is 32 hexadecimal digits".to_owned())),
        }
    }

    /// `number`: which of the rows it is, for whoever brought them.
    fn import_row(&self, number: usize, row: Row, now: Timestamp) -> Result<ImportRow, Problem> {
        let row = row.checked(&*self.identify);
        let row = row.map_err(|reason| Problem::Unacceptable(format!("none was taken in: row {number} {reason}")))?;
        let entropy = random::bytes().map_err(|error| Problem::Failed(error.to_string()))?;
        Ok(ImportRow {
            identity: row.identity,
            user: row.user,
            fresh: UserId::new(now, &entropy),
            upstream_id: row.upstream_id,
            username: row.username,
            display_name: row.display_name.unwrap_or_else(|| NAMELESS.to_owned()),
            avatar: row.avatar,
            state: row.state,
            unionid: row.unionid,
            created_at: row.created_at,
            user_created_at: row.user_created_at,
        })
    }

    async fn rotate(&self, purpose: KeyPurpose, drop_old: bool, by: Actor, now: Timestamp) -> Result<Reply, Problem> {
        let failed = |error: crate::keyring::KeyError| Problem::Failed(error.to_string());
        let keyring = Keyring::new(&*self.store, &self.master, now).map_err(failed)?;
        // Nobody but us opens what the others seal and sign.
        let is_published = purpose == KeyPurpose::Upstream && !drop_old;
        let active_from = if is_published { now.plus(PUBLISHED_BEFORE) } else { now };
        let made = keyring.rotate(purpose, active_from, drop_old, &by).await.map_err(failed)?;
        if made.is_empty() {
            return Err(Problem::NotFound(format!("there is no {purpose} key yet: the first start makes it")));
        }
        if let Some(running) = &self.running {
            running.take_keys().await?;
        }
        Ok(Reply::Keys(made.into_iter().map(KeyState::from).collect()))
    }
}

fn unbound(identity: &IdentityKey) -> Problem {
    Problem::NotFound(format!("{} is bound to nobody", identity.subject))
}

fn no_such(user: UserId) -> Problem {
    Problem::NotFound(format!("there is no user {user}"))
}

/// A session counts from before its user was looked up: a login that is under way is over too, and one that begins
/// afterwards is not.
fn end(now: Timestamp) -> SessionsEnd {
    SessionsEnd { began_by: now, until: now.plus(LONGEST_SESSION) }
}

impl From<StoredKey> for KeyState {
    fn from(key: StoredKey) -> Self {
        let StoredKey { id, purpose, algorithm, created_at, active_from, superseded_at, sealed: _ } = key;
        KeyState { id, purpose, algorithm, created_at, active_from, superseded_at }
    }
}
