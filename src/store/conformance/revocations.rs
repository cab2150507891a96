//! The revocation feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::scene::{During, LATER, MUCH_LATER, NOW, logout, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::clock::Timestamp;
use crate::store::{Cursor, Error, Revocation, Revoked, Store};

pub(super) const CHECKS: &[Check] = promises![Check:
    an_empty_feed_says_so,
    every_kind_of_revocation_is_told_oldest_first,
    a_reader_gets_each_revocation_once,
    racing_revocations_are_all_told_once,
    a_reader_beside_writers_misses_nothing,
    what_has_run_out_is_not_told,
    a_long_feed_is_told_whole,
    a_sweep_forgets_what_has_run_out_and_nothing_else,
    a_cursor_outlives_the_entries_it_has_passed,
];

async fn an_empty_feed_says_so(store: Arc<dyn Store>) -> Verdict {
    let (feed, cursor) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(feed.is_empty(), "an empty feed told {feed:?}");
    store.revoke(logout(1, LATER)).await.during("revoke")?;
    let (feed, _) = store.revocations(cursor, NOW).await.during("revocations")?;
    ensure!(feed == [logout(1, LATER)], "after an empty answer came {feed:?}");
    Ok(())
}

async fn every_kind_of_revocation_is_told_oldest_first(store: Arc<dyn Store>) -> Verdict {
    // `until` and `at` run backwards, so that neither can be what the feed is sorted by.
    let entries = [
        Revocation { at: LATER, ..logout(1, MUCH_LATER) },
        Revocation {
            subject: Revoked::User(user_id(1)),
            at: NOW.plus(std::time::Duration::from_secs(9)),
            until: LATER,
        },
        Revocation {
            subject: Revoked::Changed(user_id(2), 7),
            at: NOW,
            until: LATER.minus(std::time::Duration::from_secs(1)),
        },
    ];
    for entry in &entries {
        store.revoke(entry.clone()).await.during("revoke")?;
    }
    let (feed, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(feed == entries, "the feed told {feed:?} instead of {entries:?}");
    Ok(())
}

async fn a_reader_gets_each_revocation_once(store: Arc<dyn Store>) -> Verdict {
    let mut cursor = Cursor::default();
    for number in 1..=20 {
        store.revoke(logout(number, LATER)).await.during("revoke")?;
        let (feed, next) = store.revocations(cursor, NOW).await.during("revocations")?;
        ensure!(feed == [logout(number, LATER)], "revocation {number} was told as {feed:?}");
        let (again, same) = store.revocations(next, NOW).await.during("revocations")?;
        ensure!(again.is_empty() && same == next, "nothing new was told as {again:?}, cursor {next:?} to {same:?}");
        cursor = next;
    }
    Ok(())
}

async fn racing_revocations_are_all_told_once(store: Arc<dyn Store>) -> Verdict {
    let outcomes = join_all((1..=64).map(|number| store.revoke(logout(number, LATER)))).await;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().during("revoke")?;
    let (feed, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(feed.len() == 64, "of 64 racing revocations {} are told", feed.len());
    for number in 1..=64 {
        ensure!(feed.contains(&logout(number, LATER)), "revocation {number} is not told");
    }
    Ok(())
}

async fn a_reader_beside_writers_misses_nothing(store: Arc<dyn Store>) -> Verdict {
    const ALL: usize = 512;
    let done = AtomicBool::new(false);
    let writers = async {
        let written = join_all((0..8_u64).map(|writer| {
            let store = &store;
            async move {
                for number in 0..64 {
                    store.revoke(logout(writer * 64 + number, LATER)).await?;
                }
                Ok::<(), Error>(())
            }
        }));
        let written = written.await;
        done.store(true, Ordering::Release);
        written
    };
    let reader = async {
        let (mut told, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let last = done.load(Ordering::Acquire);
            let (feed, next) = store.revocations(cursor, NOW).await?;
            told.extend(feed);
            cursor = next;
            if last {
                return Ok::<_, Error>(told);
            }
        }
    };
    let (written, told) = futures_util::future::join(writers, reader).await;
    written.into_iter().collect::<Result<Vec<_>, _>>().during("revoke")?;
    let told = told.during("revocations")?;
    ensure!(told.len() == ALL, "of {ALL} revocations the reader got {}", told.len());
    for number in 0..512 {
        ensure!(told.contains(&logout(number, LATER)), "the reader missed revocation {number}");
    }
    Ok(())
}

async fn what_has_run_out_is_not_told(store: Arc<dyn Store>) -> Verdict {
    for (number, until) in [(1, LATER), (2, MUCH_LATER), (3, LATER)] {
        store.revoke(logout(number, until)).await.during("revoke")?;
    }
    let told_at = async |now: Timestamp| -> Result<usize, String> {
        Ok(store.revocations(Cursor::default(), now).await.during("revocations")?.0.len())
    };
    let just_before = Timestamp::from_millis(LATER.as_millis() - 1);
    for (now, expected) in [(NOW, 3), (just_before, 3), (LATER, 1), (MUCH_LATER, 0)] {
        let told = told_at(now).await?;
        ensure!(told == expected, "at {now} {told} revocations are told instead of {expected}");
    }
    Ok(())
}

async fn a_long_feed_is_told_whole(store: Arc<dyn Store>) -> Verdict {
    // The first thousand have run out: a page with nothing alive in it must not be taken for the end.
    let entry = |number| logout(number, if number <= 1000 { NOW } else { LATER });
    let outcomes = join_all((1..=1500).map(|number| store.revoke(entry(number)))).await;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().during("revoke")?;
    let (feed, cursor) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    ensure!(feed.len() == 500, "of 500 living revocations {} are told", feed.len());
    let (rest, _) = store.revocations(cursor, NOW).await.during("revocations")?;
    ensure!(rest.is_empty(), "{} revocations are told twice", rest.len());
    Ok(())
}

async fn a_sweep_forgets_what_has_run_out_and_nothing_else(store: Arc<dyn Store>) -> Verdict {
    let entry = |number| logout(number, if number % 2 == 0 { LATER } else { MUCH_LATER });
    let outcomes = join_all((1..=1400).map(|number| store.revoke(entry(number)))).await;
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().during("revoke")?;
    let just_before = Timestamp::from_millis(LATER.as_millis() - 1);
    for (now, expected, left) in [(just_before, 0, 1400), (LATER, 700, 700), (LATER, 0, 700), (MUCH_LATER, 700, 0)] {
        let swept = store.sweep(now).await.during("sweep")?;
        ensure!(swept == expected, "a sweep at {now} forgot {swept} instead of {expected}");
        // Asked as of an earlier time, the feed shows whatever is still kept.
        let (kept, _) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
        ensure!(kept.len() == left, "after a sweep at {now} {} are kept instead of {left}", kept.len());
        let alive = kept.iter().filter(|entry| entry.until > now).count();
        ensure!(alive == left, "a sweep at {now} forgot what was alive and kept what was not");
    }
    Ok(())
}

async fn a_cursor_outlives_the_entries_it_has_passed(store: Arc<dyn Store>) -> Verdict {
    store.revoke(logout(1, LATER)).await.during("revoke")?;
    store.revoke(logout(2, LATER)).await.during("revoke")?;
    let (_, cursor) = store.revocations(Cursor::default(), NOW).await.during("revocations")?;
    store.sweep(LATER).await.during("sweep")?;
    store.revoke(logout(3, MUCH_LATER)).await.during("revoke")?;
    let (feed, _) = store.revocations(cursor, LATER).await.during("revocations")?;
    ensure!(feed == [logout(3, MUCH_LATER)], "after a sweep an old cursor got {feed:?}");
    Ok(())
}
