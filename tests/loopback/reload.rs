//! Another configuration for a proxy that runs.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use menshen::admin::Operation;

use crate::support::{Authority, Connection, PAGE, SCRIPT, SITE, Setup, Upstream, events};

#[test]
fn a_changed_configuration_counts_from_the_next_request_on() {
    let (upstream, other) = (Upstream::hello(), Upstream::hello());
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let mut open = proxy.connect();
    assert_eq!(proxy.browser().get("/admin/", &[SCRIPT]).status, 200);
    upstream.next();
    proxy.rewrite(|text| {
        let text = text.replace(&upstream.address().to_string(), &other.address().to_string());
        text + "\n[[routes]]\npath = \"/admin/*\"\naccess = \"required\"\nupstream = \"mall\"\n"
    });
    let said = proxy.command(&["reload"]).good();
    assert!(said.contains("is in use"), "{said}");
    assert_eq!(proxy.browser().get("/admin/", &[SCRIPT]).status, 401);
    open.send(b"GET /admin/ HTTP/1.1\r\nHost: www.meiduo.site\r\nAccept: */*\r\n\r\n");
    assert_eq!(open.answer().status, 401, "on connections that were open before, too");
    assert_eq!(browser.get("/admin/", &[SCRIPT]).status, 200, "who is logged in stays so");
    assert!(other.next().header("authorization").is_some());
}

#[test]
fn a_file_with_mistakes_is_refused_with_every_one_and_the_old_one_stays_in_use() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").log("level = \"warn\"\naccess = false").before(&upstream);
    proxy.rewrite(|text| text.replace("required", "requird") + "\n[sesion]\nidle = \"1h\"\n");
    let said = proxy.command(&["reload"]).bad();
    assert!(said.contains("requird") && said.contains("sesion"), "{said}");
    let told = proxy.reload().unwrap_err().to_string();
    assert!(told.contains("requird") && told.contains("sesion"), "{told}");
    assert_eq!(proxy.browser().get("/user/", &[SCRIPT]).status, 401);
    events().wait_for(1, &["WARN", "the old one stays in use"]);
    events().wait_for(1, &["access", "requird"]);
    std::fs::remove_file(proxy.config_path()).unwrap();
    assert!(proxy.reload().is_err());
    assert_eq!(proxy.browser().get("/user/", &[SCRIPT]).status, 401);
}

/// Regression: it was read where the administration's answers are given.
#[test]
fn a_file_that_cannot_be_read_to_its_end_holds_up_nobody_else() {
    let upstream = Upstream::hello();
    let token = "0123456789abcdef0123456789abcdef";
    let admin = format!("[admin]\nlisten = [\"127.0.0.1:0\"]\ntoken = \"{token}\"\n");
    let proxy = Setup::new().section(&admin).before(&upstream);
    let text = fs::read_to_string(proxy.config_path()).unwrap();
    fs::remove_file(proxy.config_path()).unwrap();
    assert!(Command::new("mkfifo").arg(proxy.config_path()).status().unwrap().success());
    let body = serde_json::to_string(&Operation::Reload).unwrap();
    let reload = || {
        let mut connection = Connection::to(proxy.admin_address());
        let length = body.len();
        connection.send(format!(
            "POST /v1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        connection
    };
    let mut reloading = reload();
    // There once somebody reads.
    let mut pipe = File::options().write(true).open(proxy.config_path()).unwrap();
    // As many as there are threads.
    let _another = reload();
    for path in ["/live", "/ready", "/metrics"].repeat(4) {
        let mut connection = Connection::to(proxy.admin_address());
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(connection.answer().status, 200, "{path}");
    }
    pipe.write_all(text.as_bytes()).unwrap();
    drop(pipe);
    assert_eq!(reloading.answer().status, 200);
    fs::remove_file(proxy.config_path()).unwrap();
}

#[test]
fn what_counts_only_after_a_restart_is_told_and_left() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    proxy.rewrite(|text| {
        let text = text.replace("cores = 2", "cores = 3").replace("[log]", "[store]\ncache = \"2GiB\"\n[log]");
        text.replace("listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.2:0\"]")
    });
    let told = proxy.reload().unwrap().need_a_restart;
    assert_eq!(told, ["server.listen", "server.cores", "store.cache"]);
    assert_eq!(proxy.reload().unwrap().need_a_restart, told, "it is still so");
    assert_eq!(proxy.browser().visit("/").status, 200);
}

/// Regression: visitors were sent on to https, where nobody listened before the next restart.
#[test]
fn tls_comes_and_goes_with_a_restart_alone() {
    let upstream = Upstream::hello();
    let authority = Authority::new();
    authority.issue("site", &[SITE]);
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(&["site"]));
    let proxy = setup.server("listen_tls = [\"127.0.0.1:0\"]").before(&upstream);
    proxy.rewrite(|text| text.replace("listen_tls = [\"127.0.0.1:0\"]", "trusted_proxies = [\"127.0.0.1\"]"));
    let told = proxy.reload().unwrap_err().to_string();
    assert!(told.contains("server.listen_tls names no address any more"), "{told}");
    assert_eq!(proxy.connect().get("/", &[PAGE]).answer().status, 308, "all is as it was");
    let plain = Setup::new().before(&upstream);
    plain.rewrite(|text| {
        let text = text.replace("listen = [", "listen_tls = [\"127.0.0.1:0\"]\nlisten = [");
        format!("{text}\n{}", authority.section(&["site"]))
    });
    let told = plain.reload().unwrap_err().to_string();
    assert!(told.contains("server.listen_tls names the first address"), "{told}");
}

#[test]
fn a_login_that_is_under_way_ends_well_and_once() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    let replayed = browser.copy();
    proxy.reload().unwrap();
    assert_eq!(browser.visit(&callback).status, 303);
    proxy.reload().unwrap();
    assert_eq!(replayed.get(&callback, &[PAGE]).status, 403, "what was spent stays spent");
    assert!(browser.user_id().is_some());
}

#[test]
fn whoever_was_logged_out_or_blocked_stays_so() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let (left, blocked) = (proxy.browser(), proxy.browser());
    left.log_in("10001");
    blocked.log_in("10002");
    let (before, id) = (left.copy(), blocked.user_id().unwrap());
    assert_eq!(left.post("/.menshen/logout", &[SCRIPT]).status, 200);
    proxy.command(&["users", "block", &id]).good();
    proxy.reload().unwrap();
    for browser in [&before, &blocked] {
        assert_eq!(browser.get("/user/", &[SCRIPT]).status, 401);
    }
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let copies: Vec<_> = (0..4).map(|_| browser.cookie_header().unwrap()).collect();
    std::thread::scope(|scope| {
        for cookies in copies {
            let (proxy, done, asked) = (&proxy, &done, &asked);
            scope.spawn(move || {
                let browser = proxy.browser();
                cookies.split("; ").for_each(|cookie| browser.keep(cookie));
                let mut kept = proxy.connect();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(browser.get("/user/", &[SCRIPT]).status, 200);
                    kept.send(b"GET / HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n");
                    assert_eq!(kept.answer().status, 200);
                    asked.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..100 {
            proxy.reload().unwrap();
            assert_eq!(proxy.browser().get("/", &[SCRIPT]).status, 200);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) >= 100);
}
