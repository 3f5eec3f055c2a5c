//! The user agent's side.

use alloc::vec::Vec;
use core::fmt;

use super::input_keying_material;
use crate::key::{KeyError, PublicKey};
use crate::provider::{AgreementError, Provider};
use crate::receiver::ReceiverKeys;
use crate::record::{ContentKeys, Header, RecordError};

/// Decrypts a message.
///
/// Of what RFC 8291 leaves open: more than one record is refused (`8291-4-8`), whatever is in them; a record as long as
/// the record size is accepted, though senders must not make one; a record size below 18 is refused although it
/// could be ignored (`8291-4-9`).
///
/// # Errors
///
/// What is wrong with the message; the user agent discards it (`8291-4-10`). There is no partial result.
pub fn decrypt(provider: &Provider, keys: &ReceiverKeys, body: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let opener = Opener::new(provider, keys, body)?;
    let mut record = body.get(opener.record_start..).unwrap_or_default().to_vec();
    let data_len = opener.open(provider, &mut record)?;
    record.truncate(data_len);
    Ok(record)
}

/// As [`decrypt`], in the body's own octets; the result is the part of `body` that holds the plaintext. On failure no
/// plaintext is left in `body`.
///
/// # Errors
///
/// As [`decrypt`].
pub fn decrypt_in_place<'a>(
    provider: &Provider,
    keys: &ReceiverKeys,
    body: &'a mut [u8],
) -> Result<&'a mut [u8], DecryptError> {
    let opener = Opener::new(provider, keys, body)?;
    let record = body.get_mut(opener.record_start..).unwrap_or_default();
    let data_len = opener.open(provider, record)?;
    record.get_mut(..data_len).ok_or(DecryptError::Record(RecordError::Truncated))
}

/// All that the header gives.
struct Opener {
    record_start: usize,
    keys: ContentKeys,
}

impl Opener {
    fn new(provider: &Provider, keys: &ReceiverKeys, body: &[u8]) -> Result<Self, DecryptError> {
        let header = Header::parse(body).map_err(DecryptError::Record)?;
        let record_len = body.len().saturating_sub(header.len());
        match record_len {
            0 => return Err(DecryptError::Record(RecordError::Truncated)),
            _ if record_len > header.params().record_len() => return Err(DecryptError::SeveralRecords),
            _ => {}
        }
        // The key id is the sender's key and nothing else (8291-4-4), checked to be on the curve (8291-7-2).
        let sender = PublicKey::from_bytes(header.key_id()).map_err(DecryptError::SenderKey)?;
        let shared =
            provider.agreement.agree_static(keys.secret(), &sender).map_err(DecryptError::Agreement)?;
        let ikm = input_keying_material(provider, &keys.recipient(), &sender, &shared);
        Ok(Self { record_start: header.len(), keys: ContentKeys::derive(provider, header.salt(), &*ikm) })
    }

    fn open(&self, provider: &Provider, record: &mut [u8]) -> Result<usize, DecryptError> {
        self.keys.with(provider, |key| key.open(0, record, true)).map_err(DecryptError::Record)
    }
}

/// Why a message could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptError {
    /// Our library failed during the key agreement.
    Agreement(AgreementError),
    /// The header or the record is bad: the sender's fault, or it was altered on its way, or it is for other keys.
    Record(RecordError),
    /// The key id is not a public key (`8291-4-4`, `8291-7-2`).
    SenderKey(KeyError),
    /// More than one record (`8291-4-1`, `8291-4-8`).
    SeveralRecords,
}

impl DecryptError {
    /// The section of the standard that was broken; empty where the fault is ours.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Agreement(_) => "",
            Self::Record(error) => error.section(),
            Self::SenderKey(_) => "RFC 8291 §7",
            Self::SeveralRecords => "RFC 8291 §4",
        }
    }
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreement(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::SenderKey(error) => write!(f, "the sender's key: {error}"),
            Self::SeveralRecords => f.write_str("the message has more than one record"),
        }
    }
}

impl core::error::Error for DecryptError {}
