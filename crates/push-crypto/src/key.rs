//! P-256 keys: a public key that is known to be on the curve, and a secret key that is known to be in range.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base64;
use crate::provider::{RandomError, SecureRandom};

/// Octets of an uncompressed P-256 point: 0x04, x, y.
pub const PUBLIC_KEY_LEN: usize = 65;

/// Octets of a P-256 secret scalar.
pub const SECRET_KEY_LEN: usize = 32;

/// A P-256 public key: an uncompressed point that has been checked to be on the curve and not infinity (`8291-7-2`,
/// `8291-4-4`, `8292-3.2-1`).
///
/// `FromStr` forgives base64 padding and the standard alphabet, as browsers' keys come in every form;
/// [`PublicKey::parse_strict`] takes unpadded base64url only. `Display` writes unpadded base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_LEN]);

impl PublicKey {
    /// Checks 65 octets: form, coordinates in range, on the curve.
    ///
    /// # Errors
    ///
    /// What exactly is wrong with the octets.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match (bytes.first(), bytes.len()) {
            (None, _) => return Err(KeyError::Length(0)),
            (Some(0x00), 1) => return Err(KeyError::Infinity),
            (Some(0x02 | 0x03), 33) => return Err(KeyError::Compressed),
            (Some(0x06 | 0x07), PUBLIC_KEY_LEN) => return Err(KeyError::Hybrid),
            (Some(0x04), PUBLIC_KEY_LEN) => {}
            (Some(&form), PUBLIC_KEY_LEN) => return Err(KeyError::Form(form)),
            (Some(_), length) => return Err(KeyError::Length(length)),
        }
        p256::PublicKey::from_sec1_bytes(bytes).map_err(|_| KeyError::NotOnCurve)?;
        bytes.try_into().map(Self).map_err(|_| KeyError::Length(bytes.len()))
    }

    /// Unpadded base64url only, as the standards want it.
    ///
    /// # Errors
    ///
    /// What exactly is wrong with the text or the octets in it.
    pub fn parse_strict(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&base64::decode_strict(text.as_bytes()).ok_or(KeyError::Base64)?)
    }

    /// The coordinates, big-endian.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    pub(crate) fn coordinates(&self) -> [[u8; 32]; 2] {
        let mut coordinates = [[0; 32]; 2];
        coordinates
            .as_flattened_mut()
            .iter_mut()
            .zip(self.0.iter().skip(1))
            .for_each(|(to, from)| *to = *from);
        coordinates
    }

    /// The point that our own arithmetic came to.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    pub(crate) fn computed(coordinates: &[[u8; 32]; 2]) -> Self {
        let mut octets = [0x04; PUBLIC_KEY_LEN];
        octets.iter_mut().skip(1).zip(coordinates.as_flattened()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }

    /// The point: 0x04, x, y.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&base64::decode_lenient(text).ok_or(KeyError::Base64)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = base64::encode(&self.0);
        f.pad(&text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A P-256 secret scalar in `1..n`: wiped on drop, redacted in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; SECRET_KEY_LEN]);

impl SecretKey {
    /// Checks that 32 big-endian octets are a scalar in `1..n`.
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretLength`] or [`KeyError::SecretRange`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let octets = bytes.try_into().map_err(|_| KeyError::SecretLength(bytes.len()))?;
        p256::SecretKey::from_slice(bytes).map_err(|_| KeyError::SecretRange)?;
        Ok(Self(octets))
    }

    /// Draws a scalar: uniform octets, drawn again in the one case of 2^32 in which they are out of range.
    ///
    /// # Errors
    ///
    /// The random source failed, or gave out-of-range octets time after time.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomError> {
        for _ in 0..SCALAR_ATTEMPTS {
            let mut candidate = Self([0; SECRET_KEY_LEN]);
            random.fill(&mut candidate.0)?;
            if p256::SecretKey::from_slice(&candidate.0).is_ok() {
                return Ok(candidate);
            }
        }
        Err(RandomError)
    }

    /// The scalar, big-endian. Do not log it.
    #[must_use]
    pub const fn expose(&self) -> &[u8; SECRET_KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A secret key and the public key that belongs to it.
#[derive(Clone, Debug)]
pub struct KeyPair {
    secret: SecretKey,
    public: PublicKey,
}

impl KeyPair {
    /// The pair of a secret key; the public half is computed.
    ///
    /// # Errors
    ///
    /// Never for a [`SecretKey`] made by this crate; the arithmetic's own refusal is passed on.
    pub fn from_secret(secret: SecretKey) -> Result<Self, KeyError> {
        let scalar = p256::SecretKey::from_slice(secret.expose()).map_err(|_| KeyError::SecretRange)?;
        let point = p256::Sec1Point::from(scalar.public_key());
        let public = point.as_bytes().try_into().map(PublicKey).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self { secret, public })
    }

    /// A new pair.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomError> {
        Self::from_secret(SecretKey::generate(random)?).map_err(|_| RandomError)
    }

    /// The secret half.
    #[must_use]
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not base64url (or not base64 at all, where leniency is allowed).
    Base64,
    /// The compressed form of 33 octets; push needs the uncompressed one.
    Compressed,
    /// 65 octets that begin with neither 0x04 nor any known form.
    Form(u8),
    /// The hybrid form (0x06 or 0x07).
    Hybrid,
    /// The point at infinity.
    Infinity,
    /// Not 65 octets.
    Length(usize),
    /// A coordinate is out of range, or the point is not on P-256.
    NotOnCurve,
    /// A secret key that is not 32 octets.
    SecretLength(usize),
    /// A secret key that is zero or not below the group order.
    SecretRange,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("the key is not base64url"),
            Self::Compressed => {
                f.write_str("the key is a compressed point; 65 uncompressed octets are needed")
            }
            Self::Form(form) => write!(f, "the key begins with 0x{form:02x} instead of 0x04"),
            Self::Hybrid => f.write_str("the key is a point in hybrid form; it must begin with 0x04"),
            Self::Infinity => f.write_str("the key is the point at infinity"),
            Self::Length(length) => write!(f, "the key has {length} octets instead of {PUBLIC_KEY_LEN}"),
            Self::NotOnCurve => f.write_str("the key is not a point on P-256"),
            Self::SecretLength(length) => {
                write!(f, "the secret key has {length} octets instead of {SECRET_KEY_LEN}")
            }
            Self::SecretRange => f.write_str("the secret key is not in the range of P-256"),
        }
    }
}

impl core::error::Error for KeyError {}

/// An honest source is out of range once in 2^32; four in a row means that it is broken.
pub(crate) const SCALAR_ATTEMPTS: usize = 4;
