//! The rules, over plain maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use push_proto::{
    AgentId, Handle, Message, MessageId, Receipt, Slot, SubscriptionId, UnixTime, Urgency,
    store::{
        AgentKind, AgentRecord, Cause, Done, Entry, Hint, Item, Load, Operation, Page, Placed, Position, Put,
        SubscriptionRecord, Sweep, Unmet,
    },
};

use crate::{Quotas, receipt_owed, watch::News, weight};

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    quotas: Quotas,
    agents: BTreeMap<AgentId, Agent>,
    /// How many there are of each kind.
    counts: BTreeMap<AgentKind, u32>,
    /// When those that are not closing were seen.
    seen: BTreeSet<(AgentKind, UnixTime, AgentId)>,
    due: BTreeSet<(UnixTime, Due)>,
    last: Position,
    /// The latest time seen.
    clock: UnixTime,
    /// Until then nobody is idle.
    awaited: UnixTime,
}

#[derive(Clone, Debug)]
struct Agent {
    record: AgentRecord,
    closing: bool,
    seen: UnixTime,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    entries: BTreeMap<Position, Item>,
    slots: BTreeMap<(SubscriptionId, Slot), Position>,
    /// Messages by how little they matter, then by age.
    urgencies: BTreeSet<(Urgency, Position)>,
    octets: u64,
}

#[derive(Clone, Debug)]
struct Subscription {
    record: SubscriptionRecord,
    closing: bool,
}

/// What must happen at a point in time. Its order is the order in which a sweep works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Closing(AgentId, Option<SubscriptionId>),
    Entry(AgentId, Position),
}

/// Closing needs no time: it is due before all else.
const NOW: UnixTime = UnixTime::from_secs(0);

impl Ledger {
    pub(super) const fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            agents: BTreeMap::new(),
            counts: BTreeMap::new(),
            seen: BTreeSet::new(),
            due: BTreeSet::new(),
            last: Position::START,
            clock: NOW,
            awaited: NOW,
        }
    }

    pub(super) const fn latest(&self) -> UnixTime {
        self.clock
    }

    pub(super) fn apply(
        &mut self,
        operations: Vec<Operation>,
        news: &mut Vec<News>,
    ) -> Vec<Result<Done, Unmet>> {
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            let result = self.operate(operation, news);
            let unmet = result.is_err();
            results.push(result);
            if unmet {
                break;
            }
        }
        results
    }

    pub(super) fn load(&mut self, load: &Load) -> Result<Page, Unmet> {
        self.note_seen(load.agent, self.clock);
        let agent = self.live_agent(&load.agent).ok_or(Unmet::NoAgent)?;
        let live = agent.subscriptions.iter().filter(|(_, subscription)| !subscription.closing);
        let mut page = Page {
            record: agent.record,
            subscriptions: live.map(|(id, subscription)| (*id, subscription.record.clone())).collect(),
            entries: Vec::new(),
            through: load.after,
            more: false,
        };
        let mut octets = 0_u64;
        for (position, item) in agent.entries.range((Bound::Excluded(load.after), Bound::Unbounded)) {
            if agent.admits_access(&item.handle().subscription) {
                let heavier = octets.saturating_add(weight(item));
                let full = heavier > self.quotas.page_octets && !page.entries.is_empty();
                if full || page.entries.len() >= usize::try_from(load.limit).unwrap_or(usize::MAX) {
                    page.more = true;
                    break;
                }
                octets = heavier;
                page.entries.push(Entry { position: *position, item: item.clone() });
            }
            page.through = *position;
        }
        Ok(page)
    }

    pub(super) fn read(&self, handle: &Handle) -> Option<Item> {
        let position = self.live_entry(handle)?;
        self.agents.get(&handle.agent)?.entries.get(&position).cloned()
    }

    pub(super) fn expire(&mut self, now: UnixTime, news: &mut Vec<News>) -> Sweep {
        self.awaited = Quotas::awaited(self.clock, now).unwrap_or(self.awaited);
        self.clock = self.clock.max(now);
        let mut ended = self.close_idle(now, news);
        let mut expired = 0;
        while ended < self.quotas.expire {
            let Some((time, due)) = self.due.first().copied().filter(|(time, _)| *time <= now) else { break };
            let budget = self.quotas.expire - ended;
            match due {
                Due::Entry(agent, position) => {
                    let gone = self.end(agent, position, Cause::Expired, news);
                    news.extend(gone.map(|handle| News::all(agent, Hint::Ended(handle))));
                    ended += 1;
                    expired += 1;
                }
                Due::Closing(agent, subscription) => {
                    let (steps, finished) = self.dissolve(agent, subscription, budget, news);
                    ended += steps;
                    if finished {
                        self.due.remove(&(time, due));
                    }
                }
            }
        }
        let due = self.due.first().is_some_and(|(time, _)| *time <= now);
        let more = due || KINDS.into_iter().any(|kind| self.idle(kind, now).is_some());
        Sweep { ended, expired, more }
    }

    /// Closes a bounded number of agents that were not seen for long.
    fn close_idle(&mut self, now: UnixTime, news: &mut Vec<News>) -> u32 {
        let mut closed = 0;
        for kind in KINDS {
            while closed < self.quotas.expire
                && let Some(id) = self.idle(kind, now)
            {
                if self.close(id, None).is_ok() {
                    news.push(News::all(id, Hint::Closed(None)));
                }
                closed += 1;
            }
        }
        closed
    }

    /// The agent of this kind that was unseen longest, if it is idle.
    fn idle(&self, kind: AgentKind, now: UnixTime) -> Option<AgentId> {
        let until = self.quotas.idle_until(kind, now).filter(|_| self.awaited <= now)?;
        let first = AgentId::from_octets([0; push_proto::ID_OCTETS]);
        let (of, seen, id) = self.seen.range((kind, NOW, first)..).next()?;
        (*of == kind && *seen <= until).then_some(*id)
    }

    fn operate(&mut self, operation: Operation, news: &mut Vec<News>) -> Result<Done, Unmet> {
        match operation {
            Operation::CreateAgent(id, record) => self.create_agent(id, record).inspect(|_| {
                news.push(News::others(id, Hint::Changed));
            }),
            Operation::CreateSubscription(agent, id, record) => {
                self.create_subscription(agent, id, record).inspect(|_| {
                    news.push(News::others(agent, Hint::Changed));
                })
            }
            Operation::Put(put) => self.put(put, news).map(Done::Put),
            Operation::End(handle, cause) => {
                let position = self.live_entry(&handle).ok_or(Unmet::NotLive)?;
                self.end(handle.agent, position, cause, news);
                if cause == Cause::Acknowledged {
                    self.note_seen(handle.agent, self.clock);
                }
                news.push(News::others(handle.agent, Hint::Ended(handle)));
                Ok(Done::Ended)
            }
            Operation::Close(agent, subscription) => self.close(agent, subscription).inspect(|_| {
                news.push(News::others(agent, Hint::Closed(subscription)));
            }),
        }
    }

    fn create_agent(&mut self, id: AgentId, record: AgentRecord) -> Result<Done, Unmet> {
        if self.agents.contains_key(&id) {
            return Err(Unmet::Exists);
        }
        let count = self.counts.entry(record.kind).or_default();
        if *count >= self.quotas.agents_of(record.kind) {
            return Err(Unmet::Crowded);
        }
        *count += 1;
        let seen = self.clock.max(record.created);
        self.seen.insert((record.kind, seen, id));
        self.agents.insert(id, Agent::new(record, seen));
        Ok(Done::Created)
    }

    /// Notes that the peer of an agent did something, unless that is known nearly enough.
    fn note_seen(&mut self, id: AgentId, time: UnixTime) {
        let Some(agent) = self.live_agent(&id) else { return };
        let again = self.quotas.seen_again(agent.record.kind, agent.seen, time);
        self.set_seen(id, again);
    }

    /// Notes that a receipt may be owed on this receipt subscription until then.
    fn note_owed(&mut self, id: AgentId, expires: UnixTime) {
        let Some(agent) = self.live_agent(&id) else { return };
        let owed = self.quotas.seen_owed(agent.seen, expires);
        self.set_seen(id, owed);
    }

    fn set_seen(&mut self, id: AgentId, seen: Option<UnixTime>) {
        if let (Some(seen), Some(agent)) = (seen, self.agents.get_mut(&id)) {
            self.seen.remove(&(agent.record.kind, agent.seen, id));
            agent.seen = seen;
            self.seen.insert((agent.record.kind, seen, id));
        }
    }

    fn create_subscription(
        &mut self,
        agent_id: AgentId,
        id: SubscriptionId,
        record: SubscriptionRecord,
    ) -> Result<Done, Unmet> {
        let agent = self.agents.get_mut(&agent_id).filter(|agent| agent.takes_messages());
        let agent = agent.ok_or(Unmet::NoAgent)?;
        if agent.subscriptions.contains_key(&id) {
            return Err(Unmet::Exists);
        }
        if count(agent.subscriptions.len()) >= self.quotas.subscriptions {
            return Err(Unmet::Full);
        }
        let time = self.clock.max(record.created);
        agent.subscriptions.insert(id, Subscription { record, closing: false });
        self.note_seen(agent_id, time);
        Ok(Done::Created)
    }

    fn put(&mut self, put: Put, news: &mut Vec<News>) -> Result<Placed, Unmet> {
        let Put { message, sender, new_receipt_subscription } = put;
        let handle = message.handle;
        self.clock = self.clock.max(message.accepted);
        let agent = self.agents.get(&handle.agent).filter(|agent| agent.takes_messages());
        let agent = agent.ok_or(Unmet::NoSubscription)?;
        let subscription = agent.subscriptions.get(&handle.subscription).filter(|found| !found.closing);
        let subscription = subscription.ok_or(Unmet::NoSubscription)?;
        subscription.record.admits(sender.as_ref()).map_err(Unmet::Credentials)?;
        let transient = message.is_transient();
        if let Some(receipts) = &message.receipt {
            self.check_receipts(receipts, new_receipt_subscription, transient)?;
        }
        let taken = agent.slots.get(&(handle.subscription, handle.slot)).copied();
        let old = taken.and_then(|position| agent.entries.get(&position));
        let lesser = if transient { Vec::new() } else { self.lesser(agent, old, &message)? };
        if let Some(receipts) = message.receipt.filter(|_| new_receipt_subscription) {
            let record = AgentRecord { kind: AgentKind::Receipts, created: message.accepted };
            self.create_agent(receipts, record)?;
        }
        if let Some(receipts) = message.receipt {
            self.note_owed(receipts, message.expires);
        }
        let replaced = taken.and_then(|position| self.remove(handle.agent, position)).map(|old| old.handle());
        news.extend(replaced.map(|old| News::others(handle.agent, Hint::Ended(old))));
        let give_up = |position| self.end(handle.agent, position, Cause::Dropped, news);
        let dropped: Vec<_> = lesser.into_iter().filter_map(give_up).collect();
        news.extend(dropped.iter().map(|handle| News::others(handle.agent, Hint::Ended(*handle))));
        let position = (!transient).then(|| self.insert(Item::Message(message)));
        if position.is_some() {
            news.push(News::others(handle.agent, Hint::Arrived));
        }
        Ok(Placed { position, replaced: replaced.map(|old| old.id), dropped })
    }

    fn check_receipts(&self, id: &AgentId, new: bool, transient: bool) -> Result<(), Unmet> {
        let Some(agent) = self.agents.get(id) else {
            return if new { Ok(()) } else { Err(Unmet::NoReceiptSubscription) };
        };
        if new {
            return Err(Unmet::Exists);
        }
        if !agent.takes_receipts() {
            return Err(Unmet::NoReceiptSubscription);
        }
        let full = count(agent.entries.len()) >= self.quotas.receipts;
        if full && !transient { Err(Unmet::Full) } else { Ok(()) }
    }

    /// What must be given up so that there is room: messages of lower urgency, lowest first, the oldest of each first.
    fn lesser(&self, agent: &Agent, old: Option<&Item>, new: &Arc<Message>) -> Result<Vec<Position>, Unmet> {
        let mut entries = count(agent.entries.len()).saturating_sub(u32::from(old.is_some()));
        let octets = agent.octets.saturating_sub(old.map_or(0, weight));
        let mut octets = octets.saturating_add(weight(&Item::Message(Arc::clone(new))));
        let replaced = old.map(Item::handle);
        let mut lesser = agent.urgencies.iter().take_while(|(urgency, _)| *urgency < new.urgency);
        let mut given_up = Vec::new();
        while entries >= self.quotas.entries || octets > self.quotas.octets {
            let (_, position) = lesser.next().ok_or(Unmet::Full)?;
            let Some(item) = agent.entries.get(position).filter(|item| Some(item.handle()) != replaced)
            else {
                continue;
            };
            if count(given_up.len()) >= self.quotas.dropped {
                return Err(Unmet::Full);
            }
            entries = entries.saturating_sub(1);
            octets = octets.saturating_sub(weight(item));
            given_up.push(*position);
        }
        Ok(given_up)
    }

    fn close(&mut self, id: AgentId, subscription: Option<SubscriptionId>) -> Result<Done, Unmet> {
        let agent = self.agents.get_mut(&id).filter(|agent| !agent.closing).ok_or(Unmet::NoAgent)?;
        match subscription {
            None => {
                agent.closing = true;
                self.seen.remove(&(agent.record.kind, agent.seen, id));
            }
            Some(subscription) => {
                let found = agent.subscriptions.get_mut(&subscription).filter(|found| !found.closing);
                found.ok_or(Unmet::NoSubscription)?.closing = true;
            }
        }
        self.due.insert((NOW, Due::Closing(id, subscription)));
        Ok(Done::Closed)
    }

    /// Ends at most `budget` of what is closing and removes its records; says how many, and whether that was all.
    fn dissolve(
        &mut self,
        id: AgentId,
        subscription: Option<SubscriptionId>,
        budget: u32,
        news: &mut Vec<News>,
    ) -> (u32, bool) {
        let mut steps = 0;
        while steps < budget {
            let Some(agent) = self.agents.get_mut(&id) else { return (steps, true) };
            let mut slots =
                agent.slots.iter().filter(|((of, _), _)| subscription.is_none_or(|one| one == *of));
            if let Some(position) = slots.next().map(|(_, position)| *position) {
                let gone = self.end(id, position, Cause::SubscriptionGone, news);
                news.extend(gone.map(|handle| News::all(id, Hint::Ended(handle))));
            } else if let Some(one) = subscription {
                let removed = agent.subscriptions.remove(&one).is_some();
                return (steps + u32::from(removed), true);
            } else if agent.subscriptions.pop_first().is_none() {
                let kind = agent.record.kind;
                self.agents.remove(&id);
                self.counts.entry(kind).and_modify(|count| *count = count.saturating_sub(1));
                return (steps + 1, true);
            }
            steps += 1;
        }
        (steps, false)
    }

    /// Takes the entry out and queues the receipt it owes.
    fn end(
        &mut self,
        agent: AgentId,
        position: Position,
        cause: Cause,
        news: &mut Vec<News>,
    ) -> Option<Handle> {
        let item = self.remove(agent, position)?;
        if let Item::Message(message) = &item
            && let Some(receipt) = self.receipt(message, cause)
        {
            self.insert(Item::Receipt(receipt));
            news.push(News::all(receipt.agent, Hint::Arrived));
        }
        Some(item.handle())
    }

    /// The receipt to keep, if one is owed, its receipt subscription still takes it, and there is none yet (G4).
    fn receipt(&self, message: &Message, cause: Cause) -> Option<Receipt> {
        let expires = self.clock.saturating_add_secs(self.quotas.receipt_secs.max(1));
        let receipt = receipt_owed(message.receipt, (message.handle, message.sealed_by), cause, expires)?;
        let agent = self.agents.get(&receipt.agent).filter(|agent| agent.takes_receipts())?;
        let handle = receipt.handle();
        let taken = agent.slots.contains_key(&(handle.subscription, handle.slot));
        (!taken && count(agent.entries.len()) < self.quotas.receipts).then_some(receipt)
    }

    fn insert(&mut self, item: Item) -> Position {
        self.last = Position(self.last.0.saturating_add(1));
        let handle = item.handle();
        if let Some(agent) = self.agents.get_mut(&handle.agent) {
            self.due.insert((item.expires(), Due::Entry(handle.agent, self.last)));
            agent.octets = agent.octets.saturating_add(weight(&item));
            agent.slots.insert((handle.subscription, handle.slot), self.last);
            agent.urgencies.extend(urgency(&item).map(|urgency| (urgency, self.last)));
            agent.entries.insert(self.last, item);
        }
        self.last
    }

    fn remove(&mut self, id: AgentId, position: Position) -> Option<Item> {
        let agent = self.agents.get_mut(&id)?;
        let item = agent.entries.remove(&position)?;
        let handle = item.handle();
        self.due.remove(&(item.expires(), Due::Entry(id, position)));
        agent.octets = agent.octets.saturating_sub(weight(&item));
        agent.slots.remove(&(handle.subscription, handle.slot));
        if let Some(urgency) = urgency(&item) {
            agent.urgencies.remove(&(urgency, position));
        }
        Some(item)
    }

    fn live_agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.get(id).filter(|agent| !agent.closing)
    }

    fn live_entry(&self, handle: &Handle) -> Option<Position> {
        let agent = self.live_agent(&handle.agent)?;
        let position = agent.slots.get(&(handle.subscription, handle.slot))?;
        let id: MessageId = agent.entries.get(position)?.handle().id;
        (id == handle.id && agent.admits_access(&handle.subscription)).then_some(*position)
    }
}

impl Agent {
    const fn new(record: AgentRecord, seen: UnixTime) -> Self {
        Self {
            record,
            closing: false,
            seen,
            subscriptions: BTreeMap::new(),
            entries: BTreeMap::new(),
            slots: BTreeMap::new(),
            urgencies: BTreeSet::new(),
            octets: 0,
        }
    }

    fn takes_messages(&self) -> bool {
        !self.closing && self.record.kind == AgentKind::UserAgent
    }

    fn takes_receipts(&self) -> bool {
        !self.closing && self.record.kind == AgentKind::Receipts
    }

    /// Whether entries of this subscription are live; receipts belong to none.
    fn admits_access(&self, subscription: &SubscriptionId) -> bool {
        match self.record.kind {
            AgentKind::UserAgent => self.subscriptions.get(subscription).is_some_and(|found| !found.closing),
            AgentKind::Receipts => true,
        }
    }
}

/// Of a message; receipts have none.
fn urgency(item: &Item) -> Option<Urgency> {
    match item {
        Item::Message(message) => Some(message.urgency),
        Item::Receipt(_) => None,
    }
}

/// In the order in which a sweep looks for idle agents.
const KINDS: [AgentKind; 2] = [AgentKind::UserAgent, AgentKind::Receipts];

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
