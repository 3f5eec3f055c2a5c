//! Whatever push services and callers do: no panic, no busy loop, limits held, one verdict for each job and one
//! outcome for each receipt.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use push_crypto::PublicKey;
use push_proto::{
    PushUrl, Topic, Ttl, UnixTime, Urgency,
    application_server::{
        Audience, Change, Config, Credentials, Input, Job, JobId, Output, PushedReceipt, ReceiptRequest,
        Request, Response, Token, Verdict,
    },
    user_agent::{Failure, Reference, RequestId, RetryAfter},
};

use crate::world::*;

fn small(repeat: bool, share_receipts: bool) -> Config {
    let mut config = Config { repeat, share_receipts, ..Config::default() };
    config.limits.ended = 2;
    config.limits.ended_memory = Duration::from_secs(60);
    config.limits.endings = 2;
    config.limits.jobs = 8;
    config.limits.origins = 2;
    config.limits.requests_per_origin = 3;
    config.limits.requests = 4;
    config.limits.receipts = 3;
    config.limits.receipt_subscriptions = 2;
    config.limits.early_receipts = 2;
    config
}

fn reference() -> impl Strategy<Value = Reference> {
    let known =
        prop::sample::select(vec!["/m/1", "/m/2", "/m/3", "/r/1", "/r/2", "/r/3", "https://b.example/m/1"]);
    prop_oneof![5 => known.prop_map(Reference::new), 1 => ".{0,20}".prop_map(|text| Reference::new(&text))]
}

fn response() -> impl Strategy<Value = Response> {
    let statuses =
        prop::sample::select(vec![200, 201, 202, 202, 202, 400, 403, 404, 406, 410, 413, 429, 500, 503]);
    let retry_after =
        prop::option::of((0_u64..300).prop_map(|secs| RetryAfter::In(Duration::from_secs(secs))));
    let ttl = prop::option::of(any::<u32>().prop_map(Ttl::from_secs));
    let statuses = prop_oneof![12 => statuses, 1 => any::<u16>()];
    (statuses, prop::option::of(reference()), ttl, prop::option::of(reference()), retry_after).prop_map(
        |(status, location, ttl, receipt, retry_after)| Response {
            status,
            location,
            ttl,
            receipt,
            retry_after,
            ..Response::default()
        },
    )
}

fn key() -> PublicKey {
    GENERATOR.parse().unwrap()
}

fn any_job() -> impl Strategy<Value = Job> {
    let host = prop::sample::select(vec!["a.example", "b.example", "c.example"]);
    let urgency = prop::sample::select(Urgency::ALL.to_vec());
    let shape = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (0_u64..12, host, 0_u32..400, urgency, shape).prop_map(|(id, host, ttl, urgency, shape)| {
        let (topic, receipt, signed, shared) = shape;
        let topic = topic.then(|| Topic::parse(b"t")).flatten();
        let key = signed.then(key);
        let to = if shared { job_at(1, host).to } else { job_at(id, host).to };
        Job { to, key, ttl: Ttl::from_secs(ttl), urgency, topic, receipt, ..job(id) }
    })
}

fn input() -> impl Strategy<Value = Input> {
    let id = (0_u64..60).prop_map(RequestId);
    let failure = prop::sample::select(vec![Failure::NotSent, Failure::Lost]);
    let origin = prop::sample::select(vec!["https://a.example", "https://b.example", "https://c.example"]);
    let expires = prop::option::of(1_700_000_000_u64..1_700_200_000);
    let signed = (origin, expires).prop_map(|(origin, expires)| {
        let credentials = Credentials::new("vapid t=a, k=b");
        let token = expires.map(|expires| Token { credentials, expires: UnixTime::from_secs(expires) });
        Input::Signed(Audience { origin: origin.parse().unwrap(), key: Some(key()) }, token)
    });
    let change = prop::sample::select(vec![Change::Ended, Change::Replaced, Change::Restored]);
    let resource = (0_u64..12, prop::sample::select(vec!["a.example", "b.example"]), change)
        .prop_map(|(id, host, change)| Input::PushResource(job_at(id, host).to, change));
    let receipt = (id.clone(), reference(), prop::sample::select(vec![200, 204, 410]));
    prop_oneof![
        6 => any_job().prop_map(|job| Input::Send(Box::new(job))),
        8 => (id.clone(), response()).prop_map(|(id, response)| Input::Reply(id, Ok(response))),
        2 => (id, failure).prop_map(|(id, failure)| Input::Reply(id, Err(failure))),
        2 => signed,
        4 => receipt.prop_map(|(id, message, status)| Input::Receipt(id, PushedReceipt { message, status })),
        1 => resource,
        2 => Just(Input::Tick),
    ]
}

/// What the machine has said so far, checked as it says it.
#[derive(Default)]
struct Witness {
    /// Jobs without a verdict.
    open: BTreeSet<JobId>,
    sends: BTreeMap<RequestId, String>,
    monitors: BTreeMap<RequestId, String>,
    endings: BTreeMap<RequestId, String>,
    awaited: Vec<(JobId, String)>,
    /// A token was asked for.
    signed: bool,
    /// The push resource that was last said to have ended, until time passes or something is said of any other.
    ended: Option<PushUrl>,
}

impl Witness {
    fn see(&mut self, output: Output, config: &Config) {
        match output {
            Output::Request(id, Request::Send(send)) => {
                assert!(send.credentials.is_none() || self.signed, "nobody has signed anything");
                assert!(self.sends.insert(id, send.to.origin().to_string()).is_none());
                assert!(self.sends.len() <= config.limits.requests);
                let origin = send.to.origin().to_string();
                assert!(self.ended.as_ref() != Some(&send.to), "nothing is sent to what has ended");
                let here = self.sends.values().filter(|other| **other == origin).count();
                assert!(here <= config.limits.requests_per_origin * 2);
                assert!(send.receipt == ReceiptRequest::No || self.awaited.len() < config.limits.receipts);
            }
            Output::Request(id, Request::EndReceipts { url }) => {
                assert!(!self.monitors.values().any(|open| *open == url.as_str()), "nobody listens to it");
                assert!(self.endings.insert(id, url.as_str().to_owned()).is_none());
                assert!(self.endings.len() <= config.limits.endings);
            }
            Output::Request(id, Request::MonitorReceipts { url, .. }) => {
                assert!(!self.monitors.values().any(|open| *open == url.as_str()), "one monitor for each");
                assert!(self.monitors.insert(id, url.as_str().to_owned()).is_none());
            }
            Output::Cancel(id) => {
                let known = self.sends.remove(&id).is_some()
                    || self.monitors.remove(&id).is_some()
                    || self.endings.remove(&id).is_some();
                assert!(known, "what is cancelled was in flight");
            }
            Output::Verdict(job, verdict) => {
                assert!(self.open.remove(&job), "one verdict for each job");
                if let Verdict::Accepted(accepted) = verdict
                    && accepted.receipt
                {
                    self.awaited.push((job, accepted.message.unwrap().as_str().to_owned()));
                }
            }
            Output::Refused(job, _) => {
                self.open.remove(&job.id);
            }
            Output::Receipt(receipt) => {
                let told = (receipt.job, receipt.message.as_str().to_owned());
                let place = self.awaited.iter().position(|awaited| *awaited == told);
                self.awaited.remove(place.expect("one outcome for each receipt that was promised"));
            }
            Output::Sign(audience, _) => {
                assert!(audience.key.is_some());
                self.signed = true;
            }
            Output::Wait(..) => {}
        }
    }

    fn before(&mut self, input: &Input) -> bool {
        match input {
            // A name that is in use is refused; the witness would lose count.
            Input::Send(job) => return self.open.insert(job.id),
            Input::Reply(id, _) => {
                self.sends.remove(id);
                self.monitors.remove(id);
                self.endings.remove(id);
                self.ended = None;
            }
            Input::PushResource(url, change) => {
                self.ended = (*change != Change::Restored).then(|| url.clone());
            }
            _ => {}
        }
        true
    }
}

proptest! {
    #[test]
    fn any_inputs_give_each_job_one_verdict_and_each_receipt_one_outcome(
        steps in prop::collection::vec((input(), 0_u64..30_000), 0..300),
        repeat in any::<bool>(),
        share_receipts in any::<bool>(),
        patient in any::<bool>(),
    ) {
        let config = small(repeat, share_receipts);
        let mut world = World::with(config);
        let mut witness = Witness::default();
        for (input, millis) in steps {
            world.pass(Duration::from_millis(millis));
            witness.ended = None;
            if !witness.before(&input) {
                continue;
            }
            for output in world.give(input) {
                witness.see(output, &config);
            }
            prop_assert!(witness.open.len() <= config.limits.jobs);
            prop_assert_eq!(world.sender.room(), config.limits.jobs - witness.open.len());
        }
        // Either everything is left to end by itself, or it is closed.
        if patient {
            for _ in 0..1000 {
                if world.deadline.is_none() {
                    break;
                }
                for output in world.wake().1 {
                    witness.see(output, &config);
                }
            }
            prop_assert_eq!(world.deadline, None, "it comes to rest");
        } else {
            for output in world.give(Input::Close) {
                witness.see(output, &config);
            }
        }
        prop_assert!(witness.open.is_empty(), "{:?} have no verdict", witness.open);
        prop_assert!(witness.awaited.is_empty(), "{:?} have no outcome", witness.awaited);
    }
}
