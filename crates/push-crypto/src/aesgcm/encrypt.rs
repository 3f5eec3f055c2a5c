//! The sender's side.

use alloc::vec::Vec;
use core::fmt;

use super::{DEFAULT_RECORD_SIZE, Fields, MAX_PLAINTEXT, OVERHEAD, PAD_LEN_OCTETS, content_keys};
use crate::message::{EncryptError, MAX_BODY, MessageKeys, Options, Recipient, draw};
use crate::provider::{Agreed, Provider};
use crate::record::SALT_LEN;

/// A message, and what has to be sent beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The body of the request.
    pub body: Vec<u8>,
    /// Without them nobody can read the body.
    pub fields: Fields,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} octets, {:?})", self.body.len(), self.fields)
    }
}

/// Encrypts a message, with a key pair and a salt that are new and forgotten with it.
///
/// # Errors
///
/// The plaintext is too long (`wp04-4-5`), or our own library failed.
pub fn encrypt(
    provider: &Provider,
    to: &Recipient<'_>,
    plaintext: &[u8],
    options: impl Into<Options>,
) -> Result<Message, EncryptError> {
    let padding = padding(plaintext, options.into())?;
    seal(provider, to, (plaintext, padding), draw(provider, to)?)
}

/// As [`encrypt`], with a fixed key pair and salt: **for test vectors only**.
///
/// # Errors
///
/// As [`encrypt`].
pub fn encrypt_with(
    provider: &Provider,
    to: &Recipient<'_>,
    plaintext: &[u8],
    options: impl Into<Options>,
    keys: MessageKeys,
) -> Result<Message, EncryptError> {
    let padding = padding(plaintext, options.into())?;
    seal(provider, to, (plaintext, padding), keys.agree(provider, to)?)
}

/// Octets of padding: no more than two octets can count (`ece03-2-3`).
fn padding(plaintext: &[u8], options: Options) -> Result<u16, EncryptError> {
    let length = options.padded_len(plaintext.len(), MAX_PLAINTEXT)?;
    let limit = plaintext.len().saturating_add(usize::from(u16::MAX));
    let padding = u16::try_from(length.saturating_sub(plaintext.len()));
    padding.map_err(|_| EncryptError::TooLong { length, limit })
}

/// The one record (`wp04-4-1`), with its padding in front (`ece03-2-3`).
fn seal(
    provider: &Provider,
    to: &Recipient<'_>,
    (plaintext, padding): (&[u8], u16),
    (agreed, salt): (Agreed, [u8; SALT_LEN]),
) -> Result<Message, EncryptError> {
    let data_start = PAD_LEN_OCTETS.saturating_add(usize::from(padding));
    let total = plaintext.len().checked_add(usize::from(padding) + OVERHEAD).ok_or(EncryptError::Library)?;
    let mut body = Vec::with_capacity(total);
    body.extend_from_slice(&padding.to_be_bytes());
    body.resize(data_start, 0);
    body.extend_from_slice(plaintext);
    body.resize(total, 0);
    let keys = content_keys(provider, to, &agreed.public, (&salt, &agreed.shared));
    if keys.with(provider, |key| key.encrypt(0, &mut body)).is_err() {
        body.fill(0);
        return Err(EncryptError::Library);
    }
    let fields = Fields::new(salt, agreed.public, record_size(body.len()));
    Ok(Message { body, fields })
}

/// Longer than the body where that has 4096 octets or more (`wp04-4-1`).
fn record_size(body_len: usize) -> u64 {
    if body_len < MAX_BODY { DEFAULT_RECORD_SIZE } else { (body_len as u64).saturating_add(1) }
}
