//! What the answer of a push service means, across the services that exist (A-04, A-08, A-19).

use core::{fmt, time::Duration};

use bytes::Bytes;

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
    /// The service refused it for another reason, redirected it (A-33), or found it too large; repeating it is no use.
    Rejected(Rejection),
    /// The service asked for a pause, and there were no attempts or no TTL left for it; try again after this long.
    Throttled(Duration),
    /// Its TTL ran out before it could be sent.
    Expired,
    /// No attempt got an answer, or none but 5xx. The message may have been accepted if `sent`.
    Transient(Transient),
}

/// Why a push resource takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// 404 or 410 (A-04), to this message or to one shortly before it, or [`Change::Ended`](super::Change::Ended).
    Ended,
    /// [`Change::Replaced`](super::Change::Replaced): encrypt anew for the subscription that took its place.
    Replaced,
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The push message resource, where the service named one.
    pub message: Option<PushUrl>,
    /// The TTL granted: never more than was asked for.
    pub ttl: Ttl,
    /// Whether a [`Receipt`](super::Receipt) will come. A service that answers 201 to a request for one has none (A-08);
    /// with TTL 0 none is asked for (`8030-5.2-10`).
    pub receipt: bool,
}

/// A refusal by the push service.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status code; none if the request was never sent.
    pub status: Option<u16>,
    /// The beginning of the body. It comes from the network: do not trust it.
    pub reason: Bytes,
}

/// The reason is the peer's text: it may repeat what was sent, so logs get its length only.
impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection").field("status", &self.status).field("octets", &self.reason.len()).finish()
    }
}

/// A failure that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transient {
    /// The last status code, if there was one.
    pub status: Option<u16>,
    /// Whether it may have been accepted all the same.
    pub sent: bool,
}

/// What one response means, before retries.
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
    Throttled,
    /// [`Verdict::Transient`]
    Transient,
}

impl Class {
    /// The class of a response to a send. `reason` is the beginning of its body, `retry_after` whether it says when
    /// to come again.
    ///
    /// ```
    /// # use push_proto::application_server::Class;
    /// assert_eq!(Class::of(201, b"", false), Class::Accepted);
    /// assert_eq!(Class::of(410, b"", false), Class::Gone);
    /// assert_eq!(Class::of(400, br#"{"reason":"VapidPkHashMismatch"}"#, false), Class::KeyMismatch);
    /// assert_eq!(Class::of(302, b"", false), Class::Rejected);
    /// ```
    #[must_use]
    pub fn of(status: u16, reason: &[u8], retry_after: bool) -> Self {
        match status {
            200..=299 => Self::Accepted,
            400 | 401 | 403 if contains_any(reason, KEY_MISMATCH) => Self::KeyMismatch,
            401 | 403 => Self::Auth,
            400 if contains_any(reason, CREDENTIALS) => Self::Auth,
            404 | 410 => Self::Gone,
            429 | 503 => Self::Throttled,
            // Some services say 406 where they mean 429.
            406 if retry_after => Self::Throttled,
            408 | 425 | 500..=599 => Self::Transient,
            _ => Self::Rejected,
        }
    }
}

fn contains_any(haystack: &[u8], needles: &[&[u8]]) -> bool {
    needles
        .iter()
        .any(|needle| haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle)))
}

/// How services say that the key is another one: ours, Apple, Mozilla, FCM.
const KEY_MISMATCH: &[&[u8]] =
    &[b"vapid-key-mismatch", b"VapidPkHashMismatch", b"public key mismatch", b"do not correspond"];

/// How services that answer 400 say that it is about credentials (A-19).
const CREDENTIALS: &[&[u8]] = &[b"BadJwtToken", b"UnauthorizedRegistration", b"vapid-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        for (status, class) in [
            (200, Class::Accepted),
            (201, Class::Accepted),
            (202, Class::Accepted),
            (301, Class::Rejected),
            (307, Class::Rejected),
            (308, Class::Rejected),
            (400, Class::Rejected),
            (401, Class::Auth),
            (403, Class::Auth),
            (404, Class::Gone),
            (406, Class::Rejected),
            (408, Class::Transient),
            (410, Class::Gone),
            (413, Class::Rejected),
            (429, Class::Throttled),
            (500, Class::Transient),
            (502, Class::Transient),
            (503, Class::Throttled),
            (0, Class::Rejected),
            (u16::MAX, Class::Rejected),
        ] {
            assert_eq!(Class::of(status, b"", false), class, "{status}");
        }
        assert_eq!(Class::of(406, b"", true), Class::Throttled);
    }

    #[test]
    fn a_key_mismatch_is_told_from_bad_credentials_by_its_reason() {
        // A-19: each service says it in words of its own. FCM, Mozilla, Apple, and ours.
        for (status, reason) in [
            (403, "the VAPID credentials in the authorization header do not correspond to the credentials"),
            (401, r#"{"code":401,"errno":109,"message":"VAPID public key mismatch"}"#),
            (400, r#"{"reason":"VapidPkHashMismatch"}"#),
            (403, r#"{"type":"vapid-key-mismatch"}"#),
        ] {
            assert_eq!(Class::of(status, reason.as_bytes(), false), Class::KeyMismatch, "{reason}");
        }
        assert_eq!(Class::of(400, br#"{"reason":"BadJwtToken"}"#, false), Class::Auth);
        assert_eq!(Class::of(404, b"vapid-key-mismatch", false), Class::Gone);
    }
}
