//! One monitor: what has been pushed to it, what may be pushed next, and until when (RFC 8030 §6).
//!
//! Two windows. *Credit* is what the connection can take; it comes back when a push was written or reset. The
//! *unacknowledged window* comes back on acknowledgement, reset or timeout. The cursor advances only by pages from the
//! store; what was pushed early, before its position was known, lies beyond it.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use super::{
    Delivery, Exchange, Output, Response, Target, Transfer,
    request::Monitor as Wanted,
    turn::{Pending, Turn},
};
use crate::{
    Handle, Mono, SubscriptionId, UnixTime, Urgency,
    store::{Cause, Command, Entry, Item, Load, Operation, Page, Position, Ticket},
};

/// A push that was handed out.
#[derive(Clone, Copy, Debug)]
struct Sent {
    handle: Handle,
    /// Unknown while an early push waits for its commit; then it lies beyond the cursor.
    position: Option<Position>,
    expires: UnixTime,
    transient: bool,
    /// Ended while it was being written: of no more interest than the credit it gives back.
    ended: bool,
    /// When it counts as undelivered, once it is written.
    timeout: Mono,
}

/// An open monitor.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) exchange: Exchange,
    target: Target,
    urgency: Urgency,
    /// `Prefer: wait=0`: what is stored now, then the end (`8030-6-7`).
    snapshot: bool,
    /// `Prefer: wait`: the peer itself said when to end.
    bounded: bool,
    credit: u32,
    cursor: Position,
    /// The store has, or may have, entries after the cursor.
    behind: bool,
    /// The page it waits for; those that an earlier monitor of the target asked for are not its own.
    loading: Option<Ticket>,
    /// Loaded, but not pushed for want of room; bounded by a page.
    queue: VecDeque<Entry>,
    /// Transient messages that wait for credit, and until it is open; bounded by
    /// [`Limits::transient`](super::Limits::transient).
    transient: VecDeque<Item>,
    writing: BTreeMap<Delivery, Sent>,
    unacknowledged: BTreeMap<Delivery, Sent>,
    /// Transient pushes that were written: nothing waits for their acknowledgement, it is only answered. As many as may
    /// be unacknowledged, the latest.
    passed: BTreeMap<Delivery, Sent>,
    by_handle: BTreeMap<Handle, Delivery>,
    /// When each unacknowledged push counts as undelivered.
    timeouts: BTreeSet<(Mono, Delivery)>,
    /// The lowest position to deliver again at the next reload.
    rewind: Option<Position>,
    reload_at: Mono,
    ends_at: Mono,
    opened: bool,
    pushed: bool,
    /// Body octets of what waits, when it was last counted.
    pub(super) waiting_octets: usize,
    /// Its entry in the table of timers.
    pub(super) wake: Option<Mono>,
}

impl Monitor {
    pub(super) fn new(exchange: Exchange, wanted: &Wanted, turn: &Turn<'_>) -> Self {
        let longest = turn.limits.monitor;
        let wait =
            wanted.wait.filter(|wait| *wait > Duration::ZERO).map_or(longest, |wait| wait.min(longest));
        Self {
            exchange,
            target: wanted.target,
            urgency: wanted.urgency,
            snapshot: wanted.wait == Some(Duration::ZERO),
            bounded: wanted.wait.is_some(),
            credit: 0,
            cursor: Position::START,
            behind: true,
            loading: None,
            queue: VecDeque::new(),
            transient: VecDeque::new(),
            writing: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            passed: BTreeMap::new(),
            by_handle: BTreeMap::new(),
            timeouts: BTreeSet::new(),
            rewind: None,
            reload_at: turn.now.mono.after(turn.limits.reload),
            ends_at: turn.now.mono.after(wait),
            opened: wanted.wait == Some(Duration::ZERO),
            pushed: false,
            waiting_octets: 0,
            wake: None,
        }
    }

    /// The response that ends it in good order: 200, or 204 if its peer set a bound and nothing came (`8030-6-8`).
    pub(super) const fn end(&self, taken_over: bool) -> Response {
        Response::MonitorEnded { empty: self.bounded && !self.pushed, taken_over }
    }

    /// The connection can take `more` pushes.
    pub(super) const fn grant(&mut self, more: u32) {
        self.credit = self.credit.saturating_add(more);
    }

    /// The store has something new.
    pub(super) const fn mark_behind(&mut self) {
        self.behind = self.behind || !self.snapshot;
    }

    /// Pushes a message that is not committed yet, if nothing is before it in line. Whether it did.
    pub(super) fn push_early(&mut self, item: &Item, turn: &mut Turn<'_>) -> bool {
        let current = !self.snapshot && !self.behind && self.loading.is_none() && self.queue.is_empty();
        if !current || !self.wants(item, turn) || self.room(turn) == 0 {
            return false;
        }
        self.push(item.clone(), None, turn);
        true
    }

    /// Takes a transient message, to be pushed now or when there is credit. Whether it did. Once: hints may be repeated.
    pub(super) fn push_transient(&mut self, item: &Item, turn: &mut Turn<'_>) -> bool {
        let handle = item.handle();
        if self.by_handle.contains_key(&handle) || self.transient.iter().any(|item| item.handle() == handle) {
            return true;
        }
        if self.snapshot || !self.wants(item, turn) || self.transient.len() >= turn.limits.transient {
            return false;
        }
        self.transient.push_back(item.clone());
        true
    }

    /// A message was committed at `position`: remember where, or load it if it was not pushed early.
    pub(super) fn stored(&mut self, item: &Item, position: Position, turn: &Turn<'_>) {
        if !self.locate(&item.handle(), position) && self.wants(item, turn) {
            self.mark_behind();
        }
    }

    /// A page has come, and its records have the target.
    pub(super) fn loaded(&mut self, ticket: Ticket, page: &mut Page, turn: &mut Turn<'_>) {
        if !core::mem::replace(&mut self.opened, true) {
            turn.effects.outputs.push_back(Output::Opened(self.exchange));
        }
        if self.loading != Some(ticket) {
            return;
        }
        self.loading = None;
        self.cursor = self.cursor.max(page.through);
        self.behind = self.behind || page.more;
        for entry in page.entries.drain(..) {
            if !self.locate(&entry.item.handle(), entry.position) {
                self.queue.push_back(entry);
            }
        }
    }

    /// What became of a push. A receipt that was written is delivered (design: receipts are not acknowledged).
    ///
    /// `false` if the peer takes no pushes at all.
    pub(super) fn transferred(
        &mut self,
        delivery: Delivery,
        transfer: Transfer,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(sent) = self.writing.remove(&delivery) else { return true };
        self.credit = self.credit.saturating_add(1);
        if sent.ended {
            return transfer != Transfer::Unsupported;
        }
        match transfer {
            Transfer::Written if matches!(self.target, Target::Receipts(_)) => {
                self.unacknowledged.insert(delivery, sent);
                let settle = Operation::End(sent.handle, Cause::Acknowledged);
                turn.effects.apply(Pending::Settle(sent.handle), settle);
            }
            Transfer::Written if self.snapshot => {
                self.by_handle.remove(&sent.handle);
            }
            Transfer::Written if sent.transient => self.pass(delivery, sent, turn),
            Transfer::Written => {
                let timeout = turn.now.mono.after(turn.limits.acknowledgement);
                self.unacknowledged.insert(delivery, Sent { timeout, ..sent });
                self.timeouts.insert((timeout, delivery));
            }
            // Not at once: a peer that refuses what it is pushed would be hammered with it.
            Transfer::Reset | Transfer::Unsupported => {
                self.lapse(&sent, turn.now.mono.after(turn.limits.acknowledgement));
            }
        }
        transfer != Transfer::Unsupported
    }

    /// An entry has ended: it is not pushed any more.
    pub(super) fn ended(&mut self, handle: &Handle, turn: &mut Turn<'_>) {
        self.queue.retain(|entry| entry.item.handle() != *handle);
        self.transient.retain(|item| item.handle() != *handle);
        let Some(delivery) = self.by_handle.remove(handle) else { return };
        self.passed.remove(&delivery);
        if let Some(sent) = self.unacknowledged.remove(&delivery) {
            self.timeouts.remove(&(sent.timeout, delivery));
        }
        if let Some(sent) = self.writing.get_mut(&delivery) {
            sent.ended = true;
            turn.effects.outputs.push_back(Output::Retract(self.exchange, delivery));
        }
    }

    /// Whether a transient message with this handle was pushed here and has not ended.
    pub(super) fn holds_transient(&self, handle: &Handle) -> bool {
        let Some(delivery) = self.by_handle.get(handle) else { return false };
        let writing = self.writing.get(delivery).is_some_and(|sent| sent.transient);
        writing || self.passed.contains_key(delivery)
    }

    /// A member of the monitored set has gone: nothing of it is pushed any more (`8030-7.3.1-4`).
    pub(super) fn member_gone(&mut self, member: SubscriptionId, turn: &mut Turn<'_>) {
        let sent = self.by_handle.keys().copied();
        let queued = self.queue.iter().map(|entry| entry.item.handle());
        let transient = self.transient.iter().map(Item::handle);
        let of_member = |handle: &Handle| handle.subscription == member;
        let gone: Vec<_> = sent.chain(queued).chain(transient).filter(of_member).collect();
        for handle in gone {
            self.ended(&handle, turn);
        }
    }

    /// Takes back whatever is still under way: once the monitor has ended, nobody would stop it when its message ends.
    pub(super) fn retract_all(&self, turn: &mut Turn<'_>) {
        let under_way = self.writing.iter().filter(|(_, sent)| !sent.ended);
        let retract = under_way.map(|(delivery, _)| Output::Retract(self.exchange, *delivery));
        turn.effects.outputs.extend(retract);
    }

    /// Lets time pass. Whether the monitor has reached its end.
    pub(super) fn elapse(&mut self, turn: &mut Turn<'_>) -> bool {
        let now = turn.now;
        while let Some((_, delivery)) = self.timeouts.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.timeouts.pop_first();
            if let Some(sent) = self.unacknowledged.remove(&delivery) {
                self.lapse(&sent, now.mono);
            }
        }
        self.expire(turn);
        if self.reload_at <= now.mono {
            self.reload_at = now.mono.after(turn.limits.reload);
            if let Some(Position(lowest)) = self.rewind.take() {
                self.cursor = self.cursor.min(Position(lowest.saturating_sub(1)));
                // A page that is on its way is of after the old cursor.
                self.loading = None;
            }
            self.mark_behind();
        }
        self.ends_at <= now.mono
    }

    /// Takes back what expired before it was written (`8030-5.2-8`).
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) {
        let wall = turn.now.wall;
        let late: Vec<_> =
            self.writing.values().filter(|sent| sent.is_late(wall)).map(|sent| sent.handle).collect();
        for handle in late {
            self.ended(&handle, turn);
        }
    }

    /// Pushes what there is room for and asks the store for more. Whether a snapshot is complete.
    pub(super) fn fill(&mut self, turn: &mut Turn<'_>) -> bool {
        // Who has not been told that it monitors expects nothing yet: Firefox would drop it.
        while self.opened && self.credit > 0 {
            let Some(item) = self.transient.pop_front() else { break };
            if self.wants(&item, turn) {
                self.push(item, None, turn);
            }
        }
        while self.room(turn) > 0 {
            let Some(entry) = self.queue.pop_front() else { break };
            if self.wants(&entry.item, turn) {
                self.push(entry.item, Some(entry.position), turn);
            }
        }
        if self.behind && self.loading.is_none() && self.queue.is_empty() && self.room(turn) > 0 {
            self.load(self.room(turn), turn);
        }
        self.snapshot
            && !self.behind
            && self.loading.is_none()
            && self.queue.is_empty()
            && self.writing.is_empty()
    }

    /// Asks for the first page, credit or not: its records say whether the target exists.
    pub(super) fn open(&mut self, turn: &mut Turn<'_>) {
        if self.loading.is_none() {
            self.load(self.room(turn).max(1), turn);
        }
    }

    /// Counts the body octets of what waits. There is little of it: see the bounds of `queue` and `transient`.
    pub(super) fn count(&mut self) -> usize {
        let queued = self.queue.iter().map(|entry| &entry.item);
        self.waiting_octets = queued.chain(&self.transient).map(Item::body_octets).sum();
        self.waiting_octets
    }

    /// The next time at which [`Monitor::elapse`] has something to do.
    pub(super) fn next_wake(&self, turn: &Turn<'_>) -> Mono {
        let timeout = self.timeouts.first().map(|(at, _)| *at);
        let expiring = self.writing.values().filter(|sent| !sent.transient && !sent.ended);
        let expiry = expiring.map(|sent| sent.expires).min();
        let expiry = expiry.map(|at| {
            let secs = at.as_secs().saturating_sub(turn.now.wall.as_secs());
            turn.now.mono.after(Duration::from_secs(secs))
        });
        let fixed = self.ends_at.min(self.reload_at);
        timeout.into_iter().chain(expiry).fold(fixed, Mono::min)
    }

    fn load(&mut self, room: usize, turn: &mut Turn<'_>) {
        self.behind = false;
        let limit = u32::try_from(room).unwrap_or(u32::MAX).min(turn.limits.page_entries);
        let load = Load { agent: self.target.agent(), after: self.cursor, limit };
        let ticket = turn.effects.ask(Pending::Load(self.target), |ticket| Command::Load(ticket, load));
        self.loading = Some(ticket);
    }

    fn push(&mut self, item: Item, position: Option<Position>, turn: &mut Turn<'_>) {
        let handle = item.handle();
        let transient = matches!(&item, Item::Message(message) if message.is_transient());
        let sent =
            Sent { handle, position, expires: item.expires(), transient, ended: false, timeout: Mono::ZERO };
        let delivery = turn.effects.push(self.exchange, item);
        self.credit = self.credit.saturating_sub(1);
        self.writing.insert(delivery, sent);
        self.by_handle.insert(handle, delivery);
        self.pushed = true;
    }

    /// Whether an entry is for this monitor at all: of its subscription, urgent enough (`8030-5.3-5`), not expired
    /// (`8030-5.2-8`).
    fn wants(&self, item: &Item, turn: &Turn<'_>) -> bool {
        let Item::Message(message) = item else { return item.expires() > turn.now.wall };
        let ours = match self.target {
            Target::Set(_) => true,
            Target::Subscription(_, subscription) => subscription == message.handle.subscription,
            Target::Receipts(_) => false,
        };
        let grace = if message.is_transient() { turn.limits.transient_secs } else { 0 };
        let live = message.expires.saturating_add_secs(grace) > turn.now.wall;
        ours && live && message.urgency >= self.urgency
    }

    /// How many more pushes both windows allow; a snapshot obeys the first only.
    fn room(&self, turn: &Turn<'_>) -> usize {
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        if self.snapshot {
            return credit;
        }
        let window = turn.limits.unacknowledged;
        credit.min(window.saturating_sub(self.unacknowledged.len() + self.writing.len()))
    }

    /// Notes where an entry lies that was pushed already. Whether it was.
    fn locate(&mut self, handle: &Handle, position: Position) -> bool {
        let Some(delivery) = self.by_handle.get(handle) else {
            return self.queue.iter().any(|entry| entry.item.handle() == *handle);
        };
        let sent = self.writing.get_mut(delivery).or_else(|| self.unacknowledged.get_mut(delivery));
        if let Some(sent) = sent {
            sent.position = Some(position);
        }
        true
    }

    /// A transient push was written.
    fn pass(&mut self, delivery: Delivery, sent: Sent, turn: &Turn<'_>) {
        self.passed.insert(delivery, sent);
        if self.passed.len() > turn.limits.unacknowledged
            && let Some((_, oldest)) = self.passed.pop_first()
        {
            self.by_handle.remove(&oldest.handle);
        }
    }

    /// A push counts as undelivered: it is loaded again (`8030-6.2-4`) at `again`, unless it was transient.
    fn lapse(&mut self, sent: &Sent, again: Mono) {
        self.by_handle.remove(&sent.handle);
        if sent.transient {
            return;
        }
        if let Some(position) = sent.position {
            self.rewind = Some(self.rewind.map_or(position, |lowest| lowest.min(position)));
        }
        self.reload_at = self.reload_at.min(again);
    }
}

impl Sent {
    fn is_late(&self, wall: UnixTime) -> bool {
        !self.transient && !self.ended && self.expires <= wall
    }
}
