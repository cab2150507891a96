//! The configuration as a whole: from files to settings or to a report.

mod bad_configs;
mod delivered;
mod documents;
mod environment;
mod every_key;
mod secrecy;

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Config, Report, Warning};

/// The least that can be used.
const MINIMAL: &str = r#"[[sites]]
origin = "https://www.meiduo.site"
[server]
trusted_proxies = ["127.0.0.1"]
[providers.qq]
client_id = "101000001"
client_secret = "0123456789abcdef0123456789abcdef"
[upstreams.mall]
endpoints = ["http://127.0.0.1:8001"]
"#;

/// A folder with a `config.toml`, gone when dropped.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("config.toml", text.as_bytes());
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        // What the umask of this machine allows others is no part of a test.
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), Report> {
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Config::load(&self.0.path().join("config.toml"), environment)
    }

    /// All that there is to say, with the folder's own path left out.
    fn said(&self, environment: &[(&str, &str)]) -> String {
        let text = match self.load(environment) {
            Ok((_, warnings)) => {
                let warnings: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
                format!("{warnings}the configuration can be used")
            }
            Err(report) => report.to_string(),
        };
        let folder = format!("{}/", self.0.path().display());
        text.replace(&folder, "") + "\n"
    }
}

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
