//! The key of an application server, in every form in which people keep it.

use core::fmt;

use p256::pkcs8::der::pem;
use p256::pkcs8::{EncodePrivateKey, LineEnding, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::base64;
use crate::key::{KeyError, KeyPair, PublicKey, SecretKey};
use crate::provider::{Provider, RandomError};
use crate::secret::SecretString;

/// A P-256 key that signs VAPID tokens (`8292-2-1`).
///
/// A type of its own, so that it cannot be used to encrypt messages too (`8292-3.2-2`). Subscriptions that were made with
/// it work with no other key (`8292-4.2-11`): keep it, and keep with each subscription which key it was made with.
#[derive(Clone)]
pub struct SigningKey(KeyPair);

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn generate(provider: &Provider) -> Result<Self, RandomError> {
        KeyPair::generate(provider.random).map(Self)
    }

    /// Reads PEM: PKCS#8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), with or without other blocks before it, as
    /// `openssl ecparam` writes them.
    ///
    /// # Errors
    ///
    /// What is wrong with the text or the key in it.
    pub fn from_pem(text: &str) -> Result<Self, SigningKeyError> {
        let block = private_key_block(text)?;
        let (label, der) = pem::decode_vec(block.as_bytes()).map_err(|_| SigningKeyError::Pem)?;
        let der = Zeroizing::new(der);
        match label {
            PKCS8_LABEL => Self::from_pkcs8_der(&der),
            _ => Self::from_sec1_der(&der, false),
        }
    }

    /// Reads PKCS#8 DER.
    ///
    /// # Errors
    ///
    /// What is wrong with the key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| SigningKeyError::Der)?;
        if info.algorithm.oid != EC_PUBLIC_KEY {
            return Err(SigningKeyError::Algorithm);
        }
        match info.algorithm.parameters_oid() {
            Ok(P256) => Self::from_sec1_der(info.private_key.as_bytes(), true),
            Ok(_) => Err(SigningKeyError::Curve),
            Err(_) => Err(SigningKeyError::Der),
        }
    }

    /// Reads 32 raw octets in base64url: the form of most web push tools. Padding and the standard alphabet are forgiven.
    ///
    /// # Errors
    ///
    /// What is wrong with the text or the key in it.
    pub fn from_base64url(text: &str) -> Result<Self, SigningKeyError> {
        let octets = base64::decode_lenient(text).map(Zeroizing::new).ok_or(SigningKeyError::Base64)?;
        Self::from_octets(&octets)
    }

    /// Writes PKCS#8 PEM.
    ///
    /// # Errors
    ///
    /// Never for a key made by this crate; the encoder's own refusal is passed on.
    pub fn to_pem(&self) -> Result<SecretString, SigningKeyError> {
        let key = p256::SecretKey::from_slice(self.0.secret().expose())
            .map_err(|_| SigningKeyError::Key(KeyError::SecretRange))?;
        let mut pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| SigningKeyError::Der)?;
        Ok(SecretString::new(core::mem::take(&mut *pem)))
    }

    /// Writes 32 raw octets in unpadded base64url.
    #[must_use]
    pub fn to_base64url(&self) -> SecretString {
        SecretString::new(base64::encode(self.0.secret().expose()))
    }

    /// The public half: `applicationServerKey` in the browser, `k` on the wire.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    pub(super) const fn pair(&self) -> &KeyPair {
        &self.0
    }

    /// `curve_known` if the structure around said that this is P-256.
    fn from_sec1_der(der: &[u8], curve_known: bool) -> Result<Self, SigningKeyError> {
        let key = sec1::EcPrivateKey::try_from(der).map_err(|_| SigningKeyError::Der)?;
        match key.parameters.and_then(sec1::EcParameters::named_curve) {
            Some(P256) => {}
            Some(_) => return Err(SigningKeyError::Curve),
            None if curve_known || key.private_key.len() == crate::key::SECRET_KEY_LEN => {}
            None => return Err(SigningKeyError::Curve),
        }
        let made = Self::from_octets(key.private_key)?;
        match key.public_key {
            Some(public) if public != made.public_key().as_bytes() => Err(SigningKeyError::Mismatch),
            _ => Ok(made),
        }
    }

    fn from_octets(octets: &[u8]) -> Result<Self, SigningKeyError> {
        let secret = SecretKey::from_bytes(octets).map_err(SigningKeyError::Key)?;
        KeyPair::from_secret(secret).map(Self).map_err(SigningKeyError::Key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public: {})", self.public_key())
    }
}

/// Why a signing key could not be read. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// A key that is not for elliptic curves, or for another kind of them: RSA, Ed25519 (`8292-2-1`).
    Algorithm,
    /// Not base64url.
    Base64,
    /// An elliptic curve other than P-256, as P-384 (`8292-2-1`).
    Curve,
    /// Not PKCS#8 or SEC 1.
    Der,
    /// Encrypted with a passphrase.
    Encrypted,
    /// A scalar of the wrong length or out of range.
    Key(KeyError),
    /// The public key beside the secret key belongs to another one.
    Mismatch,
    /// A public key or a certificate, where the private key is needed.
    NotPrivate,
    /// Not PEM.
    Pem,
}

impl fmt::Display for SigningKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the key is not an elliptic curve key; VAPID needs P-256",
            Self::Base64 => "the key is not base64url",
            Self::Curve => "the key is on another curve; VAPID needs P-256",
            Self::Der => "the key is neither PKCS#8 nor SEC 1",
            Self::Encrypted => "the key is encrypted; decrypt it first",
            Self::Key(error) => return error.fmt(f),
            Self::Mismatch => "the file's public key does not belong to its private key",
            Self::NotPrivate => "the file holds no private key",
            Self::Pem => "the text is not PEM",
        })
    }
}

impl core::error::Error for SigningKeyError {}

/// The block of the first private key in `text`.
fn private_key_block(text: &str) -> Result<&str, SigningKeyError> {
    let mut outcome = SigningKeyError::Pem;
    for (start, _) in text.match_indices(PEM_BEGIN) {
        let block = text.get(start..).unwrap_or_default();
        let label = block.get(PEM_BEGIN.len()..).and_then(|rest| rest.split("-----").next());
        match label {
            Some(PKCS8_LABEL | SEC1_LABEL) => return first_block(block),
            Some("ENCRYPTED PRIVATE KEY") => outcome = SigningKeyError::Encrypted,
            Some("RSA PRIVATE KEY" | "DSA PRIVATE KEY") => outcome = SigningKeyError::Algorithm,
            Some(_) if outcome == SigningKeyError::Pem => outcome = SigningKeyError::NotPrivate,
            _ => {}
        }
    }
    Err(outcome)
}

/// `block` without what follows its end line.
fn first_block(block: &str) -> Result<&str, SigningKeyError> {
    if block.contains("Proc-Type:") {
        return Err(SigningKeyError::Encrypted);
    }
    let end = block.find("-----END ").ok_or(SigningKeyError::Pem)?;
    let length = block
        .get(end..)
        .and_then(|rest| rest.find('\n'))
        .map_or(block.len(), |line| end.saturating_add(line));
    block.get(..length).ok_or(SigningKeyError::Pem)
}

const PEM_BEGIN: &str = "-----BEGIN ";
const PKCS8_LABEL: &str = "PRIVATE KEY";
const SEC1_LABEL: &str = "EC PRIVATE KEY";
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
