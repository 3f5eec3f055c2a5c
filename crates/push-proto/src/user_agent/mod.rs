//! The user agent of RFC 8030: subscribes, monitors, acknowledges, reconnects.
//!
//! [`UserAgent`] is a state machine without IO, clock or crypto. Its driver opens the connections it asks for, sends
//! its requests, gives it the responses and the pushes, and hands what it delivers to the application.
//!
//! ```text
//!  application  Subscribe, Message(.., Taken)  ->  +-----------+  Connect, Request  ->  driver  ->  push service
//!               <-  Deliver, Event, Save           | UserAgent |  <-  Connection, Reply, Pushed
//!                                                  +-----------+
//! ```
//!
//! - A message is delivered, and acknowledged once the application has taken it (`8030-6.2-1`); what was released, or
//!   was never answered, comes again. A repetition of what is held or was taken is not delivered twice (`8030-6.2-7`).
//! - All subscriptions of a machine join one set where the service has sets, so one machine is one privacy context
//!   (A-34). The set is monitored, else each subscription (`8030-6.1-1`).
//! - One configured push service, and any others that a subscribe names, each with sets, a connection and a backoff of
//!   its own. Where one redirects a subscribe to another origin (`8030-7.1-1`), that subscription lives there; every
//!   other resource must be at the origin that named it.
//! - A service that says 406 to a monitor is monitored by an event stream instead ([`Via`](crate::Via), A-12).
//! - Connections that are silent are asked whether they live, as seldom as their path allows ([`Keepalive`]).
//! - A connection that drains is replaced, and ended when what it was asked is answered (`8030-7.1-2`).

mod agenda;
mod connections;
mod inbox;
mod input;
mod limits;
mod monitors;
mod output;
mod reference;
mod retry;
mod state;
mod subscriptions;

use alloc::collections::VecDeque;

use agenda::{Agenda, Work};
use connections::Connections;
use inbox::Inbox;
use subscriptions::Subscriptions;

pub use crate::keepalive::Keepalive;
pub use input::{
    Connection, ConnectionId, Control, Disposition, Input, MessageRef, Power, Pushed, Response, Secret,
    Subscribe, Tag,
};
pub use limits::Limits;
pub use output::{
    ConnectionEvent, Delivery, Discarded, Event, MonitorFault, Order, Output, Reason, Request,
    SubscribeFault, SubscriptionEvent,
};
pub use reference::Reference;
pub(crate) use retry::{Answer, Task, sooner};
pub use retry::{Backoff, Failure, RequestId, RetryAfter};
pub use state::{State, StateError};

use crate::{Entropy, Mono, Now, PublicKey, PushUrl, Seed, Urgency};

/// How a user agent is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to subscribe (`8030-4-1`). If it is https, nothing of this machine ever goes over http.
    pub service: PushUrl,
    /// The lowest urgency wanted (`8030-5.3-4`), whatever the device's condition; none for all.
    pub urgency: Option<Urgency>,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// All messages, default limits.
    #[must_use]
    pub fn new(service: PushUrl) -> Self {
        Self { service, urgency: None, limits: Limits::default() }
    }
}

/// A user agent. One owner drives it by [`UserAgent::handle`] and [`UserAgent::poll`]: after each input, poll until
/// [`Output::Wait`].
///
/// ```
/// use push_proto::{Mono, Now, PushUrl, Seed, UnixTime};
/// use push_proto::user_agent::{Config, Input, Order, Output, Secret, State, Subscribe, Tag, UserAgent};
///
/// let service = PushUrl::parse("https://push.example.net/subscribe").unwrap();
/// let mut agent = UserAgent::new(Config::new(service), State::default(), &Seed::from_octets([7; 32]));
/// let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) };
///
/// let secret = Secret::new(b"receiver keys").unwrap();
/// let subscribe = Subscribe { tag: Tag(1), service: None, alone: false, restricted_to: None, secret };
/// agent.handle(Input::Subscribe(subscribe), now);
/// assert!(matches!(agent.poll(now), Output::Connection(_, Order::Open(_))));
/// assert!(matches!(agent.poll(now), Output::Wait(Some(_), _)));
/// ```
#[derive(Debug)]
pub struct UserAgent {
    config: Config,
    entropy: Entropy,
    next_id: u64,
    /// The device's condition, once it is known.
    power: Option<Power>,
    subscriptions: Subscriptions,
    inbox: Inbox,
    agenda: Agenda,
    connections: Connections,
    outputs: VecDeque<Output>,
    /// Closing, until then at most.
    closing: Option<Mono>,
    closed: bool,
}

/// An active subscription.
#[derive(Clone, Copy, Debug)]
pub struct Subscription<'a> {
    /// The push resource.
    pub push: &'a PushUrl,
    /// The only key whose holder may send.
    pub restricted_to: Option<&'a PublicKey>,
    /// What the application gave to be kept.
    pub secret: &'a Secret,
}

impl UserAgent {
    /// A user agent that goes on from `state`. `seed` is for jitter alone.
    #[must_use]
    pub fn new(config: Config, state: State, seed: &Seed) -> Self {
        let mut agent = Self {
            config,
            entropy: Entropy::new(seed),
            next_id: 0,
            power: None,
            subscriptions: Subscriptions::default(),
            inbox: Inbox::default(),
            agenda: Agenda::default(),
            connections: Connections::default(),
            outputs: VecDeque::new(),
            closing: None,
            closed: false,
        };
        let State { subscriptions, owed, learned } = state;
        for kept in subscriptions {
            agent.restore(kept);
        }
        for url in owed.into_iter().take(agent.config.limits.unacknowledged) {
            if agent.is_secure(&url) && !agent.agenda.contains(&Work::Acknowledge(url.clone())) {
                agent.agenda.add(Work::Acknowledge(url.clone()), url.origin());
                agent.inbox.owe(url);
            }
        }
        agent.retarget();
        for (origin, learned) in learned {
            if agent.agenda.needs(&origin) {
                agent.connections.learn(origin, &agent.config.limits, learned);
            }
        }
        agent
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        if self.closed {
            return;
        }
        match input {
            Input::Subscribe(subscribe) => self.subscribe(subscribe),
            Input::Unsubscribe(tag) => self.unsubscribe(tag),
            Input::Message(message, disposition) => self.disposed(message, disposition),
            Input::Connection(id, became) => self.connection(id, became, now),
            Input::Reply(id, reply) => {
                if let Some(connection) = self.agenda.connection_of(id).filter(|_| reply.is_ok()) {
                    self.heard(connection, now);
                }
                self.answered(id, reply, now);
            }
            Input::Pushed(monitor, pushed) => {
                if let Some(connection) = self.agenda.connection_of(monitor) {
                    self.heard(connection, now);
                }
                self.pushed(monitor, pushed);
            }
            Input::Tick => {}
            Input::Control(Control::Power(power)) => self.powered(power, now),
            Input::Control(Control::Close) => self.close(now),
        }
    }

    fn answered(&mut self, id: RequestId, reply: Result<Response, Failure>, now: Now) {
        match self.agenda.finish(id) {
            Some(Work::Subscribe(tag)) => self.subscribe_answered(tag, reply, now),
            Some(Work::Unsubscribe(tag)) => self.unsubscribe_answered(tag, reply, now),
            Some(Work::Monitor(target)) => self.monitor_answered(target, reply, now),
            Some(Work::Acknowledge(url)) => self.acknowledge_answered(url, reply, now),
            None => {}
        }
    }

    /// The next effect. [`Output::Wait`] says that there is none until an input comes or time passes.
    pub fn poll(&mut self, now: Now) -> Output {
        if self.outputs.is_empty() && !self.closed {
            self.tend_connections(now);
            self.ask(now);
            self.finish_closing(now);
        }
        match self.outputs.pop_front() {
            Some(output) => output,
            None if self.closed => Output::Wait(None, Reason::Closed),
            None => self.wait(now),
        }
    }

    /// How many more messages can be delivered before the application answers for some. A driver takes no more pushes
    /// than that, those included that are not whole yet; one that comes all the same is discarded, and comes again.
    #[must_use]
    pub fn room(&self) -> usize {
        self.config.limits.unacknowledged.saturating_sub(self.inbox.unacknowledged())
    }

    /// What to keep, as it is now. [`Output::Save`] gives it whenever a subscription changes or a path has taught more
    /// about silence; the acknowledgements owed change with every message, and are worth keeping at the end only.
    #[must_use]
    pub fn state(&self) -> State {
        let learned = self.connections.learned();
        State { subscriptions: self.subscriptions.kept(), owed: self.inbox.owed(), learned }
    }

    /// The active subscription of that name.
    #[must_use]
    pub fn subscription(&self, tag: Tag) -> Option<Subscription<'_>> {
        let (push, restricted_to, secret) = self.subscriptions.view(tag)?;
        Some(Subscription { push, restricted_to, secret })
    }

    /// The active subscriptions.
    pub fn subscriptions(&self) -> impl Iterator<Item = Tag> {
        self.subscriptions.tags()
    }

    /// Sends what can be sent.
    fn ask(&mut self, now: Now) {
        let limit = self.limits().requests_in_flight;
        while let Some((work, connection)) = self.agenda.next(&self.connections, limit, now) {
            let request = match &work {
                Work::Monitor(url) => Some(self.monitor_request(url)),
                Work::Unsubscribe(tag) => self.unsubscribe_request(*tag),
                Work::Subscribe(tag) => self.subscribe_request(*tag),
                Work::Acknowledge(url) => Some(Request::Acknowledge { url: url.clone() }),
            };
            let Some(request) = request else {
                self.agenda.remove(&work);
                continue;
            };
            let id = RequestId(self.next_id());
            let mut deadline = Some(now.mono.after(self.limits().response));
            if let Work::Monitor(url) = &work {
                self.inbox.monitoring(id, url.clone(), |id| self.agenda.is_in_flight(id));
                deadline = None;
            }
            self.agenda.start(work, id, connection, (now, deadline));
            self.outputs.push_back(Output::Request(connection, id, request));
        }
    }

    /// It has failed and is tried again: after what the service said, else with backoff.
    fn postpone(&mut self, work: &Work, response: Option<&Response>, now: Now) {
        let limits = self.config.limits;
        let Some(chore) = self.agenda.get_mut(work) else { return };
        let backoff = limits.backoff.wait(chore.task.failures.saturating_add(1), &mut self.entropy);
        let told = response.and_then(|response| response.retry_after);
        let wait = told.map_or(backoff, |after| after.wait(now).min(limits.retry_after).max(backoff));
        chore.task.postpone(wait, now);
    }

    fn close(&mut self, now: Now) {
        if self.closing.is_none() {
            self.closing = Some(now.mono.after(self.config.limits.close));
            self.abandon();
            self.retarget();
        }
    }

    fn finish_closing(&mut self, now: Now) {
        let Some(until) = self.closing else { return };
        if self.outputs.is_empty() && (self.agenda.is_empty() || until <= now.mono) {
            self.disconnect_all();
            self.save();
            self.outputs.push_back(Output::Event(Event::Closed));
            self.closed = true;
        }
    }

    fn wait(&self, now: Now) -> Output {
        let connection = self.connections.wakes(now).map(|at| (at, Reason::Connection));
        let keepalive = self.connections.asks().map(|at| (at, Reason::Keepalive));
        let response = self.agenda.deadline().map(|at| (at, Reason::Response));
        let retry = self.agenda.wakes(now).map(|at| (at, Reason::Retry));
        let close = self.closing.map(|at| (at, Reason::Close));
        match sooner(sooner(sooner(connection, keepalive), response), sooner(retry, close)) {
            Some((at, reason)) => Output::Wait(Some(at), reason),
            None => Output::Wait(None, Reason::Idle),
        }
    }

    fn save(&mut self) {
        let state = self.state();
        self.outputs.push_back(Output::Save(state));
    }

    fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        id
    }

    /// What a machine may speak to: https, or anything where the configured service is in the clear.
    fn is_secure(&self, url: &PushUrl) -> bool {
        url.is_https() || !self.config.service.is_https()
    }

    const fn limits(&self) -> &Limits {
        &self.config.limits
    }
}
