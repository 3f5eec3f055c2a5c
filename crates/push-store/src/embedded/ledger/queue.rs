//! The entries of an agent: read, put in, taken out.

use std::{
    collections::BTreeSet,
    ops::ControlFlow::{self, Break, Continue},
    sync::Arc,
};

use bytes::Bytes;
use push_proto::{
    AgentId, Handle, Message, SubscriptionId, Urgency,
    store::{AgentKind, Cause, Entry, Hint, Item, Load, Page, Position, SubscriptionRecord, Unmet},
};

use super::{Ledger, missing};
use crate::{
    embedded::{
        codec::{self, Holder},
        error::{Corrupt, Damage, Fault},
        key::{self, Key},
    },
    engine::{Engine, Keyspace},
    receipt_owed,
    watch::News,
    weight,
};

impl<E: Engine> Ledger<E> {
    pub(in crate::embedded) fn load(&mut self, load: &Load) -> Result<Result<Page, Unmet>, Fault> {
        let Some(agent) = self.live_agent(&load.agent)? else { return Ok(Err(Unmet::NoAgent)) };
        self.note_seen(&load.agent, self.clock)?;
        let subscriptions = self.subscriptions(&load.agent)?;
        let live: BTreeSet<_> = subscriptions.iter().map(|(id, _)| *id).collect();
        let mut pager = Pager {
            live: (agent.record.kind == AgentKind::UserAgent).then_some(&live),
            load,
            octets: 0,
            octets_max: self.quotas.page_octets,
            page: Page {
                record: agent.record,
                subscriptions: Vec::new(),
                entries: Vec::new(),
                through: load.after,
                more: false,
            },
        };
        let from = Key::message(&load.agent, load.after).successor();
        let to = Key::prefix(Keyspace::Messages, load.agent.octets()).after_prefix();
        let mut corrupt = None;
        self.view.scan(&from, &to, &mut |key, record| match pager.take(key, record) {
            Ok(flow) => flow,
            Err(found) => {
                corrupt = Some(found);
                Break(())
            }
        })?;
        let page = pager.page;
        match corrupt {
            Some(corrupt) => Err(corrupt.into()),
            None => Ok(Ok(Page { subscriptions, ..page })),
        }
    }

    pub(in crate::embedded) fn read(&mut self, handle: &Handle) -> Result<Option<Item>, Fault> {
        let Some(holder) = self.live_entry(handle)? else { return Ok(None) };
        let key = Key::message(&handle.agent, holder.position);
        let record = self.view.get(&key)?.ok_or_else(|| missing(Keyspace::Messages, "message"))?;
        Ok(Some(codec::decode_item(&key, handle.agent, &record)?))
    }

    /// What holds the slot of `handle`, if it is live and that very message.
    pub(super) fn live_entry(&mut self, handle: &Handle) -> Result<Option<Holder>, Fault> {
        let Some(agent) = self.live_agent(&handle.agent)? else { return Ok(None) };
        let of_subscription = agent.record.kind == AgentKind::UserAgent;
        if of_subscription && self.live_subscription(&handle.agent, &handle.subscription)?.is_none() {
            return Ok(None);
        }
        let holder = self.holder(&Key::slot(&handle.agent, &handle.subscription, &handle.slot))?;
        Ok(holder.filter(|holder| holder.id == handle.id))
    }

    /// Takes the entry out and queues the receipt it owes, in the same batch (G4).
    pub(super) fn end(
        &mut self,
        handle: &Handle,
        holder: &Holder,
        cause: Cause,
        news: &mut Vec<News>,
    ) -> Result<(), Fault> {
        self.remove(handle, holder)?;
        let expires = self.clock.saturating_add_secs(self.quotas.receipt_secs.max(1));
        let owed = receipt_owed(holder.receipt, (*handle, holder.sealed_by), cause, expires);
        let Some(receipt) = owed else { return Ok(()) };
        if !self.live_agent_of(&receipt.agent, AgentKind::Receipts)? {
            return Ok(());
        }
        let place = receipt.handle();
        let taken = self.holder(&Key::slot(&place.agent, &place.subscription, &place.slot))?.is_some();
        if !taken && self.counters(&receipt.agent)?.entries < self.quotas.receipts {
            self.insert(&Item::Receipt(receipt))?;
            news.push(News::all(receipt.agent, Hint::Arrived));
        }
        Ok(())
    }

    pub(super) fn insert_message(&mut self, message: &Arc<Message>) -> Result<Position, Fault> {
        self.insert(&Item::Message(Arc::clone(message)))
    }

    fn insert(&mut self, item: &Item) -> Result<Position, Fault> {
        let handle = item.handle();
        let (sealed_by, receipt, urgency) = match item {
            Item::Message(message) => (message.sealed_by, message.receipt, Some(message.urgency)),
            Item::Receipt(receipt) => (receipt.sealed_by, None, None),
        };
        // Nothing matters more than the most urgent, so they never make room.
        let urgency = urgency.filter(|urgency| *urgency < Urgency::High);
        let position = self.next_position();
        let (expires, weight) = (item.expires(), weight(item));
        let mut counters = self.counters(&handle.agent)?;
        counters.entries = counters.entries.saturating_add(1);
        counters.octets = counters.octets.saturating_add(weight);
        self.put_counters(&handle.agent, &counters);
        let key = Key::message(&handle.agent, position);
        self.view.put_new(key, codec::encode_item(&key, item));
        let key = Key::slot(&handle.agent, &handle.subscription, &handle.slot);
        let holder = Holder { position, id: handle.id, expires, weight, sealed_by, receipt, urgency };
        self.view.put(key, codec::encode_holder(&key, &holder));
        let key = Key::expiring(expires, &handle.agent, position);
        self.view.put_new(key, codec::encode_due(&key, Some((&handle.subscription, &handle.slot))));
        self.due_from = self.due_from.min(key);
        if let Some(urgency) = urgency {
            let key = Key::urgency(&handle.agent, urgency, position);
            self.view.put_new(key, codec::encode_due(&key, Some((&handle.subscription, &handle.slot))));
        }
        Ok(position)
    }

    pub(super) fn remove(&mut self, handle: &Handle, holder: &Holder) -> Result<(), Fault> {
        let mut counters = self.counters(&handle.agent)?;
        counters.entries = counters.entries.saturating_sub(1);
        counters.octets = counters.octets.saturating_sub(holder.weight);
        self.put_counters(&handle.agent, &counters);
        self.view.remove(Key::message(&handle.agent, holder.position));
        self.view.remove(Key::slot(&handle.agent, &handle.subscription, &handle.slot));
        self.view.remove(Key::expiring(holder.expires, &handle.agent, holder.position));
        if let Some(urgency) = holder.urgency {
            self.view.remove(Key::urgency(&handle.agent, urgency, holder.position));
        }
        Ok(())
    }

    /// The live subscriptions, in the order of their ids.
    fn subscriptions(&self, agent: &AgentId) -> Result<Vec<(SubscriptionId, SubscriptionRecord)>, Fault> {
        let (from, to) = Key::subscriptions(agent);
        let mut live = Vec::new();
        for (key, record) in self.view.page(&from, &to, usize::MAX)? {
            let id = key::last_id(key.octets()).map(SubscriptionId::from_octets);
            let state = codec::decode_subscription(&key, &record)?;
            live.extend(id.filter(|_| !state.closing).map(|id| (id, state.record)));
        }
        Ok(live)
    }
}

/// Fills a page, entry by entry.
struct Pager<'a> {
    /// Whose messages are live; `None` for receipts, which belong to no subscription.
    live: Option<&'a BTreeSet<SubscriptionId>>,
    load: &'a Load,
    octets: u64,
    octets_max: u64,
    page: Page,
}

impl Pager<'_> {
    fn take(&mut self, key: &[u8], record: &[u8]) -> Result<ControlFlow<()>, Corrupt> {
        let bad = Corrupt { keyspace: Keyspace::Messages, damage: Damage::Field("key") };
        let position = key::position_of(key).ok_or(bad)?;
        let key = Key::message(&self.load.agent, position);
        let item = codec::decode_item(&key, self.load.agent, &Bytes::copy_from_slice(record))?;
        if self.live.is_none_or(|live| live.contains(&item.handle().subscription)) {
            let heavier = self.octets.saturating_add(weight(&item));
            let full = heavier > self.octets_max && !self.page.entries.is_empty();
            if full || self.page.entries.len() >= usize::try_from(self.load.limit).unwrap_or(usize::MAX) {
                self.page.more = true;
                return Ok(Break(()));
            }
            self.octets = heavier;
            self.page.entries.push(Entry { position, item });
        }
        self.page.through = position;
        Ok(Continue(()))
    }
}
