//! Which endpoint of an upstream a request goes to.

mod group;
mod places;
mod standing;
mod turns;

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

pub(crate) use self::group::Group;
pub use self::group::{EndpointState, GroupState, Groups};
pub use self::places::Places;
pub(crate) use self::standing::{InFlight, Standing};
use super::{Settings, Visitor};
use crate::http::cookie;

/// How endpoints are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// In turn.
    RoundRobin,
    /// Of two that are drawn, the one with fewer requests under way.
    LeastRequest,
    /// By what the request says: the same goes to the same.
    Hash(HashOn),
    /// The first time in turn; from then on to where the browser's cookie of this name says.
    Sticky(String),
}

/// What of a request decides which endpoint it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    /// The session's user; of a stranger the address.
    User,
    /// The client's address.
    Address,
    /// A header field; without it they go in turn.
    Header(HeaderName),
}

/// When an endpoint that fails is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so long the first time, for a multiple of it when that happens in a row.
    pub time: Duration,
}

/// Where a request belongs, as far as it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Affinity {
    key: Option<u64>,
    /// The endpoint that a sticky cookie names.
    place: Option<u64>,
}

/// Which endpoints a request has been to, by their places.
pub(super) type Tried = Vec<usize>;

/// Chooses, on one core, by what all cores know.
#[derive(Debug)]
pub(super) struct Balance {
    policy: Policy,
    ejection: Option<Ejection>,
    slow_start: Duration,
    upstream: Arc<str>,
    group: Arc<Group>,
    members: Vec<Member>,
    schedule: Vec<usize>,
    dice: Cell<u64>,
}

#[derive(Debug)]
struct Member {
    standing: Arc<Standing>,
    weight: u32,
    /// Its name as a number.
    number: u64,
    /// What a sticky cookie calls it.
    place: u64,
}

impl Balance {
    /// `seed` tells the cores' dice apart.
    pub(super) fn new(settings: &Settings, group: Arc<Group>, places: &Places, seed: u64) -> Self {
        let member = |member: &super::Member| {
            let name = member.endpoint.to_string();
            let (number, place) = (turns::number(name.as_bytes()), places.of(&settings.name, &name));
            Member { number, place, standing: group.standing(&name), weight: member.weight }
        };
        let members: Vec<Member> = settings.members.iter().map(member).collect();
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        Balance {
            policy: settings.balance.clone(),
            ejection: settings.ejection,
            slow_start: settings.slow_start,
            upstream: Arc::clone(&settings.name),
            schedule: turns::schedule(&weights),
            dice: Cell::new(seed),
            members,
            group,
        }
    }

    /// Where a request belongs.
    pub(super) fn affinity(&self, headers: &HeaderMap, visitor: &Visitor) -> Affinity {
        let address = || visitor.forwarded_for.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
        let by = |bytes: &[u8]| Affinity { key: Some(turns::number(bytes)), place: None };
        match &self.policy {
            Policy::RoundRobin | Policy::LeastRequest => Affinity::default(),
            Policy::Hash(HashOn::User) => match visitor.user {
                Some(user) => by(&user),
                None => by(address()),
            },
            Policy::Hash(HashOn::Address) => by(address()),
            Policy::Hash(HashOn::Header(name)) => {
                headers.get(name).map_or_else(Affinity::default, |value| by(value.as_bytes()))
            }
            Policy::Sticky(name) => {
                let mut named = cookie::pairs(headers).filter(|(found, _)| *found == name.as_bytes());
                let number = |value| u64::from_str_radix(std::str::from_utf8(value).ok()?, 16).ok();
                Affinity { key: None, place: named.find_map(|(_, value)| number(value)) }
            }
        }
    }

    /// The next endpoint for a request that has been to some: one that is in, or if none is, any. `None`: it has been to
    /// all.
    pub(super) fn pick(&self, affinity: Affinity, tried: &Tried) -> Option<usize> {
        if self.members.len() == 1 {
            return tried.is_empty().then_some(0);
        }
        let now = Instant::now();
        let is_new = |at: usize| !tried.contains(&at);
        let is_in = |at: usize| is_new(at) && self.members.get(at).is_some_and(|member| member.standing.is_in(now));
        let home = affinity.place.and_then(|place| self.named(place));
        if let Some(at) = home.filter(|at| is_in(*at)) {
            return Some(at);
        }
        let picked = match (&self.policy, affinity) {
            (Policy::Hash(_), Affinity { key: Some(key), .. }) => self.drawn_to(key, is_in),
            (Policy::LeastRequest, _) => self.less_busy(|at| is_in(at) && self.has_luck(at, now)),
            (Policy::RoundRobin | Policy::Hash(_) | Policy::Sticky(_), _) => {
                self.in_turn(tried, |at| is_in(at) && self.has_luck(at, now))
            }
        };
        // Nobody's luck held, or none is in: whoever may be there is asked before the visitor is told that nobody is.
        picked.or_else(|| self.in_turn(tried, is_in)).or_else(|| self.in_turn(tried, is_new))
    }

    /// Whether some endpoint that a request has not been to is in.
    pub(super) fn has_another(&self, tried: &Tried) -> bool {
        let now = Instant::now();
        self.members.iter().enumerate().any(|(at, member)| !tried.contains(&at) && member.standing.is_in(now))
    }

    fn named(&self, place: u64) -> Option<usize> {
        self.members.iter().position(|member| member.place == place)
    }

    fn drawn_to(&self, key: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let attraction = |(_, member): &(usize, &Member)| turns::attraction(key, member.number, member.weight);
        let all = self.members.iter().enumerate().filter(|(at, _)| may(*at));
        all.max_by(|a, b| attraction(a).total_cmp(&attraction(b))).map(|(at, _)| at)
    }

    /// Who has been to some takes nobody's turn: else one that is down could have every other request come to it first.
    fn in_turn(&self, tried: &Tried, may: impl Fn(usize) -> bool) -> Option<usize> {
        let turn = if tried.is_empty() { self.group.turn.fetch_add(1, Ordering::Relaxed) } else { self.roll() };
        self.from(turn, may)
    }

    fn less_busy(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.from(self.roll(), &may)?;
        let Some(second) = self.from(self.roll(), |at| at != first && may(at)) else { return Some(first) };
        let load = |at: usize| {
            let member = self.members.get(at);
            member.map_or(f64::MAX, |member| (member.standing.in_flight() as f64 + 1.0) / f64::from(member.weight))
        };
        Some(if load(second) < load(first) { second } else { first })
    }

    /// The one whose turn it is among those that may be: what one that may not would have had, all others share.
    fn from(&self, turn: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let planned = self.schedule.get(turn.checked_rem(self.schedule.len())?).copied()?;
        if may(planned) {
            return Some(planned);
        }
        // Asked once: some of it is by lot.
        let others: Vec<usize> = self.schedule.iter().copied().filter(|at| may(*at)).collect();
        // Not by the turn itself: its rests by two numbers that have a common divisor go together.
        let at = (turns::mixed(turn as u64) as usize).checked_rem(others.len())?;
        others.get(at).copied()
    }

    /// Whether one that has come back lately gets this request.
    fn has_luck(&self, at: usize, now: Instant) -> bool {
        let share = self.members.get(at).map_or(0, |member| member.standing.share(now, self.slow_start));
        share == standing::WHOLE || self.roll() as u64 % u64::from(standing::WHOLE) < u64::from(share)
    }

    /// Any number: nobody's secret depends on it.
    fn roll(&self) -> usize {
        let next = self.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.set(next);
        (turns::mixed(next) >> 32) as usize
    }

    /// A request goes to an endpoint. Where there is one alone, nobody asks how busy it is, and no core writes what
    /// another reads.
    pub(super) fn begin(&self, at: usize) -> Option<InFlight> {
        self.members.get(at).filter(|_| self.members.len() > 1).map(|member| member.standing.begin())
    }

    /// An endpoint answered.
    pub(super) fn succeeded(&self, at: usize) {
        let Some(member) = self.members.get(at).filter(|_| self.members.len() > 1) else { return };
        if member.standing.succeeded(Instant::now) {
            let (upstream, endpoint) = (&self.upstream, &member.standing.endpoint);
            tracing::info!(%upstream, %endpoint, "an endpoint that was left out answers again");
        }
    }

    /// An endpoint did not answer, or as one that got no answer itself. Never are more than half of them left out for it.
    pub(super) fn failed(&self, at: usize) {
        let (Some(member), Some(ejection)) = (self.members.get(at), &self.ejection) else { return };
        if self.members.len() == 1 || !member.standing.failed(ejection) {
            return;
        }
        let _deciding = self.group.putting_out.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let out = self.members.iter().filter(|member| !member.standing.is_in(now)).count();
        if !member.standing.is_in(now) || out + 1 > self.members.len() / 2 {
            return;
        }
        let long = member.standing.put_out(ejection, now);
        let (upstream, endpoint) = (&self.upstream, &member.standing.endpoint);
        tracing::warn!(%upstream, %endpoint, ?long, "an endpoint failed several times in a row: it is left out for a while");
    }

    /// An endpoint, as an operator knows it.
    pub(super) fn endpoint(&self, at: usize) -> Option<Arc<str>> {
        self.members.get(at).map(|member| Arc::clone(&member.standing.endpoint))
    }

    /// Whether a cookie of this name is for this choice alone.
    pub(super) fn sticks_by(&self, name: &[u8]) -> bool {
        matches!(&self.policy, Policy::Sticky(cookie) if cookie.as_bytes() == name)
    }

    /// The cookie that leads back to where a request went, if it did not come with it.
    pub(super) fn cookie(&self, at: usize, affinity: Affinity, is_secure: bool) -> Option<HeaderValue> {
        let Policy::Sticky(name) = &self.policy else { return None };
        let place = self.members.get(at)?.place;
        if affinity.place == Some(place) {
            return None;
        }
        let secure = if is_secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{name}={place:016x}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

#[cfg(test)]
mod tests;
