//! A request's path, as the servers behind us could read it.
//!
//! Servers differ: some resolve `..` before they decode, some merge `//`, some cut `;parameters`, some take `\` for `/`.
//! A rule that looks at one reading alone can be walked around by a path that the backend reads otherwise. So an
//! ambiguous path has several readings, and the gate takes the strictest. The raw path is what is forwarded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::careless;
use crate::rule::{self, Rule};

/// Longest path whose readings are worked out; a longer ambiguous one has none, and is refused.
const MAX_AMBIGUOUS: usize = 2048;

/// Most readings, and most bytes that all of them may take together; a path with more has none, and is refused. Paths that
/// anybody uses have a few, of a few hundred bytes.
const MAX_READINGS: (usize, usize) = (128, 32 * 1024);

/// Every way a server could read one path.
#[derive(Debug, PartialEq, Eq)]
pub struct Readings<'a> {
    /// Percent-decoded once, dot segments resolved: how most servers read it.
    pub usual: Cow<'a, str>,
    /// The other readings, where servers would differ.
    pub others: Vec<String>,
}

/// An ambiguous path that is too long, or can be read in too many ways, to be worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ambiguous path of more than {MAX_AMBIGUOUS} bytes, or one that can be read in too many ways")]
pub struct TooAmbiguous;

/// Reads a raw path, as it stands in the request target without its query.
pub fn read(raw: &str) -> Result<Readings<'_>, TooAmbiguous> {
    if is_plain(raw.as_bytes()) {
        return Ok(Readings { usual: Cow::Borrowed(raw), others: Vec::new() });
    }
    let decoded = decode(raw);
    let usual = resolve_dots(&decoded);
    if !is_ambiguous(raw, &decoded) {
        return Ok(Readings { usual: Cow::Owned(usual), others: Vec::new() });
    }
    if raw.len() > MAX_AMBIGUOUS {
        return Err(TooAmbiguous);
    }
    let mut others = every_reading(raw, &decoded)?;
    others.retain(|reading| *reading != usual);
    Ok(Readings { usual: Cow::Owned(usual), others })
}

/// Most paths: nothing in them that anybody could read in two ways.
fn is_plain(raw: &[u8]) -> bool {
    let mut before = 0;
    raw.first() == Some(&b'/')
        && raw.iter().all(|&byte| {
            let odd = matches!(byte, b'%' | b'\\' | b';') || !byte.is_ascii_graphic();
            let dot_or_empty_segment = before == b'/' && matches!(byte, b'/' | b'.');
            before = byte;
            !odd && !dot_or_empty_segment
        })
}

/// Whether servers would differ over this path. Encoded letters alone, as in `/%E6%90%9C`, all of them decode once.
fn is_ambiguous(raw: &str, decoded: &str) -> bool {
    let special = |text: &str| text.contains(['\\', ';']) || text.contains("//") || text.contains("/.");
    let encoded_special = ["%2f", "%5c", "%2e", "%25", "%3b", "%3f", "%23", "%00", "%c0", "%c1", "%e0%80", "%f0%80"];
    let lower = raw.to_ascii_lowercase();
    special(raw)
        || special(decoded)
        || (rule::holds(Rule::EncodedSlashesAreReadBothWays) && encoded_special.iter().any(|code| lower.contains(code)))
        // What was put together by decoding may be decoded once more.
        || decoded.contains('%')
        || decoded.chars().any(char::is_control)
        || decoded.contains(char::REPLACEMENT_CHARACTER)
        || decoded.ends_with(char::is_whitespace)
        || !raw.starts_with('/')
}

fn every_reading(raw: &str, decoded: &str) -> Result<Vec<String>, TooAmbiguous> {
    let (twice, carelessly) = (decode(decoded), careless::decode(raw));
    let as_sent = [raw.to_owned(), decoded.to_owned(), twice, carelessly, careless::decode(decoded)];
    let steps: [fn(&str) -> String; 12] = [
        without_line_ends,
        |path| path.replace('\0', ""),
        |path| path.replace(char::REPLACEMENT_CHARACTER, ""),
        |path| path.replace('\\', "/"),
        cut_authority,
        cut_at_nul,
        cut_query,
        trim_end,
        cut_parameters,
        merge_slashes,
        resolve_dots,
        merge_slashes,
    ];
    // Each step may or may not be taken by a server, in this order, before or after decoding.
    let mut readings: Vec<String> = as_sent.into();
    for step in steps {
        let stepped: Vec<String> = readings.iter().map(|path| step(path)).collect();
        readings.extend(stepped);
        readings.sort_unstable();
        readings.dedup();
        bounded(&readings)?;
    }
    // Decoding after the dots are resolved, and after parameters are cut.
    let late: Vec<String> = readings.iter().map(|path| resolve_dots(&decode(path))).collect();
    readings.extend(late.iter().map(|path| merge_slashes(path)));
    readings.extend(late);
    readings.sort_unstable();
    readings.dedup();
    bounded(&readings)?;
    Ok(readings)
}

fn bounded(readings: &[String]) -> Result<(), TooAmbiguous> {
    let size = (readings.len(), readings.iter().map(String::len).sum::<usize>());
    let is_bounded = size.0 <= MAX_READINGS.0 && size.1 <= MAX_READINGS.1;
    if is_bounded || !rule::holds(Rule::ReadingsAreBounded) { Ok(()) } else { Err(TooAmbiguous) }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `//host/a` → `/a`: what is left where a target is read as a reference to another host (RFC 3986, 4.2), however many
/// slashes begin it (the URL Standard's).
fn cut_authority(path: &str) -> String {
    if !path.starts_with("//") {
        return path.to_owned();
    }
    let after = path.trim_start_matches('/');
    after.find('/').and_then(|at| after.get(at..)).unwrap_or("/").to_owned()
}

/// As the URL Standard and others after it read: tabs and line ends count nowhere.
fn without_line_ends(path: &str) -> String {
    path.replace(['\t', '\r', '\n'], "")
}

/// What stands before a `?` or `#` that was encoded, where what was decoded is taken apart once more.
fn cut_query(path: &str) -> String {
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Without blanks, line ends and other control characters at the end, which patterns of some frameworks do not see.
fn trim_end(path: &str) -> String {
    path.trim_end_matches(|char: char| char.is_whitespace() || char.is_control()).to_owned()
}

fn cut_at_nul(path: &str) -> String {
    path.split('\0').next().unwrap_or_default().to_owned()
}

/// `/a;x=1/b;y` → `/a/b` (RFC 3986, 3.3; what Java servers do).
fn cut_parameters(path: &str) -> String {
    if !rule::holds(Rule::PathParametersAreCut) {
        return path.to_owned();
    }
    let segments: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    segments.join("/")
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for char in path.chars() {
        if char != '/' || !merged.ends_with('/') {
            merged.push(char);
        }
    }
    merged
}

/// Removes dot segments (RFC 3986, 5.2.4).
fn resolve_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(raw: &str) -> Vec<String> {
        let readings = read(raw).unwrap();
        let mut all = readings.others;
        all.push(readings.usual.into_owned());
        all
    }

    #[test]
    fn plain_and_merely_encoded_paths_have_one_reading() {
        for (raw, usual) in [
            ("/", "/"),
            ("/orders/1", "/orders/1"),
            ("/a.b/c-d_e~f", "/a.b/c-d_e~f"),
            ("/%E6%90%9C%E7%B4%A2", "/搜索"),
            ("/a%20b", "/a b"),
        ] {
            let readings = read(raw).unwrap();
            assert_eq!(readings.usual, usual);
            assert!(readings.others.is_empty(), "{raw}: {:?}", readings.others);
        }
    }

    #[test]
    fn every_way_round_to_a_protected_path_is_among_the_readings() {
        for raw in [
            "/./admin/x",
            "/x/../admin/x",
            "//admin/x",
            "/x//../admin/x",
            "/%61dmin/x",
            "/admin%2fx",
            "/admin%2Fx",
            "/x/..%2fadmin/x",
            "/x/%2e%2e/admin/x",
            "/x%2f..%2fadmin/x",
            "/admin%5cx",
            "/x\\..\\admin\\x",
            "/;v=1/admin/x",
            "/admin;v=1/x",
            "/x/..;v=1/admin/x",
            "/x/..;/admin/x",
            "/%252e/admin/x",
            "/%2561dmin/x",
            "/x/%252e%252e/admin/x",
            "/admin%252fx",
            "/admin/x%00.css",
            "/x/%c0%ae%c0%ae/admin/x",
            "/x%c0%af..%c0%afadmin/x",
            "/%c1%a1dmin/x",
            "/%e0%81%a1dmin/x",
            "/x/%f8%80%80%80%ae%fc%80%80%80%80%ae/admin/x",
            "/%u0061dmin/x",
            "/%U0061dmin/x",
            "/admin%u002fx",
            "/%u002fadmin/x",
            "/x/%u002e%u002e/admin/x",
            "/x/%u002e./admin/x",
            "/x/%25u002e%25u002e/admin/x",
            "/static/..//admin/x",
            "/static/%2e./admin/x",
            "//evil/admin/x",
            "///evil/admin/x",
            "//a:b@evil:80/admin/x",
            "/\\evil/admin/x",
            "//evil\\admin/x",
            "//evil/pub/../admin/x",
            "//evil/%61dmin/x",
            "/%2fevil/admin/x",
            "/admin/x%0a",
            "/admin/x%0D%0A",
            "/admin/x%09",
            "/admin/x%20",
            "/admin/x%3fy",
            "/admin/x%23y",
            "/admin/x%253fy",
            "//evil/admin/x%0a",
        ] {
            assert!(readings(raw).iter().any(|reading| reading == "/admin/x"), "{raw}: {:?}", readings(raw));
        }
    }

    #[test]
    fn dot_segments_resolve_as_rfc_3986_says() {
        for (path, resolved) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../x", "/x"),
            ("/a//b/../c", "/a//c"),
            ("", "/"),
        ] {
            assert_eq!(resolve_dots(path), resolved, "{path}");
        }
    }

    #[test]
    fn a_long_ambiguous_path_is_refused_and_a_long_plain_one_is_not() {
        assert!(read(&format!("/{}", "a".repeat(20_000))).is_ok());
        assert_eq!(read(&format!("/;{}", "a".repeat(20_000))), Err(TooAmbiguous));
        let twisted = format!("{}%2f..%2f", "//a;b%00c%3fd%20\\..%252e%c0%af/.;x".repeat(40));
        assert!(read(&twisted).is_err(), "in too many ways");
        assert!(read(&"//a;b%00c%3fd%20\\..%252e%c0%af/.;x".repeat(8)).is_err(), "short, and in too many ways");
        let long = format!("//h/%252e%252e/%5c%c0%af;a{}", "/b//".repeat(505));
        assert!(read(&long).is_err(), "in too many bytes");
    }

    #[test]
    fn the_worst_path_has_few_readings() {
        assert!(readings(&"/%252e%252e/;a\\..//%00%2f".repeat(20)).len() < 300);
    }
}
