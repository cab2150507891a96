//! SIGKILL, at any moment: what was acknowledged is there afterwards, with the same user.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use menshen::store::Store;
use tokio::time::Instant;

use super::child::Task;
use super::{Acknowledged, assert_kept, assert_whole, open, sign_in};
use crate::killing::{random_up_to, rounds};

/// The longest a writer lives once it has opened the store.
const WRITING: Duration = Duration::from_millis(400);

/// People in the store whose opening is interrupted: enough that it takes a while.
const PRELOADED: usize = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_writing_loses_nothing_that_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..rounds() {
        let mut other = Task::SignInForEver.spawn(root.path());
        other.wait_for("open");
        thread::sleep(random_up_to(WRITING));
        let said = other.kill();
        let store = open(root.path());
        assert_kept(&store, &said).await;
        store.close().await;
        acknowledged.extend(said);
    }
    assert_one_user_each(&acknowledged);
    let store = open(root.path());
    assert_kept(&store, &acknowledged).await;
    assert_whole(&store).await;
    store.close().await;
    println!("{} kills while writing: {} bindings acknowledged, 0 lost", rounds(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_opening_leaves_a_store_that_opens() {
    let root = tempfile::tempdir().unwrap();
    let mut acknowledged = preload(root.path()).await;
    let mut opening = time_to_open(root.path());
    let (mut torn, mut early) = (0, 0);
    for _ in 0..rounds() {
        let mut other = Task::SignInForEver.spawn(root.path());
        other.wait_for("opening");
        thread::sleep(random_up_to(opening.mul_f64(1.2)));
        let said = other.kill();
        early += usize::from(said.is_empty());
        torn += usize::from(has_torn_snapshot(root.path()));
        let begun = Instant::now();
        let store = open(root.path());
        opening = begun.elapsed();
        assert_kept(&store, &said).await;
        // Something for the next opening to find in the log.
        for number in 0..100 {
            let subject = format!("between-{}-{number}", acknowledged.len());
            acknowledged.push(Acknowledged { user: sign_in(&store, &subject).await.unwrap(), subject });
        }
        store.close().await;
        acknowledged.extend(said);
    }
    let store = open(root.path());
    assert_kept(&store, &acknowledged).await;
    assert_whole(&store).await;
    store.close().await;
    println!(
        "{} kills aimed at opening: {early} before the first acknowledgement, {torn} left a torn snapshot, {} bindings \
         acknowledged, 0 lost",
        rounds(),
        acknowledged.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_the_store_is_made_leaves_a_store_that_opens() {
    let root = tempfile::tempdir().unwrap();
    let longest = time_to_open(&root.path().join("model")) * 2;
    let mut half_made = 0;
    for round in 0..rounds() {
        let path = root.path().join(round.to_string());
        let mut other = Task::SignInForEver.spawn(&path);
        other.wait_for("opening");
        thread::sleep(random_up_to(longest));
        let said = other.kill();
        half_made += usize::from(path.join("sled.new").exists());
        let store = open(&path);
        assert_kept(&store, &said).await;
        assert!(sign_in(&store, "next").await.is_ok());
        store.close().await;
    }
    println!("{} kills aimed at making: {half_made} left a half-made store, all opened", rounds());
}

/// Two threads signed in each person: both must have been told the same user.
fn assert_one_user_each(acknowledged: &[Acknowledged]) {
    let mut users = HashMap::new();
    for Acknowledged { subject, user } in acknowledged {
        assert_eq!(users.entry(subject).or_insert(user), &user, "{subject} got two users");
    }
}

async fn preload(path: &Path) -> Vec<Acknowledged> {
    let store = open(path);
    let mut acknowledged = Vec::new();
    let subjects: Vec<_> = (0..PRELOADED).map(|number| format!("preloaded-{number}")).collect();
    for chunk in subjects.chunks(1000) {
        let users = join_all(chunk.iter().map(|subject| sign_in(&store, subject))).await;
        let told = chunk.iter().zip(users);
        acknowledged.extend(told.map(|(subject, user)| Acknowledged { subject: subject.clone(), user: user.unwrap() }));
    }
    store.close().await;
    acknowledged
}

fn time_to_open(path: &Path) -> Duration {
    let begun = Instant::now();
    open(path);
    begun.elapsed()
}

fn has_torn_snapshot(path: &Path) -> bool {
    let entries = fs::read_dir(path.join("sled")).unwrap();
    entries.into_iter().any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".generating"))
}
