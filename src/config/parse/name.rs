//! Names of headers, cookies, methods and claims.

use http::{HeaderName, Method};

use crate::config::error::Remark;
use crate::config::tree::quoted;

/// Names that mean something to HTTP itself or to whoever routes a request: identity in one of them would break the
/// request or be taken for something else. The hop-by-hop ones are RFC 9110, 7.6.1.
const RESERVED_HEADERS: [&str; 28] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
    "x-request-id",
];

/// What the cookies of login attempts begin with.
const ATTEMPT_COOKIES: &str = "menshen_login_";

/// A header that may carry identity.
pub(in crate::config) fn identity_header(text: &str) -> Result<HeaderName, Remark> {
    let expected = || Remark::expected("a header's name such as \"X-Menshen-User\"");
    let own_name = "take a name of your own: \"X-Menshen-User\"";
    if text.contains('_') {
        let remark = Remark::new("holds a `_`").so("nginx, gunicorn and we ourselves drop such headers on the way");
        let spelt = text.replace('_', "-");
        let fix = if is_reserved(&spelt.to_ascii_lowercase()) { own_name.to_owned() } else { quoted(&spelt) };
        return Err(remark.fix(fix));
    }
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        let remark = expected().so("no HTTP message could carry it");
        match text.strip_suffix(':') {
            Some(name) => remark.fix(format!("leave out the colon: {}", quoted(name))),
            None => remark.fix("letters, digits and `-`, without blanks"),
        }
    })?;
    if is_reserved(name.as_str()) {
        let remark = Remark::new("is a header of HTTP's own or of the proxies on the way, and cannot carry identity");
        return Err(remark.so("requests would break or be routed wrongly").fix(own_name));
    }
    Ok(name)
}

fn is_reserved(name: &str) -> bool {
    let families = ["x-forwarded-", "proxy-", "sec-", "access-control-"];
    RESERVED_HEADERS.contains(&name) || families.iter().any(|begin| name.starts_with(begin))
}

/// What stands before the JWT: a word, or nothing.
pub(in crate::config) fn scheme(text: &str) -> Result<String, Remark> {
    if text.is_empty() || is_token(text) {
        return Ok(text.to_owned());
    }
    let remark = Remark::expected("one word such as \"Bearer\" or \"JWT\", or \"\" for none")
        .so("applications take what stands before the first blank for the scheme");
    let trimmed = text.trim_matches([' ', ':']);
    Err(if is_token(trimmed) {
        remark.fix(format!("{}: the blank is added", quoted(trimmed)))
    } else {
        remark.fix("write it without blanks and colons")
    })
}

/// A cookie's name (RFC 6265, 4.1.1), without a prefix that browsers hold to rules of its own.
pub(in crate::config) fn cookie(text: &str) -> Result<String, Remark> {
    if !is_token(text) {
        return Err(Remark::expected("a cookie's name: letters, digits, `_` and `-`")
            .so("browsers would drop the cookie, or read another name")
            .fix("leave out blanks and other signs"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(prefix) = ["__host-", "__secure-"].iter().find(|prefix| lower.starts_with(*prefix)) {
        let bare = text.get(prefix.len()..).unwrap_or_default();
        let remark = Remark::new("browsers hold `__Host-` and `__Secure-` cookies to rules of their own")
            .so("where one of these is broken, they drop the cookie");
        return Err(remark.fix(format!("{}: where a prefix can be had, it is added", quoted(bare))));
    }
    if text.starts_with(ATTEMPT_COOKIES) {
        let remark = Remark::new(format!("names that begin with `{ATTEMPT_COOKIES}` belong to login attempts"));
        return Err(remark.so("it would be taken for one, and dropped").fix("give the cookie another name"));
    }
    Ok(text.to_owned())
}

/// A method (RFC 9110, 9.1: case counts).
pub(in crate::config) fn method(text: &str) -> Result<Method, Remark> {
    let remark = Remark::expected("a method in capitals such as \"GET\" or \"POST\"")
        .so("methods are compared letter by letter, and it would never match");
    let upper = text.to_ascii_uppercase();
    if text == "*" {
        return Err(remark.fix("leave out `methods` to have them all"));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if text == upper => Ok(method),
        Ok(_) => Err(remark.fix(quoted(&upper))),
        Err(_) => Err(remark.fix("write one method alone, in letters")),
    }
}

/// A claim besides those that a JWT always has.
pub(in crate::config) fn claim(text: &str) -> Result<(), Remark> {
    let twice = "given in two places, it could be two things";
    match text {
        "" => Err(Remark::expected("a claim's name").so("nobody could ask for it").fix("give it one, or remove it")),
        "aud" => Err(Remark::new("has a key of its own").so(twice).fix("audience = \"…\" in the section above")),
        "iss" => Err(Remark::new("has a key of its own").so(twice).fix("issuer = \"…\" in the section above")),
        "sub" | "iat" | "exp" | "nbf" | "jti" => Err(Remark::new("is set by Menshen itself")
            .so("a token that lies about its user or its time would be believed")
            .fix("give the claim another name")),
        _ => Ok(()),
    }
}

/// A name that the operator chooses for an upstream or an identity.
pub(in crate::config) fn chosen(text: &str) -> Result<(), Remark> {
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let good = good && !text.is_empty() && text.len() <= 64;
    good.then_some(()).ok_or_else(|| {
        Remark::expected("a name of at most 64 letters, digits, `_` and `-`")
            .so("variables, routes and logs go by it, and could not all spell it")
            .fix("write `-` for whatever else stands in it")
    })
}

fn is_token(text: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_never_rides_in_a_header_that_means_something_else() {
        for bad in [
            "Host",
            "COOKIE",
            "Content-Length",
            "te",
            "X-Forwarded-For",
            "X_User",
            "X User",
            "",
            "X-User:",
            "Sec-Fetch-Site",
        ] {
            assert!(identity_header(bad).is_err(), "{bad}");
        }
        for good in ["Authorization", "X-Menshen-User", "Remote-User"] {
            assert!(identity_header(good).is_ok(), "{good}");
        }
        assert!(RESERVED_HEADERS.is_sorted());
    }

    #[test]
    fn cookie_names_are_tokens_without_a_browsers_prefix() {
        for bad in ["", "a b", "a=b", "a;b", "名", "menshen_login_1", "__Host-a", "__secure-a", "a\""] {
            assert!(cookie(bad).is_err(), "{bad}");
        }
        assert!(cookie("menshen_session").is_ok());
    }
}
