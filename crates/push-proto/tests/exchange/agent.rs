//! A user agent, its connection and its application.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use push_proto::{
    Mono, Now, PublicKey, PushUrl, Seed,
    user_agent::{
        Backoff, Config, Connection, ConnectionId, Delivery, Disposition, Event, Input, Limits, MessageRef,
        Order, Output, Reference, Request, RequestId, Secret, State, Subscribe, SubscriptionEvent, Tag,
        UserAgent,
    },
    wire::{self, Promise},
};

use crate::{
    host::{Arrival, Host, ORIGIN, Peer},
    truth::job_of,
};

/// A subscription that its application knows.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) tag: Tag,
    pub(crate) push: PushUrl,
    pub(crate) restricted: bool,
}

pub(crate) struct Agent {
    pub(crate) machine: UserAgent,
    pub(crate) deadline: Option<Mono>,
    pub(crate) closed: bool,
    number: usize,
    connection: Option<ConnectionId>,
    dialling: Option<ConnectionId>,
    tags: u64,
    wanted: BTreeMap<Tag, bool>,
    pub(crate) known: Vec<Known>,
    /// With the application, oldest first.
    pub(crate) held: VecDeque<(MessageRef, String, u64)>,
    taken: BTreeSet<String>,
    /// Jobs that the application has got.
    pub(crate) got: BTreeSet<u64>,
    /// The set, as the service named it.
    pub(crate) set: Option<String>,
    /// The newest subscription, likewise.
    pub(crate) newest: Option<String>,
}

/// Few, so that schedules hit them.
const UNACKNOWLEDGED: usize = 3;

impl Agent {
    pub(crate) fn new(number: usize) -> Self {
        let service = PushUrl::parse(&format!("{ORIGIN}/subscribe")).unwrap();
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let limits = Limits { unacknowledged: UNACKNOWLEDGED, backoff, ..Limits::default() };
        let config = Config { limits, ..Config::new(service) };
        let seed = Seed::from_octets([u8::try_from(number).unwrap() + 100; 32]);
        Self {
            machine: UserAgent::new(config, State::default(), &seed),
            deadline: None,
            closed: false,
            number,
            connection: None,
            dialling: None,
            tags: 0,
            wanted: BTreeMap::new(),
            known: Vec::new(),
            held: VecDeque::new(),
            taken: BTreeSet::new(),
            got: BTreeSet::new(),
            set: None,
            newest: None,
        }
    }

    pub(crate) const fn peer(&self) -> Peer {
        Peer::Agent(self.number)
    }

    pub(crate) fn subscribe(&mut self, restricted_to: Option<PublicKey>, host: &mut Host, now: Now) {
        self.tags += 1;
        let tag = Tag(self.tags);
        self.wanted.insert(tag, restricted_to.is_some());
        let secret = Secret::new(b"receiver keys").unwrap();
        let subscribe = Subscribe { tag, service: None, alone: false, restricted_to, secret };
        self.give(Input::Subscribe(subscribe), host, now);
    }

    pub(crate) fn unsubscribe(&mut self, host: &mut Host, now: Now) {
        if let Some(tag) = self.known.first().map(|known| known.tag) {
            self.give(Input::Unsubscribe(tag), host, now);
        }
    }

    /// The application says what became of its oldest message. Whether it had one.
    pub(crate) fn dispose(&mut self, disposition: Disposition, host: &mut Host, now: Now) -> bool {
        let Some((message, url, _)) = self.held.pop_front() else { return false };
        if disposition == Disposition::Taken {
            self.taken.insert(url);
        }
        self.give(Input::Message(message, disposition), host, now);
        true
    }

    pub(crate) fn give(&mut self, input: Input, host: &mut Host, now: Now) {
        self.machine.handle(input, now);
        self.drain(host, now);
    }

    /// Its connection is established, if it wants one. Whether it did.
    pub(crate) fn connect(&mut self, host: &mut Host, now: Now) -> bool {
        let Some(id) = self.dialling.take() else { return false };
        self.connection = Some(id);
        self.give(Input::Connection(id, Connection::Established), host, now);
        true
    }

    /// Its connection is lost, or cannot be established.
    pub(crate) fn cut(&mut self, host: &mut Host, now: Now) {
        host.cut(self.peer(), now);
        if let Some(id) = self.connection.take().or_else(|| self.dialling.take()) {
            self.give(Input::Connection(id, Connection::Lost), host, now);
        }
    }

    pub(crate) fn receive(&mut self, arrival: Arrival, host: &mut Host, now: Now) {
        match arrival {
            Arrival::Answer(id, response) => {
                let (head, _) = response.into_parts();
                let response = wire::user_agent::response(&head);
                if let Some(set) = &response.set {
                    self.set = absolute(set);
                    self.newest = response.location.as_ref().and_then(absolute);
                }
                self.give(Input::Reply(id, Ok(response)), host, now);
            }
            Arrival::Push(id, promise) => {
                let Promise { request, response, body } = *promise;
                let pushed = wire::user_agent::pushed(&request, response.map(|()| body));
                self.give(Input::Pushed(id, pushed), host, now);
            }
        }
    }

    fn drain(&mut self, host: &mut Host, now: Now) {
        for _ in 0..10_000 {
            match self.machine.poll(now) {
                Output::Connection(id, Order::Open(origin)) => {
                    assert_eq!(origin.as_str(), ORIGIN);
                    assert!(
                        self.dialling.replace(id).is_none() && self.connection.is_none(),
                        "one connection at a time"
                    );
                }
                // The path is alive, whatever is under way on it.
                Output::Connection(id, Order::Ping) => {
                    self.machine.handle(Input::Connection(id, Connection::Alive), now);
                }
                Output::Connection(id, Order::Close) => {
                    self.dialling.take_if(|dialling| *dialling == id);
                    if self.connection.take_if(|connection| *connection == id).is_some() {
                        host.cut(self.peer(), now);
                    }
                }
                Output::Request(_, id, request) => self.ask(id, &request, host),
                Output::Cancel(id) => host.cancel(self.peer(), id, now),
                Output::Deliver(delivery) => self.delivered(delivery, host),
                Output::Save(_) => {}
                Output::Event(Event::Subscription(tag, event)) => self.subscription(tag, event),
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
                Output::Wait(deadline, reason) => {
                    assert!(deadline.is_none_or(|at| at > now.mono), "G5: no busy loop: {reason:?}");
                    self.deadline = deadline;
                    return;
                }
            }
        }
        panic!("G5: the user agent does not come to rest");
    }

    fn ask(&self, id: RequestId, request: &Request, host: &mut Host) {
        assert!(self.connection.is_some(), "requests go where there is a connection");
        host.submit(self.peer(), id, wire::user_agent::request(request).expect("our URLs are good"));
    }

    fn delivered(&mut self, delivery: Delivery, host: &Host) {
        let url = delivery.url.as_str().to_owned();
        let job = job_of(&delivery.content);
        let wanted = &host.truth.wanted[&job];
        assert_eq!(delivery.content, wanted.content, "8030-6-4: what arrives is what was sent");
        assert_eq!(wanted.agent, self.number, "G2: never to another user agent");
        let known = self.known.iter().find(|known| known.tag == delivery.tag).expect("its subscription");
        assert_eq!(known.push.as_str(), wanted.to, "8030-6.1-6: it was sent to that subscription");
        assert!(!self.taken.contains(&url), "8030-6.2-7: what was taken does not come again");
        let twice = self.held.iter().any(|(_, held, _)| *held == url);
        assert!(!twice, "what the application has does not come again");
        self.held.push_back((delivery.message, url, job));
        assert!(self.held.len() <= UNACKNOWLEDGED, "G5: never more than there is room for");
        self.got.insert(job);
    }

    fn subscription(&mut self, tag: Tag, event: SubscriptionEvent) {
        match event {
            SubscriptionEvent::Subscribed(push) => {
                let restricted = self.wanted[&tag];
                self.known.push(Known { tag, push, restricted });
            }
            SubscriptionEvent::Failed(_) | SubscriptionEvent::Gone | SubscriptionEvent::Unsubscribed => {
                self.known.retain(|known| known.tag != tag);
            }
        }
    }
}

/// What a reference of the service means.
fn absolute(reference: &Reference) -> Option<String> {
    let base = PushUrl::parse(ORIGIN).unwrap();
    reference.resolve(&base).map(|url| url.as_str().to_owned())
}
