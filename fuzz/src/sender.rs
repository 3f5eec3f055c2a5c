use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use push_proto::{
    Content, Mono, Now, PushUrl, Seed, Topic, Ttl, UnixTime, Urgency,
    application_server::{
        Audience, Change, Config, Credentials, Input, Job, JobId, Notice, Output, PushedReceipt,
        ReceiptRequest, Request, Response, Sender, Token, Verdict,
    },
    user_agent::{Failure, Reference, RequestId},
};

use crate::{
    fixture::SIGNER,
    script::Script,
    user_agent::{reference, retry_after},
};

/// A sender under any responses, receipts and failures: comes to rest, keeps its bounds, and gives each job one verdict
/// and each receipt that was promised one outcome.
pub fn sender(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut world = World::new(&mut script);
    let patient = script.flag();
    for _ in 0..400 {
        if script.is_done() {
            break;
        }
        world.pass(Duration::from_millis(u64::from(script.octet()) << (script.octet() % 10)));
        let input = world.input(&mut script);
        if world.before(&input) {
            world.give(input);
        }
    }
    world.finish(patient);
}

struct World {
    sender: Sender,
    config: Config,
    now: Now,
    deadline: Option<Mono>,
    /// Jobs without a verdict.
    open: BTreeSet<JobId>,
    sends: BTreeMap<RequestId, String>,
    monitors: BTreeMap<RequestId, String>,
    endings: BTreeMap<RequestId, String>,
    awaited: Vec<(JobId, String)>,
    /// A token was asked for.
    signed: bool,
    /// The push resource that was just said to have ended.
    ended: Option<PushUrl>,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let mut config = Config { repeat: script.flag(), share_receipts: script.flag(), ..Config::default() };
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
        Self {
            sender: Sender::new(config, &Seed::from_octets([5; 32])),
            config,
            now: Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) },
            deadline: None,
            open: BTreeSet::new(),
            sends: BTreeMap::new(),
            monitors: BTreeMap::new(),
            endings: BTreeMap::new(),
            awaited: Vec::new(),
            signed: false,
            ended: None,
        }
    }

    fn pass(&mut self, wait: Duration) {
        self.now.mono = self.now.mono.after(wait);
        self.now.wall = self.now.wall.saturating_add_secs(wait.as_secs());
        self.ended = None;
    }

    fn input(&self, script: &mut Script<'_>) -> Input {
        match script.below(24) {
            0..=5 => Input::Send(Box::new(job(script))),
            6..=13 => Input::Reply(self.request(script), Ok(response(script))),
            14 | 15 => {
                Input::Reply(self.request(script), Err(script.pick(&[Failure::NotSent, Failure::Lost])))
            }
            16 | 17 => {
                let origin = format!("https://{}", script.pick(&HOSTS)).parse().unwrap();
                let expires = UnixTime::from_secs(1_700_000_000 + (u64::from(script.u16()) << 2));
                let credentials = Credentials::new("vapid t=a, k=b");
                let token = script.flag().then_some(Token { credentials, expires });
                Input::Signed(Audience { origin, key: Some(*SIGNER.public_key()) }, token)
            }
            18..=20 => {
                let monitor = pick_id(script, self.monitors.keys());
                let messages: Vec<_> = self.awaited.iter().map(|(_, url)| url.clone()).collect();
                let message = if messages.is_empty() || script.flag() {
                    reference(script).unwrap_or_else(|| Reference::new("/m/1"))
                } else {
                    Reference::new(&script.pick(&messages))
                };
                Input::Receipt(monitor, PushedReceipt { message, status: script.pick(&[204, 410, 200]) })
            }
            21 => {
                let change = script.pick(&[Change::Ended, Change::Replaced, Change::Restored]);
                Input::PushResource(job(script).to, change)
            }
            _ => Input::Tick,
        }
    }

    fn request(&self, script: &mut Script<'_>) -> RequestId {
        let ids = self.sends.keys().chain(self.monitors.keys()).chain(self.endings.keys());
        pick_id(script, ids)
    }

    /// Whether to give it: a name that is in use is refused, and we would lose count.
    fn before(&mut self, input: &Input) -> bool {
        match input {
            Input::Send(job) => return self.open.insert(job.id),
            // Some come unasked.
            Input::Signed(_, token) => self.signed |= token.is_some(),
            Input::Reply(id, _) => {
                self.sends.remove(id);
                self.monitors.remove(id);
                self.endings.remove(id);
            }
            Input::PushResource(url, change) => {
                self.ended = (*change != Change::Restored).then(|| url.clone());
            }
            _ => {}
        }
        true
    }

    fn give(&mut self, input: Input) {
        self.sender.handle(input, self.now);
        for _ in 0..10_000 {
            match self.sender.poll(self.now) {
                Output::Wait(deadline, _) => {
                    assert!(deadline.is_none_or(|at| at > self.now.mono), "a deadline is to come");
                    self.deadline = deadline;
                    assert!(self.open.len() <= self.config.limits.jobs, "G5");
                    return;
                }
                output => self.see(output),
            }
        }
        panic!("the machine does not come to rest");
    }

    fn see(&mut self, output: Output) {
        match output {
            Output::Request(id, request) => self.requested(id, &request),
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
            Output::Refused(job, _) => drop(self.open.remove(&job.id)),
            Output::Receipt(receipt) => {
                let told = (receipt.job, receipt.message.as_str().to_owned());
                let place = self.awaited.iter().position(|awaited| *awaited == told);
                self.awaited.remove(place.expect("one outcome for each receipt that was promised"));
            }
            Output::Sign(audience, _) => {
                assert!(audience.key.is_some());
                self.signed = true;
            }
            Output::Wait(..) => unreachable!("seen to elsewhere"),
        }
    }

    fn requested(&mut self, id: RequestId, request: &Request) {
        let built = push_proto::wire::application_server::request(request);
        assert_eq!(built.expect("a request that HTTP can carry").method().as_str(), request.method());
        assert!(request.url().is_https(), "8030-8-1");
        let limits = &self.config.limits;
        match request {
            Request::Send(send) => {
                assert!(send.credentials.is_none() || self.signed, "nobody has signed anything");
                assert!(self.ended.as_ref() != Some(&send.to), "nothing is sent to what has ended");
                assert!(send.receipt == ReceiptRequest::No || self.awaited.len() < limits.receipts, "G5");
                let origin = send.to.origin().to_string();
                assert!(self.sends.insert(id, origin.clone()).is_none());
                let here = self.sends.values().filter(|other| **other == origin).count();
                assert!(self.sends.len() <= limits.requests, "G5");
                assert!(here <= limits.requests_per_origin * 2, "G5: for each of two keys");
            }
            Request::MonitorReceipts { url, .. } => {
                assert!(!self.monitors.values().any(|open| *open == url.as_str()), "one monitor for each");
                assert!(self.monitors.insert(id, url.as_str().to_owned()).is_none());
            }
            Request::EndReceipts { url } => {
                assert!(!self.monitors.values().any(|open| *open == url.as_str()), "nobody listens to it");
                assert!(self.endings.insert(id, url.as_str().to_owned()).is_none());
                assert!(self.endings.len() <= limits.endings, "G5");
            }
        }
    }

    /// Either everything is left to end by itself, or it is closed.
    fn finish(mut self, patient: bool) {
        if patient {
            for _ in 0..2000 {
                let Some(at) = self.deadline else { break };
                self.pass(at.since(self.now.mono));
                self.give(Input::Tick);
            }
            assert_eq!(self.deadline, None, "it comes to rest");
        } else {
            self.give(Input::Close);
            assert!(self.sends.is_empty() && self.monitors.is_empty() && self.endings.is_empty());
        }
        assert!(self.open.is_empty(), "{:?} have no verdict", self.open);
        assert!(self.awaited.is_empty(), "{:?} have no outcome", self.awaited);
    }
}

const HOSTS: [&str; 3] = ["a.example", "b.example", "c.example"];

fn pick_id<'a>(script: &mut Script<'_>, ids: impl Iterator<Item = &'a RequestId>) -> RequestId {
    let ids: Vec<_> = ids.copied().collect();
    let which = script.octet();
    if ids.is_empty() || which > 240 { RequestId(which.into()) } else { ids[usize::from(which) % ids.len()] }
}

fn job(script: &mut Script<'_>) -> Job {
    let (id, host) = (u64::from(script.octet() % 12), script.pick(&HOSTS));
    let resource = if script.flag() { 1 } else { id };
    Job {
        id: JobId(id),
        to: PushUrl::parse(&format!("https://{host}/p/{resource}")).unwrap(),
        key: script.flag().then(|| *SIGNER.public_key()),
        ttl: Ttl::from_secs(u32::from(script.u16() % 400)),
        urgency: script.pick(&Urgency::ALL),
        topic: script.flag().then(|| Topic::parse(b"t").unwrap()),
        content: Content { body: vec![1, 2, 3].into(), ..Content::default() },
        receipt: script.flag(),
    }
}

fn response(script: &mut Script<'_>) -> Response {
    let all = [201, 202, 202, 202, 204, 200, 400, 403, 404, 406, 410, 413, 429, 500, 503];
    let response = Response {
        status: if script.octet() > 240 { script.u16() } else { script.pick(&all) },
        location: reference(script),
        ttl: script.flag().then(|| Ttl::from_secs(script.u32())),
        receipt: reference(script),
        retry_after: retry_after(script),
        reason: script.string().to_vec().into(),
        notice: None,
    };
    let notice = match response.reason.first() {
        Some(b'D') => Some(Notice::Dropped),
        Some(b'R') => Some(Notice::ResourceThrottled),
        Some(b'S') => Some(Notice::SenderThrottled),
        _ => None,
    };
    Response { notice, ..response }
}
