//! One connection of a user agent.

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::{String, ToString as _},
    sync::Arc,
};
use core::{fmt, time::Duration};

use super::{
    Broadcasts, ChannelId, Close, Config, Frame,
    overdue::Overdue,
    pulse::{Beat, Pulse},
    reply::{Broadcast, Notification, PONG, Reply},
    stage::{Asked, Party, Stage, Standing},
};
use crate::{
    AgentId, KeyError, Mono, Now, PublicKey, Refusal, Urgency,
    service::{Delivery, Monitor, Named, Request, Response, Set, Subscribe, Target},
    store::Item,
    wire::Door,
};

/// Names a request to the service, or a monitor, within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);

/// One input of a session.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The user agent says something.
    Came(Came<'a>),
    /// The service's answer to [`Output::Ask`].
    Answered(Ask, Response),
    /// The service says something about [`Output::Monitor`].
    Monitored(Ask, Monitored),
    /// The service is being stopped.
    Drain,
    /// A deadline of [`Output::Wait`] has come; early or late ticks do no harm.
    Tick,
}

/// A message of the WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Came<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary,
    /// A ping, which the carrier answers, or a pong.
    Control,
}

/// What user agents say has capabilities in it (G6).
impl fmt::Debug for Came<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Binary => "Binary",
            Self::Control => "Control",
        })
    }
}

/// What becomes of a monitor.
#[derive(Clone, Debug)]
pub enum Monitored {
    /// [`service::Output::Opened`](crate::service::Output::Opened)
    Opened,
    /// [`service::Output::Push`](crate::service::Output::Push)
    Push(Delivery, Item),
    /// [`service::Output::Retract`](crate::service::Output::Retract)
    Retract(Delivery),
    /// [`service::Output::Respond`](crate::service::Output::Respond): it has ended.
    Ended(Response),
}

/// One effect of a session.
#[derive(Clone)]
pub enum Output {
    /// Write a text message; report it as written if it carries a push.
    Frame(String, Option<Delivery>),
    /// This push is of no use any more and was not written: report it as reset.
    Retracted(Delivery),
    /// Write a ping.
    Ping,
    /// Ask the service; give [`Input::Answered`].
    Ask(Ask, Request),
    /// Ask for a monitor, with credit as it is for connections; give [`Input::Monitored`].
    Monitor(Ask, Monitor),
    /// This is the user agent: give [`Session::learned`] of its last connection to [`Session::recall`]. It comes again if
    /// what it claimed to be has gone, and it has got another name and a subscription.
    Identified(AgentId),
    /// Write a close frame, or without one just leave: nobody is there. Nothing comes after it.
    Close(Option<Close>),
    /// Nothing more until an input comes, or this point in time.
    Wait(Option<Mono>),
}

/// What user agents are told has capabilities and payloads in it (G6).
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(_, delivery) => {
                f.debug_tuple("Frame").field(&format_args!("..")).field(delivery).finish()
            }
            Self::Retracted(delivery) => f.debug_tuple("Retracted").field(delivery).finish(),
            Self::Ping => f.write_str("Ping"),
            Self::Ask(ask, request) => f.debug_tuple("Ask").field(ask).field(request).finish(),
            Self::Monitor(ask, monitor) => f.debug_tuple("Monitor").field(ask).field(monitor).finish(),
            Self::Identified(agent) => f.debug_tuple("Identified").field(agent).finish(),
            Self::Close(close) => f.debug_tuple("Close").field(close).finish(),
            Self::Wait(until) => f.debug_tuple("Wait").field(until).finish(),
        }
    }
}

/// One connection of a user agent, from its opening handshake to its end.
///
/// One owner drives it by [`Session::handle`] and [`Session::poll`]: after each input, poll until [`Output::Wait`].
pub struct Session {
    config: Arc<Config>,
    stage: Stage,
    /// What waits to be asked or told.
    waiting: VecDeque<Output>,
    /// Replies that wait to be written. At [`Limits::requests`](super::Limits::requests) no further frame is read.
    replies: VecDeque<String>,
    /// Pushes that wait to be written; bounded by the credit.
    pushes: VecDeque<(Delivery, Item)>,
    /// What is to be said last.
    last: Option<Close>,
    asked: BTreeMap<Ask, Asked>,
    asks: u64,
    /// Acknowledgements that the service had no room for.
    overdue: Overdue,
    /// The monitor that counts.
    monitor: Option<Ask>,
    /// What it is for.
    least: Urgency,
    pulse: Pulse,
    /// When the bucket of [`Limits::frames`](super::Limits::frames) is full again.
    full: Mono,
    /// Frames that answer notifications, for as many as one frame may.
    owed: usize,
    /// Nothing more was read, so that nothing could be heard.
    deaf: bool,
}

/// Where it stands, without what it says and is told (G6).
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Silent { .. } => "silent",
            Stage::Greeting { .. } => "greeting",
            Stage::Open(_) => "open",
            Stage::Closed => "closed",
        };
        let mut debug = f.debug_struct("Session");
        debug.field("stage", &stage).field("asked", &self.asked).field("last", &self.last);
        debug.finish_non_exhaustive()
    }
}

impl Session {
    /// A connection that was opened now. `fresh` is a new id, for a user agent that has none; `door` is that of the
    /// service.
    #[must_use]
    pub fn new(config: Arc<Config>, fresh: AgentId, now: Now) -> Self {
        let until = now.mono.after(config.limits.hello);
        let pulse = Pulse::new(&config.limits, fresh, now.mono);
        Self {
            config,
            stage: Stage::Silent { fresh, until },
            waiting: VecDeque::new(),
            replies: VecDeque::new(),
            pushes: VecDeque::new(),
            last: None,
            asked: BTreeMap::new(),
            asks: 0,
            overdue: Overdue::default(),
            monitor: None,
            least: Urgency::VeryLow,
            pulse,
            full: Mono::ZERO,
            owed: 0,
            deaf: false,
        }
    }

    /// Whether another message of the user agent may be given to it now. Control frames always may, but nothing is made of
    /// their absence while this says no.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let busy = match &self.stage {
            Stage::Greeting { .. } | Stage::Open(Party { standing: Standing::Making, .. }) => true,
            Stage::Open(Party { standing: Standing::Made { registered, .. }, .. }) => registered.is_some(),
            Stage::Silent { .. } | Stage::Open(_) | Stage::Closed => false,
        };
        let most = self.config.limits.requests;
        !busy && self.asked.len().saturating_add(self.overdue.len()) < most && self.replies.len() < most
    }

    /// How long a silence its path is known to survive: worth remembering for its user agent.
    #[must_use]
    pub fn learned(&self) -> Option<Duration> {
        self.pulse.learned()
    }

    /// Takes over what an earlier connection of the same user agent has learned.
    pub fn recall(&mut self, learned: Duration) {
        self.pulse.recall(&self.config.limits, learned);
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, door: &Door, now: Now) {
        if matches!(self.stage, Stage::Closed) {
            return;
        }
        match input {
            Input::Came(came) => self.came(came, door, now),
            Input::Answered(ask, response) => self.answered(ask, &response, door, now),
            Input::Monitored(ask, monitored) if self.monitor == Some(ask) => self.monitored(monitored, door),
            // Of a monitor that another has replaced.
            Input::Monitored(_, Monitored::Push(delivery, _)) => {
                self.waiting.push_back(Output::Retracted(delivery));
            }
            Input::Monitored(..) | Input::Tick => {}
            Input::Drain => self.close(Close::Draining),
        }
    }

    /// The next effect. Without room to write there is none that writes anything; whoever does not read is the driver's to
    /// leave.
    pub fn poll(&mut self, room: bool, door: &Door, now: Now) -> Output {
        while let Some(handle) = self.overdue.pop(now.mono) {
            self.ask(Asked::Acknowledge(handle), Request::Acknowledge(handle));
        }
        if let Some(output) = self.waiting.pop_front() {
            return output;
        }
        self.waiting = VecDeque::new();
        let mut hello = if let Stage::Silent { until, .. } = self.stage { Some(until) } else { None };
        if hello.take_if(|until| *until <= now.mono).is_some() {
            self.close(Close::NoHello);
        }
        let until = hello.into_iter().chain(self.overdue.next()).min();
        let hears = self.wants_frames();
        self.deaf |= !hears;
        if !room {
            return Output::Wait(until);
        }
        if let Some(reply) = self.replies.pop_front() {
            return Output::Frame(reply, None);
        }
        if let Some(close) = self.last.take() {
            return Output::Close(Some(close));
        }
        if let Some((delivery, item)) = self.pushes.pop_front() {
            return self.notify(delivery, &item, door);
        }
        // Most user agents wait for most of their time, and there are many: what is empty takes no room.
        (self.replies, self.pushes) = (VecDeque::new(), VecDeque::new());
        if matches!(self.stage, Stage::Closed) {
            return Output::Wait(None);
        }
        if !hears {
            return Output::Wait(until);
        }
        if core::mem::take(&mut self.deaf) {
            // What came meanwhile is read from now on.
            self.pulse.begin(now.mono);
        }
        match self.pulse.beat(&self.config.limits, now.mono) {
            Beat::Ask => Output::Ping,
            Beat::Dead => {
                self.end();
                Output::Close(None)
            }
            Beat::Wait(at) => Output::Wait(Some(until.map_or(at, |until| until.min(at)))),
        }
    }

    fn came(&mut self, came: Came<'_>, door: &Door, now: Now) {
        self.pulse.heard(&self.config.limits, now.mono);
        if !self.may_speak(now.mono) {
            return self.close(Close::TooManyFrames);
        }
        match came {
            Came::Control => {}
            Came::Binary => self.close(Close::Binary),
            Came::Text(text) => match Frame::parse(text, &self.config.limits) {
                Ok(frame) => self.said(frame, door),
                Err(error) => self.close(Close::Frame(error)),
            },
        }
    }

    /// Takes what a frame costs.
    fn may_speak(&mut self, now: Mono) -> bool {
        if let Some(owed) = self.owed.checked_sub(1) {
            self.owed = owed;
            return true;
        }
        let Some(rate) = self.config.limits.frames else { return true };
        let taken = rate.take(self.full, now);
        if let Ok(full) = taken {
            self.full = full;
        }
        taken.is_ok()
    }

    fn said(&mut self, frame: Frame, door: &Door) {
        match (&self.stage, frame) {
            (Stage::Silent { fresh, .. }, Frame::Hello { uaid, broadcasts }) => {
                let fresh = *fresh;
                let claimed = uaid
                    .and_then(|uaid| Some((door.agent_of_token(uaid.expose())?, uaid.expose().to_string())));
                match claimed {
                    Some((claimed, uaid)) => self.claims(fresh, claimed, uaid, broadcasts),
                    None => self.welcome_new(fresh, &broadcasts, door),
                }
            }
            (Stage::Silent { .. }, _) => self.close(Close::NotHello),
            (Stage::Open(_), Frame::Hello { .. }) => self.close(Close::SecondHello),
            (Stage::Open(party), frame) => {
                let party = *party;
                self.asks_for(party, frame, door);
            }
            (Stage::Greeting { .. } | Stage::Closed, _) => {}
        }
    }

    fn claims(&mut self, fresh: AgentId, claimed: Named, uaid: String, broadcasts: Broadcasts) {
        self.stage = Stage::Greeting { fresh, claimed, uaid, broadcasts };
        self.waiting.push_back(Output::Identified(claimed.agent));
        self.watch(claimed.agent);
    }

    /// A user agent that is not known gets another name.
    fn welcome_new(&mut self, agent: AgentId, broadcasts: &Broadcasts, door: &Door) {
        self.welcome(&door.agent_token(agent), broadcasts);
        self.stage = Stage::Open(Party { agent, standing: Standing::Unmade });
    }

    fn welcome(&mut self, uaid: &str, broadcasts: &Broadcasts) {
        let news = broadcasts.iter().filter_map(|(id, has)| {
            let version = self.config.broadcasts.get(id).filter(|version| *version != has)?;
            Some((id.clone(), version.clone()))
        });
        let broadcasts = news.collect();
        self.say(&Reply::Hello { uaid, status: 200, use_webpush: true, broadcasts });
    }

    fn asks_for(&mut self, party: Party, frame: Frame, door: &Door) {
        match frame {
            Frame::Hello { .. } | Frame::Nack { .. } => {}
            Frame::Ping => self.replies.push_back(PONG.to_string()),
            Frame::Register { channel, key } => self.register(party, channel, key),
            Frame::Unregister(channel) => match party.standing {
                Standing::Made { .. } => {
                    let target = Target::Subscription(party.agent, channel.subscription());
                    self.ask(Asked::Unregister(channel), Request::Unsubscribe(target));
                }
                Standing::Unmade | Standing::Making => self.say(&Reply::Unregister { channel, status: 200 }),
            },
            Frame::Ack(versions) => {
                let of = |version: super::Secret| door.message_of_token(version.expose());
                // Whatever else it names is not its own.
                for handle in versions.into_iter().filter_map(of).filter(|handle| handle.agent == party.agent)
                {
                    self.ask(Asked::Acknowledge(handle), Request::Acknowledge(handle));
                }
            }
            Frame::BroadcastSubscribe(wanted) => self.subscribe_broadcasts(wanted),
            Frame::Urgency(least) => {
                self.least = least;
                if let Standing::Made { .. } = party.standing {
                    self.watch(party.agent);
                }
                self.say(&Reply::Urgency { status: 200 });
            }
        }
    }

    fn register(&mut self, party: Party, channel: ChannelId, key: Option<Result<PublicKey, KeyError>>) {
        let Ok(restricted_to) = key.transpose() else { return self.refuse(channel, 400) };
        let set = match party.standing {
            Standing::Made { set, .. } => Set::Joined(set),
            Standing::Unmade | Standing::Making => {
                self.stage = Stage::Open(Party { standing: Standing::Making, ..party });
                Set::Drawn(party.agent)
            }
        };
        let id = Some(channel.subscription());
        self.ask(Asked::Register(channel), Request::Subscribe(Subscribe { set, id, restricted_to }));
    }

    fn subscribe_broadcasts(&mut self, wanted: Broadcasts) {
        let mut broadcasts = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for (id, has) in wanted {
            match self.config.broadcasts.get(&id) {
                Some(version) if *version == has => {}
                Some(version) => drop(broadcasts.insert(id, Broadcast::Version(version.clone()))),
                None => drop(missing.insert(id, "Broadcast not found")),
            }
        }
        if !missing.is_empty() {
            broadcasts.insert("errors".to_string(), Broadcast::Errors(missing));
        }
        if !broadcasts.is_empty() {
            self.say(&Reply::Broadcast { broadcasts });
        }
    }

    fn answered(&mut self, ask: Ask, response: &Response, door: &Door, now: Now) {
        let Some(asked) = self.asked.remove(&ask) else { return };
        if self.asked.is_empty() {
            // An empty one keeps its root.
            self.asked = BTreeMap::new();
        }
        match (asked, response) {
            (Asked::Register(channel), Response::Subscribed(_)) => self.made(channel, door),
            // It has ended, and its monitor has not heard; what the user agent asked for is as good as ever.
            (Asked::Register(_), Response::Refused(refusal)) if *refusal == Refusal::SET_INVALID => {
                self.close(Close::Ended);
            }
            (Asked::Register(channel), Response::Refused(refusal)) => {
                if let Stage::Open(party @ Party { standing: Standing::Making, .. }) = self.stage {
                    self.stage = Stage::Open(Party { standing: Standing::Unmade, ..party });
                }
                self.refuse(channel, refusal.status());
            }
            (Asked::Unregister(channel), Response::Refused(refusal)) if refusal.status() != 404 => {
                self.say(&Reply::Unregister { channel, status: refusal.status() });
            }
            (Asked::Unregister(channel), _) => self.say(&Reply::Unregister { channel, status: 200 }),
            (Asked::Register(channel), _) => self.refuse(channel, 500),
            // Its message waits for it, and would be pushed again: the user agent has said all that it has to say.
            (Asked::Acknowledge(handle), Response::Refused(refusal)) if refusal.status() == 503 => {
                self.overdue.push(handle, refusal, now.mono);
            }
            (Asked::Acknowledge(_), _) => {}
        }
    }

    /// A channel has its subscription. Of the first of its set the user agent hears when it is monitored, so that no message
    /// of the next moment passes it by.
    fn made(&mut self, channel: ChannelId, door: &Door) {
        let Stage::Open(party) = self.stage else { return };
        if let Standing::Made { .. } = party.standing {
            return self.registered(party.agent, channel, door);
        }
        let set = Named { agent: party.agent, sealed_by: door.newest_key() };
        let standing = Standing::Made { set, registered: Some(channel) };
        self.stage = Stage::Open(Party { standing, ..party });
        self.waiting.push_back(Output::Identified(party.agent));
        self.watch(party.agent);
    }

    fn registered(&mut self, agent: AgentId, channel: ChannelId, door: &Door) {
        let endpoint = door.push_url(agent, channel.subscription());
        self.say(&Reply::Register { channel, status: 200, endpoint });
    }

    fn refuse(&mut self, channel: ChannelId, status: u16) {
        self.say(&Reply::Register { channel, status, endpoint: String::new() });
    }

    fn monitored(&mut self, monitored: Monitored, door: &Door) {
        match monitored {
            Monitored::Opened => self.opened(door),
            Monitored::Push(delivery, item) => self.pushes.push_back((delivery, item)),
            Monitored::Retract(delivery) => {
                // What is not here was written, or is about to be.
                if let Some(at) = self.pushes.iter().position(|(waiting, _)| *waiting == delivery) {
                    self.pushes.remove(at);
                    self.waiting.push_back(Output::Retracted(delivery));
                }
            }
            Monitored::Ended(response) => self.ended(&response, door),
        }
    }

    fn opened(&mut self, door: &Door) {
        match core::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Greeting { claimed, uaid, broadcasts, .. } => {
                self.welcome(&uaid, &broadcasts);
                let standing = Standing::Made { set: claimed, registered: None };
                self.stage = Stage::Open(Party { agent: claimed.agent, standing });
            }
            Stage::Open(Party { agent, standing: Standing::Made { set, registered: Some(channel) } }) => {
                self.registered(agent, channel, door);
                let standing = Standing::Made { set, registered: None };
                self.stage = Stage::Open(Party { agent, standing });
            }
            other @ (Stage::Silent { .. } | Stage::Open(_) | Stage::Closed) => self.stage = other,
        }
    }

    fn ended(&mut self, response: &Response, door: &Door) {
        self.monitor = None;
        let Response::Refused(refusal) = response else {
            return match (self.stage.agent(), response) {
                // It has lasted as long as monitors do; or the service drains, and says so to the next.
                (Some(agent), Response::MonitorEnded { taken_over: false, .. }) => self.watch(agent),
                _another_connection => self.close(Close::TakenOver),
            };
        };
        let is = |known: Refusal| refusal.reason() == known.reason();
        if let Stage::Greeting { fresh, broadcasts, .. } = &self.stage
            && is(Refusal::NOT_FOUND)
        {
            let (fresh, broadcasts) = (*fresh, broadcasts.clone());
            return self.welcome_new(fresh, &broadcasts, door);
        }
        self.close(if is(Refusal::NOT_FOUND) {
            Close::Ended
        } else if is(Refusal::DRAINING) {
            Close::Draining
        } else {
            Close::TryAgainLater(refusal.reason())
        });
    }

    fn notify(&mut self, delivery: Delivery, item: &Item, door: &Door) -> Output {
        let Item::Message(message) = item else { return Output::Retracted(delivery) };
        let version = door.message_token(message.handle, message.sealed_by);
        self.owed = self.owed.saturating_add(1).min(self.config.limits.updates);
        Output::Frame(Reply::Notification(Notification::of(message, version)).text(), Some(delivery))
    }

    fn watch(&mut self, agent: AgentId) {
        let ask = self.next_ask();
        self.monitor = Some(ask);
        let monitor = Monitor { urgency: self.least, ..Monitor::of(Target::Set(agent)) };
        self.waiting.push_back(Output::Monitor(ask, monitor));
        // They come again, by the new monitor.
        let stale = core::mem::take(&mut self.pushes);
        self.waiting.extend(stale.into_iter().map(|(delivery, _)| Output::Retracted(delivery)));
    }

    fn ask(&mut self, asked: Asked, request: Request) {
        let ask = self.next_ask();
        self.asked.insert(ask, asked);
        self.waiting.push_back(Output::Ask(ask, request));
    }

    const fn next_ask(&mut self) -> Ask {
        self.asks += 1;
        Ask(self.asks)
    }

    fn say(&mut self, reply: &Reply<'_>) {
        self.replies.push_back(reply.text());
    }

    /// Says what was to be said before, and no more.
    fn close(&mut self, close: Close) {
        self.end();
        self.last = Some(close);
        let rest = core::mem::take(&mut self.pushes);
        self.waiting.extend(rest.into_iter().map(|(delivery, _)| Output::Retracted(delivery)));
    }

    /// Nothing is asked any more.
    fn end(&mut self) {
        self.stage = Stage::Closed;
        self.overdue = Overdue::default();
    }
}
