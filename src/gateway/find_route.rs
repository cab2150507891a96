//! Which route a request takes, and under which path it goes on to the application.

use http::header::HOST;
use http::{Request, Uri};

use super::error::Error;
use super::route::Matched;
use super::site::SiteContext;
use super::{Gateway, method};
use crate::http::request_path::{self, Readings};
use crate::rule::{self, Rule};

/// The route of a request.
#[derive(Debug)]
pub(super) struct Found<'r> {
    /// The route, and how this request is guarded.
    pub(super) matched: Matched<'r>,
    /// The target for the application, where it is not the one that was asked for.
    pub(super) rewritten: Option<Uri>,
}

impl Gateway {
    /// The route for a request whose `Host` is settled.
    ///
    /// # Errors
    /// None takes it, or what would come of its path is nothing to ask the application for.
    pub(super) fn find_route<'s, B>(
        &self,
        request: &Request<B>,
        readings: &Readings<'_>,
        site: &'s SiteContext,
    ) -> Result<Found<'s>, Error> {
        self.refuse_shadow(readings, site)?;
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let matched = method::find(&site.routes, host, readings, request.method())?;
        let Some(rewrite) = &matched.route.handling.rewrite else { return Ok(Found { matched, rewritten: None }) };
        let target = rewrite.apply(request.uri(), readings)?;
        let there = request_path::read(target.path())?;
        self.refuse_shadow(&there, site)?;
        let matched = site.routes.find_rewritten(matched, rewrite, &there, host, request.method());
        Ok(Found { matched: matched.ok_or(Error::NotFound)?, rewritten: Some(target) })
    }

    /// Nobody gets to the application by what it could take for one of the contract's endpoints, neither as it was sent nor
    /// as it was rewritten: its own login there would go round this one.
    fn refuse_shadow(&self, readings: &Readings<'_>, site: &SiteContext) -> Result<(), Error> {
        let is_shadow = self.shared.own_paths.is_shadowed(readings) || site.is_shadowed(readings);
        if is_shadow && rule::holds(Rule::ContractPathsHaveOneSpelling) {
            return Err(Error::NotFound);
        }
        Ok(())
    }
}

/// A `Host` that no site has, or none, becomes the site's own: neither a rule for one host nor the application's virtual
/// hosts may depend on how a stranger spells it.
pub(super) fn settle_host<B>(request: &mut Request<B>, site: &SiteContext) {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| site.site.answers_to(host)) && rule::holds(Rule::AnUnlistedHostBecomesTheSites) {
        request.headers_mut().insert(HOST, site.host.clone());
    }
}
