//! What every provider promises, whatever its protocol. A new one is done when [`provider_suite!`] passes for it.

pub(crate) mod server;

use std::time::Duration;

use futures_util::future::join_all;
use url::Url;

use super::{Code, Error, Exchange, Identity, IdentityProvider, Pkce};
use crate::clock::Timestamp;
use server::{Reply, ScriptedServer};

/// A code with every character that a query must escape.
pub(crate) const CODE: &str = "C0DE+&#%=/?9A5F";

/// What the suite's logins were begun with.
pub(crate) const VERIFIER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// When they end.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A code that is to be exchanged.
pub(crate) fn exchange(redirect_uri: &Url) -> Exchange<'_> {
    Exchange { code: Code::parse(CODE).unwrap(), redirect_uri, pkce: Some(Pkce::new(VERIFIER)), now: NOW }
}

/// What the suite must know of a provider to hold it to its promises.
pub(crate) struct Subject {
    /// Builds it with all its endpoints below this address, and this long for a whole exchange.
    pub(crate) build: fn(&Url, Duration) -> Box<dyn IdentityProvider>,
    /// The calls of a login that succeeds, in order.
    pub(crate) calls: &'static [Call],
    /// What must never be printed: its secret, and the tokens in the answers.
    pub(crate) secrets: &'static [&'static str],
}

/// One of a provider's calls.
pub(crate) struct Call {
    pub(crate) path: &'static str,
    /// The body of the good answer.
    pub(crate) body: &'static str,
    /// Whether there is no login without it.
    pub(crate) required: bool,
}

/// Makes each promise a test of the module it stands in, for the subject named.
macro_rules! provider_suite {
    ($subject:expr) => {
        mod promises {
            use super::*;
            use crate::login::provider::suite;

            #[tokio::test]
            async fn a_login_yields_an_identity_at_our_client_id() {
                suite::a_login_yields_an_identity_at_our_client_id(&$subject).await;
            }

            #[tokio::test]
            async fn no_fault_of_a_required_call_is_survived_repeated_or_told_with_secrets() {
                suite::no_fault_of_a_required_call_is_survived_repeated_or_told_with_secrets(&$subject).await;
            }

            #[tokio::test]
            async fn no_fault_of_an_optional_call_fails_the_login() {
                suite::no_fault_of_an_optional_call_fails_the_login(&$subject).await;
            }

            #[tokio::test]
            async fn nothing_follows_a_redirect() {
                suite::nothing_follows_a_redirect(&$subject).await;
            }

            #[tokio::test]
            async fn a_code_is_exchanged_once_even_over_a_connection_that_was_used_before() {
                suite::a_code_is_exchanged_once_even_over_a_connection_that_was_used_before(&$subject).await;
            }
        }
    };
}
pub(crate) use provider_suite;

/// What may go wrong with any call, and the kind of error it must become.
fn faults() -> Vec<(&'static str, Reply, &'static str)> {
    let bytes = |text: &str| Reply::Bytes(text.to_owned());
    vec![
        ("reset", Reply::Reset, "unavailable"),
        ("closed without a word", bytes(""), "unavailable"),
        ("cut in the head", bytes("HTTP/1.1 200 OK\r\nContent-Le"), "unavailable"),
        ("cut in the body", bytes("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}"), "unavailable"),
        ("cut in a chunk", bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}"), "unavailable"),
        ("not HTTP", bytes("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "unavailable"),
        ("never answered", Reply::Silence, "unavailable"),
        ("dripping", Reply::Drip, "unavailable"),
        ("status 204", bytes("HTTP/1.1 204 No Content\r\n\r\n"), "unavailable"),
        ("status 400", bytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\n<html>"), "unavailable"),
        ("status 429", bytes("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"), "busy"),
        ("status 500", bytes("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"), "unavailable"),
        ("status 503", bytes("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), "unavailable"),
        ("empty", Reply::Body(String::new()), "malformed"),
        ("a page", Reply::Body("<html><body>502</body></html>".to_owned()), "malformed"),
        ("64 MiB", Reply::Flood("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n"), "malformed"),
        ("endless", Reply::Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "malformed"),
    ]
}

/// Time enough for a loaded machine, where the answer does come.
const PATIENT: Duration = Duration::from_secs(30);
/// For answers that never come.
const SHORT: Duration = Duration::from_secs(1);

pub(crate) async fn a_login_yields_an_identity_at_our_client_id(subject: &'static Subject) {
    let login = Login::with(subject, None, PATIENT).await;
    let identity = login.run().await.unwrap();
    assert_eq!(identity.client_id, login.provider.client_id());
    assert!(!identity.subject.is_empty());
    let asked: Vec<_> = subject.calls.iter().map(|call| login.server.count(call.path)).collect();
    assert_eq!(asked, vec![1; subject.calls.len()]);
}

pub(crate) async fn no_fault_of_a_required_call_is_survived_repeated_or_told_with_secrets(subject: &'static Subject) {
    each_fault(subject, true, async |login, name, kind| {
        let error = login.run().await.unwrap_err();
        assert_eq!(kind_of(&error), kind, "{name}: {error}");
        assert_eq!(login.server.count(subject.calls[0].path), 1, "{name}");
        login.told_no_secret(&error);
    })
    .await;
}

pub(crate) async fn no_fault_of_an_optional_call_fails_the_login(subject: &'static Subject) {
    each_fault(subject, false, async |login, name, _| {
        let identity = login.run().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(identity.client_id, login.provider.client_id(), "{name}");
    })
    .await;
}

pub(crate) async fn nothing_follows_a_redirect(subject: &'static Subject) {
    let elsewhere = ScriptedServer::start(|_| Reply::Body(String::new())).await;
    for status in ["301", "302", "303", "307", "308"] {
        for call in subject.calls.iter().filter(|call| call.required) {
            let target = elsewhere.url(call.path);
            let reply = format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
            let login = Login::with(subject, Some((call.path, Reply::Bytes(reply))), PATIENT).await;
            let error = login.run().await.unwrap_err();
            assert_eq!(kind_of(&error), "unavailable", "{status}: {error}");
            login.told_no_secret(&error);
        }
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

pub(crate) async fn a_code_is_exchanged_once_even_over_a_connection_that_was_used_before(subject: &'static Subject) {
    let exchange = subject.calls[0].path;
    let exchanges = std::sync::atomic::AtomicUsize::new(0);
    let server = ScriptedServer::start(move |path| {
        let again = path == exchange && exchanges.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        if again { Reply::Reset } else { good(subject, path) }
    })
    .await;
    let login = Login { subject, provider: (subject.build)(&server.url("/"), PATIENT), server };
    login.run().await.unwrap();
    assert_eq!(kind_of(&login.run().await.unwrap_err()), "unavailable");
    assert_eq!(login.server.count(exchange), 2);
}

/// Every fault at every call that is required, or at every one that is not, all at once.
async fn each_fault(subject: &'static Subject, required: bool, check: impl AsyncFn(&Login, &str, &str)) {
    let calls = subject.calls.iter().filter(|call| call.required == required);
    let cases = calls.flat_map(|call| faults().into_iter().map(move |fault| (call, fault)));
    join_all(cases.map(async |(call, (name, reply, kind))| {
        let patience = if matches!(reply, Reply::Silence | Reply::Drip) { SHORT } else { PATIENT };
        let login = Login::with(subject, Some((call.path, reply)), patience).await;
        check(&login, &format!("{name} at {}", call.path), kind).await;
    }))
    .await;
}

/// A provider and the server it talks to.
struct Login {
    subject: &'static Subject,
    provider: Box<dyn IdentityProvider>,
    server: ScriptedServer,
}

impl Login {
    /// All calls are answered well but the one to `fault`'s path.
    async fn with(subject: &'static Subject, fault: Option<(&'static str, Reply)>, patience: Duration) -> Self {
        let server = ScriptedServer::start(move |path| match &fault {
            Some((at, reply)) if *at == path => reply.clone(),
            _ => good(subject, path),
        })
        .await;
        Login { subject, provider: (subject.build)(&server.url("/"), patience), server }
    }

    async fn run(&self) -> Result<Identity, Error> {
        let redirect_uri = Url::parse("http://www.meiduo.site:8000/oauth_callback").unwrap();
        self.provider.identify(exchange(&redirect_uri)).await
    }

    fn told_no_secret(&self, error: &Error) {
        let told = format!("{error} {error:?} {error:#?}");
        for secret in self.subject.secrets.iter().chain([&CODE, &"C0DE"]) {
            assert!(!told.contains(secret), "{secret} is in: {told}");
        }
    }
}

fn good(subject: &Subject, path: &str) -> Reply {
    let call = subject.calls.iter().find(|call| call.path == path);
    Reply::Body(call.map_or(String::new(), |call| call.body.to_owned()))
}

fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::Unavailable { .. } => "unavailable",
        Error::Local { .. } => "local",
        Error::Busy { .. } => "busy",
        Error::Refused(_) => "refused",
        Error::Malformed { .. } => "malformed",
        Error::ForeignClient { .. } => "foreign",
    }
}
