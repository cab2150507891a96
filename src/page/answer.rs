//! How each page answers a script: status, code and message. The codes are text, from the family that the shops' front
//! ends know; where that family has none, the code is the status.
//!
//! | page | status | `code` |
//! | --- | --- | --- |
//! | login, logged out, confirm logout | 200 | `0` |
//! | cancelled (`缺少code`) | 403 | `4003` |
//! | attempt refused | 403 | `403` |
//! | bad request | 400 | `400` |
//! | login needed (`用户未登录`) | 401 | `4101` |
//! | forbidden, blocked, foreign origin | 403 | `403` |
//! | not found | 404 | `404` |
//! | method not allowed | 405 | `405` |
//! | request timeout | 408 | `408` |
//! | target too long | 414 | `414` |
//! | unknown host, misdirected | 421 | `421` |
//! | too often | 429 | `4002` |
//! | login failed (`OAuth2.0认证失败`) | 500 | `5005` |
//! | internal | 500 | `500` |
//! | bad gateway | 502 | `502` |
//! | login unavailable | 503 | `5000` |
//! | overloaded | 503 | `503` |
//! | gateway timeout | 504 | `504` |

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::foreign::ForeignText;
use super::texts::{Saying, Texts};
use super::{AttemptRefusal, ErrorKind, Page};
use crate::http::language::Language;

/// Most sites that are listed for who asked for an unknown host.
pub(super) const MOST_SITES: usize = 8;

/// What nginx needs to be told.
pub(super) const PASS_THE_HOST_ON: &str = "proxy_set_header Host $http_host;";

/// The status of an error.
pub fn status(kind: &ErrorKind<'_>) -> StatusCode {
    row(kind).status
}

/// The `code` of an error in JSON.
pub fn code(kind: &ErrorKind<'_>) -> &'static str {
    row(kind).code
}

/// The `errmsg` of an error in JSON.
pub fn errmsg(kind: &ErrorKind<'_>, language: Language) -> &'static str {
    (row(kind).saying)(Texts::of(language)).errmsg
}

impl Page<'_> {
    /// The status it is sent with.
    pub fn status(&self) -> StatusCode {
        match self {
            Page::Login { unavailable: None, .. } | Page::LoggedOut { .. } | Page::ConfirmLogout { .. } => {
                StatusCode::OK
            }
            Page::Login { unavailable: Some(seconds), .. } => status(&ErrorKind::LoginUnavailable(*seconds)),
            Page::Cancelled { .. } | Page::AttemptRefused { .. } => StatusCode::FORBIDDEN,
            Page::Error { kind, .. } => status(kind),
        }
    }

    /// The `code` that says the same to a script.
    pub fn code(&self) -> &'static str {
        match self {
            Page::Login { unavailable: None, .. } | Page::LoggedOut { .. } | Page::ConfirmLogout { .. } => "0",
            Page::Login { unavailable: Some(seconds), .. } => code(&ErrorKind::LoginUnavailable(*seconds)),
            Page::Cancelled { .. } => "4003",
            Page::AttemptRefused { .. } => "403",
            Page::Error { kind, .. } => code(kind),
        }
    }

    /// What the page says beyond its message, as further fields for a script: for an unknown host, what was asked for,
    /// what there is, and how to mend it.
    pub fn details(&self, language: Language) -> Map<String, Value> {
        let mut details = Map::new();
        if let Page::Error { kind: ErrorKind::UnknownHost { host, sites }, .. } = self {
            let hint = format!("{} {PASS_THE_HOST_ON}", Texts::of(language).pass_the_host_on);
            details.insert("host".to_owned(), ForeignText(host).to_string().into());
            details.insert("sites".to_owned(), json!(sites.iter().take(MOST_SITES).collect::<Vec<_>>()));
            details.insert("hint".to_owned(), hint.into());
        }
        details
    }

    /// The seconds for `Retry-After`, where the page names a time.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Page::Login { unavailable, .. } => *unavailable,
            Page::Error { kind, .. } => retry_after(kind),
            Page::Cancelled { .. }
            | Page::AttemptRefused { .. }
            | Page::LoggedOut { .. }
            | Page::ConfirmLogout { .. } => None,
        }
    }

    /// The `errmsg` beside that code.
    pub fn errmsg(&self, language: Language) -> &'static str {
        let texts = Texts::of(language);
        match self {
            Page::Login { unavailable: None, .. } | Page::LoggedOut { .. } | Page::ConfirmLogout { .. } => "OK",
            Page::Login { unavailable: Some(seconds), .. } => errmsg(&ErrorKind::LoginUnavailable(*seconds), language),
            Page::Cancelled { .. } => texts.cancelled.errmsg,
            Page::AttemptRefused { why, .. } => refusal(*why, texts).errmsg,
            Page::Error { kind, .. } => errmsg(kind, language),
        }
    }
}

/// One error: how it answers, and what its page offers.
pub(super) struct Row {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) saying: fn(&Texts) -> &Saying,
    pub(super) way_on: WayOn,
    /// When it is worth trying again, in seconds.
    pub(super) retry_after: Option<u64>,
}

/// What else a visitor can do, beside logging in where that helps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOn {
    /// Load the same address again: nothing was done.
    Retry,
    /// The same, or give it up: the site itself is there.
    RetryOrBack,
    /// Start over elsewhere.
    Back,
    /// The page itself says where to go.
    Elsewhere,
}

/// The one table of errors. A new kind does not compile without its row.
pub(super) fn row(kind: &ErrorKind<'_>) -> Row {
    use WayOn::{Back, Elsewhere, Retry, RetryOrBack};
    let (status, code, saying, way_on): (_, _, fn(&Texts) -> &Saying, _) = match kind {
        ErrorKind::BadRequest => (StatusCode::BAD_REQUEST, "400", |texts| &texts.bad_request, Back),
        ErrorKind::LoginNeeded => (StatusCode::UNAUTHORIZED, "4101", |texts| &texts.login_needed, Back),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "403", |texts| &texts.forbidden, Back),
        ErrorKind::Blocked => (StatusCode::FORBIDDEN, "403", |texts| &texts.blocked, Back),
        ErrorKind::UnknownThere => (StatusCode::FORBIDDEN, "403", |texts| &texts.unknown_there, Back),
        ErrorKind::ForeignOrigin => (StatusCode::FORBIDDEN, "403", |texts| &texts.foreign_origin, Back),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "404", |texts| &texts.not_found, Back),
        ErrorKind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "405", |texts| &texts.method_not_allowed, Back),
        ErrorKind::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "408", |texts| &texts.request_timeout, Retry),
        ErrorKind::TargetTooLong => (StatusCode::URI_TOO_LONG, "414", |texts| &texts.target_too_long, Back),
        ErrorKind::UnknownHost { .. } => {
            (StatusCode::MISDIRECTED_REQUEST, "421", |texts| &texts.unknown_host, Elsewhere)
        }
        ErrorKind::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "421", |texts| &texts.misdirected, Retry),
        ErrorKind::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "4002", |texts| &texts.too_often, RetryOrBack),
        // The code of this one was spent at the provider, so loading the same address again cannot help.
        ErrorKind::LoginFailed => (StatusCode::INTERNAL_SERVER_ERROR, "5005", |texts| &texts.login_failed, Back),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "500", |texts| &texts.internal, Retry),
        ErrorKind::BadGateway => (StatusCode::BAD_GATEWAY, "502", |texts| &texts.bad_gateway, Retry),
        ErrorKind::LoginUnavailable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "5000", |texts| &texts.login_unavailable, RetryOrBack)
        }
        ErrorKind::Overloaded(_) => (StatusCode::SERVICE_UNAVAILABLE, "503", |texts| &texts.overloaded, Retry),
        ErrorKind::Maintenance(_) => (StatusCode::SERVICE_UNAVAILABLE, "503", |texts| &texts.maintenance, Retry),
        ErrorKind::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, "504", |texts| &texts.gateway_timeout, Retry),
    };
    Row { status, code, saying, way_on, retry_after: retry_after(kind) }
}

fn retry_after(kind: &ErrorKind<'_>) -> Option<u64> {
    match kind {
        ErrorKind::TooOften(seconds) => Some(*seconds),
        ErrorKind::LoginUnavailable(seconds) | ErrorKind::Overloaded(seconds) | ErrorKind::Maintenance(seconds) => {
            Some(*seconds)
        }
        ErrorKind::BadRequest
        | ErrorKind::LoginNeeded
        | ErrorKind::Forbidden
        | ErrorKind::Blocked
        | ErrorKind::UnknownThere
        | ErrorKind::ForeignOrigin
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::RequestTimeout
        | ErrorKind::TargetTooLong
        | ErrorKind::UnknownHost { .. }
        | ErrorKind::Misdirected
        | ErrorKind::LoginFailed
        | ErrorKind::Internal
        | ErrorKind::BadGateway
        | ErrorKind::GatewayTimeout => None,
    }
}

pub(super) fn refusal(why: AttemptRefusal, texts: &Texts) -> &Saying {
    match why {
        AttemptRefusal::NoCookie { .. } => &texts.no_cookie,
        AttemptRefusal::Foreign => &texts.foreign_attempt,
        AttemptRefusal::Expired => &texts.expired_attempt,
        AttemptRefusal::Used => &texts.used_attempt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_ends_find_the_codes_and_messages_they_know() {
        let chinese = |kind| (status(&kind).as_u16(), code(&kind), errmsg(&kind, Language::Chinese));
        assert_eq!(chinese(ErrorKind::LoginNeeded), (401, "4101", "用户未登录"));
        assert_eq!(chinese(ErrorKind::LoginFailed), (500, "5005", "OAuth2.0认证失败"));
        assert_eq!(chinese(ErrorKind::TooOften(60)), (429, "4002", "操作过于频繁，请稍后再试"));
        let cancelled = Page::Cancelled { login: "/", back: crate::page::Back::Home };
        assert_eq!((cancelled.status().as_u16(), cancelled.code()), (403, "4003"));
        assert_eq!(cancelled.errmsg(Language::Chinese), "缺少code");
    }

    #[test]
    fn a_script_learns_of_an_unknown_host_what_the_page_says_and_nothing_invisible() {
        let sites: Vec<String> = (0..9).map(|at| format!("http://{at}.example")).collect();
        let host = format!("evil\u{202e}\0.example{}", "x".repeat(1000));
        let kind = ErrorKind::UnknownHost { host: &host, sites: &sites };
        let details = Page::Error { kind, request_id: "1", login: None, back: crate::page::Back::Home }
            .details(Language::English);
        let shown = details["host"].as_str().unwrap();
        assert!(shown.starts_with("evil\u{fffd}\u{fffd}.examplexxx") && shown.ends_with("x…"), "{shown}");
        assert_eq!(shown.chars().count(), 101);
        assert_eq!(details["sites"].as_array().unwrap().len(), MOST_SITES);
        assert!(details["hint"].as_str().unwrap().ends_with(" proxy_set_header Host $http_host;"));
        let other =
            Page::Error { kind: ErrorKind::NotFound, request_id: "1", login: None, back: crate::page::Back::Home };
        assert!(other.details(Language::English).is_empty());
    }

    #[test]
    fn a_login_page_that_cannot_serve_says_so_to_machines_too() {
        for (unavailable, expected) in [(Some(9), (503, "5000")), (None, (200, "0"))] {
            let back = crate::page::Back::Home;
            let page = Page::Login { providers: &[], unavailable, leads_back: true, known: None, back };
            assert_eq!((page.status().as_u16(), page.code()), expected);
        }
    }
}
