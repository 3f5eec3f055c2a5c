//! Receipts that are owed to us, and the receipt subscriptions they come on (RFC 8030 §5.1, §6.3).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use super::{
    Sender,
    input::{JobId, PushedReceipt, Response},
    limits::Limits,
    output::{Output, Receipt, ReceiptOutcome, Request},
};
use crate::{
    Mono, Now, Origin, PushUrl, Via,
    user_agent::{Answer, Failure, RequestId, Task},
};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    awaited: BTreeMap<PushUrl, Awaited>,
    deadlines: BTreeSet<(Mono, PushUrl)>,
    /// Receipts that overtook the 202 which names their message.
    early: BTreeMap<PushUrl, ReceiptOutcome>,
    subscriptions: BTreeMap<PushUrl, Subscription>,
    /// What each monitor is or was of: a receipt may be complete only after its monitor's end.
    monitored: BTreeMap<RequestId, PushUrl>,
}

#[derive(Debug)]
struct Awaited {
    job: JobId,
    subscription: PushUrl,
    until: Mono,
}

#[derive(Debug, Default)]
struct Subscription {
    monitor: Task,
    via: Via,
    started: Mono,
    /// Messages that wait for a receipt on it.
    awaited: usize,
}

/// A message that was accepted with a receipt.
pub(super) struct Promised {
    pub(super) job: JobId,
    pub(super) message: PushUrl,
    pub(super) subscription: PushUrl,
    pub(super) until: Mono,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    /// Whether a receipt is awaited from that push service.
    pub(super) fn awaits(&self, origin: &Origin) -> bool {
        let here = |(url, subscription): (&PushUrl, &Subscription)| {
            url.origin() == *origin && subscription.awaited > 0
        };
        self.subscriptions.iter().any(here)
    }

    /// Whether another message can be awaited on that subscription.
    pub(super) fn has_room(&self, subscription: &PushUrl, limits: &Limits) -> bool {
        let known = self.subscriptions.contains_key(subscription);
        let here = || self.subscriptions.keys().filter(|url| url.origin() == subscription.origin()).count();
        self.awaited.len() < limits.receipts && (known || here() < limits.receipt_subscriptions)
    }

    /// Awaits a receipt; gives those that are settled by that.
    fn promise(&mut self, promised: Promised) -> Vec<Receipt> {
        let Promised { job, message, subscription, until } = promised;
        let mut settled: Vec<_> = self.settle(&message, ReceiptOutcome::Unknown).into_iter().collect();
        self.subscriptions.entry(subscription.clone()).or_default().awaited += 1;
        self.deadlines.insert((until, message.clone()));
        self.awaited.insert(message.clone(), Awaited { job, subscription, until });
        if let Some(outcome) = self.early.remove(&message) {
            settled.extend(self.settle(&message, outcome));
        }
        settled
    }

    fn settle(&mut self, message: &PushUrl, outcome: ReceiptOutcome) -> Option<Receipt> {
        let awaited = self.awaited.remove(message)?;
        self.deadlines.remove(&(awaited.until, message.clone()));
        if let Some(subscription) = self.subscriptions.get_mut(&awaited.subscription) {
            subscription.awaited = subscription.awaited.saturating_sub(1);
        }
        Some(Receipt { job: awaited.job, message: message.clone(), outcome })
    }

    /// The next message that is not worth waiting for any longer.
    fn overdue(&self, now: Now) -> Option<PushUrl> {
        self.deadlines.first().filter(|(until, _)| *until <= now.mono).map(|(_, message)| message.clone())
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        let wanted = self.subscriptions.values().filter(|subscription| subscription.awaited > 0);
        wanted.filter_map(|subscription| subscription.monitor.wakes(now)).min()
    }

    /// A subscription that should be monitored and is not.
    fn unmonitored(&self, now: Now) -> Option<PushUrl> {
        let due = |subscription: &Subscription| subscription.awaited > 0 && subscription.monitor.is_due(now);
        self.subscriptions.iter().find(|(_, subscription)| due(subscription)).map(|(url, _)| url.clone())
    }

    fn monitoring(&mut self, id: RequestId, url: &PushUrl, now: Now) -> Via {
        let mut via = Via::default();
        if let Some(subscription) = self.subscriptions.get_mut(url) {
            subscription.monitor.request = Some(id);
            subscription.started = now.mono;
            via = subscription.via;
        }
        self.monitored.insert(id, url.clone());
        let open =
            |url: &PushUrl| self.subscriptions.get(url).and_then(|subscription| subscription.monitor.request);
        let ended = self.monitored.iter().filter(|(id, url)| open(url) != Some(**id));
        let (count, first) = (ended.clone().count(), ended.map(|(id, _)| *id).next());
        if let Some(first) = first.filter(|_| count > ENDED_MONITORS) {
            self.monitored.remove(&first);
        }
        via
    }

    fn messages_on(&self, subscription: &PushUrl) -> Vec<PushUrl> {
        let on = |(message, awaited): (&PushUrl, &Awaited)| {
            (awaited.subscription == *subscription).then(|| message.clone())
        };
        self.awaited.iter().filter_map(on).collect()
    }
}

impl Sender {
    pub(super) fn promised(&mut self, promised: Promised) {
        self.keep_receipts(&promised.subscription);
        let settled = self.ledger.promise(promised);
        self.outputs.extend(settled.into_iter().map(Output::Receipt));
    }

    pub(super) fn receipt(&mut self, monitor: RequestId, pushed: &PushedReceipt) {
        let Some(subscription) = self.ledger.monitored.get(&monitor) else { return };
        let outcome = match pushed.status {
            204 => ReceiptOutcome::Delivered,
            410 => ReceiptOutcome::Failed,
            _ => return,
        };
        let Some(message) = pushed.message.resolve_at_home(subscription) else { return };
        if self.ledger.awaited.contains_key(&message) {
            let settled = self.ledger.settle(&message, outcome);
            self.outputs.extend(settled.map(Output::Receipt));
        } else if self.receipts_in_flight > 0 && self.ledger.early.len() < self.config.limits.early_receipts {
            self.ledger.early.insert(message, outcome);
        }
    }

    /// No request that could name a message is in flight: what came early is not ours.
    pub(super) fn receipt_answered(&mut self) {
        self.receipts_in_flight = self.receipts_in_flight.saturating_sub(1);
        if self.receipts_in_flight == 0 {
            self.ledger.early.clear();
        }
    }

    pub(super) fn give_up_receipts(&mut self, now: Now) {
        while let Some(message) = self.ledger.overdue(now) {
            let settled = self.ledger.settle(&message, ReceiptOutcome::Unknown);
            self.outputs.extend(settled.map(Output::Receipt));
        }
    }

    pub(super) fn open_monitors(&mut self, now: Now) {
        while let Some(url) = self.ledger.unmonitored(now) {
            let id = self.next_id();
            let via = self.ledger.monitoring(id, &url, now);
            self.outputs.push_back(Output::Request(id, Request::MonitorReceipts { url, via }));
        }
    }

    /// True if `id` was a monitor.
    pub(super) fn monitor_answered(
        &mut self,
        id: RequestId,
        reply: &Result<Response, Failure>,
        now: Now,
    ) -> bool {
        let Some(url) = self.ledger.monitored.get(&id).cloned() else { return false };
        let limits = self.config.limits;
        let Some(subscription) = self.ledger.subscriptions.get_mut(&url) else { return true };
        let task = &mut subscription.monitor;
        if task.request != Some(id) {
            return true;
        }
        let answer = reply.as_ref().map(|response| Answer::of(response.status));
        if answer == Ok(Answer::Gone) {
            self.receipts_gone(&url);
            return true;
        }
        if reply.as_ref().is_ok_and(|response| response.status == 406) {
            // it does not push to us. Try the other way at once, and go on with whichever it takes.
            let first = subscription.via == Via::Push;
            subscription.via = if first { Via::Stream } else { Via::Push };
            if first && task.failures == 0 {
                task.again(now);
                return true;
            }
        }
        let peaceful = answer == Ok(Answer::Success);
        if now.mono.since(subscription.started) >= limits.monitor {
            task.failures = 0;
            if peaceful {
                task.again(now);
                return true;
            }
        }
        let told = reply.as_ref().ok().and_then(|response| response.retry_after);
        let told = told.map_or(Duration::ZERO, |after| after.wait(now).min(limits.retry_after));
        let wait = match task.failures {
            0 if peaceful => Duration::ZERO,
            failures => limits.backoff.wait(failures.max(1), &mut self.entropy).max(told),
        };
        task.postpone(wait, now);
        true
    }

    /// `8030-7.3-2`: what was to come on it will not come.
    fn receipts_gone(&mut self, url: &PushUrl) {
        for message in self.ledger.messages_on(url) {
            let settled = self.ledger.settle(&message, ReceiptOutcome::Unknown);
            self.outputs.extend(settled.map(Output::Receipt));
        }
        self.ledger.subscriptions.remove(url);
        for lane in self.lanes.at(&url.origin()) {
            lane.receipts.take_if(|known| known == url);
        }
    }

    /// Ends the receipt subscriptions at a push service on which nothing is awaited and nothing will be
    /// (`8030-7.3-5`).
    pub(super) fn tidy_receipts(&mut self, origin: &Origin, now: Now) {
        let current: Vec<_> = self.lanes.at(origin).filter_map(|lane| lane.receipts.clone()).collect();
        let idle = |(url, subscription): &(&PushUrl, &Subscription)| {
            let wanted = subscription.awaited > 0 || current.contains(url) || self.queue.names(url);
            url.origin() == *origin && !wanted
        };
        let idle: Vec<_> =
            self.ledger.subscriptions.iter().filter(idle).map(|(url, _)| url.clone()).collect();
        for url in idle {
            if let Some(subscription) = self.ledger.subscriptions.remove(&url) {
                self.outputs.extend(subscription.monitor.request.map(Output::Cancel));
            }
            self.end_later(url, now);
        }
    }

    /// Every receipt that is still awaited is not awaited any more.
    pub(super) fn close_ledger(&mut self) {
        let messages: Vec<_> = self.ledger.awaited.keys().cloned().collect();
        for message in messages {
            let settled = self.ledger.settle(&message, ReceiptOutcome::Unknown);
            self.outputs.extend(settled.map(Output::Receipt));
        }
        let open = self.ledger.subscriptions.values().filter_map(|subscription| subscription.monitor.request);
        self.outputs.extend(open.map(Output::Cancel));
        self.ledger = Ledger::default();
    }
}

/// How many ended monitors are remembered.
const ENDED_MONITORS: usize = 16;
