//! What the service manager, systemd, is told of us (sd_notify(3)): that we are ready, go down, read the configuration again,
//! and are alive.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long telling may take. It reads as soon as it has time for us.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longer than any end takes.
const UNTIL_THE_END: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever wants to be told; often nobody does.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    told: Option<(UnixDatagram, SocketAddr)>,
    /// After how much silence it takes us for dead.
    patience: Option<Duration>,
}

impl ServiceManager {
    /// Who started us, where it wants to be told.
    pub(super) fn of_the_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(place) = variable("NOTIFY_SOCKET") else { return ServiceManager::default() };
        let told = connect(&place).inspect_err(|error| {
            tracing::warn!(place, %error, "the service manager cannot be told how we are");
        });
        // Another process's watchdog, where we were started by what systemd has started.
        let is_ours = variable("WATCHDOG_PID").is_none_or(|id| id.parse() == Ok(std::process::id()));
        let patience = variable("WATCHDOG_USEC").filter(|_| is_ours).and_then(|patience| patience.parse().ok());
        let patience = patience.filter(|patience| *patience > 0).map(Duration::from_micros);
        ServiceManager { told: told.ok(), patience }
    }

    /// How often it wants to hear that we are alive: twice in the time after which it gives us up.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.told.as_ref().and(self.patience).map(|patience| patience / 2)
    }

    /// Requests are answered, as they were before the configuration was read again.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reads its configuration again"));
    }

    /// No more requests are taken. How long the end may take is what TimeoutStopSec= says: from now on silence says nothing.
    pub(super) fn stopping(&self, status: &str) {
        let patience = self.patience.map(|_| format!("WATCHDOG_USEC={}\n", UNTIL_THE_END.as_micros()));
        self.tell(&format!("STOPPING=1\n{}STATUS={status}", patience.unwrap_or_default()));
    }

    /// Everything works.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, what: &str) {
        let Some((socket, place)) = &self.told else { return };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), place) {
            tracing::warn!(%error, "the service manager cannot be told how we are");
        }
    }
}

/// `place`: a path, or behind an `@` a name without a file.
fn connect(place: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}
