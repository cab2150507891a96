//! Ambient identity is not consent: a browser sends its cookie whoever makes it ask.

use http::header::{HeaderMap, HeaderName, ORIGIN};

use crate::site::Site;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that changes something was asked for by this site, or by the user directly: its `Origin` is the
/// site's; else the browser says (`Sec-Fetch-Site`) that it is; else no `Origin` was sent, as by clients that are no
/// browsers. `null` counts as foreign unless the browser says otherwise.
pub(super) fn is_own(headers: &HeaderMap, site: &Site) -> bool {
    let origin = headers.get(ORIGIN).map(|origin| origin.as_bytes());
    if origin.is_some_and(|origin| origin == site.origin.as_str().as_bytes()) {
        return true;
    }
    match headers.get(SEC_FETCH_SITE) {
        Some(from) => from == "same-origin" || from == "none",
        None => origin.is_none(),
    }
}
