//! Everything that the simulated QQ can be told to do wrong, and what a visitor meets who logs in meanwhile.

use std::time::Duration;

use menshen::demo::qq::{Effect, Endpoint, Format, Simulator, Switch, User};
use serde_json::{Value, json};
use url::Url;

use crate::callback::{ATTEMPT, fields_say_nothing_of};
use crate::support::{Answer, CLIENT_ID, Connection, Proxy, SCRIPT, Setup, Upstream};

/// Fewest switches.
const SWITCHES: usize = 60;

/// A line of the table.
struct Row {
    endpoint: &'static str,
    effect: Value,
    outcome: &'static str,
    asked: usize,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("../data/qq_switches.tsv").lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let [endpoint, effect, outcome, asked] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Row { endpoint, effect: serde_json::from_str(effect).unwrap(), outcome, asked: asked.parse().unwrap() }
    };
    lines.map(row).collect()
}

#[test]
fn each_switch_of_the_simulated_qq_has_its_one_outcome() {
    let upstream = Upstream::hello();
    let mut proxy =
        Setup::new().provider("connect_timeout = \"100ms\"\nexchange_timeout = \"200ms\"").before(&upstream);
    let mut rows = rows();
    let switches = switches(&proxy);
    assert!(switches.len() >= SWITCHES, "{}", switches.len());
    let mut came_in = Vec::new();
    for switch in switches {
        let told = json!(switch);
        let is_of = |row: &Row| told["endpoint"] == row.endpoint && told["effect"] == row.effect;
        let row = rows.iter().position(is_of).unwrap_or_else(|| panic!("{told} is not in the table"));
        let row = rows.remove(row);
        // Somebody new each time: of whom we know we need not be told a name.
        let user = format!("3{:04}", rows.len());
        proxy.qq.add_user(User::new(&user, "小明"));
        play(&proxy, switch, &row, &user);
        if row.outcome.starts_with("in ") {
            came_in.push(Simulator::openid(&user, CLIENT_ID));
        }
        // So that several failures in a row do not stop the next login.
        proxy.advance(Duration::from_secs(30));
    }
    let left: Vec<&Value> = rows.iter().map(|row| &row.effect).collect();
    assert!(left.is_empty(), "no switches any more: {left:?}");
    upstream.saw_nothing();
    // And nobody else was made a user.
    let mut known: Vec<String> = proxy.bindings().into_iter().map(|binding| binding.identity.subject).collect();
    known.sort();
    came_in.sort();
    assert_eq!(known, came_in);
}

/// Every switch there is, as the remote control's help tells.
fn switches(proxy: &Proxy) -> Vec<Switch> {
    let control = proxy.qq.control_addr();
    let help = Connection::to(control).send(format!("GET / HTTP/1.1\r\nHost: {control}\r\n\r\n")).answer().text();
    let bodies = help.lines().filter_map(|line| line.strip_suffix("/switches")?.split_once("-d '"));
    bodies.map(|(_, body)| serde_json::from_str(body.split('\'').next().unwrap()).unwrap()).collect()
}

/// One login under a switch.
fn play(proxy: &Proxy, switch: Switch, row: &Row, user: &str) {
    let case = format!("{} {}", row.endpoint, row.effect);
    if matches!((switch.endpoint, &switch.effect), (Endpoint::Me, Effect::Body(_))) {
        // The native form, so that what spoils a callback finds one.
        proxy.qq.set(Switch::once(Endpoint::Me, Effect::Format(Format::Native)));
    }
    proxy.qq.set(switch);
    let browser = proxy.browser();
    let before = proxy.qq.count(Endpoint::Token);
    let start = browser.get("/qq/login/?next=/cart/", &[SCRIPT]).json();
    let login_url: Url = start["login_url"].as_str().unwrap().parse().unwrap();
    let asked = format!("{}?{}", login_url.path(), login_url.query().unwrap());
    let shown = Connection::to(proxy.qq.addr()).get(&asked, &[]).answer();
    if row.outcome == "nowhere" {
        assert!(shown.header("location").unwrap().contains("which=error"), "{case}");
        assert_eq!((browser.cookie_names(ATTEMPT).len(), browser.user_id()), (1, None), "{case}");
        assert_eq!(proxy.qq.count(Endpoint::Token) - before, row.asked, "{case}");
        return;
    }
    assert!(shown.header("location").unwrap().contains("which=Login"), "{case}");

    let callback = Url::parse(&proxy.qq.log_in(&login_url, user).unwrap()).unwrap();
    let callback = callback.as_str().split_once(&proxy.host).unwrap().1;
    let again = browser.copy();
    let answer = browser.get(callback, &[SCRIPT]);
    assert_outcome(&answer, browser.get("/.menshen/userinfo", &[]), row, &case);
    let query: Vec<String> =
        callback.split(['?', '&', '=']).filter(|word| word.len() >= 32).map(str::to_owned).collect();
    let unsaid: Vec<&str> = query.iter().map(String::as_str).chain(["127.0.0.1:9", "not at all", "openid"]).collect();
    fields_say_nothing_of(&answer, &unsaid);
    unsaid.iter().for_each(|word| assert!(!answer.text().contains(word), "{case}: {word} in {}", answer.text()));

    // Whatever came of it came of it once.
    let repeated = again.get(callback, &[SCRIPT]);
    assert_eq!((repeated.status, again.user_id()), (403, None), "{case}: {}", repeated.text());
    assert_eq!(proxy.qq.count(Endpoint::Token) - before, row.asked, "{case}");
    proxy.qq.clear_switches();
}

fn assert_outcome(answer: &Answer, userinfo: Answer, row: &Row, case: &str) {
    match row.outcome.split_once(' ').unwrap() {
        ("in", name) => {
            assert_eq!((answer.status, answer.header("location")), (303, Some("/cart/")), "{case}: {}", answer.text());
            assert_eq!((userinfo.status, userinfo.json()["display_name"].as_str()), (200, Some(name)), "{case}");
        }
        (status, code) => {
            assert_eq!(answer.status.to_string(), status, "{case}: {}", answer.text());
            assert_eq!(answer.json()["code"], code, "{case}");
            assert!(answer.cookie("menshen_session=").is_none() && userinfo.status == 401, "{case}");
        }
    }
}
