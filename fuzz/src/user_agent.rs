use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use push_proto::{
    Content, Mono, Now, PushUrl, Seed, UnixTime,
    user_agent::{
        Config, Connection, ConnectionId, Control, Disposition, Event, Failure, Input, MessageRef, Order,
        Output, Power, Pushed, Reference, Request, RequestId, Response, RetryAfter, Secret, State, Subscribe,
        Tag, UserAgent,
    },
};

use crate::script::Script;

/// A user agent under any responses, pushes and failures: comes to rest, keeps its bounds, asks what it may ask where it
/// may ask it, and its state is read as it was written.
pub fn user_agent(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut world = World::new();
    for _ in 0..400 {
        if script.is_done() {
            break;
        }
        let millis = u64::from(script.octet()) << (script.octet() % 10);
        world.pass(Duration::from_millis(millis));
        if script.octet() > 252 {
            world.restart();
        }
        let input = world.input(&mut script);
        world.before(&input);
        world.give(input);
    }
    world.close();
}

struct World {
    agent: UserAgent,
    config: Config,
    now: Now,
    lives: u8,
    deadline: Option<Mono>,
    saved: State,
    closed: bool,
    requests: BTreeMap<RequestId, (ConnectionId, Request)>,
    /// With the origin, and whether it drains.
    connections: BTreeMap<ConnectionId, (String, bool)>,
    established: BTreeSet<ConnectionId>,
    asked: BTreeSet<ConnectionId>,
    held: BTreeMap<MessageRef, String>,
}

fn config() -> Config {
    let mut config = Config::new(PushUrl::parse("https://push.example.net/subscribe").unwrap());
    config.limits.subscriptions = 4;
    config.limits.connections = 2;
    config.limits.unacknowledged = 3;
    config.limits.remembered = 2;
    config.limits.requests_in_flight = 2;
    config
}

impl World {
    fn new() -> Self {
        Self {
            agent: UserAgent::new(config(), State::default(), &Seed::from_octets([3; 32])),
            config: config(),
            now: Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) },
            lives: 3,
            deadline: None,
            saved: State::default(),
            closed: false,
            requests: BTreeMap::new(),
            connections: BTreeMap::new(),
            established: BTreeSet::new(),
            asked: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }

    fn pass(&mut self, wait: Duration) {
        self.now.mono = self.now.mono.after(wait);
        self.now.wall = self.now.wall.saturating_add_secs(wait.as_secs());
    }

    /// The program ends, and starts from what was saved.
    fn restart(&mut self) {
        self.lives = self.lives.wrapping_add(1);
        let saved = State::from_bytes(&self.saved.to_bytes()).unwrap();
        self.agent = UserAgent::new(config(), saved, &Seed::from_octets([self.lives; 32]));
        self.requests.clear();
        self.connections.clear();
        self.established.clear();
        self.asked.clear();
        self.held.clear();
    }

    fn input(&self, script: &mut Script<'_>) -> Input {
        match script.below(24) {
            0..=3 => Input::Subscribe(subscribe(script)),
            4 => Input::Unsubscribe(Tag(u64::from(script.octet() % 6))),
            5..=7 => {
                let all = [Disposition::Taken, Disposition::Undecryptable, Disposition::Released];
                Input::Message(
                    MessageRef(known(script, self.held.keys().map(|held| held.0))),
                    script.pick(&all),
                )
            }
            8..=11 => {
                let id = known(script, self.connections.keys().map(|id| id.0));
                let all = [
                    Connection::Established,
                    Connection::Established,
                    Connection::Alive,
                    Connection::Draining,
                    Connection::Lost,
                ];
                Input::Connection(ConnectionId(id), script.pick(&all))
            }
            12..=16 => Input::Reply(RequestId(self.request(script)), Ok(response(script))),
            17 => {
                let failure = script.pick(&[Failure::NotSent, Failure::Lost]);
                Input::Reply(RequestId(self.request(script)), Err(failure))
            }
            18..=21 => Input::Pushed(RequestId(self.request(script)), pushed(script)),
            22 => {
                let all = [Power::PowerAndWifi, Power::PowerOrWifi, Power::Neither, Power::LowBattery];
                Input::Control(Control::Power(script.pick(&all)))
            }
            _ => Input::Tick,
        }
    }

    fn request(&self, script: &mut Script<'_>) -> u64 {
        known(script, self.requests.keys().map(|id| id.0))
    }

    fn give(&mut self, input: Input) {
        self.agent.handle(input, self.now);
        for _ in 0..10_000 {
            match self.agent.poll(self.now) {
                Output::Wait(deadline, _) => {
                    assert!(deadline.is_none_or(|at| at > self.now.mono), "a deadline is to come");
                    self.deadline = deadline;
                    assert!(self.agent.room() <= self.config.limits.unacknowledged);
                    assert!(self.agent.subscriptions().count() <= self.config.limits.subscriptions);
                    return;
                }
                output => self.see(output),
            }
        }
        panic!("the machine does not come to rest");
    }

    fn see(&mut self, output: Output) {
        match output {
            Output::Connection(id, Order::Open(origin)) => self.opened(id, origin.as_str()),
            Output::Connection(id, Order::Ping) => {
                assert!(self.established.contains(&id), "only what is open is asked");
                assert!(!self.connections[&id].1, "and only what is not drained");
                assert!(self.asked.insert(id), "one question at a time");
            }
            Output::Connection(id, Order::Close) => {
                assert!(self.connections.contains_key(&id), "a connection is closed once");
                self.lose(id);
            }
            Output::Request(connection, id, request) => self.requested(connection, id, request),
            Output::Cancel(id) => {
                assert!(self.requests.remove(&id).is_some(), "what is cancelled was in flight");
            }
            Output::Deliver(delivery) => {
                let url = delivery.url.as_str().to_owned();
                assert!(!self.held.values().any(|held| *held == url), "8030-6.2-7");
                assert!(self.held.insert(delivery.message, url).is_none());
                assert!(self.held.len() <= self.config.limits.unacknowledged);
            }
            Output::Save(state) => {
                assert_eq!(State::from_bytes(&state.to_bytes()).as_ref(), Ok(&state));
                self.saved = state;
            }
            Output::Event(event) => self.closed |= event == Event::Closed,
            Output::Wait(..) => unreachable!("seen to elsewhere"),
        }
    }

    fn opened(&mut self, id: ConnectionId, origin: &str) {
        assert!(origin.starts_with("https://"), "8030-8-1");
        assert!(self.connections.insert(id, (origin.to_owned(), false)).is_none(), "opened once");
        for drains in [false, true] {
            let same: Vec<_> = self.connections.values().filter(|(_, other)| *other == drains).collect();
            assert!(same.len() <= self.config.limits.connections || drains, "G5");
            let origins: BTreeSet<_> = same.iter().map(|(origin, _)| origin).collect();
            assert_eq!(origins.len(), same.len(), "one for each service, and one that drains");
        }
    }

    fn requested(&mut self, connection: ConnectionId, id: RequestId, request: Request) {
        assert!(self.established.contains(&connection), "a request has a connection");
        let (origin, drains) = &self.connections[&connection];
        assert!(!drains, "RFC 9113 §6.8: one that drains takes no more");
        assert_eq!(*origin, request.url().origin().as_str(), "what a service named goes to no other");
        assert!(request.url().is_https(), "8030-8-1");
        let built = push_proto::wire::user_agent::request(&request).expect("a request that HTTP can carry");
        assert_eq!(built.method().as_str(), request.method());
        let monitor = matches!(request, Request::Monitor { .. });
        let url = request.url().clone();
        assert!(self.requests.insert(id, (connection, request)).is_none());
        let here = || self.requests.values().filter(|(on, _)| *on == connection).map(|(_, request)| request);
        let others = here().filter(|request| !matches!(request, Request::Monitor { .. }));
        assert!(others.count() <= self.config.limits.requests_in_flight, "G5");
        let subscribes = here().filter(|request| matches!(request, Request::Subscribe { .. }));
        assert!(subscribes.count() <= 1, "8030-7.5-2");
        let same = here().filter(|other| matches!(other, Request::Monitor { .. }) && *other.url() == url);
        assert!(!monitor || same.count() <= 1, "8030-6.1-1");
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
                Connection::Draining if self.established.contains(id) => {
                    self.connections.get_mut(id).unwrap().1 = true;
                    self.asked.remove(id);
                }
                Connection::Draining => {}
                Connection::Lost => self.lose(*id),
            },
            Input::Reply(id, _) => drop(self.requests.remove(id)),
            Input::Message(message, _) => drop(self.held.remove(message)),
            _ => {}
        }
    }

    fn close(mut self) {
        self.give(Input::Control(Control::Close));
        self.pass(self.config.limits.close);
        self.give(Input::Tick);
        assert!(self.closed && self.deadline.is_none(), "closed is closed");
        assert!(self.requests.is_empty() && self.connections.is_empty());
        self.pass(Duration::from_secs(1));
        self.agent.handle(Input::Tick, self.now);
        assert!(matches!(self.agent.poll(self.now), Output::Wait(None, _)), "nothing will ever come again");
    }
}

/// One of these, mostly.
fn known(script: &mut Script<'_>, ids: impl Iterator<Item = u64>) -> u64 {
    let ids: Vec<_> = ids.collect();
    let which = script.octet();
    if ids.is_empty() || which > 240 { which.into() } else { ids[usize::from(which) % ids.len()] }
}

fn subscribe(script: &mut Script<'_>) -> Subscribe {
    let all = ["", "", "https://two.example.net/s", "https://three.example.net/s", "http://a/"];
    Subscribe {
        tag: Tag(u64::from(script.octet() % 6)),
        service: PushUrl::parse_allow_http(script.pick(&all)).ok(),
        alone: script.flag(),
        restricted_to: script.flag().then(|| *crate::fixture::SIGNER.public_key()),
        secret: Secret::new(script.take(3)).unwrap(),
    }
}

pub(crate) fn reference(script: &mut Script<'_>) -> Option<Reference> {
    let all = ["/s/1", "/p/1", "/p/2", "/a/1", "/m/1", "/m/2", "/m/3", "http://a/", "//b/c", "?"];
    match script.octet() {
        0..=60 => None,
        61..=230 => Some(Reference::new(script.pick(&all))),
        231..=245 => Some(Reference::new("https://two.example.net/s/9")),
        _ => Some(Reference::new(&String::from_utf8_lossy(script.string()))),
    }
}

pub(crate) fn retry_after(script: &mut Script<'_>) -> Option<RetryAfter> {
    match script.octet() % 4 {
        0 => Some(RetryAfter::In(Duration::from_secs(u64::from(script.u16())))),
        1 => Some(RetryAfter::At(UnixTime::from_secs(1_700_000_000 + u64::from(script.u16())))),
        _ => None,
    }
}

fn response(script: &mut Script<'_>) -> Response {
    let all = [201, 201, 200, 204, 204, 307, 308, 400, 403, 404, 406, 410, 429, 503];
    Response {
        status: if script.octet() > 240 { script.u16() } else { script.pick(&all) },
        location: reference(script),
        push: reference(script),
        set: reference(script),
        retry_after: retry_after(script),
    }
}

fn pushed(script: &mut Script<'_>) -> Pushed {
    Pushed {
        message: reference(script).unwrap_or_else(|| Reference::new("/m/9")),
        promised_for: reference(script),
        pushed_for: reference(script),
        status: script.pick(&[200, 200, 200, 404]),
        content: Content { body: vec![7; 3].into(), ..Content::default() },
    }
}
