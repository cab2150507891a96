//! Where the cookies of one site reach, and where they do not.

use super::sites;
use crate::config::error::{Findings, Remark};
use crate::site::Site;

/// Warns of sites that overwrite each other's session, and of names under which nobody stays logged in.
pub(super) fn check(sites: &[sites::Known], log: &mut Findings) {
    for (at, known) in sites.iter().enumerate() {
        let Some(site) = &known.site else { continue };
        let earlier = sites.iter().take(at).filter_map(|known| known.site.as_ref());
        if let Some(other) = earlier.into_iter().find(|other| share(site, other)) {
            let remark = Remark::new(format!("shares its cookies with {}", other.origin));
            let remark = remark.so("whoever logs in at one of the two is logged out at the other");
            log.warn(
                &known.origin,
                remark.fix("give each a host and a cookie_domain of its own, or make them one site"),
            );
        }
        if site.cookie_domain.is_some() {
            continue;
        }
        let host = sites::host_of(site.origin.authority());
        for alias in known.aliases.iter().filter(|alias| !sites::host_of(&alias.value).eq_ignore_ascii_case(host)) {
            let remark = Remark::new(format!("is another host than {host}, and cookies reach one host alone"));
            let remark =
                remark.so("whoever logs in under this name is led to the origin, and is logged in there alone");
            let fix =
                "redirect it to the origin, set cookie_domain to the domain of both, or make it a site of its own";
            log.warn(&alias.spot, remark.fix(fix));
        }
    }
}

/// Whether the session cookie of one takes the place of the other's: of the same name, for the same hosts. Ports do not
/// matter (RFC 6265, 8.5); the scheme does, by the name's prefix.
fn share(one: &Site, other: &Site) -> bool {
    if one.origin.is_https() != other.origin.is_https() {
        return false;
    }
    match (&one.cookie_domain, &other.cookie_domain) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let host = |site: &Site| sites::host_of(site.origin.authority()).to_ascii_lowercase();
            host(one) == host(other)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}
