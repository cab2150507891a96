//! The revocation feed: numbered in the order of writing, and filed a second time under the time each runs out.

use sled::transaction::Transactional;
use sled::{Batch, IVec};

use super::change::Change;
use super::failure::Failure;
use super::tree_key;
use super::trees::Trees;
use crate::clock::Timestamp;
use crate::store::{Cursor, Error, Revocation, record};

/// Where [`Trees::meta`] keeps the last sequence number given. Kept apart from the feed, so that a number is never given
/// twice even when its entry has been swept: a reader's cursor would stand beyond it.
pub(super) const LAST_SEQUENCE: &[u8] = b"revocation-sequence";

/// Adds to the feed.
pub(super) fn add(trees: &Trees, revocation: &Revocation) -> Result<(), Failure> {
    let mut change = Change::new(trees);
    change.revoke(revocation)?;
    change.write()
}

/// A piece of the feed.
pub(super) struct Page {
    /// Its entries, without those that have run out.
    pub(super) alive: Vec<Revocation>,
    /// Behind the last entry seen.
    pub(super) cursor: Cursor,
    /// Whether there may be more.
    pub(super) full: bool,
}

/// The entries after `since`; looks at no more than `limit`.
pub(super) fn page(trees: &Trees, since: Cursor, now: Timestamp, limit: usize) -> Result<Page, Failure> {
    let mut page = Page { alive: Vec::new(), cursor: since, full: false };
    let Some(start) = since.0.checked_add(1) else { return Ok(page) };
    let mut seen = 0;
    for entry in trees.revocations.range(tree_key::of_revocation(start)..).take(limit) {
        let (key, bytes) = entry?;
        page.cursor = Cursor(tree_key::sequence(&key).ok_or_else(|| unreadable("it has no sequence number"))?);
        let revocation: Revocation = record::decode(&bytes)?;
        if revocation.until > now {
            page.alive.push(revocation);
        }
        seen += 1;
    }
    page.full = seen == limit;
    Ok(page)
}

/// Forgets at most `limit` entries that have run out. Returns how many went.
pub(super) fn sweep(trees: &Trees, now: Timestamp, limit: usize) -> Result<usize, Failure> {
    let expired = trees.expiry.range(..=tree_key::of_expiry(now, u64::MAX)).keys().take(limit);
    let expired: Vec<IVec> = expired.collect::<Result<_, _>>()?;
    if expired.is_empty() {
        return Ok(0);
    }
    let (mut feed, mut expiry) = (Batch::default(), Batch::default());
    for key in &expired {
        let sequence = tree_key::expiring(key).ok_or_else(|| unreadable("its expiry names no sequence number"))?;
        feed.remove(&tree_key::of_revocation(sequence));
        expiry.remove(key);
    }
    (&trees.revocations, &trees.expiry).transaction(|(revocations, expiries)| {
        revocations.apply_batch(&feed)?;
        expiries.apply_batch(&expiry)?;
        Ok(())
    })?;
    Ok(expired.len())
}

pub(super) fn last_sequence(trees: &Trees) -> Result<u64, Failure> {
    match trees.meta.get(LAST_SEQUENCE)? {
        Some(bytes) => Ok(tree_key::sequence(&bytes).ok_or_else(|| unreadable("the last sequence number is damaged"))?),
        None => Ok(0),
    }
}

fn unreadable(reason: &str) -> Error {
    Error::Unreadable { kind: "revocation", reason: reason.to_owned() }
}
