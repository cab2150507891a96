//! `menshen reload`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{Which, run, unexpected};
use crate::admin::{Operation, Reply};

pub(in crate::cli) fn execute(which: &Which) -> ExitCode {
    run(which, |operator| {
        let Reply::Reloaded(reloaded) = operator.ask(Operation::Reload)? else { return Err(unexpected()) };
        let mut out = io::stdout().lock();
        reloaded.warnings.iter().try_for_each(|warning| writeln!(out, "{warning}"))?;
        writeln!(out, "the configuration was read again, and is in use")?;
        if !reloaded.need_a_restart.is_empty() {
            writeln!(out, "changed, and counting only after a restart: {}", reloaded.need_a_restart.join(", "))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
