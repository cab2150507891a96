//! Signing keys whose public half may be published.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::TokenError;
use crate::secret::Secret;

/// The algorithms of published keys (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    Rs256,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

    /// The JOSE name.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Rs256 => "RS256",
        }
    }

    pub(super) const fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }

    const fn jwk(self) -> KeyAlgorithm {
        match self {
            Algorithm::Es256 => KeyAlgorithm::ES256,
            Algorithm::EdDsa => KeyAlgorithm::EdDSA,
            Algorithm::Rs256 => KeyAlgorithm::RS256,
        }
    }

    /// A fresh private key, as PKCS#8. RSA takes a noticeable part of a second.
    pub fn generate(self) -> Result<Secret<Vec<u8>>, TokenError> {
        let failed = |_| TokenError::Signing(format!("no {} key could be made", self.name()));
        let document = match self {
            Algorithm::Es256 => {
                let random = SystemRandom::new();
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map_err(failed)?
                    .as_ref()
                    .to_vec()
            }
            Algorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::Rs256 => {
                RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| pair.as_der()).map_err(failed)?.as_ref().to_vec()
            }
        };
        Ok(Secret::new(document))
    }
}

/// A key pair, ready to sign and to be published.
pub struct SigningKey {
    /// `kid`.
    pub id: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) public: Jwk,
}

impl SigningKey {
    /// From PKCS#8.
    pub fn from_pkcs8(id: String, algorithm: Algorithm, pkcs8: &Secret<Vec<u8>>) -> Result<Self, TokenError> {
        let pem = Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(pkcs8.expose())
        ));
        let signing = match algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem.expose().as_bytes())?,
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem.expose().as_bytes())?,
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem.expose().as_bytes())?,
        };
        let mut public = Jwk::from_encoding_key(&signing, algorithm.jose())?;
        public.common.key_id = Some(id.clone());
        public.common.key_algorithm = Some(algorithm.jwk());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&public)?;
        Ok(SigningKey { id, algorithm, signing, verifying, public })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, {})", self.id, self.algorithm.name())
    }
}
