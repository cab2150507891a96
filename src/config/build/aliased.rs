//! What a route guards under one name of its site, and leaves open under another.

use super::{routes, sites};
use crate::config::error::{Findings, Remark};
use crate::gateway::Access;
use crate::site::{Site, same_authority};

/// Warns of every route that demands a session under one host, where the same site answers under another at which nothing
/// does so: whoever knows that name goes round it.
pub(super) fn check(routes: &[routes::Known], sites: &[sites::Known], log: &mut Findings) {
    for route in routes.iter().filter(|route| route.access == Some(Access::Required)) {
        let (Some(matcher), Some(path)) = (&route.matcher, &route.path) else { continue };
        let Some(host) = matcher.host.as_deref() else { continue };
        let Some(site) = sites.iter().filter_map(|known| known.site.as_ref()).find(|site| site.answers_to(host)) else {
            continue;
        };
        let open: Vec<_> = other_names(site, host).filter(|name| !is_guarded(routes, matcher, name, site)).collect();
        let Some(first) = open.first() else { continue };
        let names = open.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ");
        let remark = Remark::new(format!("is guarded at {host:?}, and not at {names}, which is the same site"));
        let remark = remark.so("whoever asks by that name goes round this route");
        log.warn(&path.spot, remark.fix(format!("leave out host, or write the route once more with host = {first:?}")));
    }
}

fn other_names<'s>(site: &'s Site, host: &'s str) -> impl Iterator<Item = &'s str> {
    let names = std::iter::once(site.origin.authority()).chain(site.aliases.iter().map(String::as_str));
    names.filter(move |name| !same_authority(name, host, site.origin.scheme()))
}

/// Whether some route demands a session for all that `guarded` is for, under another name.
fn is_guarded(routes: &[routes::Known], guarded: &routes::Matcher, name: &str, site: &Site) -> bool {
    routes.iter().filter(|route| route.access == Some(Access::Required)).any(|route| {
        let Some(matcher) = &route.matcher else { return false };
        let is_host = matcher.host.as_deref().is_none_or(|host| same_authority(host, name, site.origin.scheme()));
        let is_path = matcher.path == guarded.path
            || (matcher.path.is_prefix() && guarded.path.literal().starts_with(matcher.path.literal()));
        let is_method = matcher.methods.is_empty()
            || (!guarded.methods.is_empty() && guarded.methods.iter().all(|method| matcher.methods.contains(method)));
        is_host && is_path && is_method
    })
}
