//! Whatever user agents, senders and the store do: nothing is lost, nothing comes after its end or to another, what is
//! new comes in order (G1 to G3), and nothing grows without bound (G5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use push_proto::{
    Handle,
    service::{Exchange, Response},
    store::Availability,
};
use serde_json::{Value, json};

use crate::{
    agent::{Notified, channel},
    world::{Who, World},
};

const AGENTS: usize = 2;
const CHANNELS: u8 = 3;
/// Longer than any script takes.
const LONG: u32 = 1_000_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect(usize),
    Cut(usize),
    Register(usize, u8),
    Unregister(usize, u8),
    Ack(usize, usize),
    AckOfAnother(usize, usize),
    Urgency(usize, usize),
    Say(usize, &'static str),
    Room(usize, bool),
    Send { to: (usize, u8), ttl: u32, topic: Option<&'static str> },
    Pass(u64),
    Hold,
    ReleaseSome(usize),
    Release,
    Fail,
    FailLate,
    Down,
    Up,
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    let agent = || 0..AGENTS;
    let which = || (agent(), 0..CHANNELS);
    let ttl = prop_oneof![1 => Just(0_u32), 1 => Just(2), 6 => Just(LONG)];
    let topic = prop_oneof![3 => Just(None), 1 => Just(Some("t"))];
    let said = prop::sample::select(vec![
        "{}",
        "nonsense",
        r#"{"messageType":"nack"}"#,
        r#"{"messageType":"hello"}"#,
    ]);
    prop_oneof![
        6 => agent().prop_map(Step::Connect),
        1 => agent().prop_map(Step::Cut),
        5 => which().prop_map(|(agent, number)| Step::Register(agent, number)),
        1 => which().prop_map(|(agent, number)| Step::Unregister(agent, number)),
        6 => (agent(), 0..16_usize).prop_map(|(agent, which)| Step::Ack(agent, which)),
        1 => (agent(), 0..16_usize).prop_map(|(agent, which)| Step::AckOfAnother(agent, which)),
        1 => (agent(), 0..4_usize).prop_map(|(agent, least)| Step::Urgency(agent, least)),
        1 => (agent(), said).prop_map(|(agent, said)| Step::Say(agent, said)),
        2 => (agent(), any::<bool>()).prop_map(|(agent, room)| Step::Room(agent, room)),
        10 => (which(), ttl, topic).prop_map(|(to, ttl, topic)| Step::Send { to, ttl, topic }),
        3 => prop_oneof![Just(1_u64), Just(3), Just(61)].prop_map(Step::Pass),
        2 => Just(Step::Hold),
        1 => (0..4_usize).prop_map(Step::ReleaseSome),
        3 => Just(Step::Release),
        1 => Just(Step::Fail),
        1 => Just(Step::FailLate),
        1 => Just(Step::Down),
        2 => Just(Step::Up),
        1 => Just(Step::Rotate),
    ]
}

/// A user agent and what it knows.
#[derive(Default)]
struct Agent {
    uaid: Option<String>,
    /// Its present connection; older ones that nobody has cut are still there.
    line: Option<Who>,
    older: Vec<Who>,
    /// What it was told of its channels.
    endpoints: BTreeMap<u8, String>,
    seen: Vec<Notified>,
    pings: usize,
    /// The channels that it has said to unregister on this connection, each with the messages that had been accepted.
    unregistering: VecDeque<(u8, Vec<usize>)>,
    /// Channels that it has ever said to unregister: what is sent to them later may be sent before that is done.
    left: BTreeSet<u8>,
}

/// A message, by its body.
struct Sent {
    to: (usize, u8),
    topic: Option<&'static str>,
    exchange: Exchange,
    kept: bool,
    /// Known once it was accepted.
    handle: Option<Handle>,
    /// Its end is known.
    over: bool,
    /// It may have ended: it was acknowledged or replaced, or its channel unregistered, and nobody knows whether in vain.
    doubtful: bool,
}

struct Model {
    world: World,
    agents: [Agent; AGENTS],
    sent: Vec<Sent>,
    rotations: usize,
}

impl Model {
    fn new() -> Self {
        Self { world: World::new(), agents: Default::default(), sent: Vec::new(), rotations: 0 }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Connect(agent) => self.connect(agent),
            Step::Cut(agent) => {
                if let Some(line) = self.agents[agent].line.take() {
                    self.world.cut(line);
                    self.agents[agent].older.push(line);
                }
            }
            Step::Register(agent, number) => {
                self.say(agent, json!({ "messageType": "register", "channelID": channel(number) }));
            }
            Step::Unregister(agent, number) => self.unregister(agent, number),
            Step::Ack(agent, which) => self.acknowledge(agent, agent, which),
            Step::AckOfAnother(agent, which) => self.acknowledge(agent, (agent + 1) % AGENTS, which),
            Step::Urgency(agent, least) => {
                let least = ["very-low", "low", "normal", "high"][least];
                self.say(agent, json!({ "messageType": "urgency", "min": least }));
            }
            Step::Say(agent, text) => drop(self.say(agent, text)),
            Step::Room(agent, room) => {
                if let Some(line) = self.agents[agent].line {
                    self.world.room(line, room);
                }
            }
            Step::Send { to, ttl, topic } => self.send(to, ttl, topic),
            Step::Pass(secs) => self.world.pass_secs(secs),
            Step::Hold => self.world.hold(),
            Step::ReleaseSome(count) => self.world.release_some(count),
            Step::Release => self.world.release(),
            Step::Fail => self.world.memory.faults().fail += 1,
            Step::FailLate => self.world.memory.faults().fail_late += 1,
            Step::Down => self.world.available(Availability::Down),
            Step::Up => self.world.available(Availability::Up),
            Step::Rotate if self.rotations < 3 => {
                self.rotations += 1;
                self.world.rotate();
            }
            Step::Rotate => {}
        }
        self.observe();
    }

    fn connect(&mut self, of: usize) {
        let line = self.world.connect();
        let agent = &mut self.agents[of];
        agent.older.extend(agent.line.replace(line));
        agent.pings = 0;
        agent.unregistering.clear();
        let hello = json!({ "messageType": "hello", "uaid": agent.uaid });
        self.world.say(line, hello);
    }

    fn unregister(&mut self, agent: usize, number: u8) {
        if self.say(agent, json!({ "messageType": "unregister", "channelID": channel(number) })) {
            self.doubt(|sent| sent.to == (agent, number));
            let accepted = |sent: &Sent| sent.to == (agent, number) && sent.handle.is_some();
            let accepted = (0..self.sent.len()).filter(|body| accepted(&self.sent[*body])).collect();
            self.agents[agent].unregistering.push_back((number, accepted));
            self.agents[agent].left.insert(number);
        }
    }

    /// Whether there is a connection to say it on.
    fn say(&mut self, agent: usize, text: impl ToString) -> bool {
        let Some(line) = self.agents[agent].line else { return false };
        self.world.say(line, text);
        true
    }

    fn acknowledge(&mut self, agent: usize, of: usize, which: usize) {
        let (Some(line), seen) = (self.agents[agent].line, &self.agents[of].seen) else { return };
        if seen.is_empty() {
            return;
        }
        let notified = seen[which % seen.len()].clone();
        self.world.ack(line, std::slice::from_ref(&notified));
        if agent == of {
            let body: usize = notified.body().parse().unwrap();
            self.sent[body].doubtful = true;
        }
    }

    fn doubt(&mut self, which: impl Fn(&Sent) -> bool) {
        self.sent.iter_mut().filter(|sent| which(sent)).for_each(|sent| sent.doubtful = true);
    }

    fn send(&mut self, to: (usize, u8), ttl: u32, topic: Option<&'static str>) {
        let Some(endpoint) = self.agents[to.0].endpoints.get(&to.1) else { return };
        let ttl_text = ttl.to_string();
        let mut fields = vec![("ttl", ttl_text.as_str())];
        fields.extend(topic.map(|topic| ("topic", topic)));
        let request = self.world.post(endpoint, &fields, &self.sent.len().to_string()).unwrap();
        if topic.is_some() {
            self.doubt(|sent| sent.to == to && sent.topic == topic);
        }
        let exchange = self.world.start(request);
        let kept = ttl == LONG;
        let doubtful = self.agents[to.0].left.contains(&to.1);
        self.sent.push(Sent { to, topic, exchange, kept, handle: None, over: false, doubtful });
    }

    fn observe(&mut self) {
        for of in 0..AGENTS {
            let agent = &self.agents[of];
            let lines: Vec<_> = agent.older.iter().copied().chain(agent.line).collect();
            for line in lines {
                let present = self.agents[of].line == Some(line);
                for frame in self.world.told(line) {
                    self.told(of, present, &frame);
                }
            }
            let agent = &mut self.agents[of];
            let Some(line) = agent.line else { continue };
            if self.world.closed(line).is_some() {
                agent.older.extend(agent.line.take());
            } else if self.world.lines[line].pings > agent.pings {
                agent.pings = self.world.lines[line].pings;
                self.world.pong(line);
            }
        }
        for at in 0..self.sent.len() {
            let Some(Response::Accepted(accepted)) = self.world.answer(self.sent[at].exchange) else {
                continue;
            };
            self.sent[at].handle = Some(accepted.handle);
            let replaces = |old: &Handle| Handle { id: accepted.handle.id, ..*old } == accepted.handle;
            for old in &mut self.sent[..at] {
                old.over |= old.handle.as_ref().is_some_and(replaces);
            }
        }
    }

    /// Older connections are read to no purpose, but what they get must be right as well.
    fn told(&mut self, of: usize, present: bool, frame: &Value) {
        let agent = &mut self.agents[of];
        let number = frame["channelID"].as_str().map(|id| u8::from_str_radix(&id[34..], 16).unwrap());
        match frame["messageType"].as_str() {
            Some("hello") if present => {
                let uaid = frame["uaid"].as_str().map(str::to_owned);
                assert!(agent.uaid == uaid || agent.endpoints.is_empty(), "G1: its subscriptions are gone");
                agent.uaid = uaid;
            }
            Some("register") if present => {
                if frame["status"] == 200 {
                    let endpoint = frame["pushEndpoint"].as_str().unwrap().to_owned();
                    agent.endpoints.insert(number.unwrap(), endpoint);
                }
                assert!([200, 409, 503].map(Value::from).contains(&frame["status"]), "{frame}");
            }
            Some("unregister") if present => {
                let (said, accepted) = agent.unregistering.pop_front().expect("a reply to each");
                assert_eq!(Some(said), number);
                if frame["status"] == 200 {
                    agent.endpoints.remove(&said);
                    accepted.iter().for_each(|body| self.sent[*body].over = true);
                }
            }
            Some("notification") => {
                let notified = Notified::of(frame);
                let sent = &self.sent[notified.body().parse::<usize>().unwrap()];
                assert_eq!((sent.to.0, channel(sent.to.1)), (of, notified.channel.clone()), "G2: another's");
                self.agents[of].seen.push(notified);
            }
            _ => {}
        }
    }

    /// Faults are over: all that lives is delivered, and only that.
    fn heal(mut self) {
        *self.world.memory.faults() = Default::default();
        self.world.release();
        self.world.available(Availability::Up);
        self.observe();
        for of in 0..AGENTS {
            let known = self.world.ended.clone();
            let delivered = self.deliver_all(of);
            for (body, sent) in self.sent.iter().enumerate().filter(|(_, sent)| sent.to.0 == of) {
                let came = delivered.contains(&body);
                let ended = sent.handle.is_some_and(|handle| known.contains(&handle));
                let owed = sent.kept && sent.handle.is_some() && !sent.over && !sent.doubtful;
                assert!(came || !owed, "G1: {body} is lost");
                assert!(!came || !sent.over && !ended, "G2: {body} comes after its end");
            }
            // All of it is acknowledged now.
            let lines = self.deliver_some(of);
            assert!(lines.is_empty(), "G2: {lines:?} come after they were acknowledged");
        }
        self.world.check_order();
    }

    /// What comes on a new connection.
    fn deliver_some(&mut self, of: usize) -> Vec<Notified> {
        self.connect(of);
        let line = self.agents[of].line.unwrap();
        let told = self.world.told(line);
        let (hello, messages) = told.split_first().expect("hello");
        self.told(of, true, hello);
        messages.iter().map(Notified::of).collect()
    }

    /// The bodies of all that comes on a new connection, each acknowledged at the end.
    fn deliver_all(&mut self, of: usize) -> BTreeSet<usize> {
        let notified = self.deliver_some(of);
        let line = self.agents[of].line.unwrap();
        let bodies = notified.iter().map(|it| it.body().parse().unwrap()).collect();
        let ended = self.world.ended.len();
        for some in notified.chunks(8) {
            self.world.ack(line, some);
        }
        assert_eq!(self.world.ended.len() - ended, notified.len());
        bodies
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_keeps_the_guarantees(steps in prop::collection::vec(step(), 1..100)) {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
        }
        model.heal();
    }
}
