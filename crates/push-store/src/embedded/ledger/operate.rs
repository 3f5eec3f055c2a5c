//! The operations of a batch.

use push_proto::{
    AgentId, Handle, Message, SubscriptionId,
    store::{AgentKind, AgentRecord, Cause, Done, Hint, Operation, Placed, Put, SubscriptionRecord, Unmet},
};

use super::{Ledger, Stop, missing};
use crate::{
    Quotas,
    embedded::{
        codec::{self, AgentState, Counters, Holder, SubscriptionState},
        error::Fault,
        key::{self, Key},
    },
    engine::{Engine, Keyspace},
    message_weight,
    watch::News,
};

impl<E: Engine> Ledger<E> {
    /// What each operation did, up to the first unmet. A fault leaves it to the caller to roll back.
    pub(in crate::embedded) fn apply(
        &mut self,
        operations: Vec<Operation>,
        news: &mut Vec<News>,
    ) -> Result<Vec<Result<Done, Unmet>>, Fault> {
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            match self.operate(operation, news) {
                Ok(done) => results.push(Ok(done)),
                Err(Stop::Unmet(unmet)) => {
                    results.push(Err(unmet));
                    break;
                }
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Ok(results)
    }

    fn operate(&mut self, operation: Operation, news: &mut Vec<News>) -> Result<Done, Stop> {
        match operation {
            Operation::CreateAgent(id, record) => {
                if self.agent(&id)?.is_some() {
                    return Err(Unmet::Exists.into());
                }
                self.put_agent(&id, record)?;
                news.push(News::others(id, Hint::Changed));
                Ok(Done::Created)
            }
            Operation::CreateSubscription(agent, id, record) => {
                self.create_subscription(&agent, &id, record)?;
                news.push(News::others(agent, Hint::Changed));
                Ok(Done::Created)
            }
            Operation::Put(put) => self.put(put, news).map(Done::Put),
            Operation::End(handle, cause) => {
                let holder = self.live_entry(&handle)?.ok_or(Unmet::NotLive)?;
                self.end(&handle, &holder, cause, news)?;
                if cause == Cause::Acknowledged {
                    self.note_seen(&handle.agent, self.clock)?;
                }
                news.push(News::others(handle.agent, Hint::Ended(handle)));
                Ok(Done::Ended)
            }
            Operation::Close(agent, subscription) => {
                self.close_record(&agent, subscription.as_ref())?;
                news.push(News::others(agent, Hint::Closed(subscription)));
                Ok(Done::Closed)
            }
        }
    }

    /// Makes an agent whose id is free.
    fn put_agent(&mut self, id: &AgentId, record: AgentRecord) -> Result<(), Stop> {
        let count = self.population.of(record.kind);
        if *count >= self.quotas.agents_of(record.kind) {
            return Err(Unmet::Crowded.into());
        }
        *count += 1;
        let seen = self.clock.max(record.created);
        self.put_seen(id, &AgentState { record, closing: false, seen: None }, seen);
        self.put_counters(id, &Counters::default());
        Ok(())
    }

    fn create_subscription(
        &mut self,
        agent: &AgentId,
        id: &SubscriptionId,
        record: SubscriptionRecord,
    ) -> Result<(), Stop> {
        if !self.live_agent_of(agent, AgentKind::UserAgent)? {
            return Err(Unmet::NoAgent.into());
        }
        if self.subscription(agent, id)?.is_some() {
            return Err(Unmet::Exists.into());
        }
        let counters = self.counters(agent)?;
        if counters.subscriptions >= self.quotas.subscriptions {
            return Err(Unmet::Full.into());
        }
        let key = Key::subscription(agent, id);
        let time = self.clock.max(record.created);
        self.view.put(key, codec::encode_subscription(&key, &SubscriptionState { record, closing: false }));
        self.put_counters(agent, &Counters { subscriptions: counters.subscriptions + 1, ..counters });
        Ok(self.note_seen(agent, time)?)
    }

    fn put(&mut self, put: Put, news: &mut Vec<News>) -> Result<Placed, Stop> {
        let Put { message, sender, new_receipt_subscription } = put;
        let handle = message.handle;
        self.clock = self.clock.max(message.accepted);
        if !self.live_agent_of(&handle.agent, AgentKind::UserAgent)? {
            return Err(Unmet::NoSubscription.into());
        }
        let subscription = self.live_subscription(&handle.agent, &handle.subscription)?;
        let subscription = subscription.ok_or(Unmet::NoSubscription)?;
        subscription.record.admits(sender.as_ref()).map_err(Unmet::Credentials)?;
        let transient = message.is_transient();
        if let Some(receipts) = &message.receipt {
            self.check_receipts(receipts, new_receipt_subscription, transient)?;
        }
        let taken = self.holder(&Key::slot(&handle.agent, &handle.subscription, &handle.slot))?;
        let lesser = if transient { Vec::new() } else { self.lesser(&message, taken.as_ref())? };
        if let Some(receipts) = message.receipt.filter(|_| new_receipt_subscription) {
            self.put_agent(&receipts, AgentRecord { kind: AgentKind::Receipts, created: message.accepted })?;
        }
        if let Some(receipts) = &message.receipt {
            self.note_owed(receipts, message.expires)?;
        }
        if let Some(old) = &taken {
            let old_handle = Handle { id: old.id, ..handle };
            self.remove(&old_handle, old)?;
            news.push(News::others(handle.agent, Hint::Ended(old_handle)));
        }
        let replaced = taken.map(|old| old.id);
        if transient {
            return Ok(Placed { position: None, replaced, dropped: Vec::new() });
        }
        for (handle, holder) in &lesser {
            self.end(handle, holder, Cause::Dropped, news)?;
        }
        let dropped: Vec<_> = lesser.into_iter().map(|(handle, _)| handle).collect();
        news.extend(dropped.iter().map(|handle| News::others(handle.agent, Hint::Ended(*handle))));
        let position = self.insert_message(&message)?;
        news.push(News::others(handle.agent, Hint::Arrived));
        Ok(Placed { position: Some(position), replaced, dropped })
    }

    fn check_receipts(&mut self, id: &AgentId, new: bool, transient: bool) -> Result<(), Stop> {
        let Some(agent) = self.agent(id)? else {
            return if new { Ok(()) } else { Err(Unmet::NoReceiptSubscription.into()) };
        };
        if new {
            return Err(Unmet::Exists.into());
        }
        if agent.closing || agent.record.kind != AgentKind::Receipts {
            return Err(Unmet::NoReceiptSubscription.into());
        }
        let full = self.counters(id)?.entries >= self.quotas.receipts;
        if full && !transient { Err(Unmet::Full.into()) } else { Ok(()) }
    }

    /// What must be given up so that there is room: messages of lower urgency, lowest first, the oldest of each first.
    fn lesser(&mut self, new: &Message, old: Option<&Holder>) -> Result<Vec<(Handle, Holder)>, Stop> {
        let agent = new.handle.agent;
        let Quotas { entries: entries_max, octets: octets_max, dropped, .. } = self.quotas;
        let counters = self.counters(&agent)?;
        let mut entries = counters.entries.saturating_sub(u32::from(old.is_some()));
        let octets = counters.octets.saturating_sub(old.map_or(0, |old| old.weight));
        let mut octets = octets.saturating_add(message_weight(new));
        if entries < entries_max && octets <= octets_max {
            return Ok(Vec::new());
        }
        let (from, to) = Key::less_urgent(&agent, new.urgency);
        // One of them may be what is replaced anyway.
        let most = usize::try_from(dropped.saturating_add(1)).unwrap_or(usize::MAX);
        let mut lesser = self.view.page(&from, &to, most)?.into_iter();
        let mut given_up = Vec::new();
        while entries >= entries_max || octets > octets_max {
            let (key, record) = lesser.next().ok_or(Unmet::Full)?;
            let (subscription, slot) = codec::decode_due(&key, &record)?;
            let position = key::position_of(key.octets());
            let holder = self.holder(&Key::slot(&agent, &subscription, &slot))?;
            let holder = holder.filter(|holder| Some(holder.position) == position);
            let holder = holder.ok_or_else(|| missing(Keyspace::Slots, "slot"))?;
            if old.is_some_and(|old| old.id == holder.id) {
                continue;
            }
            if given_up.len() >= usize::try_from(dropped).unwrap_or(usize::MAX) {
                return Err(Unmet::Full.into());
            }
            entries = entries.saturating_sub(1);
            octets = octets.saturating_sub(holder.weight);
            given_up.push((Handle { agent, subscription, slot, id: holder.id }, holder));
        }
        Ok(given_up)
    }

    pub(super) fn close_record(
        &mut self,
        agent: &AgentId,
        subscription: Option<&SubscriptionId>,
    ) -> Result<(), Stop> {
        let state = self.live_agent(agent)?.ok_or(Unmet::NoAgent)?;
        match subscription {
            None => {
                let key = Key::agent(agent);
                self.view.put(key, codec::encode_agent(&key, &AgentState { closing: true, ..state }));
                self.remove_seen(agent, &state);
            }
            Some(id) => {
                let state = self.live_subscription(agent, id)?.ok_or(Unmet::NoSubscription)?;
                let key = Key::subscription(agent, id);
                let closing = SubscriptionState { closing: true, ..state };
                self.view.put(key, codec::encode_subscription(&key, &closing));
            }
        }
        let due = Key::closing(agent, subscription);
        self.view.put(due, codec::encode_due(&due, None));
        self.due_from = self.due_from.min(due);
        Ok(())
    }
}
