//! The signals that ask us to go, and going.

use std::io;
use std::thread;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::app::{App, StartError};

/// How the proxy came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// As it should: open requests had the time that the settings give.
    Drained,
    /// A second signal ended it at once.
    CutShort,
}

/// Caught before anything else is done: whoever has started us may ask for a reload or an end at once, and a signal that
/// nobody catches kills.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether a hang-up ends it: the terminal that it was started from is gone.
    ends_with_terminal: bool,
    /// Which has asked for an end, while it started.
    end: Option<&'static str>,
    /// Whether a reload was asked for, once or often, while it started.
    reload: bool,
}

impl Signals {
    /// From now on SIGTERM, SIGINT and SIGHUP no longer end the process by themselves.
    fn catch(ends_with_terminal: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt, hangup) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
        };
        Ok(Signals { runtime, terminate, interrupt, hangup, ends_with_terminal, end: None, reload: false })
    }

    /// For a service: by SIGHUP `systemctl reload` and logrotate ask for a reload, and nobody for an end.
    pub(super) fn of_a_service() -> io::Result<Self> {
        Self::catch(false)
    }

    /// For what runs in somebody's terminal, unless it was started to outlive that (`nohup`).
    pub(super) fn of_a_terminal() -> io::Result<Self> {
        Self::catch(!is_hangup_ignored())
    }

    /// Reads what it is to be started by. `None` at once if somebody asks for an end: nothing has begun that would have to
    /// end well.
    pub(super) fn while_it_reads<T: Send + 'static>(
        &mut self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        self.during(1, read)
    }

    /// Starts it. `None` if a second signal ends it at once: what one asks for is done when it has started.
    pub(super) fn while_it_starts(
        &mut self,
        start: impl FnOnce() -> Result<App, StartError> + Send + 'static,
    ) -> anyhow::Result<Option<App>> {
        Ok(self.during(2, start)?.transpose()?)
    }

    /// What comes of work that may take long, or `None` once an end has been asked for so often.
    fn during<T: Send + 'static>(
        &mut self,
        ends: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (done, mut ready) = oneshot::channel();
        let working = move || drop(done.send(work()));
        thread::Builder::new().name("start".to_owned()).spawn(working)?;
        let Signals { runtime, terminate, interrupt, hangup, ends_with_terminal, end, reload } = self;
        runtime.block_on(async {
            let mut asked = 0;
            loop {
                let name = tokio::select! {
                    done = &mut ready => return done.map(Some).map_err(io::Error::other),
                    name = next(terminate, interrupt, hangup) => name,
                };
                if name == HANGUP && !*ends_with_terminal {
                    *reload = true;
                    continue;
                }
                asked += 1;
                if asked == ends {
                    tracing::warn!(signal = name, "going down at once, before it has started");
                    return Ok(None);
                }
                *end = Some(name);
                tracing::info!(signal = name, "going down as soon as it has started");
            }
        })
    }

    /// The name of the first that comes, or has come, and asks for an end. For each hang-up before it that does not,
    /// `reload` is called.
    pub(super) fn wait(&mut self, reload: impl Fn()) -> &'static str {
        if let Some(name) = self.end {
            return name;
        }
        if std::mem::take(&mut self.reload) {
            reload();
        }
        loop {
            match self.runtime.block_on(next(&mut self.terminate, &mut self.interrupt, &mut self.hangup)) {
                HANGUP if !self.ends_with_terminal => reload(),
                name => return name,
            }
        }
    }

    /// Stops the proxy, at once if another signal comes meanwhile.
    pub(super) fn stop(self, app: App) -> io::Result<Stopped> {
        let Signals { runtime, mut terminate, mut interrupt, mut hangup, .. } = self;
        let (done, stopped) = oneshot::channel();
        let stopping = move || {
            app.stop();
            let _ = done.send(());
        };
        thread::Builder::new().name("stop".to_owned()).spawn(stopping)?;
        let how = runtime.block_on(async {
            // A terminal that goes says so more than once, and who asks for a reload now is too late.
            let another = async {
                loop {
                    match next(&mut terminate, &mut interrupt, &mut hangup).await {
                        HANGUP => {}
                        name => return name,
                    }
                }
            };
            tokio::select! {
                _ = stopped => Stopped::Drained,
                name = another => {
                    tracing::warn!(signal = name, "a second signal: going down at once, open requests are cut off");
                    Stopped::CutShort
                }
            }
        });
        Ok(how)
    }
}

/// Whether whoever started us has SIGHUP ignored (proc(5), `SigIgn`).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

const HANGUP: &str = "SIGHUP";

async fn next(terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hangup.recv() => HANGUP,
    }
}
