//! WebSockets by HTTP/2 (RFC 8441), in the form in which everything else knows them: that of HTTP/1.1 (RFC 6455).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use hyper::ext::Protocol;

use crate::random;
use crate::rule::{self, Rule};

/// What a server adds to a key before it hashes it, to show that it knows what it answers (RFC 6455, 4.2.2).
const SERVERS_MARK: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake whose answer is still to come.
pub(super) struct Handshake {
    /// What shows that the application understood.
    accept: String,
}

impl Handshake {
    /// Puts a request for a WebSocket into the form of HTTP/1.1. `None`, and nothing changed, where it is for something
    /// else.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let protocol = request.extensions().get::<Protocol>().filter(|_| request.method() == Method::CONNECT)?;
        if !protocol.as_str().eq_ignore_ascii_case("websocket") {
            return None;
        }
        let key = BASE64_STANDARD.encode(random::bytes::<16>().ok()?);
        let accept = accept(&key);
        // hyper would say it again to an upstream that speaks HTTP/2, beside a method that is CONNECT no more.
        request.extensions_mut().remove::<Protocol>();
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).ok()?);
        Some(Handshake { accept })
    }

    /// Puts the answer into the form of HTTP/2, in which any 200 opens the way: that of an application that switched does,
    /// and no other.
    pub(super) fn settle<B>(self, response: &mut Response<B>) {
        let is_understood = response.headers().get(SEC_WEBSOCKET_ACCEPT).is_some_and(|said| *said == *self.accept);
        *response.status_mut() = match response.status() {
            StatusCode::SWITCHING_PROTOCOLS if is_understood => StatusCode::OK,
            StatusCode::SWITCHING_PROTOCOLS => StatusCode::BAD_GATEWAY,
            // It was asked for a WebSocket, and has none there (RFC 9220, 3).
            status if status.is_success() && rule::holds(Rule::OnlyASwitchOpensAWebSocket) => {
                StatusCode::NOT_IMPLEMENTED
            }
            status => status,
        };
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            response.headers_mut().remove(name);
        }
    }
}

fn accept(key: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), SERVERS_MARK].concat());
    BASE64_STANDARD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(protocol: Protocol) -> (Request<()>, Option<Handshake>) {
        let mut request = Request::connect("https://a.example/ws").extension(protocol).body(()).unwrap();
        let handshake = Handshake::of(&mut request);
        (request, handshake)
    }

    fn settled(status: u16, accept: Option<&str>) -> Response<()> {
        let (_, handshake) = asked(Protocol::from_static("websocket"));
        let handshake = handshake.unwrap();
        let mut response = Response::builder().status(status).header(CONNECTION, "upgrade").body(()).unwrap();
        let accept = HeaderValue::try_from(accept.unwrap_or(&handshake.accept)).unwrap();
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
        handshake.settle(&mut response);
        response
    }

    /// The example of RFC 6455, 1.3.
    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_web_socket_is_asked_for_as_by_http_1_and_nothing_else_is() {
        let (request, handshake) = asked(Protocol::from_static("websocket"));
        assert_eq!((request.method(), &request.headers()[UPGRADE]), (&Method::GET, &"websocket".parse().unwrap()));
        assert!(request.extensions().get::<Protocol>().is_none());
        assert_eq!(accept(request.headers()[SEC_WEBSOCKET_KEY].to_str().unwrap()), handshake.unwrap().accept);
        let (request, handshake) = asked(Protocol::from_static("connect-udp"));
        assert!(handshake.is_none() && request.headers().is_empty() && request.method() == Method::CONNECT);
    }

    #[test]
    fn only_a_switch_that_was_understood_opens_the_way() {
        let answer = settled(101, None);
        assert!(answer.status() == 200 && answer.headers().is_empty());
        assert_eq!(settled(101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")).status(), 502);
        for (status, told) in [(200, 501), (204, 501), (302, 302), (401, 401), (403, 403), (502, 502)] {
            assert_eq!(settled(status, None).status(), told);
        }
    }
}
