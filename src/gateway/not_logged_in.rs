//! What a route says to whoever has to log in, where its application has words of its own for it: its pages and scripts
//! know these, and lead to the login by themselves.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use http::header::{HeaderValue, VARY};
use http::{Response, StatusCode, Uri};

use super::body::AnswerBody;
use super::respond;
use super::site::SiteContext;
use crate::http::safe_redirect::SafeRedirect;
use crate::template::{JsonTemplate, Place, Placeholder, Template};

/// A route's own words for it.
#[derive(Debug, Clone, Default)]
pub struct NotLoggedIn {
    /// Where a navigation is led; `None`: to our page of providers.
    pub page: Option<Template<Blank>>,
    /// What a script is answered; `None`: our 401.
    pub words: Option<Words>,
}

/// An answer to scripts.
#[derive(Debug, Clone)]
pub struct Words {
    /// Its status.
    pub status: StatusCode,
    /// What it says.
    pub body: JsonTemplate<Blank>,
}

/// What these words can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// `{next}`: path and query that were asked for.
    Next,
    /// `{login_url}`: where one logs in: the route's own page for it, or ours.
    LoginUrl,
    /// `{site}`: the site's origin.
    Site,
}

impl Placeholder for Blank {
    const ALL: &'static [(&'static str, Self)] =
        &[("next", Blank::Next), ("login_url", Blank::LoginUrl), ("site", Blank::Site)];
}

impl NotLoggedIn {
    /// Where a navigation to `wanted` is led, if not to our page.
    pub(super) fn page(&self, wanted: &Uri, site: &SiteContext) -> Option<HeaderValue> {
        HeaderValue::try_from(self.page_address(wanted, site)?).ok()
    }

    /// What a script that asked for `wanted` is answered, if not our 401.
    pub(super) fn answer(&self, wanted: &Uri, site: &SiteContext) -> Option<Response<AnswerBody>> {
        let Words { status, body } = self.words.as_ref()?;
        let value_of = |blank| match blank {
            Blank::Next => Some(Cow::Owned(next(wanted, site).as_str().to_owned())),
            Blank::LoginUrl => {
                let ours = || site.login_page.clone();
                Some(Cow::Owned(self.page_address(wanted, site).unwrap_or_else(ours)))
            }
            Blank::Site => Some(Cow::Borrowed(site.site.origin.as_str())),
        };
        let Ok(body) = body.fill(&value_of, &|_| Ok::<_, Infallible>(()));
        let text = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut response = respond::plain(*status, HeaderValue::from_static("application/json"), text);
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Cookie"));
        Some(response)
    }

    fn page_address(&self, wanted: &Uri, site: &SiteContext) -> Option<String> {
        let value_of = |blank| match blank {
            Blank::Next => Some(Cow::Owned(next(wanted, site).as_str().to_owned())),
            Blank::LoginUrl => Some(Cow::Borrowed(site.login_page.as_str())),
            Blank::Site => Some(Cow::Borrowed(site.site.origin.as_str())),
        };
        self.page.as_ref()?.fill(Place::Address, value_of).ok()
    }
}

/// Where whoever logs in returns to.
fn next(wanted: &Uri, site: &SiteContext) -> SafeRedirect {
    SafeRedirect::parse(wanted.path_and_query().map_or("/", |target| target.as_str()), &site.site)
}
