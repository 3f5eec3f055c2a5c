//! A shard with a memory store behind a door, and connections of user agents: what each test asserts is what a peer
//! would see. The connections write at once, unless a test takes their room.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use push_crypto::{Provider, capability::Keyring, rustcrypto};
use push_proto::{
    AgentId, Handle, Mono, Now, Outcome, Seed, Ttl, UnixTime,
    autopush::{Ask, Came, Close, Config, Input as Said, Monitored, Output as Effect, Session},
    service::{
        self, Delivery, Exchange, Input, Monitor, Output, Request, Response, Service, Target, Transfer,
    },
    store::{Availability, Command, Completion, Item},
    wire::{Door, Limits as WireLimits, PublicUrl, Unremembered},
};
use push_store::{Client, Memory, Quotas};
use serde_json::Value;

pub(crate) const ORIGIN: &str = "https://push.example.net";
/// What a connection can take at once, as in the driver.
pub(crate) const CREDIT: u32 = 8;
const START: u64 = 1_800_000_000;

pub(crate) static PROVIDER: LazyLock<Provider> = LazyLock::new(rustcrypto::provider);
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::generate(&PROVIDER).unwrap());

/// A connection, by its number.
pub(crate) type Who = usize;

/// Whose exchange it is.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Test,
    Ask(Who, Ask),
    Monitor(Who, Ask),
}

pub(crate) struct Line {
    pub(crate) session: Session,
    /// Whether what it writes is taken.
    pub(crate) room: bool,
    pub(crate) wait: Option<Mono>,
    /// What it was told and was not looked at yet.
    pub(crate) told: Vec<String>,
    pub(crate) pings: usize,
    pub(crate) close: Option<Option<Close>>,
    cut: bool,
    pub(crate) identified: Option<AgentId>,
    /// Texts that it has not taken yet.
    inbox: VecDeque<String>,
    /// Pushes that nothing was reported of yet.
    under_way: BTreeMap<Delivery, (Exchange, Handle)>,
    /// How often a monitor was asked for.
    pub(crate) watches: usize,
}

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) memory: Memory,
    pub(crate) keyring: Keyring,
    pub(crate) door: Door,
    pub(crate) now: Now,
    pub(crate) lines: Vec<Line>,
    config: Arc<Config>,
    client: Client,
    exchanges: u64,
    held: Option<Vec<Command>>,
    wait: Option<Mono>,
    origins: BTreeMap<Exchange, Origin>,
    answers: BTreeMap<Exchange, Response>,
    /// Pushes to monitors of the tests themselves.
    pushes: Vec<Item>,
    /// Acknowledgements under way, and what was ended by one.
    ending: BTreeMap<Exchange, Handle>,
    pub(crate) ended: BTreeSet<Handle>,
    /// Every request of sessions, in order.
    pub(crate) asked: Vec<Request>,
    /// What was written of each monitor's, in order.
    written: BTreeMap<Exchange, Vec<Handle>>,
    /// Messages that were accepted to be kept, in order.
    accepted: Vec<Handle>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), service::Limits::default())
    }

    pub(crate) fn with(config: Config, limits: service::Limits) -> Self {
        let mut memory = Memory::new(Quotas::default());
        let client = memory.attach();
        let keyring = KEYRING.clone();
        let limits = service::Config { limits, ..service::Config::default() };
        let mut world = Self {
            service: Service::new(limits, &Seed::from_octets([7; 32])),
            memory,
            door: door(&keyring),
            keyring,
            now: Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(START) },
            lines: Vec::new(),
            config: Arc::new(config),
            client,
            exchanges: 0,
            held: None,
            wait: None,
            origins: BTreeMap::new(),
            answers: BTreeMap::new(),
            pushes: Vec::new(),
            ending: BTreeMap::new(),
            ended: BTreeSet::new(),
            asked: Vec::new(),
            written: BTreeMap::new(),
            accepted: Vec::new(),
        };
        world.settle();
        world
    }

    pub(crate) fn rotate(&mut self) {
        self.keyring.rotate(&PROVIDER).unwrap();
        self.door = door(&self.keyring);
    }

    /// A new connection.
    pub(crate) fn connect(&mut self) -> Who {
        let octet = u8::try_from(self.lines.len()).unwrap() + 1;
        let mut octets = [octet; 16];
        // No jitter.
        octets[12..].fill(0);
        self.connect_as(AgentId::from_octets(octets))
    }

    pub(crate) fn connect_as(&mut self, fresh: AgentId) -> Who {
        self.lines.push(Line {
            session: Session::new(Arc::clone(&self.config), fresh, self.now),
            room: true,
            wait: None,
            told: Vec::new(),
            pings: 0,
            close: None,
            cut: false,
            identified: None,
            inbox: VecDeque::new(),
            under_way: BTreeMap::new(),
            watches: 0,
        });
        self.settle();
        self.lines.len() - 1
    }

    /// The user agent says this, and the session takes it when it wants to.
    pub(crate) fn say(&mut self, who: Who, text: impl ToString) {
        self.lines[who].inbox.push_back(text.to_string());
        self.settle();
    }

    /// Whether all that was said has been taken.
    pub(crate) fn is_heard(&self, who: Who) -> bool {
        self.lines[who].inbox.is_empty()
    }

    pub(crate) fn come(&mut self, who: Who, came: Came<'_>) {
        self.give(who, Said::Came(came));
        self.settle();
    }

    /// What a user agent was told since it was last asked.
    pub(crate) fn told(&mut self, who: Who) -> Vec<Value> {
        let texts = std::mem::take(&mut self.lines[who].told);
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    pub(crate) fn closed(&self, who: Who) -> Option<Option<Close>> {
        self.lines[who].close
    }

    /// The connection breaks, and the driver finds out.
    pub(crate) fn cut(&mut self, who: Who) {
        self.lines[who].cut = true;
        self.lines[who].close.get_or_insert_default();
        self.leave(who);
        self.settle();
    }

    pub(crate) fn room(&mut self, who: Who, room: bool) {
        self.lines[who].room = room;
        self.settle();
    }

    /// The service is being stopped: the sessions are told first, so that they can say so.
    pub(crate) fn drain(&mut self) {
        for who in 0..self.lines.len() {
            self.give(who, Said::Drain);
        }
        self.settle();
        let deadline = self.now.mono.after(Duration::from_secs(10));
        self.service.handle(Input::Drain(deadline), self.now);
        self.settle();
    }

    pub(crate) fn available(&mut self, availability: Availability) {
        let mut said = Vec::new();
        self.memory.set_availability(availability, &mut |_, completion| said.push(completion));
        for completion in said {
            self.service.handle(Input::Store(completion), self.now);
        }
        self.settle();
    }

    /// From now on the store sees nothing.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// The store sees the first commands that it was kept from.
    pub(crate) fn release_some(&mut self, count: usize) {
        let held = self.held.take().unwrap_or_default();
        let mut held = VecDeque::from(held);
        for command in held.drain(..count.min(held.len())).collect::<Vec<_>>() {
            self.store(command);
        }
        self.held = Some(held.into());
        self.settle();
    }

    /// The store catches up.
    pub(crate) fn release(&mut self) {
        for command in self.held.take().into_iter().flatten() {
            self.store(command);
        }
        self.settle();
    }

    /// Lets time pass on both clocks, stopping at each deadline as a driver would.
    pub(crate) fn pass(&mut self, wait: Duration) {
        let end = self.now.mono.after(wait);
        while let Some(at) = self.deadline().filter(|at| *at < end) {
            self.tick(at);
        }
        self.tick(end);
    }

    pub(crate) fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    fn deadline(&self) -> Option<Mono> {
        let open = self.lines.iter().filter(|line| line.close.is_none());
        open.filter_map(|line| line.wait).chain(self.wait).min()
    }

    fn tick(&mut self, at: Mono) {
        let wall = UnixTime::from_secs(START + at.as_nanos() / 1_000_000_000 - 1);
        self.now = Now { mono: at, wall };
        self.service.handle(Input::Tick, self.now);
        for who in 0..self.lines.len() {
            self.give(who, Said::Tick);
        }
        self.settle();
    }

    /// Asks the service by itself.
    pub(crate) fn start(&mut self, request: Request) -> Exchange {
        let exchange = self.exchange(Origin::Test);
        self.service.handle(Input::Request(exchange, request), self.now);
        self.settle();
        exchange
    }

    pub(crate) fn answer(&self, exchange: Exchange) -> Option<&Response> {
        self.answers.get(&exchange)
    }

    pub(crate) fn ask(&mut self, request: Request) -> Response {
        let exchange = self.start(request);
        self.answer(exchange).expect("answered").clone()
    }

    /// What an application server's POST asks of the service, through the door.
    pub(crate) fn post(&self, endpoint: &str, fields: &[(&str, &str)], body: &str) -> Result<Request, u16> {
        let path = endpoint.strip_prefix(ORIGIN).expect("of this service");
        let mut request = http::Request::builder().method(Method::POST).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let (head, body) = request.into_parts();
        let admitted = self.door.admit(&head).map_err(|refusal| refusal.status())?;
        let request = http::Request::from_parts(head, body);
        let asked = self.door.request(admitted, request, &mut Unremembered, self.now.wall);
        asked.map_err(|refusal| refusal.status())
    }

    /// Sends, and says the status.
    pub(crate) fn send_with(&mut self, endpoint: &str, fields: &[(&str, &str)], body: &str) -> u16 {
        let request = match self.post(endpoint, fields, body) {
            Ok(request) => request,
            Err(status) => return status,
        };
        let response = self.ask(request);
        self.door.respond(&response, self.now.wall).status().as_u16()
    }

    pub(crate) fn send(&mut self, endpoint: &str, body: &str) {
        assert_eq!(self.send_with(endpoint, &[("ttl", "3600")], body), 201);
    }

    /// Asks for a receipt; the receipt subscription.
    pub(crate) fn send_for_receipt(&mut self, endpoint: &str, body: &str) -> AgentId {
        let fields = [("ttl", "3600"), ("prefer", "respond-async")];
        let request = self.post(endpoint, &fields, body).unwrap();
        match self.ask(request) {
            Response::Accepted(accepted) => accepted.receipt.expect("asked for"),
            other => panic!("{other:?}"),
        }
    }

    /// What has been told on a receipt subscription.
    pub(crate) fn receipts(&mut self, of: AgentId) -> Vec<Outcome> {
        let exchange = self.start(Request::Monitor(Monitor::of(Target::Receipts(of))));
        self.service.handle(Input::Credit(exchange, 100), self.now);
        self.settle();
        self.service.handle(Input::Cancelled(exchange), self.now);
        self.settle();
        let outcome = |item: &Item| match item {
            Item::Receipt(receipt) => receipt.outcome,
            Item::Message(_) => panic!("a message for a sender"),
        };
        std::mem::take(&mut self.pushes).iter().map(outcome).collect()
    }

    fn exchange(&mut self, origin: Origin) -> Exchange {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        self.origins.insert(exchange, origin);
        exchange
    }

    fn give(&mut self, who: Who, said: Said<'_>) {
        let Self { lines, door, now, .. } = self;
        lines[who].session.handle(said, door, *now);
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            let busy = (0..self.lines.len()).filter(|who| self.poll_line(*who)).count();
            if !self.poll_service() && busy == 0 {
                return self.check_bounds();
            }
        }
        panic!("it does not come to rest");
    }

    /// G5
    fn check_bounds(&self) {
        let limits = &self.config.limits;
        for who in 0..self.lines.len() {
            let asked = |origin: &&Origin| matches!(origin, Origin::Ask(of, _) if *of == who);
            let asked = self.origins.values().filter(asked).count();
            assert!(asked < limits.requests + limits.updates, "requests of one connection");
            let line = &self.lines[who];
            let waits = !line.room || line.close.is_some();
            assert!(waits || line.under_way.is_empty(), "what became of a push is told");
        }
    }

    /// G3: what is new to a monitor comes in the order in which it was accepted.
    pub(crate) fn check_order(&self) {
        for written in self.written.values() {
            let mut seen = BTreeSet::new();
            let new = written.iter().filter(|handle| seen.insert(**handle));
            let places: Vec<_> =
                new.filter_map(|handle| self.accepted.iter().position(|it| it == handle)).collect();
            assert!(places.is_sorted(), "out of order: {places:?}");
        }
    }

    /// Whether there was anything to do.
    fn poll_line(&mut self, who: Who) -> bool {
        let line = &mut self.lines[who];
        if line.cut {
            return false;
        }
        let done = line.close.is_some();
        let effect = line.session.poll(line.room, &self.door, self.now);
        if let Effect::Wait(at) = effect {
            line.wait = at;
            assert!(at.is_none_or(|at| at > self.now.mono), "a deadline in the past");
            if done || !line.session.wants_frames() {
                return false;
            }
            let Some(text) = line.inbox.pop_front() else { return false };
            self.give(who, Said::Came(Came::Text(&text)));
            return true;
        }
        assert!(!done, "after its end: {effect:?}");
        self.carry_out(who, effect);
        true
    }

    fn carry_out(&mut self, who: Who, effect: Effect) {
        match effect {
            Effect::Frame(text, push) => {
                assert!(self.lines[who].room);
                self.lines[who].told.push(text);
                if let Some(push) = push {
                    let (monitor, handle) = self.lines[who].under_way[&push];
                    self.written.entry(monitor).or_default().push(handle);
                    assert!(!self.ended.contains(&handle), "G2: written after its end");
                    self.report(who, push, Transfer::Written);
                }
            }
            Effect::Retracted(push) => self.report(who, push, Transfer::Reset),
            Effect::Ping => self.lines[who].pings += 1,
            Effect::Ask(ask, request) => {
                self.asked.push(request.clone());
                let exchange = self.exchange(Origin::Ask(who, ask));
                if let Request::Acknowledge(handle) = request {
                    self.ending.insert(exchange, handle);
                }
                self.service.handle(Input::Request(exchange, request), self.now);
            }
            Effect::Monitor(ask, monitor) => {
                let exchange = self.exchange(Origin::Monitor(who, ask));
                self.lines[who].watches += 1;
                self.service.handle(Input::Request(exchange, Request::Monitor(monitor)), self.now);
                self.service.handle(Input::Credit(exchange, CREDIT), self.now);
            }
            Effect::Identified(agent) => self.lines[who].identified = Some(agent),
            Effect::Close(close) => {
                self.lines[who].close = Some(close);
                self.leave(who);
            }
            Effect::Wait(_) => panic!("seen to before"),
        }
    }

    fn report(&mut self, who: Who, push: Delivery, transfer: Transfer) {
        let (exchange, _) = self.lines[who].under_way.remove(&push).expect("reported once");
        self.service.handle(Input::Pushed(exchange, push, transfer), self.now);
    }

    /// Nobody is there any more.
    fn leave(&mut self, who: Who) {
        let gone = |origin: &Origin| matches!(origin, Origin::Monitor(of, _) if *of == who);
        let gone: Vec<_> =
            self.origins.iter().filter(|(_, origin)| gone(origin)).map(|(it, _)| *it).collect();
        for exchange in gone {
            self.service.handle(Input::Cancelled(exchange), self.now);
        }
    }

    fn poll_service(&mut self) -> bool {
        match self.service.poll(self.now) {
            Output::Store(command) => match &mut self.held {
                Some(held) => held.push(command),
                None => self.store(command),
            },
            Output::Respond(exchange, response) => self.respond(exchange, response),
            Output::Opened(exchange) => self.monitored(exchange, Monitored::Opened),
            Output::Push(exchange, push, item) => self.pushed(exchange, push, item),
            Output::Retract(exchange, push) => self.monitored(exchange, Monitored::Retract(push)),
            Output::Retire(exchange) => {
                self.origins.remove(&exchange).expect("retired once");
            }
            Output::Wait(at, _) => {
                self.wait = at;
                return false;
            }
        }
        true
    }

    fn store(&mut self, command: Command) {
        let mut completions = Vec::new();
        self.memory.run(self.client, command, &mut |_, completion: Completion| completions.push(completion));
        for completion in completions {
            self.service.handle(Input::Store(completion), self.now);
        }
    }

    fn respond(&mut self, exchange: Exchange, response: Response) {
        if let Some(handle) = self.ending.remove(&exchange)
            && matches!(response, Response::Done)
        {
            assert!(self.ended.insert(handle), "G2: one end");
        }
        match self.origins.get(&exchange).copied().expect("somebody's") {
            Origin::Test => {
                if let Response::Accepted(accepted) = &response
                    && accepted.ttl > Ttl::ZERO
                {
                    self.accepted.push(accepted.handle);
                }
                assert!(self.answers.insert(exchange, response).is_none(), "answered once");
            }
            Origin::Ask(who, ask) => self.give(who, Said::Answered(ask, response)),
            Origin::Monitor(..) => self.monitored(exchange, Monitored::Ended(response)),
        }
    }

    fn pushed(&mut self, exchange: Exchange, push: Delivery, item: Item) {
        match self.origins.get(&exchange).copied().expect("somebody's") {
            Origin::Monitor(who, _) => {
                assert!(!self.ended.contains(&item.handle()), "G2: after its end");
                let line = &mut self.lines[who];
                line.under_way.insert(push, (exchange, item.handle()));
                let under_way = line.under_way.values().filter(|(of, _)| *of == exchange).count();
                assert!(under_way <= usize::try_from(CREDIT).unwrap(), "within the credit");
                self.monitored(exchange, Monitored::Push(push, item));
            }
            Origin::Test | Origin::Ask(..) => {
                self.pushes.push(item);
                self.service.handle(Input::Pushed(exchange, push, Transfer::Written), self.now);
            }
        }
    }

    fn monitored(&mut self, exchange: Exchange, monitored: Monitored) {
        if let Some(Origin::Monitor(who, ask)) = self.origins.get(&exchange).copied() {
            self.give(who, Said::Monitored(ask, monitored));
        }
    }
}

fn door(keyring: &Keyring) -> Door {
    let url = PublicUrl::parse(ORIGIN).unwrap();
    Door::new(Arc::new(keyring.clone()), url, *PROVIDER, WireLimits::default())
}
