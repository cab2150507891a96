//! `[[sites]]`.

use std::collections::BTreeMap;

use url::{Host, Url};

use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::keys::names_in;
use crate::config::parse::{address, path, web};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::config::suggest;
use crate::config::tree::Node;
use crate::http::path_pattern::PathPattern;
use crate::site::{Origin, Site, Sites};

/// What is known of one site.
pub(super) struct Known {
    pub(super) site: Site,
    pub(super) origin: Spot,
    pub(super) aliases: Vec<Given<String>>,
    pub(super) logout_paths: Vec<Given<PathPattern>>,
    pub(super) redirect_uris: Vec<Given<(String, Url)>>,
}

/// Reads every site; there has to be one.
pub(super) fn read(root: &Section<'_>, log: &mut Findings) -> Option<Vec<Known>> {
    let sections = root.listed("sites");
    if sections.is_empty() {
        let spot = Spot { place: Place::File, key: "sites".to_owned(), found: None };
        let remark = Remark::new("there is no site").so("redirects and cookies are built from its address");
        log.missing(&spot, remark.fix("[[sites]]\norigin = \"http://www.meiduo.site:8000\""));
        return None;
    }
    let known: Vec<_> = sections.iter().map(|section| one(section, log)).collect();
    let known: Vec<_> = known.into_iter().collect::<Option<_>>()?;
    no_host_twice(&known, log);
    Some(known)
}

/// The sites as the others know them.
pub(super) fn together(known: Vec<Known>, strict: bool) -> Option<Sites> {
    let mut sites = known.into_iter().map(|known| known.site);
    Some(Sites::new(sites.next()?, sites.collect(), strict))
}

fn one(section: &Section<'_>, log: &mut Findings) -> Option<Known> {
    let origin = section.value("origin", log, read::text(web::origin));
    let aliases = section.each("aliases", log, address::host);
    let allowed_hosts = section.each("allowed_hosts", log, web::origin);
    let logout_paths = section.each("logout_paths", log, logout_path);
    let redirect_uris = section.entries("redirect_uris", log, redirect_uri);
    let origin_value = origin.as_ref().map(|origin| &origin.value);
    let cookie_domain = section.value("cookie_domain", log, read::text(|text| cookie_domain(text, origin_value)));
    let (origin, aliases, logout_paths, redirect_uris) = (origin?, aliases?, logout_paths?, redirect_uris?);
    let cookie_domain = cookie_domain?;
    if let Some(domain) = &cookie_domain.value {
        about_cookie_domain(domain, &cookie_domain.spot, &origin.value, &aliases, log);
    }
    let default_port = if origin.value.is_https() { ":443" } else { ":80" };
    let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_owned();
    let site = Site {
        aliases: aliases.iter().map(|alias| bare(&alias.value)).collect(),
        allowed_hosts: allowed_hosts?.into_iter().map(|origin| origin.value).collect(),
        logout_paths: logout_paths.iter().map(|path| path.value.clone()).collect(),
        redirect_uris: redirect_uris.iter().map(|given| given.value.clone()).collect::<BTreeMap<_, _>>(),
        cookie_domain: cookie_domain.value,
        origin: origin.value,
    };
    Some(Known { site, origin: origin.spot, aliases, logout_paths, redirect_uris })
}

fn logout_path(text: &str) -> Result<PathPattern, Remark> {
    let pattern = path::pattern(text)?;
    if pattern.is_prefix() && pattern.literal() == "/" {
        return Err(
            Remark::new("every request would log its user out").fix("name the shop's logout link: \"/logout/\"")
        );
    }
    Ok(pattern)
}

fn redirect_uri(provider: &str, node: &Node) -> Result<(String, Url), Remark> {
    let providers = names_in("providers");
    if !providers.contains(&provider) {
        let remark = Remark::new(format!("there is no provider {provider:?}"));
        let near = suggest::nearest(provider, providers.iter().copied()).or(providers.first().copied());
        return Err(remark.fix(format!("did you mean `{}`?", near.unwrap_or_default())));
    }
    Ok((provider.to_owned(), web::redirect_uri(read::plain_text(node)?)?))
}

/// `None` for none; the domain has to be one the site's own host lies in (RFC 6265, 5.3).
fn cookie_domain(text: &str, origin: Option<&Origin>) -> Result<Option<String>, Remark> {
    if text.is_empty() {
        return Ok(None);
    }
    let expected = || Remark::expected("a domain that the site's host lies in, such as \"meiduo.site\"");
    let domain = text.strip_prefix('.').unwrap_or(text);
    let refused = || expected().so("browsers would refuse the cookie, and nobody could log in");
    let host = Host::parse(domain).map_err(|_| expected().fix("the domain alone, without scheme and port"))?;
    let Host::Domain(name) = host else {
        return Err(refused().fix("leave it out: an address has no subdomains"));
    };
    if text.starts_with('.') {
        return Err(expected().fix(format!("without the dot: {name:?}")));
    }
    if !name.contains('.') {
        return Err(refused().fix("name the whole domain you own"));
    }
    let Some(host) = origin.map(Origin::authority) else { return Ok(Some(name)) };
    if !lies_in(host, &name) {
        let parent = host_of(host).split_once('.').map_or(host_of(host), |(_, parent)| parent);
        return Err(refused().fix(format!("{parent:?}, or leave it out")));
    }
    Ok(Some(name))
}

fn about_cookie_domain(domain: &str, spot: &Spot, origin: &Origin, aliases: &[Given<String>], log: &mut Findings) {
    if origin.is_https() {
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
        let own = std::iter::once((site.site.origin.authority(), &site.origin));
        let aliases = site.site.aliases.iter().map(String::as_str).zip(site.aliases.iter().map(|alias| &alias.spot));
        for (host, spot) in own.chain(aliases) {
            if let Some(other) = earlier.iter().find(|other| other.site.answers_to(host)) {
                let remark = Remark::new(format!("the host {host} belongs to the site {} already", other.site.origin));
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
