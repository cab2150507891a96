//! A small certificate authority that speaks ACME (RFC 8555): it looks for itself whether a name is the proxy's.

mod jws;
mod look;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use menshen::clock::Clock;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use self::jws::Signed;
use super::{Authority, Http2Upstream, Manner, PATIENCE};

/// A certificate authority. What it issues, and its own server, [`Authority`] vouches for.
pub struct AcmeServer {
    server: Http2Upstream,
    state: Arc<State>,
}

/// What it does other than usual.
#[derive(Clone, Default)]
pub struct Whims {
    /// The first messages are told that their nonce is not good.
    pub bad_nonces: usize,
    /// New orders are refused, with this type and these words.
    pub refuses: Option<(&'static str, &'static str)>,
    /// Certificates are issued for this name, whatever is asked for.
    pub misnames: Option<&'static str>,
    /// The only challenge that is offered.
    pub offers: Option<&'static str>,
}

struct State {
    authority: Authority,
    clock: Mutex<Option<Clock>>,
    base: Mutex<String>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    whims: Whims,
    lasts: Duration,
    /// Where the proxy is, in plain text and by TLS.
    looks_at: Option<(SocketAddr, SocketAddr)>,
    nonces: Vec<String>,
    /// Those that are known no more are nothing.
    accounts: Vec<Option<jws::Key>>,
    contacts: Vec<Value>,
    orders: Vec<Order>,
    /// Certificates that were fetched.
    fetched: usize,
}

struct Order {
    name: String,
    account: usize,
    status: &'static str,
    problem: Option<String>,
    certificate: Option<String>,
    polls: usize,
}

impl AcmeServer {
    /// What it issues is good for so long.
    pub fn new(lasts: Duration) -> Self {
        let authority = Authority::new();
        authority.issue("acme", &["localhost"]);
        let manner = Manner::secured(authority.server("acme", &[b"http/1.1"], false));
        let inner = Mutex::new(Inner { lasts, ..Inner::default() });
        let state =
            State { authority, clock: Mutex::default(), base: Mutex::default(), inner, changed: Condvar::new() };
        let state = Arc::new(state);
        let answering = Arc::clone(&state);
        let server = Http2Upstream::serving(manner, move |request| {
            let state = Arc::clone(&answering);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                Ok(tokio::task::spawn_blocking(move || state.answer(&head, &body)).await.unwrap())
            }
        });
        *state.base.lock().unwrap() = format!("https://localhost:{}", server.address.port());
        AcmeServer { server, state }
    }

    /// `[tls.acme]` for these names, with more lines.
    pub fn section(&self, names: &[&str], lines: &str) -> String {
        let (port, ca) = (self.server.address.port(), self.state.authority.ca_file());
        format!(
            "[tls.acme]\nnames = {names:?}\ndirectory = \"https://localhost:{port}/directory\"\nca_file = {ca:?}\n\
             accept_terms = true\n{lines}\n"
        )
    }

    /// Who vouches for what it issues.
    pub fn authority(&self) -> &Authority {
        &self.state.authority
    }

    /// From when on what it issues is good.
    pub fn goes_by(&self, clock: &Clock) {
        *self.state.clock.lock().unwrap() = Some(clock.clone());
    }

    pub fn be(&self, whims: Whims) {
        self.state.inner.lock().unwrap().whims = whims;
    }

    /// Looks for challenges there from now on; until then it waits.
    pub fn look_at(&self, plain: SocketAddr, tls: SocketAddr) {
        self.state.inner.lock().unwrap().looks_at = Some((plain, tls));
        self.state.changed.notify_all();
    }

    /// Waits until so many orders have been placed.
    pub fn until_ordered(&self, count: usize) {
        self.until(|inner| inner.orders.len() >= count);
    }

    /// Waits until so many certificates have been fetched.
    pub fn until_fetched(&self, count: usize) {
        self.until(|inner| inner.fetched >= count);
    }

    fn until(&self, is_so: impl Fn(&Inner) -> bool) {
        let inner = self.state.inner.lock().unwrap();
        let (inner, waited) = self.state.changed.wait_timeout_while(inner, PATIENCE, |inner| !is_so(inner)).unwrap();
        drop(inner);
        assert!(!waited.timed_out(), "the authority was not asked: {}", super::events().text());
    }

    /// Knows nobody any more.
    pub fn forget_accounts(&self) {
        self.state.inner.lock().unwrap().accounts.iter_mut().for_each(|account| *account = None);
    }

    /// The names of all orders, as they were placed.
    pub fn orders(&self) -> Vec<String> {
        self.state.inner.lock().unwrap().orders.iter().map(|order| order.name.clone()).collect()
    }

    /// How many accounts there are, and whom they say may be written to.
    pub fn accounts(&self) -> Vec<Value> {
        self.state.inner.lock().unwrap().contacts.clone()
    }
}

/// What is wrong with a message: the type of a problem (RFC 8555, 6.7), and words.
type Problem = (&'static str, String);

impl State {
    fn answer(&self, head: &Parts, body: &[u8]) -> Response<super::Sent> {
        let path = head.uri.path().to_owned();
        let answered = match (&head.method, path.as_str()) {
            (&Method::GET, "/directory") => Ok(self.directory()),
            (&Method::HEAD, "/nonce") => Ok(Response::new(String::new())),
            _ => self.message(&path, body),
        };
        let mut response = answered.unwrap_or_else(|(kind, detail)| {
            let problem = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail });
            let mut response = Response::new(problem.to_string());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        });
        let nonce = BASE64_URL_SAFE_NO_PAD.encode(menshen::random::bytes::<12>().unwrap());
        response.headers_mut().insert("Replay-Nonce", nonce.parse().unwrap());
        self.inner.lock().unwrap().nonces.push(nonce);
        response.map(|body| Full::from(Bytes::from(body)).boxed())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.lock().unwrap())
    }

    fn directory(&self) -> Response<String> {
        let url = |path| self.url(path);
        let all = json!({ "newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/order"),
            "revokeCert": url("/revoke"), "keyChange": url("/change") });
        Response::new(all.to_string())
    }

    /// What stands in a signed message, and who signed it.
    fn message(&self, path: &str, body: &[u8]) -> Result<Response<String>, Problem> {
        let signed = Signed::read(body).map_err(|why| ("malformed", why.to_owned()))?;
        if signed.url != self.url(path) {
            return Err(("unauthorized", format!("signed for {}", signed.url)));
        }
        let mut inner = self.inner.lock().unwrap();
        let known = inner.nonces.iter().position(|nonce| *nonce == signed.nonce);
        let is_good = known.map(|at| inner.nonces.remove(at)).is_some() && inner.whims.bad_nonces == 0;
        if !is_good {
            inner.whims.bad_nonces = inner.whims.bad_nonces.saturating_sub(1);
            return Err(("badNonce", "not one of ours".to_owned()));
        }
        let (account, key) = match signed.account(&self.url("/account/")) {
            Some(number) => (Some(number), inner.accounts.get(number).cloned().flatten()),
            None => (None, signed.key.clone().filter(|_| path == "/account")),
        };
        let key = key.ok_or(("accountDoesNotExist", "nobody we know".to_owned()))?;
        signed.verify(&key).map_err(|why| ("malformed", why.to_owned()))?;
        drop(inner);
        let number = |prefix: &str| path.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
        if path == "/account" {
            return self.new_account(key, &signed.payload);
        }
        let account = account.ok_or(("unauthorized", "no account".to_owned()))?;
        if let Some(number) = number("/account/") {
            return self.change_account(number, account, &signed.payload);
        }
        if path == "/order" {
            return self.new_order(account, &signed.payload);
        }
        let places = ["/order/", "/authorization/", "/challenge/", "/finalize/", "/certificate/"];
        let place = places.into_iter().find_map(|place| Some((place, number(place)?)));
        let (place, order) = place.ok_or(("malformed", format!("nothing is at {path}")))?;
        if self.inner.lock().unwrap().orders[order].account != account {
            return Err(("unauthorized", "another's order".to_owned()));
        }
        match place {
            "/authorization/" => Ok(Response::new(self.authorization(order).to_string())),
            "/challenge/" => Ok(self.look(order, &key)),
            "/finalize/" => self.finalize(order, &signed.payload),
            "/certificate/" => Ok(self.certificate(order)),
            _ => Ok(self.order(order)),
        }
    }

    fn new_account(&self, key: jws::Key, payload: &Value) -> Result<Response<String>, Problem> {
        if payload["termsOfServiceAgreed"] != true {
            return Err(("userActionRequired", "the terms are not accepted".to_owned()));
        }
        let mut inner = self.inner.lock().unwrap();
        inner.accounts.push(Some(key));
        inner.contacts.push(payload["contact"].clone());
        Ok(self.made(&format!("/account/{}", inner.accounts.len() - 1), &json!({ "status": "valid" })))
    }

    fn change_account(&self, number: usize, account: usize, payload: &Value) -> Result<Response<String>, Problem> {
        if number != account {
            return Err(("unauthorized", "another's account".to_owned()));
        }
        self.inner.lock().unwrap().contacts[number] = payload["contact"].clone();
        Ok(Response::new(json!({ "status": "valid" }).to_string()))
    }

    fn new_order(&self, account: usize, payload: &Value) -> Result<Response<String>, Problem> {
        let identifier = &payload["identifiers"][0];
        let name = identifier["value"].as_str().unwrap().to_owned();
        let mut inner = self.inner.lock().unwrap();
        let refuses = inner.whims.refuses;
        let (status, problem, certificate) = ("pending", None, None);
        inner.orders.push(Order { name, account, status, problem, certificate, polls: 0 });
        let number = inner.orders.len() - 1;
        drop(inner);
        self.changed.notify_all();
        match refuses {
            Some((kind, detail)) => Err((kind, detail.to_owned())),
            None => Ok(self.made(&format!("/order/{number}"), &self.order_object(number))),
        }
    }

    fn made(&self, path: &str, object: &Value) -> Response<String> {
        let mut response = Response::new(object.to_string());
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert("Location", self.url(path).parse().unwrap());
        response
    }

    fn order_object(&self, number: usize) -> Value {
        let inner = self.inner.lock().unwrap();
        let order = &inner.orders[number];
        let mut object = json!({ "status": order.status,
            "identifiers": [{ "type": "dns", "value": order.name }],
            "authorizations": [self.url(&format!("/authorization/{number}"))],
            "finalize": self.url(&format!("/finalize/{number}")) });
        if order.status == "valid" {
            object["certificate"] = json!(self.url(&format!("/certificate/{number}")));
        }
        object
    }

    /// Whoever asks for the second time finds it issued.
    fn order(&self, number: usize) -> Response<String> {
        let mut inner = self.inner.lock().unwrap();
        let order = &mut inner.orders[number];
        order.polls += 1;
        if order.status == "processing" && order.polls > 1 {
            order.status = "valid";
        }
        drop(inner);
        Response::new(self.order_object(number).to_string())
    }

    fn authorization(&self, number: usize) -> Value {
        let inner = self.inner.lock().unwrap();
        let order = &inner.orders[number];
        let status = if matches!(order.status, "pending" | "invalid") { order.status } else { "valid" };
        let challenge = |kind: &str| {
            let mut challenge = json!({ "type": kind, "status": status, "token": format!("token-{number}"),
                "url": self.url(&format!("/challenge/{number}")) });
            if let Some(problem) = &order.problem {
                challenge["error"] = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": problem });
            }
            challenge
        };
        let offered = inner.whims.offers.map_or(vec!["http-01", "dns-01", "tls-alpn-01"], |kind| vec![kind]);
        json!({ "status": status, "identifier": { "type": "dns", "value": order.name },
            "challenges": offered.into_iter().map(challenge).collect::<Vec<_>>() })
    }

    /// Looks both ways; one is enough.
    fn look(&self, number: usize, key: &jws::Key) -> Response<String> {
        let inner = self.inner.lock().unwrap();
        let waiting = self.changed.wait_timeout_while(inner, PATIENCE, |inner| inner.looks_at.is_none());
        let (inner, _) = waiting.unwrap();
        let (plain, tls) = inner.looks_at.expect("nobody says where the proxy is");
        let name = inner.orders[number].name.clone();
        drop(inner);
        let token = format!("token-{number}");
        let answer = format!("{token}.{}", key.thumbprint());
        let by_http = look::by_http(plain, &name, &token, &answer);
        let by_tls = look::by_tls(tls, &name, &answer);
        let mut inner = self.inner.lock().unwrap();
        let order = &mut inner.orders[number];
        match (by_http, by_tls) {
            (Err(http), Err(tls)) => (order.status, order.problem) = ("invalid", Some(format!("{http}; {tls}"))),
            (Ok(()), _) | (_, Ok(())) => order.status = "ready",
        }
        drop(inner);
        Response::new(self.authorization(number)["challenges"][0].to_string())
    }

    fn finalize(&self, number: usize, payload: &Value) -> Result<Response<String>, Problem> {
        let csr = BASE64_URL_SAFE_NO_PAD.decode(payload["csr"].as_str().unwrap()).unwrap();
        let (_, csr) = X509CertificationRequest::from_der(&csr).unwrap();
        let info = &csr.certification_request_info;
        let point = info.subject_pki.subject_public_key.data.to_vec();
        let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point);
        verified.verify(info.raw, &csr.signature_value.data).map_err(|_| ("badCSR", "not signed".to_owned()))?;
        let mut inner = self.inner.lock().unwrap();
        let now = self.clock.lock().unwrap().as_ref().expect("nobody says by whose clock").now();
        let (lasts, misnames) = (inner.lasts, inner.whims.misnames);
        let order = &mut inner.orders[number];
        let names = names(&csr);
        if names != [order.name.clone()] || order.status != "ready" {
            return Err(("badCSR", format!("{names:?} of an order that is {}", order.status)));
        }
        let name = misnames.unwrap_or(&order.name);
        order.certificate = Some(self.authority.certify(name, &Point(point), now, now.plus(lasts)));
        (order.status, order.polls) = ("processing", 0);
        drop(inner);
        Ok(Response::new(self.order_object(number).to_string()))
    }

    fn certificate(&self, number: usize) -> Response<String> {
        let mut inner = self.inner.lock().unwrap();
        inner.fetched += 1;
        let certificate = inner.orders[number].certificate.clone().unwrap();
        drop(inner);
        self.changed.notify_all();
        Response::new(certificate)
    }
}

fn names(csr: &X509CertificationRequest<'_>) -> Vec<String> {
    let extensions = csr.requested_extensions().into_iter().flatten();
    let names = extensions.filter_map(|extension| {
        if let ParsedExtension::SubjectAlternativeName(names) = extension { Some(&names.general_names) } else { None }
    });
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name { (*name).to_owned() } else { name.to_string() }
    };
    names.flatten().map(name).collect()
}

/// A public key of P-256.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
