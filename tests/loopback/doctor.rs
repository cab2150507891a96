//! `menshen doctor`: what it says of what is there and what is not.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;

use menshen::demo::qq::{Effect, Endpoint, Switch, WireFault};
use rcgen::{CertificateParams, KeyPair};

use crate::support::{Authority, Http2Upstream, Manner, Outcome, Proxy, Setup, Upstream, nobody_listens};

/// What is said of one thing.
fn said<'o>(outcome: &'o Outcome, what: &str) -> Vec<&'o str> {
    outcome.out.lines().filter(|line| line.split_whitespace().nth(1) == what.split_whitespace().next()).collect()
}

/// What to do about one thing.
fn fix<'o>(outcome: &'o Outcome, what: &str) -> &'o str {
    let mut lines = outcome.out.lines().skip_while(|line| line.split_whitespace().nth(1) != Some(what));
    lines.nth(1).unwrap().trim().strip_prefix("fix: ").unwrap()
}

fn doctor(proxy: &Proxy) -> Outcome {
    proxy.command(&["doctor"])
}

/// What answers at the site's address as we would.
fn healthy() -> Upstream {
    Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"status\":\"ok\"}".to_vec()
    })
}

#[test]
fn where_all_is_well_nothing_is_bad() {
    let upstream = Upstream::hello();
    let (site, alias) = (healthy(), healthy());
    let aliases = format!("aliases = [\"{}\"]", alias.address());
    let proxy = Setup::new().origin(&format!("http://{}", site.address())).site(&aliases).before(&upstream);
    let outcome = doctor(&proxy);
    assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
    // The file's own warnings, such as that of QQ over http, may be meant so.
    assert!(said(&outcome, "configuration")[0].starts_with("doubtful"), "{}", outcome.out);
    for what in ["store", "master key", "socket", "proxy", "site", "QQ", "application", "way past us"] {
        let lines = said(&outcome, what);
        assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("good")), "{what}\n{}", outcome.out);
    }
    for name in [site, alias] {
        assert_eq!(name.next().line(), "GET /.menshen/health HTTP/1.1");
    }
    upstream.saw_nothing();
}

#[test]
fn an_endpoint_that_two_upstreams_share_is_looked_at_once() {
    let upstream = Upstream::hello();
    let again = format!("[upstreams.again]\nendpoints = [\"http://{}\"]", upstream.address());
    let route = "[[routes]]\npath = \"/again/*\"\nupstream = \"again\"";
    let outcome = doctor(&Setup::new().section(&again).section(route).before(&upstream));
    for what in ["application", "way past us"] {
        assert_eq!(said(&outcome, what).len(), 1, "{what}\n{}", outcome.out);
    }
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let gone = nobody_listens();
    let provider = format!("openid_url = \"http://{gone}/oauth2.0/me\"");
    let stranger = Upstream::hello();
    let origin = format!("http://{}", stranger.address());
    let mut proxy = Setup::new().origin(&origin).before_address(gone);
    proxy.rewrite(|text| {
        let lines = text.lines().map(|line| if line.starts_with("openid_url") { provider.as_str() } else { line });
        lines.collect::<Vec<_>>().join("\n")
    });
    let outcome = doctor(&proxy);
    assert_eq!(outcome.code, 1, "{}", outcome.out);
    for (what, grade) in [("application", "BAD"), ("site", "BAD"), ("way past us", "doubtful")] {
        assert!(said(&outcome, what).iter().all(|line| line.starts_with(grade)), "{what}\n{}", outcome.out);
    }
    let qq = said(&outcome, "QQ");
    assert!(qq.len() == 2 && qq[0].starts_with("BAD") && qq[1].starts_with("good"), "two hosts: {}", outcome.out);
    assert!(
        outcome.out.contains("somebody else is there") && outcome.out.matches("fix: ").count() >= 4,
        "{}",
        outcome.out
    );
    proxy.stop();
    let outcome = doctor(&proxy);
    assert!(said(&outcome, "proxy")[0].starts_with("doubtful"), "{}", outcome.out);
    assert!(fix(&outcome, "proxy").contains("start it"), "{}", outcome.out);
    proxy.rewrite(|text| text + "\n[nonsense]\n");
    assert_eq!(doctor(&proxy).code, 1);
}

#[test]
fn an_application_over_tls_has_to_prove_who_it_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("app", &["localhost"]);
    let upstream = Http2Upstream::hello(Manner::secured(authority.server("app", &[b"h2", b"http/1.1"], false)));
    for (trusted, is_good) in [(&authority, true), (&stranger, false)] {
        let tls = format!("[upstreams.mall.tls]\nca_file = {:?}\n", trusted.ca_file());
        let endpoint = format!("https://localhost:{}", upstream.address.port());
        let outcome = doctor(&Setup::new().section(&tls).before_endpoint(endpoint));
        let application = said(&outcome, "application");
        let told = if is_good { "and speaks HTTP/2" } else { "invalid peer certificate" };
        assert!(application[0].starts_with(if is_good { "good" } else { "BAD" }), "{}", outcome.out);
        assert!(application[0].contains(told), "{}", outcome.out);
        assert!(is_good || fix(&outcome, "application").contains("ca_file"), "{}", outcome.out);
    }
}

#[test]
fn a_socket_that_every_user_may_connect_to_is_a_way_past_us() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mall.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let proxy = Setup::new().before_endpoint(format!("unix:{}", path.display()));
    for (mode, grade) in [(0o777, "BAD"), (0o660, "good")] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let outcome = doctor(&proxy);
        assert!(said(&outcome, "application")[0].starts_with("good"), "{}", outcome.out);
        assert!(said(&outcome, "way past us")[0].starts_with(grade), "{mode:o}: {}", outcome.out);
    }
    std::fs::remove_file(&path).unwrap();
    let outcome = doctor(&proxy);
    assert!(said(&outcome, "application")[0].starts_with("BAD"), "{}", outcome.out);
}

#[test]
fn somebody_else_in_qqs_place_is_not_taken_for_it() {
    let (upstream, portal) = (Upstream::hello(), Upstream::hello());
    let proxy = Setup::new().before(&upstream);
    let portal = format!("openid_url = \"http://{}/oauth2.0/me\"", portal.address());
    proxy.rewrite(|text| {
        let lines = text.lines().map(|line| if line.starts_with("openid_url") { portal.as_str() } else { line });
        lines.collect::<Vec<_>>().join("\n")
    });
    let outcome = doctor(&proxy);
    let qq = said(&outcome, "QQ");
    assert!(qq[0].starts_with("BAD") && qq[0].contains("not as QQ does"), "{}", outcome.out);
}

#[test]
fn a_running_proxy_tells_what_does_not_work() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for _ in 0..3 {
        proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Status(503))));
        let browser = proxy.browser();
        let callback = browser.begin_login("/", "10001");
        assert_eq!(browser.visit(&callback).status, 500);
    }
    let outcome = doctor(&proxy);
    let told = said(&outcome, "proxy");
    assert!(told[0].starts_with("BAD") && told[0].contains("QQ does not answer"), "{}", outcome.out);
}

/// Regression: who followed the advice closed /tmp to everybody.
#[test]
fn only_a_folder_that_nobody_else_needs_is_to_be_closed() {
    let upstream = Upstream::hello();
    let folder = tempfile::tempdir().unwrap();
    for (name, others, advice) in [("own", false, "chmod 700 "), ("shared", true, "admin.socket")] {
        let shared = folder.path().join(name);
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, Permissions::from_mode(0o755)).unwrap();
        if others {
            std::fs::write(shared.join("somebody's"), "").unwrap();
        }
        let socket = format!("[admin]\nsocket = \"{}\"", shared.join("menshen.sock").display());
        let proxy = Setup::new().section(&socket).before(&upstream);
        let outcome = doctor(&proxy);
        assert!(said(&outcome, "socket")[0].starts_with("BAD"), "{}", outcome.out);
        assert!(fix(&outcome, "socket").contains(advice), "{}", outcome.out);
        assert_eq!(outcome.out.contains("chmod"), !others, "{}", outcome.out);
        // Such a folder gets no socket. What runs without one is not told to be started.
        let told = said(&outcome, "proxy")[0];
        let holder = format!("process {} holds the store", std::process::id());
        assert!(told.starts_with("BAD") && told.contains(&holder), "{}", outcome.out);
        assert!(!fix(&outcome, "proxy").contains("start it:"), "{}", outcome.out);
    }
}

#[test]
fn a_store_that_cannot_be_made_is_not_good() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (path, is_good) in [("/proc/nope/data", false), ("not-there-yet/data", true)] {
        proxy.rewrite(|text| format!("{}\n[store]\npath = {path:?}\n", text.split("\n[store]").next().unwrap()));
        let outcome = doctor(&proxy);
        let told = said(&outcome, "store")[0];
        assert_eq!(told.starts_with("good"), is_good, "{}", outcome.out);
        assert_eq!(told.contains("cannot be made"), !is_good, "{}", outcome.out);
    }
}

#[test]
fn each_reason_why_a_site_is_not_reached_has_its_own_fix() {
    let upstream = Upstream::hello();
    let told = |origin: &str, trusted: Option<&str>| {
        let proxy = Setup::new().origin(origin).before(&upstream);
        let authorities = proxy.config_path().with_file_name("authorities.pem");
        std::fs::write(&authorities, trusted.unwrap_or_default()).unwrap();
        let outcome = proxy.command_under(&["doctor"], "SSL_CERT_FILE", &authorities);
        let site = said(&outcome, "site");
        assert!(site[0].starts_with("BAD"), "{origin}\n{}", outcome.out);
        assert_eq!(outcome.code, 1);
        format!("{} {}", site[0], fix(&outcome, "site"))
    };
    let refused = told(&format!("http://{}", nobody_listens()), None);
    assert!(refused.contains("start the proxy"), "{refused}");
    // Longer than a name may be: nobody has to be asked to know that it stands for nothing.
    let unknown = told(&format!("http://{}.example", "a".repeat(64)), None);
    assert!(unknown.contains("have DNS"), "{unknown}");
    let broken = Upstream::scripted(|_| b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec());
    let broken = told(&format!("http://{}", broken.address()), None);
    assert!(broken.contains("does not reach us"), "{broken}");
    for (host, year, is_trusted, fix) in [
        ("localhost", 2020, true, "renew the certificate"),
        ("other.example", 4000, true, "names this host"),
        ("localhost", 4000, false, "from an authority that browsers know"),
    ] {
        let (origin, certificate) = https(host, year);
        let told = told(&origin, is_trusted.then_some(certificate.as_str()));
        assert!(told.contains(fix), "{host} {year} {told}");
    }
    let plain = Upstream::serving(|mut stream, _, _| {
        if stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let plain = told(&format!("https://{}", plain.address()), None);
    assert!(plain.contains("speak the scheme"), "{plain}");
}

/// Serves https with a certificate for this host that ends in this year. The site's origin, and the certificate.
fn https(host: &str, year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(year, 1, 1));
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config =
        config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private.into()).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // A client that breaks off is what the test is about.
            rustls::Stream::new(&mut connection, &mut stream).read_to_end(&mut Vec::new()).ok();
        }
    });
    (format!("https://localhost:{port}"), certificate.pem())
}

#[test]
fn whoever_reads_the_first_line_alone_still_gets_the_verdict() {
    let upstream = Upstream::hello();
    let site = healthy();
    for (origin, code) in [(format!("http://{}", site.address()), 0), (format!("http://{}", nobody_listens()), 1)] {
        let proxy = Setup::new().origin(&origin).before(&upstream);
        let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
        command.arg("doctor").arg("--config").arg(proxy.config_path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{origin}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[test]
fn an_application_that_others_can_reach_past_us_is_bad_unless_a_token_alone_says_who_somebody_is() {
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let token = "[identity.default]\nheaders = {}";
    for (more, code, grade, words) in
        [("", 1, "BAD", "claim to be anybody"), (token, 0, "doubtful", "only the token keeps")]
    {
        let site = healthy();
        let origin = format!("http://{}", site.address());
        let proxy = Setup::new().origin(&origin).section(more).before_address(([127, 0, 0, 1], port).into());
        // By name too.
        proxy.rewrite(|text| text.replace(&format!("http://127.0.0.1:{port}"), &format!("http://localhost:{port}")));
        let outcome = doctor(&proxy);
        assert_eq!(outcome.code, code, "{}", outcome.out);
        let lines = said(&outcome, "way past us");
        assert!(lines[0].starts_with(grade) && lines[0].contains(words), "{}", outcome.out);
    }
}
