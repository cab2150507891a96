//! The commands: one file each.

pub mod check;
#[cfg(feature = "demo")]
mod demo;
mod serve;
mod signals;

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

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0  the file is good
  1  it has mistakes (with --strict: or warnings)
  2  it cannot be read, or the command line is wrong";

#[cfg(feature = "demo")]
const DEMO_EXIT_CODES: &str = "\
Exit codes:
  0  stopped by a signal
  1  it could not start, mostly because the port is taken; or a second signal cut the end short
  2  the command line is wrong";

const SERVE_EXIT_CODES: &str = "\
Exit codes:
  0  stopped by a signal
  1  the file has mistakes, or the proxy could not start: the last line of the log says why; or a second signal cut the
     end short
  2  the file cannot be read, or the command line is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with a configuration, all of it at once, and what it does if it is good.
    #[command(after_help = CHECK_EXIT_CODES)]
    Check {
        /// The configuration file.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
        /// Fail on warnings too.
        #[arg(long)]
        strict: bool,
    },
    /// Try everything on this machine, offline: a QQ simulator, a sample mall, and the proxy before it.
    #[cfg(feature = "demo")]
    #[command(after_help = DEMO_EXIT_CODES)]
    Demo {
        /// The proxy's port on 127.0.0.1.
        #[arg(long, default_value_t = 8000)]
        port: u16,
    },
    /// Run the proxy until SIGTERM or Ctrl-C.
    #[command(after_help = SERVE_EXIT_CODES)]
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
    },
}

/// Runs what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Check { config, strict } => {
            let verdict = check::run(&config, std::env::vars_os(), strict, &mut std::io::stdout());
            verdict.map_or(ExitCode::from(2), ExitCode::from)
        }
        #[cfg(feature = "demo")]
        Command::Demo { port } => demo::run(port),
        Command::Serve { config } => serve::run(&config),
    }
}
