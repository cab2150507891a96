//! What sessions must no longer rely on, as every core sees it: one snapshot, read without a lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::clock::Timestamp;
use crate::identity::Snapshot;
use crate::store::{Revocation, Revoked, SessionId, UserId};

/// What the revocations say of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing against it.
    Good,
    /// It is over.
    Revoked,
    /// Its user has changed since: ask the store.
    Stale,
}

/// Everything that has been revoked and could still be alive. Cheap to clone; all clones share it.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Counts the changes, so that a proof checked at this count need not be checked again.
    epoch: AtomicU64,
    known: ArcSwap<Known>,
    /// Held while a new snapshot is made of the old one; readers never take it.
    writing: Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    sessions: HashMap<SessionId, Timestamp>,
    users: HashMap<UserId, (Timestamp, Timestamp)>,
    generations: HashMap<UserId, (u32, Timestamp)>,
}

impl Revocations {
    /// Counts up with every change.
    pub fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// What is known against a session.
    pub fn standing(&self, snapshot: &Snapshot) -> Standing {
        let known = self.0.known.load();
        if known.sessions.contains_key(&snapshot.session) {
            return Standing::Revoked;
        }
        if known.users.get(&snapshot.user).is_some_and(|(at, _)| snapshot.began <= *at) {
            return Standing::Revoked;
        }
        match known.generations.get(&snapshot.user) {
            Some((generation, _)) if *generation > snapshot.generation => Standing::Stale,
            _ => Standing::Good,
        }
    }

    /// Takes in what the store's feed, or a deed of this node's own, says; forgets what has run out.
    pub fn apply(&self, revocations: &[Revocation], now: Timestamp) {
        if revocations.is_empty() {
            return;
        }
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = Known::clone(&self.0.known.load());
        known.sessions.retain(|_, until| *until > now);
        known.users.retain(|_, (_, until)| *until > now);
        known.generations.retain(|_, (_, until)| *until > now);
        for revocation in revocations.iter().filter(|revocation| revocation.until > now) {
            known.add(revocation);
        }
        self.0.known.store(Arc::new(known));
        self.0.epoch.fetch_add(1, Ordering::Release);
    }
}

impl Known {
    fn add(&mut self, revocation: &Revocation) {
        let until = revocation.until;
        match revocation.subject {
            Revoked::Session(session) => {
                self.sessions.insert(session, until);
            }
            Revoked::User(user) => {
                let entry = self.users.entry(user).or_default();
                *entry = (entry.0.max(revocation.at), entry.1.max(until));
            }
            Revoked::Changed(user, generation) => {
                let entry = self.generations.entry(user).or_default();
                *entry = (entry.0.max(generation), entry.1.max(until));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn snapshot(session: u8, user: u8, began: u64) -> Snapshot {
        Snapshot {
            session: SessionId::from_bytes([session; 16]),
            user: UserId::from_bytes([user; 16]),
            generation: 2,
            began: Timestamp::from_secs(began),
            ends: Timestamp::from_secs(began + 9000),
            provider: "qq".into(),
            openid: "A".into(),
            display_name: String::new(),
            avatar: None,
            upstream_id: None,
            username: None,
        }
    }

    fn revoked(subject: Revoked) -> Revocation {
        Revocation { subject, at: NOW, until: Timestamp::from_secs(2000) }
    }

    #[test]
    fn a_revoked_session_is_over_and_others_go_on() {
        let revocations = Revocations::default();
        let before = revocations.epoch();
        revocations.apply(&[revoked(Revoked::Session(SessionId::from_bytes([1; 16])))], NOW);
        assert_ne!(revocations.epoch(), before);
        assert_eq!(revocations.standing(&snapshot(1, 1, 500)), Standing::Revoked);
        assert_eq!(revocations.standing(&snapshot(2, 1, 500)), Standing::Good);
    }

    #[test]
    fn revoking_a_user_ends_what_began_before_and_not_what_begins_after() {
        let revocations = Revocations::default();
        revocations.apply(&[revoked(Revoked::User(UserId::from_bytes([1; 16])))], NOW);
        assert_eq!(revocations.standing(&snapshot(1, 1, 1000)), Standing::Revoked);
        assert_eq!(revocations.standing(&snapshot(1, 1, 1001)), Standing::Good);
        assert_eq!(revocations.standing(&snapshot(1, 2, 500)), Standing::Good);
    }

    #[test]
    fn a_changed_user_makes_older_snapshots_stale() {
        let revocations = Revocations::default();
        revocations.apply(&[revoked(Revoked::Changed(UserId::from_bytes([1; 16]), 3))], NOW);
        assert_eq!(revocations.standing(&snapshot(1, 1, 1)), Standing::Stale);
        let mut newer = snapshot(1, 1, 1);
        newer.generation = 3;
        assert_eq!(revocations.standing(&newer), Standing::Good);
    }

    #[test]
    fn what_has_run_out_is_forgotten() {
        let revocations = Revocations::default();
        revocations.apply(&[revoked(Revoked::Session(SessionId::from_bytes([1; 16])))], NOW);
        let other = Revocation {
            subject: Revoked::Session(SessionId::from_bytes([9; 16])),
            at: NOW,
            until: Timestamp::from_secs(9000),
        };
        revocations.apply(&[other], Timestamp::from_secs(2000));
        assert_eq!(revocations.standing(&snapshot(1, 1, 1)), Standing::Good);
    }
}
