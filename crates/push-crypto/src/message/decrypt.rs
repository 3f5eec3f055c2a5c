//! The user agent's side.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::{Recipient, input_keying_material};
use crate::key::{KeyError, PublicKey};
use crate::provider::{AgreementError, Provider, SharedSecret, StaticKey};
use crate::receiver::{AuthSecret, ReceiverKeys};
use crate::record::{ContentKeys, Header, RecordError};

/// Decrypts one message. Whoever decrypts several for the same keys sets them up once, as a [`Receiver`], and saves about
/// a quarter of the time of each.
///
/// Of what RFC 8291 leaves open: more than one record is refused (`8291-4-8`), whatever is in them; a record as long as
/// the record size is accepted, though senders must not make one (A-27); a record size below 18 is refused although it
/// could be ignored (`8291-4-9`).
///
/// # Errors
///
/// What is wrong with the message; the user agent discards it (`8291-4-10`). There is no partial result.
pub fn decrypt(provider: &Provider, keys: &ReceiverKeys, body: &[u8]) -> Result<Vec<u8>, DecryptError> {
    Opener::new(provider, &keys.recipient(), once(provider, keys), body)?.open(provider, body)
}

/// As [`decrypt`], in the body's own octets; the result is the part of `body` that holds the plaintext. On failure no
/// plaintext is left in `body`.
///
/// # Errors
///
/// As [`decrypt`].
pub fn decrypt_in_place<'a>(
    provider: &Provider,
    keys: &ReceiverKeys,
    body: &'a mut [u8],
) -> Result<&'a mut [u8], DecryptError> {
    Opener::new(provider, &keys.recipient(), once(provider, keys), body)?.open_in_place(provider, body)
}

/// Agrees once.
fn once<'a>(
    provider: &'a Provider,
    keys: &'a ReceiverKeys,
) -> impl FnOnce(&PublicKey) -> Result<SharedSecret, AgreementError> + 'a {
    |sender| provider.agreement.agree_static(keys.secret(), sender)
}

/// The keys of one subscription, set up for any number of messages. Wiped on drop.
///
/// ```
/// # #[cfg(feature = "aws-lc")] {
/// use push_crypto::ReceiverKeys;
/// use push_crypto::message::{Padding, Receiver, encrypt};
///
/// let provider = push_crypto::aws_lc::provider();
/// let keys = ReceiverKeys::generate(&provider)?;
/// let receiver = Receiver::new(&provider, &keys)?;
/// for text in ["one", "two"] {
///     let body = encrypt(&provider, &keys.recipient(), text.as_bytes(), Padding::Full)?;
///     assert_eq!(receiver.decrypt(&body)?, text.as_bytes());
/// }
/// # }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Receiver {
    provider: Provider,
    key: Box<dyn StaticKey>,
    public: PublicKey,
    auth: AuthSecret,
}

impl Receiver {
    /// Sets up `keys`.
    ///
    /// # Errors
    ///
    /// Our library failed.
    pub fn new(provider: &Provider, keys: &ReceiverKeys) -> Result<Self, AgreementError> {
        let key = provider.agreement.static_key(keys.secret())?;
        Ok(Self { provider: *provider, key, public: *keys.public_key(), auth: keys.auth().clone() })
    }

    /// As [`decrypt`].
    ///
    /// # Errors
    ///
    /// As [`decrypt`].
    pub fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, DecryptError> {
        self.opener(body)?.open(&self.provider, body)
    }

    /// As [`decrypt_in_place`].
    ///
    /// # Errors
    ///
    /// As [`decrypt`].
    pub fn decrypt_in_place<'a>(&self, body: &'a mut [u8]) -> Result<&'a mut [u8], DecryptError> {
        self.opener(body)?.open_in_place(&self.provider, body)
    }

    fn opener(&self, body: &[u8]) -> Result<Opener, DecryptError> {
        let own = Recipient { p256dh: &self.public, auth: &self.auth };
        Opener::new(&self.provider, &own, |sender| self.key.agree(sender), body)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({})", self.public)
    }
}

/// All that the header gives.
struct Opener {
    record_start: usize,
    keys: ContentKeys,
}

impl Opener {
    /// `agree` is asked last, since it is what takes time.
    fn new(
        provider: &Provider,
        own: &Recipient<'_>,
        agree: impl FnOnce(&PublicKey) -> Result<SharedSecret, AgreementError>,
        body: &[u8],
    ) -> Result<Self, DecryptError> {
        let header = Header::parse(body).map_err(DecryptError::Record)?;
        let record_len = body.len().saturating_sub(header.len());
        match record_len {
            0 => return Err(DecryptError::Record(RecordError::Truncated)),
            _ if record_len > header.params().record_len() => return Err(DecryptError::SeveralRecords),
            _ => {}
        }
        // The key id is the sender's key and nothing else (8291-4-4), checked to be on the curve (8291-7-2).
        let sender = PublicKey::from_bytes(header.key_id()).map_err(DecryptError::SenderKey)?;
        let shared = agree(&sender).map_err(DecryptError::Agreement)?;
        let ikm = input_keying_material(provider, own, &sender, &shared);
        Ok(Self { record_start: header.len(), keys: ContentKeys::derive(provider, header.salt(), &*ikm) })
    }

    fn open(&self, provider: &Provider, body: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let mut record = body.get(self.record_start..).unwrap_or_default().to_vec();
        let data_len = self.open_record(provider, &mut record)?;
        record.truncate(data_len);
        Ok(record)
    }

    fn open_in_place<'a>(
        &self,
        provider: &Provider,
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], DecryptError> {
        let record = body.get_mut(self.record_start..).unwrap_or_default();
        let data_len = self.open_record(provider, record)?;
        record.get_mut(..data_len).ok_or(DecryptError::Record(RecordError::Truncated))
    }

    fn open_record(&self, provider: &Provider, record: &mut [u8]) -> Result<usize, DecryptError> {
        self.keys.with(provider, |key| key.open(0, record, true)).map_err(DecryptError::Record)
    }
}

/// Why a message could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptError {
    /// Our library failed during the key agreement.
    Agreement(AgreementError),
    /// The header or the record is bad: the sender's fault, or it was altered on its way, or it is for other keys.
    Record(RecordError),
    /// The key id is not a public key (`8291-4-4`, `8291-7-2`).
    SenderKey(KeyError),
    /// More than one record (`8291-4-1`, `8291-4-8`).
    SeveralRecords,
}

impl DecryptError {
    /// The section of the standard that was broken; empty where the fault is ours.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Agreement(_) => "",
            Self::Record(error) => error.section(),
            Self::SenderKey(_) => "RFC 8291 §7",
            Self::SeveralRecords => "RFC 8291 §4",
        }
    }
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreement(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::SenderKey(error) => write!(f, "the sender's key: {error}"),
            Self::SeveralRecords => f.write_str("the message has more than one record"),
        }
    }
}

impl core::error::Error for DecryptError {}
