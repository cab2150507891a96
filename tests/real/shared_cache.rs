//! nginx with a cache, before us and an application whose pages may be kept: what one visitor sees is never another's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::backends::{Answer, Browser, PAGE, Program, Proxy, Received, Setup, Upstream, free_address, nginx};

/// Every way in which the application lets its pages be kept: a path's end, and fields.
pub(crate) const WAYS: [(&str, &str); 9] = [
    ("s-maxage", "Cache-Control: public, s-maxage=60\r\n"),
    ("max-age", "Cache-Control: max-age=60\r\n"),
    ("public", "Cache-Control: public\r\n"),
    // nginx keeps it by its own `proxy_cache_valid`.
    ("nothing", ""),
    ("expires", "Expires: Wed, 01 Jan 2098 00:00:00 GMT\r\n"),
    ("accel", "X-Accel-Expires: 60\r\nCache-Control: no-cache\r\n"),
    ("etag", "Cache-Control: public, s-maxage=60\r\nETag: \"1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"),
    ("vary", "Cache-Control: public, s-maxage=60\r\nVary: Accept-Language\r\n"),
    ("twice", "Cache-Control: public\r\nCache-Control: s-maxage=60\r\nVary: Cookie\r\nVary: Accept-Language\r\n"),
];

#[test]
fn a_page_of_somebodys_is_shown_to_nobody_else() {
    let scene = Scene::set();
    let (one, other, stranger) = (scene.proxy.browser(), scene.proxy.browser(), scene.proxy.browser());
    one.log_in("10001");
    other.log_in("10002");
    let ids = [&one, &other].map(|browser| browser.user_id().unwrap());
    for access in ["optional", "required"] {
        for (way, _) in WAYS {
            // Whoever comes first, and whoever comes again.
            for (order, browsers) in
                [("user first", [&one, &stranger, &other, &one]), ("stranger first", [&stranger, &one, &one, &other])]
            {
                let target = format!("/{access}/{way}?{}", order.replace(' ', "-"));
                for browser in browsers {
                    let answer = browser.get(&target, &[]);
                    let expected = match browser.cookie("menshen_session") {
                        Some(_) if browser.user_id().as_ref() == Some(&ids[0]) => ids[0].as_str(),
                        Some(_) => ids[1].as_str(),
                        None if access == "required" => {
                            assert_eq!((answer.status, kept(&answer)), (401, false), "{target}");
                            continue;
                        }
                        None => "nobody",
                    };
                    assert_eq!(who(&answer), expected, "{target}: {:?}", answer.headers);
                    assert!(expected == "nobody" || !kept(&answer), "{target}: {:?}", answer.headers);
                }
            }
        }
    }
}

#[test]
fn a_page_of_nobodys_is_kept_and_shown_to_all_who_see_the_same() {
    let scene = Scene::set();
    let user = scene.proxy.browser();
    user.log_in("10001");
    for (way, _) in WAYS.iter().filter(|(way, _)| *way != "public") {
        // A public page is the same for all, whoever asked first.
        let target = format!("/public/{way}");
        let first = user.get(&target, &[]);
        assert_eq!((who(&first), kept(&first)), ("nobody".to_owned(), false));
        for browser in [&scene.proxy.browser(), &user] {
            let again = browser.get(&target, &[]);
            assert!(kept(&again) && again.body == first.body, "{target}: {:?}", again.headers);
        }
        // Of an optional one strangers see what other strangers see.
        let target = format!("/optional/{way}");
        let first = scene.proxy.browser().get(&target, &[]);
        let again = scene.proxy.browser().get(&target, &[]);
        assert!(kept(&again) && again.body == first.body, "{target}: {:?}", again.headers);
    }
}

/// Regression: `Vary: Cookie` stood in a line of its own, and nginx before 1.23 minds the last line alone: pages went
/// to visitors of another language.
#[test]
fn what_the_application_says_that_its_pages_vary_by_still_counts() {
    let scene = Scene::set();
    for access in ["public", "optional"] {
        for way in ["vary", "twice"] {
            let target = format!("/{access}/{way}?language");
            for language in ["zh", "en", "zh", "en"] {
                let answer = scene.proxy.browser().get(&target, &[&format!("Accept-Language: {language}")]);
                assert!(answer.text().contains(&format!("in {language},")), "{target} {language}: {}", answer.text());
            }
        }
    }
}

#[test]
fn no_login_callback_or_logout_is_kept() {
    let scene = Scene::set();
    let proxy = &scene.proxy;
    let begin = |browser: &Browser<'_>, fields: &[&str]| {
        let answer = browser.get("/qq/login/?next=/optional/", fields);
        assert!(!kept(&answer) && answer.all("set-cookie").len() == 1, "{:?}", answer.headers);
        answer
    };
    let (one, other) = (proxy.browser(), proxy.browser());
    for fields in [&["Accept: */*"], &[PAGE]] {
        let answers = [begin(&one, fields), begin(&other, fields)];
        assert_ne!(answers[0].cookie("menshen_login_"), answers[1].cookie("menshen_login_"));
        assert_ne!(
            (answers[0].header("location"), &answers[0].body),
            (answers[1].header("location"), &answers[1].body)
        );
    }

    // The same address by whom it is for, by somebody else, and once more.
    let callback = one.begin_login("/optional/", "10001");
    for (browser, status) in [(&other, 403), (&one, 303), (&other, 403), (&proxy.browser(), 403)] {
        let answer = browser.visit(&callback);
        assert_eq!((answer.status, kept(&answer)), (status, false), "{:?}", answer.headers);
        assert_eq!(answer.all("set-cookie").iter().any(|cookie| cookie.starts_with("menshen_session=")), status == 303);
    }
    other.log_in("10002");

    let stranger = proxy.browser();
    for target in
        ["/.menshen/userinfo", "/.menshen/login?next=/x", "/.menshen/logout", "/required/page", "/.menshen/nothing"]
    {
        for browser in [&one, &stranger, &other, &one, &stranger] {
            for fields in [&["Accept: */*"], &[PAGE]] {
                let answer = browser.get(target, fields);
                assert!(!kept(&answer), "{target}: {:?}", answer.headers);
            }
        }
    }
    assert_ne!(one.user_id(), other.user_id());

    // This nginx keeps answers to POST too, where they may be kept.
    for (browser, is_logged_in) in [(&stranger, false), (&one, true), (&other, true), (&stranger, false)] {
        assert_eq!(browser.user_id().is_some(), is_logged_in);
        let answer = browser.post("/.menshen/logout", &["Accept: */*"]);
        assert_eq!((answer.status, kept(&answer)), (200, false), "{:?}", answer.headers);
        assert_eq!(browser.user_id(), None);
    }
}

#[test]
fn the_shops_own_logout_link_is_followed_by_everybody_for_themselves() {
    let scene = Scene::set();
    let (one, other, stranger) = (scene.proxy.browser(), scene.proxy.browser(), scene.proxy.browser());
    one.log_in("10001");
    other.log_in("10002");
    for browser in [&stranger, &one, &other, &stranger] {
        let answer = browser.visit("/optional/logout");
        assert_eq!(answer.status, 200);
        assert_eq!(browser.user_id(), None);
    }
    for browser in [&one, &other, &stranger] {
        assert_eq!(who(&browser.get("/optional/s-maxage", &[])), "nobody");
    }
}

/// Whether nginx answered out of its cache.
fn kept(answer: &Answer) -> bool {
    !matches!(answer.header("x-cache"), Some("MISS" | "EXPIRED") | None)
}

/// Who the application was told that the visitor is.
fn who(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().split(',').next().unwrap().to_owned()
}

/// nginx, the proxy and the application.
struct Scene {
    /// Its address is nginx's.
    proxy: Proxy,
    _upstream: Upstream,
    _nginx: Program,
    _folder: TempDir,
}

impl Scene {
    fn set() -> Self {
        let count = AtomicUsize::new(0);
        let upstream = Upstream::scripted(move |request| page(request, count.fetch_add(1, Ordering::SeqCst)));
        let mut proxy = Setup::new()
            .server("trusted_proxies = [\"127.0.0.1\"]")
            .site("logout_paths = [\"/optional/logout\"]")
            .section(&routes())
            .section("[log]\naccess = false\n")
            .before(upstream.address());
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let nginx = nginx::serve(folder.path(), &greedy(&folder, &address.to_string(), proxy.address));
        proxy.address = address;
        Scene { proxy, _upstream: upstream, _nginx: nginx, _folder: folder }
    }
}

/// Who it is for, in which language, and a number that no other page has.
fn page(request: &Received, number: usize) -> Vec<u8> {
    let path = request.line().split([' ', '?']).nth(1).unwrap();
    let way = path.rsplit('/').next().unwrap();
    let fields = WAYS.iter().find(|(known, _)| *known == way).map_or(WAYS[0].1, |(_, fields)| fields);
    let who = request.header("x-menshen-user").unwrap_or("nobody");
    let body = format!("{who}, in {}, {number}", request.header("accept-language").unwrap_or("none"));
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A route for each kind of access, named after it.
pub(crate) fn routes() -> String {
    let route = |access: &str| format!("[[routes]]\npath = \"/{access}/*\"\naccess = \"{access}\"\n");
    ["public", "optional", "required"].map(route).concat()
}

/// A cache as people set it up, and as greedy as they do: whatever does not forbid it is kept, whatever its status.
pub(crate) fn greedy(folder: &TempDir, listen: &str, proxy: SocketAddr) -> String {
    format!(
        "proxy_cache_path {}/cache keys_zone=pages:1m;
         server {{
             listen {listen};
             location / {{
                 proxy_pass http://{proxy};
                 proxy_set_header Host $http_host;
                 proxy_set_header X-Forwarded-For $remote_addr;
                 proxy_cache pages;
                 proxy_cache_methods GET HEAD POST;
                 proxy_cache_valid any 1m;
                 proxy_cache_revalidate on;
                 add_header X-Cache $upstream_cache_status always;
             }}
         }}\n",
        folder.path().display()
    )
}
