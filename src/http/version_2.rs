//! A request of HTTP/2 in the form that everything else works with: that of HTTP/1.1.

use http::Request;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http_body::Body;

/// Puts a request into that form: one `Host`, as `:authority` names it (RFC 9113, 8.3.1), one `Cookie` field (8.2.3), chunks
/// where no length is told of a body, and no field whose name is none there. A `Host` that says otherwise stays beside the authority, so that whoever
/// compares them finds it.
pub fn settle<B: Body>(request: &mut Request<B>) {
    let has_body = !request.body().is_end_stream();
    if !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    let headers = request.headers_mut();
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(COOKIE, joined);
        }
    }
    while let Some(name) = headers.keys().find(|name| is_no_token(name)).cloned() {
        headers.remove(name);
    }
    // No client says so itself: it would be malformed (RFC 9113, 8.2.2).
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// HTTP/2 as it is read here takes a quotation mark in a name, which no parser of HTTP/1.1 does (RFC 9110, 5.6.2).
fn is_no_token(name: &HeaderName) -> bool {
    name.as_str().contains('"')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;

    fn settled(request: http::request::Builder) -> Request<Full<Bytes>> {
        with_body(request, "")
    }

    fn with_body(request: http::request::Builder, body: &'static str) -> Request<Full<Bytes>> {
        let mut request = request.body(Full::from(body)).unwrap();
        settle(&mut request);
        request
    }

    #[test]
    fn the_authority_is_the_host_unless_there_is_one() {
        let request = Request::builder().uri("https://a.example:8443/x");
        assert_eq!(settled(request).headers()[HOST], "a.example:8443");
        let request = Request::builder().uri("https://a.example/x").header(HOST, "b.example");
        assert_eq!(settled(request).headers()[HOST], "b.example", "for the gate to refuse");
        assert!(settled(Request::builder().uri("/x")).headers().is_empty());
    }

    #[test]
    fn a_cookie_that_came_in_crumbs_is_one_field() {
        let request = Request::builder().uri("/").header(COOKIE, "a=1").header(COOKIE, "b=2; c=3").header("x", "y");
        let request = settled(request);
        assert_eq!(request.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
        assert_eq!(request.headers()["x"], "y");
    }

    #[test]
    fn a_name_that_is_none_in_http_1_does_not_stay() {
        let quoted = HeaderName::from_lowercase(b"x\"y").unwrap();
        let request = settled(Request::builder().uri("/").header(quoted, "1").header("x'y", "2"));
        assert_eq!(request.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x'y"]);
    }

    #[test]
    fn a_body_of_no_told_length_comes_in_chunks() {
        let get = || Request::builder().uri("/");
        assert_eq!(with_body(get(), "body").headers()[TRANSFER_ENCODING], "chunked");
        assert!(!with_body(get().header(CONTENT_LENGTH, "4"), "body").headers().contains_key(TRANSFER_ENCODING));
        assert!(!settled(get()).headers().contains_key(TRANSFER_ENCODING));
    }
}
