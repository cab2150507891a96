//! What its owner alone can open.

use std::sync::Arc;

use super::scene::During;
use super::{Check, Verdict, ensure, promises};
use crate::store::Store;

pub(super) const CHECKS: &[Check] = promises![Check:
    what_is_kept_under_a_name_is_found_by_it_alone,
    what_is_kept_last_is_in_the_place_of_what_was_before,
];

async fn what_is_kept_under_a_name_is_found_by_it_alone(store: Arc<dyn Store>) -> Verdict {
    let names = ["acme", "acme account", "acme account ", "Acme account", "acme\0", "门神"];
    for name in names {
        let found = store.sealed(name).await.during("sealed")?;
        ensure!(found.is_none(), "{name:?} was {found:?} before anything was kept");
        store.keep_sealed(name, format!("under-{name}")).await.during("keep_sealed")?;
    }
    for name in names {
        let found = store.sealed(name).await.during("sealed")?;
        ensure!(found == Some(format!("under-{name}")), "{name:?} is {found:?}");
    }
    Ok(())
}

async fn what_is_kept_last_is_in_the_place_of_what_was_before(store: Arc<dyn Store>) -> Verdict {
    // A certificate with those that vouch for it and its key, sealed, comes to some kibibytes.
    for sealed in ["first", "", &"longest".repeat(2000), "last"] {
        store.keep_sealed("name", sealed.to_owned()).await.during("keep_sealed")?;
        let found = store.sealed("name").await.during("sealed")?;
        ensure!(found.as_deref() == Some(sealed), "{sealed:?} was kept, and {found:?} is there");
    }
    Ok(())
}
