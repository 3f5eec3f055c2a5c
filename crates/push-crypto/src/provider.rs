//! The primitives, as a value: whoever needs cryptography is handed a [`Provider`].

use alloc::boxed::Box;
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::key::{KeyPair, PublicKey, SecretKey};

/// Octets of a P-256 ECDH shared secret: the x coordinate (`8291-3.1-3`).
pub const SHARED_SECRET_LEN: usize = 32;

/// Octets of an AES-128-GCM key.
pub const AEAD_KEY_LEN: usize = 16;

/// Octets of an AES-128-GCM nonce.
pub const AEAD_NONCE_LEN: usize = 12;

/// Octets that AES-128-GCM adds (`8188-2-1`).
pub const AEAD_TAG_LEN: usize = 16;

/// Octets of an ES256 signature: r and s, not DER (`8292-2-9`).
pub const SIGNATURE_LEN: usize = 64;

/// Everything this crate needs from a cryptographic library.
///
/// A plain value, passed to whoever needs it and never global. Its parts are independent: take a provider and replace
/// one part to put a kernel, a key store or a test double in its place.
///
/// | provider | where |
/// |---|---|
/// | `push_crypto::aws_lc::provider()` | feature `aws-lc`, the default: fast |
/// | `push_crypto::rustcrypto::provider_with(random)` | always there; `no_std` |
/// | `push_crypto::rustcrypto::provider()` | feature `os-random` |
#[derive(Clone, Copy)]
pub struct Provider {
    /// For people: logs and benchmarks.
    pub name: &'static str,
    /// ECDH on P-256.
    pub agreement: &'static dyn Agreement,
    /// HMAC-SHA-256, of which HKDF is made.
    pub hmac: &'static dyn HmacSha256,
    /// AES-128-GCM.
    pub aead: &'static dyn Aes128Gcm,
    /// ECDSA on P-256 with SHA-256.
    pub signature: &'static dyn Es256,
    /// Random octets.
    pub random: &'static dyn SecureRandom,
}

impl Provider {
    /// The provider's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Makes a new key pair, agrees with one peer and forgets the secret half (`8291-2-2`, `8291-3.1-2`).
    ///
    /// # Errors
    ///
    /// The random source or the library failed; it is not the peer's fault, whose key is already known to be good.
    pub fn agree(&self, peer: &PublicKey) -> Result<Agreed, AgreementError> {
        self.agreement.agree(peer, self.random)
    }

    /// As [`Provider::agree`], with each of several peers: a new key pair for every lane, and a failure stays in its
    /// lane. Lanes of `out` beyond the peers become [`AgreementError::NoPeer`].
    pub fn agree_many(&self, peers: &[PublicKey], out: &mut [Result<Agreed, AgreementError>]) {
        self.agreement.agree_many(peers, self.random, out);
    }

    /// Fills `out` with random octets.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        self.random.fill(out)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name)
    }
}

/// ECDH on P-256.
pub trait Agreement: Send + Sync {
    /// Makes a new key pair, agrees with `peer` and forgets the secret half, in one step.
    ///
    /// An implementation with a generator of its own may ignore `random`.
    ///
    /// # Errors
    ///
    /// The random source or the library failed.
    fn agree(&self, peer: &PublicKey, random: &dyn SecureRandom) -> Result<Agreed, AgreementError>;

    /// Sets up a secret key that is kept, for more than one agreement: for receivers.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn static_key(&self, secret: &SecretKey) -> Result<Box<dyn StaticKey>, AgreementError>;

    /// Agrees once with a secret key that is kept. [`Agreement::static_key`] spares the set-up of every further one.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn agree_static(&self, secret: &SecretKey, peer: &PublicKey) -> Result<SharedSecret, AgreementError> {
        self.static_key(secret)?.agree(peer)
    }

    /// Agrees with many peers, each with a new key pair. One lane's failure must not touch another lane.
    ///
    /// The default does one after the other; a vector kernel does better.
    fn agree_many(
        &self,
        peers: &[PublicKey],
        random: &dyn SecureRandom,
        out: &mut [Result<Agreed, AgreementError>],
    ) {
        let mut peers = peers.iter();
        for lane in out {
            *lane = match peers.next() {
                Some(peer) => self.agree(peer, random),
                None => Err(AgreementError::NoPeer),
            };
        }
    }
}

/// A secret key that has been set up for agreements. It is wiped on drop.
pub trait StaticKey: Send + Sync {
    /// Agrees with `peer`.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, AgreementError>;
}

/// HMAC-SHA-256.
pub trait HmacSha256: Send + Sync {
    /// The code of the concatenated `parts` under `key`, into `out`.
    fn hmac(&self, key: &[u8], parts: &[&[u8]], out: &mut [u8; 32]);
}

/// AES-128-GCM with empty associated data (`8188-2-9`).
pub trait Aes128Gcm: Send + Sync {
    /// Sets up `key` once and lends it to `work`, which is called exactly once.
    fn with_key(&self, key: &[u8; AEAD_KEY_LEN], work: &mut dyn FnMut(&dyn AeadKey));
}

/// An AES-128-GCM key that has been set up.
pub trait AeadKey {
    /// Encrypts all but the last [`AEAD_TAG_LEN`] octets of `record` in place and puts the tag there.
    ///
    /// # Errors
    ///
    /// `record` is shorter than a tag, or longer than the library takes.
    fn seal(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError>;

    /// Checks the tag at the end of `record` and decrypts what is before it in place. On failure no plaintext is left
    /// in `record`.
    ///
    /// # Errors
    ///
    /// The record is not authentic.
    fn open(&self, nonce: &[u8; AEAD_NONCE_LEN], record: &mut [u8]) -> Result<(), AeadError>;
}

/// ECDSA on P-256 with SHA-256, signatures as r and s of 32 octets each.
pub trait Es256: Send + Sync {
    /// Sets up a key for more than one signature.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn signing_key(&self, key: &KeyPair) -> Result<Box<dyn Es256SigningKey>, SignatureError>;

    /// Sets up a key to check more than one signature.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn verifying_key(&self, key: &PublicKey) -> Result<Box<dyn Es256VerifyingKey>, SignatureError>;

    /// Signs one message. [`Es256::signing_key`] spares the set-up of every further one.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn sign(&self, key: &KeyPair, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignatureError> {
        self.signing_key(key)?.sign(message)
    }

    /// Checks one signature. [`Es256::verifying_key`] spares the set-up of every further one.
    ///
    /// # Errors
    ///
    /// The signature does not belong to this message and key.
    fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), SignatureError> {
        self.verifying_key(key)?.verify(message, signature)
    }
}

/// A key pair that has been set up to sign. It is wiped on drop.
pub trait Es256SigningKey: Send + Sync {
    /// Signs `message`. The implementation sees to its own nonces.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignatureError>;
}

/// A public key that has been set up to check signatures.
pub trait Es256VerifyingKey: Send + Sync {
    /// Checks a signature.
    ///
    /// # Errors
    ///
    /// The signature does not belong to this message and key.
    fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Result<(), SignatureError>;
}

/// A cryptographically secure random source.
pub trait SecureRandom: Send + Sync {
    /// Fills all of `out`.
    ///
    /// # Errors
    ///
    /// No randomness is to be had; `out` must not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError>;
}

/// A new public key, and the secret that it shares with one peer.
#[derive(Debug)]
pub struct Agreed {
    /// Our half, to be sent.
    pub public: PublicKey,
    /// What both sides know.
    pub shared: SharedSecret,
}

/// The x coordinate that both sides of an agreement compute: wiped on drop, redacted in `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; SHARED_SECRET_LEN]);

impl SharedSecret {
    /// Wraps what a library computed.
    #[must_use]
    pub const fn new(octets: [u8; SHARED_SECRET_LEN]) -> Self {
        Self(octets)
    }

    /// The octets. Do not log them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; SHARED_SECRET_LEN] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// An agreement failed. The peer's key was good, so the fault is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgreementError {
    /// The library refused.
    Library,
    /// This lane had no peer.
    NoPeer,
    /// The random source failed.
    Random,
}

impl fmt::Display for AgreementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "the cryptographic library refused the key agreement",
            Self::NoPeer => "this lane had no peer to agree with",
            Self::Random => "the random source failed",
        })
    }
}

impl From<RandomError> for AgreementError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// A record is not authentic, or could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AeadError;

/// A signature is wrong, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureError;

/// The random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomError;

impl fmt::Display for AeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("authenticated encryption failed")
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature is wrong")
    }
}

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random source failed")
    }
}

impl core::error::Error for AgreementError {}
impl core::error::Error for AeadError {}
impl core::error::Error for SignatureError {}
impl core::error::Error for RandomError {}
