//! What sled's store promises when the process dies, the disk fills up, or another process holds it; and what visitors see of
//! it.

mod child;
#[cfg(feature = "demo")]
mod down;
mod full_disk;
mod kill;
mod locked;
mod small_disk;
mod sync;
mod trace;

use std::path::Path;

use menshen::clock::Timestamp;
use menshen::random;
use menshen::store::sled::{Settings, SledStore};
use menshen::store::{IdentityKey, NewUser, Store, UserId};

/// When it all takes place.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), cache: Settings::MIN_CACHE }
}

fn open(path: &Path) -> SledStore {
    SledStore::open(&settings(path)).unwrap_or_else(|error| panic!("{:#}", anyhow::Error::from(error)))
}

fn identity(subject: &str) -> IdentityKey {
    IdentityKey { provider: "qq".to_owned(), client_id: "101000001".to_owned(), subject: subject.to_owned() }
}

fn new_user() -> NewUser {
    let id = UserId::new(NOW, &random::bytes().unwrap());
    NewUser { id, display_name: "访客".to_owned(), avatar: None, unionid: None }
}

async fn sign_in(store: &SledStore, subject: &str) -> Result<UserId, menshen::store::Error> {
    Ok(store.create_bound(&identity(subject), new_user(), NOW).await?.user.id)
}

/// What a process said before it died: who was bound to whom.
struct Acknowledged {
    subject: String,
    user: UserId,
}

/// Panics unless the store holds every acknowledged binding with the same user.
async fn assert_kept(store: &SledStore, acknowledged: &[Acknowledged]) {
    for Acknowledged { subject, user } in acknowledged {
        let found = store.find_user(&identity(subject)).await.unwrap().map(|found| found.id);
        assert_eq!(found, Some(*user), "{subject} was acknowledged");
    }
}

/// Panics unless every binding has its user.
async fn assert_whole(store: &SledStore) {
    for binding in store.bindings(None, usize::MAX).await.unwrap() {
        assert!(store.user(binding.user).await.unwrap().is_some(), "{binding:?} names nobody");
    }
}
