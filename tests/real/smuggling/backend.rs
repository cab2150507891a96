//! Real servers that say what they read.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::backends::{Environment, Program, free_address, nginx};

/// A running one.
pub(super) struct Backend {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    program: Program,
    _folder: TempDir,
}

/// A request that one of them has read, from its first byte to its last.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Read {
    /// Where the connection came from.
    port: u16,
    /// What nginx answered; the others speak of no request that they refuse.
    #[serde(default)]
    status: Option<u16>,
    #[serde(flatten)]
    pub(super) message: Message,
}

/// What a request says to whoever reads it, as text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) body: String,
}

impl Backend {
    pub(super) fn nginx() -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let site = fs::read_to_string(here("nginx.conf")).unwrap();
        let place = folder.path().display().to_string();
        let site = site.replace("{address}", &address.to_string()).replace("{folder}", &place);
        let program = nginx::serve(folder.path(), &site);
        Backend { name: "nginx", address, program, _folder: folder }
    }

    /// gunicorn, which keeps connections and takes whatever it can be told to take.
    pub(super) fn gunicorn() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut gunicorn = Environment::new("django").python();
        gunicorn.args(["-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket", "echo:application"]);
        gunicorn.args(["--worker-class", "gthread", "--threads", "8", "--keep-alive", "60"]);
        gunicorn.args(["--header-map", "dangerous", "--permit-obsolete-folding", "--strip-header-spaces"]);
        gunicorn.args(["--permit-unconventional-http-method", "--permit-unconventional-http-version"]);
        gunicorn.current_dir(here(""));
        let program = Program::start(&mut gunicorn);
        let listening = |line: &str| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok();
        let address = program.wait_for(listening);
        Backend { name: "gunicorn", address, program, _folder: folder }
    }

    /// Node, as strict as it is by itself.
    pub(super) fn node() -> Self {
        Self::of_node("strict")
    }

    /// Node, told to take what it should not.
    pub(super) fn lenient_node() -> Self {
        Self::of_node("lenient")
    }

    fn of_node(how: &str) -> Self {
        let mut node = Command::new("node");
        let program = Program::start(node.arg(here("echo.mjs")).arg(how));
        let port = program.wait_for(|line| line.strip_prefix("listening ")?.parse().ok());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Backend { name: "node", address, program, _folder: tempfile::tempdir().unwrap() }
    }

    /// Ends it. What it has read, by the port that each connection came from, in order.
    pub(super) fn end(mut self) -> Vec<(u16, Message)> {
        self.program.signal("INT");
        self.program.ended();
        let said = self.program.said();
        let read = |line: &str| -> Option<Read> {
            let told = line.strip_prefix("read ")?;
            Some(serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {told}")))
        };
        let reads = said.lines().filter_map(read);
        reads
            .filter(|read| read.status.is_none_or(|status| status == 200))
            .map(|read| (read.port, read.message))
            .collect()
    }
}

/// A file beside this one.
pub(super) fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/smuggling").join(name)
}
