//! Reads the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if cfg!(feature = "switchable-rules") {
        eprintln!("menshen: the rules of this build can be switched off: it is for its own tests, and does not run");
        return ExitCode::FAILURE;
    }
    menshen::cli::run(menshen::cli::Cli::parse())
}
