//! From a [`Page`] to what its template needs. Every template is escaped by askama for HTML; the style sheet, a constant,
//! is the one text that is not.

use std::borrow::Cow;

use askama::Template;
use http::StatusCode;

use super::answer::{MOST_SITES, PASS_THE_HOST_ON, Row, WayOn, refusal, row};
use super::foreign::{ForeignText, local_path};
use super::style::STYLE;
use super::texts::{Saying, Texts};
use super::{AttemptRefusal, Back, ErrorKind, Page, ProviderChoice};
use crate::http::language::Language;
use crate::site::Origin;

/// The page as HTML.
pub fn render(page: &Page<'_>, language: Language) -> String {
    let texts = Texts::of(language);
    let frame =
        |heading, is_door_open| Frame { language, texts, heading, is_door_open, is_wide: false, reference: None };
    match page {
        Page::Login { providers, unavailable, leads_back, known, back } => html(&LoginView {
            frame: frame(texts.login_heading, true),
            choices: providers.iter().map(Choice::of).collect(),
            retry: unavailable.map(|seconds| texts.retry_after(seconds)),
            leads_back: *leads_back,
            known: known.filter(|name| !name.trim().is_empty()).map(ForeignText),
            back: Action::back(*back, texts),
        }),
        Page::Cancelled { login, back } => {
            let actions = [Action::new(login, texts.log_in)].into_iter().chain(Action::back(*back, texts)).collect();
            html(&Message::new(frame(texts.cancelled.heading, true), &texts.cancelled, actions))
        }
        Page::AttemptRefused { why, login, back } => {
            html(&refused(*why, login, *back, frame(refusal(*why, texts).heading, true)))
        }
        Page::LoggedOut { login } => {
            let actions = vec![Action::home(texts), Action::new(login, texts.log_in)];
            html(&Message::new(frame(texts.logged_out.heading, false), &texts.logged_out, actions))
        }
        Page::ConfirmLogout { action, display_name } => html(&ConfirmLogout {
            frame: frame(texts.confirm_logout_heading, true),
            action: local_path(action),
            display_name: Some(ForeignText(display_name)).filter(|_| !display_name.trim().is_empty()),
        }),
        Page::Error { kind, request_id, login, back } => {
            let row = row(kind);
            let reference = Some(Reference { request_id: ForeignText(request_id), status: row.status });
            let frame = Frame { reference, ..frame((row.saying)(texts).heading, false) };
            error(kind, &row, *login, *back, frame)
        }
    }
}

/// What every page has.
struct Frame<'a> {
    language: Language,
    texts: &'static Texts,
    heading: &'static str,
    /// The mark over the heading: the door stands open where one can go on to log in.
    is_door_open: bool,
    is_wide: bool,
    reference: Option<Reference<'a>>,
}

impl Frame<'_> {
    fn style(&self) -> &'static str {
        STYLE
    }
}

/// What a visitor quotes when asking for help.
struct Reference<'a> {
    request_id: ForeignText<'a>,
    status: StatusCode,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginView<'a> {
    frame: Frame<'a>,
    choices: Vec<Choice<'a>>,
    retry: Option<Cow<'static, str>>,
    leads_back: bool,
    known: Option<ForeignText<'a>>,
    back: Option<Action<'a>>,
}

struct Choice<'a> {
    is_qq: bool,
    name: ForeignText<'a>,
    href: &'a str,
}

impl<'a> Choice<'a> {
    fn of(choice: &'a ProviderChoice) -> Self {
        Choice { is_qq: choice.id == "qq", name: ForeignText(&choice.title), href: local_path(&choice.href) }
    }
}

#[derive(Template)]
#[template(path = "confirm_logout.html")]
struct ConfirmLogout<'a> {
    frame: Frame<'a>,
    action: &'a str,
    display_name: Option<ForeignText<'a>>,
}

/// Something to say, and where to go from there.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    body: &'static str,
    retry: Option<Cow<'static, str>>,
    causes: Option<Causes>,
    /// The first one is what we suggest.
    actions: Vec<Action<'a>>,
}

struct Causes {
    heading: &'static str,
    items: Vec<&'static str>,
}

struct Action<'a> {
    href: &'a str,
    label: &'static str,
}

#[derive(Template)]
#[template(path = "unknown_host.html")]
struct UnknownHost<'a> {
    frame: Frame<'a>,
    host: ForeignText<'a>,
    sites: Vec<Origin>,
    has_more_sites: bool,
    for_nginx: &'static str,
}

impl<'a> Message<'a> {
    fn new(frame: Frame<'a>, saying: &'static Saying, actions: Vec<Action<'a>>) -> Self {
        Message { frame, body: saying.body, retry: None, causes: None, actions }
    }
}

impl<'a> Action<'a> {
    fn new(href: &'a str, label: &'static str) -> Self {
        Action { href: local_path(href), label }
    }

    fn home(texts: &Texts) -> Self {
        Action { href: "/", label: texts.home }
    }

    fn back(back: Back<'a>, texts: &Texts) -> Option<Self> {
        match back {
            Back::Page(href) => Some(Action::new(href, texts.back)),
            Back::Home => Some(Action::home(texts)),
            Back::Nowhere => None,
        }
    }

    /// An empty `href` is the address of the page itself, query included.
    fn retry(texts: &Texts) -> Self {
        Action { href: "", label: texts.retry }
    }
}

fn refused<'a>(why: AttemptRefusal, login: &'a str, back: Back<'a>, mut frame: Frame<'a>) -> Message<'a> {
    let texts = frame.texts;
    let (login_again, back) = (Action::new(login, texts.log_in), Action::back(back, texts));
    let again = Action::new(login, texts.log_in_in_this_browser);
    let (actions, causes) = match why {
        AttemptRefusal::NoCookie { is_https } => {
            frame.is_wide = true;
            let insecure = is_https.then_some(texts.no_cookie_over_http);
            let items = texts.no_cookie_causes.into_iter().chain(insecure).collect();
            let causes = Causes { heading: texts.no_cookie_causes_heading, items };
            ([again].into_iter().chain(back).collect(), Some(causes))
        }
        AttemptRefusal::Foreign => ([again].into_iter().chain(back).collect(), None),
        AttemptRefusal::Expired => ([login_again].into_iter().chain(back).collect(), None),
        AttemptRefusal::Used => (back.into_iter().chain([login_again]).collect(), None),
    };
    Message { causes, ..Message::new(frame, refusal(why, texts), actions) }
}

fn error<'a>(
    kind: &'a ErrorKind<'a>,
    row: &Row,
    login: Option<&'a str>,
    back: Back<'a>,
    mut frame: Frame<'a>,
) -> String {
    let texts = frame.texts;
    if let ErrorKind::UnknownHost { host, sites } = kind {
        frame.is_wide = true;
        return html(&UnknownHost {
            frame,
            host: ForeignText(host),
            sites: sites.iter().take(MOST_SITES).filter_map(|site| Origin::parse(site)).collect(),
            has_more_sites: sites.len() > MOST_SITES,
            for_nginx: PASS_THE_HOST_ON,
        });
    }
    let login = login.map(|login| Action::new(login, texts.log_in));
    let (retry_here, back) = match row.way_on {
        WayOn::Retry => (Some(Action::retry(texts)), None),
        WayOn::RetryOrBack => (Some(Action::retry(texts)), Action::back(back, texts)),
        WayOn::Back => (None, Action::back(back, texts)),
        WayOn::Elsewhere => (None, None),
    };
    let retry = row.retry_after.map(|seconds| texts.retry_after(seconds));
    let actions = login.into_iter().chain(retry_here).chain(back).collect();
    html(&Message { retry, ..Message::new(frame, (row.saying)(texts), actions) })
}

/// Writing into a `String` fails only where a `Display` of ours does, and none of them can.
fn html(template: &impl Template) -> String {
    template.render().unwrap_or_default()
}
