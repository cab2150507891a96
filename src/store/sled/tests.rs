//! The promises of every store, and those that are this one's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::store::conformance::{self, Place};
use crate::store::record;

/// Fails fast, and tries again fast.
const BRISK: Pace = Pace {
    lock_patience: Duration::from_millis(200),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(20),
    stuck_after: Duration::from_secs(60),
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), cache: Settings::MIN_CACHE }
}

fn open(root: &TempDir) -> SledStore {
    SledStore::open_at(&settings(root.path()), BRISK).unwrap()
}

fn refused(root: &TempDir) -> OpenError {
    SledStore::open_at(&settings(root.path()), BRISK).unwrap_err()
}

fn identity(subject: &str) -> IdentityKey {
    IdentityKey { provider: "qq".to_owned(), client_id: "101000001".to_owned(), subject: subject.to_owned() }
}

fn new_user(number: u8) -> NewUser {
    let id = UserId::new(NOW, &[number; 10]);
    NewUser { id, display_name: "访客".to_owned(), avatar: None, unionid: None }
}

async fn sign_in(store: &SledStore, number: u8) -> Result<SignedIn, Error> {
    store.create_bound(&identity(&number.to_string()), new_user(number), NOW).await
}

async fn is_bound(store: &SledStore, number: u8) -> bool {
    let user = store.find_user(&identity(&number.to_string())).await.unwrap();
    user.is_some_and(|user| user.id == new_user(number).id)
}

/// What sled answers when the disk fails under it.
fn disk_failure() -> Result<(), Failure> {
    Err(Failure::Broken(sled::Error::Io(std::io::Error::other("the disk is on fire"))))
}

/// Waits until the store serves again.
async fn recovered(store: &SledStore) {
    let patience = Duration::from_secs(30);
    let serves = async {
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(patience, serves).await.expect("the store did not come back");
}

/// Has the store's thread wait inside a call until the sender is used. Returns once it does.
async fn block(store: &Arc<SledStore>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (started, wait_for_start) = mpsc::channel();
    let (go, wait_to_go) = mpsc::channel();
    let wait = move |_: &Trees| {
        started.send(()).unwrap();
        wait_to_go.recv().unwrap();
        Ok::<(), Failure>(())
    };
    let store = Arc::clone(store);
    let blocked = tokio::spawn(async move { store.call(Access::Read, wait).await });
    tokio::task::spawn_blocking(move || wait_for_start.recv().unwrap()).await.unwrap();
    (go, blocked)
}

// Every store's promises.

struct Here(PathBuf);

#[async_trait]
impl Place for Here {
    async fn open(&self) -> Result<Arc<dyn Store>, String> {
        let store = SledStore::open(&settings(&self.0)).map_err(|error| error.to_string())?;
        Ok(Arc::new(store))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_every_promise_of_a_store() {
    for check in conformance::checks() {
        let root = tempfile::tempdir().unwrap();
        if let Err(broken) = (check.run)(Arc::new(open(&root))).await {
            panic!("{}: {broken}", check.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_every_promise_across_a_restart() {
    for check in conformance::DURABILITY_CHECKS {
        let root = tempfile::tempdir().unwrap();
        if let Err(broken) = (check.run)(Arc::new(Here(root.path().to_owned()))).await {
            panic!("{}: {broken}", check.name);
        }
    }
}

// Opening.

#[tokio::test]
async fn a_new_store_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let store = SledStore::open(&settings(&path)).unwrap();
    for (name, expected) in [("", 0o700), ("sled", 0o700), ("lock", 0o600)] {
        let mode = fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{name}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_database_that_was_half_made_is_made_anew() {
    let root = tempfile::tempdir().unwrap();
    let unfinished = root.path().join("sled.new");
    fs::create_dir_all(unfinished.join("blobs")).unwrap();
    // As a kill between sled's two writes to this file leaves it: no sum at its end.
    fs::write(unfinished.join("conf"), "segment_size: 524288\nuse_compression: false\nvers").unwrap();
    let store = open(&root);
    assert!(sign_in(&store, 1).await.unwrap().created);
    assert!(!unfinished.exists());
    store.close().await;
}

#[tokio::test]
async fn a_cache_that_would_take_more_memory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let settings = Settings { path: root.path().to_owned(), cache: ByteSize::mib(64) };
    let error = SledStore::open(&settings).unwrap_err();
    assert_eq!(error.to_string(), "the store's cache of 64MiB is too small: at least 256MiB");
}

#[tokio::test]
async fn a_second_open_says_who_has_the_store_and_works_once_that_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let first = open(&root);
    sign_in(&first, 1).await.unwrap();
    let error = refused(&root).to_string();
    assert!(error.contains(&format!("in use by another process (id {})", std::process::id())), "{error}");
    assert!(error.contains("stop that one"), "{error}");

    // Dropped and not closed: its thread lets go a little later, and opening waits for that.
    drop(first);
    let second = SledStore::open(&settings(root.path())).unwrap();
    assert!(is_bound(&second, 1).await);
    second.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    let newer = (trees::SCHEMA + 1).to_be_bytes();
    let write = move |trees: &Trees| -> Result<(), Failure> { Ok(trees.meta.insert("schema", &newer).map(drop)?) };
    store.call(Access::Write, write).await.unwrap();
    store.close().await;
    let error = refused(&root);
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }), "{error}");
    assert!(error.to_string().contains("a newer version has used it"), "{error}");
    // Refused means closed: the newer program can have it.
    assert!(matches!(refused(&root), OpenError::Newer { .. }));
}

#[tokio::test]
async fn a_database_that_is_not_ours_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let theirs = sled::open(root.path().join("sled")).unwrap();
    theirs.insert("theirs", "data").unwrap();
    theirs.flush().unwrap();
    drop(theirs);
    assert!(matches!(refused(&root), OpenError::Foreign));
}

#[tokio::test]
async fn a_log_that_has_disappeared_is_not_replaced_by_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    open(&root).close().await;
    fs::remove_file(root.path().join("sled/db")).unwrap();
    assert!(matches!(refused(&root), OpenError::Gone { .. }));
    assert!(!root.path().join("sled/db").exists());
}

// Start-up repair.

/// A closed store with one user, and the path of its newest snapshot.
async fn store_with_a_snapshot(root: &TempDir) -> PathBuf {
    for number in 1..=2 {
        let store = open(root);
        sign_in(&store, number).await.unwrap();
        store.close().await;
    }
    let names = fs::read_dir(root.path().join("sled")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).max().unwrap()
}

#[tokio::test]
async fn a_snapshot_torn_by_a_kill_at_start_up_is_deleted_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = store_with_a_snapshot(&root).await;
    let whole = fs::read(&snapshot).unwrap();
    let torn = snapshot.with_file_name("snap.00000000FFFFFFFF.generating");
    for length in [0, 5, whole.len() / 2] {
        fs::write(&torn, &whole[..length]).unwrap();
        // Without the repair sled calls this corruption, for ever.
        let database = root.path().join("sled");
        let log = fs::File::open(database.join("db")).unwrap();
        let unrepaired = open::open_trees(&database, Settings::MIN_CACHE, &log);
        assert!(matches!(unrepaired, Err(OpenError::Damaged { .. })));
        let store = open(&root);
        assert!(is_bound(&store, 1).await && is_bound(&store, 2).await);
        assert!(!torn.exists());
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_set_aside_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = store_with_a_snapshot(&root).await;
    let mut bytes = fs::read(&snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&snapshot, &bytes).unwrap();
    let store = open(&root);
    assert!(is_bound(&store, 1).await && is_bound(&store, 2).await);
    assert_eq!(fs::read(root.path().join("aside").join(snapshot.file_name().unwrap())).unwrap(), bytes);
    assert!(sign_in(&store, 3).await.unwrap().created);
    store.close().await;
    assert!(is_bound(&open(&root), 3).await);
}

// Failing and coming back.

#[tokio::test]
async fn after_a_disk_failure_or_a_panic_the_store_comes_back_with_everything_answered() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    sign_in(&store, 1).await.unwrap();
    let failures: [fn() -> Result<(), Failure>; 2] = [disk_failure, || panic!("a fault that the test wants")];
    for (number, failure) in (2..).zip(failures) {
        let outcome = store.call(Access::Write, move |_| failure()).await;
        assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
        recovered(&store).await;
        assert!(is_bound(&store, 1).await);
        assert!(sign_in(&store, number).await.unwrap().created);
    }
    store.close().await;
    let store = open(&root);
    assert!(is_bound(&store, 1).await && is_bound(&store, 2).await && is_bound(&store, 3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_that_shares_the_failed_sync_is_told_unavailable() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&root));
    let (go, blocked) = block(&store).await;
    // All of these now wait in one group; the failure comes last, when the others have been applied.
    let writers = (1..=8).map(|number| sign_in(&store, number));
    let failure = store.call(Access::Write, |_| disk_failure());
    let release = async { go.send(()).unwrap() };
    let (outcomes, failed, ()) = tokio::join!(join_all(writers), failure, release);
    blocked.await.unwrap().unwrap();
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    for outcome in outcomes {
        assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    }
    recovered(&store).await;
    store.close().await;
}

#[tokio::test]
async fn while_it_cannot_be_reopened_every_call_is_refused_at_once_and_says_why() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    sign_in(&store, 1).await.unwrap();
    let (here, away) = (root.path().join("sled"), root.path().join("elsewhere"));
    fs::rename(&here, &away).unwrap();
    store.call(Access::Write, |_| disk_failure()).await.unwrap_err();
    let why = async {
        loop {
            let Err(Error::Unavailable { reason }) = store.ping().await else { panic!("it serves without its files") };
            if reason.contains("cannot be reopened") {
                return reason;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reason = tokio::time::timeout(Duration::from_secs(30), why).await.unwrap();
    assert!(reason.contains("disappeared"), "{reason}");
    // Polled once: an answer that has to be waited for would not be ready.
    let refused = sign_in(&store, 2).now_or_never().expect("it was not refused at once");
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert!(!here.exists(), "an empty database was made in the lost one's place");

    fs::rename(&away, &here).unwrap();
    recovered(&store).await;
    assert!(is_bound(&store, 1).await);
    assert!(sign_in(&store, 2).await.unwrap().created);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reopened_can_still_be_closed() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    fs::rename(root.path().join("sled"), root.path().join("elsewhere")).unwrap();
    store.call(Access::Write, |_| disk_failure()).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(30), store.close()).await.expect("close waits for ever");
    assert!(matches!(store.ping().await, Err(Error::Unavailable { reason }) if reason == "it is closed"));
    fs::rename(root.path().join("elsewhere"), root.path().join("sled")).unwrap();
    open(&root).close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_waits_behind_a_failure_still_closes() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&root));
    let (go, blocked) = block(&store).await;
    let failure = store.call(Access::Write, |_| disk_failure());
    let release = async { go.send(()).unwrap() };
    let (failed, (), ()) = tokio::join!(failure, store.close(), release);
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    blocked.await.unwrap().unwrap();
    assert!(matches!(store.ping().await, Err(Error::Unavailable { reason }) if reason == "it is closed"));
    open(&root).close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_stuck_new_calls_are_refused_and_waiting_ones_wait() {
    let root = tempfile::tempdir().unwrap();
    let pace = Pace { stuck_after: Duration::from_millis(20), ..BRISK };
    let store = Arc::new(SledStore::open_at(&settings(root.path()), pace).unwrap());
    let (go, blocked) = block(&store).await;
    let stuck = async {
        while store.ping().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stuck).await.expect("a stuck disk goes unnoticed");
    let refused = sign_in(&store, 1).now_or_never().expect("it was not refused at once");
    assert!(matches!(refused, Err(Error::Unavailable { reason }) if reason.starts_with("the disk has not answered")));
    go.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    recovered(&store).await;
    store.close().await;
}

// Load and size.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_at_once_never_lock_each_other_out() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&root));
    let writers = (0..64_u8).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for turn in 0..50_u8 {
                let id = UserId::new(NOW, &[0, 0, 0, 0, 0, 0, 0, 0, writer, turn]);
                let person = identity(&format!("{writer}-{turn}"));
                store.create_bound(&person, NewUser { id, ..new_user(0) }, NOW).await.unwrap();
            }
        })
    });
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(writers)).await.expect("the writers are stuck");
    assert!(all.into_iter().all(|writer| writer.is_ok()));
    assert_eq!(store.bindings(None, usize::MAX).await.unwrap().len(), 64 * 50);
    store.close().await;
}

#[tokio::test]
async fn calls_beyond_the_queue_are_refused_instead_of_piling_up() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&root));
    let (go, blocked) = block(&store).await;
    // Polled once each: either refused at once, or left waiting in the queue.
    let refused = (0..2 * QUEUE).filter(|_| store.user(new_user(1).id).now_or_never().is_some()).count();
    assert_eq!(refused, QUEUE);
    go.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    assert!(sign_in(&store, 1).await.unwrap().created);
    store.close().await;
}

#[tokio::test]
async fn what_sled_would_write_to_files_it_never_syncs_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    let endless = "x".repeat(record::MAX_SIZE.as_usize());
    let large_user = NewUser { display_name: endless.clone(), ..new_user(1) };
    let outcome = store.create_bound(&identity("1"), large_user, NOW).await;
    assert!(matches!(outcome, Err(Error::TooLarge { kind: "user", .. })), "{outcome:?}");
    let outcome = store.create_bound(&identity(&endless), new_user(1), NOW).await;
    assert!(matches!(outcome, Err(Error::TooLarge { kind: "identity", .. })), "{outcome:?}");
    assert_eq!(store.find_user(&identity(&endless)).await.unwrap(), None);
    assert!(sign_in(&store, 1).await.unwrap().created);
    let change = Profile { display_name: Some(endless), avatar: None };
    let outcome = store.update_profile(new_user(1).id, change, NOW, NOW).await;
    assert!(matches!(outcome, Err(Error::TooLarge { kind: "user", .. })), "{outcome:?}");
    store.close().await;
    assert_eq!(fs::read_dir(root.path().join("sled/blobs")).unwrap().count(), 0);
}
