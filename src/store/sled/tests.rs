//! The promises of every store, and those that are this one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::store::conformance::{self, Place};

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), cache: Settings::MIN_CACHE }
}

struct Here(PathBuf);

#[async_trait]
impl Place for Here {
    async fn open(&self) -> Result<Arc<dyn Store>, String> {
        let store = SledStore::open(&settings(&self.0)).map_err(|error| error.to_string())?;
        Ok(Arc::new(store))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_every_promise_of_a_store() {
    for check in conformance::checks() {
        let root = tempfile::tempdir().unwrap();
        let store = SledStore::open(&settings(root.path())).unwrap();
        if let Err(broken) = (check.run)(Arc::new(store)).await {
            panic!("{}: {broken}", check.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_every_promise_across_a_restart() {
    for check in conformance::DURABILITY_CHECKS {
        let root = tempfile::tempdir().unwrap();
        if let Err(broken) = (check.run)(Arc::new(Here(root.path().to_owned()))).await {
            panic!("{}: {broken}", check.name);
        }
    }
}
