//! `[[routes]]`.

use http::Method;

use super::{identities, sites, upstreams};
use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::parse::{address, name, path};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::config::suggest;
use crate::config::tree::quoted;
use crate::gateway::{Access, RouteSettings};
use crate::http::path_pattern::PathPattern;

/// What is known of one route.
pub(super) struct Known {
    pub(super) settings: RouteSettings,
    pub(super) path: Spot,
    pub(super) identity: Given<String>,
}

/// Reads every route. Where none is written and there is one upstream, everything goes there.
pub(super) fn read(
    root: &Section<'_>,
    sites: Option<&[sites::Known]>,
    upstreams: Option<&[upstreams::Known]>,
    identities: Option<&[identities::Known]>,
    log: &mut Findings,
) -> Option<Vec<Known>> {
    let sections = root.listed("routes");
    if sections.is_empty() {
        return to_the_only(upstreams?, identities?, log).map(|route| vec![route]);
    }
    let known: Vec<_> = sections.iter().map(|section| one(section, sites, upstreams, identities, log)).collect();
    let known: Vec<_> = known.into_iter().collect::<Option<_>>()?;
    if sites.is_some() {
        no_route_twice(&known, log);
    }
    Some(known)
}

fn to_the_only(upstreams: &[upstreams::Known], identities: &[identities::Known], log: &mut Findings) -> Option<Known> {
    let spot = Spot { place: Place::File, key: "routes".to_owned(), found: None };
    let [_] = upstreams else {
        let remark = Remark::new("there is no route, and more than one upstream to choose from");
        let name = upstreams.first().map_or("mall", |upstream| upstream.settings.name.as_ref());
        log.missing(&spot, remark.fix(format!("[[routes]]\npath = \"/*\"\nupstream = {name:?}")));
        return None;
    };
    let identity = identities.iter().position(|identity| identity.settings.name == identities::DEFAULT)?;
    let settings = RouteSettings {
        host: None,
        path: PathPattern::parse("/*")?,
        methods: Vec::new(),
        access: Access::Optional,
        upstream: 0,
        identity,
        ignore_case: false,
    };
    let default = Spot { place: Place::Default, ..spot.clone() };
    Some(Known { settings, path: spot, identity: Given { value: identities::DEFAULT.to_owned(), spot: default } })
}

fn one(
    section: &Section<'_>,
    sites: Option<&[sites::Known]>,
    upstreams: Option<&[upstreams::Known]>,
    identities: Option<&[identities::Known]>,
    log: &mut Findings,
) -> Option<Known> {
    let host = section.optional("host", log, read::text(|text| host(text, sites)));
    let path = section.value("path", log, read::text(path::pattern));
    let methods = methods(section, log);
    let accesses = [Access::Public, Access::Optional, Access::Required];
    let access = section.value("access", log, read::choice(&accesses));
    let upstream = upstream(section, upstreams, log);
    let identity = identity(section, identities, log);
    let ignore_case = section.value("ignore_case", log, read::flag);
    let (path, (identity_at, identity)) = (path?, identity?);
    let settings = RouteSettings {
        host: host?.and_then(|host| host.value),
        path: path.value,
        methods: methods?,
        access: access?.value,
        upstream: upstream?,
        identity: identity_at,
        ignore_case: ignore_case?.value,
    };
    Some(Known { settings, path: path.spot, identity })
}

/// The site's host that is meant, as it stands in `Host`; a name without port means the one site of that name.
fn host(text: &str, sites: Option<&[sites::Known]>) -> Result<Option<String>, Remark> {
    let written = address::host(text)?;
    // Sites that could not be read have been reported, and say nothing about their hosts.
    let Some(sites) = sites else { return Ok(None) };
    let hosts = || {
        sites.iter().flat_map(|known| {
            std::iter::once(known.site.origin.authority()).chain(known.site.aliases.iter().map(String::as_str))
        })
    };
    if let Some(known) = sites.iter().find(|known| known.site.answers_to(&written)) {
        let bare = if known.site.origin.is_https() { ":443" } else { ":80" };
        return Ok(Some(written.strip_suffix(bare).unwrap_or(&written).to_owned()));
    }
    let mut of_that_name = hosts().filter(|host| sites::host_of(host) == written);
    match (of_that_name.next(), of_that_name.next()) {
        (Some(host), None) => Ok(Some(host.to_owned())),
        (Some(one), Some(other)) => {
            Err(Remark::new("is a host with more than one port").fix(format!("{one:?} or {other:?}")))
        }
        (None, _) => {
            let remark = Remark::new("no site has this host").so("the route would never match");
            Err(match suggest::nearest(&written, hosts()) {
                Some(near) => remark.fix(format!("did you mean {near:?}?")),
                None => remark.fix("add it to the aliases of its site, or leave `host` out for every site"),
            })
        }
    }
}

fn methods(section: &Section<'_>, log: &mut Findings) -> Option<Vec<Method>> {
    let methods = section.each("methods", log, name::method)?;
    if methods.is_empty() && section.node("methods").is_some() {
        let remark = Remark::new("allows no method").so("the route would never match");
        log.error(&section.spot("methods"), remark.fix("leave `methods` out to have them all"));
        return None;
    }
    Some(methods.into_iter().map(|method| method.value).collect())
}

fn upstream(section: &Section<'_>, upstreams: Option<&[upstreams::Known]>, log: &mut Findings) -> Option<usize> {
    let written = section.optional("upstream", log, read::text(|text| Ok(text.to_owned())))?;
    let upstreams = upstreams?;
    let names = || upstreams.iter().map(|upstream| upstream.settings.name.as_ref());
    let Some(written) = written else {
        if upstreams.len() == 1 {
            return Some(0);
        }
        let example = format!("upstream = {:?}", names().next().unwrap_or_default());
        section.report_missing_like("upstream", &example, log);
        return None;
    };
    position(&written, names().collect(), "upstreams", log)
}

fn identity(
    section: &Section<'_>,
    identities: Option<&[identities::Known]>,
    log: &mut Findings,
) -> Option<(usize, Given<String>)> {
    let written = section.value("identity", log, read::text(|text| Ok(text.to_owned())))?;
    let names = identities?.iter().map(|identity| identity.settings.name.as_ref()).collect();
    Some((position(&written, names, "identity", log)?, written))
}

fn position(written: &Given<String>, names: Vec<&str>, section: &str, log: &mut Findings) -> Option<usize> {
    let position = names.iter().position(|name| *name == written.value);
    if position.is_none() {
        let remark = Remark::new(format!("there is no [{section}.{}]", written.value.escape_debug()));
        let near = suggest::nearest(&written.value, names.iter().copied());
        let fix = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there is {}", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
        };
        log.error(&written.spot, remark.fix(fix));
    }
    position
}

fn no_route_twice(known: &[Known], log: &mut Findings) {
    for (at, route) in known.iter().enumerate() {
        let earlier = known.iter().take(at).position(|earlier| collide(&earlier.settings, &route.settings));
        if let Some(earlier) = earlier {
            let remark = Remark::new(format!("routes[{earlier}] has the same host, path and method"));
            let remark = remark.so("which of the two answers would be chance");
            log.error(&route.path, remark.fix("remove one, or tell them apart by host, path or methods"));
        }
    }
}

fn collide(a: &RouteSettings, b: &RouteSettings) -> bool {
    let ignore_case = a.ignore_case || b.ignore_case;
    let same_path = match ignore_case {
        true => a.path.is_prefix() == b.path.is_prefix() && a.path.literal().eq_ignore_ascii_case(b.path.literal()),
        false => a.path == b.path,
    };
    // A route for every method is less specific than one for some: these two can stand side by side.
    let same_method = match (a.methods.is_empty(), b.methods.is_empty()) {
        (true, true) => true,
        (false, false) => a.methods.iter().any(|method| b.methods.contains(method)),
        (true, false) | (false, true) => false,
    };
    a.host == b.host && same_path && same_method
}
