//! Calls to QQ. Their addresses hold the secret, the code and the token, so no address is ever printed, sent to another
//! host or tried twice.

use std::io;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Proxy, Response, StatusCode, redirect, retry};
use rustix::io::Errno;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::Settings;
use super::answer::Members;
use super::errors::{Fault, Step};
use crate::error_chain::ErrorChain;
use crate::login::provider::ProviderId;
use crate::rule::{self, Rule};
use crate::units::ByteSize;

/// Longest answer read. QQ's are below 2 KiB.
const ANSWER: ByteSize = ByteSize::kib(64);

/// The client for calls to a provider cannot be built. All of it is the configuration's or the machine's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BuildError {
    /// The proxy's address. It is not printed: it may hold a password.
    #[error("{0}: proxy is not an address such as \"http://proxy.example:3128\" or \"socks5://proxy.example:1080\"")]
    Proxy(ProviderId),
    /// The further certificate authorities.
    #[error("{0}: extra_ca_file holds no certificate that can be read: expected PEM with BEGIN CERTIFICATE")]
    ExtraCa(ProviderId),
    /// TLS or the rest of the client.
    #[error("{provider}: calls over https cannot be prepared: {reason}; is the package ca-certificates installed?")]
    Client {
        /// Which provider.
        provider: ProviderId,
        /// What the library says.
        reason: String,
    },
}

/// The client for calls to QQ.
pub(super) struct Calls {
    client: Client,
}

impl Calls {
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let provider = &settings.id;
        let is_followed = !rule::holds(Rule::CallsToQqFollowNoRedirect);
        let redirects = if is_followed { redirect::Policy::limited(1) } else { redirect::Policy::none() };
        let mut builder = Client::builder()
            .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            // A kept connection may be closed under a call, and a token call cannot be made again.
            .pool_max_idle_per_host(0)
            .redirect(redirects)
            .referer(false)
            .retry(retry::never())
            // Only the configured proxy may see the secret, not one that an environment variable names.
            .no_proxy();
        if let Some(address) = &settings.proxy {
            let proxy = Proxy::all(address.expose()).map_err(|_| BuildError::Proxy(provider.clone()))?;
            builder = builder.proxy(proxy);
        }
        let authorities = match &settings.extra_ca {
            Some(pem) => Certificate::from_pem_bundle(pem).unwrap_or_default(),
            None => Vec::new(),
        };
        if settings.extra_ca.is_some() && authorities.is_empty() {
            return Err(BuildError::ExtraCa(provider.clone()));
        }
        // The machine's own authorities are loaded where TLS is spoken at all: a machine without any can still call a
        // simulator over plain http.
        builder = if speaks_tls(settings) {
            builder.tls_certs_merge(authorities)
        } else {
            builder.tls_certs_only(authorities)
        };
        let client = builder.build();
        let client = client.map_err(|error| BuildError::Client { provider: provider.clone(), reason: chain(error) })?;
        Ok(Calls { client })
    }

    /// Asks once. What is not a readable success within the deadline is a fault.
    pub(super) async fn get(&self, step: Step, address: Url, deadline: Instant) -> Result<Members, Fault> {
        let answered = timeout_at(deadline, self.exchange(step, address)).await;
        answered.unwrap_or_else(|_| Err(Fault::Unavailable("timed out".to_owned())))
    }

    /// Whatever is answered there, whoever it is.
    pub(super) async fn whole(&self, address: Url) -> Result<(StatusCode, HeaderMap, Vec<u8>), String> {
        let response = self.client.get(address).send().await.map_err(|error| chain(error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        // What is too long to be read, or breaks off, is nothing of QQ's.
        Ok((status, headers, body(response).await.unwrap_or_default()))
    }

    async fn exchange(&self, step: Step, address: Url) -> Result<Members, Fault> {
        let response = self.client.get(address).send().await.map_err(failed)?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Fault::Busy("status 429".to_owned()));
        }
        if status == StatusCode::OK {
            return Members::read(step, &body(response).await?);
        }
        let unavailable = Fault::Unavailable(format!("status {}", status.as_u16()));
        if !status.is_client_error() {
            return Err(unavailable);
        }
        // Such an answer cannot succeed, but it may still say why.
        match Members::read(step, &body(response).await?) {
            Err(told @ (Fault::Refused { .. } | Fault::Busy(_) | Fault::Unavailable(_) | Fault::Local(_))) => Err(told),
            Err(Fault::Malformed(_) | Fault::ForeignClient) | Ok(_) => Err(unavailable),
        }
    }
}

/// The whole body, unless it is longer than [`ANSWER`].
async fn body(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let is_too_long = body.len().saturating_add(piece.len()) > ANSWER.as_usize();
        if is_too_long && rule::holds(Rule::AnswersOfQqAreBounded) {
            return Err(Fault::Malformed("longer than 64 KiB"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn speaks_tls(settings: &Settings) -> bool {
    let endpoints = [&settings.token_url, &settings.openid_url, &settings.user_info_url];
    endpoints.iter().any(|url| url.scheme() == "https")
        || settings.proxy.as_ref().is_some_and(|proxy| proxy.expose().starts_with("https:"))
}

fn failed(error: reqwest::Error) -> Fault {
    if is_local(&error) { Fault::Local(chain(error)) } else { Fault::Unavailable(chain(error)) }
}

/// Whether this machine is out of descriptors, memory or ports: whoever was to be called has nothing to do with it.
fn is_local(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(Errno::from_io_error) {
            return matches!(code, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::ADDRNOTAVAIL);
        }
        cause = error.source();
    }
    false
}

/// The error and its causes in one line, without the address.
fn chain(error: reqwest::Error) -> String {
    ErrorChain(&error.without_url()).to_string()
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
        let settings = Settings { connect_timeout, ..super::super::tests::settings(&address) };
        let calls = Calls::new(&settings).unwrap();
        let an_hour = Instant::now() + Duration::from_secs(3600);
        let told = tokio::time::timeout(Duration::from_secs(10), calls.get(Step::Token, address, an_hour)).await;
        assert!(matches!(told.unwrap(), Err(Fault::Unavailable(_))));
    }

    #[tokio::test]
    async fn what_this_machine_is_out_of_is_not_the_providers_fault() {
        // An address that no machine has: to bind to it fails as it does where all ports are taken.
        let nowhere = std::net::IpAddr::from([192, 0, 2, 1]);
        let client = Client::builder().no_proxy().local_address(nowhere).build().unwrap();
        let error = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
        assert!(matches!(failed(error), Fault::Local(_)));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error =
            Client::builder().no_proxy().build().unwrap().get(format!("http://{free}/")).send().await.unwrap_err();
        assert!(matches!(failed(error), Fault::Unavailable(_)), "nobody listens there");
    }
}
