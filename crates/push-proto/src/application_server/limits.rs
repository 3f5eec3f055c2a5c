//! Every bound of a sender, by name (G5).

use core::time::Duration;

use crate::{Mono, Now, Ttl, user_agent::Backoff};

/// How much of an error's body is looked at and reported, unless told otherwise: what services say is in its beginning.
pub const REASON_OCTETS: usize = 1024;

/// Bounds of one sender.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs without a verdict; beyond it a job is refused.
    pub jobs: usize,
    /// Push services at once, those with work or a receipt owed, each counted once for each key that it knows us by;
    /// beyond it a job is refused.
    pub origins: usize,
    /// Sends in flight at one push service by one key.
    pub requests_per_origin: usize,
    /// Sends in flight at all of them.
    pub requests: usize,
    /// Sends in flight at one push service by one key before it has answered any; each answer allows one more, and each
    /// that it owes, or owes to its own fault, takes half of them away.
    pub first_requests: usize,
    /// Times one message is sent.
    pub attempts: u32,
    /// Octets of an error body that are looked at and reported.
    pub reason_octets: usize,
    /// How long a request may take; after it, it counts as lost.
    pub response: Duration,
    /// How long a message with TTL 0 may wait here for its turn or its token.
    pub ttl_zero: Duration,
    /// How long a message waits here in all for a push service that asks for a pause or does not work, and for its own
    /// further attempts; one that would wait for longer gets its verdict at once, which says how long. So a service that
    /// wants a day keeps nobody waiting.
    pub patience: Duration,
    /// The longest pause of a push service or a push resource that is remembered.
    pub retry_after: Duration,
    /// How much later a sender comes than it was told, at most, and at most an eighth of that wait: others were told the
    /// same.
    pub spread: Duration,
    /// Push resources that are left alone after a 429; beyond it the one that would be free first is forgotten.
    pub held: usize,
    /// Push resources that are remembered to have ended; beyond it the one that would be forgotten first is asked again.
    pub ended: usize,
    /// How long they are remembered: long enough to answer what is already queued elsewhere, short enough that a service
    /// that was mistaken is believed again.
    pub ended_memory: Duration,
    /// How long a VAPID token is good for; never more than 24 hours (`8292-2-4`, `8292-5-1`).
    pub token: Duration,
    /// A token is renewed when less than this is left of it.
    pub token_margin: Duration,
    /// Messages whose receipt is awaited; beyond it a message is sent without asking for one.
    pub receipts: usize,
    /// Receipt subscriptions at one push service.
    pub receipt_subscriptions: usize,
    /// Receipt subscriptions that are being ended; beyond it one is left to its service, which ends it in its time.
    pub endings: usize,
    /// Times one of them is tried.
    pub ending_attempts: u32,
    /// Receipts that came before the answer which names their message, and wait for it.
    pub early_receipts: usize,
    /// How long a receipt is awaited after the message's expiry.
    pub receipt: Duration,
    /// A receipt monitor that the service ends sooner than this is not reopened at once.
    pub monitor: Duration,
    /// The waits between attempts.
    pub backoff: Backoff,
}

impl Limits {
    /// How long a message may wait on this side: its TTL (`8030-5.2-1`), or what one of 0 is worth.
    #[must_use]
    pub fn worth(&self, ttl: Ttl) -> Duration {
        if ttl == Ttl::ZERO { self.ttl_zero } else { Duration::from_secs(ttl.as_secs().into()) }
    }

    /// When a pause of that length ends, as far as it is remembered.
    pub(super) fn pause_ends(&self, wait: Duration, now: Now) -> Mono {
        now.mono.after(wait.min(self.retry_after))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: 16_384,
            origins: 256,
            requests_per_origin: 64,
            requests: 512,
            first_requests: 4,
            attempts: 6,
            reason_octets: REASON_OCTETS,
            response: Duration::from_secs(30),
            ttl_zero: Duration::from_secs(30),
            patience: Duration::from_secs(150),
            retry_after: Duration::from_secs(24 * 3600),
            spread: Duration::from_secs(30),
            held: 4096,
            ended: 4096,
            ended_memory: Duration::from_secs(3600),
            token: Duration::from_secs(12 * 3600),
            token_margin: Duration::from_secs(300),
            receipts: 16_384,
            receipt_subscriptions: 8,
            endings: 64,
            ending_attempts: 3,
            early_receipts: 256,
            receipt: Duration::from_secs(3600),
            monitor: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) },
        }
    }
}
