//! Shaking hands with clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsAcceptor};

use super::authorities::{Authorities, Trust};
use super::challenges::{self, Challenges};
use super::{Settings, Version, client};
use crate::clock::Clock;
use crate::http::client_certificate::{ClientAuth, Handshake};
use crate::rule::{self, Rule};

/// HTTP/1.1 as ALPN names it (RFC 7301).
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// HTTP/2 as ALPN names it (RFC 9113, 3.2).
pub const HTTP_2: &[u8] = b"h2";

/// What is known of who was asked for nothing.
const UNASKED: Handshake = Handshake { asked: ClientAuth::Off, certificate: None };

/// The system gave no randomness, or the cryptography no keys.
#[derive(Debug, thiserror::Error)]
#[error("no keys for session tickets can be made")]
pub struct NoTickets(#[source] rustls::Error);

/// What session tickets are sealed with, so that clients that come back need no full handshake. Made anew every few
/// hours; kept across reloads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// With a key of their own.
    pub fn new() -> Result<Self, NoTickets> {
        rustls::crypto::aws_lc_rs::Ticketer::new().map(Tickets).map_err(NoTickets)
    }
}

/// Shakes hands with clients. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    /// For clients who are asked for nothing.
    unasked: Arc<ServerConfig>,
    /// For the others, by what was believed when it was made.
    asking: ArcSwapOption<Asking>,
    /// For authorities that look whether a name is ours.
    challenges: Option<Arc<ServerConfig>>,
}

struct Asking {
    trust: Arc<Trust>,
    optional: Arc<ServerConfig>,
    required: Arc<ServerConfig>,
}

impl Acceptor {
    /// Shows these certificates, and asks for those. `challenges`: what authorities are shown, where they come by TLS.
    ///
    /// # Errors
    /// The provider lacks what the versions need.
    pub fn new(
        settings: &Settings,
        tickets: &Tickets,
        challenges: Option<&Challenges>,
        clock: &Clock,
    ) -> Result<Self, rustls::Error> {
        let unasked = config(settings, WebPkiClientVerifier::no_client_auth(), tickets, clock)?;
        let challenges = challenges.map(Challenges::config).transpose()?;
        let (settings, clock) = (settings.clone(), clock.clone());
        Ok(Acceptor(Arc::new(Inner { settings, clock, unasked, asking: ArcSwapOption::empty(), challenges })))
    }

    /// Shakes hands. Takes as long as the client does.
    pub async fn accept<S>(&self, stream: S) -> io::Result<(TlsStream<S>, Handshake)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let is_the_same_for_all = self.0.settings.clients.authorities.is_none() && self.0.challenges.is_none();
        if is_the_same_for_all {
            return Ok((TlsAcceptor::from(Arc::clone(&self.0.unasked)).accept(stream).await?, UNASKED));
        }
        // Nothing of it is kept for as long as the connection lasts.
        Box::pin(self.accept_by_hello(stream)).await
    }

    /// Shakes hands as the client's first message has it.
    async fn accept_by_hello<S>(&self, stream: S) -> io::Result<(TlsStream<S>, Handshake)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        if let Some(config) = &self.0.challenges
            && challenges::is_for_a_challenge(&begun.client_hello())
        {
            // It has seen what it came for (RFC 8737, 3).
            begun.into_stream(Arc::clone(config)).await?.shutdown().await?;
            return Err(io::Error::other("a certificate authority has looked at its challenge"));
        }
        match &self.0.settings.clients.authorities {
            None => Ok((begun.into_stream(Arc::clone(&self.0.unasked)).await?, UNASKED)),
            Some(authorities) => self.ask(authorities, begun).await,
        }
    }

    /// Shakes hands with a client, asking as the site does that it names.
    async fn ask<S>(&self, authorities: &Authorities, begun: StartHandshake<S>) -> io::Result<(TlsStream<S>, Handshake)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let asked = self.0.settings.clients.asked_at(begun.client_hello().server_name());
        let asking = self.0.asking(authorities.present()).map_err(io::Error::other)?;
        let config = match asked {
            ClientAuth::Off => &self.0.unasked,
            ClientAuth::Optional => &asking.optional,
            ClientAuth::Required => &asking.required,
        };
        let mut stream = begun.into_stream(Arc::clone(config)).await?;
        let session = stream.get_ref().1;
        // rustls believes a ticket without looking at what was shown for it. That no other policy's and no other files'
        // ticket opens is the keys' doing; what time alone has undone since is found here, and only here.
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        if is_resumed && rule::holds(Rule::ResumedHandshakesAreVerifiedAnew) {
            let verified = asking.trust.verify(asked, session.peer_certificates(), self.0.clock.now());
            if let Err(error) = verified {
                // It was given another ticket for it, by which it would come back for ever, whatever it could show.
                authorities.forget_tickets().map_err(io::Error::other)?;
                // It is refused, whether it hears of it or not.
                let _ = stream.shutdown().await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        let shown = session.peer_certificates().and_then(<[_]>::first).filter(|_| asked != ClientAuth::Off);
        let certificate = shown.map(|shown| Arc::new(client::described(shown)));
        Ok((stream, Handshake { asked, certificate }))
    }
}

impl Inner {
    /// How clients are asked by whom we believe now.
    fn asking(&self, trust: Arc<Trust>) -> Result<Arc<Asking>, rustls::Error> {
        let present = self.asking.load_full().filter(|asking| Arc::ptr_eq(&asking.trust, &trust));
        if let Some(present) = present {
            return Ok(present);
        }
        let config = |asked| match trust.asking(asked) {
            Some(asking) => config(&self.settings, Arc::clone(&asking.verifier), &asking.tickets, &self.clock),
            None => Ok(Arc::clone(&self.unasked)),
        };
        let (optional, required) = (config(ClientAuth::Optional)?, config(ClientAuth::Required)?);
        let asking = Arc::new(Asking { trust, optional, required });
        self.asking.store(Some(Arc::clone(&asking)));
        Ok(asking)
    }
}

fn config(
    settings: &Settings,
    verifier: Arc<dyn ClientCertVerifier>,
    tickets: &Tickets,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions: &[_] = match settings.min_version {
        Version::Tls12 => &[&TLS12, &TLS13],
        Version::Tls13 => &[&TLS13],
    };
    let time = Arc::new(Time(clock.clone()));
    let config = ServerConfig::builder_with_details(super::provider(), time).with_protocol_versions(versions)?;
    let config = config.with_client_cert_verifier(verifier);
    let mut config = config.with_cert_resolver(Arc::clone(&settings.certificates) as _);
    let protocols: &[&[u8]] = if settings.http2 { &[HTTP_2, HTTP_1_1] } else { &[HTTP_1_1] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.ticketer = Arc::clone(&tickets.0);
    // The strongest that both know, whatever the client would rather have: nobody on the way talks it into less.
    config.ignore_client_order = true;
    Ok(Arc::new(config))
}

/// The time by which certificates expire.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().as_millis())))
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
