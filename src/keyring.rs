//! The keys the process works with: kept in the store, sealed under the master key, made on first start.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::identity::{Algorithm, Signing};
use crate::master_key::MasterKey;
use crate::random::{self, NoRandomness};
use crate::seal::{KEY_LEN, SealError, SealKey, Sealer};
use crate::secret::Secret;
use crate::store::{self, KeyPurpose, Store, StoredKey};
use crate::token::TokenError;
use crate::token::api::ApiTokens;
use crate::token::signing_key::SigningKey;
use crate::token::upstream::Signer;

/// The algorithm name of sealing keys.
const SEALING: &str = "A256GCM-SIV";

/// API tokens are verified by nobody but us.
const API_ALGORITHM: Algorithm = Algorithm::EdDsa;

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

/// Loads keys from a store.
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

    /// What seals cookies.
    pub async fn sealer(&self) -> Result<Sealer, KeyError> {
        let fresh = Secret::new(random::bytes::<KEY_LEN>()?.to_vec());
        let mut keys = Vec::new();
        // The newest seals.
        for (id, key) in self.load(KeyPurpose::Seal, SEALING, &fresh).await?.into_iter().rev() {
            let number = u32::from_str_radix(&id, 16).map_err(|_| KeyError::WrongMasterKey { id })?;
            keys.push(SealKey::new(number, &key)?);
        }
        Ok(Sealer::new(keys))
    }

    /// What signs API tokens.
    pub async fn api_tokens(&self) -> Result<ApiTokens, KeyError> {
        Ok(ApiTokens::new(self.signing_key(KeyPurpose::Api, API_ALGORITHM).await?))
    }

    /// What signs an upstream's tokens. `published` collects the keys for JWKS, each once.
    pub async fn signer(&self, signing: &Signing, published: &mut Vec<Arc<SigningKey>>) -> Result<Signer, KeyError> {
        let algorithm = match signing {
            Signing::Shared(secret) => return Ok(Signer::shared(secret)),
            Signing::Published(algorithm) => *algorithm,
        };
        if let Some(known) = published.iter().find(|key| key.algorithm == algorithm) {
            return Ok(Signer::Published(Arc::clone(known)));
        }
        let key = self.signing_key(KeyPurpose::Upstream, algorithm).await?;
        published.push(Arc::clone(&key));
        Ok(Signer::Published(key))
    }

    async fn signing_key(&self, purpose: KeyPurpose, algorithm: Algorithm) -> Result<Arc<SigningKey>, KeyError> {
        let fresh = algorithm.generate()?;
        let keys = self.load(purpose, algorithm.name(), &fresh).await?;
        let newest = keys.into_iter().next_back();
        let (id, key) = newest.ok_or(KeyError::Token(TokenError::NoKey(algorithm.name())))?;
        Ok(Arc::new(SigningKey::from_pkcs8(id, algorithm, &key)?))
    }

    /// The keys of one purpose and algorithm, the oldest first; `fresh` is kept if there are none.
    async fn load(
        &self,
        purpose: KeyPurpose,
        algorithm: &str,
        fresh: &Secret<Vec<u8>>,
    ) -> Result<Vec<(String, Secret<Vec<u8>>)>, KeyError> {
        let id = random::hex(&random::bytes::<4>()?);
        let candidate = StoredKey {
            sealed: self.master.seal_bytes(&context(purpose, &id), fresh.expose())?,
            id,
            purpose,
            algorithm: algorithm.to_owned(),
            created_at: self.now,
            active_from: self.now,
            superseded_at: None,
        };
        let stored = self.store.keys_or_first(candidate).await?;
        let stored = stored.into_iter().filter(|key| key.algorithm == algorithm);
        stored.map(|key| self.open(key)).collect()
    }

    fn open(&self, key: StoredKey) -> Result<(String, Secret<Vec<u8>>), KeyError> {
        match self.master.open_bytes(&context(key.purpose, &key.id), &key.sealed) {
            Some(bytes) => Ok((key.id, Secret::new(bytes))),
            None => Err(KeyError::WrongMasterKey { id: key.id }),
        }
    }
}

/// A key sealed for one purpose cannot be put in another's place.
fn context(purpose: KeyPurpose, id: &str) -> String {
    format!("key {purpose} {id}")
}
