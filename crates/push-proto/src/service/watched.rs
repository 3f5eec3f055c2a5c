//! The agents that someone monitors here: their records, their monitors, and the monitors' timers.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use super::{
    Delivery, Exchange, Monitor as Wanted, Response, Target, Transfer,
    monitor::Monitor,
    turn::{Pending, Standing, Turn},
};
use crate::{
    AgentId, Handle, Message, Mono, PublicKey, Refusal, SubscriptionId,
    store::{Command, Hint, Item, Page, Position, SubscriptionRecord, Ticket, Unmet},
};

/// A watched agent.
#[derive(Debug, Default)]
struct Agent {
    /// Whether hints come; nothing is loaded before.
    watching: bool,
    /// Its live subscriptions, once a page has told them.
    subscriptions: Option<Records>,
}

/// The records of an agent's subscriptions, in the order of their ids: most have a few, and there are as many agents as
/// connections, so that a tree would be mostly room.
#[derive(Debug)]
struct Records(Vec<(SubscriptionId, SubscriptionRecord)>);

impl Records {
    /// As a page has them, in order.
    fn new(mut records: Vec<(SubscriptionId, SubscriptionRecord)>) -> Self {
        records.shrink_to_fit();
        Self(records)
    }

    fn find(&self, id: SubscriptionId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }

    fn get(&self, id: SubscriptionId) -> Option<&SubscriptionRecord> {
        self.find(id).ok().and_then(|at| self.0.get(at)).map(|(_, record)| record)
    }

    fn insert(&mut self, id: SubscriptionId, record: SubscriptionRecord) {
        match self.find(id) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.1 = record;
                }
            }
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (id, record));
            }
        }
    }

    fn remove(&mut self, id: SubscriptionId) {
        if let Ok(at) = self.find(id) {
            self.0.remove(at);
        }
    }
}

/// All that is monitored on this shard.
#[derive(Debug, Default)]
pub(super) struct Watched {
    agents: BTreeMap<AgentId, Agent>,
    monitors: BTreeMap<Target, Monitor>,
    timers: BTreeSet<(Mono, Target)>,
    /// Subscriptions, and agents as a whole, whose end is on its way to the store: as many as requests may be.
    closing: BTreeSet<(AgentId, Option<SubscriptionId>)>,
    /// Body octets of what waits in the monitors.
    waiting_octets: usize,
    /// Monitors of sets.
    sets: usize,
    /// Monitors of receipt subscriptions.
    receipts: usize,
}

impl Watched {
    /// Opens a monitor; it ends an older one of the same target in good order.
    pub(super) fn open(&mut self, exchange: Exchange, wanted: &Wanted, turn: &mut Turn<'_>) {
        let target = wanted.target;
        if self.monitors.contains_key(&target) {
            self.end_with(target, |monitor| monitor.end(true), turn);
        } else if self.monitors.len() >= turn.limits.monitors {
            return turn.effects.refuse(exchange, Refusal::OVERLOADED.retry_in(turn.limits.retry_after));
        } else if self.targets(target.agent()).len() >= turn.limits.agent_monitors {
            let refusal = Refusal::MONITORS_EXCEEDED.retry_in(turn.limits.retry_after);
            return turn.effects.refuse(exchange, refusal);
        }
        turn.effects.exchanges.insert(exchange, Standing::Monitoring(target));
        let mut monitor = Monitor::new(exchange, wanted, turn);
        let agent = target.agent();
        match self.agents.get(&agent) {
            Some(Agent { watching: true, .. }) => monitor.open(turn),
            Some(_) => {}
            None => {
                self.agents.insert(agent, Agent::default());
                turn.effects.ask(Pending::Watch(agent), |ticket| Command::Watch(ticket, agent));
            }
        }
        self.monitors.insert(target, monitor);
        if let Some(count) = self.counted(target) {
            *count += 1;
        }
        self.reschedule(target, turn);
    }

    /// The peer of a monitor has gone.
    pub(super) fn cancel(&mut self, target: Target, turn: &mut Turn<'_>) {
        self.remove(target, turn);
    }

    /// The connection of a monitor can take more.
    pub(super) fn grant(&mut self, target: Target, more: u32, turn: &mut Turn<'_>) {
        self.with(target, turn, |monitor, _| monitor.grant(more));
    }

    /// What became of a push.
    pub(super) fn transferred(
        &mut self,
        target: Target,
        delivery: Delivery,
        transfer: Transfer,
        turn: &mut Turn<'_>,
    ) {
        let mut supported = true;
        self.with(target, turn, |monitor, turn| supported = monitor.transferred(delivery, transfer, turn));
        if !supported {
            self.end(target, Some(Refusal::PUSH_UNSUPPORTED), turn);
        }
    }

    /// Hints about an agent begin: load what was committed before.
    pub(super) fn watching(&mut self, agent: AgentId, turn: &mut Turn<'_>) {
        let Some(watched) = self.agents.get_mut(&agent) else { return };
        watched.watching = true;
        for target in self.targets(agent) {
            if let Some(monitor) = self.monitors.get_mut(&target) {
                monitor.open(turn);
            }
        }
    }

    /// A page for a monitor has come.
    pub(super) fn loaded(
        &mut self,
        target: Target,
        ticket: Ticket,
        page: Result<Box<Page>, Unmet>,
        turn: &mut Turn<'_>,
    ) {
        let Ok(mut page) = page else { return self.closed(target.agent(), None, turn) };
        if let Some(agent) = self.agents.get_mut(&target.agent()) {
            agent.subscriptions = Some(Records::new(core::mem::take(&mut page.subscriptions)));
        }
        if self.is_gone(target) {
            return self.end(target, Some(Refusal::NOT_FOUND), turn);
        }
        self.with(target, turn, |monitor, turn| monitor.loaded(ticket, &mut page, turn));
    }

    /// Hints cannot be had, so monitoring would be a false promise.
    pub(super) fn watch_failed(&mut self, agent: AgentId, turn: &mut Turn<'_>) {
        for target in self.targets(agent) {
            self.load_failed(target, turn);
        }
    }

    /// A page could not be had.
    pub(super) fn load_failed(&mut self, target: Target, turn: &mut Turn<'_>) {
        let refusal = Refusal::STORE_UNAVAILABLE.retry_in(turn.limits.retry_after);
        self.end(target, Some(refusal), turn);
    }

    /// Pushes a message whose commit is still on its way, where its subscription is known to admit the sender and
    /// somebody monitors with nothing before it in line. Whether anybody got it.
    pub(super) fn push_early(
        &mut self,
        message: &Arc<Message>,
        sender: Option<&PublicKey>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Handle { agent, subscription, .. } = message.handle;
        let known = self.agents.get(&agent).and_then(|agent| agent.subscriptions.as_ref());
        let record = known.and_then(|subscriptions| subscriptions.get(subscription));
        let admitted = record.is_some_and(|record| record.admits(sender).is_ok());
        // Its end may be committed before it is, and then it is refused.
        let closing =
            [None, Some(subscription)].iter().any(|member| self.closing.contains(&(agent, *member)));
        admitted && !closing && self.push_now(message, turn)
    }

    /// The end of a subscription, or of the agent as a whole, is asked of the store.
    pub(super) fn closing(&mut self, agent: AgentId, member: Option<SubscriptionId>) {
        self.closing.insert((agent, member));
    }

    /// The store has answered that.
    pub(super) fn settled(&mut self, agent: AgentId, member: Option<SubscriptionId>) {
        self.closing.remove(&(agent, member));
    }

    /// Pushes a transient message, now that it is known to be welcome. Whether anybody got it.
    pub(super) fn push_now(&mut self, message: &Arc<Message>, turn: &mut Turn<'_>) -> bool {
        let item = Item::Message(Arc::clone(message));
        let mut took = false;
        for target in audience(&message.handle) {
            self.with(target, turn, |monitor, turn| {
                took |= match message.is_transient() {
                    true => monitor.push_transient(&item, turn),
                    false => monitor.push_early(&item, turn),
                };
            });
        }
        took
    }

    /// A message is committed.
    pub(super) fn stored(&mut self, message: &Arc<Message>, position: Position, turn: &mut Turn<'_>) {
        let item = Item::Message(Arc::clone(message));
        for target in audience(&message.handle) {
            self.with(target, turn, |monitor, turn| monitor.stored(&item, position, turn));
        }
    }

    /// An entry has ended.
    pub(super) fn ended(&mut self, handle: &Handle, turn: &mut Turn<'_>) {
        let receipts = Target::Receipts(handle.agent);
        for target in audience(handle).into_iter().chain([receipts]) {
            self.with(target, turn, |monitor, turn| monitor.ended(handle, turn));
        }
    }

    /// Ends a transient message that was pushed here; the store knows nothing of it. Whether there was one.
    pub(super) fn acknowledge_transient(&mut self, handle: &Handle, turn: &mut Turn<'_>) -> bool {
        let held = audience(handle)
            .iter()
            .any(|target| self.monitors.get(target).is_some_and(|monitor| monitor.holds_transient(handle)));
        if held {
            self.ended(handle, turn);
        }
        held
    }

    /// A subscription was added to an agent.
    pub(super) fn subscribed(&mut self, agent: AgentId, id: SubscriptionId, record: &SubscriptionRecord) {
        let known = self.agents.get_mut(&agent).and_then(|agent| agent.subscriptions.as_mut());
        if let Some(subscriptions) = known {
            subscriptions.insert(id, record.clone());
        }
    }

    /// A subscription, or the agent as a whole, is closing: its monitors end with 404 (`8030-7.3-2`, `8030-7.3.1-2`).
    pub(super) fn closed(&mut self, agent: AgentId, member: Option<SubscriptionId>, turn: &mut Turn<'_>) {
        let Some(member) = member else {
            for target in self.targets(agent) {
                self.end(target, Some(Refusal::NOT_FOUND), turn);
            }
            return;
        };
        let known = self.agents.get_mut(&agent).and_then(|agent| agent.subscriptions.as_mut());
        if let Some(subscriptions) = known {
            subscriptions.remove(member);
        }
        self.end(Target::Subscription(agent, member), Some(Refusal::NOT_FOUND), turn);
        self.with(Target::Set(agent), turn, |monitor, turn| monitor.member_gone(member, turn));
    }

    /// Something happened to an agent elsewhere.
    pub(super) fn hinted(&mut self, agent: AgentId, hint: &Hint, turn: &mut Turn<'_>) {
        match hint {
            Hint::Ended(handle) => self.ended(handle, turn),
            Hint::Closed(member) => self.closed(agent, *member, turn),
            Hint::Offered(message) => {
                self.push_now(message, turn);
            }
            Hint::Arrived | Hint::Changed => {
                for target in self.targets(agent) {
                    self.with(target, turn, |monitor, _| monitor.mark_behind());
                }
            }
        }
    }

    /// Runs every timer that is due.
    pub(super) fn elapse(&mut self, turn: &mut Turn<'_>) {
        while let Some((_, target)) = self.timers.first().copied().filter(|(at, _)| *at <= turn.now.mono) {
            self.timers.pop_first();
            let Some(monitor) = self.monitors.get_mut(&target) else { continue };
            monitor.wake = None;
            if monitor.elapse(turn) {
                self.end(target, None, turn);
            } else {
                self.with(target, turn, |_, _| {});
            }
        }
    }

    /// The wall clock was set forward: every deadline that stands for an expiry comes sooner.
    pub(super) fn leap(&mut self, turn: &mut Turn<'_>) {
        let targets: Vec<_> = self.monitors.keys().copied().collect();
        for target in targets {
            self.with(target, turn, Monitor::expire);
        }
    }

    /// Open monitors.
    pub(super) fn len(&self) -> usize {
        self.monitors.len()
    }

    /// Those of sets.
    pub(super) const fn sets(&self) -> usize {
        self.sets
    }

    /// Those of receipt subscriptions.
    pub(super) const fn receipts(&self) -> usize {
        self.receipts
    }

    /// Body octets of what waits in the monitors.
    pub(super) const fn waiting_octets(&self) -> usize {
        self.waiting_octets
    }

    /// The first timer.
    pub(super) fn next_wake(&self) -> Option<Mono> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Ends every monitor: in good order, or with a refusal.
    pub(super) fn end_all(&mut self, refusal: Option<Refusal>, turn: &mut Turn<'_>) {
        let targets: Vec<_> = self.monitors.keys().copied().collect();
        for target in targets {
            self.end(target, refusal, turn);
        }
    }

    /// Lets `change` happen to a monitor, then pushes and loads what that made possible.
    fn with(
        &mut self,
        target: Target,
        turn: &mut Turn<'_>,
        change: impl FnOnce(&mut Monitor, &mut Turn<'_>),
    ) {
        let Some(monitor) = self.monitors.get_mut(&target) else { return };
        change(monitor, turn);
        let watching = self.agents.get(&target.agent()).is_some_and(|agent| agent.watching);
        if watching && monitor.fill(turn) {
            self.end(target, None, turn);
        } else {
            self.reschedule(target, turn);
        }
    }

    fn reschedule(&mut self, target: Target, turn: &Turn<'_>) {
        let Some(monitor) = self.monitors.get_mut(&target) else { return };
        let counted = monitor.waiting_octets;
        self.waiting_octets = self.waiting_octets.saturating_sub(counted).saturating_add(monitor.count());
        let wake = Some(monitor.next_wake(turn));
        if monitor.wake != wake {
            if let Some(at) = monitor.wake {
                self.timers.remove(&(at, target));
            }
            monitor.wake = wake;
            self.timers.extend(wake.map(|at| (at, target)));
        }
    }

    /// Ends a monitor: with a refusal, or in good order.
    fn end(&mut self, target: Target, refusal: Option<Refusal>, turn: &mut Turn<'_>) {
        self.end_with(target, |monitor| refusal.map_or_else(|| monitor.end(false), Response::Refused), turn);
    }

    fn end_with(&mut self, target: Target, response: impl FnOnce(&Monitor) -> Response, turn: &mut Turn<'_>) {
        let Some(monitor) = self.remove(target, turn) else { return };
        monitor.retract_all(turn);
        turn.effects.respond(monitor.exchange, response(&monitor));
    }

    fn remove(&mut self, target: Target, turn: &mut Turn<'_>) -> Option<Monitor> {
        let monitor = self.monitors.remove(&target)?;
        if let Some(count) = self.counted(target) {
            *count = count.saturating_sub(1);
        }
        self.waiting_octets = self.waiting_octets.saturating_sub(monitor.waiting_octets);
        if let Some(at) = monitor.wake {
            self.timers.remove(&(at, target));
        }
        let agent = target.agent();
        if self.targets(agent).is_empty() && self.agents.remove(&agent).is_some() {
            turn.effects.tell(Command::Unwatch(agent));
        }
        Some(monitor)
    }

    /// Where monitors of this kind are counted by themselves.
    const fn counted(&mut self, target: Target) -> Option<&mut usize> {
        match target {
            Target::Set(_) => Some(&mut self.sets),
            Target::Receipts(_) => Some(&mut self.receipts),
            Target::Subscription(..) => None,
        }
    }

    /// Whether the agent's records are known and do not have the target.
    fn is_gone(&self, target: Target) -> bool {
        let Target::Subscription(agent, subscription) = target else { return false };
        let known = self.agents.get(&agent).and_then(|agent| agent.subscriptions.as_ref());
        known.is_some_and(|subscriptions| subscriptions.get(subscription).is_none())
    }

    /// The monitored targets of an agent.
    fn targets(&self, agent: AgentId) -> Vec<Target> {
        let [first, last] = [0, 0xff]
            .map(|octet| Target::Subscription(agent, SubscriptionId::from_octets([octet; crate::ID_OCTETS])));
        let members = self.monitors.range(first..=last).map(|(target, _)| *target);
        let whole = [Target::Set(agent), Target::Receipts(agent)];
        let whole = whole.into_iter().filter(|target| self.monitors.contains_key(target));
        whole.chain(members).collect()
    }
}

/// Who may want a message: monitors of its set and of its subscription.
const fn audience(handle: &Handle) -> [Target; 2] {
    [Target::Set(handle.agent), Target::Subscription(handle.agent, handle.subscription)]
}
