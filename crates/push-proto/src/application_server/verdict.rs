//! What the answer of a push service means, across the services that exist.

use core::{fmt, time::Duration};

use bytes::Bytes;

use super::{explanation::Explanation, input::Response, rules::Scope};
use crate::{PushUrl, Ttl};

/// What became of a message, as far as its sender can know without a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The push service took it. That says nothing about delivery (`8030-5-2`).
    Accepted(Accepted),
    /// The subscription has ended for good; delete it (`8030-2-2`).
    Gone(Gone),
    /// The subscription was made with another VAPID key (`8292-4.2-9`): subscribe anew with this one. Do not just
    /// delete it: a mistake in the configuration looks the same (`8292-4.2-11`).
    KeyMismatch(Rejection),
    /// The credentials were not accepted, or could not be made (then without a status).
    Auth(Rejection),
    /// The service refused it for another reason, redirected it, or found it too large; repeating it is no use.
    Rejected(Rejection),
    /// The service asked for a pause, and there were no attempts or no TTL left for it.
    Throttled(Throttled),
    /// Its TTL ran out before it could be sent.
    Expired,
    /// No attempt got an answer, or none but 5xx. The message may have been accepted if `sent`.
    Transient(Transient),
}

impl Accepted {
    /// What an answer of success says. A message is named by an URL that is no less secure than the push resource's.
    pub(super) fn of(to: &PushUrl, ttl: Ttl, response: &Response) -> Self {
        let secure = |url: &PushUrl| url.is_https() || !to.is_https();
        let message = response.location.as_ref().and_then(|location| location.resolve(to)).filter(secure);
        Self { message, ttl: Some(response.ttl.map_or(ttl, |granted| granted.min(ttl))), receipt: false }
    }
}

/// Why a push resource takes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// 404 or 410, with what the service said; without if that was to a message shortly before this one, if it was
    /// [`Change::Ended`](super::Change::Ended), or if the host is one that no service can have (RFC 6761 §6.4): some services
    /// give such a URL to a subscription that has ended.
    Ended(Option<Rejection>),
    /// [`Change::Replaced`](super::Change::Replaced): encrypt anew for the subscription that took its place.
    Replaced,
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The push message resource, where the service named one.
    pub message: Option<PushUrl>,
    /// The TTL granted (`8030-5.2-6`); none if the service does not say: then it is what was asked for, which
    /// [`Verdict::from_response`] does not know. A sender always tells, and never more than was asked for.
    pub ttl: Option<Ttl>,
    /// Whether a [`Receipt`](super::Receipt) will come. A service that answers 201 to a request for one has none;
    /// with TTL 0 none is asked for (`8030-5.2-10`).
    pub receipt: bool,
}

/// A pause that a push service asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Try again after so long. Zero only if the service does not say and no sender has waited yet: then wait for some
    /// time of your own, longer each time.
    pub wait: Duration,
    /// What the service said.
    pub said: Option<Rejection>,
}

/// A refusal by the push service.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status code; none if the request was never sent.
    pub status: Option<u16>,
    /// The beginning of the body. It comes from the network: do not trust it.
    pub reason: Bytes,
}

impl Rejection {
    /// The service's own words, taken apart.
    #[must_use]
    pub fn explanation(&self) -> Explanation {
        Explanation::of(&self.reason)
    }
}

/// The reason is the peer's text: it may repeat what was sent, so logs get its length only.
impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection").field("status", &self.status).field("octets", &self.reason.len()).finish()
    }
}

/// A failure that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transient {
    /// What the service said last, if it said anything.
    pub said: Option<Rejection>,
    /// Whether it may have been accepted all the same.
    pub sent: bool,
}

/// What one response means, before retries. [`RULES`](super::RULES) say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// [`Verdict::Accepted`]
    Accepted,
    /// [`Verdict::Gone`]
    Gone,
    /// [`Verdict::KeyMismatch`]
    KeyMismatch,
    /// [`Verdict::Auth`]
    Auth,
    /// [`Verdict::Rejected`]
    Rejected,
    /// [`Verdict::Throttled`]
    Throttled(Scope),
    /// [`Verdict::Transient`]
    Transient,
}
