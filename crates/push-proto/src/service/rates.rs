//! How often something may happen (RFC 8030 §8.4): token buckets, as the point in time at which each is full again.

use alloc::collections::{BTreeMap, BTreeSet};
use core::{num::NonZeroU32, time::Duration};

use super::{Limits, Send};
use crate::{AgentId, Mono, PublicKey, Refusal, SubscriptionId};

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
    pub(crate) fn take(self, full: Mono, now: Mono) -> Result<Mono, Duration> {
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

/// The token buckets of many, each by whose it is. Bounded: only those that are not full are kept, and of these the
/// emptiest.
#[derive(Clone, Debug)]
pub struct Buckets<K> {
    /// When each will be full.
    full: BTreeMap<K, Mono>,
    /// The same, the first to be full first.
    filling: BTreeSet<(Mono, K)>,
    rate: Option<Rate>,
    most: usize,
}

impl<K: Ord + Clone> Buckets<K> {
    /// Full buckets of this rate for everyone, of which it keeps `most` in mind. Without a rate there is no bound.
    #[must_use]
    pub const fn new(rate: Option<Rate>, most: usize) -> Self {
        Self { full: BTreeMap::new(), filling: BTreeSet::new(), rate, most }
    }

    /// From now on this rate, and so many kept in mind. Who owes tokens owes them for as long as before.
    pub fn reconfigure(&mut self, rate: Option<Rate>, most: usize) {
        (self.rate, self.most) = (rate, most);
        while let Some((_, fullest)) =
            self.filling.first().filter(|_| rate.is_none() || self.full.len() > most).cloned()
        {
            self.forget(&fullest);
        }
    }

    /// Takes a token. Full, the table forgets the bucket that is nearest to full: it is the one that loses least by that,
    /// and no number of others makes it forget who is far over.
    ///
    /// # Errors
    ///
    /// There is none; how long until the next (`8030-8.4-3`).
    pub fn take(&mut self, of: &K, now: Mono) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        // A full bucket is what everyone without one has.
        while let Some((_, idle)) = self.filling.first().filter(|(full, _)| *full <= now).cloned() {
            self.forget(&idle);
        }
        let full = rate.take(self.full.get(of).copied().unwrap_or(now), now)?;
        self.forget(of);
        if self.full.len() >= self.most
            && let Some((_, fullest)) = self.filling.first().cloned()
        {
            self.forget(&fullest);
        }
        if self.most > 0 {
            self.keep(of.clone(), full);
        }
        Ok(())
    }

    /// Gives a token back: what it was taken for did not happen.
    pub fn give_back(&mut self, of: &K) {
        let (Some(rate), Some(full)) = (self.rate, self.full.get(of).copied()) else { return };
        self.forget(of);
        let earlier = full.since(Mono::ZERO).saturating_sub(rate.token());
        self.keep(of.clone(), Mono::ZERO.after(earlier));
    }

    /// How many it keeps in mind.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full.len()
    }

    /// Whether everyone has all tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.full.is_empty()
    }

    fn keep(&mut self, of: K, full: Mono) {
        self.full.insert(of.clone(), full);
        self.filling.insert((full, of));
    }

    fn forget(&mut self, of: &K) {
        if let Some(full) = self.full.remove(of) {
            self.filling.remove(&(full, of.clone()));
        }
    }
}

/// A message, by those whose rates it falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parties {
    agent: AgentId,
    subscription: SubscriptionId,
    sender: Option<PublicKey>,
}

impl Parties {
    /// Those of a message to send.
    pub(super) fn of(send: &Send) -> Self {
        let sender = send.sender.as_ref().map(|verified| *verified.key());
        Self { agent: send.agent, subscription: send.subscription, sender }
    }
}

/// The buckets of a shard.
#[derive(Debug)]
pub(super) struct Rates {
    senders: Buckets<PublicKey>,
    subscriptions: Buckets<(AgentId, SubscriptionId)>,
    user_agents: Buckets<AgentId>,
    /// Of agents that are made, by whomever.
    made: Buckets<()>,
}

impl Rates {
    /// None used.
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            senders: Buckets::new(limits.sender_messages, limits.rated_senders),
            subscriptions: Buckets::new(limits.subscription_messages, limits.rated_agents),
            user_agents: Buckets::new(limits.messages, limits.rated_agents),
            made: Buckets::new(limits.new_agents, 1),
        }
    }

    /// From now on by these limits.
    pub(super) fn reconfigure(&mut self, limits: &Limits) {
        self.senders.reconfigure(limits.sender_messages, limits.rated_senders);
        self.subscriptions.reconfigure(limits.subscription_messages, limits.rated_agents);
        self.user_agents.reconfigure(limits.messages, limits.rated_agents);
        self.made.reconfigure(limits.new_agents, 1);
    }

    /// A message (`8030-8.4-1`). It counts for all of its parties or, if it is too much for one, for none: whoever sends
    /// too much uses up nothing of those who receive, and a full receiver nothing of who sends to others as well.
    ///
    /// # Errors
    ///
    /// One too many, of whom, and how long until the next may come (`8030-8.4-3`).
    pub(super) fn message(&mut self, parties: &Parties, now: Mono) -> Result<(), Refusal> {
        let Parties { agent, subscription, sender } = parties;
        if let Some(sender) = sender {
            let taken = self.senders.take(sender, now);
            taken.map_err(|wait| Refusal::SENDER_RATE_EXCEEDED.retry_in(wait))?;
        }
        if let Err(wait) = self.subscriptions.take(&(*agent, *subscription), now) {
            self.spare_sender(parties);
            return Err(Refusal::SUBSCRIPTION_RATE_EXCEEDED.retry_in(wait));
        }
        if let Err(wait) = self.user_agents.take(agent, now) {
            self.subscriptions.give_back(&(*agent, *subscription));
            self.spare_sender(parties);
            return Err(Refusal::RATE_EXCEEDED.retry_in(wait));
        }
        Ok(())
    }

    /// A message that counted was refused. It did nothing to the user agent, and whoever may not send must not use up
    /// what others may.
    pub(super) fn spare_receiver(&mut self, parties: &Parties) {
        self.subscriptions.give_back(&(parties.agent, parties.subscription));
        self.user_agents.give_back(&parties.agent);
    }

    /// A message that counted was refused for nothing that its sender did.
    pub(super) fn spare_sender(&mut self, parties: &Parties) {
        if let Some(sender) = &parties.sender {
            self.senders.give_back(sender);
        }
    }

    /// A new agent of this shard (`8030-4.1-6`).
    ///
    /// # Errors
    ///
    /// One too many; how long until the next may come.
    pub(super) fn new_agent(&mut self, now: Mono) -> Result<(), Refusal> {
        self.made.take(&(), now).map_err(|wait| Refusal::AGENTS_EXCEEDED.retry_in(wait))
    }
}

const SECOND_NANOS: u64 = 1_000_000_000;
