//! Logins: how many a second, and how long one takes, against the simulated QQ on this machine.
//!
//! `cargo bench --bench logins -- [logins] [at once]`, 2000 and 64 if left out. Proxy, QQ and clients share the cores,
//! so that the figures are a floor. Every first login is on disk before it is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark ends at its first fault"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use menshen::app::App;
use menshen::clock::Clock;
use menshen::config::Config;
use menshen::demo::qq::{self, Simulator, User};
use menshen::server::Inherited;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use tokio::time::Instant;
use url::Url;

const CLIENT_ID: &str = "101000001";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let logins = numbers.next().unwrap_or(2000);
    let at_once = numbers.next().unwrap_or(64);
    let around = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let app = qq::App {
        client_id: CLIENT_ID.into(),
        client_secret: SECRET.into(),
        callbacks: format!("http://127.0.0.1:{port}/oauth_callback"),
        ..qq::App::default()
    };
    let users = (0..logins).map(|number| User::new(&number.to_string(), "小明")).collect();
    let settings = qq::Settings { apps: vec![app], users, ..qq::Settings::default() };
    let simulator = Arc::new(around.block_on(Simulator::start(settings, Clock::System)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let proxy = App::start(&config(&folder, port, &simulator), Clock::System, None, Inherited::default()).unwrap();

    println!("{logins} logins, {at_once} at once");
    for round in ["first logins", "repeated logins"] {
        let started = around.block_on(all(at_once, logins, |number| start(port, Arc::clone(&simulator), number)));
        let callbacks = Arc::new(started.results);
        print_row("GET /qq/login/", &started.times, started.took);
        let finished = around.block_on(all(at_once, logins, |number| finish(Arc::clone(&callbacks), number)));
        print_row(round, &finished.times, finished.took);
    }
    proxy.stop();
}

fn config(folder: &tempfile::TempDir, port: u16, simulator: &Simulator) -> Config {
    let qq = simulator.addr();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\ndrain = \"1s\"\n[[sites]]\norigin = \"http://127.0.0.1:{port}\"\n\
         [providers.qq]\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{SECRET}\"\n\
         authorize_url = \"http://{qq}/oauth2.0/authorize\"\ntoken_url = \"http://{qq}/oauth2.0/token\"\n\
         openid_url = \"http://{qq}/oauth2.0/me\"\nuser_info_url = \"http://{qq}/user/get_user_info\"\n\
         [upstreams.mall]\nendpoints = [\"http://127.0.0.1:9\"]\n[[routes]]\npath = \"/*\"\nupstream = \"mall\"\n\
         [log]\naccess = false\nlevel = \"error\"\n[limits]\nexchanges = 4096\nlogins = 10000000\n\
         logins_per_address = 10000000\ncallbacks = 10000000\n"
    );
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path, std::iter::empty::<(String, String)>()).unwrap().0
}

/// What came of many tasks, in the order of their numbers, and how long each and all of them took.
struct Outcome<T> {
    results: Vec<T>,
    times: Vec<Duration>,
    took: Duration,
}

async fn all<T, F>(at_once: usize, count: usize, task: impl Fn(usize) -> F) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = (T, Duration)> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    let mut done: Vec<(usize, T, Duration)> = Vec::with_capacity(count);
    while done.len() < count {
        while running.len() < at_once {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let task = task(number);
            running.spawn(async move {
                let (result, took) = task.await;
                (number, result, took)
            });
        }
        done.push(running.join_next().await.unwrap().unwrap());
    }
    let took = began.elapsed();
    done.sort_by_key(|(number, _, _)| *number);
    let times = done.iter().map(|(_, _, took)| *took).collect();
    Outcome { results: done.into_iter().map(|(_, result, _)| result).collect(), times, took }
}

fn client() -> reqwest::Client {
    static CLIENT: std::sync::LazyLock<reqwest::Client> = std::sync::LazyLock::new(|| {
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
    });
    CLIENT.clone()
}

/// Begins a login: the callback's address, and the attempt's cookie. Only the call to the proxy is timed.
async fn start(port: u16, simulator: Arc<Simulator>, number: usize) -> ((String, String), Duration) {
    let began = Instant::now();
    let answer = client().get(format!("http://127.0.0.1:{port}/qq/login/?next=/")).send().await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let took = began.elapsed();
    let login_url = Url::parse(answer["login_url"].as_str().unwrap()).unwrap();
    ((simulator.log_in(&login_url, &number.to_string()).unwrap(), cookie), took)
}

/// Ends it.
async fn finish(callbacks: Arc<Vec<(String, String)>>, number: usize) -> ((), Duration) {
    let (callback, cookie) = &callbacks[number];
    let began = Instant::now();
    let answer = client().get(callback).header(COOKIE, cookie).send().await.unwrap();
    assert!(answer.headers().contains_key(LOCATION), "{}", answer.status());
    ((), began.elapsed())
}

fn print_row(name: &str, times: &[Duration], took: Duration) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let rate = sorted.len() as f64 / took.as_secs_f64();
    println!("{name:16} {rate:8.0}/s   p50 {:7.2} ms   p99 {:7.2} ms", at(0.5), at(0.99));
}
