//! What a server holds, counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use push_proto::{
    Refusal,
    service::{self, Totals},
    wire::reasons,
};

use super::metrics::COUNTERS;

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
    /// What the bodies of requests take that are read, or wait for their answer; one that is read counts by the length
    /// it may have.
    pub request_octets: usize,
    /// What the bodies of responses take that were not written to their end.
    pub response_octets: usize,
    /// What messages take that wait until a monitor's connection has room.
    pub waiting_octets: usize,
}

impl Census {
    /// All octets that bodies take, whatever they wait for.
    #[must_use]
    pub const fn octets(&self) -> usize {
        let handed_out = self.push_octets.saturating_add(self.response_octets);
        handed_out.saturating_add(self.request_octets).saturating_add(self.waiting_octets)
    }

    pub(super) fn of<'a>(connections: usize, tallies: impl Iterator<Item = &'a Tally>) -> Self {
        let empty = Self { connections, ..Self::default() };
        tallies.fold(empty, |sum, tally| Self {
            exchanges: sum.exchanges.saturating_add(tally.exchanges.load(Relaxed)),
            monitors: sum.monitors.saturating_add(tally.monitors.load(Relaxed)),
            commands: sum.commands.saturating_add(tally.commands.load(Relaxed)),
            pushes: sum.pushes.saturating_add(tally.pushes.load(Relaxed)),
            push_octets: sum.push_octets.saturating_add(tally.push_octets.load(Relaxed)),
            request_octets: sum.request_octets.saturating_add(tally.request_octets.load(Relaxed)),
            response_octets: sum.response_octets.saturating_add(tally.response_octets.load(Relaxed)),
            waiting_octets: sum.waiting_octets.saturating_add(tally.waiting_octets.load(Relaxed)),
            ..sum
        })
    }
}

/// What octets are held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Push,
    Response,
}

/// The counts of one shard, where others can read them.
#[derive(Debug)]
pub(super) struct Tally {
    exchanges: AtomicUsize,
    monitors: AtomicUsize,
    commands: AtomicUsize,
    pushes: AtomicUsize,
    push_octets: AtomicUsize,
    request_octets: AtomicUsize,
    response_octets: AtomicUsize,
    waiting_octets: AtomicUsize,
    /// Monitors of sets and of receipt subscriptions.
    monitors_of: [AtomicUsize; 2],
    /// As [`COUNTERS`] has them.
    totals: [AtomicU64; COUNTERS.len()],
    /// As [`reasons`] has them.
    refused: Box<[AtomicU64]>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            exchanges: AtomicUsize::default(),
            monitors: AtomicUsize::default(),
            commands: AtomicUsize::default(),
            pushes: AtomicUsize::default(),
            push_octets: AtomicUsize::default(),
            request_octets: AtomicUsize::default(),
            response_octets: AtomicUsize::default(),
            waiting_octets: AtomicUsize::default(),
            monitors_of: Default::default(),
            totals: Default::default(),
            refused: reasons().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Tally {
    /// Somebody was refused something by this shard or one of its connections.
    pub(super) fn refused(&self, refusal: &Refusal) {
        let told = reasons().zip(&self.refused).find(|(reason, _)| *reason == refusal.reason());
        if let Some((_, count)) = told {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Adds what this shard has counted.
    pub(super) fn add_to(
        &self,
        monitors_of: &mut [usize; 2],
        totals: &mut [u64; COUNTERS.len()],
        refused: &mut [u64],
    ) {
        for (sum, count) in monitors_of.iter_mut().zip(&self.monitors_of) {
            *sum = sum.saturating_add(count.load(Relaxed));
        }
        for (sum, count) in totals.iter_mut().zip(&self.totals).chain(refused.iter_mut().zip(&self.refused)) {
            *sum = sum.saturating_add(count.load(Relaxed));
        }
    }

    /// A push was handed out to a connection.
    pub(super) fn push_begins(&self) {
        self.pushes.fetch_add(1, Relaxed);
    }

    /// A push has ended, one way or another.
    pub(super) fn push_ends(&self) {
        self.pushes.fetch_sub(1, Relaxed);
    }

    /// A connection holds so many octets more.
    pub(super) fn hold(&self, kind: Kind, octets: usize) {
        self.octets_of(kind).fetch_add(octets, Relaxed);
    }

    /// A connection holds so many octets less.
    pub(super) fn release(&self, kind: Kind, octets: usize) {
        self.octets_of(kind).fetch_sub(octets, Relaxed);
    }

    /// All octets of the shard.
    pub(super) fn octets(&self) -> usize {
        let held = [&self.push_octets, &self.request_octets, &self.response_octets, &self.waiting_octets];
        held.into_iter().fold(0, |sum, octets| sum.saturating_add(octets.load(Relaxed)))
    }

    /// What the shard's service holds and has done, at the end of a turn.
    pub(super) fn count(&self, census: service::Census, totals: &Totals) {
        let [sets, receipts] = &self.monitors_of;
        sets.store(census.set_monitors, Relaxed);
        receipts.store(census.receipt_monitors, Relaxed);
        for (counter, count) in COUNTERS.iter().zip(&self.totals) {
            count.store((counter.read)(totals), Relaxed);
        }

        self.exchanges.store(census.exchanges, Relaxed);
        self.monitors.store(census.monitors, Relaxed);
        self.commands.store(census.commands, Relaxed);
        self.waiting_octets.store(census.waiting_octets, Relaxed);
    }

    const fn octets_of(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Request => &self.request_octets,
            Kind::Push => &self.push_octets,
            Kind::Response => &self.response_octets,
        }
    }
}
