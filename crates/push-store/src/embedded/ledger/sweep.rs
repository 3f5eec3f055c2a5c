//! What is due: expiry, and the end of what was closed.

use push_proto::{
    AgentId, Handle, Slot, SubscriptionId, UnixTime,
    store::{Cause, Hint, Position, Sweep},
};

use super::{Ledger, missing};
use crate::{
    Quotas,
    embedded::{
        codec,
        error::{Corrupt, Damage, Fault},
        key::{DueKey, Key},
    },
    engine::{Engine, Keyspace},
    watch::News,
};

impl<E: Engine> Ledger<E> {
    /// Closes a bounded number of idle agents, and ends a bounded amount of what is due at `now`. What is damaged is left where it is, the rest goes on, and the
    /// first damage is told: one bad record must not keep all others from expiring.
    pub(in crate::embedded) fn expire(
        &mut self,
        now: UnixTime,
        news: &mut Vec<News>,
    ) -> Result<(Sweep, Option<Corrupt>), Fault> {
        self.awaited = Quotas::awaited(self.clock, now).unwrap_or(self.awaited);
        self.clock = self.clock.max(now);
        let (mut ended, more_idle, damaged) = self.close_idle(now, news)?;
        let mut expired = 0;
        let end = Key::due_from(now).after_prefix();
        let mut from = self.due_from;
        let mut stuck: Option<(Key, Corrupt)> = None;
        // What is inserted meanwhile brings it down again.
        self.due_from = end.max(from);
        let mut unfinished = false;
        while ended < self.quotas.expire && !unfinished {
            let budget = self.quotas.expire - ended;
            let Some((key, record)) = self.view.page(&from, &end, 1)?.pop() else { break };
            let told = news.len();
            self.mark();
            match self.settle(&key, &record, budget, news) {
                Ok((steps, finished)) => {
                    ended += steps;
                    let of_ttl = matches!(DueKey::parse(key.octets()), Some(DueKey::Expiring(..)));
                    expired += u32::from(of_ttl);
                    unfinished = !finished;
                }
                Err(Fault::Corrupt(corrupt)) => {
                    self.roll_back();
                    news.truncate(told);
                    stuck = stuck.or(Some((key, corrupt)));
                }
                Err(Fault::Engine(error)) => return Err(error.into()),
            }
            from = if unfinished { key } else { key.successor() };
        }
        self.mark();
        let more = !self.view.page(&from, &end, 1)?.is_empty();
        let reached = if more { from } else { end.max(from) };
        self.due_from = self.due_from.min(reached);
        if let Some((key, _)) = &stuck {
            self.due_from = self.due_from.min(*key);
        }
        let more = more || more_idle;
        Ok((Sweep { ended, expired, more }, damaged.or(stuck.map(|(_, corrupt)| corrupt))))
    }

    /// Deals with one due key; says how much it ended, and whether that was all.
    fn settle(
        &mut self,
        key: &Key,
        record: &[u8],
        budget: u32,
        news: &mut Vec<News>,
    ) -> Result<(u32, bool), Fault> {
        let bad = Corrupt { keyspace: Keyspace::Due, damage: Damage::Field("key") };
        match DueKey::parse(key.octets()).ok_or(bad)? {
            DueKey::Closing(agent, subscription) => {
                let (steps, finished) = self.dissolve(&agent, subscription.as_ref(), budget, news)?;
                if finished {
                    self.view.remove(*key);
                }
                Ok((steps, finished))
            }
            DueKey::Expiring(agent, position) => {
                let (subscription, slot) = codec::decode_due(key, record)?;
                self.lapse(&agent, position, (subscription, slot), news)?;
                Ok((1, true))
            }
        }
    }

    fn lapse(
        &mut self,
        agent: &AgentId,
        position: Position,
        (subscription, slot): (SubscriptionId, Slot),
        news: &mut Vec<News>,
    ) -> Result<(), Fault> {
        let holder = self.holder(&Key::slot(agent, &subscription, &slot))?;
        let holder = holder.filter(|holder| holder.position == position);
        let holder = holder.ok_or_else(|| missing(Keyspace::Slots, "slot"))?;
        let handle = Handle { agent: *agent, subscription, slot, id: holder.id };
        self.end(&handle, &holder, Cause::Expired, news)?;
        news.push(News::all(*agent, Hint::Ended(handle)));
        Ok(())
    }

    /// Ends at most `budget` of what is closing and removes its records; says how many, and whether that was all.
    fn dissolve(
        &mut self,
        agent: &AgentId,
        subscription: Option<&SubscriptionId>,
        budget: u32,
        news: &mut Vec<News>,
    ) -> Result<(u32, bool), Fault> {
        let Some(state) = self.agent(agent)? else { return Ok((0, true)) };
        let ended = self.end_slots(agent, subscription, budget, news)?;
        if ended >= budget {
            return Ok((ended, false));
        }
        if let Some(id) = subscription {
            let known = self.subscription(agent, id)?.is_some();
            if known {
                self.remove_subscription(agent, &Key::subscription(agent, id))?;
            }
            return Ok((ended + u32::from(known), true));
        }
        let (from, to) = Key::subscriptions(agent);
        let mut steps = ended;
        for (key, _) in self.view.page(&from, &to, usize::try_from(budget - steps).unwrap_or(0))? {
            self.remove_subscription(agent, &key)?;
            steps += 1;
        }
        if steps >= budget {
            return Ok((steps, false));
        }
        let count = self.population.of(state.record.kind);
        *count = count.saturating_sub(1);
        self.view.remove(Key::agent(agent));
        self.view.remove(Key::counters(agent));
        Ok((steps + 1, true))
    }

    fn end_slots(
        &mut self,
        agent: &AgentId,
        subscription: Option<&SubscriptionId>,
        budget: u32,
        news: &mut Vec<News>,
    ) -> Result<u32, Fault> {
        let prefix = Key::slots(agent, subscription);
        let mut ended = 0;
        for (key, record) in
            self.view.page(&prefix, &prefix.after_prefix(), usize::try_from(budget).unwrap_or(0))?
        {
            let holder = codec::decode_holder(&key, &record)?;
            let bad = Corrupt { keyspace: Keyspace::Slots, damage: Damage::Field("key") };
            let (subscription, slot) = key.place().ok_or(bad)?;
            let handle = Handle { agent: *agent, subscription, slot, id: holder.id };
            self.end(&handle, &holder, Cause::SubscriptionGone, news)?;
            news.push(News::all(*agent, Hint::Ended(handle)));
            ended += 1;
        }
        Ok(ended)
    }

    fn remove_subscription(&mut self, agent: &AgentId, key: &Key) -> Result<(), Fault> {
        let mut counters = self.counters(agent)?;
        counters.subscriptions = counters.subscriptions.saturating_sub(1);
        self.put_counters(agent, &counters);
        self.view.remove(*key);
        Ok(())
    }
}
