//! What has been found out of a provider: its document and its keys. Asked for when the first login begins, and again once
//! it is old or a token names a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::metadata::Metadata;
use crate::login::provider::Error;
use crate::login::provider::oauth::Asking;

/// How long it is gone by.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long nobody asks again: neither after a failure, nor for keys after some that tokens named were asked for.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// How long a login waits for something newer than what is known.
const REFRESH: Duration = Duration::from_secs(2);

const STEP: &str = "discovery";

/// What is known of a provider.
pub(super) struct Known {
    pub(super) metadata: Metadata,
    pub(super) keys: JwkSet,
    fresh_until: Instant,
}

/// What is known now, and who is finding out.
#[derive(Default)]
pub(super) struct Knowledge {
    present: ArcSwapOption<Known>,
    asking: Mutex<Last>,
}

/// What was asked last.
#[derive(Default)]
struct Last {
    failed: Option<(Instant, Error)>,
    /// When newer keys were asked for.
    newer: Option<Instant>,
}

impl Knowledge {
    /// What is known, however old.
    pub(super) fn present(&self) -> Option<Arc<Known>> {
        self.present.load_full()
    }

    /// What is known, asked for if it is not, or old. What is old serves while nothing newer is to be had, and is waited for
    /// by nobody for long.
    pub(super) async fn get(&self, asking: &Asking<'_>, issuer: &str) -> Result<Arc<Known>, Error> {
        let fresh = |known: &Arc<Known>| Instant::now() < known.fresh_until;
        let old = self.present();
        if let Some(known) = old.clone().filter(fresh) {
            return Ok(known);
        }
        let mut last = match &old {
            Some(old) => match self.asking.try_lock() {
                Ok(last) => last,
                Err(_) => return Ok(Arc::clone(old)),
            },
            None => timeout_at(asking.deadline, self.asking.lock()).await.map_err(|_| asking.timed_out(STEP))?,
        };
        // Somebody has found out meanwhile, or in vain just now.
        if let Some(known) = self.present().filter(fresh) {
            return Ok(known);
        }
        if let Some((_, error)) = last.failed.as_ref().filter(|(since, _)| since.elapsed() < COOL_DOWN) {
            return old.ok_or_else(|| error.clone());
        }
        let briefly = Asking { deadline: asking.deadline.min(Instant::now() + REFRESH), ..*asking };
        match find_out(if old.is_some() { &briefly } else { asking }, issuer).await {
            Ok(known) => {
                let known = Arc::new(known);
                self.present.store(Some(Arc::clone(&known)));
                last.failed = None;
                Ok(known)
            }
            Err(error) => {
                last.failed = Some((Instant::now(), error.clone()));
                old.ok_or(error)
            }
        }
    }

    /// The same with keys that are newer than these, if they may have changed.
    pub(super) async fn newer_keys(&self, asking: &Asking<'_>, known: &Arc<Known>) -> Option<Arc<Known>> {
        let mut last = timeout_at(asking.deadline, self.asking.lock()).await.ok()?;
        let present = self.present()?;
        if !Arc::ptr_eq(&present, known) {
            return Some(present);
        }
        if last.newer.is_some_and(|newer| newer.elapsed() < COOL_DOWN) {
            return None;
        }
        last.newer = Some(Instant::now());
        let keys = keys(asking, &present.metadata).await.ok()?;
        let newer = Arc::new(Known { metadata: present.metadata.clone(), keys, fresh_until: Instant::now() + FRESH });
        self.present.store(Some(Arc::clone(&newer)));
        Some(newer)
    }

    /// Known from the start.
    #[cfg(test)]
    pub(super) fn of(metadata: Metadata, keys: JwkSet, fresh_until: Instant) -> Self {
        let known = Known { metadata, keys, fresh_until };
        Knowledge { present: ArcSwapOption::from_pointee(known), asking: Mutex::default() }
    }
}

async fn find_out(asking: &Asking<'_>, issuer: &str) -> Result<Known, Error> {
    let address = Metadata::address(issuer).ok_or_else(|| asking.malformed(STEP, "the issuer is no address"))?;
    let metadata: Metadata = asking.json(STEP, asking.calls.client().get(address)).await?;
    let metadata = metadata.check(issuer).map_err(|reason| asking.malformed(STEP, reason))?;
    let keys = keys(asking, &metadata).await?;
    Ok(Known { metadata, keys, fresh_until: Instant::now() + FRESH })
}

async fn keys(asking: &Asking<'_>, metadata: &Metadata) -> Result<JwkSet, Error> {
    asking.json("keys", asking.calls.client().get(metadata.jwks_uri.clone())).await
}
