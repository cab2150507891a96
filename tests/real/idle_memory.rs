//! What a connection costs that says nothing: thousands of browsers keep one open that they may never use again.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::backends::Program;
use crate::backends::{Proxy, Setup, Upstream, menshen};

/// As many as a process may have open by most systems' defaults.
const CONNECTIONS: usize = 600;

/// What one may cost: without its buffers it is a socket, a timer, and what is known of the client.
const BYTES: usize = 6 * 1024;

/// How long what is no longer needed may be kept.
const PATIENCE: Duration = Duration::from_secs(30);

fn resident(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let limits = format!("[limits]\nconnections_per_address = {}", 2 * CONNECTIONS);
    let layout = Setup::new().one_core().section(&limits).lay_out(upstream.address());
    // Otherwise the allocator keeps what was given back until it is called again.
    let program = Program::start(menshen("serve", &layout.config()).env("MIMALLOC_PURGE_DELAY", "0"));
    let proxy = Proxy::of(layout, program);
    let fields: Vec<String> = (0..20).map(|at| format!("X-Field-{at}: {}", "x".repeat(20))).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let visit = || {
        let mut connection = proxy.connect();
        assert_eq!(connection.get("/", &fields).answer().status, 200);
        connection
    };
    let first = visit();
    let before = resident(&proxy);
    let mut idle: Vec<_> = (0..CONNECTIONS).map(|_| visit()).collect();
    let began = Instant::now();
    let mut each = usize::MAX;
    while each > BYTES && began.elapsed() < PATIENCE {
        sleep(Duration::from_millis(100));
        each = resident(&proxy).saturating_sub(before) / CONNECTIONS;
    }
    println!("{each} bytes for each idle connection");
    assert!(each <= BYTES, "{each} bytes for each idle connection, {BYTES} wanted");
    for connection in &mut idle {
        assert_eq!(connection.get("/", &fields).answer().status, 200, "and it is served again");
    }
    drop(first);
}
