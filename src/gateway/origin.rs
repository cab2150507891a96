//! Ambient identity is not consent: a browser sends its cookie whoever makes it ask.

use http::header::{HeaderMap, HeaderName, ORIGIN};

use crate::rule::{self, Rule};
use crate::site::Site;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that changes something was asked for by this site, or by the user directly: its `Origin` is one of
/// the site's; else the browser says (`Sec-Fetch-Site`) that it is; else no `Origin` was sent, as by clients that are no
/// browsers. `null` counts as foreign unless the browser says otherwise.
pub(super) fn is_own(headers: &HeaderMap, site: &Site) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (origin, another) = (origins.next(), origins.next());
    if another.is_none() && origin.and_then(|origin| origin.to_str().ok()).is_some_and(|origin| site.is_origin(origin))
    {
        return true;
    }
    match headers.get(SEC_FETCH_SITE) {
        Some(from) if from == "same-site" => !rule::holds(Rule::SiblingsAreForeign),
        Some(from) => from == "same-origin" || from == "none",
        None => origin.is_none_or(|origin| origin == "null" && !rule::holds(Rule::NoOriginIsForeign)),
    }
}
