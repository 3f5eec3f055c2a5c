//! Capability URLs: what stands behind the tokens in them, and the keys that seal them.
//!
//! A token is `kind ‖ key id ‖ SIV ‖ ciphertext` in unpadded base64url, sealed with AES-SIV (RFC 5297), whose associated
//! data are kind and key id. Sealing is deterministic: the same capability under the same key is the same token, so a
//! message has one URL in a response, a promise and a receipt. Nobody without the key can make a token, derive one from
//! another, or see that two belong together (`8030-8.2-1`, `8030-8.3-1`).
//!
//! ```
//! # #[cfg(feature = "aws-lc")] {
//! use push_crypto::capability::{Capability, Keyring};
//!
//! let keyring = Keyring::generate(&push_crypto::aws_lc::provider())?;
//! let push = Capability::Push { agent: [1; 16], subscription: [2; 16] };
//! let token = keyring.seal(&push);
//! assert_eq!(keyring.open(&token), Ok(push));
//! assert!(keyring.open("something else").is_err());
//! # }
//! # Ok::<(), push_crypto::capability::KeyringError>(())
//! ```

use core::fmt;

mod keyring;
mod text;

pub use keyring::{KeyId, Keyring};
pub use text::KeyringTextError;

/// Octets of every id in a capability.
pub const ID_LEN: usize = 16;

/// Keys that a keyring may hold. Opening a token costs the same however many there are.
pub const MAX_SEALING_KEYS: usize = 64;

/// What the holder of a token may do.
///
/// Ids are raw: whoever prints a capability prints what the tokens hide, so `Debug` shows the kind only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Send to a subscription.
    Push {
        /// The agent that the subscription belongs to.
        agent: [u8; ID_LEN],
        /// The subscription.
        subscription: [u8; ID_LEN],
    },
    /// Read or remove one message.
    Message {
        /// The agent that the message is for.
        agent: [u8; ID_LEN],
        /// The subscription that it was sent to.
        subscription: [u8; ID_LEN],
        /// Its slot: a topic's, or a unique one.
        slot: [u8; ID_LEN],
        /// The message in the slot.
        id: [u8; ID_LEN],
    },
    /// Receive receipts.
    Receipts {
        /// The agent that collects them.
        agent: [u8; ID_LEN],
    },
    /// Receive the messages of all subscriptions of an agent, and add subscriptions to it.
    Set {
        /// The agent.
        agent: [u8; ID_LEN],
    },
    /// Receive the messages of a subscription, and end it.
    Subscription {
        /// The agent that the subscription belongs to.
        agent: [u8; ID_LEN],
        /// The subscription.
        subscription: [u8; ID_LEN],
    },
}

impl Capability {
    const fn kind(&self) -> Kind {
        match self {
            Self::Push { .. } => Kind::Push,
            Self::Message { .. } => Kind::Message,
            Self::Receipts { .. } => Kind::Receipts,
            Self::Set { .. } => Kind::Set,
            Self::Subscription { .. } => Kind::Subscription,
        }
    }

    /// The ids in a fixed order; the slots that the kind does not use are `None`.
    const fn ids(&self) -> [Option<&[u8; ID_LEN]>; MAX_IDS] {
        match self {
            Self::Push { agent, subscription } | Self::Subscription { agent, subscription } => {
                [Some(agent), Some(subscription), None, None]
            }
            Self::Message { agent, subscription, slot, id } => {
                [Some(agent), Some(subscription), Some(slot), Some(id)]
            }
            Self::Receipts { agent } | Self::Set { agent } => [Some(agent), None, None, None],
        }
    }

    /// The inverse of [`Capability::ids`].
    fn from_ids(kind: Kind, octets: &[u8]) -> Option<Self> {
        let (ids, rest) = octets.as_chunks::<ID_LEN>();
        if !rest.is_empty() {
            return None;
        }
        Some(match (kind, ids) {
            (Kind::Push, &[agent, subscription]) => Self::Push { agent, subscription },
            (Kind::Subscription, &[agent, subscription]) => Self::Subscription { agent, subscription },
            (Kind::Message, &[agent, subscription, slot, id]) => {
                Self::Message { agent, subscription, slot, id }
            }
            (Kind::Receipts, &[agent]) => Self::Receipts { agent },
            (Kind::Set, &[agent]) => Self::Set { agent },
            _ => return None,
        })
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capability::{:?}(..)", self.kind())
    }
}

/// The first octet of a token. The numbers are in every URL that was ever handed out: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Subscription = 1,
    Push = 2,
    Message = 3,
    Receipts = 4,
    Set = 5,
}

impl Kind {
    const fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            1 => Self::Subscription,
            2 => Self::Push,
            3 => Self::Message,
            4 => Self::Receipts,
            5 => Self::Set,
            _ => return None,
        })
    }

    /// Octets of the ids.
    const fn body_len(self) -> usize {
        match self {
            Self::Subscription | Self::Push => 2 * ID_LEN,
            Self::Message => MAX_IDS * ID_LEN,
            Self::Receipts | Self::Set => ID_LEN,
        }
    }
}

/// A token that opens nothing: unknown, tampered with, of a retired key, of another shape. Which of these is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenError;

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such capability")
    }
}

impl core::error::Error for OpenError {}

/// Why a keyring could not be changed: our own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyringError {
    /// It holds as many keys as it may: retire one first.
    Full,
    /// The newest key seals new tokens and cannot be retired.
    Newest,
    /// The random source failed.
    Random,
    /// It does not hold this key.
    UnknownKey,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the keyring is full: retire a key first",
            Self::Newest => "the newest key cannot be retired",
            Self::Random => "the random source failed",
            Self::UnknownKey => "the keyring holds no such key",
        })
    }
}

impl core::error::Error for KeyringError {}

/// The most ids that a kind has.
const MAX_IDS: usize = 4;
