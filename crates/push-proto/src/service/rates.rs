//! How often something may happen (RFC 8030 §8.4): token buckets, as the point in time at which each is full again.

use alloc::collections::{BTreeMap, BTreeSet};
use core::{num::NonZeroU32, time::Duration};

use super::Limits;
use crate::{AgentId, Mono};

/// A token bucket: how many tokens it holds, and how many it gets back each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_second: NonZeroU32,
    /// Tokens there are at most: what may come at once after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate; `None`, which means no bound, if either is 0.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Option<Self> {
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (Some(per_second), Some(burst)) => Some(Self { per_second, burst }),
            (None, _) | (_, None) => None,
        }
    }

    /// Takes a token from a bucket that will be full at `full`; when it will be full then.
    ///
    /// # Errors
    ///
    /// There is none; how long until the next.
    fn take(self, full: Mono, now: Mono) -> Result<Mono, Duration> {
        let token = self.token();
        let full = full.max(now);
        let missing = full.since(now);
        let most = token.saturating_mul(self.burst.get() - 1);
        if missing > most { Err(missing.saturating_sub(most)) } else { Ok(full.after(token)) }
    }

    /// How long one token takes to come back.
    const fn token(self) -> Duration {
        Duration::from_nanos(SECOND_NANOS.div_ceil(self.per_second.get() as u64))
    }
}

/// The buckets of a shard.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Of each user agent whose bucket is not full, when it will be.
    messages: BTreeMap<AgentId, Mono>,
    /// The same, the first to be full first.
    filling: BTreeSet<(Mono, AgentId)>,
    agents: Mono,
}

impl Rates {
    /// A message to this user agent (`8030-8.4-1`).
    ///
    /// # Errors
    ///
    /// One too many; how long until the next may come (`8030-8.4-3`).
    pub(super) fn message(&mut self, agent: AgentId, limits: &Limits, now: Mono) -> Result<(), Duration> {
        let Some(rate) = limits.messages else { return Ok(()) };
        // A full bucket is what an agent without one has, so the table holds only those that are not.
        while let Some((_, idle)) = self.filling.first().copied().filter(|(full, _)| *full <= now) {
            self.forget(idle);
        }
        let full = rate.take(self.messages.get(&agent).copied().unwrap_or(now), now)?;
        self.forget(agent);
        if self.messages.len() >= limits.rated_agents
            && let Some((_, fullest)) = self.filling.first().copied()
        {
            self.forget(fullest);
        }
        if limits.rated_agents > 0 {
            self.messages.insert(agent, full);
            self.filling.insert((full, agent));
        }
        Ok(())
    }

    /// A message that counted was refused. It did nothing to the user agent, and whoever may not send must not use up what
    /// others may.
    pub(super) fn refused(&mut self, agent: AgentId, limits: &Limits) {
        let (Some(rate), Some(full)) = (limits.messages, self.messages.get(&agent).copied()) else { return };
        self.forget(agent);
        let earlier = full.since(Mono::ZERO).saturating_sub(rate.token());
        let full = Mono::ZERO.after(earlier);
        self.messages.insert(agent, full);
        self.filling.insert((full, agent));
    }

    /// A new agent of this shard (`8030-4.1-6`).
    ///
    /// # Errors
    ///
    /// One too many; how long until the next may come.
    pub(super) fn new_agent(&mut self, limits: &Limits, now: Mono) -> Result<(), Duration> {
        if let Some(rate) = limits.new_agents {
            self.agents = rate.take(self.agents, now)?;
        }
        Ok(())
    }

    fn forget(&mut self, agent: AgentId) {
        if let Some(full) = self.messages.remove(&agent) {
            self.filling.remove(&(full, agent));
        }
    }
}

const SECOND_NANOS: u64 = 1_000_000_000;
