//! Push messages and receipts (RFC 8030 §5), as plain data that cannot hold a bad value.

use alloc::{boxed::Box, format, string::String};
use core::fmt;

use bytes::Bytes;

use crate::{AgentId, Handle, MessageId, SealingKeyId, Slot, SubscriptionId, UnixTime};

/// Seconds a push service is asked to keep a message (RFC 8030 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Ttl {
    /// Deliver now or never.
    pub const ZERO: Self = Self(0);
    /// What a value too large to represent counts as: 2^31 seconds (`8030-5.2-4`).
    pub const MAX: Self = Self(1 << 31);

    /// `seconds`, at most [`Ttl::MAX`].
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        if seconds > Self::MAX.0 { Self::MAX } else { Self(seconds) }
    }

    /// So many hours, at most [`Ttl::MAX`].
    ///
    /// ```
    /// # use push_proto::Ttl;
    /// assert_eq!(Ttl::hours(2), Ttl::from_secs(7200));
    /// assert_eq!(Ttl::days(u32::MAX), Ttl::MAX);
    /// ```
    #[must_use]
    pub const fn hours(hours: u32) -> Self {
        Self::from_secs(hours.saturating_mul(3600))
    }

    /// So many days, at most [`Ttl::MAX`].
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self::from_secs(days.saturating_mul(24 * 3600))
    }

    /// The seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// Reads the header field: exactly one `1*DIGIT`, saturating (`8030-5.2-2`, `8030-5.2-4`, A-01, A-02).
    ///
    /// ```
    /// # use push_proto::Ttl;
    /// assert_eq!(Ttl::parse(b"00015"), Some(Ttl::from_secs(15)));
    /// assert_eq!(Ttl::parse(b"999999999999999999999999999999"), Some(Ttl::MAX));
    /// assert_eq!(Ttl::parse(b"+5"), None);
    /// ```
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return None;
        }
        let mut seconds: u32 = 0;
        for octet in value {
            if !octet.is_ascii_digit() {
                return None;
            }
            seconds = seconds.saturating_mul(10).saturating_add(u32::from(octet - b'0'));
        }
        Some(Self::from_secs(seconds))
    }
}

/// How much a message matters (RFC 8030 §5.3), lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither power nor Wi-Fi; what a missing field means (`8030-5.3-3`).
    #[default]
    Normal,
    /// On low battery.
    High,
}

impl Urgency {
    /// All of them, lowest first (`8030-5.3-7`).
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// The token of the header field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Reads one token; letter case does not matter (A-05). A list of values is no token (`8030-5.3-8`).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| value.eq_ignore_ascii_case(urgency.as_str().as_bytes()))
    }
}

/// A replacement topic (RFC 8030 §5.4): 1 to 32 characters of the base64url alphabet (`8030-5.4-3`, A-06).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Box<str>);

impl Topic {
    /// Longest topic, in characters.
    pub const MAX_OCTETS: usize = 32;

    /// Reads the header field; compares octet-exact, so nothing is folded.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fits = (1..=Self::MAX_OCTETS).contains(&value.len());
        let legal = value.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        if !fits || !legal {
            return None;
        }
        core::str::from_utf8(value).ok().map(|topic| Self(topic.into()))
    }

    /// A topic of any text, the same for the same text everywhere: one that is a good topic already, at Apple too,
    /// stays as it is, and any other is hashed (SHA-256, 128 bits of it in hexadecimal, 32 characters).
    ///
    /// Apple decodes topics as base64url, so it refuses those whose length is 1 modulo 4, which RFC 8030 allows
    /// (`8030-5.4-3`).
    ///
    /// A hash hides nothing that can be guessed: whoever sees the topic, as every push service does, can try texts, and
    /// can tell that two user agents got messages with the same (`8030-8.1-2`). The private way is `Sender::topic` of
    /// push-driver, whose topics are pseudonyms under a secret of each subscription.
    ///
    /// ```
    /// # use push_proto::Topic;
    /// assert_eq!(Topic::from_any("news").as_str(), "news");
    /// assert_eq!(Topic::from_any("inbox of room 42").as_str().len(), 32);
    /// // Five characters: good by RFC 8030, refused by Apple.
    /// assert_ne!(Topic::from_any("inbox").as_str(), "inbox");
    /// ```
    #[must_use]
    pub fn from_any(text: &str) -> Self {
        match Self::parse(text.as_bytes()) {
            Some(topic) if topic.0.len() % 4 != 1 => topic,
            _ => Self::of_hash(&push_crypto::sha256(&[HASH_LABEL, text.as_bytes()])),
        }
    }

    /// As many digits as a topic may have characters.
    fn of_hash(hash: &[u8; 32]) -> Self {
        let digits: String =
            hash.iter().take(Self::MAX_OCTETS / 2).map(|octet| format!("{octet:02x}")).collect();
        Self(digits.into())
    }

    /// The characters.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

/// Sets hashes of topics apart from other hashes of the same text.
const HASH_LABEL: &[u8] = b"push topic of text\0";

/// A topic says what a message is about, so logs do not get it.
impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topic(..)")
    }
}

/// A header field of the sender that describes the body and travels with it unchanged (`8030-5-3`, `legacy-1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentField {
    /// `Content-Encoding`
    Encoding,
    /// `Content-Language`
    Language,
    /// `Content-Type`
    Type,
    /// `Crypto-Key` of the legacy `aesgcm` coding, without its VAPID part (`8292-4.2-10`)
    CryptoKey,
    /// `Encryption` of the legacy `aesgcm` coding
    Encryption,
}

impl ContentField {
    /// All of them, in the order in which they are kept.
    pub const ALL: [Self; 5] =
        [Self::Encoding, Self::Language, Self::Type, Self::CryptoKey, Self::Encryption];

    /// The field name, in lower case as HTTP/2 has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoding => "content-encoding",
            Self::Language => "content-language",
            Self::Type => "content-type",
            Self::CryptoKey => "crypto-key",
            Self::Encryption => "encryption",
        }
    }
}

/// What a push message carries: octets the service cannot read, and the fields that describe them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The body, as received.
    pub body: Bytes,
    /// Each field at most once, in the order of [`ContentField::ALL`].
    pub fields: Box<[(ContentField, Bytes)]>,
}

/// Lengths and names only: payloads never reach logs (G6).
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("octets", &self.body.len()).finish_non_exhaustive()
    }
}

/// A push message as the service holds it (RFC 8030 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its resource.
    pub handle: Handle,
    /// The key of the push URL that it was sent to. All URLs of the message are sealed with it, so that they stay the
    /// same, and known to the user agent, if the keys rotate meanwhile (`8030-6-3`, `8030-6-4`).
    pub sealed_by: SealingKeyId,
    /// When it was accepted; its `Last-Modified` (`8030-7.2-2`).
    pub accepted: UnixTime,
    /// The first second at which it must not be delivered any more (`8030-5.2-8`); equals `accepted` for TTL 0.
    pub expires: UnixTime,
    /// Never shown to the user agent (`8030-5.3-2`).
    pub urgency: Urgency,
    /// The receipt subscription that waits for its outcome (RFC 8030 §5.1).
    pub receipt: Option<AgentId>,
    /// The body and its fields.
    pub content: Content,
}

impl Message {
    /// TTL 0: it goes to whoever monitors now and is never stored (G3, `8030-5.2-9`).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.expires <= self.accepted
    }
}

/// How a message ended, as its sender is told (RFC 8030 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 204: acknowledged by the user agent (`8030-6.3-4`).
    Delivered,
    /// 410: expired, dropped, or its subscription went (`8030-6.3-5`, A-14).
    Failed,
}

impl Outcome {
    /// The status code of the pushed receipt.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Delivered => 204,
            Self::Failed => 410,
        }
    }
}

/// A delivery receipt in the queue of a receipt subscription (RFC 8030 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt subscription.
    pub agent: AgentId,
    /// The message it is about; its URL is the promised request (`8030-6.3-3`).
    pub message: Handle,
    /// [`Message::sealed_by`] of that message.
    pub sealed_by: SealingKeyId,
    /// What became of the message.
    pub outcome: Outcome,
    /// When the service stops keeping this receipt (A-14).
    pub expires: UnixTime,
}

impl Receipt {
    /// The receipt as an entry of its own queue: same rules as a message, one slot for each message it is about.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        Handle {
            agent: self.agent,
            subscription: SubscriptionId::from_octets([0; crate::id::ID_OCTETS]),
            slot: Slot::from_octets(*self.message.id.octets()),
            id: MessageId::from_octets(*self.message.id.octets()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `8030-5.4-3`: good topics stay, whatever else there is becomes one, and Apple takes all of them.
    #[test]
    fn any_text_becomes_a_topic() {
        for kept in ["ab", "abc", "news", "A-z_", "0123456789abcdef0123456789abcdef"] {
            assert_eq!(Topic::from_any(kept).as_str(), kept);
        }
        let long = "n\u{e9}ws ".repeat(1000);
        for hashed in ["", "a", "inbox", "a b", "ab=", "abc\n", "n\u{e9}ws", &"a".repeat(33), &long] {
            let topic = Topic::from_any(hashed);
            assert_ne!(topic.as_str(), hashed);
            assert_eq!(topic.as_str().len(), 32, "{hashed}");
            assert_eq!(Topic::parse(topic.as_str().as_bytes()), Some(topic));
        }
        // For ever: what was sent before an update is replaced by what is sent after it. By `sha256sum`.
        assert_eq!(Topic::from_any("inbox").as_str(), "3a7a3024c2b120d7249966171b11bff9");
        assert_ne!(Topic::from_any("inbox"), Topic::from_any("Inbox"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_topic_of_a_topic_is_itself(text in "\\PC{0,40}|[A-Za-z0-9_-]{1,40}") {
            let topic = Topic::from_any(&text);
            prop_assert_eq!(Topic::parse(topic.as_str().as_bytes()), Some(topic.clone()));
            prop_assert_ne!(topic.as_str().len() % 4, 1);
            prop_assert_eq!(Topic::from_any(topic.as_str()), topic.clone());
            let kept = Topic::parse(text.as_bytes()).is_some() && text.len() % 4 != 1;
            prop_assert_eq!(topic.as_str() == text, kept);
        }
    }
}
