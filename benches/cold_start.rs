//! A store of many users: how long until the proxy answers on it, and how long it takes to find one of them.
//!
//! `cargo bench --bench cold_start -- [bindings]`, a million if left out: filling them in takes some minutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark ends at its first fault"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use menshen::app::App;
use menshen::clock::{Clock, Timestamp};
use menshen::config::Config;
use menshen::master_key::MasterKey;
use menshen::random;
use menshen::server::{Inherited, Speaks};
use menshen::store::sled::{Settings, SledStore};
use menshen::store::{IdentityKey, NewUser, Store, UserId};
use menshen::units::ByteSize;
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Writers at the same time: the store commits them in groups.
const WRITERS: u64 = 512;

/// Users who are looked up, one after another, from all over the store.
const LOOK_UPS: u64 = 200_000;

fn main() {
    let bindings = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store"), cache: ByteSize::mib(1024) };

    let store = Arc::new(SledStore::open(&settings).unwrap());
    // A store without one is taken for one whose key is lost.
    MasterKey::open_or_create(&settings.path.join("master.key"), false).unwrap();
    let began = Instant::now();
    runtime.block_on(fill(&store, bindings));
    let took = began.elapsed().as_secs_f64();
    println!("{bindings} bindings made in {took:.1} s, {:.0} a second", bindings as f64 / took);
    runtime.block_on(store.close());
    drop(store);

    let began = Instant::now();
    let store = SledStore::open(&settings).unwrap();
    let opened = began.elapsed();
    let found = runtime.block_on(store.find_user(&identity(bindings / 2))).unwrap();
    assert!(found.is_some());
    println!("opened in {:.2} s, first user found after {:.2} s", opened.as_secs_f64(), began.elapsed().as_secs_f64());
    let times = runtime.block_on(look_up(&store, bindings));
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_nanos() as f64 / 1000.0;
    println!("a user is found in {:.1} µs (p50), {:.1} µs (p99), {:.1} µs (p99.9)", at(0.5), at(0.99), at(0.999));
    runtime.block_on(store.close());
    drop(store);

    let config = config(&folder);
    let began = Instant::now();
    let proxy = App::start(&config, Clock::System, None, Inherited::default()).unwrap();
    let answer = health(proxy.places(Speaks::Plain).find_map(|at| at.address()).unwrap());
    println!("the whole proxy answers after {:.2} s: {answer}", began.elapsed().as_secs_f64());

    let began = Instant::now();
    proxy.stop();
    let stopped = began.elapsed();
    let proxy = App::start(&config, Clock::System, None, Inherited::default()).unwrap();
    let answer = health(proxy.places(Speaks::Plain).find_map(|at| at.address()).unwrap());
    let (stopped, whole) = (stopped.as_secs_f64(), began.elapsed().as_secs_f64());
    println!("a restart: stopped after {stopped:.2} s, the successor answers {whole:.2} s after the signal: {answer}");
    proxy.stop();
}

fn config(folder: &tempfile::TempDir) -> Config {
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[[sites]]\norigin = \"http://127.0.0.1\"\n\
         [providers.qq]\nclient_id = \"101000001\"\nclient_secret = \"0123456789abcdef0123456789abcdef\"\n\
         [upstreams.mall]\nendpoints = [\"http://127.0.0.1:9\"]\n[[routes]]\npath = \"/*\"\nupstream = \"mall\"\n\
         [store]\npath = \"store\"\n[log]\naccess = false\nlevel = \"error\"\n";
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path, std::iter::empty::<(String, String)>()).unwrap().0
}

/// The first line of the answer.
fn health(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /.menshen/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

async fn fill(store: &Arc<SledStore>, bindings: u64) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(store);
        writers.spawn(async move {
            for number in (writer..bindings).step_by(usize::try_from(WRITERS).unwrap()) {
                let new = NewUser {
                    id: UserId::new(NOW, &random::bytes().unwrap()),
                    display_name: "小明".into(),
                    avatar: None,
                    unionid: None,
                };
                store.create_bound(&identity(number), new, NOW).await.unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// How long each took, the shortest first.
async fn look_up(store: &SledStore, bindings: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    for at in 0..LOOK_UPS {
        let identity = identity(at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bindings);
        let began = Instant::now();
        assert!(store.find_user(&identity).await.unwrap().is_some());
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

/// Openids are as good as random: so are these, and they can be made again.
fn identity(number: u64) -> IdentityKey {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    IdentityKey { provider: "qq".into(), client_id: "101000001".into(), subject: format!("{mixed:016X}{number:016X}") }
}
