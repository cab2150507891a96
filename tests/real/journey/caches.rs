//! nginx with a cache, before us and a shop whose pages may be kept, as browsers see it: by clicks, reloads, and the way
//! back and forth, each visitor meets only what is theirs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::browser::{Whereabouts, play_with};
use crate::backends::{Program, Proxy, Received, SITE, Setup, Upstream, free_address, nginx, tls};
use crate::shared_cache::{WAYS, greedy, routes};

/// As many as there are visitors, each of whom comes first to one: kept by its own word, by nginx's, and by what can be
/// asked again. A client of ours tries all the ways.
const PAGES: [&str; 3] = ["s-maxage", "nothing", "etag"];

#[test]
fn over_http_nobody_is_shown_the_page_of_somebody_else() {
    let listen = free_address();
    Scene::set(Setup::new().port(listen.port()), "http", listen, |_| String::new()).play();
}

#[test]
fn over_https_nobody_is_shown_the_page_of_somebody_else() {
    let listen = free_address();
    Scene::set(Setup::new().https().port(listen.port()), "https", listen, |folder| {
        tls::certificate(&[SITE], folder.path());
        let file = |name: &str| folder.path().join(name).display().to_string();
        format!(" ssl; ssl_certificate {}; ssl_certificate_key {}", file("cert.pem"), file("key.pem"))
    })
    .play();
}

struct Scene {
    proxy: Proxy,
    scheme: &'static str,
    _shop: Upstream,
    _nginx: Program,
    _folder: TempDir,
}

impl Scene {
    /// `tls`: what nginx is told beside the address where it listens.
    fn set(setup: Setup, scheme: &'static str, listen: SocketAddr, tls: impl Fn(&TempDir) -> String) -> Self {
        let count = AtomicUsize::new(0);
        let shop = Upstream::scripted(move |request| page(request, count.fetch_add(1, Ordering::SeqCst)));
        let proxy = setup
            .server("trusted_proxies = [\"127.0.0.1\"]")
            .section(&routes())
            .section("[log]\naccess = false\n")
            .before(shop.address());
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("{listen}{}", tls(&folder));
        let nginx = nginx::serve(folder.path(), &greedy(&folder, &listen, proxy.address));
        Scene { proxy, scheme, _shop: shop, _nginx: nginx, _folder: folder }
    }

    fn play(&self) {
        let whereabouts = Whereabouts {
            site: format!("{}://{}", self.scheme, self.proxy.host),
            qq: format!("http://{}", self.proxy.qq.addr()),
        };
        let told = json!({ "pages": PAGES });
        play_with("each_sees_their_own_pages", &whereabouts, &self.proxy.program, &told);
    }
}

/// Who it is for, and a number that no other page has.
fn page(request: &Received, number: usize) -> Vec<u8> {
    let way = request.line().split([' ', '?']).nth(1).unwrap().rsplit('/').next().unwrap();
    let fields = WAYS.iter().find(|(known, _)| *known == way).map_or("", |(_, fields)| fields);
    let who = request.header("x-menshen-user").unwrap_or("nobody");
    let body =
        format!("<!doctype html><link rel=\"icon\" href=\"data:,\"><main id=\"told\">{who}</main><i>{number}</i>");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}
