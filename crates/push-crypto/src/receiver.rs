//! A user agent's half of a subscription: its key pair and the secret that it shares with the application server.

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::key::{KeyError, KeyPair, PublicKey, SECRET_KEY_LEN, SecretKey};
use crate::message::Recipient;
use crate::provider::{Provider, RandomError};
use crate::secret::SecretBytes;

/// Octets of the authentication secret (`8291-3.2-1`).
pub const AUTH_SECRET_LEN: usize = 16;

/// Octets of [`ReceiverKeys::to_bytes`].
pub const RECEIVER_KEYS_LEN: usize = 1 + SECRET_KEY_LEN + AUTH_SECRET_LEN;

/// The authentication secret of one subscription: 16 octets, wiped on drop, redacted in `Debug`, compared in constant
/// time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AuthSecret([u8; AUTH_SECRET_LEN]);

impl AuthSecret {
    /// Wraps octets.
    #[must_use]
    pub const fn new(octets: [u8; AUTH_SECRET_LEN]) -> Self {
        Self(octets)
    }

    /// Takes exactly 16 octets.
    ///
    /// # Errors
    ///
    /// The length that was found instead.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AuthSecretLength> {
        bytes.try_into().map(Self).map_err(|_| AuthSecretLength(bytes.len()))
    }

    /// Draws a new one (`8291-3.2-2`).
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn generate(provider: &Provider) -> Result<Self, RandomError> {
        let mut secret = Self([0; AUTH_SECRET_LEN]);
        provider.fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The octets. Do not log them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; AUTH_SECRET_LEN] {
        &self.0
    }
}

impl PartialEq for AuthSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for AuthSecret {}

impl fmt::Debug for AuthSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthSecret(..)")
    }
}

/// An authentication secret that is not 16 octets but this many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthSecretLength(pub usize);

impl fmt::Display for AuthSecretLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the authentication secret has {} octets instead of {AUTH_SECRET_LEN}", self.0)
    }
}

impl core::error::Error for AuthSecretLength {}

/// What a user agent keeps for one subscription, and for that one only (`8291-2-1`, `8291-3.1-1`).
#[derive(Clone, Debug)]
pub struct ReceiverKeys {
    pair: KeyPair,
    auth: AuthSecret,
}

impl ReceiverKeys {
    /// New keys for a new subscription.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn generate(provider: &Provider) -> Result<Self, RandomError> {
        Ok(Self { pair: KeyPair::generate(provider.random)?, auth: AuthSecret::generate(provider)? })
    }

    /// Keys that exist already.
    #[must_use]
    pub const fn new(pair: KeyPair, auth: AuthSecret) -> Self {
        Self { pair, auth }
    }

    /// The `p256dh` of the subscription.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.pair.public()
    }

    /// The `auth` of the subscription.
    #[must_use]
    pub const fn auth(&self) -> &AuthSecret {
        &self.auth
    }

    /// These keys as the sender sees them.
    #[must_use]
    pub const fn recipient(&self) -> Recipient<'_> {
        Recipient { p256dh: self.pair.public(), auth: &self.auth }
    }

    pub(crate) const fn secret(&self) -> &SecretKey {
        self.pair.secret()
    }

    /// A versioned serialisation: a version octet, the secret scalar, the authentication secret.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let mut bytes = Vec::with_capacity(RECEIVER_KEYS_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.pair.secret().expose());
        bytes.extend_from_slice(self.auth.expose());
        SecretBytes::new(bytes)
    }

    /// Reads what [`ReceiverKeys::to_bytes`] wrote. The public key is computed anew.
    ///
    /// # Errors
    ///
    /// An unknown version, a wrong length, or a scalar out of range.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiverKeysError> {
        match bytes.split_first() {
            None => return Err(ReceiverKeysError::Length(0)),
            Some((&VERSION, _)) => {}
            Some((&version, _)) => return Err(ReceiverKeysError::Version(version)),
        }
        let length = ReceiverKeysError::Length(bytes.len());
        if bytes.len() != RECEIVER_KEYS_LEN {
            return Err(length);
        }
        let (secret, auth) =
            bytes.get(1..).and_then(|rest| rest.split_at_checked(SECRET_KEY_LEN)).ok_or(length)?;
        let secret = SecretKey::from_bytes(secret).map_err(ReceiverKeysError::Key)?;
        let auth = AuthSecret::from_bytes(auth).map_err(|_| length)?;
        Ok(Self { pair: KeyPair::from_secret(secret).map_err(ReceiverKeysError::Key)?, auth })
    }
}

/// What is wrong with serialised [`ReceiverKeys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverKeysError {
    /// The secret key.
    Key(KeyError),
    /// The number of octets.
    Length(usize),
    /// A version that this release does not know.
    Version(u8),
}

impl fmt::Display for ReceiverKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::Length(length) => {
                write!(f, "receiver keys have {length} octets instead of {RECEIVER_KEYS_LEN}")
            }
            Self::Version(version) => write!(f, "receiver keys of version {version} are not known"),
        }
    }
}

impl core::error::Error for ReceiverKeysError {}

/// The first octet of the serialisation.
const VERSION: u8 = 1;
