//! Where host names of endpoints lead, for as long as the answer is good (TTL, RFC 1035, 3.2.1), for the whole process.
//!
//! A name is looked up again when somebody needs it after that, or has connections by it. Where nobody answers then, the
//! last answer goes on (RFC 8767).

mod lookup;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use self::lookup::{Found, Lookup};
use super::{Endpoint, Place};

/// Longest wait for an answer where there is an old one.
const OLD_ONE_AFTER: Duration = Duration::from_secs(1);

/// How soon a name is looked up again that could not be.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Where host names lead. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Names(Arc<Inner>);

struct Inner {
    on: Handle,
    /// By whom to ask, and the name.
    known: Mutex<HashMap<Asked, Arc<Name>>>,
}

type Asked = (Vec<SocketAddr>, String);

impl Names {
    /// Looks names up on that runtime.
    pub fn new(on: Handle) -> Self {
        Names(Arc::new(Inner { on, known: Mutex::default() }))
    }

    /// The name of an endpoint that has one, rather than an address. `servers`: whom to ask; none: whom the machine asks.
    pub(super) fn of(&self, endpoint: &Endpoint, servers: &[SocketAddr]) -> Option<Arc<Name>> {
        let Place::Tcp { host, .. } = &endpoint.place else { return None };
        if host.parse::<IpAddr>().is_ok() {
            return None;
        }
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = known.entry((servers.to_vec(), host.clone())).or_insert_with(|| {
            Arc::new(Name {
                host: host.clone(),
                lookup: Lookup::new(servers),
                on: self.0.on.clone(),
                found: ArcSwapOption::empty(),
                failed: Mutex::default(),
                asking: tokio::sync::Mutex::default(),
                turn: AtomicUsize::new(0),
            })
        });
        Some(Arc::clone(name))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// A host name, and where it leads.
pub(super) struct Name {
    host: String,
    lookup: Lookup,
    on: Handle,
    found: ArcSwapOption<Found>,
    /// Until when it is not looked up again, and why it could not be.
    failed: Mutex<Option<(Instant, String)>>,
    /// Held by the one who asks for all.
    asking: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

impl Name {
    /// Every address, each time another one first. Those of IPv6 come last: not every machine that has them gets there.
    ///
    /// # Errors
    /// It leads nowhere, or nobody could be asked, and it has led nowhere before.
    pub(super) async fn addresses(self: &Arc<Self>) -> io::Result<Vec<IpAddr>> {
        if !self.is_known(Instant::now()) {
            let asked = self.on.spawn(Arc::clone(self).ask());
            let is_silent = self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            match (self.found.load().is_some(), is_silent) {
                // Where nobody has answered of late, nobody waits: the old answer is as good as any.
                (true, true) => drop(asked),
                // Who is not answered in time goes on by the old answer, while the question stays open.
                (true, false) => drop(timeout(OLD_ONE_AFTER, asked).await),
                (false, _) => drop(asked.await),
            }
        }
        if let Some(found) = self.found.load_full() {
            let (mut addresses, mut last): (Vec<_>, Vec<_>) = found.addresses.iter().partition(|one| one.is_ipv4());
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            for these in [&mut addresses, &mut last] {
                let first = turn.checked_rem(these.len()).unwrap_or_default();
                these.rotate_left(first);
            }
            addresses.append(&mut last);
            return Ok(addresses);
        }
        let why = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.map_or_else(|| "it was not looked up".to_owned(), |(_, why)| why);
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} cannot be looked up: {why}", self.host)))
    }

    /// Looks it up anew, if the last answer is not good any more.
    pub(super) fn look_again(self: &Arc<Self>) {
        if !self.is_known(Instant::now()) && self.asking.try_lock().is_ok() {
            drop(self.on.spawn(Arc::clone(self).ask()));
        }
    }

    /// Whether it leads there, as far as anybody knows.
    pub(super) fn leads_to(&self, address: IpAddr) -> bool {
        self.found.load().as_ref().is_none_or(|found| found.addresses.contains(&address.to_canonical()))
    }

    /// Whether there is nothing to ask now.
    fn is_known(&self, now: Instant) -> bool {
        let is_good = self.found.load().as_ref().is_some_and(|found| now < found.until);
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(until, _)| *until);
        is_good || failed().is_some_and(|until| now < until)
    }

    async fn ask(self: Arc<Self>) {
        let _alone = self.asking.lock().await;
        if self.is_known(Instant::now()) {
            return;
        }
        let asked = self.lookup.ask(&self.host).await;
        let host = &self.host;
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match asked {
            Ok(found) => {
                let before = self.found.swap(Some(Arc::new(found.clone())));
                if before.is_some_and(|before| !before.is_same(&found)) {
                    tracing::info!(host, addresses = ?found.addresses, "an endpoint's name leads elsewhere");
                }
                *failed = None;
            }
            Err(why) => {
                if failed.is_none() && self.found.load().is_some() {
                    tracing::warn!(host, why, "an endpoint's name cannot be looked up: it leads where it did before");
                }
                *failed = Some((Instant::now() + AGAIN_AFTER, why));
            }
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Name").field(&self.host).finish()
    }
}
