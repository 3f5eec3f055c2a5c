//! G1 to G4 under any interleaving that two agents, a slow store and restarts can make of a service.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use push_proto::{
    AgentId, Handle, MessageId, Outcome, Refusal, SubscriptionId, Ttl, Urgency,
    service::{Exchange, Input, Limits, ReceiptRequest, Request, Response, Send, Target, Transfer},
    store::Item,
};

use push_store::Quotas;

use crate::world::{World, message, named, topic};

#[derive(Clone, Copy, Debug)]
enum Step {
    Send { to: usize, topic: Option<u8>, ttl: u32, receipt: bool, urgency: usize },
    Monitor { of: usize, set: bool, credit: u32 },
    Write(usize),
    Reset(usize),
    Cut(usize),
    Acknowledge(usize),
    GiveUp(usize),
    Unsubscribe(usize),
    Pass(u64),
    Hold,
    Release,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = prop_oneof![Just(0_u32), Just(2), Just(70), Just(6000)];
    prop_oneof![
        8 => (0..4_usize, proptest::option::of(0..2_u8), ttl, any::<bool>(), 0..4_usize)
            .prop_map(|(to, topic, ttl, receipt, urgency)| Step::Send { to, topic, ttl, receipt, urgency }),
        4 => (0..4_usize, any::<bool>(), 0..4_u32).prop_map(|(of, set, credit)| Step::Monitor { of, set, credit }),
        4 => (0..8_usize).prop_map(Step::Write),
        1 => (0..8_usize).prop_map(Step::Reset),
        1 => (0..8_usize).prop_map(Step::Cut),
        4 => (0..16_usize).prop_map(Step::Acknowledge),
        1 => (0..16_usize).prop_map(Step::GiveUp),
        1 => (0..4_usize).prop_map(Step::Unsubscribe),
        3 => prop_oneof![Just(1_u64), Just(3), Just(61)].prop_map(Step::Pass),
        2 => Just(Step::Hold),
        3 => Just(Step::Release),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Live,
    Acknowledged,
    GivenUp,
    Replaced,
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Send { receipt: bool, urgency: Urgency },
    Acknowledge(Handle),
    GiveUp(Handle),
    Close(usize),
}

/// What the peers know: a map of messages and what must have become of them.
struct Peers {
    world: World,
    /// Two agents with two subscriptions each.
    subscriptions: Vec<(AgentId, SubscriptionId)>,
    receipts: AgentId,
    /// In the order in which the store will decide.
    asked: Vec<(Exchange, Asked)>,
    monitors: Vec<(Exchange, Target)>,
    /// Accepted with TTL > 0: fate, expiry, whether a receipt is owed.
    accepted: BTreeMap<MessageId, (Handle, Fate, u64, bool)>,
    /// Handed to a connection and not reported on.
    writing: Vec<(Exchange, push_proto::service::Delivery)>,
    seen: Vec<Handle>,
    outcomes: BTreeMap<MessageId, Outcome>,
    urgencies: BTreeMap<MessageId, Urgency>,
    /// Whether queues are so small that messages are given up.
    small: bool,
    /// What may have been given up for something more urgent.
    at_risk: BTreeSet<MessageId>,
}

impl Peers {
    fn new(small: bool) -> Self {
        let quotas = if small { Quotas { entries: 3, ..Quotas::default() } } else { Quotas::default() };
        let mut world = World::with(Limits::default(), quotas);
        let mut subscriptions = Vec::new();
        for _ in 0..2 {
            let first = world.subscribe(None);
            subscriptions.extend([first, world.subscribe(Some(first.0))]);
        }
        // A message to make the one receipt subscription that all share.
        let other = world.subscribe(None);
        let asking = Send { receipt: ReceiptRequest::New, ..message(other, "first") };
        let receipts = world.send(asking).receipt.expect("asked for");
        Self {
            world,
            subscriptions,
            receipts,
            asked: Vec::new(),
            monitors: Vec::new(),
            accepted: BTreeMap::new(),
            writing: Vec::new(),
            seen: Vec::new(),
            outcomes: BTreeMap::new(),
            urgencies: BTreeMap::new(),
            small,
            at_risk: BTreeSet::new(),
        }
    }

    fn wall(&self) -> u64 {
        self.world.now().wall.as_secs()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send { to, topic: about, ttl, receipt, urgency } => {
                let urgency = Urgency::ALL[urgency];
                let send = Send {
                    ttl: Ttl::from_secs(ttl),
                    topic: about.map(topic),
                    urgency,
                    receipt: if receipt {
                        ReceiptRequest::On(named(self.receipts))
                    } else {
                        ReceiptRequest::No
                    },
                    ..message(self.subscriptions[to], "x")
                };
                let exchange = self.world.start(Request::Send(send));
                self.asked.push((exchange, Asked::Send { receipt, urgency }));
            }
            Step::Monitor { of, set, credit } => {
                let (agent, subscription) = self.subscriptions[of];
                let target = if set { Target::Set(agent) } else { Target::Subscription(agent, subscription) };
                self.monitors.push((self.world.monitor(target, credit), target));
            }
            Step::Write(which) => self.report(which, Transfer::Written),
            Step::Reset(which) => self.report(which, Transfer::Reset),
            Step::Cut(which) if !self.monitors.is_empty() => {
                let (exchange, _) = self.monitors.remove(which % self.monitors.len());
                self.writing.retain(|(of, _)| *of != exchange);
                self.world.handle(Input::Cancelled(exchange));
            }
            Step::Acknowledge(which) if !self.seen.is_empty() => {
                let handle = self.seen[which % self.seen.len()];
                let exchange = self.world.start(Request::Acknowledge(handle));
                self.asked.push((exchange, Asked::Acknowledge(handle)));
            }
            Step::GiveUp(which) if !self.seen.is_empty() => {
                let handle = self.seen[which % self.seen.len()];
                self.asked.push((self.world.start(Request::Drop(handle)), Asked::GiveUp(handle)));
            }
            Step::Unsubscribe(which) => {
                let (agent, subscription) = self.subscriptions[which];
                let target = Target::Subscription(agent, subscription);
                self.asked.push((self.world.start(Request::Unsubscribe(target)), Asked::Close(which)));
            }
            Step::Pass(secs) => self.world.pass(secs),
            Step::Hold => self.world.hold(),
            Step::Release => self.world.release(),
            Step::Restart => {
                self.world.restart();
                self.monitors.clear();
                self.writing.clear();
                self.asked.clear();
            }
            Step::Cut(_) | Step::Acknowledge(_) | Step::GiveUp(_) => {}
        }
        self.observe();
    }

    fn report(&mut self, which: usize, transfer: Transfer) {
        if !self.writing.is_empty() {
            let (exchange, delivery) = self.writing.remove(which % self.writing.len());
            self.world.handle(Input::Pushed(exchange, delivery, transfer));
        }
    }

    /// Checks every push, and learns from every response. Pushes first: what a response says ended may have been
    /// pushed just before.
    fn observe(&mut self) {
        for (exchange, target) in self.monitors.clone() {
            for (delivery, item) in self.world.take_pushes(exchange) {
                let Item::Message(message) = &item else { panic!("a receipt to a user agent") };
                assert_eq!(message.handle.agent, target.agent(), "G2: never to another user agent");
                if let Some((_, fate, ..)) = self.accepted.get(&message.handle.id) {
                    assert_eq!(*fate, Fate::Live, "G2: pushed after its end was known");
                }
                self.writing.push((exchange, delivery));
                self.seen.push(message.handle);
            }
        }
        for (exchange, asked) in std::mem::take(&mut self.asked) {
            match self.world.response(exchange) {
                Some(response) => self.learn(asked, &response),
                None => self.asked.push((exchange, asked)),
            }
        }
    }

    fn learn(&mut self, asked: Asked, response: &Response) {
        let wall = self.wall();
        match (asked, response) {
            (Asked::Send { receipt, urgency }, Response::Accepted(accepted)) => {
                for (handle, fate, ..) in self.accepted.values_mut() {
                    let same = Handle { id: accepted.handle.id, ..*handle } == accepted.handle;
                    if same && *fate == Fate::Live {
                        *fate = Fate::Replaced;
                    }
                }
                // Sent perhaps earlier than now, so it expires no later than this.
                let expires = wall + u64::from(accepted.ttl.as_secs());
                if expires > wall {
                    let entry = (accepted.handle, Fate::Live, expires, receipt);
                    self.accepted.insert(accepted.handle.id, entry);
                    self.urgencies.insert(accepted.handle.id, urgency);
                    // Where the queue is small it may have cost others their place.
                    let lesser = self.accepted.iter().filter(|(id, (handle, ..))| {
                        handle.agent == accepted.handle.agent && self.urgencies[*id] < urgency
                    });
                    self.at_risk.extend(lesser.filter(|_| self.small).map(|(id, _)| *id));
                }
            }
            (Asked::Acknowledge(handle) | Asked::GiveUp(handle), Response::Done) => {
                if let Some((_, fate, ..)) = self.accepted.get_mut(&handle.id) {
                    assert_eq!(*fate, Fate::Live, "G2: one end");
                    let given_up = matches!(asked, Asked::GiveUp(_));
                    *fate = if given_up { Fate::GivenUp } else { Fate::Acknowledged };
                }
            }
            // Perhaps it was given up; if it expired or went with its subscription, the outcome is the same.
            (Asked::Acknowledge(handle) | Asked::GiveUp(handle), Response::Refused(Refusal::NOT_FOUND))
                if self.at_risk.contains(&handle.id) =>
            {
                if let Some((_, fate @ Fate::Live, ..)) = self.accepted.get_mut(&handle.id) {
                    *fate = Fate::GivenUp;
                }
            }
            (Asked::Close(which), Response::Done) => {
                for (handle, fate, expires, _) in self.accepted.values_mut() {
                    let member = (handle.agent, handle.subscription) == self.subscriptions[which];
                    if member && *fate == Fate::Live && *expires > wall {
                        *fate = Fate::Gone;
                    }
                }
            }
            _refused => {}
        }
    }

    /// Faults are over: all that lives must be delivered, all that is owed must be told.
    fn heal(mut self) {
        self.world.release();
        self.observe();
        let agents: BTreeSet<AgentId> = self.subscriptions.iter().map(|(agent, _)| *agent).collect();
        let mut delivered = BTreeSet::new();
        for agent in agents {
            let monitor = self.world.monitor(Target::Set(agent), 1000);
            delivered.extend(self.world.take_pushes(monitor).iter().map(|(_, item)| item.handle().id));
        }
        for (id, (handle, fate, expires, _)) in &self.accepted {
            let certain = *expires > self.wall() + 300 && !self.at_risk.contains(id);
            assert!(*fate != Fate::Live || !certain || delivered.contains(id), "G2: lost {handle:?}");
            assert!(*fate == Fate::Live || !delivered.contains(id), "G2: revived {handle:?} {fate:?}");
        }
        self.settle();
    }

    /// Lets everything expire, then compares the receipts with what must have become of each message.
    fn settle(mut self) {
        self.world.leap(10_000);
        self.world.pass(5);
        let monitor = self.world.monitor(Target::Receipts(self.receipts), 1000);
        loop {
            let receipts = self.world.take_receipts(monitor);
            if receipts.is_empty() {
                break;
            }
            for (handle, outcome) in receipts {
                assert!(
                    self.outcomes.insert(handle.id, outcome).is_none(),
                    "G4: two outcomes for {handle:?}"
                );
            }
        }
        for (id, (handle, fate, _, receipt)) in &self.accepted {
            let told = self.outcomes.get(id);
            let right = match fate {
                _ if !receipt => told.is_none(),
                Fate::Acknowledged => told == Some(&Outcome::Delivered),
                Fate::Replaced => told.is_none() || told == Some(&Outcome::Failed),
                Fate::Live | Fate::GivenUp | Fate::Gone => told == Some(&Outcome::Failed),
            };
            assert!(right, "G4: {handle:?} {fate:?}, told {told:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_interleaving_keeps_the_guarantees(
        small in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut peers = Peers::new(small);
        for step in steps {
            peers.take(step);
        }
        peers.heal();
    }
}
