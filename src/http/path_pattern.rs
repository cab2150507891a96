//! Path patterns of the configuration: an exact path, or the beginning of one.

use std::fmt;
use std::sync::Arc;

/// `/cart/` matches that path alone; `/orders/*` matches `/orders/` and whatever lies below it; `/*` matches all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PathPattern {
    /// As written.
    text: Arc<str>,
    is_prefix: bool,
}

impl PathPattern {
    /// `None` unless the text begins with `/`, holds `*` only as its last character and right after a `/`, and
    /// holds no `?`, `#` or `%`: patterns are compared with decoded paths.
    pub fn parse(text: &str) -> Option<Self> {
        let (literal, is_prefix) = match text.strip_suffix('*') {
            Some(before) => (before, true),
            None => (text, false),
        };
        let well_formed = literal.starts_with('/')
            && !literal.contains(['*', '?', '#', '%', '\\', ';'])
            && !literal.contains("//")
            && (!is_prefix || literal.ends_with('/'));
        well_formed.then(|| PathPattern { text: text.into(), is_prefix })
    }

    /// Whether a decoded, normalised path matches.
    pub fn matches(&self, path: &str) -> bool {
        let literal = self.literal();
        if self.is_prefix {
            // `/orders` is what people type for `/orders/`: a rule on the folder holds for its bare name too.
            path.starts_with(literal) || literal.strip_suffix('/').is_some_and(|bare| !bare.is_empty() && bare == path)
        } else {
            path == literal
        }
    }

    /// `/cart` for `/cart/`, and the other way round; of an exact pattern alone.
    pub fn twin(&self) -> Option<Self> {
        if self.is_prefix {
            return None;
        }
        match self.literal().strip_suffix('/') {
            Some(bare) => Self::parse(bare),
            None => Self::parse(&format!("{}/", self.literal())),
        }
    }

    /// Exact patterns before prefixes, longer ones before shorter ones.
    pub fn specificity(&self) -> (bool, usize) {
        (!self.is_prefix, self.literal().len())
    }

    /// The text without its `*`.
    pub fn literal(&self) -> &str {
        if self.is_prefix { self.text.strip_suffix('*').unwrap_or(&self.text) } else { &self.text }
    }

    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether it is the beginning of a path rather than a whole one.
    pub fn is_prefix(&self) -> bool {
        self.is_prefix
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_its_folder_with_and_without_the_slash() {
        let orders = PathPattern::parse("/orders/*").unwrap();
        for path in ["/orders/", "/orders/1", "/orders/1/2", "/orders"] {
            assert!(orders.matches(path), "{path}");
        }
        for path in ["/", "/orders2", "/order", "/x/orders/"] {
            assert!(!orders.matches(path), "{path}");
        }
        assert!(PathPattern::parse("/*").unwrap().matches("/"));
    }

    #[test]
    fn an_exact_pattern_matches_itself_alone() {
        let cart = PathPattern::parse("/cart/").unwrap();
        assert!(cart.matches("/cart/"));
        assert!(!cart.matches("/cart") && !cart.matches("/cart/1"));
    }

    #[test]
    fn patterns_that_could_not_match_as_written_are_refused() {
        for bad in ["", "cart", "*", "/a*", "/a/*/b", "/a?b", "/a%20b", "//", "/a//b", "/a#b", "/a;b"] {
            assert!(PathPattern::parse(bad).is_none(), "{bad}");
        }
    }
}
