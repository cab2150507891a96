//! Opening: what is made, and what is refused.

use std::fs;

use super::*;

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
    assert!(matches!(error, OpenError::Newer { found: 4, known: 3 }), "{error}");
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
    let theirs = sled::open(root.path().join("sled")).unwrap();
    assert_eq!(theirs.tree_names(), ["__sled__default"], "it was written to");
}

#[tokio::test]
async fn a_log_that_has_disappeared_is_not_replaced_by_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    open(&root).close().await;
    fs::remove_file(root.path().join("sled/db")).unwrap();
    assert!(matches!(refused(&root), OpenError::Gone { .. }));
    assert!(!root.path().join("sled/db").exists());
}
