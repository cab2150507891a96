//! Real servers around one script, which tells what it was told.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use tempfile::TempDir;

/// A CGI script that tells its environment: names and values, each ended by a NUL.
const CGI: &str = "printf 'Content-Type: application/octet-stream\\r\\n\\r\\n'\nexec env -0\n";

use crate::backends::{Answer, Environment, Program, free_address};

/// A running one.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    /// Some of the names that are `HTTP_X_MENSHEN_USER` to it.
    pub(super) folded: &'static [&'static str],
    _program: Program,
    _folder: TempDir,
}

/// What the script was told.
#[derive(Debug, Deserialize)]
pub(super) struct Dump {
    /// Variables of WSGI or CGI.
    pub(super) environ: BTreeMap<String, String>,
    /// As Python's own parser reads `HTTP_COOKIE`; of a CGI script none.
    pub(super) cookies: BTreeMap<String, String>,
    /// What the server has left of the body's framing.
    #[serde(default)]
    pub(super) rest: String,
}

impl Backend {
    /// Python's own reference for WSGI.
    pub(super) fn wsgiref() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut python = Environment::new("django").python();
        python.arg("-B").arg(script()).args([address.ip().to_string(), address.port().to_string()]);
        let program = Program::start(&mut python);
        program.wait_for_words("listening");
        let folded = &["X-Menshen-User", "x_menshen_user", "X-MENSHEN_USER"];
        Backend { address, folded, _program: program, _folder: folder }
    }

    /// gunicorn, told to believe whatever it is sent.
    pub(super) fn gunicorn() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut gunicorn = Environment::new("django").python();
        gunicorn.args(["-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket", "dump:application"]);
        gunicorn.args(["--header-map", "dangerous", "--forwarded-allow-ips", "*", "--permit-obsolete-folding"]);
        gunicorn.current_dir(script().parent().unwrap());
        let program = Program::start(&mut gunicorn);
        let listening = |line: &str| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok();
        let address = program.wait_for(listening);
        let folded = &["X-Menshen-User", "x_menshen_user", "X-MENSHEN_USER"];
        Backend { address, folded, _program: program, _folder: folder }
    }

    /// lighttpd with CGI: there every byte that is no letter and no digit is a `_`.
    pub(super) fn cgi() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        fs::write(folder.path().join("dump"), CGI).unwrap();
        let config = format!(
            "server.document-root = \"{}\"\nserver.bind = \"{}\"\nserver.port = {}\nserver.modules = (\"mod_cgi\")\n\
             cgi.assign = (\"/dump\" => \"/bin/sh\")\n",
            folder.path().display(),
            address.ip(),
            address.port()
        );
        fs::write(folder.path().join("lighttpd.conf"), config).unwrap();
        let mut lighttpd = Command::new("lighttpd");
        // It says nothing of its own when it listens, but in its log, which is standard error.
        lighttpd.arg("-D").arg("-f").arg(folder.path().join("lighttpd.conf"));
        let program = Program::start(&mut lighttpd);
        program.wait_for_words("server started");
        let folded = &["X-Menshen-User", "x_menshen_user", "X.Menshen.User", "X!Menshen~User", "X|MENSHEN|USER"];
        Backend { address, folded, _program: program, _folder: folder }
    }
}

impl Dump {
    pub(super) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        if answer.header("content-type") == Some("application/json") {
            return serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()));
        }
        let text = answer.text();
        let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
        let environ = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Dump { environ, cookies: BTreeMap::new(), rest: String::new() }
    }
}

/// What a token says, behind its scheme or without one.
pub(super) fn claims(token: &str) -> serde_json::Value {
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("{token} is no token"));
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/spoofing/dump.py")
}
