//! Header fields that concern one connection alone (RFC 9110, 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};

use crate::rule::{self, Rule};

/// What the removed fields said that matters to whoever builds the next hop's.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hop {
    /// `Connection: upgrade` with an `Upgrade`: the protocols, as sent.
    pub upgrade: Option<HeaderValue>,
    /// The body was sent in chunks.
    pub chunked: bool,
    /// `TE: trailers`.
    pub takes_trailers: bool,
}

/// The message's framing is not one that every parser reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousFraming {
    /// Some would not take it for chunks.
    #[error("the transfer encoding is not exactly one `chunked`")]
    Encoding,
    /// Some would not come to this number.
    #[error("the length is not one number, or one that not everybody can count to")]
    Length,
}

/// The longest body: who counts with a sign takes what is longer for less than nothing.
const LONGEST: u64 = i64::MAX.unsigned_abs();

/// Removes every hop-by-hop field, and those that `Connection` lists.
pub fn remove(headers: &mut HeaderMap) -> Result<Hop, AmbiguousFraming> {
    let mut hop = Hop::default();
    let (mut upgrade, mut is_upgrade) = (None, false);
    while let Some(name) = headers.keys().find(|name| concerns_one_connection(name)).cloned() {
        if name == TRANSFER_ENCODING {
            hop.chunked = is_exactly_chunked(headers)?;
        } else if name == TE {
            hop.takes_trailers = headers.get_all(TE).iter().any(|te| lists(te, "trailers"));
        } else if name == UPGRADE {
            upgrade = headers.get(UPGRADE).cloned();
        } else if name == CONNECTION {
            let connection: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
            is_upgrade = connection.iter().any(|value| lists(value, "upgrade"));
            connection.iter().for_each(|value| remove_listed(headers, value));
        }
        headers.remove(name);
    }
    hop.upgrade = upgrade.filter(|_| is_upgrade);
    Ok(hop)
}

/// Whether a request's framing is one that every parser reads alike. To be asked of each, also of one that goes no
/// further: what follows it on its connection could be part of it.
pub fn check_framing(headers: &HeaderMap) -> Result<(), AmbiguousFraming> {
    if headers.contains_key(TRANSFER_ENCODING) {
        // A length beside it goes no further, whatever it says.
        return is_exactly_chunked(headers).map(drop);
    }
    length(headers).map(drop)
}

/// The length that a message tells of its body, however often it tells the same.
pub fn length(headers: &HeaderMap) -> Result<Option<u64>, AmbiguousFraming> {
    let mut told = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number <= LONGEST);
        match (told, number) {
            (None, Some(number)) => told = Some(number),
            (Some(before), Some(number)) if before == number => {}
            _ => return Err(AmbiguousFraming::Length),
        }
    }
    Ok(told)
}

fn concerns_one_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            // No field has this name (RFC 9112, 12.1), so that none is taken for the option.
            | "close"
            | "transfer-encoding"
            | "te"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

fn is_exactly_chunked(headers: &HeaderMap) -> Result<bool, AmbiguousFraming> {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (Some(one), None) if one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ if !rule::holds(Rule::OneFramingGoesOn) => Ok(true),
        _ => Err(AmbiguousFraming::Encoding),
    }
}

fn remove_listed(headers: &mut HeaderMap, connection: &HeaderValue) {
    for token in connection.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        // By far the most frequent; neither is a field's name that would be left to remove.
        if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close") {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(token) else { continue };
        // Listing host or length would change whom the message is for and where it ends, which no sender may do; the
        // others are read before they go.
        let is_needed =
            (name == HOST || name == CONTENT_LENGTH) && rule::holds(Rule::ConnectionListsNeitherHostNorLength);
        if !is_needed && !concerns_one_connection(&name) {
            headers.remove(name);
        }
    }
}

/// Drops a field that `Connection` lists, and has it listed no more.
pub fn drop_if_listed(headers: &mut HeaderMap, name: &HeaderName) {
    if !headers.get_all(CONNECTION).iter().any(|value| lists(value, name.as_str())) {
        return;
    }
    headers.remove(name);
    let left = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let left: Vec<_> =
        left.map(<[u8]>::trim_ascii).filter(|token| !token.eq_ignore_ascii_case(name.as_str().as_bytes())).collect();
    match HeaderValue::from_bytes(&left.join(&b", "[..])) {
        Ok(left) => drop(headers.insert(CONNECTION, left)),
        Err(_) => drop(headers.remove(CONNECTION)),
    }
}

/// Whether a comma-separated list holds a token, whatever its case.
pub fn lists(value: &HeaderValue, token: &str) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_does_not_travel_on() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("connection", "x-more"),
            ("close", "x"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers, deflate"),
            ("upgrade", "websocket"),
            ("x-secret", "1"),
            ("x-more", "2"),
            ("x-kept", "3"),
        ]);
        let hop = remove(&mut headers).unwrap();
        assert_eq!(headers, map(&[("x-kept", "3")]));
        assert_eq!(hop, Hop { upgrade: None, chunked: false, takes_trailers: true });
    }

    #[test]
    fn an_upgrade_counts_only_if_connection_lists_it() {
        let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(remove(&mut headers).unwrap().upgrade.unwrap(), "websocket");
        assert!(headers.is_empty());
    }

    #[test]
    fn the_next_hop_keeps_host_and_length_even_if_connection_lists_them() {
        let mut headers = map(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")]);
        remove(&mut headers).unwrap();
        assert_eq!(headers, map(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn only_exactly_one_chunked_is_a_framing_everybody_reads_alike() {
        assert!(remove(&mut map(&[("transfer-encoding", "Chunked ")])).unwrap().chunked);
        for bad in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked;q=1"] {
            assert_eq!(remove(&mut map(&[("transfer-encoding", bad)])), Err(AmbiguousFraming::Encoding), "{bad}");
        }
        let mut twice = map(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]);
        assert_eq!(remove(&mut twice), Err(AmbiguousFraming::Encoding));
    }

    #[test]
    fn a_length_is_one_number_however_often_it_is_told() {
        let told = |lengths: &[&'static str]| {
            let fields: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
            length(&map(&fields))
        };
        assert_eq!(told(&[]), Ok(None));
        assert_eq!(told(&["3"]), Ok(Some(3)));
        assert_eq!(told(&["3", "003"]), Ok(Some(3)));
        assert_eq!(told(&["9223372036854775807"]), Ok(Some(LONGEST)));
        for bad in
            [&["3", "4"][..], &[""], &["+3"], &["3, 3"], &["0x3"], &["9223372036854775808"], &["18446744073709551619"]]
        {
            assert_eq!(told(bad), Err(AmbiguousFraming::Length), "{bad:?}");
        }
    }
}
