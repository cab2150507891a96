//! Sealed text: only we can read it, only we can have written it, and only for the purpose it was sealed for.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::random::{self, NoRandomness};
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// The form's version: the first byte.
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 4 + NONCE_LEN;

/// Bytes of a sealing key (AES-256-GCM-SIV, RFC 8452: a nonce met twice would tell that two texts are equal, and no
/// more).
pub const KEY_LEN: usize = 32;

/// Nothing can be sealed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum SealError {
    /// No random bytes for a nonce.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The cipher failed, which it does only for texts of many gigabytes.
    #[error("the cipher failed")]
    Cipher,
}

/// A key and the id that sealed texts name it by.
pub struct SealKey {
    id: u32,
    cipher: LessSafeKey,
}

impl SealKey {
    /// A key of [`KEY_LEN`] bytes.
    pub fn new(id: u32, key: &Secret<Vec<u8>>) -> Result<Self, SealError> {
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| SealError::Cipher)?;
        Ok(SealKey { id, cipher: LessSafeKey::new(cipher) })
    }
}

/// Seals with the newest key and opens with any it has. Cheap to clone; all clones share the keys.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<ArcSwap<Vec<SealKey>>>,
}

impl Sealer {
    /// `keys`: the newest first; there is at least one.
    pub fn new(keys: Vec<SealKey>) -> Self {
        Sealer { keys: Arc::new(ArcSwap::from_pointee(keys)) }
    }

    /// Takes new keys into use, at once and for every clone.
    pub fn replace(&self, keys: Vec<SealKey>) {
        self.keys.store(Arc::new(keys));
    }

    /// Seals `text` for `purpose`, as letters, digits, `-` and `_`.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Result<String, SealError> {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(self.seal_bytes(purpose, text)?))
    }

    /// Seals `text` for `purpose`, as bytes.
    pub fn seal_bytes(&self, purpose: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let keys = self.keys.load();
        let key = keys.first().ok_or(SealError::Cipher)?;
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + text.len() + AES_256_GCM_SIV.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let mut body = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.cipher.seal_in_place_append_tag(nonce, bound_to(purpose), &mut body).map_err(|_| SealError::Cipher)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// What was sealed for `purpose`, or `None` for whatever we did not seal.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_bytes(purpose, &BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    /// Like [`Sealer::open`], for bytes.
    pub fn open_bytes(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = sealed.split_at_checked(HEADER_LEN)?;
        let (version, header) = header.split_first()?;
        let (id, nonce) = header.split_at_checked(4)?;
        let id = u32::from_be_bytes(id.try_into().ok()?);
        if *version != VERSION {
            return None;
        }
        let keys = self.keys.load();
        let key = keys.iter().find(|key| key.id == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let length = key.cipher.open_in_place(nonce, bound_to(purpose), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

fn bound_to(purpose: &str) -> Aad<&str> {
    Aad::from(if rule::holds(Rule::SealedTextIsForOnePurpose) { purpose } else { "" })
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.load().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> SealKey {
        SealKey::new(id, &Secret::new(vec![id as u8; KEY_LEN])).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_alone() {
        let sealer = Sealer::new(vec![key(1)]);
        let sealed = sealer.seal("session", b"hello").unwrap();
        assert_eq!(sealer.open("session", sealed.as_bytes()).unwrap(), b"hello");
        assert!(sealer.open("login", sealed.as_bytes()).is_none());
        assert!(sealed.bytes().all(crate::http::cookie::is_cookie_octet));
    }

    #[test]
    fn a_single_changed_or_missing_byte_closes_it() {
        let sealer = Sealer::new(vec![key(1)]);
        let sealed = sealer.seal_bytes("session", b"hello").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open_bytes("session", &changed).is_none(), "byte {at}");
            assert!(sealer.open_bytes("session", &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn an_older_key_opens_but_no_longer_seals() {
        let old = Sealer::new(vec![key(1)]).seal("session", b"x").unwrap();
        let both = Sealer::new(vec![key(2), key(1)]);
        assert!(both.open("session", old.as_bytes()).is_some());
        let new = both.seal("session", b"x").unwrap();
        both.replace(vec![key(2)]);
        assert!(both.open("session", old.as_bytes()).is_none());
        assert!(both.open("session", new.as_bytes()).is_some());
    }

    #[test]
    fn the_same_text_never_looks_the_same_twice() {
        let sealer = Sealer::new(vec![key(1)]);
        assert_ne!(sealer.seal("a", b"x").unwrap(), sealer.seal("a", b"x").unwrap());
    }
}
