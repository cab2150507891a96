//! Of a request's cookies ours never travel on, however leniently the next server reads them, and others' keep their bytes.
//!
//! Lines of `Cookie` values; `{ours}` is our session cookie with its secret.

#![no_main]

use http::header::{COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use memchr::memmem;
use menshen::http::cookie;
use menshen_fuzz::scene;

const OURS: &[u8] = b"menshen_session=S3cret";
const NAMES: [&[u8]; 2] = [b"menshen_session", b"menshen_login_"];

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let text = replaced(line, b"{ours}", OURS);
        headers.extend(HeaderValue::from_bytes(&text).ok().map(|value| (COOKIE, value)));
    }
    let before = headers.clone();
    let is_ours = |name: &[u8]| scene().wire.jar.is_ours(name);
    cookie::remove_ours(&mut headers, is_ours);

    for field in headers.get_all(COOKIE) {
        let field = field.as_bytes();
        // No cookie of ours was ever called anything but a word.
        let mut words = names(field).filter(|name| name.iter().all(|byte| is_word(*byte)));
        assert!(words.all(|name| !is_ours(name)), "{:?}", String::from_utf8_lossy(field));
        let tells = memmem::find_iter(field, OURS).any(|at| at == 0 || !is_word(field[at - 1]));
        assert!(!tells, "{:?}", String::from_utf8_lossy(field));
    }
    assert!(cookie::pairs(&headers).all(|(name, _)| !is_ours(name)));
    assert_eq!(others(&headers), others(&before));
    if before.get_all(COOKIE).iter().all(|field| !mentions_ours(field.as_bytes())) {
        assert_eq!(headers, before);
    }
    let mut again = headers.clone();
    cookie::remove_ours(&mut again, is_ours);
    assert_eq!(again, headers);
});

/// Whatever some server might take for a cookie's name: between semicolons, commas, blanks or quotes, before an `=`.
fn names(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'=', field).flat_map(|at| {
        let before = field[..at].trim_ascii_end();
        let cuts: [&[u8]; 4] = [b";", b";,", b";, \t", b";, \t\"'="];
        cuts.into_iter().map(move |cut| {
            let from = before.iter().rposition(|byte| cut.contains(byte)).map_or(0, |at| at + 1);
            before[from..].trim_ascii()
        })
    })
}

/// The items that have nothing to do with us, in order.
fn others(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let fields = headers.get_all(COOKIE).iter();
    let items = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let others = items.filter(|item| !mentions_ours(item) && !item.trim_ascii().is_empty());
    others.map(|item| item.trim_ascii_start().to_vec()).collect()
}

fn mentions_ours(text: &[u8]) -> bool {
    NAMES.iter().any(|name| memmem::find(text, name).is_some())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn replaced(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let (mut made, mut from) = (Vec::new(), 0);
    for at in memmem::find_iter(text, what) {
        made.extend_from_slice(&text[from..at]);
        made.extend_from_slice(with);
        from = at + what.len();
    }
    made.extend_from_slice(&text[from..]);
    made
}
