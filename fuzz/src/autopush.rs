use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use push_proto::{
    AgentId, Content, Handle, Mono, Now, SealingKeyId, Seed, SubscriptionId, Ttl, Urgency,
    autopush::{
        Ask, Came, ChannelId, Close, Config, Input as Said, Limits, Monitored, Output as Effect, Session,
    },
    service::{
        self, Delivery, Exchange, Input, Output, Rate, ReceiptRequest, Request, Response, Send, Service,
        Target, Transfer,
    },
    store::{Availability, Command, Completion, Item},
    wire::Door,
};
use push_store::{Client, Memory, Quotas};
use serde_json::Value;

use crate::{
    fixture::{DOORS, NOW},
    script::Script,
};

/// Connections of Mozilla's push protocol to one shard of the service: frames that are any text or nearly right, user
/// agents that come, go and take each other over, a store that is slow, fails and goes down. Each session comes to rest
/// and says nothing after its end, asks within its bounds and for itself alone, and writes what is its own and has not
/// ended; when all have gone nothing is left.
pub fn autopush(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut world = World::new(&mut script);
    for _ in 0..300 {
        if script.is_done() {
            break;
        }
        world.step(&mut script);
    }
    world.finish();
}

const CREDIT: u32 = 3;
const LINES: usize = 12;

/// Whose exchange it is.
#[derive(Clone, Copy)]
enum Origin {
    Sender,
    Ask(usize, Ask),
    Monitor(usize, Ask, AgentId),
}

struct Line {
    session: Session,
    fresh: AgentId,
    /// Who it was found to be.
    identified: Option<AgentId>,
    room: bool,
    inbox: VecDeque<String>,
    under_way: BTreeMap<Delivery, (Exchange, Handle)>,
    asks: BTreeSet<Ask>,
    closed: bool,
    /// It was cut off, and is not driven any more.
    cut: bool,
}

struct World {
    service: Service,
    memory: Memory,
    client: Client,
    door: &'static Door,
    config: Arc<Config>,
    now: Now,
    lines: Vec<Line>,
    exchanges: u64,
    held: bool,
    commands: VecDeque<Command>,
    origins: BTreeMap<Exchange, Origin>,
    ending: BTreeMap<Exchange, Handle>,
    ended: BTreeSet<Handle>,
    subscriptions: Vec<(AgentId, SubscriptionId)>,
    uaids: Vec<String>,
    versions: Vec<String>,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let mut memory = Memory::new(Quotas { entries: 6, subscriptions: 3, ..Quotas::default() });
        let client = memory.attach();
        let limits = service::Limits {
            monitors: 2 + script.below(3),
            unacknowledged: 1 + script.below(6),
            page_entries: 1 + u32::from(script.octet() % 4),
            ..service::Limits::default()
        };
        let frames = if script.flag() { Rate::new(1, 20) } else { None };
        let requests = 1 + script.below(4);
        let limits_of_lines = Limits { requests, updates: 3, broadcasts: 2, frames, ..Limits::default() };
        let broadcasts = [("a".to_owned(), "1".to_owned())].into();
        Self {
            service: Service::new(
                service::Config { limits, ..service::Config::default() },
                &Seed::from_octets([1; 32]),
            ),
            memory,
            client,
            door: &DOORS[0],
            config: Arc::new(Config { limits: limits_of_lines, broadcasts }),
            now: Now { mono: Mono::from_nanos(1_000_000_000), wall: NOW },
            lines: Vec::new(),
            exchanges: 0,
            held: false,
            commands: VecDeque::new(),
            origins: BTreeMap::new(),
            ending: BTreeMap::new(),
            ended: BTreeSet::new(),
            subscriptions: Vec::new(),
            uaids: Vec::new(),
            versions: Vec::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        if self.lines.is_empty() {
            return self.connect();
        }
        // Mostly the newest.
        let back = if script.flag() { script.below(self.lines.len()) } else { 0 };
        let who = self.lines.len() - 1 - back;
        match script.below(16) {
            0..=5 => {
                let text = self.frame(script);
                self.lines[who].inbox.push_back(text);
            }
            6 => self.lines[who].inbox.push_back(String::from_utf8_lossy(script.string()).into_owned()),
            7 => self.connect(),
            8..=10 => self.send(script),
            11 => self.lines[who].room = !self.lines[who].room,
            12 => self.pass(script),
            13 => self.tamper(script),
            14 if script.octet() > 200 => self.cut(who),
            14 => self.give(who, Said::Came(Came::Control)),
            _ => match script.octet() {
                0..=60 => self.operate(script),
                61..=80 => self.give(who, Said::Came(Came::Binary)),
                81..=83 => self.give(who, Said::Drain),
                _ => self.give(who, Said::Tick),
            },
        }
        self.settle();
    }

    fn connect(&mut self) {
        if self.lines.len() >= LINES {
            return;
        }
        let octet = u8::try_from(self.lines.len()).unwrap_or(0) + 0x40;
        let fresh = AgentId::from_octets([octet; 16]);
        self.lines.push(Line {
            session: Session::new(Arc::clone(&self.config), fresh, self.now),
            fresh,
            identified: None,
            room: true,
            inbox: VecDeque::new(),
            under_way: BTreeMap::new(),
            asks: BTreeSet::new(),
            closed: false,
            cut: false,
        });
    }

    /// A frame that is nearly right, at least.
    fn frame(&self, script: &mut Script<'_>) -> String {
        let channel = ChannelId::from(script.subscription(4));
        let some = |of: &[String], script: &mut Script<'_>| {
            if of.is_empty() { String::from("none") } else { script.pick(of) }
        };
        match script.below(12) {
            0 | 1 => r#"{"messageType":"hello","broadcasts":{"a":"0","b":"0"}}"#.to_owned(),
            2 | 3 => format!(r#"{{"messageType":"hello","uaid":"{}"}}"#, some(&self.uaids, script)),
            4..=6 => format!(r#"{{"messageType":"register","channelID":"{channel}"}}"#),
            7 => format!(r#"{{"messageType":"unregister","channelID":"{channel}"}}"#),
            8 | 9 => {
                let update = |script: &mut Script<'_>| {
                    format!(r#"{{"version":"{}","code":100}}"#, some(&self.versions, script))
                };
                format!(r#"{{"messageType":"ack","updates":[{},{}]}}"#, update(script), update(script))
            }
            10 => {
                let least = script.pick(&Urgency::ALL).as_str();
                format!(r#"{{"messageType":"urgency","min":"{least}"}}"#)
            }
            _ => r#"{"messageType":"broadcast_subscribe","broadcasts":{"a":"","c":""}}"#.to_owned(),
        }
    }

    fn send(&mut self, script: &mut Script<'_>) {
        if self.subscriptions.is_empty() {
            return;
        }
        let (agent, subscription) = script.pick(&self.subscriptions);
        let body = if script.flag() { Bytes::from_static(b"x") } else { Bytes::new() };
        self.ask(Request::Send(Send {
            agent,
            subscription,
            sealed_by: SealingKeyId::from_u8(script.octet() % 2),
            ttl: Ttl::from_secs(script.pick(&[0, 1, 70, 6000])),
            urgency: script.pick(&Urgency::ALL),
            topic: script.flag().then(|| script.slot(2)),
            receipt: if script.octet().is_multiple_of(4) { ReceiptRequest::New } else { ReceiptRequest::No },
            sender: None,
            content: Content { body, ..Content::default() },
        }));
    }

    fn operate(&mut self, script: &mut Script<'_>) {
        if !self.subscriptions.is_empty() {
            let (agent, subscription) = script.pick(&self.subscriptions);
            let one = script.flag();
            let target = if one { Target::Subscription(agent, subscription) } else { Target::Set(agent) };
            self.ask(Request::Unsubscribe(target));
        }
    }

    fn ask(&mut self, request: Request) {
        let exchange = self.exchange(Origin::Sender);
        self.service.handle(Input::Request(exchange, request), self.now);
    }

    fn pass(&mut self, script: &mut Script<'_>) {
        let millis = u64::from(script.octet()) << (script.octet() % 12);
        let mono = self.now.mono.after(Duration::from_millis(millis));
        let secs = mono.since(Mono::from_nanos(1_000_000_000)).as_secs();
        self.now = Now { mono, wall: NOW.saturating_add_secs(secs) };
        self.service.handle(Input::Tick, self.now);
        for who in 0..self.lines.len() {
            self.give(who, Said::Tick);
        }
    }

    fn tamper(&mut self, script: &mut Script<'_>) {
        match script.below(6) {
            0 | 1 => self.held = !self.held,
            2 => self.memory.faults().fail += 1,
            3 => self.memory.faults().fail_late += 1,
            4 => self.held = false,
            _ => {
                let up = self.memory.availability() == Availability::Up;
                self.available(if up { Availability::Down } else { Availability::Up });
            }
        }
    }

    fn available(&mut self, availability: Availability) {
        let mut said = Vec::new();
        self.memory.set_availability(availability, &mut |_, completion| said.push(completion));
        self.completed(said);
    }

    fn completed(&mut self, said: Vec<Completion>) {
        for completion in said {
            self.service.handle(Input::Store(completion), self.now);
        }
    }

    /// The connection breaks.
    fn cut(&mut self, who: usize) {
        self.lines[who].cut = true;
        self.leave(who);
    }

    fn exchange(&mut self, origin: Origin) -> Exchange {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        self.origins.insert(exchange, origin);
        exchange
    }

    fn give(&mut self, who: usize, said: Said<'_>) {
        let Self { lines, door, now, .. } = self;
        let line = &mut lines[who];
        if !line.cut {
            line.session.handle(said, door, *now);
        }
    }

    fn settle(&mut self) {
        for _ in 0..20_000 {
            let busy = (0..self.lines.len()).filter(|who| self.poll_line(*who)).count();
            if !self.poll_service() && busy == 0 {
                return;
            }
        }
        panic!("they do not come to rest");
    }

    /// Whether there was anything to do.
    fn poll_line(&mut self, who: usize) -> bool {
        let line = &mut self.lines[who];
        if line.cut {
            return false;
        }
        let effect = line.session.poll(line.room, self.door, self.now);
        if let Effect::Wait(at) = effect {
            assert!(at.is_none_or(|at| at > self.now.mono), "a deadline in the past");
            assert!(line.closed || !line.room || line.under_way.is_empty(), "a push that nothing became of");
            if line.closed || !line.session.wants_frames() {
                return false;
            }
            let Some(text) = line.inbox.pop_front() else { return false };
            self.give(who, Said::Came(Came::Text(&text)));
            return true;
        }
        assert!(!line.closed, "after its end");
        self.carry_out(who, effect);
        true
    }

    fn carry_out(&mut self, who: usize, effect: Effect) {
        match effect {
            Effect::Frame(text, push) => {
                assert!(self.lines[who].room);
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                self.told(&frame);
                let channel = push.map(|push| self.report(who, push, Transfer::Written));
                assert_eq!(frame["messageType"] == "notification", channel.is_some());
                if let Some(handle) = channel {
                    assert!(!self.ended.contains(&handle), "G2: after its end");
                    let channel = ChannelId::from(handle.subscription).to_string();
                    assert_eq!(frame["channelID"], channel);
                }
            }
            Effect::Retracted(push) => drop(self.report(who, push, Transfer::Reset)),
            Effect::Ping => assert!(self.lines[who].room),
            Effect::Ask(ask, request) => self.asked(who, ask, request),
            Effect::Monitor(ask, monitor) => {
                let agent = monitor.target.agent();
                assert_eq!(monitor.target, Target::Set(agent));
                self.check_own(who, agent);
                let exchange = self.exchange(Origin::Monitor(who, ask, agent));
                self.service.handle(Input::Request(exchange, Request::Monitor(monitor)), self.now);
                self.service.handle(Input::Credit(exchange, CREDIT), self.now);
            }
            // Twice where the set that it claimed has gone, but then it is another.
            Effect::Identified(agent) => assert_ne!(self.lines[who].identified.replace(agent), Some(agent)),
            Effect::Close(close) => {
                let reason = close.as_ref().map_or("", Close::reason);
                assert!(reason.len() <= 123, "{reason}");
                self.lines[who].closed = true;
                self.leave(who);
            }
            Effect::Wait(_) => unreachable!("seen to elsewhere"),
        }
    }

    fn asked(&mut self, who: usize, ask: Ask, request: Request) {
        let line = &mut self.lines[who];
        assert!(line.asks.insert(ask), "a name is used once");
        let limits = &self.config.limits;
        assert!(line.asks.len() < limits.requests + limits.updates, "G5: asks more than is answered");
        self.check_own(who, request.agent().expect("its own"));
        let exchange = self.exchange(Origin::Ask(who, ask));
        if let Request::Acknowledge(handle) = request {
            self.ending.insert(exchange, handle);
        }
        self.service.handle(Input::Request(exchange, request), self.now);
    }

    /// It speaks for whom it has shown to be, or for the name that it was given.
    fn check_own(&self, who: usize, agent: AgentId) {
        let line = &self.lines[who];
        assert!(agent == line.fresh || Some(agent) == line.identified, "for another");
    }

    /// Keeps what can be said again.
    fn told(&mut self, frame: &Value) {
        let text = |name: &str| frame[name].as_str().map(str::to_owned);
        self.uaids.extend(text("uaid"));
        self.versions.extend(text("version"));
        // A choice is of 256 at most.
        let few = |of: &mut Vec<String>| drop(of.drain(..of.len().saturating_sub(16)));
        few(&mut self.uaids);
        few(&mut self.versions);
    }

    fn report(&mut self, who: usize, push: Delivery, transfer: Transfer) -> Handle {
        let (exchange, handle) = self.lines[who].under_way.remove(&push).expect("reported once");
        self.service.handle(Input::Pushed(exchange, push, transfer), self.now);
        handle
    }

    fn leave(&mut self, who: usize) {
        let monitors =
            self.origins.iter().filter(|(_, origin)| matches!(origin, Origin::Monitor(of, ..) if *of == who));
        let monitors: Vec<_> = monitors.map(|(exchange, _)| *exchange).collect();
        for exchange in monitors {
            self.service.handle(Input::Cancelled(exchange), self.now);
        }
    }

    fn poll_service(&mut self) -> bool {
        match self.service.poll(self.now) {
            Output::Store(command) => self.commands.push_back(command),
            Output::Respond(exchange, response) => self.respond(exchange, response),
            Output::Opened(exchange) => self.monitored(exchange, Monitored::Opened),
            Output::Push(exchange, push, item) => self.pushed(exchange, push, item),
            Output::Retract(exchange, push) => self.monitored(exchange, Monitored::Retract(push)),
            Output::Retire(exchange) => drop(self.origins.remove(&exchange).expect("retired once")),
            Output::Wait(..) => {
                let command = if self.held { None } else { self.commands.pop_front() };
                let Some(command) = command else { return false };
                let mut said = Vec::new();
                self.memory.run(self.client, command, &mut |_, completion| said.push(completion));
                self.completed(said);
            }
        }
        true
    }

    fn respond(&mut self, exchange: Exchange, response: Response) {
        if let Some(handle) = self.ending.remove(&exchange)
            && matches!(response, Response::Done)
        {
            assert!(self.ended.insert(handle), "G2: one end");
        }
        if let Response::Subscribed(subscribed) = &response {
            self.subscriptions.push((subscribed.agent, subscribed.subscription));
            self.subscriptions.truncate(16);
        }
        match self.origins[&exchange] {
            Origin::Sender => {}
            Origin::Ask(who, ask) => {
                assert!(self.lines[who].asks.remove(&ask), "answered once");
                self.give(who, Said::Answered(ask, response));
            }
            Origin::Monitor(..) => self.monitored(exchange, Monitored::Ended(response)),
        }
    }

    fn pushed(&mut self, exchange: Exchange, push: Delivery, item: Item) {
        let Origin::Monitor(who, _, agent) = self.origins[&exchange] else { panic!("a push to no monitor") };
        assert_eq!(item.handle().agent, agent, "G2: to another");
        self.lines[who].under_way.insert(push, (exchange, item.handle()));
        self.monitored(exchange, Monitored::Push(push, item));
    }

    fn monitored(&mut self, exchange: Exchange, monitored: Monitored) {
        if let Origin::Monitor(who, ask, _) = self.origins[&exchange] {
            self.give(who, Said::Monitored(ask, monitored));
        }
    }

    /// All go, and the store answers: nothing is left.
    fn finish(mut self) {
        self.held = false;
        if self.memory.availability() == Availability::Down {
            self.available(Availability::Up);
        }
        for who in 0..self.lines.len() {
            self.lines[who].room = true;
            self.give(who, Said::Drain);
        }
        self.settle();
        assert!(self.lines.iter().all(|line| line.cut || line.closed), "each has ended");
        assert!(self.origins.is_empty(), "each exchange is retired");
        let census = self.service.census();
        assert_eq!((census.exchanges, census.monitors), (0, 0), "nobody is left");
    }
}
