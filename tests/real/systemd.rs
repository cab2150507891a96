//! The delivered units as systemd reads them, and its own way of handing a socket over.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use tempfile::TempDir;

use crate::backends::{PATIENCE, Program, Setup, Upstream};

/// The most that `systemd-analyze security` may find, of a hundred: what is left is the network and one capability.
const EXPOSURE: &str = "20";

/// Both units, as they are delivered but for the place of the program.
fn delivered() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["menshen.service", "menshen.socket"] {
        let unit = fs::read_to_string(format!("{}/deploy/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let unit = unit.replace("/usr/local/bin/menshen", env!("CARGO_BIN_EXE_menshen"));
        fs::write(folder.path().join(name), unit).unwrap();
    }
    folder
}

fn analyze(words: &[&str], units: &[&str]) {
    let folder = delivered();
    let mut command = Command::new("systemd-analyze");
    command.args(words).args(units.iter().map(|unit| folder.path().join(unit)));
    let output = command.output().unwrap_or_else(|error| panic!("{error}: systemd has to be installed"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    // It tells of a line that it ignores, and succeeds.
    assert!(words[0] != "verify" || said.is_empty(), "{said}");
}

#[test]
fn systemd_finds_nothing_to_complain_of_in_the_units() {
    analyze(&["verify"], &["menshen.service", "menshen.socket"]);
}

#[test]
fn the_service_is_as_locked_up_as_a_server_of_the_network_can_be() {
    analyze(&["security", "--no-pager", "--offline=true", &format!("--threshold={EXPOSURE}")], &["menshen.service"]);
}

#[test]
fn a_socket_that_systemd_hands_over_is_served() {
    let upstream = Upstream::hello();
    let layout = Setup::new().server("listen = [\"systemd:web\"]").lay_out(upstream.address());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen={}", path.display())).arg("--fdname=web");
    command.args([env!("CARGO_BIN_EXE_menshen"), "serve", "--config"]).arg(layout.config());
    let mut program = Program::start(&mut command);
    program.wait_for_words("Listening on");
    // With the first who connects it starts the proxy.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: www.meiduo.site\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}\n{}", program.said());
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0), "{}", program.said());
}
