//! What a request costs, counted and not timed: instructions and allocations of the real binary under callgrind, so that a
//! busy machine says the same as a quiet one. Recorded in `tests/data/instructions.tsv`; the binary is the tests' own,
//! which is not optimised as `dist` is.

mod callgrind;
mod visitors;

use std::fs;

use self::callgrind::{Counted, Run};
use self::visitors::Visitors;
use crate::backends::{Setup, Upstream};

/// Requests before what is counted, so that everything is warm, and those that are counted.
const WARM: usize = 100;
const COUNTED: usize = 600;

/// How many times the recorded instructions a request may take.
const MORE: f64 = 1.05;

/// How many more allocations than recorded are none more.
const MORE_ALLOCATIONS: f64 = 0.5;

/// What was recorded of one workload, for each request.
struct Row {
    workload: String,
    cost: Cost,
}

/// What one request costs.
struct Cost {
    instructions: f64,
    allocations: f64,
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/instructions.tsv");
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [workload, instructions, allocations] = cells.as_slice() else { panic!("{line}") };
        let number = |cell: &str| cell.parse().unwrap_or_else(|_| panic!("{line}"));
        let cost = Cost { instructions: number(instructions), allocations: number(allocations) };
        Row { workload: (*workload).to_owned(), cost }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// What one request costs, once everything is warm.
fn cost(workload: &str) -> Cost {
    let upstream = Upstream::scripted(|_| page());
    let setup = Setup::new().one_core().server("h2c = true").section(
        "[identity.default]\nalgorithm = \"HS256\"\n\
        secret = \"0123456789abcdef0123456789abcdef\"",
    );
    let run = Run::of(setup.lay_out(upstream.address()));
    let visitors = Visitors::of(&run.proxy, workload);
    visitors.come(WARM);
    run.forget();
    visitors.come(COUNTED);
    let Counted { instructions, allocations } = run.counted();
    let each = |total: u64| total as f64 / COUNTED as f64;
    Cost { instructions: each(instructions), allocations: each(allocations) }
}

/// An answer of 1 KiB.
fn page() -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nServer: mall\r\nContent-Type: text/html; charset=utf-8\r\nDate: Thu, 26 Nov 2026 \
        10:00:00 GMT\r\nVary: Accept-Language, Cookie\r\nX-Frame-Options: DENY\r\nContent-Length: 1024\r\n\r\n"
            .to_vec();
    answer.resize(answer.len() + 1024, b'x');
    answer
}

#[test]
fn a_request_takes_no_more_than_was_recorded() {
    let mut worse = Vec::new();
    for Row { workload, cost: recorded } in rows() {
        let Cost { instructions, allocations } = cost(&workload);
        println!(
            "{workload}: {instructions:.0} instructions a request ({} recorded), {allocations:.1} allocations ({} recorded)",
            recorded.instructions, recorded.allocations
        );
        if instructions > recorded.instructions * MORE || allocations > recorded.allocations + MORE_ALLOCATIONS {
            worse.push(format!("{workload}\t{instructions:.0}\t{allocations:.1}"));
        }
    }
    assert!(worse.is_empty(), "more than recorded; if it has to be, record it:\n{}", worse.join("\n"));
}
