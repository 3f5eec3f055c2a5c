//! What goes into a user agent, as plain data.

use alloc::boxed::Box;
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{
    reference::Reference,
    retry::{Failure, RequestId, RetryAfter},
};
use crate::{Content, PublicKey, PushUrl, Urgency};

/// One input of a user agent.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application wants a subscription (RFC 8030 §4).
    Subscribe(Subscribe),
    /// The application is done with one (RFC 8030 §7.3).
    Unsubscribe(Tag),
    /// What became of a delivered message.
    Message(MessageRef, Disposition),
    /// What became of a connection.
    Connection(ConnectionId, Connection),
    /// What became of a request.
    Reply(RequestId, Result<Response, Failure>),
    /// A push that arrived whole, on the monitor with this id. It may come after that monitor's response. A push that
    /// was reset or cut short is no input: the service pushes the message again (`8188-4.2-1`).
    Pushed(RequestId, Pushed),
    /// A deadline of [`Output::Wait`](super::Output::Wait) has come; early or late ticks do no harm.
    Tick,
    /// What the application wants of the machine as a whole.
    Control(Control),
}

/// What the application wants of the machine as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The device's condition has changed: what is worth waking it for does too (`8030-5.3-4`).
    Power(Power),
    /// Send the acknowledgements that are owed, end the monitors, close the connections.
    Close,
}

/// The application's own name for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// A delivered message, until the application says what became of it. Never reused by that machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef(pub u64);

/// One connection to a push service, established or not. Never reused by that machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A subscription to make.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// A name that no other subscription of this machine has.
    pub tag: Tag,
    /// Where to subscribe, if not at [`Config::service`](super::Config::service). Where that is https, so must this be.
    pub service: Option<PushUrl>,
    /// Into no set, although there is one (`8030-4.1-3`): nobody is to see that it belongs to the others.
    pub alone: bool,
    /// The only key whose holder may send (RFC 8292 §4.1).
    pub restricted_to: Option<PublicKey>,
    /// What the application needs to decrypt this subscription's messages: kept with it, wiped with it.
    pub secret: Secret,
}

/// Octets that the machine keeps for the application and does not look at, such as a receiver's key pair and
/// authentication secret (RFC 8291). Wiped on drop, not printable.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The most that is kept.
    pub const MAX_OCTETS: usize = 512;

    /// A copy of `octets`; none if there are more than [`Secret::MAX_OCTETS`].
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        (octets.len() <= Self::MAX_OCTETS).then(|| Self(octets.into()))
    }

    /// The octets.
    #[must_use]
    pub const fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the application did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It has it for good: acknowledge (`8030-6.2-1`).
    Taken,
    /// Nobody can decrypt it: acknowledge and discard, or it comes for ever (A-32, `w3c-recv-1`).
    Undecryptable,
    /// It did not take it: no acknowledgement, so the service pushes it again.
    Released,
}

/// The condition of the device, with the urgency that RFC 8030 (§5.3, table 1) makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// On power and on Wi-Fi: very-low and above.
    PowerAndWifi,
    /// On one of them: low and above.
    PowerOrWifi,
    /// On neither: normal and above.
    Neither,
    /// The battery is low: high only.
    LowBattery,
}

impl Power {
    /// The lowest urgency that is worth waking the device for.
    #[must_use]
    pub const fn urgency(self) -> Urgency {
        match self {
            Self::PowerAndWifi => Urgency::VeryLow,
            Self::PowerOrWifi => Urgency::Low,
            Self::Neither => Urgency::Normal,
            Self::LowBattery => Urgency::High,
        }
    }
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It carries requests.
    Established,
    /// The [`Ping`](super::Order::Ping) was answered.
    Alive,
    /// It takes no more requests, in good order (GOAWAY with NO_ERROR, RFC 9113 §6.8); it may still answer some.
    Draining,
    /// It could not be established, or has ended; the requests on it are lost, no further input says so.
    Lost,
}

/// A response to a request, headers only: no body that a user agent gets matters to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Location`
    pub location: Option<Reference>,
    /// The target of the `Link` with `rel="urn:ietf:params:push"` (`8030-4-3`).
    pub push: Option<Reference>,
    /// The target of the `Link` with `rel="urn:ietf:params:push:set"` (`8030-4.1-1`).
    pub set: Option<Reference>,
    /// `Retry-After`
    pub retry_after: Option<RetryAfter>,
}

/// A message that the service pushed (RFC 8030 §6), whole.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The promised request's URL: the push message resource (`8030-6-3`).
    pub message: Reference,
    /// The push link of the promise (`8030-6.1-2`); preferred.
    pub promised_for: Option<Reference>,
    /// The push link of the response (`8030-6-4`).
    pub pushed_for: Option<Reference>,
    /// The status code of the pushed response; only 200 carries a message.
    pub status: u16,
    /// The body and its fields.
    pub content: Content,
}
