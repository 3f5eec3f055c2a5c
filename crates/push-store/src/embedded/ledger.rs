//! The rules over keys and values: conditions, positions, quotas. [`crate::memory`] is the reference for them.

mod operate;
mod queue;
mod seen;
mod sweep;
mod upgrade;

use std::mem;

use bytes::Bytes;
use push_proto::{
    AgentId, SubscriptionId, UnixTime,
    store::{AgentKind, Position, Unmet},
};

use super::{
    codec::{self, AgentState, Counters, Holder, Marks, Population, SubscriptionState},
    error::{Corrupt, Damage, Fault, OpenError},
    key::Key,
    view::View,
};
use crate::{
    Quotas,
    engine::{Engine, EngineError, EngineSnapshot, Keyspace},
};

pub(super) struct Ledger<E> {
    view: View<E>,
    quotas: Quotas,
    /// The position of the next entry.
    next: u64,
    /// The latest time seen.
    clock: UnixTime,
    /// What is durable of the two above.
    saved: Marks,
    /// Nothing is due before this key: where a sweep starts, lest it walk over the tombstones of all before it.
    due_from: Key,
    /// Whether something was made durable since the last [`Ledger::prove`].
    proven: bool,
    /// How many agents there are, and how many there were at the last [`Ledger::mark`].
    population: Population,
    marked: Population,
    /// No agent becomes idle before.
    idle_from: UnixTime,
    /// Until then nobody is idle.
    awaited: UnixTime,
}

/// Why an operation does not go on.
pub(super) enum Stop {
    Unmet(Unmet),
    Fault(Fault),
}

impl From<Unmet> for Stop {
    fn from(unmet: Unmet) -> Self {
        Self::Unmet(unmet)
    }
}

impl<F: Into<Fault>> From<F> for Stop {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl<E: Engine> Ledger<E> {
    pub(super) fn open(engine: E, quotas: Quotas) -> Result<Self, OpenError> {
        let saved = NOTHING_SAVED;
        let (next, clock, due_from) = (FIRST, saved.clock, Key::due_from(saved.clock));
        let population = Population::default();
        let mut ledger = Self {
            view: View::new(engine),
            quotas,
            next,
            clock,
            saved,
            due_from,
            proven: false,
            population,
            marked: population,
            idle_from: clock,
            awaited: clock,
        };
        ledger.begin()?;
        Ok(ledger)
    }

    /// From now on by these bounds.
    pub(super) const fn reconfigure(&mut self, quotas: Quotas) {
        self.quotas = quotas;
        // By them somebody may be idle already.
        self.idle_from = UnixTime::from_secs(0);
    }

    /// Forgets everything but what is durable.
    pub(super) fn reopen(&mut self) -> Result<(), OpenError> {
        self.view.reopen()?;
        self.begin()
    }

    /// Makes the group durable; with nothing changed, and positions left that are reserved, without IO.
    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        let exhausted = self.next > self.saved.reserved;
        let lag = self.clock.as_secs().saturating_sub(self.saved.clock.as_secs());
        if !(exhausted || lag >= CLOCK_LAG_SECS || self.view.changed()) {
            self.view.discard();
            return Ok(());
        }
        let reserved = if exhausted { self.next.saturating_add(RESERVED) } else { self.saved.reserved };
        self.save(Marks { reserved, ..self.marks() })
    }

    /// Makes this many octets durable, at a place of their own, unless something was anyway since this was last asked.
    pub(super) fn prove(&mut self, octets: usize) -> Result<(), Fault> {
        if !mem::take(&mut self.proven) {
            self.view.put(Key::proof(), Bytes::from(vec![PROOF; octets]));
            let reserved = self.saved.reserved;
            self.save(Marks { reserved, ..self.marks() })?;
            self.proven = false;
        }
        Ok(())
    }

    /// The latest time seen.
    pub(super) const fn clock(&self) -> UnixTime {
        self.clock
    }

    /// What is durable.
    pub(super) fn snapshot(&self) -> Result<Box<dyn EngineSnapshot>, EngineError> {
        self.view.snapshot()
    }

    /// Gives back the positions that were reserved and not used.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        let marks = self.marks();
        if marks == self.saved { Ok(()) } else { self.save(marks) }
    }

    /// Lets go of the disk.
    pub(super) fn close(&mut self) {
        self.view.discard();
        self.view.close();
    }

    /// From here on [`Ledger::roll_back`] undoes.
    pub(super) fn mark(&mut self) {
        self.view.mark();
        self.marked = self.population;
    }

    pub(super) fn roll_back(&mut self) {
        self.view.roll_back();
        self.population = self.marked;
    }

    fn begin(&mut self) -> Result<(), OpenError> {
        let key = Key::marks();
        self.proven = false;
        self.saved = match self.view.get(&key)? {
            Some(record) => codec::decode_marks(&key, &record).map_err(OpenError::Corrupt)?,
            None if self.is_empty()? => NOTHING_SAVED,
            None => return Err(OpenError::Corrupt(missing(Keyspace::Counters, "high-water mark"))),
        };
        self.view.discard();
        self.next = self.saved.reserved.max(FIRST);
        self.clock = self.saved.clock;
        self.due_from = Key::due_from(UnixTime::from_secs(0));
        self.idle_from = UnixTime::from_secs(0);
        self.awaited = UnixTime::from_secs(0);
        match self.saved.population {
            Some(population) => self.population = population,
            None => self.upgrade()?,
        }
        self.mark();
        Ok(())
    }

    /// What there would be to save if nothing were reserved.
    const fn marks(&self) -> Marks {
        Marks { reserved: self.next, clock: self.clock, population: Some(self.population) }
    }

    fn save(&mut self, marks: Marks) -> Result<(), Fault> {
        if marks != self.saved {
            let key = Key::marks();
            self.view.put(key, codec::encode_marks(&key, &marks));
        }
        self.view.commit()?;
        self.saved = marks;
        self.proven = true;
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, Fault> {
        let from = Key::prefix(Keyspace::Records, &[]);
        Ok(self.view.page(&from, &from.after_prefix(), 1)?.is_empty())
    }

    fn agent(&mut self, id: &AgentId) -> Result<Option<AgentState>, Fault> {
        let key = Key::agent(id);
        let record = self.view.get(&key)?;
        Ok(record.map(|record| codec::decode_agent(&key, &record)).transpose()?)
    }

    fn live_agent(&mut self, id: &AgentId) -> Result<Option<AgentState>, Fault> {
        Ok(self.agent(id)?.filter(|agent| !agent.closing))
    }

    fn live_agent_of(&mut self, id: &AgentId, kind: AgentKind) -> Result<bool, Fault> {
        Ok(self.live_agent(id)?.is_some_and(|agent| agent.record.kind == kind))
    }

    fn subscription(
        &mut self,
        agent: &AgentId,
        id: &SubscriptionId,
    ) -> Result<Option<SubscriptionState>, Fault> {
        let key = Key::subscription(agent, id);
        let record = self.view.get(&key)?;
        Ok(record.map(|record| codec::decode_subscription(&key, &record)).transpose()?)
    }

    fn live_subscription(
        &mut self,
        agent: &AgentId,
        id: &SubscriptionId,
    ) -> Result<Option<SubscriptionState>, Fault> {
        Ok(self.subscription(agent, id)?.filter(|subscription| !subscription.closing))
    }

    fn holder(&mut self, key: &Key) -> Result<Option<Holder>, Fault> {
        let record = self.view.get(key)?;
        Ok(record.map(|record| codec::decode_holder(key, &record)).transpose()?)
    }

    fn counters(&mut self, agent: &AgentId) -> Result<Counters, Fault> {
        let key = Key::counters(agent);
        let record = self.view.get(&key)?.ok_or_else(|| missing(Keyspace::Counters, "counter"))?;
        Ok(codec::decode_counters(&key, &record)?)
    }

    fn put_counters(&mut self, agent: &AgentId, counters: &Counters) {
        let key = Key::counters(agent);
        self.view.put(key, codec::encode_counters(&key, counters));
    }

    fn next_position(&mut self) -> Position {
        let next = self.next.saturating_add(1);
        Position(mem::replace(&mut self.next, next))
    }
}

impl<E: Engine> View<E> {
    /// The first `count` keys and values from `from` to before `to`.
    fn page(&self, from: &Key, to: &Key, count: usize) -> Result<Vec<(Key, Bytes)>, Fault> {
        use std::ops::ControlFlow::{Break, Continue};
        let mut page = Vec::new();
        if count > 0 {
            self.scan(from, to, &mut |key, value| {
                page.push((Key::prefix(from.keyspace(), key), Bytes::copy_from_slice(value)));
                if page.len() < count { Continue(()) } else { Break(()) }
            })?;
        }
        Ok(page)
    }
}

const fn missing(keyspace: Keyspace, record: &'static str) -> Corrupt {
    Corrupt { keyspace, damage: Damage::Missing(record) }
}

/// Of an empty store: less than is needed, so that its first commit saves them.
const NOTHING_SAVED: Marks = Marks {
    reserved: Position::START.0,
    clock: UnixTime::from_secs(0),
    population: Some(Population { user_agents: 0, receipt_subscriptions: 0 }),
};
/// After [`Position::START`].
const FIRST: u64 = Position::START.0 + 1;
/// Positions that one commit reserves: after a crash at most so many are skipped, and until they are used up a group
/// that changes nothing else needs no commit.
const RESERVED: u64 = 1 << 16;
/// What a proof is made of: nothing that is ever read.
const PROOF: u8 = 0;
/// How far the durable clock may lag behind when nothing else is written. Receipts made right after a restart, before
/// an `Expire`, are kept that much shorter.
const CLOCK_LAG_SECS: u64 = 900;
