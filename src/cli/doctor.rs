//! `menshen doctor`: whether what a configuration relies on is there.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::check::Verdict;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{self, Finding, Grade};

pub(super) fn run(path: &Path) -> ExitCode {
    let (config, warnings) = match Config::load(path, std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return Verdict::from(&report).into();
        }
    };
    let mut told = Told { out: io::stdout().lock(), worst: Grade::Good, is_heard: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let examined = told
        .tell(&doctor::configuration(path, warnings.len()))
        .and(runtime)
        .and_then(|runtime| runtime.block_on(doctor::examine(&config, &Clock::System, |finding| told.tell(&finding))));
    match (examined, told.worst) {
        (Ok(()), Grade::Good | Grade::Doubtful) => ExitCode::SUCCESS,
        (Ok(()), Grade::Bad) => ExitCode::FAILURE,
        (Err(error), _) => {
            eprintln!("menshen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Findings, written down one by one.
struct Told<W> {
    out: W,
    worst: Grade,
    /// Whoever reads only the first lines goes away. What comes out is looked into all the same, for the exit code.
    is_heard: bool,
}

impl<W: Write> Told<W> {
    fn tell(&mut self, finding: &Finding) -> io::Result<()> {
        self.worst = self.worst.max(finding.grade);
        if !self.is_heard {
            return Ok(());
        }
        match self.write(finding) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_heard = false;
                Ok(())
            }
            written => written,
        }
    }

    fn write(&mut self, finding: &Finding) -> io::Result<()> {
        let grade = match finding.grade {
            Grade::Good => "good",
            Grade::Doubtful => "doubtful",
            Grade::Bad => "BAD",
        };
        writeln!(self.out, "{grade:<9} {:<14} {}", finding.what, finding.found)?;
        if !finding.fix.is_empty() {
            writeln!(self.out, "{:<24} fix: {}", "", finding.fix)?;
        }
        self.out.flush()
    }
}
