//! A shard with a memory store, driven by hand: what each test asserts is what a peer would see.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use push_proto::{
    AgentId, Content, Handle, Message, Mono, Now, Outcome, Refusal, SealingKeyId, Seed, Slot, SubscriptionId,
    Ttl, UnixTime, Urgency,
    service::{
        Accepted, Config, Delivery, Exchange, Input, Limits, Monitor, Named, Output, Reason, ReceiptRequest,
        Request, Response, Send, Service, Subscribe, Subscribed, Target, Transfer,
    },
    store::{Command, Completion, Item},
};
use push_store::{Client, Memory, Quotas};

pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const KEY: SealingKeyId = SealingKeyId::from_u8(0);

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) memory: Memory,
    client: Client,
    now: Now,
    exchanges: u64,
    /// How often it has been started: a seed is never used twice.
    lives: u8,
    /// Commands that the store has not seen yet, while it is held back.
    held: Option<Vec<Command>>,
    /// Everything that came out, by exchange, in order.
    pushes: BTreeMap<Exchange, Vec<(Delivery, Item)>>,
    pub(crate) retracted: BTreeSet<(Exchange, Delivery)>,
    responses: BTreeMap<Exchange, Response>,
    retired: BTreeSet<Exchange>,
    pub(crate) opened: BTreeSet<Exchange>,
    pub(crate) wait: (Option<Mono>, Reason),
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Quotas::default())
    }

    pub(crate) fn with(limits: Limits, quotas: Quotas) -> Self {
        let mut memory = Memory::new(quotas);
        let client = memory.attach();
        let config = Config { limits, ..Config::default() };
        let mut world = Self {
            service: Service::new(config, &Seed::from_octets([7; 32])),
            memory,
            client,
            now: Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(START) },
            exchanges: 0,
            lives: 7,
            held: None,
            pushes: BTreeMap::new(),
            retracted: BTreeSet::new(),
            responses: BTreeMap::new(),
            retired: BTreeSet::new(),
            opened: BTreeSet::new(),
            wait: (None, Reason::Idle),
        };
        world.drain();
        world
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// A new service over the same store: what was in flight or connected is forgotten.
    pub(crate) fn restart(&mut self) {
        self.lives += 1;
        self.service = Service::new(Config::default(), &Seed::from_octets([self.lives; 32]));
        self.held = None;
        self.client = self.memory.attach();
        self.drain();
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.service.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.service.poll(self.now) {
                Output::Store(command) => match &mut self.held {
                    Some(held) => held.push(command),
                    None => self.store(command),
                },
                Output::Respond(exchange, response) => {
                    assert!(!self.retired.contains(&exchange), "a response after Retire");
                    let earlier = self.responses.insert(exchange, response);
                    assert!(earlier.is_none(), "two responses to one exchange");
                }
                Output::Opened(exchange) => assert!(self.opened.insert(exchange), "opened twice"),
                Output::Push(exchange, delivery, item) => {
                    assert!(
                        !self.responses.contains_key(&exchange),
                        "a push after the response (9113-8.4-4)"
                    );
                    self.pushes.entry(exchange).or_default().push((delivery, item));
                }
                Output::Retract(exchange, delivery) => {
                    assert!(self.retracted.insert((exchange, delivery)), "retracted twice");
                }
                Output::Retire(exchange) => assert!(self.retired.insert(exchange), "retired twice"),
                Output::Wait(deadline, reason) => {
                    assert!(
                        deadline.is_none_or(|at| at > self.now.mono),
                        "a deadline in the past: {reason:?}"
                    );
                    self.wait = (deadline, reason);
                    return;
                }
            }
        }
    }

    fn store(&mut self, command: Command) {
        let mut completions = Vec::new();
        self.memory.run(self.client, command, &mut |_, completion| completions.push(completion));
        for completion in completions {
            self.service.handle(Input::Store(completion), self.now);
        }
    }

    /// From now on the store sees nothing.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// The store catches up.
    pub(crate) fn release(&mut self) {
        for command in self.held.take().into_iter().flatten() {
            self.store(command);
        }
        self.drain();
    }

    /// The store answers each held command that wants an answer by failing.
    pub(crate) fn fail_held(&mut self) {
        for command in self.held.take().into_iter().flatten() {
            let ticket = match command {
                Command::Apply(ticket, _)
                | Command::Load(ticket, _)
                | Command::Read(ticket, _)
                | Command::Watch(ticket, _)
                | Command::Expire(ticket, _) => ticket,
                Command::Unwatch(_) | Command::Offer(_) => continue,
            };
            self.service.handle(Input::Store(Completion::Failed(ticket)), self.now);
        }
        self.drain();
    }

    pub(crate) fn held(&self) -> usize {
        self.held.as_ref().map_or(0, Vec::len)
    }

    /// Lets time pass on both clocks, stopping at each deadline as a driver would.
    pub(crate) fn pass(&mut self, secs: u64) {
        let end = self.now.mono.after(Duration::from_secs(secs));
        let (origin, wall) = (self.now.mono, self.now.wall);
        while let Some(at) = self.wait.0.filter(|at| *at < end) {
            self.now = Now { mono: at, wall: wall.saturating_add_secs(at.since(origin).as_secs()) };
            self.handle(Input::Tick);
        }
        self.now = Now { mono: end, wall: wall.saturating_add_secs(secs) };
        self.handle(Input::Tick);
    }

    /// Lets time pass in one step, as if the shard had been asleep: every tick is late.
    pub(crate) fn leap(&mut self, secs: u64) {
        let Now { mono, wall } = self.now;
        self.now = Now { mono: mono.after(Duration::from_secs(secs)), wall: wall.saturating_add_secs(secs) };
        self.handle(Input::Tick);
    }

    /// Steps the wall clock alone.
    pub(crate) fn step_wall(&mut self, wall: u64) {
        self.now.wall = UnixTime::from_secs(wall);
    }

    pub(crate) fn start(&mut self, request: Request) -> Exchange {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        self.handle(Input::Request(exchange, request));
        exchange
    }

    pub(crate) fn ask(&mut self, request: Request) -> Response {
        let exchange = self.start(request);
        self.response(exchange).expect("answered")
    }

    pub(crate) fn response(&self, exchange: Exchange) -> Option<Response> {
        let response = self.responses.get(&exchange).cloned();
        assert_eq!(response.is_some(), self.retired.contains(&exchange), "a response and Retire go together");
        response
    }

    pub(crate) fn is_retired(&self, exchange: Exchange) -> bool {
        self.retired.contains(&exchange)
    }

    pub(crate) fn subscribe(&mut self, set: Option<AgentId>) -> (AgentId, SubscriptionId) {
        let set = set.map(named).into();
        match self.ask(Request::Subscribe(Subscribe { set, id: None, restricted_to: None })) {
            Response::Subscribed(Subscribed { agent, subscription, .. }) => (agent, subscription),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn send(&mut self, send: Send) -> Accepted {
        match self.ask(Request::Send(send)) {
            Response::Accepted(accepted) => accepted,
            other => panic!("{other:?}"),
        }
    }

    /// A monitor with this much credit.
    pub(crate) fn monitor(&mut self, target: Target, credit: u32) -> Exchange {
        self.monitor_with(Monitor::of(target), credit)
    }

    pub(crate) fn monitor_with(&mut self, monitor: Monitor, credit: u32) -> Exchange {
        let exchange = self.start(Request::Monitor(monitor));
        self.handle(Input::Credit(exchange, credit));
        exchange
    }

    /// What has been pushed to a monitor and not been taken by this call before.
    pub(crate) fn take_pushes(&mut self, exchange: Exchange) -> Vec<(Delivery, Item)> {
        self.pushes.remove(&exchange).unwrap_or_default()
    }

    pub(crate) fn take_bodies(&mut self, exchange: Exchange) -> Vec<String> {
        self.take_pushes(exchange).iter().map(|(_, item)| body(item)).collect()
    }

    /// Takes what was pushed, as a connection that wrote all of it.
    pub(crate) fn write_all(&mut self, exchange: Exchange) -> Vec<Handle> {
        let pushes = self.take_pushes(exchange);
        for (delivery, _) in &pushes {
            self.handle(Input::Pushed(exchange, *delivery, Transfer::Written));
        }
        pushes.iter().map(|(_, item)| item.handle()).collect()
    }

    pub(crate) fn acknowledge(&mut self, handle: Handle) -> Response {
        self.ask(Request::Acknowledge(handle))
    }

    /// Receipts pushed to a monitor: which message, and how it ended.
    pub(crate) fn take_receipts(&mut self, exchange: Exchange) -> Vec<(Handle, Outcome)> {
        let pushes = self.take_pushes(exchange);
        for (delivery, _) in &pushes {
            self.handle(Input::Pushed(exchange, *delivery, Transfer::Written));
        }
        let receipt = |item: Item| match item {
            Item::Receipt(receipt) => (receipt.message, receipt.outcome),
            Item::Message(_) => panic!("a message to a receipt monitor"),
        };
        pushes.into_iter().map(|(_, item)| receipt(item)).collect()
    }
}

pub(crate) fn message(to: (AgentId, SubscriptionId), body: &str) -> Send {
    Send {
        agent: to.0,
        subscription: to.1,
        sealed_by: KEY,
        ttl: Ttl::from_secs(3600),
        urgency: Urgency::Normal,
        topic: None,
        receipt: ReceiptRequest::No,
        sender: None,
        content: Content { body: Bytes::copy_from_slice(body.as_bytes()), ..Content::default() },
    }
}

/// An agent, named by a URL of the only key.
pub(crate) fn named(agent: AgentId) -> Named {
    Named { agent, sealed_by: KEY }
}

pub(crate) fn topic(octet: u8) -> Slot {
    Slot::from_octets([octet; 16])
}

pub(crate) fn body(item: &Item) -> String {
    match item {
        Item::Message(message) => text(message),
        Item::Receipt(receipt) => format!("receipt {:?}", receipt.outcome),
    }
}

pub(crate) fn text(message: &Arc<Message>) -> String {
    String::from_utf8(message.content.body.to_vec()).expect("tests send text")
}

pub(crate) fn refusal(response: &Response) -> Refusal {
    match response {
        Response::Refused(refusal) => *refusal,
        other => panic!("not a refusal: {other:?}"),
    }
}
