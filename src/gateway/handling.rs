//! What else a route does with its requests and their answers.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use super::fixed_answer::FixedAnswer;
use super::not_logged_in::NotLoggedIn;
use super::rewrite::Rewrite;
use crate::http::hop_by_hop;
use crate::rule::{self, Rule};
use crate::upstream::Timeouts;

/// What a route does beside letting requests pass.
#[derive(Debug, Clone, Default)]
pub struct Handling {
    /// How long things may take here, where that is not for the upstream to say.
    pub timeouts: Timeouts,
    /// Which path the application gets.
    pub rewrite: Option<Rewrite>,
    /// What is done with the fields of requests, before ours are added.
    pub request_fields: Fields,
    /// What is done with the fields of answers, before we see to what may be kept by whom.
    pub response_fields: Fields,
    /// What is said to whoever has to log in.
    pub not_logged_in: NotLoggedIn,
    /// An answer of the configuration's own; nothing is forwarded then.
    pub answer: Option<FixedAnswer>,
}

/// What is done with header fields: first some are removed, then some take the place of others, then some are added.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Removed, whatever they say.
    pub remove: Vec<HeaderName>,
    /// In place of what was there of the same name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Beside what is there of the same name.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl Fields {
    /// Does it to a request. Its `Connection` may list fields that go no further, and these are the client's own, not those
    /// that take their place.
    pub(super) fn apply_to_request(&self, headers: &mut HeaderMap) {
        let put = self.set.iter().chain(&self.add).map(|(name, _)| name);
        if headers.contains_key(CONNECTION) && rule::holds(Rule::NoClientTakesARoutesFieldsOut) {
            put.for_each(|name| hop_by_hop::drop_if_listed(headers, name));
        }
        self.apply(headers);
    }

    /// Does it.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}
