//! Users: the first login, the next ones, and what the provider says of them later.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{During, LATER, MUCH_LATER, NOW, identity, new_user, present, profile, user_id};
use super::{Check, Verdict, ensure, promises};
use crate::store::{Cursor, Error, IdentityKey, NewUser, Profile, Revocation, Revoked, Store, User, UserState};

/// Racing calls in one check.
const RACERS: u64 = 64;

pub(super) const CHECKS: &[Check] = promises![Check:
    nobody_is_there_before_the_first_login,
    a_first_login_makes_an_active_user,
    a_user_is_found_by_identity_and_by_id,
    a_second_login_finds_the_first_user_unchanged,
    of_racing_first_logins_one_makes_the_user_and_all_get_it,
    racing_first_logins_of_different_people_stay_apart,
    identities_are_told_apart_by_every_part,
    any_text_survives,
    an_id_in_use_is_never_given_to_somebody_else,
    a_changed_profile_counts_up_the_generation_and_tells_the_feed,
    an_unchanged_profile_changes_nothing,
    what_the_provider_does_not_say_is_kept,
    racing_profile_changes_are_all_counted,
    the_profile_of_nobody_cannot_change,
];

async fn nobody_is_there_before_the_first_login(store: Arc<dyn Store>) -> Verdict {
    ensure!(store.find_user(&identity("a")).await.during("find_user")?.is_none(), "a stranger has a user");
    ensure!(store.user(user_id(1)).await.during("user")?.is_none(), "an id that was never given has a user");
    Ok(())
}

async fn a_first_login_makes_an_active_user(store: Arc<dyn Store>) -> Verdict {
    let signed_in = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    let expected = User {
        id: user_id(1),
        display_name: new_user(1).display_name,
        avatar: new_user(1).avatar,
        state: UserState::Active,
        upstream_id: None,
        username: None,
        generation: signed_in.user.generation,
        created_at: NOW,
        updated_at: NOW,
    };
    ensure!(signed_in.created, "the first login did not say that it made the user");
    ensure!(signed_in.user == expected, "made {:?} instead of {expected:?}", signed_in.user);
    Ok(())
}

async fn a_user_is_found_by_identity_and_by_id(store: Arc<dyn Store>) -> Verdict {
    let made = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let by_identity = present(store.find_user(&identity("a")).await.during("find_user")?, "the bound user")?;
    let by_id = present(store.user(made.id).await.during("user")?, "the made user")?;
    ensure!(by_identity == made, "found {by_identity:?} by identity instead of {made:?}");
    ensure!(by_id == made, "found {by_id:?} by id instead of {made:?}");
    Ok(())
}

async fn a_second_login_finds_the_first_user_unchanged(store: Arc<dyn Store>) -> Verdict {
    let first = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?;
    let second = store.create_bound(&identity("a"), new_user(2), LATER).await.during("create_bound again")?;
    ensure!(second.user == first.user, "the second login got {:?} instead of {:?}", second.user, first.user);
    ensure!(!second.created, "the second login says that it made the user");
    ensure!(store.user(user_id(2)).await.during("user")?.is_none(), "the second login left a user behind");
    let found = present(store.find_user(&identity("a")).await.during("find_user")?, "the bound user")?;
    ensure!(found == first.user, "after the second login the user is {found:?}");
    Ok(())
}

async fn of_racing_first_logins_one_makes_the_user_and_all_get_it(store: Arc<dyn Store>) -> Verdict {
    let person = identity("a");
    let logins = (1..=RACERS).map(|number| store.create_bound(&person, new_user(number), NOW));
    let logins = join_all(logins).await.into_iter().collect::<Result<Vec<_>, _>>().during("create_bound")?;
    let made = logins.iter().filter(|login| login.created).count();
    ensure!(made == 1, "{made} of {RACERS} racing logins say that they made the user");
    let ids: HashSet<_> = logins.iter().map(|login| login.user.id).collect();
    ensure!(ids.len() == 1, "racing logins of one identity got {} users", ids.len());
    for number in 1..=RACERS {
        let there = store.user(user_id(number)).await.during("user")?.is_some();
        ensure!(there == ids.contains(&user_id(number)), "a losing login left user {number} behind");
    }
    Ok(())
}

async fn racing_first_logins_of_different_people_stay_apart(store: Arc<dyn Store>) -> Verdict {
    let people: Vec<_> = (1..=RACERS).map(|number| (number, identity(&format!("person-{number}")))).collect();
    let logins = people.iter().map(|(number, person)| store.create_bound(person, new_user(*number), NOW));
    for login in join_all(logins).await {
        ensure!(login.during("create_bound")?.created, "a first login found a user");
    }
    for (number, person) in people {
        let user = present(store.find_user(&person).await.during("find_user")?, "a person")?;
        ensure!(user.id == user_id(number), "person {number} became {}", user.id);
    }
    Ok(())
}

async fn identities_are_told_apart_by_every_part(store: Arc<dyn Store>) -> Verdict {
    let parts = [
        ("qq", "101000001", "a"),
        ("qq", "101000002", "a"),
        ("wechat", "101000001", "a"),
        ("qq", "101000001", "A"),
        ("qq", "101000001", "a "),
        ("qq1", "01000001", "a"),
        ("qq", "10100000", "1a"),
        ("q", "q101000001", "a"),
        ("qq", "101000001a", ""),
        ("", "qq101000001", "a"),
        ("qq:101000001", "", "a"),
        ("qq\u{0}101000001", "", "a"),
    ];
    let people = parts.map(|(provider, client_id, subject)| IdentityKey {
        provider: provider.to_owned(),
        client_id: client_id.to_owned(),
        subject: subject.to_owned(),
    });
    for (number, person) in (1..).zip(&people) {
        let login = store.create_bound(person, new_user(number), NOW).await.during("create_bound")?;
        ensure!(login.created, "{person:?} was taken for somebody else");
    }
    for (number, person) in (1..).zip(&people) {
        let user = present(store.find_user(person).await.during("find_user")?, "a person")?;
        ensure!(user.id == user_id(number), "{person:?} was taken for somebody else");
    }
    Ok(())
}

async fn any_text_survives(store: Arc<dyn Store>) -> Verdict {
    let texts =
        ["", "门神🐉", "O'Brien\"; DROP TABLE users;--", "line\r\nbreak\ttab", "e\u{301}", "\u{202e}rtl", "%00\\u0000"];
    for (number, text) in (1..).zip(texts) {
        let new = NewUser { display_name: text.to_owned(), avatar: Some(text.to_owned()), ..new_user(number) };
        let made = store.create_bound(&identity(&format!("s{text}")), new, NOW).await.during("create_bound")?.user;
        let found = present(store.user(made.id).await.during("user")?, "the made user")?;
        ensure!(found.display_name == text, "{text:?} came back as {:?}", found.display_name);
        ensure!(found.avatar.as_deref() == Some(text), "{text:?} came back as {:?}", found.avatar);
    }
    Ok(())
}

async fn an_id_in_use_is_never_given_to_somebody_else(store: Arc<dyn Store>) -> Verdict {
    let first = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let thief = NewUser { display_name: "somebody else".to_owned(), ..new_user(1) };
    ensure!(store.create_bound(&identity("b"), thief, LATER).await.is_err(), "two people share one id");
    let kept = present(store.user(first.id).await.during("user")?, "the first user")?;
    ensure!(kept == first, "the first user has become {kept:?}");
    ensure!(store.find_user(&identity("b")).await.during("find_user")?.is_none(), "the second person was bound");
    Ok(())
}

async fn a_changed_profile_counts_up_the_generation_and_tells_the_feed(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let change =
        Profile { display_name: Some("新名字".to_owned()), avatar: Some("https://new.example/".to_owned()) };
    let user = store.update_profile(old.id, change.clone(), LATER, MUCH_LATER).await.during("update_profile")?;
    let expected = User {
        display_name: "新名字".to_owned(),
        avatar: change.avatar,
        generation: old.generation + 1,
        updated_at: LATER,
        ..old
    };
    ensure!(user == expected, "the change gave {user:?} instead of {expected:?}");
    let kept = present(store.user(old.id).await.during("user")?, "the changed user")?;
    ensure!(kept == expected, "the change kept {kept:?} instead of {expected:?}");
    let (feed, _) = store.revocations(Cursor::default(), LATER).await.during("revocations")?;
    let entry = Revocation { subject: Revoked::Changed(user.id, user.generation), at: LATER, until: MUCH_LATER };
    ensure!(feed == [entry.clone()], "the feed has {feed:?} instead of {entry:?}");
    Ok(())
}

async fn an_unchanged_profile_changes_nothing(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let same = Profile { display_name: Some(old.display_name.clone()), avatar: old.avatar.clone() };
    for profile in [same, Profile { display_name: None, avatar: None }] {
        let user = store.update_profile(old.id, profile, LATER, MUCH_LATER).await.during("update_profile")?;
        ensure!(user == old, "no change turned {old:?} into {user:?}");
    }
    let kept = present(store.user(old.id).await.during("user")?, "the user")?;
    ensure!(kept == old, "no change kept {kept:?} instead of {old:?}");
    let (feed, _) = store.revocations(Cursor::default(), LATER).await.during("revocations")?;
    ensure!(feed.is_empty(), "no change was told to the feed: {feed:?}");
    Ok(())
}

async fn what_the_provider_does_not_say_is_kept(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let user = store.update_profile(old.id, profile("新"), LATER, MUCH_LATER).await.during("update_profile")?;
    ensure!(user.avatar == old.avatar, "a new name made the picture {:?}", user.avatar);
    let avatar = Profile { display_name: None, avatar: Some("https://new.example/".to_owned()) };
    let user = store.update_profile(old.id, avatar, LATER, MUCH_LATER).await.during("update_profile")?;
    ensure!(user.display_name == "新", "a new picture made the name {:?}", user.display_name);
    ensure!(user.generation == old.generation + 2, "two changes counted {} up", user.generation - old.generation);
    Ok(())
}

async fn racing_profile_changes_are_all_counted(store: Arc<dyn Store>) -> Verdict {
    let old = store.create_bound(&identity("a"), new_user(1), NOW).await.during("create_bound")?.user;
    let changes =
        (1..=RACERS).map(|number| store.update_profile(old.id, profile(&format!("name {number}")), LATER, MUCH_LATER));
    let changed = join_all(changes).await.into_iter().collect::<Result<Vec<_>, _>>().during("update_profile")?;
    let generations: HashSet<_> = changed.iter().map(|user| user.generation).collect();
    ensure!(generations.len() == changed.len(), "racing changes share a generation");
    let kept = present(store.user(old.id).await.during("user")?, "the user")?;
    ensure!(u64::from(kept.generation - old.generation) == RACERS, "{RACERS} changes led to {}", kept.generation);
    let (feed, _) = store.revocations(Cursor::default(), LATER).await.during("revocations")?;
    ensure!(feed.len() == changed.len(), "{} of {RACERS} changes are in the feed", feed.len());
    Ok(())
}

async fn the_profile_of_nobody_cannot_change(store: Arc<dyn Store>) -> Verdict {
    let outcome = store.update_profile(user_id(9), profile("nobody"), LATER, MUCH_LATER).await;
    ensure!(matches!(outcome, Err(Error::NoSuchUser(id)) if id == user_id(9)), "the answer was {outcome:?}");
    ensure!(store.user(user_id(9)).await.during("user")?.is_none(), "a change made a user");
    let (feed, _) = store.revocations(Cursor::default(), LATER).await.during("revocations")?;
    ensure!(feed.is_empty(), "a refused change was told to the feed: {feed:?}");
    Ok(())
}
