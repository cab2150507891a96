//! A filesystem with no room left.

use std::fs;
use std::time::Duration;

use menshen::store::sled::SledStore;
use menshen::store::{Error, Store};

use super::small_disk::SmallDisk;
use super::{Acknowledged, assert_kept, assert_whole, open, settings, sign_in};

/// More logins than the small disk has room for.
const TOO_MANY: u32 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_logins_and_room_on_it_brings_them_back() {
    let disk = SmallDisk::mount("24m");
    let store = open(&disk.path().join("data"));
    let mut acknowledged = Vec::new();
    for turn in 0..3 {
        let ballast = disk.fill();
        let mut refusal = None;
        for number in 0..TOO_MANY {
            let subject = format!("{turn}-{number}");
            match sign_in(&store, &subject).await {
                Ok(user) => acknowledged.push(Acknowledged { subject, user }),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        assert!(matches!(refusal, Some(Error::Unavailable { .. })), "{refusal:?}");
        assert!(matches!(sign_in(&store, "while full").await, Err(Error::Unavailable { .. })));
        assert!(store.ping().await.is_err());
        println!("turn {turn}: full after {} logins: {}", acknowledged.len(), refusal.unwrap());

        fs::remove_file(ballast).unwrap();
        let back = async {
            while store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), back).await.expect("the store did not come back");
        assert_kept(&store, &acknowledged).await;
        assert_whole(&store).await;
    }
    store.close().await;
    let store = open(&disk.path().join("data"));
    assert_kept(&store, &acknowledged).await;
    assert_whole(&store).await;
    assert!(sign_in(&store, "afterwards").await.is_ok());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_at_start_up_costs_nothing() {
    let disk = SmallDisk::mount("24m");
    let path = disk.path().join("data");
    let ballast = disk.fill();
    let error = SledStore::open(&settings(&path)).unwrap_err();
    println!("a new store on a full disk: {:#}", anyhow::Error::from(error));
    fs::remove_file(ballast).unwrap();

    let store = open(&path);
    let user = sign_in(&store, "early").await.unwrap();
    store.close().await;
    let ballast = disk.fill();
    match SledStore::open(&settings(&path)) {
        Ok(store) => store.close().await,
        Err(error) => println!("an old store on a full disk: {:#}", anyhow::Error::from(error)),
    }
    fs::remove_file(ballast).unwrap();
    let store = open(&path);
    assert_kept(&store, &[Acknowledged { subject: "early".to_owned(), user }]).await;
    store.close().await;
}
