//! `menshen doctor`: what it says of what is there and what is not.

use std::net::TcpListener;

use crate::support::{Outcome, Proxy, Setup, Upstream};

/// What is said of one thing.
fn said<'o>(outcome: &'o Outcome, what: &str) -> Vec<&'o str> {
    outcome.out.lines().filter(|line| line.split_whitespace().nth(1) == what.split_whitespace().next()).collect()
}

fn doctor(proxy: &Proxy) -> Outcome {
    proxy.command(&["doctor"])
}

#[test]
fn where_all_is_well_nothing_is_bad() {
    let upstream = Upstream::hello();
    // What answers at the site's address as we would.
    let site = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"status\":\"ok\"}".to_vec()
    });
    let proxy = Setup::new().origin(&format!("http://{}", site.address())).before(&upstream);
    let outcome = doctor(&proxy);
    assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
    for what in ["configuration", "store", "master key", "socket", "site", "QQ", "application", "way past us"] {
        let lines = said(&outcome, what);
        assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("good")), "{what}\n{}", outcome.out);
    }
    assert_eq!(site.next().line(), "GET /.menshen/health HTTP/1.1");
    upstream.saw_nothing();
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    // Bound and closed: nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = format!("openid_url = \"http://{gone}/oauth2.0/me\"");
    let stranger = Upstream::hello();
    let origin = format!("http://{}", stranger.address());
    let mut proxy = Setup::new().origin(&origin).before_address(gone);
    proxy.rewrite(|text| {
        let lines = text.lines().map(|line| if line.starts_with("openid_url") { provider.as_str() } else { line });
        lines.collect::<Vec<_>>().join("\n")
    });
    let outcome = doctor(&proxy);
    assert_eq!(outcome.code, 1, "{}", outcome.out);
    for (what, grade) in [("QQ", "BAD"), ("application", "BAD"), ("site", "doubtful"), ("clock", "doubtful")] {
        assert!(said(&outcome, what).iter().all(|line| line.starts_with(grade)), "{what}\n{}", outcome.out);
    }
    assert!(
        outcome.out.contains("somebody else is there") && outcome.out.matches("fix: ").count() >= 4,
        "{}",
        outcome.out
    );
    proxy.stop();
    proxy.rewrite(|text| text + "\n[nonsense]\n");
    assert_eq!(doctor(&proxy).code, 1);
}

#[test]
fn an_application_that_others_can_reach_past_us_is_bad() {
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], open.local_addr().unwrap().port()));
    let proxy = Setup::new().origin("http://127.0.0.1:9").before_address(address);
    let outcome = doctor(&proxy);
    assert_eq!(outcome.code, 1);
    let lines = said(&outcome, "way past us");
    assert!(lines[0].starts_with("BAD") && lines[0].contains("claim to be anybody"), "{}", outcome.out);
}
