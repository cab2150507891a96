//! What each endpoint answers. Pure but for the tables it is handed.

use http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use super::answer::{self, Format};
use super::page;
use super::problem::Problem;
use super::query::Query;
use super::redirect::{self, CallbackFault};
use super::state::State;
use super::switch::{Effect, Endpoint};
use super::wire::Reply;
use crate::clock::Timestamp;
use crate::http::language::Language;

/// A request, as far as an answer depends on it.
pub(super) struct Asked<'a> {
    pub(super) query: &'a str,
    /// The form of a POST.
    pub(super) form: Option<&'a [u8]>,
    pub(super) language: Language,
    pub(super) now: Timestamp,
}

pub(super) fn answer(endpoint: Endpoint, state: &mut State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    match endpoint {
        Endpoint::Authorize => authorize(state, asked, effects),
        Endpoint::Show => show(state, asked),
        Endpoint::Approve => approve(state, asked, effects),
        Endpoint::Token => token(state, asked, effects),
        Endpoint::Me => me(state, asked, effects),
        Endpoint::UserInfo => user_info(state, asked, effects),
    }
}

fn authorize(state: &State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    let query = Query::parse(asked.query.as_bytes());
    let checked = told(effects).map_or_else(|| state.authorize(&query).map(drop), Err);
    Reply::redirect(&match checked {
        Ok(()) => redirect::to_login(display(&query), asked.query),
        Err(problem) => redirect::to_error(display(&query), &problem, asked.query),
    })
}

fn show(state: &State, asked: &Asked<'_>) -> Reply {
    let query = Query::parse(asked.query.as_bytes());
    let text = match query.text("which") {
        Some("Login") => {
            // What follows `which` and `display` is the app's own query, for the form to send along.
            let original = asked.query.splitn(3, '&').nth(2).unwrap_or_default();
            let client_id = query.text("client_id").unwrap_or_default();
            page::login(state.users.values(), client_id, original, asked.language)
        }
        _ => {
            let number = query.text("error").and_then(|number| number.parse().ok()).unwrap_or(100028);
            page::problem(&Problem::new(number), asked.language)
        }
    };
    html(text, asked.language)
}

/// The form of the login page: `user`, `answer`, and the app's `query`, which is checked again.
fn approve(state: &mut State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    let form = Query::parse(asked.form.unwrap_or_default());
    let original = form.bytes("query").and_then(|query| std::str::from_utf8(query).ok()).unwrap_or_default();
    let query = Query::parse(original.as_bytes());
    let is_phone = display(&query) == "mobile";
    let authorized = told(effects).map_or_else(|| state.authorize(&query), Err);
    let authorized = match authorized {
        Ok(authorized) => authorized,
        Err(problem) => return Reply::redirect(&redirect::to_error(display(&query), &problem, original)),
    };
    if form.text("answer") != Some("approve") {
        // On a desktop the app never hears that the user said no.
        return if is_phone {
            Reply::redirect(&redirect::to_app_cancelled(&authorized))
        } else {
            html(page::closed(asked.language), asked.language)
        };
    }
    let user = form.text("user").unwrap_or_default();
    let fault = effects.iter().find_map(|effect| if let Effect::Callback(fault) = effect { Some(fault) } else { None });
    match state.approve(&authorized, user, asked.now) {
        Ok(code) if matches!(fault, Some(CallbackFault::Twice)) => {
            Reply::new(page::twice(&redirect::to_app(&authorized, &code, fault)))
        }
        Ok(code) => Reply::redirect(&redirect::to_app(&authorized, &code, fault)),
        Err(problem) => Reply::redirect(&redirect::to_error(display(&query), &problem, original)),
    }
}

fn token(state: &mut State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    // Without the rule a POST is read like a GET: its form is not looked at, and QQ complains of what is missing.
    let form = asked.form.filter(|_| state.rules.post_token);
    let query = Query::parse(form.unwrap_or(asked.query.as_bytes()));
    let format = format(&query, effects);
    let named =
        effects.iter().find_map(|effect| if let Effect::AccessToken(text) = effect { Some(text) } else { None });
    let issued = match told(effects) {
        Some(problem) => Err(problem),
        None => state.exchange(&query, named.map(String::as_str), asked.now),
    };
    Reply::new(match issued {
        Ok(issued) => answer::token(&issued, query.text("need_openid") == Some("1"), format),
        Err(problem) => answer::problem(&problem, format),
    })
}

fn me(state: &State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    let query = Query::parse(asked.query.as_bytes());
    let format = format(&query, effects);
    let known = told(effects).map_or_else(|| state.me(&query, asked.now), Err);
    Reply::new(match known {
        Ok(mut me) => {
            for effect in effects {
                if let Effect::ForeignClient(client_id) = effect {
                    me.client_id.clone_from(client_id);
                }
            }
            answer::me(&me, format)
        }
        Err(problem) => answer::problem(&problem, format),
    })
}

fn user_info(state: &State, asked: &Asked<'_>, effects: &[Effect]) -> Reply {
    let query = Query::parse(asked.query.as_bytes());
    let known = told(effects).map_or_else(|| state.user_info(&query, asked.now), Err);
    Reply::new(match known {
        Ok(mut info) => {
            for effect in effects {
                if let Effect::Nickname(name) = effect {
                    info.user.nickname.clone_from(name);
                }
                if let Effect::Avatar(address) = effect {
                    info.user.avatar = Some(address.clone());
                }
            }
            answer::info(&info)
        }
        Err(problem) => answer::info_problem(&problem),
    })
}

/// The error a switch tells the endpoint to answer with.
fn told(effects: &[Effect]) -> Option<Problem> {
    effects.iter().find_map(|effect| match effect {
        Effect::Error { number, text: Some(text) } => Some(Problem { number: *number, text: text.clone() }),
        Effect::Error { number, text: None } => Some(Problem::new(*number)),
        Effect::Format(_)
        | Effect::AccessToken(_)
        | Effect::ForeignClient(_)
        | Effect::Nickname(_)
        | Effect::Avatar(_)
        | Effect::Callback(_)
        | Effect::Body(_)
        | Effect::Wire(_) => None,
    })
}

fn format(query: &Query, effects: &[Effect]) -> Format {
    let forced =
        effects.iter().find_map(|effect| if let Effect::Format(format) = effect { Some(*format) } else { None });
    forced.unwrap_or_else(|| Format::asked_for(query))
}

fn display(query: &Query) -> &'static str {
    if query.text("display") == Some("mobile") { "mobile" } else { "pc" }
}

fn html(text: String, language: Language) -> Reply {
    let mut reply = Reply::new(text);
    reply.set(CONTENT_TYPE, "text/html; charset=utf-8");
    reply.set(CONTENT_LANGUAGE, language.tag());
    // No form-action: browsers would hold the app's own callback against it, where the form's redirect leads.
    reply.set(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    );
    reply
}
