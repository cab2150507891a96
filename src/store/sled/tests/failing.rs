//! Failing, and coming back.

use std::fs;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;

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
