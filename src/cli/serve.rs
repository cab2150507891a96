//! `menshen serve`: the proxy, until SIGTERM or Ctrl-C.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::check::Verdict;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry;

pub(super) fn run(path: &Path) -> ExitCode {
    let (config, warnings) = match Config::load(path, std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return Verdict::from(&report).into();
        }
    };
    let _events = match telemetry::init(&config.log) {
        Ok(events) => events,
        Err(error) => {
            eprintln!("nothing can be logged: {error}");
            return ExitCode::FAILURE;
        }
    };
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> anyhow::Result<()> {
    let app = App::start(config, Clock::System).context("the proxy cannot start")?;
    let signals = Signals::catch().context("signals cannot be waited for")?;
    for address in app.addresses() {
        tracing::info!(%address, "listening");
    }
    let name = signals.wait();
    tracing::info!(signal = name, "going down: open requests may end");
    app.stop();
    Ok(())
}

/// The signals that ask us to go. Caught from the first moment on at which somebody may know that we run: one that
/// comes at once must find a proxy that drains.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    pub(super) fn catch() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Signals { runtime, terminate, interrupt })
    }

    /// The name of the first that comes, or has come.
    pub(super) fn wait(mut self) -> &'static str {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        })
    }
}
