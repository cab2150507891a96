//! An API on Node that finds our keys by itself, through our discovery document.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tokio::time::Instant;

use crate::backends::{PATIENCE, Program, Proxy, Setup, free_address, menshen, npm};

fn serve(issuer: &str) -> (Program, SocketAddr) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/resource_server");
    let parts = npm::installed("resource-server", &here);
    let mut node = Command::new("node");
    let node = Program::start(node.arg(here.join("server.mjs")).arg(parts).arg(issuer));
    let port: u16 = node.wait_for(|line| line.strip_prefix("listening at ")?.parse().ok());
    (node, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn an_api_that_discovers_our_keys_knows_the_user_and_refuses_nobody_while_a_new_key_is_published() {
    let listen = free_address();
    let issuer = format!("http://www.meiduo.site:{}", listen.port());
    let (node, api) = serve(&issuer);
    let proxy: Proxy = Setup::new()
        .port(listen.port())
        .server(&format!("listen = [\"{listen}\"]"))
        .section("[identity.default]\naudience = \"api\"\n")
        .section("[[routes]]\npath = \"/stranger/*\"\naccess = \"public\"\n")
        .before(api);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    let claims = browser.get("/orders", &[]).json();
    assert_eq!((&claims["sub"], &claims["iss"], &claims["aud"]), (&id.as_str().into(), &issuer.into(), &"api".into()));
    assert_eq!(proxy.browser().get("/orders", &[]).status, 401);
    assert_eq!(browser.get("/stranger/x", &["Authorization: Bearer a.b.c"]).status, 401);

    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let cookies = format!("Cookie: {}", browser.cookie_header().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let ask = || {
        let mut others = Vec::new();
        while !is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
            match proxy.browser().get("/orders", &[&cookies]).status {
                200 => drop(answered.fetch_add(1, Ordering::Relaxed)),
                other => others.push(other),
            }
        }
        others
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        let some_more = || {
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 100 {
                assert!(Instant::now() < deadline, "no answers any more\n{}", node.said());
                thread::yield_now();
            }
        };
        for _ in 0..2 {
            some_more();
            let rotated = menshen("keys", &proxy.config()).args(["rotate", "upstream"]).output().unwrap();
            assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
        }
        some_more();
        is_over.store(true, Ordering::Relaxed);
        let others: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        assert!(others.is_empty(), "{others:?} beside {} answers\n{}", answered.load(Ordering::Relaxed), node.said());
    });
}
