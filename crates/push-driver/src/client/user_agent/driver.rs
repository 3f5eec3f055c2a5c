//! What owns a user agent's machine and its connections.

use std::{collections::BTreeMap, pin::Pin};

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable, abortable},
    stream::FuturesUnordered,
};
use h2::client::SendRequest;
use push_crypto::{Provider, ReceiverKeys, Subscription, message};
use push_proto::{
    ContentField, Mono, Now, Origin, PublicKey, PushUrl,
    user_agent::{
        Connection, ConnectionId, Delivery, Disposition, Event, Failure, Input, MessageRef, Output, Request,
        RequestId, Response, Secret, State, Subscribe, SubscribeFault, SubscriptionEvent, Tag,
        UserAgent as Machine,
    },
    wire,
};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{Message, SubscribeError};
use crate::{
    Fault, Runtime,
    client::{
        alarm,
        dial::{Dialer, Dialled},
        exchange::{self, Into, Monitored},
    },
};

/// What a handle wants. Unbounded channels carry these: each caller has one under way, and each delivered message,
/// of which there are as many as the machine's `unacknowledged`, is answered once.
pub(super) enum Command {
    Subscribe(Tag, Option<PublicKey>, oneshot::Sender<Result<Subscription, SubscribeError>>),
    Unsubscribe(Tag, oneshot::Sender<()>),
    Subscriptions(oneshot::Sender<Vec<(Tag, Subscription)>>),
    Dispose(MessageRef, Disposition),
    Close,
}

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
    Dialled(ConnectionId, Option<Dialled>),
    Lost(ConnectionId),
    Reply(RequestId, Result<Response, Failure>),
    Finished(RequestId),
}

type Task = Abortable<Pin<Box<dyn Future<Output = Happened> + Send>>>;

/// A connection, and how to close it.
struct Line {
    requests: Option<SendRequest<Bytes>>,
    abort: AbortHandle,
}

/// A subscription being made.
struct Waiting {
    keys: ReceiverKeys,
    reply: oneshot::Sender<Result<Subscription, SubscribeError>>,
}

pub(super) struct Driver<R> {
    machine: Machine,
    dialer: Dialer<R>,
    provider: Provider,
    keep: Box<dyn FnMut(&State) + Send>,
    ends: Ends,
    tasks: FuturesUnordered<Task>,
    lines: BTreeMap<ConnectionId, Line>,
    requests: BTreeMap<RequestId, AbortHandle>,
    monitor: mpsc::Sender<(RequestId, Monitored)>,
    monitored: mpsc::Receiver<(RequestId, Monitored)>,
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
                        self.machine.handle(Input::Close, runtime.now());
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
    }

    fn now(&self) -> Now {
        self.dialer.runtime.now()
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Subscribe(tag, restricted_to, reply) => self.subscribe(tag, restricted_to, reply),
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
            Command::Close => self.machine.handle(Input::Close, now),
        }
    }

    /// New keys for each subscription (`8291-3.1-1`); the machine keeps them with it.
    fn subscribe(
        &mut self,
        tag: Tag,
        restricted_to: Option<PublicKey>,
        reply: oneshot::Sender<Result<Subscription, SubscribeError>>,
    ) {
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
        self.machine.handle(Input::Subscribe(Subscribe { tag, restricted_to, secret }), now);
    }

    fn happened(&mut self, happened: Happened) {
        let now = self.now();
        match happened {
            Happened::Dialled(id, dialled) => {
                // What was disconnected meanwhile has no line any more.
                let Some(line) = self.lines.get_mut(&id) else { return };
                let Some(Dialled { requests, run }) = dialled else {
                    self.lines.remove(&id);
                    return self.machine.handle(Input::Connection(id, Connection::Lost), now);
                };
                line.requests = Some(requests);
                let abort = self.spawn(Box::pin(async move {
                    run.await;
                    Happened::Lost(id)
                }));
                if let Some(line) = self.lines.get_mut(&id) {
                    line.abort = abort;
                }
                self.machine.handle(Input::Connection(id, Connection::Established), now);
            }
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

    fn monitored(&mut self, id: RequestId, monitored: Monitored) {
        let now = self.now();
        let input = match monitored {
            Monitored::Pushed(push) => {
                let (promise, response) = *push;
                Input::Pushed(id, wire::user_agent::pushed(&promise, response))
            }
            Monitored::Ended(reply) => Input::Reply(id, reply.map(|head| wire::user_agent::response(&head))),
        };
        self.machine.handle(input, now);
    }

    /// Carries out every effect; says when to wake up.
    fn settle(&mut self) -> Option<Mono> {
        loop {
            let now = self.now();
            match self.machine.poll(now) {
                Output::Connect(id, origin) => self.connect(id, origin),
                Output::Disconnect(id) => {
                    if let Some(line) = self.lines.remove(&id) {
                        line.abort.abort();
                    }
                }
                Output::Request(connection, id, request) => self.request(connection, id, &request),
                Output::Cancel(id) => {
                    if let Some(request) = self.requests.remove(&id) {
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
        let dial = self.dialer.clone().dial(origin);
        let abort = self.spawn(Box::pin(async move { Happened::Dialled(id, dial.await) }));
        self.lines.insert(id, Line { requests: None, abort });
    }

    fn request(&mut self, connection: ConnectionId, id: RequestId, request: &Request) {
        let requests = self.lines.get(&connection).and_then(|line| line.requests.clone());
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
            let fetch = exchange::fetch(requests, http, 0);
            self.spawn(Box::pin(async move {
                Happened::Reply(id, fetch.await.map(|(head, _)| wire::user_agent::response(&head)))
            }))
        };
        self.requests.insert(id, abort);
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
    fn decrypt(&self, delivery: &Delivery) -> Option<Option<Zeroizing<Vec<u8>>>> {
        let content = &delivery.content;
        if content.body.is_empty() {
            return Some(None);
        }
        let coding = content.fields.iter().find(|(field, _)| *field == ContentField::Encoding);
        let coding = coding.and_then(|(_, value)| std::str::from_utf8(value).ok())?;
        message::content_coding(coding).ok()?;
        let keys = self.machine.subscription(delivery.tag)?.secret.expose();
        let keys = ReceiverKeys::from_bytes(keys).ok()?;
        message::decrypt(&self.provider, &keys, &content.body)
            .ok()
            .map(|payload| Some(Zeroizing::new(payload)))
    }

    fn tell(&mut self, event: Event) {
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

/// A subscription as its sender gets it.
fn described(push: PushUrl, keys: &ReceiverKeys) -> Subscription {
    Subscription {
        endpoint: push,
        p256dh: *keys.public_key(),
        auth: keys.auth().clone(),
        expiration_time: None,
    }
}
