//! Certificates that are asked for, and renewed, without anybody's doing (ACME, RFC 8555), and kept in the store.
//!
//! [`Acme`] knows when a certificate is due; `order` is the conversation with the authority, `client` how it is spoken to,
//! `vault` what is kept of it, and `schedule` when.

mod client;
mod order;
mod schedule;
mod vault;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use url::Url;

pub use self::client::{Client, ClientError};
use self::order::Order;
pub use self::order::OrderError;
use self::vault::Vault;
use crate::clock::{Clock, Timestamp};
use crate::http::http_01::Tokens;
use crate::master_key::MasterKey;
use crate::random;
use crate::seal::SealError;
use crate::store::Store;
use crate::tls::{Certificates, Challenges, Validity};

/// An order with everything that belongs to it.
const ORDER_WITHIN: Duration = Duration::from_secs(180);

/// How long at the most until another try once a configuration has been taken into use, however often it has failed before:
/// less than five in an hour also come of a proxy that starts again and again.
const SOON: Duration = Duration::from_secs(15 * 60);

/// After an order that went well the next one for this name is not placed sooner.
const BETWEEN_ORDERS: Duration = Duration::from_secs(3600);

/// What is asked for, and where.
#[derive(Clone)]
pub struct Settings {
    /// The authority's directory (RFC 8555, 7.1.1).
    pub directory: Url,
    /// The names to have certificates for, one each, in small letters; at least one.
    pub names: Vec<String>,
    /// Whom the authority may write to: `mailto:` addresses.
    pub contact: Vec<String>,
    /// How the names are shown to be ours.
    pub challenge: Challenge,
    /// How the authority is spoken to.
    pub client: Client,
}

/// How a name is shown to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// At port 80 (RFC 8555, 8.3).
    Http01,
    /// At port 443 (RFC 8737).
    TlsAlpn01,
}

/// Has certificates issued. What it knows outlives every configuration.
pub struct Acme {
    vault: Vault,
    tokens: Tokens,
    handshakes: Challenges,
    clock: Clock,
    standings: Mutex<HashMap<(Url, String), Standing>>,
}

/// How it stands with a name at an authority.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Standing {
    /// Since the last order that went well.
    failures: u32,
    /// Not before that.
    next: Timestamp,
    /// Not before that either, whatever may have been mended: the authority has said that we come too often.
    #[serde(default)]
    closed_until: Timestamp,
    /// By lot, so that not everybody comes at the same time.
    lot: u16,
}

/// What came of an order.
pub enum Outcome {
    /// There is a new certificate, and clients are shown it.
    Issued(Validity),
    /// There is none, and another try is made after so long.
    Failed {
        /// Which name.
        name: String,
        /// Why.
        error: OrderError,
        /// How long until the next try.
        next_in: Duration,
        /// How long the certificate that there is lasts; `None`: clients are shown none.
        lasts: Option<Duration>,
    },
}

impl Acme {
    /// What is kept in `store` is sealed under `master`.
    ///
    /// # Errors
    /// The cipher takes no key.
    pub fn new(store: Arc<dyn Store>, master: &MasterKey, clock: Clock) -> Result<Self, SealError> {
        Ok(Acme {
            vault: Vault::new(store, master)?,
            tokens: Tokens::default(),
            handshakes: Challenges::default(),
            clock,
            standings: Mutex::default(),
        })
    }

    /// What authorities are told that come by HTTP.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What authorities are shown that come by TLS.
    pub fn handshakes(&self) -> &Challenges {
        &self.handshakes
    }

    /// Shows what was issued before and is still good for something, whenever a configuration is taken into use. That nothing
    /// of it can be read keeps nobody from starting: it is issued anew. What has failed before is tried again soon: whoever
    /// starts or reloads a proxy may have mended it.
    pub async fn show_kept(&self, settings: &Settings, certificates: &Certificates) {
        let soon = self.clock.now().plus(SOON);
        for name in &settings.names {
            self.show(settings, name, certificates, true).await;
            let standing = self.standing(settings, name).await;
            let next = standing.next.min(soon.max(standing.closed_until));
            self.note(settings, name, Standing { next, ..standing });
        }
    }

    /// `tells`: whether it is said that one cannot be read.
    async fn show(
        &self,
        settings: &Settings,
        name: &str,
        certificates: &Certificates,
        tells: bool,
    ) -> Option<Validity> {
        match self.vault.certificate(settings, name).await {
            Ok(issued) => {
                let issued = issued?;
                let is_good = |validity: &Validity| self.clock.now() < validity.not_after;
                issued.validity().ok().filter(is_good).and_then(|_| certificates.show(&issued).ok())
            }
            Err(error) => {
                if tells {
                    tracing::warn!(name, %error, "a certificate that was issued cannot be read from the store");
                }
                None
            }
        }
    }

    /// Has the first certificate issued that is due, if one is: it is shown, and the next call does the next.
    pub async fn renew(&self, settings: &Settings, certificates: &Certificates) -> Option<Outcome> {
        let name = self.due(settings, certificates).await?;
        // Noted down before anything is asked for: who is killed half-way, again and again, has failed as often.
        let begun = self.change(settings, &name, |standing| standing.fail(self.clock.now(), false)).await;
        let order = Order { settings, vault: &self.vault, tokens: &self.tokens, handshakes: &self.handshakes };
        let outcome = timeout(ORDER_WITHIN, order.place(&name)).await.unwrap_or(Err(OrderError::TookTooLong));
        let outcome = match outcome {
            Ok(issued) => certificates.show(&issued).map_err(OrderError::from),
            Err(error) => Err(error),
        };
        Some(match outcome {
            Ok(validity) => {
                let now = self.clock.now();
                // One that is old from the beginning is not asked for again and again.
                let is_done =
                    |standing: &mut Standing| (standing.failures, standing.next) = (0, now.plus(BETWEEN_ORDERS));
                self.change(settings, &name, is_done).await;
                Outcome::Issued(validity)
            }
            Err(error) => {
                let now = self.clock.now();
                let standing = self.change(settings, &name, |standing| {
                    standing.failures = begun.failures.saturating_sub(1);
                    standing.fail(now, error.is_limit());
                });
                let standing = standing.await;
                let lasts = shown(&name, certificates).map(|validity| validity.not_after.since(now));
                let lasts = lasts.filter(|lasts| !lasts.is_zero());
                Outcome::Failed { name, error, next_in: standing.next.since(now), lasts }
            }
        })
    }

    /// Of the names whose certificates are missing or old, and that may be asked for by now, the one that has waited longest.
    async fn due(&self, settings: &Settings, certificates: &Certificates) -> Option<String> {
        let now = self.clock.now();
        let mut due: Option<(Timestamp, &String)> = None;
        for name in &settings.names {
            let standing = self.standing(settings, name).await;
            let is_new = |validity: &Validity| schedule::renewal(validity, standing.lot) > now;
            if shown(name, certificates).as_ref().is_some_and(is_new) {
                continue;
            }
            // A clock that was ahead once keeps nobody waiting for years.
            let may_be_asked_for = standing.next <= now || standing.next.since(now) > schedule::NEVER_LONGER;
            // One may have been issued while another configuration was taken into use.
            let kept = self.show(settings, name, certificates, may_be_asked_for).await;
            let is_first = due.is_none_or(|(next, _)| standing.next < next);
            if may_be_asked_for && is_first && !kept.as_ref().is_some_and(is_new) {
                due = Some((standing.next, name));
            }
        }
        due.map(|(_, name)| name.clone())
    }

    /// How it stands with a name, as it was kept or as with one that is new.
    async fn standing(&self, settings: &Settings, name: &str) -> Standing {
        let key = (settings.directory.clone(), name.to_owned());
        let known = self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(known) = known {
            return known;
        }
        // What cannot be read is asked for as if for the first time.
        let kept = self.vault.standing(settings, name).await.ok().flatten();
        let standing = kept.unwrap_or_else(|| {
            // Without random bytes everybody's lot is the same.
            let lot = random::bytes::<2>().map_or(0, u16::from_be_bytes);
            Standing { lot, ..Standing::default() }
        });
        *self.standings.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(standing)
    }

    async fn change(&self, settings: &Settings, name: &str, change: impl FnOnce(&mut Standing)) -> Standing {
        let mut standing = self.standing(settings, name).await;
        change(&mut standing);
        self.note(settings, name, standing);
        // A process that goes on knows it; the next one begins anew.
        if let Err(error) = self.vault.keep_standing(settings, name, &standing).await {
            tracing::debug!(name, %error, "how it stands with a name could not be kept");
        }
        standing
    }

    fn note(&self, settings: &Settings, name: &str, standing: Standing) {
        let key = (settings.directory.clone(), name.to_owned());
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).insert(key, standing);
    }
}

impl Standing {
    /// It has not come about once more.
    fn fail(&mut self, now: Timestamp, is_limit: bool) {
        self.failures = self.failures.saturating_add(1);
        self.next = now.plus(schedule::pause(self.failures, self.lot, is_limit));
        self.closed_until = if is_limit { self.next } else { Timestamp::default() };
    }
}

/// What a certificate is called that was issued for a name.
fn label(name: &str) -> PathBuf {
    PathBuf::from(format!("acme:{name}"))
}

fn shown(name: &str, certificates: &Certificates) -> Option<Validity> {
    certificates.validities().into_iter().find(|validity| validity.chain == label(name))
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { directory, names, contact, challenge, client: _ } = self;
        let mut shown = f.debug_struct("Settings");
        shown.field("directory", &directory.as_str()).field("names", names).field("contact", contact);
        shown.field("challenge", challenge).finish_non_exhaustive()
    }
}
