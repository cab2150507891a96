//! `Cookie` and `Set-Cookie` (RFC 6265).

use bytes::Bytes;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use memchr::{memchr, memchr_iter};

use crate::rule::{self, Rule};

/// Every `name=value` of every `Cookie` field, in order; duplicates included, since which of them counts is for the
/// caller to decide.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).iter().flat_map(|field| Items(Some(field.as_bytes()))).filter_map(pair)
}

/// What stands between the semicolons of one field.
struct Items<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let (item, rest) = match memchr(b';', rest) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)),
            None => (rest, None),
        };
        self.0 = rest;
        Some(item)
    }
}

fn pair(item: &[u8]) -> Option<(&[u8], &[u8])> {
    let item = item.trim_ascii();
    let (name, rest) = item.split_at(memchr(b'=', item)?);
    Some((name.trim_ascii_end(), rest.get(1..)?.trim_ascii_start()))
}

/// Takes the cookies that are ours out of what travels on, and whatever a lenient parser could take for one of them. All
/// others keep their bytes; a field that would be empty goes.
pub fn remove_ours(headers: &mut HeaderMap, is_ours: impl Fn(&[u8]) -> bool) {
    let mut fields = headers.get_all(COOKIE).iter();
    let (Some(first), second) = (fields.next(), fields.next()) else { return };
    // Browsers send one (RFC 6265, 5.4).
    if second.is_none() {
        match without(first, &is_ours) {
            Left::All => {}
            Left::Some(kept) => drop(headers.insert(COOKIE, kept)),
            Left::Nothing => drop(headers.remove(COOKIE)),
        }
        return;
    }
    let left: Vec<Left> = headers.get_all(COOKIE).iter().map(|field| without(field, &is_ours)).collect();
    if left.iter().all(|left| matches!(left, Left::All)) {
        return;
    }
    let kept = |(field, left): (&HeaderValue, Left)| match left {
        Left::All => Some(field.clone()),
        Left::Some(kept) => Some(kept),
        Left::Nothing => None,
    };
    let kept: Vec<HeaderValue> = headers.get_all(COOKIE).iter().zip(left).filter_map(kept).collect();
    headers.remove(COOKIE);
    for field in kept {
        headers.append(COOKIE, field);
    }
}

/// What is left of a field.
enum Left {
    /// Nothing of it is ours.
    All,
    Some(HeaderValue),
    Nothing,
}

fn without(field: &HeaderValue, is_ours: impl Fn(&[u8]) -> bool) -> Left {
    let mut kept: Option<Vec<u8>> = None;
    let mut length = 0;
    for item in Items(Some(field.as_bytes())) {
        match (&mut kept, names_ours(item, &is_ours)) {
            (None, true) => {
                let mut before = Vec::with_capacity(field.len());
                // Without the semicolon that parted it.
                let end = length.max(1) - 1;
                before.extend_from_slice(from_first(field.as_bytes().get(..end).unwrap_or_default()));
                kept = Some(before);
            }
            (Some(kept), false) if kept.is_empty() => kept.extend_from_slice(item.trim_ascii_start()),
            (Some(kept), false) => {
                kept.push(b';');
                kept.extend_from_slice(item);
            }
            (None, false) | (Some(_), true) => {}
        }
        length += item.len() + 1;
    }
    let Some(kept) = kept else { return Left::All };
    if from_first(&kept).is_empty() {
        return Left::Nothing;
    }
    HeaderValue::from_maybe_shared(Bytes::from(kept)).map_or(Left::Nothing, Left::Some)
}

/// A field from its first item on that is not empty.
fn from_first(field: &[u8]) -> &[u8] {
    let first = field.iter().position(|byte| !b"; \t".contains(byte));
    first.and_then(|first| field.get(first..)).unwrap_or_default()
}

/// Whether an item names a cookie of ours, be it where only some parsers would look for a name: behind a comma, a quote,
/// another `=`.
fn names_ours(item: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> bool {
    let is_part_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let before = |at| item.get(..at).unwrap_or_default().trim_ascii_end();
    let last_word = |text: &'_ [u8]| text.iter().rposition(|byte| !is_part_of_name(byte)).map_or(0, |at| at + 1);
    let mut words = memchr_iter(b'=', item).map(before).filter_map(|text| text.get(last_word(text)..));
    pair(item).is_some_and(|(name, _)| is_ours(name))
        || (rule::holds(Rule::OddSpellingsOfOwnCookiesStayHere) && words.any(is_ours))
}

/// How a cookie of ours is kept by the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `Path`.
    pub path: &'a str,
    /// `Domain`; `None` keeps it to the host alone.
    pub domain: Option<&'a str>,
    /// `Secure`: the site is https.
    pub secure: bool,
    /// `HttpOnly`: scripts cannot read it.
    pub http_only: bool,
    /// `Max-Age` in seconds; 0 removes the cookie.
    pub max_age: u64,
    /// `SameSite`. Never `Strict`: a login's return comes from another site, by a link.
    pub same_site: &'static str,
}

/// A `Set-Cookie` value. `None` if name or value hold a byte that a cookie may not (RFC 6265, 4.1.1).
pub fn set(name: &str, value: &str, attributes: Attributes<'_>) -> Option<HeaderValue> {
    use std::fmt::Write;
    let is_sound = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_cookie_octet);
    if !is_sound && rule::holds(Rule::CookiesCannotBreakOut) {
        return None;
    }
    let mut text = format!("{name}={value}; Path={}", attributes.path);
    if let Some(domain) = attributes.domain {
        let _ = write!(text, "; Domain={domain}");
    }
    let _ = write!(text, "; Max-Age={}", attributes.max_age);
    if attributes.max_age == 0 {
        text.push_str("; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    }
    if attributes.secure {
        text.push_str("; Secure");
    }
    if attributes.http_only {
        text.push_str("; HttpOnly");
    }
    let _ = write!(text, "; SameSite={}", attributes.same_site);
    HeaderValue::try_from(text).ok()
}

/// A byte of a token (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A byte of a cookie's value.
pub fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, field.parse().unwrap());
        }
        headers
    }

    #[test]
    fn pairs_keep_order_duplicates_and_odd_spellings() {
        let headers = cookies(&["a=1; b=2;a = 3 ;junk; c=x=y", "d="]);
        let found: Vec<_> = pairs(&headers)
            .map(|(name, value)| (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(found, [("a", "1"), ("b", "2"), ("a", "3"), ("c", "x=y"), ("d", "")]);
    }

    #[test]
    fn our_cookies_never_travel_on_and_others_keep_their_bytes() {
        let cases = [
            ("m=1", None),
            ("m=1; a=2", Some("a=2")),
            ("a=2; m=1; b= \"q\" ;m=9", Some("a=2; b= \"q\" ")),
            ("a=2;b=3", Some("a=2;b=3")),
            ("junk; m=1", Some("junk")),
            ("a=1, m=2; b=3", Some("b=3")),
            ("a=1,m =2", None),
            ("a=\"m=2\"; b=3", Some("b=3")),
            ("b=3; a=m=2", Some("b=3")),
            ("a=1&m=2", None),
            (";; m=1", None),
            ("m=1; ;", None),
            (" ; a=1; m=2", Some("a=1")),
            ("a=m; xm=1; m.x=1; a=m,b", Some("a=m; xm=1; m.x=1; a=m,b")),
        ];
        for (before, after) in cases {
            let mut headers = cookies(&[before]);
            remove_ours(&mut headers, |name| name == b"m");
            assert_eq!(headers.get(COOKIE).map(|value| value.to_str().unwrap()), after, "{before}");
        }
    }

    #[test]
    fn a_cookie_that_could_break_out_of_its_header_is_not_made() {
        let attributes =
            Attributes { path: "/", domain: None, secure: true, http_only: true, max_age: 60, same_site: "Lax" };
        assert_eq!(set("a", "b", attributes).unwrap(), "a=b; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
        for (name, value) in
            [("a", "b;c"), ("a", "b\r\nX: y"), ("a", "b c"), ("a", "名"), ("a b", "c"), ("", "c"), ("a=", "c")]
        {
            assert!(set(name, value, attributes).is_none(), "{name}={value}");
        }
        let gone =
            Attributes { max_age: 0, domain: Some("meiduo.site"), secure: false, http_only: false, ..attributes };
        assert_eq!(
            set("a", "", gone).unwrap(),
            "a=; Path=/; Domain=meiduo.site; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=Lax"
        );
    }
}
