//! The signals that ask us to go, and going.

use std::future::pending;
use std::thread;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::app::App;

/// How the proxy came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// As it should: open requests had the time that the settings give.
    Drained,
    /// A second signal ended it at once.
    CutShort,
}

/// Caught from the first moment on at which somebody may know that we run: one that comes at once must find a proxy that
/// drains.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on SIGTERM and SIGINT no longer end the process by themselves.
    pub(super) fn catch() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Signals { runtime, terminate, interrupt, hangup: None })
    }

    /// Nor does SIGHUP, by which `systemctl reload` and logrotate ask for a reload.
    pub(super) fn outliving_hangups(mut self) -> std::io::Result<Self> {
        self.hangup = {
            let _inside = self.runtime.enter();
            Some(signal(SignalKind::hangup())?)
        };
        Ok(self)
    }

    /// The name of the first that comes, or has come.
    pub(super) fn wait(&mut self) -> &'static str {
        let Signals { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(next(terminate, interrupt, hangup))
    }

    /// Stops the proxy, at once if another signal comes meanwhile.
    pub(super) fn stop(self, app: App) -> std::io::Result<Stopped> {
        let Signals { runtime, mut terminate, mut interrupt, mut hangup } = self;
        let (done, stopped) = oneshot::channel();
        let stopping = move || {
            app.stop();
            let _ = done.send(());
        };
        thread::Builder::new().name("stop".to_owned()).spawn(stopping)?;
        let how = runtime.block_on(async {
            tokio::select! {
                _ = stopped => Stopped::Drained,
                name = next(&mut terminate, &mut interrupt, &mut hangup) => {
                    tracing::warn!(signal = name, "a second signal: going down at once, open requests are cut off");
                    Stopped::CutShort
                }
            }
        });
        Ok(how)
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Option<Signal>) -> &'static str {
    loop {
        tokio::select! {
            _ = terminate.recv() => return "SIGTERM",
            _ = interrupt.recv() => return "SIGINT",
            () = hung_up(hangup) => tracing::warn!("SIGHUP changes nothing: there is no reload yet; restart instead"),
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => pending().await,
    }
}
