//! `menshen explain`: what it says is what happens.

use crate::support::{Browser, PAGE, Proxy, SCRIPT, Setup, Upstream};

fn setup() -> Setup {
    Setup::new().route("/user/*", "required").route("/static/*", "public")
}

/// What is said of a request, by its words.
fn explain(proxy: &Proxy, words: &[&str]) -> String {
    proxy.command(&[&["explain"], words].concat()).good()
}

fn finding<'t>(told: &'t str, word: &str) -> Option<&'t str> {
    told.lines().find_map(|line| Some(line.strip_prefix(word)?.trim()))
}

#[test]
fn the_answer_that_is_foretold_is_the_answer_that_comes() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = browser.cookie_header().unwrap();
    let foreign = "Origin: http://evil.example";
    let long = format!("/{}", "a".repeat(40 * 1024));
    let answers = |status| match status {
        200 => "the application's".to_owned(),
        302 => "302 to the login page".to_owned(),
        other => format!("{other}: "),
    };
    for (method, target, field, is_logged_in) in [
        ("GET", "/", SCRIPT, false),
        ("GET", "/user/", PAGE, false),
        ("GET", "/user/", SCRIPT, false),
        ("GET", "/user/", SCRIPT, true),
        ("GET", "/static/../user/", SCRIPT, false),
        ("GET", "/static/..%2fuser/", SCRIPT, false),
        ("POST", "/user/", foreign, true),
        ("POST", "/user/", foreign, false),
        ("GET", "/OAUTH_callback/", SCRIPT, false),
        ("TRACE", "/", SCRIPT, false),
        ("GET", &long, SCRIPT, false),
        ("GET", "/", "Transfer-Encoding: gzip", false),
        ("POST", "/", "Content-Length: abc", false),
        ("POST", "/", "Content-Length: +0", false),
        ("POST", "/", "Content-Length: 0", false),
        ("CONNECT", "127.0.0.1:80", SCRIPT, false),
        ("CONNECT", "www.meiduo.site", SCRIPT, false),
        ("GET", "/", "X-Host: other.example", false),
        ("GET", "/user/", "Authorization: Bearer x.y.z", false),
        ("GET", "/static/a.css", SCRIPT, true),
    ] {
        let stranger = proxy.browser();
        let asking: &Browser<'_> = if is_logged_in { &browser } else { &stranger };
        let status = asking.request(method, target, &[field], "").status;
        let mut words = vec![method, target, "-H", field];
        if is_logged_in {
            words.extend(["--cookie", &cookies]);
        }
        let told = explain(&proxy, &words);
        let answer = finding(&told, "answer").unwrap();
        assert!(answer.starts_with(&answers(status)), "{method} {target} {field} {status}\n{told}");
    }
    let many: Vec<String> = (0..120).map(|at| format!("X-{at}: 1")).collect();
    let fields: Vec<&str> = many.iter().map(String::as_str).collect();
    for fields in [&fields[..], &fields[..99]] {
        let status = proxy.connect().get("/", fields).answer().status;
        let words: Vec<&str> = fields.iter().flat_map(|field| ["-H", field]).collect();
        let told = explain(&proxy, &[&["GET", "/"], &words[..]].concat());
        assert!(finding(&told, "answer").unwrap().starts_with(&answers(status)), "{status}\n{told}");
    }
}

#[test]
fn what_a_route_answers_by_itself_is_foretold() {
    let upstream = Upstream::hello();
    let route = |path: &str, lines: &str| format!("[[routes]]\npath = \"{path}\"\n{lines}\n");
    let setup = setup().section(&route("/old/*", "redirect.to = \"/new{target}\"\nredirect.status = 308"));
    let setup = setup.section(&route("/shut/*", "maintenance = true")).section(&route("/ok", "answer.status = 204"));
    let proxy = setup.before(&upstream);
    for (target, said) in [
        ("/old/a?b=c", "308: to /new/old/a?b=c"),
        ("/shut/", "503: a page of ours, the site is being worked on"),
        ("/ok", "204: without a text"),
    ] {
        let status = proxy.connect().get(target, &[]).answer().status;
        let told = explain(&proxy, &["GET", target]);
        assert_eq!(finding(&told, "answer"), Some(said), "{told}");
        assert!(said.starts_with(&status.to_string()), "{status}");
    }
}

#[test]
fn what_the_parser_does_not_take_is_foretold_to_the_byte() {
    let upstream = Upstream::hello();
    let proxy = setup().section("[limits]\nheader_bytes = \"8KiB\"\ntarget_bytes = \"4KiB\"").before(&upstream);
    let answer = |words: &[&str]| finding(&explain(&proxy, words), "answer").unwrap().to_owned();
    let bare = "GET /a HTTP/1.1\r\nHost: www.meiduo.site\r\nX-Long: \r\n\r\n".len();
    for (bytes, status, foretold) in [(8192, 200, "the application's"), (8193, 431, "431: a head of 8193 bytes")] {
        let field = format!("X-Long: {}", "a".repeat(bytes - bare));
        assert_eq!(proxy.connect().get("/a", &[&field]).answer().status, status, "{bytes}");
        let told = answer(&["GET", "/a", "-H", &field]);
        assert!(told.starts_with(foretold), "{bytes} {told}");
        // Of an address its path alone is sent.
        let told = answer(&["GET", "http://www.meiduo.site/a", "-H", &field]);
        assert!(told.starts_with(foretold), "{bytes} {told}");
    }
    let (host, other) = ("Host: www.meiduo.site", "Host: a.example");
    for fields in [[other, host], [host, host]] {
        let request = format!("GET / HTTP/1.1\r\n{}\r\n{}\r\n\r\n", fields[0], fields[1]);
        assert_eq!(proxy.connect().send(request).answer().status, 400);
        let told = answer(&["GET", "/", "-H", fields[0], "-H", fields[1]]);
        assert!(told.starts_with("400: "), "{fields:?} {told}");
    }
    assert!(answer(&["GET", "/", "-H", host]).starts_with("the application's"), "it stands in place of the usual one");
    for (fields, status) in [
        (["Content-Length: 1", "Content-Length: 2"], 400),
        (["Content-Length: 2x", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: x"], 200),
    ] {
        let told = answer(&["POST", "/", "-H", fields[0], "-H", fields[1]]);
        let request = format!("POST / HTTP/1.1\r\n{host}\r\n{}\r\n{}\r\n\r\n0\r\n\r\n", fields[0], fields[1]);
        assert_eq!(proxy.connect().send(request).answer().status, status, "{fields:?}");
        assert_eq!(told.starts_with("400: "), status == 400, "{fields:?} {told}");
    }
}

#[test]
fn an_address_of_another_scheme_is_not_explained_without_a_word() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let told = explain(&proxy, &["GET", "https://www.meiduo.site/"]);
    assert_eq!(
        finding(&told, "scheme"),
        Some("https, but the site is http://www.meiduo.site: explained as asked for there")
    );
    assert_eq!(finding(&explain(&proxy, &["GET", "http://www.meiduo.site/"]), "scheme"), None);
    assert!(proxy.command(&["explain", "GET", "ftp://www.meiduo.site/"]).bad().contains("nobody asks a site for ftp"));
}

#[test]
fn an_endpoint_of_ours_answers_as_was_foretold_and_does_nothing_before() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let foreign = "Origin: http://evil.example";
    let prefetch = "Sec-Purpose: prefetch";
    let callback = browser.begin_login("/user/", "10001");
    let attempt = browser.cookie_header().unwrap();
    for (method, target, field, is_logged_in) in [
        ("GET", "/.menshen/health", SCRIPT, false),
        ("POST", "/.menshen/health", SCRIPT, false),
        ("GET", "/.well-known/jwks.json", SCRIPT, false),
        ("GET", "/.menshen/nothing", SCRIPT, false),
        ("GET", "/.menshen/login", PAGE, true),
        ("GET", "/qq/login/", SCRIPT, false),
        ("GET", "/qq/login/", PAGE, false),
        ("GET", "/qq/login/", prefetch, false),
        ("POST", "/qq/login/", SCRIPT, false),
        ("GET", "/.menshen/userinfo", SCRIPT, false),
        ("GET", "/.menshen/userinfo", SCRIPT, true),
        ("GET", "/oauth_callback/?code=ABCDEF&state=x", PAGE, false),
        ("GET", "/oauth_callback/?usercancel=1", PAGE, false),
        ("POST", "/oauth_callback/", PAGE, false),
        ("GET", "/.menshen/logout", PAGE, true),
        ("GET", "/.menshen/logout", SCRIPT, true),
        ("POST", "/.menshen/logout", foreign, true),
        ("POST", "/.menshen/logout", SCRIPT, false),
        // Last: it ends the session.
        ("POST", "/.menshen/logout", SCRIPT, true),
    ] {
        let stranger = proxy.browser();
        let asking: &Browser<'_> = if is_logged_in { &browser } else { &stranger };
        let cookies = asking.cookie_header();
        let mut words = vec![method, target, "-H", field];
        words.extend(cookies.iter().flat_map(|cookies| ["--cookie", cookies]));
        let told = explain(&proxy, &words);
        assert!(browser.user_id().is_some(), "nothing has ended: {method} {target}");
        let status = asking.request(method, target, &[field], "").status;
        let answer = finding(&told, "answer").unwrap();
        assert!(answer.starts_with(&format!("{status}: ")), "{method} {target} {field} {status}\n{told}");
    }
    assert_eq!(browser.user_id(), None);
    let told = explain(&proxy, &["GET", &callback, "--cookie", &attempt]);
    assert!(finding(&told, "answer").unwrap().ends_with("in the end 303: to /user/"), "{told}");
    assert_eq!(browser.visit(&callback).status, 303, "the code was not spent by the question");
}

#[test]
fn following_the_shops_logout_link_is_told_and_ends_nothing() {
    let upstream = Upstream::hello();
    let proxy = setup().site("logout_paths = [\"/logout/\"]").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = browser.cookie_header().unwrap();
    let told = |method| explain(&proxy, &[method, "/logout/", "--cookie", &cookies]);
    let followed = told("GET");
    assert!(finding(&followed, "logout").unwrap().ends_with("would end"), "{followed}");
    let looked_at = told("HEAD");
    assert!(finding(&looked_at, "logout").unwrap().contains("nothing would end"), "{looked_at}");
    let stranger = explain(&proxy, &["GET", "/logout/"]);
    assert!(finding(&stranger, "logout").unwrap().contains("no session to end"), "{stranger}");
    assert_eq!(finding(&explain(&proxy, &["GET", "/user/", "--cookie", &cookies]), "logout"), None);
    assert!(browser.user_id().is_some());
}

#[test]
fn the_route_is_told_with_its_methods_and_its_host() {
    let upstream = Upstream::hello();
    let narrow = "path = \"/m/*\"\nmethods = [\"GET\", \"POST\"]\nhost = \"www.meiduo.site\"";
    let proxy = setup().route_of(narrow).before(&upstream);
    let route = |target| finding(&explain(&proxy, &["GET", target]), "route").unwrap().to_owned();
    assert_eq!(route("/m/x"), "/m/*, optional, GET POST, www.meiduo.site");
    assert_eq!(route("/user/"), "/user/*, required, any method, any host");
}

#[test]
fn whatever_would_not_go_on_is_told_and_what_goes_on_in_our_name() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    let token = format!("Authorization: Bearer {}", browser.token("10001"));
    let session = format!("menshen_session={}", browser.cookie("menshen_session").unwrap());
    let cookies = format!("theme=dark; {session}");
    let fields = [
        &*token,
        "Connection: upgrade, X-Hop",
        "Upgrade: unheard-of",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "X-Forwarded-For: 198.51.100.9",
        "X-Kept: 1",
    ];
    let mut words = vec!["GET", "/user/", "--from", "127.0.0.1", "--cookie", &cookies];
    words.extend(fields.iter().flat_map(|field| ["-H", field]));
    let told = explain(&proxy, &words);
    let all = |word: &str| told.lines().filter_map(|line| Some(line.strip_prefix(word)?.trim())).collect::<Vec<_>>();
    let dropped = all("dropped");
    for name in ["authorization", "connection", "upgrade", "x-hop", "keep-alive", "x-forwarded-for"] {
        assert!(dropped.contains(&name), "{name}\n{told}");
    }
    assert!(dropped.contains(&"cookie (menshen_session)"), "{told}");
    assert!(!told.contains("theme=dark") && !told.contains(&session) && !told.contains("x-kept"), "{told}");
    let request: Vec<String> = [format!("Cookie: {cookies}")].into_iter().chain(fields.map(str::to_owned)).collect();
    let request: Vec<&str> = request.iter().map(String::as_str).collect();
    assert_eq!(proxy.connect().get("/user/", &request).answer().status, 200);
    let received = upstream.next();
    for header in all("header").into_iter().filter(|header| !header.contains("<a token")) {
        let (name, value) = header.split_once(": ").unwrap();
        assert_eq!(received.header(name), Some(value), "{told}");
    }
    for name in ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        assert!(all("header").iter().any(|header| header.starts_with(&format!("{name}: "))), "{name}\n{told}");
    }
    assert_eq!(received.header("cookie"), Some("theme=dark"));
    assert_eq!((received.header("x-hop"), received.header("upgrade")), (None, None));
}

#[test]
fn a_cookie_is_read_from_standard_input_where_no_list_of_processes_shows_it() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = browser.cookie_header().unwrap();
    for line in [format!("{cookies}\n"), format!("Cookie: {cookies}\r\n")] {
        let told = proxy.command_with(&["explain", "GET", "/user/", "--cookie", "-"], &line).good();
        assert!(finding(&told, "session").unwrap().starts_with("by cookie: user "), "{told}");
    }
}

#[test]
fn the_application_would_get_what_is_told_and_nothing_is_sent() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let (cookies, id) = (browser.cookie_header().unwrap(), browser.user_id().unwrap());
    let forged = "X-Menshen-User: admin";
    let told = explain(&proxy, &["GET", "http://www.meiduo.site/user/?a=b", "--cookie", &cookies, "-H", forged]);
    assert_eq!(finding(&told, "dropped"), Some("x-menshen-user"), "{told}");
    assert!(told.contains(&format!("x-menshen-user: {id}")), "{told}");
    assert!(told.contains(&format!(r#""sub":"{id}""#)) && told.contains("authorization: Bearer <a token"), "{told}");
    assert!(!told.contains("eyJ") && !told.contains(&cookies), "no token and no cookie is shown: {told}");
    assert_eq!(finding(&told, "upstream"), Some("mall"), "{told}");
    assert!(finding(&told, "session").unwrap().starts_with(&format!("by cookie: user {id}")), "{told}");
    upstream.saw_nothing();
    assert!(browser.user_id().is_some());
}

#[test]
fn what_cannot_be_foretold_is_refused_with_the_reason() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let told = explain(&proxy, &["GET", "http://other.example/"]);
    assert!(finding(&told, "answer").unwrap().starts_with("421: no site is called \"other.example\""), "{told}");
    let own = explain(&proxy, &["GET", "/qq/login/"]);
    assert_eq!(finding(&own, "endpoint"), Some("Menshen's own: LoginStart"), "{own}");
    for (words, reason) in [
        (["explain", "G ET", "/", "-H", "a:b"], "is no method"),
        (["explain", "GET", "/", "-H", "nonsense"], "Name: value"),
        (["explain", "GET", "http://[", "-H", "a:b"], "the address"),
    ] {
        assert!(proxy.command(&words).bad().contains(reason), "{words:?}");
    }
    proxy.stop();
    assert!(proxy.command(&["explain", "GET", "/"]).bad().contains("no proxy runs"));
}
