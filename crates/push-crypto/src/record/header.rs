//! The header block that precedes the records.

use core::fmt;

use super::{HEADER_MIN_LEN, RECORD_OVERHEAD, RECORD_SIZE_MIN, RecordError, SALT_LEN};
use crate::provider::Provider;

/// What a sender chooses: a legal record size and a key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    record_size: u32,
    key_id: KeyId,
}

impl Params {
    /// Checks both.
    ///
    /// # Errors
    ///
    /// A record size below 18 (`8188-2.1-4`), a key id above 255 octets (`8188-2.1-5`).
    pub fn new(record_size: u32, key_id: &[u8]) -> Result<Self, RecordError> {
        if record_size < RECORD_SIZE_MIN {
            return Err(RecordError::RecordSize(record_size));
        }
        Ok(Self { record_size, key_id: KeyId::new(key_id)? })
    }

    /// Octets of every record but the last, which may be shorter (`8188-2-2`).
    #[must_use]
    pub const fn record_size(&self) -> u32 {
        self.record_size
    }

    /// The key id.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        self.key_id.as_bytes()
    }

    /// Octets of the header block.
    #[must_use]
    pub fn header_len(&self) -> usize {
        HEADER_MIN_LEN.saturating_add(self.key_id().len())
    }

    /// Octets of a full record, on this machine.
    pub(crate) fn record_len(&self) -> usize {
        usize::try_from(self.record_size).unwrap_or(usize::MAX)
    }

    /// Octets of data in a full record (`8188-2-3`). At least 1.
    pub(crate) fn data_len(&self) -> usize {
        self.record_len().saturating_sub(RECORD_OVERHEAD).max(1)
    }
}

/// The header block: salt, record size, key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    salt: [u8; SALT_LEN],
    params: Params,
}

impl Header {
    /// A header with a salt of the caller's choice: for test vectors. Senders draw the salt by encoding with [`Params`].
    #[must_use]
    pub const fn with_salt(salt: [u8; SALT_LEN], params: Params) -> Self {
        Self { salt, params }
    }

    /// A header with a new salt (`8188-4.3-2`).
    pub(crate) fn draw(provider: &Provider, params: Params) -> Result<Self, RecordError> {
        let mut salt = [0; SALT_LEN];
        provider.fill(&mut salt).map_err(|_| RecordError::Random)?;
        Ok(Self { salt, params })
    }

    /// Reads the header at the start of `content`; the records begin at [`Header::len`].
    ///
    /// # Errors
    ///
    /// [`RecordError::Truncated`] if more octets are needed; a record size below 18.
    pub fn parse(content: &[u8]) -> Result<Self, RecordError> {
        let (salt, rest) = content.split_first_chunk::<SALT_LEN>().ok_or(RecordError::Truncated)?;
        // Unsigned, big-endian (8188-2.1-3).
        let (record_size, rest) = rest.split_first_chunk::<4>().ok_or(RecordError::Truncated)?;
        let (&key_id_len, rest) = rest.split_first().ok_or(RecordError::Truncated)?;
        let key_id = rest.get(..usize::from(key_id_len)).ok_or(RecordError::Truncated)?;
        Ok(Self { salt: *salt, params: Params::new(u32::from_be_bytes(*record_size), key_id)? })
    }

    /// The salt.
    #[must_use]
    pub const fn salt(&self) -> &[u8; SALT_LEN] {
        &self.salt
    }

    /// Record size and key id.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Octets of every record but the last.
    #[must_use]
    pub const fn record_size(&self) -> u32 {
        self.params.record_size
    }

    /// The key id: any octets; `8188-2.1-6` wants UTF-8, and RFC 8291 puts a point here.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        self.params.key_id()
    }

    /// Octets of the header block.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        self.params.header_len()
    }

    /// Writes the header block to the start of `out`.
    ///
    /// # Errors
    ///
    /// `out` has fewer than [`Header::len`] octets.
    pub fn write(&self, out: &mut [u8]) -> Result<(), RecordError> {
        let size = self.params.record_size.to_be_bytes();
        let length = [self.params.key_id.len];
        let mut octets = self.salt.iter().chain(&size).chain(&length).chain(self.key_id());
        let out = out.get_mut(..self.len()).ok_or(RecordError::BufferTooSmall)?;
        out.iter_mut().for_each(|to| *to = octets.next().copied().unwrap_or_default());
        Ok(())
    }
}

/// Up to 255 octets, held in place.
#[derive(Clone, Copy)]
pub struct KeyId {
    len: u8,
    octets: [u8; 255],
}

impl KeyId {
    /// Takes at most 255 octets.
    ///
    /// # Errors
    ///
    /// [`RecordError::KeyIdTooLong`].
    pub fn new(key_id: &[u8]) -> Result<Self, RecordError> {
        let too_long = RecordError::KeyIdTooLong(key_id.len());
        let len = u8::try_from(key_id.len()).map_err(|_| too_long)?;
        let mut octets = [0; 255];
        octets.get_mut(..key_id.len()).ok_or(too_long)?.copy_from_slice(key_id);
        Ok(Self { len, octets })
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl PartialEq for KeyId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for KeyId {}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:?})", self.as_bytes())
    }
}
