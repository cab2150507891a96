//! `[[sites]]`.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::{client_auth, front_end};
use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::parse::{address, path, web};
use crate::config::read;
use crate::config::section::{Given, Many, Section, both};
use crate::config::suggest;
use crate::config::tree::Node;
use crate::http::client_certificate::ClientAuth;
use crate::http::path_pattern::PathPattern;
use crate::site::{Origin, SameSite, Site, Sites};

/// What is known of one site.
pub(super) struct Known {
    /// What is known of it; `None` without an origin.
    pub(super) site: Option<Site>,
    pub(super) origin: Spot,
    pub(super) aliases: Vec<Given<String>>,
    pub(super) logout_paths: Vec<Given<PathPattern>>,
    pub(super) redirect_uris: Many<(String, Url)>,
    /// Its own way of asking for certificates.
    pub(super) client_auth: Option<Given<ClientAuth>>,
    /// How the front end that it has elsewhere logs its visitors in.
    pub(super) front_end: front_end::Known,
    /// Whether every host of it is known.
    pub(super) whole: bool,
}

impl Known {
    /// As [`Site::answers_to`], as far as is known.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        self.site.as_ref().is_some_and(|site| site.answers_to(host))
    }
}

/// Reads every site; there has to be one. `usual`: how clients are asked for certificates where a site does not say.
pub(super) fn read(root: &Section<'_>, usual: ClientAuth, log: &mut Findings) -> Option<Vec<Known>> {
    let sections = root.listed("sites");
    if sections.is_empty() {
        let spot = Spot { place: Place::File, key: "sites".to_owned(), found: None };
        let remark = Remark::new("there is no site").so("redirects and cookies are built from its address");
        log.missing(&spot, remark.fix("[[sites]]\norigin = \"http://www.meiduo.site:8000\""));
        return None;
    }
    let providers = providers(root);
    let known: Vec<_> = sections.iter().map(|section| one(section, usual, &providers, log)).collect();
    no_host_twice(&known, log);
    Some(known)
}

/// The sites as the others know them.
pub(super) fn together(known: Vec<Known>, strict: bool) -> Option<Sites> {
    let mut sites = known.into_iter().map(|known| known.site);
    Some(Sites::new(sites.next()??, sites.collect::<Option<_>>()?, strict))
}

fn one(section: &Section<'_>, usual: ClientAuth, providers: &[String], log: &mut Findings) -> Known {
    let origin = section.value("origin", log, read::text(web::origin));
    let aliases = section.each("aliases", log, address::host);
    let allowed_hosts = section.each("allowed_hosts", log, web::origin);
    let logout_paths = section.each("logout_paths", log, logout_path);
    let redirect_uris = section.entries("redirect_uris", log, |name, node| redirect_uri(name, node, providers));
    let origin_value = origin.as_ref().map(|origin| &origin.value);
    let cookie_domain = section.value("cookie_domain", log, read::text(|text| cookie_domain(text, origin_value)));
    if let Some(Given { value: Some(domain), spot }) = &cookie_domain {
        about_cookie_domain(domain, spot, origin_value, &aliases.items, log);
    }
    let client_auth = client_auth::of_site(section, log).flatten();
    let same_site = front_end::same_site(section, origin_value, log);
    let cors_origins = front_end::cors_origins(section, origin_value, same_site, log);
    let has_page = redirect_uris.items.iter().any(|given| given.value.0 == "qq");
    let front_end = front_end::read(&section.section("front_end"), has_page, &cors_origins, log);
    let spot = section.spot("origin");
    let whole = origin.is_some() && aliases.whole;
    let site = origin.map(|origin| {
        let default_port = if origin.value.is_https() { ":443" } else { ":80" };
        let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_owned();
        Site {
            aliases: aliases.items.iter().map(|alias| bare(&alias.value)).collect(),
            allowed_hosts: allowed_hosts.values().collect(),
            cors_origins: cors_origins.values().collect(),
            same_site: same_site.unwrap_or(SameSite::Lax),
            logout_paths: logout_paths.items.iter().map(|path| path.value.clone()).collect(),
            redirect_uris: redirect_uris.items.iter().map(|given| given.value.clone()).collect::<BTreeMap<_, _>>(),
            client_auth: client_auth.as_ref().map_or(usual, |own| own.value),
            cookie_domain: cookie_domain.and_then(|domain| domain.value),
            origin: origin.value,
        }
    });
    let (aliases, logout_paths) = (aliases.items, logout_paths.items);
    Known { site, origin: spot, aliases, logout_paths, redirect_uris, client_auth, front_end, whole }
}

fn logout_path(text: &str) -> Result<PathPattern, Remark> {
    let pattern = path::pattern(text)?;
    if pattern.is_prefix() && pattern.literal() == "/" {
        return Err(Remark::new("takes in every path")
            .so("every request would log its user out")
            .fix("name the shop's logout link: \"/logout/\""));
    }
    Ok(pattern)
}

fn redirect_uri(provider: &str, node: &Node, providers: &[String]) -> Result<(String, Url), Vec<Remark>> {
    let uri = read::plain_text(node).and_then(web::redirect_uri).map_err(|remark| vec![remark]);
    both(known_provider(provider, providers).map_err(|remark| vec![remark]), uri)
}

fn known_provider(provider: &str, providers: &[String]) -> Result<String, Remark> {
    if providers.iter().any(|known| known == provider) {
        return Ok(provider.to_owned());
    }
    let remark = Remark::new(format!("there is no provider {provider:?}")).so("nobody would be sent to that address");
    let names = || providers.iter().map(String::as_str);
    let near = suggest::nearest(provider, names()).or(names().next());
    Err(remark.fix(format!("did you mean `{}`?", near.unwrap_or_default())))
}

/// QQ, and those beside it.
fn providers(root: &Section<'_>) -> Vec<String> {
    let further = root.section("providers").named().into_iter().map(|(name, _)| name).filter(|name| name != "qq");
    std::iter::once("qq".to_owned()).chain(further).collect()
}

/// `None` for none; the domain has to be one the site's own host lies in (RFC 6265, 5.3).
fn cookie_domain(text: &str, origin: Option<&Origin>) -> Result<Option<String>, Remark> {
    if text.is_empty() {
        return Ok(None);
    }
    let expected = || {
        Remark::expected("a domain that the site's host lies in, such as \"meiduo.site\"")
            .so("browsers would refuse the cookie, and nobody could log in")
    };
    let domain = text.strip_prefix('.').unwrap_or(text);
    let host = Host::parse(domain).map_err(|_| expected().fix("the domain alone, without scheme and port"))?;
    let Host::Domain(name) = host else {
        return Err(expected().fix("leave it out: an address has no subdomains"));
    };
    if !name.contains('.') {
        return Err(expected().fix("name the whole domain you own"));
    }
    if let Some(host) = origin.map(Origin::authority)
        && !lies_in(host, &name)
    {
        let parent = host_of(host).split_once('.').map_or(host_of(host), |(_, parent)| parent);
        return Err(expected().fix(format!("{parent:?}, or leave it out")));
    }
    if text.starts_with('.') {
        let remark =
            expected().so("browsers have long ignored the dot; written, it suggests a difference there is not");
        return Err(remark.fix(format!("without the dot: {name:?}")));
    }
    Ok(Some(name))
}

fn about_cookie_domain(
    domain: &str,
    spot: &Spot,
    origin: Option<&Origin>,
    aliases: &[Given<String>],
    log: &mut Findings,
) {
    if origin.is_some_and(Origin::is_https) {
        let remark = Remark::new("the session cookie cannot have the prefix `__Host-` then");
        let remark = remark.so(format!("any host below {domain} can read it and put its own in its place"));
        log.warn(spot, remark.fix("leave it out unless other hosts need the session"));
    }
    for alias in aliases.iter().filter(|alias| !lies_in(&alias.value, domain)) {
        let remark = Remark::new(format!("lies outside of cookie_domain = {domain:?}"));
        let remark = remark.so("browsers refuse our cookies there, and nobody can log in under that name");
        log.error(&alias.spot, remark.fix("make it a site of its own"));
    }
}

/// Whether a cookie of this domain reaches the host.
pub(super) fn lies_in(host: &str, domain: &str) -> bool {
    let host = host_of(host);
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// `host` of `host:port`.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

fn no_host_twice(known: &[Known], log: &mut Findings) {
    for (at, site) in known.iter().enumerate() {
        let earlier = known.get(..at).unwrap_or_default();
        let origin = site.site.as_ref().map(|known| (known.origin.authority(), &site.origin));
        let aliases = site
            .site
            .iter()
            .flat_map(|known| &known.aliases)
            .map(String::as_str)
            .zip(site.aliases.iter().map(|alias| &alias.spot));
        for (host, spot) in origin.into_iter().chain(aliases) {
            if let Some(other) =
                earlier.iter().filter_map(|other| other.site.as_ref()).find(|other| other.answers_to(host))
            {
                let remark = Remark::new(format!("the host {host} belongs to the site {} already", other.origin));
                log.error(
                    spot,
                    remark.so("only the first of the two would ever be found").fix("keep it in one of them"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_domain_is_a_parent_of_the_host_and_no_lookalike() {
        let origin = Origin::parse("http://www.meiduo.site:8000").unwrap();
        assert_eq!(cookie_domain("", Some(&origin)).unwrap(), None);
        assert_eq!(cookie_domain("Meiduo.site", Some(&origin)).unwrap().as_deref(), Some("meiduo.site"));
        assert!(cookie_domain("www.meiduo.site", Some(&origin)).is_ok());
        for bad in
            [".meiduo.site", "site", "duo.site", "shop.example", "meiduo.site:8000", "http://meiduo.site", "127.0.0.1"]
        {
            assert!(cookie_domain(bad, Some(&origin)).is_err(), "{bad}");
        }
    }
}
