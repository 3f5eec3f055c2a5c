//! Accepting messages (RFC 8030 §5): the 201 waits until the message is durable, the push does not.

use alloc::sync::Arc;

use super::{
    Accepted, Exchange, ReceiptRequest, Response, Send, Service,
    rates::Parties,
    turn::{Arriving, Asked, Pending},
};
use crate::{
    AgentId, Handle, Message, MessageId, Now, Refusal, Slot, Ttl,
    store::{Command, Completion, Credentials, Done, Operation, Placed, Put, Unmet},
};

impl Service {
    /// Takes a message on its way: pushes it early where its subscription is known and monitored, and gives it to the
    /// store.
    pub(super) fn accept(&mut self, exchange: Exchange, send: Send, now: Now) {
        let parties = Parties::of(&send);
        let id = MessageId::from_octets(self.entropy.id());
        let slot = send.topic.unwrap_or_else(|| Slot::from_octets(self.entropy.id()));
        let handle = Handle { agent: send.agent, subscription: send.subscription, slot, id };
        let ttl = send.ttl.min(self.config.limits.ttl);
        let (receipt, receipt_sealed_by) = match send.receipt {
            ReceiptRequest::No => (None, None),
            ReceiptRequest::New => (Some(AgentId::from_octets(self.entropy.id())), None),
            ReceiptRequest::On(named) => (Some(named.agent), Some(named.sealed_by)),
        };
        let message = Arc::new(Message {
            handle,
            sealed_by: send.sealed_by,
            accepted: now.wall,
            expires: now.wall.saturating_add_secs(u64::from(ttl.as_secs())),
            urgency: send.urgency,
            receipt,
            content: send.content,
        });
        let sender = send.sender.as_ref().map(|verified| *verified.key());
        let (watched, mut turn) = self.turn(now);
        let pushed = watched.push_early(&message, sender.as_ref(), &mut turn);
        let new_receipt_subscription = send.receipt == ReceiptRequest::New;
        let put = Put { message: Arc::clone(&message), sender, new_receipt_subscription };
        let arriving = Arriving { message, parties, pushed, receipt_sealed_by };
        self.effects.apply(Pending::Asked(exchange, Asked::Send(arriving)), Operation::Put(put));
    }

    /// The store has decided on a message.
    pub(super) fn placed(
        &mut self,
        exchange: Exchange,
        Arriving { message, parties, pushed, receipt_sealed_by }: &Arriving,
        completion: Completion,
        now: Now,
    ) {
        let Completion::Applied(_, results) = completion else {
            // Whether it is durable is unknown, so an early push of it stays.
            return self.store_failed(exchange);
        };
        match results.first() {
            Some(Ok(Done::Put(placed))) => {
                self.announce(message, *pushed, placed, now);
                let secs = message.expires.as_secs().saturating_sub(message.accepted.as_secs());
                let ttl = Ttl::from_secs(u32::try_from(secs).unwrap_or(u32::MAX));
                let accepted = Accepted {
                    handle: message.handle,
                    sealed_by: message.sealed_by,
                    ttl,
                    receipt: message.receipt,
                    receipt_sealed_by: *receipt_sealed_by,
                };
                self.effects.respond(exchange, Response::Accepted(accepted));
            }
            Some(Err(unmet)) => {
                let refusal = self.refused_put(*unmet);
                self.rates.spare_receiver(parties);
                if !is_senders_fault(*unmet) {
                    self.rates.spare_sender(parties);
                }
                let (watched, mut turn) = self.turn(now);
                watched.ended(&message.handle, &mut turn);
                self.effects.refuse(exchange, refusal);
            }
            Some(Ok(Done::Created | Done::Ended | Done::Closed)) | None => self.store_failed(exchange),
        }
    }

    /// Tells the monitors what an accepted message means to them.
    fn announce(&mut self, message: &Arc<Message>, pushed: bool, placed: &Placed, now: Now) {
        let handle = message.handle;
        let totals = &mut self.effects.totals;
        totals.replaced += u64::from(placed.replaced.is_some());
        totals.dropped =
            totals.dropped.saturating_add(u64::try_from(placed.dropped.len()).unwrap_or(u64::MAX));
        *if placed.position.is_some() { &mut totals.stored } else { &mut totals.transient } += 1;
        let (watched, mut turn) = self.turn(now);
        if let Some(id) = placed.replaced {
            watched.ended(&Handle { id, ..handle }, &mut turn);
        }
        for dropped in &placed.dropped {
            watched.ended(dropped, &mut turn);
        }
        if let Some(position) = placed.position {
            watched.stored(message, position, &mut turn);
        } else if !pushed && !watched.push_now(message, &mut turn) {
            turn.effects.tell(Command::Offer(Arc::clone(message)));
        }
    }

    fn refused_put(&self, unmet: Unmet) -> Refusal {
        let retry = self.config.limits.retry_after;
        match unmet {
            Unmet::NoAgent | Unmet::NoSubscription => Refusal::NOT_FOUND,
            Unmet::Credentials(Credentials::Missing) => Refusal::CREDENTIALS_MISSING,
            Unmet::Credentials(Credentials::Different) => Refusal::CREDENTIALS_DIFFERENT,
            Unmet::NoReceiptSubscription => Refusal::RECEIPT_INVALID,
            Unmet::Full => Refusal::QUEUE_FULL.retry_in(retry),
            Unmet::Crowded => Refusal::CROWDED.retry_in(retry),
            Unmet::Exists | Unmet::NotLive => Refusal::OVERLOADED.retry_in(retry),
        }
    }
}

/// Whether a message was refused for what its sender asked, rather than for want of room.
const fn is_senders_fault(unmet: Unmet) -> bool {
    match unmet {
        Unmet::NoAgent | Unmet::NoSubscription | Unmet::Credentials(_) | Unmet::NoReceiptSubscription => true,
        Unmet::Full | Unmet::Crowded | Unmet::Exists | Unmet::NotLive => false,
    }
}
