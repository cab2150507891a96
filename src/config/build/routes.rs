//! `[[routes]]`.

use std::sync::Arc;

use http::Method;

use super::{handling, identities, sites, upstreams};
use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::parse::{address, name, path, web};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::config::suggest;
use crate::config::tree::quoted;
use crate::gateway::{Access, Authorization, NullOrigin, RouteSettings};
use crate::http::path_pattern::PathPattern;
use crate::upstream::Endpoint;

/// What is known of one route.
pub(super) struct Known {
    pub(super) settings: Option<RouteSettings>,
    pub(super) path: Option<Given<PathPattern>>,
    pub(super) matcher: Option<Matcher>,
    pub(super) access: Option<Access>,
    pub(super) upstream: Option<usize>,
    pub(super) identity: Option<Identity>,
}

/// Which requests a route is for.
pub(super) struct Matcher {
    pub(super) host: Option<String>,
    pub(super) path: PathPattern,
    pub(super) methods: Vec<Method>,
    ignore_case: bool,
}

/// The identity that a route names, by its place in the list.
pub(super) struct Identity {
    pub(super) at: usize,
    pub(super) name: Given<String>,
}

/// Reads every route. Where none is written and there is one upstream, everything goes there.
pub(super) fn read(
    root: &Section<'_>,
    sites: Option<&[sites::Known]>,
    upstreams: Option<&[upstreams::Known]>,
    identities: &[identities::Known],
    log: &mut Findings,
) -> Option<Vec<Known>> {
    let sections = root.listed("routes");
    if sections.is_empty() {
        return to_the_only(upstreams?, identities, log).map(|route| vec![route]);
    }
    let known: Vec<_> = sections.iter().map(|section| one(section, sites, upstreams, identities, log)).collect();
    no_route_twice(&known, log);
    Some(known)
}

fn to_the_only(upstreams: &[upstreams::Known], identities: &[identities::Known], log: &mut Findings) -> Option<Known> {
    let spot = Spot { place: Place::File, key: "routes".to_owned(), found: None };
    let [_] = upstreams else {
        let remark = Remark::new("there is no route, and more than one upstream to choose from");
        let name = upstreams.first().map_or("mall", |upstream| upstream.name.as_str());
        let remark = remark.so("which of them a request is for could not be told");
        log.missing(&spot, remark.fix(format!("[[routes]]\npath = \"/*\"\nupstream = {name:?}")));
        return None;
    };
    let identity = identities.iter().position(|identity| identity.name == identities::DEFAULT)?;
    let path = PathPattern::parse("/*")?;
    let settings = RouteSettings {
        host: None,
        path: path.clone(),
        methods: Vec::new(),
        access: Access::Optional,
        authorization: Authorization::Passed,
        upstream: 0,
        application: 0,
        identity,
        ignore_case: false,
        null_origin: NullOrigin::IsForeign,
        websocket_origins: Vec::new(),
        handling: Arc::default(),
    };
    let default = Spot { place: Place::Default, ..spot.clone() };
    let name = Given { value: identities::DEFAULT.to_owned(), spot: default };
    Some(Known {
        matcher: Some(Matcher { host: None, path: path.clone(), methods: Vec::new(), ignore_case: false }),
        path: Some(Given { value: path, spot }),
        access: Some(settings.access),
        upstream: Some(0),
        identity: Some(Identity { at: identity, name }),
        settings: Some(settings),
    })
}

fn one(
    section: &Section<'_>,
    sites: Option<&[sites::Known]>,
    upstreams: Option<&[upstreams::Known]>,
    identities: &[identities::Known],
    log: &mut Findings,
) -> Known {
    let host = section.optional("host", log, read::text(|text| host(text, sites)));
    let path = section.value("path", log, read::text(path::pattern));
    let methods = methods(section, log);
    let accesses = [Access::Public, Access::Optional, Access::Required];
    let access = section.value("access", log, read::choice(&accesses));
    let authorizations = [Authorization::Passed, Authorization::Required, Authorization::Stripped];
    let authorization = section.value("authorization", log, read::choice(&authorizations));
    let handling = handling::read(section, identities, log);
    let answers = handling.as_ref().map_or(handling::answers(section), |handling| handling.answer.is_some());
    let needs_none = answers && section.node("upstream").is_none();
    let upstream = if needs_none { Some(0) } else { upstream(section, upstreams, log) };
    let identity = identity(section, identities, log);
    let ignore_case = section.value("ignore_case", log, read::flag);
    let null_origin = section.value("allow_null_origin", log, read::flag);
    let websocket_origins = section.each("websocket_origins", log, web::origin);
    let access = access.map(|access| access.value);
    let matcher = || {
        Some(Matcher {
            host: host?.map(|host| host.value),
            path: path.as_ref()?.value.clone(),
            methods: methods?,
            ignore_case: ignore_case?.value,
        })
    };
    let matcher = matcher();
    let settings = || {
        let matcher = matcher.as_ref()?;
        Some(RouteSettings {
            host: matcher.host.clone(),
            path: matcher.path.clone(),
            methods: matcher.methods.clone(),
            access: access?,
            authorization: authorization.as_ref()?.value,
            upstream: upstream?,
            application: application(upstream?, upstreams?),
            identity: identity.as_ref()?.at,
            ignore_case: matcher.ignore_case,
            null_origin: if null_origin.as_ref()?.value { NullOrigin::IsOwn } else { NullOrigin::IsForeign },
            websocket_origins: websocket_origins.whole.then(|| websocket_origins.clone().values().collect())?,
            handling: Arc::new(handling?),
        })
    };
    Known { settings: settings(), path, matcher, access, upstream, identity }
}

/// The site's host that is meant, as it stands in `Host`; a name without port means the one site of that name.
fn host(text: &str, sites: Option<&[sites::Known]>) -> Result<String, Remark> {
    let written = address::host(text)?;
    let known_sites = || sites.into_iter().flatten().filter_map(|known| known.site.as_ref());
    let hosts = || {
        known_sites()
            .flat_map(|site| std::iter::once(site.origin.authority()).chain(site.aliases.iter().map(String::as_str)))
    };
    if let Some(site) = known_sites().find(|site| site.answers_to(&written)) {
        let bare = if site.origin.is_https() { ":443" } else { ":80" };
        return Ok(written.strip_suffix(bare).unwrap_or(&written).to_owned());
    }
    // A site that could not be read has been reported, and says nothing about its hosts.
    if !sites.is_some_and(|sites| sites.iter().all(|known| known.whole)) {
        return Ok(written);
    }
    let mut of_that_name = hosts().filter(|host| sites::host_of(host) == written);
    match (of_that_name.next(), of_that_name.next()) {
        (Some(host), None) => Ok(host.to_owned()),
        (Some(one), Some(other)) => {
            let remark = Remark::new("is a host with more than one port").so("it could be either site's");
            Err(remark.fix(format!("{one:?} or {other:?}")))
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
    let methods = section.each("methods", log, name::method);
    if methods.items.is_empty() && methods.whole && section.node("methods").is_some() {
        let remark = Remark::new("allows no method").so("the route would never match");
        log.error(&section.spot("methods"), remark.fix("leave `methods` out to have them all"));
        return None;
    }
    methods.whole.then(|| methods.values().collect())
}

fn upstream(section: &Section<'_>, upstreams: Option<&[upstreams::Known]>, log: &mut Findings) -> Option<usize> {
    let written = section.optional("upstream", log, read::text(|text| Ok(text.to_owned())))?;
    let upstreams = upstreams?;
    let names = || upstreams.iter().map(|upstream| upstream.name.as_str());
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

/// The first upstream that shares an endpoint with this one.
fn application(upstream: usize, upstreams: &[upstreams::Known]) -> usize {
    let Some(ours) = upstreams.get(upstream) else { return upstream };
    let is_ours = |endpoint: &Given<Endpoint>| ours.endpoints.iter().any(|our| our.value.place == endpoint.value.place);
    upstreams.iter().position(|other| other.endpoints.iter().any(is_ours)).unwrap_or(upstream)
}

fn identity(section: &Section<'_>, identities: &[identities::Known], log: &mut Findings) -> Option<Identity> {
    let name = section.value("identity", log, read::text(|text| Ok(text.to_owned())))?;
    let names = identities.iter().map(|identity| identity.name.as_str()).collect();
    Some(Identity { at: position(&name, names, "identity", log)?, name })
}

fn position(written: &Given<String>, names: Vec<&str>, section: &str, log: &mut Findings) -> Option<usize> {
    let position = names.iter().position(|name| *name == written.value);
    if position.is_none() {
        let remark = Remark::new(format!("there is no [{section}.{}]", written.value.escape_debug()));
        let remark = remark.so(match section {
            "identity" => "nobody could say who the user is to the application",
            _ => "its requests would lead nowhere",
        });
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
        let (Some(path), Some(matcher)) = (&route.path, &route.matcher) else { continue };
        let same = |earlier: &Known| earlier.matcher.as_ref().is_some_and(|earlier| collide(earlier, matcher));
        if let Some(earlier) = known.iter().take(at).position(same) {
            let remark = Remark::new(format!("routes[{earlier}] has the same host, path and method"));
            let remark = remark.so("which of the two answers would be chance");
            log.error(&path.spot, remark.fix("remove one, or tell them apart by host, path or methods"));
        }
    }
}

fn collide(a: &Matcher, b: &Matcher) -> bool {
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
