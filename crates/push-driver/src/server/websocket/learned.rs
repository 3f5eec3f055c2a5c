//! What the paths to user agents have taught ([`Session::learned`](push_proto::autopush::Session::learned)), of those that
//! were here last.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use push_proto::AgentId;

/// How long a silence each survives. Bounded: the one that was learned first is forgotten first.
pub(crate) struct Learned {
    silences: BTreeMap<AgentId, Duration>,
    order: VecDeque<AgentId>,
    most: usize,
}

impl Learned {
    /// Nothing yet, of at most so many.
    pub(crate) const fn new(most: usize) -> Self {
        Self { silences: BTreeMap::new(), order: VecDeque::new(), most }
    }

    pub(crate) fn of(&self, agent: AgentId) -> Option<Duration> {
        self.silences.get(&agent).copied()
    }

    pub(crate) fn learn(&mut self, agent: AgentId, silence: Duration) {
        if self.silences.insert(agent, silence).is_none() {
            self.order.push_back(agent);
        }
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.silences.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_is_bounded() {
        let mut learned = Learned::new(2);
        let [first, second, third] = [1, 2, 3].map(|octet| AgentId::from_octets([octet; 16]));
        let secs = Duration::from_secs;
        learned.learn(first, secs(55));
        learned.learn(second, secs(80));
        learned.learn(second, secs(120));
        assert_eq!((learned.of(first), learned.of(second)), (Some(secs(55)), Some(secs(120))));
        learned.learn(third, secs(60));
        assert_eq!((learned.of(first), learned.of(second)), (None, Some(secs(120))));
        assert_eq!(learned.of(third), Some(secs(60)));
    }
}
