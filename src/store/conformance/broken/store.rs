//! A good store behind one flaw.

#![expect(clippy::wildcard_enum_match_arm, reason = "each call is bent by a few flaws out of many")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::{Flaw, sled_at};
use crate::clock::Timestamp;
use crate::store::sled::SledStore;
use crate::store::{
    Act, Actor, AuditEntry, AuditPage, AuditPosition, BindError, Binding, Cursor, Error, IdentityKey, ImportRow,
    Imported, KeyPurpose, NewUser, Profile, Revocation, Revoked, SessionsEnd, SignedIn, Store, StoredKey, User, UserId,
    UserState,
};

/// A good store behind one flaw.
pub(super) struct Broken {
    inner: SledStore,
    flaw: Flaw,
    /// Calls under way, those included whose caller has left.
    begun: AtomicUsize,
    swept: AtomicBool,
}

impl Broken {
    pub(super) fn new(flaw: Flaw, path: PathBuf) -> Self {
        Broken { inner: sled_at(path), flaw, begun: AtomicUsize::new(0), swept: AtomicBool::new(false) }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn bent(&self, identity: &IdentityKey) -> IdentityKey {
        let mut identity = identity.clone();
        if self.has(Flaw::IgnoresClientId) {
            identity.client_id.clear();
        }
        if self.has(Flaw::IgnoresCase) {
            identity.subject = identity.subject.to_lowercase();
        }
        if self.has(Flaw::JoinsIdentityParts) {
            identity.subject = [identity.provider, identity.client_id, identity.subject].concat();
            (identity.provider, identity.client_id) = (String::new(), String::new());
        }
        identity
    }

    async fn signed_in(&self, identity: &IdentityKey, new: NewUser, now: Timestamp) -> Result<SignedIn, Error> {
        let outcome = self.inner.create_bound(identity, new.clone(), now).await;
        match outcome {
            Ok(SignedIn { created: false, .. }) if self.has(Flaw::MakesTwoUsersForOneIdentity) => {
                let other = IdentityKey { subject: format!("{} {}", identity.subject, new.id), ..identity.clone() };
                self.inner.create_bound(&other, new, now).await
            }
            Ok(SignedIn { user, created: false }) if self.has(Flaw::TakesOverProfileAtLogin) => {
                let profile = Profile { display_name: Some(new.display_name), avatar: None };
                let user = self.inner.update_profile(user.id, profile, now, now).await?;
                Ok(SignedIn { user, created: false })
            }
            Err(_) if self.has(Flaw::ReusesIds) => {
                let user = self.inner.user(new.id).await?.unwrap();
                Ok(SignedIn { user, created: true })
            }
            Ok(signed_in) => {
                Ok(SignedIn { created: signed_in.created || self.has(Flaw::SaysCreatedToAll), ..signed_in })
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for Broken {
    async fn find_user(&self, identity: &IdentityKey) -> Result<Option<User>, Error> {
        match self.inner.find_user(&self.bent(identity)).await? {
            None if self.has(Flaw::InventsUsers) => Ok(Some(made_up(UserId::from_bytes([1; 16])))),
            found => Ok(found),
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.inner.user(id).await
    }

    async fn create_bound(&self, identity: &IdentityKey, new: NewUser, now: Timestamp) -> Result<SignedIn, Error> {
        let under_way = self.begun.fetch_add(1, Ordering::Relaxed);
        if self.has(Flaw::CountsThoseWhoLeft) && under_way > 8 {
            return Err(Error::Unavailable { reason: "busy".to_owned() });
        }
        let mut identity = self.bent(identity);
        let mut new = new;
        if self.has(Flaw::MixesUpRacers) && under_way > 0 {
            identity.subject = "person-1".to_owned();
        }
        if self.has(Flaw::ForgetsUnionid) {
            new.unionid = None;
        }
        if self.has(Flaw::TrimsText) {
            new.display_name = new.display_name.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        let outcome = if self.has(Flaw::AnswersWithoutKeeping) {
            Ok(SignedIn { user: made_up(new.id), created: true })
        } else {
            self.signed_in(&identity, new, now).await
        };
        self.begun.fetch_sub(1, Ordering::Relaxed);
        let mut signed_in = outcome?;
        if self.has(Flaw::MakesBlockedUsers) {
            signed_in.user.state = UserState::Blocked;
        }
        Ok(signed_in)
    }

    async fn bind(
        &self,
        identity: &IdentityKey,
        unionid: Option<String>,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), BindError> {
        if self.has(Flaw::BindsNothing) {
            return Ok(());
        }
        if self.has(Flaw::RefusesToBindAgain) && self.inner.find_user(identity).await?.is_some() {
            return Err(BindError::BoundToAnother(user));
        }
        match self.inner.bind(&self.bent(identity), unionid, user, now).await {
            Err(BindError::BoundToAnother(_)) if self.has(Flaw::BindsWhatIsAnothers) => Ok(()),
            Err(BindError::Store(Error::NoSuchUser(_))) if self.has(Flaw::BindsToNobody) => Ok(()),
            outcome => outcome,
        }
    }

    async fn update_profile(
        &self,
        user: UserId,
        profile: Profile,
        now: Timestamp,
        revoke_until: Timestamp,
    ) -> Result<User, Error> {
        let under_way = self.begun.fetch_add(1, Ordering::Relaxed);
        let before = self.inner.user(user).await?;
        let outcome = match &before {
            None if self.has(Flaw::ChangesNobody) => Ok(made_up(user)),
            Some(before) if self.has(Flaw::LosesRacingChanges) && under_way > 0 => Ok(before.clone()),
            _ => self.inner.update_profile(user, profile.clone(), now, revoke_until).await,
        };
        self.begun.fetch_sub(1, Ordering::Relaxed);
        let mut after = outcome?;
        let unchanged = before.as_ref() == Some(&after);
        if self.has(Flaw::CountsWithoutAChange) && unchanged || self.has(Flaw::ForgetsToCountAChange) && !unchanged {
            after.generation ^= 1;
        }
        if self.has(Flaw::TellsTheFeedWithoutAChange) && unchanged {
            let subject = Revoked::Changed(user, after.generation);
            self.inner.revoke(Revocation { subject, at: now, until: revoke_until }).await?;
        }
        if self.has(Flaw::ClearsWhatIsNotSaid) {
            after.avatar = profile.avatar;
        }
        Ok(after)
    }

    async fn bindings(&self, after: Option<&IdentityKey>, limit: usize) -> Result<Vec<Binding>, Error> {
        let after = after.filter(|_| !self.has(Flaw::StaysOnTheFirstPage));
        let limit = match self.flaw {
            Flaw::ReturnsLongPages => limit.saturating_add(1),
            Flaw::ReturnsShortPages => limit.min(100),
            _ => limit,
        };
        let mut page = self.inner.bindings(after, limit).await?;
        if self.has(Flaw::SkipsABinding) && after.is_none() && !page.is_empty() {
            page.remove(0);
        }
        Ok(page)
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Error> {
        let mut page = self.inner.users(after, limit).await?;
        if self.has(Flaw::SkipsAUser) {
            page.pop();
        }
        Ok(page)
    }

    async fn bindings_of(&self, user: UserId) -> Result<Vec<Binding>, Error> {
        if self.has(Flaw::ListsOthersBindings) {
            return self.inner.bindings(None, 10).await;
        }
        self.inner.bindings_of(user).await
    }

    async fn set_state(
        &self,
        id: UserId,
        state: UserState,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<User, Error> {
        let before = self.inner.user(id).await?;
        let is_so = before.as_ref().is_some_and(|before| before.state == state);
        match (self.flaw, before) {
            (Flaw::BlocksNobody, None) => return Ok(made_up(id)),
            (Flaw::BlocksInNameOnly, Some(before)) => return Ok(User { state, ..before }),
            (Flaw::BlocksAgain, Some(_)) if is_so => {
                self.inner.set_state(id, UserState::Active, by.clone(), now, end).await?;
            }
            (Flaw::RecordsWhatDidNotChange, Some(_)) if is_so => {
                self.inner.record(AuditEntry::new(now, Act::Blocked, by.clone())).await?;
            }
            (Flaw::EndsSessionsOfTheUnblocked, _) if state == UserState::Active => {
                self.inner.revoke(Revocation { subject: Revoked::User(id), at: now, until: end.until }).await?;
            }
            _ => {}
        }
        self.inner.set_state(id, state, by, now, end).await
    }

    async fn unbind(
        &self,
        identity: &IdentityKey,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Option<Binding>, Error> {
        let made_up = || Binding {
            identity: identity.clone(),
            user: UserId::from_bytes([1; 16]),
            unionid: None,
            created_at: now,
        };
        if self.has(Flaw::UnbindsInNameOnly) {
            return Ok(Some(made_up()));
        }
        let removed = self.inner.unbind(identity, by, now, end).await?;
        Ok(removed.or_else(|| self.has(Flaw::UnbindsNothing).then(made_up)))
    }

    async fn import(
        &self,
        mut row: ImportRow,
        replace: bool,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Imported, Error> {
        let replace = (replace || self.has(Flaw::ReplacesUnasked)) && !self.has(Flaw::NeverReplaces);
        match self.flaw {
            Flaw::ImportsInNameOnly => return Ok(Imported::Created(row.user.unwrap_or(row.fresh))),
            Flaw::ImportsEachRowAnew => row.identity.subject.push_str(&row.fresh.to_string()),
            Flaw::GivesEachRowAUser => row.user = Some(row.fresh),
            Flaw::TakesOthersAlong => {
                let bound = self.inner.find_user(&row.identity).await?;
                row.user = row.user.or(bound.map(|user| user.id));
            }
            Flaw::ImportsNoState => row.state = None,
            Flaw::ClearsWhatARowDoesNotSay => row.upstream_id = Some(row.upstream_id.unwrap_or_default()),
            _ => {}
        }
        self.inner.import(row, replace, by, now, end).await
    }

    async fn erase(&self, user: UserId, by: Actor, now: Timestamp, end: SessionsEnd) -> Result<bool, Error> {
        if self.has(Flaw::ErasesInNameOnly) {
            return Ok(true);
        }
        Ok(self.inner.erase(user, by, now, end).await? || self.has(Flaw::SaysErasedToAll))
    }

    async fn record(&self, mut entry: AuditEntry) -> Result<(), Error> {
        entry.detail = entry.detail.filter(|_| !self.has(Flaw::DropsDetails));
        self.inner.record(entry).await
    }

    async fn audit(&self, page: AuditPage, limit: usize) -> Result<Vec<(AuditPosition, AuditEntry)>, Error> {
        let mut trail = self.inner.audit(page, limit).await?;
        match self.flaw {
            Flaw::KeepsNoTrail => trail.clear(),
            Flaw::TellsTheTrailBackwards => trail.reverse(),
            _ => {}
        }
        Ok(trail)
    }

    async fn forget_audit(&self, before: Timestamp) -> Result<usize, Error> {
        let all = self.has(Flaw::ForgetsTheWholeTrail);
        self.inner.forget_audit(if all { Timestamp::from_millis(u64::MAX) } else { before }).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Error> {
        let under_way = self.begun.fetch_add(1, Ordering::Relaxed);
        let lost = self.has(Flaw::ForgetsRevocations) || self.has(Flaw::LosesRacingRevocations) && under_way > 0;
        let outcome = if lost { Ok(()) } else { self.inner.revoke(revocation).await };
        self.begun.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    async fn revocations(&self, since: Cursor, now: Timestamp) -> Result<(Vec<Revocation>, Cursor), Error> {
        if self.has(Flaw::NumbersAnewAfterASweep) && self.swept.load(Ordering::Relaxed) && since > Cursor::default() {
            return Ok((Vec::new(), since));
        }
        let now = if self.has(Flaw::TellsWhatHasRunOut) { Timestamp::EPOCH } else { now };
        let (mut feed, mut cursor) = self.inner.revocations(since, now).await?;
        match self.flaw {
            Flaw::TellsTheFeedBackwards => feed.reverse(),
            Flaw::CutsTheFeedShort => feed.truncate(100),
            Flaw::EndsNoSessions => feed.retain(|entry| !matches!(entry.subject, Revoked::User(_))),
            Flaw::HidesChangesFromTheFeed => feed.retain(|entry| !matches!(entry.subject, Revoked::Changed(..))),
            Flaw::NeverMovesTheCursor => cursor = since,
            Flaw::MovesTheCursorTooFar => cursor.0 += 1,
            _ => {}
        }
        Ok((feed, cursor))
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize, Error> {
        self.swept.store(true, Ordering::Relaxed);
        match self.flaw {
            Flaw::SweepsEverything => self.inner.sweep(Timestamp::from_millis(u64::MAX)).await,
            Flaw::SweepsNothing => Ok(0),
            Flaw::MiscountsSweeps => Ok(self.inner.sweep(now).await? + 1),
            _ => self.inner.sweep(now).await,
        }
    }

    async fn keys_or_first(&self, first: StoredKey) -> Result<Vec<StoredKey>, Error> {
        let (id, purpose, algorithm) = (first.id.clone(), first.purpose, first.algorithm.clone());
        let mut first = first;
        match self.flaw {
            Flaw::ForgetsKeys => return Ok(vec![first]),
            Flaw::MixesPurposes => first.purpose = KeyPurpose::Seal,
            Flaw::KeepsEveryFirstKey => first.algorithm = format!("{algorithm}#{id}"),
            _ => {}
        }
        let mut keys = self.inner.keys_or_first(first).await?;
        match self.flaw {
            Flaw::MixesPurposes => keys.iter_mut().for_each(|key| key.purpose = purpose),
            Flaw::KeepsEveryFirstKey => keys.iter_mut().for_each(|key| key.algorithm.clone_from(&algorithm)),
            Flaw::DamagesKeys => keys.iter_mut().for_each(|key| key.sealed.truncate(16)),
            Flaw::PutsTheNewestKeyFirst => keys.reverse(),
            _ => {}
        }
        Ok(keys)
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.inner.keys().await
    }

    async fn rotate_key(&self, new: StoredKey, drop_old: bool, by: Actor) -> Result<(), Error> {
        let drop_old = drop_old && !self.has(Flaw::DropsNoOldKey);
        if self.has(Flaw::RotatesInNameOnly) { Ok(()) } else { self.inner.rotate_key(new, drop_old, by).await }
    }

    async fn forget_key(&self, id: &str, purpose: KeyPurpose) -> Result<(), Error> {
        match self.flaw {
            Flaw::ForgetsNoKey => Ok(()),
            Flaw::ForgetsEveryKey => {
                for key in self.inner.keys().await? {
                    self.inner.forget_key(&key.id, key.purpose).await?;
                }
                Ok(())
            }
            _ => self.inner.forget_key(id, purpose).await,
        }
    }

    async fn sealed(&self, name: &str) -> Result<Option<String>, Error> {
        let name = if self.has(Flaw::MixesUpNames) { name.trim() } else { name };
        self.inner.sealed(name).await
    }

    async fn keep_sealed(&self, name: &str, sealed: String) -> Result<(), Error> {
        let is_first = || async { Ok::<_, Error>(self.inner.sealed(name).await?.is_none()) };
        let is_kept = match self.flaw {
            Flaw::KeepsNothingSealed => false,
            Flaw::KeepsTheFirstSealed => is_first().await?,
            _ => true,
        };
        if is_kept { self.inner.keep_sealed(name, sealed).await } else { Ok(()) }
    }

    async fn ping(&self) -> Result<(), Error> {
        if self.has(Flaw::SaysItIsDown) {
            return Err(Error::Unavailable { reason: "gone fishing".to_owned() });
        }
        self.inner.ping().await
    }

    async fn close(&self) {
        if !self.has(Flaw::ServesAfterClose) {
            self.inner.close().await;
        }
    }
}

fn made_up(id: UserId) -> User {
    User {
        id,
        display_name: String::new(),
        avatar: None,
        state: UserState::Active,
        upstream_id: None,
        username: None,
        generation: 0,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    }
}
