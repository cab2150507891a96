//! The very program, as a process of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running `menshen`. Killed when dropped.
pub(super) struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Program {
    /// Starts it, and waits until it has said `ready`.
    ///
    /// # Errors
    /// It ended before: its last words.
    pub(super) fn start(arguments: &[&str], ready: &'static str) -> Result<Self, String> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_menshen"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        keep(child.stdout.take().unwrap(), &log, ready, tell.clone());
        keep(child.stderr.take().unwrap(), &log, ready, tell);
        let program = Program { child, log };
        // Both senders are gone when both pipes are closed, which is when the process has ended.
        if told.recv().is_ok() { Ok(program) } else { Err(program.log()) }
    }

    /// What it has said so far, on both channels.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Presses Ctrl-C, and waits for the end.
    pub(super) fn interrupt(&mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps every line in `log`, and tells when one says `ready`.
fn keep(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>, ready: &'static str, tell: Sender<()>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            *log.lock().unwrap() += &format!("{line}\n");
            if line.contains(ready) {
                let _ = tell.send(());
            }
        }
    });
}
