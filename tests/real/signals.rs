//! How the binary ends: what a signal does to open requests, and what its exit codes say.

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::time::Instant;

use crate::backends::{
    Connection, Layout, PATIENCE, Program, Proxy, Setup, Upstream, address_of, menshen, read_request,
};

/// Room for what a busy machine adds to a deadline.
const ROOM: Duration = Duration::from_secs(5);

#[test]
fn sigterm_lets_an_open_answer_end_and_closes_what_is_idle() {
    drains_on("TERM", "SIGTERM");
}

#[test]
fn sigint_does_the_same() {
    drains_on("INT", "SIGINT");
}

fn drains_on(signal: &str, name: &str) {
    let (upstream, release) = slow_upstream();
    let mut proxy = Setup::new().server("drain = \"60s\"").before(upstream.address());
    let mut idle = kept_alive(&proxy);
    let mut fresh = proxy.connect();
    let mut open = half_answered(&proxy);
    let begun = Instant::now();
    proxy.program.signal(signal);
    proxy.program.wait_for_words(name);

    assert!(idle.is_closed(), "the idle connection");
    assert!(fresh.is_closed(), "the connection on which nothing was asked yet");
    until_nobody_listens(&proxy);

    release.send(()).unwrap();
    assert_eq!(open.exactly("last".len()), b"last");
    assert!(open.is_closed(), "the connection whose request was answered");
    assert_eq!(proxy.program.ended().code(), Some(0), "{}", proxy.program.said());
    assert!(begun.elapsed() < ROOM, "{:?} for a drain with nothing left to wait for", begun.elapsed());
}

#[test]
fn a_signal_that_comes_as_soon_as_it_listens_finds_a_proxy_that_drains() {
    for _ in 0..5 {
        let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
        let mut program = layout.serve();
        address_of(&program);
        program.signal("TERM");
        assert_eq!(program.ended().code(), Some(0), "{}", program.said());
    }
}

#[test]
fn an_answer_that_does_not_end_is_cut_off_at_the_deadline() {
    let (upstream, _release) = slow_upstream();
    let mut proxy = Setup::new().server("drain = \"1s\"").before(upstream.address());
    let mut open = half_answered(&proxy);
    let begun = Instant::now();
    proxy.program.signal("TERM");
    assert!(open.is_closed(), "without the rest that its length promises");
    assert_eq!(proxy.program.ended().code(), Some(0), "{}", proxy.program.said());
    let took = begun.elapsed();
    assert!(Duration::from_secs(1) <= took && took < Duration::from_secs(1) + ROOM, "{took:?}");
    assert!(proxy.program.said().contains("cut off"), "{}", proxy.program.said());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, _release) = slow_upstream();
    let mut proxy = Setup::new().server("drain = \"60s\"").before(upstream.address());
    let mut open = half_answered(&proxy);
    let begun = Instant::now();
    proxy.program.signal("TERM");
    proxy.program.wait_for_words("going down: open requests may end");
    proxy.program.signal("INT");
    assert_eq!(proxy.program.ended().code(), Some(1), "{}", proxy.program.said());
    assert!(open.is_closed(), "the connection whose request was half answered");
    assert!(begun.elapsed() < ROOM, "{:?}", begun.elapsed());
    assert!(proxy.program.said().contains("a second signal: going down at once"), "{}", proxy.program.said());
}

#[test]
fn a_hangup_has_the_configuration_read_again_and_ends_nothing() {
    let (upstream, release) = slow_upstream();
    let mut proxy = Setup::new().before(upstream.address());
    let mut open = half_answered(&proxy);
    proxy.program.signal("HUP");
    proxy.program.wait_for_words("the configuration was read again");
    let good = fs::read_to_string(proxy.config()).unwrap();
    fs::write(proxy.config(), format!("{good}\nnonsense = 1\n")).unwrap();
    proxy.program.signal("HUP");
    proxy.program.wait_for_words("the old one stays in use");
    kept_alive(&proxy);
    release.send(()).unwrap();
    assert_eq!(open.exactly("last".len()), b"last");
    proxy.program.signal("TERM");
    assert_eq!(proxy.program.ended().code(), Some(0), "{}", proxy.program.said());
}

/// Regression: it was caught only once the store was open, and killed a proxy that was just starting.
#[test]
fn a_hangup_while_it_starts_ends_nothing_and_is_heeded_once_it_runs() {
    let (layout, lock) = locked();
    let mut program = layout.serve();
    program.wait_for_words("Menshen starts");
    for _ in 0..3 {
        program.signal("HUP");
    }
    drop(lock);
    program.wait_for_words("listening");
    program.wait_for_words("the configuration was read again");
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0), "{}", program.said());
}

#[test]
fn an_end_that_is_asked_for_while_it_starts_is_an_orderly_one_and_a_second_signal_waits_for_nothing() {
    let (layout, lock) = locked();
    let mut patient = layout.serve();
    patient.wait_for_words("Menshen starts");
    patient.signal("TERM");
    patient.wait_for_words("going down as soon as it has started");
    drop(lock);
    assert_eq!(patient.ended().code(), Some(0), "{}", patient.said());
    assert!(patient.said().contains("the store is closed"), "{}", patient.said());

    let (layout, _lock) = locked();
    let mut impatient = layout.serve();
    impatient.wait_for_words("Menshen starts");
    impatient.signal("TERM");
    impatient.wait_for_words("going down as soon as it has started");
    impatient.signal("INT");
    assert_eq!(impatient.ended().code(), Some(1), "{}", impatient.said());
    assert!(impatient.said().contains("before it has started"), "{}", impatient.said());
}

#[test]
fn an_end_that_is_asked_for_while_the_configuration_is_read_waits_for_nothing() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let pipe = layout.store().with_extension("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut program = Program::start(&mut menshen("serve", &pipe));
    // It catches signals before it reads: once the pipe has a reader, it does.
    let _writer = File::options().write(true).open(&pipe).unwrap();
    program.signal("HUP");
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0), "{}", program.said());
}

/// Regression: nothing but SIGKILL ended it.
#[test]
fn an_end_is_heeded_while_a_reload_hangs() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(upstream.address());
    fs::remove_file(proxy.config()).unwrap();
    assert!(Command::new("mkfifo").arg(proxy.config()).status().unwrap().success());
    proxy.program.signal("HUP");
    // There once it reads.
    let _writer = File::options().write(true).open(proxy.config()).unwrap();
    proxy.program.signal("TERM");
    assert_eq!(proxy.program.ended().code(), Some(0), "{}", proxy.program.said());
}

#[test]
fn the_first_line_names_the_version_and_the_configuration() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let program = layout.serve();
    program.wait_for_words("listening");
    let said = program.said();
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"), "{said}");
    assert_eq!(first["config"], layout.config().to_str().unwrap(), "{said}");
}

#[test]
fn the_limit_of_descriptors_is_raised_as_far_as_it_goes_and_what_it_lacks_is_told() {
    let layout = Setup::new().section("[limits]\nconnections = 400").lay_out("127.0.0.1:9".parse().unwrap());
    let limited = |limit: &str| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -Sn 100; ulimit -Hn {limit}; exec \"$0\" serve --config \"$1\"");
        shell.env_clear().args(["-c", &script, env!("CARGO_BIN_EXE_menshen")]).arg(layout.config());
        Program::start(&mut shell)
    };
    let soft = |program: &Program| {
        program.wait_for_words("listening");
        let limits = fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let mut ample = limited("2000");
    assert_eq!(soft(&ample), "2000");
    assert!(!ample.said().contains("file descriptors"), "{}", ample.said());
    ample.signal("TERM");
    ample.ended();

    let short = limited("500");
    assert_eq!(soft(&short), "500");
    for part in ["\"allowed\":500", "\"needed\":1056", "LimitNOFILE=", "ulimit -n"] {
        assert!(short.said().contains(part), "{part}: {}", short.said());
    }
}

#[test]
fn a_store_whose_master_key_is_gone_is_refused_and_no_other_key_is_made() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let mut first = layout.serve();
    first.wait_for_words("listening");
    first.signal("TERM");
    assert_eq!(first.ended().code(), Some(0), "{}", first.said());
    let key = layout.store().join("master.key");
    let kept = layout.store().with_extension("kept");
    fs::rename(&key, &kept).unwrap();
    let output = run("serve", &layout.config());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("the store exists, but its master key's file"), "{output:?}");
    assert!(!key.exists(), "a new key lies where a backup will take it for the right one");

    fs::rename(&kept, &key).unwrap();
    layout.serve().wait_for_words("listening");
}

#[test]
fn a_login_that_was_answered_before_the_signal_is_kept() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().before(upstream.address());
    let browser = proxy.browser();
    browser.log_in("10001");
    let (id, cookies) = (browser.user_id(), browser.cookie_header().unwrap());
    proxy.program.signal("TERM");
    assert_eq!(proxy.program.ended().code(), Some(0));

    let proxy = proxy.restart();
    let browser = proxy.browser();
    cookies.split("; ").for_each(|cookie| browser.keep(cookie));
    assert_eq!(browser.user_id(), id, "the session outlives the restart");
}

#[test]
fn the_exit_code_of_check_says_how_it_came_out() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let good = run("check", &layout.config());
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(!layout.store().exists(), "a check writes nothing");

    let bad = folder.path().join("bad.toml");
    fs::write(&bad, "[server]\nlisten = 8000\n").unwrap();
    for command in ["check", "serve"] {
        let output = run(command, &bad);
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        assert!(text(&output).contains("server.listen"), "{command}: {output:?}");

        let output = run(command, Path::new("/nowhere/config.toml"));
        assert_eq!(output.status.code(), Some(2), "{command}: {output:?}");
        assert!(text(&output).contains("/nowhere/config.toml: cannot be read"), "{command}: {output:?}");
    }
    assert_eq!(run("chekc", &bad).status.code(), Some(2));
}

#[test]
fn a_port_that_is_taken_ends_serve_with_1_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let layout = Setup::new().server(&format!("listen = [\"{address}\"]")).lay_out("127.0.0.1:9".parse().unwrap());
    let output = run("serve", &layout.config());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output);
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(said.contains("another process listens there already"), "{said}");
    assert!(!layout.store().exists(), "it made a store before it knew whether it could serve");
}

#[test]
fn a_store_that_is_in_use_ends_serve_with_1_and_names_the_process() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let first = layout.serve();
    first.wait_for_words("listening");
    let output = run("serve", &layout.config());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output);
    assert!(said.contains(&format!("(id {})", first.id())), "{said}");
    assert!(said.contains("a path of its own"), "{said}");
}

/// A store that does not open before this lock is dropped, or a few seconds have passed.
fn locked() -> (Layout, File) {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    fs::create_dir(layout.store()).unwrap();
    let lock = File::create(layout.store().join("lock")).unwrap();
    lock.lock().unwrap();
    (layout, lock)
}

/// Runs a command to its end.
fn run(command: &str, config: &Path) -> Output {
    menshen(command, config).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Answers `/slow` by half, and the rest when it is told; anything else with `hello`.
fn slow_upstream() -> (Upstream, Sender<()>) {
    let (release, released) = channel();
    let released = Mutex::new(released);
    let serve = move |mut stream: TcpStream, connection, seen: Sender<_>| {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer, connection) {
            let is_slow = request.line().contains("/slow");
            let _ = seen.send(request);
            let (first, last) = if is_slow { ("first ", "last") } else { ("hello", "") };
            let length = first.len() + last.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{first}").unwrap();
            if is_slow && released.lock().unwrap().recv_timeout(PATIENCE).is_ok() {
                let _ = stream.write_all(last.as_bytes());
            }
        }
    };
    (Upstream::serving(serve), release)
}

/// A connection on which one request was answered, and that stays open.
fn kept_alive(proxy: &Proxy) -> Connection {
    let mut connection = proxy.connect();
    assert_eq!(connection.get("/", &[]).answer().text(), "hello");
    connection
}

/// A connection on which the first half of an answer has arrived.
fn half_answered(proxy: &Proxy) -> Connection {
    let mut connection = proxy.connect();
    let head = connection.get("/slow", &[]).until(b"\r\n\r\n");
    assert!(String::from_utf8(head).unwrap().contains("content-length: 10\r\n"));
    assert_eq!(connection.exactly("first ".len()), b"first ");
    connection
}

/// The port is free for a successor while the last requests end.
fn until_nobody_listens(proxy: &Proxy) {
    let begun = Instant::now();
    while TcpStream::connect(proxy.address).is_ok() {
        assert!(begun.elapsed() < ROOM, "still listening");
        std::thread::yield_now();
    }
}
