//! `menshen serve`: the proxy, until SIGTERM or Ctrl-C.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry;

pub(super) fn run(path: &Path) -> ExitCode {
    let (config, warnings) = match Config::load(path, std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::FAILURE;
        }
    };
    telemetry::init(&config.log);
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
    for address in app.addresses() {
        tracing::info!(%address, "listening");
    }
    let name = wait_for_signal().context("signals cannot be waited for")?;
    tracing::info!(signal = name, "going down: open requests may end");
    app.stop();
    Ok(())
}

/// The name of the signal that asks us to go.
pub(super) fn wait_for_signal() -> std::io::Result<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        })
    })
}
