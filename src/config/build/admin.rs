//! `[admin]`.

use std::net::SocketAddr;
use std::path::Path;

use super::server;
use crate::admin::Settings;
use crate::admin::listener::Access;
use crate::admin::socket::LONGEST_PATH;
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::address;
use crate::config::read;
use crate::config::section::{Many, Section};
use crate::secret::Secret;

/// The socket's place in the store's folder.
pub(super) const IN_STORE: &str = "admin/menshen.sock";

/// A token of as many characters cannot be guessed.
const SHORTEST_TOKEN: usize = 32;

/// What is known of the administration.
pub(super) struct Admin {
    pub(super) settings: Option<Settings>,
    pub(super) listen: Many<SocketAddr>,
}

/// Reads the section. `store`: the store's folder.
pub(super) fn read(
    section: &Section<'_>,
    store: Option<&Path>,
    visitors: &Many<SocketAddr>,
    log: &mut Findings,
) -> Admin {
    let listen = section.each("listen", log, address::listen);
    let settings = settings(section, store, &listen, visitors, log);
    Admin { settings, listen }
}

fn settings(
    section: &Section<'_>,
    store: Option<&Path>,
    listen: &Many<SocketAddr>,
    visitors: &Many<SocketAddr>,
    log: &mut Findings,
) -> Option<Settings> {
    let socket = section.file("socket", log);
    let audit_kept = section.value("audit_kept", log, read::duration);
    let hosts = section.each("hosts", log, host);
    let token = token(section, log);
    addresses(listen, visitors, matches!(token, Some(Some(_))), log);
    let is_whole = listen.whole && hosts.whole;
    let (socket, audit_kept) = (socket?, audit_kept?);
    let spot = socket.as_ref().map_or_else(|| section.spot("socket"), |socket| socket.spot.clone());
    let socket = socket.map_or_else(|| store.map(|store| store.join(IN_STORE)), |socket| Some(socket.value))?;
    let length = std::path::absolute(&socket).unwrap_or_else(|_| socket.clone()).as_os_str().len();
    if length > LONGEST_PATH {
        let remark = Remark::new(format!("{} is {length} bytes long", socket.display()))
            .so("a socket's path has 107 at most: commands such as `menshen users` would not reach the proxy");
        log.warn(&spot, remark.fix("socket = \"/run/menshen/admin.sock\""));
    }
    let access = Access { hosts: hosts.values().collect(), token: token? };
    let listen_at = listen.items.iter().map(|address| address.value).collect();
    let settings = Settings { socket, audit_kept: audit_kept.value, listen: listen_at, access };
    is_whole.then_some(settings)
}

/// Monitoring has addresses of its own, and what it is told in is plain http.
fn addresses(listen: &Many<SocketAddr>, visitors: &Many<SocketAddr>, has_token: bool, log: &mut Findings) {
    server::once(listen, server::overlap, log);
    for address in &listen.items {
        if let Some(theirs) =
            visitors.items.iter().map(|given| given.value).find(|theirs| server::overlap(theirs, &address.value))
        {
            let remark = Remark::new(format!("is where visitors are served: server.listen has {theirs}"));
            log.error(&address.spot, remark.so("one of the two could not be bound").fix("take another port"));
        } else if !address.value.ip().is_loopback() {
            let remark = Remark::new("can be reached from other machines");
            let remark = match has_token {
                true => remark.so("admin.token travels in plain http: whoever hears it can take accounts over"),
                false => remark.so("whoever reaches it sees how busy the shop is"),
            };
            log.warn(&address.spot, remark.fix("127.0.0.1, or a network that monitoring alone is in"));
        }
    }
}

fn token(section: &Section<'_>, log: &mut Findings) -> Option<Option<Secret<String>>> {
    let Some(given) = section.secret("token", log)? else { return Some(None) };
    let text = std::str::from_utf8(&given.value).ok();
    let good = text.filter(|text| text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic()));
    if good.is_none() {
        let remark =
            Remark::new(format!("is shorter than {SHORTEST_TOKEN} characters, or holds others than visible ASCII"));
        let remark = remark.so("whoever guesses it can log everybody out and take accounts over");
        log.error(&Spot { found: None, ..given.spot }, remark.fix("`openssl rand -hex 32` makes a good one"));
        return None;
    }
    Some(good.map(Secret::from))
}

fn host(text: &str) -> Result<String, Remark> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(Remark::expected("a host's name without a port, such as \"proxy.internal\"")
            .so("it would match no request")
            .fix("leave out the scheme, the port and the path")),
    }
}
