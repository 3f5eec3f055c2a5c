//! The fast provider: AWS-LC through `aws-lc-rs`, without OpenSSL. Needs std.
//!
//! HMAC is the portable one: for inputs this small it is quicker than a call into the library, and it cannot fail.

use alloc::boxed::Box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, EphemeralPrivateKey, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};

use crate::key::{KeyPair, PublicKey, SecretKey};
use crate::provider::{
    AEAD_KEY_LEN, AEAD_NONCE_LEN, AEAD_TAG_LEN, AeadError, AeadKey, Aes128Gcm, Agreed, Agreement,
    AgreementError, Es256, Es256SigningKey, Es256VerifyingKey, HmacSha256, Provider, RandomError,
    SIGNATURE_LEN, SecureRandom, SharedSecret, SignatureError, StaticKey,
};
use crate::rustcrypto;

/// The fast provider.
#[must_use]
pub const fn provider() -> Provider {
    Provider {
        name: "aws-lc",
        agreement: &AwsLc,
        hmac: &AwsLc,
        aead: &AwsLc,
        signature: &AwsLc,
        random: &AwsLc,
    }
}

/// All of the parts.
struct AwsLc;

impl Agreement for AwsLc {
    fn agree(&self, peer: &PublicKey, _: &dyn SecureRandom) -> Result<Agreed, AgreementError> {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
            .map_err(|_| AgreementError::Library)?;
        let public = key.compute_public_key().map_err(|_| AgreementError::Library)?;
        let public = PublicKey::from_bytes(public.as_ref()).map_err(|_| AgreementError::Library)?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, peer.as_bytes());
        let shared = agreement::agree_ephemeral(key, peer, AgreementError::Library, shared_secret)?;
        Ok(Agreed { public, shared })
    }

    fn static_key(&self, secret: &SecretKey) -> Result<Box<dyn StaticKey>, AgreementError> {
        let key = PrivateKey::from_private_key(&ECDH_P256, secret.expose());
        Ok(Box::new(Kept(key.map_err(|_| AgreementError::Library)?)))
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

/// A key that the library has parsed, and wipes on drop.
struct Kept<K>(K);

impl StaticKey for Kept<PrivateKey> {
    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, AgreementError> {
        let peer = UnparsedPublicKey::new(&ECDH_P256, peer.as_bytes());
        agreement::agree(&self.0, peer, AgreementError::Library, shared_secret)
    }
}

fn shared_secret(octets: &[u8]) -> Result<SharedSecret, AgreementError> {
    octets.try_into().map(SharedSecret::new).map_err(|_| AgreementError::Library)
}

impl HmacSha256 for AwsLc {
    fn hmac(&self, key: &[u8], parts: &[&[u8]], out: &mut [u8; 32]) {
        rustcrypto::hmac_sha256(key, parts, out);
    }
}

impl Aes128Gcm for AwsLc {
    fn with_key(&self, key: &[u8; AEAD_KEY_LEN], work: &mut dyn FnMut(&dyn AeadKey)) {
        work(&GcmKey(UnboundKey::new(&AES_128_GCM, key).ok().map(LessSafeKey::new)));
    }
}

/// A key that has been set up; the library wipes it on drop. `None` if the library could not, so that every use fails.
struct GcmKey(Option<LessSafeKey>);

impl AeadKey for GcmKey {
    fn seal(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError> {
        let key = self.0.as_ref().ok_or(AeadError)?;
        let (data, tag) = record.split_last_chunk_mut::<AEAD_TAG_LEN>().ok_or(AeadError)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let made = key.seal_in_place_separate_tag(nonce, Aad::empty(), data).map_err(|_| AeadError)?;
        *tag = made.as_ref().try_into().map_err(|_| AeadError)?;
        Ok(())
    }

    fn open(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError> {
        let key = self.0.as_ref().ok_or(AeadError)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        if key.open_in_place(nonce, Aad::empty(), record).is_ok() {
            return Ok(());
        }
        record.fill(0);
        Err(AeadError)
    }
}

impl Es256 for AwsLc {
    fn signing_key(&self, key: &KeyPair) -> Result<Box<dyn Es256SigningKey>, SignatureError> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            key.secret().expose(),
            key.public().as_bytes(),
        );
        Ok(Box::new(Kept(pair.map_err(|_| SignatureError)?)))
    }

    fn verifying_key(&self, key: &PublicKey) -> Result<Box<dyn Es256VerifyingKey>, SignatureError> {
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_bytes());
        Ok(Box::new(Kept(key.map_err(|_| SignatureError)?)))
    }
}

impl Es256SigningKey for Kept<EcdsaKeyPair> {
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignatureError> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| SignatureError)?;
        signature.as_ref().try_into().map_err(|_| SignatureError)
    }
}

impl Es256VerifyingKey for Kept<ParsedPublicKey> {
    fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Result<(), SignatureError> {
        self.0.verify_sig(message, signature).map_err(|_| SignatureError)
    }
}

impl SecureRandom for AwsLc {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        aws_lc_rs::rand::fill(out).map_err(|_| RandomError)
    }
}
