//! Reads the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    menshen::cli::run(menshen::cli::Cli::parse())
}
