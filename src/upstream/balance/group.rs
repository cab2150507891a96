//! What all cores share of an upstream, under whatever configuration.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::standing::Standing;
use crate::upstream::Settings;
use crate::upstream::admission::Queue;
use crate::upstream::retry::Budget;

/// Every upstream's, by name. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Groups(Arc<Mutex<BTreeMap<Arc<str>, Arc<Group>>>>);

/// One upstream's.
#[derive(Debug, Default)]
pub(crate) struct Group {
    standings: Mutex<BTreeMap<String, Arc<Standing>>>,
    /// Whose turn it is.
    pub(super) turn: AtomicUsize,
    /// Held while it is decided whether one more endpoint may be put out.
    pub(super) putting_out: Mutex<()>,
    /// What retries may cost.
    pub(crate) budget: Budget,
    /// Requests that wait for room.
    pub(crate) queue: Queue,
    room: Mutex<Option<(usize, Arc<Semaphore>)>>,
}

/// How one upstream stands, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// Its name.
    pub upstream: Arc<str>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointState>,
    /// Requests that went out once more.
    pub retries: u64,
    /// Requests that wait for room.
    pub waiting: usize,
    /// Requests that were turned away for want of it.
    pub turned_away: u64,
}

/// How one endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// As it is written.
    pub endpoint: String,
    /// Whether it gets requests.
    pub is_in: bool,
    /// How often it was left out for failing.
    pub ejected: u64,
    /// Requests that are under way at it.
    pub in_flight: usize,
}

impl Groups {
    /// An upstream's, new if there was none.
    pub(crate) fn of(&self, upstream: &Arc<str>) -> Arc<Group> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(Arc::clone(upstream)).or_default())
    }

    /// Forgets those that are configured no more.
    pub fn keep(&self, settings: &[Settings]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, group| {
            let kept = settings.iter().find(|settings| settings.name == *name);
            if let Some(settings) = kept {
                let is_kept =
                    |endpoint: &String| settings.members.iter().any(|kept| kept.endpoint.to_string() == *endpoint);
                let mut standings = group.standings.lock().unwrap_or_else(PoisonError::into_inner);
                standings.retain(|endpoint, _| is_kept(endpoint));
                if settings.ejection.is_none() {
                    standings.values().for_each(|standing| standing.let_back());
                }
                if settings.health.is_none() {
                    // Nobody asks any more, and nobody would ever find it well again.
                    standings.values().for_each(|standing| standing.forget_checks());
                }
            }
            kept.is_some()
        });
    }

    /// How all stand.
    pub fn states(&self) -> Vec<GroupState> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let state = |standing: &Arc<Standing>| EndpointState {
            endpoint: standing.endpoint.to_string(),
            is_in: standing.is_in(now),
            ejected: standing.ejected(),
            in_flight: standing.in_flight(),
        };
        let of_one = |(upstream, group): (&Arc<str>, &Arc<Group>)| GroupState {
            upstream: Arc::clone(upstream),
            endpoints: group.standings.lock().unwrap_or_else(PoisonError::into_inner).values().map(state).collect(),
            retries: group.budget.spent(),
            waiting: group.queue.waiting(),
            turned_away: group.queue.turned_away(),
        };
        all.iter().map(of_one).collect()
    }
}

impl Group {
    /// How an endpoint stands, as if nothing had been seen of it yet if it is new.
    pub(crate) fn standing(&self, endpoint: &str) -> Arc<Standing> {
        let mut all = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Standing::new(endpoint.into()));
        Arc::clone(all.entry(endpoint.to_owned()).or_insert_with(new))
    }

    /// Room for so many requests at once: with another number than before, those under way count no more.
    pub(crate) fn room(&self, requests: usize) -> Arc<Semaphore> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        match room.as_ref() {
            Some((limit, there)) if *limit == requests => Arc::clone(there),
            Some(_) | None => {
                let new = Arc::new(Semaphore::new(requests));
                *room = Some((requests, Arc::clone(&new)));
                new
            }
        }
    }
}
