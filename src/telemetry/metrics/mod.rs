//! Numbers for Prometheus: counted where things happen, put together when somebody asks.
//!
//! Each core counts its own requests, behind a lock that nobody else takes but who asks, and for no longer than it takes to
//! copy a few numbers. What happens seldom is counted in one place.

mod exposition;
mod histogram;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

pub use self::exposition::{EndpointState, Gauges, METRICS, Metric, UpstreamConnections, UpstreamState};
use self::histogram::Histogram;

/// The name of requests that came to no route.
const NOWHERE: &str = "";

/// Everything that is counted. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<All>);

#[derive(Debug, Default)]
struct All {
    cores: Mutex<HashMap<ThreadId, Arc<Mutex<Requests>>>>,
    rare: Mutex<Rare>,
}

/// What one core has counted.
#[derive(Debug, Default, Clone)]
struct Requests {
    routes: HashMap<Arc<str>, Route>,
    upstreams: HashMap<Arc<str>, Histogram>,
    broken: u64,
    unreadable: u64,
}

#[derive(Debug, Default, Clone)]
struct Route {
    /// By decision and status.
    answers: Vec<((&'static str, u16), u64)>,
    duration: Histogram,
}

/// What happens seldom.
#[derive(Debug, Default, Clone)]
struct Rare {
    /// By outcome and cause.
    logins: BTreeMap<(&'static str, &'static str), u64>,
    exchanges: Histogram,
    /// By outcome.
    reloads: BTreeMap<&'static str, u64>,
    certificate_orders: BTreeMap<&'static str, u64>,
}

/// What is counted of one request.
#[derive(Debug, Clone, Copy)]
pub struct Served<'r> {
    /// The route's pattern, or the name of our own endpoint.
    pub route: Option<&'r str>,
    /// What was decided, in a word.
    pub decision: &'static str,
    /// The answer's status; 0 if there was none.
    pub status: u16,
    /// Until the last byte was sent.
    pub duration: Duration,
    /// The upstream that was asked, and when its answer's head had come.
    pub upstream: Option<(&'r str, Duration)>,
    /// Whether the answer is not whole.
    pub is_broken: bool,
}

impl Metrics {
    /// The counter of the core that this is called on; the same one for as long as the core runs.
    pub fn of_this_core(&self) -> CoreMetrics {
        let mut cores = lock(&self.0.cores);
        CoreMetrics(Arc::clone(cores.entry(thread::current().id()).or_default()))
    }

    /// A login came to an end: how, and why if it was not well.
    pub fn login(&self, outcome: &'static str, cause: &'static str) {
        *lock(&self.0.rare).logins.entry((outcome, cause)).or_default() += 1;
    }

    /// The identity provider was asked, for so long.
    pub fn exchange(&self, duration: Duration) {
        lock(&self.0.rare).exchanges.add(duration);
    }

    /// The configuration was read again.
    pub fn reload(&self, outcome: &'static str) {
        *lock(&self.0.rare).reloads.entry(outcome).or_default() += 1;
    }

    /// A certificate was to be issued: `issued` or `failed`.
    pub fn certificate_ordered(&self, outcome: &'static str) {
        *lock(&self.0.rare).certificate_orders.entry(outcome).or_default() += 1;
    }

    /// All that was counted, and `gauges`, in the text format of Prometheus.
    pub fn text(&self, gauges: &Gauges) -> String {
        let cores: Vec<_> = lock(&self.0.cores).values().cloned().collect();
        let mut requests = Requests::default();
        for core in cores {
            let counted = lock(&core).clone();
            requests.add(counted);
        }
        let rare = lock(&self.0.rare).clone();
        exposition::text(&requests, &rare, gauges)
    }
}

/// One core's counter.
#[derive(Debug)]
pub struct CoreMetrics(Arc<Mutex<Requests>>);

impl CoreMetrics {
    /// What a client sent is no request.
    pub fn unreadable(&self) {
        lock(&self.0).unreadable += 1;
    }

    /// A request is done with.
    pub fn count(&self, served: &Served<'_>) {
        let mut guard = lock(&self.0);
        let requests = &mut *guard;
        let name = served.route.unwrap_or(NOWHERE);
        let route = match requests.routes.get_mut(name) {
            Some(route) => route,
            None => requests.routes.entry(name.into()).or_default(),
        };
        route.count((served.decision, served.status), 1);
        route.duration.add(served.duration);
        if let Some((upstream, duration)) = served.upstream {
            let histogram = match requests.upstreams.get_mut(upstream) {
                Some(histogram) => histogram,
                None => requests.upstreams.entry(upstream.into()).or_default(),
            };
            histogram.add(duration);
        }
        requests.broken += u64::from(served.is_broken);
    }
}

impl Route {
    /// A route has few kinds of answers.
    fn count(&mut self, answer: (&'static str, u16), more: u64) {
        match self.answers.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count += more,
            None => self.answers.push((answer, more)),
        }
    }
}

impl Requests {
    fn add(&mut self, other: Requests) {
        for (name, counted) in other.routes {
            let route = self.routes.entry(name).or_default();
            counted.answers.into_iter().for_each(|(answer, count)| route.count(answer, count));
            route.duration.merge(&counted.duration);
        }
        for (name, counted) in other.upstreams {
            self.upstreams.entry(name).or_default().merge(&counted);
        }
        self.broken += other.broken;
        self.unreadable += other.unreadable;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(route: Option<&str>, status: u16) -> Served<'_> {
        let duration = Duration::from_millis(3);
        let upstream = Some(("mall", Duration::from_millis(2)));
        Served { route, decision: "anonymous", status, duration, upstream, is_broken: false }
    }

    #[test]
    fn what_several_cores_counted_is_added_up() {
        let metrics = Metrics::default();
        let count = |status| metrics.of_this_core().count(&served(Some("/*"), status));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..4).for_each(|_| count(200)));
            }
        });
        count(502);
        let text = metrics.text(&Gauges::default());
        for line in [
            r#"menshen_requests_total{route="/*",decision="anonymous",status="200"} 12"#,
            r#"menshen_requests_total{route="/*",decision="anonymous",status="502"} 1"#,
            r#"menshen_request_duration_seconds_bucket{route="/*",le="0.0025"} 0"#,
            r#"menshen_request_duration_seconds_bucket{route="/*",le="0.005"} 13"#,
            r#"menshen_request_duration_seconds_bucket{route="/*",le="+Inf"} 13"#,
            r#"menshen_request_duration_seconds_count{route="/*"} 13"#,
            r#"menshen_upstream_duration_seconds_count{upstream="mall"} 13"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_an_operator_named_cannot_break_out_of_its_label() {
        let metrics = Metrics::default();
        metrics.of_this_core().count(&served(Some("/a\"b\\c\nd"), 200));
        let text = metrics.text(&Gauges::default());
        assert!(text.contains(r#"route="/a\"b\\c\nd""#), "{text}");
    }

    #[test]
    fn every_line_belongs_to_a_metric_that_says_what_it_is() {
        let metrics = Metrics::default();
        metrics.of_this_core().count(&served(None, 0));
        metrics.login("finished", "");
        metrics.exchange(Duration::from_millis(300));
        metrics.reload("taken");
        let upstream = UpstreamConnections { upstream: "mall".into(), opened: 3, failed: 1, open: 2 };
        let certificates = vec![("certs/site.pem".to_owned(), 1)];
        let endpoint = EndpointState { endpoint: "h:1".to_owned(), is_in: true, ejected: 1, in_flight: 2 };
        let (name, endpoints) = ("mall".into(), vec![endpoint]);
        let group = UpstreamState { upstream: name, endpoints, retries: 3, waiting: 4, turned_away: 5 };
        let gauges = Gauges { upstreams: vec![upstream], groups: vec![group], certificates, ..Gauges::default() };
        let text = metrics.text(&gauges);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let belongs = |metric: &&Metric| {
                let rest = name.strip_prefix(metric.name);
                rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            };
            assert!(METRICS.iter().any(|metric| belongs(&metric)), "{line}");
        }
        for metric in METRICS {
            assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{}", metric.name);
            assert!(text.lines().any(|line| line.starts_with(metric.name)), "{} has no line", metric.name);
        }
    }
}
