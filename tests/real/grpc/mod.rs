//! gRPC end to end: Google's own client and server, and the proxy between them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::backends::{Environment, Program, SITE, Setup, free_address, tls};

/// Every kind of call, and every way in which one ends.
const CASES: [&str; 10] =
    ["unary", "server_stream", "client_stream", "bidi", "deadline", "cancel", "fail", "large", "metadata", "many"];

#[test]
fn every_kind_of_call_passes_in_plain_text() {
    let service = Service::plain();
    let proxy = Setup::new().server("h2c = true").upstream_scheme("h2c").before(service.address);
    let client = Client { address: proxy.address, ca: None };
    for case in CASES {
        client.passes(&[case], &[]);
    }
}

#[test]
fn every_kind_of_call_passes_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::secured(&folder);
    let ca = folder.path().join("cert.pem");
    let (chain, key) = (&ca, folder.path().join("key.pem"));
    let sections = format!(
        "[upstreams.backend.tls]\nca_file = {ca:?}\nserver_name = \"{SITE}\"\n\
         [[tls.certificates]]\nchain_file = {chain:?}\nkey_file = {key:?}\n"
    );
    let setup = Setup::new().https().server("listen_tls = [\"127.0.0.1:0\"]").section(&sections);
    let proxy = setup.upstream_scheme("https").before(service.address);
    let client = Client { address: proxy.tls_address(), ca: Some(ca) };
    for case in CASES {
        client.passes(&[case], &[]);
    }
}

#[test]
fn a_guarded_call_needs_a_token_and_the_service_is_told_whose_it_is() {
    let service = Service::plain();
    let guarded = "[[routes]]\npath = \"/shop.Test/*\"\naccess = \"required\"\n";
    let setup = Setup::new().server("h2c = true").upstream_scheme("h2c").section(guarded);
    let proxy = setup.before(service.address);
    let client = Client { address: proxy.address, ca: None };
    client.passes(&["status", "UNAUTHENTICATED"], &[]);
    client.passes(&["status", "UNAUTHENTICATED"], &["authorization=Bearer x.y.z", "x-menshen-user=me"]);
    let browser = proxy.browser();
    let token = format!("authorization=Bearer {}", browser.token("10001"));
    let told = client.passes(&["metadata"], &[&token, "x-menshen-user=me"]);
    browser.log_in("10001");
    let user = browser.user_id().unwrap();
    let told: serde_json::Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    let fields = told["metadata"].as_array().unwrap();
    let all = |name: &str| fields.iter().filter(|field| field[0] == name).map(|field| &field[1]).collect::<Vec<_>>();
    assert_eq!(all("x-menshen-user"), [&serde_json::Value::from(user)]);
    let authorization = all("authorization");
    assert_eq!(authorization.len(), 1, "{told}");
    assert_ne!(format!("authorization={}", authorization[0].as_str().unwrap()), token, "ours is for us alone");
}

#[test]
fn a_service_that_is_down_is_unavailable() {
    let proxy = Setup::new().server("h2c = true").upstream_scheme("h2c").before(free_address());
    Client { address: proxy.address, ca: None }.passes(&["unavailable"], &[]);
}

/// The service of `server.py`, running.
struct Service {
    address: SocketAddr,
    _program: Program,
}

impl Service {
    fn plain() -> Self {
        Self::start(|_| {})
    }

    fn secured(folder: &TempDir) -> Self {
        tls::certificate(&[SITE], folder.path());
        let file = |name: &str| folder.path().join(name);
        Self::start(|server| {
            server.arg("--tls").arg(file("cert.pem")).arg(file("key.pem"));
        })
    }

    fn start(more: impl FnOnce(&mut Command)) -> Self {
        let address = free_address();
        let mut server = python("server.py");
        server.arg(address.to_string());
        more(&mut server);
        let program = Program::start(&mut server);
        program.wait_for_words("listening");
        Service { address, _program: program }
    }
}

/// The client of `client.py`, which calls the service at the proxy's address.
struct Client {
    address: SocketAddr,
    ca: Option<PathBuf>,
}

impl Client {
    /// Runs a case that has to pass; what it prints.
    fn passes(&self, case: &[&str], metadata: &[&str]) -> String {
        let mut client = python("client.py");
        client.arg(self.address.to_string()).args(["--authority", SITE, "--case"]).args(case);
        if let Some(ca) = &self.ca {
            client.arg("--ca").arg(ca);
        }
        if !metadata.is_empty() {
            client.arg("--metadata").args(metadata);
        }
        let output = client.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{case:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

fn python(program: &str) -> Command {
    let mut python = Environment::new("grpc").python();
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/grpc").join(program));
    python
}
