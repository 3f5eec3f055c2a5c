//! Nodes die, stop and start.

use std::{collections::VecDeque, time::Duration};

use push_proto::{
    Mono, Now, Seed, UnixTime,
    service::{Config, Input, Limits, Service},
};

use super::{Letter, LinkId, Shard, Site, limits};
use crate::{broken::Guarantee, kinds::FaultKind};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It will die after so many polls more, if any are said.
    Up,
    Doomed {
        polls: u8,
        survive: u8,
    },
    Draining,
    Down,
}

impl Site {
    /// A shard that knows nothing yet, and is told its bounds while it may serve already, as an operator does.
    pub(super) fn shard(&mut self, index: usize) -> Shard {
        self.lives = self.lives.wrapping_add(1);
        let count = u16::from(self.shape.shards);
        let number = u16::try_from(index).unwrap_or(0);
        let config =
            Config { shard: number % count, shards: count, sweeper: index == 0, limits: Limits::default() };
        let told = Input::Limits(Box::new(limits(&self.shape)));
        let mut seed = [self.lives; 32];
        seed[0] = u8::try_from(index).unwrap_or(0);
        self.truth.restarted(index);
        Shard {
            service: Service::new(config, &Seed::from_octets(seed)),
            channel: self.vault.attach(),
            mailbox: VecDeque::from([Letter::Reply(told)]),
            waiting: 0,
            // It is polled as soon as it is there.
            deadline: Some(Mono::ZERO),
            stalled: false,
            store_down: false,
            wall: UnixTime::from_secs(0),
        }
    }

    const fn node_of(&self, index: usize) -> usize {
        index / self.shape.shards as usize
    }

    fn shards_of(&self, node: usize) -> std::ops::Range<usize> {
        let count = usize::from(self.shape.shards);
        node * count..(node + 1) * count
    }

    pub(super) fn is_running(&self, index: usize) -> bool {
        self.states[self.node_of(index)] != State::Down
    }

    /// A node that is to die comes one poll nearer to it. Whether it died.
    pub(super) fn burn(&mut self, index: usize) -> bool {
        let node = self.node_of(index);
        match self.states[node] {
            State::Doomed { polls: 0, survive } => {
                self.tally.fault(FaultKind::NodeKilledInTurn);
                self.die(node, survive);
                true
            }
            State::Doomed { polls, survive } => {
                self.states[node] = State::Doomed { polls: polls - 1, survive };
                false
            }
            State::Up | State::Draining => false,
            State::Down => true,
        }
    }

    /// A node dies at once, or after so many polls.
    pub(crate) fn kill(&mut self, node: u8, after: u8, survive: u8) {
        let node = usize::from(node) % self.states.len();
        match (self.states[node], after) {
            (State::Down, _) => {}
            (_, 0) | (State::Draining, _) => {
                self.tally.fault(FaultKind::NodeKilled);
                self.die(node, survive);
            }
            (_, polls) => self.states[node] = State::Doomed { polls, survive },
        }
    }

    fn die(&mut self, node: usize, survive: u8) {
        self.states[node] = State::Down;
        let shards = self.shards_of(node);
        let dead: Vec<_> = shards.clone().map(|index| self.shards[index].channel).collect();
        self.vault.kill(&dead, survive, &mut self.truth, &mut self.tally);
        for index in shards.clone() {
            self.shards[index].mailbox.clear();
            self.shards[index].waiting = 0;
            self.shards[index].deadline = None;
        }
        self.open.retain(|_, open| !shards.contains(&open.shard));
        for id in self.links.those(|link| link.node == node) {
            if let Some(link) = self.links.get_mut(id) {
                link.broken = true;
                link.frames.clear();
                let socket = link.socket.take();
                self.note_lost(socket.as_deref(), &VecDeque::new());
            }
        }
    }

    /// A node is asked to stop. Gives the connections on which it says so (GOAWAY).
    pub(crate) fn drain_node(&mut self, node: u8, now: Now) -> Vec<LinkId> {
        let node = usize::from(node) % self.states.len();
        if self.states[node] != State::Up {
            return Vec::new();
        }
        self.states[node] = State::Draining;
        let deadline = now.mono.after(Duration::from_secs(10));
        for index in self.shards_of(node) {
            self.shards[index].mailbox.push_back(Letter::Reply(Input::Drain(deadline)));
        }
        self.drain_sockets(node, now);
        self.links.those(|link| link.node == node && !link.left && link.socket.is_none())
    }

    /// Every node is asked to stop.
    pub(crate) fn drain_all(&mut self, now: Now) {
        for node in 0..self.shape.nodes {
            self.drain_node(node, now);
        }
    }

    /// Nodes that are down start; those that drain stop first, as if they had been killed at the end of it.
    pub(crate) fn start(&mut self) {
        for node in 0..self.states.len() {
            if self.states[node] == State::Draining {
                self.die(node, u8::MAX);
            }
            if self.states[node] == State::Down {
                self.vault.restart(&mut self.truth);
                for index in self.shards_of(node) {
                    self.shards[index] = self.shard(index);
                }
                self.states[node] = State::Up;
            }
            self.states[node] = State::Up;
        }
    }

    /// Nothing is open, nothing is held, nothing is pending.
    pub(crate) fn check_drained(&mut self) {
        let open = self.open.len();
        self.require(open == 0, Guarantee::G5, || format!("{open} exchanges are open at the end"));
        for index in 0..self.shards.len() {
            let census = self.shards[index].service.census();
            let empty = (census.exchanges, census.monitors, census.commands) == (0, 0, 0);
            self.require(empty, Guarantee::G5, || format!("a shard holds {census:?} at the end"));
            let drained = self.shards[index].service.is_drained();
            self.require(drained, Guarantee::G5, || "a shard is not drained at the end".to_owned());
        }
    }
}
