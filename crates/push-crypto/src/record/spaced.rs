//! Whole contents whose data is never moved: it lies where its records are, with a gap of [`RECORD_OVERHEAD`] octets
//! between the data of one record and that of the next.
//!
//! No record needs another, so they can be worked on in several parts at once. This crate starts no threads: it hands the
//! parts to the caller, who runs each of them wherever there is a core to spare.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::slice::{Chunks, ChunksMut};

use zeroize::Zeroize;

use super::{
    ContentKeys, Header, Params, RECORD_OVERHEAD, RecordError, RecordKey, Sequence, Shape, delimiter,
    encoded_len,
};
use crate::provider::{AEAD_TAG_LEN, Provider};

/// Content that is laid out before it is encoded: first the data goes to where its records will be, then all of it is
/// encoded in place, without being moved or copied.
///
/// ```
/// # #[cfg(feature = "aws-lc")] {
/// use push_crypto::record::{Header, Params, Records, Spaced, encoded_len};
///
/// let provider = push_crypto::aws_lc::provider();
/// let ikm = [7; 16];
/// let params = Params::new(64, b"")?;
/// let mut file = &[b'x'; 1000][..];
///
/// let mut content = vec![0; encoded_len(&params, file.len()).expect("it fits")];
/// let mut spaced = Spaced::new(&params, &mut content, file.len())?;
/// for space in spaced.spaces() {
///     std::io::Read::read_exact(&mut file, space).expect("it is long enough");
/// }
/// spaced.encode(&provider, &ikm)?;
///
/// let header = Header::parse(&content)?;
/// let data = Records::new(&header, &mut content[header.len()..]).decode(&provider, &ikm)?;
/// assert_eq!(data.concat(), [b'x'; 1000]);
/// # }
/// # Ok::<(), push_crypto::record::RecordError>(())
/// ```
#[must_use = "nothing is encrypted before `encode`"]
pub struct Spaced<'a> {
    params: &'a Params,
    content: &'a mut [u8],
    data_len: usize,
}

impl<'a> Spaced<'a> {
    /// Lays out so much data at the start of `content`, which has at least [`encoded_len`] octets.
    ///
    /// # Errors
    ///
    /// [`RecordError::BufferTooSmall`].
    pub fn new(params: &'a Params, content: &'a mut [u8], data_len: usize) -> Result<Self, RecordError> {
        let total = encoded_len(params, data_len).ok_or(RecordError::BufferTooSmall)?;
        let content = content.get_mut(..total).ok_or(RecordError::BufferTooSmall)?;
        Ok(Self { params, content, data_len })
    }

    /// Where the data goes: one piece for each record, in order. All are of the same length but the last, which may be
    /// shorter.
    pub fn spaces(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let records = self.content.get_mut(self.params.header_len()..).unwrap_or_default();
        records.chunks_mut(self.params.record_len()).map(|record| {
            let data_len = record.len().saturating_sub(RECORD_OVERHEAD);
            record.get_mut(..data_len).unwrap_or_default()
        })
    }

    /// Encodes all of it under a new salt. The result is the length of the content, header included.
    ///
    /// # Errors
    ///
    /// The random source or the library failed, or the data is too much for one key. The content holds zeros then.
    pub fn encode(self, provider: &Provider, ikm: &[u8]) -> Result<usize, RecordError> {
        self.encode_in_parts(provider, ikm, 1, one_by_one)
    }

    /// As [`Spaced::encode`], in at most so many parts, which `run` runs: on as many threads as the caller likes. Worth it
    /// from about a megabyte.
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc")] {
    /// use push_crypto::record::{Header, Part, Params, Records, Spaced, encoded_len};
    ///
    /// /// Each part on a thread of its own.
    /// fn threads(parts: Vec<Part<'_>>) {
    ///     std::thread::scope(|scope| {
    ///         for part in parts {
    ///             scope.spawn(|| part.run());
    ///         }
    ///     });
    /// }
    ///
    /// let provider = push_crypto::aws_lc::provider();
    /// let params = Params::new(4096, b"")?;
    /// let mut content = vec![0; encoded_len(&params, 1 << 20).expect("it fits")];
    /// let spaced = Spaced::new(&params, &mut content, 1 << 20)?;
    /// spaced.encode_in_parts(&provider, b"ikm", 4, threads)?;
    ///
    /// let header = Header::parse(&content)?;
    /// let records = Records::new(&header, &mut content[header.len()..]);
    /// let data = records.decode_in_parts(&provider, b"ikm", 4, threads)?;
    /// assert_eq!(data.map(|piece| piece.len()).sum::<usize>(), 1 << 20);
    /// # }
    /// # Ok::<(), push_crypto::record::RecordError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Spaced::encode`], and [`RecordError::Library`] if `run` did not run all parts.
    pub fn encode_in_parts(
        self,
        provider: &Provider,
        ikm: &[u8],
        parts: usize,
        run: impl FnOnce(Vec<Part<'_>>),
    ) -> Result<usize, RecordError> {
        let Self { params, content, .. } = self;
        let encoded = Header::draw(provider, params.clone()).and_then(|header| {
            header.write(content)?;
            let keys = ContentKeys::derive(provider, header.salt(), ikm);
            let records = content.get_mut(header.len()..).unwrap_or_default();
            let seal = |run: &mut Run<'_>| keys.with(provider, |key| run.seal(key));
            in_parts(params, records, parts, (seal, run))
        });
        if encoded.is_err() {
            content.zeroize();
        }
        encoded.map(|_| content.len())
    }
}

/// How long it is, and not what it says.
impl fmt::Debug for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spaced({:?}, {} octets)", self.params, self.data_len)
    }
}

/// Records that are decoded where they lie, without their data being moved or copied.
#[must_use = "nothing is decrypted before `decode`"]
pub struct Records<'a> {
    header: &'a Header,
    records: &'a mut [u8],
}

impl<'a> Records<'a> {
    /// All that follows `header` in a content. Look at its key id to find the keying material.
    pub const fn new(header: &'a Header, records: &'a mut [u8]) -> Self {
        Self { header, records }
    }

    /// Decodes all of them.
    ///
    /// # Errors
    ///
    /// What is wrong with the first record that is bad. There is no partial result: the records are zeros then
    /// (`8188-4.2-1`).
    pub fn decode(self, provider: &Provider, ikm: &[u8]) -> Result<SpacedData<'a>, RecordError> {
        self.decode_in_parts(provider, ikm, 1, one_by_one)
    }

    /// As [`Records::decode`], in at most so many parts: see [`Spaced::encode_in_parts`].
    ///
    /// # Errors
    ///
    /// As [`Records::decode`], and [`RecordError::Library`] if `run` did not run all parts.
    pub fn decode_in_parts(
        self,
        provider: &Provider,
        ikm: &[u8],
        parts: usize,
        run: impl FnOnce(Vec<Part<'_>>),
    ) -> Result<SpacedData<'a>, RecordError> {
        let Self { header, records } = self;
        if records.is_empty() {
            return Err(RecordError::Truncated);
        }
        let keys = ContentKeys::derive(provider, header.salt(), ikm);
        let open = |run: &mut Run<'_>| keys.with(provider, |key| run.open(key));
        let opened = in_parts(header.params(), records, parts, (open, run));
        if opened.is_err() {
            records.zeroize();
        }
        opened.map(|padding| SpacedData { records: records.chunks(header.params().record_len()), padding })
    }
}

/// How many octets, and none of them.
impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({:?}, {} octets)", self.header.params(), self.records.len())
    }
}

/// The data of each record, in order: all of it authentic, and complete. A piece can be empty.
#[derive(Clone)]
pub struct SpacedData<'a> {
    /// Without the tags, these are data, a delimiter and zeros.
    records: Chunks<'a, u8>,
    padding: Padding,
}

/// Whether there is any, in any of some records. Where there is none, the data is as long as it can be, and nobody has
/// to look for its end in what is no longer in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Absent,
    Present,
}

impl SpacedData<'_> {
    /// All of it in one place.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.clone().map(<[u8]>::len).sum());
        self.clone().for_each(|piece| all.extend_from_slice(piece));
        all
    }
}

impl<'a> Iterator for SpacedData<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let data_len = match self.padding {
            Padding::Absent => record.len().saturating_sub(RECORD_OVERHEAD),
            Padding::Present => {
                let padded = record.get(..record.len().saturating_sub(AEAD_TAG_LEN)).unwrap_or_default();
                delimiter(padded).unwrap_or(0)
            }
        };
        record.get(..data_len)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for SpacedData<'_> {}

/// How many pieces, and nothing of them.
impl fmt::Debug for SpacedData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpacedData({} pieces)", self.records.len())
    }
}

/// A part of a content, of several that can be worked on at the same time. Each has to be run once, on any thread.
#[must_use = "a content is encoded or decoded only if all of its parts are run"]
pub struct Part<'a>(Box<dyn FnOnce() + Send + 'a>);

impl Part<'_> {
    /// Encrypts or decrypts this part. What comes of it is told in the end, by what made the parts.
    pub fn run(self) {
        self.0();
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part(..)")
    }
}

/// On this thread.
fn one_by_one(parts: Vec<Part<'_>>) {
    parts.into_iter().for_each(Part::run);
}

/// Consecutive records.
struct Run<'a> {
    /// The sequence number of the first.
    first: u64,
    records: ChunksMut<'a, u8>,
    /// Whether the last of them is the last of the content.
    ends: bool,
}

impl Run<'_> {
    /// Seals records whose data is in place.
    fn seal(&mut self, key: &RecordKey<'_>) -> Result<Padding, RecordError> {
        self.each(|number, record, last| {
            let data_len = record.len().checked_sub(RECORD_OVERHEAD).ok_or(RecordError::BufferTooSmall)?;
            key.seal(number, record, Shape { data_len, last }).map(|()| data_len)
        })
    }

    fn open(&mut self, key: &RecordKey<'_>) -> Result<Padding, RecordError> {
        self.each(|number, record, last| key.open(number, record, last))
    }

    /// `work` says how much of a record is data.
    fn each(
        &mut self,
        mut work: impl FnMut(u64, &mut [u8], bool) -> Result<usize, RecordError>,
    ) -> Result<Padding, RecordError> {
        let (mut number, mut padding) = (self.first, Padding::Absent);
        while let Some(record) = self.records.next() {
            let data_len = work(number, record, self.ends && self.records.len() == 0)?;
            if data_len.saturating_add(RECORD_OVERHEAD) != record.len() {
                padding = Padding::Present;
            }
            number = number.saturating_add(1);
        }
        Ok(padding)
    }
}

/// Has `work` done on all records, in at most so many parts, each of about as many records. The result is whether there is
/// padding, or the first failure, in the order of the records.
fn in_parts(
    params: &Params,
    records: &mut [u8],
    parts: usize,
    (work, run): (impl Fn(&mut Run<'_>) -> Result<Padding, RecordError> + Sync, impl FnOnce(Vec<Part<'_>>)),
) -> Result<Padding, RecordError> {
    let record_len = params.record_len();
    let count = records.len().div_ceil(record_len);
    Sequence::check(record_len, count)?;
    let step = count.div_ceil(parts.max(1)).max(1);
    let pieces = records.chunks_mut(step.saturating_mul(record_len));
    // What is not run has failed.
    let mut outcomes = vec![Err(RecordError::Library); pieces.len()];
    let (last, work) = (pieces.len().saturating_sub(1), &work);
    let parts = pieces.zip(&mut outcomes).enumerate().map(|(index, (piece, outcome))| {
        let first = index.saturating_mul(step) as u64;
        let mut run = Run { first, records: piece.chunks_mut(record_len), ends: index == last };
        Part(Box::new(move || *outcome = work(&mut run)))
    });
    run(parts.collect());
    outcomes.into_iter().try_fold(Padding::Absent, |so_far, outcome| {
        outcome.map(|padding| if padding == Padding::Present { padding } else { so_far })
    })
}
