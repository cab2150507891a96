//! Whoever asks for the pages that are counted: one request after another, on one connection.

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::backends::{Proxy, SITE};

/// What a browser sends beside the cookies.
const FIELDS: [(&str, &str); 6] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-language", "zh-CN,zh;q=0.9,en;q=0.8"),
    ("accept-encoding", "gzip, deflate, br"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
];

/// Visitors of one kind.
pub(super) struct Visitors<'p> {
    proxy: &'p Proxy,
    cookie: String,
    is_http_2: bool,
}

impl<'p> Visitors<'p> {
    /// `anonymous`, `authenticated`, or with ` over HTTP/2` after it.
    pub(super) fn of(proxy: &'p Proxy, workload: &str) -> Self {
        let (who, is_http_2) = match workload.strip_suffix(" over HTTP/2") {
            Some(who) => (who, true),
            None => (workload, false),
        };
        let cookie = match who {
            "anonymous" => "sessionid=abcdefghijklmnop".to_owned(),
            "authenticated" => {
                let browser = proxy.browser();
                browser.log_in("10001");
                format!("sessionid=abcdefghijklmnop; {}", browser.cookie_header().unwrap())
            }
            other => panic!("nobody is {other}"),
        };
        Visitors { proxy, cookie, is_http_2 }
    }

    /// So many requests, each answered in full.
    pub(super) fn come(&self, requests: usize) {
        if self.is_http_2 {
            return Runtime::new().unwrap().block_on(self.come_by_http_2(requests));
        }
        let mut connection = self.proxy.connect();
        let fields: Vec<String> = FIELDS.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let cookie = format!("Cookie: {}", self.cookie);
        for _ in 0..requests {
            let answer = connection.get("/goods/12/?page=2", &[&fields[..], &[cookie.as_str()]].concat()).answer();
            assert_eq!((answer.status, answer.body.len()), (200, 1024));
        }
    }

    async fn come_by_http_2(&self, requests: usize) {
        let stream = TcpStream::connect(self.proxy.address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..requests {
            let mut request = http::Request::get(format!("http://{SITE}/goods/12/?page=2"));
            for (name, value) in FIELDS.iter().copied().chain([("cookie", self.cookie.as_str())]) {
                request = request.header(name, value);
            }
            let (answer, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
            let (head, mut body) = answer.await.unwrap().into_parts();
            let mut length = 0;
            while let Some(piece) = body.data().await {
                let piece: Bytes = piece.unwrap();
                body.flow_control().release_capacity(piece.len()).unwrap();
                length += piece.len();
            }
            assert_eq!((head.status.as_u16(), length), (200, 1024));
        }
        drop(sender);
        connection.await.unwrap().unwrap();
    }
}
