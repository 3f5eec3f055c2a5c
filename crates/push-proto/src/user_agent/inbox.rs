//! Messages between the push and the acknowledgement (RFC 8030 §6, §6.2): each is delivered at most once at a time.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use super::{
    UserAgent,
    agenda::Work,
    input::{Disposition, MessageRef, Pushed, Response, Tag},
    limits::Limits,
    output::{Delivery, Discarded, Event, Output},
    retry::{Answer, Failure, RequestId},
    subscriptions::Route,
};
use crate::{Mono, Now, PushUrl};

#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: BTreeMap<PushUrl, Standing>,
    /// With the application.
    held: BTreeMap<MessageRef, (PushUrl, Tag)>,
    /// Acknowledged, in that order.
    done: VecDeque<(PushUrl, Mono)>,
    owed: usize,
    /// What each monitor was of, the ended ones included: a push may be complete only after its monitor's end.
    monitored: BTreeMap<RequestId, PushUrl>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// With the application.
    Held,
    /// Taken; the acknowledgement is still to be told, or to be answered.
    Owed,
    /// Acknowledged.
    Done,
}

impl Inbox {
    /// Delivered or taken, and not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.held.len().saturating_add(self.owed)
    }

    pub(super) fn owed(&self) -> Vec<PushUrl> {
        let owed =
            |(url, standing): (&PushUrl, &Standing)| (*standing == Standing::Owed).then(|| url.clone());
        self.messages.iter().filter_map(owed).collect()
    }

    /// A monitor is opened; `open` knows which of the others still are.
    pub(super) fn monitoring(
        &mut self,
        request: RequestId,
        target: PushUrl,
        open: impl Fn(RequestId) -> bool,
    ) {
        self.monitored.insert(request, target);
        let ended = self.monitored.keys().filter(|id| **id != request && !open(**id));
        let (count, first) = (ended.clone().count(), ended.copied().next());
        if let Some(first) = first.filter(|_| count > ENDED_MONITORS) {
            self.monitored.remove(&first);
        }
    }

    pub(super) fn owe(&mut self, url: PushUrl) {
        if self.messages.insert(url.clone(), Standing::Owed) == Some(Standing::Done) {
            self.done.retain(|(done, _)| *done != url);
        }
        self.owed = self.owed.saturating_add(1);
    }

    fn settle(&mut self, url: &PushUrl, limits: &Limits, now: Now) {
        if self.messages.get(url) != Some(&Standing::Owed) {
            return;
        }
        self.owed = self.owed.saturating_sub(1);
        self.messages.insert(url.clone(), Standing::Done);
        self.done.push_back((url.clone(), now.mono));
        while let Some((_, since)) = self.done.front()
            && (self.done.len() > limits.remembered || now.mono.since(*since) >= limits.remember)
        {
            if let Some((url, _)) = self.done.pop_front() {
                self.messages.remove(&url);
            }
        }
    }
}

impl UserAgent {
    pub(super) fn pushed(&mut self, monitor: RequestId, pushed: Pushed) {
        let Some(target) = self.inbox.monitored.get(&monitor).cloned() else { return };
        if let Some(chore) = self.agenda.get_mut(&Work::Monitor(target.clone())) {
            chore.troubled = false;
        }
        if pushed.status != 200 {
            return;
        }
        let Some(url) = pushed.message.resolve_at_home(&target) else {
            return self.discard(Discarded::Malformed);
        };
        match self.inbox.messages.get(&url) {
            Some(Standing::Held | Standing::Owed) => {}
            // `8030-6.2-7`: the acknowledgement was lost, or crossed with this push.
            Some(Standing::Done) => self.acknowledge(url),
            None => self.arrived(url, &target, pushed),
        }
    }

    fn arrived(&mut self, url: PushUrl, target: &PushUrl, pushed: Pushed) {
        if self.closing.is_some() {
            return; // Nobody would take it; it comes again next time.
        }
        if self.room() == 0 {
            return self.discard(Discarded::NoRoom);
        }
        // either place, the promise first.
        let links = [&pushed.promised_for, &pushed.pushed_for];
        let push = links.into_iter().flatten().find_map(|link| link.resolve(target));
        match self.subscriptions.route(push.as_ref(), target) {
            Route::To(tag) => {
                let message = MessageRef(self.next_id());
                self.inbox.messages.insert(url.clone(), Standing::Held);
                self.inbox.held.insert(message, (url.clone(), tag));
                let content = pushed.content;
                self.outputs.push_back(Output::Deliver(Delivery { message, tag, url, content }));
            }
            // `w3c-deact-1`: its subscription is about to end, and it with it.
            Route::Leaving => {}
            Route::Unknown => {
                self.acknowledge(url);
                self.discard(Discarded::Unroutable);
            }
        }
    }

    pub(super) fn disposed(&mut self, message: MessageRef, disposition: Disposition) {
        let Some((url, tag)) = self.inbox.held.remove(&message) else { return };
        match disposition {
            Disposition::Taken => self.acknowledge(url),
            Disposition::Undecryptable => {
                self.acknowledge(url);
                self.discard(Discarded::Undecryptable(tag));
            }
            Disposition::Released => {
                self.inbox.messages.remove(&url);
            }
        }
    }

    fn acknowledge(&mut self, url: PushUrl) {
        self.agenda.add(Work::Acknowledge(url.clone()), url.origin());
        self.inbox.owe(url);
    }

    pub(super) fn acknowledge_answered(&mut self, url: PushUrl, reply: Result<Response, Failure>, now: Now) {
        let response = reply.ok();
        let attempts = self.limits().acknowledgement_attempts;
        let work = Work::Acknowledge(url);
        let last =
            self.agenda.get_mut(&work).is_none_or(|chore| chore.task.failures.saturating_add(1) >= attempts);
        let again = match response.as_ref().map(|response| Answer::of(response.status)) {
            None | Some(Answer::Later) => !last,
            // Gone is as good as acknowledged. What is refused would be refused again; if the service pushes the
            // message again, it is tried again.
            Some(Answer::Success | Answer::Gone | Answer::Redirect | Answer::Refused) => false,
        };
        if again {
            return self.postpone(&work, response.as_ref(), now);
        }
        self.agenda.remove(&work);
        if let Work::Acknowledge(url) = work {
            self.inbox.settle(&url, &self.config.limits, now);
        }
    }

    fn discard(&mut self, discarded: Discarded) {
        self.outputs.push_back(Output::Event(Event::Discarded(discarded)));
    }
}

/// How many ended monitors are remembered.
const ENDED_MONITORS: usize = 16;
