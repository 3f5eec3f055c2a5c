//! Whatever a peer and an application do: no panic, no busy loop, limits held, nothing lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use push_proto::user_agent::{
    Config, Connection, ConnectionId, Disposition, Event, Failure, Input, MessageRef, Output, Pushed,
    Reference, Request, RequestId, Response, RetryAfter, State, Subscribe, SubscriptionEvent, Tag,
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
    let subscribe =
        (0_u64..6).prop_map(|tag| Subscribe { tag: Tag(tag), restricted_to: None, secret: secret() });
    let disposition =
        prop::sample::select(vec![Disposition::Taken, Disposition::Undecryptable, Disposition::Released]);
    let failure = prop::sample::select(vec![Failure::NotSent, Failure::Lost]);
    let push = (reference(), prop::option::of(reference()), prop::option::of(reference()), any::<bool>())
        .prop_map(|(message, promised_for, pushed_for, good)| {
            let status = if good { 200 } else { 404 };
            Pushed { message, promised_for, pushed_for, status, ..pushed(0, None) }
        });
    let became = prop::sample::select(vec![Connection::Established, Connection::Lost]);
    prop_oneof![
        4 => subscribe.prop_map(Input::Subscribe),
        1 => (0_u64..6).prop_map(|tag| Input::Unsubscribe(Tag(tag))),
        3 => (id.clone(), disposition).prop_map(|(id, what)| Input::Message(MessageRef(id), what)),
        5 => (id.clone(), became).prop_map(|(id, became)| Input::Connection(ConnectionId(id), became)),
        6 => (id.clone(), response()).prop_map(|(id, response)| Input::Reply(RequestId(id), Ok(response))),
        1 => (id.clone(), failure).prop_map(|(id, failure)| Input::Reply(RequestId(id), Err(failure))),
        5 => (id, push).prop_map(|(id, push)| Input::Pushed(RequestId(id), push)),
        2 => Just(Input::Tick),
    ]
}

fn small() -> Config {
    let mut config = config();
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
    connections: BTreeSet<ConnectionId>,
    held: BTreeMap<MessageRef, String>,
}

impl Witness {
    fn see(&mut self, output: &Output, config: &Config) {
        match output {
            Output::Connect(id, _) => {
                assert!(self.connections.insert(*id), "a connection is opened once");
                assert!(self.connections.len() <= config.limits.connections);
            }
            Output::Disconnect(id) => self.lose(*id),
            Output::Request(connection, id, request) => {
                assert!(self.connections.contains(connection), "a request has a connection");
                assert!(request.url().is_https(), "8030-8-1");
                assert!(self.requests.insert(*id, (*connection, request.clone())).is_none());
                let others =
                    self.requests.values().filter(|(_, request)| !matches!(request, Request::Monitor { .. }));
                assert!(others.count() <= config.limits.requests_in_flight * config.limits.connections);
                let subscribes =
                    |(_, request): &&(ConnectionId, Request)| matches!(request, Request::Subscribe { .. });
                assert!(self.requests.values().filter(subscribes).count() <= 1, "8030-7.5-2");
            }
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

    fn lose(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        self.requests.retain(|_, (connection, _)| *connection != id);
    }

    fn before(&mut self, input: &Input) {
        match input {
            Input::Connection(id, Connection::Lost) => self.lose(*id),
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
        for output in world.give(Input::Close) {
            witness.see(&output, &small());
        }
        let outputs = world.advance(small().limits.close);
        let closed = outputs.iter().any(|output| matches!(output, Output::Event(Event::Closed)));
        prop_assert!(closed || world.deadline.is_none());
        prop_assert!(world.advance(Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn any_octets_are_a_state_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = b"WPUA\x01".to_vec();
        framed.extend_from_slice(&octets);
        prop_assert!(State::from_bytes(&octets).is_err());
        let _ = State::from_bytes(&framed);
    }

    /// A service that forgets acknowledgements, cuts connections and answers 503; then it heals. Every message it
    /// holds reaches the application exactly once, is acknowledged, and everything comes to rest.
    #[test]
    fn a_flaky_service_loses_nothing(faults in prop::collection::vec(0_u8..8, 0..60), messages in 1_u64..20) {
        let mut world = World::new();
        let mut service = Flaky { faults, pending: (0..messages).collect(), ..Flaky::default() };
        let first = world.subscribe(1);
        service.serve(&mut world, first);
        prop_assert!(service.pending.is_empty(), "{:?} left", service.pending);
        prop_assert_eq!(service.taken, (0..messages).collect::<Vec<_>>());
        prop_assert_eq!(world.agent.room(), config().limits.unacknowledged);
        prop_assert_eq!(world.deadline, None);
    }
}

/// A push service with one subscriber, some faults to commit, and an application that takes everything.
#[derive(Default)]
struct Flaky {
    faults: Vec<u8>,
    pending: BTreeSet<u64>,
    taken: Vec<u64>,
    monitor: Option<(RequestId, BTreeSet<u64>)>,
}

impl Flaky {
    fn serve(&mut self, world: &mut World, outputs: Vec<Output>) {
        let mut todo: std::collections::VecDeque<_> = outputs.into();
        for _ in 0..5000 {
            let outputs = match todo.pop_front() {
                Some(output) => self.react(world, output),
                None => match self.next_push() {
                    Some((monitor, number)) => world.push(monitor, number, 1),
                    None if world.deadline.is_some() => world.wake().1,
                    None => return self.taken.sort_unstable(),
                },
            };
            todo.extend(outputs);
        }
        panic!("no rest");
    }

    /// Each pending message once on each monitor.
    fn next_push(&mut self) -> Option<(RequestId, u64)> {
        let (id, pushed) = self.monitor.as_mut()?;
        let number = *self.pending.iter().find(|number| !pushed.contains(number))?;
        pushed.insert(number);
        Some((*id, number))
    }

    fn react(&mut self, world: &mut World, output: Output) -> Vec<Output> {
        match output {
            Output::Connect(id, _) => {
                let became =
                    if self.faults.pop() == Some(0) { Connection::Lost } else { Connection::Established };
                world.give(Input::Connection(id, became))
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
        match self.faults.pop() {
            Some(1) => {
                self.monitor = None;
                return world.give(Input::Connection(connection, Connection::Lost));
            }
            Some(2) => return world.reply(id, status(503)),
            // It hears the acknowledgement, and the answer is lost with the connection.
            Some(3) => {
                self.apply(request);
                self.monitor = None;
                return world.give(Input::Connection(connection, Connection::Lost));
            }
            // It answers, and forgets.
            Some(4) if matches!(request, Request::Acknowledge { .. }) => {
                if let Some((_, pushed)) = &mut self.monitor {
                    pushed.clear();
                }
                return world.reply(id, status(204));
            }
            Some(5) if matches!(request, Request::Monitor { .. }) => return world.reply(id, status(200)),
            _ => {}
        }
        self.apply(request);
        match request {
            Request::Subscribe { .. } => world.reply(id, created(1, Some("/a/1"))),
            Request::Monitor { .. } => {
                self.monitor = Some((id, BTreeSet::new()));
                Vec::new()
            }
            Request::Acknowledge { .. } | Request::Unsubscribe { .. } => world.reply(id, status(204)),
        }
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
