//! The keys of a push service.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use aes_siv::KeyInit;
use aes_siv::siv::Aes128Siv;
use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Capability, ID_LEN, KeyringError, Kind, MAX_IDS, MAX_SEALING_KEYS, OpenError};
use crate::provider::{Provider, RandomError};
use crate::rustcrypto::hmac_sha256;
use crate::time::UnixTime;

/// The number of a sealing key within its keyring. It stands in every token, for all to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) u8);

impl KeyId {
    /// The id with this octet; that of the first key of a keyring is 0.
    #[must_use]
    pub const fn from_u8(octet: u8) -> Self {
        Self(octet)
    }

    /// The octet in the tokens.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// The keys that seal capabilities. Losing them kills every URL that was handed out; leaking them makes every URL
/// guessable.
///
/// The newest key seals; every key opens. A key that seals nothing any more is retired once nobody holds a token of it.
/// Slots of topics come from a key of their own that never changes, since a topic must find its slot again.
#[derive(Clone)]
pub struct Keyring {
    /// Oldest first; never empty.
    pub(super) sealing: Vec<SealingKey>,
    pub(super) slot: SlotKey,
}

impl Keyring {
    /// A keyring with one sealing key.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Random`].
    pub fn generate(provider: &Provider) -> Result<Self, KeyringError> {
        let mut slot = SlotKey([0; SLOT_KEY_LEN]);
        provider.fill(&mut slot.0).map_err(|_| KeyringError::Random)?;
        let first = SealingKey::generate(provider, KeyId(0)).map_err(|_| KeyringError::Random)?;
        Ok(Self { sealing: alloc::vec![first], slot })
    }

    /// Adds a key that seals from now on.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Full`] or [`KeyringError::Random`]; the keyring is as it was.
    pub fn rotate(&mut self, provider: &Provider) -> Result<KeyId, KeyringError> {
        if self.sealing.len() >= MAX_SEALING_KEYS {
            return Err(KeyringError::Full);
        }
        let newest = self.newest().0;
        let next = (1..=u8::MAX).map(|step| KeyId(newest.wrapping_add(step)));
        let id = next.into_iter().find(|&id| self.key(id).is_none()).ok_or(KeyringError::Full)?;
        self.sealing.push(SealingKey::generate(provider, id).map_err(|_| KeyringError::Random)?);
        Ok(id)
    }

    /// Forgets a key. Its tokens open nothing from now on.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Newest`] or [`KeyringError::UnknownKey`]; the keyring is as it was.
    pub fn retire(&mut self, id: KeyId) -> Result<(), KeyringError> {
        if id == self.newest() {
            return Err(KeyringError::Newest);
        }
        let index = self.sealing.iter().position(|key| key.id == id).ok_or(KeyringError::UnknownKey)?;
        self.sealing.remove(index);
        Ok(())
    }

    /// The key that seals.
    #[must_use]
    pub fn newest(&self) -> KeyId {
        self.sealing.last().map_or(KeyId(0), |key| key.id)
    }

    /// All keys, oldest first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.sealing.iter().map(|key| key.id)
    }

    /// When a key was made, if that was noted.
    #[must_use]
    pub fn made(&self, id: KeyId) -> Option<UnixTime> {
        self.key(id).and_then(|key| key.made)
    }

    /// Notes when the newest key was made, so that whoever retires its predecessor can tell what came before.
    pub fn note_made(&mut self, at: UnixTime) {
        if let Some(newest) = self.sealing.last_mut() {
            newest.made = Some(at);
        }
    }

    /// The token of a capability, under the newest key.
    #[must_use]
    pub fn seal(&self, capability: &Capability) -> String {
        self.sealing.last().map(|key| key.seal(capability)).unwrap_or_default()
    }

    /// The token of a capability, under a certain key: the URLs of a message must stay the same if a rotation comes
    /// between its response and its receipt, so they are sealed under the key of the push URL that it was sent to.
    ///
    /// # Errors
    ///
    /// [`KeyringError::UnknownKey`].
    pub fn seal_with(&self, id: KeyId, capability: &Capability) -> Result<String, KeyringError> {
        self.key(id).map(|key| key.seal(capability)).ok_or(KeyringError::UnknownKey)
    }

    /// What stands behind a token.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whatever is wrong with it.
    pub fn open(&self, token: &str) -> Result<Capability, OpenError> {
        self.open_with_key_id(token).map(|(capability, _)| capability)
    }

    /// What stands behind a token, and the key that sealed it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whatever is wrong with it.
    pub fn open_with_key_id(&self, token: &str) -> Result<(Capability, KeyId), OpenError> {
        let mut buffer = Zeroizing::new([0; MAX_TOKEN_LEN]);
        let octets = Base64UrlUnpadded::decode(token, &mut *buffer).map_err(|_| OpenError)?;
        let (&[kind, id], _) = octets.split_first_chunk().ok_or(OpenError)?;
        let key = self.key(KeyId(id)).ok_or(OpenError)?;
        let kind = Kind::from_octet(kind).ok_or(OpenError)?;
        let token_len = octets.len();
        let token = buffer.get_mut(..token_len).ok_or(OpenError)?;
        Ok((key.open(kind, token)?, key.id))
    }

    /// The slot of a topic in a subscription: the same whenever the topic is, and telling nothing about it.
    #[must_use]
    pub fn topic_slot(&self, subscription: &[u8; ID_LEN], topic: &str) -> [u8; ID_LEN] {
        let mut code = [0; 32];
        hmac_sha256(&self.slot.0, &[SLOT_LABEL, subscription, topic.as_bytes()], &mut code);
        let mut slot = [0; ID_LEN];
        slot.iter_mut().zip(code).for_each(|(to, from)| *to = from);
        slot
    }

    fn key(&self, id: KeyId) -> Option<&SealingKey> {
        self.sealing.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys, newest {})", self.sealing.len(), self.newest().0)
    }
}

/// A key for AES-128 in SIV mode, with its number.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct SealingKey {
    #[zeroize(skip)]
    pub(super) id: KeyId,
    #[zeroize(skip)]
    pub(super) made: Option<UnixTime>,
    pub(super) octets: [u8; SEALING_KEY_LEN],
}

impl SealingKey {
    fn generate(provider: &Provider, id: KeyId) -> Result<Self, RandomError> {
        let mut key = Self { id, made: None, octets: [0; SEALING_KEY_LEN] };
        provider.fill(&mut key.octets)?;
        Ok(key)
    }

    fn seal(&self, capability: &Capability) -> String {
        let kind = capability.kind();
        let mut token = Zeroizing::new([0; MAX_TOKEN_LEN]);
        let associated = [kind as u8, self.id.0];
        let (prefix, rest) = token.split_at_mut(PREFIX_LEN);
        prefix.copy_from_slice(&associated);
        let (siv, body) = rest.split_at_mut(SIV_LEN);
        let body = body.get_mut(..kind.body_len()).unwrap_or_default();
        let ids = capability.ids().into_iter().flatten().flatten();
        body.iter_mut().zip(ids).for_each(|(to, from)| *to = *from);
        match Aes128Siv::new((&self.octets).into()).encrypt_inout_detached([&associated], body.into()) {
            Ok(tag) => siv.copy_from_slice(&tag),
            // Only input beyond all sizes here is refused. Were it not so: a token that opens nothing, and shows nothing.
            Err(_) => token.zeroize(),
        }
        let length = PREFIX_LEN.saturating_add(SIV_LEN).saturating_add(kind.body_len());
        Base64UrlUnpadded::encode_string(token.get(..length).unwrap_or_default())
    }

    fn open(&self, kind: Kind, token: &mut [u8]) -> Result<Capability, OpenError> {
        let (prefix, rest) = token.split_first_chunk_mut::<PREFIX_LEN>().ok_or(OpenError)?;
        let (siv, body) = rest.split_first_chunk_mut::<SIV_LEN>().ok_or(OpenError)?;
        if body.len() != kind.body_len() {
            return Err(OpenError);
        }
        let siv: &[u8; SIV_LEN] = siv;
        Aes128Siv::new((&self.octets).into())
            .decrypt_inout_detached([&*prefix], (&mut *body).into(), siv.into())
            .map_err(|_| OpenError)?;
        Capability::from_ids(kind, body).ok_or(OpenError)
    }
}

/// The key of [`Keyring::topic_slot`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct SlotKey(pub(super) [u8; SLOT_KEY_LEN]);

/// Two keys of AES-128.
pub(super) const SEALING_KEY_LEN: usize = 32;
pub(super) const SLOT_KEY_LEN: usize = 32;

/// Kind and key id.
const PREFIX_LEN: usize = 2;
const SIV_LEN: usize = 16;
const MAX_TOKEN_LEN: usize = PREFIX_LEN + SIV_LEN + MAX_IDS * ID_LEN;
const SLOT_LABEL: &[u8] = b"webpush topic slot\0";
