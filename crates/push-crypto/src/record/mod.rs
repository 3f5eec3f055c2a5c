//! RFC 8188: encrypted content as records, content coding `aes128gcm`.
//!
//! | you have | use |
//! |---|---|
//! | all of the data, and no wish to think | [`encode`], [`decode`]: one copy |
//! | all of the data in a buffer with room at its end | [`encode_in_place`], [`decode_in_place`]: moved once |
//! | a say in where the data lies, or several cores | [`Spaced`], [`Records`]: never moved |
//! | data that comes and goes in pieces | [`Encoder`], [`Decoder`]: memory for one record |
//!
//! A salt is never used twice with the same keying material (`8188-2.1-2`, `8188-4.3-1`): senders draw it here. The one
//! way to choose a salt is [`Encoder::with_header`], which exists for test vectors.
//!
//! Memory is bounded by what has arrived and never by the record size that a header claims.
//!
//! Records begin at multiples of the record size after the header, so a range that begins at one can be decrypted by
//! whoever counts the records before it (`8188-2-11`); this module has no call for that.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::provider::{AEAD_KEY_LEN, AEAD_NONCE_LEN, AEAD_TAG_LEN, AeadKey, Provider};

mod decode;
mod encode;
mod header;
mod spaced;

pub use decode::{Decoder, decode, decode_in_place};
pub use encode::{Encoder, encode, encode_in_place, encoded_len};
pub use header::{Header, KeyId, Params};
pub use spaced::{Part, Records, Spaced, SpacedData};

/// The name of the content coding (`8188-5-1`). Compare it without regard to case.
pub const CONTENT_CODING: &str = "aes128gcm";

/// Octets of a salt.
pub const SALT_LEN: usize = 16;

/// Octets of a header before its key id: salt, record size, length of the key id (`8188-2.1-1`).
pub const HEADER_MIN_LEN: usize = SALT_LEN + 4 + 1;

/// The smallest legal record size (`8188-2.1-4`).
pub const RECORD_SIZE_MIN: u32 = 18;

/// Octets that a record adds to its data: a delimiter and a tag (`8188-2-3`).
pub const RECORD_OVERHEAD: usize = 1 + AEAD_TAG_LEN;

/// AES blocks that may be encrypted under one key: below the 2^44.5 of `8188-4.4-1`.
pub const MAX_BLOCKS: u64 = 1 << 44;

/// Why content could not be encoded or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The caller's buffer has no room for the records.
    BufferTooSmall,
    /// The delimiter is not the one that this record must have: 2 in the last, 1 in every other (`8188-2-8`).
    Delimiter,
    /// The key id has more octets than one octet can count.
    KeyIdTooLong(usize),
    /// The cryptographic library failed.
    Library,
    /// So much was encrypted under one key that no more may be (`8188-4.4-1`).
    LimitReached,
    /// A record has no octet but zeros: neither data nor delimiter (`8188-2-7`).
    NoDelimiter,
    /// A record was altered, moved or made with another key.
    NotAuthentic,
    /// Padding that does not fit into the record.
    PaddingTooLong,
    /// The random source failed.
    Random,
    /// A record size below 18 (`8188-2.1-4`).
    RecordSize(u32),
    /// A record too short to hold a delimiter and a tag (`8188-2-5`).
    ShortRecord,
    /// The content ends within its header or before its last record (`8188-4.2-1`).
    Truncated,
}

impl RecordError {
    /// The section of RFC 8188 that was broken; empty where the fault is not the content's.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Delimiter | Self::NoDelimiter | Self::NotAuthentic | Self::ShortRecord => "RFC 8188 §2",
            Self::KeyIdTooLong(_) | Self::RecordSize(_) => "RFC 8188 §2.1",
            Self::Truncated => "RFC 8188 §4.2",
            Self::LimitReached => "RFC 8188 §4.4",
            Self::BufferTooSmall | Self::Library | Self::PaddingTooLong | Self::Random => "",
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall => f.write_str("the buffer has no room for the records"),
            Self::Delimiter => f.write_str("a record has the wrong delimiter"),
            Self::KeyIdTooLong(length) => write!(f, "the key id has {length} octets; 255 is the most"),
            Self::Library => f.write_str("the cryptographic library failed"),
            Self::LimitReached => f.write_str("too much was encrypted under one key"),
            Self::NoDelimiter => f.write_str("a record has no delimiter"),
            Self::NotAuthentic => f.write_str("a record is not authentic"),
            Self::PaddingTooLong => f.write_str("the padding does not fit into the record"),
            Self::Random => f.write_str("the random source failed"),
            Self::RecordSize(size) => write!(f, "the record size is {size}; 18 is the least"),
            Self::ShortRecord => f.write_str("a record is shorter than 17 octets"),
            Self::Truncated => f.write_str("the content was cut short"),
        }
    }
}

impl core::error::Error for RecordError {}

/// The content encryption key and base nonce of one content: wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ContentKeys {
    key: [u8; AEAD_KEY_LEN],
    nonce: [u8; AEAD_NONCE_LEN],
}

impl ContentKeys {
    /// `8188-2.2-1`, `8188-2.2-2`, `8188-2.3-1`.
    pub(crate) fn derive(provider: &Provider, salt: &[u8; SALT_LEN], ikm: &[u8]) -> Self {
        Self::derive_for(provider, salt, ikm, (CEK_INFO, &[]))
    }

    /// As RFC 8188 and its drafts have it in common: a content coding has a label, and some have a context.
    pub(crate) fn derive_for(
        provider: &Provider,
        salt: &[u8; SALT_LEN],
        ikm: &[u8],
        (label, context): (&[u8], &[u8]),
    ) -> Self {
        let mut keys = Self { key: [0; AEAD_KEY_LEN], nonce: [0; AEAD_NONCE_LEN] };
        let mut prk = zeroize::Zeroizing::new([0u8; 32]);
        let mut block = zeroize::Zeroizing::new([0u8; 32]);
        provider.hmac.hmac(salt, &[ikm], &mut prk);
        provider.hmac.hmac(&*prk, &[label, context, &[1]], &mut block);
        keys.key.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
        provider.hmac.hmac(&*prk, &[NONCE_INFO, context, &[1]], &mut block);
        keys.nonce.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
        keys
    }

    /// Lends the key, set up, to `work`; what `work` says is the result.
    pub(crate) fn with<T>(
        &self,
        provider: &Provider,
        mut work: impl FnMut(&RecordKey<'_>) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        let mut result = Err(RecordError::Library);
        provider.aead.with_key(&self.key, &mut |key| result = work(&RecordKey { key, nonce: &self.nonce }));
        result
    }
}

/// A content's key that has been set up.
pub(crate) struct RecordKey<'a> {
    key: &'a dyn AeadKey,
    nonce: &'a [u8; AEAD_NONCE_LEN],
}

impl RecordKey<'_> {
    /// Seals one record in place. It begins with `data_len` octets of data; a delimiter and zeros up to the tag are put
    /// behind them (`8188-2-4`).
    pub(crate) fn seal(&self, sequence: u64, record: &mut [u8], shape: Shape) -> Result<(), RecordError> {
        let padded_len = record.len().checked_sub(AEAD_TAG_LEN).ok_or(RecordError::ShortRecord)?;
        let tail = record.get_mut(shape.data_len..padded_len).ok_or(RecordError::BufferTooSmall)?;
        let (delimiter, padding) = tail.split_first_mut().ok_or(RecordError::BufferTooSmall)?;
        *delimiter = shape.delimiter();
        padding.fill(0);
        self.encrypt(sequence, record)
    }

    /// Seals a record whose data and padding are in place, whatever their layout.
    pub(crate) fn encrypt(&self, sequence: u64, record: &mut [u8]) -> Result<(), RecordError> {
        self.key.seal(&self.nonce_of(sequence), record).map_err(|_| RecordError::Library)
    }

    /// Opens a record to data and padding, whatever their layout: all of it but the tag. On failure the record is zeros.
    pub(crate) fn decrypt(&self, sequence: u64, record: &mut [u8]) -> Result<(), RecordError> {
        self.key.open(&self.nonce_of(sequence), record).map_err(|_| RecordError::NotAuthentic)
    }

    /// Opens one record in place and says how many octets at its start are data. On failure the record is zeros.
    pub(crate) fn open(&self, sequence: u64, record: &mut [u8], last: bool) -> Result<usize, RecordError> {
        let opened = self.try_open(sequence, record, last);
        if opened.is_err() {
            record.zeroize();
        }
        opened
    }

    fn try_open(&self, sequence: u64, record: &mut [u8], last: bool) -> Result<usize, RecordError> {
        if record.len() < RECORD_OVERHEAD {
            return Err(RecordError::ShortRecord);
        }
        self.decrypt(sequence, record)?;
        let padded = record.get(..record.len().saturating_sub(AEAD_TAG_LEN)).unwrap_or_default();
        let data_len = delimiter(padded).ok_or(RecordError::NoDelimiter)?;
        let shape = Shape { data_len, last };
        if padded.get(data_len) == Some(&shape.delimiter()) {
            Ok(data_len)
        } else {
            Err(RecordError::Delimiter)
        }
    }

    /// The base nonce, with the sequence number as 96 bits exclusive-ored into it (`8188-2.3-2`).
    fn nonce_of(&self, sequence: u64) -> [u8; AEAD_NONCE_LEN] {
        let mut nonce = *self.nonce;
        let tail = nonce.iter_mut().skip(AEAD_NONCE_LEN - 8);
        tail.zip(sequence.to_be_bytes()).for_each(|(octet, bits)| *octet ^= bits);
        nonce
    }
}

/// How much of a record is data, and whether it is the last.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) data_len: usize,
    pub(crate) last: bool,
}

impl Shape {
    const fn delimiter(self) -> u8 {
        if self.last { 2 } else { 1 }
    }
}

/// Where the delimiter is, and the data ends: at the last octet that is not zero (`8188-2-6`).
fn delimiter(padded: &[u8]) -> Option<usize> {
    padded.iter().rposition(|&octet| octet != 0)
}

/// Counts records, and stops before the key is worn out.
#[derive(Default)]
pub(crate) struct Sequence {
    next: u64,
    blocks: u64,
}

impl Sequence {
    /// The number of the next record, which has `record_len` octets.
    pub(crate) fn advance(&mut self, record_len: usize) -> Result<u64, RecordError> {
        self.blocks = self.blocks.saturating_add(blocks(record_len));
        if self.blocks > MAX_BLOCKS {
            return Err(RecordError::LimitReached);
        }
        let sequence = self.next;
        self.next = self.next.checked_add(1).ok_or(RecordError::LimitReached)?;
        Ok(sequence)
    }

    /// Whether one key is enough for so many records of at most so many octets.
    fn check(record_len: usize, count: usize) -> Result<(), RecordError> {
        let blocks = blocks(record_len).saturating_mul(count as u64);
        if blocks > MAX_BLOCKS { Err(RecordError::LimitReached) } else { Ok(()) }
    }
}

/// What a record uses up of its key: one block more for the tag.
const fn blocks(record_len: usize) -> u64 {
    (record_len as u64).div_ceil(AES_BLOCK_LEN).saturating_add(1)
}

const AES_BLOCK_LEN: u64 = 16;
const CEK_INFO: &[u8] = b"Content-Encoding: aes128gcm\0";
const NONCE_INFO: &[u8] = b"Content-Encoding: nonce\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// `8188-4.4-1`: the counter stops before 2^44.5 blocks.
    #[test]
    fn the_key_wears_out() {
        let mut sequence = Sequence { next: 7, blocks: MAX_BLOCKS - 3 };
        assert_eq!(sequence.advance(17), Ok(7));
        assert_eq!(sequence.advance(17), Err(RecordError::LimitReached));
        assert_eq!(sequence.advance(17), Err(RecordError::LimitReached));
        let mut sequence = Sequence { next: u64::MAX, blocks: 0 };
        assert_eq!(sequence.advance(17), Err(RecordError::LimitReached));

        let most = usize::try_from(MAX_BLOCKS / 4).unwrap();
        assert_eq!(Sequence::check(48, most), Ok(()));
        assert_eq!(Sequence::check(48, most + 1), Err(RecordError::LimitReached));
        assert_eq!(Sequence::check(usize::MAX, usize::MAX), Err(RecordError::LimitReached));
    }
}
