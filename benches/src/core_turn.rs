//! The push service's core alone: no socket, no thread, no disk. A message comes, is pushed at once, becomes durable,
//! is answered and acknowledged; or its user agent is away, and it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use push_proto::service::{
    Config, Delivery, Exchange, Input, Monitor, Output, ReceiptRequest, Request, Response, Send, Service,
    Subscribe, Target, Transfer,
};
use push_proto::store::{
    AgentKind, AgentRecord, Cause, Command, Completion, Done, Item, Load, Operation, Page, Placed, Position,
    SubscriptionRecord, Ticket,
};
use push_proto::{
    AgentId, Content, Handle, Mono, Now, SealingKeyId, Seed, SubscriptionId, Ttl, UnixTime, Urgency,
};
use push_store::{Client, Memory, Quotas};

use crate::{Clock, Contest, Kind, Meter, Party};

/// A user agent that monitors, and one that is away.
pub const CONTESTS: &[fn() -> Contest] = &[online, offline];

/// User agents that take turns, so that the processor's caches do not flatter.
const AGENTS: usize = 1000;
/// Octets of a message.
const BODY: usize = 1024;
/// Messages that are stored before they are cleared away, which does not count.
const STORED: u64 = 1000;

fn online() -> Contest {
    let parties = vec![
        ours_online("push-proto, store stub", Stub::default()),
        ours_online("push-proto, memory store", InMemory::new()),
        limit(),
    ];
    Contest { name: "core turn: POST, push, acknowledge", clock: Clock::Cpu, messages: 1, parties }
}

fn offline() -> Contest {
    let parties = vec![
        ours_offline("push-proto, store stub", Stub::default()),
        ours_offline("push-proto, memory store", InMemory::new()),
    ];
    Contest { name: "core turn: POST, stored", clock: Clock::Cpu, messages: 1, parties }
}

fn ours_online<S: Backend>(name: &'static str, store: S) -> Party {
    let mut world = World::new(store);
    let agents: Vec<_> = (0..AGENTS).map(|_| world.subscribe()).collect();
    for (agent, _) in &agents {
        world.monitor(*agent);
    }
    let mut turn = agents.into_iter().cycle();
    Party::plain(Kind::Ours, name, move || {
        let to = turn.next().expect("a cycle");
        world.send(to);
        let (exchange, delivery, handle) = world.pushed.take().expect("pushed at once");
        world.handle(Input::Pushed(exchange, delivery, Transfer::Written));
        world.ask(Request::Acknowledge(handle));
        assert_eq!(world.done, world.asked, "answered");
    })
}

fn ours_offline<S: Backend>(name: &'static str, store: S) -> Party {
    let mut world = World::new(store);
    let agents: Vec<_> = (0..AGENTS).map(|_| world.subscribe()).collect();
    let mut turn = agents.into_iter().cycle();
    Party::new(Kind::Ours, name, move |steps, meter| {
        let mut left = steps;
        while left > 0 {
            let now = left.min(STORED);
            left -= now;
            meter.time(|| {
                for to in turn.by_ref().take(usize::try_from(now).unwrap_or(usize::MAX)) {
                    world.send(to);
                }
            });
            world.clear();
        }
    })
}

/// What no store and no protocol could do without: own a message, find a place for it, and take it out again.
fn limit() -> Party {
    let mut map: BTreeMap<[u8; 16], Arc<Vec<u8>>> = BTreeMap::new();
    let body = vec![7; BODY];
    let key = |number: u64| {
        let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        mixed.to_be_bytes()
    };
    for number in 0..AGENTS as u64 {
        map.insert(key(number), Arc::new(body.clone()));
    }
    let mut number = AGENTS as u64;
    Party::new(Kind::Limit, "copy, map in, map out", move |steps: u64, meter: &mut Meter| {
        meter.time(|| {
            for _ in 0..steps {
                number += 1;
                map.insert(key(number), Arc::new(body.clone()));
                std::hint::black_box(map.remove(&key(number)));
            }
        });
    })
}

/// One shard, driven by hand.
struct World<S> {
    service: Service,
    store: S,
    now: Now,
    asked: u64,
    done: u64,
    body: Vec<u8>,
    subscribed: Option<(AgentId, SubscriptionId)>,
    pushed: Option<(Exchange, Delivery, Handle)>,
    accepted: Vec<Handle>,
}

impl<S: Backend> World<S> {
    fn new(store: S) -> Self {
        Self {
            service: Service::new(
                Config { limits: crate::unhurried(), ..Config::default() },
                &Seed::from_octets([7; 32]),
            ),
            store,
            now: Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(1_800_000_000) },
            asked: 0,
            done: 0,
            body: vec![7; BODY],
            subscribed: None,
            pushed: None,
            accepted: Vec::new(),
        }
    }

    fn subscribe(&mut self) -> (AgentId, SubscriptionId) {
        self.ask(Request::Subscribe(Subscribe::default()));
        self.subscribed.take().expect("subscribed")
    }

    fn monitor(&mut self, agent: AgentId) {
        let exchange = self.ask(Request::Monitor(Monitor::of(Target::Set(agent))));
        self.handle(Input::Credit(exchange, 8));
        // It stays open.
        self.done += 1;
    }

    fn send(&mut self, (agent, subscription): (AgentId, SubscriptionId)) {
        self.ask(Request::Send(Send {
            agent,
            subscription,
            sealed_by: SealingKeyId::default(),
            ttl: Ttl::from_secs(3600),
            urgency: Urgency::Normal,
            topic: None,
            receipt: ReceiptRequest::No,
            sender: None,
            content: Content { body: Bytes::copy_from_slice(&self.body), ..Content::default() },
        }));
    }

    fn ask(&mut self, request: Request) -> Exchange {
        self.asked += 1;
        let exchange = Exchange { origin: 0, number: self.asked };
        self.handle(Input::Request(exchange, request));
        exchange
    }

    fn handle(&mut self, input: Input) {
        self.service.handle(input, self.now);
        loop {
            match self.service.poll(self.now) {
                Output::Store(command) => {
                    let (service, now) = (&mut self.service, self.now);
                    self.store.run(command, &mut |done| service.handle(Input::Store(done), now));
                }
                Output::Push(exchange, delivery, item) => {
                    self.pushed = Some((exchange, delivery, item.handle()));
                }
                Output::Respond(_, response) => self.responded(response),
                Output::Opened(_) | Output::Retract(..) | Output::Retire(_) => {}
                Output::Wait(..) => return,
            }
        }
    }

    fn responded(&mut self, response: Response) {
        self.done += 1;
        match response {
            Response::Subscribed(made) => self.subscribed = Some((made.agent, made.subscription)),
            Response::Accepted(accepted) => self.accepted.push(accepted.handle),
            Response::Done => self.accepted.clear(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends what was stored, behind the service's back.
    fn clear(&mut self) {
        assert_eq!(self.done, self.asked, "answered");
        let end = |handle| Operation::End(handle, Cause::Acknowledged);
        let ends = self.accepted.drain(..).map(end).collect();
        self.store.run(Command::Apply(Ticket(0), ends), &mut |_| {});
    }
}

/// A store that answers at once.
trait Backend: 'static {
    fn run(&mut self, command: Command, emit: &mut dyn FnMut(Completion));
}

struct InMemory {
    memory: Memory,
    client: Client,
}

impl InMemory {
    fn new() -> Self {
        let mut memory = Memory::new(Quotas::default());
        let client = memory.attach();
        Self { memory, client }
    }
}

impl Backend for InMemory {
    fn run(&mut self, command: Command, emit: &mut dyn FnMut(Completion)) {
        self.memory.run(self.client, command, &mut |_, completion| emit(completion));
    }
}

/// A store that agrees to everything and keeps nothing but who subscribed.
#[derive(Default)]
struct Stub {
    subscriptions: BTreeMap<AgentId, (SubscriptionId, SubscriptionRecord)>,
    position: u64,
}

impl Stub {
    fn agree(&mut self, operation: Operation) -> Done {
        match operation {
            Operation::CreateAgent(..) => Done::Created,
            Operation::CreateSubscription(agent, subscription, record) => {
                self.subscriptions.insert(agent, (subscription, record));
                Done::Created
            }
            Operation::Put(_) => {
                self.position += 1;
                Done::Put(Placed {
                    position: Some(Position(self.position)),
                    replaced: None,
                    dropped: Vec::new(),
                })
            }
            Operation::End(..) => Done::Ended,
            Operation::Close(..) => Done::Closed,
        }
    }

    fn page(&self, load: &Load) -> Page {
        Page {
            record: AgentRecord { kind: AgentKind::UserAgent, created: UnixTime::from_secs(0) },
            subscriptions: self.subscriptions.get(&load.agent).cloned().into_iter().collect(),
            entries: Vec::new(),
            through: Position(self.position),
            more: false,
        }
    }
}

impl Backend for Stub {
    fn run(&mut self, command: Command, emit: &mut dyn FnMut(Completion)) {
        match command {
            Command::Apply(ticket, operations) => {
                let done = operations.into_iter().map(|operation| Ok(self.agree(operation))).collect();
                emit(Completion::Applied(ticket, done));
            }
            Command::Load(ticket, load) => emit(Completion::Loaded(ticket, Ok(Box::new(self.page(&load))))),
            Command::Read(ticket, _) => emit(Completion::Read(ticket, None::<Item>)),
            Command::Watch(ticket, _) => emit(Completion::Watching(ticket)),
            Command::Expire(ticket, _) => {
                emit(Completion::Expired(
                    ticket,
                    push_proto::store::Sweep { ended: 0, expired: 0, more: false },
                ));
            }
            Command::Unwatch(_) | Command::Offer(_) => {}
        }
    }
}
