//! The documents, held to the code: what they name exists, what they show works, and both languages say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic what went wrong; clippy.toml spares only functions marked as tests"
)]

mod certificate;
mod examples;
mod operators;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document, as a path from the root.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "certs", "docs", "docs/designs"] {
        for entry in fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(repository("")).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

/// A fenced block: its language and its lines.
struct Block {
    language: String,
    lines: Vec<String>,
}

/// A document's blocks, and the lines around them.
fn parts(path: &str) -> (Vec<Block>, Vec<String>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in text_of(path).lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => open = Some(Block { language: language.to_owned(), lines: Vec::new() }),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => prose.push(line.to_owned()),
        }
    }
    assert!(open.is_none(), "{path}: a block is not closed");
    (blocks, prose)
}

fn blocks(path: &str, language: &str) -> Vec<String> {
    let (blocks, _) = parts(path);
    let of_language = blocks.into_iter().filter(|block| block.language == language);
    of_language.map(|block| block.lines.join("\n") + "\n").collect()
}

/// A line without its comment: those are translated.
fn without_comment(line: &str) -> &str {
    let comment =
        line.match_indices('#').find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    comment.map_or(line, |(at, _)| &line[..at]).trim_end()
}

#[test]
fn both_readmes_have_the_same_headings_tables_and_code() {
    let shape = |readme: &str| -> Vec<String> {
        let (_, prose) = parts(readme);
        let marks = prose.iter().filter_map(|line| {
            let level = line.chars().take_while(|char| *char == '#').count();
            let is_row = line.starts_with('|');
            (level > 0 || is_row).then(|| if is_row { "row".to_owned() } else { format!("heading {level}") })
        });
        marks.collect()
    };
    assert_eq!(shape(READMES[0]), shape(READMES[1]));
    let code = |readme: &str| -> Vec<(String, Vec<String>)> {
        let (blocks, _) = parts(readme);
        // A picture has words in it.
        let code = blocks.into_iter().filter(|block| block.language != "text");
        code.map(|block| (block.language, block.lines.iter().map(|line| without_comment(line).to_owned()).collect()))
            .collect()
    };
    assert_eq!(code(READMES[0]), code(READMES[1]));
}

/// Whatever looks like a path of ours in a text: the path, and the function that `::` adds to it.
fn named_paths(text: &str) -> Vec<(String, Option<String>)> {
    let is_path = |char: char| char.is_ascii_alphanumeric() || "_./-".contains(char);
    let mut found = Vec::new();
    for start in ["src/", "tests/", "scripts/", "docs/", "templates/", "certs/", "deploy/"] {
        for (at, _) in text.match_indices(start) {
            if text[..at].ends_with(|before: char| is_path(before)) {
                continue;
            }
            let length = text[at..].find(|char| !is_path(char)).unwrap_or(text.len() - at);
            let path = text[at..at + length].trim_end_matches('.');
            let function = text[at + length..].strip_prefix("::").map(|rest| {
                rest.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect::<String>()
            });
            found.push((path.to_owned(), function));
        }
    }
    found
}

#[test]
fn every_file_and_function_that_a_document_names_exists() {
    let mut seen = 0;
    for document in documents() {
        for (path, function) in named_paths(&text_of(&document)) {
            // What an operator puts there, as an example.
            if ["certs/our-proxy-ca.pem", "certs/ca.pem", "certs/site.pem", "certs/site.key"].contains(&path.as_str()) {
                continue;
            }
            // `docs/configuration` stands for the page in both languages.
            let there = repository(&path).exists() || repository(&format!("{path}.md")).exists();
            assert!(there, "{document} names {path}, which is not there");
            if let Some(function) = function {
                let code = text_of(&path);
                let declared = [format!("fn {function}("), format!("fn {function}<")];
                assert!(declared.iter().any(|fun| code.contains(fun)), "{document} names {path}::{function}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let folder = Path::new(&document).parent().unwrap().to_str().unwrap().to_owned();
        let (_, prose) = parts(&document);
        for link in prose.join("\n").split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if !link.starts_with("http") {
                let target = repository(&folder).join(link.split('#').next().unwrap());
                assert!(target.exists(), "{document} links to {link}");
            }
        }
    }
}

#[test]
fn the_module_maps_list_every_module() {
    for line in text_of("src/lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        for readme in READMES {
            let text = text_of(readme);
            let there =
                [format!("`src/{module}/`"), format!("`src/{module}.rs`")].iter().any(|path| text.contains(path));
            assert!(there, "{readme} has no line for src/{module}");
        }
    }
}

#[test]
fn the_readmes_tell_every_field_of_the_access_log() {
    let code = text_of("src/telemetry/line.rs");
    let written = code.split("fn write_json").nth(1).unwrap().split("object.end()").next().unwrap();
    let members = written.split("object.").skip(1);
    let fields: Vec<_> = members.map(|call| call.split('"').nth(1).unwrap().to_owned()).collect();
    assert!(fields.contains(&"request_id".to_owned()), "{fields:?}");
    for readme in READMES {
        let text = text_of(readme);
        let header = text.lines().position(|line| line == "| field | meaning |" || line == "| 字段 | 含义 |").unwrap();
        let rows = text.lines().skip(header + 2).take_while(|line| line.starts_with('|'));
        let told: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
        assert_eq!(told, fields, "{readme}");
    }
}

#[test]
fn the_api_pages_tell_every_status_and_code_that_is_sent() {
    let code = text_of("src/page/answer.rs");
    let table = code.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2);
    let sent: BTreeSet<(String, String)> = table
        .map(|row| {
            let cells: Vec<_> = row.rsplit(" | ").collect();
            (cells[1].to_owned(), cells[0].trim_end_matches(" |").to_owned())
        })
        .collect();
    assert!(sent.len() > 10, "{sent:?}");
    for page in ["docs/api.md", "docs/api.zh-CN.md"] {
        let text = text_of(page);
        let header = text.lines().position(|line| line.starts_with('|') && line.contains("| `code` |")).unwrap();
        let rows = text.lines().skip(header + 2).take_while(|line| line.starts_with('|'));
        let told: BTreeSet<_> = rows
            .map(|row| {
                let cells: Vec<_> = row.split('|').map(str::trim).collect();
                (cells[1].to_owned(), cells[2].to_owned())
            })
            .collect();
        assert_eq!(told, sent, "{page}");
    }
}

#[test]
fn the_api_pages_tell_every_field_of_userinfo() {
    let code = text_of("src/gateway/own/userinfo.rs");
    let members = code.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": "));
    let sent: BTreeSet<_> = members.map(|(name, _)| name).filter(|name| !["code", "errmsg"].contains(name)).collect();
    for page in ["docs/api.md", "docs/api.zh-CN.md"] {
        let text = text_of(page);
        let table = text.lines().skip_while(|line| *line != "| field | meaning |" && *line != "| 字段 | 含义 |");
        let rows = table.skip(2).take_while(|line| line.starts_with('|'));
        let told: BTreeSet<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        assert_eq!(told, sent, "{page}");
    }
}

/// The code of the product, file by file, each without its tests.
fn code() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![repository("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if path.is_dir() {
                folders.extend((!is_test).then_some(path));
            } else if !is_test && path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                found.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned());
            }
        }
    }
    found
}

/// The string literals that are a macro call's own arguments, not those of a call within; `call` begins behind its
/// parenthesis.
fn literals(call: &str) -> Vec<String> {
    let (mut found, mut depth, mut open) = (Vec::new(), 1, None::<String>);
    let mut chars = call.chars();
    while depth > 0
        && let Some(char) = chars.next()
    {
        match (char, &mut open) {
            ('"', Some(text)) => {
                // A line's end behind a backslash is no part of the text, nor are the blanks that follow.
                let text = text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
                found.extend((depth == 1).then_some(text));
                open = None;
            }
            (char, Some(text)) => text.push(char),
            ('"', None) => open = Some(String::new()),
            ('(', None) => depth += 1,
            (')', None) => depth -= 1,
            (_, None) => {}
        }
    }
    found
}

/// The message of every event at `WARN` or `ERROR`: the last literal of its own.
fn events() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for code in code() {
        for name in ["warn!(", "error!("] {
            for call in code.split(name).skip(1) {
                let message = literals(call).pop().unwrap();
                // A text that was made elsewhere: a remark on the configuration, or why the proxy did not start.
                if !message.starts_with('{') {
                    found.insert(message);
                }
            }
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

#[test]
fn the_readmes_explain_every_warning_and_error_and_no_others() {
    let written = events();
    for readme in READMES {
        let text = text_of(readme);
        let header =
            text.lines().position(|line| line == "| event | what to do |" || line == "| 事件 | 怎么办 |").unwrap();
        let rows = text.lines().skip(header + 2).take_while(|line| line.starts_with('|'));
        let told: BTreeSet<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        for event in &told {
            let there = written.iter().any(|message| message.starts_with(event));
            assert!(there, "{readme} explains {event:?}, which nothing writes");
        }
        for message in &written {
            let there = told.iter().any(|event| message.starts_with(event));
            assert!(there, "{readme} has no row for {message:?}");
        }
    }
}

#[test]
fn the_nginx_lines_of_the_readmes_are_those_of_the_delivered_file() {
    let delivered = text_of("deploy/nginx-https.conf");
    let delivered: Vec<_> = delivered.lines().map(str::trim).collect();
    for readme in READMES {
        let shown = blocks(readme, "nginx").remove(0);
        for line in shown.lines().map(str::trim) {
            assert!(delivered.contains(&line), "{readme}: {line}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.toml");
    fs::write(&good, blocks(READMES[0], "toml").remove(0)).unwrap();
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "[store]\npfad = 1\n").unwrap();
    let absent = folder.path().join("absent.toml");
    let code = |command: &str, more: &[&str], path: &Path| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_menshen"));
        run.env_clear().arg(command).args(more).arg("--config").arg(path).output().unwrap().status.code()
    };
    assert_eq!(code("check", &[], &good), Some(0));
    assert_eq!(code("check", &["--strict"], &good), Some(1), "its warnings");
    assert_eq!(code("check", &[], &wrong), Some(1));
    assert_eq!(code("check", &[], &absent), Some(2));
    assert_eq!(code("check", &["--no-such-flag"], &good), Some(2));
    assert_eq!(code("serve", &[], &wrong), Some(1));
    assert_eq!(code("serve", &[], &absent), Some(2));
    assert_eq!(code("serve", &["--no-such-flag"], &good), Some(2));
}

#[cfg(feature = "demo")]
#[test]
fn a_demo_whose_port_is_taken_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_menshen")).args(["demo", "--port", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn the_help_of_every_command_and_both_readmes_tell_its_exit_codes() {
    let mut commands = vec!["check", "serve"];
    if cfg!(feature = "demo") {
        commands.push("demo");
    }
    for command in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_menshen")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let codes: Vec<_> = help.lines().skip_while(|line| *line != "Exit codes:").skip(1).collect();
        for code in ["  0  ", "  1  ", "  2  "] {
            assert!(codes.iter().any(|line| line.starts_with(code)), "{command} --help: {help}");
        }
        for readme in READMES {
            let text = text_of(readme);
            let head = text.lines().find(|line| line.starts_with("| exit code") || line.starts_with("| 退出码"));
            assert!(head.unwrap().contains(&format!("`{command}`")), "{readme}");
        }
    }
}

#[test]
fn the_systemd_unit_gives_the_proxy_what_its_defaults_need() {
    let unit = text_of("deploy/menshen.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
    };
    let (config, _) = examples::load(&blocks(READMES[0], "toml").remove(0));
    let needed = menshen::server::descriptors::needed(config.server.limits.connections);
    assert!(value("LimitNOFILE").parse::<u64>().unwrap() >= needed);
    assert!(value("TimeoutStopSec").trim_end_matches('s').parse::<u64>().unwrap() > config.server.drain.as_secs());
    assert_eq!(value("KillSignal"), "SIGTERM");
    assert_ne!(value("User"), "root");
}

#[test]
fn the_changelog_begins_with_this_version() {
    let text = text_of("CHANGELOG.md");
    let newest = text.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(newest.split(' ').next().unwrap(), env!("CARGO_PKG_VERSION"));
}
