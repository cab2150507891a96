//! The suite put to the test: stores that break one promise each, and the check that must notice.

mod store;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use self::store::Broken;
use super::{DURABILITY_CHECKS, Place, checks};
use crate::store::Store;
use crate::store::sled::{Settings, SledStore};

/// Every flaw with the check that must notice it.
const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::InventsUsers, "nobody_is_there_before_the_first_login"),
    (Flaw::MakesBlockedUsers, "a_first_login_makes_an_active_user"),
    (Flaw::AnswersWithoutKeeping, "a_user_is_found_by_identity_and_by_id"),
    (Flaw::MakesTwoUsersForOneIdentity, "a_second_login_finds_the_first_user_unchanged"),
    (Flaw::MakesTwoUsersForOneIdentity, "of_racing_first_logins_one_makes_the_user_and_all_get_it"),
    (Flaw::TakesOverProfileAtLogin, "a_second_login_finds_the_first_user_unchanged"),
    (Flaw::SaysCreatedToAll, "of_racing_first_logins_one_makes_the_user_and_all_get_it"),
    (Flaw::MixesUpRacers, "racing_first_logins_of_different_people_stay_apart"),
    (Flaw::IgnoresClientId, "identities_are_told_apart_by_every_part"),
    (Flaw::IgnoresCase, "identities_are_told_apart_by_every_part"),
    (Flaw::JoinsIdentityParts, "identities_are_told_apart_by_every_part"),
    (Flaw::TrimsText, "any_text_survives"),
    (Flaw::ReusesIds, "an_id_in_use_is_never_given_to_somebody_else"),
    (Flaw::ForgetsToCountAChange, "a_changed_profile_counts_up_the_generation_and_tells_the_feed"),
    (Flaw::HidesChangesFromTheFeed, "a_changed_profile_counts_up_the_generation_and_tells_the_feed"),
    (Flaw::CountsWithoutAChange, "an_unchanged_profile_changes_nothing"),
    (Flaw::TellsTheFeedWithoutAChange, "an_unchanged_profile_changes_nothing"),
    (Flaw::ClearsWhatIsNotSaid, "what_the_provider_does_not_say_is_kept"),
    (Flaw::LosesRacingChanges, "racing_profile_changes_are_all_counted"),
    (Flaw::ChangesNobody, "the_profile_of_nobody_cannot_change"),
    (Flaw::ForgetsUnionid, "a_first_login_is_listed_as_a_binding"),
    (Flaw::BindsNothing, "a_user_may_have_several_identities"),
    (Flaw::RefusesToBindAgain, "binding_again_changes_nothing"),
    (Flaw::BindsWhatIsAnothers, "an_identity_of_another_is_refused_and_stays_theirs"),
    (Flaw::BindsWhatIsAnothers, "of_racing_binds_to_different_users_one_wins"),
    (Flaw::BindsToNobody, "nothing_is_bound_to_nobody"),
    (Flaw::SkipsABinding, "pages_of_any_size_hold_every_binding_once_in_one_order"),
    (Flaw::StaysOnTheFirstPage, "pages_of_any_size_hold_every_binding_once_in_one_order"),
    (Flaw::ReturnsLongPages, "no_page_is_longer_than_asked_and_only_the_last_is_shorter"),
    (Flaw::ReturnsShortPages, "no_page_is_longer_than_asked_and_only_the_last_is_shorter"),
    (Flaw::SkipsAUser, "users_are_listed_by_id_in_pages_of_any_size"),
    (Flaw::ListsOthersBindings, "a_users_bindings_are_listed_and_nobody_elses"),
    (Flaw::BlocksInNameOnly, "blocking_is_kept_counted_and_told_and_ends_sessions"),
    (Flaw::EndsNoSessions, "blocking_is_kept_counted_and_told_and_ends_sessions"),
    (Flaw::BlocksAgain, "blocking_again_changes_nothing"),
    (Flaw::EndsSessionsOfTheUnblocked, "letting_in_again_is_counted_and_told_and_ends_nothing"),
    (Flaw::BlocksNobody, "nobody_cannot_be_blocked"),
    (Flaw::UnbindsInNameOnly, "unbinding_frees_the_identity_and_ends_its_users_sessions"),
    (Flaw::EndsNoSessions, "unbinding_frees_the_identity_and_ends_its_users_sessions"),
    (Flaw::UnbindsNothing, "unbinding_what_is_not_bound_changes_nothing"),
    (Flaw::ErasesInNameOnly, "erasing_leaves_nothing_of_a_user_and_ends_their_sessions"),
    (Flaw::EndsNoSessions, "erasing_leaves_nothing_of_a_user_and_ends_their_sessions"),
    (Flaw::SaysErasedToAll, "erasing_nobody_says_so"),
    (Flaw::ImportsInNameOnly, "a_row_makes_user_and_binding_as_it_says"),
    (Flaw::ImportsEachRowAnew, "the_same_row_again_changes_nothing"),
    (Flaw::GivesEachRowAUser, "rows_that_name_one_user_bind_all_their_identities_to_them"),
    (Flaw::ReplacesUnasked, "a_row_that_says_otherwise_is_told_and_left"),
    (Flaw::NeverReplaces, "a_row_that_may_replace_does_and_ends_the_sessions_concerned"),
    (Flaw::EndsNoSessions, "a_row_that_may_replace_does_and_ends_the_sessions_concerned"),
    (Flaw::NeverReplaces, "an_identity_may_be_moved_to_another_user_and_ends_the_sessions_of_both"),
    (Flaw::ClearsWhatARowDoesNotSay, "a_row_that_says_nothing_of_an_id_leaves_the_one_that_is_there"),
    (Flaw::GivesEachRowAUser, "whoever_is_the_same_user_of_the_shops_is_one_user_here"),
    (Flaw::TakesOthersAlong, "a_row_that_may_replace_takes_nobody_along_who_is_not_in_it"),
    (Flaw::ImportsNoState, "a_row_that_blocks_is_told_and_where_it_may_replace_blocks"),
    (Flaw::ErasesInNameOnly, "an_erased_user_is_found_by_the_shops_id_no_more"),
    (Flaw::KeepsNoTrail, "whatever_changes_who_may_log_in_leaves_an_entry"),
    (Flaw::RecordsWhatDidNotChange, "what_changes_nothing_leaves_none"),
    (Flaw::DropsDetails, "an_entry_comes_back_as_it_was_recorded"),
    (Flaw::TellsTheTrailBackwards, "the_trail_is_read_both_ways_in_pages_of_any_size"),
    (Flaw::ForgetsTheWholeTrail, "what_is_old_is_forgotten_and_nothing_else"),
    (Flaw::RotatesInNameOnly, "a_new_key_supersedes_those_of_its_kind_alone"),
    (Flaw::DropsNoOldKey, "a_new_key_may_leave_none_of_those_before"),
    (Flaw::ForgetsNoKey, "a_forgotten_key_is_gone_and_no_other"),
    (Flaw::ForgetsEveryKey, "a_forgotten_key_is_gone_and_no_other"),
    (Flaw::MovesTheCursorTooFar, "an_empty_feed_says_so"),
    (Flaw::MovesTheCursorTooFar, "a_reader_beside_writers_misses_nothing"),
    (Flaw::ForgetsRevocations, "every_kind_of_revocation_is_told_oldest_first"),
    (Flaw::TellsTheFeedBackwards, "every_kind_of_revocation_is_told_oldest_first"),
    (Flaw::NeverMovesTheCursor, "a_reader_gets_each_revocation_once"),
    (Flaw::LosesRacingRevocations, "racing_revocations_are_all_told_once"),
    (Flaw::TellsWhatHasRunOut, "what_has_run_out_is_not_told"),
    (Flaw::CutsTheFeedShort, "a_long_feed_is_told_whole"),
    (Flaw::SweepsEverything, "a_sweep_forgets_what_has_run_out_and_nothing_else"),
    (Flaw::SweepsNothing, "a_sweep_forgets_what_has_run_out_and_nothing_else"),
    (Flaw::MiscountsSweeps, "a_sweep_forgets_what_has_run_out_and_nothing_else"),
    (Flaw::NumbersAnewAfterASweep, "a_cursor_outlives_the_entries_it_has_passed"),
    (Flaw::DamagesKeys, "the_first_key_is_kept_and_found_unchanged"),
    (Flaw::ForgetsKeys, "a_second_first_key_is_not_kept"),
    (Flaw::KeepsEveryFirstKey, "a_second_first_key_is_not_kept"),
    (Flaw::KeepsEveryFirstKey, "of_racing_first_keys_one_is_kept_and_all_get_it"),
    (Flaw::MixesPurposes, "keys_of_one_purpose_are_never_seen_by_another"),
    (Flaw::PutsTheNewestKeyFirst, "another_algorithm_gets_its_own_key_oldest_first"),
    (Flaw::KeepsNothingSealed, "what_is_kept_under_a_name_is_found_by_it_alone"),
    (Flaw::MixesUpNames, "what_is_kept_under_a_name_is_found_by_it_alone"),
    (Flaw::KeepsTheFirstSealed, "what_is_kept_last_is_in_the_place_of_what_was_before"),
    (Flaw::SaysItIsDown, "an_open_store_can_serve"),
    (Flaw::CountsThoseWhoLeft, "a_caller_who_goes_away_harms_nobody"),
    (Flaw::ServesAfterClose, "a_closed_store_answers_unavailable"),
    (Flaw::ServesAfterClose, "closing_twice_is_fine"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_broken_promise_is_noticed_by_its_check() {
    let mut unnoticed = Vec::new();
    for (flaw, name) in FLAWS {
        let check = checks().find(|check| check.name == *name).unwrap();
        let root = tempfile::tempdir().unwrap();
        if (check.run)(Arc::new(Broken::new(*flaw, root.path().to_owned()))).await.is_ok() {
            unnoticed.push((flaw, name));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_flaw_every_check_is_passed() {
    for check in checks() {
        let root = tempfile::tempdir().unwrap();
        let verdict = (check.run)(Arc::new(Broken::new(Flaw::None, root.path().to_owned()))).await;
        assert_eq!(verdict, Ok(()), "{}", check.name);
    }
}

#[test]
fn no_check_is_without_a_flaw_that_it_notices() {
    let noticing: BTreeSet<_> = FLAWS.iter().map(|(_, name)| *name).collect();
    let toothless: Vec<_> = checks().map(|check| check.name).filter(|name| !noticing.contains(name)).collect();
    assert!(toothless.is_empty(), "{toothless:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgets_at_a_restart_fails_every_check_of_durability() {
    for check in DURABILITY_CHECKS {
        let verdict = (check.run)(Arc::new(Forgetful(tempfile::tempdir().unwrap(), AtomicUsize::new(0)))).await;
        assert!(verdict.is_err(), "{} did not notice", check.name);
    }
}

/// A place where each opening finds an empty store.
struct Forgetful(tempfile::TempDir, AtomicUsize);

#[async_trait]
impl Place for Forgetful {
    async fn open(&self) -> Result<Arc<dyn Store>, String> {
        let opening = self.1.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(sled_at(self.0.path().join(opening.to_string()))))
    }
}

fn sled_at(path: PathBuf) -> SledStore {
    SledStore::open(&Settings { path, cache: Settings::MIN_CACHE }).unwrap()
}

/// What a store does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaw {
    None,
    AnswersWithoutKeeping,
    BindsNothing,
    BindsToNobody,
    BindsWhatIsAnothers,
    BlocksAgain,
    BlocksInNameOnly,
    BlocksNobody,
    ChangesNobody,
    ClearsWhatARowDoesNotSay,
    ClearsWhatIsNotSaid,
    CountsThoseWhoLeft,
    CountsWithoutAChange,
    CutsTheFeedShort,
    DamagesKeys,
    DropsDetails,
    EndsNoSessions,
    EndsSessionsOfTheUnblocked,
    ErasesInNameOnly,
    ForgetsEveryKey,
    ForgetsKeys,
    ForgetsNoKey,
    ForgetsRevocations,
    ForgetsTheWholeTrail,
    ForgetsToCountAChange,
    ForgetsUnionid,
    GivesEachRowAUser,
    TakesOthersAlong,
    ImportsNoState,
    DropsNoOldKey,
    HidesChangesFromTheFeed,
    IgnoresCase,
    IgnoresClientId,
    ImportsEachRowAnew,
    ImportsInNameOnly,
    InventsUsers,
    JoinsIdentityParts,
    KeepsEveryFirstKey,
    KeepsNoTrail,
    KeepsNothingSealed,
    KeepsTheFirstSealed,
    ListsOthersBindings,
    LosesRacingChanges,
    LosesRacingRevocations,
    MakesBlockedUsers,
    MakesTwoUsersForOneIdentity,
    MiscountsSweeps,
    MixesPurposes,
    MixesUpNames,
    MixesUpRacers,
    MovesTheCursorTooFar,
    NeverMovesTheCursor,
    NeverReplaces,
    NumbersAnewAfterASweep,
    PutsTheNewestKeyFirst,
    RecordsWhatDidNotChange,
    RefusesToBindAgain,
    ReplacesUnasked,
    ReturnsLongPages,
    ReturnsShortPages,
    ReusesIds,
    RotatesInNameOnly,
    SaysCreatedToAll,
    SaysErasedToAll,
    SaysItIsDown,
    ServesAfterClose,
    SkipsABinding,
    SkipsAUser,
    StaysOnTheFirstPage,
    SweepsEverything,
    SweepsNothing,
    TakesOverProfileAtLogin,
    TellsTheFeedBackwards,
    TellsTheFeedWithoutAChange,
    TellsTheTrailBackwards,
    TellsWhatHasRunOut,
    TrimsText,
    UnbindsInNameOnly,
    UnbindsNothing,
}
