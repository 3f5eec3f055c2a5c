//! One push on its way, whatever carries it: reported once, and counted as long as it is there.

use push_proto::{
    UnixTime,
    service::{Delivery, Exchange, Transfer},
    store::Item,
};

use super::mailbox::Mailbox;

/// One push, and whom to report to.
pub(super) struct Push {
    pub(super) exchange: Exchange,
    pub(super) delivery: Delivery,
    mailbox: Mailbox,
    /// What its body takes.
    octets: usize,
    /// The first second at which it is not to be promised any more (G2); never for what is transient, which the service
    /// takes back by itself.
    expires: Option<UnixTime>,
}

impl Push {
    /// A push that has not been reported.
    pub(super) fn new(exchange: Exchange, delivery: Delivery, mailbox: Mailbox, item: &Item) -> Self {
        let octets = octets(item);
        mailbox.tally.push_begins(octets);
        let transient = matches!(item, Item::Message(message) if message.is_transient());
        Self { exchange, delivery, mailbox, octets, expires: (!transient).then(|| item.expires()) }
    }

    /// What its body takes.
    pub(super) const fn octets(&self) -> usize {
        self.octets
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
        self.mailbox.tally.push_ends(self.octets);
    }
}

/// What an item's body takes.
fn octets(item: &Item) -> usize {
    match item {
        Item::Message(message) => message.content.body.len(),
        Item::Receipt(_) => 0,
    }
}
