//! Where a visitor goes on to from an answer of ours: above all from a login that came to nothing.

use http::header::HOST;

use super::own::{Call, login_page};
use super::site::SiteContext;
use super::{Access, Shared};
use crate::http::request_path;
use crate::http::safe_redirect::SafeRedirect;
use crate::page::Back;

/// Another login, or none.
#[derive(Debug)]
pub(super) struct WayOn {
    login: String,
    back: Goal,
}

/// As [`Back`].
#[derive(Debug)]
enum Goal {
    Page(String),
    Home,
    Nowhere,
}

impl WayOn {
    /// From anywhere on a site, if the request named one.
    pub(super) fn of(site: Option<&SiteContext>) -> Self {
        WayOn { login: site.map_or("/", |site| &site.login_page).to_owned(), back: Goal::Home }
    }

    /// From a login that was to end at `next`, if this browser still knows. Who logs in after all gets there. Who does not
    /// gets there too if strangers may: to be asked for a login once more is no way back.
    pub(super) fn after(next: Option<&SafeRedirect>, shared: &Shared, call: Call<'_>, has_session: bool) -> Self {
        let site = call.here.site;
        let may_see = |place: &SafeRedirect| may_see(place, shared, call, has_session);
        let back = match next.filter(|next| may_see(next)) {
            Some(next) if *next != SafeRedirect::home() => Goal::Page(next.as_str().to_owned()),
            Some(_) => Goal::Home,
            None if may_see(&SafeRedirect::home()) => Goal::Home,
            None => Goal::Nowhere,
        };
        WayOn { login: next.map_or_else(|| site.login_page.clone(), |next| login_page::address(site, next)), back }
    }

    /// Where a login begins.
    pub(super) fn login(&self) -> &str {
        &self.login
    }

    /// Where it goes on without one.
    pub(super) fn back(&self) -> Back<'_> {
        match &self.back {
            Goal::Page(path) => Back::Page(path),
            Goal::Home => Back::Home,
            Goal::Nowhere => Back::Nowhere,
        }
    }
}

/// Whether a place is a page on this site that this browser is shown as it is. Of another host nothing is known, and an
/// endpoint of ours is no page to return to.
fn may_see(place: &SafeRedirect, shared: &Shared, call: Call<'_>, has_session: bool) -> bool {
    let path = place.as_str().split(['?', '#']).next().unwrap_or_default();
    let Ok(readings) = request_path::read(path) else { return false };
    if !path.starts_with('/') || shared.own_paths.is_ours(path, &readings) {
        return false;
    }
    let site = call.here.site;
    let host = call.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(site.site.origin.authority());
    let matched = site.routes.find(host, &readings, &http::Method::GET);
    matched.is_some_and(|matched| has_session || matched.access != Access::Required)
}
