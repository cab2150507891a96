//! Transfers of a gigabyte: they pass, and are kept by nobody.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::{TURN, Taken};
use crate::backends::{Proxy, SITE, Setup};

const GIGABYTE: usize = 1 << 30;
const PIECE: usize = 256 * 1024;

/// Memory that one may take, whichever way it goes: 5 to 7 MiB were measured.
const COST: usize = 20 * 1024 * 1024;

/// Longest silence of either side.
const PATIENCE: Duration = Duration::from_secs(60);

/// An application that takes uploads to their last byte and tells how many there were, and answers any GET with a
/// gigabyte.
fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    if head.starts_with(b"POST ") {
        let taken = read(&mut stream, GIGABYTE, |_| {});
        let answer = format!("{taken}");
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).unwrap();
    } else {
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {GIGABYTE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        write(&mut stream, GIGABYTE);
    }
}

/// Reads so much, unless it ends before; how much it was. `each` hears of what has come.
fn read(stream: &mut TcpStream, most: usize, mut each: impl FnMut(usize)) -> usize {
    let (mut piece, mut taken) = (vec![0; PIECE], 0);
    while taken < most {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            length => taken += length,
        }
        each(taken);
    }
    taken
}

fn write(stream: &mut TcpStream, length: usize) {
    let piece = vec![b'x'; PIECE];
    for _ in 0..length / PIECE {
        stream.write_all(&piece).unwrap();
    }
}

/// Transfers, and looks all the while at what that takes.
fn passes(name: &str, transfer: impl FnOnce(&mut TcpStream) + Send) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let proxy: Proxy = Setup::new().before(application());
    let before = Taken::by(&proxy).memory;
    let begun = Instant::now();
    let is_over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = before;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(Taken::by(&proxy).memory);
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        transfer(&mut stream);
        is_over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    let grown = most.saturating_sub(before);
    println!("{name}: {} KiB more, {} ms", grown / 1024, begun.elapsed().as_millis());
    assert!(grown <= COST, "{grown} bytes more");
}

#[test]
fn an_upload_of_a_gigabyte_is_streamed() {
    passes("an upload", |stream| {
        let head =
            format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Length: {GIGABYTE}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        write(stream, GIGABYTE);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&GIGABYTE.to_string()), "{answer}");
    });
}

#[test]
fn a_download_of_a_gigabyte_is_streamed_and_waits_for_its_reader() {
    passes("a download", |stream| {
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut pauses = 0;
        let taken = read(stream, usize::MAX, |taken| {
            // It reads nothing for a while, and what comes meanwhile has to wait.
            if taken > (pauses + 1) * (GIGABYTE / 8) {
                pauses += 1;
                thread::sleep(Duration::from_millis(200));
            }
        });
        assert!((GIGABYTE..GIGABYTE + 1024).contains(&taken), "{taken} bytes, the head among them");
    });
}
