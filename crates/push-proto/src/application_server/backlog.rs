//! Jobs that wait for their turn: the most urgent first, and the oldest now and then.

use alloc::collections::{BTreeMap, BTreeSet};

use super::input::JobId;
use crate::{Mono, Now, Urgency};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// When it may be sent.
    pub(super) due: Mono,
    pub(super) urgency: Urgency,
    /// How many jobs came before it.
    pub(super) arrival: u64,
    pub(super) job: JobId,
}

#[derive(Debug, Default)]
pub(super) struct Backlog {
    later: BTreeSet<Place>,
    /// Those that are due. Without empty sets.
    ready: BTreeMap<Urgency, BTreeSet<(u64, JobId)>>,
}

/// A job that could be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    urgency: Urgency,
    arrival: u64,
    pub(super) job: JobId,
}

impl Ready {
    /// Which of two goes first; `oldest` leaves urgency aside.
    pub(super) fn before(self, other: Self, oldest: bool) -> bool {
        if oldest || self.urgency == other.urgency {
            self.arrival < other.arrival
        } else {
            self.urgency > other.urgency
        }
    }
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.later.is_empty() && self.ready.is_empty()
    }

    pub(super) fn push(&mut self, place: Place) {
        self.later.insert(place);
    }

    pub(super) fn remove(&mut self, place: &Place) {
        if !self.later.remove(place) {
            self.take(Ready { urgency: place.urgency, arrival: place.arrival, job: place.job });
        }
    }

    pub(super) fn take(&mut self, ready: Ready) {
        if let Some(equals) = self.ready.get_mut(&ready.urgency) {
            equals.remove(&(ready.arrival, ready.job));
            if equals.is_empty() {
                self.ready.remove(&ready.urgency);
            }
        }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> {
        let ready = self.ready.values().flatten().map(|(_, job)| *job);
        ready.chain(self.later.iter().map(|place| place.job))
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self, oldest: bool, now: Now) -> Option<Ready> {
        while let Some(place) = self.later.first().copied()
            && place.due <= now.mono
        {
            self.later.pop_first();
            self.ready.entry(place.urgency).or_default().insert((place.arrival, place.job));
        }
        let firsts = self.ready.iter().filter_map(|(urgency, equals)| {
            let (arrival, job) = *equals.first()?;
            Some(Ready { urgency: *urgency, arrival, job })
        });
        firsts.reduce(|one, other| if other.before(one, oldest) { other } else { one })
    }

    /// When the first job is due; now, if one has been since.
    pub(super) fn due(&self, now: Now) -> Option<Mono> {
        if self.ready.is_empty() { self.later.first().map(|place| place.due) } else { Some(now.mono) }
    }
}
