//! Which request a proxy asks about: each says so in its own way.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::rule::{self, Rule};

/// How a proxy says it. What the other ways' fields say comes from the client, and is nothing to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// nginx's `auth_request`, with `X-Original-Method` and `X-Original-URI` as in `deploy/nginx-forward-auth.conf`.
    Nginx,
    /// Traefik's `ForwardAuth` and others: `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-Host`.
    Forwarded,
    /// The same of Caddy, as in `deploy/Caddyfile`.
    Caddy,
    /// Envoy's `ext_authz` by HTTP: the request's own method and host, its target below ours.
    Envoy,
}

/// The caller does not say which request it asks about, or says it in a way that nobody could act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::gateway) struct Unsaid(&'static str);

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The request that is asked about, without its body. `ours`: the path of our endpoint.
pub(super) fn original<B>(dialect: Dialect, asked: &Request<B>, ours: &str) -> Result<Request<()>, Unsaid> {
    let headers = asked.headers();
    let (method, target, host) = match dialect {
        Dialect::Nginx => (named(headers, &X_ORIGINAL_METHOD)?, whole(headers, &X_ORIGINAL_URI)?, one(headers, &HOST)?),
        Dialect::Forwarded | Dialect::Caddy => {
            (named(headers, &X_FORWARDED_METHOD)?, whole(headers, &X_FORWARDED_URI)?, one(headers, &X_FORWARDED_HOST)?)
        }
        Dialect::Envoy => {
            let target = asked.uri().path_and_query().map_or("", PathAndQuery::as_str);
            let below = target.strip_prefix(ours).ok_or(Unsaid("the target is not below ours"))?;
            (asked.method().clone(), self::target(below)?, one(headers, &HOST)?)
        }
    };
    let host = host.clone();
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    // What is told of a body is the question's, which has none.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    Ok(request)
}

/// What one field says; two of them are one from the client, and which is whose nobody can tell.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Unsaid> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next().ok_or(Unsaid("a field is missing that says which request it is"))?;
    if fields.next().is_some() && rule::holds(Rule::AQuestionNamesOneRequest) {
        return Err(Unsaid("a field that says which request it is stands there twice"));
    }
    Ok(first)
}

fn named(headers: &HeaderMap, name: &HeaderName) -> Result<Method, Unsaid> {
    Method::from_bytes(one(headers, name)?.as_bytes()).map_err(|_| Unsaid("the method is none"))
}

fn whole(headers: &HeaderMap, name: &HeaderName) -> Result<PathAndQuery, Unsaid> {
    target(one(headers, name)?.to_str().map_err(|_| Unsaid("the target is no text"))?)
}

/// A path and a query, exactly as written: what a parser would leave out the application may read.
fn target(text: &str) -> Result<PathAndQuery, Unsaid> {
    let parsed: PathAndQuery = text.parse().map_err(|_| Unsaid("the target is none"))?;
    let is_whole = text.starts_with('/') && parsed.as_str() == text;
    is_whole.then_some(parsed).ok_or(Unsaid("the target is no path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let request = Request::get(target).header("host", "www.meiduo.site");
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
    }

    fn said(dialect: Dialect, target: &str, fields: &[(&str, &str)]) -> Option<String> {
        let request = original(dialect, &asked(target, fields), "/.menshen/auth").ok()?;
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        Some(format!("{} {host}{}", request.method(), request.uri()))
    }

    #[test]
    fn each_proxy_is_heard_in_its_own_way_alone() {
        let nginx = [("x-original-method", "POST"), ("x-original-uri", "/a?b=c")];
        let caddy = [("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/d"), ("x-forwarded-host", "e.example")];
        let both = [&nginx[..], &caddy[..]].concat();
        for (dialect, target, expected) in [
            (Dialect::Nginx, "/.menshen/auth", "POST www.meiduo.site/a?b=c"),
            (Dialect::Forwarded, "/.menshen/auth", "PUT e.example/d"),
            (Dialect::Envoy, "/.menshen/auth/f?g", "GET www.meiduo.site/f?g"),
        ] {
            assert_eq!(said(dialect, target, &both).as_deref(), Some(expected), "{dialect:?}");
        }
        assert_eq!(said(Dialect::Nginx, "/.menshen/auth", &caddy), None);
        assert_eq!(said(Dialect::Forwarded, "/.menshen/auth", &nginx), None);
        assert_eq!(said(Dialect::Envoy, "/.menshen/auth", &both), None);
    }

    #[test]
    fn a_question_about_no_request_or_about_two_is_none() {
        for target in ["", "a", "http://a.example/b", "//a b", "/a#b", "*", "?a", "/a\u{e9}", "/a b"] {
            let fields = [("x-original-method", "GET"), ("x-original-uri", target)];
            assert_eq!(said(Dialect::Nginx, "/.menshen/auth", &fields), None, "{target}");
        }
        for method in ["", "G ET", "GET\u{e9}"] {
            let fields = [("x-original-method", method), ("x-original-uri", "/")];
            assert_eq!(said(Dialect::Nginx, "/.menshen/auth", &fields), None, "{method}");
        }
        let twice = [("x-original-method", "GET"), ("x-original-uri", "/public"), ("x-original-uri", "/user")];
        assert_eq!(said(Dialect::Nginx, "/.menshen/auth", &twice), None);
    }
}
