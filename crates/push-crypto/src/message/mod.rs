//! RFC 8291: messages that only one user agent can read.
//!
//! A message is one record of RFC 8188 (`8291-4-1`) whose key id is the sender's public key. That key and the salt are
//! new for every message (`8291-3.1-2`, `8188-2.1-2`) and are forgotten with it; no function here takes them, except
//! [`encrypt_with`], which exists for test vectors.
//!
//! HTTP headers around a message come from the push service and prove nothing (`8291-7-1`); nothing here depends on
//! them. The one that matters, Content-Encoding, is checked by [`content_coding`].

use core::fmt;

use zeroize::Zeroizing;

use crate::key::{PUBLIC_KEY_LEN, PublicKey};
use crate::provider::{Provider, SharedSecret};
use crate::receiver::AuthSecret;
use crate::record::{HEADER_MIN_LEN, RECORD_OVERHEAD};

mod decrypt;
mod encrypt;

#[cfg(feature = "aesgcm")]
pub(crate) use encrypt::draw;

pub use decrypt::{DecryptError, Receiver, decrypt, decrypt_in_place};
pub use encrypt::{
    Draft, EncryptError, MessageKeys, Options, Padding, encrypt, encrypt_batch, encrypt_into, encrypt_with,
};

/// Octets of payload that every push service takes (`8291-4-5`).
pub const MAX_BODY: usize = 4096;

/// Octets of the header: salt, record size, length and the sender's public key (`8291-4-4`).
pub const HEADER_LEN: usize = HEADER_MIN_LEN + PUBLIC_KEY_LEN;

/// Octets that encryption adds to a message without padding.
pub const OVERHEAD: usize = HEADER_LEN + RECORD_OVERHEAD;

/// Octets of plaintext that every push service takes (`8291-4-5`).
pub const MAX_PLAINTEXT: usize = MAX_BODY - OVERHEAD;

/// Whom a message is for: the two values of a subscription that encryption needs, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The user agent's public key.
    pub p256dh: &'a PublicKey,
    /// The secret shared with the user agent.
    pub auth: &'a AuthSecret,
}

/// Checks a Content-Encoding field: exactly one value, `aes128gcm`, in any case (`8291-4-6`, `8291-4-7`).
///
/// # Errors
///
/// The field has another value, or several.
pub fn content_coding(field: &str) -> Result<(), ContentCodingError> {
    let value = field.trim_matches([' ', '\t']);
    if value.eq_ignore_ascii_case(crate::record::CONTENT_CODING) {
        Ok(())
    } else if value.contains(',') {
        Err(ContentCodingError::Several)
    } else {
        Err(ContentCodingError::Other)
    }
}

/// A Content-Encoding that a push message must not have. The message is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentCodingError {
    /// Not `aes128gcm`.
    Other,
    /// More than one value.
    Several,
}

impl fmt::Display for ContentCodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "the content coding is not aes128gcm",
            Self::Several => "there is more than one content coding",
        })
    }
}

impl core::error::Error for ContentCodingError {}

/// The 65 octets of the sender's public key in `body`, without any further check: enough to see whether a sender uses
/// its VAPID key for encryption too (`8292-3.2-3`).
#[must_use]
pub fn sender_key(body: &[u8]) -> Option<&[u8]> {
    let (header, key_id) = body.split_at_checked(HEADER_MIN_LEN)?;
    match header.last() {
        Some(&length) if usize::from(length) == PUBLIC_KEY_LEN => key_id.get(..PUBLIC_KEY_LEN),
        _ => None,
    }
}

/// The keying material of RFC 8188 from what sender and receiver share (`8291-3.3-1` to `8291-3.3-3`).
fn input_keying_material(
    provider: &Provider,
    to: &Recipient<'_>,
    sender: &PublicKey,
    shared: &SharedSecret,
) -> Zeroizing<[u8; 32]> {
    let info: [&[u8]; 4] = [KEY_INFO, to.p256dh.as_bytes(), sender.as_bytes(), &[1]];
    combine(provider, to.auth, shared, &info)
}

/// HKDF of what was agreed on, salted with the authentication secret: one block, whose number ends `info`.
pub(crate) fn combine(
    provider: &Provider,
    auth: &AuthSecret,
    shared: &SharedSecret,
    info: &[&[u8]],
) -> Zeroizing<[u8; 32]> {
    let mut prk = Zeroizing::new([0; 32]);
    let mut ikm = Zeroizing::new([0; 32]);
    provider.hmac.hmac(auth.expose(), &[shared.expose()], &mut prk);
    provider.hmac.hmac(&*prk, info, &mut ikm);
    ikm
}

const KEY_INFO: &[u8] = b"WebPush: info\0";
