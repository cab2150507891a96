//! Where the configuration comes from, and what of it counts only after a restart.

use crate::admin;
use crate::config::{Config, Report, Warning};

/// Reads the configuration again.
pub type Source = Box<dyn Fn() -> Result<(Config, Vec<Warning>), Report> + Send + Sync>;

/// What a new configuration says of sockets that a running proxy cannot follow in anything else it says, if it does: where
/// there is no TLS visitors must not be sent there, and where there is, it has to have something to show.
pub(super) fn cannot_be_followed(new: &Config, old: &Config) -> Option<String> {
    let (is_tls, was_tls) = (!new.server.listen_tls.is_empty(), !old.server.listen_tls.is_empty());
    let what = if is_tls { "names the first address" } else { "names no address any more" };
    (is_tls != was_tls).then(|| {
        format!("server.listen_tls {what}: TLS comes and goes with a restart alone, and so does all that depends on it")
    })
}

/// Puts back what cannot be changed while the proxy runs, and says what that is.
pub(super) fn keep_what_needs_a_restart(new: &mut Config, old: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    let mut keep = |name: &str, is_changed: bool| {
        if is_changed {
            changed.push(name.to_owned());
        }
    };
    keep("server.listen", new.server.listen != old.server.listen);
    keep("server.listen_tls", new.server.listen_tls != old.server.listen_tls);
    keep("server.socket_mode", new.server.socket_mode != old.server.socket_mode);
    keep("server.cores", new.server.cores != old.server.cores);
    keep("server.drain", new.server.drain != old.server.drain);
    keep("store.path", new.store.path != old.store.path);
    keep("store.master_key_file", new.master_key_file != old.master_key_file);
    keep("store.cache", new.store.cache != old.store.cache);
    keep("admin.socket", new.admin.socket != old.admin.socket);
    keep("admin.listen", new.admin.listen != old.admin.listen);
    keep("admin.hosts", new.admin.access.hosts != old.admin.access.hosts);
    let token = |config: &Config| config.admin.access.token.as_ref().map(|token| token.expose().clone());
    keep("admin.token", token(&*new) != token(old));
    keep("log.format", new.log.format != old.log.format);
    keep("log.level", new.log.level != old.log.level);
    keep("log.access", new.log.access != old.log.access);
    let (balancers, limits) = (std::mem::take(&mut new.server.balancers), new.server.limits.clone());
    new.server = crate::server::Settings { balancers, limits, ..old.server.clone() };
    new.store = old.store.clone();
    new.master_key_file.clone_from(&old.master_key_file);
    new.admin = admin::Settings { audit_kept: new.admin.audit_kept, ..old.admin.clone() };
    new.log = old.log;
    changed
}
