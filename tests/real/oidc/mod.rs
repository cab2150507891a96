//! Logging in by OpenID Connect with a provider that is not ours: the npm package oidc-provider.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use url::Url;

use crate::backends::{Answer, Browser, Connection, Program, Proxy, SCRIPT, Setup, Upstream, free_address, npm};

/// A running provider.
struct OpenIdProvider {
    address: SocketAddr,
    _program: Program,
}

impl OpenIdProvider {
    /// At an address, for a way to log in of this name, with a fresh key.
    fn start(address: SocketAddr, name: &str, key: &str) -> Self {
        let parts = npm::installed("oidc", &here());
        let redirect_uri = format!("http://www.meiduo.site/.menshen/callback/{name}");
        let mut node = Command::new("node");
        node.arg(here().join("provider.mjs")).arg(parts).args([&address.to_string(), &redirect_uri, key]);
        let program = Program::start(&mut node);
        program.wait_for_words(&format!("{key} is listening"));
        OpenIdProvider { address, _program: program }
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/oidc")
}

/// Two ways to log in, and QQ.
fn before(upstream: &Upstream, providers: &[(&str, SocketAddr)]) -> Proxy {
    let section = |(name, address): &(&str, SocketAddr)| {
        format!(
            "[providers.{name}]\ntitle = \"Company {name}\"\nissuer = \"http://{address}\"\nclient_id = \"menshen\"\n\
             client_secret = \"a-secret-of-the-shops\"\n"
        )
    };
    let sections: String = providers.iter().map(section).collect();
    let guarded = "[[routes]]\npath = \"/user/*\"\naccess = \"required\"\n";
    Setup::new().section(guarded).section(&sections).before(upstream.address())
}

/// A visitor at a provider: its pages, its cookies.
#[derive(Default)]
struct Visitor(RefCell<BTreeMap<String, String>>);

impl Visitor {
    fn ask(&self, method: &str, address: &Url, form: &str) -> Answer {
        let cookies: Vec<String> = self.0.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target = &address[url::Position::BeforePath..];
        let authority = format!("{}:{}", address.host_str().unwrap(), address.port().unwrap());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nCookie: {}\r\nAccept: text/html\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            cookies.join("; "),
            form.len()
        );
        let answer = Connection::to(authority.parse().unwrap()).send(request).answer();
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.0.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Follows the provider's redirects as far as its next page, or away from it.
    fn follow(&self, mut address: Url) -> Url {
        for _ in 0..5 {
            let answer = self.ask("GET", &address, "");
            let Some(location) = answer.header("location") else { return address };
            let next = address.join(location).unwrap();
            if next.authority() != address.authority() {
                return next;
            }
            address = next;
        }
        panic!("redirected without end: {address}");
    }

    /// Says who they are and that they agree; where that leads.
    fn agree(&self, asked: &Url, name: &str) -> Url {
        let mut at = self.follow(asked.clone());
        for form in [format!("prompt=login&login={name}&password=x"), "prompt=consent".to_owned()] {
            if at.authority() != asked.authority() {
                break;
            }
            let answer = self.ask("POST", &at, &form);
            let location = answer.header("location").unwrap_or_else(|| panic!("{}", answer.text()));
            at = self.follow(at.join(location).unwrap());
        }
        assert_ne!(at.authority(), asked.authority(), "{at}");
        at
    }
}

/// Begins a login; where the provider sends the browser of whoever agrees.
fn begin(browser: &Browser<'_>, provider: &str, name: &str) -> Url {
    let sent = browser.visit(&format!("/.menshen/login/{provider}/?next=/user/x"));
    assert_eq!(sent.status, 302, "{}", sent.text());
    Visitor::default().agree(&Url::parse(sent.header("location").unwrap()).unwrap(), name)
}

fn target(back: &Url) -> String {
    back[url::Position::BeforePath..].to_owned()
}

#[test]
fn an_openid_provider_logs_its_users_in_across_a_change_of_its_keys() {
    let upstream = Upstream::hello();
    let address = free_address();
    let provider = OpenIdProvider::start(address, "corp", "first-key");
    let proxy = before(&upstream, &[("corp", provider.address)]);
    let page = proxy.browser().visit("/.menshen/login").text();
    assert!(page.contains("Company corp") && page.contains("QQ"), "{page}");

    let alice = proxy.browser();
    let back = begin(&alice, "corp", "alice");
    assert!(back.as_str().starts_with("http://www.meiduo.site/.menshen/callback/corp?"), "{back}");
    let logged_in = alice.visit(&target(&back));
    assert_eq!((logged_in.status, logged_in.header("location")), (303, Some("/user/x")), "{}", logged_in.text());
    let id = alice.user_id().unwrap();
    let info = alice.get("/.menshen/userinfo", &[SCRIPT]).json();
    assert_eq!(info["display_name"], "alice of the company");
    assert_eq!(alice.visit("/user/x").status, 200);
    assert_eq!(upstream.next().header("x-menshen-user"), Some(id.as_str()));

    // Another instance with another key, as when keys are changed.
    drop(provider);
    let _provider = OpenIdProvider::start(address, "corp", "second-key");
    let again = proxy.browser();
    let logged_in = again.visit(&target(&begin(&again, "corp", "alice")));
    assert_eq!(logged_in.status, 303, "{}", logged_in.text());
    assert_eq!(again.user_id(), Some(id.clone()));
    let bob = proxy.browser();
    assert_eq!(bob.visit(&target(&begin(&bob, "corp", "bob"))).status, 303);
    assert!(bob.user_id().is_some_and(|other| other != id));
}

#[test]
fn a_code_of_one_provider_ends_no_login_with_another_nor_under_another_issuers_name() {
    let upstream = Upstream::hello();
    let one = OpenIdProvider::start(free_address(), "one", "key-of-one");
    let other = OpenIdProvider::start(free_address(), "other", "key-of-other");
    let proxy = before(&upstream, &[("one", one.address), ("other", other.address)]);
    let browser = proxy.browser();
    let refused = |target: &str| {
        let answer = browser.copy().visit(target);
        assert_eq!(answer.status, 403, "{target}: {}", answer.text());
        assert!(answer.cookie("menshen_session=").is_none());
    };
    let back = begin(&browser, "one", "alice");
    let (issuer, others) = (format!("http://{}", one.address), format!("http://{}", other.address));
    let named = |issuer: &str| url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect::<String>();
    let returned = target(&back);
    assert!(returned.contains(&named(&issuer)), "{returned}");
    refused(&returned.replace("/callback/one", "/callback/other"));
    refused(&returned.replace(&named(&issuer), &named(&others)));
    let nameless: Vec<&str> = returned.split('&').filter(|pair| !pair.starts_with("iss=")).collect();
    refused(&nameless.join("&"));
    // The other's code, under the state of this one's login.
    let elsewhere = begin(&browser, "other", "mallory");
    let value =
        |address: &Url, name: &str| address.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
    let mixed = format!(
        "/.menshen/callback/one?code={}&state={}&iss={}",
        value(&elsewhere, "code"),
        value(&begin(&browser, "one", "alice"), "state"),
        named(&issuer)
    );
    let answer = browser.copy().get(&mixed, &[SCRIPT]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (500, Some("5005")), "{}", answer.text());
    assert_eq!(browser.visit(&target(&elsewhere)).status, 303);
}

#[test]
fn while_a_provider_is_down_the_others_log_in() {
    let upstream = Upstream::hello();
    let proxy = before(&upstream, &[("corp", free_address())]);
    let browser = proxy.browser();
    let answer = browser.visit("/.menshen/login/corp/?next=/");
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    browser.log_in("10001");
    assert!(browser.user_id().is_some());
}
