//! Paths on a site.

use crate::config::error::Remark;
use crate::config::tree::quoted;
use crate::http::path_pattern::PathPattern;

const PATTERN: &str = "a path such as \"/cart/\", or the beginning of one such as \"/orders/*\"";

const NO_MATCH: &str = "no request would match it, or others than were meant";

/// A path of our own that begins and ends in `/`, written as it arrives: `/qq/login/`.
pub(in crate::config) fn folder(text: &str) -> Result<String, Remark> {
    let expected = || Remark::expected("a path that begins and ends in `/`").so("links to it would not arrive");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    if !text.bytes().all(plain) {
        return Err(expected().fix("of letters, digits, and - . _ ~ alone"));
    }
    if text.is_empty() || text == "/" {
        return Err(expected().so("`/` is the application's own").fix("name one below it, such as \"/qq/\""));
    }
    let whole = format!("/{}/", text.trim_matches('/'));
    if text.contains("//") || text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(expected().fix("without `//`, `.` and `..`"));
    }
    if text != whole {
        return Err(expected().fix(quoted(&whole)));
    }
    Ok(whole)
}

/// A pattern: a path, or the beginning of one.
pub(in crate::config) fn pattern(text: &str) -> Result<PathPattern, Remark> {
    let mut segments = text.split('/');
    if let Some(placeholder) = segments.find(|segment| is_placeholder(segment)) {
        let after: usize = segments.map(|segment| "/".len() + segment.len()).sum();
        let before = text.get(..text.len() - after - placeholder.len()).unwrap_or_default();
        let remark = Remark::new(format!("{placeholder:?} is taken word for word")).so(NO_MATCH);
        let fix = if before.is_empty() || before == "/" { "/orders/*".to_owned() } else { format!("{before}*") };
        return Err(remark.fix(format!("patterns know no placeholders: {}", quoted(&fix))));
    }
    if let Some(segment) = text.split('/').find(|segment| segment.trim() != *segment) {
        let remark = Remark::new(format!("{segment:?} begins or ends with a blank")).so(NO_MATCH);
        return Err(remark.fix("without the blank"));
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        let remark = Remark::expected(PATTERN).so(NO_MATCH);
        return Err(remark.fix("without `.` and `..`: patterns are compared with resolved paths"));
    }
    PathPattern::parse(text).ok_or_else(|| {
        let remark = Remark::expected(PATTERN).so(NO_MATCH);
        let literal = text.strip_suffix('*').unwrap_or(text);
        if literal.contains("://") {
            return remark.fix("the path alone; a host stands in `host`");
        }
        if literal.contains('%') {
            return remark.fix("write the characters themselves: patterns are compared with decoded paths");
        }
        if literal.contains(['?', '#', ';', '\\']) || literal.contains("//") {
            return remark.fix("without ? # ; \\ and //");
        }
        if literal.contains(['*', '^', '$', '{']) {
            return remark.fix("`*` stands at the end alone, and patterns are no regular expressions");
        }
        let slashed = if literal.starts_with('/') { literal.to_owned() } else { format!("/{literal}") };
        let folder = if text.ends_with('*') && !slashed.ends_with('/') {
            format!("{slashed}/*")
        } else {
            text_of(text, &slashed)
        };
        remark.fix(quoted(&folder))
    })
}

/// Whether a segment is what other programs' configurations write for any segment, or a piece of a regular expression:
/// `:id`, `{id}`, `<int:id>`, `(.*)`, `[0-9]+`, `$`. Brackets alone are not: `/wiki/Menshen_(god)` is an address.
fn is_placeholder(segment: &str) -> bool {
    const EXPRESSION: [&str; 12] = ["|", ".*", ".+", "\\", "(?", "0-9", "a-z", "A-Z", "]+", "]*", ")+", ")?"];
    let is_wrapped =
        |open, close| segment.find(open).is_some_and(|at| segment.get(at..).unwrap_or_default().contains(close));
    let name = segment.strip_prefix(':');
    name.is_some_and(|name| name.starts_with(|first: char| first.is_alphabetic() || first == '_'))
        || is_wrapped('{', '}')
        || is_wrapped('<', '>')
        || ((is_wrapped('[', ']') || is_wrapped('(', ')')) && EXPRESSION.iter().any(|piece| segment.contains(piece)))
        || segment.contains("[^")
        || segment.contains(".*")
        || (segment.starts_with('[') && segment.ends_with(']'))
        || segment.ends_with('$')
        || segment.starts_with('^')
}

fn text_of(text: &str, slashed: &str) -> String {
    if text.ends_with('*') { format!("{slashed}*") } else { slashed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_paths_are_plain_folders() {
        assert_eq!(folder("/.menshen/").unwrap(), "/.menshen/");
        for bad in ["", "/", "a", "/a", "a/", "//a/", "/a//b/", "/a/../b/", "/a b/", "/a?/", "/登录/", "/%61/"] {
            assert!(folder(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn placeholders_are_refused_and_brackets_of_an_address_are_not() {
        for (written, meant) in [
            ("/shop/:id", "/shop/*"),
            ("/x:id/:id/a", "/x:id/*"),
            ("/a/{id}/b", "/a/*"),
            ("/a/<int:id>", "/a/*"),
            ("/a/(.*)", "/a/*"),
            ("/a/([0-9]+)", "/a/*"),
            ("/a/[^/]+", "/a/*"),
            ("/a/b$", "/a/*"),
            ("/{id}", "/orders/*"),
            ("/u/[id]", "/u/*"),
            ("/u/[...slug]", "/u/*"),
            ("/a/(b|c)", "/a/*"),
            ("/a/.*", "/a/*"),
        ] {
            let told = format!("{:?}", pattern(written).unwrap_err());
            assert!(told.contains(&format!("patterns know no placeholders: \\\"{meant}\\\"")), "{written}: {told}");
        }
        for good in ["/wiki/Menshen_(god)", "/a[1]", "/:80/", "/x:id/", "/a b"] {
            assert!(pattern(good).is_ok(), "{good}");
        }
        assert!(format!("{:?}", pattern("/a /b").unwrap_err()).contains("without the blank"));
    }

    #[test]
    fn a_pattern_that_misses_by_a_slash_is_told_the_right_one() {
        for (written, meant) in [("cart", "/cart"), ("/a*", "/a/*"), ("*", "/*"), ("a/*", "/a/*")] {
            let remark = Remark::expected(PATTERN).so(NO_MATCH);
            assert_eq!(pattern(written).unwrap_err(), remark.fix(format!("{meant:?}")), "{written}");
        }
    }
}
