//! Reads the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    menshen::cli::run(menshen::cli::Cli::parse())
}
