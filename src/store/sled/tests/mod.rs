//! The promises of every store, and those that are this one's own.

mod failing;
mod load;
mod opening;
mod starting;
mod upgrading;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::store::conformance::{self, Place};

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
