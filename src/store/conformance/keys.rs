//! The seal and signing keys.

use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{BY, During, LATER, MUCH_LATER, NOW, key};
use super::{Check, Verdict, ensure, promises};
use crate::store::{KeyPurpose, Store, StoredKey};

pub(super) const CHECKS: &[Check] = promises![Check:
    the_first_key_is_kept_and_found_unchanged,
    a_second_first_key_is_not_kept,
    of_racing_first_keys_one_is_kept_and_all_get_it,
    keys_of_one_purpose_are_never_seen_by_another,
    another_algorithm_gets_its_own_key_oldest_first,
    a_new_key_supersedes_those_of_its_kind_alone,
    a_new_key_may_leave_none_of_those_before,
    a_forgotten_key_is_gone_and_no_other,
];

async fn the_first_key_is_kept_and_found_unchanged(store: Arc<dyn Store>) -> Verdict {
    let first = key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW);
    for when in ["at first", "again"] {
        let keys = store.keys_or_first(first.clone()).await.during("keys_or_first")?;
        ensure!(keys == [first.clone()], "{when} the keys are {keys:?} instead of {first:?}");
    }
    Ok(())
}

async fn a_second_first_key_is_not_kept(store: Arc<dyn Store>) -> Verdict {
    let first = key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW);
    let second = key("00000002", KeyPurpose::Seal, "A256GCM-SIV", LATER);
    store.keys_or_first(first.clone()).await.during("keys_or_first")?;
    for candidate in [second, first.clone()] {
        let keys = store.keys_or_first(candidate).await.during("keys_or_first")?;
        ensure!(keys == [first.clone()], "the keys are {keys:?} instead of {first:?}");
    }
    Ok(())
}

async fn of_racing_first_keys_one_is_kept_and_all_get_it(store: Arc<dyn Store>) -> Verdict {
    let candidates = (0..16).map(|number| key(&format!("{number:08x}"), KeyPurpose::Upstream, "ES256", NOW));
    let outcomes = join_all(candidates.map(|candidate| store.keys_or_first(candidate))).await;
    let answers = outcomes.into_iter().collect::<Result<Vec<_>, _>>().during("keys_or_first")?;
    let mut distinct = answers;
    distinct.dedup();
    ensure!(distinct.len() == 1, "racing calls got {} different answers", distinct.len());
    ensure!(distinct.iter().all(|keys| keys.len() == 1), "racing calls kept several keys: {distinct:?}");
    Ok(())
}

async fn keys_of_one_purpose_are_never_seen_by_another(store: Arc<dyn Store>) -> Verdict {
    let purposes = [KeyPurpose::Seal, KeyPurpose::Upstream, KeyPurpose::Api];
    let candidates = purposes.map(|purpose| {
        let sealed = purpose.to_string().into_bytes();
        StoredKey { sealed, ..key("0000000a", purpose, "ES256", NOW) }
    });
    for _ in 0..2 {
        for candidate in &candidates {
            let keys = store.keys_or_first(candidate.clone()).await.during("keys_or_first")?;
            ensure!(keys == [candidate.clone()], "for {} the keys are {keys:?}", candidate.purpose);
        }
    }
    Ok(())
}

async fn another_algorithm_gets_its_own_key_oldest_first(store: Arc<dyn Store>) -> Verdict {
    // Neither the order of arrival nor that of the ids is the order of age.
    let middle = key("00000003", KeyPurpose::Upstream, "ES256", LATER);
    let newest = key("00000001", KeyPurpose::Upstream, "EdDSA", MUCH_LATER);
    let oldest = key("00000002", KeyPurpose::Upstream, "RS256", NOW);
    for candidate in [&middle, &newest, &oldest] {
        let keys = store.keys_or_first(candidate.clone()).await.during("keys_or_first")?;
        ensure!(keys.contains(candidate), "the key for {} is not among {keys:?}", candidate.algorithm);
    }
    let keys = store.keys_or_first(middle.clone()).await.during("keys_or_first")?;
    let expected = [oldest, middle, newest];
    ensure!(keys == expected, "the keys are {keys:?} instead of {expected:?}");
    Ok(())
}

async fn a_new_key_supersedes_those_of_its_kind_alone(store: Arc<dyn Store>) -> Verdict {
    let first = key("00000001", KeyPurpose::Upstream, "ES256", NOW);
    let other_algorithm = key("00000002", KeyPurpose::Upstream, "EdDSA", NOW);
    let other_purpose = key("00000003", KeyPurpose::Api, "ES256", NOW);
    for kept in [&first, &other_algorithm, &other_purpose] {
        store.keys_or_first(kept.clone()).await.during("keys_or_first")?;
    }
    let second = StoredKey { active_from: MUCH_LATER, ..key("00000004", KeyPurpose::Upstream, "ES256", LATER) };
    store.rotate_key(second.clone(), false, BY).await.during("rotate_key")?;
    let superseded = StoredKey { superseded_at: Some(MUCH_LATER), ..first };
    let expected = [superseded.clone(), other_algorithm.clone(), second.clone()];
    let keys = store.keys_or_first(second.clone()).await.during("keys_or_first")?;
    ensure!(keys == expected, "the keys are {keys:?} instead of {expected:?}");
    let all = store.keys().await.during("keys")?;
    let is_all = all.len() == 4 && expected.iter().chain([&other_purpose]).all(|key| all.contains(key));
    ensure!(is_all, "all keys are {all:?}");
    let third = key("00000005", KeyPurpose::Upstream, "ES256", MUCH_LATER);
    store.rotate_key(third, false, BY).await.during("rotate_key")?;
    let all = store.keys().await.during("keys")?;
    ensure!(all.contains(&superseded), "what was superseded once is so anew: {all:?}");
    Ok(())
}

async fn a_new_key_may_leave_none_of_those_before(store: Arc<dyn Store>) -> Verdict {
    let other_algorithm = key("00000002", KeyPurpose::Upstream, "EdDSA", NOW);
    let other_purpose = key("00000003", KeyPurpose::Api, "ES256", NOW);
    for kept in [key("00000001", KeyPurpose::Upstream, "ES256", NOW), other_algorithm.clone(), other_purpose.clone()] {
        store.keys_or_first(kept).await.during("keys_or_first")?;
    }
    let second = key("00000004", KeyPurpose::Upstream, "ES256", LATER);
    store.rotate_key(second, false, BY).await.during("rotate_key")?;
    let third = key("00000005", KeyPurpose::Upstream, "ES256", MUCH_LATER);
    store.rotate_key(third.clone(), true, BY).await.during("rotate_key")?;
    let all = store.keys().await.during("keys")?;
    // What is in use for another algorithm is not of its kind.
    let is_right = all.len() == 3 && [&third, &other_algorithm, &other_purpose].iter().all(|key| all.contains(key));
    ensure!(is_right, "left are {all:?}");
    Ok(())
}

async fn a_forgotten_key_is_gone_and_no_other(store: Arc<dyn Store>) -> Verdict {
    let kept = [
        key("00000001", KeyPurpose::Seal, "A256GCM-SIV", NOW),
        key("00000001", KeyPurpose::Api, "EdDSA", NOW),
        key("00000002", KeyPurpose::Upstream, "ES256", NOW),
    ];
    for key in &kept {
        store.keys_or_first(key.clone()).await.during("keys_or_first")?;
    }
    store.forget_key("00000009", KeyPurpose::Seal).await.during("forget_key")?;
    ensure!(store.keys().await.during("keys")?.len() == 3, "a key was forgotten that was not named");
    store.forget_key("00000001", KeyPurpose::Seal).await.during("forget_key")?;
    let left = store.keys().await.during("keys")?;
    let is_right = left.len() == 2 && kept.iter().skip(1).all(|key| left.contains(key));
    ensure!(is_right, "left are {left:?}");
    Ok(())
}
