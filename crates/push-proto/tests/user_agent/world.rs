//! A user agent, a clock, and the words of a push service.

use std::time::Duration;

use push_proto::Via;
use push_proto::{
    Content, Mono, Now, PushUrl, Seed, UnixTime,
    user_agent::{
        Config, Connection, ConnectionId, Delivery, Disposition, Event, Input, Keepalive, MessageRef, Order,
        Output, Pushed, Reason, Reference, Request, RequestId, Response, Secret, State, Subscribe, Tag,
        UserAgent,
    },
};

pub(crate) const SERVICE: &str = "https://push.example.net/subscribe";

pub(crate) struct World {
    pub(crate) agent: UserAgent,
    pub(crate) now: Now,
    /// When the machine wants to be polled again.
    pub(crate) deadline: Option<Mono>,
    /// What for.
    pub(crate) reason: Reason,
    pub(crate) saved: State,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config(), State::default())
    }

    pub(crate) fn with(config: Config, state: State) -> Self {
        let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) };
        let agent = UserAgent::new(config, state, &Seed::from_octets([3; 32]));
        Self { agent, now, deadline: None, reason: Reason::Idle, saved: State::default() }
    }

    /// One input, and all that comes of it.
    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        self.agent.handle(input, self.now);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..10_000 {
            match self.agent.poll(self.now) {
                Output::Wait(deadline, reason) => {
                    assert!(
                        deadline.is_none_or(|at| at > self.now.mono),
                        "a deadline is to come: no busy loop"
                    );
                    (self.deadline, self.reason) = (deadline, reason);
                    return outputs;
                }
                Output::Save(state) => {
                    assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
                    self.saved = state.clone();
                    outputs.push(Output::Save(state));
                }
                output => outputs.push(output),
            }
        }
        panic!("the machine does not come to rest");
    }

    /// Time passes, without a tick.
    pub(crate) fn pass(&mut self, wait: Duration) {
        self.now.mono = self.now.mono.after(wait);
        self.now.wall = self.now.wall.saturating_add_secs(wait.as_secs());
    }

    pub(crate) fn advance(&mut self, wait: Duration) -> Vec<Output> {
        self.pass(wait);
        self.give(Input::Tick)
    }

    /// Whether nothing is planned but to ask whether silent connections live.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.reason, Reason::Idle | Reason::Closed | Reason::Keepalive)
    }

    /// Establishes the connection that these outputs open; gives it, and what comes of it.
    pub(crate) fn establish(&mut self, outputs: &[Output]) -> (ConnectionId, Vec<Output>) {
        let id = connecting(outputs).expect("a connection is opened");
        (id, self.give(Input::Connection(id, Connection::Established)))
    }

    /// Jumps to the next deadline; how far that was.
    pub(crate) fn wake(&mut self) -> (Duration, Vec<Output>) {
        let wait = self.deadline.expect("something is planned").since(self.now.mono);
        (wait, self.advance(wait))
    }

    pub(crate) fn subscribe(&mut self, tag: u64) -> Vec<Output> {
        self.give(Input::Subscribe(to(tag)))
    }

    pub(crate) fn reply(&mut self, id: RequestId, response: Response) -> Vec<Output> {
        self.give(Input::Reply(id, Ok(response)))
    }

    pub(crate) fn dispose(&mut self, message: MessageRef, disposition: Disposition) -> Vec<Output> {
        self.give(Input::Message(message, disposition))
    }

    /// Subscribes with that tag, answered by [`created`]; gives what comes of the answer.
    pub(crate) fn subscribed(&mut self, tag: u64, set: Option<&str>) -> Vec<Output> {
        let mut outputs = self.subscribe(tag);
        if let Some(connection) = connecting(&outputs) {
            outputs = self.give(Input::Connection(connection, Connection::Established));
        }
        let (id, request) = request(&outputs);
        assert!(matches!(request, Request::Subscribe { .. }), "{request:?}");
        self.reply(id, created(tag, set))
    }

    /// The usual beginning: subscription 1 in a set, which is monitored. Gives the monitor.
    pub(crate) fn monitoring() -> (Self, RequestId) {
        Self::monitoring_with(config())
    }

    pub(crate) fn monitoring_with(config: Config) -> (Self, RequestId) {
        let mut world = Self::with(config, State::default());
        let outputs = world.subscribed(1, Some("/a/1"));
        let (id, request) = request(&outputs);
        assert!(matches!(request, Request::Monitor { .. }), "{request:?}");
        (world, id)
    }

    /// Message `number` is pushed, for subscription `tag`.
    pub(crate) fn push(&mut self, monitor: RequestId, number: u64, tag: u64) -> Vec<Output> {
        self.give(Input::Pushed(monitor, pushed(number, Some(tag))))
    }
}

/// A subscribe at the configured service.
pub(crate) fn to(tag: u64) -> Subscribe {
    Subscribe { tag: Tag(tag), service: None, alone: false, restricted_to: None, secret: secret() }
}

/// As by default, but no silent connection is ever asked whether it lives.
pub(crate) fn config() -> Config {
    let mut config = asking();
    let never = Duration::from_secs(10 * 365 * 24 * 3600);
    config.limits.keepalive = Keepalive { first: never, shortest: never, longest: never, patience: 0 };
    config
}

pub(crate) fn asking() -> Config {
    Config::new(url(SERVICE))
}

pub(crate) fn url(text: &str) -> PushUrl {
    PushUrl::parse_allow_http(text).unwrap()
}

pub(crate) fn secret() -> Secret {
    Secret::new(b"receiver keys").unwrap()
}

pub(crate) fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

/// 201 for subscription `tag`, with relative references as our service gives them.
pub(crate) fn created(tag: u64, set: Option<&str>) -> Response {
    Response {
        status: 201,
        location: Some(Reference::new(&format!("/s/{tag}"))),
        push: Some(Reference::new(&format!("/p/{tag}"))),
        set: set.map(Reference::new),
        retry_after: None,
    }
}

pub(crate) fn pushed(number: u64, tag: Option<u64>) -> Pushed {
    Pushed {
        message: Reference::new(&format!("/m/{number}")),
        promised_for: None,
        pushed_for: tag.map(|tag| Reference::new(&format!("/p/{tag}"))),
        status: 200,
        content: Content { body: vec![7; 3].into(), ..Content::default() },
    }
}

pub(crate) fn connecting(outputs: &[Output]) -> Option<ConnectionId> {
    outputs.iter().find_map(|output| match output {
        Output::Connection(id, Order::Open(_)) => Some(*id),
        _ => None,
    })
}

/// Which connections are asked whether they live.
pub(crate) fn pings(outputs: &[Output]) -> Vec<ConnectionId> {
    ordered(outputs, &Order::Ping)
}

/// Which connections are closed.
pub(crate) fn closes(outputs: &[Output]) -> Vec<ConnectionId> {
    ordered(outputs, &Order::Close)
}

fn ordered(outputs: &[Output], order: &Order) -> Vec<ConnectionId> {
    let id = |output: &Output| match output {
        Output::Connection(id, given) if given == order => Some(*id),
        _ => None,
    };
    outputs.iter().filter_map(id).collect()
}

pub(crate) fn cancels(outputs: &[Output]) -> Vec<RequestId> {
    let id = |output: &Output| match output {
        Output::Cancel(id) => Some(*id),
        _ => None,
    };
    outputs.iter().filter_map(id).collect()
}

pub(crate) fn requests(outputs: &[Output]) -> Vec<(ConnectionId, RequestId, Request)> {
    let request = |output: &Output| match output {
        Output::Request(connection, id, request) => Some((*connection, *id, request.clone())),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

/// The only request.
pub(crate) fn request(outputs: &[Output]) -> (RequestId, Request) {
    let requests = requests(outputs);
    assert_eq!(requests.len(), 1, "{outputs:?}");
    (requests[0].1, requests[0].2.clone())
}

pub(crate) fn deliveries(outputs: &[Output]) -> Vec<Delivery> {
    let delivery = |output: &Output| match output {
        Output::Deliver(delivery) => Some(delivery.clone()),
        _ => None,
    };
    outputs.iter().filter_map(delivery).collect()
}

/// The only delivery.
pub(crate) fn delivery(outputs: &[Output]) -> Delivery {
    let mut deliveries = deliveries(outputs);
    assert_eq!(deliveries.len(), 1, "{outputs:?}");
    deliveries.remove(0)
}

pub(crate) fn events(outputs: &[Output]) -> Vec<Event> {
    let event = |output: &Output| match output {
        Output::Event(event) => Some(event.clone()),
        _ => None,
    };
    outputs.iter().filter_map(event).collect()
}

pub(crate) fn acknowledge(path: &str) -> Request {
    Request::Acknowledge { url: at(path) }
}

pub(crate) fn monitor(path: &str) -> Request {
    Request::Monitor { url: at(path), via: Via::Push, urgency: None }
}

/// A URL of the service.
pub(crate) fn at(path: &str) -> PushUrl {
    url(&format!("https://push.example.net{path}"))
}
