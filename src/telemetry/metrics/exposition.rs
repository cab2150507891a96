//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::histogram::Histogram;
use super::{Rare, Requests};

/// A metric, as it is described to whoever reads it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `summary`.
    pub kind: &'static str,
    /// What it counts.
    pub help: &'static str,
}

/// Every metric there is. `docs/metrics.md` has a row for each.
pub const METRICS: &[Metric] = &[
    metric("menshen_build_info", "gauge", "1, with the version."),
    metric("menshen_start_time_seconds", "gauge", "When the process began, in seconds since 1970."),
    metric("menshen_requests_total", "counter", "Requests that are done with."),
    metric(
        "menshen_requests_unreadable_total",
        "counter",
        "What clients sent that is no request: 400, 414, 431, no handshake of TLS, no PROXY header.",
    ),
    metric("menshen_request_duration_seconds", "histogram", "From a request's head to its answer's last byte."),
    metric(
        "menshen_upstream_duration_seconds",
        "histogram",
        "From a request's head to the head of the upstream's answer.",
    ),
    metric("menshen_upstream_connections_total", "counter", "Connections that upstreams took, and did not take."),
    metric("menshen_upstream_connections", "gauge", "Open connections to upstreams, without upgraded ones."),
    metric("menshen_upstream_endpoint_up", "gauge", "0 while an endpoint gets no requests, being ill or left out."),
    metric("menshen_upstream_endpoint_requests", "gauge", "Requests that are under way at an endpoint."),
    metric("menshen_upstream_ejections_total", "counter", "Times that an endpoint was left out for failing."),
    metric("menshen_upstream_retries_total", "counter", "Requests that went on to another endpoint."),
    metric("menshen_upstream_waiting", "gauge", "Requests that wait until their upstream may have one more."),
    metric("menshen_upstream_turned_away_total", "counter", "Requests that did so in vain, or could not even wait."),
    metric("menshen_answers_broken_total", "counter", "Answers that are not whole."),
    metric("menshen_connections", "gauge", "Open client connections."),
    metric("menshen_connections_turned_away_total", "counter", "Client connections there was no room for."),
    metric("menshen_requests_in_flight", "gauge", "Requests under way, where limits.requests is set."),
    metric("menshen_requests_turned_away_total", "counter", "Requests there was no room for."),
    metric("menshen_certificate_not_after_seconds", "gauge", "When a certificate ends, in seconds since 1970."),
    metric("menshen_logins_total", "counter", "Logins that came back from the provider."),
    metric("menshen_exchange_duration_seconds", "histogram", "How long a login took whose code was exchanged."),
    metric("menshen_provider_up", "gauge", "0 while the provider does not answer and logins are refused."),
    metric("menshen_sessions_remembered", "gauge", "Sessions whose proof is remembered."),
    metric(
        "menshen_session_lookups_total",
        "counter",
        "Cookies and tokens that were presented, by how they were found.",
    ),
    metric("menshen_store_up", "gauge", "0 while the store does not serve and logins are refused."),
    metric("menshen_store_calls_total", "counter", "Calls that the store carried out."),
    metric("menshen_store_commit_duration_seconds", "summary", "How long the disk took to make writes last."),
    metric("menshen_store_reopened_total", "counter", "Times that the database failed and was opened again."),
    metric("menshen_reloads_total", "counter", "Times that the configuration was to be read again."),
    metric("menshen_certificate_orders_total", "counter", "Times that a certificate was to be issued."),
    metric("menshen_config_time_seconds", "gauge", "When the configuration in use was read, in seconds since 1970."),
];

const fn metric(name: &'static str, kind: &'static str, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

/// How things are at the moment.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// The version.
    pub version: &'static str,
    /// Seconds since 1970.
    pub started: u64,
    /// Seconds since 1970.
    pub configured: u64,
    /// Open client connections.
    pub connections: usize,
    /// Client connections that were turned away.
    pub turned_away: u64,
    /// Requests that are under way, where there is a limit.
    pub requests: u64,
    /// Requests that were turned away.
    pub requests_turned_away: u64,
    /// The certificates that are shown: the file of each, and when it ends in seconds since 1970.
    pub certificates: Vec<(String, u64)>,
    /// Sessions whose proof is remembered.
    pub sessions: usize,
    /// Cookies and tokens that were presented, by how they were found.
    pub lookups: [(&'static str, u64); 3],
    /// Connections to each upstream.
    pub upstreams: Vec<UpstreamConnections>,
    /// How each upstream stands.
    pub groups: Vec<UpstreamState>,
    /// Whether the store serves.
    pub is_store_up: bool,
    /// Calls that the store carried out, by kind.
    pub store_calls: [(&'static str, u64); 2],
    /// Times that the disk was waited for.
    pub store_commits: u64,
    /// How long that took, all together.
    pub store_commit_time: Duration,
    /// Times that the database failed and was opened again.
    pub store_reopenings: u64,
    /// Whether the identity provider is asked.
    pub is_provider_up: bool,
}

/// Connections to one upstream.
#[derive(Debug, Clone)]
pub struct UpstreamConnections {
    /// Its name.
    pub upstream: Arc<str>,
    /// Those that it took.
    pub opened: u64,
    /// Those that it did not take.
    pub failed: u64,
    /// Those that are open.
    pub open: u64,
}

/// How one upstream stands.
#[derive(Debug, Clone)]
pub struct UpstreamState {
    /// Its name.
    pub upstream: Arc<str>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointState>,
    /// Requests that went on to another endpoint.
    pub retries: u64,
    /// Requests that wait for room.
    pub waiting: usize,
    /// Requests for which there was none.
    pub turned_away: u64,
}

/// How one endpoint stands.
#[derive(Debug, Clone)]
pub struct EndpointState {
    /// As it is written.
    pub endpoint: String,
    /// Whether it gets requests.
    pub is_in: bool,
    /// Times that it was left out for failing.
    pub ejected: u64,
    /// Requests that are under way at it.
    pub in_flight: usize,
}

pub(super) fn text(requests: &Requests, rare: &Rare, gauges: &Gauges) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for metric in METRICS {
        let Metric { name, kind, help } = metric;
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let lines = Lines { name, out: &mut out };
        match *name {
            "menshen_build_info" => lines.one(&[("version", gauges.version)], 1),
            "menshen_start_time_seconds" => lines.one(&[], gauges.started),
            "menshen_requests_total" => answers(lines, requests),
            "menshen_requests_unreadable_total" => lines.one(&[], requests.unreadable),
            "menshen_request_duration_seconds" => {
                let routes: BTreeMap<_, _> =
                    requests.routes.iter().map(|(name, route)| (name, &route.duration)).collect();
                histograms(lines, "route", routes);
            }
            "menshen_upstream_duration_seconds" => histograms(lines, "upstream", requests.upstreams.iter().collect()),
            "menshen_upstream_connections_total" => connections_total(lines, gauges),
            "menshen_upstream_connections" => connections(lines, gauges),
            "menshen_upstream_endpoint_up" => endpoints(lines, gauges, |endpoint| endpoint.is_in.into()),
            "menshen_upstream_endpoint_requests" => endpoints(lines, gauges, |endpoint| endpoint.in_flight as u64),
            "menshen_upstream_ejections_total" => endpoints(lines, gauges, |endpoint| endpoint.ejected),
            "menshen_upstream_retries_total" => upstreams(lines, gauges, |upstream| upstream.retries),
            "menshen_upstream_waiting" => upstreams(lines, gauges, |upstream| upstream.waiting as u64),
            "menshen_upstream_turned_away_total" => upstreams(lines, gauges, |upstream| upstream.turned_away),
            "menshen_answers_broken_total" => lines.one(&[], requests.broken),
            "menshen_connections" => lines.one(&[], gauges.connections as u64),
            "menshen_connections_turned_away_total" => lines.one(&[], gauges.turned_away),
            "menshen_requests_in_flight" => lines.one(&[], gauges.requests),
            "menshen_requests_turned_away_total" => lines.one(&[], gauges.requests_turned_away),
            "menshen_certificate_not_after_seconds" => certificates(lines, gauges),
            "menshen_logins_total" => logins(lines, rare),
            "menshen_exchange_duration_seconds" => lines.histogram(&[], &rare.exchanges),
            "menshen_provider_up" => lines.one(&[], gauges.is_provider_up.into()),
            "menshen_sessions_remembered" => lines.one(&[], gauges.sessions as u64),
            "menshen_session_lookups_total" => by_label(lines, "result", &gauges.lookups),
            "menshen_store_up" => lines.one(&[], gauges.is_store_up.into()),
            "menshen_store_calls_total" => by_label(lines, "access", &gauges.store_calls),
            "menshen_store_commit_duration_seconds" => commits(lines, gauges),
            "menshen_store_reopened_total" => lines.one(&[], gauges.store_reopenings),
            "menshen_reloads_total" => outcomes(lines, ["taken", "refused"], &rare.reloads),
            "menshen_certificate_orders_total" => outcomes(lines, ["issued", "failed"], &rare.certificate_orders),
            "menshen_config_time_seconds" => lines.one(&[], gauges.configured),
            _ => {}
        }
    }
    out
}

fn answers(mut lines: Lines<'_>, requests: &Requests) {
    let routes: BTreeMap<_, _> = requests.routes.iter().collect();
    for (name, route) in routes {
        let mut answers = route.answers.clone();
        answers.sort_unstable();
        for ((decision, status), count) in answers {
            let labels = [("route", name.as_ref()), ("decision", decision), ("status", &status.to_string())];
            lines.add("", &labels, &count);
        }
    }
}

/// A rate of what never happened has to be zero, not absent.
fn logins(mut lines: Lines<'_>, rare: &Rare) {
    let finished = rare.logins.get(&("finished", "")).copied().unwrap_or_default();
    lines.add("", &[("outcome", "finished"), ("cause", "")], &finished);
    for ((outcome, cause), count) in rare.logins.iter().filter(|((outcome, _), _)| *outcome != "finished") {
        lines.add("", &[("outcome", outcome), ("cause", cause)], count);
    }
}

fn outcomes(mut lines: Lines<'_>, known: [&'static str; 2], counted: &BTreeMap<&'static str, u64>) {
    for outcome in known {
        lines.add("", &[("outcome", outcome)], &counted.get(outcome).copied().unwrap_or_default());
    }
}

fn histograms(mut lines: Lines<'_>, label: &str, histograms: BTreeMap<&Arc<str>, &Histogram>) {
    for (name, histogram) in histograms {
        lines.add_histogram(&[(label, name)], histogram);
    }
}

fn connections_total(mut lines: Lines<'_>, gauges: &Gauges) {
    for UpstreamConnections { upstream, opened, failed, .. } in &gauges.upstreams {
        for (outcome, count) in [("opened", opened), ("failed", failed)] {
            lines.add("", &[("upstream", upstream), ("outcome", outcome)], count);
        }
    }
}

fn certificates(mut lines: Lines<'_>, gauges: &Gauges) {
    for (chain_file, not_after) in &gauges.certificates {
        lines.add("", &[("chain_file", chain_file)], not_after);
    }
}

fn connections(mut lines: Lines<'_>, gauges: &Gauges) {
    for UpstreamConnections { upstream, open, .. } in &gauges.upstreams {
        lines.add("", &[("upstream", upstream)], open);
    }
}

fn endpoints(mut lines: Lines<'_>, gauges: &Gauges, of: impl Fn(&EndpointState) -> u64) {
    for UpstreamState { upstream, endpoints, .. } in &gauges.groups {
        for endpoint in endpoints {
            lines.add("", &[("upstream", upstream), ("endpoint", &endpoint.endpoint)], &of(endpoint));
        }
    }
}

fn upstreams(mut lines: Lines<'_>, gauges: &Gauges, of: impl Fn(&UpstreamState) -> u64) {
    for state in &gauges.groups {
        lines.add("", &[("upstream", &state.upstream)], &of(state));
    }
}

fn commits(mut lines: Lines<'_>, gauges: &Gauges) {
    lines.add("_sum", &[], &gauges.store_commit_time.as_secs_f64());
    lines.add("_count", &[], &gauges.store_commits);
}

fn by_label(mut lines: Lines<'_>, label: &str, counts: &[(&'static str, u64)]) {
    for (value, count) in counts {
        lines.add("", &[(label, value)], count);
    }
}

/// The lines of one metric.
struct Lines<'o> {
    name: &'static str,
    out: &'o mut String,
}

impl Lines<'_> {
    fn one(mut self, labels: &[(&str, &str)], value: u64) {
        self.add("", labels, &value);
    }

    fn histogram(mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        self.add_histogram(labels, histogram);
    }

    fn add_histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let count = histogram.count();
        for (end, below) in histogram.cumulated().chain([("+Inf", count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", end)]).collect();
            self.add("_bucket", &labels, &below);
        }
        self.add("_sum", labels, &histogram.sum().as_secs_f64());
        self.add("_count", labels, &count);
    }

    fn add(&mut self, ending: &str, labels: &[(&str, &str)], value: &dyn std::fmt::Display) {
        let _ = write!(self.out, "{}{ending}", self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            for char in text.chars() {
                match char {
                    '"' => self.out.push_str("\\\""),
                    '\\' => self.out.push_str("\\\\"),
                    '\n' => self.out.push_str("\\n"),
                    char => self.out.push(char),
                }
            }
            self.out.push('"');
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
