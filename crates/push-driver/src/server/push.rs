//! One push on its way, whatever carries it: reported once, and counted as long as it is there.

use push_proto::{
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
}

impl Push {
    /// A push that has not been reported.
    pub(super) fn new(exchange: Exchange, delivery: Delivery, mailbox: Mailbox, item: &Item) -> Self {
        let octets = octets(item);
        mailbox.tally.push_begins(octets);
        Self { exchange, delivery, mailbox, octets }
    }

    /// What its body takes.
    pub(super) const fn octets(&self) -> usize {
        self.octets
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
