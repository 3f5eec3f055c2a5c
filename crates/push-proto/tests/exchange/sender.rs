//! An application server, its connection pool and its application.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use push_crypto::vapid::{Signer, SigningKey};
use push_proto::{
    Mono, Now, Seed,
    application_server::{
        Config, Credentials, Input, Job, JobId, Output, ReceiptOutcome, Sender as Machine, Token, Verdict,
    },
    user_agent::{Failure, RequestId},
    wire,
};

use crate::host::{Arrival, Host, PROVIDER, Peer};

/// The keys of both senders, from fixed octets, so that a schedule replays.
pub(crate) static SIGNERS: LazyLock<[Signer; 2]> = LazyLock::new(|| {
    ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"]
        .map(|key| Signer::new(SigningKey::from_base64url(key).unwrap(), None))
});

pub(crate) struct Sender {
    pub(crate) machine: Machine,
    pub(crate) deadline: Option<Mono>,
    number: usize,
    open: BTreeSet<RequestId>,
    pub(crate) jobs: BTreeSet<JobId>,
    pub(crate) verdicts: BTreeMap<JobId, Verdict>,
    pub(crate) receipts: BTreeMap<JobId, ReceiptOutcome>,
}

impl Sender {
    /// The second one repeats what may have been lost.
    pub(crate) fn new(number: usize) -> Self {
        let config = Config { repeat: number == 1, ..Config::default() };
        let seed = Seed::from_octets([u8::try_from(number).unwrap() + 200; 32]);
        Self {
            machine: Machine::new(config, &seed),
            deadline: None,
            number,
            open: BTreeSet::new(),
            jobs: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            receipts: BTreeMap::new(),
        }
    }

    pub(crate) const fn peer(&self) -> Peer {
        Peer::Sender(self.number)
    }

    pub(crate) fn send(&mut self, job: Job, host: &mut Host, now: Now) {
        self.jobs.insert(job.id);
        self.give(Input::Send(Box::new(job)), host, now);
    }

    pub(crate) fn give(&mut self, input: Input, host: &mut Host, now: Now) {
        self.machine.handle(input, now);
        self.drain(host, now);
    }

    pub(crate) fn cut(&mut self, host: &mut Host, now: Now) {
        let unseen = host.cut(self.peer(), now);
        for id in std::mem::take(&mut self.open) {
            let failure = if unseen.contains(&id) { Failure::NotSent } else { Failure::Lost };
            self.give(Input::Reply(id, Err(failure)), host, now);
        }
    }

    pub(crate) fn receive(&mut self, arrival: Arrival, host: &mut Host, now: Now) {
        match arrival {
            Arrival::Answer(id, response) => {
                self.open.remove(&id);
                let (head, body) = response.into_parts();
                let response = wire::application_server::response(&head, body);
                self.give(Input::Reply(id, Ok(response)), host, now);
            }
            Arrival::Push(id, promise) => {
                assert!(promise.body.is_empty(), "8030-6.3-3: a receipt is a status");
                let pushed = wire::application_server::receipt(&promise.request, &promise.response);
                self.give(Input::Receipt(id, pushed), host, now);
            }
        }
    }

    fn drain(&mut self, host: &mut Host, now: Now) {
        for _ in 0..10_000 {
            match self.machine.poll(now) {
                Output::Sign(audience, expires) => {
                    assert_eq!(audience.key, Some(*SIGNERS[self.number].public_key()), "8292-4.2-1");
                    let token = SIGNERS[self.number].sign(&PROVIDER, &audience.origin, expires, now.wall);
                    let token = token.ok().map(|token| Token {
                        credentials: Credentials::new(&token.authorization()),
                        expires: token.expires(),
                    });
                    self.machine.handle(Input::Signed(audience, token), now);
                }
                Output::Request(id, request) => {
                    self.open.insert(id);
                    let request = wire::application_server::request(&request).expect("our URLs are good");
                    host.submit(self.peer(), id, request);
                }
                Output::Cancel(id) => {
                    self.open.remove(&id);
                    host.cancel(self.peer(), id, now);
                }
                Output::Verdict(job, verdict) => self.judged(job, verdict, host),
                Output::Refused(job, refused) => panic!("G5: there is room for {:?}: {refused:?}", job.id),
                Output::Receipt(receipt) => self.told(receipt.job, receipt.outcome),
                Output::Wait(deadline, reason) => {
                    assert!(deadline.is_none_or(|at| at > now.mono), "G5: no busy loop: {reason:?}");
                    self.deadline = deadline;
                    return;
                }
            }
        }
        panic!("G5: the sender does not come to rest");
    }

    fn judged(&mut self, job: JobId, verdict: Verdict, host: &Host) {
        let wanted = &host.truth.wanted[&job.0];
        if let Verdict::Accepted(accepted) = &verdict {
            assert!(accepted.ttl <= Some(wanted.ttl), "8030-5.2-6: never more than was asked for");
            let kept = host.truth.facts.values().any(|fact| fact.job == job.0);
            assert!(kept || accepted.ttl == Some(push_proto::Ttl::ZERO), "G1: what is accepted is durable");
            assert!(wanted.receipt || !accepted.receipt, "8030-5.1-1: no receipt that was not asked for");
        }
        if wanted.restricted && self.number == 1 {
            let refused = !matches!(verdict, Verdict::Accepted(_) | Verdict::Rejected(_));
            assert!(refused, "8292-4.2-9: the wrong sender is refused: {verdict:?}");
        } else {
            let mismatch =
                matches!(verdict, Verdict::KeyMismatch(_) | Verdict::Auth(_) | Verdict::Rejected(_));
            assert!(!mismatch, "8292-4.1-5: the right sender is not: {verdict:?}");
        }
        assert!(self.verdicts.insert(job, verdict).is_none(), "one verdict for each job");
    }

    fn told(&mut self, job: JobId, outcome: ReceiptOutcome) {
        assert!(self.receipts.insert(job, outcome).is_none(), "G4: one outcome for each job");
    }
}
