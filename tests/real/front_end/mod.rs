//! A shop of two halves, both unmodified: an API of Django's with djangorestframework-jwt, and static pages at another
//! origin of the same site, which know nothing but the API's address. In Chromium.

use serde_json::json;

use crate::backends::mall_api::{MallApi, SECRET};
use crate::backends::{Proxy, Setup, Upstream, free_address};
use crate::journey::browser::{Whereabouts, play_with};
use crate::rest_shop;

const PAGES: [(&str, &str); 3] = [
    ("/login.html", include_str!("pages/login.html")),
    ("/oauth_callback.html", include_str!("pages/oauth_callback.html")),
    ("/user_center.html", include_str!("pages/user_center.html")),
];

#[test]
fn pages_elsewhere_log_in_and_open_what_is_their_visitors() {
    play("front_end_logs_in", "random", true);
}

#[test]
fn pages_that_take_the_state_for_the_next_page_do_so_too() {
    play("front_end_logs_in", "next", true);
}

#[test]
fn pages_that_are_not_listed_learn_nothing() {
    play("front_end_is_not_listed", "random", false);
}

fn play(case: &str, state: &str, is_listed: bool) {
    let listen = free_address();
    let host = format!("http://www.meiduo.site:{}", listen.port());
    let is_next = state == "next";
    let script = format!("var host = {host:?};\nvar stateIsNext = {is_next};\n");
    let pages = Upstream::scripted(move |request| {
        let path = request.line().split([' ', '?']).nth(1).unwrap();
        let page = PAGES.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let (kind, body) = match (page, path) {
            (Some(text), _) => ("text/html", text),
            (None, "/host.js") => ("text/javascript", script.as_str()),
            (None, _) => ("text/plain", ""),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let origin = format!("http://web.meiduo.site:{}", pages.address().port());
    let [environment, authentication] = rest_shop::DRF_JWT;
    let api = MallApi::start(environment, authentication, &origin);
    let callback = format!("{origin}/oauth_callback.html");
    let listed = if is_listed { format!("cors_origins = [{origin:?}]\n") } else { String::new() };
    let layout = Setup::new()
        .port(listen.port())
        .server(&format!("listen = [\"{listen}\"]"))
        .callback(&callback)
        .site(&listed)
        .section(&format!("[identity.default]\npreset = \"drf-jwt\"\nsecret = {SECRET:?}\n"))
        .section(&format!(
            "[sites.front_end]\nstart = \"/oauth/qq/authorization/\"\ncallback = \"/oauth/qq/user/\"\n\
             redirect_uri = {callback:?}\nstate = \"{state}\"\n\
             callback_json = {{ token = \"{{token}}\", username = \"{{user.username}}\", user_id = \"{{user.upstream_id}}\" }}\n"
        ))
        .lay_out(api.address);
    let proxy = Proxy::start(layout);
    rest_shop::import(&proxy);
    let whereabouts = Whereabouts { site: host, qq: format!("http://{}", proxy.qq.addr()) };
    play_with(case, &whereabouts, &proxy.program, &json!({ "pages": origin, "others": [origin] }));
}
