//! SIGKILL on the real binary, in the middle of people's first logins and in the middle of starting: it starts again,
//! and whoever was told their user id has it still.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use menshen::demo::qq::{Simulator, User};
use tokio::time::Instant;
use url::Url;

use crate::backends::{Layout, PATIENCE, SITE, Setup, Upstream, address_of};
use crate::killing::{random_up_to, rounds};

/// The longest a storm lasts before the kill.
const STORM: Duration = Duration::from_millis(600);

/// How many log in at the same time. Two of them at a time are the same QQ user, in two browsers.
const CLIENTS: usize = 8;

/// Which user a QQ user was told to be.
struct Told {
    qq: String,
    user: String,
}

#[test]
fn a_kill_in_a_storm_of_first_logins_loses_none_that_was_answered() {
    let upstream = Upstream::hello();
    let layout = lay_out(&upstream);
    let mut told: Vec<Told> = Vec::new();
    for round in 0..rounds() {
        let mut program = layout.serve();
        let address = address_of(&program);
        let dead = AtomicBool::new(false);
        told.extend(thread::scope(|scope| {
            let (layout, dead) = (&layout, &dead);
            let storm = |client| scope.spawn(move || first_logins(address, &layout.qq, round, client, dead));
            let clients: Vec<_> = (0..CLIENTS).map(storm).collect();
            thread::sleep(random_up_to(STORM));
            program.kill();
            dead.store(true, Ordering::SeqCst);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        }));
        let begin = told.len().saturating_sub(500);
        assert_told_again(&layout, &told[begin..]);
    }
    assert_one_user_each(&told);
    assert_told_again(&layout, &told);
    assert!(!told.is_empty(), "no login was ever answered");
    println!("{} kills in a storm: {} logins answered, 0 lost", rounds(), told.len());
}

#[test]
fn a_kill_while_starting_leaves_what_starts_again() {
    let upstream = Upstream::hello();
    let (mut first_starts, mut later_starts) = (0, 0);
    let mut layout = lay_out(&upstream);
    let mut told = Vec::new();
    // The first start makes keys and store, and takes longer than the others.
    let mut longest = time_to_start(&lay_out(&upstream));
    for round in 0..rounds() {
        if round % 2 == 0 {
            layout = lay_out(&upstream);
            told.clear();
            first_starts += 1;
        } else {
            longest = time_to_start(&layout);
            later_starts += 1;
        }
        let mut program = layout.serve();
        thread::sleep(random_up_to(longest.mul_f64(1.1)));
        program.kill();
        assert_told_again(&layout, &told);
        let mut program = layout.serve();
        let qq = format!("start-{round}");
        let user = log_in(address_of(&program), &layout.qq, &qq).expect("a login after the start that was killed");
        told.push(Told { qq, user });
        program.kill();
        assert_told_again(&layout, &told);
        longest = longest.max(Duration::from_millis(5));
    }
    println!("{first_starts} kills in a first start, {later_starts} in a later one: all started again");
}

/// A storm comes from one address: more than any city's.
const LIMITS: &str = "[limits]\nlogins = 10000000\nlogins_per_address = 10000000\ncallbacks = 10000000\n";

fn lay_out(upstream: &Upstream) -> Layout {
    Setup::new().section("[log]\naccess = false\n").section(LIMITS).lay_out(upstream.address())
}

fn time_to_start(layout: &Layout) -> Duration {
    let begun = Instant::now();
    address_of(&layout.serve());
    begun.elapsed()
}

/// Logs one QQ user after the other in for the first time, until the proxy is killed.
fn first_logins(address: SocketAddr, qq: &Simulator, round: usize, client: usize, dead: &AtomicBool) -> Vec<Told> {
    let mut told = Vec::new();
    for number in 0.. {
        let name = format!("storm-{round}-{}-{number}", client / 2);
        match log_in(address, qq, &name) {
            Some(user) => told.push(Told { qq: name, user }),
            None if dead.load(Ordering::SeqCst) => break,
            // The kill may be under way; a proxy that lives refuses nobody.
            None => thread::yield_now(),
        }
    }
    told
}

/// Starts the proxy, and has everybody log in again.
fn assert_told_again(layout: &Layout, told: &[Told]) {
    let program = layout.serve();
    let address = address_of(&program);
    thread::scope(|scope| {
        for part in told.chunks(told.len().div_ceil(CLIENTS).max(1)) {
            scope.spawn(move || {
                for Told { qq, user } in part {
                    let again = log_in(address, &layout.qq, qq);
                    assert_eq!(again.as_ref(), Some(user), "{qq} was told to be another user before the kill");
                }
            });
        }
    });
}

fn assert_one_user_each(told: &[Told]) {
    let mut users = HashMap::new();
    for Told { qq, user } in told {
        assert_eq!(users.entry(qq).or_insert(user), &user, "{qq} got two users");
    }
}

/// A whole login, in a browser that has never been here: the user id that was answered, or `None` if anything went
/// wrong on the way.
fn log_in(address: SocketAddr, qq: &Simulator, name: &str) -> Option<String> {
    qq.add_user(User::new(name, name));
    let (head, body) = get(address, "/qq/login/?next=/", "Accept: */*")?;
    let cookie = head.split("set-cookie: ").nth(1)?.split(';').next()?.to_owned();
    let login_url = Url::parse(body["login_url"].as_str()?).ok()?;
    let callback = Url::parse(&qq.log_in(&login_url, name).unwrap()).unwrap();
    let target = format!("{}?{}", callback.path(), callback.query().unwrap());
    let (_, body) = get(address, &target, &format!("Cookie: {cookie}\r\nAccept: application/json"))?;
    Some(body["user_id"].as_str()?.to_owned())
}

/// The head and the JSON of a whole answer with 200.
fn get(address: SocketAddr, target: &str, fields: &str) -> Option<(String, serde_json::Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{fields}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return None;
    }
    Some((head.to_owned(), serde_json::from_str(body).ok()?))
}
