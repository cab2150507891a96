//! The commands: one file each.

mod certs;
pub mod check;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod operate;
mod serve;
mod service_manager;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::operate::Which;

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
  menshen users list                    who has logged in

Exit codes:
  0  done
  1  the configuration has mistakes, or the command failed
  2  the command line or a file cannot be read";

const CERTS_HELP: &str = "\
Examples:
  menshen certs dev                     into certs: for the sites of this folder's config.toml, and this machine
  menshen certs dev shop.test 10.0.0.5  for these alone
  menshen certs dev --out /tmp/certs    into another folder

Exit codes:
  0  the files are there
  1  they are not: somebody else's are in their place, or they could not be written
  2  the command line is wrong";

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

const USERS_HELP: &str = "\
WHO is a user's id, or an openid. A proxy that runs is asked through its socket; where none runs, its store is opened.

Examples:
  menshen users list                                     everybody
  menshen users show A1B2C3D4E5F60718293A4B5C6D7E8F90    by openid
  menshen users block 0190a5b2-3c4d-7e8f-9a0b-112233445566

Exit codes:
  0  done
  1  there is no such user, or it could not be done
  2  the command line or the configuration cannot be read";

const BINDINGS_HELP: &str = "\
Examples:
  menshen bindings import shop.csv       openid,upstream_id,username: from the shop's own table
  menshen bindings export                to standard output: add > backup.jsonl
  menshen bindings import backup.jsonl
  menshen bindings unbind A1B2C3D4E5F60718293A4B5C6D7E8F90

Exit codes:
  0  done; everything that was to be imported is there
  1  rows were left out, and told; or it could not be done
  2  the command line or the configuration cannot be read";

const KEYS_HELP: &str = "\
Examples:
  menshen keys list
  menshen keys rotate upstream           a new one signs in ten minutes, when every backend can know it
  menshen keys rotate seal --drop-old    it has leaked: everybody logs in again

Exit codes:
  0  done
  1  it could not be done
  2  the command line or the configuration cannot be read";

const SESSIONS_HELP: &str = "\
Examples:
  menshen sessions revoke 0f1e2d3c4b5a69788796a5b4c3d2e1f0
  menshen sessions revoke --user A1B2C3D4E5F60718293A4B5C6D7E8F90
  menshen sessions revoke --everybody --yes

Exit codes:
  0  done
  1  it could not be done
  2  the command line or the configuration cannot be read";

const AUDIT_HELP: &str = "\
Examples:
  menshen audit                 the last hundred entries
  menshen audit --since 7d --json
  menshen audit --user 0190a5b2-3c4d-7e8f-9a0b-112233445566

Exit codes:
  0  done
  1  it could not be done
  2  the command line or the configuration cannot be read";

const DOCTOR_HELP: &str = "\
It asks the sites' own addresses, QQ and the applications, and looks at files and clocks; it changes nothing.

Examples:
  menshen doctor
  menshen doctor --config /etc/menshen.toml

Exit codes:
  0  nothing is bad; what is doubtful may be meant so
  1  something is bad, or the configuration has mistakes
  2  the command line or the configuration cannot be read";

const EXPLAIN_HELP: &str = "\
Examples:
  menshen explain GET /orders/
  menshen explain POST http://www.meiduo.site:8000/orders/ -H Origin:http://evil.example

Exit codes:
  0  it was told
  1  it could not be
  2  the command line or the configuration cannot be read";

const RELOAD_HELP: &str = "\
Examples:
  menshen reload
  menshen reload --config /etc/menshen.toml

Exit codes:
  0  the configuration is in use
  1  it has mistakes and the old one stays in use, or no proxy runs
  2  the command line or the configuration cannot be read";

#[derive(Debug, Subcommand)]
enum Command {
    /// Certificates to try https with on machines of your own, and an authority that vouches for them.
    #[command(after_help = CERTS_HELP)]
    Certs {
        #[command(subcommand)]
        command: certs::Command,
    },
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
    /// What was done to whose account: logins, bindings, and what operators did.
    #[command(after_help = AUDIT_HELP)]
    Audit {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        wanted: operate::audit::Wanted,
    },
    /// Which QQ user is which user of the shop: list, unbind, export, import.
    #[command(after_help = BINDINGS_HELP)]
    Bindings {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: operate::bindings::Command,
    },
    /// Whether what a configuration relies on is there: QQ, the application, the clock, files, the site's own address.
    #[command(after_help = DOCTOR_HELP)]
    Doctor {
        /// The configuration file.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
    },
    /// What would become of a request, and why, without sending it.
    #[command(after_help = EXPLAIN_HELP)]
    Explain {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        asked: operate::explain::Asked,
    },
    /// The keys by which Menshen seals and signs: list, rotate.
    #[command(after_help = KEYS_HELP)]
    Keys {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: operate::keys::Command,
    },
    /// Have the running proxy read its configuration again. A file with mistakes changes nothing.
    #[command(after_help = RELOAD_HELP)]
    Reload {
        #[command(flatten)]
        which: Which,
    },
    /// Sessions: end one, all of a user's, or everybody's.
    #[command(after_help = SESSIONS_HELP)]
    Sessions {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: operate::sessions::Command,
    },
    /// Users: list, show, block, log out, export, erase.
    #[command(after_help = USERS_HELP)]
    Users {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: operate::users::Command,
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
        Command::Certs { command } => certs::execute(command),
        Command::Check { config, strict } => {
            let verdict = check::run(&config, std::env::vars_os(), strict, &mut std::io::stdout());
            verdict.map_or(ExitCode::from(2), ExitCode::from)
        }
        #[cfg(feature = "demo")]
        Command::Demo { port } => demo::run(port),
        Command::Audit { which, wanted } => operate::audit::execute(&which, wanted),
        Command::Bindings { which, command } => operate::bindings::execute(&which, command),
        Command::Doctor { config } => doctor::run(&config),
        Command::Explain { which, asked } => operate::explain::execute(&which, asked),
        Command::Keys { which, command } => operate::keys::execute(&which, command),
        Command::Reload { which } => operate::reload::execute(&which),
        Command::Sessions { which, command } => operate::sessions::execute(&which, command),
        Command::Users { which, command } => operate::users::execute(&which, command),
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
