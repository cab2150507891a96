//! What is kept of an authority's: our account there, and the certificates with their keys. Sealed, so that a copy of the
//! store opens nothing.

use std::mem;
use std::sync::Arc;

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{OrderError, Settings, Standing, label};
use crate::master_key::MasterKey;
use crate::seal::{SealError, SealKey, Sealer};
use crate::secret::Secret;
use crate::store::Store;
use crate::tls::Issued;

pub(super) struct Vault {
    store: Arc<dyn Store>,
    sealer: Sealer,
}

/// A certificate as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    chain: String,
    key: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Vault {
    pub(super) fn new(store: Arc<dyn Store>, master: &MasterKey) -> Result<Self, SealError> {
        let key = SealKey::new(0, &master.derive("certificates in the store"))?;
        Ok(Vault { store, sealer: Sealer::new(vec![key]) })
    }

    /// Our account, if we have one there.
    pub(super) async fn account(&self, settings: &Settings) -> Result<Option<AccountCredentials>, OrderError> {
        self.open(&account(settings)).await
    }

    pub(super) async fn keep_account(&self, settings: &Settings, kept: &AccountCredentials) -> Result<(), OrderError> {
        self.keep(&account(settings), kept).await
    }

    /// Whom it may write to, as it was told last.
    pub(super) async fn contact(&self, settings: &Settings) -> Result<Option<Vec<String>>, OrderError> {
        self.open(&contact(settings)).await
    }

    pub(super) async fn keep_contact(&self, settings: &Settings) -> Result<(), OrderError> {
        self.keep(&contact(settings), &settings.contact).await
    }

    /// How it stands with a name there.
    pub(super) async fn standing(&self, settings: &Settings, name: &str) -> Result<Option<Standing>, OrderError> {
        self.open(&standing(settings, name)).await
    }

    pub(super) async fn keep_standing(
        &self,
        settings: &Settings,
        name: &str,
        kept: &Standing,
    ) -> Result<(), OrderError> {
        self.keep(&standing(settings, name), kept).await
    }

    /// What this authority has issued for a name.
    pub(super) async fn certificate(&self, settings: &Settings, name: &str) -> Result<Option<Issued>, OrderError> {
        let kept: Option<Kept> = self.open(&certificate(settings, name)).await?;
        Ok(kept.map(|mut kept| {
            let (chain, key) = (mem::take(&mut kept.chain), mem::take(&mut kept.key));
            Issued { label: label(name), chain, key: Secret::new(key) }
        }))
    }

    pub(super) async fn keep_certificate(
        &self,
        settings: &Settings,
        name: &str,
        issued: &Issued,
    ) -> Result<(), OrderError> {
        let kept = Kept { chain: issued.chain.clone(), key: issued.key.expose().clone() };
        self.keep(&certificate(settings, name), &kept).await
    }

    async fn open<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Option<T>, OrderError> {
        let Some(sealed) = self.store.sealed(name).await? else { return Ok(None) };
        let opened = self.sealer.open(name, sealed.as_bytes()).map(Zeroizing::new);
        let opened = opened.and_then(|text| serde_json::from_slice(&text).ok());
        opened.map(Some).ok_or_else(|| OrderError::Unreadable { name: name.to_owned() })
    }

    async fn keep<T: Serialize>(&self, name: &str, kept: &T) -> Result<(), OrderError> {
        let text = serde_json::to_vec(kept).map(Zeroizing::new);
        let text = text.map_err(|_| OrderError::Unreadable { name: name.to_owned() })?;
        Ok(self.store.keep_sealed(name, self.sealer.seal(name, &text)?).await?)
    }
}

fn account(settings: &Settings) -> String {
    format!("acme account {}", settings.directory)
}

fn contact(settings: &Settings) -> String {
    format!("acme contact {}", settings.directory)
}

fn standing(settings: &Settings, name: &str) -> String {
    format!("acme standing {} {name}", settings.directory)
}

/// By authority: what a test authority has issued is nothing to show once it is another.
fn certificate(settings: &Settings, name: &str) -> String {
    format!("acme certificate {} {name}", settings.directory)
}
