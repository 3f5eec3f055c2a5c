//! The server's side of an HTTP/2 connection, server push included (RFC 9113 §8.4).
//!
//! One task owns the connection, its requests, its monitors and its pushes. It stores no waker of its own: it polls
//! h2, its requests and the channel of its monitors, and then starts whatever pushes there is room for.
//!
//! What h2 0.4 does not say of itself (all but the last have a test in `push-tokio`, `tests/pushing.rs`):
//!
//! - A promised stream must not end while its PUSH_PROMISE is unwritten: h2 looks it up when it writes that, and panics.
//!   The peer can end it by RST_STREAM and GOAWAY, so nothing is read until every promise is written.
//! - A reset of the parent drops its unwritten promises, and nobody hears of their streams again. The same gate helps.
//!   Frames that h2 has read but not looked at may get past it while writing blocks, so nothing is promised meanwhile.
//! - Promises on different requests are written in an order of h2's own, although their numbers must grow as they are
//!   read (RFC 9113 §5.1.1): a peer ends the connection over that. So the promises of one monitor are written before the
//!   next has any.
//! - A push whose END_STREAM is queued counts as closed: h2 does not tell of the peer's reset, which only [`Seen`] has.
//! - To promise anything on a stream that was reset is an error of the connection. `poll_reset` tells in time, and may
//!   be asked until the response is sent.
//! - A GOAWAY of the peer ends the pushes above its last stream without a frame, and no promise is taken after it.
//! - A client's `push_promise()` is not woken when its parent ends without another promise.

mod alive;
mod pushes;
mod request;
mod responses;
mod streams;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::{Stream as _, stream::FuturesUnordered};
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use http::{Request as HttpRequest, Response as HttpResponse};
use push_proto::{
    Refusal, Via,
    service::{Delivery, Exchange, Monitor, Request, Response, Transfer},
    store::Item,
};
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use self::streams::Open;
use self::{
    alive::{Activity, Verdict},
    pushes::Pushes,
    request::Left,
    responses::Responses,
    streams::Streams,
};
use super::{
    connection::Caller,
    exchange::Local,
    mailbox::{Admitted, Effect, Effected, Effects},
    push::Push,
    websocket::{self, Knock, OverHttp2},
};
use crate::{
    Limits, Runtime,
    io::{Ending, PREFACE, Seen, Watched},
    runtime::{sleep, sleep_until, within},
};

/// Serves a connection until it ends. Dropping the future closes it; the service is told of everything that was open.
pub(super) async fn serve<R: Runtime, Io: AsyncRead + AsyncWrite + Unpin + 'static>(
    local: Rc<Local<R>>,
    io: Io,
    caller: Rc<Caller>,
) {
    let seen = Rc::new(RefCell::new(Seen::new(PREFACE.len())));
    let handshake = builder(&local.limits).handshake(Watched::new(io, Rc::clone(&seen)));
    let Some(Ok(mut h2)) = within(&local.runtime, local.limits.handshake, handshake).await else {
        return tracing::debug!("no HTTP/2 handshake");
    };
    let activity = Rc::new(Activity::default());
    let tasks: FuturesUnordered<Task> = FuturesUnordered::new();
    let draining = local.draining.clone();
    tasks.push(Box::pin(async move {
        draining.await;
        Event::Drain
    }));
    let end = local.runtime.now().mono.after(local.limits.age);
    let (late, account) = (sleep_until(local.runtime.clone(), end), Rc::clone(caller.account()));
    tasks.push(Box::pin(async move {
        late.await;
        Event::Drain
    }));
    tasks.push(Box::pin(async move {
        account.is_cut_off().await;
        Event::Cut
    }));
    if let Some(ping) = h2.ping_pong() {
        let alive = alive::watch(local.runtime.clone(), local.limits, ping, Rc::clone(&activity));
        tasks.push(Box::pin(async move { Event::Alive(alive.await) }));
    }
    let (effects, effected) = unbounded();
    let pushes = Pushes::new(&local.limits);
    let monitors = BTreeMap::new();
    let mut connection = Connection {
        shared: Shared { responses: Responses::new(&seen, caller.account()), local, caller },
        h2,
        seen,
        tasks,
        activity,
        effects,
        effected,
        monitors,
        pushes,
        promising: None,
        pushed: BTreeMap::new(),
        streams: Streams::default(),
    };
    std::future::poll_fn(|context| connection.poll(context)).await;
}

/// Resets of streams are left to h2: its defaults end a connection that floods it with them (CVE-2023-44487).
fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_header_list_size(limits.header_octets)
        .max_concurrent_streams(limits.streams)
        .enable_connect_protocol()
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window);
    builder
}

type Task = Pin<Box<dyn Future<Output = Event>>>;

/// What a task of the connection ends with.
enum Event {
    /// A request was answered, or needs no answer.
    Answered,
    /// A request is for something that lasts.
    Left(Box<Left>),
    /// The peer is gone, or of no more use.
    Alive(Verdict),
    /// The server drains, or the connection has lasted long enough.
    Drain,
    /// Its peer does not read, and memory is short.
    Cut,
}

/// An open monitor.
struct Monitored {
    respond: SendResponse<Bytes>,
    admitted: Admitted,
    /// Its response, as soon as there is one; sent after its last promise (`9113-8.4-4`).
    response: Option<Response>,
}

/// What a connection shares with its requests.
struct Shared<R> {
    local: Rc<Local<R>>,
    caller: Rc<Caller>,
    responses: Responses,
}

impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        let Self { local, caller, responses } = self;
        Self { local: Rc::clone(local), caller: Rc::clone(caller), responses: responses.clone() }
    }
}

struct Connection<R, Io> {
    shared: Shared<R>,
    h2: h2::server::Connection<Watched<Io>, Bytes>,
    seen: Rc<RefCell<Seen>>,
    tasks: FuturesUnordered<Task>,
    activity: Rc<Activity>,
    effects: UnboundedSender<(Exchange, Effect)>,
    effected: Effected,
    monitors: BTreeMap<Exchange, Monitored>,
    pushes: Pushes,
    /// The monitor whose promises may be unwritten.
    promising: Option<Exchange>,
    /// Pushes under way, by the stream promised; kept so that they can be reset.
    pushed: BTreeMap<u32, SendStream<Bytes>>,
    /// Event streams; a task each.
    streams: Streams,
}

impl<R: Runtime, Io: AsyncRead + AsyncWrite + Unpin + 'static> Connection<R, Io> {
    /// One wake-up: everything that can be done without waiting, up to a budget.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BUDGET {
            // h2 first: the rest acts on what it has read.
            let mut idle = match self.h2.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.accept(request, respond);
                    continue;
                }
                Poll::Ready(end) => {
                    if let Some(Err(error)) = end {
                        tracing::debug!(%error, "connection failed");
                    }
                    self.hear_out(context);
                    return Poll::Ready(());
                }
                Poll::Pending => true,
            };
            self.observe(context);
            while let Poll::Ready(Some((exchange, effect))) = Pin::new(&mut self.effected).poll_next(context)
            {
                self.effect(exchange, effect);
                idle = false;
            }
            // Together, since each round flushes what h2 has to write.
            for _ in 0..BUDGET {
                let Poll::Ready(Some(event)) = Pin::new(&mut self.tasks).poll_next(context) else { break };
                idle = false;
                if self.happened(event).is_break() {
                    return Poll::Ready(());
                }
            }
            match self.push() {
                ControlFlow::Continue(Promised::All) => {}
                // The next round writes what h2 has.
                ControlFlow::Continue(Promised::Some) => idle = false,
                ControlFlow::Break(()) => return Poll::Ready(()),
            }
            self.respond();
            if idle {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// The connection has ended, but what came before its end counts: the tasks see that now, or never.
    fn hear_out(&mut self, context: &mut Context<'_>) {
        for _ in 0..BUDGET {
            let Poll::Ready(Some(_event)) = Pin::new(&mut self.tasks).poll_next(context) else { return };
        }
    }

    fn accept(&mut self, request: HttpRequest<RecvStream>, respond: SendResponse<Bytes>) {
        self.activity.requested();
        let answer = request::serve(self.shared.clone(), request, respond);
        self.tasks.push(Box::pin(async move {
            match answer.await {
                Some(left) => Event::Left(Box::new(left)),
                None => Event::Answered,
            }
        }));
    }

    /// Acts on the frames that have passed.
    fn observe(&mut self, context: &mut Context<'_>) {
        let seen = Rc::clone(&self.seen);
        let mut seen = seen.borrow_mut();
        while let Some((stream, ending)) = seen.written.pop_front() {
            self.pushed.remove(&stream);
            let transfer = match ending {
                Ending::Whole => Transfer::Written,
                Ending::Reset => Transfer::Reset,
            };
            self.pushes.end(stream, transfer);
        }
        while let Some(stream) = seen.reset.pop_front() {
            self.pushed.remove(&stream);
            self.pushes.end(stream, Transfer::Reset);
        }
        self.streams.observe(&seen);
        self.shared.responses.observe(&mut seen);
        self.leave(context);
        if seen.goes_away {
            self.go();
        }
        self.activity.monitors(self.open_monitors());
    }

    /// Of both kinds.
    fn open_monitors(&self) -> usize {
        self.monitors.len() + self.streams.open()
    }

    /// Gives up the monitors that the peer has reset, and their pushes.
    fn leave(&mut self, context: &mut Context<'_>) {
        let left = self.monitors.extract_if(.., |_, monitor| monitor.respond.poll_reset(context).is_ready());
        for (exchange, _cancels) in left {
            self.pushes.abandon(exchange);
            for stream in self.pushes.streams(exchange) {
                if let Some(stream) = self.pushed.get_mut(&stream) {
                    stream.send_reset(Reason::CANCEL);
                }
            }
        }
    }

    /// Ends all monitors, since the peer goes away. It may still take the pushes that are under way.
    fn go(&mut self) {
        for (exchange, mut monitor) in std::mem::take(&mut self.monitors) {
            monitor.respond.send_reset(Reason::CANCEL);
            self.pushes.abandon(exchange);
        }
    }

    /// What the service wants of a monitor.
    fn effect(&mut self, exchange: Exchange, effect: Effect) {
        let monitor = self.monitors.get_mut(&exchange);
        match (effect, monitor) {
            (Effect::Push(delivery, item), Some(monitor)) => {
                let mailbox = monitor.admitted.mailbox.clone();
                let account = self.shared.caller.account();
                self.pushes.wait(Push::new(exchange, delivery, mailbox, &item, account), item);
            }
            (Effect::Respond(response), Some(monitor)) => {
                monitor.admitted.answered();
                monitor.response = Some(response);
            }
            (Effect::Retract(delivery), _) => self.retract(exchange, delivery),
            // Of no interest here; or it was reset meanwhile, and the service has been told so.
            (Effect::Opened, _) | (Effect::Push(..) | Effect::Respond(_), None) => {}
        }
    }

    /// A push under way is reset; its place is free when that is written.
    fn retract(&mut self, exchange: Exchange, delivery: Delivery) {
        match self.pushes.stream(exchange, delivery).and_then(|stream| self.pushed.get_mut(&stream)) {
            Some(stream) => stream.send_reset(Reason::CANCEL),
            None => self.pushes.retract(exchange, delivery),
        }
    }

    fn happened(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Answered => {}
            Event::Left(left) => match *left {
                Left::Monitor(monitor, via, respond) => self.monitor(monitor, via, respond),
                Left::WebSocket(knock, body, respond) => self.websocket(knock, body, respond),
            },
            Event::Cut => return ControlFlow::Break(()),
            Event::Drain => self.h2.graceful_shutdown(),
            Event::Alive(Verdict::Idle) => {
                self.h2.graceful_shutdown();
                // A peer that does not take part in that is cut off.
                let late = sleep(self.shared.local.runtime.clone(), self.shared.local.limits.pong);
                self.tasks.push(Box::pin(async move {
                    late.await;
                    Event::Alive(Verdict::Dead)
                }));
            }
            Event::Alive(Verdict::Dead) => {
                tracing::debug!("the peer does not answer");
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Opens a monitor, or refuses it at once: a peer that takes no pushes would wait for ever.
    fn monitor(&mut self, monitor: Monitor, via: Via, mut respond: SendResponse<Bytes>) {
        let refusal = if via == Via::Push && !self.pushable() {
            Refusal::PUSH_UNSUPPORTED
        } else if self.open_monitors() >= self.shared.local.limits.monitors {
            Refusal::OVERLOADED.retry_in(self.shared.local.limits.retry_after)
        } else if via == Via::Stream {
            let open = self.streams.enter(&self.seen);
            let events = streams::serve(self.shared.clone(), monitor, respond, open);
            return self.tasks.push(Box::pin(async move {
                events.await;
                Event::Answered
            }));
        } else {
            match self.shared.local.submit(Request::Monitor(monitor), Effects::Monitor(self.effects.clone()))
            {
                Ok(admitted) => {
                    self.monitors.insert(admitted.exchange, Monitored { respond, admitted, response: None });
                    return;
                }
                Err(refusal) => refusal,
            }
        };
        self.shared.responses.send(&mut respond, self.shared.local.refuse(&refusal));
    }

    /// Opens a WebSocket (RFC 8441): it lasts as a monitor does, and counts as one.
    fn websocket(&mut self, knock: Knock, body: RecvStream, mut respond: SendResponse<Bytes>) {
        let Shared { local, caller, responses } = self.shared.clone();
        if self.open_monitors() >= local.limits.monitors {
            let refusal = Refusal::OVERLOADED.retry_in(local.limits.retry_after);
            return responses.send(&mut respond, local.refuse(&refusal));
        }
        // The peer has gone if this fails.
        let Ok(stream) = respond.send_response(HttpResponse::new(()), false) else { return };
        let mut open = self.streams.enter(&self.seen);
        open.begin(stream.stream_id().as_u32());
        let socket = websocket::serve(local, caller, knock, OverHttp2::new(stream, body, open), &[]);
        self.tasks.push(Box::pin(async move {
            socket.await;
            Event::Answered
        }));
    }

    /// Whether the peer takes pushes at all (`9113-8.4-1`).
    fn pushable(&self) -> bool {
        let seen = self.seen.borrow();
        seen.push_enabled && !seen.goes_away && self.h2.max_concurrent_send_streams() > 0
    }

    /// Promises and writes what there is room for, as far as it may be promised now.
    fn push(&mut self) -> ControlFlow<(), Promised> {
        if self.pushes.any_waits() && !self.pushable() {
            self.pushes.refuse_all();
        }
        // Then a promise would stay unwritten.
        if self.seen.borrow().blocked {
            return ControlFlow::Continue(Promised::All);
        }
        loop {
            if self.seen.borrow().all_promised() {
                self.promising = None;
            }
            let streams = self.h2.max_concurrent_send_streams();
            let Some((push, item)) = self.pushes.next(streams, self.promising) else { break };
            self.promising = Some(push.exchange);
            if let Err(error) = self.promise(push, &item) {
                tracing::debug!(%error, "no push could be promised");
                return ControlFlow::Break(());
            }
        }
        let others = self.promising.is_some() && self.pushes.any_waits();
        ControlFlow::Continue(if others { Promised::Some } else { Promised::All })
    }

    /// Hands one push to h2: promise, headers and body.
    fn promise(&mut self, push: Push, item: &Item) -> Result<(), h2::Error> {
        let now = self.shared.local.runtime.now().wall;
        let monitor = self.monitors.get_mut(&push.exchange).filter(|_| !push.is_late(now));
        let Some(monitor) = monitor else {
            push.report(Transfer::Reset);
            return Ok(());
        };
        let promise = self.shared.local.door.promise(item, now);
        let begun = monitor.respond.push_request(promise.request).and_then(|mut pushed| {
            let mut stream = pushed.send_response(promise.response, promise.body.is_empty())?;
            if !promise.body.is_empty() {
                stream.send_data(promise.body, true)?;
            }
            Ok(stream)
        });
        match begun {
            Ok(stream) => {
                let id = stream.stream_id().as_u32();
                self.pushed.insert(id, stream);
                self.seen.borrow_mut().promised();
                self.pushes.begin(id, push);
                Ok(())
            }
            Err(error) => {
                push.report(Transfer::Reset);
                Err(error)
            }
        }
    }

    /// Ends the monitors whose promises are all made.
    fn respond(&mut self) {
        let ended = |exchange: &Exchange, monitor: &mut Monitored| {
            monitor.response.is_some() && !self.pushes.waits(*exchange)
        };
        let ended: Vec<_> = self.monitors.extract_if(.., ended).collect();
        for (_, mut monitor) in ended {
            let Some(response) = &monitor.response else { continue };
            let response: HttpResponse<Bytes> =
                self.shared.local.door.respond(response, self.shared.local.runtime.now().wall);
            self.shared.responses.send(&mut monitor.respond, response);
        }
        self.activity.monitors(self.open_monitors());
    }
}

/// Which of the pushes that wait were promised, as far as there is room.
enum Promised {
    All,
    /// Those of one monitor; others wait until that is written.
    Some,
}

/// Requests, events and rounds of one wake-up.
const BUDGET: usize = 64;
