//! Jobs without a verdict, each in exactly one place: in its lane's queue, or in flight.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use super::{
    Sender,
    backlog::Place,
    input::{Audience, Credentials, Job, JobId, Token},
    lane::{Lane, Pause, Step},
    lanes::Lanes,
    limits::Limits,
    output::{Output, ReceiptRequest, Refused, Request, Send},
    verdict::{Gone, Rejection, Throttled, Transient, Verdict},
};
use crate::{Mono, Now, Origin, PushUrl, Ttl, user_agent::RequestId};

#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: BTreeMap<JobId, Queued>,
    /// Those that are not in flight, by the end of their TTL.
    expiries: BTreeSet<(Mono, JobId)>,
    /// The jobs of each push resource.
    resources: BTreeMap<PushUrl, BTreeSet<JobId>>,
    flights: BTreeMap<RequestId, Flight>,
    overdue: BTreeSet<(Mono, RequestId)>,
    arrivals: u64,
}

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) job: Job,
    accepted: Mono,
    /// When it was first sent.
    tried: Option<Mono>,
    pub(super) expires: Mono,
    pub(super) attempts: u32,
    /// Do not ask for the receipt on the known subscription: the service may not know it (`8030-5.1-9`).
    pub(super) apart: bool,
    /// Ask for the receipt on the known subscription, if there is one.
    pub(super) shares: bool,
    /// The verdict if there were no further attempt.
    pub(super) last: Option<Verdict>,
    place: Place,
}

/// A send that is not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) job: JobId,
    pub(super) audience: Audience,
    pub(super) ttl: Ttl,
    pub(super) receipt: ReceiptRequest,
    deadline: Mono,
}

impl Queued {
    /// Until when it waits for a push service that last thrived then: one that is slow but works is worth waiting for in
    /// its queue, but not for ever for one message.
    fn patience(&self, thrived: Mono, limits: &Limits) -> Mono {
        self.tried.unwrap_or(self.accepted.max(thrived)).after(limits.patience)
    }

    /// What is left of the TTL; the machine's own waits count.
    fn ttl(&self, now: Now) -> Ttl {
        let waited = u32::try_from(now.mono.since(self.accepted).as_secs()).unwrap_or(u32::MAX);
        Ttl::from_secs(self.job.ttl.as_secs().saturating_sub(waited))
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut Queued> {
        self.jobs.get_mut(&id)
    }

    /// Sends in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The send has ended, one way or another.
    pub(super) fn land(&mut self, id: RequestId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        self.overdue.remove(&(flight.deadline, id));
        Some(flight)
    }

    fn take(&mut self, id: JobId) -> Option<Queued> {
        let queued = self.jobs.remove(&id)?;
        self.expiries.remove(&(queued.expires, id));
        if let Some(jobs) = self.resources.get_mut(&queued.job.to) {
            jobs.remove(&id);
            if jobs.is_empty() {
                self.resources.remove(&queued.job.to);
            }
        }
        Some(queued)
    }

    /// What is for that push resource and not in flight.
    pub(super) fn waiting_for(&self, to: &PushUrl) -> Vec<JobId> {
        let waits = |id: &&JobId| {
            self.jobs.get(id).is_some_and(|queued| self.expiries.contains(&(queued.expires, **id)))
        };
        self.resources.get(to).into_iter().flatten().filter(waits).copied().collect()
    }

    /// Whether a send in flight names that receipt subscription.
    pub(super) fn names(&self, receipts: &PushUrl) -> bool {
        let names = |flight: &Flight| matches!(&flight.receipt, ReceiptRequest::On(url) if url == receipts);
        self.flights.values().any(names)
    }

    pub(super) fn expiry(&self) -> Option<Mono> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    pub(super) fn response(&self) -> Option<Mono> {
        self.overdue.first().map(|(deadline, _)| *deadline)
    }
}

impl Sender {
    pub(super) fn send(&mut self, job: Box<Job>, now: Now) {
        if let Some(refused) = self.refusal(&job, now) {
            return self.outputs.push_back(Output::Refused(job, refused));
        }
        let known = self.ended.recall(&job.to, now).map(|(_, gone)| gone);
        let impossible = job.to.host().ends_with(NOBODYS_HOST).then_some(Gone::Ended(None));
        if let Some(gone) = known.or(impossible) {
            return self.outputs.push_back(Output::Verdict(job.id, Verdict::Gone(gone)));
        }
        let limits = &self.config.limits;
        let mut job = *job;
        // `8030-5.2-10`: receipts cannot be relied on for TTL 0, so none is asked for.
        job.receipt &= job.ttl != Ttl::ZERO;
        let (id, receipt, audience) = (job.id, job.receipt, Audience::of(&job));
        let place = Place { due: now.mono, urgency: job.urgency, arrival: self.queue.arrivals, job: id };
        self.queue.arrivals = self.queue.arrivals.saturating_add(1);
        let (expires, patience) = (now.mono.after(limits.worth(job.ttl)), limits.patience);
        let to = job.to.clone();
        self.queue.resources.entry(job.to.clone()).or_default().insert(id);
        let (accepted, shares) = (now.mono, self.config.share_receipts);
        let (tried, last, attempts, apart) = Default::default();
        let queued = Queued { job, accepted, tried, expires, attempts, apart, shares, last, place };
        self.queue.jobs.insert(id, queued);
        self.queue.expiries.insert((expires, id));
        let lane = self.lanes.of(&audience, now);
        lane.push(place, receipt);
        let pause = lane.pause;
        let held = self.holds.recall(&to, now).map(|(until, ())| Pause { until, unreachable: false });
        if let Some(pause) =
            held.into_iter().chain([pause]).find(|pause| pause.until > now.mono.after(patience))
        {
            self.lose_patience(id, pause, now);
        }
    }

    /// Why not to take it. Makes room for another push service by forgetting an idle one.
    fn refusal(&mut self, job: &Job, now: Now) -> Option<Refused> {
        let limits = &self.config.limits;
        if self.closed {
            return Some(Refused::Closed);
        }
        if self.queue.jobs.contains_key(&job.id) {
            return Some(Refused::Exists);
        }
        if self.queue.jobs.len() >= limits.jobs {
            return Some(Refused::Jobs);
        }
        if self.lanes.len() < limits.origins || self.lanes.contains(&Audience::of(job)) {
            return None;
        }
        let may_go = |origin: &Origin| !self.ledger.awaits(origin);
        let Some(idle) = self.lanes.evict(may_go, limits.held, now) else { return Some(Refused::Origins) };
        self.tidy_receipts(&idle.origin, now);
        None
    }

    pub(super) fn expire(&mut self, now: Now) {
        while let Some((expires, id)) = self.queue.expiries.first().copied()
            && expires <= now.mono
        {
            let last = self.queue.jobs.get_mut(&id).and_then(|queued| queued.last.take());
            self.conclude(id, last.unwrap_or(Verdict::Expired));
        }
    }

    /// Requests that take too long, as good as lost; the driver is told.
    pub(super) fn overdue(&mut self, now: Now) -> Option<RequestId> {
        let (deadline, id) = self.queue.overdue.first().copied()?;
        (deadline <= now.mono).then_some(id)
    }

    /// One step of one lane, each in its turn.
    pub(super) fn step(&mut self, now: Now) {
        if self.queue.in_flight() >= self.config.limits.requests {
            return;
        }
        while let Some((audience, step)) = self.lanes.next_step(&self.config.limits, now) {
            match step {
                Step::Sign(expires) => {
                    self.lanes.took_turn(audience.clone());
                    return self.outputs.push_back(Output::Sign(audience, expires));
                }
                // Each job is put back once for each hold.
                Step::Send(job, _) if self.put_back(job, now) => {
                    if !self.outputs.is_empty() {
                        return;
                    }
                }
                Step::Send(job, credentials) => {
                    self.lanes.took_turn(audience);
                    return self.launch(job, credentials, now);
                }
                Step::Nothing => return,
            }
        }
    }

    /// Back into its queue, if its push resource is left alone for now.
    fn put_back(&mut self, id: JobId, now: Now) -> bool {
        let Some(queued) = self.queue.jobs.get_mut(&id) else { return false };
        let Some((until, ())) = self.holds.recall(&queued.job.to, now) else { return false };
        let Some(lane) = self.lanes.get_mut(&Audience::of(&queued.job)) else { return false };
        queued.place.due = until;
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.push(queued.place, queued.job.receipt);
        if until > queued.patience(lane.thrived(), &self.config.limits) {
            self.lose_patience(id, Pause { until, unreachable: false }, now);
        }
        true
    }

    fn launch(&mut self, id: JobId, credentials: Option<Credentials>, now: Now) {
        let request = self.next_id();
        let room = self.ledger.len().saturating_add(self.receipts_in_flight) < self.config.limits.receipts;
        let Some(queued) = self.queue.jobs.get_mut(&id) else { return };
        let audience = Audience::of(&queued.job);
        let Some(lane) = self.lanes.get_mut(&audience) else { return };
        queued.attempts = queued.attempts.saturating_add(1);
        queued.tried = queued.tried.or(Some(now.mono));
        let receipt = match &lane.receipts {
            _ if !queued.job.receipt || !room => ReceiptRequest::No,
            Some(known) if queued.shares && !queued.apart => ReceiptRequest::On(known.clone()),
            _ => ReceiptRequest::New,
        };
        if receipt == ReceiptRequest::New && queued.shares && !lane.receiptless && lane.asking.is_none() {
            lane.asking = Some(request);
        }
        if receipt != ReceiptRequest::No {
            self.receipts_in_flight = self.receipts_in_flight.saturating_add(1);
        }
        let Job { to, urgency, topic, content, .. } = queued.job.clone();
        let ttl = queued.ttl(now);
        let deadline = now.mono.after(self.config.limits.response);
        let flight = Flight { job: id, audience, ttl, receipt: receipt.clone(), deadline };
        self.queue.expiries.remove(&(queued.expires, id));
        self.queue.overdue.insert((deadline, request));
        self.queue.flights.insert(request, flight);
        let send = Send { to, ttl, urgency, topic, receipt, credentials, content };
        self.outputs.push_back(Output::Request(request, Request::Send(send)));
    }

    /// Back into its queue, if there are an attempt and TTL left for it; else its verdict.
    pub(super) fn retry(&mut self, id: JobId, wait: Duration, last: Verdict, now: Now) {
        let attempts = self.config.limits.attempts;
        let Some(queued) = self.queue.jobs.get_mut(&id) else { return };
        let due = now.mono.after(wait);
        let patience = queued.patience(Mono::ZERO, &self.config.limits);
        if queued.attempts >= attempts || due >= queued.expires || due > patience {
            return self.conclude(id, last);
        }
        if let Some((_, gone)) = self.ended.recall(&queued.job.to, now) {
            return self.conclude(id, Verdict::Gone(gone));
        }
        queued.last = Some(last);
        queued.place.due = due;
        let (place, expires) = (queued.place, queued.expires);
        let (receipt, audience) = (queued.job.receipt, Audience::of(&queued.job));
        self.queue.expiries.insert((expires, id));
        self.lanes.of(&audience, now).push(place, receipt);
    }

    /// The push service takes nothing for that long, from whichever key. What has no patience for it is told.
    pub(super) fn pause(&mut self, origin: &Origin, wait: Duration, unreachable: bool, now: Now) {
        let limits = self.config.limits;
        let until = limits.pause_ends(wait, now);
        let pause = Pause { until, unreachable };
        if !self.lanes.pause(origin, pause) {
            return;
        }
        let jobs = |lane: &mut Lane| {
            let thrived = lane.thrived();
            lane.waiting().map(|id| (id, thrived)).collect::<Vec<_>>()
        };
        let waiting: Vec<_> = self.lanes.at(origin).flat_map(jobs).collect();
        for (id, thrived) in waiting {
            if self.queue.jobs.get(&id).is_some_and(|queued| until > queued.patience(thrived, &limits)) {
                self.lose_patience(id, pause, now);
            }
        }
    }

    /// It would wait for longer than it may. What was said of it before counts, but for how long to wait.
    fn lose_patience(&mut self, id: JobId, pause: Pause, now: Now) {
        let wait = pause.until.since(now.mono);
        let verdict = match self.queue.jobs.get_mut(&id).and_then(|queued| queued.last.take()) {
            Some(Verdict::Throttled(throttled)) => Verdict::Throttled(Throttled { wait, ..throttled }),
            Some(last) => last,
            None if pause.unreachable => Verdict::Transient(Transient { said: None, sent: false }),
            None => Verdict::Throttled(Throttled { wait, said: None }),
        };
        self.conclude(id, verdict);
    }

    /// Its one verdict.
    pub(super) fn conclude(&mut self, id: JobId, verdict: Verdict) {
        let Some(queued) = self.queue.take(id) else { return };
        if let Some(lane) = self.lanes.get_mut(&Audience::of(&queued.job)) {
            lane.remove(&queued.place, queued.job.receipt);
        }
        self.outputs.push_back(Output::Verdict(id, verdict));
    }

    pub(super) fn signed(&mut self, audience: &Audience, token: Option<Token>, now: Now) {
        let Some(lane) = self.lanes.get_mut(audience) else { return };
        if !lane.signed(token, &self.config.limits, now) {
            let waiting: Vec<_> = lane.waiting().collect();
            for id in waiting {
                self.conclude(id, Verdict::Auth(Rejection { status: None, reason: bytes::Bytes::new() }));
            }
        }
    }

    pub(super) fn close_queue(&mut self) {
        let flights: Vec<_> = self.queue.flights.keys().copied().collect();
        for id in flights {
            let Some(flight) = self.queue.land(id) else { continue };
            self.outputs.push_back(Output::Cancel(id));
            self.conclude(flight.job, Verdict::Transient(Transient { said: None, sent: true }));
        }
        let waiting: Vec<_> = self.queue.jobs.keys().copied().collect();
        for id in waiting {
            let last = self.queue.jobs.get_mut(&id).and_then(|queued| queued.last.take());
            self.conclude(id, last.unwrap_or(Verdict::Transient(Transient { said: None, sent: false })));
        }
        self.lanes = Lanes::default();
        self.holds.clear();
        self.ended.clear();
    }
}

/// The end of names that nobody has (RFC 6761 §6.4): FCM's `https://permanently-removed.invalid/` is such a subscription.
const NOBODYS_HOST: &str = ".invalid";
