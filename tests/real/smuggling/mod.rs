//! Request smuggling, against parsers that are not ours: nginx, gunicorn and Node stand behind the proxy and say what they have
//! read. Whatever a client writes, each of them has read what stands on the wire in the one form that all read alike, no more
//! and no less, and the proxy's log knows of it.

mod backend;
mod shapes;
mod tap;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::backend::{Backend, Message};
use self::shapes::Shape;
use self::tap::{Sent, Tap};
use self::wire::Request;
use crate::backends::{Connection, Proxy, Setup};

#[test]
fn nginx_reads_what_was_meant_and_nothing_else() {
    nothing_is_smuggled_to(Backend::nginx());
}

#[test]
fn gunicorn_reads_what_was_meant_and_nothing_else() {
    nothing_is_smuggled_to(Backend::gunicorn());
}

#[test]
fn node_reads_what_was_meant_and_nothing_else() {
    nothing_is_smuggled_to(Backend::node());
}

#[test]
fn node_that_is_told_to_read_anything_reads_what_was_meant_and_nothing_else() {
    nothing_is_smuggled_to(Backend::lenient_node());
}

fn nothing_is_smuggled_to(backend: Backend) {
    let tap = Tap::before(backend.address);
    // One core keeps all connections to the backend: what one request left behind on one, the next would find.
    let mut proxy = Setup::new().one_core().server("h2c = true").before(tap.address);
    let mut wrong = play(backend.name, proxy.address);
    proxy.program.signal("TERM");
    proxy.program.ended();
    let sent = tap.end();
    let refused = shapes::refused_by(backend.name);
    wrong.extend(misread(&sent, &backend.end(), &refused));
    wrong.extend(unaccounted(&sent, &logged(&proxy)));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Plays every shape; what did not come of it as the tables say.
fn play(backend: &str, proxy: SocketAddr) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut other = Connection::to(proxy);
    let mut judge = |shape: &Shape, played: &shapes::Played| {
        let expected = shape.outcome(backend);
        if played.outcome != expected || !played.is_its_own() {
            wrong.push(format!("{} {}: {played:?} in place of {expected:?}", shape.number, shape.name));
        }
        // Whoever else is served by the same connections gets answers of its own.
        let target = format!("/other/{:04}", shape.number);
        let answer = other.get(&target, &[]).answer();
        if answer.header("x-read") != Some(&target) {
            wrong.push(format!("{} {}: {answer:?} for {target}", shape.number, shape.name));
        }
    };
    for shape in shapes::by_http_1() {
        let played = shape.play(proxy);
        judge(&shape, &played);
    }
    let (shapes, played) = (shapes::by_http_2(), shapes::play_by_http_2(proxy));
    assert_eq!(shapes.len(), played.len());
    for (shape, played) in shapes.iter().zip(&played) {
        judge(shape, played);
    }
    wrong
}

/// What stands on the wire in a form that could be read in two ways, what nobody asked for, and what the backend has read
/// otherwise, or not at all, but for what it refuses. Of a request that has broken off it must not have read an end. Who else
/// comes to its port, from elsewhere on this machine, is nobody of ours.
fn misread(sent: &[Sent], read: &[(u16, Message)], refused: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    // A port may serve one connection after another.
    let mut on_the_wire = BTreeMap::<u16, Vec<Request>>::new();
    for Sent { port, bytes } in sent {
        match wire::requests(bytes) {
            Ok(requests) => on_the_wire.entry(*port).or_default().extend(requests),
            Err(error) => wrong.push(error),
        }
    }
    for (port, requests) in on_the_wire {
        wrong.extend(requests.iter().filter(|one| one.target.starts_with("/smuggled")).map(|one| format!("{one:?}")));
        let mut read = read.iter().filter(|(from, _)| *from == port).map(|(_, message)| message).peekable();
        for message in requests.into_iter().filter_map(|request| request.message) {
            let is_refused = || message.target == "*" || refused.iter().any(|number| message.target.contains(number));
            if read.next_if(|read| **read == message).is_none() && !is_refused() {
                wrong.push(format!("{message:?} was not read, but {:?}", read.peek()));
            }
        }
        wrong.extend(read.map(|message| format!("nobody sent {message:?}")));
    }
    wrong
}

/// How many requests for each method and path the proxy says it has sent on, and how many of them were answered.
fn logged(proxy: &Proxy) -> BTreeMap<(String, String), (usize, usize)> {
    let mut counts = BTreeMap::<_, (usize, usize)>::new();
    for line in proxy.program.said().lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if line["upstream"].is_string() {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let (sent, answered) = counts.entry((text("method"), text("path"))).or_default();
            *sent += 1;
            *answered += usize::from(line["upstream_ms"].is_number());
        }
    }
    counts
}

/// Requests on the wire of which the proxy's log does not know, and the other way round.
fn unaccounted(sent: &[Sent], logged: &BTreeMap<(String, String), (usize, usize)>) -> Vec<String> {
    let mut on_the_wire = BTreeMap::<_, usize>::new();
    for request in sent.iter().flat_map(|sent| wire::requests(&sent.bytes).unwrap_or_default()) {
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        *on_the_wire.entry((request.method, path)).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for (which, count) in &on_the_wire {
        let (sent, _) = logged.get(which).copied().unwrap_or_default();
        if sent < *count {
            wrong.push(format!("{which:?}: {count} on the wire, {sent} in the log"));
        }
    }
    for (which, (_, answered)) in logged {
        let count = on_the_wire.get(which).copied().unwrap_or_default();
        if count < *answered {
            wrong.push(format!("{which:?}: {count} on the wire, {answered} answered by the log"));
        }
    }
    wrong
}
