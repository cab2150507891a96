//! The table of request targets: what each gets, and what exactly the application sees of it.

use crate::support::{Proxy, SITE, Setup, Upstream};

const TABLE: &str = include_str!("../data/targets.tsv");

fn before(upstream: &Upstream) -> Proxy {
    let everything_at_m = "host = \"m.meiduo.site\"\npath = \"/*\"\naccess = \"required\"";
    Setup::new()
        .site("aliases = [\"m.meiduo.site\"]")
        .server("strict_hosts = true")
        .route("/admin/*", "required")
        .route("/exact", "required")
        .route_of("path = \"/fold/*\"\naccess = \"required\"\nignore_case = true")
        .route_of(everything_at_m)
        .before(upstream)
}

#[test]
fn every_target_gets_what_the_table_says_and_arrives_as_the_table_says() {
    let upstream = Upstream::hello();
    let proxy = before(&upstream);
    let mut wrong = Vec::new();
    let rows: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(rows.len() >= 150, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.split('\t').collect();
        let [target, host, outcome, sent] = cells.as_slice() else { panic!("{row}") };
        let host = if *host == "-" { SITE } else { host };
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        let answer = proxy.connect().send(request).answer();
        let seen = upstream.try_next().map(|seen| seen.line().split(' ').nth(1).unwrap().to_owned());
        let told = match (answer.status, &seen) {
            (200, Some(_)) => "pass".to_owned(),
            (200, None) => "own".to_owned(),
            (401, None) => "guard".to_owned(),
            (status, None) => status.to_string(),
            (status, Some(_)) => format!("{status} from the application"),
        };
        let seen = seen.as_deref().unwrap_or("-");
        if (told.as_str(), seen) != (outcome, sent) {
            wrong.push(format!("{row}\n    got {told} {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}
