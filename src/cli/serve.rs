//! `menshen serve`: the proxy, until SIGTERM or Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::check::Verdict;
use super::service_manager::ServiceManager;
use super::signals::{Signals, Stopped};
use crate::app::{App, Source};
use crate::clock::Clock;
use crate::config::Config;
use crate::server::{Inherited, Speaks, descriptors};
use crate::telemetry;

pub(super) fn run(path: &Path) -> ExitCode {
    // While there is one thread.
    let inherited = Inherited::take();
    let mut signals = match Signals::of_a_service() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("signals cannot be waited for: {error}");
            return ExitCode::FAILURE;
        }
    };
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = path.to_owned();
    let (config, warnings) = match signals.while_it_reads(move || Config::load(&file, std::env::vars_os())) {
        Ok(Some(Ok(loaded))) => loaded,
        Ok(Some(Err(report))) => {
            eprintln!("{report}");
            return Verdict::from(&report).into();
        }
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the configuration cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let _events = match telemetry::init(&config.log) {
        Ok(events) => events,
        Err(error) => {
            eprintln!("nothing can be logged: {error}");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %whole.display(), "Menshen starts");
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match serve(config, path.to_owned(), inherited, signals) {
        Ok(Stopped::Drained) => ExitCode::SUCCESS,
        Ok(Stopped::CutShort) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config, path: PathBuf, inherited: Inherited, mut signals: Signals) -> anyhow::Result<Stopped> {
    make_room(config.server.limits.connections);
    let manager = ServiceManager::of_the_environment();
    let source: Source = Box::new(move || Config::load(&path, std::env::vars_os()));
    let started = signals.while_it_starts(move || App::start(&config, Clock::System, Some(source), inherited));
    let Some(app) = started.context("the proxy cannot start")? else { return Ok(Stopped::CutShort) };
    for at in app.places(Speaks::Plain) {
        tracing::info!(address = %at, "listening");
    }
    for at in app.places(Speaks::Tls) {
        tracing::info!(address = %at, "listening for TLS");
    }
    let places: Vec<_> = app.places(Speaks::Plain).chain(app.places(Speaks::Tls)).map(ToString::to_string).collect();
    let manager = Arc::new(manager);
    manager.ready(&format!("serves at {}", places.join(", ")));
    if let Some(every) = manager.watchdog() {
        let manager = Arc::clone(&manager);
        app.watch(every, move || manager.alive());
    }
    let (reload, told) = (app.reloading(), Arc::clone(&manager));
    let name = signals.wait(move || {
        told.reloading();
        told.ready(match reload() {
            Ok(_) => "serves by the configuration that was read last",
            Err(_) => "serves by an older configuration: the file cannot be used",
        });
    });
    let name = name.context("signals cannot be heeded")?;
    tracing::info!(signal = name, "going down: open requests may end");
    manager.stopping("goes down: open requests may end");
    signals.stop(app).context("the proxy cannot be stopped")
}

/// Has the system allow as many file descriptors as the limits can need, or says that it does not.
fn make_room(connections: usize) {
    let needed = descriptors::needed(connections);
    match descriptors::raise() {
        Ok(Some(allowed)) if allowed < needed => tracing::warn!(
            allowed,
            needed,
            "limits.connections can need more file descriptors than the system allows: set LimitNOFILE= in the systemd \
             unit or `ulimit -n` in the shell to what is needed, or lower limits.connections"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of file descriptors could not be raised"),
    }
}
