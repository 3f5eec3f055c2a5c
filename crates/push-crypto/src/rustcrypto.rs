//! The portable provider, of pure Rust: `no_std`, WebAssembly, and the oracle that others are tested against.
//!
//! About five times slower per message than `aws_lc`.

use alloc::boxed::Box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::{Signer, Verifier};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::key::{KeyPair, PublicKey, SecretKey};
use crate::provider::{
    AEAD_KEY_LEN, AEAD_NONCE_LEN, AEAD_TAG_LEN, AeadError, AeadKey, Aes128Gcm, Agreed, Agreement,
    AgreementError, Es256, Es256SigningKey, Es256VerifyingKey, HmacSha256, Provider, SIGNATURE_LEN,
    SecureRandom, SharedSecret, SignatureError, StaticKey,
};

/// The portable provider with a random source of the caller's.
#[must_use]
pub const fn provider_with(random: &'static dyn SecureRandom) -> Provider {
    Provider {
        name: "rustcrypto",
        agreement: &Portable,
        hmac: &Portable,
        aead: &Portable,
        signature: &Portable,
        random,
    }
}

/// The portable provider with the operating system's randomness.
#[cfg(feature = "os-random")]
#[must_use]
pub const fn provider() -> Provider {
    provider_with(&OsRandom)
}

/// All of the portable parts.
struct Portable;

impl Agreement for Portable {
    fn agree(&self, peer: &PublicKey, random: &dyn SecureRandom) -> Result<Agreed, AgreementError> {
        let pair = KeyPair::generate(random)?;
        let shared = self.agree_static(pair.secret(), peer)?;
        Ok(Agreed { public: *pair.public(), shared })
    }

    fn static_key(&self, secret: &SecretKey) -> Result<Box<dyn StaticKey>, AgreementError> {
        let key = p256::SecretKey::from_slice(secret.expose()).map_err(|_| AgreementError::Library)?;
        Ok(Box::new(Kept(key)))
    }

    /// By the vector kernel, if the processor has it.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    fn agree_many(
        &self,
        peers: &[PublicKey],
        random: &dyn SecureRandom,
        out: &mut [Result<Agreed, AgreementError>],
    ) {
        crate::p256x8::agree_many(self, peers, random, out);
    }
}

/// A key that the library has parsed; what is secret of it wipes itself on drop.
struct Kept<K>(K);

impl StaticKey for Kept<p256::SecretKey> {
    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, AgreementError> {
        let peer = p256::PublicKey::from_sec1_bytes(peer.as_bytes()).map_err(|_| AgreementError::Library)?;
        let shared = self.0.diffie_hellman(&peer);
        let octets = shared.raw_secret_bytes().as_slice().try_into().map_err(|_| AgreementError::Library)?;
        Ok(SharedSecret::new(octets))
    }
}

impl HmacSha256 for Portable {
    fn hmac(&self, key: &[u8], parts: &[&[u8]], out: &mut [u8; 32]) {
        hmac_sha256(key, parts, out);
    }
}

impl Aes128Gcm for Portable {
    fn with_key(&self, key: &[u8; AEAD_KEY_LEN], work: &mut dyn FnMut(&dyn AeadKey)) {
        work(&GcmKey(aes_gcm::Aes128Gcm::new(key.into())));
    }
}

/// A key that has been set up; the library wipes it on drop.
struct GcmKey(aes_gcm::Aes128Gcm);

impl AeadKey for GcmKey {
    fn seal(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError> {
        let (data, tag) = record.split_last_chunk_mut::<AEAD_TAG_LEN>().ok_or(AeadError)?;
        let made = self.0.encrypt_inout_detached(nonce.into(), &[], data.into()).map_err(|_| AeadError)?;
        tag.copy_from_slice(&made);
        Ok(())
    }

    fn open(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError> {
        let (data, tag) = record.split_last_chunk_mut::<AEAD_TAG_LEN>().ok_or(AeadError)?;
        let tag: &[u8; AEAD_TAG_LEN] = tag;
        self.0.decrypt_inout_detached(nonce.into(), &[], data.into(), tag.into()).map_err(|_| AeadError)
    }
}

impl Es256 for Portable {
    fn signing_key(&self, key: &KeyPair) -> Result<Box<dyn Es256SigningKey>, SignatureError> {
        let key = p256::ecdsa::SigningKey::from_slice(key.secret().expose()).map_err(|_| SignatureError)?;
        Ok(Box::new(Kept(key)))
    }

    fn verifying_key(&self, key: &PublicKey) -> Result<Box<dyn Es256VerifyingKey>, SignatureError> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes()).map_err(|_| SignatureError)?;
        Ok(Box::new(Kept(key)))
    }
}

impl Es256SigningKey for Kept<p256::ecdsa::SigningKey> {
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignatureError> {
        let signature: p256::ecdsa::Signature = self.0.try_sign(message).map_err(|_| SignatureError)?;
        Ok(signature.to_bytes().into())
    }
}

impl Es256VerifyingKey for Kept<p256::ecdsa::VerifyingKey> {
    fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Result<(), SignatureError> {
        let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| SignatureError)?;
        self.0.verify(message, &signature).map_err(|_| SignatureError)
    }
}

/// HMAC-SHA-256, with its derived key block wiped.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]], out: &mut [u8; 32]) {
    let mut block = Zeroizing::new([0u8; HMAC_BLOCK_LEN]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => {
            let mut digest: [u8; 32] =
                sha2::Digest::finalize(<Sha256 as sha2::Digest>::new_with_prefix(key)).into();
            block.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
            digest.zeroize();
        }
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    let mut code: [u8; 32] = mac.finalize().into_bytes().into();
    *out = code;
    code.zeroize();
}

/// The block of SHA-256: the length to which HMAC brings its key.
const HMAC_BLOCK_LEN: usize = 64;

/// The operating system's random source.
#[cfg(feature = "os-random")]
struct OsRandom;

#[cfg(feature = "os-random")]
impl SecureRandom for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), crate::provider::RandomError> {
        getrandom::fill(out).map_err(|_| crate::provider::RandomError)
    }
}
