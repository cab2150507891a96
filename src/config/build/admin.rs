//! `[admin]`.

use std::path::Path;

use crate::admin::Settings;
use crate::admin::socket::LONGEST_PATH;
use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::Section;

/// The socket's place in the store's folder.
const IN_STORE: &str = "admin/menshen.sock";

/// Reads the section. `store`: the store's folder.
pub(super) fn read(section: &Section<'_>, store: Option<&Path>, log: &mut Findings) -> Option<Settings> {
    let socket = section.file("socket", log);
    let audit_kept = section.value("audit_kept", log, read::duration);
    let (socket, audit_kept) = (socket?, audit_kept?);
    let spot = socket.as_ref().map_or_else(|| section.spot("socket"), |socket| socket.spot.clone());
    let socket = socket.map_or_else(|| store.map(|store| store.join(IN_STORE)), |socket| Some(socket.value))?;
    let length = std::path::absolute(&socket).unwrap_or_else(|_| socket.clone()).as_os_str().len();
    if length > LONGEST_PATH {
        let remark = Remark::new(format!("{} is {length} bytes long", socket.display()))
            .so("a socket's path has 107 at most: commands such as `menshen users` would not reach the proxy");
        log.warn(&spot, remark.fix("socket = \"/run/menshen/admin.sock\""));
    }
    Some(Settings { socket, audit_kept: audit_kept.value })
}
