//! From what was written to what can be used: one file for each section, then what must hold between them.
//!
//! Nothing stops at the first mistake. A part that cannot be made is `None`, and the reason has been noted down.

mod acme;
mod admin;
mod aliased;
mod balance;
mod between;
mod client_auth;
mod companions;
mod cookie_reach;
mod fields;
mod forward_auth;
mod front_end;
mod handling;
mod health;
mod identities;
mod login;
mod misled;
mod not_logged_in;
mod outgoing_tls;
mod outranked;
mod providers;
mod qq;
mod redirects;
mod routes;
mod server;
mod sessions;
mod sites;
mod store;
mod telemetry;
mod tls;
mod unrouted;
mod upstreams;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::qq::PLACEHOLDER;
use super::Config;
use super::error::{Findings, Remark};
use super::read;
use super::section::Section;
use super::tree::Table;
use crate::http::client_certificate::ClientAuth;
use crate::token;

/// The finished configuration. `base` is the folder from which relative paths are meant.
pub(super) fn build(tree: &Table, base: &Path, log: &mut Findings) -> Option<Config> {
    let root = Section::root(tree, base);
    let (server, limits) = (root.section("server"), root.section("limits"));
    let listening = server::listening(&server, &limits, log);
    let speaks_tls = !listening.listen_tls.items.is_empty();
    let listens = tls::Listens { plain: !listening.listen.items.is_empty(), tls: speaks_tls };
    let acme = acme::read(&root.section("tls").section("acme"), listens, log);
    let tls = tls::read(&root.section("tls"), listens, &acme, log);
    let asked = client_auth::read(&root.section("tls"), log);
    let strict = server.value("strict_hosts", log, read::flag);
    let login = login::read(&root.section("login"), &limits, log);
    let sites = sites::read(&root, asked.usual(), log);
    let qq = qq::read(&root.section("providers").section("qq"), log);
    let further = providers::read(&root.section("providers"), log);
    let upstreams = upstreams::read(&root.section("upstreams"), log);
    let identities = identities::read(&root.section("identity"), log);
    let routes = routes::read(&root, sites.as_deref(), upstreams.as_deref(), &identities, log);
    let session = sessions::read(&root.section("session"), log);
    let store = store::read(&root.section("store"), log);
    let folder = store.as_ref().map(|store| store.settings.path.as_path());
    let admin = admin::read(&root.section("admin"), folder, &listening.addresses(), log);
    let forward_auth = forward_auth::read(&root.section("forward_auth"), &listening, log);
    let discovery = discovery(&root.section("discovery"), log);
    let telemetry = telemetry::read(&root.section("log"), log);

    let clients = asked.clients(sites.as_deref(), speaks_tls, log);
    asked.apart(&identities, log);
    between::Parts {
        listening: &listening,
        admin_listen: &admin.listen,
        login: &login,
        tls: &tls,
        sites: sites.as_deref(),
        upstreams: upstreams.as_deref(),
        identities: &identities,
        routes: routes.as_deref(),
        session: &session,
    }
    .check(log);

    // What is missing from a list by now has been noted down as a mistake, and nothing is made of this then.
    let store = store?;
    let mut sites = sites?;
    let front_ends = sites.iter_mut().map(|site| site.front_end.settings.take().map(Arc::new)).collect();
    Some(Config {
        front_ends,
        trusted_proxies: listening.trusted_proxies.values().collect(),
        forwarding: listening.forwarding?,
        prefix: listening.prefix?.value,
        server: listening.settings?,
        tls: tls.with(clients?)?,
        acme: acme.settings?,
        certificate_fields: asked.headers.values().collect(),
        sites: sites::together(sites, strict?.value)?,
        qq: qq?.settings,
        further: further?,
        upstreams: upstreams?.into_iter().map(|upstream| upstream.settings).collect::<Option<_>>()?,
        routes: routes?.into_iter().map(|route| route.settings).collect::<Option<_>>()?,
        identities: identities.into_iter().map(|identity| identity.settings).collect::<Option<_>>()?,
        session: session.settings?,
        login: login.settings?,
        store: store.settings,
        master_key_file: store.master_key_file,
        admin: admin.settings?,
        discovery: discovery?,
        forward_auth: forward_auth?,
        log: telemetry?,
    })
}

/// The administration's socket, whatever else is wrong.
pub(super) fn socket(tree: &Table, base: &Path) -> Option<PathBuf> {
    let (root, mut unheard) = (Section::root(tree, base), Findings::new(""));
    let store = root.section("store").file("path", &mut unheard).flatten();
    let socket = root.section("admin").file("socket", &mut unheard)?;
    socket.map(|given| given.value).or_else(|| Some(store?.value.join(admin::IN_STORE)))
}

/// The sites' hosts, whatever else is wrong.
pub(super) fn hosts(tree: &Table, base: &Path) -> Vec<String> {
    let (root, mut unheard) = (Section::root(tree, base), Findings::new(""));
    let known = sites::read(&root, ClientAuth::Off, &mut unheard).unwrap_or_default();
    let sites = known.iter().filter_map(|known| known.site.as_ref());
    let all =
        sites.flat_map(|site| std::iter::once(site.origin.authority()).chain(site.aliases.iter().map(String::as_str)));
    let mut hosts: Vec<String> = Vec::new();
    for host in all.map(sites::host_of) {
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    hosts
}

fn discovery(section: &Section<'_>, log: &mut Findings) -> Option<token::DiscoverySettings> {
    let jwks = section.value("jwks", log, read::flag);
    let openid_configuration = section.value("openid_configuration", log, read::flag);
    let (jwks, openid_configuration) = (jwks?, openid_configuration?);
    if openid_configuration.value && !jwks.value {
        let remark = Remark::new("/.well-known/openid-configuration would name keys that are not published");
        let spot = if openid_configuration.is_default() { &jwks.spot } else { &openid_configuration.spot };
        let remark = remark.so("applications that go by it could check no token");
        log.error(spot, remark.fix("switch both on, or openid_configuration = false as well"));
        return None;
    }
    Some(token::DiscoverySettings { jwks: jwks.value, openid_configuration: openid_configuration.value })
}
