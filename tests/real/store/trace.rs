//! What a process asked of the kernel, as strace wrote it down.

use std::collections::HashMap;
use std::path::Path;

use super::child::Task;

/// One system call. Its place among the others is that of its begin and its end.
pub(super) struct Call {
    pub(super) name: String,
    /// The arguments as written down, file descriptors with their paths.
    pub(super) arguments: String,
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Whether it did not fail.
    pub(super) ok: bool,
}

/// Runs the task under strace and returns what it said and what it asked of the kernel. `injections` are strace's
/// `-e inject=` expressions.
pub(super) fn record(task: Task, path: &Path, injections: &[&str]) -> (String, Vec<Call>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    // A store that hangs is a failure, not the end of all tests.
    let mut runner =
        vec!["timeout", "--signal=KILL", "120", "strace", "-f", "-y", "-s", "1000000", "-o", file.to_str().unwrap()];
    runner.extend(["-e", "trace=pwrite64,write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat"]);
    let injections: Vec<_> = injections.iter().map(|injection| format!("inject={injection}")).collect();
    for injection in &injections {
        runner.extend(["-e", injection]);
    }
    let output = task.command(path, &runner).output().expect("strace is needed");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let trace = std::fs::read(&file).unwrap();
    (said, parse(&String::from_utf8_lossy(&trace)))
}

/// Reads strace's lines. A call that was interrupted by another thread's stands on two of them.
pub(super) fn parse(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread.to_owned(), (number, begun.to_owned()));
            continue;
        }
        let (begin, whole) = match text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            Some((_, rest)) => {
                let Some((begin, begun)) = unfinished.remove(thread) else { continue };
                (begin, begun + rest)
            }
            None => (number, text.to_owned()),
        };
        let Some((called, result)) = whole.rsplit_once(" = ") else { continue };
        let Some((name, arguments)) = called.split_once('(') else { continue };
        let ok = !result.starts_with('-');
        calls.push(Call { name: name.to_owned(), arguments: arguments.to_owned(), begin, end: number, ok });
    }
    calls
}

/// The subjects that were acknowledged before their record was certainly on disk: written to the log, and the log synced
/// after that.
pub(super) fn acknowledged_too_soon(calls: &[Call]) -> Vec<String> {
    let is_log = |call: &&Call| call.ok && call.arguments.contains("/db>");
    let mut too_soon = Vec::new();
    for ack in calls.iter().filter(|call| call.name == "write") {
        let Some((_, said)) = ack.arguments.split_once("\"ack ") else { continue };
        let Some((subject, _)) = said.split_once(' ') else { continue };
        let written = calls
            .iter()
            .filter(is_log)
            .filter(|call| call.name == "pwrite64" && call.end < ack.begin && call.arguments.contains(subject));
        let safe = written.into_iter().any(|write| {
            let mut syncs = calls.iter().filter(is_log).filter(|call| ["fsync", "fdatasync"].contains(&&*call.name));
            syncs.any(|sync| sync.begin > write.end && sync.end < ack.begin)
        });
        if !safe {
            too_soon.push(subject.to_owned());
        }
    }
    too_soon
}
