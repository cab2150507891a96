use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::http::language::Language;

const LANGUAGES: [Language; 2] = [Language::Chinese, Language::English];

/// What ends an attribute, an element, a comment or a script, and what hides.
const HOSTILE: &str = "\"'><script>alert(1)</script><!--&amp;\0\u{202e}gnp.exe";

const NO_COOKIE: AttemptRefusal = AttemptRefusal::NoCookie { is_https: true };

fn login(providers: &[ProviderChoice], unavailable: Option<u64>) -> Page<'_> {
    Page::Login { providers, unavailable, leads_back: true, known: None, back: Back::Home }
}

/// Calls `check` with every page in every language; the texts and addresses that strangers can choose are `foreign`.
fn every_page(foreign: &str, mut check: impl FnMut(&str, &str)) {
    let sites = ["http://www.meiduo.site:8000".to_owned(), foreign.to_owned()];
    let providers = [
        ProviderChoice { id: "qq".into(), title: "QQ".into(), href: "/qq/login/?next=%2Forders%2F".into() },
        ProviderChoice { id: foreign.into(), title: foreign.into(), href: foreign.into() },
    ];
    let mut pages = vec![
        login(&providers, None),
        login(&providers, Some(30)),
        login(&[], None),
        Page::Login {
            providers: &providers,
            unavailable: None,
            leads_back: false,
            known: Some(foreign),
            back: Back::Page(foreign),
        },
        Page::Cancelled { login: foreign, back: Back::Page(foreign) },
        Page::Cancelled { login: foreign, back: Back::Nowhere },
        Page::LoggedOut { login: foreign },
        Page::ConfirmLogout { action: "/.menshen/logout", display_name: foreign },
        Page::ConfirmLogout { action: foreign, display_name: "" },
    ];
    for why in [NO_COOKIE, AttemptRefusal::Foreign, AttemptRefusal::Expired, AttemptRefusal::Used] {
        pages.push(Page::AttemptRefused { why, login: foreign, back: Back::Page(foreign) });
    }
    for kind in [
        ErrorKind::BadRequest,
        ErrorKind::LoginNeeded,
        ErrorKind::Forbidden,
        ErrorKind::Blocked,
        ErrorKind::UnknownThere,
        ErrorKind::ForeignOrigin,
        ErrorKind::NotFound,
        ErrorKind::MethodNotAllowed,
        ErrorKind::RequestTimeout,
        ErrorKind::TargetTooLong,
        ErrorKind::UnknownHost { host: foreign, sites: &sites },
        ErrorKind::Misdirected,
        ErrorKind::TooOften(60),
        ErrorKind::LoginFailed,
        ErrorKind::Internal,
        ErrorKind::BadGateway,
        ErrorKind::LoginUnavailable(30),
        ErrorKind::Overloaded(2),
        ErrorKind::Maintenance(300),
        ErrorKind::GatewayTimeout,
    ] {
        pages.push(Page::Error { kind, request_id: foreign, login: Some(foreign), back: Back::Page(foreign) });
    }
    for page in &pages {
        for language in LANGUAGES {
            check(&format!("{page:?} in {language:?}"), &render(page, language));
        }
    }
}

#[test]
fn every_page_is_whole_small_and_in_its_language() {
    every_page("0192f3a4b5c6", |name, html| {
        let language = if name.ends_with("Chinese") { "zh-CN" } else { "en" };
        assert!(html.starts_with(&format!("<!DOCTYPE html>\n<html lang=\"{language}\">")), "{name}");
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert!(html.len() < 12 << 10, "{name}: {} bytes", html.len());
        for landmark in ["<main", "<h1>", "<footer>", "name=\"viewport\"", "<title>"] {
            assert_eq!(html.matches(landmark).count(), 1, "{name}: {landmark}");
        }
        // The favicon and SVG's namespace apart, a page of ours names no address but the sites.
        let foreign = html.matches("http").count() - html.matches("http://www.w3.org/2000/svg").count();
        let named = html.matches("http://www.meiduo.site:8000").count() + html.matches("http_host").count();
        let spoken =
            html.matches("http://,").count() + html.matches("https://").count() + html.matches("http:// ").count();
        assert_eq!(foreign, named + spoken, "{name}");
        for word in ["<script", "javascript:", " style=", " onclick", "<img", "@import", "url("] {
            assert!(!html.contains(word), "{name}: {word}");
        }
        let is_chinese = html.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
        assert_eq!(is_chinese, language == "zh-CN", "{name}");
    });
}

#[test]
fn the_policy_holds_the_hash_of_the_very_style_each_page_carries() {
    every_page("x", |name, html| {
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(content_security_policy().contains(&format!("style-src 'sha256-{hash}'")), "{name}");
    });
}

#[test]
fn hostile_texts_stay_texts() {
    every_page(HOSTILE, |name, html| {
        assert!(!html.contains("<script") && !html.contains("alert(1)</"), "{name}");
        assert!(!html.contains(['\0', '\u{202e}']), "{name}");
        assert!(!html.contains("\"'"), "{name}");
        // One comment would swallow the rest of the page.
        assert!(!html.contains("<!--"), "{name}");
    });
    let page = Page::ConfirmLogout { action: "/x?a=1&b=\"", display_name: "A<b>&\"'" };
    let html = render(&page, Language::English);
    assert!(html.contains("<bdi>A&#60;b&#62;&#38;&#34;&#39;</bdi>"), "{html}");
    assert!(html.contains("action=\"/x?a=1&#38;b=&#34;\""), "{html}");
}

#[test]
fn long_texts_leave_pages_small() {
    every_page(&"👩‍👩‍👧".repeat(1 << 10), |name, html| {
        assert!(html.len() < 12 << 10, "{name}: {} bytes", html.len())
    });
}

#[test]
fn links_never_leave_the_site() {
    for hostile in
        ["javascript:alert(1)", "//evil.example/", "https://evil.example/", "/\\evil.example", "data:text/html,x"]
    {
        every_page(hostile, |name, html| {
            for attribute in ["href", "action"] {
                assert!(!html.contains(&format!("{attribute}=\"{hostile}")), "{name}: {hostile}");
            }
        });
    }
}

#[test]
fn errors_quote_the_request_id() {
    let page = Page::Error { kind: ErrorKind::Internal, request_id: "0192f3a4b5c6", login: None, back: Back::Home };
    for language in LANGUAGES {
        assert!(render(&page, language).contains("<code>0192f3a4b5c6</code>"));
    }
}

#[test]
fn an_unknown_host_is_told_its_name_the_sites_and_the_line_for_nginx() {
    let sites: Vec<_> = (0..20).map(|number| format!("http://shop{number}.example")).collect();
    let kind = ErrorKind::UnknownHost { host: "127.0.0.1:8000", sites: &sites };
    let html = render(&Page::Error { kind, request_id: "x", login: None, back: Back::Home }, Language::English);
    for expected in ["<bdi>127.0.0.1:8000</bdi>", "href=\"http://shop7.example\"", "proxy_set_header Host $http_host;"]
    {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("shop8.example"));
}

#[test]
fn unavailable_pages_say_when_to_try_again() {
    let in_english = |page: &Page<'_>| (render(page, Language::English), page.retry_after());
    let (html, seconds) = in_english(&login(&[], Some(30)));
    assert!(html.contains("in about 30 seconds") && seconds == Some(30));
    let kind = ErrorKind::LoginUnavailable(600);
    let (html, seconds) = in_english(&Page::Error { kind, request_id: "x", login: None, back: Back::Home });
    assert!(html.contains("in about 10 minutes") && seconds == Some(600));
    for kind in [ErrorKind::BadGateway, ErrorKind::GatewayTimeout, ErrorKind::Internal] {
        let (html, _) = in_english(&Page::Error { kind, request_id: "x", login: None, back: Back::Home });
        assert!(html.contains("try again in a"), "{html}");
    }
}

#[test]
fn a_refused_attempt_starts_afresh_only_when_asked() {
    for why in [NO_COOKIE, AttemptRefusal::Foreign, AttemptRefusal::Expired, AttemptRefusal::Used] {
        for language in LANGUAGES {
            let page = Page::AttemptRefused { why, login: "/qq/login/?next=%2F", back: Back::Nowhere };
            let html = render(&page, language);
            assert!(html.contains("href=\"/qq/login/?next=%2F\"") && !html.contains("http-equiv"), "{why:?}");
        }
    }
}

#[test]
fn the_way_back_is_offered_where_there_is_one() {
    let refused = |why, back| Page::AttemptRefused { why, login: "/login", back };
    let failed = |back| {
        let kind = ErrorKind::LoginFailed;
        Page::Error { kind, request_id: "x", login: Some("/login"), back }
    };
    for language in LANGUAGES {
        let texts = texts::Texts::of(language);
        for (back, link) in [
            (Back::Page("/goods/3/?a=1"), Some(format!("href=\"/goods/3/?a=1\">{}<", texts.back))),
            (Back::Home, Some(format!("href=\"/\">{}<", texts.home))),
            (Back::Nowhere, None),
        ] {
            for page in [
                Page::Cancelled { login: "/login", back },
                refused(AttemptRefusal::Expired, back),
                refused(AttemptRefusal::Used, back),
                refused(NO_COOKIE, back),
                refused(AttemptRefusal::Foreign, back),
                failed(back),
            ] {
                let html = render(&page, language);
                assert!(html.contains("href=\"/login\""), "{page:?}");
                let buttons = html.matches("class=\"button").count();
                assert_eq!(buttons, 1 + usize::from(link.is_some()), "{page:?}");
                assert!(link.iter().all(|link| html.contains(link)), "{page:?}: {html}");
            }
        }
    }
}

#[test]
fn a_site_without_a_way_to_log_in_promises_none() {
    for language in LANGUAGES {
        let texts = texts::Texts::of(language);
        let html = render(&login(&[], None), language);
        assert!(html.contains(texts.no_way_to_log_in) && !html.contains(texts.login_invitation), "{html}");
    }
}

#[test]
fn the_login_page_leads_out_says_who_is_logged_in_and_promises_no_way_back_where_there_is_none() {
    let providers = [ProviderChoice { id: "qq".into(), title: "QQ".into(), href: "/login".into() }];
    for language in LANGUAGES {
        let texts = texts::Texts::of(language);
        let page = |leads_back, known, back| {
            render(&Page::Login { providers: &providers, unavailable: None, leads_back, known, back }, language)
        };
        let html = page(true, None, Back::Home);
        assert!(
            html.contains(texts.login_invitation) && html.contains(&format!("href=\"/\">{}<", texts.home)),
            "{html}"
        );
        assert!(!page(false, None, Back::Nowhere).contains(texts.login_invitation));
        assert_eq!(page(false, None, Back::Nowhere).matches("class=\"button").count(), 1);
        let html = page(true, Some("<小明>"), Back::Page("/cart/"));
        assert!(html.contains("<bdi>&#60;小明&#62;</bdi>") && html.contains("href=\"/cart/\""), "{html}");
        assert!(html.contains(texts.logged_in_as.0) && !html.contains(texts.login_invitation), "{html}");
    }
}

/// Regression: on plain http the page advised https, where nobody answered.
#[test]
fn that_cookies_need_https_is_a_cause_where_they_do() {
    for language in LANGUAGES {
        let texts = texts::Texts::of(language);
        for is_https in [true, false] {
            let why = AttemptRefusal::NoCookie { is_https };
            let html = render(&Page::AttemptRefused { why, login: "/login", back: Back::Home }, language);
            assert_eq!(html.contains("https://"), is_https, "{html}");
            assert!(html.contains(texts.no_cookie_causes[0]));
        }
    }
}
