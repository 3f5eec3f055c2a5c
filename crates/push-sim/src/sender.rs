//! An application server, its connections and its application.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use push_proto::{
    Mono, Now, PushUrl, Seed, Ttl,
    application_server::{
        Change, Config, Credentials, Input, Job, JobId, Limits, Output, PushedReceipt, ReceiptOutcome,
        Sender as Machine, Token, Verdict,
    },
    store::Item,
    user_agent::{Backoff, Failure, RequestId},
};

use crate::{
    broken::Guarantee,
    kinds::InputKind,
    passage::{Place, key_of},
    site::{Arrival, LinkId, Peer, Site},
};

/// How long a receipt is awaited after the expiry of its message.
const PATIENCE: Duration = Duration::from_secs(600);
/// More outputs than any input can cause.
const RESTLESS: usize = 10_000;

pub(crate) struct Sender {
    machine: Machine,
    pub(crate) deadline: Option<Mono>,
    number: usize,
    link: Option<LinkId>,
    asked: BTreeMap<RequestId, LinkId>,
    /// Requests for which there was no connection.
    unsent: Vec<RequestId>,
    pub(crate) jobs: BTreeSet<JobId>,
    pub(crate) verdicts: BTreeMap<JobId, Verdict>,
    /// When each verdict came.
    judged: BTreeMap<JobId, Mono>,
    pub(crate) receipts: BTreeMap<JobId, ReceiptOutcome>,
    /// Whose receipt it gave up when it had waited as long as it does.
    pub(crate) given_up: BTreeSet<JobId>,
}

impl Sender {
    /// The second one repeats what may have been lost, and has a receipt subscription for each message.
    pub(crate) fn new(number: usize) -> Self {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(16) };
        let limits = Limits { backoff, receipt: PATIENCE, ..Limits::default() };
        let config = Config { repeat: number == 1, share_receipts: number == 0, limits };
        let seed = Seed::from_octets([u8::try_from(number).unwrap_or(0).wrapping_add(200); 32]);
        Self {
            machine: Machine::new(config, &seed),
            deadline: None,
            number,
            link: None,
            asked: BTreeMap::new(),
            unsent: Vec::new(),
            jobs: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            judged: BTreeMap::new(),
            receipts: BTreeMap::new(),
            given_up: BTreeSet::new(),
        }
    }

    pub(crate) fn send(&mut self, job: Job, site: &mut Site, now: Now) {
        self.jobs.insert(job.id);
        if job.id.0.is_multiple_of(ROOM_EVERY) {
            // What the driver learns of the connection: from one to four requests at once, or many.
            let room = [1, 2, 4, 100].get(self.number % 4).copied().unwrap_or(1);
            self.give(Input::Room(job.to.origin(), room), site, now);
        }
        self.give(Input::Send(Box::new(job)), site, now);
    }

    /// A push resource is known to be good.
    pub(crate) fn restore(&mut self, push: PushUrl, site: &mut Site, now: Now) {
        self.give(Input::PushResource(push, Change::Restored), site, now);
    }

    pub(crate) fn close(&mut self, site: &mut Site, now: Now) {
        self.give(Input::Close, site, now);
    }

    pub(crate) fn give(&mut self, input: Input, site: &mut Site, now: Now) {
        site.tally.input(kind_of(&input));
        site.trace.note(now, format_args!("sender {} <-", self.number), &input);
        self.machine.handle(input, now);
        self.drain(site, now);
    }

    /// Requests for which there was no connection come back. Whether there were any.
    pub(crate) fn connect(&mut self, site: &mut Site, now: Now) -> bool {
        let unsent = std::mem::take(&mut self.unsent);
        let any = !unsent.is_empty();
        for id in unsent {
            self.give(Input::Reply(id, Err(Failure::NotSent)), site, now);
        }
        any
    }

    /// The service says that it will take no more requests on a connection: the next go elsewhere.
    pub(crate) fn drained(&mut self, link: LinkId) {
        self.link.take_if(|of| *of == link);
    }

    /// A connection is lost to it; `silent` if the service does not know.
    pub(crate) fn lose(&mut self, link: LinkId, silent: bool, site: &mut Site, now: Now) {
        let unseen = if silent { site.leave(link) } else { site.close(link) };
        self.drained(link);
        let lost: Vec<_> = self.asked.iter().filter(|(_, of)| **of == link).map(|(id, _)| *id).collect();
        for id in lost {
            self.asked.remove(&id);
            let failure = if unseen.contains(&id) { Failure::NotSent } else { Failure::Lost };
            self.give(Input::Reply(id, Err(failure)), site, now);
        }
    }

    pub(crate) fn receive(&mut self, arrival: Arrival, site: &mut Site, now: Now) {
        match arrival {
            Arrival::Answer(id, response) => {
                self.asked.remove(&id);
                let response = site.passage.sender_answer(&response);
                self.give(Input::Reply(id, Ok(response)), site, now);
            }
            Arrival::Push(id, Item::Receipt(receipt)) => {
                let message = site.passage.reference(Place::Message(receipt.message));
                let pushed = PushedReceipt { message, status: receipt.outcome.status() };
                self.give(Input::Receipt(id, pushed), site, now);
            }
            Arrival::Push(_, Item::Message(_)) | Arrival::Socket(_) => {
                site.require(false, Guarantee::G2, || "a sender is pushed a message".to_owned());
            }
        }
    }

    fn drain(&mut self, site: &mut Site, now: Now) {
        for _ in 0..RESTLESS {
            let output = self.machine.poll(now);
            site.trace.note(now, format_args!("sender {} ->", self.number), &output);
            match output {
                Output::Sign(audience, expires) => {
                    let ours = audience.key == key_of(self.number);
                    site.require(ours, Guarantee::Protocol, || "a token of another's key".to_owned());
                    let token = Token { credentials: Credentials::new("vapid t=,k="), expires };
                    site.tally.input(InputKind::SenderSigned);
                    self.machine.handle(Input::Signed(audience, Some(token)), now);
                }
                Output::Request(id, request) => {
                    let request = site.passage.of_sender(self.number, request);
                    self.link = self.link.or_else(|| site.connect(Peer::Sender(self.number), false));
                    match self.link {
                        Some(link) => {
                            self.asked.insert(id, link);
                            site.submit(link, id, request);
                        }
                        None => self.unsent.push(id),
                    }
                }
                Output::Cancel(id) => {
                    self.unsent.retain(|unsent| *unsent != id);
                    if let Some(link) = self.asked.remove(&id) {
                        site.cancel(link, id);
                    }
                }
                Output::Verdict(job, verdict) => {
                    self.judged.insert(job, now.mono);
                    self.check(job, verdict, site);
                }
                Output::Refused(job, refused) => {
                    site.require(false, Guarantee::G5, || format!("no room for {:?}: {refused:?}", job.id));
                }
                Output::Receipt(receipt) => {
                    if receipt.outcome == ReceiptOutcome::Unknown && self.waited(receipt.job, now) {
                        self.given_up.insert(receipt.job);
                    }
                    let before = self.receipts.insert(receipt.job, receipt.outcome);
                    site.require(before.is_none(), Guarantee::G4, || {
                        format!("{:?} is told {before:?} and {:?}", receipt.job, receipt.outcome)
                    });
                }
                Output::Wait(deadline, reason) => {
                    let rests = deadline.is_none_or(|at| at > now.mono);
                    site.require(rests, Guarantee::G5, || format!("a sender is in a busy loop: {reason:?}"));
                    self.deadline = deadline;
                    return;
                }
            }
        }
        site.require(false, Guarantee::G5, || "a sender does not come to rest".to_owned());
    }

    /// Whether it has waited for the receipt of a message as long as it does.
    fn waited(&self, job: JobId, now: Now) -> bool {
        let (Some(Verdict::Accepted(accepted)), Some(since)) =
            (self.verdicts.get(&job), self.judged.get(&job))
        else {
            return false;
        };
        since.after(Duration::from_secs(accepted.ttl.unwrap_or(Ttl::ZERO).as_secs().into()) + PATIENCE)
            <= now.mono
    }

    fn check(&mut self, job: JobId, verdict: Verdict, site: &mut Site) {
        let Some(wanted) = site.truth.wanted.get(&job.0) else { return };
        let (asked, restricted) = (wanted.receipt, wanted.restricted);
        if let Verdict::Accepted(accepted) = &verdict {
            let granted = accepted.ttl <= Some(wanted.ttl);
            let kept = site.truth.facts.values().any(|fact| fact.job == job.0);
            site.require(granted, Guarantee::Protocol, || {
                format!("{job:?} lives longer than it was asked to")
            });
            site.require(kept || accepted.ttl == Some(Ttl::ZERO), Guarantee::G1, || {
                format!("{job:?} is accepted, and was never durable")
            });
            site.require(asked || !accepted.receipt, Guarantee::G4, || {
                format!("{job:?} asked for no receipt")
            });
        }
        // A stranger ended the receipt subscription, and there was no time left to ask for another.
        let receiptless = asked && !site.truth.closed.is_empty();
        let right = if matches!(verdict, Verdict::Rejected(_)) {
            receiptless
        } else if restricted && self.number == 1 {
            !matches!(verdict, Verdict::Accepted(_))
        } else {
            !matches!(verdict, Verdict::KeyMismatch(_) | Verdict::Auth(_))
        };
        site.require(right, Guarantee::Protocol, || {
            format!("{job:?}, restricted {restricted}, gets {verdict:?}")
        });
        let before = self.verdicts.insert(job, verdict);
        site.require(before.is_none(), Guarantee::Protocol, || format!("{job:?} has two verdicts"));
    }
}

/// Jobs from one word about the connection to the next.
const ROOM_EVERY: u64 = 5;

const fn kind_of(input: &Input) -> InputKind {
    match input {
        Input::Send(_) => InputKind::SenderSend,
        Input::Signed(..) => InputKind::SenderSigned,
        Input::Reply(..) => InputKind::SenderReply,
        Input::Receipt(..) => InputKind::SenderReceipt,
        Input::Room(..) => InputKind::SenderRoom,
        Input::PushResource(..) => InputKind::SenderResource,
        Input::Tick | Input::Close => InputKind::Tick,
    }
}
