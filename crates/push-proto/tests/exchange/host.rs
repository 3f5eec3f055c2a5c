//! The push service behind its door, and the connections to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request as HttpRequest, Response as HttpResponse};
use push_crypto::{Provider, capability::Keyring, rustcrypto};
use push_proto::{
    Message, MessageId, Mono, Now, Seed, UnixTime,
    service::{
        Config, Delivery, Exchange, Input, Limits, Output, Request, Response, Service, Target, Transfer,
    },
    store::{Command, Completion, Hint, Item, Operation, Ticket},
    user_agent::RequestId,
    wire::{self, Door, Promise, PublicUrl, Unremembered},
};

use crate::{
    store::Backend,
    truth::{Truth, job_of},
};

pub(crate) const ORIGIN: &str = "https://push.example.net";
pub(crate) static PROVIDER: LazyLock<Provider> = LazyLock::new(rustcrypto::provider);

/// Small, so that schedules hit them.
pub(crate) const LIMITS: Limits = Limits {
    requests_in_flight: 24,
    monitors: 16,
    agent_monitors: 16,
    unacknowledged: 4,
    page_entries: 2,
    transient: 2,
    ttl: push_proto::Ttl::from_secs(50_000),
    transient_secs: 10,
    acknowledgement: Duration::from_secs(60),
    reload: Duration::from_secs(300),
    monitor: Duration::from_secs(20_000),
    sweep: Duration::from_secs(1),
    retry_after: Duration::from_secs(5),
    messages: None,
    subscription_messages: None,
    sender_messages: None,
    rated_senders: 0,
    rated_agents: 0,
    new_agents: None,
};

/// Pushes that one monitor's connection can take at once.
const CREDIT: u32 = 3;

/// A client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Agent(usize),
    Sender(usize),
    /// Whoever else knows a URL.
    Other,
}

/// What reaches a client.
pub(crate) enum Arrival {
    Answer(RequestId, Box<HttpResponse<Bytes>>),
    Push(RequestId, Box<Promise>),
}

enum Frame {
    Answer(Exchange, RequestId, Box<HttpResponse<Bytes>>),
    Push(Exchange, RequestId, Delivery, Item, Box<Promise>),
}

/// One connection, in its three legs.
#[derive(Default)]
struct Link {
    requests: VecDeque<(RequestId, HttpRequest<Bytes>)>,
    frames: VecDeque<Frame>,
    wire: VecDeque<Arrival>,
}

/// An exchange that the service has not retired.
struct Open {
    peer: Peer,
    request: RequestId,
    asked: Asked,
    since: u64,
    answered: bool,
}

enum Asked {
    Send(u64),
    Monitor(Target),
    Other,
}

pub(crate) struct Host {
    pub(crate) door: Door,
    pub(crate) service: Service,
    pub(crate) truth: Truth,
    backend: Backend,
    /// Commands that do not reach the store.
    held: Option<Vec<Command>>,
    /// Answers of the store that do not reach the service.
    muted: Option<VecDeque<Completion>>,
    operations: BTreeMap<Ticket, Vec<Operation>>,
    sweeps: BTreeMap<Ticket, UnixTime>,
    /// What the service will learn from a completion to come.
    endings: BTreeMap<Ticket, Vec<MessageId>>,
    links: BTreeMap<Peer, Link>,
    open: BTreeMap<Exchange, Open>,
    /// Transient messages: where they were pushed, and when it was known that they are welcome.
    passed: BTreeSet<(MessageId, Exchange)>,
    welcome: BTreeMap<MessageId, u64>,
    exchanges: u64,
    lives: u8,
    clock: u64,
    pub(crate) deadline: Option<Mono>,
    /// The latest wall time of this life.
    wall: UnixTime,
}

impl Host {
    pub(crate) fn new(backend: Backend) -> Self {
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        let keyring: Keyring = format!("webpush-keyring 1\nslot {key}\nseal 0 {key}\n").parse().unwrap();
        let url = PublicUrl::parse(ORIGIN).unwrap();
        let mut host = Self {
            door: Door::new(Arc::new(keyring), url, *PROVIDER, wire::Limits::default()),
            service: service(1),
            truth: Truth::default(),
            backend,
            held: None,
            muted: None,
            operations: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            endings: BTreeMap::new(),
            links: BTreeMap::new(),
            open: BTreeMap::new(),
            passed: BTreeSet::new(),
            welcome: BTreeMap::new(),
            exchanges: 0,
            lives: 1,
            clock: 0,
            deadline: None,
            wall: UnixTime::from_secs(0),
        };
        host.links.insert(Peer::Other, Link::default());
        host
    }

    fn link(&mut self, peer: Peer) -> &mut Link {
        self.links.entry(peer).or_default()
    }

    /// A client sends a request.
    pub(crate) fn submit(&mut self, peer: Peer, id: RequestId, request: HttpRequest<Bytes>) {
        self.link(peer).requests.push_back((id, request));
    }

    /// The next request of a client reaches the service. Whether there was one.
    pub(crate) fn arrive(&mut self, peer: Peer, now: Now) -> bool {
        let Some((id, request)) = self.link(peer).requests.pop_front() else { return false };
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        let (head, body) = request.into_parts();
        let read = self.door.admit(&head).and_then(|admitted| {
            self.door.request(admitted, HttpRequest::from_parts(head, body), &mut Unremembered, now.wall)
        });
        let request = match read {
            Ok(request) => request,
            Err(refusal) => {
                let response = Box::new(self.door.refuse(&refusal, now.wall));
                self.link(peer).frames.push_back(Frame::Answer(exchange, id, response));
                return true;
            }
        };
        let asked = match &request {
            Request::Send(send) => Asked::Send(job_of(&send.content)),
            Request::Monitor(monitor) => Asked::Monitor(monitor.target),
            _ => Asked::Other,
        };
        let monitor = matches!(asked, Asked::Monitor(_));
        self.clock += 1;
        let open = Open { peer, request: id, asked, since: self.clock, answered: false };
        self.open.insert(exchange, open);
        self.handle(Input::Request(exchange, request), now);
        if monitor {
            self.handle(Input::Credit(exchange, CREDIT), now);
        }
        true
    }

    /// The connection of a client writes the next thing: anything, or only an answer. Whether there was one.
    pub(crate) fn write(&mut self, peer: Peer, answers_only: bool, now: Now) -> bool {
        let frames = &self.link(peer).frames;
        // An answer may overtake the pushes of other exchanges, never those of its own (9113-8.4-4).
        let index = if answers_only {
            frames.iter().position(|frame| match frame {
                Frame::Answer(exchange, ..) => {
                    !frames.iter().any(|other| matches!(other, Frame::Push(of, ..) if of == exchange))
                }
                Frame::Push(..) => false,
            })
        } else {
            (!frames.is_empty()).then_some(0)
        };
        let Some(index) = index else { return false };
        match self.link(peer).frames.remove(index).expect("it is there") {
            Frame::Answer(_, id, response) => self.link(peer).wire.push_back(Arrival::Answer(id, response)),
            Frame::Push(exchange, id, delivery, item, promise) => {
                match &item {
                    Item::Message(message) => self.truth.check_push(message, self.wall.max(now.wall)),
                    Item::Receipt(receipt) => self.truth.receipt_written(receipt),
                }
                self.link(peer).wire.push_back(Arrival::Push(id, promise));
                self.handle(Input::Pushed(exchange, delivery, Transfer::Written), now);
            }
        }
        true
    }

    /// The next thing that was written reaches the client.
    pub(crate) fn receive(&mut self, peer: Peer) -> Option<Arrival> {
        self.link(peer).wire.pop_front()
    }

    /// The first push that waits is reset by the client.
    pub(crate) fn reset(&mut self, peer: Peer, now: Now) {
        let frames = &mut self.link(peer).frames;
        let Some(index) = frames.iter().position(|frame| matches!(frame, Frame::Push(..))) else { return };
        if let Some(Frame::Push(exchange, _, delivery, ..)) = frames.remove(index) {
            self.handle(Input::Pushed(exchange, delivery, Transfer::Reset), now);
        }
    }

    /// The connection of a client ends. Gives its requests that the service never saw.
    pub(crate) fn cut(&mut self, peer: Peer, now: Now) -> Vec<RequestId> {
        let link = mem::take(self.link(peer));
        let open: Vec<_> =
            self.open.iter().filter(|(_, open)| open.peer == peer).map(|(exchange, _)| *exchange).collect();
        for exchange in open {
            self.handle(Input::Cancelled(exchange), now);
        }
        self.link(peer).frames.clear();
        link.requests.into_iter().map(|(id, _)| id).collect()
    }

    /// A client resets one of its requests.
    pub(crate) fn cancel(&mut self, peer: Peer, id: RequestId, now: Now) {
        let link = self.link(peer);
        link.requests.retain(|(request, _)| *request != id);
        link.frames.retain(|frame| match frame {
            Frame::Answer(_, request, _) | Frame::Push(_, request, ..) => *request != id,
        });
        let open = self.open.iter().find(|(_, open)| open.peer == peer && open.request == id);
        if let Some(exchange) = open.map(|(exchange, _)| *exchange) {
            self.handle(Input::Cancelled(exchange), now);
        }
    }

    /// A new service over the same store.
    pub(crate) fn restart(&mut self, now: Now) {
        self.lives += 1;
        self.service = service(self.lives);
        self.held = self.held.is_some().then(Vec::new);
        self.muted = self.muted.is_some().then(VecDeque::new);
        self.operations.clear();
        self.sweeps.clear();
        self.endings.clear();
        self.open.clear();
        self.welcome.clear();
        self.backend.restart();
        self.truth.restarted();
        self.wall = now.wall;
        self.drain(now);
    }

    pub(crate) fn tick(&mut self, now: Now) {
        self.handle(Input::Tick, now);
    }

    pub(crate) fn handle(&mut self, input: Input, now: Now) {
        self.clock += 1;
        self.wall = self.wall.max(now.wall);
        self.service.handle(input, now);
        self.drain(now);
    }

    fn drain(&mut self, now: Now) {
        for _ in 0..10_000 {
            match self.service.poll(now) {
                Output::Store(command) => self.command(command, now),
                Output::Respond(exchange, response) => self.respond(exchange, &response, now),
                Output::Opened(_) => {}
                Output::Push(exchange, delivery, item) => self.push(exchange, delivery, item, now),
                Output::Retract(exchange, delivery) => self.retract(exchange, delivery, now),
                Output::Retire(exchange) => {
                    self.open.remove(&exchange).expect("only what is open is retired, once");
                }
                Output::Wait(deadline, reason) => {
                    assert!(deadline.is_none_or(|at| at > now.mono), "G5: no busy loop: {reason:?}");
                    self.deadline = deadline;
                    return;
                }
            }
        }
        panic!("G5: the service does not come to rest");
    }

    fn respond(&mut self, exchange: Exchange, response: &Response, now: Now) {
        let open = self.open.get_mut(&exchange).expect("nobody is answered who does not ask");
        assert!(!mem::replace(&mut open.answered, true), "one answer");
        if let (Asked::Send(job), Response::Accepted(accepted)) = (&open.asked, response)
            && accepted.ttl.as_secs() > 0
        {
            let fact = self.truth.facts.get(&accepted.handle.id).expect("G1: what is accepted is durable");
            assert_eq!(fact.job, *job, "G1: it is that message");
            assert!(accepted.ttl <= LIMITS.ttl, "8030-5.2-6: never more than the limit");
        }
        let (peer, request) = (open.peer, open.request);
        let response = Box::new(self.door.respond(response, now.wall));
        self.link(peer).frames.push_back(Frame::Answer(exchange, request, response));
    }

    fn push(&mut self, exchange: Exchange, delivery: Delivery, item: Item, now: Now) {
        let open = self.open.get(&exchange).expect("only a monitor is pushed to");
        assert!(!open.answered, "9113-8.4-4: no push after the answer");
        let Asked::Monitor(target) = open.asked else { panic!("only a monitor is pushed to") };
        let (peer, request, since) = (open.peer, open.request, open.since);
        assert_eq!(item.handle().agent, target.agent(), "G2: never to another user agent");
        match &item {
            Item::Message(message) => {
                let member = target.member().is_none_or(|member| member == message.handle.subscription);
                assert!(member && !matches!(target, Target::Receipts(_)), "G2: to its subscription only");
                self.truth.check_push(message, self.wall);
                if message.is_transient() {
                    self.pushed_transient(message, exchange, since);
                }
            }
            Item::Receipt(receipt) => {
                assert_eq!(target, Target::Receipts(receipt.agent), "G4: to its receipt subscription only");
                self.truth.check_receipt(receipt);
            }
        }
        let promise = Box::new(self.door.promise(&item, now.wall));
        let frames = &mut self.link(peer).frames;
        frames.push_back(Frame::Push(exchange, request, delivery, item, promise));
        let waiting = frames.iter().filter(|frame| matches!(frame, Frame::Push(of, ..) if *of == exchange));
        assert!(waiting.count() <= CREDIT as usize, "G5: never more pushes than the connection can take");
    }

    /// G3: only to a monitor that was there when the message was taken, and once.
    fn pushed_transient(&mut self, message: &Message, exchange: Exchange, since: u64) {
        let id = message.handle.id;
        assert!(self.passed.insert((id, exchange)), "G3: never again");
        let known = self.welcome.get(&id).copied().unwrap_or(u64::MAX);
        assert!(since <= known, "G3: a monitor that came later gets nothing");
    }

    fn retract(&mut self, exchange: Exchange, delivery: Delivery, now: Now) {
        let Some(peer) = self.open.get(&exchange).map(|open| open.peer) else { return };
        let frames = &mut self.link(peer).frames;
        let before = frames.len();
        frames.retain(|frame| !matches!(frame, Frame::Push(of, _, number, ..) if (*of, *number) == (exchange, delivery)));
        assert_eq!(frames.len() + 1, before, "what is retracted is under way");
        self.handle_later(Input::Pushed(exchange, delivery, Transfer::Reset), now);
    }

    /// Within [`Host::drain`].
    fn handle_later(&mut self, input: Input, now: Now) {
        self.service.handle(input, now);
    }

    fn command(&mut self, command: Command, now: Now) {
        match &mut self.held {
            Some(held) => held.push(command),
            None => self.run(vec![command], now),
        }
    }

    /// The store sees commands: what it makes durable is true from now on.
    fn run(&mut self, commands: Vec<Command>, now: Now) {
        for command in &commands {
            match command {
                Command::Apply(ticket, operations) => {
                    self.operations.insert(*ticket, operations.clone());
                }
                Command::Expire(ticket, at) => {
                    self.sweeps.insert(*ticket, *at);
                }
                _ => {}
            }
        }
        let said = self.backend.run(commands);
        self.hear(said, now);
    }

    fn hear(&mut self, said: Vec<Completion>, now: Now) {
        for completion in &said {
            match completion {
                Completion::Applied(ticket, results) => {
                    let operations = self.operations.remove(ticket).expect("it was asked");
                    let ended = self.truth.durable(&operations, results);
                    self.endings.insert(*ticket, ended);
                    for operation in operations.iter().take(results.len()) {
                        if let Operation::Put(put) = operation
                            && put.message.is_transient()
                        {
                            self.endings.entry(*ticket).or_default().push(put.message.handle.id);
                        }
                    }
                }
                Completion::Expired(ticket, sweep) => {
                    let at = self.sweeps.remove(ticket).expect("it was asked");
                    assert!(!sweep.more, "there is never more due than one sweep ends");
                    self.truth.swept(at);
                }
                _ => {}
            }
        }
        match &mut self.muted {
            Some(muted) => muted.extend(said),
            None => said.into_iter().for_each(|completion| self.complete(completion, now)),
        }
    }

    /// The service hears of it.
    fn complete(&mut self, completion: Completion, now: Now) {
        let ended = match &completion {
            Completion::Hint(_, Hint::Ended(handle)) => vec![handle.id],
            other => other.ticket().and_then(|ticket| self.endings.remove(&ticket)).unwrap_or_default(),
        };
        // First the service, then the oracle: what it had said before it heard is no fault.
        self.clock += 1;
        for id in &ended {
            if !self.truth.facts.contains_key(id) {
                self.welcome.insert(*id, self.clock);
            }
        }
        self.service.handle(Input::Store(completion), now);
        self.pending_told(&ended, now);
    }

    /// Whatever the service has still to say was decided after it heard; what waits in a connection it takes back.
    fn pending_told(&mut self, ended: &[MessageId], now: Now) {
        self.drain(now);
        self.truth.told(ended);
        for frame in self.links.values().flat_map(|link| &link.frames) {
            if let Frame::Push(exchange, _, _, Item::Message(message), _) = frame {
                let gone = ended.contains(&message.handle.id) && !message.is_transient();
                let open = self.open.contains_key(exchange);
                assert!(!gone || !open, "G2: what has ended is taken back from a connection");
            }
        }
    }

    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(crate) fn release(&mut self, now: Now) {
        let held = self.held.take().unwrap_or_default();
        self.run(held, now);
        self.drain(now);
    }

    pub(crate) fn mute(&mut self) {
        self.muted.get_or_insert_default();
    }

    /// In the order in which the store said it: what it says meanwhile comes behind.
    pub(crate) fn unmute(&mut self, now: Now) {
        while let Some(completion) = self.muted.as_mut().and_then(VecDeque::pop_front) {
            self.complete(completion, now);
        }
        self.muted = None;
        self.drain(now);
    }

    pub(crate) fn fail_store(&mut self, now: Now) {
        let said = self.backend.fail();
        self.hear(said, now);
        self.drain(now);
    }

    pub(crate) fn reopen_store(&mut self, now: Now) {
        let said = self.backend.reopen();
        self.hear(said, now);
        self.drain(now);
    }

    /// Exchanges that are not retired.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn wall(&self) -> UnixTime {
        self.wall
    }
}

fn service(life: u8) -> Service {
    let config = Config { limits: LIMITS, ..Config::default() };
    Service::new(config, &Seed::from_octets([life; 32]))
}
