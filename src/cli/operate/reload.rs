//! `menshen reload`.

use std::process::ExitCode;

use super::{Which, run, unexpected};
use crate::admin::{Operation, Reply};

pub(in crate::cli) fn execute(which: &Which) -> ExitCode {
    run(which, |operator| {
        let Reply::Reloaded(reloaded) = operator.ask(Operation::Reload)? else { return Err(unexpected()) };
        reloaded.warnings.iter().for_each(|warning| println!("{warning}"));
        println!("the configuration was read again, and is in use");
        if !reloaded.need_a_restart.is_empty() {
            println!("changed, and counting only after a restart: {}", reloaded.need_a_restart.join(", "));
        }
        Ok(ExitCode::SUCCESS)
    })
}
