//! A client's address is believed from trusted proxies alone, and of a request's fields none travels on that claims
//! where it comes from or who it is, while all others keep their bytes.
//!
//! The peer's address, then fields, a line each.

#![no_main]

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use libfuzzer_sys::fuzz_target;
use menshen::http::forwarded::Client;
use menshen::http::hop_by_hop;
use menshen::http::peer::{Listed, Peers, Remote};
use menshen::http::strip::StripList;
use menshen_fuzz::{fields, parts};

static TRUSTED: LazyLock<Peers> = LazyLock::new(|| {
    let networks = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"];
    networks.map(|network| Listed::Network(network.parse().unwrap())).into_iter().collect()
});
static OURS: LazyLock<StripList> = LazyLock::new(|| StripList::new([&HeaderName::from_static("x-menshen-user")], []));

/// Of what must never pass, the names that every backend knows.
const CLAIMS: [&str; 9] = [
    "x-menshen-user",
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "script-name",
    "proxy",
];

fuzz_target!(|data: &[u8]| {
    let [peer, lines] = parts::<2>(data);
    let peer = std::str::from_utf8(peer).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
    let headers = fields(lines);
    the_client_is_whom_trusted_proxies_name(peer.unwrap_or(IpAddr::from([10, 0, 0, 1])), &headers);
    no_claim_travels_on(headers);
});

fn the_client_is_whom_trusted_proxies_name(peer: IpAddr, headers: &HeaderMap) {
    let peer = peer.to_canonical();
    let client = Client::of(Remote::Network(SocketAddr::new(peer, 1))).behind(headers, &TRUSTED);
    let chain: Vec<IpAddr> = client.chain().to_str().unwrap().split(", ").map(|hop| hop.parse().unwrap()).collect();
    let (address, proxies) = chain.split_first().unwrap();
    assert_eq!((client.address(), client.text()), (*address, address.to_string().as_str()));
    let is_trusted = |address: &IpAddr| TRUSTED.hold_address(*address);
    assert!(proxies.iter().all(is_trusted), "{chain:?}");
    assert_eq!(chain.last(), Some(&peer));
    if !is_trusted(&peer) {
        assert_eq!(chain, [peer]);
    }
    // Each hop stands where the header has it, counted from the right.
    let told: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    for (hop, told) in chain.iter().rev().skip(1).zip(told.iter().rev()) {
        let text = std::str::from_utf8(told).unwrap().trim();
        let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
        let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        assert_eq!(bare.or_else(|_| with_port()).unwrap().to_canonical(), *hop);
    }
    // The walk ends at a stranger, at what cannot be read, or at the end.
    if is_trusted(address) && chain.len() <= told.len() {
        let stop = told[told.len() - chain.len()];
        let text = String::from_utf8_lossy(stop);
        assert!(text.trim().parse::<IpAddr>().is_err(), "{text} was passed over");
    }
}

fn no_claim_travels_on(headers: HeaderMap) {
    let mut sent = headers.clone();
    OURS.apply(&mut sent);
    let listed: Vec<String> = listed_by_connection(&sent);
    let encodings: Vec<_> =
        sent.get_all(TRANSFER_ENCODING).iter().map(|value| value.as_bytes().to_ascii_lowercase()).collect();
    let is_plain = encodings.is_empty() || encodings == [b"chunked"];
    let is_framed = if encodings.is_empty() { is_one_number(&sent) } else { is_plain };
    assert_eq!(hop_by_hop::check_framing(&sent).is_ok(), is_framed);
    let Ok(hop) = hop_by_hop::remove(&mut sent) else {
        assert!(!is_plain);
        return;
    };
    assert!(is_plain && hop.chunked == (encodings.len() == 1));
    for name in sent.keys() {
        let folded: String =
            name.as_str().chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
        assert!(!name.as_str().contains('_'), "{name}");
        assert!(CLAIMS.iter().all(|claim| folded != *claim) && !is_forwarding(&folded), "{name}");
        assert!(!listed.contains(&name.as_str().to_owned()) || [HOST, CONTENT_LENGTH].contains(name), "{name}");
        assert!(![CONNECTION, TRANSFER_ENCODING].contains(name), "{name}");
        assert!(sent.get_all(name).iter().eq(headers.get_all(name).iter()), "{name}");
    }
    let is_harmless = |name: &HeaderName| ["accept", "cookie", "x-requested-with", "host"].contains(&name.as_str());
    for name in headers.keys().filter(|name| is_harmless(name) && !listed.contains(&name.as_str().to_owned())) {
        assert!(sent.contains_key(name), "{name} is gone");
    }
}

/// Whether every length is the same number, of those that are told, and not above 2^63 - 1.
fn is_one_number(headers: &HeaderMap) -> bool {
    let told: Vec<&[u8]> = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes).collect();
    let digits = |text: &&[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let significant = |text: &&[u8]| {
        let zeros = text.iter().take_while(|digit| **digit == b'0').count();
        (text.len() - zeros, text[zeros..].to_vec())
    };
    let numbers: Vec<_> = told.iter().map(significant).collect();
    let longest = significant(&i64::MAX.to_string().as_bytes());
    told.iter().all(digits) && numbers.iter().all(|number| *number == numbers[0] && *number <= longest)
}

fn is_forwarding(name: &str) -> bool {
    name.strip_prefix("x-forwarded-").is_some_and(|what| !what.is_empty())
}

fn listed_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lists = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    lists.map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase()).collect()
}
