//! Answers that depend on who asks must not be kept for others (RFC 9111, 5.2.2).

use http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, VARY};

/// Makes an answer to a request with identity private: what is private or not stored at all stays as it is, anything
/// else loses `public` and `s-maxage` and becomes private.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_owned())
        .filter(|directive| !directive.is_empty())
        .collect();
    let is = |directive: &str, name: &str| {
        directive.split('=').next().is_some_and(|found| found.trim().eq_ignore_ascii_case(name))
    };
    // `private="x"` guards one field alone, which is not enough.
    if directives.iter().any(|directive| is(directive, "no-store") || directive.eq_ignore_ascii_case("private")) {
        return;
    }
    let dropped = ["public", "s-maxage", "private", "proxy-revalidate"];
    let mut kept = vec!["private".to_owned()];
    kept.extend(directives.into_iter().filter(|directive| !dropped.iter().any(|name| is(directive, name))));
    let value = HeaderValue::try_from(kept.join(", ")).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

/// Tells caches that the cookie decides what an answer says.
pub(super) fn vary_by_cookie(headers: &mut HeaderMap) {
    add_vary(headers, COOKIE);
}

fn add_vary(headers: &mut HeaderMap, name: HeaderName) {
    let is_there = headers.get_all(VARY).iter().any(|value| {
        let items = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        items.into_iter().any(|item| item == b"*" || item.eq_ignore_ascii_case(name.as_str().as_bytes()))
    });
    if !is_there {
        headers.append(VARY, HeaderValue::from(name));
    }
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
            ("private=\"set-cookie\", max-age=5", "private, max-age=5"),
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
    fn vary_names_the_cookie_once() {
        for (before, count) in [("Accept", 2), ("accept, Cookie", 1), ("*", 1)] {
            let mut headers = HeaderMap::new();
            headers.insert(VARY, before.parse().unwrap());
            vary_by_cookie(&mut headers);
            vary_by_cookie(&mut headers);
            assert_eq!(headers.get_all(VARY).iter().count(), count, "{before}");
        }
    }
}
