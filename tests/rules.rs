//! The rules of the threat model that can be switched off to see their tests fail: each is named, decided in one place and
//! tested, the documents list it, and nothing that is deployed can do without it. `scripts/mutation` sees the tests fail.

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

const FEATURE: &str = "switchable-rules";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file under some of the repository's folders, as a path from its root.
fn files(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| repository(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(repository("")).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Every rule of `src/rule.rs`: what it is called in the code, and by name.
fn rules() -> Vec<(String, String)> {
    let text = text_of("src/rule.rs");
    let list = text.split_once("\nrules! {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let rule = |line: &str| {
        let (rule, name) = line.split_once(" = ").unwrap();
        (rule.to_owned(), name.trim_matches(['"', ',']).to_owned())
    };
    lines.map(rule).collect()
}

/// A line of `tests/data/rules.tsv`.
struct Row {
    rule: String,
    /// The file and the function.
    test: String,
    says: String,
}

fn rows() -> Vec<Row> {
    let text = text_of("tests/data/rules.tsv");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| match line.split('\t').collect::<Vec<_>>().as_slice() {
        [rule, test, says] => Row { rule: (*rule).to_owned(), test: (*test).to_owned(), says: (*says).to_owned() },
        _ => panic!("{line:?} is not a rule, a test and a sentence"),
    };
    lines.map(row).collect()
}

#[test]
fn every_rule_has_a_test_and_every_test_a_rule() {
    let named: Vec<String> = rules().into_iter().map(|(_, name)| name).collect();
    let mut tested: Vec<String> = rows().into_iter().map(|row| row.rule).collect();
    tested.dedup();
    assert_eq!(tested, named, "src/rule.rs and tests/data/rules.tsv, in the same order");
    assert!(named.len() >= 30, "{}", named.len());
}

#[test]
fn every_test_of_a_rule_is_there() {
    for Row { rule, test, .. } in rows() {
        let (file, function) = test.split_once("::").unwrap();
        // Those that the extra build holds.
        assert!(file.starts_with("src/") || file.starts_with("tests/loopback/"), "{rule}: {test}");
        let code = text_of(file);
        let (before, _) = code.split_once(&format!("fn {function}(")).unwrap_or_else(|| panic!("{rule}: no {test}"));
        let attributes = before.rsplit("\n\n").next().unwrap();
        assert!(attributes.contains("#[test]") || attributes.contains("#[tokio::test"), "{rule}: {test} is no test");
    }
}

#[test]
fn every_rule_is_called_by_its_name_and_decided_in_one_place() {
    let code: Vec<String> = files(&["src"]).iter().map(|file| text_of(file)).collect();
    for (rule, name) in rules() {
        let kebab: String = rule
            .char_indices()
            .map(|(at, char)| match (at, char.is_ascii_uppercase()) {
                (0, _) | (_, false) => char.to_ascii_lowercase().to_string(),
                (_, true) => format!("-{}", char.to_ascii_lowercase()),
            })
            .collect();
        assert_eq!(name, kebab);
        let asked = format!("rule::holds(Rule::{rule})");
        let count: usize = code.iter().map(|text| text.matches(&asked).count()).sum();
        assert_eq!(count, 1, "{asked}");
    }
}

#[test]
fn the_threat_model_lists_every_rule() {
    let text = text_of("docs/threat-model.md");
    let section = text.split_once("\n## Rules that are switched off to see their tests fail\n").unwrap().1;
    let told = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let told: Vec<&str> = told.take_while(|line| line.starts_with('|')).collect();
    let row = |row: Row| format!("| `{}` | {} | `{}` |", row.rule, row.says, row.test);
    assert_eq!(told, rows().into_iter().map(row).collect::<Vec<_>>());
}

#[test]
fn nothing_that_is_deployed_is_built_with_rules_that_can_be_switched_off() {
    let manifest: toml::Table = toml::from_str(&text_of("Cargo.toml")).unwrap();
    let features = manifest["features"].as_table().unwrap();
    assert!(features.contains_key(FEATURE));
    for (name, brings) in features {
        let brings: Vec<&str> = brings.as_array().unwrap().iter().map(|brought| brought.as_str().unwrap()).collect();
        assert!(!brings.contains(&FEATURE), "{name}");
    }

    let mut recipes = files(&["scripts", "deploy", "bench", "benches", "fuzz/src", "fuzz/fuzz_targets", ".ci"]);
    recipes.extend(["Dockerfile", "clippy.toml", "fuzz/Cargo.toml", "fuzz/with-coverage"].map(str::to_owned));
    for recipe in recipes {
        let names_it = text_of(&recipe).contains(FEATURE);
        assert_eq!(names_it, recipe == "scripts/mutation", "{recipe}");
        assert!(!text_of(&recipe).contains("--all-features"), "{recipe}");
    }
    let asking: BTreeSet<String> = files(&["src"]).into_iter().filter(|file| text_of(file).contains(FEATURE)).collect();
    assert_eq!(asking, BTreeSet::from(["src/main.rs".to_owned(), "src/rule.rs".to_owned()]));
}

#[test]
fn the_last_words_of_the_test_command_are_the_test_runners() {
    let text = text_of("scripts/test");
    let commands: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(commands.contains(&"./scripts/mutation"), "{commands:?}");
    assert!(commands.last().unwrap().starts_with("cargo test "), "{commands:?}");
}
