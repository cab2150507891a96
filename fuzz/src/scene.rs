//! A shop at one site, somebody who is logged in there, and somebody who is about to be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::HeaderMap;
use menshen::clock::{Clock, Timestamp};
use menshen::http::client_certificate::ClientAuth;
use menshen::http::safe_redirect::SafeRedirect;
use menshen::identity::{Algorithm, Identities, Snapshot};
use menshen::login::provider::Display;
use menshen::login::{Beginning, Login, Started, StateShape};
use menshen::seal::{KEY_LEN, SealKey, Sealer};
use menshen::secret::Secret;
use menshen::session::{CookieJar, Lookups, Parts, Revocations, Sessions, Settings, Wire};
use menshen::site::{Origin, SameSite, Site};
use menshen::store::sled::{self, SledStore};
use menshen::store::{IdentityKey, Store, User, UserId, UserState};
use menshen::telemetry::access_log::LogHash;
use menshen::token::api::ApiTokens;
use menshen::token::signing_key::SigningKey;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// The site.
pub const ORIGIN: &str = "http://www.meiduo.site:8000";

/// The time, which stands.
pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

const HOUR: Duration = Duration::from_secs(3600);

/// What is made once for all inputs.
pub struct Scene {
    pub site: Site,
    pub wire: Wire,
    pub sealer: Sealer,
    pub clock: Clock,
    pub sessions: Arc<Sessions>,
    pub api: ApiTokens,
    /// The private half of the API tokens' key (Ed25519, PKCS#8). Its id is `k1`.
    pub api_key: Secret<Vec<u8>>,
    /// Who is logged in.
    pub snapshot: Snapshot,
    pub runtime: Runtime,
}

/// The one scene.
pub fn scene() -> &'static Scene {
    static SCENE: LazyLock<Scene> = LazyLock::new(Scene::new);
    &SCENE
}

/// Where whatever needs files has them. Below `TMPDIR`, which `scripts/fuzz` removes: the fuzzer never runs destructors.
pub fn folder() -> &'static Path {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    FOLDER.path()
}

/// A store with nothing in it.
pub fn store() -> Arc<dyn Store> {
    static STORE: LazyLock<Arc<dyn Store>> = LazyLock::new(|| {
        let settings = sled::Settings { path: folder().join("data"), cache: sled::Settings::MIN_CACHE };
        Arc::new(SledStore::open(&settings).unwrap())
    });
    Arc::clone(&STORE)
}

/// A login that has begun here: its state, and its cookie as `name=value`.
pub fn attempt_and_state(login: &Login) -> (String, String) {
    let callback = Url::parse(&format!("{ORIGIN}/oauth_callback")).unwrap();
    let next = SafeRedirect::own("/cart/");
    let beginning = Beginning { redirect_uri: &callback, next, state: StateShape::Random, display: Display::Desktop };
    let started = login.start(&HeaderMap::new(), &scene().wire, beginning, NOW);
    let Started { login_url, cookies } = started.unwrap();
    let (_, state) = login_url.query_pairs().find(|(name, _)| name == "state").unwrap();
    let cookie = cookies.last().unwrap().to_str().unwrap();
    (state.into_owned(), cookie.split(';').next().unwrap().to_owned())
}

impl Scene {
    fn new() -> Self {
        let site = site();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sealer = Sealer::new(vec![SealKey::new(1, &Secret::new(vec![7; KEY_LEN])).unwrap()]);
        let api_key = Algorithm::EdDsa.generate().unwrap();
        let api_signing = SigningKey::from_pkcs8("k1".into(), Algorithm::EdDsa, &api_key).unwrap();
        let api = ApiTokens::new(vec![Arc::new(api_signing)]);
        let clock = Clock::manual(NOW);
        let sessions = Sessions::new(Parts {
            settings: Settings::new(12 * HOUR, 14 * 24 * HOUR, 12 * HOUR, "menshen_session".into(), 64).unwrap(),
            clock: clock.clone(),
            sealer: sealer.clone(),
            api: api.clone(),
            store: store(),
            identities: Arc::new(Identities::new(Vec::new())),
            revocations: Revocations::default(),
            log_hash: LogHash::new(&Secret::new(vec![7; 32])),
            control: runtime.handle().clone(),
            lookups: Lookups::default(),
        });
        let identity = IdentityKey { provider: "qq".into(), client_id: "101000001".into(), subject: "A".repeat(32) };
        let snapshot = sessions.begin(&user(), &identity, NOW).unwrap();
        let issuers: [Arc<str>; 2] = [ORIGIN.into(), "https://m.meiduo.site".into()];
        let wire = Wire { site: ORIGIN.into(), issuers: issuers.into(), jar: CookieJar::new(&site, "menshen_session") };
        Scene { site, wire, sealer, clock, sessions: Arc::new(sessions), api, api_key, snapshot, runtime }
    }

    /// The value of the session cookie of who is logged in.
    pub fn session_cookie(&self) -> String {
        let cookie = self.sessions.cookie(&self.snapshot, &self.wire.site, &self.wire.jar, NOW).unwrap().unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    }

    /// Whether every cookie in such a list of `Set-Cookie` values is one of ours.
    pub fn are_ours<'c>(&self, cookies: impl IntoIterator<Item = &'c http::HeaderValue>) -> bool {
        let name = |cookie: &'c http::HeaderValue| cookie.as_bytes().split(|byte| *byte == b'=').next();
        cookies.into_iter().all(|cookie| name(cookie).is_some_and(|name| self.wire.jar.is_ours(name)))
    }
}

fn site() -> Site {
    Site {
        origin: Origin::parse(ORIGIN).unwrap(),
        aliases: vec!["shop.example".into()],
        allowed_hosts: vec![Origin::parse("https://m.meiduo.site").unwrap()],
        cors_origins: Vec::new(),
        same_site: SameSite::Lax,
        logout_paths: Vec::new(),
        redirect_uris: BTreeMap::new(),
        client_auth: ClientAuth::Off,
        cookie_domain: None,
    }
}

fn user() -> User {
    User {
        id: UserId::from_bytes([1; 16]),
        display_name: "小明".into(),
        avatar: None,
        state: UserState::Active,
        upstream_id: Some("42".into()),
        username: None,
        generation: 0,
        created_at: NOW,
        updated_at: NOW,
    }
}
