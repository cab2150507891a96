//! The table of request targets: what each gets, and what exactly the application sees of it.

use crate::support::{Answer, Proxy, SITE, Setup, Upstream};

const TABLE: &str = include_str!("../data/targets.tsv");

fn before(upstream: &Upstream) -> Proxy {
    let everything_at_m = "host = \"m.meiduo.site\"\npath = \"/*\"\naccess = \"required\"";
    Setup::new()
        .site("aliases = [\"m.meiduo.site\"]")
        .server("strict_hosts = true")
        .route("/public/*", "public")
        .route("/admin/*", "required")
        .route("/exact", "required")
        .route_of("path = \"/fold/*\"\naccess = \"required\"\nignore_case = true")
        .route_of("path = \"/write/*\"\nmethods = [\"POST\"]\naccess = \"required\"")
        .route_of(everything_at_m)
        .before(upstream)
}

/// One row: what is asked, and what is to become of it.
struct Row {
    method: &'static str,
    target: String,
    host: &'static str,
    outcome: &'static str,
    sent: &'static str,
}

impl Row {
    fn read(line: &'static str) -> Self {
        let cells: Vec<&str> = line.split('\t').collect();
        let [target, host, outcome, sent] = cells.as_slice() else { panic!("{line}") };
        let (method, target) = target.split_once(' ').unwrap_or(("GET", target));
        let host = if *host == "-" { SITE } else { host };
        Row { method, target: target.chars().map(byte_in_picture).collect(), host, outcome, sent }
    }

    /// The answer, with the line of the request that reached the application, if one did.
    fn ask(&self, proxy: &Proxy, upstream: &Upstream, cookie: &str) -> (Answer, Option<String>) {
        let Row { method, target, host, .. } = self;
        let fields = format!("Host: {host}\r\nAccept: */*\r\n{cookie}Content-Length: 0\r\nConnection: close");
        let answer = proxy.connect().send(format!("{method} {target} HTTP/1.1\r\n{fields}\r\n\r\n")).answer();
        (answer, upstream.try_next().map(|seen| seen.line().to_owned()))
    }

    /// The line that the application gets of it, if it gets any.
    fn line(&self) -> String {
        let sent = if self.sent == "-" { self.target.as_str() } else { self.sent };
        format!("{} {sent} HTTP/1.1", self.method)
    }
}

/// The control byte that a character is the picture of (Unicode's block at U+2400), or else the character.
fn byte_in_picture(character: char) -> char {
    match character {
        '\u{2400}'..='\u{241f}' => char::from_u32(u32::from(character) - 0x2400).unwrap(),
        '\u{2421}' => '\x7f',
        other => other,
    }
}

#[test]
fn every_target_gets_what_the_table_says_and_arrives_as_the_table_says() {
    let upstream = Upstream::hello();
    let proxy = before(&upstream);
    let user = proxy.browser();
    user.log_in("10001");
    let session = format!("Cookie: {}\r\n", user.cookie_header().unwrap());
    let mut wrong = Vec::new();
    let lines: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() >= 200, "{}", lines.len());
    for line in lines {
        let row = Row::read(line);
        let (answer, seen) = row.ask(&proxy, &upstream, "");
        let told = match (answer.status, &seen) {
            (200, Some(_)) => "pass".to_owned(),
            (200, None) => "own".to_owned(),
            (401, None) => "guard".to_owned(),
            (status, None) => status.to_string(),
            (status, Some(_)) => format!("{status} from the application"),
        };
        if told != row.outcome || seen != (told == "pass").then(|| row.line()) {
            wrong.push(format!("{line}\n    got {told} {seen:?}"));
        }
        if row.outcome == "guard" {
            let (answer, seen) = row.ask(&proxy, &upstream, &session);
            if answer.status != 200 || seen.as_ref() != Some(&row.line()) {
                wrong.push(format!("{line}\n    got {} {seen:?} with a session", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}
