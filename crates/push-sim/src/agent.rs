//! A user agent, its connections and its application.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use push_proto::{
    Now, PushUrl, Refusal, Seed, Via,
    store::Item,
    user_agent::{
        Backoff, Config, Connection, ConnectionId, Control, Delivery, Disposition, Event, Input, Limits,
        MessageRef, Order, Output, Power, Pushed, Request, RequestId, Secret, State, Subscribe,
        SubscriptionEvent, Tag, UserAgent,
    },
};

use crate::{
    broken::Guarantee,
    kinds::{FaultKind, InputKind},
    party::{Account, Known, Party},
    passage::{Place, SERVICE, key_of},
    site::{Arrival, LinkId, Peer, Site},
    truth::job_of,
};

/// Few, so that schedules hit them.
const UNACKNOWLEDGED: usize = 3;
/// More outputs than any input can cause.
const RESTLESS: usize = 10_000;

pub(crate) struct Agent {
    config: Config,
    machine: UserAgent,
    saved: State,
    lives: u8,
    account: Account,
    connections: BTreeMap<ConnectionId, LinkId>,
    dialling: Vec<ConnectionId>,
    asked: BTreeMap<RequestId, LinkId>,
    tags: u64,
    wanted: BTreeMap<Tag, bool>,
    /// With the application, oldest first.
    held: VecDeque<(MessageRef, PushUrl)>,
    /// Messages that it took, and that must not come again.
    taken: BTreeSet<PushUrl>,
}

impl Agent {
    pub(crate) fn new(number: usize, service: PushUrl) -> Self {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(16) };
        let limits = Limits {
            unacknowledged: UNACKNOWLEDGED,
            backoff,
            response: Duration::from_secs(15),
            retry_after: Duration::from_secs(30),
            ..Limits::default()
        };
        let config = Config { limits, ..Config::new(service) };
        let machine = UserAgent::new(config.clone(), State::default(), &seed(number, 0));
        Self {
            config,
            machine,
            saved: State::default(),
            lives: 0,
            account: Account { number, ..Account::default() },
            connections: BTreeMap::new(),
            dialling: Vec::new(),
            asked: BTreeMap::new(),
            tags: 0,
            wanted: BTreeMap::new(),
            held: VecDeque::new(),
            taken: BTreeSet::new(),
        }
    }

    fn give(&mut self, input: Input, site: &mut Site, now: Now) {
        site.tally.input(kind_of(&input));
        site.trace.note(now, format_args!("agent {} <-", self.account.number), &input);
        self.machine.handle(input, now);
        self.drain(site, now);
    }

    fn connection(&self, link: LinkId) -> Option<ConnectionId> {
        self.connections.iter().find(|(_, of)| **of == link).map(|(id, _)| *id)
    }

    fn drain(&mut self, site: &mut Site, now: Now) {
        for _ in 0..RESTLESS {
            let output = self.machine.poll(now);
            site.trace.note(now, format_args!("agent {} ->", self.account.number), &output);
            match output {
                Output::Connection(id, Order::Open(_)) => self.dialling.push(id),
                // The path is alive, whatever is under way on it.
                Output::Connection(id, Order::Ping) => {
                    self.machine.handle(Input::Connection(id, Connection::Alive), now);
                }
                Output::Connection(id, Order::Close) => {
                    self.dialling.retain(|dialling| *dialling != id);
                    if let Some(link) = self.connections.remove(&id) {
                        site.close(link);
                    }
                }
                Output::Request(connection, id, request) => self.ask(connection, id, &request, site),
                Output::Cancel(id) => {
                    if let Some(link) = self.asked.remove(&id) {
                        site.cancel(link, id);
                    }
                }
                Output::Deliver(delivery) => self.delivered(delivery, site),
                Output::Save(state) => self.saved = state,
                Output::Event(Event::Subscription(tag, event)) => self.subscription(tag, event),
                Output::Event(Event::Closed) => self.account.closed = true,
                Output::Event(_) => {}
                Output::Wait(deadline, reason) => {
                    let rests = deadline.is_none_or(|at| at > now.mono);
                    site.require(rests, Guarantee::G5, || {
                        format!("a user agent is in a busy loop: {reason:?}")
                    });
                    self.account.deadline = deadline;
                    return;
                }
            }
        }
        site.require(false, Guarantee::G5, || "a user agent does not come to rest".to_owned());
    }

    fn ask(&mut self, connection: ConnectionId, id: RequestId, request: &Request, site: &mut Site) {
        let Some(link) = self.connections.get(&connection).copied() else {
            return site.require(false, Guarantee::Protocol, || "a request on no connection".to_owned());
        };
        self.asked.insert(id, link);
        if matches!(request, Request::Monitor { via: Via::Stream, .. }) {
            site.by_stream(link, id);
        }
        let request: Result<_, Refusal> = site.passage.of_agent(request);
        site.submit(link, id, request);
    }

    fn delivered(&mut self, delivery: Delivery, site: &mut Site) {
        let job = job_of(&delivery.content);
        let known = self.account.known.iter().find(|known| known.tag == delivery.tag);
        let push = known.map(|known| known.push.as_str().to_owned());
        let wanted = site.truth.wanted.get(&job);
        let same = wanted.is_some_and(|wanted| wanted.content == delivery.content);
        let ours = wanted.is_some_and(|wanted| wanted.agent == self.account.number);
        let to = wanted.map(|wanted| wanted.to.clone());
        site.require(same, Guarantee::G2, || format!("job {job} does not arrive as it was sent"));
        site.require(ours, Guarantee::G2, || format!("job {job} is delivered to another user agent"));
        site.require(push == to, Guarantee::G2, || format!("job {job} is delivered to another subscription"));
        let taken = self.taken.contains(&delivery.url);
        let held = self.held.iter().any(|(_, held)| *held == delivery.url);
        // One that started again has forgotten what was acknowledged, and a node that missed the hint may push it.
        let forgetful = self.lives > 0 && site.is_cluster();
        site.require(!taken || forgetful, Guarantee::G2, || format!("job {job} comes after it was taken"));
        site.require(!held, Guarantee::G2, || format!("job {job} comes while the application has it"));
        self.held.push_back((delivery.message, delivery.url));
        let fits = self.held.len() <= UNACKNOWLEDGED;
        site.require(fits, Guarantee::G5, || "more messages than there is room for".to_owned());
        self.account.got.insert(job);
    }

    fn subscription(&mut self, tag: Tag, event: SubscriptionEvent) {
        match event {
            SubscriptionEvent::Subscribed(push) => {
                let restricted = self.wanted.get(&tag).copied().unwrap_or(false);
                self.account.known.push(Known { tag, push, restricted });
            }
            SubscriptionEvent::Failed(_) | SubscriptionEvent::Gone | SubscriptionEvent::Unsubscribed => {
                self.account.known.retain(|known| known.tag != tag);
            }
        }
    }
}

impl Party for Agent {
    fn account(&self) -> &Account {
        &self.account
    }

    fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    fn subscribe(&mut self, restricted: bool, alone: bool, site: &mut Site, now: Now) {
        self.tags += 1;
        let tag = Tag(self.tags);
        self.wanted.insert(tag, restricted);
        let restricted_to = if restricted { key_of(0) } else { None };
        let secret = Secret::new(b"receiver keys").unwrap_or_default();
        self.give(
            Input::Subscribe(Subscribe { tag, service: None, alone, restricted_to, secret }),
            site,
            now,
        );
    }

    fn unsubscribe(&mut self, site: &mut Site, now: Now) {
        if let Some(tag) = self.account.known.first().map(|known| known.tag) {
            self.give(Input::Unsubscribe(tag), site, now);
        }
    }

    fn power(&mut self, level: u8, site: &mut Site, now: Now) {
        let levels = [Power::PowerAndWifi, Power::PowerOrWifi, Power::Neither, Power::LowBattery];
        let power = levels[usize::from(level) % levels.len()];
        self.give(Input::Control(Control::Power(power)), site, now);
    }

    fn close(&mut self, site: &mut Site, now: Now) {
        self.give(Input::Control(Control::Close), site, now);
    }

    fn dispose(&mut self, disposition: Disposition, site: &mut Site, now: Now) -> bool {
        let Some((message, url)) = self.held.pop_front() else { return false };
        if disposition == Disposition::Released {
            site.tally.fault(FaultKind::MessageReleased);
        } else {
            self.taken.insert(url);
        }
        self.give(Input::Message(message, disposition), site, now);
        true
    }

    fn connect(&mut self, site: &mut Site, now: Now) -> bool {
        let Some(id) = self.dialling.pop() else { return false };
        let link = if self.account.unreachable {
            None
        } else {
            site.connect(Peer::Agent(self.account.number), self.account.pushless)
        };
        let fate = if let Some(link) = link {
            self.connections.insert(id, link);
            Connection::Established
        } else {
            site.tally.fault(FaultKind::Unreachable);
            Connection::Lost
        };
        self.give(Input::Connection(id, fate), site, now);
        true
    }

    fn drained(&mut self, link: LinkId, site: &mut Site, now: Now) {
        if let Some(id) = self.connection(link) {
            self.give(Input::Connection(id, Connection::Draining), site, now);
        }
    }

    fn lose(&mut self, link: LinkId, silent: bool, site: &mut Site, now: Now) {
        if silent {
            site.leave(link);
        } else {
            site.close(link);
        }
        if let Some(id) = self.connection(link) {
            self.connections.remove(&id);
            self.give(Input::Connection(id, Connection::Lost), site, now);
        }
    }

    fn kill(&mut self, site: &mut Site, now: Now) {
        site.tally.fault(FaultKind::AgentKilled);
        for link in std::mem::take(&mut self.connections).into_values() {
            site.close(link);
        }
        self.dialling.clear();
        self.asked.clear();
        self.held.clear();
        // An acknowledgement that was not answered is not saved either, so as not to write for each message.
        self.taken.retain(|url| site.is_over(url));
        self.lives = self.lives.wrapping_add(1);
        let saved = State::from_bytes(&self.saved.to_bytes());
        site.require(saved.as_ref() == Ok(&self.saved), Guarantee::Protocol, || {
            "the state of a user agent is not what was saved".to_owned()
        });
        let seed = seed(self.account.number, self.lives);
        self.machine = UserAgent::new(self.config.clone(), saved.unwrap_or_default(), &seed);
        self.drain(site, now);
    }

    fn receive(&mut self, _link: LinkId, arrival: Arrival, site: &mut Site, now: Now) {
        match arrival {
            Arrival::Answer(id, response) => {
                self.asked.remove(&id);
                let response = site.passage.agent_answer(&response);
                self.give(Input::Reply(id, Ok(response)), site, now);
            }
            Arrival::Push(id, Item::Message(message)) => {
                let handle = message.handle;
                let link = site.passage.reference(Place::Push(handle.agent, handle.subscription));
                let pushed = Pushed {
                    message: site.passage.reference(Place::Message(handle)),
                    promised_for: Some(link.clone()),
                    pushed_for: Some(link),
                    status: 200,
                    content: message.content.clone(),
                };
                self.give(Input::Pushed(id, pushed), site, now);
            }
            Arrival::Push(_, Item::Receipt(_)) => {
                site.require(false, Guarantee::G4, || "a user agent is pushed a receipt".to_owned());
            }
            Arrival::Socket(_) => {
                site.require(false, Guarantee::Protocol, || "a WebSocket that nobody opened".to_owned());
            }
        }
    }

    fn tick(&mut self, site: &mut Site, now: Now) {
        self.give(Input::Tick, site, now);
    }
}

/// Where every user agent subscribes.
pub(crate) fn service() -> Option<PushUrl> {
    PushUrl::parse(SERVICE).ok()
}

fn seed(number: usize, life: u8) -> Seed {
    let mut seed = [u8::try_from(number).unwrap_or(u8::MAX).wrapping_add(100); 32];
    seed[0] = life;
    Seed::from_octets(seed)
}

const fn kind_of(input: &Input) -> InputKind {
    match input {
        Input::Subscribe(_) => InputKind::AgentSubscribe,
        Input::Unsubscribe(_) => InputKind::AgentUnsubscribe,
        Input::Message(..) => InputKind::AgentMessage,
        Input::Connection(..) => InputKind::AgentConnection,
        Input::Reply(..) => InputKind::AgentReply,
        Input::Pushed(..) => InputKind::AgentPushed,
        Input::Tick => InputKind::Tick,
        Input::Control(_) => InputKind::AgentControl,
    }
}
