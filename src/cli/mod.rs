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
#[command(name = "menshen", version, about, after_help = HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
Examples:
  menshen demo                          try everything on this machine, offline
  menshen check --config config.toml    find every mistake before it goes live
  menshen serve --config config.toml    run the proxy

Exit codes:
  0  done
  1  the configuration has mistakes, or the command failed
  2  the command line or a file cannot be read";

const CHECK_HELP: &str = "\
Examples:
  menshen check                                       the config.toml of this folder
  menshen check --strict --config /etc/menshen.toml   as a step of a deployment: fail on warnings too

Exit codes:
  0  the file is good
  1  it has mistakes (with --strict: or warnings)
  2  it cannot be read, or the command line is wrong";

#[cfg(feature = "demo")]
const DEMO_HELP: &str = "\
Examples:
  menshen demo               at http://127.0.0.1:8000
  menshen demo --port 9000   where 8000 is taken

Exit codes:
  0  stopped by a signal
  1  it could not start, mostly because the port is taken; or a second signal cut the end short
  2  the command line is wrong";

const SERVE_HELP: &str = "\
Examples:
  menshen serve                               by the config.toml of this folder
  menshen serve --config /etc/menshen.toml    by another one

Any key may come from the environment instead of the file:
  MENSHEN__LOG__LEVEL=debug menshen serve

Exit codes:
  0  stopped by a signal
  1  the file has mistakes, or the proxy could not start: the last line of the log says why; or a second signal cut the
     end short
  2  the file cannot be read, or the command line is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with a configuration, all of it at once, and what it does if it is good.
    #[command(after_help = CHECK_HELP)]
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
    #[command(after_help = DEMO_HELP)]
    Demo {
        /// The proxy's port on 127.0.0.1.
        #[arg(long, default_value_t = 8000)]
        port: u16,
    },
    /// Run the proxy until SIGTERM or Ctrl-C.
    #[command(after_help = SERVE_HELP)]
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_has_examples_that_it_understands_and_tells_its_exit_codes() {
        let root = Cli::command();
        for command in root.get_subcommands().chain([&root]) {
            let help = command.clone().render_help().to_string();
            let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  menshen ")).collect();
            assert!(examples.len() >= 2 && help.contains("Exit codes:\n  0  "), "{help}");
            for example in examples {
                let words = example.trim().split("   ").next().unwrap().split_whitespace();
                assert!(Cli::try_parse_from(words).is_ok(), "{example}");
            }
        }
    }
}
