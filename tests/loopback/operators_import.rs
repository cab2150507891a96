//! Bindings that operators bring from elsewhere, and take away.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use menshen::admin::Reply;
use menshen::demo::qq::Simulator;
use menshen::store::Imported;
use serde_json::{Value, json};

use crate::support::{Answer, Browser, CLIENT_ID, Connection, Proxy, SCRIPT, Setup, Upstream, eventually};

/// Opens the administration's address.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Tells the application its own id of whoever is logged in.
const IDENTITY: &str = "[identity.default.headers]\nX-Shop-User = \"{user.upstream_id}\"\n";

fn openid(user: &str) -> String {
    Simulator::openid(user, CLIENT_ID)
}

fn import(proxy: &Proxy, table: &str, more: &[&str]) -> crate::support::Outcome {
    let words = [&["bindings", "import", "-", "--format", "csv"], more].concat();
    proxy.command_with(&words, table)
}

/// Whom the application is told, if anybody.
fn told(upstream: &Upstream, browser: &Browser<'_>) -> Option<String> {
    assert_eq!(browser.get("/", &[SCRIPT]).status, 200);
    upstream.next().header("x-shop-user").map(str::to_owned)
}

#[test]
fn who_stands_in_the_shops_own_table_logs_in_as_the_shops_user() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section(IDENTITY).before(&upstream);
    let table = format!("openid,upstream_id,username\n{},42,ming\n{},43,hong\n", openid("10001"), openid("10002"));
    let said = import(&proxy, &table, &[]).good();
    assert!(said.contains("2 rows: 2 made a user"), "{said}");
    let browser = proxy.browser();
    browser.log_in("10001");
    assert_eq!(told(&upstream, &browser).as_deref(), Some("42"));
    let stranger = proxy.browser();
    stranger.log_in("10003");
    assert_eq!(told(&upstream, &stranger), None);
    let again = import(&proxy, &table, &[]).good();
    assert!(again.contains("2 rows: 0 made a user") && again.contains("2 were so already"), "{again}");
    assert_eq!(told(&upstream, &browser).as_deref(), Some("42"), "what changed nothing logged nobody out");
}

#[test]
fn what_is_bound_already_is_told_and_left_unless_it_is_to_be_replaced_and_then_its_user_is_logged_out() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section(IDENTITY).before(&upstream);
    let browser = proxy.browser();
    browser.log_in("10001");
    let id = browser.user_id().unwrap();
    let table = format!("openid,upstream_id\n{},43\n{},42\n", openid("10002"), openid("10001"));
    let told_so = import(&proxy, &table, &[]).bad();
    assert!(told_so.contains("line 3 was left") && told_so.contains(&id) && told_so.contains("--replace"), "{told_so}");
    assert_eq!(told(&upstream, &browser), None);
    let replaced = import(&proxy, &table, &["--replace"]).good();
    assert!(replaced.contains("1 were so already, 1 took another's place"), "{replaced}");
    assert_eq!(browser.user_id(), None, "logged out");
    // Regression: logins went on being over for ten seconds.
    proxy.advance(std::time::Duration::from_millis(1));
    browser.log_in("10001");
    assert_eq!((browser.user_id().unwrap(), told(&upstream, &browser).as_deref()), (id, Some("42")));
}

#[test]
fn several_openids_of_one_of_the_shops_users_are_one_user_and_other_repetitions_are_told() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section(IDENTITY).before(&upstream);
    let (one, two, three) = (openid("10001"), openid("10002"), openid("10003"));
    let table = format!("openid,upstream_id\n{one},42\n{two},42\n{three},43\n{one},44\nnonsense,45\n");
    for (round, made) in [("first", "2 made a user, 1 bound one more"), ("again", "0 made a user")] {
        let said = import(&proxy, &table, &[]).bad();
        assert!(said.contains(made), "{round}: {said}");
        assert!(said.contains("line 5 has the openid of line 2"), "{round}: {said}");
        assert!(said.contains("line 6 has an openid that is not 32"), "{round}: {said}");
    }
    let (first, second) = (proxy.browser(), proxy.browser());
    first.log_in("10001");
    second.log_in("10002");
    assert_eq!(first.user_id(), second.user_id());
    proxy.command(&["users", "block", &one]).good();
    assert_eq!((first.user_id(), second.user_id()), (None, None));
}

#[test]
fn an_export_fills_another_store_with_the_same_users() {
    let upstream = Upstream::hello();
    let from = Setup::new().section(IDENTITY).before(&upstream);
    for user in ["10001", "10002"] {
        from.browser().log_in(user);
    }
    let table = format!("openid,upstream_id,username\n{},42,ming\n", openid("10003"));
    import(&from, &table, &[]).good();
    from.command(&["users", "block", &openid("10002")]).good();
    let exported = from.command(&["bindings", "export"]).good();
    assert_eq!(exported.lines().count(), 3);

    let mut to = Setup::new().section(IDENTITY).before(&upstream);
    let file = to.config_path().with_file_name("backup.jsonl");
    fs::write(&file, &exported).unwrap();
    for stopped in [false, true] {
        if stopped {
            to.stop();
        }
        let said = to.command(&["bindings", "import", file.to_str().unwrap()]).good();
        let expected = if stopped { "3 were so already" } else { "3 made a user" };
        assert!(said.contains(expected), "{said}");
    }
    let without_times = |text: &str| -> Vec<serde_json::Value> {
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .map(|mut line: serde_json::Value| {
                line["user"].as_object_mut().unwrap().remove("updated_at");
                line
            })
            .collect()
    };
    let arrived = to.command(&["bindings", "export"]).good();
    assert_eq!(without_times(&arrived), without_times(&exported));
    to.restart();
    let browser = to.browser();
    browser.log_in("10003");
    assert_eq!(told(&upstream, &browser).as_deref(), Some("42"));
}

#[test]
fn a_table_that_cannot_be_read_is_refused_with_the_reason() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (table, words) in [("", "line 1"), ("openid;upstream_id\n", "names a column"), ("\u{1}", "names a column")] {
        let said = import(&proxy, table, &[]).bad();
        assert!(said.contains(words), "{table:?}: {said}");
    }
    assert!(proxy.command(&["bindings", "import", "/nowhere/table.csv"]).bad().contains("cannot be read"));
    assert!(proxy.command(&["bindings", "import", "table.xlsx"]).bad().contains("--format"));
}

/// What the administration's address says of rows.
fn brought(proxy: &Proxy, rows: &Value) -> Answer {
    let body = json!({ "import": { "rows": rows, "replace": false } }).to_string();
    let mut connection = Connection::to(proxy.admin_address());
    connection.send(format!(
        "POST /v1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    connection.answer()
}

/// Regression: rows were looked at by the command alone.
#[test]
fn rows_that_no_command_has_looked_at_are_looked_at_all_the_same_and_none_is_taken_beside_a_bad_one() {
    let upstream = Upstream::hello();
    let admin = format!("[admin]\nlisten = [\"127.0.0.1:0\"]\ntoken = \"{TOKEN}\"\n");
    let proxy = Setup::new().section(&admin).before(&upstream);
    let row = |openid: &str, more: Value| {
        let mut row = json!({ "identity": { "provider": "qq", "client_id": CLIENT_ID, "subject": openid } });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let (one, two) = (openid("10001"), openid("10002"));
    let zero = "00000000-0000-0000-0000-000000000000";
    for (bad, words) in [
        (row("not an openid", json!({})), "32 hexadecimal digits"),
        (row(&two, json!({ "upstream_id": "0" })), "nobody's"),
        (row(&two, json!({ "username": "a\r\nSet-Cookie: x=1" })), "control characters"),
        (row(&two, json!({ "user": zero })), "all zero"),
        (json!({ "identity": { "provider": "<b>", "client_id": "", "subject": two } }), "provider"),
    ] {
        let answer = brought(&proxy, &json!([row(&one, json!({ "upstream_id": "1" })), bad]));
        assert!(answer.status == 400 && answer.text().contains("row 2"), "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    assert_eq!(proxy.command(&["users", "list"]).good().lines().count(), 1, "its heading alone");
    // One openid is one user, however it is spelt.
    let rows = [row(&one, json!({ "upstream_id": "42" })), row(&one.to_lowercase(), json!({ "upstream_id": "43" }))];
    let answer = brought(&proxy, &json!(rows));
    let Reply::Imported(outcomes) = serde_json::from_slice(&answer.body).unwrap() else { panic!("{}", answer.text()) };
    assert!(matches!(outcomes[..], [Imported::Created(_), Imported::Conflict(_)]), "{outcomes:?}");
}

#[test]
fn rows_by_which_nobody_can_log_in_here_are_taken_in_and_told() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let line = |app: &str, user: &str, id: u8| {
        let user_json = json!({ "id": format!("0190a5b2-3c4d-7e8f-9a0b-1122334455{id:02}") });
        json!({ "provider": "qq", "client_id": app, "openid": openid(user), "user": user_json }).to_string()
    };
    let table = [line(CLIENT_ID, "10001", 1), line("7", "10002", 2), line("7", "10003", 3)].join("\n");
    let said = proxy.command_with(&["bindings", "import", "-", "--format", "jsonl"], &table).good();
    assert!(said.contains("3 made a user") && said.contains("2 of them are of another app"), "{said}");
    assert!(said.contains("line 2, of qq 7") && said.contains(CLIENT_ID), "{said}");
}

/// Regression: Ctrl-C ended it without a word of what was done.
#[test]
fn an_import_that_is_interrupted_tells_what_it_has_taken_in() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
    command.args(["bindings", "import", "-", "--format", "csv", "--config"]).arg(proxy.config_path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let rows: String = (0..600).map(|number| format!("{number:032X},{}\n", number + 1)).collect();
    // Which stays open: there could be more.
    let mut table = child.stdin.take().unwrap();
    table.write_all(format!("openid,upstream_id\n{rows}").as_bytes()).unwrap();
    eventually(|| proxy.command(&["users", "list"]).good().lines().count() > 500);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("500 rows: 500 made a user") && err.contains("interrupted"), "{out}{err}");
    drop(table);
}
