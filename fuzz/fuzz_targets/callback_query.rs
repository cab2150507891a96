//! No callback reaches the provider but one with the state of an attempt that this browser holds and one plain code; and
//! that one does so once.
//!
//! The query, then `Cookie` values, a line each. `{state}` and `{attempt}` are those of a login that has begun.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use menshen::account::Accounts;
use menshen::login::provider::{Challenge, Error, Exchange, Identity, IdentityProvider, ProviderId, Returned, qq};
use menshen::login::{Login, Paces, Parts, Refusal, Return, Settings};
use menshen_fuzz::{Scene, attempt_and_state, parts, qq_provider, scene, store};
use url::{Url, form_urlencoded};

static PROVIDER: LazyLock<Arc<Watched>> =
    LazyLock::new(|| Arc::new(Watched { qq: qq_provider(), asked: Mutex::default() }));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scene = scene();
    let login = login(scene);
    let (state, attempt) = attempt_and_state(&login);
    let text = text.replace("{state}", &state).replace("{attempt}", &attempt);
    let [query, cookies] = parts::<2>(text.as_bytes());
    let pairs: Vec<_> = form_urlencoded::parse(query).into_owned().collect();
    let fields = cookies.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let headers: HeaderMap = fields.map(|value| (COOKIE, value)).collect();

    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let finish = || scene.runtime.block_on(login.finish(from, &headers, &pairs, &scene.wire, Return::ByState));
    let returning = finish();
    let asked = PROVIDER.take();
    assert!(returning.outcome.is_err(), "nobody vouched for anybody");
    assert!(scene.are_ours(&returning.cookies));

    let holds_state = once(&pairs, "state") == Some(Some(state.as_str()));
    let may_ask = holds_state && worth_asking(&pairs);
    if !asked.is_empty() {
        assert!(may_ask, "{pairs:?}");
        assert_eq!(asked.iter().map(|code| Some(Some(code.as_str()))).collect::<Vec<_>>(), [once(&pairs, "code")]);
        assert!(cookies.windows(attempt.len()).any(|cookie| cookie == attempt.as_bytes()));
    } else {
        assert!(!(may_ask && cookies == attempt.as_bytes()), "{pairs:?} was not exchanged");
    }
    let again = finish();
    assert!(PROVIDER.take().is_empty(), "a state is spent once");
    if !asked.is_empty() {
        assert!(matches!(again.outcome, Err(Refusal::Used)));
    }
});

/// Whether a query has the one shape that is worth a call: no cancel, no error, one plain code.
fn worth_asking(pairs: &[(String, String)]) -> bool {
    let is_plain = |code: &str| {
        (1..=512).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    once(pairs, "code").flatten().is_some_and(is_plain)
        && matches!(once(pairs, "usercancel"), Some(None | Some("" | "0")))
        && once(pairs, "error") == Some(None)
        && once(pairs, "msg") == Some(None)
}

/// A parameter that comes once or never; `None` if it comes more often.
fn once<'p>(pairs: &'p [(String, String)], name: &str) -> Option<Option<&'p str>> {
    let all: Vec<_> = pairs.iter().filter(|(key, _)| key == name).collect();
    match all[..] {
        [] => Some(None),
        [(_, value)] => Some(Some(value)),
        _ => None,
    }
}

fn login(scene: &Scene) -> Arc<Login> {
    let often = 1_000_000;
    let settings = Settings {
        start: "/qq/login/".into(),
        callback: "/oauth_callback/".into(),
        attempt_lifetime: Duration::from_secs(600),
        exchanges: 8,
        paces: Paces { starts: often, starts_per_address: often, callbacks: often, failures_per_address: often },
    };
    Arc::new(Login::new(Parts {
        settings,
        provider: Arc::<Watched>::clone(&PROVIDER),
        accounts: Accounts::new(store(), Duration::from_secs(3600)),
        sessions: Arc::clone(&scene.sessions),
        store: store(),
        sealer: scene.sealer.clone(),
        clock: scene.clock.clone(),
        control: scene.runtime.handle().clone(),
    }))
}

/// QQ as far as a query goes, and beyond that somebody who notes every call and vouches for nobody.
struct Watched {
    qq: qq::Qq,
    asked: Mutex<Vec<String>>,
}

impl Watched {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl IdentityProvider for Watched {
    fn id(&self) -> &ProviderId {
        self.qq.id()
    }

    fn title(&self) -> &str {
        self.qq.title()
    }

    fn takes_pkce(&self) -> bool {
        self.qq.takes_pkce()
    }

    fn client_id(&self) -> &str {
        self.qq.client_id()
    }

    fn patience(&self) -> Duration {
        self.qq.patience()
    }

    fn authorize_url(&self, challenge: &Challenge<'_>) -> Option<Url> {
        self.qq.authorize_url(challenge)
    }

    fn read_return(&self, query: &[(String, String)]) -> Returned {
        self.qq.read_return(query)
    }

    async fn identify(&self, exchange: Exchange<'_>) -> Result<Identity, Error> {
        self.asked.lock().unwrap().push(exchange.code.expose().to_owned());
        Err(Error::Malformed { provider: self.qq.id().clone(), step: "token", reason: "as told by the target" })
    }
}
