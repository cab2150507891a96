//! `[forward_auth]`: other proxies that ask whether requests may pass.

use super::server::Listening;
use crate::config::error::{Findings, Remark};
use crate::config::parse::address;
use crate::config::read;
use crate::config::section::Section;
use crate::gateway::{Dialect, ForwardAuth};

/// Reads the section; `Some(None)`: nobody asks.
pub(super) fn read(section: &Section<'_>, listening: &Listening, log: &mut Findings) -> Option<Option<ForwardAuth>> {
    let callers = section.each("callers", log, address::peer);
    let dialects = [Dialect::Nginx, Dialect::Caddy, Dialect::Envoy, Dialect::Forwarded];
    let dialect = section.value("dialect", log, read::choice(&dialects))?;
    if !callers.whole {
        return None;
    }
    if callers.items.is_empty() {
        if !dialect.is_default() {
            let remark = Remark::new("there is nobody who asks").so("the endpoint is not there");
            log.warn(&dialect.spot, remark.fix("name the proxies that ask in forward_auth.callers"));
        }
        return Some(None);
    }
    let trusted = &listening.trusted_proxies;
    for caller in callers.items.iter().filter(|_| trusted.whole) {
        if !trusted.items.iter().any(|listed| listed.value == caller.value) {
            let remark = Remark::new("is not among server.trusted_proxies");
            let remark = remark
                .so("what it says of the visitor's address and scheme is not believed: it is taken for the visitor");
            log.warn(&caller.spot, remark.fix("name it there as well"));
        }
    }
    Some(Some(ForwardAuth { callers: callers.values().collect(), dialect: dialect.value }))
}
