//! Fields that clients must not send on.
//!
//! Backends fold header names: WSGI and CGI turn both `X-User` and `X_User` into `HTTP_X_USER`. So names are compared
//! with every byte that is neither letter nor digit folded to `-`, and names with `_` never pass.

use http::header::{HeaderMap, HeaderName};

use crate::rule::{self, Rule};

/// Change method, path or script name in frameworks behind us, past the route that was checked here.
const OVERRIDES: [&str; 19] = [
    "x-original-url",
    "x-original-uri",
    "x-original-method",
    "x-original-host",
    "x-original-path",
    "x-envoy-original-path",
    "x-envoy-original-method",
    "x-host",
    "x-rewrite-uri",
    "x-override-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-script-name",
    "script-name",
    "path-info",
    "proxy",
    "x-accel-redirect",
];

/// Claim where a request comes from, beside all that begin like [`FORWARDING_FAMILY`]; ours are put in their place.
const FORWARDING: [&str; 27] = [
    "forwarded",
    "x-real-ip",
    "client-ip",
    "x-client-ip",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "x-original-forwarded-for",
    "true-client-ip",
    "x-cluster-client-ip",
    "cluster-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "ali-cdn-real-ip",
    "real-ip",
    "x-azure-clientip",
    "x-proxyuser-ip",
    "x-appengine-user-ip",
    "fastly-client-ip",
    "forwarded-for",
    "x-forwarded",
    "x-originating-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-ssl-client-verify",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
];

/// `X-Forwarded-For`, `-Proto`, `-Ssl` and whatever else some server believes.
const FORWARDING_FAMILY: &[u8] = b"x-forwarded-";

/// A set of header names to remove in every spelling that a backend could fold into them.
#[derive(Debug, Clone)]
pub struct StripList {
    /// By length, so that most fields of a request are told apart without a comparison.
    by_length: Vec<Vec<Box<[u8]>>>,
}

impl StripList {
    /// The names that never pass; `identity`'s beside them, and those by which backends are told of a client's
    /// `certificate`, whether anybody is asked for one or not.
    pub fn new<'a>(
        identity: impl IntoIterator<Item = &'a HeaderName>,
        certificate: impl IntoIterator<Item = &'a HeaderName>,
    ) -> Self {
        let mut list = StripList { by_length: Vec::new() };
        let overrides = OVERRIDES.iter().filter(|_| rule::holds(Rule::OverridesAreStripped));
        overrides.chain(&FORWARDING).for_each(|name| list.add(name.as_bytes()));
        let identity = identity.into_iter().filter(|_| rule::holds(Rule::IdentityNamesAreStripped));
        let certificate = certificate.into_iter().filter(|_| rule::holds(Rule::CertificateNamesAreStripped));
        identity.chain(certificate).for_each(|name| list.add(name.as_str().as_bytes()));
        list
    }

    fn add(&mut self, name: &[u8]) {
        let folded: Box<[u8]> = name.iter().map(|byte| fold(*byte)).collect();
        if self.by_length.len() <= folded.len() {
            self.by_length.resize(folded.len() + 1, Vec::new());
        }
        if let Some(same_length) = self.by_length.get_mut(folded.len())
            && !same_length.contains(&folded)
        {
            same_length.push(folded);
        }
    }

    /// Whether a field of this name must not pass.
    pub fn holds(&self, name: &HeaderName) -> bool {
        let name = name.as_str().as_bytes();
        if name.contains(&b'_') && rule::holds(Rule::UnderscoreNamesNeverPass) {
            return true;
        }
        if rule::holds(Rule::ForwardingNamesAreReplaced)
            && name.len() > FORWARDING_FAMILY.len()
            && FORWARDING_FAMILY.iter().zip(name).all(|(ours, theirs)| *ours == fold(*theirs))
        {
            return true;
        }
        let Some(same_length) = self.by_length.get(name.len()) else { return false };
        same_length.iter().any(|listed| listed.iter().zip(name).all(|(ours, theirs)| *ours == fold(*theirs)))
    }

    /// Whether a field of another name would be taken for one that must not pass, by backends that fold names.
    pub fn is_disguised(&self, name: &HeaderName) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        if name.as_str().as_bytes().iter().all(is_plain) {
            return false;
        }
        let folded: Vec<u8> = name.as_str().bytes().map(fold).collect();
        HeaderName::from_bytes(&folded).is_ok_and(|folded| self.holds(&folded))
    }

    /// Removes what must not pass.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if headers.keys().any(|name| self.holds(name)) {
            let doomed: Vec<HeaderName> = headers.keys().filter(|name| self.holds(name)).cloned().collect();
            for name in doomed {
                headers.remove(name);
            }
        }
    }
}

/// `HeaderName` is lower case already.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() || !rule::holds(Rule::NamesAreComparedFolded) { byte } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn identity_headers_are_dropped_in_every_spelling_that_folds_into_them() {
        let list = StripList::new([&HeaderName::from_static("x-menshen-user")], []);
        for name in
            ["X-Menshen-User", "x_menshen_user", "X-MENSHEN_USER", "x.menshen.user", "x!menshen#user", "x-menshen~user"]
        {
            assert!(list.holds(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        for name in ["x-menshen-users", "x-menshen-use", "xmenshenuser", "accept", "x-requested-with"] {
            assert!(!list.holds(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_disguise_is_an_odd_spelling_of_what_must_not_pass() {
        let list = StripList::new([&HeaderName::from_static("x-menshen-user")], []);
        let is_disguised = |name: &str| list.is_disguised(&HeaderName::from_bytes(name.as_bytes()).unwrap());
        for name in ["X_Menshen_User", "x-menshen_user", "x.menshen.user", "x_forwarded_for", "x_original_url"] {
            assert!(is_disguised(name), "{name}");
        }
        for name in ["x-menshen-user", "x-forwarded-for", "api_key", "x.y", "accept"] {
            assert!(!is_disguised(name), "{name}");
        }
    }

    #[test]
    fn fields_that_change_path_method_or_origin_downstream_are_dropped() {
        let list = StripList::new([], []);
        let mut headers = HeaderMap::new();
        for name in OVERRIDES.iter().chain(&FORWARDING) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("2"));
        }
        for name in ["x-forwarded-for", "x-forwarded-ssl", "x.forwarded.proto", "x-forwarded-anything"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        headers.insert("x-any_thing", HeaderValue::from_static("1"));
        headers.insert("accept", HeaderValue::from_static("*/*"));
        list.apply(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
