//! Stores that older versions wrote.

use super::*;

/// As format 1 left it: without the list of each user's bindings.
async fn store_of_format_1(root: &TempDir) {
    let store = open(root);
    sign_in(&store, 1).await.unwrap();
    sign_in(&store, 2).await.unwrap();
    store.bind(&identity("more"), None, new_user(1).id, NOW).await.unwrap();
    let downgrade = |trees: &Trees| {
        trees.by_user.clear()?;
        trees.meta.insert(b"schema", &1u32.to_be_bytes())?;
        Ok::<(), Failure>(())
    };
    store.call(Access::Write, downgrade).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_store_of_format_1_is_brought_up_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    store_of_format_1(&root).await;
    for _ in ["brought up", "as it is"] {
        let store = open(&root);
        assert!(is_bound(&store, 1).await && is_bound(&store, 2).await);
        assert_eq!(store.bindings_of(new_user(1).id).await.unwrap().len(), 2);
        assert_eq!(store.bindings_of(new_user(2).id).await.unwrap().len(), 1);
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_with_a_binding_that_cannot_be_read_is_not_brought_up_and_stays_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    store_of_format_1(&root).await;
    let store = open(&root);
    let damage = |trees: &Trees| {
        trees.bindings.insert(b"damaged", b"\x01{}")?;
        trees.by_user.clear()?;
        trees.meta.insert(b"schema", &1u32.to_be_bytes())?;
        Ok::<(), Failure>(())
    };
    store.call(Access::Write, damage).await.unwrap();
    store.close().await;
    for _ in ["refused", "refused again"] {
        assert!(matches!(refused(&root), OpenError::Record(_)));
    }
}
