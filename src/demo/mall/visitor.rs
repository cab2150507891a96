//! Who the shop believes its visitor to be: what the headers say, and nothing else. Whoever stands in front of the shop
//! has to see to it that no client can send them.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::token::{Token, printable};

/// The header that carries the visitor's id.
const USER: &str = "x-menshen-user";
/// The header that carries the visitor's name, as percent-encoded UTF-8.
const NAME: &str = "x-menshen-name";

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) id: String,
    pub(super) name: String,
    /// What we know it from.
    pub(super) told_by: &'static str,
}

impl Visitor {
    /// From the plain headers, else from the claims of the JWT.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::by_headers(headers).or_else(|| Self::by_token(&Token::of(headers)?))
    }

    fn by_headers(headers: &HeaderMap) -> Option<Self> {
        let id = decoded(headers, USER).filter(|id| !id.is_empty())?;
        let name = decoded(headers, NAME).filter(|name| !name.is_empty());
        Some(Visitor { name: name.unwrap_or_else(|| id.clone()), id, told_by: "X-Menshen-User" })
    }

    fn by_token(token: &Token<'_>) -> Option<Self> {
        let id = token.claim(&["user_id", "sub"])?.to_owned();
        let name = token.claim(&["name", "username"]).unwrap_or(&id).to_owned();
        Some(Visitor { id, name, told_by: "Authorization" })
    }
}

fn decoded(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(printable(&percent_decode_str(value).decode_utf8_lossy()))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn visitor(headers: &[(&'static str, &str)]) -> Option<(String, String, &'static str)> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Visitor::of(&headers).map(|visitor| (visitor.id, visitor.name, visitor.told_by))
    }

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJFUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn names_are_decoded_and_headers_go_before_claims() {
        let bearer = format!("Bearer {}", token(r#"{"sub":"u1","username":"zhang"}"#));
        let by_token = Some(("u1".into(), "zhang".into(), "Authorization"));
        assert_eq!(visitor(&[("authorization", &bearer)]), by_token);
        let by_headers = Some(("u2".into(), "张三".into(), "X-Menshen-User"));
        let name = ("x-menshen-name", "%E5%BC%A0%E4%B8%89");
        assert_eq!(visitor(&[("x-menshen-user", "u2"), name, ("authorization", &bearer)]), by_headers);
        assert_eq!(visitor(&[("x-menshen-user", "u3")]), Some(("u3".into(), "u3".into(), "X-Menshen-User")));
    }

    #[test]
    fn whoever_is_not_named_is_a_stranger() {
        let bad_tokens =
            ["Bearer", "Bearer a.b.c", "Bearer a..c", "Basic YTpi", "JWT undefined", "Bearer ...", "JWT  "];
        for authorization in bad_tokens {
            assert_eq!(visitor(&[("authorization", authorization)]), None, "{authorization}");
        }
        assert_eq!(visitor(&[("authorization", &format!("Bearer {}", token("[]")))]), None);
        assert_eq!(visitor(&[("authorization", &format!("Bearer {}", token("{}")))]), None);
        assert_eq!(visitor(&[("x-menshen-name", "x")]), None);
        assert_eq!(visitor(&[("x-menshen-user", "")]), None);
    }
}
