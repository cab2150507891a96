//! How an authority is spoken to.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use reqwest::{Certificate, redirect, retry};

use crate::error_chain::ErrorChain;
use crate::units::ByteSize;

/// Longest answer read. A certificate with those that vouch for it is below 16 KiB.
const ANSWER: ByteSize = ByteSize::kib(256);

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// No client can be made. The configuration's or the machine's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The further authority that vouches for this one's own server.
    #[error("it holds no certificate that can be read: expected PEM with BEGIN CERTIFICATE")]
    Ca,
    /// TLS or the rest of it.
    #[error("calls over https cannot be prepared: {reason}; is the package ca-certificates installed?")]
    Client {
        /// What the library says.
        reason: String,
    },
}

/// Speaks to authorities over https. Cheap to clone.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// `ca`: who vouches for the authority's server beside those whom the machine trusts, as PEM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(ca: Option<&[u8]>) -> Result<Self, ClientError> {
        let authorities = ca.map(|pem| Certificate::from_pem_bundle(pem).unwrap_or_default());
        if authorities.as_ref().is_some_and(Vec::is_empty) {
            return Err(ClientError::Ca);
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWERED_WITHIN)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .tls_certs_merge(authorities.unwrap_or_default());
        let client = builder.build();
        client.map(Client).map_err(|error| ClientError::Client { reason: ErrorChain(&error).to_string() })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let request = reqwest::Request::try_from(Request::from_parts(head, body)).map_err(failed)?;
            let mut answer = client.execute(request).await.map_err(failed)?;
            let mut head = http::Response::builder().status(answer.status());
            if let Some(headers) = head.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let mut body = BytesMut::new();
            while let Some(piece) = answer.chunk().await.map_err(failed)? {
                if body.len() + piece.len() > ANSWER.as_usize() {
                    return Err(instant_acme::Error::Str("its answer is longer than any in earnest"));
                }
                body.extend_from_slice(&piece);
            }
            Ok(BytesResponse::from(head.body(Full::new(body.freeze()))?))
        })
    }
}

fn failed(error: reqwest::Error) -> instant_acme::Error {
    instant_acme::Error::Other(ErrorChain(&error).to_string().into())
}
