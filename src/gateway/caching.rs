//! Answers that depend on who asks must not be kept for others (RFC 9111, 5.2.2).

use http::header::{CACHE_CONTROL, COOKIE, EXPIRES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, VARY};

use crate::rule::{self, Rule};

/// Makes an answer to a request with identity private: what is private or not stored at all stays as it is, anything
/// else loses `public` and `s-maxage` and becomes private.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    if !rule::holds(Rule::AnswersWithIdentityArePrivate) {
        return;
    }
    remove_targeted(headers);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        return;
    }
    let directives: Vec<String> = directives(headers).map(ToOwned::to_owned).collect();
    let is = |directive: &str, name: &str| {
        directive.split('=').next().is_some_and(|found| found.trim().eq_ignore_ascii_case(name))
    };
    // `private="x"` guards one field alone, which is not enough.
    // Nor does `no-store` say anything to a cache that knows `must-understand` (RFC 9111, 5.2.2.3).
    let is_understood = directives.iter().any(|directive| is(directive, "must-understand"));
    let is_kept =
        |directive: &String| (is(directive, "no-store") && !is_understood) || directive.eq_ignore_ascii_case("private");
    let is_shared = |directive: &String| is(directive, "public") || is(directive, "s-maxage");
    if directives.iter().any(is_kept) && !directives.iter().any(is_shared) {
        return;
    }
    let dropped = ["public", "s-maxage", "private", "proxy-revalidate"];
    let mut kept = vec!["private".to_owned()];
    kept.extend(directives.into_iter().filter(|directive| !dropped.iter().any(|name| is(directive, name))));
    let value = HeaderValue::try_from(kept.join(", ")).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

/// Fields that speak to one kind of cache alone come before `Cache-Control` there (RFC 9213): none of them may stand
/// beside it.
fn remove_targeted(headers: &mut HeaderMap) {
    while rule::holds(Rule::NoFieldForOneCacheSaysOtherwise)
        && let Some(name) = headers.keys().find(|name| is_targeted(name)).cloned()
    {
        headers.remove(name);
    }
}

/// With `_` for `-` too, which some take for the same.
fn is_targeted(name: &HeaderName) -> bool {
    const FAMILY: &str = "-cache-control";
    let name = name.as_str().as_bytes();
    let is = |name: &[u8], listed: &str| {
        let is_byte = |(theirs, ours): (&u8, u8)| *theirs == ours || (*theirs == b'_' && ours == b'-');
        name.len() == listed.len() && name.iter().zip(listed.bytes()).all(is_byte)
    };
    let end = name.len().checked_sub(FAMILY.len()).and_then(|at| name.get(at..));
    end.is_some_and(|end| is(end, FAMILY))
        || ["surrogate-control", "edge-control", "x-accel-expires"].iter().any(|listed| is(name, listed))
}

/// Whether a cache may answer with it again without asking: it names a lifetime, or gives a reason to guess one
/// (RFC 9111, 4.2).
pub(super) fn may_be_reused(headers: &HeaderMap) -> bool {
    let directives = || directives(headers).map(str::to_ascii_lowercase);
    if directives().any(|directive| directive == "no-store" || directive == "no-cache") {
        return headers.keys().any(is_targeted);
    }
    let names_lifetime = |directive: String| {
        ["max-age", "s-maxage", "public", "immutable"].iter().any(|name| directive.starts_with(name))
    };
    let is_reason = |name: &HeaderName| *name == EXPIRES || *name == LAST_MODIFIED || is_targeted(name);
    headers.keys().any(is_reason) || directives().any(names_lifetime)
}

/// What `Cache-Control` says. A comma within quotes parts nothing.
fn directives(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| {
        let mut is_quoted = false;
        value.split(move |char| {
            is_quoted ^= char == '"';
            char == ',' && !is_quoted
        })
    });
    directives.map(str::trim).filter(|directive| !directive.is_empty())
}

/// Tells caches that the cookie decides what an answer says. All that it varies by stands in one line then: nginx before
/// 1.23 minds the last line alone, and a `*` only where it stands alone.
pub(super) fn vary_by_cookie(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(VARY).iter();
    let (first, is_one) = (lines.next(), lines.next().is_none());
    let Some(first) = first else {
        headers.insert(VARY, HeaderValue::from_name(COOKIE));
        return;
    };
    if is_one && (first == "*" || items(first).any(is_cookie)) {
        return;
    }
    let mut all: Vec<&[u8]> = headers.get_all(VARY).iter().flat_map(items).collect();
    if all.contains(&&b"*"[..]) {
        headers.insert(VARY, HeaderValue::from_static("*"));
        return;
    }
    if !all.iter().any(|item| is_cookie(item)) {
        all.push(COOKIE.as_str().as_bytes());
    }
    if let Ok(line) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
        headers.insert(VARY, line);
    }
}

fn items(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

fn is_cookie(item: &[u8]) -> bool {
    item.eq_ignore_ascii_case(COOKIE.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_identity_becomes_private() {
        let cases = [
            ("", "private"),
            ("public, max-age=60, s-maxage=600", "private, max-age=60"),
            ("max-age=60", "private, max-age=60"),
            ("private, max-age=60", "private, max-age=60"),
            ("no-store", "no-store"),
            ("public, private", "private"),
            ("private=\"set-cookie\", max-age=5", "private, max-age=5"),
            ("no-store, must-understand, max-age=9", "private, no-store, must-understand, max-age=9"),
            ("no-cache=\"a, private, b\", max-age=60", "private, no-cache=\"a, private, b\", max-age=60"),
            ("foo=\"x, no-store, y\", max-age=6", "private, foo=\"x, no-store, y\", max-age=6"),
            ("foo=\"x, no-store", "private, foo=\"x, no-store"),
        ];
        for (before, after) in cases {
            let mut headers = HeaderMap::new();
            if !before.is_empty() {
                headers.insert(CACHE_CONTROL, before.parse().unwrap());
            }
            keep_private(&mut headers);
            assert_eq!(headers.get(CACHE_CONTROL).unwrap(), after, "{before}");
        }
    }

    #[test]
    fn no_field_for_one_kind_of_cache_says_otherwise() {
        let mut headers = HeaderMap::new();
        for name in [
            "cdn-cache-control",
            "cloudflare-cdn-cache-control",
            "surrogate-control",
            "edge-control",
            "x-accel-expires",
            "akamai-cache-control",
            "x-litespeed-cache-control",
            "surrogate_control",
        ] {
            headers.insert(name, HeaderValue::from_static("max-age=600"));
        }
        keep_private(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cache-control"]);
    }

    #[test]
    fn what_a_cache_may_answer_with_again_is_told_from_what_it_may_not() {
        for (name, value, may) in [
            ("cache-control", "max-age=60", true),
            ("cache-control", "private, Max-Age=60", true),
            ("cache-control", "public", true),
            ("cache-control", "s-maxage=5", true),
            ("expires", "Thu, 01 Jan 2026 00:00:00 GMT", true),
            ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT", true),
            ("cdn-cache-control", "max-age=5", true),
            ("cache-control", "private", false),
            ("cache-control", "no-store", false),
            ("cache-control", "max-age=0, no-cache, no-store, must-revalidate, private", false),
            ("content-type", "text/html", false),
        ] {
            let headers = HeaderMap::from_iter([(name.parse::<HeaderName>().unwrap(), value.parse().unwrap())]);
            assert_eq!(may_be_reused(&headers), may, "{name}: {value}");
        }
    }

    #[test]
    fn vary_names_the_cookie_once_in_one_line() {
        for (before, after) in [
            (&[][..], "cookie"),
            (&["Accept"], "Accept, cookie"),
            (&["accept, Cookie"], "accept, Cookie"),
            (&["Cookie", "Accept-Language"], "Cookie, Accept-Language"),
            (&["Accept", "Accept-Language,"], "Accept, Accept-Language, cookie"),
            (&["*"], "*"),
            (&["*", "Accept"], "*"),
            (&["Cookie, *"], "Cookie, *"),
        ] {
            let mut headers = HeaderMap::new();
            for line in before {
                headers.append(VARY, line.parse().unwrap());
            }
            vary_by_cookie(&mut headers);
            vary_by_cookie(&mut headers);
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), [after], "{before:?}");
        }
    }
}
