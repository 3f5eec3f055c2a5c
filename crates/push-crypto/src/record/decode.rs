//! Records into data.

use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use super::{ContentKeys, Header, RecordError, RecordKey, Sequence};
use crate::provider::Provider;

/// Decodes a whole content, header included, under keying material that is known beforehand.
///
/// If the key depends on the key id, use [`Header::parse`] and [`decode_in_place`].
///
/// # Errors
///
/// What is wrong with the content. There is no partial result.
pub fn decode(provider: &Provider, ikm: &[u8], content: &[u8]) -> Result<Vec<u8>, RecordError> {
    let header = Header::parse(content)?;
    let records = content.get(header.len()..).unwrap_or_default();
    let mut data = Vec::with_capacity(records.len());
    let keys = ContentKeys::derive(provider, header.salt(), ikm);
    let decoded = keys.with(provider, |key| append_all(key, &header, records, &mut data));
    if decoded.is_err() {
        data.zeroize();
    }
    decoded.map(|()| data)
}

/// Decodes all records (the content without its header) in place. The data takes their place; its length is the result.
///
/// # Errors
///
/// What is wrong with the records. There is no partial result: `records` holds zeros then (`8188-4.2-1`).
pub fn decode_in_place(
    provider: &Provider,
    header: &Header,
    ikm: &[u8],
    records: &mut [u8],
) -> Result<usize, RecordError> {
    let keys = ContentKeys::derive(provider, header.salt(), ikm);
    let decoded = keys.with(provider, |key| open_all(key, header, records));
    if decoded.is_err() {
        records.zeroize();
    }
    decoded
}

/// One copy: each record is opened as soon as it is where its data will stay.
fn append_all(
    key: &RecordKey<'_>,
    header: &Header,
    records: &[u8],
    data: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let mut sequence = Sequence::default();
    let mut records = records.chunks(header.params().record_len()).peekable();
    if records.peek().is_none() {
        return Err(RecordError::Truncated);
    }
    while let Some(record) = records.next() {
        append_opened(key, &mut sequence, &[record], records.peek().is_none(), data)?;
    }
    Ok(())
}

fn open_all(key: &RecordKey<'_>, header: &Header, records: &mut [u8]) -> Result<usize, RecordError> {
    let record_len = header.params().record_len();
    let total = records.len();
    if total == 0 {
        return Err(RecordError::Truncated);
    }
    let mut sequence = Sequence::default();
    let (mut start, mut written) = (0usize, 0usize);
    while start < total {
        let end = start.saturating_add(record_len).min(total);
        let record = records.get_mut(start..end).ok_or(RecordError::BufferTooSmall)?;
        let data_len = key.open(sequence.advance(record.len())?, record, end == total)?;
        // Never to the right: a record is longer than its data.
        records.copy_within(start..start.saturating_add(data_len), written);
        written = written.saturating_add(data_len);
        start = end;
    }
    Ok(written)
}

/// Decodes records that come in pieces.
///
/// [`Decoder::push`] releases the data of each record as soon as it is verified and known not to be the last. That data
/// is authentic, but **it is not complete** until [`Decoder::finish`] has said so: whoever acts on it before must be able
/// to take it back (`8188-4.2-1`). Whoever cannot uses [`decode`].
///
/// Holds back at most one record, and never more than what has arrived.
pub struct Decoder {
    provider: Provider,
    keys: ContentKeys,
    record_len: usize,
    sequence: Sequence,
    pending: Zeroizing<Vec<u8>>,
    failed: Option<RecordError>,
}

impl Decoder {
    /// Begins with the octet after `header`. Look at its key id to find the keying material.
    #[must_use]
    pub fn new(provider: &Provider, header: &Header, ikm: &[u8]) -> Self {
        Self {
            provider: *provider,
            keys: ContentKeys::derive(provider, header.salt(), ikm),
            record_len: header.params().record_len(),
            sequence: Sequence::default(),
            pending: Zeroizing::new(Vec::new()),
            failed: None,
        }
    }

    /// Takes octets and appends to `out` the data of every record that is complete and not the last.
    ///
    /// # Errors
    ///
    /// What is wrong with a record; the same error again on every later call.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let pushed = self.open_full_records(input, out);
        self.failed = pushed.err();
        pushed
    }

    /// Opens the last record and appends its data to `out`. `Ok` means that the content is complete.
    ///
    /// # Errors
    ///
    /// What is wrong with the last record, or that there is none; or the error of an earlier call.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.pending.is_empty() {
            return Err(RecordError::Truncated);
        }
        let Self { provider, keys, sequence, pending, .. } = &mut self;
        keys.with(provider, |key| append_opened(key, sequence, &[pending], true, out))
    }

    fn open_full_records(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        let mut rest = input;
        let record_len = self.record_len;
        if self.pending.len().saturating_add(rest.len()) > record_len {
            let Self { provider, keys, sequence, pending, .. } = self;
            rest = keys.with(provider, |key| {
                let mut rest = input;
                // More than a record: then the first of it is not the last.
                while pending.len().saturating_add(rest.len()) > record_len {
                    let room = record_len.saturating_sub(pending.len());
                    let (now, later) = rest.split_at_checked(room).ok_or(RecordError::BufferTooSmall)?;
                    append_opened(key, sequence, &[pending, now], false, out)?;
                    pending.clear();
                    rest = later;
                }
                Ok(rest)
            })?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }
}

/// Appends the data of one record that comes in these pieces. On failure nothing stays in `out`.
fn append_opened(
    key: &RecordKey<'_>,
    sequence: &mut Sequence,
    record: &[&[u8]],
    last: bool,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let start = out.len();
    record.iter().for_each(|piece| out.extend_from_slice(piece));
    let record = out.get_mut(start..).unwrap_or_default();
    let opened = sequence.advance(record.len()).and_then(|number| key.open(number, record, last));
    out.truncate(start.saturating_add(opened.unwrap_or(0)));
    opened.map(|_| ())
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Decoder({} octets pending, failed: {:?})", self.pending.len(), self.failed)
    }
}
