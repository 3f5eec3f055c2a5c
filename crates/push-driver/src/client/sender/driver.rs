//! What owns a sender's machine and its connections, one for each push service.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable, abortable},
    stream::FuturesUnordered,
};
use http::Request as HttpRequest;
use push_crypto::{PublicKey, vapid::PreparedSigner};
use push_proto::{
    Content, Mono, Now, Origin, PushUrl, Ttl, UnixTime,
    application_server::{
        Audience, Change, Credentials, Input, Job, JobId, Limits as MachineLimits, Output, ReceiptOutcome,
        Refused, Request, Response, Sender as Machine, Token, Transient, Verdict,
    },
    user_agent::{Failure, RequestId},
    wire,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{
    AwaitedReceipt, Push, SendError, Sent,
    lines::{Lines, Requests},
    parked::Parked,
};
use crate::{
    Runtime,
    client::{
        alarm,
        dial::{Dialer, Dialled},
        earlier,
        exchange::{self, Into, Monitored},
        http1::Http1,
    },
};

/// What a handle wants. The channel is bounded by the places: one for each job.
pub(super) enum Command {
    Send(Box<Order>),
    /// What became of a push resource; it takes a job's place until it is told.
    Changed(PushUrl, Change, OwnedSemaphorePermit),
    Close,
}

/// A message to send, and who waits for its verdict.
pub(super) struct Order {
    pub(super) to: PushUrl,
    pub(super) key: Option<PublicKey>,
    pub(super) content: Content,
    pub(super) push: Push,
    pub(super) reply: oneshot::Sender<Result<Sent, SendError>>,
    pub(super) place: OwnedSemaphorePermit,
}

/// Who waits for a verdict, and the place of the job.
struct Waiting {
    reply: oneshot::Sender<Result<Sent, SendError>>,
    _place: OwnedSemaphorePermit,
    /// When it came, and what its TTL was.
    came: Mono,
    ttl: Ttl,
}

/// What a task ends with.
enum Happened {
    Dialled(Origin, Result<Dialled, Failure>),
    Lost(Origin, u64),
    Reply(RequestId, Result<Response, Failure>),
    Finished(RequestId),
}

type Task = Abortable<Pin<Box<dyn Future<Output = Happened> + Send>>>;

/// A request that was handed to a connection, or waits for one.
struct Asked {
    origin: Origin,
    /// On which connection, and how to end it.
    started: Option<(u64, AbortHandle)>,
}

pub(super) struct Driver<R> {
    machine: Machine,
    dialer: Dialer<R>,
    signers: Vec<PreparedSigner>,
    ordered: mpsc::UnboundedReceiver<Command>,
    limits: MachineLimits,
    tasks: FuturesUnordered<Task>,
    lines: Lines<R>,
    requests: BTreeMap<RequestId, Asked>,
    waiting: BTreeMap<JobId, Waiting>,
    /// Jobs for more push services than the machine takes at once.
    parked: Parked,
    /// Bounded by the machine's ledger: it says something about each of them in the end.
    receipts: BTreeMap<JobId, oneshot::Sender<ReceiptOutcome>>,
    monitor: mpsc::Sender<(RequestId, Monitored)>,
    monitored: mpsc::Receiver<(RequestId, Monitored)>,
    next: u64,
}

impl<R: Runtime> Driver<R> {
    pub(super) fn new(
        machine: Machine,
        dialer: Dialer<R>,
        signers: Vec<PreparedSigner>,
        ordered: mpsc::UnboundedReceiver<Command>,
        limits: MachineLimits,
    ) -> Self {
        let (monitor, monitored) = mpsc::channel(1);
        Self {
            machine,
            dialer,
            signers,
            ordered,
            limits,
            tasks: FuturesUnordered::new(),
            lines: Lines::new(),
            requests: BTreeMap::new(),
            waiting: BTreeMap::new(),
            parked: Parked::new(),
            receipts: BTreeMap::new(),
            monitor,
            monitored,
            next: 0,
        }
    }

    /// Runs until it is closed, or there are neither handles nor anybody who waits.
    pub(super) async fn run(mut self) {
        let mut listening = true;
        let mut wake = self.settle();
        while listening
            || !self.waiting.is_empty()
            || self.receipts.values().any(|waiting| !waiting.is_closed())
        {
            let runtime = self.dialer.runtime.clone();
            tokio::select! {
                biased;
                command = self.ordered.recv(), if listening => match command {
                    Some(Command::Send(order)) => self.send(*order),
                    Some(Command::Changed(url, change, _place)) => {
                        self.machine.handle(Input::PushResource(url, change), runtime.now());
                    }
                    Some(Command::Close) => {
                        self.machine.handle(Input::Close, runtime.now());
                        for job in self.parked.take_all() {
                            self.verdict(job, Verdict::Transient(Transient { said: None, sent: false }));
                        }
                        self.settle();
                        return;
                    }
                    None => listening = false,
                },
                happened = self.tasks.next(), if !self.tasks.is_empty() => {
                    if let Some(Ok(happened)) = happened {
                        self.happened(happened);
                    }
                }
                Some((id, monitored)) = self.monitored.recv() => self.monitored(id, monitored),
                () = alarm(runtime.clone(), wake) => self.machine.handle(Input::Tick, runtime.now()),
            }
            wake = self.settle();
        }
    }

    fn now(&self) -> Now {
        self.dialer.runtime.now()
    }

    fn send(&mut self, order: Order) {
        let Order { to, key, content, push, reply, place } = order;
        let Push { ttl, urgency, topic, receipt, key: _, padding: _ } = push;
        let id = JobId(self.number());
        let now = self.now();
        self.waiting.insert(id, Waiting { reply, _place: place, came: now.mono, ttl });
        let job = Box::new(Job { id, to, key, ttl, urgency, topic, content, receipt });
        if self.parked.goes_first(now) {
            self.parked.park(job, now.mono, now);
        } else {
            self.machine.handle(Input::Send(job), now);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn happened(&mut self, happened: Happened) {
        let now = self.now();
        match happened {
            Happened::Dialled(origin, dialled) => self.dialled(origin, dialled),
            Happened::Lost(origin, ended) => self.lines.lost(&origin, ended),
            Happened::Reply(id, reply) => {
                self.done(id);
                self.machine.handle(Input::Reply(id, reply), now);
            }
            Happened::Finished(id) => self.done(id),
        }
    }

    fn dialled(&mut self, origin: Origin, dialled: Result<Dialled, Failure>) {
        let now = self.now();
        let waiting = self.lines.dialled(&origin);
        let dialled = match dialled {
            Ok(dialled) => dialled,
            Err(failure) => {
                for (id, ..) in waiting {
                    self.requests.remove(&id);
                    self.machine.handle(Input::Reply(id, Err(failure)), now);
                }
                return;
            }
        };
        let generation = self.number();
        let requests = match dialled {
            Dialled::Http2 { requests, run } => {
                let ended = origin.clone();
                self.spawn(Box::pin(async move {
                    run.await;
                    Happened::Lost(ended, generation)
                }));
                Requests::Http2(requests)
            }
            Dialled::Http1(first) => {
                Requests::Http1(Arc::new(Http1::new(self.dialer.clone(), origin.clone(), first)))
            }
        };
        self.lines.open(origin.clone(), requests, generation, now);
        for (id, request, is_monitor) in waiting {
            self.start(&origin, id, request, is_monitor);
        }
    }

    fn monitored(&mut self, id: RequestId, monitored: Monitored) {
        let now = self.now();
        let input = match monitored {
            Monitored::Pushed(push) => {
                let (promise, response) = *push;
                Input::Receipt(id, wire::application_server::receipt(&promise, &response.map(drop)))
            }
            Monitored::Receipt(receipt) => Input::Receipt(id, receipt),
            // Not what was asked for.
            Monitored::Message(_) => return,
            Monitored::Ended(reply) => {
                let read = |head| wire::application_server::response(&head, Bytes::new());
                Input::Reply(id, reply.map(read))
            }
        };
        self.machine.handle(input, now);
    }

    /// Carries out every effect, closes what is idle; says when to wake up.
    fn settle(&mut self) -> Option<Mono> {
        loop {
            let now = self.now();
            match self.machine.poll(now) {
                Output::Sign(audience, expires) => self.sign(audience, expires, now),
                Output::Request(id, request) => self.request(id, &request, now),
                Output::Cancel(id) => self.cancel(id),
                Output::Verdict(job, verdict) => self.verdict(job, verdict),
                Output::Refused(job, Refused::Origins) => {
                    let came = self.waiting.get(&job.id).map_or(now.mono, |waiting| waiting.came);
                    self.parked.park(job, came, now);
                }
                Output::Refused(job, refused) => {
                    if let Some(waiting) = self.waiting.remove(&job.id) {
                        let _nobody_waits = waiting.reply.send(Err(SendError::Refused(refused)));
                    }
                }
                Output::Receipt(receipt) => {
                    if let Some(waiting) = self.receipts.remove(&receipt.job) {
                        let _nobody_waits = waiting.send(receipt.outcome);
                    }
                }
                Output::Wait(at, _reason) => {
                    if !self.unpark(now) {
                        let idle = self.lines.close_idle(&self.dialer.limits, now);
                        return earlier(earlier(at, self.parked.wakes()), idle);
                    }
                }
            }
        }
    }

    /// Offers the machine again what it had no room for, if something has changed. Whether there was anything.
    fn unpark(&mut self, now: Now) -> bool {
        let offered = self.parked.offer(now);
        let any = !offered.is_empty();
        for mut job in offered {
            let Some(Waiting { came, ttl, .. }) = self.waiting.get(&job.id) else { continue };
            // `8030-5.2-1`: it runs here as well.
            let waited = now.mono.since(*came);
            if waited >= self.limits.worth(*ttl) {
                self.verdict(job.id, Verdict::Expired);
            } else {
                let waited = u32::try_from(waited.as_secs()).unwrap_or(u32::MAX);
                job.ttl = Ttl::from_secs(ttl.as_secs().saturating_sub(waited));
                self.machine.handle(Input::Send(job), now);
            }
        }
        any
    }

    fn verdict(&mut self, job: JobId, verdict: Verdict) {
        self.parked.made_room();
        let Some(Waiting { reply, .. }) = self.waiting.remove(&job) else { return };
        let receipt = if let Verdict::Accepted(accepted) = &verdict
            && accepted.receipt
        {
            let (outcome, awaited) = oneshot::channel();
            self.receipts.insert(job, outcome);
            Some(AwaitedReceipt(awaited))
        } else {
            None
        };
        let _nobody_waits = reply.send(Ok(Sent { verdict, receipt }));
    }

    fn sign(&mut self, audience: Audience, expires: UnixTime, now: Now) {
        let signer = self.signers.iter().find(|signer| Some(*signer.signer().public_key()) == audience.key);
        let signed = signer.and_then(|signer| {
            let token = signer.sign(&audience.origin, expires, now.wall).ok()?;
            Some(Token { credentials: Credentials::new(&token.authorization()), expires: token.expires() })
        });
        self.machine.handle(Input::Signed(audience, signed), now);
    }

    fn request(&mut self, id: RequestId, request: &Request, now: Now) {
        let origin = request.url().origin();
        let is_monitor = matches!(request, Request::MonitorReceipts { .. });
        let Ok(http) = wire::application_server::request(request) else {
            return self.machine.handle(Input::Reply(id, Err(Failure::NotSent)), now);
        };
        self.requests.insert(id, Asked { origin: origin.clone(), started: None });
        if self.lines.is_open(&origin) {
            self.start(&origin, id, http, is_monitor);
        } else if !self.lines.wait(&origin, (id, http, is_monitor)) {
            let dial = self.dialer.clone().dial(origin.clone());
            self.spawn(Box::pin(async move { Happened::Dialled(origin, dial.await) }));
        }
    }

    fn start(&mut self, origin: &Origin, id: RequestId, request: HttpRequest<Bytes>, is_monitor: bool) {
        let Some((requests, generation)) = self.lines.ask(origin) else { return };
        let abort = if is_monitor {
            let into = Into { id, channel: self.monitor.clone() };
            let bounds = (self.dialer.runtime.clone(), self.dialer.limits);
            self.spawn(Box::pin(async move {
                match requests {
                    Requests::Http2(requests) => exchange::monitor(requests, request, bounds, into).await,
                    Requests::Http1(requests) => requests.monitor(request, into).await,
                }
                Happened::Finished(id)
            }))
        } else {
            let octets = self.limits.reason_octets;
            let bounds = (self.dialer.runtime.clone(), self.dialer.limits);
            self.spawn(Box::pin(async move {
                let reply = match requests {
                    Requests::Http2(requests) => exchange::fetch(requests, request, octets, bounds).await,
                    Requests::Http1(requests) => requests.fetch(request, octets).await,
                };
                Happened::Reply(id, reply.map(|(head, body)| wire::application_server::response(&head, body)))
            }))
        };
        if let Some(asked) = self.requests.get_mut(&id) {
            asked.started = Some((generation, abort));
        }
    }

    fn cancel(&mut self, id: RequestId) {
        let Some(Asked { origin, started }) = self.requests.get_mut(&id) else { return };
        if let Some((_, abort)) = started {
            abort.abort();
        } else {
            self.lines.give_up(origin, id);
        }
        self.done(id);
    }

    /// A request is over: its connection may be idle now.
    fn done(&mut self, id: RequestId) {
        let now = self.now();
        let Some(Asked { origin, started: Some((on, _)) }) = self.requests.remove(&id) else { return };
        self.lines.answered(&origin, on, now);
        if let Some(room) = self.lines.room(&origin, &self.dialer.limits) {
            self.machine.handle(Input::Room(origin, room), now);
        }
    }

    fn spawn(&mut self, task: Pin<Box<dyn Future<Output = Happened> + Send>>) -> AbortHandle {
        let (task, abort) = abortable(task);
        self.tasks.push(task);
        abort
    }
}
