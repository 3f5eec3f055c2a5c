//! What a server holds, counted.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use push_proto::service;

/// What a server holds at a moment, over all its shards. It is what peers make it hold: when they have gone and the
/// store has answered, every count is back to zero (G5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Census {
    /// Open connections, those in their TLS handshake included.
    pub connections: usize,
    /// Requests whose response is owed, monitors included.
    pub exchanges: usize,
    /// Open monitors.
    pub monitors: usize,
    /// Commands that the store has not answered.
    pub commands: usize,
    /// Pushes that wait or are under way.
    pub pushes: usize,
    /// What their bodies take.
    pub push_octets: usize,
}

impl Census {
    pub(super) fn of<'a>(connections: usize, tallies: impl Iterator<Item = &'a Tally>) -> Self {
        let empty = Self { connections, ..Self::default() };
        tallies.fold(empty, |sum, tally| Self {
            exchanges: sum.exchanges.saturating_add(tally.exchanges.load(Relaxed)),
            monitors: sum.monitors.saturating_add(tally.monitors.load(Relaxed)),
            commands: sum.commands.saturating_add(tally.commands.load(Relaxed)),
            pushes: sum.pushes.saturating_add(tally.pushes.load(Relaxed)),
            push_octets: sum.push_octets.saturating_add(tally.push_octets.load(Relaxed)),
            ..sum
        })
    }
}

/// The counts of one shard, where others can read them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    exchanges: AtomicUsize,
    monitors: AtomicUsize,
    commands: AtomicUsize,
    pushes: AtomicUsize,
    push_octets: AtomicUsize,
}

impl Tally {
    /// A push was handed out to a connection.
    pub(super) fn push_begins(&self, octets: usize) {
        self.pushes.fetch_add(1, Relaxed);
        self.push_octets.fetch_add(octets, Relaxed);
    }

    /// A push has ended, one way or another.
    pub(super) fn push_ends(&self, octets: usize) {
        self.pushes.fetch_sub(1, Relaxed);
        self.push_octets.fetch_sub(octets, Relaxed);
    }

    /// What the shard's service holds, at the end of a turn.
    pub(super) fn count(&self, census: service::Census) {
        self.exchanges.store(census.exchanges, Relaxed);
        self.monitors.store(census.monitors, Relaxed);
        self.commands.store(census.commands, Relaxed);
    }
}
