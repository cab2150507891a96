//! Another site under the same domain, to which a visitor has come: browsers send it no cookie of ours, but they send
//! ours with whatever it asks of the shop, and take cookies for the whole domain from it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tempfile::TempDir;

use super::browser::{Whereabouts, play_with};
use crate::backends::{Program, Proxy, Received, SITE, Setup, Upstream, free_address, nginx, read_request, tls};

const SIBLING: &str = "evil.meiduo.site";

#[test]
fn over_http_nothing_a_sibling_asks_for_reaches_the_shop_with_the_visitors_identity() {
    Scene::over_http().play("a_sibling_asks");
}

#[test]
fn over_https_nothing_a_sibling_asks_for_reaches_the_shop_with_the_visitors_identity() {
    Scene::over_https().play("a_sibling_asks");
}

#[test]
fn over_http_a_session_that_a_sibling_plants_makes_the_visitor_nobody_and_never_somebody_else() {
    Scene::over_http().play("a_sibling_plants_over_http");
}

#[test]
fn over_https_no_cookie_that_a_sibling_plants_changes_who_the_visitor_is() {
    Scene::over_https().play("a_sibling_plants_over_https");
}

/// The shop, its sibling, and whatever stands before them.
struct Scene {
    shop: Upstream,
    proxy: Proxy,
    /// Origins.
    site: String,
    sibling: String,
    _sibling: Upstream,
    _nginx: Option<(Program, TempDir)>,
}

impl Scene {
    fn over_http() -> Self {
        let (shop, sibling) = (shop(), sibling());
        let listen = free_address();
        let proxy = setup().port(listen.port()).server(&format!("listen = [\"{listen}\"]")).before(shop.address());
        let site = format!("http://{}", proxy.host);
        let origin = format!("http://{SIBLING}:{}", sibling.address().port());
        Scene { shop, proxy, site, sibling: origin, _sibling: sibling, _nginx: None }
    }

    fn over_https() -> Self {
        let (shop, sibling) = (shop(), sibling());
        let (https, http) = (free_address(), free_address());
        let proxy =
            setup().https().port(https.port()).server("trusted_proxies = [\"127.0.0.1\"]").before(shop.address());
        let folder = tempfile::tempdir().unwrap();
        tls::certificate(&[SITE, SIBLING], folder.path());
        let both = nginx::handed_out(folder.path(), proxy.address, https, http)
            + &nginx_before_the_sibling(&folder, https, sibling.address());
        let nginx = nginx::serve(folder.path(), &both);
        let site = format!("https://{}", proxy.host);
        let origin = format!("https://{SIBLING}:{}", https.port());
        Scene { shop, proxy, site, sibling: origin, _sibling: sibling, _nginx: Some((nginx, folder)) }
    }

    fn play(&self, case: &str) {
        let whereabouts = Whereabouts { site: self.site.clone(), qq: format!("http://{}", self.proxy.qq.addr()) };
        let told = json!({ "sibling": self.sibling, "others": [self.sibling] });
        play_with(case, &whereabouts, &self.proxy.program, &told);
        let (mut by_shop, mut by_sibling) = (0, 0);
        while let Some(request) = self.shop.try_next() {
            let cookies = request.all("cookie").join(";");
            for name in cookies.split(';').map(str::trim) {
                let name = name.strip_prefix("__Host-").or(name.strip_prefix("__Secure-")).unwrap_or(name);
                assert!(!name.starts_with("menshen_"), "a cookie of ours reached the shop: {cookies}");
            }
            let is_somebody = request.header("x-menshen-user").is_some();
            assert_eq!(request.header("authorization").is_some(), is_somebody, "{}", request.head);
            by_shop += usize::from(is_somebody && request.line().contains("by=shop"));
            if request.line().contains("by=sibling") {
                assert!(!is_somebody, "the sibling asked for this: {}", request.head);
                by_sibling += 1;
            }
        }
        // What is the visitor's own does arrive; and the sibling's does where nobody is anybody.
        assert!(by_shop > 0 && (by_sibling > 0 || case != "a_sibling_asks"), "{by_shop} {by_sibling}");
    }
}

fn setup() -> Setup {
    let routes = "[[routes]]\npath = \"/user/*\"\naccess = \"required\"\n[[routes]]\npath = \"/public/*\"\naccess = \"public\"\n";
    Setup::new().section(routes).section("[log]\naccess = false\n")
}

/// nginx's configuration for the sibling, behind the same address as the shop.
fn nginx_before_the_sibling(folder: &TempDir, https: SocketAddr, sibling: SocketAddr) -> String {
    let file = |name: &str| folder.path().join(name).display().to_string();
    format!(
        "server {{ listen {https} ssl; server_name {SIBLING}; ssl_certificate {}; ssl_certificate_key {};\n\
         large_client_header_buffers 4 64k;\n\
         location / {{ proxy_pass http://{sibling}; proxy_set_header Host $http_host; }} }}\n",
        file("cert.pem"),
        file("key.pem")
    )
}

/// A shop whose pages say who it was told that the visitor is, and that opens every WebSocket.
pub(super) fn shop() -> Upstream {
    Upstream::serving(|mut stream: TcpStream, connection, seen: Sender<Received>| {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer, connection) {
            let answer = match request.header("sec-websocket-key") {
                Some(key) => open_socket(key),
                None => page(request.header("x-menshen-user").unwrap_or("nobody"), ""),
            };
            let sent = seen.send(request).is_ok() && stream.write_all(answer.as_bytes()).is_ok();
            if !sent || answer.contains(" 101 ") {
                return;
            }
        }
    })
}

fn open_socket(key: &str) -> String {
    // RFC 6455, 4.2.2.
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// `/plant?…` sets the cookie that it is told; `/bounce?…` sends a form on.
fn sibling() -> Upstream {
    Upstream::scripted(|request| {
        let target = request.line().split(' ').nth(1).unwrap().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = percent_decode_str(query).decode_utf8().unwrap();
        match path {
            "/plant" => page("", &format!("Set-Cookie: {query}\r\n")),
            "/bounce" => format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {query}\r\nContent-Length: 0\r\n\r\n"),
            "/silent" => page("", "Referrer-Policy: no-referrer\r\n"),
            _ => page("", ""),
        }
        .into_bytes()
    })
}

/// A page with one word on it.
fn page(word: &str, fields: &str) -> String {
    let body = format!("<!doctype html><link rel=\"icon\" href=\"data:,\"><main id=\"told\">{word}</main>");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n{fields}\r\n{body}")
}
