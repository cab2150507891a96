//! Packages from npm of locked versions, below `.test-parts/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder in which exactly the packages are installed that are locked in `here`.
pub(crate) fn installed(name: &str, here: &Path) -> PathBuf {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-parts").join(name);
    fs::create_dir_all(&parts).unwrap();
    // Tests run at the same time: one of them installs.
    let turn = File::create(parts.with_extension("lock")).unwrap();
    turn.lock().unwrap();
    let lock = fs::read(here.join("package-lock.json")).unwrap();
    let mark = parts.join("installed-lock.json");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return parts;
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(here.join(file), parts.join(file)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&parts);
    let output = npm.output().unwrap_or_else(|error| panic!("npm cannot be run: {error}"));
    assert!(output.status.success(), "{npm:?}: {}", String::from_utf8_lossy(&output.stderr));
    // Last, so that an installation that was cut off is done again.
    fs::write(mark, lock).unwrap();
    parts
}
