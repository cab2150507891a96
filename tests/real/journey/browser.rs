//! Chromium, driven by Playwright on Node. Chromium and Node are the system's; Playwright's version is pinned here.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::backends::{Program, npm};

/// What Chromium is called, depending on who packed it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const INSTALL: &str = "scripts/install-test-parts installs what these tests need";

/// Where visitors find the site and QQ: origins.
pub(crate) struct Whereabouts {
    pub(crate) site: String,
    pub(crate) qq: String,
}

/// Plays a case to its good end before a program.
pub(super) fn play(case: &str, whereabouts: &Whereabouts, program: &Program) {
    play_with(case, whereabouts, program, &Value::Null);
}

/// Plays a case that needs to be told more: `told`, on its stage.
pub(crate) fn play_with(case: &str, whereabouts: &Whereabouts, program: &Program, told: &Value) {
    // Starting a browser costs more than most cases: all share one, and take turns.
    static PLAYER: Mutex<Option<Player>> = Mutex::new(None);
    let fault = {
        let mut player = PLAYER.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = player.get_or_insert_with(Player::start).play(case, whereabouts, told);
        answer.unwrap_or_else(|error| {
            *player = None;
            Some(format!("{case}: the browser's player broke off: {error}"))
        })
    };
    if let Some(fault) = fault {
        panic!("{fault}\nThe program said:\n{}", program.said());
    }
}

/// Node with a browser. Ends when its input does, so with this process at the latest.
struct Player {
    node: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Player {
    fn start() -> Self {
        let parts = npm::installed("journey", &here());
        let mut node = Command::new("node");
        node.arg(here().join("main.mjs")).arg(chromium()).arg(&parts).arg(parts.join("screens"));
        let node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut node = node.unwrap_or_else(|error| panic!("node cannot be run: {error}. {INSTALL}"));
        let (tell, hear) = (node.stdin.take().unwrap(), node.stdout.take().unwrap());
        Player { node, tell, hear: BufReader::new(hear) }
    }

    /// What went wrong, if anything did.
    fn play(&mut self, case: &str, whereabouts: &Whereabouts, told: &Value) -> io::Result<Option<String>> {
        let Whereabouts { site, qq } = whereabouts;
        writeln!(self.tell, "{}", json!({ "name": case, "site": site, "qq": qq, "told": told }))?;
        let mut answer = String::new();
        self.hear.read_line(&mut answer)?;
        // The end of the output is no answer either: it does not parse.
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/journey")
}

fn chromium() -> PathBuf {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let mut programs = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.find(|program| program.is_file()).unwrap_or_else(|| panic!("there is no Chromium. {INSTALL}"))
}
