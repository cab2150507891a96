//! Calls to QQ: a GET each, whose answer is read as members or as QQ's error.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::Settings;
use super::answer::Members;
use super::errors::{Fault, Step};
use crate::login::provider::calls::{self, BuildError, Failure};

/// The client for calls to QQ.
pub(super) struct Calls(calls::Calls);

impl Calls {
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let endpoints = [&settings.token_url, &settings.openid_url, &settings.user_info_url];
        let speaks_tls = endpoints.iter().any(|url| url.scheme() == "https");
        calls::Calls::new(&settings.id, &settings.way, speaks_tls).map(Calls)
    }

    /// Asks once. What is not a readable success within the deadline is a fault.
    pub(super) async fn get(&self, step: Step, address: Url, deadline: Instant) -> Result<Members, Fault> {
        let answered = timeout_at(deadline, self.exchange(step, address)).await;
        answered.unwrap_or_else(|_| Err(Fault::Unavailable("timed out".to_owned())))
    }

    /// Whatever is answered there, whoever it is.
    pub(super) async fn whole(&self, address: Url) -> Result<(StatusCode, HeaderMap, Vec<u8>), String> {
        let response = calls::send(self.0.client().get(address)).await.map_err(|failure| match failure {
            Failure::Unavailable(reason) | Failure::Local(reason) => reason,
            Failure::TooLong => "it is too long".to_owned(),
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        // What is too long to be read, or breaks off, is nothing of QQ's.
        Ok((status, headers, calls::body(response).await.unwrap_or_default()))
    }

    async fn exchange(&self, step: Step, address: Url) -> Result<Members, Fault> {
        let response = calls::send(self.0.client().get(address)).await?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Fault::Busy("status 429".to_owned()));
        }
        if status == StatusCode::OK {
            return Members::read(step, &calls::body(response).await?);
        }
        let unavailable = Fault::Unavailable(format!("status {}", status.as_u16()));
        if !status.is_client_error() {
            return Err(unavailable);
        }
        // Such an answer cannot succeed, but it may still say why.
        match Members::read(step, &calls::body(response).await?) {
            Err(told @ (Fault::Refused { .. } | Fault::Busy(_) | Fault::Unavailable(_) | Fault::Local(_))) => Err(told),
            Err(Fault::Malformed(_) | Fault::ForeignClient) | Ok(_) => Err(unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a server that closed its connections without saying so failed half of all logins.
    #[tokio::test]
    async fn each_call_has_a_connection_of_its_own() {
        use std::io::{Read, Write};
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Url::parse(&format!("http://{}/", server.local_addr().unwrap())).unwrap();
        let serving = std::thread::spawn(move || {
            let kept: Vec<_> = (0..3)
                .map(|_| {
                    let mut stream = server.accept().unwrap().0;
                    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                    stream
                })
                .collect();
            kept.len()
        });
        let settings = super::super::tests::settings(&address);
        let calls = Calls::new(&settings).unwrap();
        for _ in 0..3 {
            let deadline = Instant::now() + std::time::Duration::from_secs(10);
            assert!(calls.get(Step::OpenId, address.clone(), deadline).await.is_ok());
        }
        assert_eq!(serving.join().unwrap(), 3);
    }

    #[tokio::test]
    async fn a_qq_that_takes_no_connection_is_waited_for_no_longer_than_the_connect_timeout() {
        use std::time::Duration;
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let full = listener.local_addr().unwrap().as_socket().unwrap();
        let _waiting = std::net::TcpStream::connect(full).unwrap();
        let address = Url::parse(&format!("http://{full}/")).unwrap();
        let connect_timeout = Duration::from_millis(50);
        let mut settings = super::super::tests::settings(&address);
        settings.way.connect_timeout = connect_timeout;
        let calls = Calls::new(&settings).unwrap();
        let an_hour = Instant::now() + Duration::from_secs(3600);
        let told = tokio::time::timeout(Duration::from_secs(10), calls.get(Step::Token, address, an_hour)).await;
        assert!(matches!(told.unwrap(), Err(Fault::Unavailable(_))));
    }
}
