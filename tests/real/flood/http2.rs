//! One client of HTTP/2 that does what its protocol allows and nobody needs: what it costs is bounded, and whoever comes
//! honestly meanwhile is served.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, Raw, SETTINGS, frame, get,
};
use super::honest::Honest;
use super::{PROMPT, TURN, Taken, upstream};
use crate::backends::Setup;

/// How long it goes on.
const STAY: Duration = Duration::from_secs(4);

/// Memory that it may cost: less than 3 MiB were measured.
const COST: usize = 16 * 1024 * 1024;

/// Of answers that nobody reads, each has its buffers, and those of connections that were closed a moment ago are among
/// it: 73 MiB were measured.
const UNREAD_COST: usize = 128 * 1024 * 1024;

/// Has one client do its worst, again and again, while somebody honest comes.
fn withstands(name: &str, cost: usize, worst: impl Fn(&mut Raw) + Sync) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Runtime::new().unwrap();
    let upstream = runtime.block_on(upstream::start());
    let proxy = Setup::new().server("h2c = true").section("[log]\naccess = false\n").before(upstream);
    let honest = Honest::at(&proxy);
    honest.stays(Duration::from_millis(500));
    let before = Taken::by(&proxy);
    let is_over = AtomicBool::new(false);
    let (met, rounds, most) = thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let (mut rounds, mut most) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let mut raw = Raw::to(proxy.address);
                worst(&mut raw);
                most = most.max(Taken::by(&proxy).memory);
                rounds += 1;
            }
            (rounds, most)
        });
        let met = honest.stays(STAY);
        is_over.store(true, Ordering::Relaxed);
        let (rounds, most) = attacker.join().unwrap();
        (met, rounds, most)
    });
    let after = Taken::by(&proxy);
    let (grown, time) = (most.saturating_sub(before.memory), after.time.saturating_sub(before.time));
    println!("{name}: {rounds} times in {STAY:?}, {} KiB more, {time:?} of the processor; {met}", grown / 1024);
    assert!(grown <= cost, "{grown} bytes more");
    assert!(met.longest <= PROMPT, "{met}");
    honest.asks();
}

/// CVE-2023-44487.
#[test]
fn rapid_resets_end_their_connection_and_hold_nobody_up() {
    withstands("rapid resets", COST, |raw| {
        let flood = |stream: u32| {
            let asked = frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/"));
            [asked, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        // As many as there may be on one connection: it is closed long before.
        let all: Vec<u8> = (0..20_000).map(|at| 2 * at + 1).flat_map(flood).collect();
        let _ = raw.send(&all);
        raw.until_closed();
    });
}

/// CVE-2024-27316 and its kin.
#[test]
fn a_head_without_an_end_ends_its_connection_and_is_kept_by_nobody() {
    withstands("heads without an end", COST, |raw| {
        let mut sent = frame(HEADERS, END_STREAM, 1, &get("/"));
        // Fields that are no use to anybody: a name of one letter, and a value of 100.
        let field = [&[0x00, 0x01, b'x', 100][..], &[b'y'; 100]].concat();
        let piece = frame(CONTINUATION, 0, 1, &field.repeat(150));
        while raw.send(&sent).is_ok() {
            sent.clone_from(&piece);
        }
    });
}

#[test]
fn empty_frames_pings_and_settings_without_end_are_nothing_to_remember() {
    withstands("empty frames, pings and settings", COST, |raw| {
        let kinds =
            [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0x40, 0])];
        let post = frame(HEADERS, END_HEADERS, 1, &[&[0x83][..], &get("/slow")[1..]].concat());
        let empty = frame(DATA, 0, 1, &[]);
        let _ = raw.send(&[post, empty.repeat(10_000)].concat());
        for kind in kinds {
            // Nothing of what comes back is read.
            let _ = raw.send(&kind.repeat(10_000));
        }
    });
}

#[test]
fn two_hundred_answers_that_nobody_reads_stop_the_application_instead_of_filling_memory() {
    withstands("200 unread answers", UNREAD_COST, |raw| {
        let asked = |raw: &mut Raw| {
            let all: Vec<u8> = (0..100)
                .map(|at| 2 * at + 1)
                .flat_map(|stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/endless")))
                .collect();
            raw.send(&all).unwrap();
        };
        let mut other = Raw::to(raw.stream.peer_addr().unwrap());
        asked(raw);
        asked(&mut other);
        // Time for all that would come.
        thread::sleep(Duration::from_secs(1));
    });
}
