//! The embedded store against the reference: the same commands in any order, with crashes, give the same answers. And the
//! reference against a truth that is simpler still.
#![cfg(feature = "conformance")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod truth;

use std::{collections::BTreeMap, mem};

use proptest::{collection::vec, prelude::*, sample::Index};
use push_proto::{
    Handle, UnixTime, Urgency,
    store::{
        AgentKind, AgentRecord, Availability, Cause, Command, Completion, Done, Load, Operation, Position,
        SubscriptionRecord, Ticket,
    },
};
use push_store::{
    Client, Memory, Quotas,
    conformance::bench::{Draft, agent, keys, open, subscription},
    embedded::Writer,
    engine::{Engine, Mishap, SimulatedDisk},
};

use truth::{PLAIN, Truth};

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<Change>),
    Load(u8, Index, u32),
    Read(Index),
    Watch(u8),
    Unwatch(u8),
    Offer(u8),
    Expire,
    Wait(u8),
    /// The group ends here.
    Commit,
    /// The group ends here, badly.
    Fail(Mishap),
    /// The process is lost between two groups, or ends in good order.
    Restart {
        orderly: bool,
    },
}

#[derive(Clone, Debug)]
enum Change {
    Agent(u8),
    Subscription(u8, u8, bool),
    Put {
        agent: u8,
        subscription: u8,
        slot: u8,
        ttl: u8,
        body: u8,
        receipt: Option<u8>,
        new: bool,
        sender: u8,
        urgency: usize,
    },
    End(Index, Cause),
    Close(u8, Option<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let put = (
        0_u8..3,
        0_u8..3,
        0_u8..4,
        0_u8..30,
        0_u8..60,
        prop::option::of(3_u8..8),
        any::<bool>(),
        (0_u8..3, 0_usize..4),
    );
    let cause = prop::sample::select(vec![
        Cause::Acknowledged,
        Cause::Expired,
        Cause::Dropped,
        Cause::SubscriptionGone,
    ]);
    prop_oneof![
        2 => (0_u8..6).prop_map(Change::Agent),
        3 => (0_u8..6, 0_u8..4, any::<bool>()).prop_map(|(agent, id, key)| Change::Subscription(agent, id, key)),
        8 => put.prop_map(|(agent, subscription, slot, ttl, body, receipt, new, (sender, urgency))| {
            Change::Put { agent, subscription, slot, ttl, body, receipt, new, sender, urgency }
        }),
        5 => (any::<Index>(), cause).prop_map(|(which, cause)| Change::End(which, cause)),
        1 => (0_u8..6, prop::option::weighted(0.7, 0_u8..4)).prop_map(|(agent, id)| Change::Close(agent, id)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let mishap =
        prop_oneof![Just(Mishap::Refused), Just(Mishap::Unanswered), (0_usize..400).prop_map(Mishap::Torn)];
    prop_oneof![
        12 => vec(change(), 1..4).prop_map(Step::Apply),
        3 => (0_u8..6, any::<Index>(), 0_u32..5).prop_map(|(agent, after, limit)| Step::Load(agent, after, limit)),
        2 => any::<Index>().prop_map(Step::Read),
        1 => (0_u8..6).prop_map(Step::Watch),
        1 => (0_u8..6).prop_map(Step::Unwatch),
        1 => (0_u8..6).prop_map(Step::Offer),
        3 => Just(Step::Expire),
        2 => (0_u8..20).prop_map(Step::Wait),
        4 => Just(Step::Commit),
        1 => mishap.prop_map(Step::Fail),
        1 => any::<bool>().prop_map(|orderly| Step::Restart { orderly }),
    ]
}

const QUOTAS: Quotas = Quotas {
    agents: 2,
    receipt_subscriptions: 4,
    agent_idle_secs: 160,
    receipts_idle_secs: 40,
    dropped: 2,
    subscriptions: 2,
    entries: 4,
    octets: 700,
    receipts: 3,
    page_octets: 400,
    expire: 3,
    receipt_secs: 25,
    waiting: 0,
    group: 1000,
};

struct World {
    memory: Memory,
    disk: SimulatedDisk,
    writer: Writer<SimulatedDisk>,
    shards: [Client; 2],
    /// What the reference said of this group.
    expected: Vec<(Client, Completion)>,
    /// What the reference must say; None if the quotas are such that it does not follow.
    truth: Option<Truth>,
    /// The reference and the truth at the start of this group.
    before: (Memory, Option<Truth>),
    quotas: Quotas,
    /// Positions of the reference, and of the embedded store, which skips some after a crash.
    positions: BTreeMap<Position, Position>,
    handles: Vec<Handle>,
    watched: Vec<(Client, u8)>,
    now: u64,
    tickets: u64,
    numbers: u8,
}

impl World {
    fn new(quotas: Quotas, truth: Option<Truth>) -> Self {
        let mut memory = Memory::new(quotas);
        let disk = SimulatedDisk::new();
        let mut writer = Writer::open(disk.clone(), quotas).unwrap();
        let shards = [memory.attach(), memory.attach()];
        assert_eq!([writer.attach(), writer.attach()], shards);
        let nowhere = Draft::new(0).handle();
        let mut world = Self {
            before: (memory.clone(), truth.clone()),
            truth,
            quotas,
            memory,
            disk,
            writer,
            shards,
            expected: Vec::new(),
            positions: BTreeMap::from([(Position::START, Position::START)]),
            handles: vec![nowhere],
            watched: Vec::new(),
            now: 1000,
            tickets: 0,
            numbers: 0,
        };
        for id in 0..6 {
            let operation = world.operation(Change::Agent(id));
            world.give(world.shards[0], Command::Apply(Ticket(0), vec![operation]));
        }
        for (id, one) in [(0, 0), (0, 1), (1, 0), (1, 2)] {
            let operation = world.operation(Change::Subscription(id, one, false));
            world.give(world.shards[0], Command::Apply(Ticket(0), vec![operation]));
        }
        world
    }

    fn step(&mut self, who: Client, step: Step) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        match step {
            Step::Apply(changes) => {
                let operations = changes.into_iter().map(|change| self.operation(change)).collect();
                self.give(who, Command::Apply(ticket, operations));
            }
            Step::Load(id, after, limit) => {
                // Of the positions in both, so that one command serves.
                let (ours, theirs) = self.positions.iter().nth(after.index(self.positions.len())).unwrap();
                let load = |after| Command::Load(ticket, Load { agent: agent(id), after, limit });
                let (ours, theirs) = (load(*ours), load(*theirs));
                self.refer(who, ours);
                self.writer.stage(who, theirs);
            }
            Step::Read(which) => self.give(who, Command::Read(ticket, *which.get(&self.handles))),
            Step::Watch(id) => {
                self.watched.push((who, id));
                self.give(who, Command::Watch(ticket, agent(id)));
            }
            Step::Unwatch(id) => self.give(who, Command::Unwatch(agent(id))),
            Step::Offer(id) => {
                let draft = Draft { agent: agent(id), ..Draft::new(0).ttl(0) };
                self.give(who, Command::Offer(draft.message()));
            }
            Step::Expire => self.give(who, Command::Expire(ticket, UnixTime::from_secs(self.now))),
            Step::Wait(secs) => self.now += u64::from(secs),
            Step::Commit => self.commit(),
            Step::Fail(mishap) => self.fail(mishap),
            Step::Restart { orderly } => self.restart(orderly),
        }
    }

    fn operation(&mut self, change: Change) -> Operation {
        match change {
            Change::Agent(id) => {
                let kind = if id < 3 { AgentKind::UserAgent } else { AgentKind::Receipts };
                let created = UnixTime::from_secs(self.now);
                Operation::CreateAgent(agent(id), AgentRecord { kind, created })
            }
            Change::Subscription(id, one, restricted) => {
                let restricted_to = restricted.then(|| keys()[0]);
                Operation::CreateSubscription(
                    agent(id),
                    subscription(one),
                    SubscriptionRecord { restricted_to, ..open() },
                )
            }
            Change::Put { agent: id, subscription: one, slot, ttl, body, receipt, new, sender, urgency } => {
                self.numbers = self.numbers.wrapping_add(1);
                let draft = Draft {
                    agent: agent(id),
                    accepted: self.now,
                    urgency: Urgency::ALL[urgency],
                    receipt: receipt.map(agent),
                    new_receipt_subscription: new && receipt.is_some_and(|id| id >= 6),
                    sender: keys().get(usize::from(sender)).copied(),
                    body: vec![body; usize::from(body)],
                    ..Draft::new(self.numbers).to(one).topic(slot).ttl(u64::from(ttl))
                };
                self.handles.push(draft.handle());
                draft.put()
            }
            Change::End(which, cause) => Operation::End(*which.get(&self.handles), cause),
            Change::Close(id, one) => Operation::Close(agent(id), one.map(subscription)),
        }
    }

    fn give(&mut self, who: Client, command: Command) {
        self.refer(who, command.clone());
        self.writer.stage(who, command);
    }

    /// What the reference says, which must be true.
    fn refer(&mut self, who: Client, command: Command) {
        let Self { memory, truth, expected, .. } = self;
        memory.run(who, command.clone(), &mut |client, completion| {
            if let (Some(truth), Some(_)) = (&mut *truth, completion.ticket()) {
                truth.check(&command, &completion);
            }
            expected.push((client, completion));
        });
    }

    fn load_all(&mut self) {
        for id in 0..8 {
            let load = Load { agent: agent(id), after: Position::START, limit: 1000 };
            self.give(self.shards[0], Command::Load(Ticket(0), load));
        }
    }

    fn commit(&mut self) {
        let mut said = Vec::new();
        self.writer.commit(&mut |client, completion| said.push((client, completion)));
        self.agree(said);
    }

    fn agree(&mut self, said: Vec<(Client, Completion)>) {
        assert!(self.writer.last_fault().is_none(), "{:?}", self.writer.last_fault());
        let expected = mem::take(&mut self.expected);
        assert_eq!(said.len(), expected.len(), "{said:?}\n{expected:?}");
        for ((from, said), (to, expected)) in said.into_iter().zip(expected) {
            assert_eq!(from, to);
            self.learn(&expected);
            self.compare(&expected, said);
        }
        self.before = (self.memory.clone(), self.truth.clone());
    }

    /// Receipts become known by being loaded: what can be ended later.
    fn learn(&mut self, completion: &Completion) {
        if let Completion::Loaded(_, Ok(page)) = completion {
            self.handles.extend(page.entries.iter().map(|entry| entry.item.handle()));
        }
    }

    fn compare(&mut self, expected: &Completion, mut said: Completion) {
        match (expected, &mut said) {
            (Completion::Applied(_, ours), Completion::Applied(_, theirs)) => {
                for pair in ours.iter().zip(theirs) {
                    if let (Ok(Done::Put(ours)), Ok(Done::Put(theirs))) = pair
                        && let (Some(ours), Some(theirs)) = (ours.position, &mut theirs.position)
                    {
                        self.same(ours, theirs);
                    }
                }
            }
            (Completion::Loaded(_, Ok(ours)), Completion::Loaded(_, Ok(theirs))) => {
                for (ours, theirs) in ours.entries.iter().zip(&mut theirs.entries) {
                    self.same(ours.position, &mut theirs.position);
                }
                self.same(ours.through, &mut theirs.through);
            }
            _ => {}
        }
        assert_eq!(said, *expected);
    }

    /// Checks that both mean the same entry, in the same order, and then speaks the reference's language.
    fn same(&mut self, ours: Position, theirs: &mut Position) {
        let known = *self.positions.entry(ours).or_insert(*theirs);
        assert_eq!(known, *theirs);
        assert!(self.positions.values().is_sorted_by(|one, next| one < next), "{:?}", self.positions);
        *theirs = ours;
    }

    fn fail(&mut self, mishap: Mishap) {
        let commits = self.disk.commits();
        self.disk.arrange(mishap);
        let mut said = Vec::new();
        self.writer.commit(&mut |client, completion| said.push((client, completion)));
        if self.disk.commits() == commits {
            // Nothing was to be written, so nothing failed.
            self.disk.arrange(None);
            self.agree(said);
            return;
        }
        let tickets = |said: &[(Client, Completion)]| said.iter().filter(|(_, one)| answers(one)).count();
        assert_eq!(tickets(&said), tickets(&self.expected));
        let ups = said.iter().filter(|(_, one)| *one == Completion::Availability(Availability::Down)).count();
        assert_eq!((ups, said.len()), (2, tickets(&said) + 2));
        if mishap != Mishap::Unanswered {
            (self.memory, self.truth) = self.before.clone();
        }
        self.expected.clear();
        let mut up = 0;
        self.writer.reopen(&mut |_, _| up += 1).unwrap();
        assert_eq!(up, 2);
        self.forget_watches();
        self.catch_up();
    }

    fn restart(&mut self, orderly: bool) {
        self.commit();
        if orderly {
            self.writer.close(&mut |_, _| {});
        }
        let mut disk = self.disk.clone();
        disk.reopen().unwrap();
        self.disk = disk.clone();
        self.writer = Writer::open(disk, self.quotas).unwrap();
        assert_eq!([self.writer.attach(), self.writer.attach()], self.shards);
        self.forget_watches();
        self.catch_up();
    }

    /// Both sides watch nothing: after a failed group it is unknown, after a restart nothing.
    fn forget_watches(&mut self) {
        for (who, id) in mem::take(&mut self.watched) {
            self.memory.run(who, Command::Unwatch(agent(id)), &mut |_, _| {});
            self.writer.stage(who, Command::Unwatch(agent(id)));
        }
        self.before = (self.memory.clone(), self.truth.clone());
    }

    /// As a service should: tell a store that came back what time it is.
    fn catch_up(&mut self) {
        self.step(self.shards[0], Step::Expire);
        self.commit();
    }
}

fn answers(completion: &Completion) -> bool {
    !matches!(completion, Completion::Hint(..) | Completion::Availability(_))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn embedded_and_memory_agree(steps in vec((0_usize..2, step()), 1..150)) {
        let mut world = World::new(QUOTAS, None);
        for (who, step) in steps {
            world.step(world.shards[who], step);
        }
        world.commit();
        // Whatever happened, everything ends when its time has come, and then the receipts do.
        world.now += 1000;
        for _ in 0..200 {
            world.now += 1;
            world.step(world.shards[0], Step::Expire);
            world.commit();
        }
        world.load_all();
        for (_, completion) in &world.expected {
            if let Completion::Loaded(_, Ok(page)) = completion {
                prop_assert!(page.entries.is_empty(), "{page:?}");
            }
        }
        world.commit();
    }

    #[test]
    fn both_say_what_is_true(steps in vec((0_usize..2, step()), 1..150)) {
        let mut world = World::new(PLAIN, Some(Truth::default()));
        for (who, step) in steps {
            world.step(world.shards[who], step);
        }
        world.load_all();
        world.commit();
    }
}
