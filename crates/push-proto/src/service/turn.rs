//! What every part of the service works with while it handles one input: the time, the limits, and the way out.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec,
};

use super::{Delivery, Exchange, Limits, Output, Response, Subscribed, Target, Totals, rates::Parties};
use crate::{
    AgentId, Handle, Message, Now, Refusal, SealingKeyId,
    store::{Command, Item, Operation, SubscriptionRecord, Ticket},
};

/// What the service does when the store answers.
#[derive(Debug)]
pub(super) enum Pending {
    /// Answers a peer.
    Asked(Exchange, Asked),
    /// An agent's hints begin.
    Watch(AgentId),
    /// A page for a monitor.
    Load(Target),
    /// A receipt that was pushed is removed.
    Settle(Handle),
    /// A sweep is done.
    Sweep,
}

/// A request whose answer depends on the store.
#[derive(Debug)]
pub(super) enum Asked {
    Subscribe(Subscribed, SubscriptionRecord),
    /// The same, with the set, whose id was drawn before.
    Draw(Subscribed, SubscriptionRecord),
    /// The subscription is there already: is it the same?
    Confirm(Subscribed, SubscriptionRecord),
    Send(Arriving),
    Acknowledge(Handle),
    Drop(Handle),
    Read,
    Unsubscribe(Target),
}

/// A message whose commit is on its way.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) message: Arc<Message>,
    /// Whose rates it counts for.
    pub(super) parties: Parties,
    /// Whether somebody got it early.
    pub(super) pushed: bool,
    /// [`Accepted::receipt_sealed_by`](super::Accepted::receipt_sealed_by).
    pub(super) receipt_sealed_by: Option<SealingKeyId>,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its response is owed.
    Open,
    /// It is owed, but nobody reads it any more.
    Abandoned,
    /// It is the monitor of this target.
    Monitoring(Target),
}

/// The effects that have not been polled yet, and the books they are made from.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) outputs: VecDeque<Output>,
    pub(super) exchanges: BTreeMap<Exchange, Standing>,
    pub(super) pending: BTreeMap<Ticket, Pending>,
    tickets: u64,
    deliveries: u64,
    pub(super) totals: Totals,
}

impl Effects {
    /// Gives the store a command, and remembers what its answer is for.
    pub(super) fn ask(&mut self, pending: Pending, command: impl FnOnce(Ticket) -> Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.pending.insert(ticket, pending);
        self.outputs.push_back(Output::Store(command(ticket)));
        ticket
    }

    /// Gives the store a batch of one.
    pub(super) fn apply(&mut self, pending: Pending, operation: Operation) {
        self.ask(pending, |ticket| Command::Apply(ticket, vec![operation]));
    }

    /// Gives the store a command that it does not answer.
    pub(super) fn tell(&mut self, command: Command) {
        self.outputs.push_back(Output::Store(command));
    }

    /// Ends an exchange, whoever still listens.
    pub(super) fn respond(&mut self, exchange: Exchange, response: Response) {
        match self.exchanges.remove(&exchange) {
            None => return,
            Some(Standing::Abandoned) => {}
            Some(Standing::Open | Standing::Monitoring(_)) => {
                self.outputs.push_back(Output::Respond(exchange, response));
            }
        }
        self.outputs.push_back(Output::Retire(exchange));
    }

    /// Ends an exchange with a refusal.
    pub(super) fn refuse(&mut self, exchange: Exchange, refusal: Refusal) {
        self.respond(exchange, Response::Refused(refusal));
    }

    /// Hands out a push.
    pub(super) fn push(&mut self, exchange: Exchange, item: Item) -> Delivery {
        self.deliveries += 1;
        match &item {
            Item::Message(_) => self.totals.pushed += 1,
            Item::Receipt(_) => self.totals.receipts += 1,
        }
        let delivery = Delivery(self.deliveries);
        self.outputs.push_back(Output::Push(exchange, delivery, item));
        delivery
    }
}

/// One input being handled.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) now: Now,
    pub(super) limits: &'a Limits,
    pub(super) effects: &'a mut Effects,
}
