//! Another path for the application than the one that was asked for.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use regex::Regex;

use super::error::Error;
use crate::http::request_path::{self, Readings};
use crate::rule::{self, Rule};

/// What may stand in a path as it is (RFC 3986, 3.3), and a `%` that begins an encoded byte.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'%');

/// Which path the application gets. What does not fit goes on as it is; the query always does.
#[derive(Debug, Clone)]
pub enum Rewrite {
    /// What begins with `from`, at a whole segment, begins with `to` in its place.
    Prefix {
        /// Without a last slash.
        from: String,
        /// The same; empty: it is cut off.
        to: String,
    },
    /// What the expression finds is replaced, once.
    Pattern {
        /// Compared with the path as it is sent, letters that need not be encoded decoded.
        pattern: Regex,
        /// With `$1` or `${name}` for what its groups found.
        to: String,
    },
}

impl Rewrite {
    /// The target for the application. A path that servers would read in different ways is not rewritten: what is left of
    /// it could mean something that nobody has checked.
    ///
    /// # Errors
    /// It could be read in different ways, or what would come of it is no path.
    pub(super) fn apply(&self, uri: &Uri, readings: &Readings<'_>) -> Result<Uri, Error> {
        refuse_uncertain(readings)?;
        let path = with_letters_decoded(uri.path());
        let Some(rewritten) = self.rewritten(&path) else { return Ok(uri.clone()) };
        let target = match uri.query() {
            Some(query) => format!("{rewritten}?{query}"),
            None => rewritten,
        };
        let is_path = target.starts_with('/') && !target.starts_with("//");
        let target = PathAndQuery::try_from(target).ok().filter(|_| is_path).ok_or(Error::NotRewritable)?;
        // What was no segment of its own may be one by now, as `..` is.
        refuse_uncertain(&request_path::read(target.path()).map_err(|_| Error::NotRewritable)?)?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).map_err(|_| Error::NotRewritable)
    }

    /// Where it leads by what it says itself, whatever comes of a path.
    pub(super) fn place(&self) -> &str {
        match self {
            Rewrite::Prefix { to, .. } if to.is_empty() => "/",
            Rewrite::Prefix { to, .. } => to,
            Rewrite::Pattern { to, .. } => to.split('$').next().unwrap_or_default(),
        }
    }

    fn rewritten(&self, path: &str) -> Option<String> {
        match self {
            Rewrite::Prefix { from, to } => {
                let rest = path.strip_prefix(from.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
                Some(match (to.is_empty(), rest.is_empty()) {
                    (true, true) => "/".to_owned(),
                    (true, false) => rest.to_owned(),
                    (false, _) => format!("{to}{rest}"),
                })
            }
            Rewrite::Pattern { pattern, to } => match pattern.replace(path, to.as_str()) {
                Cow::Owned(rewritten) => Some(percent_encode(rewritten.as_bytes(), ENCODED).to_string()),
                Cow::Borrowed(_) => None,
            },
        }
    }
}

/// Neither what is rewritten nor what comes of it is a path that servers would read in different ways.
fn refuse_uncertain(readings: &Readings<'_>) -> Result<(), Error> {
    if !readings.others.is_empty() && rule::holds(Rule::AnUncertainPathIsNotRewritten) {
        return Err(Error::NotRewritable);
    }
    Ok(())
}

/// Decodes what means the same decoded (RFC 3986, 6.2.2.2), so that no other spelling goes past a rewrite.
fn with_letters_decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let (mut decoded, mut rest) = (String::with_capacity(path.len()), path);
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let (code, left) = after.split_at_checked(2).unwrap_or((after, ""));
        let encoded = format!("%{code}");
        let byte = percent_decode_str(&encoded).next().filter(|_| code.len() == 2);
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => decoded.push(char::from(byte)),
            Some(_) | None => decoded.push_str(&encoded),
        }
        rest = left;
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request_path;

    fn prefix(from: &str, to: &str) -> Rewrite {
        Rewrite::Prefix { from: from.to_owned(), to: to.to_owned() }
    }

    fn pattern(pattern: &str, to: &str) -> Rewrite {
        Rewrite::Pattern { pattern: Regex::new(pattern).unwrap(), to: to.to_owned() }
    }

    fn apply(rewrite: &Rewrite, target: &str) -> Option<String> {
        let uri: Uri = target.parse().unwrap();
        let readings = request_path::read(uri.path()).unwrap();
        rewrite.apply(&uri, &readings).ok().map(|uri| uri.to_string())
    }

    #[test]
    fn a_prefix_is_cut_off_or_replaced_at_whole_segments() {
        for (from, to, target, expected) in [
            ("/api", "", "/api/users?a=%20b", "/users?a=%20b"),
            ("/api", "", "/api", "/"),
            ("/api", "", "/api/", "/"),
            ("/api", "", "/api?x", "/?x"),
            ("/api", "", "/apix/a", "/apix/a"),
            ("/api", "", "/other/api/a", "/other/api/a"),
            ("/api", "/v2", "/api/a", "/v2/a"),
            ("/api", "/v2", "/api", "/v2"),
            ("/api", "", "/%61p%69/%E6%90%9C?q=%E6", "/%E6%90%9C?q=%E6"),
            ("", "/shop", "/cart/", "/shop/cart/"),
        ] {
            assert_eq!(apply(&prefix(from, to), target).as_deref(), Some(expected), "{from} {to} {target}");
        }
    }

    #[test]
    fn a_pattern_is_replaced_with_what_its_groups_found() {
        let rewrite = pattern("^/goods/([0-9]+)/(.*)$", "/item/$2/${1}");
        assert_eq!(apply(&rewrite, "/goods/12/red?x=1").as_deref(), Some("/item/red/12?x=1"));
        assert_eq!(apply(&rewrite, "/goods/twelve/red").as_deref(), Some("/goods/twelve/red"));
        assert_eq!(apply(&rewrite, "/good%73/12/a%20b").as_deref(), Some("/item/a%20b/12"));
        assert_eq!(apply(&pattern("^/a$", "/商品"), "/a").as_deref(), Some("/%E5%95%86%E5%93%81"));
    }

    #[test]
    fn what_servers_would_read_in_different_ways_is_refused() {
        for target in ["/api/../admin", "/api//admin", "/api/%2e%2e/admin", "/api%2fadmin", "/api/x;y", "//api/x"] {
            assert_eq!(apply(&prefix("/api", ""), target), None, "{target}");
        }
        let item = pattern("^/p/item-(.*)$", "/items/$1");
        for target in ["/p/item-../admin/users", "/p/item-/x", "/p/item-./x"] {
            assert_eq!(apply(&item, target), None, "{target}: a segment that was none");
        }
        assert_eq!(apply(&item, "/p/item-.hidden").as_deref(), Some("/items/.hidden"), "everybody reads it alike");
        assert_eq!(apply(&item, "/p/item-a/b").as_deref(), Some("/items/a/b"));
        assert_eq!(apply(&pattern("^/a(.*)$", "$1"), "/ab"), None, "no path comes of it");
        assert_eq!(apply(&pattern("^/a(.*)$", "/$1"), "/a/evil"), None, "it could be taken for another host");
    }

    #[test]
    fn what_is_left_after_a_percent_sign_is_kept() {
        for (path, expected) in [("/%41%2F%7e%7E", "/A%2F~~"), ("/a%", "/a%"), ("/a%4", "/a%4"), ("/a%zz%41", "/a%zzA")]
        {
            assert_eq!(with_letters_decoded(path), expected);
        }
    }
}
