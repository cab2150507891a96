//! The keys the process works with: kept in the store, sealed under the master key, made on first start.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::{Algorithm, Signing};
use crate::master_key::MasterKey;
use crate::random::{self, NoRandomness};
use crate::seal::{KEY_LEN, SealError, SealKey, Sealer};
use crate::secret::Secret;
use crate::store::{self, Actor, KeyPurpose, Store, StoredKey};
use crate::token::TokenError;
use crate::token::schedule::KeySchedule;
use crate::token::signing_key::SigningKey;
use crate::token::upstream::Signer;

/// The algorithm name of sealing keys.
const SEALING: &str = "A256GCM-SIV";

/// API tokens are verified by nobody but us.
const API_ALGORITHM: Algorithm = Algorithm::EdDsa;

/// No configuration lets an upstream's token live longer (`identity.<name>.lifetime`).
const LONGEST_UPSTREAM_TOKEN: Duration = Duration::from_secs(86_400);

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No key could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// No key could be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No signing key could be made or read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The master key is not the one the store's keys were sealed under.
    #[error(
        "key {id} in the store does not open under this master key: give the master key the store was made with, or \
         move the store away to begin anew"
    )]
    WrongMasterKey {
        /// The key's id.
        id: String,
    },
}

/// The keys whose public halves are published, by algorithm.
pub type Published = Vec<(Algorithm, Arc<KeySchedule>)>;

/// Loads keys from a store, and makes them there.
pub struct Keyring<'a> {
    store: &'a dyn Store,
    master: Sealer,
    now: Timestamp,
}

impl<'a> Keyring<'a> {
    /// Keys in `store` are sealed under `master`.
    pub fn new(store: &'a dyn Store, master: &MasterKey, now: Timestamp) -> Result<Self, KeyError> {
        let key = SealKey::new(0, &master.derive("keys in the store"))?;
        Ok(Keyring { store, master: Sealer::new(vec![key]), now })
    }

    /// What seals cookies: the newest first.
    pub async fn seal_keys(&self) -> Result<Vec<SealKey>, KeyError> {
        let fresh = Secret::new(random::bytes::<KEY_LEN>()?.to_vec());
        let mut keys = Vec::new();
        for (stored, key) in self.load(KeyPurpose::Seal, SEALING, &fresh).await?.into_iter().rev() {
            let id = stored.id;
            let number = u32::from_str_radix(&id, 16).map_err(|_| KeyError::WrongMasterKey { id })?;
            keys.push(SealKey::new(number, &key)?);
        }
        Ok(keys)
    }

    /// What signs API tokens: the newest first.
    pub async fn api_keys(&self) -> Result<Vec<Arc<SigningKey>>, KeyError> {
        let keys = self.signing_keys(KeyPurpose::Api, API_ALGORITHM).await?;
        Ok(keys.into_iter().rev().map(|(_, key)| key).collect())
    }

    /// What signs an upstream's tokens. `published` collects the keys for JWKS, by algorithm.
    pub async fn signer(&self, signing: &Signing, published: &mut Published) -> Result<Signer, KeyError> {
        let algorithm = match signing {
            Signing::Shared(secret) => return Ok(Signer::shared(secret)),
            Signing::Published(algorithm) => *algorithm,
        };
        if let Some((_, known)) = published.iter().find(|(known, _)| *known == algorithm) {
            return Ok(Signer::Published(Arc::clone(known)));
        }
        let keys = self.signing_keys(KeyPurpose::Upstream, algorithm).await?;
        let schedule = Arc::new(KeySchedule::new(keys)?);
        published.push((algorithm, Arc::clone(&schedule)));
        Ok(Signer::Published(schedule))
    }

    /// Puts a new key in the place of each that is in use for a purpose, from `active_from` on; with `drop_old` nothing
    /// is left of those before. Returns the new ones.
    pub async fn rotate(
        &self,
        purpose: KeyPurpose,
        active_from: Timestamp,
        drop_old: bool,
        by: &Actor,
    ) -> Result<Vec<StoredKey>, KeyError> {
        let kept = self.store.keys().await?;
        let mut algorithms: Vec<String> = kept
            .into_iter()
            .filter(|key| key.purpose == purpose && key.superseded_at.is_none())
            .map(|key| key.algorithm)
            .collect();
        algorithms.dedup();
        let mut made = Vec::new();
        for name in algorithms {
            let fresh = match Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name) {
                Some(algorithm) => algorithm.generate()?,
                None => Secret::new(random::bytes::<KEY_LEN>()?.to_vec()),
            };
            let key = StoredKey { active_from, ..self.sealed(purpose, &name, &fresh)? };
            self.store.rotate_key(key.clone(), drop_old, by.clone()).await?;
            made.push(key);
        }
        Ok(made)
    }

    async fn signing_keys(
        &self,
        purpose: KeyPurpose,
        algorithm: Algorithm,
    ) -> Result<Vec<(Timestamp, Arc<SigningKey>)>, KeyError> {
        let fresh = algorithm.generate()?;
        let keys = self.load(purpose, algorithm.name(), &fresh).await?;
        let made = keys.into_iter().map(|(stored, key)| {
            let signing = SigningKey::from_pkcs8(stored.id, algorithm, &key)?;
            Ok((stored.active_from, Arc::new(signing)))
        });
        made.collect()
    }

    /// The keys of one purpose and algorithm, the oldest first; `fresh` is kept if there are none.
    async fn load(
        &self,
        purpose: KeyPurpose,
        algorithm: &str,
        fresh: &Secret<Vec<u8>>,
    ) -> Result<Vec<(StoredKey, Secret<Vec<u8>>)>, KeyError> {
        let stored = self.store.keys_or_first(self.sealed(purpose, algorithm, fresh)?).await?;
        let stored = stored.into_iter().filter(|key| key.algorithm == algorithm);
        stored.map(|key| self.open(key)).collect()
    }

    /// A key as it is stored.
    fn sealed(&self, purpose: KeyPurpose, algorithm: &str, key: &Secret<Vec<u8>>) -> Result<StoredKey, KeyError> {
        let id = random::hex(&random::bytes::<4>()?);
        Ok(StoredKey {
            sealed: self.master.seal_bytes(&context(purpose, &id), key.expose())?,
            id,
            purpose,
            algorithm: algorithm.to_owned(),
            created_at: self.now,
            active_from: self.now,
            superseded_at: None,
        })
    }

    fn open(&self, key: StoredKey) -> Result<(StoredKey, Secret<Vec<u8>>), KeyError> {
        match self.master.open_bytes(&context(key.purpose, &key.id), &key.sealed) {
            Some(bytes) => Ok((key, Secret::new(bytes))),
            None => Err(KeyError::WrongMasterKey { id: key.id }),
        }
    }
}

/// How long what a key has made can last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Cookies.
    pub sessions: Duration,
    /// API tokens.
    pub api_tokens: Duration,
}

impl Lifetimes {
    fn of(self, purpose: KeyPurpose) -> Duration {
        match purpose {
            KeyPurpose::Seal => self.sessions,
            KeyPurpose::Api => self.api_tokens,
            KeyPurpose::Upstream => LONGEST_UPSTREAM_TOKEN,
        }
    }
}

/// Has the store forget the keys that were superseded so long before `now` that nothing they made is good any more.
/// Returns how many went.
pub async fn forget_old(store: &dyn Store, lifetimes: Lifetimes, now: Timestamp) -> Result<usize, KeyError> {
    let is_old = |key: &StoredKey| key.superseded_at.is_some_and(|at| at.plus(lifetimes.of(key.purpose)) < now);
    let mut forgotten = 0;
    for key in store.keys().await?.into_iter().filter(is_old) {
        store.forget_key(&key.id, key.purpose).await?;
        tracing::info!(key = key.id, purpose = %key.purpose, "forgot a key that was rotated out");
        forgotten += 1;
    }
    Ok(forgotten)
}

/// A key sealed for one purpose cannot be put in another's place.
fn context(purpose: KeyPurpose, id: &str) -> String {
    format!("key {purpose} {id}")
}
