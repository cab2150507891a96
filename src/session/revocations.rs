//! What sessions must no longer rely on, and who relies on them.
//!
//! Every session that somebody relies on is under watch, and a revocation marks those it is about and no other. So a
//! request asks the mark of its own session alone, however much is revoked beside it, and a logout costs the same however
//! many came before it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::watch::{Mark, Standing, Watch};
use crate::clock::Timestamp;
use crate::identity::Snapshot;
use crate::store::{Revocation, Revoked, SessionId, UserId};

/// The most entries that are forgotten in one go, so that many which run out together hold nobody up.
const FORGOTTEN_AT_ONCE: usize = 64;

/// How much longer revocations are kept than what they are about can live. A clock that is wrong by less than that, as it
/// can be when a machine has just started, brings nothing back.
const KEPT_LONGER: Duration = Duration::from_secs(30 * 86_400);

/// Everything that has been revoked and could still be alive. Cheap to clone; all clones share it.
///
/// The lock is held for a few look-ups, by logouts, and where a session is proved that no core remembers.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    known: Known,
    by_session: HashMap<SessionId, Vec<Arc<Mark>>>,
    by_user: HashMap<UserId, Vec<Arc<Mark>>>,
}

impl Revocations {
    /// Puts a session under watch, with whatever is known against it already.
    pub fn watch(&self, snapshot: &Snapshot) -> Watch {
        let mut shared = self.lock();
        let mark = Arc::new(Mark::new(snapshot, shared.known.standing(snapshot)));
        shared.by_session.entry(mark.session).or_default().push(Arc::clone(&mark));
        shared.by_user.entry(mark.user).or_default().push(Arc::clone(&mark));
        Watch::new(mark, self.clone())
    }

    pub(super) fn unwatch(&self, mark: &Arc<Mark>) {
        let mut shared = self.lock();
        remove(&mut shared.by_session, &mark.session, mark);
        remove(&mut shared.by_user, &mark.user, mark);
    }

    /// Takes in what the store's feed, or a deed of this node's own, says; forgets what ran out so long ago that it can
    /// matter under no clock ([`KEPT_LONGER`]).
    pub fn apply(&self, revocations: &[Revocation], now: Timestamp) {
        let past = Self::past(now);
        self.lock().known.forget(past);
        for revocation in revocations.iter().filter(|revocation| revocation.until > past) {
            // Locked anew for each: a long list must not hold up whoever proves a session.
            let mut shared = self.lock();
            shared.known.forget(past);
            if shared.known.add(revocation) {
                shared.mark(revocation);
            }
        }
    }

    /// By when a revocation must have run out that matters under no clock any more.
    pub fn past(now: Timestamp) -> Timestamp {
        now.minus(KEPT_LONGER)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn mark(&self, revocation: &Revocation) {
        let (marks, standing) = match revocation.subject {
            Revoked::Session(session) => (self.by_session.get(&session), Standing::Revoked),
            Revoked::User(user) => (self.by_user.get(&user), Standing::Revoked),
            Revoked::Changed(user, _) => (self.by_user.get(&user), Standing::Stale),
            Revoked::Everybody => {
                let began_by = |mark: &&Arc<Mark>| mark.began <= revocation.at;
                let marks = self.by_session.values().flatten().filter(began_by);
                return marks.for_each(|mark| mark.worsen(Standing::Revoked));
            }
        };
        let is_meant = |mark: &&Arc<Mark>| match revocation.subject {
            Revoked::Session(_) | Revoked::Everybody => true,
            Revoked::User(_) => mark.began <= revocation.at,
            Revoked::Changed(_, generation) => mark.generation < generation,
        };
        marks.into_iter().flatten().filter(is_meant).for_each(|mark| mark.worsen(standing));
    }
}

fn remove<K: Eq + Hash>(watched: &mut HashMap<K, Vec<Arc<Mark>>>, key: &K, mark: &Arc<Mark>) {
    let Some(marks) = watched.get_mut(key) else { return };
    marks.retain(|other| !Arc::ptr_eq(other, mark));
    if marks.is_empty() {
        watched.remove(key);
    }
}

/// What has been revoked, each entry until nothing it is about can be alive any more.
#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<SessionId, Timestamp>,
    /// Up to when a user's sessions have been ended.
    users: HashMap<UserId, (Timestamp, Timestamp)>,
    /// The least generation that is not stale.
    generations: HashMap<UserId, (u32, Timestamp)>,
    /// Up to when everybody's sessions have been ended. It never runs out: it is one entry.
    everybody: Option<Timestamp>,
    /// When to look whether an entry has run out, the earliest first.
    ends: BinaryHeap<Reverse<(Timestamp, Entry)>>,
}

/// Names an entry of [`Known`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Session(SessionId),
    User(UserId),
    Generation(UserId),
}

impl Known {
    fn standing(&self, snapshot: &Snapshot) -> Standing {
        if self.sessions.contains_key(&snapshot.session) {
            return Standing::Revoked;
        }
        if self.everybody.is_some_and(|at| snapshot.began <= at) {
            return Standing::Revoked;
        }
        if self.users.get(&snapshot.user).is_some_and(|(at, _)| snapshot.began <= *at) {
            return Standing::Revoked;
        }
        match self.generations.get(&snapshot.user) {
            Some((generation, _)) if *generation > snapshot.generation => Standing::Stale,
            _ => Standing::Good,
        }
    }

    /// False if all of it was known already, as when the store's feed brings back what this node has done itself.
    fn add(&mut self, revocation: &Revocation) -> bool {
        let until = revocation.until;
        let (entry, is_news) = match revocation.subject {
            Revoked::Everybody => {
                let is_news = self.everybody < Some(revocation.at);
                self.everybody = self.everybody.max(Some(revocation.at));
                return is_news;
            }
            Revoked::Session(session) => {
                (Entry::Session(session), raise(self.sessions.entry(session).or_default(), until))
            }
            Revoked::User(user) => {
                let (at, ends) = self.users.entry(user).or_default();
                (Entry::User(user), raise(at, revocation.at) | raise(ends, until))
            }
            Revoked::Changed(user, generation) => {
                let (least, ends) = self.generations.entry(user).or_default();
                (Entry::Generation(user), raise(least, generation) | raise(ends, until))
            }
        };
        if is_news {
            self.ends.push(Reverse((until, entry)));
        }
        is_news
    }

    fn forget(&mut self, now: Timestamp) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.ends.peek() {
                Some(Reverse((until, _))) if *until <= now => {}
                Some(_) | None => return,
            }
            // An entry that was prolonged since has another turn.
            match self.ends.pop() {
                Some(Reverse((_, Entry::Session(session)))) => remove_past(&mut self.sessions, session, now, |end| end),
                Some(Reverse((_, Entry::User(user)))) => remove_past(&mut self.users, user, now, |(_, end)| end),
                Some(Reverse((_, Entry::Generation(user)))) => {
                    remove_past(&mut self.generations, user, now, |(_, end)| end);
                }
                None => {}
            }
        }
    }
}

/// Raises a bound, and says whether it was lower.
fn raise<T: Ord>(bound: &mut T, to: T) -> bool {
    let is_lower = *bound < to;
    if is_lower {
        *bound = to;
    }
    is_lower
}

fn remove_past<K: Eq + Hash, V: Copy>(map: &mut HashMap<K, V>, key: K, now: Timestamp, end: impl Fn(V) -> Timestamp) {
    if map.get(&key).is_some_and(|value| end(*value) <= now) {
        map.remove(&key);
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

    fn of_session(session: u8, until: u64) -> Revocation {
        let subject = Revoked::Session(SessionId::from_bytes([session; 16]));
        Revocation { subject, at: NOW, until: Timestamp::from_secs(until) }
    }

    fn of_user(user: u8) -> Revocation {
        let subject = Revoked::User(UserId::from_bytes([user; 16]));
        Revocation { subject, at: NOW, until: Timestamp::from_secs(2000) }
    }

    fn of_change(user: u8, generation: u32) -> Revocation {
        let subject = Revoked::Changed(UserId::from_bytes([user; 16]), generation);
        Revocation { subject, at: NOW, until: Timestamp::from_secs(2000) }
    }

    /// How a session stands that is put under watch before the revocation, and one that is after it.
    fn standing(revocation: Revocation, snapshot: &Snapshot) -> Standing {
        let revocations = Revocations::default();
        let before = revocations.watch(snapshot);
        assert_eq!(before.standing(), Standing::Good);
        revocations.apply(&[revocation], NOW);
        let after = revocations.watch(snapshot);
        assert_eq!(before.standing(), after.standing());
        after.standing()
    }

    #[test]
    fn a_revoked_session_is_over_and_others_go_on() {
        assert_eq!(standing(of_session(1, 2000), &snapshot(1, 1, 500)), Standing::Revoked);
        assert_eq!(standing(of_session(1, 2000), &snapshot(2, 1, 500)), Standing::Good);
    }

    #[test]
    fn revoking_a_user_ends_what_began_before_and_not_what_begins_after() {
        assert_eq!(standing(of_user(1), &snapshot(1, 1, 1000)), Standing::Revoked);
        assert_eq!(standing(of_user(1), &snapshot(1, 1, 1001)), Standing::Good);
        assert_eq!(standing(of_user(1), &snapshot(1, 2, 500)), Standing::Good);
    }

    #[test]
    fn revoking_everybody_ends_what_began_before_and_not_what_begins_after() {
        let of_everybody = Revocation { subject: Revoked::Everybody, at: NOW, until: Timestamp::from_secs(2000) };
        assert_eq!(standing(of_everybody.clone(), &snapshot(1, 1, 1000)), Standing::Revoked);
        assert_eq!(standing(of_everybody.clone(), &snapshot(2, 7, 500)), Standing::Revoked);
        assert_eq!(standing(of_everybody, &snapshot(1, 1, 1001)), Standing::Good);
    }

    #[test]
    fn a_changed_user_makes_older_snapshots_stale() {
        let older = snapshot(1, 1, 1);
        assert_eq!(standing(of_change(1, 3), &older), Standing::Stale);
        assert_eq!(standing(of_change(1, 3), &Snapshot { generation: 3, ..older }), Standing::Good);
    }

    #[test]
    fn a_session_that_is_over_never_comes_back() {
        let revocations = Revocations::default();
        let watch = revocations.watch(&snapshot(1, 1, 500));
        revocations.apply(&[of_session(1, 2000), of_change(1, 3)], NOW);
        assert_eq!(watch.standing(), Standing::Revoked);
    }

    /// Regression: each logout copied all that were known, and the feed brought this node's own back as news.
    #[test]
    fn what_is_known_already_is_no_news() {
        let mut known = Known::default();
        let later = Revocation { at: Timestamp::from_secs(1001), ..of_user(2) };
        for news in [of_session(1, 2000), of_session(1, 2001), of_user(2), later, of_change(2, 1), of_change(2, 3)] {
            assert!(known.add(&news), "{news:?}");
            assert!(!known.add(&news), "{news:?}");
        }
        assert!(!known.add(&of_session(1, 1999)) && !known.add(&of_user(2)) && !known.add(&of_change(2, 2)));
        assert_eq!(known.ends.len(), 6, "what is no news takes no room");
    }

    #[test]
    fn what_has_run_out_is_forgotten() {
        let revocations = Revocations::default();
        let ends = |count: u64| (0..count).map(|at| of_session(u8::try_from(at).unwrap(), 1001 + at));
        revocations.apply(&ends(200).collect::<Vec<_>>(), NOW);
        revocations.apply(&[of_session(0, 9000), of_user(1), of_change(1, 3)], NOW);
        assert_eq!(revocations.lock().known.sessions.len(), 200);
        for _ in 0..4 {
            revocations.apply(&[], Timestamp::from_secs(2000).plus(KEPT_LONGER));
        }
        {
            let known = &revocations.lock().known;
            assert_eq!((known.sessions.len(), known.users.len(), known.generations.len()), (1, 0, 0));
            assert_eq!(known.ends.len(), 1);
        }
        assert_eq!(revocations.watch(&snapshot(1, 1, 1)).standing(), Standing::Good);
        assert_eq!(revocations.watch(&snapshot(0, 1, 1)).standing(), Standing::Revoked, "it was prolonged");
    }

    #[test]
    fn what_has_run_out_long_ago_is_not_taken_in() {
        let revocations = Revocations::default();
        revocations.apply(&[of_session(1, 1000)], NOW.plus(KEPT_LONGER));
        assert_eq!(revocations.watch(&snapshot(1, 1, 500)).standing(), Standing::Good);
    }

    /// Regression: started under a clock that was two weeks ahead, the proxy dropped what seemed to have run out, and logged
    /// out sessions were good again once the clock was right.
    #[test]
    fn a_clock_that_is_ahead_for_a_while_brings_nothing_back() {
        let revocations = Revocations::default();
        let ahead = Timestamp::from_secs(2000).plus(Duration::from_secs(15 * 86_400));
        revocations.apply(&[of_session(1, 2000), of_user(2)], ahead);
        revocations.apply(&[], ahead);
        assert_eq!(revocations.watch(&snapshot(1, 1, 500)).standing(), Standing::Revoked);
        assert_eq!(revocations.watch(&snapshot(2, 2, 500)).standing(), Standing::Revoked);
    }

    #[test]
    fn nobody_is_watched_whom_nobody_relies_on() {
        let revocations = Revocations::default();
        let watches = [(1, 1), (1, 1), (2, 1), (3, 2)].map(|(s, u)| revocations.watch(&snapshot(s, u, 1)));
        assert_eq!(revocations.lock().by_session.len(), 3);
        let [first, others @ ..] = watches;
        drop(first);
        assert_eq!(revocations.lock().by_session.len(), 3);
        revocations.apply(&[of_session(1, 2000)], NOW);
        drop(others);
        let shared = revocations.lock();
        assert!(shared.by_session.is_empty() && shared.by_user.is_empty(), "{shared:?}");
    }

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let revocations = Revocations::default();
        let watch = revocations.watch(&snapshot(1, 1, 500));
        let told = async {
            watch.reached(Standing::Stale).await;
            revocations.apply(&[of_session(1, 2000)], NOW);
            watch.reached(Standing::Revoked).await;
        };
        futures_util::future::join(told, async { revocations.apply(&[of_change(1, 3)], NOW) }).await;
        watch.reached(Standing::Good).await;
    }
}
