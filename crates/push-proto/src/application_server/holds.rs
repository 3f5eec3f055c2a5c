//! Push resources that take nothing for a while (`8030-8.4-2`).

use alloc::collections::{BTreeMap, BTreeSet};

use crate::{Mono, Now, PushUrl};

/// Until when each of them is left alone.
#[derive(Debug, Default)]
pub(super) struct Holds {
    until: BTreeMap<PushUrl, Mono>,
    ends: BTreeSet<(Mono, PushUrl)>,
}

impl Holds {
    /// Sends nothing to it until then. Of more than `room` resources, the one whose hold ends first is forgotten: its
    /// service says 429 again.
    pub(super) fn hold(&mut self, to: &PushUrl, until: Mono, room: usize) {
        let until = self.until.get(to).map_or(until, |known| until.max(*known));
        if let Some(known) = self.until.insert(to.clone(), until) {
            self.ends.remove(&(known, to.clone()));
        }
        self.ends.insert((until, to.clone()));
        while self.until.len() > room
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.until.remove(&first);
        }
    }

    /// Until when nothing may be sent to it, if that is still to come.
    pub(super) fn until(&mut self, to: &PushUrl, now: Now) -> Option<Mono> {
        while let Some((end, first)) = self.ends.first()
            && *end <= now.mono
        {
            self.until.remove(first);
            self.ends.pop_first();
        }
        self.until.get(to).copied()
    }

    pub(super) fn clear(&mut self) {
        self.until.clear();
        self.ends.clear();
    }
}
