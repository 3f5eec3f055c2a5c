//! Data into records.

use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use super::{ContentKeys, Header, Params, RECORD_OVERHEAD, RecordError, RecordKey, Sequence, Shape};
use crate::provider::{AEAD_TAG_LEN, Provider};

/// Octets of the whole content, header included, for this much data; `None` if no machine could hold it.
///
/// No data at all still makes one record (A-28, A-29).
#[must_use]
pub fn encoded_len(params: &Params, data_len: usize) -> Option<usize> {
    let overhead = record_count(params, data_len).checked_mul(RECORD_OVERHEAD)?;
    params.header_len().checked_add(data_len)?.checked_add(overhead)
}

/// Encodes all of `data` under a new salt.
///
/// # Errors
///
/// The random source or the library failed, or the data is too much for one key.
pub fn encode(provider: &Provider, ikm: &[u8], params: &Params, data: &[u8]) -> Result<Vec<u8>, RecordError> {
    let total = encoded_len(params, data.len()).ok_or(RecordError::LimitReached)?;
    let mut content = Vec::with_capacity(total);
    let mut encoder = Encoder::new(provider, ikm, params.clone())?;
    encoder.write_header(&mut content)?;
    let last = record_count(params, data.len()).saturating_sub(1);
    let (before, rest) = data.split_at_checked(last.saturating_mul(params.data_len())).unwrap_or_default();
    let Encoder { keys, sequence, .. } = &mut encoder;
    keys.with(provider, |key| {
        for data in before.chunks(params.data_len()) {
            append_record(key, sequence, &[data], Tail { padding: 0, last: false }, &mut content)?;
        }
        append_record(key, sequence, &[rest], Tail { padding: 0, last: true }, &mut content)
    })?;
    Ok(content)
}

/// Encodes the first `data_len` octets of `buffer` under a new salt. The content, header included, takes their place;
/// its length is the result, as [`encoded_len`] foretold.
///
/// # Errors
///
/// `buffer` is too small, the random source failed, or the data is too much for one key: nothing has changed then. Or the
/// library failed: then the place of the content holds zeros.
pub fn encode_in_place(
    provider: &Provider,
    ikm: &[u8],
    params: &Params,
    buffer: &mut [u8],
    data_len: usize,
) -> Result<usize, RecordError> {
    let total = encoded_len(params, data_len).ok_or(RecordError::BufferTooSmall)?;
    let content = buffer.get_mut(..total).ok_or(RecordError::BufferTooSmall)?;
    let count = record_count(params, data_len);
    Sequence::check(params.record_len(), count)?;
    let header = Header::draw(provider, params.clone())?;
    let keys = ContentKeys::derive(provider, header.salt(), ikm);
    let encoded = keys.with(provider, |key| {
        // From the last to the first, since the data of each moves to the right or stays.
        for index in (0..count).rev() {
            let from = index.saturating_mul(params.data_len());
            let until = from.saturating_add(params.data_len()).min(data_len);
            let start = params.header_len().saturating_add(index.saturating_mul(params.record_len()));
            let shape =
                Shape { data_len: until.saturating_sub(from), last: index.saturating_add(1) == count };
            let end = start.saturating_add(shape.data_len).saturating_add(RECORD_OVERHEAD);
            if end > content.len() {
                return Err(RecordError::BufferTooSmall);
            }
            content.copy_within(from..until, start);
            key.seal(index as u64, content.get_mut(start..end).unwrap_or_default(), shape)?;
        }
        header.write(content)
    });
    if encoded.is_err() {
        content.zeroize();
    }
    encoded.map(|()| total)
}

/// At least one.
fn record_count(params: &Params, data_len: usize) -> usize {
    data_len.div_ceil(params.data_len()).max(1)
}

/// Encodes data that comes in pieces. Holds back at most one record of data, since only the end shows which record is
/// the last (`8188-2-8`).
///
/// ```
/// # #[cfg(feature = "aws-lc")] {
/// use push_crypto::record::{Decoder, Encoder, Header, Params};
///
/// let provider = push_crypto::aws_lc::provider();
/// let ikm = [7; 16];
/// let mut content = Vec::new();
/// let mut encoder = Encoder::new(&provider, &ikm, Params::new(4096, b"a1")?)?;
/// encoder.write(b"I am ", &mut content)?;
/// encoder.write(b"the walrus", &mut content)?;
/// encoder.finish(0, &mut content)?;
///
/// let header = Header::parse(&content)?;
/// let mut data = Vec::new();
/// let mut decoder = Decoder::new(&provider, &header, &ikm);
/// for piece in content[header.len()..].chunks(3) {
///     decoder.push(piece, &mut data)?;
/// }
/// decoder.finish(&mut data)?;
/// assert_eq!(data, b"I am the walrus");
/// # }
/// # Ok::<(), push_crypto::record::RecordError>(())
/// ```
pub struct Encoder {
    provider: Provider,
    keys: ContentKeys,
    header: Header,
    header_written: bool,
    sequence: Sequence,
    pending: Zeroizing<Vec<u8>>,
}

impl Encoder {
    /// Begins content under a new salt.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn new(provider: &Provider, ikm: &[u8], params: Params) -> Result<Self, RecordError> {
        Ok(Self::with_header(provider, ikm, Header::draw(provider, params)?))
    }

    /// Begins content under a salt of the caller's choice: **for test vectors only**. Two contents under one salt and
    /// one key give away both (`8188-4.3-1`).
    #[must_use]
    pub fn with_header(provider: &Provider, ikm: &[u8], header: Header) -> Self {
        let keys = ContentKeys::derive(provider, header.salt(), ikm);
        let pending = Zeroizing::new(Vec::new());
        Self {
            provider: *provider,
            keys,
            header,
            header_written: false,
            sequence: Sequence::default(),
            pending,
        }
    }

    /// Takes data and appends to `out` what is ready, the header first.
    ///
    /// # Errors
    ///
    /// The library failed, or so much was encrypted that the key is worn out. The content cannot be completed then.
    pub fn write(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        self.write_header(out)?;
        let capacity = self.header.params().data_len();
        if self.pending.len().saturating_add(data.len()) > capacity {
            let Self { provider, keys, sequence, pending, .. } = self;
            data = keys.with(provider, |key| {
                let mut rest = data;
                while pending.len().saturating_add(rest.len()) > capacity {
                    let room = capacity.saturating_sub(pending.len());
                    let (now, later) = rest.split_at_checked(room).ok_or(RecordError::BufferTooSmall)?;
                    append_record(key, sequence, &[pending, now], Tail { padding: 0, last: false }, out)?;
                    pending.clear();
                    rest = later;
                }
                Ok(rest)
            })?;
        }
        self.pending.extend_from_slice(data);
        Ok(())
    }

    /// Ends the current record here and fills it up with padding, so that what follows begins a new one: spreads data
    /// over records (`8188-4.8-1`).
    ///
    /// # Errors
    ///
    /// As [`Encoder::write`].
    pub fn pad_record(&mut self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        self.write_header(out)?;
        let padding = self.header.params().data_len().saturating_sub(self.pending.len());
        self.append_pending(Tail { padding, last: false }, out)
    }

    /// Ends the content with a last record that has this many octets of padding.
    ///
    /// # Errors
    ///
    /// As [`Encoder::write`], and [`RecordError::PaddingTooLong`].
    pub fn finish(mut self, padding: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.pending.len().saturating_add(padding) > self.header.params().data_len() {
            return Err(RecordError::PaddingTooLong);
        }
        self.write_header(out)?;
        self.append_pending(Tail { padding, last: true }, out)
    }

    fn append_pending(&mut self, tail: Tail, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let Self { provider, keys, sequence, pending, .. } = self;
        keys.with(provider, |key| append_record(key, sequence, &[pending], tail, out))?;
        self.pending.clear();
        Ok(())
    }

    fn write_header(&mut self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.header_written {
            return Ok(());
        }
        let start = out.len();
        out.resize(start.saturating_add(self.header.len()), 0);
        self.header_written = true;
        self.header.write(out.get_mut(start..).unwrap_or_default())
    }
}

/// How a record ends.
#[derive(Clone, Copy)]
struct Tail {
    padding: usize,
    last: bool,
}

/// Appends one sealed record of these pieces of data. On failure nothing stays in `out`.
fn append_record(
    key: &RecordKey<'_>,
    sequence: &mut Sequence,
    data: &[&[u8]],
    tail: Tail,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let start = out.len();
    data.iter().for_each(|piece| out.extend_from_slice(piece));
    let data_len = out.len().saturating_sub(start);
    out.resize(out.len().saturating_add(1).saturating_add(tail.padding).saturating_add(AEAD_TAG_LEN), 0);
    let record = out.get_mut(start..).unwrap_or_default();
    let sealed = sequence
        .advance(record.len())
        .and_then(|number| key.seal(number, record, Shape { data_len, last: tail.last }));
    if sealed.is_err() {
        record.fill(0);
        out.truncate(start);
    }
    sealed
}

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Encoder({:?}, {} octets pending)", self.header.params(), self.pending.len())
    }
}
