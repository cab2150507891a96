//! Stores that older versions wrote.

use super::*;

/// As format 1 left it: without the list of each user's bindings.
async fn store_of_format_1(root: &TempDir) {
    let store = open(root);
    sign_in(&store, 1).await.unwrap();
    sign_in(&store, 2).await.unwrap();
    store.bind(&identity("more"), None, new_user(1).id, NOW).await.unwrap();
    let row = ImportRow {
        identity: identity("shop"),
        user: None,
        fresh: new_user(9).id,
        upstream_id: Some("42".to_owned()),
        username: None,
        display_name: "顾客".to_owned(),
        avatar: None,
        state: None,
        unionid: None,
        created_at: None,
        user_created_at: None,
    };
    let end = SessionsEnd { began_by: NOW, until: NOW };
    store.import(row, false, Actor::System, NOW, end).await.unwrap();
    let downgrade = |trees: &Trees| {
        trees.by_user.clear()?;
        trees.by_upstream_id.clear()?;
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
        let known = store.call(Access::Read, |trees| users::find_by_upstream_id(trees, "42")).await;
        assert_eq!(known.unwrap(), Some(new_user(9).id));
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
