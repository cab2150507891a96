//! `menshen doctor`: whether what a configuration relies on is there.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::check::Verdict;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{self, Grade};

pub(super) fn run(path: &Path) -> ExitCode {
    let (config, warnings) = match Config::load(path, std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return Verdict::from(&report).into();
        }
    };
    let mut out = io::stdout().lock();
    let verdict = if warnings.is_empty() { "has no warnings" } else { "has warnings: see `menshen check`" };
    let first = writeln!(out, "good      configuration  {} {verdict}", path.display());
    let mut worst = Grade::Good;
    let tell = |finding: doctor::Finding| {
        worst = worst.max(finding.grade);
        let grade = match finding.grade {
            Grade::Good => "good",
            Grade::Doubtful => "doubtful",
            Grade::Bad => "BAD",
        };
        writeln!(out, "{grade:<9} {:<14} {}", finding.what, finding.found)?;
        if !finding.fix.is_empty() {
            writeln!(out, "{:<24} fix: {}", "", finding.fix)?;
        }
        out.flush()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let examined =
        first.and(runtime).and_then(|runtime| runtime.block_on(doctor::examine(&config, &Clock::System, tell)));
    match (examined, worst) {
        (Ok(()), Grade::Good | Grade::Doubtful) => ExitCode::SUCCESS,
        (Ok(()), Grade::Bad) => ExitCode::FAILURE,
        (Err(error), _) => {
            eprintln!("menshen: {error}");
            ExitCode::FAILURE
        }
    }
}
