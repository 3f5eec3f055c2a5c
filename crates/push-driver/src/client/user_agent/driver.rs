//! What owns a user agent's machine and its connections.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable, abortable},
    stream::FuturesUnordered,
};
use h2::{Ping, PingPong, client::SendRequest};
use push_crypto::{Provider, ReceiverKeys, Subscription, message};
use push_proto::{
    ContentField, Mono, Now, Origin, PushUrl,
    user_agent::{
        Connection, ConnectionId, Control, Delivery, Disposition, Event, Failure, Input, MessageRef, Order,
        Output, Power, Request, RequestId, Response, Secret, State, Subscribe, SubscribeFault,
        SubscriptionEvent, Tag, UserAgent as Machine,
    },
    wire,
};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{Message, SubscribeError, SubscribeOptions, receivers::Receivers};
use crate::{
    Fault, Runtime,
    client::{
        alarm,
        dial::{Dialer, Running, Unwatched},
        exchange::{self, Into, Monitored},
    },
    runtime::within,
};

/// What a handle wants. Unbounded channels carry these: each caller has one under way, and each delivered message,
/// of which there are as many as the machine's `unacknowledged`, is answered once.
pub(super) enum Command {
    Subscribe(Tag, SubscribeOptions, Reply),
    Unsubscribe(Tag, oneshot::Sender<()>),
    Subscriptions(oneshot::Sender<Vec<(Tag, Subscription)>>),
    Dispose(MessageRef, Disposition),
    Power(Power),
    Close,
}

/// To whom the subscription goes.
pub(super) type Reply = oneshot::Sender<Result<Subscription, SubscribeError>>;

/// The driver's ends of the channels.
pub(super) struct Ends {
    pub(super) commands: mpsc::WeakUnboundedSender<Command>,
    pub(super) commanded: mpsc::UnboundedReceiver<Command>,
    /// Bounded by the machine's `unacknowledged`.
    pub(super) deliver: mpsc::UnboundedSender<Message>,
    pub(super) tell: mpsc::Sender<Event>,
}

/// What a task ends with.
enum Happened {
    Dialled(ConnectionId, Option<Unwatched>),
    /// It takes no more requests, but runs on.
    Draining(Live),
    Alive(ConnectionId, PingPong),
    Lost(ConnectionId),
    /// Of no interest to the machine any more.
    Over,
    Reply(RequestId, Result<Response, Failure>),
    Finished(RequestId),
}

type Task = Abortable<Pin<Box<dyn Future<Output = Happened> + Send>>>;

/// A connection.
enum Line {
    /// How to stop opening it.
    Dialling(AbortHandle),
    /// When this is dropped, and nothing is under way any more, it ends with GOAWAY.
    Open {
        requests: SendRequest<Bytes>,
        /// None while an answer is awaited.
        ping: Option<PingPong>,
        /// When this is told or dropped, the rest of it gets a limited time to end.
        closing: oneshot::Sender<()>,
    },
}

/// The part of an open connection that runs.
struct Live {
    id: ConnectionId,
    run: Running,
    closing: oneshot::Receiver<()>,
}

/// A subscription being made.
struct Waiting {
    keys: ReceiverKeys,
    reply: Reply,
}

pub(super) struct Driver<R> {
    machine: Machine,
    dialer: Dialer<R>,
    provider: Provider,
    keep: Box<dyn FnMut(&State) + Send>,
    ends: Ends,
    tasks: FuturesUnordered<Task>,
    lines: BTreeMap<ConnectionId, Line>,
    requests: BTreeMap<RequestId, (ConnectionId, AbortHandle)>,
    monitor: mpsc::Sender<(RequestId, Monitored)>,
    monitored: mpsc::Receiver<(RequestId, Monitored)>,
    receivers: Receivers,
    subscribing: BTreeMap<Tag, Waiting>,
    unsubscribing: BTreeMap<Tag, Vec<oneshot::Sender<()>>>,
    closed: bool,
}

impl<R: Runtime> Driver<R> {
    pub(super) fn new(
        machine: Machine,
        dialer: Dialer<R>,
        provider: Provider,
        keep: Box<dyn FnMut(&State) + Send>,
        ends: Ends,
    ) -> Self {
        let (monitor, monitored) = mpsc::channel(1);
        Self {
            machine,
            dialer,
            provider,
            keep,
            ends,
            tasks: FuturesUnordered::new(),
            lines: BTreeMap::new(),
            requests: BTreeMap::new(),
            monitor,
            monitored,
            receivers: Receivers::new(provider),
            subscribing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            closed: false,
        }
    }

    /// Runs until the machine is closed.
    pub(super) async fn run(mut self) {
        let mut listening = true;
        let mut wake = self.settle();
        while !self.closed {
            let room = self.machine.room() > 0;
            let runtime = self.dialer.runtime.clone();
            tokio::select! {
                biased;
                command = self.ends.commanded.recv(), if listening => match command {
                    Some(command) => self.command(command),
                    None => {
                        listening = false;
                        self.machine.handle(Input::Control(Control::Close), runtime.now());
                    }
                },
                happened = self.tasks.next(), if !self.tasks.is_empty() => {
                    if let Some(Ok(happened)) = happened {
                        self.happened(happened);
                    }
                }
                Some((id, monitored)) = self.monitored.recv(), if room => self.monitored(id, monitored),
                () = alarm(runtime.clone(), wake) => self.machine.handle(Input::Tick, runtime.now()),
            }
            wake = self.settle();
        }
        // Whoever waits for the end need not wait for the last GOAWAY to be written.
        let Self { ends, monitored, lines, mut tasks, .. } = self;
        drop((ends, monitored, lines));
        while tasks.next().await.is_some() {}
    }

    fn now(&self) -> Now {
        self.dialer.runtime.now()
    }

    /// How long a connection may take to end.
    fn bounds(&self) -> (R, Duration) {
        (self.dialer.runtime.clone(), self.dialer.limits.linger)
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Subscribe(tag, options, reply) => self.subscribe(tag, options, reply),
            Command::Power(power) => self.machine.handle(Input::Control(Control::Power(power)), now),
            Command::Unsubscribe(tag, reply) => {
                // The machine answers for every name, once; those who do not wait any more make room.
                let waiting = self.unsubscribing.entry(tag).or_default();
                waiting.retain(|waiting| !waiting.is_closed());
                waiting.push(reply);
                self.machine.handle(Input::Unsubscribe(tag), now);
            }
            Command::Subscriptions(reply) => {
                let tags = self.machine.subscriptions();
                let all = tags.filter_map(|tag| {
                    let subscription = self.machine.subscription(tag)?;
                    let keys = ReceiverKeys::from_bytes(subscription.secret.expose()).ok()?;
                    Some((tag, described(subscription.push.clone(), &keys)))
                });
                let _nobody_waits = reply.send(all.collect());
            }
            Command::Dispose(message, disposition) => {
                self.machine.handle(Input::Message(message, disposition), now)
            }
            Command::Close => self.machine.handle(Input::Control(Control::Close), now),
        }
    }

    /// New keys for each subscription (`8291-3.1-1`); the machine keeps them with it.
    fn subscribe(&mut self, tag: Tag, options: SubscribeOptions, reply: Reply) {
        let made = ReceiverKeys::generate(&self.provider).ok();
        let made = made.and_then(|keys| Some((Secret::new(keys.to_bytes().expose())?, keys)));
        let Some((secret, keys)) = made else {
            let _nobody_waits = reply.send(Err(SubscribeError::Fault(Fault::Random)));
            return;
        };
        if self.subscribing.contains_key(&tag) {
            let _nobody_waits = reply.send(Err(SubscribeError::Refused(SubscribeFault::Exists)));
            return;
        }
        self.subscribing.insert(tag, Waiting { keys, reply });
        let now = self.now();
        let SubscribeOptions { service, restricted_to, alone } = options;
        let subscribe = Subscribe { tag, service, alone, restricted_to, secret };
        self.machine.handle(Input::Subscribe(subscribe), now);
    }

    fn happened(&mut self, happened: Happened) {
        let now = self.now();
        match happened {
            Happened::Dialled(id, dialled) => self.dialled(id, dialled),
            Happened::Draining(live) => {
                self.machine.handle(Input::Connection(live.id, Connection::Draining), now);
                let drain = live.drain(self.bounds());
                self.spawn(Box::pin(drain));
            }
            Happened::Alive(id, pong) => {
                if let Some(Line::Open { ping, .. }) = self.lines.get_mut(&id) {
                    *ping = Some(pong);
                }
                self.machine.handle(Input::Connection(id, Connection::Alive), now);
            }
            Happened::Over => {}
            Happened::Lost(id) => {
                self.lines.remove(&id);
                self.machine.handle(Input::Connection(id, Connection::Lost), now);
            }
            Happened::Reply(id, reply) => {
                self.requests.remove(&id);
                self.machine.handle(Input::Reply(id, reply), now);
            }
            Happened::Finished(id) => {
                self.requests.remove(&id);
            }
        }
    }

    fn dialled(&mut self, id: ConnectionId, dialled: Option<Unwatched>) {
        let now = self.now();
        // What was closed meanwhile has no line any more.
        let Some(line) = self.lines.get_mut(&id) else { return };
        let Some(Unwatched { requests, run, ping }) = dialled else {
            self.lines.remove(&id);
            return self.machine.handle(Input::Connection(id, Connection::Lost), now);
        };
        let (told, closing) = oneshot::channel();
        *line = Line::Open { requests: requests.clone(), ping, closing: told };
        let watch = Live { id, run, closing }.watch(requests, self.bounds());
        self.spawn(Box::pin(watch));
        self.machine.handle(Input::Connection(id, Connection::Established), now);
    }

    fn monitored(&mut self, id: RequestId, monitored: Monitored) {
        let now = self.now();
        let input = match monitored {
            Monitored::Pushed(push) => {
                let (promise, response) = *push;
                Input::Pushed(id, wire::user_agent::pushed(&promise, response))
            }
            Monitored::Message(message) => Input::Pushed(id, *message),
            // Not what was asked for.
            Monitored::Receipt(_) => return,
            Monitored::Ended(reply) => Input::Reply(id, reply.map(|head| wire::user_agent::response(&head))),
        };
        self.machine.handle(input, now);
    }

    /// Carries out every effect; says when to wake up.
    fn settle(&mut self) -> Option<Mono> {
        loop {
            let now = self.now();
            match self.machine.poll(now) {
                Output::Connection(id, Order::Open(origin)) => self.connect(id, origin),
                Output::Connection(id, Order::Ping) => self.ping(id),
                Output::Connection(id, Order::Close) => self.close(id),
                Output::Request(connection, id, request) => self.request(connection, id, &request),
                Output::Cancel(id) => {
                    if let Some((_, request)) = self.requests.remove(&id) {
                        request.abort();
                    }
                }
                Output::Deliver(delivery) => self.deliver(&delivery),
                Output::Save(state) => (self.keep)(&state),
                Output::Event(event) => self.tell(event),
                Output::Wait(at, _reason) => return at,
            }
        }
    }

    fn connect(&mut self, id: ConnectionId, origin: Origin) {
        let dial = self.dialer.clone().dial_unwatched(origin);
        let abort = self.spawn(Box::pin(async move { Happened::Dialled(id, dial.await) }));
        self.lines.insert(id, Line::Dialling(abort));
    }

    fn ping(&mut self, id: ConnectionId) {
        let Some(Line::Open { ping, .. }) = self.lines.get_mut(&id) else { return };
        let Some(mut ping) = ping.take() else { return };
        self.spawn(Box::pin(async move {
            match ping.ping(Ping::opaque()).await {
                Ok(_) => Happened::Alive(id, ping),
                // It has ended, and says so itself.
                Err(_) => Happened::Over,
            }
        }));
    }

    /// The requests on it are of no interest to the machine any more.
    fn close(&mut self, id: ConnectionId) {
        self.requests.retain(|_, (connection, request)| {
            if *connection == id {
                request.abort();
            }
            *connection != id
        });
        match self.lines.remove(&id) {
            Some(Line::Dialling(abort)) => abort.abort(),
            Some(Line::Open { closing, .. }) => drop(closing.send(())),
            None => {}
        }
    }

    fn request(&mut self, connection: ConnectionId, id: RequestId, request: &Request) {
        let requests = match self.lines.get(&connection) {
            Some(Line::Open { requests, .. }) => Some(requests.clone()),
            Some(Line::Dialling(_)) | None => None,
        };
        let (Some(requests), Ok(http)) = (requests, wire::user_agent::request(request)) else {
            let now = self.now();
            return self.machine.handle(Input::Reply(id, Err(Failure::NotSent)), now);
        };
        let abort = if let Request::Monitor { .. } = request {
            let into = Into { id, channel: self.monitor.clone() };
            let bounds = (self.dialer.runtime.clone(), self.dialer.limits);
            let monitor = exchange::monitor(requests, http, bounds, into);
            self.spawn(Box::pin(async move {
                monitor.await;
                Happened::Finished(id)
            }))
        } else {
            let bounds = (self.dialer.runtime.clone(), self.dialer.limits);
            let fetch = exchange::fetch(requests, http, 0, bounds);
            self.spawn(Box::pin(async move {
                Happened::Reply(id, fetch.await.map(|(head, _)| wire::user_agent::response(&head)))
            }))
        };
        self.requests.insert(id, (connection, abort));
    }

    fn deliver(&mut self, delivery: &Delivery) {
        let Delivery { message, tag, .. } = *delivery;
        let Some(payload) = self.decrypt(delivery) else {
            let now = self.now();
            return self.machine.handle(Input::Message(message, Disposition::Undecryptable), now);
        };
        // Without a handle there is nobody to take it; dropped, it releases itself.
        let answer = self.ends.commands.upgrade();
        drop(self.ends.deliver.send(Message { tag, payload, message, answer }));
    }

    /// Its payload, or that it has none (`w3c-recv-2`); nothing if it cannot be decrypted.
    fn decrypt(&mut self, delivery: &Delivery) -> Option<Option<Zeroizing<Vec<u8>>>> {
        let content = &delivery.content;
        if content.body.is_empty() {
            return Some(None);
        }
        let coding = content.fields.iter().find(|(field, _)| *field == ContentField::Encoding);
        let coding = coding.and_then(|(_, value)| std::str::from_utf8(value).ok())?;
        message::content_coding(coding).ok()?;
        let secret = self.machine.subscription(delivery.tag)?.secret.expose();
        self.receivers.decrypt(delivery.tag, secret, &content.body).map(Some)
    }

    fn tell(&mut self, event: Event) {
        if let Event::Subscription(tag, _) = &event {
            self.receivers.forget(*tag);
        }
        match &event {
            Event::Subscription(tag, SubscriptionEvent::Subscribed(push)) => {
                if let Some(Waiting { keys, reply }) = self.subscribing.remove(tag) {
                    let _nobody_waits = reply.send(Ok(described(push.clone(), &keys)));
                }
            }
            Event::Subscription(tag, SubscriptionEvent::Failed(fault)) => {
                if let Some(Waiting { reply, .. }) = self.subscribing.remove(tag) {
                    let _nobody_waits = reply.send(Err(SubscribeError::Refused(*fault)));
                }
            }
            Event::Subscription(tag, SubscriptionEvent::Unsubscribed | SubscriptionEvent::Gone) => {
                if let Some(Waiting { reply, .. }) = self.subscribing.remove(tag) {
                    let _nobody_waits = reply.send(Err(SubscribeError::Unsubscribed));
                }
                for reply in self.unsubscribing.remove(tag).unwrap_or_default() {
                    let _nobody_waits = reply.send(());
                }
            }
            Event::Closed => self.closed = true,
            Event::Connection(..) | Event::MonitorFailed(_) | Event::Discarded(_) => {}
        }
        if self.ends.tell.try_send(event).is_err() {
            tracing::debug!("an event was dropped: nobody reads them");
        }
    }

    fn spawn(&mut self, task: Pin<Box<dyn Future<Output = Happened> + Send>>) -> AbortHandle {
        let (task, abort) = abortable(task);
        self.tasks.push(task);
        abort
    }
}

impl Live {
    /// Runs until it ends, drains or is closed. h2 wakes it for everything that the peer says.
    async fn watch<R: Runtime>(mut self, requests: SendRequest<Bytes>, bounds: (R, Duration)) -> Happened {
        let drains = tokio::select! {
            biased;
            drains = poll_fn(|context| {
                let ended = self.run.as_mut().poll(context).is_ready();
                let spent = exchange::spent(&requests);
                if ended {
                    self.run = Box::pin(std::future::ready(()));
                }
                let drains = spent.as_ref().is_some_and(exchange::is_draining);
                if ended || spent.is_some() { Poll::Ready(drains) } else { Poll::Pending }
            }) => drains,
            _ = &mut self.closing => {
                // A handle of ours would keep it from ending.
                drop(requests);
                return self.close(bounds).await;
            }
        };
        if drains { Happened::Draining(self) } else { Happened::Lost(self.id) }
    }

    /// Runs one that drains until it ends or is closed.
    async fn drain<R: Runtime>(mut self, bounds: (R, Duration)) -> Happened {
        tokio::select! {
            biased;
            () = &mut self.run => Happened::Lost(self.id),
            _ = &mut self.closing => self.close(bounds).await,
        }
    }

    /// Lets it end in good order, if that does not take too long.
    async fn close<R: Runtime>(self, (runtime, linger): (R, Duration)) -> Happened {
        if within(&runtime, linger, self.run).await.is_none() {
            tracing::debug!("a connection did not end in good order in time");
        }
        Happened::Over
    }
}

/// A subscription as its sender gets it.
fn described(push: PushUrl, keys: &ReceiverKeys) -> Subscription {
    Subscription {
        endpoint: push,
        p256dh: *keys.public_key(),
        auth: keys.auth().clone(),
        expiration_time: None,
    }
}
