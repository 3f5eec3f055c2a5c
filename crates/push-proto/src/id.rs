//! The ids that the machines and the store speak in.
//!
//! Every id is sixteen octets drawn from [`Entropy`](crate::Entropy) (or hashed from a secret its user agent holds).
//! The world never sees one: `wire` seals them into capability URLs (RFC 8030 §8.3), so they cannot be correlated.

use core::fmt;

/// Octets in every id.
pub const ID_OCTETS: usize = 16;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_OCTETS]);

        impl $name {
            /// The id with these octets.
            #[must_use]
            pub const fn from_octets(octets: [u8; ID_OCTETS]) -> Self {
                Self(octets)
            }

            /// The octets, as the store keeps them and `wire` seals them.
            #[must_use]
            pub const fn octets(&self) -> &[u8; ID_OCTETS] {
                &self.0
            }
        }

        /// The first three octets only: enough to follow one through a log, too few to use.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, c, ..] = self.0;
                write!(f, concat!(stringify!($name), "({:02x}{:02x}{:02x}..)"), a, b, c)
            }
        }
    };
}

id! {
    /// A holder of a queue: a user agent's subscription set (RFC 8030 §4.1), a lone subscription (a set of one), or a
    /// receipt subscription (§5.1).
    AgentId
}
id! {
    /// One subscription of an agent (RFC 8030 §2).
    SubscriptionId
}
id! {
    /// Where a message lies: a keyed hash of its topic, or an id of its own. Putting a message into a taken slot *is*
    /// topic replacement (RFC 8030 §5.4).
    Slot
}
id! {
    /// One message, never reused: the message that replaces another in its slot has another id.
    MessageId
}

impl AgentId {
    /// The id with these octets, but for the last two, which are turned so that `shard` of `count` owns it.
    #[must_use]
    pub fn on_shard(octets: [u8; ID_OCTETS], shard: u16, count: u16) -> Self {
        let [rest @ .., high, low] = octets;
        let count = count.max(1);
        let drawn = u16::from_be_bytes([high, low]);
        let lowest = drawn - drawn % count;
        let turned = lowest.checked_add(shard % count).unwrap_or(shard % count);
        let mut octets = [0; ID_OCTETS];
        for (to, from) in octets.iter_mut().zip(rest.into_iter().chain(turned.to_be_bytes())) {
            *to = from;
        }
        Self(octets)
    }

    /// Which of `count` shards owns this agent. `count` 0 counts as 1.
    #[must_use]
    pub fn shard(&self, count: u16) -> u16 {
        let [.., high, low] = self.0;
        u16::from_be_bytes([high, low]) % count.max(1)
    }
}

/// A push message resource (RFC 8030 §2.1): everything its capability URL seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    /// Whose queue it is in.
    pub agent: AgentId,
    /// The subscription it was sent to.
    pub subscription: SubscriptionId,
    /// Its slot in that subscription.
    pub slot: Slot,
    /// The message itself; an old handle never names a newer message in the slot.
    pub id: MessageId,
}
