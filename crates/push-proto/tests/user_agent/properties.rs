//! Whatever a peer and an application do: no panic, no busy loop, limits held, nothing lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use push_proto::Via;
use push_proto::user_agent::{
    Config, Connection, ConnectionId, Control, Disposition, Event, Failure, Input, MessageRef, Order, Output,
    Power, Pushed, Reference, Request, RequestId, Response, RetryAfter, State, Subscribe, SubscriptionEvent,
    Tag,
};

use crate::world::*;

fn reference() -> impl Strategy<Value = Reference> {
    let known =
        prop::sample::select(vec!["/s/1", "/p/1", "/p/2", "/a/1", "/m/1", "/m/2", "http://a/", "//b/c", "?"]);
    prop_oneof![3 => known.prop_map(Reference::new), 1 => ".{0,20}".prop_map(|text| Reference::new(&text))]
}

fn response() -> impl Strategy<Value = Response> {
    let statuses = prop::sample::select(vec![200, 201, 204, 307, 308, 400, 403, 404, 406, 410, 429, 503]);
    let optional = || prop::option::of(reference());
    let retry_after =
        prop::option::of((0_u64..4000).prop_map(|secs| RetryAfter::In(Duration::from_secs(secs))));
    (prop_oneof![9 => statuses, 1 => any::<u16>()], optional(), optional(), optional(), retry_after).prop_map(
        |(status, location, push, set, retry_after)| Response { status, location, push, set, retry_after },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let id = 0_u64..40;
    let services =
        vec![None, Some("https://two.example.net/s"), Some("https://three.example.net/s"), Some("http://a/")];
    let subscribe = (0_u64..6, prop::sample::select(services), any::<bool>())
        .prop_map(|(tag, service, alone)| Subscribe { service: service.map(url), alone, ..to(tag) });
    let powers = vec![Power::PowerAndWifi, Power::PowerOrWifi, Power::Neither, Power::LowBattery];
    let disposition =
        prop::sample::select(vec![Disposition::Taken, Disposition::Undecryptable, Disposition::Released]);
    let failure = prop::sample::select(vec![Failure::NotSent, Failure::Lost]);
    let push = (reference(), prop::option::of(reference()), prop::option::of(reference()), any::<bool>())
        .prop_map(|(message, promised_for, pushed_for, good)| {
            let status = if good { 200 } else { 404 };
            Pushed { message, promised_for, pushed_for, status, ..pushed(0, None) }
        });
    let became = prop::sample::select(vec![
        Connection::Established,
        Connection::Established,
        Connection::Alive,
        Connection::Draining,
        Connection::Lost,
    ]);
    prop_oneof![
        4 => subscribe.prop_map(Input::Subscribe),
        1 => (0_u64..6).prop_map(|tag| Input::Unsubscribe(Tag(tag))),
        3 => (id.clone(), disposition).prop_map(|(id, what)| Input::Message(MessageRef(id), what)),
        5 => (id.clone(), became).prop_map(|(id, became)| Input::Connection(ConnectionId(id), became)),
        6 => (id.clone(), response()).prop_map(|(id, response)| Input::Reply(RequestId(id), Ok(response))),
        1 => (id.clone(), failure).prop_map(|(id, failure)| Input::Reply(RequestId(id), Err(failure))),
        5 => (id, push).prop_map(|(id, push)| Input::Pushed(RequestId(id), push)),
        1 => prop::sample::select(powers).prop_map(|power| Input::Control(Control::Power(power))),
        2 => Just(Input::Tick),
    ]
}

fn small() -> Config {
    let mut config = asking();
    config.limits.subscriptions = 4;
    config.limits.connections = 2;
    config.limits.unacknowledged = 3;
    config.limits.remembered = 2;
    config.limits.requests_in_flight = 2;
    config
}

/// What the machine has said so far, checked as it says it.
#[derive(Default)]
struct Witness {
    requests: BTreeMap<RequestId, (ConnectionId, Request)>,
    /// With the origin, and whether it drains.
    connections: BTreeMap<ConnectionId, (String, bool)>,
    established: BTreeSet<ConnectionId>,
    asked: BTreeSet<ConnectionId>,
    held: BTreeMap<MessageRef, String>,
}

impl Witness {
    fn see(&mut self, output: &Output, config: &Config) {
        match output {
            Output::Connection(id, Order::Open(origin)) => self.opened(*id, origin.as_str(), config),
            Output::Connection(id, Order::Ping) => {
                assert!(self.established.contains(id), "only what is open is asked");
                assert!(!self.connections[id].1, "and only what is not drained");
                assert!(self.asked.insert(*id), "one question at a time");
            }
            Output::Connection(id, Order::Close) => {
                assert!(self.connections.contains_key(id), "a connection is closed once");
                self.lose(*id);
            }
            Output::Request(connection, id, request) => self.requested(*connection, *id, request, config),
            Output::Cancel(id) => {
                assert!(self.requests.remove(id).is_some(), "what is cancelled was in flight")
            }
            Output::Deliver(delivery) => {
                let url = delivery.url.as_str().to_owned();
                assert!(!self.held.values().any(|held| *held == url), "8030-6.2-7");
                assert!(self.held.insert(delivery.message, url).is_none());
                assert!(self.held.len() <= config.limits.unacknowledged);
            }
            Output::Save(_) | Output::Event(_) | Output::Wait(..) => {}
        }
    }

    fn opened(&mut self, id: ConnectionId, origin: &str, config: &Config) {
        assert!(origin.starts_with("https://"), "8030-8-1");
        assert!(
            self.connections.insert(id, (origin.to_owned(), false)).is_none(),
            "a connection is opened once"
        );
        for drains in [false, true] {
            let same: Vec<_> = self.connections.values().filter(|(_, other)| *other == drains).collect();
            assert!(same.len() <= config.limits.connections || drains);
            let origins: BTreeSet<_> = same.iter().map(|(origin, _)| origin).collect();
            assert_eq!(origins.len(), same.len(), "one for each service, and one that drains");
        }
    }

    fn requested(&mut self, connection: ConnectionId, id: RequestId, request: &Request, config: &Config) {
        assert!(self.established.contains(&connection), "a request has a connection");
        let (origin, drains) = &self.connections[&connection];
        assert!(!drains, "RFC 9113 §6.8: one that drains takes no more");
        assert_eq!(*origin, request.url().origin().as_str(), "what a service named goes to no other");
        assert!(request.url().is_https(), "8030-8-1");
        assert!(self.requests.insert(id, (connection, request.clone())).is_none());
        let here = || self.requests.values().filter(|(on, _)| *on == connection).map(|(_, request)| request);
        let others = here().filter(|request| !matches!(request, Request::Monitor { .. }));
        assert!(others.count() <= config.limits.requests_in_flight);
        let subscribes = here().filter(|request| matches!(request, Request::Subscribe { .. }));
        assert!(subscribes.count() <= 1, "8030-7.5-2");
        let monitors =
            here().filter(|other| matches!(other, Request::Monitor { .. }) && other.url() == request.url());
        assert!(monitors.count() <= 1, "8030-6.1-1");
    }

    fn lose(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        self.established.remove(&id);
        self.asked.remove(&id);
        self.requests.retain(|_, (connection, _)| *connection != id);
    }

    fn before(&mut self, input: &Input) {
        match input {
            Input::Connection(id, became) if self.connections.contains_key(id) => match became {
                Connection::Established => drop(self.established.insert(*id)),
                Connection::Alive => drop(self.asked.remove(id)),
                // Before it is established this means nothing.
                Connection::Draining => {
                    if self.established.contains(id) {
                        self.connections.get_mut(id).unwrap().1 = true;
                        self.asked.remove(id);
                    }
                }
                Connection::Lost => self.lose(*id),
            },
            Input::Reply(id, _) => {
                self.requests.remove(id);
            }
            Input::Message(message, _) => {
                self.held.remove(message);
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_inputs_are_survived_and_every_limit_holds(
        steps in prop::collection::vec((input(), 0_u64..20_000), 0..300),
    ) {
        let mut world = World::with(small(), State::default());
        let mut witness = Witness::default();
        for (input, millis) in steps {
            world.pass(Duration::from_millis(millis));
            witness.before(&input);
            for output in world.give(input) {
                witness.see(&output, &small());
            }
            prop_assert!(world.agent.room() <= 3);
            prop_assert!(world.agent.subscriptions().count() <= 4);
        }
        for output in world.give(Input::Control(Control::Close)) {
            witness.see(&output, &small());
        }
        let outputs = world.advance(small().limits.close);
        let closed = outputs.iter().any(|output| matches!(output, Output::Event(Event::Closed)));
        prop_assert!(closed || world.deadline.is_none());
        prop_assert!(world.advance(Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn any_octets_are_a_state_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(State::from_bytes(&octets).is_err());
        for version in [1, 2] {
            let mut framed = b"WPUA".to_vec();
            framed.push(version);
            framed.extend_from_slice(&octets);
            let _ = State::from_bytes(&framed);
        }
    }

    /// A service that forgets acknowledgements, cuts and drains connections, leaves questions unanswered, cannot push for
    /// a while, and answers 503, while the device's condition changes; then it heals. Every message it holds reaches the
    /// application exactly once, is acknowledged, and everything comes to rest.
    #[test]
    fn a_flaky_service_loses_nothing(faults in prop::collection::vec(0_u8..12, 0..80), messages in 1_u64..20) {
        let mut world = World::with(asking(), State::default());
        let mut service = Flaky { faults, pending: (0..messages).collect(), ..Flaky::default() };
        let first = world.subscribe(1);
        service.serve(&mut world, first);
        prop_assert!(service.pending.is_empty(), "{:?} left", service.pending);
        prop_assert_eq!(service.taken, (0..messages).collect::<Vec<_>>());
        prop_assert_eq!(world.agent.room(), config().limits.unacknowledged);
        prop_assert!(world.is_at_rest());
    }
}

/// A push service with one subscriber, some faults to commit, and an application that takes everything.
#[derive(Default)]
struct Flaky {
    faults: Vec<u8>,
    pending: BTreeSet<u64>,
    taken: Vec<u64>,
    monitor: Option<(RequestId, ConnectionId, BTreeSet<u64>)>,
    /// How often it was asked whether it lives since it has no more faults.
    asked: u32,
}

impl Flaky {
    fn serve(&mut self, world: &mut World, outputs: Vec<Output>) {
        let mut todo: std::collections::VecDeque<_> = outputs.into();
        for _ in 0..5000 {
            let outputs = match todo.pop_front() {
                Some(output) => self.react(world, output),
                None => match self.next_push() {
                    Some((monitor, number)) => world.push(monitor, number, 1),
                    None if self.is_busy(world) => world.wake().1,
                    None => return self.taken.sort_unstable(),
                },
            };
            todo.extend(outputs);
        }
        panic!("no rest");
    }

    /// Whether there is more to come than questions and answers, of which a few are seen to be sure.
    fn is_busy(&self, world: &World) -> bool {
        let owes = world.agent.room() < config().limits.unacknowledged;
        self.asked < 3 || owes || !self.pending.is_empty() || !world.is_at_rest()
    }

    /// Each pending message once on each monitor.
    fn next_push(&mut self) -> Option<(RequestId, u64)> {
        let (id, _, pushed) = self.monitor.as_mut()?;
        let number = *self.pending.iter().find(|number| !pushed.contains(number))?;
        pushed.insert(number);
        Some((*id, number))
    }

    /// The connection ends, and the monitor with it if it is there.
    fn cut(&mut self, world: &mut World, id: ConnectionId) -> Vec<Output> {
        self.monitor.take_if(|(_, on, _)| *on == id);
        world.give(Input::Connection(id, Connection::Lost))
    }

    fn react(&mut self, world: &mut World, output: Output) -> Vec<Output> {
        match output {
            Output::Connection(id, Order::Open(_)) => match self.faults.pop() {
                Some(0) => self.cut(world, id),
                _ => world.give(Input::Connection(id, Connection::Established)),
            },
            Output::Connection(id, Order::Ping) => match self.faults.pop() {
                // No answer.
                Some(0 | 6) => Vec::new(),
                Some(_) => world.give(Input::Connection(id, Connection::Alive)),
                None => {
                    self.asked += 1;
                    world.give(Input::Connection(id, Connection::Alive))
                }
            },
            Output::Connection(id, Order::Close) => {
                self.monitor.take_if(|(_, on, _)| *on == id);
                Vec::new()
            }
            Output::Cancel(id) => {
                self.monitor.take_if(|(monitor, ..)| *monitor == id);
                Vec::new()
            }
            Output::Request(connection, id, request) => self.answer(world, connection, id, &request),
            Output::Deliver(delivery) => {
                let number: u64 = delivery.url.as_str().rsplit('/').next().unwrap().parse().unwrap();
                self.taken.push(number);
                world.dispose(delivery.message, Disposition::Taken)
            }
            Output::Event(Event::Subscription(_, event)) => {
                assert!(matches!(event, SubscriptionEvent::Subscribed(_)), "{event:?}");
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn answer(
        &mut self,
        world: &mut World,
        connection: ConnectionId,
        id: RequestId,
        request: &Request,
    ) -> Vec<Output> {
        let mut before = Vec::new();
        match self.faults.pop() {
            Some(1) => return self.cut(world, connection),
            Some(2) => return world.reply(id, status(503)),
            // It hears the acknowledgement, and the answer is lost with the connection.
            Some(3) => {
                self.apply(request);
                return self.cut(world, connection);
            }
            // It answers, and forgets.
            Some(4) if matches!(request, Request::Acknowledge { .. }) => {
                if let Some((_, _, pushed)) = &mut self.monitor {
                    pushed.clear();
                }
                return world.reply(id, status(204));
            }
            Some(5) if matches!(request, Request::Monitor { .. }) => return world.reply(id, status(200)),
            // It drains: what it was asked it still answers.
            Some(7) => before = world.give(Input::Connection(connection, Connection::Draining)),
            // It cannot push, or has no streams either.
            Some(8) if matches!(request, Request::Monitor { via: Via::Push, .. }) => {
                return world.reply(id, status(406));
            }
            Some(9) if matches!(request, Request::Monitor { .. }) => return world.reply(id, status(406)),
            Some(10) => before = world.give(Input::Control(Control::Power(Power::LowBattery))),
            Some(11) => before = world.give(Input::Control(Control::Power(Power::PowerAndWifi))),
            _ => {}
        }
        self.apply(request);
        let cancelled = cancels(&before).contains(&id);
        let after = match request {
            Request::Subscribe { .. } => world.reply(id, created(1, Some("/a/1"))),
            Request::Monitor { .. } => {
                // A newer one takes over.
                let older = self.monitor.take().filter(|(older, ..)| *older != id);
                self.monitor = (!cancelled).then(|| (id, connection, BTreeSet::new()));
                older.map_or_else(Vec::new, |(older, ..)| world.reply(older, status(200)))
            }
            Request::Acknowledge { .. } | Request::Unsubscribe { .. } => world.reply(id, status(204)),
        };
        before.extend(after);
        before
    }

    fn apply(&mut self, request: &Request) {
        match request {
            Request::Acknowledge { url } => {
                let number = url.as_str().rsplit('/').next().unwrap().parse().unwrap();
                self.pending.remove(&number);
            }
            Request::Monitor { .. } | Request::Subscribe { .. } | Request::Unsubscribe { .. } => {}
        }
    }
}
