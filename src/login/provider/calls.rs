//! Calls to providers. They hold secrets, codes and tokens, so no address is ever printed, sent to another host or tried
//! twice.

use std::io;
use std::time::Duration;

use reqwest::{Certificate, Client, Proxy, RequestBuilder, Response, redirect, retry};
use rustix::io::Errno;

use super::{Error, ProviderId};
use crate::error_chain::ErrorChain;
use crate::rule::{self, Rule};
use crate::secret::Secret;
use crate::units::ByteSize;

/// Longest answer read. Those of a login are below 10 KiB.
const ANSWER: ByteSize = ByteSize::kib(64);

/// How calls go out.
#[derive(Debug, Clone)]
pub struct Way {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// An HTTP or SOCKS5 proxy; its address may hold a password.
    pub proxy: Option<Secret<String>>,
    /// Further certificate authorities, as PEM.
    pub extra_ca: Option<Vec<u8>>,
}

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

/// Why there is no answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answers, or not to the end.
    Unavailable(String),
    /// The call could not be made here.
    Local(String),
    /// It is longer than [`ANSWER`].
    TooLong,
}

impl Failure {
    /// The same as the error of a provider.
    pub(super) fn at(self, provider: &ProviderId, step: &'static str) -> Error {
        let provider = provider.clone();
        match self {
            Failure::Unavailable(reason) => Error::Unavailable { provider, reason: format!("{step}: {reason}") },
            Failure::Local(reason) => Error::Local { provider, reason: format!("{step}: {reason}") },
            Failure::TooLong => Error::Malformed { provider, step, reason: "longer than 64 KiB" },
        }
    }
}

/// The client for calls to a provider.
pub(super) struct Calls(Client);

impl Calls {
    /// `speaks_tls`: whether any of the calls goes over TLS.
    pub(super) fn new(provider: &ProviderId, way: &Way, speaks_tls: bool) -> Result<Self, BuildError> {
        let is_followed = !rule::holds(Rule::CallsToQqFollowNoRedirect);
        let redirects = if is_followed { redirect::Policy::limited(1) } else { redirect::Policy::none() };
        let mut builder = Client::builder()
            .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(way.connect_timeout)
            // A kept connection may be closed under a call, and a token call cannot be made again.
            .pool_max_idle_per_host(0)
            .redirect(redirects)
            .referer(false)
            .retry(retry::never())
            // Only the configured proxy may see the secret, not one that an environment variable names.
            .no_proxy();
        if let Some(address) = &way.proxy {
            let proxy = Proxy::all(address.expose()).map_err(|_| BuildError::Proxy(provider.clone()))?;
            builder = builder.proxy(proxy);
        }
        let authorities = match &way.extra_ca {
            Some(pem) => Certificate::from_pem_bundle(pem).unwrap_or_default(),
            None => Vec::new(),
        };
        if way.extra_ca.is_some() && authorities.is_empty() {
            return Err(BuildError::ExtraCa(provider.clone()));
        }
        // The machine's own authorities are loaded where TLS is spoken at all: a machine without any can still call a
        // simulator over plain http.
        let speaks_tls = speaks_tls || way.proxy.as_ref().is_some_and(|proxy| proxy.expose().starts_with("https:"));
        builder = if speaks_tls { builder.tls_certs_merge(authorities) } else { builder.tls_certs_only(authorities) };
        let client = builder.build();
        let client = client.map_err(|error| BuildError::Client { provider: provider.clone(), reason: chain(error) })?;
        Ok(Calls(client))
    }

    /// For making calls with; to be sent by [`send`].
    pub(super) fn client(&self) -> &Client {
        &self.0
    }
}

/// Asks once.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, Failure> {
    request.send().await.map_err(failed)
}

/// The whole body, unless it is longer than [`ANSWER`].
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let is_too_long = body.len().saturating_add(piece.len()) > ANSWER.as_usize();
        if is_too_long && rule::holds(Rule::AnswersOfQqAreBounded) {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn failed(error: reqwest::Error) -> Failure {
    if is_local(&error) { Failure::Local(chain(error)) } else { Failure::Unavailable(chain(error)) }
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

    #[tokio::test]
    async fn what_this_machine_is_out_of_is_not_the_providers_fault() {
        // An address that no machine has: to bind to it fails as it does where all ports are taken.
        let nowhere = std::net::IpAddr::from([192, 0, 2, 1]);
        let client = Client::builder().no_proxy().local_address(nowhere).build().unwrap();
        assert!(matches!(send(client.get("http://127.0.0.1:9/")).await, Err(Failure::Local(_))));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        let answered = send(client.get(format!("http://{free}/"))).await;
        assert!(matches!(answered, Err(Failure::Unavailable(_))), "nobody listens there");
    }
}
