//! A program that runs until it is told to end, and what it says meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// A running program; killed when dropped, with whatever it has started.
pub(crate) struct Program {
    child: Child,
    name: String,
    said: Arc<Said>,
}

/// What was written to standard output and standard error.
#[derive(Default)]
struct Said {
    so_far: Mutex<SoFar>,
    news: Condvar,
}

#[derive(Default)]
struct SoFar {
    lines: Vec<String>,
    /// How many of the two streams have ended.
    ended: usize,
}

impl Program {
    /// Starts it, in a process group of its own.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}; it has to be installed"));
        let said = Arc::new(Said::default());
        said.listen(child.stdout.take().unwrap());
        said.listen(child.stderr.take().unwrap());
        Program { child, name, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line of which `find` makes something.
    pub(crate) fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let found = self.said.until(PATIENCE, |so_far| so_far.lines.iter().find_map(|line| find(line)));
        found.unwrap_or_else(|| panic!("{} has not said what was waited for:\n{}", self.name, self.said()))
    }

    /// Waits for a line that contains `words`.
    pub(crate) fn wait_for_words(&self, words: &str) {
        self.wait_for(|line| line.contains(words).then_some(()));
    }

    /// Waits until it says `words`.
    ///
    /// # Errors
    /// It has ended, or kept silent: its last words.
    pub(crate) fn says(&self, words: &str) -> Result<(), String> {
        let found = self.said.until(PATIENCE, |so_far| so_far.lines.iter().find(|line| line.contains(words)).map(drop));
        found.ok_or_else(|| self.said())
    }

    /// Everything it has said.
    pub(crate) fn said(&self) -> String {
        self.said.so_far.lock().unwrap().lines.join("\n")
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(self.id().to_string());
        assert!(kill.status().unwrap().success(), "{} is gone already:\n{}", self.name, self.said());
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let closed = self.said.until(PATIENCE, |so_far| (so_far.ended == 2).then_some(()));
        assert!(closed.is_some(), "{} does not end:\n{}", self.name, self.said());
        self.child.wait().unwrap()
    }

    /// Kills it with SIGKILL, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = format!("-{}", self.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Said {
    fn listen(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let said = Arc::clone(self);
        thread::spawn(move || {
            let mut lines = BufReader::new(stream).split(b'\n');
            while let Some(Ok(line)) = lines.next() {
                said.change(|so_far| so_far.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            said.change(|so_far| so_far.ended += 1);
        });
    }

    fn change(&self, change: impl FnOnce(&mut SoFar)) {
        change(&mut self.so_far.lock().unwrap());
        self.news.notify_all();
    }

    /// What `find` finds, at the latest when the time is over or nothing more can come.
    fn until<T>(&self, patience: Duration, find: impl Fn(&SoFar) -> Option<T>) -> Option<T> {
        let mut found = None;
        let waiting = |so_far: &mut SoFar| {
            found = find(so_far);
            found.is_none() && so_far.ended < 2
        };
        let so_far = self.so_far.lock().unwrap();
        drop(self.news.wait_timeout_while(so_far, patience, waiting).unwrap());
        found
    }
}
