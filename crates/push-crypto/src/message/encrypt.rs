//! The sender's side.

use alloc::vec::Vec;
use core::fmt;

use super::{HEADER_LEN, MAX_BODY, MAX_PLAINTEXT, OVERHEAD, Recipient, input_keying_material};
use crate::key::{KeyPair, PUBLIC_KEY_LEN};
use crate::provider::{Agreed, AgreementError, Provider};
use crate::record::{ContentKeys, RECORD_OVERHEAD, SALT_LEN, Shape};

/// How far a message is padded, to hide its length (`8188-4.8-1`, `8291-7-4`). Padding is inside the encryption and the
/// receiver takes it off again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Up to a multiple of this many octets of plaintext, at least one, or up to the limit if that comes first. 0 and 1
    /// pad nothing.
    Buckets(usize),
    /// Up to the limit: all messages look alike.
    Full,
    /// Not at all.
    #[default]
    None,
    /// As if the plaintext had exactly this many octets; one that has more is refused.
    ToLength(usize),
}

/// Padding, and the most octets that plaintext and padding may have together. A [`Padding`] alone converts into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    padding: Padding,
    limit: Option<usize>,
}

impl Options {
    /// This padding, and the limit that every push service keeps: the `MAX_PLAINTEXT` of the content coding.
    #[must_use]
    pub const fn new(padding: Padding) -> Self {
        Self { padding, limit: None }
    }

    /// Another limit, for a push service that is known to take more, or less.
    #[must_use]
    pub const fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// How long plaintext and padding are together; `usual_limit` is the content coding's.
    pub(crate) fn padded_len(self, length: usize, usual_limit: usize) -> Result<usize, EncryptError> {
        let limit = self.limit.unwrap_or(usual_limit);
        let padded = match self.padding {
            Padding::None => length,
            Padding::ToLength(wanted) if length > wanted => {
                return Err(EncryptError::LongerThanPadding { length, padding: wanted });
            }
            Padding::ToLength(wanted) => wanted,
            Padding::Buckets(0 | 1) => length,
            // Nothing at all gets a bucket too, or it would be the only length to stand out.
            Padding::Buckets(size) => length
                .max(1)
                .checked_next_multiple_of(size)
                .map_or(length, |padded| padded.min(limit.max(length))),
            Padding::Full => limit.max(length),
        };
        if padded > limit { Err(EncryptError::TooLong { length: padded, limit }) } else { Ok(padded) }
    }
}

impl From<Padding> for Options {
    fn from(padding: Padding) -> Self {
        Self::new(padding)
    }
}

/// Encrypts a message.
///
/// # Errors
///
/// The plaintext is too long (`8291-4-5`), or our own library failed.
pub fn encrypt(
    provider: &Provider,
    to: &Recipient<'_>,
    plaintext: &[u8],
    options: impl Into<Options>,
) -> Result<Vec<u8>, EncryptError> {
    let mut body = Vec::new();
    encrypt_into(provider, to, plaintext, options, &mut body)?;
    Ok(body)
}

/// As [`encrypt`], appending to a buffer of the caller's: no allocation if it has room.
///
/// # Errors
///
/// As [`encrypt`]; `out` is as it was then.
pub fn encrypt_into(
    provider: &Provider,
    to: &Recipient<'_>,
    plaintext: &[u8],
    options: impl Into<Options>,
    out: &mut Vec<u8>,
) -> Result<(), EncryptError> {
    let padded_len = options.into().padded_len(plaintext.len(), MAX_PLAINTEXT)?;
    let (agreed, salt) = draw(provider, to)?;
    append_message(provider, to, &Parts { plaintext, padded_len, agreed: &agreed, salt: &salt }, out)
}

/// A new key pair, agreed with the recipient, and a new salt (`8291-3.1-2`, `8188-2.1-2`).
pub(crate) fn draw(
    provider: &Provider,
    to: &Recipient<'_>,
) -> Result<(Agreed, [u8; SALT_LEN]), EncryptError> {
    let mut salt = [0; SALT_LEN];
    provider.fill(&mut salt).map_err(|_| EncryptError::Random)?;
    let agreed = provider.agree(to.p256dh).map_err(EncryptError::Agreement)?;
    Ok((agreed, salt))
}

/// A message that is to be encrypted, one of many ([`encrypt_batch`]).
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// Who can read it.
    pub to: Recipient<'a>,
    /// What it says.
    pub plaintext: &'a [u8],
    /// How it is padded.
    pub options: Options,
}

impl<'a> Draft<'a> {
    /// This plaintext for that recipient.
    pub fn new(to: Recipient<'a>, plaintext: &'a [u8], options: impl Into<Options>) -> Self {
        Self { to, plaintext, options: options.into() }
    }
}

/// Not what it says.
impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("to", &self.to).field("options", &self.options).finish_non_exhaustive()
    }
}

/// Encrypts many messages, each to its recipient with a key pair and a salt of its own (`8291-3.1-2`). A failure stays in
/// its lane; lanes of `out` beyond the drafts become [`EncryptError::NoDraft`].
///
/// A lane that comes as `Ok` is a buffer: what it holds is replaced, and nothing is allocated if it has room.
///
/// A provider with a vector kernel makes several messages in the time of one.
pub fn encrypt_batch(provider: &Provider, drafts: &[Draft<'_>], out: &mut [Result<Vec<u8>, EncryptError>]) {
    let mut groups = drafts.chunks(LANES);
    for lanes in out.chunks_mut(LANES) {
        encrypt_group(provider, groups.next().unwrap_or_default(), lanes);
    }
}

/// At most [`LANES`] messages: one draw of salts, one call for all agreements.
fn encrypt_group(provider: &Provider, drafts: &[Draft<'_>], lanes: &mut [Result<Vec<u8>, EncryptError>]) {
    let peers: Vec<_> = drafts.iter().map(|draft| *draft.to.p256dh).collect();
    let mut agreements = [const { Err(AgreementError::NoPeer) }; LANES];
    let mut salts = [[0; SALT_LEN]; LANES];
    let drawn = provider.fill(salts.as_flattened_mut());
    provider.agree_many(&peers, &mut agreements);
    let mut material = drafts.iter().zip(agreements.iter().zip(&salts));
    for lane in lanes {
        let mut body = core::mem::replace(lane, Err(EncryptError::NoDraft)).unwrap_or_default();
        let Some((draft, (agreed, salt))) = material.next() else { continue };
        body.clear();
        *lane = match (drawn, agreed) {
            (Err(_), _) => Err(EncryptError::Random),
            (Ok(()), Err(error)) => Err(EncryptError::Agreement(*error)),
            (Ok(()), Ok(agreed)) => append_draft(provider, draft, (agreed, salt), &mut body).map(|()| body),
        };
    }
}

fn append_draft(
    provider: &Provider,
    draft: &Draft<'_>,
    (agreed, salt): (&Agreed, &[u8; SALT_LEN]),
    out: &mut Vec<u8>,
) -> Result<(), EncryptError> {
    let plaintext = draft.plaintext;
    let padded_len = draft.options.padded_len(plaintext.len(), MAX_PLAINTEXT)?;
    append_message(provider, &draft.to, &Parts { plaintext, padded_len, agreed, salt }, out)
}

/// A sender's key pair and a salt that are chosen rather than drawn: **for test vectors only**. Whoever uses one twice
/// gives away both messages, so using it consumes it.
#[derive(Debug)]
pub struct MessageKeys {
    ephemeral: KeyPair,
    salt: [u8; SALT_LEN],
}

impl MessageKeys {
    /// Fixes what [`encrypt`] would draw.
    #[must_use]
    pub const fn fixed(ephemeral: KeyPair, salt: [u8; SALT_LEN]) -> Self {
        Self { ephemeral, salt }
    }

    /// What would have been drawn.
    pub(crate) fn agree(
        self,
        provider: &Provider,
        to: &Recipient<'_>,
    ) -> Result<(Agreed, [u8; SALT_LEN]), EncryptError> {
        let Self { ephemeral, salt } = self;
        let shared = provider
            .agreement
            .agree_static(ephemeral.secret(), to.p256dh)
            .map_err(EncryptError::Agreement)?;
        Ok((Agreed { public: *ephemeral.public(), shared }, salt))
    }
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
) -> Result<Vec<u8>, EncryptError> {
    let padded_len = options.into().padded_len(plaintext.len(), MAX_PLAINTEXT)?;
    let (agreed, salt) = keys.agree(provider, to)?;
    let mut body = Vec::new();
    append_message(provider, to, &Parts { plaintext, padded_len, agreed: &agreed, salt: &salt }, &mut body)?;
    Ok(body)
}

/// What a message is made of.
struct Parts<'a> {
    plaintext: &'a [u8],
    padded_len: usize,
    agreed: &'a Agreed,
    salt: &'a [u8; SALT_LEN],
}

/// Header and the one record (`8291-4-1`).
fn append_message(
    provider: &Provider,
    to: &Recipient<'_>,
    parts: &Parts<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncryptError> {
    let total = parts.padded_len.checked_add(OVERHEAD).ok_or(EncryptError::Library)?;
    let record_size = record_size(parts.padded_len.saturating_add(RECORD_OVERHEAD))?;
    let ikm = input_keying_material(provider, to, &parts.agreed.public, &parts.agreed.shared);
    let keys = ContentKeys::derive(provider, parts.salt, &*ikm);

    let start = out.len();
    out.reserve_exact(total);
    out.extend_from_slice(parts.salt);
    out.extend_from_slice(&record_size.to_be_bytes());
    out.push(PUBLIC_KEY_LEN as u8);
    out.extend_from_slice(parts.agreed.public.as_bytes());
    out.extend_from_slice(parts.plaintext);
    out.resize(start.saturating_add(total), 0);

    let record = out.get_mut(start.saturating_add(HEADER_LEN)..).unwrap_or_default();
    let shape = Shape { data_len: parts.plaintext.len(), last: true };
    let sealed = keys.with(provider, |key| key.seal(0, record, shape));
    if sealed.is_err() {
        record.fill(0);
        out.truncate(start);
    }
    sealed.map_err(|_| EncryptError::Library)
}

/// Greater than the record, and never below what everybody sends (`8291-4-2`, A-27).
fn record_size(record_len: usize) -> Result<u32, EncryptError> {
    let size = record_len.saturating_add(1).max(MAX_BODY);
    u32::try_from(size).map_err(|_| EncryptError::TooLong { length: record_len, limit: u32::MAX as usize })
}

/// Why a message could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncryptError {
    /// Our library or random source failed during the key agreement.
    Agreement(AgreementError),
    /// Our library failed.
    Library,
    /// The plaintext is longer than the length that all messages are to be padded to.
    LongerThanPadding {
        /// Octets of plaintext.
        length: usize,
        /// Octets to be padded to.
        padding: usize,
    },
    /// This lane of [`encrypt_batch`] had no draft.
    NoDraft,
    /// Our random source failed.
    Random,
    /// Plaintext and padding are longer than the limit (`8291-4-5`).
    TooLong {
        /// Octets of plaintext and padding.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for EncryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreement(error) => error.fmt(f),
            Self::Library => f.write_str("the cryptographic library failed"),
            Self::LongerThanPadding { length, padding } => {
                write!(f, "the plaintext has {length} octets, more than the {padding} it is to be padded to")
            }
            Self::NoDraft => f.write_str("this lane had no draft"),
            Self::Random => f.write_str("the random source failed"),
            Self::TooLong { length, limit } => {
                write!(f, "the plaintext has {length} octets with its padding; {limit} is the limit")
            }
        }
    }
}

impl core::error::Error for EncryptError {}

/// Messages that are made together: so many that what a kernel does once for all of them is a small part.
const LANES: usize = 64;
