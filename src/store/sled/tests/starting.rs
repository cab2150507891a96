//! Start-up after a death at a bad moment.

use std::fs;

use super::*;

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
        // The last of what sled held before may still be going.
        assert!(lock::wait_for(&log, Duration::from_secs(10)).unwrap());
        log.unlock().unwrap();
        let unrepaired = open::open_trees(&database, Settings::MIN_CACHE, &log, trees::check_schema);
        assert!(matches!(unrepaired, Err(OpenError::Damaged { .. })), "{:?}", unrepaired.err());
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
