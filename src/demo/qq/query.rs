//! Queries as bytes: what a client sends as `state` comes back byte for byte, whether or not it is UTF-8.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// All but the unreserved characters of RFC 3986, 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A query or a form, decoded.
#[derive(Clone, Debug)]
pub(super) struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    pub(super) fn parse(raw: &[u8]) -> Self {
        let pairs = raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
            let mut sides = pair.splitn(2, |byte| *byte == b'=');
            (decode(sides.next().unwrap_or_default()), decode(sides.next().unwrap_or_default()))
        });
        Query(pairs.collect())
    }

    /// The first value of this name, if the name came at all.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The first value of this name, if it is text and there is something in it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
    }
}

/// Percent-encodes whatever is not unreserved.
pub(super) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, ESCAPED).to_string()
}

fn decode(raw: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        let all: Vec<u8> = (0..=255).collect();
        let raw = format!("a=1&state={}&b", encode(&all));
        assert_eq!(Query::parse(raw.as_bytes()).bytes("state").unwrap(), all);
    }

    #[test]
    fn plus_is_a_blank_and_an_empty_value_is_no_text() {
        let query = Query::parse(b"&&a=x+y%2Bz&b=&c&a=2");
        assert_eq!(query.text("a"), Some("x y+z"));
        assert_eq!((query.bytes("b"), query.text("b")), (Some(&b""[..]), None));
        assert_eq!((query.bytes("c"), query.bytes("d")), (Some(&b""[..]), None));
    }
}
