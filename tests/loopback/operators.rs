//! What operators do to users, bindings and sessions, by the commands they give.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Simulator, Switch, WireFault};
use serde_json::Value;

use crate::support::{Browser, CLIENT_ID, PAGE, Proxy, SCRIPT, Setup, Upstream, eventually};

/// Whether the browser passes where only somebody who is logged in does.
fn is_logged_in(browser: &Browser<'_>) -> bool {
    match browser.get("/user/", &[SCRIPT]).status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

fn setup() -> Setup {
    Setup::new().route("/user/*", "required")
}

fn openid(user: &str) -> String {
    Simulator::openid(user, CLIENT_ID)
}

/// What the audit trail holds, once it has so many entries: those of visitors are written beside their requests.
fn audit(proxy: &Proxy, count: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    for _ in 0..200 {
        let text = proxy.command(&["audit", "--json"]).good();
        entries = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if entries.len() >= count {
            break;
        }
    }
    assert_eq!(entries.len(), count, "{entries:#?}");
    entries
}

#[test]
fn whoever_logged_in_is_listed_shown_by_id_or_openid_and_exported() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    assert_eq!(proxy.command(&["users", "list"]).good().lines().count(), 1, "its heading alone");
    let (one, other) = (proxy.browser(), proxy.browser());
    one.log_in("10001");
    other.log_in("10002");
    let (id, other_id) = (one.user_id().unwrap(), other.user_id().unwrap());
    let list = proxy.command(&["users", "list"]).good();
    assert!(list.lines().count() == 3 && list.contains(&id) && list.contains(&other_id) && list.contains("小明"));
    for who in [id.as_str(), &openid("10001"), &openid("10001").to_lowercase()] {
        let shown = proxy.command(&["users", "show", who]).good();
        assert!(shown.contains(&id) && shown.contains(&openid("10001")) && shown.contains("active"), "{shown}");
    }
    let bindings = proxy.command(&["bindings", "list"]).good();
    assert!(bindings.contains(&openid("10001")) && bindings.contains(&openid("10002")), "{bindings}");
    audit(&proxy, 4);
    let exported: Value = serde_json::from_str(&proxy.command(&["users", "export", &id]).good()).unwrap();
    assert_eq!(exported["user"]["display_name"], "小明");
    assert_eq!(exported["bindings"][0]["openid"], openid("10001"));
    let acts: Vec<_> = exported["audit"].as_array().unwrap().iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts, ["bound", "logged-in", "exported"]);
    for nobody in ["0190a5b2-3c4d-7e8f-9a0b-112233445566", &openid("10003")] {
        assert!(proxy.command(&["users", "show", nobody]).bad().contains(nobody));
    }
    let neither = proxy.command(&["users", "show", "\u{1b}[2J"]).bad();
    assert!(neither.contains("neither a user's id nor an openid") && !neither.contains('\u{1b}'), "{neither}");
}

#[test]
fn a_blocked_user_is_out_at_once_with_every_session_and_token_and_in_again_when_that_is_undone() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (phone, desk, bystander) = (proxy.browser(), proxy.browser(), proxy.browser());
    phone.log_in("10001");
    desk.log_in("10001");
    bystander.log_in("10002");
    let token = format!("Authorization: Bearer {}", proxy.browser().token("10001"));
    let by_token = || proxy.browser().get("/user/", &[SCRIPT, &token]).status;
    assert!(is_logged_in(&phone) && is_logged_in(&desk) && by_token() == 200);
    proxy.command(&["users", "block", &openid("10001")]).good();
    assert!(!is_logged_in(&phone) && !is_logged_in(&desk));
    assert_eq!(by_token(), 401);
    assert!(is_logged_in(&bystander));
    let late = proxy.browser();
    let callback = late.begin_login("/", "10001");
    assert_eq!(late.get(&callback, &[PAGE]).status, 403);
    assert!(proxy.command(&["users", "show", &openid("10001")]).good().contains("blocked"));
    proxy.command(&["users", "unblock", &openid("10001")]).good();
    proxy.advance(Duration::from_secs(1));
    let again = proxy.browser();
    again.log_in("10001");
    assert!(is_logged_in(&again));
    assert!(!is_logged_in(&phone), "what was ended stays ended");
}

#[test]
fn sessions_are_ended_one_by_one_or_all_of_a_user_or_everybodys() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (phone, desk, other) = (proxy.browser(), proxy.browser(), proxy.browser());
    phone.log_in("10001");
    desk.log_in("10001");
    other.log_in("10002");
    let entries = audit(&proxy, 5);
    let sessions: Vec<_> = entries.iter().filter_map(|entry| entry["session"].as_str()).collect();
    assert_eq!(sessions.len(), 3);
    proxy.command(&["sessions", "revoke", sessions[0]]).good();
    assert!(!is_logged_in(&phone) && is_logged_in(&desk) && is_logged_in(&other));
    proxy.command(&["sessions", "revoke", "--user", &openid("10001")]).good();
    assert!(!is_logged_in(&desk) && is_logged_in(&other));
    assert!(proxy.command(&["sessions", "revoke", "--everybody"]).bad().contains("--yes"));
    assert!(is_logged_in(&other));
    proxy.command(&["sessions", "revoke", "--everybody", "--yes"]).good();
    assert!(!is_logged_in(&other));
    proxy.advance(Duration::from_secs(1));
    other.log_in("10002");
    assert!(is_logged_in(&other));
    assert!(proxy.command(&["sessions", "revoke", "nonsense"]).bad().contains("no session's id"));
}

/// Regression: "session … is over" was said of a user's id, and of an openid, whose user stayed logged in.
#[test]
fn what_is_somebodys_name_is_no_session_and_the_command_that_logs_them_out_is_named() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    for name in [id.clone(), id.replace('-', ""), openid("10001"), openid("10001").to_lowercase()] {
        let said = proxy.command(&["sessions", "revoke", &name]).bad();
        assert!(said.contains(&format!("menshen users logout {id}")) && !said.contains("is over"), "{said}");
    }
    assert!(is_logged_in(&browser));
    let said = proxy.command(&["sessions", "revoke", &openid("10002")]).good();
    assert!(said.starts_with("if "), "nobody knows whether it was one: {said}");
}

#[test]
fn who_hands_out_everybodys_bindings_is_in_the_trail_and_who_lists_them_is_not() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    proxy.command(&["bindings", "list"]).good();
    proxy.command(&["bindings", "export"]).good();
    let entries = audit(&proxy, 1);
    assert_eq!((&entries[0]["act"], &entries[0]["detail"]), (&"exported".into(), &"everybody's bindings".into()));
}

/// Regression: while QQ took its time, the login was noted down under the time at which it was asked for.
#[test]
fn a_first_login_is_in_the_trail_behind_its_binding_however_long_qq_took() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    let callback = browser.begin_login("/", "10001");
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
    let asked = proxy.qq.count(Endpoint::Token);
    let mut held = proxy.connect();
    held.get(&callback, &[PAGE, &format!("Cookie: {}", browser.cookie_header().unwrap())]);
    proxy.qq_asked(Endpoint::Token, asked + 1);
    proxy.advance(Duration::from_secs(2));
    proxy.qq.release();
    assert_eq!(held.answer().status, 303);
    let acts: Vec<_> = audit(&proxy, 2).iter().map(|entry| entry["act"].clone()).collect();
    assert_eq!(acts, ["bound", "logged-in"]);
}

#[test]
fn an_unbound_openid_logs_in_as_somebody_new_and_its_old_sessions_are_over() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let old = browser.user_id().unwrap();
    proxy.command(&["bindings", "unbind", &openid("10001")]).good();
    assert!(!is_logged_in(&browser));
    assert!(proxy.command(&["bindings", "unbind", &openid("10001")]).bad().contains("bound to nobody"));
    let again = proxy.browser();
    again.log_in("10001");
    assert!(is_logged_in(&again));
    assert_ne!(again.user_id().unwrap(), old);
}

#[test]
fn of_an_erased_user_nothing_is_left_but_that_there_was_one() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    assert!(proxy.command(&["users", "erase", &id]).bad().contains("--yes"));
    assert!(is_logged_in(&browser));
    audit(&proxy, 2);
    proxy.command(&["users", "erase", &id, "--yes"]).good();
    assert!(!is_logged_in(&browser));
    drop(browser);
    for (list, kept) in [(["users", "list"], 1), (["bindings", "list"], 1)] {
        assert_eq!(proxy.command(&list).good().lines().count(), kept);
    }
    let trail = proxy.command(&["audit", "--user", &id]).good();
    assert!(trail.contains("erased") && trail.contains("bound"), "{trail}");
    for secret in ["小明", openid("10001").as_str()] {
        assert!(!trail.contains(secret), "{trail}");
    }
    proxy.restart();
    assert!(proxy.command(&["users", "show", &id]).bad().contains("no user"));
}

#[test]
fn the_trail_tells_who_did_what_to_whom_oldest_first() {
    let upstream = Upstream::hello();
    let proxy = setup().log("access = true").before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    audit(&proxy, 2);
    browser.post("/.menshen/logout", &[]);
    audit(&proxy, 3);
    proxy.command(&["users", "block", &id]).good();
    let refused = proxy.browser();
    let callback = refused.begin_login("/", "10001");
    refused.visit(&callback);
    let entries = audit(&proxy, 5);
    let acts: Vec<_> = entries.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["bound", "logged-in", "logged-out", "blocked", "login-refused"]);
    assert!(entries.iter().all(|entry| entry["user"] == id.as_str()), "{entries:#?}");
    let by: Vec<_> = entries.iter().map(|entry| entry["by"].as_str().unwrap()).collect();
    assert!(by[3].starts_with("operator uid=") && by[0] == "visitor" && by[4] == "visitor", "{by:?}");
    let request = entries[1]["request_id"].as_str().unwrap();
    proxy.log.wait_for(1, &[request, "/oauth_callback"]);
    let last = proxy.command(&["audit", "--last", "2"]).good();
    assert!(last.lines().count() == 2 && last.lines().next().unwrap().contains("blocked"), "{last}");
    let reading = proxy.command(&["audit", "--since", "yesterday"]).bad();
    assert!(reading.contains("24h"), "{reading}");
}

#[test]
fn the_socket_and_its_folder_are_their_owners_alone() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let folder = proxy.store_path().join("admin");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("menshen.sock"))), (0o700, 0o600));
    proxy.stop();
    eventually(|| !folder.join("menshen.sock").exists());
    // What a killed process has left is no hindrance, and no way in.
    drop(std::os::unix::net::UnixListener::bind(folder.join("menshen.sock")).unwrap());
    proxy.restart();
    assert!(proxy.command(&["users", "list"]).code == 0);
    proxy.stop();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    proxy.restart();
    assert!(!folder.join("menshen.sock").exists(), "a folder that others may enter holds no socket");
    assert_eq!(proxy.browser().visit("/").status, 200, "and visitors are served all the same");
    let held = proxy.command(&["users", "list"]).bad();
    assert!(held.contains("in use by another process") && held.contains("its log says why"), "{held}");
    assert!(!held.contains("stop"), "nobody is to stop the proxy that visitors use: {held}");
}

#[test]
fn commands_work_on_a_stopped_proxys_store_and_make_none_where_there_is_none() {
    let upstream = Upstream::hello();
    let mut proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let cookies = browser.cookie_header().unwrap();
    let (path, id) = (proxy.store_path().to_owned(), browser.user_id().unwrap());
    drop(browser);
    proxy.stop();
    let listed = proxy.command(&["users", "list"]);
    let socket = path.join("admin/menshen.sock");
    for place in [socket.display().to_string(), format!("the stopped store {}", path.display())] {
        assert!(listed.err.contains(&place), "it is told where it was done: {}", listed.err);
    }
    assert!(listed.good().contains(&id));
    proxy.command(&["users", "block", &id]).good();
    assert!(proxy.command(&["reload"]).bad().contains("no proxy runs"));
    proxy.restart();
    let browser = proxy.browser();
    for cookie in cookies.split("; ") {
        browser.keep(cookie);
    }
    assert!(!is_logged_in(&browser), "blocked while nothing ran");
    drop(browser);
    proxy.stop();
    let moved = path.with_extension("moved");
    fs::rename(&path, &moved).unwrap();
    let nothing = proxy.command(&["users", "list"]).bad();
    for words in ["there is no store", "--socket", &socket.display().to_string(), &path.display().to_string()] {
        assert!(nothing.contains(words), "{nothing}");
    }
    assert!(!path.exists(), "a command makes no store");
    fs::rename(&moved, &path).unwrap();
}

/// In an emergency nobody mends a configuration first, nor has the environment of the service at hand.
#[test]
fn a_running_proxy_can_be_asked_whatever_stands_in_its_configuration_by_now() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    proxy.rewrite(|text| format!("{text}\n[nonsense]\nkey = 1\n"));
    let outcome = proxy.command(&["users", "block", &openid("10001")]);
    assert!(outcome.err.contains("has mistakes"), "{}", outcome.err);
    assert!(outcome.good().contains(&id));
    assert!(!is_logged_in(&browser));
    // Where not even that can be found out, it is said.
    proxy.rewrite(|_| "= no configuration".to_owned());
    let refused = proxy.command(&["users", "list"]).bad();
    assert!(refused.contains("--socket"), "{refused}");
    let socket = proxy.store_path().join("admin/menshen.sock");
    let asked = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_menshen"))
            .args(words)
            .arg("--socket")
            .arg(&socket)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = asked(&["users", "show", &openid("10001")]);
    assert!(code == Some(0) && said.contains(&id), "{said}");
    let (code, said) = asked(&["users", "list", "--config", "config.toml"]);
    assert!(code == Some(2) && said.contains("cannot be used with"), "{said}");
}

/// Regression: a closed output was a panic, after the deed.
#[test]
fn whoever_stops_listening_is_told_nothing_and_nothing_fails() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_menshen"));
    command.args(["sessions", "revoke", "--everybody", "--yes", "--config"]).arg(proxy.config_path()).stdout(writer);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    audit(&proxy, 1);
}
