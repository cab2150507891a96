//! WebSockets end to end: the Python package `websockets` at both ends and the proxy between them; and by HTTP/2, with the
//! package `h2`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::backends::{Environment, Program, Proxy, SITE, Setup, free_address, tls};

/// Everything that is said on a WebSocket.
const CASES: [&str; 7] = ["echo", "fragments", "ping", "close_codes", "large", "many", "subprotocol"];

#[test]
fn everything_that_is_said_on_a_web_socket_passes() {
    let server = Server::start();
    let plain = Setup::new().before(server.address);
    let secured = Secured::before(&server, "");
    for case in CASES {
        passes("client.py", &[&format!("ws://{SITE}/ws"), "--host", &plain.address.to_string(), "--case", case]);
        let (uri, at, ca) = (format!("wss://{SITE}/ws"), secured.address.to_string(), secured.ca());
        passes("client.py", &[&uri, "--host", &at, "--ca", &ca, "--case", case]);
    }
}

#[test]
fn web_sockets_by_http_2_share_a_connection_with_everything_else() {
    let server = Server::start();
    let plain = Setup::new().server("h2c = true").before(server.address);
    let secured = Secured::before(&server, "");
    for case in ["echo", "large", "many_streams"] {
        by_http_2(plain.address, &["--case", case]);
        by_http_2(secured.address, &["--case", case, "--ca", &secured.ca()]);
    }
    server.program.wait_for_words("closed 1000");
}

#[test]
fn who_opens_a_web_socket_is_found_out_before_the_application_hears_of_it() {
    let server = Server::start();
    let secured = Secured::before(&server, "access = \"required\"\nwebsocket_origins = [\"https://m.meiduo.site\"]\n");
    let browser = secured.proxy.browser();
    browser.log_in("10001");
    let cookie = format!("cookie={}", browser.cookie_header().unwrap());
    let ask = |case: &[&str], headers: &[&str]| {
        let (at, ca) = (secured.address.to_string(), secured.ca());
        let uri = format!("wss://{SITE}/ws");
        passes(
            "client.py",
            &[&[&uri[..], "--host", &at, "--ca", &ca, "--header"], headers, &["--case"], case].concat(),
        );
        let ca = secured.ca();
        by_http_2(secured.address, &[&["--ca", &ca, "--header"], headers, &["--case"], case].concat());
    };
    ask(&["refused", "401"], &[&format!("origin=https://{SITE}")]);
    ask(&["refused", "403"], &[&cookie, "origin=https://evil.example"]);
    ask(&["refused", "403"], &[&cookie, "origin=null"]);
    assert!(!server.program.said().contains("opened"), "{}", server.program.said());
    for origin in [SITE, "m.meiduo.site"] {
        ask(&["echo"], &[&cookie, &format!("origin=https://{origin}")]);
    }
}

/// The server of `server.py`, running.
struct Server {
    address: SocketAddr,
    program: Program,
}

impl Server {
    fn start() -> Self {
        let address = free_address();
        let program = Program::start(python("server.py").arg(address.to_string()));
        program.wait_for_words("listening");
        Server { address, program }
    }
}

/// The proxy of an https site.
struct Secured {
    proxy: Proxy,
    address: SocketAddr,
    folder: TempDir,
}

impl Secured {
    /// `route`: lines for the one route.
    fn before(server: &Server, route: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = tls::certificate(&[SITE], folder.path());
        let file = |name: &str| folder.path().join(name);
        let sections = format!(
            "[[routes]]\npath = \"/ws\"\n{route}\n[[tls.certificates]]\nchain_file = {:?}\nkey_file = {:?}\n",
            file("cert.pem"),
            file("key.pem")
        );
        let setup = Setup::new().https().server("listen_tls = [\"127.0.0.1:0\"]").section(&sections);
        let mut proxy = setup.before(server.address);
        let address = proxy.tls_address();
        proxy.address = tls::client(address, [127, 0, 0, 1].into(), &certificate);
        Secured { proxy, address, folder }
    }

    fn ca(&self) -> String {
        self.folder.path().join("cert.pem").display().to_string()
    }
}

fn by_http_2(address: SocketAddr, arguments: &[&str]) {
    passes("by_http_2.py", &[&[&address.to_string()[..], "--authority", SITE, "--path", "/ws"], arguments].concat());
}

/// Runs a case that has to pass.
fn passes(program: &str, arguments: &[&str]) {
    let output = python(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&said));
}

fn python(program: &str) -> Command {
    let here: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/web_sockets");
    let mut python = Environment::new("web_sockets").python();
    python.arg(here.join(program));
    python
}
