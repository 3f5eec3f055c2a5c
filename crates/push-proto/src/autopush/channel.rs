//! What user agents of this protocol call their subscriptions.

use core::fmt;

use uuid::Uuid;

use crate::SubscriptionId;

/// A `channelID`: a UUID that the user agent draws, and the id of the subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(Uuid);

impl ChannelId {
    /// Reads 32 hexadecimal digits in lower case, with hyphens. User agents look replies up by the text that they sent, so
    /// other spellings of the same UUID are none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text).ok()?;
        let mut buffer = Uuid::encode_buffer();
        (uuid.hyphenated().encode_lower(&mut buffer) == text).then_some(Self(uuid))
    }

    /// Its subscription, in the set of the user agent.
    #[must_use]
    pub const fn subscription(self) -> SubscriptionId {
        SubscriptionId::from_octets(*self.0.as_bytes())
    }
}

impl From<SubscriptionId> for ChannelId {
    fn from(subscription: SubscriptionId) -> Self {
        Self(Uuid::from_bytes(*subscription.octets()))
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// As much as of any other id.
impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subscription().fmt(f)
    }
}
