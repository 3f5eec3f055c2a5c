//! The pushes of one connection: in order, within limits, each ending in exactly one report.
//!
//! Plain data: what is written and when is for the connection. A push counts as unfinished from its promise until its
//! last frame was *written to the transport*, or it was reset. Only that keeps us below the peer's
//! `MAX_CONCURRENT_STREAMS` in h2's own books as well, and bounds what h2 buffers for a peer that does not read: a
//! peer that resets a push which h2 holds back for want of a stream kills its whole connection.

use std::collections::{BTreeMap, VecDeque};

use push_proto::{
    service::{Delivery, Exchange, Transfer},
    store::Item,
};

use crate::{Limits, server::push::Push};

/// What waits to be pushed and what is under way. Dropped, it reports all of it as reset.
pub(super) struct Pushes {
    waiting: VecDeque<(Push, Item)>,
    /// By the stream promised.
    unfinished: BTreeMap<u32, Push>,
    octets: usize,
    unfinished_max: usize,
    octets_max: usize,
}

impl Pushes {
    /// None.
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            waiting: VecDeque::new(),
            unfinished: BTreeMap::new(),
            octets: 0,
            unfinished_max: limits.pushes,
            octets_max: limits.push_octets,
        }
    }

    /// Puts a push behind all others. Its monitor's credit is what bounds this.
    pub(super) fn wait(&mut self, push: Push, item: Item) {
        self.waiting.push_back((push, item));
    }

    /// The next push that may be promised to a peer that allows `streams` at once: of this monitor, if one is named.
    pub(super) fn next(&mut self, streams: usize, of: Option<Exchange>) -> Option<(Push, Item)> {
        let wanted = |(push, _): &(Push, Item)| of.is_none_or(|of| push.exchange == of);
        let at = self.waiting.iter().position(wanted)?;
        let (push, _) = self.waiting.get(at)?;
        let fits = self.unfinished.is_empty() || self.octets.saturating_add(push.octets()) <= self.octets_max;
        if !fits || self.unfinished.len() >= streams.min(self.unfinished_max) {
            return None;
        }
        self.waiting.remove(at)
    }

    /// A push was promised on this stream and handed to h2 whole.
    pub(super) fn begin(&mut self, stream: u32, push: Push) {
        self.octets = self.octets.saturating_add(push.octets());
        self.unfinished.insert(stream, push);
    }

    /// A stream has ended; says whether it was one of these.
    pub(super) fn end(&mut self, stream: u32, transfer: Transfer) -> bool {
        let Some(push) = self.unfinished.remove(&stream) else { return false };
        self.octets = self.octets.saturating_sub(push.octets());
        push.report(transfer);
        true
    }

    /// The stream of a push that is under way.
    pub(super) fn stream(&self, exchange: Exchange, delivery: Delivery) -> Option<u32> {
        let found = |push: &Push| push.exchange == exchange && push.delivery == delivery;
        self.unfinished.iter().find(|(_, push)| found(push)).map(|(stream, _)| *stream)
    }

    /// The streams of all pushes of a monitor that are under way.
    pub(super) fn streams(&self, exchange: Exchange) -> impl Iterator<Item = u32> + use<'_> {
        self.unfinished.iter().filter(move |(_, push)| push.exchange == exchange).map(|(stream, _)| *stream)
    }

    /// Drops a push that waits.
    pub(super) fn retract(&mut self, exchange: Exchange, delivery: Delivery) {
        self.report_waiting(Transfer::Reset, |push| push.exchange == exchange && push.delivery == delivery);
    }

    /// Drops what waits for a monitor that has gone.
    pub(super) fn abandon(&mut self, exchange: Exchange) {
        self.report_waiting(Transfer::Reset, |push| push.exchange == exchange);
    }

    /// The peer takes no pushes: nothing that waits will be pushed.
    pub(super) fn refuse_all(&mut self) {
        self.report_waiting(Transfer::Unsupported, |_| true);
    }

    /// Whether anything waits for this monitor.
    pub(super) fn waits(&self, exchange: Exchange) -> bool {
        self.waiting.iter().any(|(push, _)| push.exchange == exchange)
    }

    /// Whether anything waits.
    pub(super) fn any_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn report_waiting(&mut self, transfer: Transfer, which: impl Fn(&Push) -> bool) {
        for (push, item) in std::mem::take(&mut self.waiting) {
            if which(&push) {
                push.report(transfer);
            } else {
                self.waiting.push_back((push, item));
            }
        }
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.report_waiting(Transfer::Reset, |_| true);
        for (_, push) in std::mem::take(&mut self.unfinished) {
            push.report(Transfer::Reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use push_proto::{
        AgentId, Content, Handle, Message, MessageId, Slot, SubscriptionId, UnixTime, Urgency, service::Input,
    };
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::server::{
        mailbox::{Letter, Mailbox},
        memory::{Memory, Room},
    };

    const MONITOR: Exchange = Exchange { origin: 0, number: 1 };
    const OTHER: Exchange = Exchange { origin: 0, number: 2 };

    fn message(octets: usize) -> Item {
        let handle = Handle {
            agent: AgentId::from_octets([0; 16]),
            subscription: SubscriptionId::from_octets([0; 16]),
            slot: Slot::from_octets([0; 16]),
            id: MessageId::from_octets([0; 16]),
        };
        Item::Message(Arc::new(Message {
            handle,
            accepted: UnixTime::from_secs(0),
            expires: UnixTime::from_secs(1),
            urgency: Urgency::Normal,
            receipt: None,
            sealed_by: push_proto::SealingKeyId::from_u8(0),
            content: Content { body: Bytes::from(vec![0; octets]), ..Content::default() },
        }))
    }

    fn pushes(limits: &Limits) -> (Pushes, Mailbox, UnboundedReceiver<Letter>) {
        let (mailbox, letters) = Mailbox::new(limits, Arc::new(tokio::sync::watch::Sender::new(true)));
        (Pushes::new(limits), mailbox, letters)
    }

    fn push(exchange: Exchange, delivery: u64, mailbox: &Mailbox, item: &Item) -> Push {
        let limits = Limits::default();
        let memory = Memory::new(Room::new(&limits), limits.retry_after, Arc::clone(&mailbox.tally));
        Push::new(exchange, Delivery(delivery), mailbox.clone(), item, memory.open().account())
    }

    fn reports(letters: &mut UnboundedReceiver<Letter>) -> Vec<(u64, Transfer)> {
        std::iter::from_fn(|| letters.try_recv().ok())
            .filter_map(|letter| {
                let Letter::Reply(Input::Pushed(_, delivery, transfer)) = letter else { return None };
                Some((delivery.0, transfer))
            })
            .collect()
    }

    #[test]
    fn never_more_unfinished_than_the_peer_or_we_allow() {
        for (streams, own, expected) in [(1, 64, 1), (3, 64, 3), (usize::MAX, 2, 2), (0, 64, 0)] {
            let limits = Limits { pushes: own, ..Limits::default() };
            let (mut pushes, mailbox, _letters) = pushes(&limits);
            for delivery in 0..8 {
                let item = message(1);
                pushes.wait(push(MONITOR, delivery, &mailbox, &item), item);
            }
            let mut begun = 0;
            while let Some((push, _)) = pushes.next(streams, None) {
                begun += 1;
                pushes.begin(2 * begun, push);
            }
            assert_eq!(begun, expected);
            if expected > 0 {
                assert!(pushes.end(2, Transfer::Written));
                let (push, _) = pushes.next(streams, None).unwrap();
                assert_eq!(push.delivery, Delivery(u64::from(expected)), "in order");
            }
        }
    }

    #[test]
    fn one_monitor_may_go_before_the_others() {
        let (mut pushes, mailbox, _letters) = pushes(&Limits::default());
        for (delivery, exchange) in [(0, MONITOR), (1, OTHER), (2, MONITOR), (3, OTHER)] {
            let item = message(1);
            pushes.wait(push(exchange, delivery, &mailbox, &item), item);
        }
        let order = [Some(OTHER), Some(OTHER), None, Some(OTHER), None].map(|of| {
            let (push, _) = pushes.next(8, of)?;
            Some(push.delivery.0)
        });
        assert_eq!(order, [Some(1), Some(3), Some(0), None, Some(2)]);
    }

    #[test]
    fn octets_in_flight_are_bounded_but_one_always_fits() {
        let limits = Limits { push_octets: 10, ..Limits::default() };
        let (mut pushes, mailbox, _letters) = pushes(&limits);
        for (delivery, octets) in [(0, 100), (1, 4), (2, 6), (3, 1)] {
            let item = message(octets);
            pushes.wait(push(MONITOR, delivery, &mailbox, &item), item);
        }
        let (push, _) = pushes.next(8, None).unwrap();
        pushes.begin(2, push);
        assert!(pushes.next(8, None).is_none());
        pushes.end(2, Transfer::Written);
        for stream in [4, 6] {
            let (push, _) = pushes.next(8, None).unwrap();
            pushes.begin(stream, push);
        }
        assert!(pushes.next(8, None).is_none());
    }

    #[test]
    fn each_push_is_reported_once() {
        let limits = Limits::default();
        let (mut pushes, mailbox, mut letters) = pushes(&limits);
        for (delivery, exchange) in
            [(0, MONITOR), (1, MONITOR), (2, MONITOR), (3, OTHER), (4, OTHER), (5, MONITOR)]
        {
            let item = message(1);
            pushes.wait(push(exchange, delivery, &mailbox, &item), item);
        }
        for stream in [2, 4] {
            let (push, _) = pushes.next(8, None).unwrap();
            pushes.begin(stream, push);
        }
        assert_eq!(pushes.stream(MONITOR, Delivery(1)), Some(4));
        assert!(pushes.streams(MONITOR).eq([2, 4]) && pushes.streams(OTHER).next().is_none());
        assert!(pushes.end(2, Transfer::Written));
        assert!(!pushes.end(2, Transfer::Reset));
        pushes.retract(MONITOR, Delivery(2));
        assert_eq!(reports(&mut letters), [(0, Transfer::Written), (2, Transfer::Reset)]);
        pushes.abandon(OTHER);
        assert!(pushes.waits(MONITOR) && !pushes.waits(OTHER));
        assert_eq!(reports(&mut letters), [(3, Transfer::Reset), (4, Transfer::Reset)]);
        pushes.refuse_all();
        drop(pushes);
        assert_eq!(reports(&mut letters), [(5, Transfer::Unsupported), (1, Transfer::Reset)]);
    }
}
