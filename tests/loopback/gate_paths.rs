//! Paths that servers read in different ways: whatever anybody could take for guarded is guarded.

use crate::support::{SCRIPT, Setup, Upstream};

#[test]
fn a_path_that_anybody_could_read_as_guarded_is_guarded_and_forwarded_as_it_was_sent() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route("/public/*", "optional")
        .route("/x/*", "optional")
        .route("/admin/*", "required")
        .route_of("path = \"/folded/*\"\naccess = \"required\"\nignore_case = true")
        .before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    for path in include_str!("../data/guarded_paths.txt").lines() {
        let answer = proxy.connect().get(path, &[SCRIPT]).answer();
        assert_eq!(answer.status, 401, "{path}");
        upstream.saw_nothing();
        assert_eq!(user.get(path, &[SCRIPT]).status, 200, "{path}");
        let seen = upstream.next();
        assert_eq!(seen.line(), format!("GET {path} HTTP/1.1"));
        assert!(seen.header("x-menshen-user").is_some(), "{path}");
    }
    for path in ["/", "/x/..y", "/administrator", "/x/admin", "/Admin/x", "/x/%E6%90%9C", "/x;a/b", "/x//y"] {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 200, "{path}");
        assert_eq!(upstream.next().line(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn the_upstream_of_a_public_route_learns_nobody_by_another_reading_of_its_path() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/static/*", "public").route("/user/*", "required").before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    assert_eq!(user.get("/static/..;/user/x", &[SCRIPT]).status, 200);
    let seen = upstream.next();
    assert_eq!((seen.header("x-menshen-user"), seen.header("authorization")), (None, None));
}

#[test]
fn no_spelling_of_the_contracts_paths_reaches_the_shops_own_login() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for path in ["/%71q/login/", "//oauth_callback/?code=1&state=2", "/x/../qq/login", "/oauth_callback;a=b/"] {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 404, "{path}");
    }
    upstream.saw_nothing();
}

/// Regression: only the reading was folded, and not the path it was compared with.
#[test]
fn nor_where_the_contracts_paths_are_configured_in_capitals() {
    let upstream = Upstream::hello();
    let login = "[login]\nstart = \"/QQ/Login/\"\ncallback = \"/OAuth_Callback/\"";
    let proxy = Setup::new().section(login).before(&upstream);
    for path in ["/oauth_callback?code=1&state=2", "/OAUTH_CALLBACK/", "/qq/login/", "/qq//Login/", "/%51Q/Login%2f"] {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 404, "{path}");
    }
    upstream.saw_nothing();
}

#[test]
fn where_case_does_not_count_no_letter_that_folds_into_another_goes_round_a_route() {
    let upstream = Upstream::hello();
    let proxy =
        Setup::new().route_of("path = \"/bike-orders/*\"\naccess = \"required\"\nignore_case = true").before(&upstream);
    for path in
        ["/BIKE-ORDERS/1", "/bike-order%C5%BF/1", "/bi%E2%84%AAe-orders/1", "/B%C4%B1ke-orders/", "/b%C4%B0ke-orders/"]
    {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 401, "{path}");
    }
    upstream.saw_nothing();
    assert_eq!(proxy.connect().get("/bike-order/1", &[SCRIPT]).answer().status, 200);
}

/// There are frameworks that do not look at a last slash.
#[test]
fn an_exact_route_guards_its_path_with_and_without_the_last_slash_unless_another_route_is_for_that() {
    let upstream = Upstream::hello();
    let proxy = Setup::new()
        .route("/account", "required")
        .route("/orders/", "required")
        .route("/cart/", "required")
        .route("/cart", "optional")
        .before(&upstream);
    for path in ["/account", "/account/", "/orders/", "/orders", "/cart/", "/x/../account/", "/account%2f"] {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 401, "{path}");
    }
    upstream.saw_nothing();
    let folding = Setup::new()
        .route_of("path = \"/account\"\naccess = \"required\"\nignore_case = true")
        .route_of("path = \"/orders/\"\nmethods = [\"POST\"]\naccess = \"optional\"")
        .route("/orders", "required")
        .before(&upstream);
    // A prefix that another route outranks takes nothing, and so gives no exact route's twin away.
    let hosts = Setup::new()
        .site("aliases = [\"m.meiduo.site\"]")
        .route("/x/*", "required")
        .route_of("host = \"m.meiduo.site\"\npath = \"/*\"")
        .route_of("host = \"m.meiduo.site\"\npath = \"/x\"\naccess = \"required\"")
        .before(&upstream);
    for path in ["/x", "/x/", "/x%2f"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: m.meiduo.site\r\nAccept: */*\r\n\r\n");
        assert_eq!(hosts.connect().send(request).answer().status, 401, "{path}");
    }
    for path in ["/ACCOUNT/", "/Account", "/account/", "/%C4%B0ccount/../ACCOUNT/", "/orders/", "/orders"] {
        assert_eq!(folding.connect().get(path, &[SCRIPT]).answer().status, 401, "{path}");
    }
    upstream.saw_nothing();
    for path in ["/cart", "/account/x", "/accounts", "/account//x"] {
        assert_eq!(proxy.connect().get(path, &[SCRIPT]).answer().status, 200, "{path}");
    }
}
