//! Cold start: how long until the proxy answers, on a store of many users.
//!
//! `cargo bench --bench cold_start -- [bindings]`, a million if left out: filling them in takes some minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark ends at its first fault")]

use std::sync::Arc;

use menshen::clock::Timestamp;
use menshen::random;
use menshen::store::sled::{Settings, SledStore};
use menshen::store::{IdentityKey, NewUser, Store, UserId};
use menshen::units::ByteSize;
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Writers at the same time: the store commits them in groups.
const WRITERS: u64 = 512;

fn main() {
    let bindings = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store"), cache: ByteSize::mib(1024) };

    let store = Arc::new(SledStore::open(&settings).unwrap());
    let began = Instant::now();
    runtime.block_on(fill(&store, bindings));
    println!("{bindings} bindings made in {:.1} s", began.elapsed().as_secs_f64());
    runtime.block_on(store.close());
    drop(store);

    let began = Instant::now();
    let store = SledStore::open(&settings).unwrap();
    let opened = began.elapsed();
    let found = runtime.block_on(store.find_user(&identity(bindings / 2))).unwrap();
    assert!(found.is_some());
    println!("opened in {:.2} s, first user found after {:.2} s", opened.as_secs_f64(), began.elapsed().as_secs_f64());
    runtime.block_on(store.close());
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

/// Openids are as good as random: so are these, and they can be made again.
fn identity(number: u64) -> IdentityKey {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    IdentityKey { provider: "qq".into(), client_id: "101000001".into(), subject: format!("{mixed:016X}{number:016X}") }
}
