//! `menshen serve`, the very program.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running proxy, at [`Proxy::origin`]. Killed when dropped.
pub(super) struct Proxy {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// It ended before it listened: its last words.
    pub(super) fn start(config: &Path, port: u16) -> Result<Self, String> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_menshen"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        keep(child.stdout.take().unwrap(), &log, None);
        keep(child.stderr.take().unwrap(), &log, Some(tell));
        let proxy = Proxy { child, port, log };
        // The sender is gone when standard error is closed, which is when the process has ended.
        if told.recv().is_ok() { Ok(proxy) } else { Err(proxy.log()) }
    }

    /// What visitors type.
    pub(super) fn origin(&self) -> String {
        format!("http://www.meiduo.site:{}", self.port)
    }

    /// What it has logged so far, events and requests.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps every line in `log`, and tells when the first one says that the proxy listens.
fn keep(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>, mut tell: Option<Sender<()>>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            *log.lock().unwrap() += &format!("{line}\n");
            if line.contains(" listening ")
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(());
            }
        }
    });
}
