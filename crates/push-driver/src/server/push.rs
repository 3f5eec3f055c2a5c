//! One push on its way, whatever carries it: reported once, and counted as long as it is there.

use std::rc::Rc;

use push_proto::{
    UnixTime,
    service::{Delivery, Exchange, Transfer},
    store::Item,
};

use super::{
    census::Kind,
    mailbox::Mailbox,
    memory::{Account, Unread},
};

/// One push, and whom to report to.
pub(super) struct Push {
    pub(super) exchange: Exchange,
    pub(super) delivery: Delivery,
    mailbox: Mailbox,
    body: Unread,
    /// The first second at which it is not to be promised any more (G2); never for what is transient, which the service
    /// takes back by itself.
    expires: Option<UnixTime>,
}

impl Push {
    /// A push that has not been reported, held by the connection of that account.
    pub(super) fn new(
        exchange: Exchange,
        delivery: Delivery,
        mailbox: Mailbox,
        item: &Item,
        account: &Rc<Account>,
    ) -> Self {
        mailbox.tally.push_begins();
        let transient = matches!(item, Item::Message(message) if message.is_transient());
        let body = account.hold(Kind::Push, item.body_octets());
        Self { exchange, delivery, mailbox, body, expires: (!transient).then(|| item.expires()) }
    }

    /// What its body takes.
    pub(super) const fn octets(&self) -> usize {
        self.body.octets()
    }

    /// Whether its time is over. The service wakes up for that by whole seconds, so it may not have taken it back.
    pub(super) fn is_late(&self, now: UnixTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Says what became of it, which gives the monitor the credit back.
    pub(super) fn report(self, transfer: Transfer) {
        self.mailbox.pushed(self.exchange, self.delivery, transfer);
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.mailbox.tally.push_ends();
    }
}
