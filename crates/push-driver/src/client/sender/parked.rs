//! Messages for more push services than the machine has room for: they wait here, the oldest first, and take turns.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use push_proto::{
    Mono, Now,
    application_server::{Job, JobId},
};

use crate::client::earlier;

/// Bounded by the places, as every job is.
pub(super) struct Parked {
    /// By when they came.
    jobs: BTreeMap<(Mono, JobId), Box<Job>>,
    /// How many of them may be offered now.
    room: usize,
    /// When all are offered, whatever happens.
    again: Option<Mono>,
}

impl Parked {
    pub(super) const fn new() -> Self {
        Self { jobs: BTreeMap::new(), room: 0, again: None }
    }

    /// There was no room for this one.
    pub(super) fn park(&mut self, job: Box<Job>, came: Mono, now: Now) {
        self.jobs.insert((came, job.id), job);
        self.again = earlier(self.again, Some(now.mono.after(AGAIN)));
    }

    /// Whether one has waited for so long that nobody goes before it: then what is under way comes to its end, and there
    /// is room.
    pub(super) fn goes_first(&self, now: Now) -> bool {
        self.jobs.first_key_value().is_some_and(|((came, _), _)| came.after(PATIENCE) <= now.mono)
    }

    /// A message has its verdict: that makes room for one push service at most, and the first may be for another.
    pub(super) const fn made_room(&mut self) {
        self.room = self.room.saturating_add(2);
    }

    /// What is to be offered now. What is refused again comes back.
    pub(super) fn offer(&mut self, now: Now) -> VecDeque<Box<Job>> {
        let mut room = std::mem::take(&mut self.room);
        if self.again.take_if(|at| *at <= now.mono).is_some() {
            room = usize::MAX;
        }
        let mut offered = VecDeque::new();
        while offered.len() < room
            && let Some((_, job)) = self.jobs.pop_first()
        {
            offered.push_back(job);
        }
        if self.jobs.is_empty() {
            self.again = None;
        }
        offered
    }

    pub(super) fn take_all(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.jobs).into_values().map(|job| job.id).collect()
    }

    /// When to look again.
    pub(super) const fn wakes(&self) -> Option<Mono> {
        self.again
    }
}

/// How long a message waits if nothing happens.
const AGAIN: Duration = Duration::from_secs(1);
/// After that others wait behind it.
const PATIENCE: Duration = Duration::from_secs(2);
