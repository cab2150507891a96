//! A request in the form of HTTP/2, made of one in the form of HTTP/1.1, and back.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};
use http_body::Body;
use hyper::ext::Protocol;

use super::body::{RequestBody, trim};

/// Puts a request into the form of HTTP/2: its `Host` is the authority of its target (RFC 9113, 8.3.1), and nothing speaks of
/// the connection (8.2.2) but `TE: trailers`, without which gRPC answers nobody.
pub(super) fn dress(request: &mut Request<RequestBody>, is_tls: bool) {
    // 100 cannot be waited for: hyper does not tell when it comes.
    if request.headers_mut().remove(EXPECT).is_some() {
        request.body_mut().hold_no_longer();
    }
    request.extensions_mut().remove::<Protocol>();
    let headers = request.headers_mut();
    for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    trim(headers);
    let scheme = if is_tls { Scheme::HTTPS } else { Scheme::HTTP };
    let authority = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    if let Some(authority) = authority
        && let Some(uri) = assembled(request.uri(), Some((scheme, authority)))
    {
        *request.uri_mut() = uri;
        request.headers_mut().remove(HOST);
    }
    *request.version_mut() = Version::HTTP_2;
}

/// The way back.
pub(super) fn undress(request: &mut Request<RequestBody>) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = authority
        && let Some(uri) = assembled(request.uri(), None)
    {
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, host);
    }
    let is_chunked = !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH);
    let headers = request.headers_mut();
    if is_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if headers.contains_key(TE) {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    *request.version_mut() = Version::HTTP_11;
}

/// The same path, of this server.
fn assembled(uri: &Uri, server: Option<(Scheme, Authority)>) -> Option<Uri> {
    let (scheme, authority) = server.unzip();
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    (parts.scheme, parts.authority) = (scheme, authority);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn the_host_becomes_the_authority_and_nothing_speaks_of_the_connection() {
        let fields = [("host", "a.example:8000"), ("connection", "te"), ("te", "trailers"), ("x", "\t1 ")];
        let mut request = request("/a//b?c=%20", &fields);
        dress(&mut request, true);
        assert_eq!(request.uri(), "https://a.example:8000/a//b?c=%20");
        assert_eq!(request.version(), Version::HTTP_2);
        let mut expected = HeaderMap::new();
        expected.insert(TE, HeaderValue::from_static("trailers"));
        expected.insert("x", HeaderValue::from_static("1"));
        assert_eq!(request.headers(), &expected);
        undress(&mut request);
        assert_eq!(request.uri(), "/a//b?c=%20");
        assert_eq!((request.version(), &request.headers()[HOST]), (Version::HTTP_11, &fields[0].1.parse().unwrap()));
        assert_eq!(request.headers()[CONNECTION], "te");
    }

    #[test]
    fn the_server_as_a_whole_may_be_asked() {
        let mut request = request("*", &[("host", "a.example")]);
        dress(&mut request, false);
        assert_eq!((request.uri().path(), request.uri().scheme_str()), ("*", Some("http")));
        undress(&mut request);
        assert_eq!(request.uri(), "*");
    }
}
