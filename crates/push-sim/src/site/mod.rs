//! The push service: nodes of shards behind bounded mailboxes, the connections to them, and the store they share.
//!
//! | file | what it is |
//! |---|---|
//! | this one | what a client does, and what a shard does in its turn |
//! | `effects` | what a service wants done, judged |
//! | `nodes` | nodes die, stop and start |
//! | `links` | connections |
//! | `sockets` | the service's end of a WebSocket |

mod effects;
mod links;
mod nodes;
mod sockets;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use push_proto::{
    AgentId, MessageId, Mono, Now, PushUrl, Refusal, Ttl, UnixTime,
    service::{Delivery, Exchange, Input, Limits, Rate, Request, Service, Target, Transfer},
    store::{Availability, Completion, Item},
    user_agent::RequestId,
};

pub(crate) use links::{Arrival, LinkId, Peer};
pub(crate) use nodes::State;
pub(crate) use sockets::{FLOOD, Said, UPDATES, Written};

use links::{Frame, Links};
use sockets::Doorway;

use crate::{
    broken::Guarantee,
    kinds::{FaultKind, InputKind, Tally},
    passage::{Passage, Place},
    schedule::Shape,
    trace::Trace,
    truth::{Truth, job_of},
    vault::{Channel, Vault},
};

/// Pushes that one monitor's connection can take at once.
pub(crate) const CREDIT: u32 = 3;
/// Requests that wait for a shard's turn; beyond it they are refused.
const MAILBOX: usize = 6;

/// Small, so that schedules hit them, and short, so that healing is.
fn limits(shape: &Shape) -> Limits {
    Limits {
        requests_in_flight: 12,
        // One that is refused for want of it waits as long as the others stay, and rightly.
        monitors: 64,
        unacknowledged: 4,
        page_entries: 2,
        transient: 2,
        ttl: Ttl::from_secs(5000),
        transient_secs: 10,
        acknowledgement: Duration::from_secs(20),
        reload: Duration::from_secs(60),
        monitor: Duration::from_secs(1000),
        sweep: Duration::from_secs(30),
        retry_after: Duration::from_secs(3),
        messages: if shape.low_rates { Rate::new(3, 600) } else { None },
        rated_agents: 4,
        new_agents: if shape.low_rates { Rate::new(8, 600) } else { None },
        ..Limits::default()
    }
}

/// One shard of one node, in one life.
pub(crate) struct Shard {
    service: Service,
    channel: Channel,
    mailbox: VecDeque<Letter>,
    /// Requests in the mailbox.
    waiting: usize,
    deadline: Option<Mono>,
    stalled: bool,
    /// What it last heard of the store.
    store_down: bool,
    /// The latest wall time that it has seen.
    wall: UnixTime,
}

enum Letter {
    Request(Exchange, Request),
    Reply(Input),
    Store(Completion, Vec<MessageId>),
}

/// An exchange that the service has not retired.
struct Open {
    link: LinkId,
    shard: usize,
    request: RequestId,
    asked: Asked,
    since: u64,
    answered: bool,
}

#[derive(Clone, Copy)]
enum Asked {
    Send(u64),
    Monitor(Target),
    Other,
}

pub(crate) struct Site {
    shape: Shape,
    pub(crate) passage: Passage,
    pub(crate) vault: Vault,
    pub(crate) truth: Truth,
    pub(crate) tally: Tally,
    pub(crate) trace: Trace,
    states: Vec<State>,
    shards: Vec<Shard>,
    links: Links,
    open: BTreeMap<Exchange, Open>,
    exchanges: u64,
    lives: u8,
    clock: u64,
    /// The latest wall time of all.
    pub(crate) wall: UnixTime,
    doorway: Doorway,
}

impl Site {
    pub(crate) fn new(shape: Shape, trace: Trace, now: Now) -> Self {
        let mut site = Self {
            shape,
            passage: Passage::new(),
            vault: Vault::new(&shape),
            truth: Truth::default(),
            tally: Tally::default(),
            trace,
            states: vec![State::Up; usize::from(shape.nodes)],
            shards: Vec::new(),
            links: Links::default(),
            open: BTreeMap::new(),
            exchanges: 0,
            lives: 0,
            clock: 0,
            wall: now.wall,
            doorway: Doorway::new(),
        };
        for shard in 0..usize::from(shape.nodes) * usize::from(shape.shards) {
            let made = site.shard(shard);
            site.shards.push(made);
        }
        site
    }

    pub(crate) fn require(&mut self, holds: bool, guarantee: Guarantee, what: impl FnOnce() -> String) {
        self.truth.require(holds, guarantee, what);
    }

    /// Whether hints cross between nodes.
    pub(crate) const fn is_cluster(&self) -> bool {
        self.shape.nodes > 1
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// A client connects to a node that is up. None if there is none.
    pub(crate) fn connect(&mut self, peer: Peer, pushless: bool) -> Option<LinkId> {
        let place = self.place()?;
        Some(self.links.open(peer, place, pushless, None))
    }

    /// A node that is up, and the shard of it whose thread takes the connection.
    fn place(&mut self) -> Option<(usize, usize)> {
        let count = self.states.len();
        self.clock += 1;
        let first = usize::try_from(self.clock).unwrap_or(0);
        let node =
            (first..first + count).map(|node| node % count).find(|node| self.states[*node] == State::Up)?;
        let home = first % usize::from(self.shape.shards);
        Some((node, node * usize::from(self.shape.shards) + home))
    }

    /// The connections that clients know of, oldest first.
    pub(crate) fn known_links(&self) -> Vec<LinkId> {
        self.links.those(|link| !link.left)
    }

    /// Who is at the other end.
    pub(crate) fn peer_of(&self, link: LinkId) -> Option<Peer> {
        self.links.get(link).map(|link| link.peer)
    }

    /// A client sends a request on its connection.
    pub(crate) fn submit(&mut self, link: LinkId, id: RequestId, request: Result<Request, Refusal>) {
        if let Some(link) = self.links.get_mut(link) {
            link.requests.push_back((id, request));
        }
    }

    /// What comes of this request comes by event stream.
    pub(crate) fn by_stream(&mut self, link: LinkId, id: RequestId) {
        if let Some(link) = self.links.get_mut(link) {
            link.streams.push(id);
        }
    }

    /// The next request of a client reaches the mailbox of its shard. Whether there was one.
    pub(crate) fn arrive(&mut self, link: LinkId, now: Now) -> bool {
        let Some(it) = self.links.get_mut(link).filter(|link| !link.broken) else { return false };
        if it.socket.is_some() {
            return self.read(link, now);
        }
        let Some((id, request)) = it.requests.pop_front() else { return false };
        self.admit(link, id, request);
        true
    }

    /// A request is put into the mailbox of its shard, or refused.
    fn admit(&mut self, link: LinkId, id: RequestId, request: Result<Request, Refusal>) -> Option<Exchange> {
        let it = self.links.get(link)?;
        let (node, home) = (it.node, it.home);
        self.exchanges += 1;
        self.clock += 1;
        let exchange = Exchange { origin: u16::try_from(home).unwrap_or(0), number: self.exchanges };
        let request = match request {
            Ok(request) => request,
            Err(refusal) => {
                self.refuse(link, exchange, id, refusal);
                return Some(exchange);
            }
        };
        let count = u16::from(self.shape.shards);
        let owner = request.agent().map(|agent| usize::from(agent.shard(count)));
        let shard = owner.map_or(home, |owner| node * usize::from(count) + owner);
        if self.shards[shard].waiting >= MAILBOX {
            self.tally.fault(FaultKind::MailboxFull);
            self.refuse(link, exchange, id, Refusal::OVERLOADED.retry_in(Duration::from_secs(3)));
            return Some(exchange);
        }
        let asked = match &request {
            Request::Send(send) => Asked::Send(job_of(&send.content)),
            Request::Monitor(monitor) => Asked::Monitor(monitor.target),
            _ => Asked::Other,
        };
        let open = Open { link, shard, request: id, asked, since: self.clock, answered: false };
        self.open.insert(exchange, open);
        let shard = &mut self.shards[shard];
        shard.waiting += 1;
        let monitor = matches!(request, Request::Monitor(_));
        shard.mailbox.push_back(Letter::Request(exchange, request));
        if monitor {
            shard.mailbox.push_back(Letter::Reply(Input::Credit(exchange, CREDIT)));
        }
        Some(exchange)
    }

    fn refuse(&mut self, link: LinkId, exchange: Exchange, id: RequestId, refusal: Refusal) {
        if let Some(link) = self.links.get_mut(link) {
            let response = push_proto::service::Response::Refused(refusal);
            link.frames.push_back(Frame::Answer(exchange, id, response));
        }
    }

    /// What the store has said reaches the mailbox of a shard. Whether there was something.
    pub(crate) fn hear(&mut self, shard: usize) -> bool {
        if !self.is_running(shard) {
            return false;
        }
        let shard = &mut self.shards[shard];
        let Some(said) = self.vault.hear(shard.channel) else { return false };
        shard.mailbox.push_back(Letter::Store(said.completion, said.learned));
        true
    }

    pub(crate) fn commit(&mut self, count: usize) -> bool {
        self.vault.commit(count, &mut self.truth, &mut self.tally)
    }

    /// A shard reads its mailbox, and does what comes of it. Whether there was anything.
    pub(crate) fn turn(&mut self, index: usize, now: Now) -> bool {
        if !self.is_running(index) || self.shards[index].stalled || self.shards[index].mailbox.is_empty() {
            return false;
        }
        let mut told = Vec::new();
        let mut went_down = false;
        for letter in std::mem::take(&mut self.shards[index].mailbox) {
            let input = match letter {
                Letter::Request(exchange, request) => {
                    self.shards[index].waiting -= 1;
                    Input::Request(exchange, request)
                }
                Letter::Reply(input) => input,
                Letter::Store(completion, learned) => {
                    match &completion {
                        Completion::Availability(Availability::Up) => {
                            went_down = false;
                            self.shards[index].store_down = false;
                        }
                        Completion::Availability(Availability::Down) => went_down = true,
                        _ => {}
                    }
                    told.extend(learned);
                    Input::Store(completion)
                }
            };
            self.give(index, input, now);
        }
        self.clock += 1;
        let clock = self.clock;
        if !self.drain(index, now) {
            return true;
        }
        // What it had to say before it heard is no fault; what waits in a connection it has taken back.
        self.shards[index].store_down |= went_down;
        self.truth.told(&told, index, clock);
        if !told.is_empty() {
            self.check_taken_back(index, &told);
        }
        true
    }

    /// Time has come for a shard.
    pub(crate) fn tick(&mut self, index: usize, now: Now) {
        if self.is_running(index) && !self.shards[index].stalled {
            self.give(index, Input::Tick, now);
            self.drain(index, now);
        }
    }

    fn give(&mut self, index: usize, input: Input, now: Now) {
        self.tally.input(kind_of(&input));
        self.trace.note(now, format_args!("shard {index} <-"), &input);
        self.wall = self.wall.max(now.wall);
        let shard = &mut self.shards[index];
        shard.wall = shard.wall.max(now.wall);
        shard.service.handle(input, now);
    }

    /// The first deadline of all shards that take turns.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        let turning = (0..self.shards.len()).filter(|index| self.is_running(*index));
        let shards = turning
            .map(|index| &self.shards[index])
            .filter(|shard| !shard.stalled)
            .filter_map(|shard| shard.deadline)
            .min();
        shards.into_iter().chain(self.sockets_deadline()).min()
    }

    pub(crate) fn is_due(&self, index: usize, now: Now) -> bool {
        self.shards[index].deadline.is_some_and(|at| at <= now.mono)
    }

    /// The connection of a client writes the next thing: anything, or only an answer. Whether there was one.
    pub(crate) fn write(&mut self, id: LinkId, answers_only: bool, now: Now) -> bool {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.broken) else { return false };
        if link.socket.is_some() {
            return self.go_on(id, answers_only, now);
        }
        // An answer may overtake the pushes of other exchanges, never those of its own (9113-8.4-4).
        let frames = &link.frames;
        let index = if answers_only {
            frames.iter().position(|frame| match frame {
                Frame::Answer(exchange, ..) => {
                    !frames.iter().any(|other| matches!(other, Frame::Push(of, ..) if of == exchange))
                }
                _ => false,
            })
        } else {
            (!frames.is_empty()).then_some(0)
        };
        let Some(frame) = index.and_then(|index| link.frames.remove(index)) else { return false };
        match frame {
            Frame::Answer(_, request, response) => link.wire.push_back(Arrival::Answer(request, response)),
            Frame::Push(exchange, request, delivery, item) => {
                let mut transfer = Transfer::Written;
                if std::mem::take(&mut link.resets) {
                    transfer = Transfer::Reset;
                } else if link.pushless && !link.streams.contains(&request) {
                    transfer = Transfer::Unsupported;
                } else if !link.left {
                    link.wire.push_back(Arrival::Push(request, item.clone()));
                }
                self.written(exchange, delivery, &item, transfer);
            }
            Frame::Opened(_) | Frame::Retract(..) => {}
        }
        true
    }

    fn written(&mut self, exchange: Exchange, delivery: Delivery, item: &Item, transfer: Transfer) {
        let Some(shard) = self.open.get(&exchange).map(|open| open.shard) else { return };
        match (transfer, item) {
            (Transfer::Unsupported, _) => self.tally.fault(FaultKind::PushUnsupported),
            (Transfer::Reset, _) => self.tally.fault(FaultKind::PushReset),
            (Transfer::Written, Item::Message(message)) => {
                let wall = self.shards[shard].wall;
                self.truth.check_push(message, shard, wall);
            }
            (Transfer::Written, Item::Receipt(receipt)) => self.truth.receipt_written(receipt),
        }
        self.shards[shard].mailbox.push_back(Letter::Reply(Input::Pushed(exchange, delivery, transfer)));
    }

    /// The next thing that was written reaches the client.
    pub(crate) fn receive(&mut self, id: LinkId) -> Option<Arrival> {
        self.links.get_mut(id)?.wire.pop_front()
    }

    /// Whether the service's end of a connection has gone, and everything that was written has arrived.
    pub(crate) fn has_ended(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.broken && link.wire.is_empty())
    }

    /// A client will reset the next push on its connection.
    pub(crate) fn reset_next(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id) {
            match &mut link.socket {
                Some(socket) => socket.unread = true,
                None => link.resets = true,
            }
        }
    }

    /// No client will reset a push, and each reads.
    pub(crate) fn take_pushes(&mut self) {
        for id in self.links.ids() {
            if let Some(link) = self.links.get_mut(id) {
                link.resets = false;
                link.socket.iter_mut().for_each(|socket| socket.unread = false);
            }
        }
    }

    /// A client resets one of its requests.
    pub(crate) fn cancel(&mut self, id: LinkId, request: RequestId) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.requests.retain(|(of, _)| *of != request);
        link.frames.retain(|frame| match frame {
            Frame::Answer(_, of, _) | Frame::Push(_, of, ..) => *of != request,
            Frame::Opened(_) | Frame::Retract(..) => true,
        });
        self.cancelled(|open| open.link == id && open.request == request);
    }

    /// The service's end of a connection ends. Gives the requests on it that the service never saw.
    pub(crate) fn close(&mut self, id: LinkId) -> Vec<RequestId> {
        let link = self.links.remove(id);
        link.iter().for_each(|link| self.note_lost(link.socket.as_deref(), &link.wire));
        self.cancelled(|open| open.link == id);
        link.into_iter().flat_map(|link| link.requests).map(|(request, _)| request).collect()
    }

    fn cancelled(&mut self, which: impl Fn(&Open) -> bool) {
        for (exchange, open) in self.open.iter().filter(|(_, open)| which(open)) {
            self.shards[open.shard].mailbox.push_back(Letter::Reply(Input::Cancelled(*exchange)));
        }
    }

    /// A client goes without a word; it never got what the service had not seen.
    pub(crate) fn leave(&mut self, id: LinkId) -> Vec<RequestId> {
        let Some(link) = self.links.get_mut(id) else { return Vec::new() };
        link.left = true;
        let wire = std::mem::take(&mut link.wire);
        self.note_lost(None, &wire);
        let Some(link) = self.links.get_mut(id) else { return Vec::new() };
        std::mem::take(&mut link.requests).into_iter().map(|(request, _)| request).collect()
    }

    /// The service notices which clients have gone.
    pub(crate) fn notice(&mut self) {
        for id in self.links.those(|link| link.left) {
            self.close(id);
        }
    }

    pub(crate) fn stall(&mut self, index: usize) {
        if self.is_running(index) && !std::mem::replace(&mut self.shards[index].stalled, true) {
            self.tally.fault(FaultKind::ShardStalled);
        }
    }

    pub(crate) fn resume(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.stalled = false);
    }

    pub(crate) fn mute(&mut self, index: usize) {
        let channel = self.shards[index].channel;
        self.vault.mute(channel, &mut self.tally);
    }

    /// Whether the message with this URL has ended.
    pub(crate) fn is_over(&self, url: &PushUrl) -> bool {
        match self.passage.place(url) {
            Some(Place::Message(handle)) => {
                self.truth.facts.get(&handle.id).is_some_and(|fact| fact.end.is_some())
            }
            _ => false,
        }
    }

    pub(crate) fn hold(&mut self) {
        self.vault.hold(&mut self.tally);
    }

    pub(crate) fn store_down(&mut self) {
        self.vault.go_down(&mut self.tally);
    }

    pub(crate) fn reopen(&mut self) {
        self.vault.reopen(&mut self.truth, &mut self.tally);
    }

    /// Whether a receipt subscription was ended by a request.
    pub(crate) fn is_ended(&self, receipts: Option<AgentId>) -> bool {
        receipts.is_some_and(|agent| self.truth.closed.contains(&agent))
    }

    /// Every connection moves one leg. Whether anything did.
    pub(crate) fn travel(&mut self, now: Now) -> bool {
        let mut moved = false;
        for id in self.links.ids() {
            while self.arrive(id, now) {
                moved = true;
            }
        }
        for index in 0..self.shards.len() {
            while self.hear(index) {
                moved = true;
            }
            moved |= self.turn(index, now);
        }
        moved |= self.commit(usize::MAX);
        for id in self.links.ids() {
            while self.write(id, false, now) {
                moved = true;
            }
        }
        moved
    }
}

fn kind_of(input: &Input) -> InputKind {
    match input {
        Input::Request(_, request) => match request {
            Request::Subscribe(_) => InputKind::Subscribe,
            Request::Send(_) => InputKind::Send,
            Request::Monitor(_) => InputKind::Monitor,
            Request::Acknowledge(_) => InputKind::Acknowledge,
            Request::Drop(_) => InputKind::Drop,
            Request::Read(_) => InputKind::Read,
            Request::Unsubscribe(_) => InputKind::Unsubscribe,
        },
        Input::Cancelled(_) => InputKind::Cancelled,
        Input::Credit(..) => InputKind::Credit,
        Input::Pushed(_, _, Transfer::Written) => InputKind::PushWritten,
        Input::Pushed(_, _, Transfer::Reset | Transfer::Unsupported) => InputKind::PushNotWritten,
        Input::Store(completion) => match completion {
            Completion::Applied(..) => InputKind::Applied,
            Completion::Loaded(..) => InputKind::Loaded,
            Completion::Read(..) => InputKind::ReadDone,
            Completion::Watching(_) => InputKind::Watching,
            Completion::Hint(..) => InputKind::Hint,
            Completion::Expired(..) => InputKind::Expired,
            Completion::Failed(_) => InputKind::Failed,
            Completion::Availability(_) => InputKind::Availability,
        },
        Input::Drain(_) => InputKind::Drain,
        Input::Limits(_) => InputKind::Limits,
        Input::Tick => InputKind::Tick,
    }
}
