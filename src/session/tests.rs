//! Sessions beside a store that fails, and how long they may be relied on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::http::client_certificate::ClientAuth;
use crate::identity::{Algorithm, Identities, Snapshot};
use crate::seal::{KEY_LEN, SealKey, Sealer};
use crate::secret::Secret;
use crate::site::{Origin, SameSite, Site};
use crate::store::double::Double;
use crate::store::{IdentityKey, Revocation, Revoked, User, UserId, UserState};
use crate::telemetry::access_log::LogHash;
use crate::token::api::ApiTokens;
use crate::token::signing_key::SigningKey;

const START: Timestamp = Timestamp::from_secs(1_000_000);
/// Longest wait for anything that should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Sessions of 12 hours and 14 days, beside a store in the test's hands.
struct Scene {
    sessions: Sessions,
    revocations: Revocations,
    store: Arc<Double>,
    clock: Clock,
}

fn scene() -> Scene {
    let (revocations, store, clock) = (Revocations::default(), Arc::new(Double::default()), Clock::manual(START));
    let key = SealKey::new(1, &Secret::new(vec![7; KEY_LEN])).unwrap();
    let api = SigningKey::from_pkcs8("1".into(), Algorithm::EdDsa, &Algorithm::EdDsa.generate().unwrap()).unwrap();
    let sessions = Sessions::new(Parts {
        settings: Settings::new(12 * HOUR, 14 * 24 * HOUR, 12 * HOUR, "s".into(), 8).unwrap(),
        clock: clock.clone(),
        sealer: Sealer::new(vec![key]),
        api: ApiTokens::new(vec![Arc::new(api)]),
        store: Arc::<Double>::clone(&store),
        identities: Arc::new(Identities::new(Vec::new())),
        revocations: revocations.clone(),
        log_hash: LogHash::new(&Secret::new(vec![7; 32])),
        control: Handle::current(),
        lookups: Lookups::default(),
    });
    Scene { sessions, revocations, store, clock }
}

impl Scene {
    fn snapshot(&self) -> Snapshot {
        let identity = IdentityKey { provider: "qq".into(), client_id: "1".into(), subject: "A".into() };
        self.sessions.begin(&self.user(0), &identity, self.clock.now()).unwrap()
    }

    fn user(&self, generation: u32) -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            display_name: String::new(),
            avatar: None,
            state: UserState::Active,
            upstream_id: None,
            username: None,
            generation,
            created_at: START,
            updated_at: START,
        }
    }

    /// The user has changed, and every session of theirs is stale.
    fn change(&self, generation: u32) {
        let subject = Revoked::Changed(self.user(0).id, generation);
        self.revocations.apply(&[Revocation { subject, at: START, until: START.plus(30 * 24 * HOUR) }], START);
    }

    /// A session that an API token proves.
    fn by_token(&self) -> Arc<Proof> {
        let site: Arc<str> = "http://a".into();
        let token = self.sessions.api_token(&self.snapshot(), &site, self.clock.now()).unwrap();
        self.sessions.prove_api_token(token.expose().as_bytes(), &site, self.clock.now()).unwrap()
    }

    /// A session that a cookie proves.
    fn by_cookie(&self) -> Arc<Proof> {
        let site = Site {
            origin: Origin::parse("http://a").unwrap(),
            aliases: Vec::new(),
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            same_site: SameSite::Lax,
            logout_paths: Vec::new(),
            redirect_uris: BTreeMap::new(),
            client_auth: ClientAuth::Off,
            cookie_domain: None,
        };
        let jar = CookieJar::new(&site, "s");
        let cookie = self.sessions.cookie(&self.snapshot(), "http://a", &jar, self.clock.now()).unwrap().unwrap();
        let value = cookie.as_bytes().split(|byte| b"=;".contains(byte)).nth(1).unwrap();
        self.sessions.prove_cookie(value, &"http://a".into()).unwrap()
    }
}

#[tokio::test]
async fn a_revocation_that_could_not_be_stored_is_stored_once_the_store_is_back() {
    let mut scene = scene();
    scene.sessions.retry_every = Duration::from_millis(1);
    let proof = scene.by_cookie();
    scene.store.is_down.store(true, Ordering::SeqCst);
    scene.sessions.end(&proof.snapshot, scene.clock.now()).await.unwrap();
    assert_eq!(proof.standing(scene.clock.now()), Standing::Revoked, "here it is over at once");
    scene.store.tried.notified().await;
    assert!(scene.store.written().is_empty());
    scene.store.is_down.store(false, Ordering::SeqCst);
    let stored = async {
        while scene.store.written().is_empty() {
            scene.store.tried.notified().await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("nobody tried again");
    let written = scene.store.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].subject, Revoked::Session(proof.snapshot.session));
    assert_eq!(written[0].until, proof.snapshot.ends);
}

#[tokio::test]
async fn what_rests_on_a_session_is_over_when_the_session_is() {
    let scene = scene();
    let (cookie, token) = (scene.by_cookie(), scene.by_token());
    let mut overs = [&cookie, &token].map(|proof| Box::pin(scene.sessions.over(proof, || START)));
    assert!(overs.iter_mut().all(|over| over.now_or_never().is_none()));
    scene.sessions.end(&cookie.snapshot, START).await.unwrap();
    let [by_cookie, by_token] = &mut overs;
    assert_eq!(by_cookie.now_or_never(), Some(Over::Ended));
    assert!(by_token.now_or_never().is_none());
    // An API token is good for its time, used or not.
    scene.clock.advance(12 * HOUR - Duration::from_millis(1));
    assert!(by_token.now_or_never().is_none());
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(by_token.now_or_never(), Some(Over::Expired));
}

#[tokio::test]
async fn use_keeps_a_session_up_to_its_lifetime_and_no_further() {
    let scene = scene();
    let proof = scene.by_cookie();
    let mut unused = Box::pin(scene.sessions.over(&proof, || START));
    let mut used = Box::pin(scene.sessions.over(&proof, || scene.clock.now()));
    scene.clock.advance(12 * HOUR - Duration::from_millis(1));
    assert_eq!((unused.as_mut().now_or_never(), used.as_mut().now_or_never()), (None, None));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!((unused.now_or_never(), used.as_mut().now_or_never()), (Some(Over::Unused), None));
    scene.clock.advance(13 * 24 * HOUR);
    assert_eq!(used.as_mut().now_or_never(), None);
    scene.clock.advance(12 * HOUR);
    assert_eq!(used.now_or_never(), Some(Over::Expired));
}

#[tokio::test]
async fn while_nobody_can_say_how_a_user_has_changed_the_session_goes_on_and_can_be_ended() {
    let scene = scene();
    let proof = scene.by_cookie();
    let changed = Revoked::Changed(proof.snapshot.user, 1);
    scene.revocations.apply(&[Revocation { subject: changed, at: START, until: proof.snapshot.ends }], START);
    let over = scene.sessions.over(&proof, || START);
    let ended = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        scene.sessions.end(&proof.snapshot, START).await.unwrap();
    };
    let both = tokio::time::timeout(PATIENCE, futures_util::future::join(over, ended));
    assert_eq!(both.await.expect("it goes on").0, Over::Ended);
}

/// Regression: a session that was begun under a clock a year ahead lasted a year longer than any may.
#[tokio::test]
async fn what_is_dated_ahead_proves_nothing() {
    let scene = scene();
    for proof in [scene.by_cookie(), scene.by_token()] {
        assert!(!proof.is_ahead(START));
        assert!(!proof.is_ahead(START.minus(Duration::from_secs(300))), "clocks differ a little");
        assert!(proof.is_ahead(START.minus(Duration::from_secs(301))));
    }
    // By when it was renewed, and not only by when it began.
    let (snapshot, token) = (scene.snapshot(), scene.by_token());
    let a_day_later = START.plus(24 * HOUR);
    let renewed = |bearer| scene.sessions.proof(snapshot.clone(), bearer, &token.site, a_day_later, snapshot.ends);
    assert!(renewed(Bearer::Cookie).is_ahead(START));
    assert!(!renewed(Bearer::ApiToken).is_ahead(START), "that is when it was looked at");
}

/// Regression: every request of a changed user waited for a store that hung.
#[tokio::test]
async fn a_store_that_hangs_is_asked_once_in_a_while_and_the_session_goes_on() {
    let mut scene = scene();
    scene.sessions.look_up = Duration::from_millis(1);
    scene.store.hangs.store(true, Ordering::SeqCst);
    let proof = scene.by_cookie();
    scene.change(1);
    let asked = || scene.store.asked.load(Ordering::SeqCst);
    for round in 1..=3 {
        for _ in 0..3 {
            let refresh = tokio::time::timeout(PATIENCE, scene.sessions.refresh(b"cookie", &proof));
            assert!(Arc::ptr_eq(&refresh.await.expect("it waits").unwrap(), &proof));
            assert_eq!(asked(), round);
        }
        scene.clock.advance(Duration::from_secs(5));
    }
}

/// Regression: each core, and each request that came meanwhile, made a new proof of its own.
#[tokio::test]
async fn of_all_who_refresh_a_session_one_asks_and_all_share_the_answer() {
    let scene = scene();
    let proof = scene.by_cookie();
    scene.change(1);
    *scene.store.user.lock().unwrap() = Some(scene.user(1));
    let first = scene.sessions.refresh(b"cookie", &proof).await.unwrap();
    assert_eq!((first.snapshot.generation, first.standing(START)), (1, Standing::Good));
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&scene.sessions.refresh(b"cookie", &proof).await.unwrap(), &first));
    }
    assert_eq!(scene.store.asked.load(Ordering::SeqCst), 1);
    // Changed once more: the answer of before is not good enough.
    scene.change(2);
    *scene.store.user.lock().unwrap() = Some(scene.user(2));
    assert_eq!(scene.sessions.refresh(b"cookie", &first).await.unwrap().snapshot.generation, 2);
}

#[tokio::test]
async fn a_session_ends_once_its_user_is_blocked_or_gone() {
    for is_there in [true, false] {
        let scene = scene();
        let proof = scene.by_cookie();
        let mut over = Box::pin(scene.sessions.over(&proof, || START));
        assert!(over.as_mut().now_or_never().is_none());
        let blocked = User { state: UserState::Blocked, ..scene.user(1) };
        *scene.store.user.lock().unwrap() = is_there.then_some(blocked);
        scene.change(1);
        assert!(scene.sessions.refresh(b"cookie", &proof).await.is_none());
        // What outlasts its request ends as well.
        let over = tokio::time::timeout(PATIENCE, over);
        assert_eq!(over.await.expect("it goes on"), Over::Ended);
    }
}

/// Two cores that meet a session at the same moment both prove it: the second to say so takes over what the first has.
#[tokio::test]
async fn two_cores_that_prove_one_session_at_once_share_the_proof() {
    let scene = scene();
    let (first, second) = (scene.by_cookie(), scene.by_cookie());
    assert!(!Arc::ptr_eq(&first, &second), "two cookies");
    assert!(Arc::ptr_eq(&scene.sessions.remember(b"one cookie", Arc::clone(&first)), &first));
    assert!(Arc::ptr_eq(&scene.sessions.remember(b"one cookie", second), &first));
    // What was remembered as a cookie is no token.
    let token = scene.by_token();
    assert!(Arc::ptr_eq(&scene.sessions.remember(b"one cookie", Arc::clone(&token)), &token));
}
