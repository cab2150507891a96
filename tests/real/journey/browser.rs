//! Chromium, driven by Playwright on Node. Chromium and Node are the system's; Playwright's version is pinned here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;

use super::program::Program;

/// What Chromium is called, depending on who packed it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const INSTALL: &str = "scripts/install-test-parts installs what these tests need";

/// Where visitors find the site and QQ: origins.
pub(super) struct Whereabouts {
    pub(super) site: String,
    pub(super) qq: String,
}

/// Plays a case of `cases.mjs` to its good end before a program.
pub(super) fn play(case: &str, whereabouts: &Whereabouts, program: &Program) {
    static PARTS: LazyLock<PathBuf> = LazyLock::new(install_playwright);
    let facts = json!({
        "site": whereabouts.site,
        "qq": whereabouts.qq,
        "chromium": chromium(),
        "parts": *PARTS,
        "screens": PARTS.join("screens"),
    });
    let mut node = Command::new("node");
    node.arg(here().join("main.mjs")).arg(case).env("JOURNEY", facts.to_string());
    let output = node.output().unwrap_or_else(|error| panic!("node cannot be run: {error}. {INSTALL}"));
    assert!(
        output.status.success(),
        "{}\nThe program said:\n{}",
        String::from_utf8_lossy(&output.stderr),
        program.log()
    );
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/journey")
}

fn chromium() -> PathBuf {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let found = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    found.into_iter().find(|program| program.is_file()).unwrap_or_else(|| panic!("there is no Chromium. {INSTALL}"))
}

/// The folder in which exactly the locked packages are installed.
fn install_playwright() -> PathBuf {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-parts/journey");
    fs::create_dir_all(&parts).unwrap();
    let lock = fs::read(here().join("package-lock.json")).unwrap();
    let installed = parts.join("installed-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return parts;
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(here().join(file), parts.join(file)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&parts);
    let output = npm.output().unwrap_or_else(|error| panic!("npm cannot be run: {error}. {INSTALL}"));
    assert!(output.status.success(), "{npm:?}: {}", String::from_utf8_lossy(&output.stderr));
    // Last, so that an installation that was cut off is done again.
    fs::write(installed, lock).unwrap();
    parts
}
