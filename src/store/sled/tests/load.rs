//! Load and size.

use std::fs;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::store::record;

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
    let refused = |calls| (0..calls).filter(|_| store.user(new_user(1).id).now_or_never().is_some()).count();
    assert_eq!(refused(QUEUE - 1), 0);
    let mut last = store.user(new_user(1).id);
    assert!((&mut last).now_or_never().is_none());
    assert_eq!(refused(QUEUE), QUEUE);
    go.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    // The queue is empty once its last call has been answered.
    last.await.unwrap();
    assert!(sign_in(&store, 1).await.unwrap().created);
    store.close().await;
}

/// Regression: it found no room in the queue, and said that it had closed.
#[tokio::test]
async fn closing_waits_for_room_in_the_queue() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&root));
    let (go, blocked) = block(&store).await;
    assert!((0..QUEUE).all(|_| store.user(new_user(1).id).now_or_never().is_none()));
    let mut closed = store.close();
    assert!((&mut closed).now_or_never().is_none(), "it is not closed");
    go.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    closed.await;
    open(&root).close().await;
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
