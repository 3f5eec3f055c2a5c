//! The content coding from before RFC 8188 and 8291, `aesgcm`, for browsers and UnifiedPush applications that were never
//! brought up to date.
//!
//! It is that of draft-ietf-webpush-encryption-04 over draft-ietf-httpbis-encryption-encoding-03. Use it only for a
//! subscription that is known to take nothing newer; [`crate::message`] is for all others. The message is one record
//! (`wp04-4-1`), and what RFC 8188 has in its header is in two fields of the request: [`Fields`].
//!
//! | field | value |
//! |---|---|
//! | Content-Encoding | [`CONTENT_CODING`] |
//! | Encryption | [`Fields::encryption`] |
//! | Crypto-Key | [`Fields::crypto_key`], or [`Fields::crypto_key_with`] if the sender signs |
//! | Authorization | [`Token::draft_authorization`](crate::vapid::Token::draft_authorization), if the sender signs |
//!
//! ```
//! # #[cfg(feature = "aws-lc")] {
//! use push_crypto::ReceiverKeys;
//! use push_crypto::aesgcm::{Fields, decrypt, encrypt};
//! use push_crypto::message::Padding;
//!
//! let provider = push_crypto::aws_lc::provider();
//! let keys = ReceiverKeys::generate(&provider)?;
//! let message = encrypt(&provider, &keys.recipient(), b"hello", Padding::Buckets(128))?;
//! assert!(message.fields.encryption().starts_with("salt="));
//!
//! // The user agent reads the fields, and then the body.
//! let fields = Fields::parse(message.fields.encryption(), message.fields.crypto_key())?;
//! assert_eq!(decrypt(&provider, &keys, &fields, &message.body)?, b"hello");
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use alloc::vec::Vec;

use crate::key::PublicKey;
use crate::message::{Recipient, combine};
use crate::provider::{AEAD_TAG_LEN, Provider, SharedSecret};
use crate::record::{ContentKeys, SALT_LEN};

mod decrypt;
mod encrypt;
mod fields;

pub use decrypt::{DecryptError, decrypt};
pub use encrypt::{Message, encrypt, encrypt_with};
pub use fields::{Fields, FieldsError};

/// The name of the content coding: the whole value of Content-Encoding (`wp04-4-2`). Compare it without regard to case.
pub const CONTENT_CODING: &str = "aesgcm";

/// Octets that encryption adds to a message without padding: the length of the padding, and a tag (`ece03-2-3`).
pub const OVERHEAD: usize = PAD_LEN_OCTETS + AEAD_TAG_LEN;

/// Octets of plaintext that every push service and user agent takes (`wp04-4-5`).
///
/// One more would still fit into 4096 octets, but then the record size has to be told (`wp04-4-1`), which the draft's
/// limit spares old receivers. Whoever wants it says so by [`Options::limit`](crate::message::Options::limit).
pub const MAX_PLAINTEXT: usize = 4077;

/// The record size where Encryption has no `rs` (`ece03-3-1`): octets of padding and data, without the tag.
pub const DEFAULT_RECORD_SIZE: u64 = 4096;

/// The longest Encryption or Crypto-Key that [`Fields::parse`] reads, in octets. Real ones have about 200.
pub const MAX_FIELD_LEN: usize = 4096;

/// Whether a Content-Encoding field has this one value and no other (`wp04-4-2`).
#[must_use]
pub fn is_content_coding(field: &str) -> bool {
    field.trim_matches([' ', '\t']).eq_ignore_ascii_case(CONTENT_CODING)
}

/// The keys of the one record (`wp04-3.3-1`, `wp04-3.4-1`, `ece03-3.2-1`, `ece03-3.3-1`).
fn content_keys(
    provider: &Provider,
    to: &Recipient<'_>,
    sender: &PublicKey,
    (salt, shared): (&[u8; SALT_LEN], &SharedSecret),
) -> ContentKeys {
    let ikm = combine(provider, to.auth, shared, &[AUTH_INFO, &[1]]);
    let mut context = Vec::new();
    context.extend_from_slice(CURVE);
    for key in [to.p256dh, sender] {
        context.extend_from_slice(&KEY_LEN);
        context.extend_from_slice(key.as_bytes());
    }
    ContentKeys::derive_for(provider, salt, &*ikm, (CEK_INFO, &context))
}

/// Octets before the padding: how long it is.
const PAD_LEN_OCTETS: usize = 2;

const AUTH_INFO: &[u8] = b"Content-Encoding: auth\0";
const CEK_INFO: &[u8] = b"Content-Encoding: aesgcm\0";
const CURVE: &[u8] = b"P-256\0";
const KEY_LEN: [u8; 2] = [0, 65];
