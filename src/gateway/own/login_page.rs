//! `GET /.menshen/login?next=/path`: the page of providers.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, Uri};
use url::form_urlencoded;

use super::{Call, next, only};
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::gateway::way_on::WayOn;
use crate::gateway::{Shared, SiteContext, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::login::Login;
use crate::page::{Page, ProviderChoice};
use crate::session::Proof;

pub(in crate::gateway) fn answer(
    shared: &Shared,
    call: Call<'_>,
    present: Option<&Proof>,
) -> Result<Response<AnswerBody>, Error> {
    only(call.method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let next = next(shared, call);
    let choice = |login: &Arc<Login>| ProviderChoice {
        id: login.provider().id().as_str().to_owned(),
        title: login.provider().title().to_owned(),
        href: with_next(&login.settings().start, next.as_str()),
    };
    let choices: Vec<_> = shared.logins.iter().map(choice).collect();
    // While one of several answers there is a way in.
    let waits: Option<Vec<_>> = shared.logins.iter().map(|login| login.unavailable(call.here.now)).collect();
    let unavailable = waits.and_then(|waits| waits.into_iter().min()).map(respond::whole_seconds);
    let way_on = WayOn::after(Some(&next), shared, call, present.is_some());
    let page = Page::Login {
        providers: &choices,
        unavailable,
        leads_back: next != SafeRedirect::home(),
        known: present.map(|proof| proof.snapshot.display_name.as_str()),
        back: way_on.back(),
    };
    let mut response = respond::show(&page, call.here.caller, choices.first().map(|choice| choice.href.as_str()));
    if unavailable.is_some() {
        response.extensions_mut().insert(respond::Cause("the provider has not answered lately".to_owned()));
    }
    Ok(response)
}

/// The page of providers, for a browser that wanted to go elsewhere.
pub(super) fn leading_to(wanted: &Uri, site: &SiteContext) -> HeaderValue {
    let next = wanted.path_and_query().map_or("/", |target| target.as_str());
    let next = SafeRedirect::parse(next, &site.site);
    HeaderValue::try_from(address(site, &next)).unwrap_or(HeaderValue::from_static("/"))
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
