//! What a shard holds, counted.

use super::Service;

/// What a shard holds at a moment (G5). It grows with what is open, and with nothing else: when all peers have gone
/// and the store has answered, every count is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Requests whose response is owed, monitors included.
    pub exchanges: usize,
    /// Open monitors.
    pub monitors: usize,
    /// Those of them of whole sets.
    pub set_monitors: usize,
    /// Those of receipt subscriptions. The rest is of single subscriptions.
    pub receipt_monitors: usize,
    /// Commands that the store has not answered.
    pub commands: usize,
    /// Body octets of what monitors have no room for yet: pages that were loaded, and transient messages.
    pub waiting_octets: usize,
}

impl Service {
    /// Counts what it holds; takes the same time however much that is.
    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            exchanges: self.effects.exchanges.len(),
            monitors: self.watched.len(),
            set_monitors: self.watched.sets(),
            receipt_monitors: self.watched.receipts(),
            commands: self.effects.pending.len(),
            waiting_octets: self.watched.waiting_octets(),
        }
    }
}
