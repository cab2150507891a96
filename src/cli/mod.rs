//! The commands: one file each.

mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// QQ login for a web application, without changing one line of it.
#[derive(Debug, Parser)]
#[command(name = "menshen", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Examples:
  menshen demo                          try everything on this machine, offline
  menshen check --config config.toml    find every mistake before it goes live
  menshen serve --config config.toml    run the proxy

Exit codes:
  0  done
  1  the configuration has mistakes, or the command failed
  2  the command line or a file cannot be read";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM or Ctrl-C.
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
    },
}

/// Runs what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve { config } => serve::run(&config),
    }
}
