//! The proxy under callgrind, which counts.

use std::fs;
use std::process::Command;

use crate::backends::{Layout, Program, Proxy};

/// What the thread has done that answers requests. What the others do hangs on the time that has passed, and on how they
/// meet: they read the store, write the log and gather randomness.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) instructions: u64,
    /// Calls from Rust to its allocator; to make something larger is one more.
    pub(super) allocations: u64,
}

/// A proxy whose instructions are counted.
pub(super) struct Run {
    pub(super) proxy: Proxy,
}

impl Run {
    /// Starts it.
    pub(super) fn of(layout: Layout) -> Self {
        let into = format!("--callgrind-out-file={}", layout.store().with_file_name("callgrind").display());
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", &into])
            .arg(env!("CARGO_BIN_EXE_menshen"));
        valgrind.arg("serve").arg("--config").arg(layout.config());
        Run { proxy: Proxy::of(layout, Program::start(&mut valgrind)) }
    }

    /// Forgets what it has done so far.
    pub(super) fn forget(&self) {
        self.control("--zero");
    }

    /// What it has done since.
    pub(super) fn counted(&self) -> Counted {
        self.control("--dump");
        let folder = self.proxy.config().parent().unwrap().to_owned();
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        // The first dump, a file for each thread.
        let of_threads = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("callgrind.1-"));
        let texts = of_threads.map(|path| fs::read_to_string(path).unwrap());
        let counted = texts.map(|text| read(&text)).max_by_key(|counted| counted.instructions).expect("no dump");
        assert!(counted.instructions > 0 && counted.allocations > 0, "callgrind counted nothing: {counted:?}");
        counted
    }

    fn control(&self, what: &str) {
        let mut control = Command::new("callgrind_control");
        let output = control.arg(what).arg(self.proxy.program.id().to_string()).output();
        let output = output.unwrap_or_else(|error| panic!("callgrind_control: {error}; it has to be installed"));
        assert!(output.status.success(), "{output:?}");
    }
}

/// As valgrind's manual has it ("Callgrind Format Specification"): names are written out once and meant by their numbers from
/// then on; a line of `calls` is of the function that `cfn` named last.
fn read(text: &str) -> Counted {
    let (mut names, mut called, mut allocations, mut instructions) = (Vec::new(), 0_usize, 0, 0);
    for line in text.lines() {
        let (key, rest) = line.split_once(['=', ':']).unwrap_or((line, ""));
        match key {
            "fn" | "cfn" => {
                let (number, name) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).unwrap();
                let number: usize = number.parse().unwrap();
                if !name.is_empty() {
                    names.resize(names.len().max(number + 1), String::new());
                    names[number] = name.trim().to_owned();
                }
                called = if key == "cfn" { number } else { called };
            }
            "calls" => {
                let count: u64 = rest.split(' ').next().unwrap().parse().unwrap();
                let is_asked_for = ["mi_malloc_aligned", "mi_zalloc_aligned", "mi_realloc_aligned"];
                if names.get(called).is_some_and(|name| is_asked_for.contains(&name.as_str())) {
                    allocations += count;
                }
            }
            "totals" | "summary" => instructions = rest.trim().parse().unwrap(),
            _ => {}
        }
    }
    Counted { instructions, allocations }
}
