//! Radicale, a calendar server, unmodified: it takes `X-Remote-User` for who is logged in, whoever sent it. So all
//! depends on nobody but the proxy sending it.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::backends::{Answer, Browser, Connection, Environment, Program, Proxy, SITE, Setup, free_address};

/// Asks who is logged in (RFC 5397).
const WHO: &str = r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>"#;

/// Every way to write the header that a server behind us might read as `X-Remote-User` or take for it.
const SPELLINGS: [&str; 12] = [
    "X-Remote-User",
    "x-remote-user",
    "X-REMOTE-USER",
    "X_Remote_User",
    "X-Remote_User",
    "x_remote-user",
    "X.Remote.User",
    "X~Remote~User",
    "HTTP_X_REMOTE_USER",
    "HTTP-X-Remote-User",
    "Remote-User",
    "REMOTE_USER",
];

#[test]
fn the_logged_in_user_has_a_calendar_and_nobody_else_does() {
    let radicale = Radicale::start();
    let proxy = radicale.behind_a_proxy();
    let (owner, other) = (proxy.browser(), proxy.browser());
    owner.log_in("10001");
    other.log_in("10002");
    let (name, others_name) = (handle(&owner), handle(&other));
    assert_ne!(name, others_name);
    assert_eq!(principal(&propfind(&owner, &[])), Some(name.clone()));
    assert_eq!(principal(&propfind(&other, &[])), Some(others_name));

    let calendar = format!("/{name}/work/");
    assert_eq!(owner.request("MKCALENDAR", &calendar, &[], "").status, 201);
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
                 DTSTART:20260101T080000Z\r\nSUMMARY:early\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let put = owner.request("PUT", &format!("{calendar}1.ics"), &[], event);
    assert_eq!(put.status, 201, "{}", put.text());
    assert!(owner.get(&format!("{calendar}1.ics"), &[]).text().contains("SUMMARY:early"));

    let stranger = proxy.browser();
    for browser in [&other, &stranger] {
        let answer = browser.get(&format!("{calendar}1.ics"), &[]);
        assert!(matches!(answer.status, 401 | 403 | 404), "{}", answer.status);
        assert!(!answer.text().contains("early"));
        assert!(matches!(browser.request("DELETE", &calendar, &[], "").status, 401 | 403 | 404));
    }
    assert_eq!(owner.get(&format!("{calendar}1.ics"), &[]).status, 200);
}

#[test]
fn no_spelling_of_the_header_makes_a_client_anybody() {
    let radicale = Radicale::start();
    let proxy = radicale.behind_a_proxy();
    let owner = proxy.browser();
    owner.log_in("10001");
    let name = handle(&owner);
    assert_eq!(owner.request("MKCALENDAR", &format!("/{name}/work/"), &[], "").status, 201);

    // Without the proxy, the header alone makes anybody the owner: what the proxy keeps from it is real.
    let mut direct = Connection::to(radicale.address);
    let who = format!("Host: {SITE}\r\nX-Remote-User: {name}\r\nContent-Length: {}\r\n\r\n{WHO}", WHO.len());
    assert_eq!(principal(&direct.send(format!("PROPFIND / HTTP/1.1\r\n{who}")).answer()), Some(name.clone()));

    let (stranger, other) = (proxy.browser(), proxy.browser());
    other.log_in("10002");
    let others_name = handle(&other);
    for spelling in SPELLINGS {
        let claim = format!("{spelling}: {name}");
        assert_eq!(principal(&propfind(&stranger, &[&claim])), None, "{spelling}");
        assert_eq!(principal(&propfind(&stranger, &[&claim, &claim])), None, "{spelling} twice");
        assert_eq!(principal(&propfind(&other, &[&claim])), Some(others_name.clone()), "{spelling}");
        // Named as a hop-by-hop field, it might be put back by a careless proxy, or ours taken out.
        let hop = format!("Connection: close, {spelling}");
        assert_eq!(principal(&propfind(&stranger, &[&hop, &claim])), None, "{spelling} as hop-by-hop");
        assert_eq!(
            principal(&propfind(&other, &[&hop, &claim])),
            Some(others_name.clone()),
            "{spelling} as hop-by-hop"
        );
        assert!(matches!(stranger.get(&format!("/{name}/work/"), &[&claim]).status, 401 | 403 | 404), "{spelling}");
    }
}

/// The name the user has in backends that know users by name.
fn handle(browser: &Browser<'_>) -> String {
    browser.get("/.menshen/userinfo", &[]).json()["username"].as_str().unwrap().to_owned()
}

fn propfind(browser: &Browser<'_>, fields: &[&str]) -> Answer {
    browser.request("PROPFIND", "/", &[&["Depth: 0"], fields].concat(), WHO)
}

/// Whose principal the answer names, if anybody's.
fn principal(answer: &Answer) -> Option<String> {
    assert!(matches!(answer.status, 207 | 401 | 403), "{} {}", answer.status, answer.text());
    let text = answer.text();
    let found = text.split_once("<current-user-principal><href>/")?.1.split_once("/</href>")?.0;
    Some(found.to_owned())
}

/// A running Radicale.
struct Radicale {
    address: SocketAddr,
    _program: Program,
    _folder: TempDir,
}

impl Radicale {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut radicale = Environment::new("radicale").python();
        radicale.args(["-m", "radicale", "--config", "", "--auth-type", "http_x_remote_user"]);
        radicale.args(["--server-hosts", &address.to_string(), "--storage-filesystem-folder"]).arg(folder.path());
        let program = Program::start(&mut radicale);
        program.wait_for_words("Listening on");
        Radicale { address, _program: program, _folder: folder }
    }

    fn behind_a_proxy(&self) -> Proxy {
        let headers = "[identity.default.headers]\nX-Remote-User = \"{user.handle}\"\n";
        Setup::new().section(headers).before(self.address)
    }
}
