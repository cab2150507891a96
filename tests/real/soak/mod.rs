//! Minutes of everything at once: visitors by both versions of HTTP, faults of every kind, endpoints that come and go,
//! reloads, certificates that change. Each request that fails is joined with a fault by its number, and none is left over.
//!
//! Two minutes by default; `MENSHEN_SOAK_SECONDS=3600` makes it an hour.

mod application;
mod faults;
mod visitors;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::application::Application;
use self::faults::Ledger;
use self::visitors::Visitors;
use crate::backends::{PATIENCE, Proxy, SITE, Setup, free_address};

/// Between two things that happen to the proxy.
const TURN: Duration = Duration::from_millis(700);

/// Memory that it may take more at the end than after the first part of the time.
const GROWTH: usize = 32 * 1024 * 1024;

/// Endpoints of the application; one of them is always there.
const ENDPOINTS: usize = 3;

#[test]
fn every_request_that_fails_is_joined_with_a_fault_and_none_is_left_over() {
    let seconds = std::env::var("MENSHEN_SOAK_SECONDS").ok().map_or(120, |text| text.parse().unwrap());
    let long = Duration::from_secs(seconds);
    let runtime = Runtime::new().unwrap();
    let ledger = Arc::new(Ledger::default());
    let endpoints: Vec<SocketAddr> = (0..ENDPOINTS).map(|_| free_address()).collect();
    let application = Application::at(&endpoints, &ledger, runtime.handle());
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    renew(&authority, folder.path());
    let proxy = Setup::new()
        .https()
        .server("listen_tls = [\"127.0.0.1:0\"]")
        .section("[log]\naccess = false\n")
        .section(&format!(
            "[tls]\nredirect = false\n[[tls.certificates]]\nchain_file = {:?}\nkey_file = {:?}\n",
            folder.path().join("cert.pem"),
            folder.path().join("key.pem")
        ))
        .before(endpoints[0]);
    let listed: Vec<String> = endpoints.iter().map(|at| format!("http://{at}")).collect();
    let text = fs::read_to_string(proxy.config()).unwrap();
    let handling = "head_timeout = \"5s\"\nbalance = \"least_request\"\nejection.time = \"500ms\"\nslow_start = \"1s\"";
    let text = text
        .replace(&format!("endpoints = [\"http://{}\"]", endpoints[0]), &format!("endpoints = {listed:?}\n{handling}"));
    fs::write(proxy.config(), text).unwrap();
    proxy.program.signal("HUP");
    proxy.program.wait_for_words("the configuration was read again");
    let visitors = Visitors::begin(proxy.tls_address(), authority.der().clone(), &ledger, runtime.handle());
    let begun = Instant::now();
    let mut settled = None;
    let mut turn = 0;
    while begun.elapsed() < long {
        thread::sleep(TURN);
        turn += 1;
        match turn % 4 {
            0 => proxy.program.signal("HUP"),
            1 => application.stop(turn % ENDPOINTS),
            2 => renew(&authority, folder.path()),
            _ => application.start_all(),
        }
        if settled.is_none() && begun.elapsed() > long / 4 {
            settled = Some(memory(&proxy));
        }
    }
    application.start_all();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, visitors.end()).await }).expect("a visitor waits for ever");
    let grown = memory(&proxy).saturating_sub(settled.unwrap_or_default());
    let told = ledger.told();
    println!("{told}; {turn} turns in {long:?}; {} KiB more since the first quarter", grown / 1024);
    let left_over = ledger.left_over();
    for failed in left_over.iter().take(20) {
        println!("left over: {failed}; the proxy's log: {:?}", log_of(&proxy, &failed.page));
    }
    assert!(left_over.is_empty(), "{} left over", left_over.len());
    assert!(told.whole > 20 * seconds as usize, "{told}");
    assert!(grown <= GROWTH, "{grown} bytes more");
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Another certificate for the site, in place of the one that was there.
fn renew(authority: &CertifiedIssuer<'static, KeyPair>, folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![SITE.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    // The proxy may look in between: what does not fit together is not taken.
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
}

/// The lines of the proxy's log about the request whose id a page quotes.
fn log_of(proxy: &Proxy, page: &str) -> Vec<String> {
    let is_of_it = |line: &&str| {
        let id = line.split_once("request_id").map(|(_, rest)| rest.trim_start_matches(|c: char| !c.is_alphanumeric()));
        let id = id.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        id.is_some_and(|id| !id.is_empty() && page.contains(id))
    };
    proxy.program.said().lines().filter(is_of_it).map(str::to_owned).collect()
}

/// Bytes resident.
fn memory(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}
