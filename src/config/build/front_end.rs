//! `sites[].front_end`, `sites[].cors_origins` and `sites[].same_site`.

use http::StatusCode;

use super::login::own_path;
use crate::config::error::{Findings, Remark};
use crate::config::parse::{template, web};
use crate::config::read;
use crate::config::section::{Given, Many, Section, both};
use crate::gateway::{Begins, Done, Fault, FrontEnd, Handed, Start, Started};
use crate::login::StateShape;
use crate::site::{Origin, SameSite};
use crate::template::JsonTemplate;

impl template::Known for Started {
    const SO: &'static str = "the page would be told the braces in place of an address";
    const OTHER_NAMES: &'static [(&'static str, &'static str)] = &[("url", "login_url"), ("auth_url", "login_url")];
}

impl template::Known for Done {
    const SO: &'static str = "the page would keep the braces in place of a value";
    const OTHER_NAMES: &'static [(&'static str, &'static str)] = &[
        ("user_id", "user.id"),
        ("username", "user.handle"),
        ("name", "user.display_name"),
        ("access_token", "token"),
    ];
}

impl template::Known for Fault {
    const SO: &'static str = "visitors would be told the braces in place of a reason";
    const OTHER_NAMES: &'static [(&'static str, &'static str)] = &[("errmsg", "message"), ("error", "message")];
}

/// The front end of a site.
pub(super) struct Known {
    pub(super) settings: Option<FrontEnd>,
    /// Where it begins and ends logins.
    pub(super) paths: Vec<Given<String>>,
}

/// When browsers send the site's cookies.
pub(super) fn same_site(section: &Section<'_>, origin: Option<&Origin>, log: &mut Findings) -> Option<SameSite> {
    let given = section.value("same_site", log, read::choice(&[SameSite::Lax, SameSite::None]))?;
    if given.value == SameSite::Lax {
        return Some(SameSite::Lax);
    }
    if origin.is_some_and(|origin| !origin.is_https()) {
        let remark = Remark::new("needs an https site").so("browsers refuse such cookies, and nobody could log in");
        log.error(&given.spot, remark.fix("an origin that begins with https://, or \"lax\""));
        return None;
    }
    let remark = Remark::new("browsers send the session whichever site's page makes them ask");
    let remark =
        remark.so("what changes nothing is answered to pages of any site, though their scripts cannot read it");
    log.warn(&given.spot, remark.fix("\"lax\", unless pages of another site have to call this one"));
    Some(SameSite::None)
}

/// The pages elsewhere that belong to the site: no browser sends them its cookies from another site, unless told to.
pub(super) fn cors_origins(
    section: &Section<'_>,
    origin: Option<&Origin>,
    same_site: Option<SameSite>,
    log: &mut Findings,
) -> Many<Origin> {
    let mut listed = section.each("cors_origins", log, web::origin);
    for given in &listed.items {
        let is_reached = origin.is_none_or(|origin| origin.is_same_site(&given.value));
        if origin.is_some_and(Origin::is_https) && !given.value.is_https() && same_site == Some(SameSite::None) {
            let remark = Remark::new("is http, while the site is https");
            let remark = remark.so("whoever sits on the way to that page could act as whoever is logged in here");
            log.error(&given.spot, remark.fix("https"));
            listed.whole = false;
        }
        if !is_reached && same_site == Some(SameSite::Lax) {
            let site = origin.map(ToString::to_string).unwrap_or_default();
            let remark = Remark::new(format!("is another site than {site} to browsers"));
            let remark = remark.so("they would send no cookie of ours with its calls, and nobody could log in there");
            let fix = "pages under the same scheme and domain, or https and same_site = \"none\"";
            log.error(&given.spot, remark.fix(fix));
            listed.whole = false;
        }
    }
    listed
}

/// Reads it. `has_page`: the site says to which address QQ sends its browsers.
pub(super) fn read(section: &Section<'_>, has_page: bool, cors: &Many<Origin>, log: &mut Findings) -> Known {
    let state = section.value("state", log, read::choice(&[StateShape::Random, StateShape::Next]));
    let begins = section.value("begins", log, read::choice(&[Begins::WithNavigation, Begins::WithCall]));
    let redirect_uri = section.optional("redirect_uri", log, read::text(web::redirect_uri));
    let start = section.optional("start", log, read::text(own_path));
    let callback = section.optional("callback", log, read::text(own_path));
    let next = section.value("next", log, read::text(|text| free(text, "sent-on")));
    let code = section.value("code", log, read::text(|text| free(text, "state")));
    let start_json = json::<Started>(section, "start_json", log);
    let callback_json = json::<Done>(section, "callback_json", log);
    let error_json = json::<Fault>(section, "error_json", log);
    let refused = status(section, "refused_status", log);
    let failed = status(section, "failed_status", log);
    let with_cookies = section.value("cookies", log, read::flag);
    if !section.is_written() {
        return Known { settings: None, paths: Vec::new() };
    }
    let paths: Vec<Given<String>> = [&start, &callback].into_iter().flatten().flatten().cloned().collect();
    if let [one, other] = paths.as_slice()
        && one.value == other.value
    {
        let remark = Remark::new("start and callback are the same path").so("a login could begin and never end");
        log.error(&other.spot, remark.fix("give each its own"));
    }
    if paths.is_empty() && start.is_some() && callback.is_some() {
        let remark = Remark::new("names neither start nor callback").so("there is nothing it could call");
        log.missing(&section.spot("start"), remark.fix("start = \"/oauth/qq/authorization/\""));
    }
    if let (Some(Some(start)), Some(Some(_)), Some(None), false) = (&start, &callback, &redirect_uri, has_page) {
        let remark = Remark::new("needs the page that QQ sends browsers to, and that hands the code in");
        let remark = remark.so("they would come back to login.callback, and end the login there");
        log.missing(&start.spot, remark.fix("redirect_uri = \"http://www.meiduo.site:8080/oauth_callback.html\""));
    }
    if let Some(state) = state.as_ref().filter(|state| state.value == StateShape::Next) {
        about_next(state, cors, log);
        if let (Some(Some(_)), Some(None)) = (&start, &callback) {
            let remark = Remark::new("needs front_end.callback: QQ's return has no state that would tell whose it is");
            log.error(&state.spot, remark.so("no login would ever end").fix("callback = \"/oauth/qq/user/\""));
        }
    }
    if let (Some(json), Some(false), Some(Some(callback))) =
        (&callback_json, with_cookies.as_ref().map(|flag| flag.value), &callback)
        && !json.names(|blank| blank == Done::Token)
    {
        let remark = Remark::new("answers without {token}, and cookies = false").so("nobody would be logged in by it");
        log.error(&callback.spot, remark.fix("callback_json = { token = \"{token}\" }, or cookies = true"));
    }
    if let Some(Some(page)) = &redirect_uri
        && cors.whole
        && !cors.items.iter().any(|listed| Some(&listed.value) == Origin::of(&page.value).as_ref())
    {
        let remark = Remark::new("lies at an origin that cors_origins does not list");
        let remark = remark.so("if it is not this site's own, its scripts cannot read what they are answered");
        log.warn(&page.spot, remark.fix("add its origin to cors_origins of the site"));
    }
    let settings = || {
        let (state, start, callback) = (state?.value, start?, callback?);
        let redirect_uri = redirect_uri?.map(|given| given.value);
        let (next, start_json, begins) = (next?.value, start_json?, begins?.value);
        let (code, json, with_cookies) = (code?.value, callback_json?, with_cookies?.value);
        let start = start.map(|start| Start { path: start.value, next, json: start_json, begins, redirect_uri, state });
        let handed = callback.map(|callback| Handed { path: callback.value, code, state, json, with_cookies });
        Some(FrontEnd { start, handed, error: error_json?, refused: refused?, failed: failed? })
    };
    Known { settings: settings(), paths }
}

fn about_next(state: &Given<StateShape>, cors: &Many<Origin>, log: &mut Findings) {
    if cors.whole && cors.items.is_empty() {
        let remark = Remark::new("needs cors_origins: without a state, a code is taken from listed pages alone");
        log.error(
            &state.spot,
            remark.so("no login would ever end").fix("cors_origins = [\"http://www.meiduo.site:8080\"]"),
        );
        return;
    }
    let remark = Remark::new("a login's return does not say which login it belongs to");
    let remark = remark.so(
        "while a visitor has a login under way, a link that somebody else made can log that visitor in as somebody else",
    );
    log.warn(
        &state.spot,
        remark.fix("\"random\", if the page can send the state that it was given along with the code"),
    );
}

fn json<F: template::Known>(section: &Section<'_>, name: &str, log: &mut Findings) -> Option<JsonTemplate<F>> {
    let entries = section.entries(name, log, |name, node| both(Ok(name.to_owned()), template::json::<F>(node)));
    entries.whole.then(|| JsonTemplate::Table(entries.values().collect()))
}

fn status(section: &Section<'_>, name: &str, log: &mut Findings) -> Option<StatusCode> {
    let given = section.value(name, log, read::count)?;
    u16::try_from(given.value).ok().and_then(|status| StatusCode::from_u16(status).ok())
}

/// A parameter's name, but for one that has a meaning of its own there.
fn free(text: &str, taken: &str) -> Result<String, Remark> {
    if text == taken {
        return Err(Remark::new("has a meaning of its own")
            .so("what stands there would be lost")
            .fix("the name by which the page sends it"));
    }
    parameter(text)
}

fn parameter(text: &str) -> Result<String, Remark> {
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("the name of a parameter")
            .so("no query would have it")
            .fix("letters, digits, `_`, `-` and `.`")
    })
}
