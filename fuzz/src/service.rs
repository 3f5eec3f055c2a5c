use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use push_proto::{
    AgentId, Content, Handle, Mono, Now, SealingKeyId, Seed, SubscriptionId, Ttl, UnixTime, Urgency,
    service::{
        Census, Config, Delivery, Exchange, Input, Limits, Monitor, Named, Output, ReceiptRequest, Request,
        Response, Send, Service, Subscribe, Target, Transfer,
    },
    store::{Availability, Command, Completion, Item, Ticket},
};
use push_store::{Client, Memory, Quotas};

use crate::script::Script;

/// One shard of the service under any inputs: peers that come, go and lie, time that leaps, a store that is slow, fails
/// and comes back. Each exchange gets one answer, no push goes astray, and when all have gone nothing is left.
pub fn service(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut world = World::new(&mut script);
    for _ in 0..400 {
        if script.is_done() {
            break;
        }
        world.step(&mut script);
    }
    world.finish();
}

const KEY: SealingKeyId = SealingKeyId::from_u8(0);

/// What is known of one exchange.
#[derive(Default)]
struct Talk {
    monitor: Option<Target>,
    /// What is ended if the answer is [`Response::Done`].
    ends: Option<Handle>,
    credit: u64,
    opened: bool,
    answered: bool,
    cancelled: bool,
}

struct World {
    service: Service,
    memory: Memory,
    client: Client,
    limits: Limits,
    now: Now,
    /// The latest wall clock that the service was shown.
    latest: UnixTime,
    lives: u8,
    exchanges: u64,
    /// The store carries nothing out for now.
    held: bool,
    commands: VecDeque<Command>,
    tickets: BTreeSet<Ticket>,
    talks: BTreeMap<Exchange, Talk>,
    /// Pushes that nothing was reported of.
    pushes: BTreeMap<(Exchange, Delivery), bool>,
    agents: Vec<AgentId>,
    subscriptions: Vec<(AgentId, SubscriptionId)>,
    handles: Vec<Handle>,
    /// Whose end was confirmed.
    ended: BTreeSet<Handle>,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let small = script.flag();
        let quotas = Quotas { entries: 3, subscriptions: 3, receipts: 2, ..Quotas::default() };
        let mut memory = Memory::new(if small { quotas } else { Quotas::default() });
        let client = memory.attach();
        let limits = Limits {
            requests_in_flight: 3 + script.below(8),
            monitors: 1 + script.below(4),
            unacknowledged: 1 + script.below(4),
            page_entries: 1 + u32::from(script.octet() % 4),
            transient: script.below(3),
            ..Limits::default()
        };
        let config = Config { limits, ..Config::default() };
        Self {
            service: Service::new(config, &Seed::from_octets([1; 32])),
            memory,
            client,
            limits,
            now: Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(1_800_000_000) },
            latest: UnixTime::from_secs(0),
            lives: 1,
            exchanges: 0,
            held: false,
            commands: VecDeque::new(),
            tickets: BTreeSet::new(),
            talks: BTreeMap::new(),
            pushes: BTreeMap::new(),
            agents: Vec::new(),
            subscriptions: Vec::new(),
            handles: Vec::new(),
            ended: BTreeSet::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0..=6 => {
                let request = self.request(script);
                self.ask(request);
            }
            7 | 8 => {
                let exchange = self.exchange(script);
                let more = u32::from(script.octet() % 4);
                if let Some(talk) = self.talks.get_mut(&exchange) {
                    talk.credit += u64::from(more);
                }
                self.give(Input::Credit(exchange, more));
            }
            9 | 10 => self.report(script),
            11 => {
                let exchange = self.exchange(script);
                if let Some(talk) = self.talks.get_mut(&exchange) {
                    talk.cancelled = true;
                }
                self.give(Input::Cancelled(exchange));
            }
            12 | 13 => self.pass(script),
            14 => self.tamper(script),
            _ if script.octet() == 0xff => {
                self.give(Input::Drain(self.now.mono.after(Duration::from_secs(5))))
            }
            _ => self.give(Input::Tick),
        }
    }

    fn request(&mut self, script: &mut Script<'_>) -> Request {
        match script.below(12) {
            named @ (0 | 1) => {
                let set = (script.flag() && !self.agents.is_empty())
                    .then(|| Named { agent: script.pick(&self.agents), sealed_by: KEY });
                // A few names, so that they meet.
                let id = (named == 1)
                    .then(|| SubscriptionId::from_octets([u8::try_from(script.below(3)).unwrap_or(0); 16]));
                Request::Subscribe(Subscribe { set: set.into(), id, restricted_to: None })
            }
            2..=5 => Request::Send(self.message(script)),
            6 | 7 => {
                let wait = match script.octet() % 4 {
                    0 => Some(Duration::ZERO),
                    1 => Some(Duration::from_secs(u64::from(script.octet()))),
                    _ => None,
                };
                let urgency = script.pick(&Urgency::ALL);
                Request::Monitor(Monitor { target: self.target(script), urgency, wait })
            }
            8 | 9 => Request::Acknowledge(self.handle(script)),
            10 if script.flag() => Request::Drop(self.handle(script)),
            10 => Request::Read(self.handle(script)),
            _ => Request::Unsubscribe(self.target(script)),
        }
    }

    fn message(&self, script: &mut Script<'_>) -> Send {
        let (agent, subscription) = self.place(script);
        let receipt = match script.octet() % 4 {
            0 => ReceiptRequest::New,
            1 if !self.agents.is_empty() => {
                ReceiptRequest::On(Named { agent: script.pick(&self.agents), sealed_by: KEY })
            }
            _ => ReceiptRequest::No,
        };
        Send {
            agent,
            subscription,
            sealed_by: KEY,
            ttl: Ttl::from_secs(script.pick(&[0, 1, 5, 70, 6000, u32::MAX])),
            urgency: script.pick(&Urgency::ALL),
            topic: script.flag().then(|| script.slot(2)),
            receipt,
            sender: None,
            content: Content { body: Bytes::from_static(b"x"), ..Content::default() },
        }
    }

    fn place(&self, script: &mut Script<'_>) -> (AgentId, SubscriptionId) {
        if self.subscriptions.is_empty() || script.octet() > 250 {
            return (script.agent(3), script.subscription(3));
        }
        script.pick(&self.subscriptions)
    }

    fn target(&self, script: &mut Script<'_>) -> Target {
        let (agent, subscription) = self.place(script);
        match script.octet() % 4 {
            0 | 1 => Target::Set(agent),
            2 => Target::Subscription(agent, subscription),
            _ if self.agents.is_empty() => Target::Receipts(agent),
            _ => Target::Receipts(script.pick(&self.agents)),
        }
    }

    fn handle(&self, script: &mut Script<'_>) -> Handle {
        if self.handles.is_empty() || script.octet() > 250 {
            let (agent, subscription) = self.place(script);
            return Handle { agent, subscription, slot: script.slot(2), id: script.message() };
        }
        script.pick(&self.handles)
    }

    /// One that is known, mostly.
    fn exchange(&self, script: &mut Script<'_>) -> Exchange {
        let number = u64::from(script.octet());
        let known = self.talks.keys().nth(usize::try_from(number).unwrap_or(0) % self.talks.len().max(1));
        known.copied().unwrap_or(Exchange { origin: 9, number })
    }

    fn ask(&mut self, request: Request) {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        let talk = match &request {
            Request::Monitor(monitor) => Talk { monitor: Some(monitor.target), ..Talk::default() },
            Request::Acknowledge(handle) | Request::Drop(handle) => {
                Talk { ends: Some(*handle), ..Talk::default() }
            }
            _ => Talk::default(),
        };
        self.talks.insert(exchange, talk);
        self.give(Input::Request(exchange, request));
    }

    /// What became of a push: one that is under way, or one that never was.
    fn report(&mut self, script: &mut Script<'_>) {
        let transfer = match script.octet() {
            0..=180 => Transfer::Written,
            181..=250 => Transfer::Reset,
            _ => Transfer::Unsupported,
        };
        let which = script.below(self.pushes.len());
        let Some((&(exchange, delivery), _)) = self.pushes.iter().nth(which) else {
            return self.give(Input::Pushed(self.exchange(script), Delivery(script.u64()), transfer));
        };
        self.pushes.remove(&(exchange, delivery));
        if let Some(talk) = self.talks.get_mut(&exchange) {
            talk.credit += 1;
        }
        self.give(Input::Pushed(exchange, delivery, transfer));
    }

    fn pass(&mut self, script: &mut Script<'_>) {
        let millis = u64::from(script.u16()) << (script.octet() % 12);
        let wait = Duration::from_millis(millis);
        self.now.mono = self.now.mono.after(wait);
        // The wall clock is sometimes set.
        let step = if script.octet() > 250 { script.u64() >> 30 } else { wait.as_secs() };
        let back = script.octet() > 250;
        let wall = self.now.wall.as_secs();
        self.now.wall =
            UnixTime::from_secs(if back { wall.saturating_sub(step) } else { wall.saturating_add(step) });
        self.give(Input::Tick);
    }

    /// Something befalls the store, or the whole shard.
    fn tamper(&mut self, script: &mut Script<'_>) {
        match script.below(8) {
            0 | 1 => self.held = true,
            2 | 3 => {
                self.held = false;
                self.settle();
            }
            4 => self.memory.faults().fail += 1,
            5 => self.memory.faults().fail_late += 1,
            6 if script.flag() => self.memory.faults().drop_hints += 1,
            6 => self.memory.faults().duplicate_hints += 1,
            _ if script.octet() > 200 => self.restart(),
            _ => {
                let up = self.memory.availability() == Availability::Up;
                self.available(if up { Availability::Down } else { Availability::Up });
            }
        }
    }

    fn available(&mut self, availability: Availability) {
        let mut said = Vec::new();
        self.memory.set_availability(availability, &mut |to, completion| said.push((to, completion)));
        self.told(said);
        self.settle();
    }

    /// A new service over the same store.
    fn restart(&mut self) {
        self.lives = self.lives.wrapping_add(1);
        let config = Config { limits: self.limits, ..Config::default() };
        self.service = Service::new(config, &Seed::from_octets([self.lives; 32]));
        self.client = self.memory.attach();
        self.latest = UnixTime::from_secs(0);
        self.commands.clear();
        self.tickets.clear();
        self.talks.clear();
        self.pushes.clear();
        let down = self.memory.availability() == Availability::Down;
        if down {
            self.give(Input::Store(Completion::Availability(Availability::Down)));
        }
        self.settle();
    }

    fn give(&mut self, input: Input) {
        self.latest = self.latest.max(self.now.wall);
        self.service.handle(input, self.now);
        self.settle();
    }

    /// Polls until there is nothing more to do.
    fn settle(&mut self) {
        self.latest = self.latest.max(self.now.wall);
        for _ in 0..20_000 {
            match self.service.poll(self.now) {
                Output::Store(command) => {
                    if let Some(ticket) = command.ticket() {
                        assert!(self.tickets.insert(ticket), "a ticket is used once");
                    }
                    self.commands.push_back(command);
                }
                Output::Wait(deadline, reason) => {
                    assert!(deadline.is_none_or(|at| at > self.now.mono), "in the past: {reason:?}");
                    if self.held || self.commands.is_empty() {
                        return self.count();
                    }
                    self.carry_out();
                }
                output => self.see(output),
            }
        }
        panic!("the service does not come to rest");
    }

    fn carry_out(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            let mut said = Vec::new();
            self.memory.run(self.client, command, &mut |to, completion| said.push((to, completion)));
            self.told(said);
        }
    }

    fn told(&mut self, said: Vec<(Client, Completion)>) {
        for (to, completion) in said {
            // What an earlier life asked for is nobody's.
            if to == self.client {
                self.service.handle(Input::Store(completion), self.now);
            }
        }
    }

    fn count(&self) {
        let Census { exchanges, monitors, .. } = self.service.census();
        assert!(monitors <= self.limits.monitors, "G5");
        let open = self.talks.values().filter(|talk| !talk.answered).count();
        assert!(exchanges <= open, "{exchanges} are open in there, and {open} out here");
    }

    fn see(&mut self, output: Output) {
        match output {
            Output::Respond(exchange, response) => {
                let talk = self.talks.get_mut(&exchange).expect("an answer to nobody");
                assert!(!talk.answered, "two answers");
                talk.answered = true;
                let ends = talk.ends;
                self.learn(ends, &response);
            }
            Output::Opened(exchange) => {
                let talk = self.talks.get_mut(&exchange).expect("opened for nobody");
                assert!(talk.monitor.is_some() && !talk.opened && !talk.answered);
                talk.opened = true;
            }
            Output::Push(exchange, delivery, item) => self.pushed(exchange, delivery, &item),
            Output::Retract(exchange, delivery) => {
                if let Some(retracted) = self.pushes.get_mut(&(exchange, delivery)) {
                    assert!(!*retracted, "retracted twice");
                    *retracted = true;
                }
            }
            Output::Retire(exchange) => {
                let talk = self.talks.remove(&exchange).expect("retired twice");
                assert!(talk.answered || talk.cancelled, "retired without an answer");
                self.pushes.retain(|(of, _), _| *of != exchange);
            }
            Output::Store(_) | Output::Wait(..) => unreachable!("seen to elsewhere"),
        }
    }

    fn pushed(&mut self, exchange: Exchange, delivery: Delivery, item: &Item) {
        let talk = self.talks.get_mut(&exchange).expect("a push to nobody");
        let target = talk.monitor.expect("a push to no monitor");
        assert!(!talk.answered && !talk.cancelled, "a push after the response (9113-8.4-4)");
        assert!(talk.credit > 0, "a push without credit");
        talk.credit -= 1;
        let handle = item.handle();
        assert_eq!(handle.agent, target.agent(), "G2: never to another user agent");
        match item {
            Item::Message(message) => {
                assert!(!matches!(target, Target::Receipts(_)));
                assert!(target.member().is_none_or(|member| member == handle.subscription));
                assert!(message.is_transient() || message.expires > self.latest, "G2: after its expiry");
                self.handles.push(handle);
            }
            Item::Receipt(_) => assert!(matches!(target, Target::Receipts(_))),
        }
        assert!(!self.ended.contains(&handle), "G2: after its end");
        assert!(self.pushes.insert((exchange, delivery), false).is_none(), "a delivery is named once");
    }

    fn learn(&mut self, ends: Option<Handle>, response: &Response) {
        match response {
            Response::Subscribed(subscribed) => {
                self.subscriptions.push((subscribed.agent, subscribed.subscription));
                self.agents.push(subscribed.agent);
            }
            Response::Accepted(accepted) => {
                self.handles.push(accepted.handle);
                self.agents.extend(accepted.receipt);
            }
            Response::Done => self.ended.extend(ends),
            Response::Refused(refusal) => {
                assert!(refusal.status() != 503 || refusal.retry_after().is_some(), "{refusal}");
            }
            Response::Message(_) | Response::MonitorEnded { .. } => {}
        }
    }

    /// All peers go, and the store answers: nothing is left.
    fn finish(mut self) {
        self.held = false;
        self.settle();
        if self.memory.availability() == Availability::Down {
            self.available(Availability::Up);
        }
        let open: Vec<_> = self.talks.keys().copied().collect();
        for exchange in open {
            if let Some(talk) = self.talks.get_mut(&exchange) {
                talk.cancelled = true;
            }
            self.give(Input::Cancelled(exchange));
        }
        assert!(self.talks.is_empty(), "{} exchanges never retired", self.talks.len());
        assert_eq!(self.service.census(), Census::default(), "something is left");
        self.give(Input::Drain(self.now.mono.after(Duration::from_secs(1))));
        assert!(self.service.is_drained());
    }
}
