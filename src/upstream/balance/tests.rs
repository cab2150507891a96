use http::header::COOKIE;

use super::*;
use crate::secret::Secret;
use crate::upstream::{Endpoint, HostHeader, Member, Retries};

const SLOW: Duration = Duration::from_secs(10);

fn settings(balance: Policy, weights: &[u32]) -> Settings {
    let member =
        |(at, weight): (usize, &u32)| Member { endpoint: Endpoint::http(format!("h{at}"), 80), weight: *weight };
    Settings {
        name: "mall".into(),
        members: weights.iter().enumerate().map(member).collect(),
        balance,
        ejection: Some(Ejection { failures: 2, time: SLOW }),
        slow_start: SLOW,
        limit: None,
        retries: Retries { attempts: 2, statuses: Vec::new(), budget_percent: 20 },
        health: None,
        dns: Vec::new(),
        connect_timeout: SLOW,
        head_timeout: SLOW,
        idle_timeout: SLOW,
        keep_alive: SLOW,
        max_idle: 1,
        host: HostHeader::Keep,
        upgrades: Vec::new(),
        tls: None,
    }
}

fn balance(policy: Policy, weights: &[u32]) -> Balance {
    on_core(policy, weights, Arc::default(), 1)
}

fn on_core(policy: Policy, weights: &[u32], group: Arc<Group>, seed: u64) -> Balance {
    Balance::new(&settings(policy, weights), group, &Places::new(&Secret::new(vec![7; 32])), seed)
}

fn picks(balance: &Balance, affinity: Affinity, times: usize) -> Vec<usize> {
    (0..times).map(|_| balance.pick(affinity, &Tried::new()).unwrap()).collect()
}

fn visitor(address: &str, user: Option<[u8; 16]>) -> Visitor {
    Visitor {
        forwarded_for: HeaderValue::try_from(address).unwrap(),
        proto: "http",
        certificate: Vec::new(),
        host: HeaderValue::from_static("a.example"),
        user,
    }
}

#[test]
fn in_turn_each_comes_by_its_weight_whichever_core_asks() {
    let group = Arc::<Group>::default();
    let cores = [1, 2].map(|seed| on_core(Policy::RoundRobin, &[2, 1], Arc::clone(&group), seed));
    let both: Vec<usize> = (0..6).map(|at| picks(&cores[at % 2], Affinity::default(), 1)[0]).collect();
    assert_eq!(both, [0, 1, 0, 0, 1, 0]);
}

/// Regression: the next in the list had all of it, and broke down in its turn.
#[test]
fn what_one_that_is_out_would_have_had_all_others_share() {
    let balance = balance(Policy::RoundRobin, &[1, 1, 1, 1]);
    (0..2).for_each(|_| balance.failed(1));
    let mut shares = [0; 4];
    picks(&balance, Affinity::default(), 3000).into_iter().for_each(|at| shares[at] += 1);
    assert_eq!(shares[1], 0);
    assert!(shares.iter().filter(|share| **share != 0).all(|share| (900..1100).contains(share)), "{shares:?}");
}

#[test]
fn who_was_tried_is_not_asked_again_and_in_the_end_there_is_nobody() {
    let balance = balance(Policy::RoundRobin, &[1, 1, 1]);
    let mut tried = Tried::new();
    while let Some(at) = balance.pick(Affinity::default(), &tried) {
        assert!(!tried.contains(&at));
        tried.push(at);
    }
    assert_eq!(tried.len(), 3);
    let alone = self::balance(Policy::LeastRequest, &[1]);
    assert_eq!(
        (alone.pick(Affinity::default(), &Tried::new()), alone.pick(Affinity::default(), &vec![0])),
        (Some(0), None)
    );
}

#[test]
fn the_busier_of_two_is_spared() {
    let balance = balance(Policy::LeastRequest, &[1, 1]);
    let _busy: Vec<_> = (0..5).map(|_| balance.begin(0)).collect();
    assert!(picks(&balance, Affinity::default(), 100).iter().all(|at| *at == 1));
}

#[test]
fn the_same_user_address_or_field_leads_to_the_same_endpoint() {
    let headers = |value: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static("x-shop"), HeaderValue::from_static(value))])
    };
    let (anyone, none) = (visitor("192.0.2.1, 10.0.0.1", None), HeaderMap::new());
    let by_user = balance(Policy::Hash(HashOn::User), &[1; 8]);
    let by_address = balance(Policy::Hash(HashOn::Address), &[1; 8]);
    let by_field = balance(Policy::Hash(HashOn::Header(HeaderName::from_static("x-shop"))), &[1; 8]);
    let user = |id| by_user.affinity(&none, &visitor("192.0.2.1", Some([id; 16])));
    assert_eq!(user(1), by_user.affinity(&none, &visitor("192.0.2.9", Some([1; 16]))));
    assert_ne!(user(1), user(2));
    assert_eq!(by_user.affinity(&none, &anyone), by_address.affinity(&none, &visitor("192.0.2.1", Some([1; 16]))));
    assert_eq!(by_field.affinity(&headers("a"), &anyone), by_field.affinity(&headers("a"), &visitor("::1", None)));
    assert_eq!(by_field.affinity(&none, &anyone), Affinity::default(), "without it they go in turn");
    let at = picks(&by_user, user(1), 50);
    assert!(at.iter().all(|place| *place == at[0]), "{at:?}");
    let users: std::collections::BTreeSet<_> = (0..100).flat_map(|id| picks(&by_user, user(id), 1)).collect();
    assert_eq!(users.len(), 8, "all have some");
}

#[test]
fn a_cookie_leads_back_to_where_its_bearer_was_and_tells_nobody_where_that_is() {
    let balance = balance(Policy::Sticky("at".to_owned()), &[1, 1, 1]);
    let someone = visitor("192.0.2.1", None);
    let cookie = balance.cookie(2, Affinity::default(), true).unwrap();
    let text = cookie.to_str().unwrap();
    assert!(text.starts_with("at=") && text.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{text}");
    let sent = format!("a=b; {}", text.split(';').next().unwrap());
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(sent).unwrap())]);
    let affinity = balance.affinity(&headers, &someone);
    assert!(picks(&balance, affinity, 10).iter().all(|at| *at == 2));
    assert_eq!(balance.cookie(2, affinity, true), None, "it has it already");
    assert!(balance.cookie(1, affinity, true).is_some(), "it was sent elsewhere");
    for nonsense in ["at=", "at=zz", "at=0000000000000000", "xat=1"] {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(nonsense))]);
        let mut at = picks(&balance, balance.affinity(&headers, &someone), 3);
        at.sort_unstable();
        assert_eq!(at, [0, 1, 2], "{nonsense}");
    }
}

#[test]
fn who_fails_is_left_out_but_never_more_than_half_of_them() {
    let balance = balance(Policy::RoundRobin, &[1, 1, 1, 1]);
    for at in [0, 1, 2, 3] {
        balance.failed(at);
        balance.failed(at);
    }
    assert!(picks(&balance, Affinity::default(), 40).iter().all(|at| *at > 1), "two of four are out");
    let alone = self::balance(Policy::RoundRobin, &[1]);
    (0..10).for_each(|_| alone.failed(0));
    assert_eq!(picks(&alone, Affinity::default(), 1), [0], "there is nobody else");
}

#[test]
fn who_is_left_out_is_asked_all_the_same_where_nobody_else_is_left() {
    let balance = balance(Policy::Hash(HashOn::Address), &[1, 1]);
    let now = Instant::now();
    assert!(balance.members.iter().all(|member| member.standing.found(false, now)));
    let affinity = balance.affinity(&HeaderMap::new(), &visitor("192.0.2.1", None));
    assert_eq!(picks(&balance, affinity, 2).len(), 2);
}

#[test]
fn who_is_ill_gets_nothing_whatever_a_cookie_or_a_user_would_have() {
    let now = Instant::now();
    for policy in [Policy::RoundRobin, Policy::LeastRequest, Policy::Hash(HashOn::Address), Policy::Sticky("at".into())]
    {
        let balance = balance(policy, &[1, 1]);
        balance.members[0].standing.found(false, now);
        let cookie = format!("at={:016x}", balance.members[0].number);
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).unwrap())]);
        for last in 0..20_u8 {
            let affinity = balance.affinity(&headers, &visitor(&format!("192.0.2.{last}"), None));
            assert_eq!(picks(&balance, affinity, 1), [1]);
        }
    }
}

#[test]
fn who_has_come_back_lately_gets_less_than_the_others() {
    let balance = balance(Policy::RoundRobin, &[1, 1]);
    let now = Instant::now();
    balance.members[0].standing.found(false, now);
    balance.members[0].standing.found(true, now);
    let first = picks(&balance, Affinity::default(), 1000).iter().filter(|at| **at == 0).count();
    assert!((20..200).contains(&first), "a tenth of its half at first: {first}");
}
