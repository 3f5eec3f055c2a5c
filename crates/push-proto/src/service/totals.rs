//! What a shard has done, counted.

use super::Service;

/// What a shard has done since it began. Each count only grows; a restart begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Subscriptions made.
    pub subscribed: u64,
    /// Subscriptions, sets and receipt subscriptions that their owners ended.
    pub unsubscribed: u64,
    /// Messages accepted and stored.
    pub stored: u64,
    /// Messages accepted with TTL 0.
    pub transient: u64,
    /// Messages handed out to monitors; one counts each time.
    pub pushed: u64,
    /// Receipts handed out to monitors.
    pub receipts: u64,
    /// Messages ended by acknowledgement.
    pub acknowledged: u64,
    /// Messages and receipts ended by their TTL; the shard that sweeps counts for all.
    pub expired: u64,
    /// Messages given up for others, or by the operator.
    pub dropped: u64,
    /// Messages replaced by their topic.
    pub replaced: u64,
    /// Commands that the store carried out.
    pub commands: u64,
    /// Commands of which it is not known that the store carried them out.
    pub failed: u64,
}

impl Service {
    /// What it has done.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.effects.totals
    }
}
