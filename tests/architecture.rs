//! Who may know whom, read off the source: the arrows of the design stay true because a new one has to be drawn here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic what went wrong; clippy.toml spares only functions marked as tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Known by everybody, knowing nobody but each other.
const LEAVES: [&str; 8] = ["clock", "error_chain", "http", "random", "rule", "secret", "template", "units"];

/// A module, and whom it may know beside the leaves. A folder within a module may have a row of its own, which then
/// counts in place of the module's. What has no row may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("error_chain", &[]),
    ("http", &[]),
    ("random", &[]),
    ("rule", &[]),
    ("secret", &[]),
    ("template", &[]),
    ("units", &[]),
    ("site", &[]),
    ("seal", &[]),
    ("master_key", &[]),
    // Parts that would do in somebody else's proxy: none knows another.
    ("tls", &[]),
    ("server", &["tls"]),
    ("upstream", &["tls"]),
    ("token", &[]),
    ("store", &[]),
    ("telemetry", &[]),
    ("page", &["site"]),
    ("trail", &["store"]),
    ("acme", &["master_key", "seal", "store", "tls"]),
    // How who is logged in is told, and kept.
    ("identity", &["store", "token"]),
    ("keyring", &["identity", "master_key", "seal", "store", "token"]),
    ("session", &["identity", "seal", "site", "store", "token"]),
    // A provider knows no cookie, no session and no store.
    ("login/provider", &["token"]),
    ("account", &["store"]),
    ("login", &["account", "identity", "seal", "session", "store"]),
    // The hot path knows no store and no provider by name.
    (
        "gateway",
        &["account", "identity", "login", "page", "session", "site", "telemetry", "token", "trail", "upstream"],
    ),
    // Operators know no request.
    ("admin", &["keyring", "master_key", "store"]),
    // No module above knows the configuration: it makes each one's settings.
    (
        "config",
        &[
            "acme",
            "admin",
            "gateway",
            "identity",
            "login",
            "master_key",
            "server",
            "session",
            "site",
            "store",
            "telemetry",
            "tls",
            "token",
            "upstream",
        ],
    ),
    (
        "app",
        &[
            "account",
            "acme",
            "admin",
            "config",
            "gateway",
            "identity",
            "keyring",
            "login",
            "master_key",
            "seal",
            "server",
            "session",
            "store",
            "telemetry",
            "tls",
            "token",
            "trail",
            "upstream",
        ],
    ),
    // From outside, as somebody else would see it.
    ("doctor", &["admin", "config", "gateway", "master_key", "site", "tls", "upstream"]),
    ("demo", &[]),
    ("cli", &["admin", "app", "config", "demo", "doctor", "gateway", "server", "store", "telemetry", "upstream"]),
    ("lib", &[]),
    ("main", &[]),
];

/// Arrows that are not in the design and stand all the same: file, whom it knows, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/http/safe_redirect.rs", "site", "where a redirect may lead is said by the site alone"),
    ("src/account/mod.rs", "login", "what a provider vouches for is the provider's own type"),
    ("src/session/proof.rs", "telemetry", "what a log line says of a user is made once, with the proof"),
    ("src/session/sessions.rs", "telemetry", "the openid is hashed for the log where the session is proved"),
];

/// Longest file, in lines: past this it is two things.
const LONGEST: usize = 450;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder, as a path from the root with `/`.
fn rust_files(under: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// A file's code: without comments, and without the tests at its foot.
fn code_of(file: &str) -> String {
    let text = text_of(file);
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    lines.join("\n")
}

/// Files whose whole content is tests may know whom they like.
fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("/tests.rs") || file.contains("/suite/")
}

/// The modules of ours that some code names: `crate::a::B`, and `crate::{a::B, c}`.
fn known_by(code: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let after = &code[at + found.len()..];
        match after.strip_prefix('{') {
            Some(list) => known.extend(first_names(list)),
            None => known.extend([name_at(after)]),
        }
    }
    known
}

/// The first name of each item of a list, up to the brace that closes it.
fn first_names(list: &str) -> Vec<String> {
    let mut names = vec![name_at(list.trim_start())];
    let mut depth = 1;
    for (at, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name_at(list[at + 1..].trim_start())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// The row that a file stands under: the longest that fits.
fn row_of(file: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    let inside = file.strip_prefix("src/").unwrap().trim_end_matches(".rs");
    let fits = |row: &str| inside == row || inside.strip_prefix(row).is_some_and(|rest| rest.starts_with('/'));
    ARROWS.iter().filter(|(row, _)| fits(row)).max_by_key(|(row, _)| row.len())
}

#[test]
fn the_reader_of_arrows_sees_every_way_to_name_a_module() {
    let code =
        "use crate::a::B;\nuse crate::{c, d::{E, f::G}, h::I};\nlet x: crate::j::K = $crate::l!();\nmy_crate::m;";
    let known = known_by(code);
    assert_eq!(known.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "c", "d", "h", "j", "l"]);
    assert_eq!(row_of("src/login/provider/qq/mod.rs").unwrap().0, "login/provider");
    assert_eq!(row_of("src/login/mod.rs").unwrap().0, "login");
    assert_eq!(row_of("src/clock.rs").unwrap().0, "clock");
}

#[test]
fn no_module_knows_another_but_along_an_arrow() {
    let mut unused: Vec<_> = EXCEPTIONS.iter().map(|(file, known, _)| (*file, *known)).collect();
    let mut strays = Vec::new();
    for file in rust_files("src").into_iter().filter(|file| !is_test(file)) {
        let Some((row, arrows)) = row_of(&file) else {
            strays.push(format!("{file}: its module has no row in ARROWS"));
            continue;
        };
        let module = row.split('/').next().unwrap();
        for known in known_by(&code_of(&file)) {
            // Inside a module everybody knows everybody; a type at the crate's root has a capital.
            if known == module || known.starts_with(char::is_uppercase) {
                continue;
            }
            if arrows.contains(&known.as_str()) || LEAVES.contains(&known.as_str()) {
                continue;
            }
            match unused.iter().position(|(at, what)| *at == file && *what == known) {
                Some(at) => drop(unused.swap_remove(at)),
                None => strays.push(format!("{file} knows {known}, and {row} has no arrow to it")),
            }
        }
    }
    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
    assert!(unused.is_empty(), "exceptions that nobody needs any more: {unused:?}");
}

#[test]
fn arrows_never_lead_in_a_circle() {
    // Each row may point only at rows above it, so that the table itself is the order.
    let position = |name: &str| ARROWS.iter().position(|(row, _)| *row == name);
    for (at, (row, arrows)) in ARROWS.iter().enumerate() {
        for known in *arrows {
            let there = position(known).unwrap_or_else(|| panic!("{row} points at {known}, which has no row"));
            assert!(there < at, "{row} points at {known}, which stands below it");
        }
    }
}

#[test]
fn leaves_know_nobody_but_leaves() {
    for leaf in LEAVES {
        let (_, arrows) = ARROWS.iter().find(|(row, _)| *row == leaf).unwrap();
        assert!(arrows.is_empty(), "{leaf}");
    }
}

#[test]
fn only_the_policy_grants_permits() {
    let granting: Vec<_> =
        rust_files("src").into_iter().filter(|file| code_of(file).contains("Permit::grant")).collect();
    assert_eq!(granting, ["src/gateway/policy.rs"]);
    assert!(code_of("src/upstream/permit.rs").contains("pub(crate) fn grant"));
}

#[test]
fn only_the_clock_reads_the_systems_time() {
    let reading: Vec<_> = rust_files("src").into_iter().filter(|file| code_of(file).contains("SystemTime")).collect();
    assert_eq!(reading, ["src/clock.rs"]);
}

#[test]
fn a_store_and_a_provider_are_named_only_where_all_is_put_together_and_configured() {
    for (name, home) in [("store::sled", "src/store/"), ("provider::qq", "src/login/provider/")] {
        for file in rust_files("src").into_iter().filter(|file| !is_test(file) && !file.starts_with(home)) {
            let may = file.starts_with("src/app/") || file.starts_with("src/config/");
            assert!(may || !code_of(&file).contains(name), "{file} names {name}");
        }
    }
}

#[test]
fn no_file_is_longer_than_one_thing() {
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = text_of(&file).lines().count();
        assert!(lines <= LONGEST, "{file} has {lines} lines: at most {LONGEST}");
    }
}

#[test]
fn a_module_is_a_file_or_a_folder_and_never_both() {
    for file in rust_files("src") {
        let folder = PathBuf::from(file.trim_end_matches(".rs"));
        assert!(!root().join(&folder).is_dir(), "{file} and {}/ are one module in two places", folder.display());
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for file in rust_files("src").into_iter().filter(|file| !is_test(file)) {
        assert!(text_of(&file).starts_with("//! "), "{file} has no header");
    }
}
