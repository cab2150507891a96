//! Who may pass, and what an upstream never gets to see.

use crate::support::{Answer, Browser, Connection, PAGE, Proxy, SCRIPT, SITE, Setup, Upstream};

const LOGIN_PAGE: &str = "/.menshen/login";

/// Kinds of call, and what becomes of each that comes without a session to a `required` route.
const CALLS: &str = include_str!("../data/calls.tsv");

/// The cells of a table's rows.
fn rows(table: &'static str) -> Vec<Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect()
}

fn three_kinds(upstream: &Upstream) -> Proxy {
    let setup = Setup::new().route("/public/*", "public").route("/optional/*", "optional");
    setup.route("/required/*", "required").before(upstream)
}

#[test]
fn each_access_treats_each_kind_of_call_as_the_table_says() {
    let upstream = Upstream::hello();
    let proxy = three_kinds(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    for access in ["public", "optional", "required"] {
        for call in rows(CALLS) {
            let [stranger, method, fields @ ..] = call.as_slice() else { panic!("{call:?}") };
            let target = format!("/{access}/x?a=b");
            let case = format!("{method} {target} {fields:?}");
            let answer = proxy.browser().request(method, &target, fields, "");
            match if access == "required" { *stranger } else { "forwarded" } {
                "forwarded" => arrived(&upstream, &answer, false, &case),
                "login" => {
                    assert_eq!(answer.status, 302, "{case}");
                    let location = format!("{LOGIN_PAGE}?next=%2F{access}%2Fx%3Fa%3Db");
                    assert_eq!(answer.header("location"), Some(location.as_str()), "{case}");
                    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
                }
                "told" => {
                    assert_eq!(answer.status, 401, "{case}");
                    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"menshen\""), "{case}");
                    assert_eq!(answer.header("location"), None, "{case}");
                }
                outcome => panic!("{outcome:?} is no outcome"),
            }
            assert!(answer.all("set-cookie").is_empty(), "{case} begins a login by itself");
            // A preflight carries no credentials by its standard; whatever it brings counts for nothing.
            let has_identity = access != "public" && *stranger != "forwarded";
            let answer = user.copy().request(method, &target, fields, "");
            arrived(&upstream, &answer, has_identity, &format!("{case} with a session"));
        }
    }
    upstream.saw_nothing();
}

fn arrived(upstream: &Upstream, answer: &Answer, has_identity: bool, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {}", answer.text());
    let seen = upstream.next();
    assert_eq!(seen.header("x-menshen-user").is_some(), has_identity, "{case}: {}", seen.head);
    assert_eq!(seen.header("authorization").is_some(), has_identity, "{case}: {}", seen.head);
}

#[test]
fn a_401_says_what_shops_front_ends_already_know() {
    let upstream = Upstream::hello();
    let proxy = three_kinds(&upstream);
    let answer = proxy.browser().get("/required/", &[SCRIPT]);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let expected = r#"{"code":"4101","errmsg":"用户未登录","login_url":"/.menshen/login","request_id":""#;
    assert!(answer.text().starts_with(expected), "{}", answer.text());
    assert_eq!(answer.json().as_object().unwrap().len(), 4);
    // To somebody who reads pages it is one, with a way to log in; in the reader's language.
    for (language, words) in [("zh-CN", "请先登录"), ("en", "log in")] {
        let answer =
            proxy.browser().request("POST", "/required/", &[PAGE, &format!("Accept-Language: {language}")], "x=1");
        assert_eq!(answer.status, 401);
        assert!(answer.header("content-security-policy").is_some());
        let page = answer.text();
        assert!(page.to_lowercase().contains(words) && page.contains(r#"href="/.menshen/login"#), "{page}");
    }
    upstream.saw_nothing();
}

#[test]
fn no_spelling_of_an_identity_or_an_override_passes() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route("/public/*", "public")
        .route("/optional/*", "optional")
        .route("/required/*", "required")
        .section(include_str!("../data/told_headers.toml"))
        .before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let names = include_str!("../data/forged_headers.txt").lines();
    let forged: Vec<String> = names.map(|name| format!("{name}: forged")).collect();
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    let twice = ["X-Menshen-User: forged"; 3];
    let listed = ["Connection: x-menshen-user, authorization, x-forwarded-for", "X-Menshen-User: forged"];
    // A request has room for 100 fields.
    for fields in forged.chunks(80).chain([&twice[..], &listed]) {
        for (browser, access, has_identity) in [
            (&proxy.browser(), "public", false),
            (&proxy.browser(), "optional", false),
            (&user, "public", false),
            (&user, "optional", true),
            (&user, "required", true),
        ] {
            assert_eq!(browser.get(&format!("/{access}/"), fields).status, 200);
            let seen = upstream.next();
            assert!(!seen.head.contains("forged"), "{}", seen.head);
            assert_eq!(seen.header("x-menshen-user").map(str::to_owned), has_identity.then(|| user.user_id().unwrap()));
            // What we say ourselves of where the request comes from is there all the same.
            assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
            assert_eq!(seen.header("x-forwarded-host"), Some(SITE));
        }
    }
}

#[test]
fn no_trailer_claims_an_identity() {
    let upstream = Upstream::hello();
    let proxy = three_kinds(&upstream);
    for name in ["X-Menshen-User", "X_Menshen_User", "Authorization", "Cookie", "X-Original-URL", "Close"] {
        let body = format!("1\r\nx\r\n0\r\n{name}: forged\r\nX-Sum: kept\r\n\r\n");
        let head =
            format!("POST /optional/ HTTP/1.1\r\nHost: {SITE}\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n");
        let answer = proxy.connect().send(format!("{head}Trailer: {name}, X-Sum\r\n\r\n{body}")).answer();
        assert_eq!(answer.status, 200, "{name}");
        let seen = upstream.next();
        let body = String::from_utf8(seen.body.clone()).unwrap();
        assert!(!body.contains("forged"), "{name}: {body:?}");
    }
}

#[test]
fn our_cookies_stay_here_and_all_others_keep_their_bytes() {
    let upstream = Upstream::hello();
    let proxy = three_kinds(&upstream);
    for (fields, expected) in [
        (
            &["a=1; menshen_session=x; b= \"q\" ;menshen_login_abc=y; __Host-menshen_session=z; c=%20"][..],
            &["a=1; b= \"q\" ; c=%20"][..],
        ),
        (&["menshen_session=x"], &[]),
        (&["__Secure-menshen_session=x;__Host-menshen_login_1=y"], &[]),
        (&["a=1;b=2;;c"], &["a=1;b=2;;c"]),
        (&["menshen_session=x; sessionid=s", "menshen_login_a=b", "csrftoken=t"], &["sessionid=s", "csrftoken=t"]),
        (&["menshen_sessions=1; xmenshen_session=2"], &["menshen_sessions=1; xmenshen_session=2"]),
    ] {
        let fields: Vec<String> = fields.iter().map(|field| format!("Cookie: {field}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        for access in ["public", "optional"] {
            assert_eq!(proxy.connect().get(&format!("/{access}/"), &fields).answer().status, 200);
            assert_eq!(upstream.next().all("cookie"), expected, "{access} {fields:?}");
        }
    }
}

/// Regression: who was known to the application by a cookie of its own went past a guarded route.
#[test]
fn no_cookie_of_anybodys_passes_with_a_preflight() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let request = "OPTIONS /user/x HTTP/1.1\r\nHost: www.meiduo.site\r\nOrigin: http://e.test\r\n\
        Access-Control-Request-Method: POST\r\nCookie: sessionid=the-shops-own\r\nCookie: other=1\r\n\r\n";
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    assert_eq!(upstream.next().header("cookie"), None);
}

#[test]
fn no_case_of_a_method_goes_round_a_route_for_that_method() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route_of("path = \"/api/*\"\nmethods = [\"GET\", \"POST\"]\naccess = \"required\"")
        .before(&upstream);
    for (method, status) in [("GET", 401), ("HEAD", 401), ("POST", 401), ("post", 405), ("Get", 405), ("trace", 405)] {
        let mut connection = proxy.connect();
        connection.send(format!("{method} /api/x HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 0\r\n\r\n"));
        let answer = connection.answer_to(method == "HEAD");
        assert_eq!(answer.status, status, "{method}");
        let everything = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        assert_eq!(answer.header("allow"), (status == 405).then_some(everything), "{method}");
    }
    upstream.saw_nothing();
}

/// Fields of requests, and whether each counts as asked for by the site or the user.
const ORIGINS: &str = include_str!("../data/origins.tsv");

/// A shop on plain http whose pages send no `Referer`: its own forms come with `Origin: null`.
#[test]
fn a_null_origin_is_the_sites_own_on_routes_that_allow_it_alone() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[[routes]]\npath = \"/forms/*\"\nallow_null_origin = true\n").before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    for (path, fields, status) in [
        ("/forms/", &["Origin: null"][..], 200),
        ("/", &["Origin: null"], 403),
        ("/forms/", &["Origin: http://evil.example"], 403),
        ("/forms/", &["Origin: null", "Origin: http://evil.example"], 403),
        // Where the browser says who asked, that counts.
        ("/forms/", &["Origin: null", "Sec-Fetch-Site: cross-site"], 403),
        // What may be another route's path is not this one's to allow.
        ("/forms/..%2fother", &["Origin: null"], 403),
    ] {
        assert_eq!(user.request("POST", path, fields, "").status, status, "{path} {fields:?}");
    }
    assert_eq!(user.request("POST", "/.menshen/logout", &["Origin: null"], "").status, 403);
}

/// No browser sends it twice; whoever does is not believed.
#[test]
fn who_asked_is_what_every_sec_fetch_site_says() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    for (said, status) in [(["same-origin", "none"], 200), (["same-origin", "cross-site"], 403), (["", "none"], 403)] {
        let fields = said.map(|from| format!("Sec-Fetch-Site: {from}"));
        assert_eq!(user.request("POST", "/", &[&fields[0], &fields[1]], "").status, status, "{said:?}");
    }
}

#[test]
fn a_cookie_is_no_consent_to_what_another_site_asks_for() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .site("aliases = [\"shop.example\"]\nallowed_hosts = [\"https://m.meiduo.site\"]")
        .route("/public/*", "public")
        .route("/required/*", "required")
        .before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let bearer = format!("Authorization: Bearer {}", proxy.browser().token("10001"));
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    // Regression: `Connection` in two fields, as a proxy in front may write it.
    let in_two = ["Connection: keep-alive", "Connection: Upgrade", "Upgrade: websocket"];
    for row in rows(ORIGINS) {
        let [asked_by @ ("own" | "foreign"), fields @ ..] = row.as_slice() else { panic!("{row:?}") };
        let is_own = *asked_by == "own";
        for (method, more) in [("POST", &[][..]), ("DELETE", &[]), ("PATCH", &[]), ("GET", &upgrade), ("GET", &in_two)]
        {
            let fields = [fields, more].concat();
            for path in ["/", "/required/"] {
                let answer = user.request(method, path, &fields, "");
                assert_eq!(answer.status, if is_own { 200 } else { 403 }, "{method} {path} {fields:?}");
                assert_eq!(answer.header("location"), None);
                if is_own {
                    assert!(upstream.next().header("x-menshen-user").is_some());
                }
            }
            // Without identity there is nothing to abuse; a token was put there on purpose.
            for (browser, path, token) in [
                (&user, "/public/", None),
                (&proxy.browser(), "/", None),
                (&proxy.browser(), "/required/", Some(&bearer)),
            ] {
                let fields: Vec<&str> = fields.iter().copied().chain(token.map(String::as_str)).collect();
                assert_eq!(browser.request(method, path, &fields, "").status, 200, "{method} {path} {fields:?}");
                assert_eq!(upstream.next().header("x-menshen-user").is_some(), token.is_some());
            }
        }
        // Reading is left to the browser's own rules.
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(user.request(method, "/required/", fields, "").status, 200, "{method} {fields:?}");
            upstream.next();
        }
    }
    let answer = user.request("POST", "/", &["Origin: http://evil.example", SCRIPT], "");
    assert_eq!(answer.json()["errmsg"], "请求来自其他网站");
    upstream.saw_nothing();
}

#[test]
fn endpoints_of_ours_take_their_methods_alone() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (path, takes, allow) in [
        ("/qq/login/", &["GET"][..], "GET"),
        ("/qq/login", &["GET"], "GET"),
        ("/oauth_callback/", &["GET"], "GET"),
        ("/oauth_callback", &["GET"], "GET"),
        ("/.menshen/login", &["GET", "HEAD"], "GET, HEAD"),
        ("/.menshen/login/", &["GET", "HEAD"], "GET, HEAD"),
        ("/.menshen/logout", &["GET", "HEAD", "POST"], "GET, HEAD, POST"),
        ("/.menshen/userinfo", &["GET", "HEAD"], "GET, HEAD"),
        ("/.menshen/health", &["GET", "HEAD"], "GET, HEAD"),
        ("/.well-known/jwks.json", &["GET", "HEAD"], "GET, HEAD"),
        ("/.well-known/openid-configuration", &["GET", "HEAD"], "GET, HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "QUERY"] {
            let answer = proxy.browser().request(method, path, &[PAGE], "");
            let allowed = takes.contains(&method);
            assert_eq!(answer.status != 405, allowed, "{method} {path}: {}", answer.status);
            assert_eq!(answer.header("allow"), (!allowed).then_some(allow), "{method} {path}");
        }
    }
    for path in ["/.menshen/", "/.menshen/x", "/.menshen/login/x"] {
        assert_eq!(proxy.browser().visit(path).status, 404, "{path}");
    }
    upstream.saw_nothing();
}

#[test]
fn head_is_answered_as_get_is_wherever_nothing_begins_or_ends_by_it() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    // What differs from one answer to the next has the same length.
    let shape = |browser: &Browser<'_>, method: &str, path: &str, field: &str| {
        let answer = browser.copy().request(method, path, &[field], "");
        let mut names: Vec<String> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        (answer.status, names, answer.header("content-length").map(str::to_owned))
    };
    for path in [
        "/.menshen/login",
        "/.menshen/logout",
        "/.menshen/userinfo",
        "/.menshen/health",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
    ] {
        for field in [PAGE, SCRIPT] {
            for browser in [&proxy.browser(), &user] {
                let get = shape(browser, "GET", path, field);
                assert_eq!(shape(browser, "HEAD", path, field), get, "{path} {field}");
            }
        }
    }
    assert_eq!(shape(&user, "HEAD", "/.menshen/userinfo", SCRIPT).0, 200);
    assert_eq!(shape(&user, "HEAD", "/.menshen/logout", PAGE).0, 200);
    upstream.saw_nothing();
}

#[test]
fn health_and_public_keys_answer_any_host_and_everything_else_only_its_own() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let get = |path: &str, hosts: &str| -> Answer {
        let mut connection: Connection = proxy.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\n{hosts}Accept: text/html\r\n\r\n")).answer()
    };
    for hosts in ["Host: 10.0.0.1:8000\r\n", "Host: www.meiduo.site\r\n", "Host: x\r\nHost: y\r\n"] {
        let answer = get("/.menshen/health", hosts);
        // Two hosts are hyper's to refuse, if it does; ours is not to serve by them.
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"status":"ok"}"#), "{hosts}");
        let answer = get("/.well-known/jwks.json", hosts);
        assert_eq!((answer.status, answer.json()["keys"].as_array().unwrap().len()), (200, 1), "{hosts}");
    }
    let of_a_site = ["/", "/qq/login/", "/oauth_callback/", "/.menshen/userinfo", "/.well-known/openid-configuration"];
    for path in of_a_site {
        let answer = get(path, "Host: evil.example\r\n");
        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.text().contains("evil.example") && answer.text().contains("proxy_set_header Host $http_host"));
        assert_eq!(get(path, "Host: www.meiduo.site\r\nHost: www.meiduo.site\r\n").status, 400, "{path}");
    }
    upstream.saw_nothing();
}

#[test]
fn discovery_names_its_own_site_whatever_it_was_asked_under() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().origin("https://shop.example").site("aliases = [\"10.0.0.1\"]").before(&upstream);
    for host in ["shop.example", "10.0.0.1"] {
        let request = format!("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let told = proxy.connect().send(request).answer().json();
        assert_eq!(told["issuer"], "https://shop.example", "{host}");
        assert_eq!(told["jwks_uri"], "https://shop.example/.well-known/jwks.json", "{host}");
    }
}

#[test]
fn answers_with_identity_are_private_and_optional_ones_vary() {
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60, s-maxage=600\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let proxy = three_kinds(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let kept = |browser: &Browser<'_>, path| {
        let answer = browser.visit(path);
        (answer.header("cache-control").unwrap().to_owned(), answer.header("vary").map(str::to_owned))
    };
    let (shared, private) = ("public, max-age=60, s-maxage=600".to_owned(), "private, max-age=60".to_owned());
    let cookie = Some("cookie".to_owned());
    assert_eq!(kept(&proxy.browser(), "/optional/"), (shared.clone(), cookie.clone()));
    assert_eq!(kept(&user, "/optional/"), (private.clone(), cookie));
    assert_eq!(kept(&user, "/required/"), (private, None));
    assert_eq!(kept(&user, "/public/"), (shared, None));
}

/// Regression: another spelling of its name went round a rule for one host, and on to the application's virtual host.
#[test]
fn where_hosts_are_not_strict_an_unknown_one_is_the_sites_own_for_us_and_for_the_application() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .server("strict_hosts = false")
        .site("aliases = [\"admin.local:9500\"]")
        .route_of("host = \"admin.local:9500\"\npath = \"/*\"\naccess = \"required\"")
        .before(&upstream);
    let get = |host: &str| proxy.connect().send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).answer().status;
    for host in ["admin.local:9500", "ADMIN.local:9500", "admin.local.:9500"] {
        assert_eq!(get(host), 401, "{host}");
    }
    for host in ["admin.local", "admin.local:", "admin.local:09500", "x@admin.local:9500", "admin.local..:9500"] {
        assert_eq!(get(host), 200, "{host}");
        assert_eq!(upstream.next().all("host"), ["www.meiduo.site"], "{host}");
    }
}
