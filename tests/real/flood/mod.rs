//! Ten thousand connections at once, from many addresses: what they cost is bounded and given back, and whoever comes
//! honestly meanwhile is served.

mod client;
mod frames;
mod honest;
mod http2;
mod transfers;
mod upstream;

use std::fmt;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use menshen::server::descriptors;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::client::{Crowd, Kind};
use self::honest::Honest;
use crate::backends::{PATIENCE, Proxy, Setup};

/// At once.
const MANY: usize = 10_000;

/// Memory that the proxy may take for each idle connection: 3.5 KiB were measured.
const IDLE_COST: usize = 8 * 1024;

/// For each that is in the middle of something, with buffers of its own and maybe a connection to the application: 28 KiB
/// were measured.
const BUSY_COST: usize = 40 * 1024;

/// How much more a second crowd may take than the first, in percent. The allocator keeps for a while what a crowd has
/// left, so that the system's figure does not fall at once; what is not kept by mistake serves the next crowd.
const MORE: usize = 10;

/// Descriptors that may be: unused connections to the application above all.
const LEFT_OPEN: usize = 300;

/// Longest wait of somebody honest, for one request or one login. Milliseconds were measured; other tests run beside.
const PROMPT: Duration = Duration::from_secs(10);

/// How long a crowd stays, once all of it is there.
const STAY: Duration = Duration::from_secs(4);

/// Only one crowd at a time fits into this process.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn ten_thousand_idle_connections_cost_little_and_hold_nobody_up() {
    withstands("idle", &[(Kind::Idle, MANY)], IDLE_COST);
}

#[test]
fn ten_thousand_slow_heads_slow_bodies_and_junk_callbacks_cost_little_and_hold_nobody_up() {
    let kinds =
        [(Kind::SlowHead, 4_000), (Kind::SlowBody, 3_000), (Kind::JunkCallback, 2_000), (Kind::JunkCode, 1_000)];
    assert_eq!(kinds.iter().map(|(_, count)| count).sum::<usize>(), MANY);
    withstands("busy", &kinds, BUSY_COST);
}

fn withstands(name: &str, kinds: &[(Kind, usize)], cost: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let most = descriptors::raise().unwrap().unwrap_or(u64::MAX);
    assert!(most >= 2 * MANY as u64, "{most} files may be open; these tests need {}: ulimit -Hn", 2 * MANY);
    let runtime = Runtime::new().unwrap();
    let upstream = runtime.block_on(upstream::start());
    let proxy = Setup::new()
        .section("[log]\naccess = false\n")
        .section("[limits]\nconnections = 12000\nhead_timeout = \"2m\"\n")
        .before(upstream);
    let honest = Honest::at(&proxy);
    // Keys, caches and connections that it makes once.
    honest.stays(Duration::from_millis(500));
    let before = Taken::by(&proxy);
    let crowds = [(); 2].map(|()| {
        let crowd = runtime.block_on(Crowd::gather(kinds, proxy.address));
        let met = honest.stays(STAY);
        let during = Taken::by(&proxy);
        let answers = runtime.block_on(crowd.leave());
        until_all_is_closed(&proxy, &honest, before);
        assert!(during.descriptors >= MANY, "the crowd was not there: {} descriptors", during.descriptors);
        println!("{name}: {before} before, {during} with the crowd, {} after; {met}; {answers}", Taken::by(&proxy));
        assert!(met.longest <= PROMPT, "{met}");
        during.memory
    });
    let each = crowds[0].saturating_sub(before.memory) / MANY;
    println!("{name}: {each} bytes for each connection");
    assert!(each <= cost, "{each} bytes for each connection");
    assert!(
        crowds[1] <= crowds[0] + crowds[0] * MORE / 100,
        "a second crowd takes {} bytes, {} before",
        crowds[1],
        crowds[0]
    );
}

fn until_all_is_closed(proxy: &Proxy, honest: &Honest<'_>, before: Taken) {
    let begun = Instant::now();
    while Taken::by(proxy).descriptors > before.descriptors + LEFT_OPEN {
        assert!(begun.elapsed() < PATIENCE, "of {before} there is still {}", Taken::by(proxy));
        honest.asks();
    }
}

/// What a process has of the system.
#[derive(Clone, Copy)]
struct Taken {
    /// Bytes resident.
    memory: usize,
    descriptors: usize,
    /// Of the processor.
    time: Duration,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB and {} descriptors", self.memory / 1024, self.descriptors)
    }
}

impl Taken {
    fn by(proxy: &Proxy) -> Self {
        let of_process = |file: &str| format!("/proc/{}/{file}", proxy.program.id());
        let status = fs::read_to_string(of_process("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        // The words behind the program's name: user and system time, in hundredths of a second.
        let stat = fs::read_to_string(of_process("stat")).unwrap();
        let words: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = [11, 12].map(|at| words[at].parse::<u64>().unwrap()).iter().sum::<u64>();
        Taken {
            memory: kib * 1024,
            descriptors: fs::read_dir(of_process("fd")).unwrap().count(),
            time: Duration::from_millis(ticks * 10),
        }
    }
}
