//! Bringing a database that an older version of Menshen wrote to the present format.
//!
//! | from | what is added |
//! | --- | --- |
//! | 1 | the list of each user's bindings |
//! | 2 | who is which user of the shop's |

use super::open::OpenError;
use super::tree_key;
use super::trees::{SCHEMA, Trees};
use crate::store::{Binding, User, record};

/// Brings `trees` to [`SCHEMA`]. Cut off anywhere, it begins anew at the next start: the format is noted last.
pub(super) fn upgrade(trees: &Trees) -> Result<(), OpenError> {
    let found = trees.schema()?;
    if found == Some(SCHEMA) {
        return Ok(());
    }
    for entry in trees.bindings.iter() {
        let (key, bytes) = entry?;
        let binding: Binding = record::decode(&bytes).map_err(OpenError::Record)?;
        trees.by_user.insert(tree_key::of_binding_by_user(binding.user, &key), &[])?;
    }
    for entry in trees.users.iter() {
        let (_, bytes) = entry?;
        let user: User = record::decode(&bytes).map_err(OpenError::Record)?;
        if let Some(upstream_id) = &user.upstream_id {
            let key = tree_key::of_user_by_upstream_id(upstream_id, user.id).map_err(OpenError::Record)?;
            trees.by_upstream_id.insert(key, &[])?;
        }
    }
    trees.commit()?;
    trees.write_schema()?;
    trees.commit()?;
    tracing::info!(from = found, to = SCHEMA, "the store was brought to a new format");
    Ok(())
}
