//! The audit trail.

use std::sync::Arc;

use super::scene::{BY, During, END, LATER, MUCH_LATER, NOW, identity, key, new_user, row, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::clock::Timestamp;
use crate::store::{Act, Actor, AuditEntry, AuditPage, AuditPosition, KeyPurpose, Store, UserState};

pub(super) const CHECKS: &[Check] = promises![Check:
    whatever_changes_who_may_log_in_leaves_an_entry,
    what_changes_nothing_leaves_none,
    an_entry_comes_back_as_it_was_recorded,
    the_trail_is_read_both_ways_in_pages_of_any_size,
    what_is_old_is_forgotten_and_nothing_else,
];

const START: AuditPage = AuditPage::After(AuditPosition::before(Timestamp::EPOCH));

async fn whatever_changes_who_may_log_in_leaves_an_entry(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user.id;
    store.bind(&identity("b"), None, user, NOW).await.during("bind")?;
    store.set_state(user, UserState::Blocked, BY, NOW, END).await.during("set_state")?;
    store.set_state(user, UserState::Active, BY, NOW, END).await.during("set_state")?;
    store.unbind(&identity("b"), BY, NOW, END).await.during("unbind")?;
    store.import(row("a", 2, "42"), true, BY, NOW, END).await.during("import")?;
    store.import(row("c", 3, "43"), false, BY, NOW, END).await.during("import")?;
    store.erase(user, BY, NOW, END).await.during("erase")?;
    store.rotate_key(key("0000000a", KeyPurpose::Seal, "A256GCM-SIV", NOW), false, BY).await.during("rotate_key")?;
    let of = |act, by: Actor, user| AuditEntry { user, ..AuditEntry::new(NOW, act, by) };
    let expected = [
        of(Act::Bound, Actor::Visitor, Some(user)),
        of(Act::Bound, Actor::Visitor, Some(user)),
        of(Act::Blocked, BY, Some(user)),
        of(Act::Unblocked, BY, Some(user)),
        of(Act::Unbound, BY, Some(user)),
        of(Act::Replaced, BY, Some(user)),
        of(Act::Bound, BY, Some(user_id(3))),
        of(Act::Erased, BY, Some(user)),
        of(Act::KeyRotated, BY, None).with("seal A256GCM-SIV 0000000a"),
    ];
    let trail = entries(&store, START, 100).await?;
    ensure!(trail == expected, "the trail is {trail:?} instead of {expected:?}");
    Ok(())
}

async fn what_changes_nothing_leaves_none(store: Arc<dyn Store>) -> Verdict {
    let user = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user.id;
    store.create_bound(&identity("a"), new_user(2), NOW).await.during("create_bound")?;
    store.bind(&identity("a"), None, user, NOW).await.during("bind")?;
    store.set_state(user, UserState::Active, BY, NOW, END).await.during("set_state")?;
    store.unbind(&identity("b"), BY, NOW, END).await.during("unbind")?;
    store.import(row("a", 2, "42"), false, BY, NOW, END).await.during("import")?;
    store.erase(user_id(9), BY, NOW, END).await.during("erase")?;
    let trail = entries(&store, START, 100).await?;
    ensure!(trail.len() == 1, "the trail is {trail:?}");
    Ok(())
}

async fn an_entry_comes_back_as_it_was_recorded(store: Arc<dyn Store>) -> Verdict {
    let entry = AuditEntry {
        session: Some(crate::store::SessionId::from_bytes([7; 16])),
        request: Some("00c0ffee00c0ffee".to_owned()),
        ..AuditEntry::new(NOW, Act::LoggedIn, Actor::Visitor).of(user_id(1)).with("门神")
    };
    store.record(entry.clone()).await.during("record")?;
    let trail = entries(&store, START, 100).await?;
    ensure!(trail == [entry.clone()], "the trail is {trail:?} instead of {entry:?}");
    Ok(())
}

async fn the_trail_is_read_both_ways_in_pages_of_any_size(store: Arc<dyn Store>) -> Verdict {
    let made = record_many(&store).await?;
    for size in [100, 512, 1000, 2000] {
        for (start, is_backwards) in [(START, false), (AuditPage::Before(AuditPosition::END), true)] {
            let (mut page, mut read) = (start, Vec::new());
            for _ in 0..=1000 / size + 1 {
                let piece = store.audit(page, size).await.during("audit")?;
                ensure!(piece.len() <= size, "a piece of {size} has {} entries", piece.len());
                page = piece.last().map_or(page, |(at, _)| page.moved_to(*at));
                read.extend(piece.into_iter().map(|(_, entry)| entry));
            }
            if is_backwards {
                read.reverse();
            }
            ensure!(read == made, "in pieces of {size}, backwards: {is_backwards}, {} are read", read.len());
        }
    }
    let from = AuditPage::After(AuditPosition::before(LATER));
    let late = entries(&store, from, 2000).await?;
    ensure!(late.len() == 400 && late.iter().all(|entry| entry.at == LATER), "from a time on, {} are read", late.len());
    Ok(())
}

async fn what_is_old_is_forgotten_and_nothing_else(store: Arc<dyn Store>) -> Verdict {
    record_many(&store).await?;
    for (before, expected, left) in [(NOW, 0, 1000), (LATER, 600, 400), (LATER, 0, 400), (MUCH_LATER, 400, 0)] {
        let went = store.forget_audit(before).await.during("forget_audit")?;
        ensure!(went == expected, "before {before} {went} were forgotten instead of {expected}");
        let kept = entries(&store, START, 2000).await?;
        ensure!(kept.len() == left, "{} are kept instead of {left}", kept.len());
    }
    store.record(AuditEntry::new(NOW, Act::Reloaded, Actor::System)).await.during("record")?;
    let kept = entries(&store, START, 2000).await?;
    ensure!(kept.len() == 1, "after all was forgotten, {kept:?} is kept of one entry");
    Ok(())
}

/// 600 entries now and 400 later.
async fn record_many(store: &Arc<dyn Store>) -> Result<Vec<AuditEntry>, String> {
    let at = |number| if number < 600 { NOW } else { LATER };
    let entry = |number: u32| AuditEntry::new(at(number), Act::LoggedIn, Actor::Visitor).with(number.to_string());
    let made: Vec<_> = (0..1000).map(entry).collect();
    let recorded = futures_util::future::join_all(made.iter().map(|entry| store.record(entry.clone()))).await;
    recorded.into_iter().collect::<Result<Vec<_>, _>>().during("record")?;
    Ok(made)
}

async fn entries(store: &Arc<dyn Store>, page: AuditPage, limit: usize) -> Result<Vec<AuditEntry>, String> {
    Ok(store.audit(page, limit).await.during("audit")?.into_iter().map(|(_, entry)| entry).collect())
}
