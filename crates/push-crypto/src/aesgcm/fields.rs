//! Encryption and Crypto-Key: what has to be known before the body can be read.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{DEFAULT_RECORD_SIZE, MAX_FIELD_LEN};
use crate::base64;
use crate::field::{Cursor, Malformed};
use crate::key::{KeyError, PublicKey};
use crate::record::SALT_LEN;
use crate::vapid::Token;

/// What Encryption and Crypto-Key say about one message. It travels in the clear, so nothing here is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    salt: [u8; SALT_LEN],
    sender: PublicKey,
    record_size: u64,
}

impl Fields {
    pub(super) const fn new(salt: [u8; SALT_LEN], sender: PublicKey, record_size: u64) -> Self {
        Self { salt, sender, record_size }
    }

    /// The value of Encryption, in unpadded base64url without quotes, as all receivers take it. The record size is in
    /// it only where it is not the default (`wp04-4-1`, `ece03-3-1`).
    #[must_use]
    pub fn encryption(&self) -> String {
        let salt = base64::encode(&self.salt);
        if self.record_size == DEFAULT_RECORD_SIZE {
            format!("salt={salt}")
        } else {
            format!("salt={salt};rs={}", self.record_size)
        }
    }

    /// The value of Crypto-Key of a sender that does not sign (`wp04-3.1-1`).
    #[must_use]
    pub fn crypto_key(&self) -> String {
        format!("dh={}", self.sender)
    }

    /// The value of Crypto-Key of a sender that signs: both keys in one entry (`vapid01-4-1`). The push service takes
    /// the signer's out again (`legacy-1`).
    #[must_use]
    pub fn crypto_key_with(&self, token: &Token) -> String {
        format!("{};{}", self.crypto_key(), token.draft_crypto_key())
    }

    /// Reads the values of both fields; several lines of a field are joined with commas first.
    ///
    /// Encryption has one entry with one salt, Crypto-Key one `dh` in one of its entries (`wp04-4-3`), the only one that
    /// the salt can belong to, so any `keyid` is ignored, as are unknown parameters. Values come with quotes or without
    /// (`ece03-4-1`), and base64 is read leniently (A-22). Parameters are separated by semicolons, entries by commas,
    /// and no entry has a parameter twice (`ece03-3-2`).
    ///
    /// ```
    /// use push_crypto::aesgcm::{Fields, FieldsError};
    ///
    /// let dh = "BNoRDbb84JGm8g5Z5CFxurSqsXWJ11ItfXEWYVLE85Y7CYkDjXsIEc4aqxYaQ1G8BqkXCJ6DPpDrWtdWj_mugHU";
    /// let fields = Fields::parse("keyid=a; salt=\"lngarbyKfMoi9Z75xYXmkg==\"", format!("p256ecdsa=x, keyid=a;dh={dh}"))?;
    /// assert_eq!(fields.encryption(), "salt=lngarbyKfMoi9Z75xYXmkg");
    /// assert_eq!(fields.crypto_key(), format!("dh={dh}"));
    /// assert_eq!(Fields::parse("rs=100", fields.crypto_key()), Err(FieldsError::MissingSalt));
    /// # Ok::<(), FieldsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with either.
    pub fn parse(encryption: impl AsRef<[u8]>, crypto_key: impl AsRef<[u8]>) -> Result<Self, FieldsError> {
        let (salt, record_size) = read_encryption(&entries(ENCRYPTION, encryption.as_ref())?)?;
        let keys = entries(CRYPTO_KEY, crypto_key.as_ref())?;
        let mut keys = keys.iter().filter_map(|entry| entry.value(b"dh"));
        match (keys.next(), keys.next()) {
            (None, _) => Err(FieldsError::MissingKey),
            (Some(_), Some(_)) => Err(FieldsError::SeveralKeys),
            (Some(key), None) => {
                let sender = key.parse().map_err(FieldsError::Key)?;
                Ok(Self { salt, sender, record_size })
            }
        }
    }

    /// The sender's public key, for this message only.
    #[must_use]
    pub const fn sender_key(&self) -> &PublicKey {
        &self.sender
    }

    /// The salt.
    #[must_use]
    pub const fn salt(&self) -> &[u8; SALT_LEN] {
        &self.salt
    }

    /// Octets of padding and data in a full record, without its tag (`ece03-3-1`).
    #[must_use]
    pub const fn record_size(&self) -> u64 {
        self.record_size
    }
}

/// Salt and record size of the one entry (`wp04-4-3`).
fn read_encryption(entries: &[Entry]) -> Result<([u8; SALT_LEN], u64), FieldsError> {
    let entry = match entries {
        [] => return Err(FieldsError::MissingSalt),
        [entry] => entry,
        [_, _, ..] => return Err(FieldsError::SeveralSalts),
    };
    if entry.value(b"aesgcm").is_some() {
        return Err(FieldsError::ExplicitKey);
    }
    let salt = base64::decode_lenient(entry.value(b"salt").ok_or(FieldsError::MissingSalt)?);
    let salt = salt.and_then(|salt| salt.try_into().ok()).ok_or(FieldsError::Salt)?;
    let record_size = match entry.value(b"rs") {
        None => DEFAULT_RECORD_SIZE,
        Some(digits) => digits_value(digits).filter(|&size| size > 1).ok_or(FieldsError::RecordSize)?,
    };
    Ok((salt, record_size))
}

/// Digits and nothing else. What is too large to represent is larger than any message.
fn digits_value(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The parameters between two commas.
#[derive(Default)]
struct Entry(Vec<(Vec<u8>, String)>);

impl Entry {
    fn value(&self, name: &[u8]) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// All entries of a field. Empty ones, and empty parameters, are as if they were not there.
fn entries(name: &'static str, field: &[u8]) -> Result<Vec<Entry>, FieldsError> {
    if field.len() > MAX_FIELD_LEN {
        return Err(FieldsError::TooLong(name));
    }
    let syntax = |_: Malformed| FieldsError::Syntax(name);
    let mut cursor = Cursor::new(field);
    let mut entries = Vec::new();
    let mut entry = Entry::default();
    loop {
        cursor.skip_white_space();
        if cursor.is_at_end() || cursor.take(b',') {
            let complete = core::mem::take(&mut entry);
            if !complete.0.is_empty() {
                entries.push(complete);
            }
            if cursor.is_at_end() {
                return Ok(entries);
            }
            continue;
        }
        if cursor.take(b';') {
            continue;
        }
        let (parameter, value) = cursor.parameter(|cursor| cursor.run_of(is_value_char)).map_err(syntax)?;
        if entry.value(&parameter).is_some() {
            return Err(FieldsError::Duplicate(name));
        }
        entry.0.push((parameter, value));
        cursor.skip_white_space();
        if !cursor.is_at_end() && !cursor.is_before(b",;") {
            return Err(FieldsError::Syntax(name));
        }
    }
}

/// Tokens, and what else base64 is made of.
fn is_value_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"\",;".contains(&octet)
}

/// What is wrong with Encryption or Crypto-Key: the sender's fault. Where a field is to blame for its form, it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldsError {
    /// An entry has a parameter twice (`ece03-3-2`).
    Duplicate(&'static str),
    /// Encryption brings a key of its own (`wp04-4-4`).
    ExplicitKey,
    /// `dh` in Crypto-Key is not a public key.
    Key(KeyError),
    /// No `dh` in Crypto-Key (`wp04-3.1-1`).
    MissingKey,
    /// No `salt` in Encryption (`ece03-3-1`).
    MissingSalt,
    /// `rs` in Encryption is not a number above 1 (`ece03-3-1`).
    RecordSize,
    /// `salt` in Encryption is not 16 octets in base64url (`ece03-3-1`).
    Salt,
    /// More than one `dh` in Crypto-Key (`wp04-4-3`).
    SeveralKeys,
    /// More than one entry in Encryption (`wp04-4-3`).
    SeveralSalts,
    /// A field is not made of parameters (`ece03-3-2`).
    Syntax(&'static str),
    /// A field is longer than [`MAX_FIELD_LEN`].
    TooLong(&'static str),
}

impl FieldsError {
    /// The section of the draft that was broken.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::MissingKey => "draft-ietf-webpush-encryption-04 §3.1",
            Self::ExplicitKey | Self::SeveralKeys | Self::SeveralSalts => {
                "draft-ietf-webpush-encryption-04 §4"
            }
            Self::Duplicate(_)
            | Self::MissingSalt
            | Self::RecordSize
            | Self::Salt
            | Self::Syntax(_)
            | Self::TooLong(_) => "draft-ietf-httpbis-encryption-encoding-03 §3",
        }
    }
}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(field) => write!(f, "{field} has a parameter twice"),
            Self::ExplicitKey => f.write_str("Encryption has a parameter aesgcm, which is not allowed"),
            Self::Key(error) => write!(f, "dh in Crypto-Key: {error}"),
            Self::MissingKey => f.write_str("Crypto-Key has no dh"),
            Self::MissingSalt => f.write_str("Encryption has no salt"),
            Self::RecordSize => f.write_str("rs in Encryption is not a number above 1"),
            Self::Salt => f.write_str("salt in Encryption is not 16 octets in base64url"),
            Self::SeveralKeys => f.write_str("Crypto-Key has more than one dh"),
            Self::SeveralSalts => f.write_str("Encryption has more than one entry"),
            Self::Syntax(field) => write!(f, "{field} is malformed"),
            Self::TooLong(field) => write!(f, "{field} is longer than {MAX_FIELD_LEN} octets"),
        }
    }
}

impl core::error::Error for FieldsError {}

const ENCRYPTION: &str = "Encryption";
const CRYPTO_KEY: &str = "Crypto-Key";
