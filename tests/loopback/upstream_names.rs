//! Endpoints that are written as host names: where these lead is asked, and asked again.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;

use crate::support::{
    Connection, Dns, Http2Upstream, Manner, PATIENCE, Proxy, SITE, Says, Setup, Upstream, events, eventually,
};

const B: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const C: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// Listeners at one port of two addresses.
fn two() -> (TcpListener, TcpListener) {
    let both = || {
        let first = TcpListener::bind((B, 0)).ok()?;
        let second = TcpListener::bind((C, first.local_addr().ok()?.port())).ok()?;
        Some((first, second))
    };
    (0..20).find_map(|_| both()).expect("no port is free at both")
}

/// Says where it is, and hangs up if it is asked to.
fn telling(listener: TcpListener, hangs_up: bool) -> Upstream {
    let name = listener.local_addr().unwrap().ip().to_string();
    let end = if hangs_up { "Connection: close\r\n" } else { "" };
    let said = format!("HTTP/1.1 200 OK\r\n{end}Content-Length: {}\r\n\r\n{name}", name.len());
    Upstream::scripted_at(listener, move |_| said.clone().into_bytes())
}

fn proxy(dns: &Dns, endpoint: String) -> Proxy {
    let lines = format!("dns = [\"{}\"]\nkeep_alive = \"1m\"", dns.address);
    Setup::new().one_core().upstream(&lines).before_endpoint(endpoint)
}

fn answered(proxy: &Proxy) -> String {
    proxy.connect().get("/", &["Connection: close"]).answer().text()
}

#[test]
fn a_connection_that_is_kept_follows_its_name_once_the_answer_has_run_out() {
    let (b, c) = two();
    let port = b.local_addr().unwrap().port();
    let (_b, _c) = (telling(b, false), telling(c, false));
    let dns = Dns::new(Says::Leads(vec![B], 1));
    let proxy = proxy(&dns, format!("http://mall.example:{port}"));
    assert_eq!(answered(&proxy), B.to_string());
    dns.say(Says::Leads(vec![C], 1));
    eventually(|| answered(&proxy) == C.to_string());
    assert!((0..20).all(|_| answered(&proxy) == C.to_string()), "and stays there");
    events().wait_for(1, &["INFO", "an endpoint's name leads elsewhere", "mall.example", "127.0.0.3"]);
}

#[test]
fn a_shared_connection_serves_whom_it_has_while_others_follow_the_name() {
    let (b, c) = two();
    let port = b.local_addr().unwrap().port();
    let (go_on, told) = tokio::sync::watch::channel(false);
    let serving = |listener: TcpListener| {
        let (name, told) = (listener.local_addr().unwrap().ip().to_string(), told.clone());
        Http2Upstream::serving_at(listener, Manner::plain(), move |request| {
            let (name, mut told) = (name.clone(), told.clone());
            async move {
                if request.uri().path() == "/held" {
                    drop(tokio::time::timeout(PATIENCE, told.wait_for(|told| *told)).await);
                }
                Ok(Response::new(Full::from(name).boxed()))
            }
        })
    };
    let (_b, _c) = (serving(b), serving(c));
    let dns = Dns::new(Says::Leads(vec![B], 1));
    let proxy = proxy(&dns, format!("h2c://grpc.example:{port}"));
    let mut held: Connection = proxy.connect();
    held.send(format!("GET /held HTTP/1.1\r\nHost: {SITE}\r\n\r\n"));
    assert_eq!(answered(&proxy), B.to_string());
    dns.say(Says::Leads(vec![C], 1));
    eventually(|| answered(&proxy) == C.to_string());
    go_on.send_replace(true);
    assert_eq!(held.answer().text(), B.to_string());
}

#[test]
fn an_answer_is_asked_for_once_for_as_long_as_it_is_good() {
    let (b, _c) = two();
    let port = b.local_addr().unwrap().port();
    let _b = telling(b, true);
    let dns = Dns::new(Says::Leads(vec![B], 300));
    let proxy = proxy(&dns, format!("http://steady.example:{port}"));
    assert!((0..50).all(|_| answered(&proxy) == B.to_string()));
    assert_eq!(dns.asked(), 1);
}

#[test]
fn while_nobody_says_where_a_name_leads_the_last_answer_goes_on() {
    let (b, c) = two();
    let port = b.local_addr().unwrap().port();
    let (_b, _c) = (telling(b, true), telling(c, true));
    let dns = Dns::new(Says::Leads(vec![B], 1));
    for (says, host) in [(Says::Fails, "failing.example"), (Says::Leads(Vec::new(), 1), "emptied.example")] {
        dns.say(Says::Leads(vec![B], 1));
        let proxy = proxy(&dns, format!("http://{host}:{port}"));
        assert_eq!(answered(&proxy), B.to_string());
        dns.say(says);
        let asked = dns.asked();
        eventually(|| {
            assert_eq!(answered(&proxy), B.to_string());
            dns.asked() > asked
        });
        events().wait_for(1, &["WARN", "cannot be looked up: it leads where it did before", host]);
        assert!((0..20).all(|_| answered(&proxy) == B.to_string()));
        dns.say(Says::Leads(vec![C], 1));
        eventually(|| answered(&proxy) == C.to_string());
    }
}

#[test]
fn a_server_of_names_that_says_nothing_holds_nobody_up_who_has_an_old_answer() {
    let (b, _c) = two();
    let port = b.local_addr().unwrap().port();
    let _b = telling(b, true);
    let dns = Dns::new(Says::Leads(vec![B], 1));
    let proxy = proxy(&dns, format!("http://silent.example:{port}"));
    assert_eq!(answered(&proxy), B.to_string());
    dns.say(Says::Nothing);
    let asked = dns.asked();
    eventually(|| {
        assert_eq!(answered(&proxy), B.to_string());
        dns.asked() > asked
    });
}

#[test]
fn after_a_question_in_vain_nobody_waits_for_the_next_one() {
    let (b, _c) = two();
    let port = b.local_addr().unwrap().port();
    let _b = telling(b, true);
    let dns = Dns::new(Says::Leads(vec![B], 1));
    let proxy = proxy(&dns, format!("http://mute.example:{port}"));
    assert_eq!(answered(&proxy), B.to_string());
    dns.say(Says::Fails);
    let noted = "mute.example";
    eventually(|| {
        assert_eq!(answered(&proxy), B.to_string());
        events().text().lines().any(|line| line.contains("it leads where it did before") && line.contains(noted))
    });
    dns.say(Says::Nothing);
    // What comes while the next question is open does not wait its second for it. More than one round, as a busy machine
    // may keep somebody waiting too.
    let prompt = (0..3).any(|_| {
        let (asked, mut longest) = (dns.asked(), Duration::ZERO);
        eventually(|| {
            let begun = Instant::now();
            assert_eq!(answered(&proxy), B.to_string());
            longest = longest.max(begun.elapsed());
            dns.asked() > asked
        });
        longest < Duration::from_secs(1)
    });
    assert!(prompt, "each time somebody waited for an answer that did not come");
}

#[test]
fn a_name_that_leads_nowhere_is_a_fault_of_the_upstreams_until_it_is_mended() {
    let (b, _c) = two();
    let port = b.local_addr().unwrap().port();
    let _b = telling(b, true);
    let dns = Dns::new(Says::Leads(Vec::new(), 60));
    let proxy = proxy(&dns, format!("http://nowhere.example:{port}"));
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    events().wait_for(1, &["nowhere.example cannot be looked up"]);
    dns.say(Says::Leads(vec![B], 60));
    eventually(|| answered(&proxy) == B.to_string());
}

#[test]
fn of_several_addresses_those_that_take_connections_share_them() {
    let (b, c) = two();
    let port = b.local_addr().unwrap().port();
    let (_b, _c) = (telling(b, true), telling(c, true));
    let dns = Dns::new(Says::Leads(vec![NOBODY, B, C], 300));
    let proxy = proxy(&dns, format!("http://several.example:{port}"));
    let seen: BTreeSet<_> = (0..12).map(|_| answered(&proxy)).collect();
    assert_eq!(seen, BTreeSet::from([B.to_string(), C.to_string()]));
}

#[test]
fn what_the_machine_itself_knows_needs_no_server() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before_endpoint(format!("http://localhost:{}", upstream.address().port()));
    assert!((0..4).all(|_| answered(&proxy) == "hello"));
}
