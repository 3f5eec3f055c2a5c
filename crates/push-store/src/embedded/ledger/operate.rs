//! The operations of a batch.

use push_proto::{
    AgentId, Handle, SubscriptionId,
    store::{AgentKind, AgentRecord, Done, Hint, Operation, Placed, Put, SubscriptionRecord, Unmet},
};

use super::{Ledger, Stop};
use crate::{
    embedded::{
        codec::{self, AgentState, Counters, Holder, SubscriptionState},
        error::Fault,
        key::Key,
    },
    engine::Engine,
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
                self.put_agent(&id, record);
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

    fn put_agent(&mut self, id: &AgentId, record: AgentRecord) {
        let key = Key::agent(id);
        self.view.put(key, codec::encode_agent(&key, &AgentState { record, closing: false }));
        self.put_counters(id, &Counters::default());
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
        self.view.put(key, codec::encode_subscription(&key, &SubscriptionState { record, closing: false }));
        self.put_counters(agent, &Counters { subscriptions: counters.subscriptions + 1, ..counters });
        Ok(())
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
        if !transient {
            self.check_room(&handle.agent, taken.as_ref(), message_weight(&message))?;
        }
        if let Some(receipts) = message.receipt.filter(|_| new_receipt_subscription) {
            self.put_agent(&receipts, AgentRecord { kind: AgentKind::Receipts, created: message.accepted });
        }
        if let Some(old) = &taken {
            let old_handle = Handle { id: old.id, ..handle };
            self.remove(&old_handle, old)?;
            news.push(News::others(handle.agent, Hint::Ended(old_handle)));
        }
        let replaced = taken.map(|old| old.id);
        if transient {
            return Ok(Placed { position: None, replaced });
        }
        let position = self.insert_message(&message)?;
        news.push(News::others(handle.agent, Hint::Arrived));
        Ok(Placed { position: Some(position), replaced })
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

    fn check_room(&mut self, agent: &AgentId, old: Option<&Holder>, weight: u64) -> Result<(), Stop> {
        let counters = self.counters(agent)?;
        let entries = counters.entries.saturating_sub(u32::from(old.is_some()));
        let octets = counters.octets.saturating_sub(old.map_or(0, |old| old.weight)).saturating_add(weight);
        let full = entries >= self.quotas.entries || octets > self.quotas.octets;
        if full { Err(Unmet::Full.into()) } else { Ok(()) }
    }

    fn close_record(&mut self, agent: &AgentId, subscription: Option<&SubscriptionId>) -> Result<(), Stop> {
        let state = self.live_agent(agent)?.ok_or(Unmet::NoAgent)?;
        match subscription {
            None => {
                let key = Key::agent(agent);
                self.view.put(key, codec::encode_agent(&key, &AgentState { closing: true, ..state }));
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
