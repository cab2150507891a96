//! Backends that know a header in many spellings, real ones: WSGI and CGI fold names until they are alike. What they are
//! told of who somebody is comes from us or from nobody, however a client writes it.

mod backend;
mod nicknames;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use menshen::demo::qq::Simulator;

use self::backend::{Backend, Dump};
use self::shape::{SHAPES, Shape};
use crate::backends::{CLIENT_ID, Connection, Proxy, SITE, Setup};

/// Names that become, in some backend, the name of a header that we send or that says what we decide.
const NAMES: &str = include_str!("../../data/forged_headers.txt");

/// Every kind of header that we send, by two identities.
const IDENTITIES: &str = include_str!("../../data/told_headers.toml");

const ROUTES: &str = r#"
[[routes]]
path = "/dump/public/*"
access = "public"

[[routes]]
path = "/dump/required/*"
access = "required"

[[routes]]
path = "/dump/other/*"
access = "required"
identity = "other"
"#;

/// What a backend may take for who somebody is.
const TOLD: [&str; 9] = [
    "HTTP_AUTHORIZATION",
    "HTTP_REMOTE_USER",
    "HTTP_X_AUTH_OPENID",
    "HTTP_X_MENSHEN_NAME",
    "HTTP_X_MENSHEN_TOKEN",
    "HTTP_X_MENSHEN_USER",
    "HTTP_X_REMOTE_USER",
    "REMOTE_USER",
    "AUTH_TYPE",
];

/// As many of them as fit into one request, twice.
const AT_ONCE: usize = 40;

#[test]
fn nothing_a_client_writes_becomes_an_identity_under_wsgiref() {
    no_client_becomes_anybody(&Backend::wsgiref());
}

#[test]
fn nothing_a_client_writes_becomes_an_identity_under_gunicorn() {
    no_client_becomes_anybody(&Backend::gunicorn());
}

#[test]
fn nothing_a_client_writes_becomes_an_identity_in_a_cgi_script() {
    no_client_becomes_anybody(&Backend::cgi());
}

fn no_client_becomes_anybody(backend: &Backend) {
    believes_whoever_gets_through(backend);
    let proxy = Setup::new().section(ROUTES).section(IDENTITIES).before(backend.address);
    let user = proxy.browser();
    user.log_in("10001");
    let me = user.get("/.menshen/userinfo", &[]).json();
    let text = |name: &str| me[name].as_str().unwrap().to_owned();
    let session = Visitor {
        cookie: format!("Cookie: {}\r\n", user.cookie_header().unwrap()),
        id: Some(text("user_id")),
        headers: vec![
            ("HTTP_X_MENSHEN_USER", text("user_id")),
            ("HTTP_X_MENSHEN_NAME", "%E5%B0%8F%E6%98%8E".to_owned()),
            ("HTTP_X_REMOTE_USER", text("username")),
            ("HTTP_REMOTE_USER", text("username")),
        ],
    };
    let stranger = Visitor::default();
    let names: Vec<&str> = NAMES.lines().collect();
    for (visitor, access) in [
        (&stranger, "public"),
        (&stranger, "optional"),
        (&session, "public"),
        (&session, "optional"),
        (&session, "required"),
        (&session, "other"),
    ] {
        let target = format!("/dump/{access}/");
        for shape in &SHAPES {
            let honest = ask(&proxy, shape, &target, visitor, &["X-Innocent"]);
            let Some(honest) = honest.map(|dump| told_of(dump, visitor)) else {
                assert!(shape.may_be_refused, "{}: an honest one is refused", shape.name);
                continue;
            };
            assert_eq!(identity(&honest), visitor.expected(access), "{} {access}", shape.name);
            for names in names.chunks(AT_ONCE) {
                let Some(forged) = ask(&proxy, shape, &target, visitor, names) else {
                    assert!(shape.may_be_refused, "{}: {names:?} are refused", shape.name);
                    continue;
                };
                let differing = differing(&told_of(forged, visitor), &honest);
                assert!(differing.is_empty(), "{} {access}: {differing:?}", shape.name);
            }
        }
    }
    // On a guarded route no spelling stands for a session.
    for shape in &SHAPES {
        for names in names.chunks(AT_ONCE) {
            let request = (shape.write)("/dump/required/", "", names);
            let status = proxy.connect().send(request).answer().status;
            assert!(matches!(status, 400 | 401), "{} {names:?}: {status}", shape.name);
        }
    }
    their_own_authorization_is_theirs_and_no_token_of_ours(&proxy, &session);
}

/// Without the proxy, a header alone makes anybody somebody: what the proxy keeps from this backend is real.
fn believes_whoever_gets_through(backend: &Backend) {
    for name in backend.folded {
        let request = format!("GET /dump/ HTTP/1.1\r\nHost: {SITE}\r\n{name}: forged\r\nConnection: close\r\n\r\n");
        let dump = Dump::of(&Connection::to(backend.address).send(request).answer());
        assert_eq!(dump.environ.get("HTTP_X_MENSHEN_USER").map(String::as_str), Some("forged"), "{name}");
    }
}

/// A client's own `Authorization` is the backend's to judge where we say nothing. Where we do, ours alone arrives; and
/// what claims to be ours without being it arrives nowhere.
fn their_own_authorization_is_theirs_and_no_token_of_ours(proxy: &Proxy, session: &Visitor) {
    let ask = |access: &str, cookie: &str, fields: &str| {
        let target = format!("/dump/{access}/");
        let head = format!("GET {target} HTTP/1.1\r\nHost: {SITE}\r\n{cookie}{fields}\r\n");
        proxy.connect().send(head).answer()
    };
    let basic = "Authorization: Basic Zm9yZ2Vk\r\n";
    for access in ["public", "optional"] {
        let dump = Dump::of(&ask(access, "", basic));
        assert_eq!(dump.environ["HTTP_AUTHORIZATION"], "Basic Zm9yZ2Vk");
        assert_eq!(identity(&dump.environ).len(), 1, "{:?}", dump.environ);
    }
    // {"alg":"none"} and {"iss":"http://www.meiduo.site","sub":"1"}.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vd3d3Lm1laWR1by5zaXRlIiwic3ViIjoiMSJ9.";
    let of_ours = format!("Authorization: Bearer {unsigned}\r\n");
    let many = [basic.to_owned(), of_ours.clone(), format!("{basic}{basic}"), format!("{basic}{of_ours}")];
    for fields in many.iter().chain(&[format!("{of_ours}{basic}"), of_ours.replace("Bearer ", "bEARER\t")]) {
        for access in ["public", "optional", "required", "other"] {
            let answer = ask(access, "", fields);
            if fields.contains(unsigned) {
                assert!(matches!(answer.status, 400 | 401), "{access} {fields}: {} {}", answer.status, answer.text());
            }
        }
        for access in ["optional", "required", "other"] {
            let answer = ask(access, &session.cookie, fields);
            // Beside a session what claims to be a token of ours is judged first.
            if answer.status == 200 {
                let seen = told_of(Dump::of(&answer), session);
                assert_eq!(identity(&seen), session.expected(access), "{access} {fields}");
            } else {
                assert!(fields.contains(unsigned) && answer.status == 401, "{access} {fields}: {}", answer.status);
            }
        }
    }
}

/// Who asks, and what backends are to be told of that.
#[derive(Default)]
struct Visitor {
    /// The whole line, if there is one.
    cookie: String,
    id: Option<String>,
    /// By the default identity, beside the token.
    headers: Vec<(&'static str, String)>,
}

impl Visitor {
    /// What a backend is to see by which it could take somebody for anybody; of a token, whom it is about.
    fn expected(&self, access: &str) -> BTreeMap<String, String> {
        let Some(id) = self.id.as_ref().filter(|_| access != "public") else { return BTreeMap::new() };
        let fields = if access == "other" {
            vec![("HTTP_X_MENSHEN_TOKEN", id.clone()), ("HTTP_X_AUTH_OPENID", Simulator::openid("10001", CLIENT_ID))]
        } else {
            [vec![("HTTP_AUTHORIZATION", id.clone())], self.headers.clone()].concat()
        };
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What the backend saw of such a request; `None`: it was refused.
fn ask(proxy: &Proxy, shape: &Shape, target: &str, visitor: &Visitor, names: &[&str]) -> Option<Dump> {
    let request = (shape.write)(target, &visitor.cookie, names);
    let answer = proxy.connect().send(request).answer();
    (answer.status != 400).then(|| Dump::of(&answer))
}

/// Everything the backend was told, comparable between two requests of one visitor; of a token, whom it is about.
fn told_of(dump: Dump, visitor: &Visitor) -> BTreeMap<String, String> {
    // Trailers as such do pass.
    let trailers = dump.rest.replace("x-innocent: forged\r\n", "");
    assert!(!trailers.contains("forged"), "in what is left of the body: {trailers:?}");
    let mut told = dump.environ;
    for own in ["REMOTE_PORT", "HTTP_X_INNOCENT", "HTTP_TRAILER"] {
        told.remove(own);
    }
    if visitor.id.is_some() {
        for name in ["HTTP_AUTHORIZATION", "HTTP_X_MENSHEN_TOKEN"] {
            told.entry(name.to_owned())
                .and_modify(|token| *token = backend::claims(token)["sub"].as_str().unwrap().to_owned());
        }
    }
    for (name, value) in [("FOR", "127.0.0.1"), ("HOST", SITE), ("PROTO", "http")] {
        assert_eq!(told[&format!("HTTP_X_FORWARDED_{name}")], value, "{told:?}");
    }
    told
}

/// Each variable that is not the same in both: its name, and what it is here and there.
fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    differs.map(|name| format!("{name}: {:?}, not {:?}", one.get(name), other.get(name))).collect()
}

/// Whatever a backend could take for who somebody is.
fn identity(environ: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    environ
        .iter()
        .filter(|(name, _)| TOLD.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
