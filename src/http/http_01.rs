//! What a certificate authority is told that asks by HTTP whether a name is ours (http-01, RFC 8555, 8.3).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Where it asks: in front of the token.
const FOLDER: &str = "/.well-known/acme-challenge/";

/// The answers to challenges that are open, by token. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<RwLock<HashMap<String, String>>>);

impl Tokens {
    /// Answers this where a token is asked for, until it is [taken back](Tokens::take_back).
    pub fn post(&self, token: &str, answer: &str) {
        let mut open = self.0.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(token.to_owned(), answer.to_owned());
    }

    /// Answers nothing any more.
    pub fn take_back(&self, token: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// What is answered at a path; nothing where no challenge of ours is open, which may be the application's own affair.
    pub fn answer(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(FOLDER)?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_challenge_is_answered_at_its_own_path_alone() {
        let tokens = Tokens::default();
        tokens.clone().post("abc", "abc.thumb");
        assert_eq!(tokens.answer("/.well-known/acme-challenge/abc").as_deref(), Some("abc.thumb"));
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/abc/", "/abc", "abc"] {
            assert_eq!(tokens.answer(other), None, "{other}");
        }
        tokens.take_back("abc");
        assert_eq!(tokens.answer("/.well-known/acme-challenge/abc"), None);
    }
}
