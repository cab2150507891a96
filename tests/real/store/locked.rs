//! Two processes and one store.

use std::thread;
use std::time::Duration;

use menshen::store::sled::{OpenError, SledStore};
use tokio::time::Instant;

use super::child::Task;
use super::{open, settings};

#[test]
fn a_store_that_another_process_has_open_is_refused_with_its_id() {
    let root = tempfile::tempdir().unwrap();
    let mut other = Task::Hold.spawn(root.path());
    other.wait_for("open");
    let error = SledStore::open(&settings(root.path())).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { holder: Some(id), .. } if *id == other.id()), "{error}");
    println!("{error}");
    other.kill();
    open(root.path());
}

#[test]
fn an_open_that_waits_gets_the_store_soon_after_the_other_process_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let mut other = Task::Hold.spawn(root.path());
    other.wait_for("open");
    let path = root.path().to_owned();
    let waiting = thread::spawn(move || {
        open(&path);
        Instant::now()
    });
    // Long enough for the other side to be waiting in most runs; the outcome is the same if it is not.
    thread::sleep(Duration::from_millis(300));
    let killed = Instant::now();
    other.kill();
    let waited = waiting.join().unwrap().saturating_duration_since(killed);
    println!("opened {waited:?} after the kill");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}
