//! What operators do to users, bindings, keys and sessions: through the socket of the proxy that runs by a configuration,
//! or on its store where none runs.

pub(super) mod audit;
pub(super) mod bindings;
pub(super) mod explain;
mod import;
mod interruption;
pub(super) mod keys;
mod progress;
pub(super) mod reload;
mod rows;
pub(super) mod sessions;
mod shown;
pub(super) mod users;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tokio::runtime::Runtime;

use super::check::Verdict;
use crate::admin::client::Client;
use crate::admin::{Operation, Person, Reply};
use crate::app::Stopped;
use crate::clock::Clock;
use crate::config::{App, Config};
use crate::store::{Actor, IdentityKey, UserId};

/// Which proxy is meant.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration file of the proxy that is meant.
    #[arg(long, default_value = "config.toml", global = true)]
    config: PathBuf,
    /// The socket of the running proxy that is meant (`admin.socket`): no configuration is read then, so that neither a
    /// mistake in it nor a secret that is not at hand keeps anybody from it.
    #[arg(long, global = true, conflicts_with = "config")]
    socket: Option<PathBuf>,
}

/// A way to a proxy, be it running or not.
struct Operator {
    runtime: Runtime,
    way: Way,
    /// As configured; else the proxy says.
    app: Option<App>,
}

enum Way {
    Running(Client),
    Stopped(Box<Stopped>),
}

/// Runs a command, and says what went wrong.
fn run(which: &Which, command: impl FnOnce(&mut Operator) -> anyhow::Result<ExitCode>) -> ExitCode {
    let reached = match &which.socket {
        Some(socket) => Operator::at(socket),
        None => match Config::load(&which.config, std::env::vars_os()) {
            Ok((config, _)) => Operator::reach(&config),
            // In an emergency nobody mends a configuration first: the proxy goes by an older one.
            Err(report) => match Config::socket(&which.config, std::env::vars_os()).map(|socket| Operator::at(&socket))
            {
                Some(Ok(operator)) => {
                    eprintln!(
                        "menshen: the configuration has mistakes (see `menshen check`); the running proxy is asked"
                    );
                    Ok(operator)
                }
                Some(Err(_)) | None => {
                    eprintln!(
                        "{report}\nno proxy was asked: say --socket, and a running one is, whatever stands there"
                    );
                    return Verdict::from(&report).into();
                }
            },
        },
    };
    let outcome = reached.and_then(|mut operator| {
        let outcome = command(&mut operator);
        operator.leave();
        outcome
    });
    outcome.unwrap_or_else(|error| {
        // Whoever reads only the first lines of a list is not told that it was cut off.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("menshen: {error:#}");
        ExitCode::FAILURE
    })
}

impl Operator {
    fn reach(config: &Config) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let socket = &config.admin.socket;
        let way = match runtime.block_on(Client::connect(socket)) {
            Ok(client) => Way::Running(client),
            Err(error) if is_nobody(&error) => {
                let nobody = || format!("no proxy answers at {}", socket.display());
                let stopped = Stopped::open(config, Clock::System).with_context(nobody)?;
                // Whoever blocks somebody at another proxy than the one that is meant has blocked nobody.
                eprintln!("menshen: {}: the stopped store {} is used", nobody(), config.store.path.display());
                Way::Stopped(Box::new(stopped))
            }
            Err(error) => return Err(unreachable(socket, error)),
        };
        Ok(Operator { runtime, way, app: Some(config.app()) })
    }

    /// Of the proxy that listens there.
    fn at(socket: &Path) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        match runtime.block_on(Client::connect(socket)) {
            Ok(client) => Ok(Operator { runtime, way: Way::Running(client), app: None }),
            Err(error) if is_nobody(&error) => bail!("no proxy listens at {}", socket.display()),
            Err(error) => Err(unreachable(socket, error)),
        }
    }

    fn ask(&mut self, operation: Operation) -> anyhow::Result<Reply> {
        match &mut self.way {
            Way::Running(client) => Ok(self.runtime.block_on(client.ask(&operation))?),
            Way::Stopped(stopped) => {
                let by = Actor::Operator(rustix::process::geteuid().as_raw());
                Ok(self.runtime.block_on(stopped.admin.carry_out(operation, by))?)
            }
        }
    }

    fn leave(self) {
        if let Way::Stopped(stopped) = self.way {
            self.runtime.block_on(stopped.close());
        }
    }

    /// The user that somebody names by our id or by an openid.
    fn person(&mut self, who: &str) -> anyhow::Result<Person> {
        let operation = match who.parse::<UserId>() {
            // 32 hexadecimal digits could be either; ours are written with dashes.
            Ok(id) if who.contains('-') => Operation::User(id),
            Ok(_) | Err(_) => Operation::WhoIs(self.identity(who)?),
        };
        let Reply::Person(person) = self.ask(operation)? else { return Err(unexpected()) };
        Ok(person)
    }

    /// The app whose openids are meant.
    fn app(&mut self) -> anyhow::Result<App> {
        if let Some(app) = &self.app {
            return Ok(app.clone());
        }
        let Reply::Status(status) = self.ask(Operation::Status)? else { return Err(unexpected()) };
        let app = App { provider: status.provider, client_id: status.client_id };
        self.app = Some(app.clone());
        Ok(app)
    }

    fn identity(&mut self, openid: &str) -> anyhow::Result<IdentityKey> {
        let Some(identity) = self.app()?.identity(openid) else {
            bail!("{} is neither a user's id nor an openid (32 hexadecimal digits)", shown::plain(openid));
        };
        Ok(identity)
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}

/// Whether nobody listens there.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn unreachable(socket: &Path, error: io::Error) -> anyhow::Error {
    let advice = if error.kind() == io::ErrorKind::PermissionDenied {
        "run this as the user that runs the proxy, or as root"
    } else {
        "see what the system says"
    };
    anyhow!(error).context(format!("the proxy's socket {} cannot be used: {advice}", socket.display()))
}

/// A reply that does not belong to what was asked: the proxy is of another version.
fn unexpected() -> anyhow::Error {
    anyhow!("the proxy answers as another version would: restart it, or use the menshen it was started with")
}

/// What cannot be undone is done only if that was said.
fn confirmed(yes: bool, what: &str) -> anyhow::Result<()> {
    if !yes {
        bail!("{what} cannot be undone: say --yes");
    }
    Ok(())
}
