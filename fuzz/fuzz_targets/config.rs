//! Whatever stands in a configuration, it is taken or refused: with the file and a line in it, in the same words each
//! time, and without a secret.
//!
//! A `config.toml`. A line `# environment: NAME=value` in it sets a variable.

#![no_main]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use menshen::config::{Config, Report};
use menshen_fuzz::folder;
use toml::de::{DeTable, DeValue};

/// What `secret`, beside the configuration, holds.
const IN_A_FILE: &str = "fedcba9876543210fedcba9876543210fedcba9876543210";

static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = folder().join("config.toml");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(folder().join("secret"), IN_A_FILE).unwrap();
    path
});

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let environment: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# environment: ")?.split_once('=')).collect();
    let (table, errors) = DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(&text));
    // What is no TOML names no file.
    let is_toml = errors.is_empty() && std::str::from_utf8(data).is_ok();
    if leads_elsewhere(&text) || (is_toml && names_files_elsewhere(table.get_ref(), "")) {
        return;
    }
    fs::write(&*PATH, data).unwrap();
    let load = || Config::load(&PATH, environment.clone());
    let said = match load() {
        Ok((config, warnings)) => format!("{warnings:?}{config:?}"),
        Err(report) => {
            names_file_and_lines(&report, text.lines().count());
            assert_eq!(load().unwrap_err().to_string(), report.to_string());
            format!("{report}{report:?}")
        }
    };
    let secrets = if is_toml { secrets(table.get_ref()) } else { values(&text) };
    for secret in secrets.iter().filter(|secret| is_known_again(secret, &text)) {
        assert!(!said.contains(secret.as_str()), "{said}");
    }
    assert!(!said.contains(IN_A_FILE) || text.contains(IN_A_FILE), "{said}");
});

/// Each finding begins with the file, a place in it or a variable.
fn names_file_and_lines(report: &Report, lines: usize) {
    let Report::Mistakes { errors, .. } = report else { panic!("{report}") };
    assert!(!errors.is_empty());
    let file = PATH.display().to_string();
    for error in errors.iter().map(ToString::to_string) {
        let Some(rest) = error.strip_prefix(&file) else {
            assert!(error.starts_with("MENSHEN__"), "{error}");
            continue;
        };
        let place = rest.strip_prefix(':').unwrap();
        let line = place.split(':').next().and_then(|line| line.parse::<usize>().ok());
        assert!(line.is_none_or(|line| (1..=lines.max(1) + 1).contains(&line)), "{error}");
    }
}

/// Values under the names of secrets, wherever they stand.
fn secrets(table: &DeTable<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value.get_ref() {
            DeValue::String(text) if matches!(&**name.get_ref(), "client_secret" | "secret" | "proxy") => {
                found.push(text.to_string());
            }
            DeValue::Table(below) => found.extend(secrets(below)),
            DeValue::Array(list) => {
                found.extend(list.iter().filter_map(|item| item.get_ref().as_table()).flat_map(secrets))
            }
            _ => {}
        }
    }
    found
}

/// What stands behind an `=`, in words: any of it may be a secret where nobody knows what the text means.
fn values(text: &str) -> Vec<String> {
    let values = text.lines().filter_map(|line| line.split_once('=')).map(|(_, value)| value);
    values.flat_map(|value| value.split(|char: char| !char.is_ascii_alphanumeric())).map(str::to_owned).collect()
}

/// Whether a secret would be known again if it were told: it is long, no word of ours, and comes once.
fn is_known_again(secret: &str, text: &str) -> bool {
    secret.len() >= 12
        && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_.".contains(&byte))
        && secret.bytes().filter(u8::is_ascii_digit).count() >= 2
        && text.matches(secret).count() == 1
}

/// Only the folder made for it may be looked at, and a variable may name any file.
fn leads_elsewhere(text: &str) -> bool {
    let is_elsewhere = |line: &str| line.contains(['/', '\\']) || line.contains("..");
    text.lines().any(|line| line.starts_with("# environment:") && is_elsewhere(line))
}

fn names_files_elsewhere(table: &DeTable<'_>, section: &str) -> bool {
    table.iter().any(|(name, value)| match value.get_ref() {
        DeValue::String(path) => {
            let is_file = name.get_ref().ends_with("_file") || (name.get_ref() == "path" && section != "routes");
            is_file && (path.starts_with('/') || path.contains(".."))
        }
        DeValue::Table(below) => names_files_elsewhere(below, name.get_ref()),
        DeValue::Array(list) => {
            let mut tables = list.iter().filter_map(|item| item.get_ref().as_table());
            tables.any(|below| names_files_elsewhere(below, name.get_ref()))
        }
        _ => false,
    })
}
