//! Python packages of pinned versions, in environments below `.test-parts/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment in which exactly the listed packages are installed.
pub(crate) struct Environment(PathBuf);

impl Environment {
    /// The environment `name`, with the packages of `backends/<name>.txt`. Made if it is not there.
    pub(crate) fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let requirements = root.join(format!("tests/real/backends/{name}.txt"));
        let parts = root.join(".test-parts");
        let environment = Environment(parts.join(name));
        fs::create_dir_all(&parts).unwrap();
        // Tests run at the same time, in threads or in processes: one of them installs.
        let lock = File::create(parts.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        if !environment.0.join("bin/python").exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment.0));
        }
        // Does nothing where all of them are there already.
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
        run(environment.python().args(pip).arg(requirements));
        environment
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Its interpreter. What it says is not kept back, and a proxy that the shell names is not used.
    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(self.0.join("bin/python"));
        python.env("PYTHONUNBUFFERED", "1").env("no_proxy", "*");
        python
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; python3 and venv are needed"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
