//! The user agent's side.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

use super::{Fields, OVERHEAD, PAD_LEN_OCTETS, content_keys};
use crate::provider::{AEAD_TAG_LEN, AgreementError, Provider};
use crate::receiver::ReceiverKeys;
use crate::record::RecordError;

/// Decrypts a message.
///
/// More than one record is refused, as the draft lets a receiver do (`wp04-4-5`): no message that fits into 4096 octets
/// needs a second one, and the draft forbids it (`wp04-4-1`).
///
/// # Errors
///
/// What is wrong with the message; the user agent discards it. There is no partial result.
pub fn decrypt(
    provider: &Provider,
    keys: &ReceiverKeys,
    fields: &Fields,
    body: &[u8],
) -> Result<Vec<u8>, DecryptError> {
    if body.len() < OVERHEAD {
        return Err(DecryptError::ShortRecord);
    }
    // A full record is never the last (ece03-2-1), so something follows it, or was cut off.
    let full_len = fields.record_size().saturating_add(AEAD_TAG_LEN as u64);
    if body.len() as u64 >= full_len {
        return Err(DecryptError::SeveralRecords);
    }
    let sender = fields.sender_key();
    let shared = provider.agreement.agree_static(keys.secret(), sender).map_err(DecryptError::Agreement)?;
    let content = content_keys(provider, &keys.recipient(), sender, (fields.salt(), &shared));
    let mut record = body.to_vec();
    content.with(provider, |key| key.decrypt(0, &mut record)).map_err(|error| {
        if error == RecordError::Library { DecryptError::Library } else { DecryptError::NotAuthentic }
    })?;
    record.truncate(body.len().saturating_sub(AEAD_TAG_LEN));
    let Some(data_start) = data_start(&record) else {
        record.zeroize();
        return Err(DecryptError::Padding);
    };
    let data_len = record.len().saturating_sub(data_start);
    record.copy_within(data_start.., 0);
    record.truncate(data_len);
    Ok(record)
}

/// Where the data begins: behind the length of the padding and so many zeros (`ece03-2-3`).
fn data_start(record: &[u8]) -> Option<usize> {
    let (length, rest) = record.split_first_chunk::<PAD_LEN_OCTETS>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let padding = rest.get(..length)?;
    // Authentic, so whoever made it knows what is in it: no need for constant time.
    padding.iter().all(|&octet| octet == 0).then(|| PAD_LEN_OCTETS.saturating_add(length))
}

/// Why a message could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptError {
    /// Our library failed during the key agreement.
    Agreement(AgreementError),
    /// Our library failed.
    Library,
    /// The record was altered, or is for other keys, or does not belong to these fields.
    NotAuthentic,
    /// The padding is longer than the record, or not of zeros (`ece03-2-3`).
    Padding,
    /// More than one record, or the end is missing (`wp04-4-1`, `ece03-2-1`).
    SeveralRecords,
    /// Too short for a record (`ece03-2-2`).
    ShortRecord,
}

impl DecryptError {
    /// The section of the draft that was broken; empty where the fault is ours.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Agreement(_) | Self::Library => "",
            Self::NotAuthentic | Self::Padding | Self::ShortRecord => {
                "draft-ietf-httpbis-encryption-encoding-03 §2"
            }
            Self::SeveralRecords => "draft-ietf-webpush-encryption-04 §4",
        }
    }
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agreement(error) => return error.fmt(f),
            Self::Library => "the cryptographic library failed",
            Self::NotAuthentic => "the record is not authentic",
            Self::Padding => "the padding is longer than the record or not of zeros",
            Self::SeveralRecords => "the message has more than one record, or its end is missing",
            Self::ShortRecord => "the message is shorter than 18 octets",
        })
    }
}

impl core::error::Error for DecryptError {}
