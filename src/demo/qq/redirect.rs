//! The addresses the browser is sent to: QQ's own pages, and back to the app.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::query::encode;
use super::state::Authorization;

/// How the browser can be sent back wrongly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallbackFault {
    /// With this `state` instead of the app's.
    State(String),
    /// Without `state`.
    NoState,
    /// Without a code.
    NoCode,
    /// With a second code.
    TwoCodes,
    /// With `usercancel=1`, as from a phone.
    UserCancel,
    /// With an error in today's names, `error` and `error_description`.
    Error(i64),
    /// With an error in the older names, `code` and `msg`.
    CodeAndMessage(i64),
    /// Twice at once, as apps and careless browsers do.
    Twice,
}

/// QQ's page for a login: the query goes along untouched.
pub(super) fn to_login(display: &str, query: &str) -> String {
    format!("/oauth2.0/show?which=Login&display={display}&{query}")
}

/// QQ's page for an error: the app never hears of it.
pub(super) fn to_error(display: &str, problem: &Problem, query: &str) -> String {
    format!("/oauth2.0/show?which=error&display={display}&error={}&{query}", problem.number)
}

/// Back to the app, with a code.
pub(super) fn to_app(asked: &Authorization, code: &str, fault: Option<&CallbackFault>) -> String {
    let state = match fault {
        Some(CallbackFault::State(other)) => Some(other.as_bytes()),
        Some(CallbackFault::NoState) => None,
        Some(
            CallbackFault::NoCode
            | CallbackFault::TwoCodes
            | CallbackFault::UserCancel
            | CallbackFault::Error(_)
            | CallbackFault::CodeAndMessage(_)
            | CallbackFault::Twice,
        )
        | None => asked.state.as_deref(),
    };
    let result = match fault {
        Some(CallbackFault::NoCode) => String::new(),
        Some(CallbackFault::TwoCodes) => format!("code={code}&code={code}"),
        Some(CallbackFault::UserCancel) => "usercancel=1".to_owned(),
        Some(CallbackFault::Error(number)) => {
            format!("error={number}&error_description={}", encode(Problem::new(*number).text.as_bytes()))
        }
        Some(CallbackFault::CodeAndMessage(number)) => {
            format!("code={number}&msg={}", encode(Problem::new(*number).text.as_bytes()))
        }
        Some(CallbackFault::State(_) | CallbackFault::NoState | CallbackFault::Twice) | None => format!("code={code}"),
    };
    returning(asked, result, state)
}

/// Back to the app, from a phone where the user pressed cancel.
pub(super) fn to_app_cancelled(asked: &Authorization) -> String {
    returning(asked, "usercancel=1".to_owned(), asked.state.as_deref())
}

fn returning(asked: &Authorization, result: String, state: Option<&[u8]>) -> String {
    let state = state.map(|state| format!("state={}", encode(state)));
    let pairs: Vec<String> = [Some(result).filter(|result| !result.is_empty()), state].into_iter().flatten().collect();
    let joint = if asked.redirect_uri.contains('?') { '&' } else { '?' };
    format!("{}{joint}{}", asked.redirect_uri, pairs.join("&"))
}
