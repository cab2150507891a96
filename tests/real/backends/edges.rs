//! Caddy and Envoy, by the packages of pinned versions that bring their programs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Environment, Program};

/// Runs Caddy with the configuration that we hand out for asking us, but for addresses and files.
pub(crate) fn caddy(folder: &Path, proxy: SocketAddr, https: SocketAddr, upstream: SocketAddr) -> Program {
    let site =
        format!("https://www.meiduo.site:{} {{\n\ttls {1}/cert.pem {1}/key.pem\n", https.port(), folder.display());
    let places = [
        ("# Caddy carries the requests,", "{\n\tadmin off\n\tauto_https off\n}\n#".to_owned(), 1),
        ("www.meiduo.site {\n", site, 1),
        ("127.0.0.1:8000", proxy.to_string(), 4),
        ("127.0.0.1:8001", upstream.to_string(), 1),
    ];
    let file = folder.join("Caddyfile");
    fs::write(&file, written("Caddyfile", &places)).unwrap();
    let environment = Environment::new("caddy");
    let mut caddy = Command::new(environment.path().join("bin/caddy"));
    caddy.arg("run").arg("--config").arg(file).args(["--adapter", "caddyfile"]).env("HOME", folder);
    let caddy = Program::start(&mut caddy);
    caddy.wait_for_words("serving initial configuration");
    caddy
}

/// The same with Envoy.
pub(crate) fn envoy(folder: &Path, proxy: SocketAddr, https: SocketAddr, upstream: SocketAddr) -> Program {
    let file = |name: &str| folder.join(name).display().to_string();
    let places = [
        ("address: 0.0.0.0, port_value: 443 ", format!("address: 127.0.0.1, port_value: {} ", https.port()), 1),
        ("/etc/ssl/www.meiduo.site/fullchain.pem", file("cert.pem"), 1),
        ("/etc/ssl/www.meiduo.site/privkey.pem", file("key.pem"), 1),
        ("port_value: 8000 ", format!("port_value: {} ", proxy.port()), 1),
        ("port_value: 8001 ", format!("port_value: {} ", upstream.port()), 1),
    ];
    let config = folder.join("envoy.yaml");
    fs::write(&config, written("envoy-forward-auth.yaml", &places)).unwrap();
    let environment = Environment::new("envoy");
    let mut envoy = Command::new(program(environment.path(), "envoy/_bin/envoy"));
    envoy.arg("-c").arg(config).args(["--use-dynamic-base-id", "--concurrency", "1"]);
    let envoy = Program::start(&mut envoy);
    envoy.wait_for_words("starting main dispatch loop");
    envoy
}

/// What we hand out, with other words in place of some, each of which stands there so often.
fn written(name: &str, places: &[(&str, String, usize)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = fs::read_to_string(path).unwrap();
    for (ours, here, count) in places {
        assert_eq!(text.matches(ours).count(), *count, "{ours}");
        text = text.replace(ours, here);
    }
    text
}

/// A program among the files of an environment's packages, whichever Python they were installed for.
fn program(environment: &Path, below: &str) -> PathBuf {
    let mut versions = fs::read_dir(environment.join("lib")).unwrap().map(|entry| entry.unwrap().path());
    let found = versions.find_map(|lib| Some(lib.join("site-packages").join(below)).filter(|path| path.exists()));
    found.unwrap_or_else(|| panic!("{below} is in none of the packages"))
}
