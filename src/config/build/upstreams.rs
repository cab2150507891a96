//! `[upstreams.<name>]`.

use super::{balance, health, outgoing_tls};
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::{address, member, name};
use crate::config::read;
use crate::config::section::{Given, Many, Section};
use crate::config::suggest;
use crate::upstream::{Endpoint, HostHeader, Member, Scheme, Settings};

/// Protocols that may be passed on. `h2c` is not one of them: it would carry requests past every check.
const UPGRADES: [&str; 1] = ["websocket"];

/// What is known of one upstream.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) settings: Option<Settings>,
    pub(super) endpoints: Vec<Given<Endpoint>>,
    /// The name that is written for its sticky cookie.
    pub(super) cookie: Option<Given<String>>,
    pub(super) spot: Spot,
}

/// Reads every upstream; there has to be one.
pub(super) fn read(upstreams: &Section<'_>, log: &mut Findings) -> Option<Vec<Known>> {
    let named = upstreams.named();
    if named.is_empty() {
        let remark = Remark::new("there is no upstream").so("there would be nothing to stand in front of");
        let spot = upstreams.own_spot();
        log.missing(&spot, remark.fix("[upstreams.mall]\nendpoints = [\"http://127.0.0.1:8001\"]"));
        return None;
    }
    Some(named.into_iter().map(|(name, section)| one(name, &section, log)).collect())
}

fn one(name: String, section: &Section<'_>, log: &mut Findings) -> Known {
    if let Err(remark) = name::chosen(&name) {
        log.error(&section.own_spot(), remark);
    }
    let members = members(section, log);
    let endpoints: Vec<_> = members.iter().map(endpoint).collect();
    let (policy, cookie) = balance::policy(section, &name, members.len(), log);
    let slow_start = section.value("slow_start", log, read::duration);
    let limit = balance::limit(section, log);
    let ejection = balance::ejection(&section.section("ejection"), log);
    let retries = balance::retries(&section.section("retries"), log);
    let health = health::read(&section.section("health"), log);
    let dns = section.each("dns", log, address::dns_server);
    let connect_timeout = section.value("connect_timeout", log, read::duration);
    let head_timeout = section.value("head_timeout", log, read::duration);
    let idle_timeout = section.value("idle_timeout", log, read::duration);
    let keep_alive = section.value("keep_alive", log, read::duration);
    let max_idle = section.value("max_idle", log, read::count);
    let host = section.value("host", log, read::text(host_header));
    let upgrades = section.each("upgrades", log, upgrade);
    let speaks = |scheme| endpoints.iter().any(|endpoint| endpoint.value.scheme == scheme);
    let upgrades = without_http_2(upgrades, speaks(Scheme::H2c), log);
    let tls = outgoing_tls::read(&section.section("tls"), speaks(Scheme::Https), log);
    let settings = || {
        Some(Settings {
            name: name.as_str().into(),
            members: members.iter().map(|member| member.value.clone()).collect(),
            balance: policy?,
            ejection: ejection?,
            slow_start: slow_start?.value,
            limit: limit?,
            retries: retries?,
            health: health?,
            connect_timeout: connect_timeout?.value,
            head_timeout: head_timeout?.value,
            idle_timeout: idle_timeout?.value,
            keep_alive: keep_alive?.value,
            max_idle: max_idle?.value,
            host: host?.value,
            upgrades: upgrades.values().collect(),
            dns: dns.whole.then(|| dns.values().collect())?,
            tls: tls?,
        })
    };
    Known { settings: settings(), name, endpoints, cookie, spot: section.own_spot() }
}

fn endpoint(member: &Given<Member>) -> Given<Endpoint> {
    Given { value: member.value.endpoint.clone(), spot: member.spot.clone() }
}

fn members(section: &Section<'_>, log: &mut Findings) -> Vec<Given<Member>> {
    let Many { items: members, whole } = section.each("endpoints", log, member::parse);
    if members.is_empty() && whole {
        let remark = Remark::new("names no address").so("every request would be answered 502");
        log.error(&section.spot("endpoints"), remark.fix("endpoints = [\"http://127.0.0.1:8001\"]"));
    }
    for (at, member) in members.iter().enumerate() {
        if members.iter().take(at).any(|earlier| earlier.value.endpoint == member.value.endpoint) {
            log.error(
                &member.spot,
                Remark::new("stands in the list twice")
                    .so("it would be asked twice as often as the others")
                    .fix("remove one of the two, and give the other a weight: \"http://10.0.0.1:8001 weight=2\""),
            );
        }
    }
    members
}

/// What may be upgraded to: nothing, where an endpoint speaks a protocol that knows no upgrades (RFC 9113, 8.6).
fn without_http_2(upgrades: Many<String>, is_http_2: bool, log: &mut Findings) -> Many<String> {
    if !is_http_2 {
        return upgrades;
    }
    for upgrade in upgrades.items.iter().filter(|upgrade| !upgrade.is_default()) {
        let remark = Remark::new("an endpoint of this upstream begins with h2c://");
        let remark = remark.so("nothing can be upgraded there, and the application would never hear of it");
        log.error(&upgrade.spot, remark.fix("upgrades = [], and a second upstream with http:// for what upgrades"));
    }
    Many::default()
}

fn host_header(text: &str) -> Result<HostHeader, Remark> {
    if text == "keep" {
        return Ok(HostHeader::Keep);
    }
    if text.eq_ignore_ascii_case("keep") {
        return Err(Remark::expected("\"keep\", or a host")
            .so("it would be sent as the name of a host")
            .fix("did you mean \"keep\"?"));
    }
    address::host(text).map(HostHeader::Set)
}

fn upgrade(text: &str) -> Result<String, Remark> {
    if UPGRADES.contains(&text) {
        return Ok(text.to_owned());
    }
    let remark = Remark::new(format!("expected {}: other protocols are not passed on", read::any_of(&UPGRADES)))
        .so("through them requests could pass that nobody checks");
    let lower = text.to_ascii_lowercase();
    Err(match suggest::nearest(&lower, UPGRADES) {
        Some(near) => remark.fix(format!("did you mean {near:?}?")),
        None => remark.fix("upgrades = [] passes none"),
    })
}
