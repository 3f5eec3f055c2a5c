//! What is remembered for a while of push resources and push services: which take nothing now, which have ended.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::{Mono, Now};

/// A bounded table in which every entry ends by itself.
#[derive(Debug)]
pub(super) struct Remembered<K, V> {
    entries: BTreeMap<K, (Mono, V)>,
    ends: BTreeSet<(Mono, K)>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

impl<K: Clone + Ord, V: Clone> Remembered<K, V> {
    /// Remembers this of it until then, or until later if it was remembered longer. Of more than `room` of them, the one
    /// that would be forgotten first is forgotten: its service will say it again.
    pub(super) fn remember(&mut self, of: &K, value: V, until: Mono, room: usize) {
        let until = self.entries.get(of).map_or(until, |(known, _)| until.max(*known));
        if let Some((known, _)) = self.entries.insert(of.clone(), (until, value)) {
            self.ends.remove(&(known, of.clone()));
        }
        self.ends.insert((until, of.clone()));
        while self.entries.len() > room
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.entries.remove(&first);
        }
    }

    /// What is remembered of it, and until when.
    pub(super) fn recall(&mut self, of: &K, now: Now) -> Option<(Mono, V)> {
        while let Some((end, first)) = self.ends.first()
            && *end <= now.mono
        {
            self.entries.remove(first);
            self.ends.pop_first();
        }
        self.entries.get(of).cloned()
    }

    pub(super) fn forget(&mut self, of: &K) {
        if let Some((until, _)) = self.entries.remove(of) {
            self.ends.remove(&(until, of.clone()));
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
    }
}
