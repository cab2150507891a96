//! What a connection costs that says nothing: thousands of browsers keep one open that they may never use again.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use crate::backends::{Proxy, Setup, Upstream};

/// As many as a process may have open by most systems' defaults, in all. What is kept once for all of them is there when
/// the first have come to rest.
const FIRST: usize = 200;
const CONNECTIONS: usize = 600;

/// What one may cost: without its buffers it is a socket, a timer, and what is known of the client.
const BYTES: usize = 6 * 1024;

/// After how long connections are at rest, and for how long nothing changes then.
const AT_REST: Duration = Duration::from_secs(4);
const SETTLED: Duration = Duration::from_secs(1);

/// How long what is no longer needed may be kept.
const PATIENCE: Duration = Duration::from_secs(30);

fn resident(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// The same, once it has stayed as it is for a second.
fn at_rest(proxy: &Proxy) -> usize {
    let (began, mut last, mut since) = (Instant::now(), 0, Instant::now());
    while since.elapsed() < SETTLED || began.elapsed() < AT_REST {
        assert!(began.elapsed() < PATIENCE, "its memory does not settle");
        let now = resident(proxy);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        sleep(Duration::from_millis(50));
    }
    last
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let limits = format!("[limits]\nconnections_per_address = {}", 2 * (FIRST + CONNECTIONS));
    let layout = Setup::new().one_core().section(&limits).lay_out(upstream.address());
    let program = layout.serve();
    let proxy = Proxy::of(layout, program);
    let fields: Vec<String> = (0..20).map(|at| format!("X-Field-{at}: {}", "x".repeat(20))).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let visit = || {
        let mut connection = proxy.connect();
        assert_eq!(connection.get("/", &fields).answer().status, 200);
        connection
    };
    let first: Vec<_> = (0..FIRST).map(|_| visit()).collect();
    let before = at_rest(&proxy);
    let mut idle: Vec<_> = (0..CONNECTIONS).map(|_| visit()).collect();
    let each = at_rest(&proxy).saturating_sub(before) / CONNECTIONS;
    println!("{each} bytes for each idle connection");
    assert!(each <= BYTES, "{each} bytes for each idle connection, {BYTES} wanted");
    for connection in &mut idle {
        assert_eq!(connection.get("/", &fields).answer().status, 200, "and it is served again");
    }
    drop(first);
}
