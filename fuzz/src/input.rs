//! Inputs are text as far as they can be, so that a seed can be read and written by hand.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The parts of an input, between lines of `%%`: always `N`, and empty where there are fewer.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    const BETWEEN: &[u8] = b"\n%%\n";
    let mut rest = Some(data);
    std::array::from_fn(|at| {
        let text = rest.take().unwrap_or_default();
        match memchr::memmem::find(text, BETWEEN) {
            Some(end) if at + 1 < N => {
                rest = Some(&text[end + BETWEEN.len()..]);
                &text[..end]
            }
            _ => text,
        }
    })
}

/// Lines of `name: value` as header fields, without those that no HTTP parser would let through.
pub fn fields(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// `original` after some edits, four bytes each: what, where (two bytes, below zero from the end), and with which byte.
pub fn edited(original: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut text = original.to_vec();
    for edit in edits.chunks_exact(4) {
        let at = i16::from_be_bytes([edit[1], edit[2]]).rem_euclid(i16::try_from(text.len() + 1).unwrap_or(i16::MAX));
        let at = usize::from(at.unsigned_abs());
        match edit[0] % 4 {
            0 if at < text.len() => text[at] = edit[3],
            1 => text.insert(at, edit[3]),
            2 if at < text.len() => drop(text.remove(at)),
            3 => text.truncate(at),
            _ => {}
        }
    }
    text
}
