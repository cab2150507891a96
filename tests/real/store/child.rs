//! The other process: this test binary, started again with a task.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use menshen::store::sled::SledStore;
use tokio::runtime::Runtime;

use super::{Acknowledged, open, settings, sign_in};

const TASK: &str = "MENSHEN_CHILD_TASK";
const PATH: &str = "MENSHEN_CHILD_PATH";
const COUNT: &str = "MENSHEN_CHILD_COUNT";

/// What another process is to do with the store.
#[derive(Clone, Copy)]
pub(super) enum Task {
    /// Sign in so many people, one after the other, each until it works.
    SignIn(u32),
    /// Write as many records to a bare sled database, each with sled's own flush alone.
    BareSled(u32),
    /// Sign in people from eight threads, two of them for each person, until killed.
    SignInForEver,
    /// Open the store and keep it.
    Hold,
}

impl Task {
    /// The command that does this with the store at `path`, run by `runner` if that is not empty.
    pub(super) fn command(self, path: &Path, runner: &[&str]) -> Command {
        let (task, count) = match self {
            Task::SignIn(count) => ("sign-in", count),
            Task::BareSled(count) => ("bare-sled", count),
            Task::SignInForEver => ("sign-in-for-ever", 0),
            Task::Hold => ("hold", 0),
        };
        let this = std::env::current_exe().unwrap();
        let mut command = match runner.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
            None => Command::new(this),
        };
        command.args(["--exact", "store::child::other_process", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(TASK, task).env(PATH, path).env(COUNT, count.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Starts it.
    pub(super) fn spawn(self, path: &Path) -> Other {
        let mut child = self.command(path, &[]).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Other { child, output }
    }
}

/// The other process; killed when dropped.
pub(super) struct Other {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Other {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says `word` on a line of its own.
    pub(super) fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended without saying {word:?}");
        }
    }

    /// Kills it with SIGKILL, and returns what it had acknowledged by then.
    pub(super) fn kill(mut self) -> Vec<Acknowledged> {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        acknowledged(&said)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `ack <subject> <user>` lines; one cut off by death says nothing.
pub(super) fn acknowledged(said: &str) -> Vec<Acknowledged> {
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    let lines = whole.lines().filter_map(|line| line.strip_prefix("ack ")?.split_once(' '));
    lines.map(|(subject, user)| Acknowledged { subject: subject.to_owned(), user: user.parse().unwrap() }).collect()
}

#[test]
#[ignore = "this is not a test but the other process of other tests"]
fn other_process() {
    // An empty line first, so that no word of the test harness stands before ours.
    println!();
    let path = std::env::var(PATH).unwrap();
    let path = Path::new(&path);
    let count: u32 = std::env::var(COUNT).unwrap().parse().unwrap();
    match std::env::var(TASK).unwrap().as_str() {
        "sign-in" => sign_in_one_by_one(path, count),
        "bare-sled" => write_to_bare_sled(path, count),
        "sign-in-for-ever" => sign_in_for_ever(path),
        "hold" => hold(path),
        other => panic!("no task {other}"),
    }
}

fn sign_in_one_by_one(path: &Path, count: u32) {
    let store = open(path);
    Runtime::new().unwrap().block_on(async {
        for number in 0..count {
            let subject = format!("subject-{number:04}");
            let user = loop {
                match sign_in(&store, &subject).await {
                    Ok(user) => break user,
                    Err(error) => {
                        println!("refused {error}");
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    }
                }
            };
            println!("ack {subject} {user}");
        }
    });
}

fn write_to_bare_sled(path: &Path, count: u32) {
    // Without the thread that syncs now and then, so that the trace shows what `flush` alone does.
    let db = sled::Config::new().path(path).flush_every_ms(None).open().unwrap();
    for number in 0..count {
        let subject = format!("subject-{number:04}");
        db.insert(&subject, subject.as_bytes()).unwrap();
        db.flush().unwrap();
        println!("ack {subject} {}", super::new_user().id);
    }
}

fn sign_in_for_ever(path: &Path) {
    println!("opening");
    let store = Arc::new(SledStore::open(&settings(path)).unwrap());
    println!("open");
    let runtime = Runtime::new().unwrap();
    let run = super::new_user().id;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, runtime) = (&store, &runtime);
            scope.spawn(move || {
                for number in 0_u64.. {
                    let subject = format!("{run}-{}-{number}", thread / 2);
                    let user = runtime.block_on(sign_in(store, &subject)).unwrap();
                    println!("ack {subject} {user}");
                }
            });
        }
    });
}

fn hold(path: &Path) {
    let _store = open(path);
    println!("open");
    // Until the other end goes away.
    let _ = std::io::stdin().read_to_string(&mut String::new());
}
