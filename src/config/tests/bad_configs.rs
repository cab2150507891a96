//! `tests/data/bad_configs/*.toml`: what is said of each stands beside it in a `.txt`.
//!
//! A line `# environment: NAME=value` in a file sets a variable; `<name>.secret`, where there is one, lies beside the
//! configuration as `secret`. `MENSHEN_BLESS=1` writes the texts anew, to be read before they are committed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Folder, repository};

#[test]
fn every_bad_file_is_told_what_is_wrong_word_for_word() {
    let bless = std::env::var_os("MENSHEN_BLESS").is_some();
    let cases = cases();
    let mut wrong = Vec::new();
    for (case, said) in &cases {
        let expected = case.with_extension("txt");
        if bless {
            fs::write(expected, said).unwrap();
        } else if *said != fs::read_to_string(&expected).unwrap_or_default() {
            wrong.push(format!("{}\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 60, "{}", cases.len());
}

#[test]
fn every_finding_says_what_comes_of_it_and_what_to_do() {
    let mut wanting = Vec::new();
    for (case, said) in cases() {
        // What belongs to a finding is indented; the last line is the verdict.
        let findings = said.replace("\n    ", "\u{1}");
        let findings: Vec<_> = findings.lines().collect();
        let (_, findings) = findings.split_last().unwrap();
        let lacks = |finding: &&&str| !finding.contains("\u{1}why: ") || !finding.contains("\u{1}fix: ");
        wanting.extend(findings.iter().filter(lacks).map(|finding| format!("{}: {finding}", case.display())));
    }
    assert!(wanting.is_empty(), "{} findings:\n{}", wanting.len(), wanting.join("\n"));
}

/// Every file, and what is said of it.
fn cases() -> Vec<(PathBuf, String)> {
    let mut cases: Vec<_> =
        fs::read_dir(repository("tests/data/bad_configs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases.into_iter().map(|case| (case.clone(), said_of(&case))).collect()
}

fn said_of(case: &Path) -> String {
    let bytes = fs::read(case).unwrap();
    let folder = Folder::with("");
    folder.write("config.toml", &bytes);
    if let Ok(secret) = fs::read(case.with_extension("secret")) {
        folder.write("secret", &secret);
    }
    let text = String::from_utf8_lossy(&bytes);
    let variables = text.lines().filter_map(|line| line.strip_prefix("# environment: "));
    let environment: Vec<_> = variables.filter_map(|line| line.split_once('=')).collect();
    folder.said(&environment)
}
