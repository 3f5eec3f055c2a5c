//! What goes into a sender, as plain data.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use push_crypto::PublicKey;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::rules::Notice;
use crate::{
    Content, Origin, PushUrl, Topic, Ttl, UnixTime, Urgency,
    user_agent::{Failure, Reference, RequestId, RetryAfter},
};

/// One input of a sender.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message to send. It is answered by exactly one [`Verdict`](super::Output::Verdict) or
    /// [`Refused`](super::Output::Refused).
    Send(Box<Job>),
    /// The token that was asked for, or none if it cannot be made.
    Signed(Audience, Option<Token>),
    /// What became of a request.
    Reply(RequestId, Result<Response, Failure>),
    /// A receipt that was pushed on the monitor with this id (RFC 8030 §6.3). It may come after that monitor's
    /// response.
    Receipt(RequestId, PushedReceipt),
    /// So many requests a push service takes at once, as the driver has seen: the peer's SETTINGS_MAX_CONCURRENT_STREAMS
    /// (RFC 9113 §6.5.2), or the connections that there may be where each carries one. Without it, as many as the limits say.
    Room(Origin, usize),
    /// What the application knows of a push resource by itself.
    PushResource(PushUrl, Change),
    /// A deadline of [`Output::Wait`](super::Output::Wait) has come; early or late ticks do no harm.
    Tick,
    /// Give every job its verdict now, forget what receipts are owed, cancel what is in flight.
    Close,
}

/// What became of a push resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its subscription has ended, as the user agent said. As if its service had answered 410: what waits for it gets its
    /// verdict at once, and what comes later, for [`Limits::ended_memory`](super::Limits::ended_memory).
    Ended,
    /// Another subscription took its place, with a push resource and keys of its own. What waits for the old one gets
    /// [`Gone::Replaced`](super::Gone::Replaced): its body can be read by nobody any more, so encrypt anew and send to the
    /// new one. What the old one answers from now on changes nothing for the new one.
    Replaced,
    /// It is good after all: nothing is remembered against it.
    Restored,
}

/// A push service, and the key that it knows us by: whom a VAPID token is for, and who signs it. One token serves all push
/// resources of one audience (`8292-5-3`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audience {
    /// The push service (`8292-2-2`).
    pub origin: Origin,
    /// The key; none where nothing is signed.
    pub key: Option<PublicKey>,
}

impl Audience {
    /// That of a job.
    pub(super) fn of(job: &Job) -> Self {
        Self { origin: job.to.origin(), key: job.key }
    }
}

/// The caller's own name for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// A message to send, encrypted already, once: whatever is sent again has the same body, so that a topic or a repetition
/// costs no key pair (`8291-3.1-2` is about messages, and it is one message).
#[derive(Clone, Debug)]
pub struct Job {
    /// A name that no other job without a verdict has.
    pub id: JobId,
    /// The push resource.
    pub to: PushUrl,
    /// The VAPID key that its subscription was made with, to be kept beside it: a restricted subscription takes no other
    /// (`8292-4.2-1`, `8292-4.2-11`). None sends without a token; most push services insist on one.
    ///
    /// A new key is a new identity, without the reputation of the old one (`8292-5-4`): keep both, let new subscriptions
    /// use the new one, and send to each subscription with its own.
    pub key: Option<PublicKey>,
    /// How long it is worth delivering, from now on; always sent (`8030-5.2-1`).
    pub ttl: Ttl,
    /// Sent unless it is the default (`8030-5.3-1`).
    pub urgency: Urgency,
    /// What it replaces (RFC 8030 §5.4).
    pub topic: Option<Topic>,
    /// The body and its fields.
    pub content: Content,
    /// Whether its outcome is wanted (RFC 8030 §5.1); never asked for with TTL 0 (`8030-5.2-10`).
    pub receipt: bool,
}

/// A VAPID token for one origin (RFC 8292 §2).
#[derive(Clone, Debug)]
pub struct Token {
    /// The whole value of `Authorization`.
    pub credentials: Credentials,
    /// Its `exp`.
    pub expires: UnixTime,
}

/// The whole value of `Authorization`. Whoever has it can send in our name until it expires: wiped on drop, not
/// printable.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Credentials(Box<str>);

impl Credentials {
    /// Credentials with this text, such as `vapid t=.., k=..` (`8292-2-5`).
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub const fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A response to a send or to a monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Location`: the push message (`8030-5-2`).
    pub location: Option<Reference>,
    /// `TTL`: what was granted.
    pub ttl: Option<Ttl>,
    /// The target of the `Link` with `rel="urn:ietf:params:push:receipt"` (`8030-5.1-5`).
    pub receipt: Option<Reference>,
    /// `Retry-After`
    pub retry_after: Option<RetryAfter>,
    /// What the service says in a field of its own.
    pub notice: Option<Notice>,
    /// The beginning of an error's body; [`Limits::reason_octets`](super::Limits::reason_octets) are enough.
    pub reason: Bytes,
}

/// A receipt that the service pushed (RFC 8030 §6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedReceipt {
    /// The promised request's URL: the push message (`8030-6.3-3`).
    pub message: Reference,
    /// 204 or 410 (`8030-6.3-4`, `8030-6.3-5`); anything else is no receipt.
    pub status: u16,
}
