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
    caught: Caught,
    /// Which has asked for an end.
    end: Option<&'static str>,
    /// Whether a reload was asked for, once or often, since the last one began.
    reload: bool,
}

impl Signals {
    /// From now on SIGTERM, SIGINT and SIGHUP no longer end the process by themselves.
    fn catch(ends_with_terminal: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let caught = {
            let _inside = runtime.enter();
            let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            Caught { terminate, interrupt, hangup: signal(SignalKind::hangup())?, ends_with_terminal }
        };
        Ok(Signals { runtime, caught, end: None, reload: false })
    }

    /// For a service: by SIGHUP `systemctl reload` and logrotate ask for a reload, and nobody for an end.
    pub(super) fn of_a_service() -> io::Result<Self> {
        Self::catch(false)
    }

    /// For what runs in somebody's terminal, unless it was started to outlive that (`nohup`).
    pub(super) fn of_a_terminal() -> io::Result<Self> {
        Self::catch(!is_hangup_ignored())
    }

    /// Reads what it is to be started by. `None` as soon as somebody asks for an end: nothing has begun that would have to
    /// end well.
    pub(super) fn while_it_reads<T: Send + 'static>(
        &mut self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let mut read = begin(read)?;
        self.meanwhile(&mut read)
    }

    /// Starts it. Who asks for an end meanwhile gets it once it has started, and `None` by a second signal at once.
    pub(super) fn while_it_starts(
        &mut self,
        start: impl FnOnce() -> Result<App, StartError> + Send + 'static,
    ) -> anyhow::Result<Option<App>> {
        let mut started = begin(start)?;
        if let Some(started) = self.meanwhile(&mut started)? {
            return Ok(Some(started?));
        }
        let signal = self.end.unwrap_or_default();
        tracing::info!(signal, "going down as soon as it has started");
        let Signals { runtime, caught, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                started = started => Ok(Some(started??)),
                signal = caught.another() => {
                    tracing::warn!(signal, "a second signal: going down at once, before it has started");
                    Ok(None)
                }
            }
        })
    }

    /// Which signal asks for an end, or has asked already. Where one asks for a reload, `reload` is called; that may take
    /// long, and one more answers whatever comes meanwhile.
    pub(super) fn wait(&mut self, reload: impl Fn() + Clone + Send + 'static) -> io::Result<&'static str> {
        loop {
            if let Some(name) = self.end {
                return Ok(name);
            }
            if std::mem::take(&mut self.reload) {
                let mut reloaded = begin(reload.clone())?;
                self.meanwhile(&mut reloaded)?;
            } else {
                let asked = self.runtime.block_on(self.caught.next());
                self.note(asked);
            }
        }
    }

    /// Which asks for an end once more.
    pub(super) fn wait_for_another(&mut self) -> &'static str {
        self.runtime.block_on(self.caught.another())
    }

    /// What comes of some work, or `None` once somebody asks for an end.
    fn meanwhile<T>(&mut self, ready: &mut oneshot::Receiver<T>) -> io::Result<Option<T>> {
        while self.end.is_none() {
            let asked = self.runtime.block_on(async {
                tokio::select! {
                    ready = &mut *ready => Err(ready),
                    asked = self.caught.next() => Ok(asked),
                }
            });
            match asked {
                Ok(asked) => self.note(asked),
                Err(ready) => return ready.map(Some).map_err(io::Error::other),
            }
        }
        Ok(None)
    }

    fn note(&mut self, asked: Asked) {
        match asked {
            Asked::End(name) => self.end = Some(name),
            Asked::Reload => self.reload = true,
        }
    }

    /// Stops the proxy, at once if another signal comes meanwhile.
    pub(super) fn stop(self, app: App) -> io::Result<Stopped> {
        let Signals { runtime, mut caught, .. } = self;
        let stopped = begin(|| app.stop())?;
        let how = runtime.block_on(async {
            tokio::select! {
                _ = stopped => Stopped::Drained,
                name = caught.another() => {
                    tracing::warn!(signal = name, "a second signal: going down at once, open requests are cut off");
                    Stopped::CutShort
                }
            }
        });
        Ok(how)
    }
}

/// Has a thread of its own do what may take long, so that signals are heeded meanwhile.
fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (done, ready) = oneshot::channel();
    thread::Builder::new().name("work".to_owned()).spawn(move || drop(done.send(work())))?;
    Ok(ready)
}

/// What a signal asks for.
enum Asked {
    /// An end, by the signal of this name.
    End(&'static str),
    Reload,
}

struct Caught {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether a hang-up ends it: the terminal that it was started from is gone.
    ends_with_terminal: bool,
}

impl Caught {
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.hangup.recv() => if self.ends_with_terminal { Asked::End(HANGUP) } else { Asked::Reload },
        }
    }

    /// The one after the first that asked for an end. A terminal that goes says so more than once, and who asks for a reload
    /// now is too late.
    async fn another(&mut self) -> &'static str {
        loop {
            match self.next().await {
                Asked::End(HANGUP) | Asked::Reload => {}
                Asked::End(name) => return name,
            }
        }
    }
}

/// Whether whoever started us has SIGHUP ignored (proc(5), `SigIgn`).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

const HANGUP: &str = "SIGHUP";
