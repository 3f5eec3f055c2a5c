//! What a store must say, by maps of sets and the words of the contract: no positions of its own, no index, no sweep in
//! parts. It holds the reference itself to account, and so everything that is compared with the reference.

use std::collections::{BTreeMap, BTreeSet};

use push_proto::{
    AgentId, Handle, Message, MessageId, Outcome, SubscriptionId, UnixTime,
    store::{
        AgentKind, Cause, Command, Completion, Done, Item, Load, Operation, Page, Placed, Position, Put,
        SubscriptionRecord, Unmet,
    },
};
use push_store::{Quotas, weight};

/// Quotas under which every answer follows from the commands: nobody is idle, every sweep is whole, receipts stay.
pub(crate) const PLAIN: Quotas = Quotas {
    agent_idle_secs: 0,
    receipts_idle_secs: 0,
    receipts: 1000,
    expire: 1000,
    receipt_secs: 1_000_000,
    ..crate::QUOTAS
};

#[derive(Clone, Default)]
pub(crate) struct Truth {
    agents: BTreeMap<AgentId, Agent>,
}

#[derive(Clone)]
struct Agent {
    kind: AgentKind,
    closing: bool,
    subscriptions: BTreeMap<SubscriptionId, (SubscriptionRecord, bool)>,
    /// In the order of acceptance.
    messages: Vec<(Position, Message)>,
    /// Whose outcome waits to be told.
    receipts: BTreeMap<MessageId, Outcome>,
}

impl Truth {
    /// The reference said this.
    pub(crate) fn check(&mut self, command: &Command, said: &Completion) {
        match (command, said) {
            (Command::Apply(_, operations), Completion::Applied(_, results)) => {
                for (operation, result) in operations.iter().zip(results) {
                    let expected = self.operate(operation);
                    assert_eq!(blind(result), blind(&expected), "{operation:?}");
                    if let (Operation::Put(put), Ok(Done::Put(placed))) = (operation, result) {
                        self.stored(&put.message, placed.position);
                    }
                }
                let stopped = results.last().is_some_and(Result::is_err);
                assert!(results.len() == operations.len() || stopped, "{results:?}");
            }
            (Command::Load(_, load), Completion::Loaded(_, page)) => self.check_page(load, page),
            (Command::Read(_, handle), Completion::Read(_, item)) => self.check_read(handle, item.as_ref()),
            (Command::Expire(_, now), Completion::Expired(_, sweep)) => {
                assert!(!sweep.more);
                self.sweep(*now);
            }
            (command, said) => assert!(matches!(said, Completion::Watching(_)), "{command:?}: {said:?}"),
        }
    }

    fn operate(&mut self, operation: &Operation) -> Result<Done, Unmet> {
        match operation {
            Operation::CreateAgent(id, record) => self.create(*id, record.kind),
            Operation::CreateSubscription(agent, id, record) => {
                let agent = self.live_mut(agent, AgentKind::UserAgent).ok_or(Unmet::NoAgent)?;
                if agent.subscriptions.contains_key(id) {
                    return Err(Unmet::Exists);
                }
                if agent.subscriptions.len() >= PLAIN.subscriptions as usize {
                    return Err(Unmet::Full);
                }
                agent.subscriptions.insert(*id, (record.clone(), false));
                Ok(Done::Created)
            }
            Operation::Put(put) => self.put(put).map(Done::Put),
            Operation::End(handle, cause) => {
                let _live = self.find(handle).ok_or(Unmet::NotLive)?;
                self.end(handle, *cause);
                Ok(Done::Ended)
            }
            Operation::Close(id, subscription) => {
                let agent = self.agents.get_mut(id).filter(|agent| !agent.closing).ok_or(Unmet::NoAgent)?;
                match subscription {
                    None => agent.closing = true,
                    Some(id) => {
                        let found = agent.subscriptions.get_mut(id).filter(|(_, closing)| !closing);
                        found.ok_or(Unmet::NoSubscription)?.1 = true;
                    }
                }
                Ok(Done::Closed)
            }
        }
    }

    fn create(&mut self, id: AgentId, kind: AgentKind) -> Result<Done, Unmet> {
        if self.agents.contains_key(&id) {
            return Err(Unmet::Exists);
        }
        let quota = match kind {
            AgentKind::UserAgent => PLAIN.agents,
            AgentKind::Receipts => PLAIN.receipt_subscriptions,
        };
        if self.agents.values().filter(|agent| agent.kind == kind).count() >= quota as usize {
            return Err(Unmet::Crowded);
        }
        let (subscriptions, receipts) = (BTreeMap::new(), BTreeMap::new());
        self.agents.insert(id, Agent { kind, closing: false, subscriptions, messages: Vec::new(), receipts });
        Ok(Done::Created)
    }

    /// All that a put does, but for the message itself.
    fn put(&mut self, put: &Put) -> Result<Placed, Unmet> {
        let (message, handle) = (&put.message, put.message.handle);
        let agent = self.live_mut(&handle.agent, AgentKind::UserAgent).ok_or(Unmet::NoSubscription)?;
        let found = agent.subscriptions.get(&handle.subscription).filter(|(_, closing)| !closing);
        let (record, _) = found.ok_or(Unmet::NoSubscription)?;
        record.admits(put.sender.as_ref()).map_err(Unmet::Credentials)?;
        let (old, given_up) = agent.make_room(message);
        if let Some(receipts) = &message.receipt {
            match self.agents.get(receipts) {
                Some(_) if put.new_receipt_subscription => return Err(Unmet::Exists),
                None if put.new_receipt_subscription => {}
                Some(agent) if agent.kind == AgentKind::Receipts && !agent.closing => {}
                _ => return Err(Unmet::NoReceiptSubscription),
            }
        }
        let dropped = if message.is_transient() { Vec::new() } else { given_up.ok_or(Unmet::Full)? };
        if let Some(receipts) = message.receipt.filter(|_| put.new_receipt_subscription) {
            self.create(receipts, AgentKind::Receipts)?;
        }
        let replaced = old.map(|old| old.id);
        old.into_iter().for_each(|old| drop(self.take(&old)));
        dropped.iter().for_each(|handle| self.end(handle, Cause::Dropped));
        Ok(Placed { position: None, replaced, dropped })
    }

    /// Where the store put it. That is after all that it put before.
    fn stored(&mut self, message: &Message, position: Option<Position>) {
        assert_eq!(position.is_some(), !message.is_transient());
        let agent = self.agents.get_mut(&message.handle.agent).unwrap();
        if let Some(position) = position {
            assert!(agent.messages.last().is_none_or(|(last, _)| *last < position));
            agent.messages.push((position, message.clone()));
        }
    }

    fn take(&mut self, handle: &Handle) -> Option<Message> {
        let messages = &mut self.agents.get_mut(&handle.agent)?.messages;
        let place = messages.iter().position(|(_, message)| message.handle == *handle)?;
        Some(messages.remove(place).1)
    }

    /// A message or a receipt ends. Who asked for the outcome of a message is owed it.
    fn end(&mut self, handle: &Handle, cause: Cause) {
        let Some(message) = self.take(handle) else {
            self.agents.get_mut(&handle.agent).unwrap().receipts.remove(&handle.id);
            return;
        };
        let outcome = if cause == Cause::Acknowledged { Outcome::Delivered } else { Outcome::Failed };
        if let Some(agent) = message.receipt.and_then(|id| self.live_mut(&id, AgentKind::Receipts)) {
            agent.receipts.insert(handle.id, outcome);
        }
    }

    fn sweep(&mut self, now: UnixTime) {
        let ended = |agent: &Agent| {
            let gone = |message: &Message| !agent.serves(&message.handle.subscription);
            let messages = agent.messages.iter().map(|(_, message)| message);
            let ended = messages.filter(|message| gone(message) || message.expires <= now);
            ended.map(|message| message.handle).collect::<Vec<_>>()
        };
        let ended: Vec<_> = self.agents.values().flat_map(ended).collect();
        // Why makes no difference to its receipt.
        ended.iter().for_each(|handle| self.end(handle, Cause::Expired));
        self.agents.retain(|_, agent| !agent.closing);
        for agent in self.agents.values_mut() {
            agent.subscriptions.retain(|_, (_, closing)| !*closing);
        }
    }

    fn live_mut(&mut self, id: &AgentId, kind: AgentKind) -> Option<&mut Agent> {
        self.agents.get_mut(id).filter(|agent| agent.kind == kind && !agent.closing)
    }

    /// What is live under this handle: a message, or a receipt.
    fn find(&self, handle: &Handle) -> Option<Result<&Message, Outcome>> {
        let agent = self.agents.get(&handle.agent).filter(|agent| !agent.closing)?;
        match agent.kind {
            AgentKind::UserAgent => {
                let found = agent.messages.iter().find(|(_, message)| message.handle == *handle);
                found.map(|(_, message)| Ok(message)).filter(|_| agent.serves(&handle.subscription))
            }
            AgentKind::Receipts => agent.receipts.get(&handle.id).map(|outcome| Err(*outcome)),
        }
    }

    fn check_read(&self, handle: &Handle, said: Option<&Item>) {
        match (said, self.find(handle)) {
            (None, None) => {}
            (Some(Item::Message(said)), Some(Ok(message))) => assert_eq!(**said, *message),
            (Some(Item::Receipt(said)), Some(Err(outcome))) => assert_eq!(said.outcome, outcome),
            (said, found) => panic!("{handle:?}: read {said:?}, there is {found:?}"),
        }
    }

    fn check_page(&self, load: &Load, page: &Result<Box<Page>, Unmet>) {
        let agent = self.agents.get(&load.agent).filter(|agent| !agent.closing);
        let (Some(agent), Ok(page)) = (agent, page) else {
            assert!(agent.is_none() && *page == Err(Unmet::NoAgent), "{load:?}: {page:?}");
            return;
        };
        assert_eq!(page.record.kind, agent.kind);
        let live = agent.subscriptions.iter().filter(|(_, (_, closing))| !closing);
        assert!(live.map(|(id, (record, _))| (*id, record.clone())).eq(page.subscriptions.iter().cloned()));
        let items: Vec<_> = page.entries.iter().map(|entry| &entry.item).collect();
        if agent.kind == AgentKind::Receipts {
            let told = items.iter().map(|item| match item {
                Item::Receipt(receipt) => (receipt.message.id, receipt.outcome),
                Item::Message(message) => panic!("{message:?} is no receipt"),
            });
            let told: BTreeSet<_> = told.collect();
            let owed: BTreeSet<_> = agent.receipts.iter().map(|(id, outcome)| (*id, *outcome)).collect();
            let whole = load.after == Position::START && !page.more;
            assert!(if whole { told == owed } else { told.is_subset(&owed) }, "{told:?}, owed {owed:?}");
            return;
        }
        let waiting = agent.messages.iter().filter(|(position, _)| *position > load.after);
        let waiting = waiting.map(|(_, message)| message);
        let waiting: Vec<_> = waiting.filter(|message| agent.serves(&message.handle.subscription)).collect();
        assert!(items.len() == waiting.len() || (page.more && items.len() < waiting.len()), "{page:?}");
        for (item, message) in items.iter().zip(waiting) {
            assert!(matches!(item, Item::Message(item) if **item == *message), "{item:?}, {message:?}");
        }
    }
}

impl Agent {
    fn serves(&self, subscription: &SubscriptionId) -> bool {
        !self.closing && self.subscriptions.get(subscription).is_some_and(|(_, closing)| !closing)
    }

    /// What has the place of a new message, and what must be given up for it: what matters less, the least first, the
    /// oldest of each first. None if that is not enough.
    fn make_room(&self, new: &Message) -> (Option<Handle>, Option<Vec<Handle>>) {
        let weigh = |message: &Message| weight(&Item::Message(message.clone().into()));
        let place = |message: &Message| (message.handle.subscription, message.handle.slot);
        let (old, others): (Vec<_>, Vec<_>) =
            self.messages.iter().map(|(_, message)| message).partition(|one| place(one) == place(new));
        let mut lesser: Vec<_> = others.iter().filter(|other| other.urgency < new.urgency).collect();
        lesser.sort_by_key(|message| message.urgency);
        let (mut count, mut octets) = (others.len(), others.iter().copied().map(weigh).sum::<u64>());
        octets += weigh(new);
        let (mut given_up, mut lesser) = (Vec::new(), lesser.into_iter());
        while count >= PLAIN.entries as usize || octets > PLAIN.octets {
            let next = lesser.next().filter(|_| given_up.len() < PLAIN.dropped as usize);
            let Some(next) = next else { return (old.first().map(|old| old.handle), None) };
            (count, octets) = (count - 1, octets - weigh(next));
            given_up.push(next.handle);
        }
        (old.first().map(|old| old.handle), Some(given_up))
    }
}

/// Positions are the store's own.
fn blind(result: &Result<Done, Unmet>) -> Result<Done, Unmet> {
    match result {
        Ok(Done::Put(placed)) => Ok(Done::Put(Placed { position: None, ..placed.clone() })),
        other => other.clone(),
    }
}
