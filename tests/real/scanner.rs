//! testssl.sh, which tries on a server whatever is known to go wrong with TLS.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::backends::{SITE, Setup, Upstream, tls};

/// What it finds of a certificate that a test has issued for itself, and of nothing else.
const OF_THE_TESTS_CERTIFICATE: [&str; 6] = [
    "cert_chain_of_trust",
    "cert_revocation",
    "cert_extlifeSpan",
    "cert_expirationStatus",
    "cert_validityPeriod",
    "DNS_CAArecord",
];

/// What it finds of itself. Its client leaves with the handshake: where the ticket has not come by then, it has none to come
/// back with, and calls that a problem of the connection. That tickets are taken again, other tests show.
const OF_THE_SCANNER: [&str; 2] = ["engine_problem", "sessionresumption_ticket"];

#[test]
fn a_scanner_finds_nothing_above_low_on_default_settings() {
    // What browsers are told of a page is the application's affair.
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n\
          Content-Security-Policy: default-src 'self'\r\nReferrer-Policy: same-origin\r\n\r\nhello"
            .to_vec()
    });
    let folder = tempfile::tempdir().unwrap();
    tls::certificate(&[SITE], folder.path());
    let file = |name: &str| folder.path().join(name);
    let certificate =
        format!("[[tls.certificates]]\nchain_file = {:?}\nkey_file = {:?}\n", file("cert.pem"), file("key.pem"));
    let setup = Setup::new().https().server("listen_tls = [\"127.0.0.1:0\"]").section(&certificate);
    let proxy = setup.before(upstream.address());
    let findings = file("findings.json");
    let mut testssl = Command::new("testssl");
    testssl.args(["--quiet", "--warnings", "batch", "--color", "0", "--nodns", "min", "--ip", "127.0.0.1"]);
    testssl.arg("--jsonfile").arg(&findings);
    testssl.arg(format!("{SITE}:{}", proxy.tls_address().port()));
    let output = testssl.output().unwrap_or_else(|error| panic!("testssl: {error}; it has to be installed"));
    let said = String::from_utf8_lossy(&output.stdout);
    let text = fs::read_to_string(&findings).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(findings.len() > 100, "it looked at little: {said}");
    let serious: Vec<_> = findings
        .iter()
        .filter(|finding| !matches!(finding["severity"].as_str(), Some("OK" | "INFO" | "LOW")))
        .filter(|finding| {
            let id = finding["id"].as_str().unwrap();
            let could_not_look = finding["severity"] == "WARN" && OF_THE_SCANNER.contains(&id);
            !could_not_look && !OF_THE_TESTS_CERTIFICATE.iter().any(|known| id.starts_with(known))
        })
        .collect();
    assert!(serious.is_empty(), "{serious:#?}\n{said}");
}
