//! The one hash without a key.

use sha2::{Digest, Sha256};

/// SHA-256 of the concatenated `parts`: for names that anybody may compute, so it is not a part of a
/// [`Provider`](crate::Provider). What must not be guessed is not hidden by it; that needs a key, and
/// [`HmacSha256`](crate::provider::HmacSha256).
///
/// ```
/// let digest = push_crypto::sha256(&[b"a", b"bc"]);
/// assert_eq!(digest, push_crypto::sha256(&[b"abc"]));
/// assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
