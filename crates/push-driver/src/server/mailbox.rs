//! The one way to a shard.
//!
//! A mailbox is one queue, so a request is read before its cancellation and its credit whoever wrote them. It is
//! bounded although its channel is not:
//!
//! - a *request* takes one of [`Limits::mailbox`] slots until it is read, or is refused;
//! - a *hint* of the store takes one of [`Limits::hints`], or is dropped, as the store contract allows;
//! - each *reply* answers something that was admitted: one completion for each command of the service, one credit for
//!   each monitor, one transfer for each push within that credit, one cancellation for each exchange. What may be under
//!   way of these is bounded by the limits of the service and of the connections, so replies never wait: the store's
//!   threads and the connections write them without blocking, and no shard ever waits for another.

use std::sync::Arc;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender};
use push_proto::{
    AgentId, Mono, Refusal,
    service::{self, Delivery, Exchange, Input, Request, Response, Transfer},
    store::{Availability, Completion, Item},
};
use push_store::Completions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::{census::Tally, health::Awaited};
use crate::Limits;

/// The writing end of a shard's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    letters: mpsc::UnboundedSender<Letter>,
    requests: Arc<Semaphore>,
    hints: Arc<Semaphore>,
    store_up: Arc<watch::Sender<bool>>,
    /// What its shard holds.
    pub(super) tally: Arc<Tally>,
    /// A beat that it has not read.
    pub(super) beat: Arc<Awaited>,
}

/// What a shard reads.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A request, and where its effects go.
    Request(Box<Admission>),
    /// What belongs to something that was admitted.
    Reply(Input),
    /// A hint of the store.
    Hint(Completion, OwnedSemaphorePermit),
    /// Show that you take turns. There is one at a time.
    Beat,
    /// The server drains: be done by then.
    Drain(Mono),
    /// The operator changes the bounds of the service.
    Limits(Box<service::Limits>),
    /// Every connection has ended: no more requests come.
    Quiet,
}

/// An admitted request.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) exchange: Exchange,
    pub(crate) request: Request,
    pub(crate) effects: Effects,
    pub(crate) credit: u32,
    slot: OwnedSemaphorePermit,
}

impl Admission {
    /// Gives the slot back: the shard has read the request.
    pub(crate) fn read(self) -> (Exchange, Request, Effects, u32) {
        drop(self.slot);
        (self.exchange, self.request, self.effects, self.credit)
    }
}

/// Where the effects of an exchange go.
#[derive(Debug)]
pub(crate) enum Effects {
    /// It has one response.
    Once(oneshot::Sender<Response>),
    /// It is a monitor of this connection. The channel is bounded by the connection's monitors and their credit: each
    /// push takes one, each retraction follows a push, it is opened once, and there is one response.
    Monitor(UnboundedSender<(Exchange, Effect)>),
}

/// What [`Effects::Monitor`] is written to.
pub(crate) type Effected = UnboundedReceiver<(Exchange, Effect)>;

/// One effect on a monitor.
#[derive(Debug)]
pub(crate) enum Effect {
    Opened,
    Push(Delivery, Item),
    Retract(Delivery),
    Respond(Response),
}

impl Mailbox {
    /// An empty mailbox and its reading end.
    pub(crate) fn new(
        limits: &Limits,
        store_up: Arc<watch::Sender<bool>>,
    ) -> (Self, mpsc::UnboundedReceiver<Letter>) {
        let (letters, reading) = mpsc::unbounded_channel();
        let requests = Arc::new(Semaphore::new(limits.mailbox.min(Semaphore::MAX_PERMITS)));
        let hints = Arc::new(Semaphore::new(limits.hints.min(Semaphore::MAX_PERMITS)));
        let (tally, beat) = (Arc::default(), Arc::default());
        (Self { letters, requests, hints, store_up, tally, beat }, reading)
    }

    /// Writes a letter that never waits. A shard that has ended reads nothing more, and nobody needs to know.
    pub(crate) fn write(&self, letter: Letter) {
        drop(self.letters.send(letter));
    }

    fn reply(&self, input: Input) {
        self.write(Letter::Reply(input));
    }

    /// Says what became of a push.
    pub(crate) fn pushed(&self, exchange: Exchange, delivery: Delivery, transfer: Transfer) {
        self.reply(Input::Pushed(exchange, delivery, transfer));
    }
}

impl Completions for Mailbox {
    fn complete(&self, completion: Completion) {
        if let Completion::Hint(..) = completion {
            match Arc::clone(&self.hints).try_acquire_owned() {
                Ok(slot) => self.write(Letter::Hint(completion, slot)),
                Err(_) => tracing::debug!("a hint of the store was dropped: the shard is behind"),
            }
            return;
        }
        if let Completion::Availability(availability) = completion {
            let up = availability == Availability::Up;
            if self.store_up.send_replace(up) != up {
                tracing::warn!(up, "the store went down or came back");
            }
        }
        self.reply(Input::Store(completion));
    }
}

/// All mailboxes, as seen by the connections of one shard.
#[derive(Clone, Debug)]
pub(crate) struct Mailboxes {
    all: Arc<[Mailbox]>,
    home: u16,
}

impl Mailboxes {
    /// Seen from shard `home`.
    pub(crate) const fn new(all: Arc<[Mailbox]>, home: u16) -> Self {
        Self { all, home }
    }

    /// Admits a request to the shard that owns its agent, or to this one if it makes a new one.
    pub(crate) fn admit(
        &self,
        exchange: Exchange,
        request: Request,
        effects: Effects,
        limits: &Limits,
    ) -> Result<Admitted, Refusal> {
        let overloaded = Refusal::OVERLOADED.retry_in(limits.retry_after);
        let shards = u16::try_from(self.all.len()).unwrap_or(u16::MAX);
        let shard = request.agent().map_or(self.home, |agent: AgentId| agent.shard(shards));
        let mailbox = self.all.get(usize::from(shard)).ok_or(overloaded)?;
        let slot = Arc::clone(&mailbox.requests).try_acquire_owned().map_err(|_| overloaded)?;
        let credit = limits.credit;
        let admission = Box::new(Admission { exchange, request, effects, credit, slot });
        mailbox
            .letters
            .send(Letter::Request(admission))
            .map_err(|_| Refusal::DRAINING.retry_in(limits.retry_after))?;
        Ok(Admitted { exchange, mailbox: mailbox.clone(), answered: false })
    }
}

/// An exchange that the service has been told of. If it is dropped before its response came, the service is told that
/// nobody waits any more.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) exchange: Exchange,
    pub(crate) mailbox: Mailbox,
    answered: bool,
}

impl Admitted {
    /// Its response has come.
    pub(crate) const fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if !self.answered {
            self.mailbox.reply(Input::Cancelled(self.exchange));
        }
    }
}

#[cfg(test)]
mod tests {
    use push_proto::store::{Hint, Ticket};

    use super::*;

    fn request() -> Request {
        Request::Subscribe(service::Subscribe::default())
    }

    fn admit(mailboxes: &Mailboxes, limits: &Limits, number: u64) -> Result<Admitted, Refusal> {
        let (answer, _) = oneshot::channel();
        mailboxes.admit(Exchange { origin: 0, number }, request(), Effects::Once(answer), limits)
    }

    #[test]
    fn a_full_mailbox_refuses_requests_and_nothing_else() {
        let limits = Limits { mailbox: 2, hints: 1, ..Limits::default() };
        let (mailbox, mut letters) = Mailbox::new(&limits, Arc::new(watch::Sender::new(true)));
        let mailboxes = Mailboxes::new(Arc::from([mailbox.clone()]), 0);
        let first = admit(&mailboxes, &limits, 1).unwrap();
        let _second = admit(&mailboxes, &limits, 2).unwrap();
        let refusal = admit(&mailboxes, &limits, 3).unwrap_err();
        assert_eq!((refusal.status(), refusal.retry_after()), (503, Some(limits.retry_after)));

        mailbox.complete(Completion::Failed(Ticket(1)));
        let agent = AgentId::from_octets([0; 16]);
        mailbox.complete(Completion::Hint(agent, Hint::Arrived));
        mailbox.complete(Completion::Hint(agent, Hint::Arrived));
        drop(first);

        let Letter::Request(admission) = letters.try_recv().unwrap() else {
            panic!("the request comes first")
        };
        drop(admission.read());
        admit(&mailboxes, &limits, 4).unwrap().answered();
        let rest: Vec<_> = std::iter::from_fn(|| letters.try_recv().ok()).collect();
        let kinds: Vec<_> = rest
            .iter()
            .map(|letter| match letter {
                Letter::Request(_) => "request",
                Letter::Reply(Input::Store(_)) => "completion",
                Letter::Reply(Input::Cancelled(exchange)) if exchange.number == 1 => "cancelled",
                Letter::Hint(..) => "hint",
                Letter::Reply(_) | Letter::Beat | Letter::Drain(_) | Letter::Limits(_) | Letter::Quiet => {
                    "other"
                }
            })
            .collect();
        assert_eq!(kinds, ["request", "completion", "hint", "cancelled", "request"]);
    }
}
