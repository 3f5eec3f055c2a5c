//! User agents that connect by WebSocket: Mozilla's push protocol ([`push_proto::autopush`]), whatever carries it.
//!
//! One task owns the connection. It writes one message at a time and keeps reading meanwhile, so that what the session has to
//! ask of the service does not wait for a peer that reads slowly.

mod learned;
mod over_http2;
mod socket;

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::{Stream as _, future::LocalBoxFuture};
use push_proto::{
    AgentId, Entropy, Mono, Seed,
    autopush::{Ask, Config, Input, Monitored, Output, Session},
    service::{Delivery, Exchange, Monitor, Request, Response, Transfer},
};
use tokio::io::{AsyncRead, AsyncWrite};

use self::socket::{Read, Socket};
pub(super) use self::{learned::Learned, over_http2::OverHttp2, socket::accept};
use super::{
    clients::Asker,
    connection::Caller,
    exchange::{Draining, Local},
    mailbox::{Admitted, Effect, Effected, Effects},
    push::Push,
};
use crate::{Runtime, runtime::sleep_until};

/// What the WebSockets of one shard share.
pub(super) struct Doorway {
    config: Arc<Config>,
    entropy: RefCell<Entropy>,
    learned: RefCell<Learned>,
    shard: u16,
    shards: u16,
}

impl Doorway {
    pub(super) fn new(
        config: Arc<Config>,
        seed: &Seed,
        remembered: usize,
        (shard, shards): (u16, u16),
    ) -> Self {
        let learned = RefCell::new(Learned::new(remembered));
        Self { config, entropy: RefCell::new(Entropy::new(seed)), learned, shard, shards }
    }

    /// A name for a user agent that has none, of this shard.
    fn fresh(&self) -> AgentId {
        AgentId::on_shard(self.entropy.borrow_mut().id(), self.shard, self.shards)
    }
}

/// A WebSocket that may be opened, and in whose name it asks.
pub(super) struct Knock {
    pub(super) doorway: Rc<Doorway>,
    pub(super) asker: Asker,
    /// Whether it has the connection for itself, and with it has to see to what concerns the connection.
    pub(super) alone: bool,
}

/// Serves a connection whose opening handshake is done, of which `read` was read already, until it ends. Dropping the future
/// closes it; the service is told of everything that was open.
///
/// No async function: that would keep what it was given beside what it made of it, for each of many connections.
pub(super) fn serve<R: Runtime, Io>(
    local: Rc<Local<R>>,
    caller: Rc<Caller>,
    Knock { doorway, asker, alone }: Knock,
    io: Io,
    read: &[u8],
) -> impl Future<Output = ()> + use<R, Io>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let now = local.runtime.now();
    let end = now.mono.after(local.limits.age);
    let socket = Socket::new(io, read, doorway.config.limits.frame_octets);
    let session = Session::new(Arc::clone(&doorway.config), doorway.fresh(), now);
    let draining = Some(local.draining.clone());
    let mut connection = socket.map(|socket| Connection {
        local,
        caller,
        asker,
        alone,
        doorway,
        socket,
        session,
        agent: None,
        draining,
        effects: None,
        monitors: Vec::new(),
        asks: Vec::new(),
        pushes: VecDeque::new(),
        writing: None,
        leaving: None,
        skip: None,
        ended: false,
        over: false,
        end,
        timer: None,
    });
    poll_fn(move |context| connection.as_mut().map_or(Poll::Ready(()), |connection| connection.poll(context)))
}

struct Connection<R: Runtime, Io> {
    local: Rc<Local<R>>,
    caller: Rc<Caller>,
    asker: Asker,
    alone: bool,
    doorway: Rc<Doorway>,
    socket: Socket<Io>,
    session: Session,
    /// Who is there, once that is known.
    agent: Option<AgentId>,
    /// Until the server drains.
    draining: Option<Draining>,
    /// Made with the first monitor.
    effects: Option<Channel>,
    /// The monitor that counts, and such as it has replaced until they end.
    monitors: Vec<(Ask, Admitted)>,
    /// Bounded by the session's limits.
    asks: Vec<LocalBoxFuture<'static, (Ask, Response)>>,
    /// Pushes that the session has.
    pushes: VecDeque<Push>,
    /// The message that is being written, since when, and its push.
    writing: Option<(Mono, Option<Push>)>,
    /// A close frame was said, or came: until when the end may take.
    leaving: Option<Mono>,
    /// What came is not to be understood any more: how much of it is read all the same.
    skip: Option<usize>,
    /// The transport knows that nothing more is written.
    ended: bool,
    /// Nothing more is read or said.
    over: bool,
    /// When it has lasted long enough.
    end: Mono,
    timer: Option<(Mono, LocalBoxFuture<'static, ()>)>,
}

struct Channel {
    sender: UnboundedSender<(Exchange, Effect)>,
    receiver: Effected,
}

/// Whether there may be more to do.
type Step = ControlFlow<(), bool>;

const IDLE: Step = ControlFlow::Continue(false);
const BUSY: Step = ControlFlow::Continue(true);

impl<R: Runtime, Io: AsyncRead + AsyncWrite + Unpin> Connection<R, Io> {
    /// One wake-up: everything that can be done without waiting, up to a budget.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return self.poll_end(context);
        }
        for _ in 0..BUDGET {
            let mut busy = false;
            for step in [Self::alarmed, Self::write, Self::read, Self::hear, Self::act] {
                match step(self, context) {
                    ControlFlow::Continue(more) => busy |= more,
                    ControlFlow::Break(()) => {
                        self.over = true;
                        self.remember();
                        return self.poll_end(context);
                    }
                }
            }
            if !busy && !self.sleep(context) {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ends in good order, as far as the peer takes part in it.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.leaving.filter(|_| self.writing.is_none()) else { return Poll::Ready(()) };
        if self.socket.poll_end(context).is_ready() || until <= self.local.runtime.now().mono {
            return Poll::Ready(());
        }
        let timer = self.timer.insert((until, Box::pin(sleep_until(self.local.runtime.clone(), until))));
        timer.1.as_mut().poll(context)
    }

    /// What concerns more than this connection: its peer does not read and memory is short, or the server drains.
    fn alarmed(&mut self, context: &mut Context<'_>) -> Step {
        if self.alone && self.caller.account().poll_cut_off(context).is_ready() {
            return ControlFlow::Break(());
        }
        let drains =
            self.draining.as_mut().is_some_and(|draining| Pin::new(draining).poll(context).is_ready());
        if !drains {
            return IDLE;
        }
        self.draining = None;
        self.give(Input::Drain);
        BUSY
    }

    /// Goes on writing.
    fn write(&mut self, context: &mut Context<'_>) -> Step {
        match self.socket.poll_written(context) {
            Poll::Pending => IDLE,
            Poll::Ready(Err(_gone)) => {
                self.hear_out(context);
                ControlFlow::Break(())
            }
            Poll::Ready(Ok(())) => match self.writing.take() {
                None if self.leaving.is_some() && !self.ended => {
                    // Nothing may follow a close frame, and some only go when they see the end.
                    self.ended = self.socket.poll_end(context).is_ready();
                    IDLE
                }
                None => IDLE,
                Some((_, push)) => {
                    if let Some(push) = push {
                        push.report(Transfer::Written);
                    }
                    BUSY
                }
            },
        }
    }

    /// Nobody hears us any more, but what has been said and not been read counts.
    fn hear_out(&mut self, context: &mut Context<'_>) {
        for _ in 0..BUDGET {
            if self.read(context) != BUSY || self.act(context).is_break() {
                return;
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Step {
        // Whoever was told to go is only listened to until it does.
        if self.leaving.is_none() && !self.session.wants_frames() {
            return IDLE;
        }
        if let Some(left) = self.skip {
            // A connection that is closed with octets unread loses what was said last.
            return match self.socket.poll_skip(context) {
                Poll::Pending => IDLE,
                Poll::Ready(octets) if (1..=left).contains(&octets) => {
                    self.skip = Some(left - octets);
                    BUSY
                }
                Poll::Ready(_end) => ControlFlow::Break(()),
            };
        }
        let now = self.local.runtime.now();
        match self.socket.poll_read(context) {
            Poll::Pending => IDLE,
            Poll::Ready(Read::Gone) => ControlFlow::Break(()),
            Poll::Ready(Read::Broken(code, reason)) => {
                self.skip = Some(self.local.limits.refused_octets);
                self.leave(code, reason);
                BUSY
            }
            Poll::Ready(Read::Message(message)) => {
                match message.came() {
                    // A close frame, which is answered.
                    None => self.leaving = self.leaving.or(Some(now.mono.after(self.local.limits.pong))),
                    Some(came) if self.leaving.is_none() => {
                        self.session.handle(Input::Came(came), &self.local.door, now);
                    }
                    Some(_ignored) => {}
                }
                BUSY
            }
        }
    }

    /// What the service says.
    fn hear(&mut self, context: &mut Context<'_>) -> Step {
        let mut busy = false;
        while let Some(Poll::Ready(Some((exchange, effect)))) =
            self.effects.as_mut().map(|channel| Pin::new(&mut channel.receiver).poll_next(context))
        {
            busy = true;
            self.effect(exchange, effect);
        }
        while let Some((ask, response)) = self.answered(context) {
            busy = true;
            self.give(Input::Answered(ask, response));
        }
        ControlFlow::Continue(busy)
    }

    /// The answer to something that was asked, if there is one.
    fn answered(&mut self, context: &mut Context<'_>) -> Option<(Ask, Response)> {
        let mut answers = self.asks.iter_mut().map(|asked| asked.as_mut().poll(context));
        let (at, answer) = answers.by_ref().enumerate().find_map(|(at, answer)| match answer {
            Poll::Ready(answer) => Some((at, answer)),
            Poll::Pending => None,
        })?;
        drop(self.asks.swap_remove(at));
        if self.asks.is_empty() {
            self.asks = Vec::new();
        }
        Some(answer)
    }

    fn effect(&mut self, exchange: Exchange, effect: Effect) {
        let at = self.monitors.iter().position(|(_, admitted)| admitted.exchange == exchange);
        let Some((ask, admitted)) = at.and_then(|at| self.monitors.get_mut(at)) else { return };
        let ask = *ask;
        let monitored = match effect {
            Effect::Opened => Monitored::Opened,
            Effect::Push(delivery, item) => {
                let mailbox = admitted.mailbox.clone();
                self.pushes.push_back(Push::new(exchange, delivery, mailbox, &item, self.caller.account()));
                Monitored::Push(delivery, item)
            }
            Effect::Retract(delivery) => Monitored::Retract(delivery),
            Effect::Respond(response) => {
                admitted.answered();
                self.monitors.retain(|(of, _)| *of != ask);
                Monitored::Ended(response)
            }
        };
        self.give(Input::Monitored(ask, monitored));
    }

    /// Carries out what the session wants, as far as there is room to write.
    fn act(&mut self, _context: &mut Context<'_>) -> Step {
        let mut busy = false;
        loop {
            let now = self.local.runtime.now();
            if self.is_late(now.mono) {
                return ControlFlow::Break(());
            }
            let room = self.writing.is_none() && self.leaving.is_none();
            match self.session.poll(room, &self.local.door, now) {
                Output::Frame(text, delivery) => self.begin(text, delivery),
                Output::Retracted(delivery) => {
                    if let Some(push) = self.take(delivery) {
                        push.report(Transfer::Reset);
                    }
                }
                Output::Ping => {
                    self.socket.ping();
                    self.writing = Some((now.mono, None));
                }
                Output::Ask(ask, request) => self.ask(ask, request),
                Output::Monitor(ask, monitor) => self.monitor(ask, monitor),
                Output::Identified(agent) => {
                    self.agent = Some(agent);
                    let learned = self.doorway.learned.borrow().of(agent);
                    if let Some(learned) = learned {
                        self.session.recall(learned);
                    }
                }
                Output::Close(Some(close)) => self.leave(close.code(), close.reason()),
                Output::Close(None) => return ControlFlow::Break(()),
                Output::Wait(at) => {
                    self.wake_at(at);
                    return ControlFlow::Continue(busy);
                }
            }
            busy = true;
        }
    }

    fn begin(&mut self, text: String, delivery: Option<Delivery>) {
        let now = self.local.runtime.now();
        let push = delivery.and_then(|delivery| self.take(delivery));
        if push.as_ref().is_some_and(|push| push.is_late(now.wall)) {
            return push.into_iter().for_each(|push| push.report(Transfer::Reset));
        }
        self.socket.begin(text);
        self.writing = Some((now.mono, push));
    }

    fn take(&mut self, delivery: Delivery) -> Option<Push> {
        let at = self.pushes.iter().position(|push| push.delivery == delivery)?;
        let push = self.pushes.remove(at);
        if self.pushes.is_empty() {
            self.pushes = VecDeque::new();
        }
        push
    }

    fn ask(&mut self, ask: Ask, request: Request) {
        // At once: the connection may be gone before it is polled again.
        match self.local.begin(&self.asker, request) {
            Ok(asking) => self.asks.push(Box::pin(async move { (ask, asking.response().await) })),
            Err(refusal) => self.give(Input::Answered(ask, Response::Refused(refusal))),
        }
    }

    fn monitor(&mut self, ask: Ask, monitor: Monitor) {
        let channel = self.effects.get_or_insert_with(|| {
            let (sender, receiver) = unbounded();
            Channel { sender, receiver }
        });
        match self.local.submit(Request::Monitor(monitor), Effects::Monitor(channel.sender.clone())) {
            Ok(admitted) => {
                self.monitors.reserve_exact(1);
                self.monitors.push((ask, admitted));
            }
            Err(refusal) => {
                self.give(Input::Monitored(ask, Monitored::Ended(Response::Refused(refusal))));
            }
        }
    }

    fn give(&mut self, input: Input<'_>) {
        self.session.handle(input, &self.local.door, self.local.runtime.now());
    }

    /// Says why, and waits for the peer to close.
    fn leave(&mut self, code: u16, reason: &'static str) {
        tracing::debug!(code, reason, "a WebSocket is closed");
        if self.leaving.is_none() {
            let now = self.local.runtime.now().mono;
            self.socket.close(code, reason);
            self.leaving = Some(now.after(self.local.limits.pong));
            self.give(Input::Drain);
        }
    }

    /// Whether nobody reads, or answers the close frame.
    fn is_late(&self, now: Mono) -> bool {
        self.deadlines().any(|at| at <= now)
    }

    fn deadlines(&self) -> impl Iterator<Item = Mono> {
        let stall = self.local.limits.stream_stall;
        let stalled = self.writing.as_ref().map(|(since, _)| since.after(stall));
        stalled.into_iter().chain(self.leaving)
    }

    fn wake_at(&mut self, at: Option<Mono>) {
        let end = self.leaving.is_none().then_some(self.end);
        let Some(at) = at.into_iter().chain(end).chain(self.deadlines()).min() else { return };
        if self.timer.as_ref().is_none_or(|(set, _)| *set != at) {
            self.timer = Some((at, Box::pin(sleep_until(self.local.runtime.clone(), at))));
        }
    }

    /// Whether the time has come.
    fn sleep(&mut self, context: &mut Context<'_>) -> bool {
        let Some((_, timer)) = &mut self.timer else { return false };
        if timer.as_mut().poll(context).is_pending() {
            return false;
        }
        self.timer = None;
        if self.end <= self.local.runtime.now().mono {
            self.end = Mono::from_nanos(u64::MAX);
            self.give(Input::Drain);
        } else {
            self.give(Input::Tick);
        }
        true
    }

    /// Keeps what it has learned for the next connection of the same user agent.
    fn remember(&self) {
        if let (Some(agent), Some(learned)) = (self.agent, self.session.learned()) {
            self.doorway.learned.borrow_mut().learn(agent, learned);
        }
    }
}

/// Rounds of one wake-up.
const BUDGET: usize = 64;
