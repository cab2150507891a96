//! `GET /.menshen/login?next=/path`: the page of providers.

use http::{HeaderValue, Method, Response, StatusCode, Uri};
use url::form_urlencoded;

use super::{Call, next, only, with_cookies};
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::gateway::way_on::WayOn;
use crate::gateway::{Shared, SiteContext, cookies, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::page::{Page, ProviderChoice};
use crate::session::{Presented, Proof};

pub(in crate::gateway) fn answer(
    shared: &Shared,
    call: Call<'_>,
    present: Option<&Proof>,
) -> Result<Response<AnswerBody>, Error> {
    only(call.method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let next = next(shared, call);
    let choice = ProviderChoice {
        id: shared.login.provider().id().as_str().to_owned(),
        href: with_next(&shared.login.settings().start, next.as_str()),
    };
    let unavailable = shared.login.unavailable(call.here.now).map(respond::whole_seconds);
    let way_on = WayOn::after(Some(&next), shared, call, present.is_some());
    let page = Page::Login {
        providers: std::slice::from_ref(&choice),
        unavailable,
        leads_back: next != SafeRedirect::home(),
        known: present.map(|proof| proof.snapshot.display_name.as_str()),
        back: way_on.back(),
    };
    let mut response = respond::show(&page, call.here.caller, Some(&choice.href));
    if unavailable.is_some() {
        response.extensions_mut().insert(respond::Cause("the provider has not answered lately".to_owned()));
    }
    Ok(response)
}

/// Sends a browser that met a guarded page to the page of providers; it comes back to where it wanted to go.
pub(in crate::gateway) fn invite(
    shared: &Shared,
    wanted: &Uri,
    presented: &Presented,
    site: &SiteContext,
) -> Response<AnswerBody> {
    let next = wanted.path_and_query().map_or("/", |target| target.as_str());
    let next = SafeRedirect::parse(next, &site.site);
    let location = HeaderValue::try_from(address(site, &next));
    let response = respond::redirect(StatusCode::FOUND, location.unwrap_or(HeaderValue::from_static("/")));
    with_cookies(response, cookies::removed_if_over(shared, presented, site))
}

/// The page of providers, for a login that ends at `next`.
pub(in crate::gateway) fn address(site: &SiteContext, next: &SafeRedirect) -> String {
    with_next(&site.login_page, next.as_str())
}

/// A path of ours that leads on to `next`.
fn with_next(path: &str, next: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{path}?{query}")
}
