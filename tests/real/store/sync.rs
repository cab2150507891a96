//! What reaches the disk, and when: read from the system calls.

use std::path::Path;

use super::child::{Task, acknowledged};
use super::trace::{Call, acknowledged_too_soon, record};
use super::{assert_kept, open};

const COUNT: u32 = 40;

#[test]
fn nothing_is_acknowledged_before_it_is_synced() {
    let root = tempfile::tempdir().unwrap();
    let (said, calls) = record(Task::SignIn(COUNT), root.path(), &[]);
    assert_eq!(acknowledged(&said).len(), COUNT as usize);
    assert_eq!(acknowledged_too_soon(&calls), Vec::<String>::new());
}

/// Shows both that sled alone keeps no such promise, and that the test above would notice.
#[test]
fn with_sleds_own_flush_everything_would_be_acknowledged_too_soon() {
    let root = tempfile::tempdir().unwrap();
    let (said, calls) = record(Task::BareSled(COUNT), root.path(), &[]);
    assert_eq!(acknowledged(&said).len(), COUNT as usize);
    assert_eq!(acknowledged_too_soon(&calls).len(), COUNT as usize);
}

#[test]
fn a_new_store_is_synced_before_it_gets_its_name() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let (_, calls) = record(Task::SignIn(1), &path, &[]);
    let renamed = calls.iter().find(|call| call.name.starts_with("rename") && call.arguments.contains("/sled.new\""));
    let renamed = renamed.expect("the new database was not renamed");
    let synced = |folder: &Path, after: usize, before: usize| {
        let descriptor = format!("<{}>", folder.display());
        let is_sync = |call: &&Call| call.ok && ["fsync", "fdatasync"].contains(&&*call.name);
        let mut syncs = calls.iter().filter(is_sync).filter(|call| call.arguments.contains(&descriptor));
        assert!(syncs.any(|sync| sync.begin > after && sync.end < before), "{descriptor} was not synced in time");
    };
    let new = path.join("sled.new");
    for file in ["conf", "db", "blobs", ""] {
        synced(new.join(file).components().as_path(), 0, renamed.begin);
    }
    let first_ack = calls.iter().find(|call| call.arguments.contains("\"ack ")).unwrap();
    synced(&path, renamed.end, first_ack.begin);
    synced(root.path(), 0, renamed.begin);
}

/// What a kill had left in the kernel's cache alone is answered from as soon as the store opens.
#[test]
fn what_an_opened_store_finds_is_synced_before_anything_else_happens_to_it() {
    let root = tempfile::tempdir().unwrap();
    record(Task::SignIn(1), root.path(), &[]);
    let (_, calls) = record(Task::SignIn(1), root.path(), &[]);
    let first = calls.iter().find(|call| call.arguments.contains("/sled/db>")).unwrap();
    assert_eq!((first.name.as_str(), first.ok), ("fsync", true));
}

/// The disk fails once in each of these ways: the store reopens by itself, and what it acknowledges is true.
#[tokio::test]
async fn a_disk_that_fails_for_a_moment_costs_no_acknowledged_binding() {
    for injection in [
        "fdatasync:error=EIO:when=5",
        "fdatasync:error=EIO:when=3..9+2",
        "fdatasync:error=ENOSPC:when=4..6",
        "pwrite64:error=EIO:when=6",
        "pwrite64:error=ENOSPC:when=4..5",
    ] {
        let root = tempfile::tempdir().unwrap();
        let (said, calls) = record(Task::SignIn(COUNT), root.path(), &[injection]);
        let acknowledged = acknowledged(&said);
        assert_eq!(acknowledged.len(), COUNT as usize, "{injection}\n{said}");
        let failed = calls.iter().filter(|call| !call.ok && call.arguments.contains("/db>")).count();
        let refused = said.lines().filter(|line| line.starts_with("refused ")).count();
        println!("{injection}: {failed} calls failed, {refused} logins refused, {COUNT} acknowledged and kept");
        assert!(failed > 0, "{injection} hit nothing");
        assert_eq!(acknowledged_too_soon(&calls), Vec::<String>::new(), "{injection}");
        assert_kept(&open(root.path()), &acknowledged).await;
    }
}
