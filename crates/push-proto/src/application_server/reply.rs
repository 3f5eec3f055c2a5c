//! From a response, or the lack of one, to a verdict or another attempt.

use core::time::Duration;

use bytes::Bytes;

use super::{
    Sender,
    input::Response,
    ledger::Promised,
    output::ReceiptRequest,
    queue::Flight,
    rules::Scope,
    verdict::{Accepted, Class, Gone, Rejection, Throttled, Transient, Verdict},
};
use crate::{
    Now, PushUrl,
    user_agent::{Failure, Reference, RequestId},
};

impl Sender {
    pub(super) fn answered(&mut self, id: RequestId, reply: Result<Response, Failure>, now: Now) {
        if self.monitor_answered(id, &reply, now) || self.ending_answered(id, &reply, now) {
            return;
        }
        let Some(flight) = self.queue.land(id) else { return };
        let Some(queued) = self.queue.get_mut(flight.job) else { return };
        let to = queued.job.to.clone();
        let lane = self.lanes.of(&flight.audience, now);
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if lane.asking == Some(id) {
            lane.asking = None;
        }
        let limits = &self.config.limits;
        match &reply {
            Ok(response) => lane.answered(response.status < 500 && response.status != 429, limits, now),
            Err(_) => lane.fell_silent(),
        }
        match reply {
            Ok(response) => self.responded(&flight, &to, response, now),
            Err(failure) => self.failed(&flight, failure, now),
        }
        if flight.receipt != ReceiptRequest::No {
            self.receipt_answered();
        }
    }

    fn responded(&mut self, flight: &Flight, to: &PushUrl, mut response: Response, now: Now) {
        response.reason.truncate(self.config.limits.reason_octets);
        let status = response.status;
        let class = Class::of(&response);
        if !matches!(class, Class::Throttled(_) | Class::Transient) {
            self.lanes.of(&flight.audience, now).failures = 0;
        }
        let rejection = Rejection { status: Some(status), reason: response.reason.clone() };
        match class {
            Class::Accepted => self.accepted(flight, to, &response, now),
            Class::Gone => self.gone(flight, to, rejection, now),
            Class::KeyMismatch => self.conclude(flight.job, Verdict::KeyMismatch(rejection)),
            Class::Auth => self.conclude(flight.job, Verdict::Auth(rejection)),
            Class::Rejected => self.rejected(flight, rejection, now),
            Class::Throttled(scope) => self.throttled(flight, (to, scope), &response, now),
            Class::Transient => {
                let (_, wait) = self.backoff(flight, &response, now);
                let last = Verdict::Transient(Transient { said: Some(rejection), sent: true });
                self.retry(flight.job, wait, last, now);
            }
        }
    }

    fn accepted(&mut self, flight: &Flight, to: &PushUrl, response: &Response, now: Now) {
        if matches!(self.ended.recall(to, now), Some((_, Gone::Ended(_)))) {
            self.ended.forget(to);
        }
        let accepted = Accepted::of(to, flight.ttl, response);
        if flight.receipt != ReceiptRequest::No {
            self.tidy_receipts(&flight.audience.origin, now);
            let promised = self.receipt_promised(flight, to, response);
            let lane = self.lanes.of(&flight.audience, now);
            lane.receiptless = promised.is_none();
            if let (Some(subscription), Some(message)) = (promised, &accepted.message) {
                lane.receipts = Some(subscription.clone());
                let patience = Duration::from_secs(accepted.ttl.unwrap_or(flight.ttl).as_secs().into());
                let until = now.mono.after(patience.saturating_add(self.config.limits.receipt));
                let (job, message) = (flight.job, message.clone());
                // The verdict first: a receipt may have come already.
                self.conclude(flight.job, Verdict::Accepted(Accepted { receipt: true, ..accepted }));
                return self.promised(Promised { job, message, subscription, until });
            }
        }
        self.conclude(flight.job, Verdict::Accepted(accepted));
    }

    /// The receipt subscription of a 202, at the push resource's own origin (`8030-5.1-5`). A 201 has none.
    fn receipt_promised(&self, flight: &Flight, to: &PushUrl, response: &Response) -> Option<PushUrl> {
        let home = |reference: &Reference| reference.resolve_at_home(to);
        let named = response.receipt.as_ref().and_then(home);
        let asked = match &flight.receipt {
            ReceiptRequest::On(known) => Some(known.clone()),
            ReceiptRequest::New | ReceiptRequest::No => None,
        };
        let subscription = named.or(asked).filter(|_| response.status == 202)?;
        response.location.as_ref().and_then(home)?;
        self.ledger.has_room(&subscription, &self.config.limits).then_some(subscription)
    }

    fn rejected(&mut self, flight: &Flight, rejection: Rejection, now: Now) {
        let on_known = matches!(flight.receipt, ReceiptRequest::On(_));
        if let Some(queued) = self.queue.get_mut(flight.job)
            && rejection.status == Some(400)
            && on_known
        {
            // `8030-5.1-9`: perhaps it is the receipt subscription that the service does not know.
            queued.apart = true;
            return self.retry(flight.job, Duration::ZERO, Verdict::Rejected(rejection), now);
        }
        self.conclude(flight.job, Verdict::Rejected(rejection));
    }

    fn throttled(&mut self, flight: &Flight, (to, scope): (&PushUrl, Scope), response: &Response, now: Now) {
        let said = Some(Rejection { status: Some(response.status), reason: response.reason.clone() });
        let known = self.lanes.of(&flight.audience, now).receipts.is_some();
        let apart = self.queue.get_mut(flight.job).is_some_and(|queued| queued.apart);
        if response.status == 429 && flight.receipt == ReceiptRequest::New && known && !apart {
            // `8030-5.1-10`: the service wants the one that there is.
            if let Some(queued) = self.queue.get_mut(flight.job) {
                queued.shares = true;
            }
            return self.retry(
                flight.job,
                Duration::ZERO,
                Verdict::Throttled(Throttled { wait: Duration::ZERO, said }),
                now,
            );
        }
        let (told, wait) = self.backoff(flight, response, now);
        if scope == Scope::PushResource {
            // Too much for that one, or its queue is full; the others are not concerned.
            let until = self.config.limits.pause_ends(wait, now);
            self.holds.remember(to, (), until, self.config.limits.held);
        } else {
            self.pause(&flight.audience.origin, wait, false, now);
        }
        self.retry(flight.job, wait, Verdict::Throttled(Throttled { wait: told, said }), now);
    }

    /// Without an answer. Whether it is sent again depends on what a second message would do:
    ///
    /// - It did not leave: nothing, so it is always sent again; the push service as a whole gets a pause.
    /// - It may have arrived: a message with a topic replaces itself, so it is sent again; another would come twice, so
    ///   it is sent again only if the configuration says so.
    fn failed(&mut self, flight: &Flight, failure: Failure, now: Now) {
        let attempted =
            self.queue.get_mut(flight.job).map(|queued| (queued.job.topic.is_some(), &queued.last));
        let Some((replaces, last)) = attempted else { return };
        let sent_before = matches!(last, Some(Verdict::Transient(Transient { sent: true, .. })));
        let sent = failure == Failure::Lost || sent_before;
        let last = Verdict::Transient(Transient { said: None, sent });
        if failure == Failure::Forbidden {
            let reason = Bytes::from_static(FORBIDDEN);
            return self.conclude(flight.job, Verdict::Rejected(Rejection { status: None, reason }));
        }
        if failure == Failure::Lost {
            if !replaces && !self.config.repeat {
                return self.conclude(flight.job, last);
            }
            let (_, wait) = self.backoff(flight, &Response::default(), now);
            return self.retry(flight.job, wait, last, now);
        }
        let backoff = self.config.limits.backoff;
        let entered = self.lanes.get_mut(&flight.audience).filter(|lane| lane.pause.until <= now.mono);
        if let Some(lane) = entered {
            // One pause for all that failed together.
            lane.failures = lane.failures.saturating_add(1);
            let wait = backoff.wait(lane.failures, &mut self.entropy);
            self.pause(&flight.audience.origin, wait, true, now);
        }
        let wait = self.lanes.of(&flight.audience, now).pause.until.since(now.mono);
        self.retry(flight.job, wait, last, now);
    }

    /// How long to wait as the service said, and a little more, as others were told the same; or else more with every
    /// attempt.
    fn backoff(&mut self, flight: &Flight, response: &Response, now: Now) -> (Duration, Duration) {
        let attempts = self.queue.get_mut(flight.job).map_or(1, |queued| queued.attempts);
        let own = self.config.limits.backoff.wait(attempts, &mut self.entropy);
        let told = response.retry_after.map(|after| after.wait(now));
        // "At once" would be all attempts in one moment.
        let Some(told) = told.filter(|wait| !wait.is_zero()) else { return (own, own) };
        let spread = (told / SPREAD_PART).min(self.config.limits.spread);
        let spread = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        (told, told.saturating_add(Duration::from_nanos(self.entropy.below(spread.saturating_add(1)))))
    }
}

/// See [`Limits::spread`](super::Limits::spread).
const SPREAD_PART: u32 = 8;
/// What a rejection says that no push service has said.
const FORBIDDEN: &[u8] = b"the endpoint leads to an address that may not be connected to";
