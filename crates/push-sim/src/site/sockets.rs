//! The service's end of a WebSocket: a session, and what the driver does for it (`push-driver/src/server/websocket`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use push_proto::{
    AgentId, Entropy, MessageId, Mono, Now, Seed,
    autopush::{Ask, Came, Close, Config, Input, Limits, Monitored, Output, Session},
    service::{self, Delivery, Exchange, Rate, Request, Transfer},
    store::Item,
    user_agent::RequestId,
};

use super::{
    Letter, LinkId, Peer, Site,
    links::{Arrival, Frame},
};
use crate::{
    broken::Guarantee,
    kinds::{FaultKind, InputKind},
};

/// How long a user agent may take to read what is being written, and to go when it was told to.
const STALL: Duration = Duration::from_secs(30);
/// More outputs than any input can cause.
const RESTLESS: usize = 10_000;

/// Small, so that schedules hit them.
fn limits() -> Limits {
    Limits { requests: 4, updates: UPDATES, frames: Rate::new(2, FLOOD), ..Limits::default() }
}

/// Acknowledgements in one frame.
pub(crate) const UPDATES: usize = 3;
/// Frames that may come at once from whoever has been silent, `hello` among them.
pub(crate) const FLOOD: u32 = 16;

/// What the WebSockets of all nodes share.
pub(super) struct Doorway {
    config: Arc<Config>,
    entropy: Entropy,
}

impl Doorway {
    pub(super) fn new() -> Self {
        let config = Arc::new(Config { limits: limits(), ..Config::default() });
        Self { config, entropy: Entropy::new(&Seed::from_octets([77; 32])) }
    }
}

/// What a user agent has said, and the service has not read.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Text(InputKind, String),
    Pong,
}

impl Said {
    const fn kind(&self) -> InputKind {
        match self {
            Self::Text(kind, _) => *kind,
            Self::Pong => InputKind::SessionControl,
        }
    }
}

/// What a session has said.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    Text(String),
    /// A text that is a push.
    Notification(String),
    Ping,
    Closed,
}

/// The service's end of one WebSocket.
pub(crate) struct Socket {
    session: Session,
    /// Who is there, once that is known.
    agent: Option<AgentId>,
    said: VecDeque<Said>,
    monitors: BTreeMap<Exchange, Ask>,
    /// Pushes that the session has.
    pushes: BTreeMap<Delivery, (Exchange, Item)>,
    writing: Option<Writing>,
    /// A close frame was said: until when the end may take.
    leaving: Option<Mono>,
    deadline: Option<Mono>,
    /// Its user agent reads nothing.
    pub(super) unread: bool,
}

struct Writing {
    what: Written,
    push: Option<(Exchange, Delivery)>,
    since: Mono,
}

impl Socket {
    /// How many pushes of this monitor were not reported.
    pub(super) fn holds(&self, exchange: Exchange) -> usize {
        let writing = self.writing.as_ref().and_then(|writing| writing.push);
        let writing = writing.is_some_and(|(of, _)| of == exchange);
        self.pushes.values().filter(|(of, _)| *of == exchange).count() + usize::from(writing)
    }

    /// G2: a message that has ended as one of these shards knows, that waits here, and that is not taken back.
    pub(super) fn keeps(
        &self,
        frames: &VecDeque<Frame>,
        ended: &[MessageId],
        ours: impl Fn(Exchange) -> bool,
    ) -> Option<MessageId> {
        // Nothing more is written.
        if self.leaving.is_some() {
            return None;
        }
        let coming = frames.iter().filter_map(|frame| match frame {
            Frame::Push(exchange, _, delivery, item) => Some((*delivery, *exchange, item)),
            _ => None,
        });
        let here = self.pushes.iter().map(|(delivery, (exchange, item))| (*delivery, *exchange, item));
        let retracted = |delivery: Delivery| {
            frames.iter().any(|frame| matches!(frame, Frame::Retract(_, of) if *of == delivery))
        };
        let mut kept = here.chain(coming).filter_map(|(delivery, exchange, item)| match item {
            Item::Message(message) if !message.is_transient() => {
                let id = message.handle.id;
                (ended.contains(&id) && ours(exchange) && !retracted(delivery)).then_some(id)
            }
            _ => None,
        });
        kept.next()
    }

    fn late(&self) -> impl Iterator<Item = Mono> {
        self.writing.iter().map(|writing| writing.since.after(STALL)).chain(self.leaving)
    }
}

impl Site {
    /// A user agent opens a WebSocket to a node that is up. None if there is none.
    pub(crate) fn open_socket(&mut self, peer: Peer, now: Now) -> Option<LinkId> {
        let (node, home) = self.place()?;
        let count = u16::from(self.shape.shards);
        let shard = u16::try_from(home).unwrap_or(0) % count;
        let fresh = AgentId::on_shard(self.doorway.entropy.id(), shard, count);
        let session = Session::new(Arc::clone(&self.doorway.config), fresh, now);
        let socket = Socket {
            session,
            agent: None,
            said: VecDeque::new(),
            monitors: BTreeMap::new(),
            pushes: BTreeMap::new(),
            writing: None,
            leaving: None,
            deadline: Some(now.mono),
            unread: false,
        };
        Some(self.links.open(peer, (node, home), false, Some(Box::new(socket))))
    }

    /// A user agent says something. Nothing reaches a service that has gone.
    pub(crate) fn say(&mut self, link: LinkId, said: Said) {
        if let Some(socket) = self.links.get_mut(link).and_then(|link| link.socket.as_mut()) {
            socket.said.push_back(said);
        }
    }

    /// The next thing that a user agent has said is read. Whether there was one that could be.
    pub(super) fn read(&mut self, id: LinkId, now: Now) -> bool {
        self.with(id, now, |site, socket| {
            if socket.leaving.is_some() || !socket.session.wants_frames() {
                return false;
            }
            let Some(said) = socket.said.pop_front() else { return false };
            let came = match &said {
                Said::Text(_, text) => Came::Text(text),
                Said::Pong => Came::Control,
            };
            site.tally.input(said.kind());
            site.trace.note(now, format_args!("session {} <-", id.0), &said);
            socket.session.handle(Input::Came(came), &site.passage.door, now);
            true
        })
    }

    /// A connection goes on: what was begun is written, unless only the session is to act, and then it begins the next.
    pub(super) fn go_on(&mut self, id: LinkId, begin_only: bool, now: Now) -> bool {
        self.with(id, now, |site, socket| {
            if begin_only {
                return false;
            }
            if socket.unread && socket.writing.is_some() {
                site.tally.fault(FaultKind::ReaderSlow);
                return false;
            }
            let Some(Writing { what, push, .. }) = socket.writing.take() else { return false };
            if let Some((exchange, delivery)) = push {
                site.report(exchange, delivery, Transfer::Written);
            }
            if let Some(link) = site.links.get_mut(id).filter(|link| !link.left) {
                link.wire.push_back(Arrival::Socket(what));
            }
            true
        })
    }

    /// Time has come for WebSockets.
    pub(crate) fn tick_sockets(&mut self, now: Now) {
        let due = |socket: &Socket| socket.deadline.is_some_and(|at| at <= now.mono);
        for id in self.links.those(|link| link.socket.as_deref().is_some_and(due)) {
            let mut late = false;
            self.with(id, now, |site, socket| {
                late = socket.late().any(|at| at <= now.mono);
                if late && socket.leaving.is_none() {
                    site.tally.fault(FaultKind::ReaderCutOff);
                }
                site.tally.input(InputKind::Tick);
                socket.session.handle(Input::Tick, &site.passage.door, now);
                true
            });
            if late {
                self.abandon(id);
            }
        }
    }

    /// When the next WebSocket wants to be woken.
    pub(super) fn sockets_deadline(&self) -> Option<Mono> {
        let of = |id: LinkId| self.links.get(id)?.socket.as_ref()?.deadline.filter(|_| self.is_served(id));
        self.links.ids().into_iter().filter_map(of).min()
    }

    /// The sessions of a node learn that it stops.
    pub(super) fn drain_sockets(&mut self, node: usize, now: Now) {
        for id in self.links.those(|link| link.node == node && link.socket.is_some()) {
            if let Some(socket) = self.links.get_mut(id).and_then(|link| link.socket.as_mut()) {
                self.tally.input(InputKind::SessionDrain);
                socket.session.handle(Input::Drain, &self.passage.door, now);
            }
        }
    }

    /// Whether the thread that has this connection takes turns.
    fn is_served(&self, id: LinkId) -> bool {
        let home = self.links.get(id).map(|link| link.home);
        home.is_some_and(|home| self.is_running(home) && !self.shards[home].stalled)
    }

    /// Does something with a WebSocket, and then what its session wants. Whether anything came of it.
    fn with(&mut self, id: LinkId, now: Now, what: impl FnOnce(&mut Self, &mut Socket) -> bool) -> bool {
        if !self.is_served(id) {
            return false;
        }
        let taken = self.links.get_mut(id).filter(|link| !link.broken).and_then(|link| link.socket.take());
        let Some(mut socket) = taken else { return false };
        let mut moved = what(self, &mut socket);
        let gone = self.act(id, &mut socket, &mut moved, now);
        if let Some(link) = self.links.get_mut(id) {
            link.socket = Some(socket);
        }
        if gone {
            self.abandon(id);
        }
        moved
    }

    /// Carries out what a session wants until it waits. Whether it left without a word.
    fn act(&mut self, id: LinkId, socket: &mut Socket, moved: &mut bool, now: Now) -> bool {
        for _ in 0..RESTLESS {
            *moved |= self.hear_effects(id, socket, now);
            let room = socket.writing.is_none() && socket.leaving.is_none();
            let output = socket.session.poll(room, &self.passage.door, now);
            self.trace.note(now, format_args!("session {} ->", id.0), &output);
            match output {
                Output::Frame(text, delivery) => self.begin(socket, text, delivery, now),
                Output::Retracted(delivery) => {
                    if let Some((exchange, _)) = socket.pushes.remove(&delivery) {
                        self.report(exchange, delivery, Transfer::Reset);
                    }
                }
                Output::Ping => {
                    socket.writing = Some(Writing { what: Written::Ping, push: None, since: now.mono });
                }
                Output::Ask(ask, request) => self.ask(id, socket, ask, request),
                Output::Monitor(ask, monitor) => {
                    let exchange = self.admit(id, RequestId(ask.0), Ok(Request::Monitor(monitor)));
                    socket.monitors.extend(exchange.map(|exchange| (exchange, ask)));
                }
                Output::Identified(agent) => socket.agent = Some(agent),
                Output::Close(Some(close)) => {
                    self.closes(close);
                    socket.writing = Some(Writing { what: Written::Closed, push: None, since: now.mono });
                    socket.leaving = Some(now.mono.after(STALL));
                }
                Output::Close(None) => {
                    self.tally.fault(FaultKind::SessionDead);
                    return true;
                }
                Output::Wait(at) => {
                    let heard = self.links.get(id).is_none_or(|link| link.frames.is_empty());
                    if heard {
                        self.rests(socket, at, room, now);
                        return false;
                    }
                }
            }
            *moved = true;
        }
        self.require(false, Guarantee::G5, || "a session does not come to rest".to_owned());
        true
    }

    /// A session waits.
    fn rests(&mut self, socket: &mut Socket, at: Option<Mono>, room: bool, now: Now) {
        let rests = at.is_none_or(|at| at > now.mono);
        self.require(rests, Guarantee::G5, || "a session is in a busy loop".to_owned());
        // Else its credit never comes back.
        let told = !room || socket.pushes.is_empty();
        self.require(told, Guarantee::G5, || "what became of a push is never told".to_owned());
        socket.deadline = socket.late().chain(at).min();
    }

    /// What the service says. Monitors have a channel of their own, which is read first.
    fn hear_effects(&mut self, id: LinkId, socket: &mut Socket, now: Now) -> bool {
        let Some(link) = self.links.get_mut(id) else { return false };
        let frames = std::mem::take(&mut link.frames);
        let any = !frames.is_empty();
        let (of_monitors, answers): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| match frame {
            Frame::Answer(exchange, ..) => socket.monitors.contains_key(exchange),
            Frame::Push(..) | Frame::Opened(_) | Frame::Retract(..) => true,
        });
        for frame in of_monitors.into_iter().chain(answers) {
            let (kind, input) = match frame {
                Frame::Answer(exchange, request, response) => match socket.monitors.remove(&exchange) {
                    Some(ask) => {
                        (InputKind::SessionMonitorEnded, Input::Monitored(ask, Monitored::Ended(response)))
                    }
                    None => (InputKind::SessionAnswered, Input::Answered(Ask(request.0), response)),
                },
                Frame::Push(exchange, _, delivery, item) => {
                    let Some(ask) = socket.monitors.get(&exchange).copied() else { continue };
                    socket.pushes.insert(delivery, (exchange, item.clone()));
                    (InputKind::SessionPush, Input::Monitored(ask, Monitored::Push(delivery, item)))
                }
                Frame::Opened(exchange) => {
                    let Some(ask) = socket.monitors.get(&exchange).copied() else { continue };
                    (InputKind::SessionOpened, Input::Monitored(ask, Monitored::Opened))
                }
                Frame::Retract(exchange, delivery) => {
                    let Some(ask) = socket.monitors.get(&exchange).copied() else { continue };
                    (InputKind::SessionRetract, Input::Monitored(ask, Monitored::Retract(delivery)))
                }
            };
            self.tally.input(kind);
            self.trace.note(now, format_args!("session {} <-", id.0), &input);
            socket.session.handle(input, &self.passage.door, now);
        }
        any
    }

    fn begin(&mut self, socket: &mut Socket, text: String, delivery: Option<Delivery>, now: Now) {
        let push = delivery.and_then(|delivery| Some((delivery, socket.pushes.remove(&delivery)?)));
        let Some((delivery, (exchange, item))) = push else {
            let known = delivery.is_none();
            self.require(known, Guarantee::Protocol, || "a session writes what it was not given".to_owned());
            socket.writing = Some(Writing { what: Written::Text(text), push: None, since: now.mono });
            return;
        };
        if let (Item::Message(message), Some(shard)) =
            (&item, self.open.get(&exchange).map(|open| open.shard))
        {
            if !message.is_transient() && message.expires <= now.wall {
                return self.report(exchange, delivery, Transfer::Reset);
            }
            let own = socket.agent == Some(message.handle.agent);
            self.require(own, Guarantee::G2, || "a message is told to another user agent".to_owned());
            let wall = self.shards[shard].wall;
            self.truth.check_push(message, shard, wall);
        }
        let push = Some((exchange, delivery));
        socket.writing = Some(Writing { what: Written::Notification(text), push, since: now.mono });
    }

    fn report(&mut self, exchange: Exchange, delivery: Delivery, transfer: Transfer) {
        if let Some(shard) = self.open.get(&exchange).map(|open| open.shard) {
            let told = service::Input::Pushed(exchange, delivery, transfer);
            self.shards[shard].mailbox.push_back(Letter::Reply(told));
        }
    }

    fn ask(&mut self, id: LinkId, socket: &Socket, ask: Ask, request: Request) {
        if let Request::Acknowledge(handle) = &request {
            let own = socket.agent == Some(handle.agent);
            self.require(own, Guarantee::G2, || "a message of another is acknowledged".to_owned());
        }
        self.admit(id, RequestId(ask.0), Ok(request));
        let asked = self.open.iter().filter(|(exchange, open)| {
            open.link == id && !open.answered && !socket.monitors.contains_key(exchange)
        });
        let fits = asked.count() < self.doorway.config.limits.requests + UPDATES;
        self.require(fits, Guarantee::G5, || "a session asks for too much at once".to_owned());
    }

    /// A user agent of the simulator says nothing that means nothing.
    fn closes(&mut self, close: Close) {
        match close {
            Close::TakenOver => self.tally.fault(FaultKind::SessionTakenOver),
            Close::TryAgainLater(_) => self.tally.fault(FaultKind::SessionUnserved),
            Close::Ended => self.tally.fault(FaultKind::SessionEnded),
            Close::TooManyFrames => self.tally.fault(FaultKind::SessionTalkative),
            Close::Draining | Close::NoHello => {}
            Close::Frame(_) | Close::NotHello | Close::SecondHello | Close::Binary => {
                self.require(false, Guarantee::Protocol, || format!("a good frame is refused: {close:?}"));
            }
        }
    }

    /// The service's end of a connection goes; what was written may still arrive.
    fn abandon(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.left {
            self.close(id);
            return;
        }
        link.broken = true;
        link.frames.clear();
        let socket = link.socket.take();
        self.note_lost(socket.as_deref(), &VecDeque::new());
        self.cancelled(|open| open.link == id);
    }

    /// What was under way on a connection is lost with it.
    pub(super) fn note_lost(&mut self, socket: Option<&Socket>, wire: &VecDeque<Arrival>) {
        let notification = |what: &Written| matches!(what, Written::Notification(_));
        let writing = socket.and_then(|socket| socket.writing.as_ref());
        let arriving = |arrival: &Arrival| matches!(arrival, Arrival::Socket(what) if notification(what));
        if wire.iter().any(arriving) || writing.is_some_and(|writing| notification(&writing.what)) {
            self.tally.fault(FaultKind::NotificationLost);
        }
        let mut said = socket.into_iter().flat_map(|socket| &socket.said);
        if said.any(|said| said.kind() == InputKind::SessionAck) {
            self.tally.fault(FaultKind::AcknowledgementLost);
        }
    }
}
