//! One site, with whatever can be made ready before a request comes.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use super::RouteSettings;
use super::front_end::FrontEnd;
use super::own_paths::{Endpoints, OwnPath};
use super::route::Routes;
use crate::http::request_path::Readings;
use crate::rule::{self, Rule};
use crate::session::{CookieJar, Wire};
use crate::site::{Site, Sites, host_name};

/// A site, ready for requests.
#[derive(Debug)]
pub struct SiteContext {
    /// As configured.
    pub site: Site,
    /// Its sessions on the wire.
    pub wire: Wire,
    /// Its routes.
    pub routes: Routes,
    /// Its host and port, for `X-Forwarded-Host`.
    pub host: HeaderValue,
    /// What the contract's provider is told to send browsers back to.
    pub redirect_uri: Url,
    /// What the further ones are told, in their order.
    pub further_redirect_uris: Vec<Url>,
    /// The path of its login page.
    pub login_page: String,
    /// Whether who comes without TLS is sent on to where there is.
    pub is_tls_alone: bool,
    /// What browsers are told of coming without TLS (RFC 6797).
    pub hsts: Option<HeaderValue>,
    /// The front end that it has elsewhere.
    pub front_end: Option<Arc<FrontEnd>>,
    /// Where that one calls.
    endpoints: Endpoints,
}

/// How https sites insist on it.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// Who comes without TLS is sent on.
    pub redirects: bool,
    /// `Strict-Transport-Security`, for whoever comes with it.
    pub hsts: Option<HeaderValue>,
}

/// A site's addresses cannot be put together.
#[derive(Debug, thiserror::Error)]
#[error("site {site}: no redirect_uri can be made of the origin and {path:?}")]
pub struct SiteError {
    site: String,
    path: String,
}

impl SiteContext {
    /// `providers`: the contract's and the further ones, each with its callback's path with its last slash; the registered
    /// address lacks it.
    pub fn new(
        site: &Site,
        providers: &[(&str, &str)],
        login_page: String,
        cookie: &str,
        issuers: Arc<[Arc<str>]>,
        routes: &[RouteSettings],
    ) -> Result<Self, SiteError> {
        let failed = |path: &str| SiteError { site: site.origin.to_string(), path: path.to_owned() };
        let redirect_uri = |(provider, callback): &(&str, &str)| match site.redirect_uris.get(*provider) {
            Some(registered) => Ok(registered.clone()),
            None => {
                let path = callback.trim_end_matches('/');
                Url::parse(&format!("{}{path}", site.origin)).map_err(|_| failed(path))
            }
        };
        let mut redirect_uris = providers.iter().map(redirect_uri);
        let first = redirect_uris.next().unwrap_or_else(|| Err(failed("")))?;
        Ok(SiteContext {
            wire: Wire { site: Arc::from(site.origin.as_str()), issuers, jar: CookieJar::new(site, cookie) },
            routes: Routes::for_site(routes, site.origin.scheme(), |host| site.answers_to(host)),
            host: HeaderValue::from_str(site.origin.authority()).map_err(|_| failed(""))?,
            redirect_uri: first,
            further_redirect_uris: redirect_uris.collect::<Result<_, _>>()?,
            login_page,
            is_tls_alone: false,
            hsts: None,
            front_end: None,
            endpoints: Endpoints::default(),
            site: site.clone(),
        })
    }

    /// The site, for a front end elsewhere.
    pub fn with_front_end(self, front_end: Option<Arc<FrontEnd>>) -> Self {
        let mut endpoints = Endpoints::default();
        let front = front_end.as_deref();
        if let Some(start) = front.and_then(|front_end| front_end.start.as_ref()) {
            endpoints.add(&start.path, OwnPath::FrontEndStart);
        }
        if let Some(handed) = front.and_then(|front_end| front_end.handed.as_ref()) {
            endpoints.add(&handed.path, OwnPath::FrontEndCallback);
        }
        SiteContext { front_end, endpoints, ..self }
    }

    /// The endpoint that a raw path names at this site alone.
    pub fn own_path(&self, path: &str) -> Option<OwnPath> {
        self.endpoints.find(path)
    }

    /// Whether a path could be taken for one of these.
    pub fn is_shadowed(&self, readings: &Readings<'_>) -> bool {
        self.endpoints.is_shadowed(readings)
    }

    /// The site, insisting on TLS in this way if it is https.
    pub fn insisting(self, transport: &Transport) -> Self {
        let is_https = self.site.origin.is_https();
        let hsts = transport.hsts.clone().filter(|_| is_https);
        SiteContext { is_tls_alone: is_https && transport.redirects, hsts, ..self }
    }

    /// What a provider is told to send browsers back to, by its place.
    pub fn redirect_uri_of(&self, place: usize) -> Option<&Url> {
        match place.checked_sub(1) {
            Some(further) => self.further_redirect_uris.get(further),
            None => Some(&self.redirect_uri),
        }
    }

    /// Whether the cookies that a visitor gets under this `Host` are there again when a provider sends the browser back
    /// to this address.
    pub fn cookies_come_back(&self, host: &str, redirect_uri: &Url) -> bool {
        // A root dot written out makes another host to browsers.
        let name = host_name(host).to_ascii_lowercase();
        match (&self.site.cookie_domain, redirect_uri.host_str()) {
            (Some(domain), _) => {
                name.strip_suffix(domain.as_str()).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
            }
            (None, Some(there)) => name == there,
            (None, None) => true,
        }
    }
}

/// Every site, ready for requests.
#[derive(Debug)]
pub struct SiteContexts {
    sites: Sites,
    contexts: Vec<SiteContext>,
}

impl SiteContexts {
    /// `contexts`: one for each of `sites`, in the same order.
    pub fn new(sites: Sites, contexts: Vec<SiteContext>) -> Self {
        SiteContexts { sites, contexts }
    }

    /// The site that a `Host` names. Any other belongs to the default site, unless hosts are strict.
    pub fn find(&self, host: &str) -> Option<&SiteContext> {
        let at = self
            .sites
            .position(host)
            .or_else(|| (!self.sites.are_strict() || !rule::holds(Rule::UnknownHostsAreRefused)).then_some(0))?;
        self.contexts.get(at)
    }

    /// The site that is reached over TLS alone and has a host of this name, whatever the port.
    pub(super) fn over_tls_at(&self, host: &str) -> Option<&SiteContext> {
        let is_named = |ours: &str| host_name(ours).eq_ignore_ascii_case(host_name(host).trim_end_matches('.'));
        let is_it = |site: &Site| is_named(site.origin.authority()) || site.aliases.iter().any(|alias| is_named(alias));
        self.contexts.iter().find(|context| context.is_tls_alone && is_it(&context.site))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SiteContext> {
        self.contexts.iter()
    }

    /// The default site.
    pub fn first(&self) -> Option<&SiteContext> {
        self.contexts.first()
    }

    /// The configured origins, for the page that names them.
    pub fn origins(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.origin.to_string()).collect()
    }
}
