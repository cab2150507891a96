//! How many clients are connected: all together, and from each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;
use crate::http::peer::Remote;
use crate::http::subscriber::Subscriber;
use crate::rule::{self, Rule};

/// Every client that is connected, on all cores. Asked once for each connection.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    all: AtomicUsize,
    by_subscriber: Mutex<HashMap<Subscriber, usize>>,
    turned_away: AtomicU64,
}

/// There is no room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// `limits.connections`.
    Everywhere,
    /// `limits.connections_per_address`.
    ForThisAddress,
}

/// A client's place among those that are connected. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    /// Where its address has a limit.
    subscriber: Option<Subscriber>,
}

impl Crowd {
    /// A place for a client, of whom it may not be known yet where it comes from.
    pub(super) fn admit(self: &Arc<Self>, remote: Option<Remote>, limits: &Limits) -> Result<Place, Full> {
        let admitted = self.take(remote, limits);
        if admitted.is_err() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn take(self: &Arc<Self>, remote: Option<Remote>, limits: &Limits) -> Result<Place, Full> {
        let subscriber = match remote {
            Some(remote) => self.share(remote, limits)?,
            None => None,
        };
        // Counted from here on, and given back if it is one too many.
        let place = Place { crowd: Arc::clone(self), subscriber };
        let before = self.all.fetch_add(1, Ordering::Relaxed);
        if before < limits.connections { Ok(place) } else { Err(Full::Everywhere) }
    }

    /// One more of an address; `None` where it has no limit.
    fn share(&self, remote: Remote, limits: &Limits) -> Result<Option<Subscriber>, Full> {
        // Whoever is behind a proxy has a share in it that the proxy alone knows of.
        if limits.proxies.hold(remote) || !rule::holds(Rule::NoAddressTakesEveryPlace) {
            return Ok(None);
        }
        let subscriber = Subscriber::of(remote.ip());
        let mut counts = self.by_subscriber.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(subscriber).or_default();
        if *count >= limits.connections_per_address {
            return Err(Full::ForThisAddress);
        }
        *count += 1;
        Ok(Some(subscriber))
    }

    /// How many are connected.
    pub(super) fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// How many were turned away so far.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Whose it is, for a client that was admitted before its address was known.
    pub(super) fn belongs_to(&mut self, remote: Remote, limits: &Limits) -> Result<(), Full> {
        let share = self.crowd.share(remote, limits);
        if share.is_err() {
            self.crowd.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        self.subscriber = share?;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
        let Some(subscriber) = self.subscriber else { return };
        let mut counts = self.crowd.by_subscriber.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(subscriber) {
            if *count.get() <= 1 {
                count.remove();
            } else {
                *count.get_mut() -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::http::peer::Listed;
    use crate::units::ByteSize;

    fn limits(connections: usize, connections_per_address: usize, proxy: Option<&str>) -> Limits {
        Limits {
            requests: None,
            head_timeout: Duration::from_secs(1),
            keep_alive: Duration::from_secs(1),
            header_bytes: ByteSize::kib(8),
            headers: 100,
            target_bytes: ByteSize::kib(8),
            streams: 100,
            speaks_h2c: false,
            connections,
            connections_per_address,
            proxies: proxy.into_iter().map(|network| Listed::Network(network.parse().unwrap())).collect(),
        }
    }

    fn address(text: &str) -> Remote {
        Remote::Network(SocketAddr::new(text.parse().unwrap(), 1))
    }

    #[test]
    fn one_address_gets_its_share_and_others_theirs() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(10, 2, None));
        let admit = |from| crowd.admit(Some(address(from)), &limits);
        let held = [admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap()];
        assert_eq!(admit("192.0.2.1").unwrap_err(), Full::ForThisAddress);
        let _others = [admit("192.0.2.2").unwrap(), admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap()];
        assert_eq!(admit("2001:db8::3").unwrap_err(), Full::ForThisAddress, "a subscriber's /64 is one address");
        assert_eq!((crowd.count(), crowd.turned_away()), (5, 2));
        drop(held);
        assert!(admit("192.0.2.1").is_ok());
        assert_eq!(crowd.count(), 3);
    }

    #[test]
    fn all_together_have_no_more_than_there_is_and_what_was_turned_away_takes_nothing() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(2, 2, None));
        let admit = |from| crowd.admit(Some(address(from)), &limits);
        let held = [admit("192.0.2.1").unwrap(), admit("192.0.2.2").unwrap()];
        for _ in 0..3 {
            assert_eq!(admit("192.0.2.3").unwrap_err(), Full::Everywhere);
        }
        assert_eq!(crowd.count(), 2);
        drop(held);
        assert!(admit("192.0.2.3").is_ok());
        assert_eq!(crowd.by_subscriber.lock().unwrap().len(), 0, "nobody is remembered who has left");
    }

    #[test]
    fn a_proxy_in_front_is_no_single_client() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(4, 1, Some("10.0.0.0/8")));
        let _held: Vec<_> = (0..4).map(|_| crowd.admit(Some(address("::ffff:10.1.2.3")), &limits).unwrap()).collect();
        assert_eq!(crowd.admit(Some(address("10.1.2.3")), &limits).unwrap_err(), Full::Everywhere);
    }

    #[test]
    fn a_client_that_says_who_it_is_later_has_its_share_like_any_other() {
        let (crowd, limits) = (Arc::new(Crowd::default()), limits(4, 1, None));
        let mut first = crowd.admit(None, &limits).unwrap();
        let mut second = crowd.admit(None, &limits).unwrap();
        first.belongs_to(address("192.0.2.1"), &limits).unwrap();
        assert_eq!(second.belongs_to(address("192.0.2.1"), &limits), Err(Full::ForThisAddress));
        assert_eq!(crowd.admit(Some(address("192.0.2.1")), &limits).unwrap_err(), Full::ForThisAddress);
        assert_eq!((crowd.count(), crowd.turned_away()), (2, 2));
        drop(second);
        drop(first);
        assert!(crowd.admit(Some(address("192.0.2.1")), &limits).is_ok());
        assert_eq!((crowd.count(), crowd.by_subscriber.lock().unwrap().len()), (0, 0));
    }
}
