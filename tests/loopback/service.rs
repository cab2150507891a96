//! The built program as a service: on a socket that it was handed, and telling whoever started it how it is.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Connection, PATIENCE, Proxy, SITE, Setup, Upstream};

/// A running program. Killed when it is dropped.
struct Service(Child);

impl Service {
    /// On the socket that the test holds.
    fn on(socket: &TcpListener, config: &Path) -> Self {
        Service::started(&mut handed(socket, config))
    }

    fn started(command: &mut Command) -> Self {
        Service(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, as systemd would start it on a socket that is called `web`.
fn handed(socket: &TcpListener, config: &Path) -> Command {
    let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" serve --config \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_menshen")]).arg(config);
    shell.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    shell
}

/// A configuration, whose proxy does not run.
fn laid_out(upstream: &Upstream, listen: &str) -> Proxy {
    Setup::new().server(&format!("listen = [{listen}]")).server_drain("30s").laid_out(upstream)
}

/// Asks once, on a connection of its own.
fn asked(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_restart_under_load_loses_no_connection_attempt() {
    let upstream = Upstream::hello();
    let layout = laid_out(&upstream, "\"systemd:web\"");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = || {
        let mut lost = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            match asked(address) {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello") => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                other => lost.push(format!("{other:?}")),
            }
        }
        lost
    };
    thread::scope(|scope| {
        let mut service = Service::on(&socket, layout.config_path());
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let some_more = || {
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 100 {
                thread::yield_now();
            }
        };
        for _ in 0..3 {
            some_more();
            service.signal(Signal::TERM);
            assert!(service.ended().success());
            service = Service::on(&socket, layout.config_path());
        }
        some_more();
        is_over.store(true, Ordering::Relaxed);
        let lost: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        assert!(lost.is_empty(), "{} lost, {} answered: {lost:?}", lost.len(), answered.load(Ordering::Relaxed));
    });
}

/// Regression: whoever had just connected was closed without an answer, its request on the way.
#[test]
fn who_had_just_connected_when_it_was_told_to_end_is_still_answered_and_nobody_after_that() {
    let upstream = Upstream::hello();
    let layout = laid_out(&upstream, "\"systemd\"");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut service = Service::on(&socket, layout.config_path());
    assert!(asked(address).unwrap().ends_with("hello"));
    let mut silent = Connection::to(address);
    // They came behind, and are answered: all have been accepted, and every core has some.
    let mut idle: Vec<_> = (0..16).map(|_| Connection::to(address)).collect();
    assert!(idle.iter_mut().all(|idle| idle.get("/", &[]).answer().status == 200));
    service.signal(Signal::TERM);
    assert!(idle.iter_mut().all(Connection::is_closed), "now it goes down");
    silent.get("/", &[]);
    let answer = silent.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(silent.is_closed());
    assert!(service.ended().success());
    // It waits for a successor.
    let mut early = Connection::to(address);
    early.get("/", &[]);
    let _successor = Service::on(&socket, layout.config_path());
    assert_eq!(early.answer().status, 200);
}

#[test]
fn without_the_socket_it_is_told_to_take_it_does_not_start_and_says_what_helps() {
    let layout = laid_out(&Upstream::hello(), "\"systemd:web\"");
    let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
    let output = command.arg("serve").arg("--config").arg(layout.config_path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["cannot listen on systemd:web", "was handed no socket", "systemctl enable --now menshen.socket"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Plays systemd: what a service tells arrives here.
struct Manager {
    socket: UnixDatagram,
    address: OsString,
}

impl Manager {
    fn at(path: &Path) -> Self {
        Manager::of(UnixDatagram::bind(path).unwrap(), path.into())
    }

    /// Behind a name without a file.
    fn nowhere() -> Self {
        let name = format!("menshen-test-{}", std::process::id());
        let address = UnixAddress::from_abstract_name(&name).unwrap();
        Manager::of(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into())
    }

    fn of(socket: UnixDatagram, address: OsString) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, address }
    }

    fn start(&self, layout: &Proxy, environment: &[(&str, &str)]) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
        command.arg("serve").arg("--config").arg(layout.config_path()).env("NOTIFY_SOCKET", &self.address);
        Service::started(command.envs(environment.iter().copied()))
    }

    /// What is told next.
    fn told(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// What is told next, but that it lives.
    fn told_beside(&self) -> String {
        loop {
            let told = self.told();
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_reads_again_lives_and_goes_down() {
    let folder = tempfile::tempdir().unwrap();
    let layout = laid_out(&Upstream::hello(), "\"127.0.0.1:0\"");
    let manager = Manager::at(&folder.path().join("notify"));
    let mut service = manager.start(&layout, &[("WATCHDOG_USEC", "20000")]);
    let ready = manager.told();
    assert!(ready.starts_with("READY=1\nSTATUS=serves at 127.0.0.1:"), "{ready}");
    for _ in 0..5 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }
    for (change, status) in
        [("", "by the configuration that was read last"), ("nonsense = 1\n", "by an older configuration")]
    {
        layout.rewrite(|text| text + change);
        service.signal(Signal::HUP);
        let reloading = manager.told_beside();
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.split('\n').next());
        assert!(since.is_some_and(|since| since.parse::<u64>().unwrap() > 0), "{reloading}");
        let ready = manager.told_beside();
        assert!(ready.starts_with("READY=1\nSTATUS=serves ") && ready.contains(status), "{ready}");
    }
    service.signal(Signal::TERM);
    let stopping = manager.told_beside();
    let expected = "STOPPING=1\nWATCHDOG_USEC=86400000000\nSTATUS=";
    assert!(stopping.starts_with(expected), "its end takes as long as it takes: {stopping}");
    assert!(service.ended().success());
}

#[test]
fn a_watchdog_of_another_process_is_not_fed_and_a_manager_without_a_file_is_told_too() {
    let layout = laid_out(&Upstream::hello(), "\"127.0.0.1:0\"");
    let manager = Manager::nowhere();
    let mut service = manager.start(&layout, &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    assert!(manager.told().starts_with("READY=1\n"));
    service.signal(Signal::HUP);
    assert!(manager.told().starts_with("RELOADING=1\n"));
    assert!(manager.told().starts_with("READY=1\n"));
    service.signal(Signal::TERM);
    assert!(manager.told().starts_with("STOPPING=1\n"));
    assert!(service.ended().success());
}

#[test]
fn a_manager_that_is_gone_keeps_nobody_from_being_served() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::hello();
    let layout = laid_out(&upstream, "\"systemd\"");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(folder.path().join("no-socket"), "").unwrap();
    let mut command = handed(&socket, layout.config_path());
    let _service = Service::started(command.env("NOTIFY_SOCKET", folder.path().join("no-socket")));
    assert!(asked(socket.local_addr().unwrap()).unwrap().ends_with("hello"));
}
