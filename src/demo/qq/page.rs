//! The simulator's pages: plain HTML, no scripts, and never to be taken for QQ's own.

use askama::Template;

use super::model::User;
use super::problem::Problem;
use crate::http::language::Language;

/// The page where one of the test users logs in. `query` is the app's own, for the form to send along.
pub(super) fn login<'a>(
    users: impl Iterator<Item = &'a User>,
    client_id: &str,
    query: &str,
    language: Language,
) -> String {
    let users = users.map(|user| Choice {
        number: &user.number,
        nickname: &user.nickname,
        initial: user.nickname.chars().next().unwrap_or('?'),
    });
    render(&Login { users: users.collect(), client_id, query, words: words(language) })
}

/// QQ's error page: the text and the number. It has no way back to the app.
pub(super) fn problem(problem: &Problem, language: Language) -> String {
    let line = format!("{}({})", problem.text, problem.number);
    render(&Notice { line: &line, detail: words(language).problem, words: words(language) })
}

/// What is left when the user has pressed cancel on a desktop.
pub(super) fn closed(language: Language) -> String {
    let words = words(language);
    render(&Notice { line: words.closed, detail: words.closed_detail, words })
}

/// Goes to one address twice at once, in a frame and as a whole.
pub(super) fn twice(location: &str) -> String {
    render(&Twice { location })
}

#[derive(Template)]
#[template(path = "demo/qq/twice.html")]
struct Twice<'a> {
    location: &'a str,
}

#[derive(Template)]
#[template(path = "demo/qq/login.html")]
struct Login<'a> {
    users: Vec<Choice<'a>>,
    client_id: &'a str,
    query: &'a str,
    words: &'static Words,
}

struct Choice<'a> {
    number: &'a str,
    nickname: &'a str,
    initial: char,
}

#[derive(Template)]
#[template(path = "demo/qq/notice.html")]
struct Notice<'a> {
    line: &'a str,
    detail: &'static str,
    words: &'static Words,
}

/// What the pages say in one language.
struct Words {
    lang: &'static str,
    title: &'static str,
    not_qq: &'static str,
    choose: &'static str,
    app: &'static str,
    as_user: &'static str,
    cancel: &'static str,
    nobody: &'static str,
    problem: &'static str,
    closed: &'static str,
    closed_detail: &'static str,
}

static CHINESE: Words = Words {
    lang: "zh-CN",
    title: "QQ 登录模拟器",
    not_qq: "这是本机上的模拟器，不是腾讯 QQ。请勿在此输入真实的帐号或密码。",
    choose: "选一位测试用户登录",
    app: "应用 ID",
    as_user: "登录",
    cancel: "取消",
    nobody: "还没有测试用户，请先在模拟器里添加一位。",
    problem: "真实的 QQ 也停在这样的页面，不会跳回应用。请按错误码检查应用的设置。",
    closed: "已取消登录",
    closed_detail: "电脑上的 QQ 会直接关掉登录窗口，不通知应用。您可以关闭此页。",
};

static ENGLISH: Words = Words {
    lang: "en",
    title: "QQ login simulator",
    not_qq: "This is a simulator on this machine, not Tencent QQ. Never type a real account or password here.",
    choose: "Log in as one of the test users",
    app: "App id",
    as_user: "Log in",
    cancel: "Cancel",
    nobody: "There are no test users yet: add one to the simulator first.",
    problem: "The real QQ stops at a page like this too and does not return to the app. The number tells which of the app's settings to check.",
    closed: "Login cancelled",
    closed_detail: "On a computer QQ just closes its window, and the app never hears of it. You can close this page.",
};

fn words(language: Language) -> &'static Words {
    match language {
        Language::Chinese => &CHINESE,
        Language::English => &ENGLISH,
    }
}

fn render(page: &impl Template) -> String {
    // Writing to a string does not fail, and the templates hold no fallible filter.
    page.render().unwrap_or_default()
}
