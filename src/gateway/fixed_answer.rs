//! Answers that a route gives by itself, without an application: texts, redirects, and that the site is being worked on.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode, Uri};

use super::body::AnswerBody;
use super::caller::Caller;
use super::error::Error;
use super::respond;

/// What stands in a redirect's address for the path and the query that were asked for.
pub const TARGET: &str = "{target}";

/// A route's own answer.
#[derive(Debug, Clone)]
pub enum FixedAnswer {
    /// Always the same.
    Text {
        /// Its status.
        status: StatusCode,
        /// Its `Content-Type`.
        content_type: HeaderValue,
        /// Its body.
        body: Bytes,
        /// When it is worth asking again.
        retry_after: Option<Duration>,
    },
    /// To another address.
    Redirect {
        /// Its status.
        status: StatusCode,
        /// The address. It begins with a slash and more, or names a host, so that no target can lead elsewhere.
        to: String,
    },
    /// A page of ours that asks for patience.
    Maintenance {
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

impl FixedAnswer {
    pub(super) fn answer(&self, target: &Uri, caller: &Caller) -> Result<Response<AnswerBody>, Error> {
        match self {
            FixedAnswer::Text { status, content_type, body, retry_after } => {
                let mut response = respond::plain(*status, content_type.clone(), body.clone());
                if let Some(wait) = retry_after {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(respond::whole_seconds(*wait)));
                }
                Ok(response)
            }
            FixedAnswer::Redirect { status, to } => {
                let to = HeaderValue::try_from(led_to(to, target)).map_err(|_| Error::NotRewritable)?;
                Ok(respond::redirect(*status, to))
            }
            FixedAnswer::Maintenance { retry_after } => Ok(respond::maintenance(*retry_after, caller)),
        }
    }

    /// What it is, for operators: whatever is asked for, or what is answered to whoever asks for `target`.
    pub fn told(&self, target: Option<&Uri>) -> String {
        match self {
            FixedAnswer::Text { status, body, .. } if body.is_empty() => format!("{}: without a text", status.as_u16()),
            FixedAnswer::Text { status, .. } => format!("{}: the route's own text", status.as_u16()),
            FixedAnswer::Redirect { status, to } => {
                let to = target.map_or_else(|| to.clone(), |target| led_to(to, target));
                format!("{}: to {to}", status.as_u16())
            }
            FixedAnswer::Maintenance { .. } => "503: a page of ours, the site is being worked on".to_owned(),
        }
    }
}

/// The address of a redirect. `OPTIONS *` asks for no path.
fn led_to(to: &str, target: &Uri) -> String {
    let asked = target.path_and_query().map(|target| target.as_str());
    to.replace(TARGET, asked.filter(|asked| asked.starts_with('/')).unwrap_or("/"))
}
