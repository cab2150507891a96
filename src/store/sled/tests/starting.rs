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

/// Shows that both are one write: two would leave a user without a binding, at some cut.
#[tokio::test]
async fn a_first_login_that_is_cut_off_anywhere_leaves_user_and_binding_or_neither() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root);
    sign_in(&store, 1).await.unwrap();
    let log = |root: &TempDir| root.path().join("sled/db");
    let before = fs::read(log(&root)).unwrap();
    sign_in(&store, 2).await.unwrap();
    let after = fs::read(log(&root)).unwrap();
    store.close().await;
    let differs = |position: &usize| before.get(*position) != after.get(*position);
    let (first, last) = ((0..after.len()).find(differs).unwrap(), (0..after.len()).rfind(differs).unwrap());
    let mut outcomes = Vec::new();
    for cut in (first..=last).step_by(7).chain([last + 1]) {
        let torn = tempfile::tempdir().unwrap();
        open(&torn).close().await;
        for entry in fs::read_dir(torn.path().join("sled")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                fs::remove_file(path).unwrap();
            }
        }
        let mut bytes = before.clone();
        bytes.resize(after.len(), 0);
        bytes[..cut].copy_from_slice(&after[..cut]);
        fs::write(log(&torn), bytes).unwrap();
        let store = open(&torn);
        assert!(is_bound(&store, 1).await, "cut at {cut}");
        let user = store.user(new_user(2).id).await.unwrap();
        assert_eq!(user.is_some(), is_bound(&store, 2).await, "cut at {cut}");
        outcomes.push(user.is_some());
        store.close().await;
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false));
}
