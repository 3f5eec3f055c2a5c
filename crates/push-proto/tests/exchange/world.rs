//! Carries steps out; then heals, and compares what came of everything with what must have.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use http::Request as HttpRequest;
use push_proto::{
    Content, ContentField, MessageId, Mono, Now, Topic, Ttl, UnixTime, Urgency,
    application_server::{self, Job, JobId, ReceiptOutcome, Verdict},
    service,
    store::Cause,
    user_agent::{self, Disposition, RequestId},
};

use crate::{
    agent::{Agent, Known},
    host::{Arrival, Host, Peer},
    schedule::{Application, Network, Send, Step, StoreStep},
    sender::{SIGNERS, Sender},
    store::Backend,
    truth::{End, Wanted},
};

const START: u64 = 1_800_000_000;

pub(crate) struct World {
    host: Host,
    agents: Vec<Agent>,
    senders: Vec<Sender>,
    now: Now,
    jobs: u64,
    peeks: u64,
    /// Peeks under way: the number of pushes that each has got.
    peeking: BTreeMap<RequestId, usize>,
}

impl World {
    /// Two user agents with two subscriptions each, one of them restricted; two senders; all is calm.
    pub(crate) fn new(backend: Backend) -> Self {
        let now = Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(START) };
        let mut world = Self {
            host: Host::new(backend),
            agents: (0..2).map(Agent::new).collect(),
            senders: (0..2).map(Sender::new).collect(),
            now,
            jobs: 0,
            peeks: 0,
            peeking: BTreeMap::new(),
        };
        for agent in 0..2 {
            for restricted in [false, true] {
                world.take(Step::Application(Application::Subscribe(agent, restricted)));
                world.settle();
            }
        }
        assert!(world.agents.iter().all(|agent| agent.known.len() == 2), "all is calm");
        world
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Send(send) => self.send(send),
            Step::Network(network) => self.network(network),
            Step::Application(application) => self.application(application),
            Step::Store(step) => self.store(step),
            Step::Pass(secs) => self.pass(u64::from(secs)),
            Step::WallBack(secs) => {
                let wall = self.now.wall.as_secs().saturating_sub(u64::from(secs));
                self.now.wall = UnixTime::from_secs(wall);
            }
            Step::Restart => {
                // Connections do not survive it, and are lost before anything new is said on them.
                self.host.restart(self.now);
                self.cut_all();
            }
            Step::Peek { agent, member, wait } => self.peek(agent, member, wait),
        }
    }

    fn send(&mut self, send: Send) {
        let known: Vec<(usize, Known)> = self
            .agents
            .iter()
            .enumerate()
            .flat_map(|(agent, it)| it.known.iter().map(move |known| (agent, known.clone())))
            .collect();
        if known.is_empty() {
            return;
        }
        let (agent, known) = known[send.to % known.len()].clone();
        self.jobs += 1;
        let topic = send.topic.map(|topic| Topic::parse(format!("topic-{topic}").as_bytes()).unwrap());
        let content = Content {
            body: format!("job {} for {agent}", self.jobs).into(),
            fields: [(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))].into(),
        };
        let job = Job {
            id: JobId(self.jobs),
            to: known.push.clone(),
            ttl: Ttl::from_secs(send.ttl),
            urgency: Urgency::ALL[send.urgency],
            topic: topic.clone(),
            content: content.clone(),
            receipt: send.receipt,
            key: Some(*SIGNERS[send.sender].public_key()),
        };
        let wanted = Wanted {
            sender: send.sender,
            agent,
            to: known.push.as_str().to_owned(),
            restricted: known.restricted,
            ttl: job.ttl,
            urgency: job.urgency,
            topic,
            receipt: send.receipt && send.ttl > 0,
            content,
        };
        self.host.truth.wanted.insert(self.jobs, wanted);
        self.senders[send.sender].send(job, &mut self.host, self.now);
    }

    fn network(&mut self, network: Network) {
        match network {
            Network::Arrive(client) => while self.host.arrive(peer(client), self.now) {},
            Network::Write(client) => while self.host.write(peer(client), false, self.now) {},
            Network::Answer(client) => while self.host.write(peer(client), true, self.now) {},
            Network::Receive(client) => while self.receive(peer(client)) {},
            Network::Reset(client) => self.host.reset(peer(client), self.now),
            Network::Cut(client) => self.cut(peer(client)),
            Network::Settle => self.settle(),
        }
    }

    fn application(&mut self, application: Application) {
        let Self { host, agents, now, .. } = self;
        match application {
            Application::Take(agent) => {
                agents[agent].dispose(Disposition::Taken, host, *now);
            }
            Application::Release(agent) => {
                agents[agent].dispose(Disposition::Released, host, *now);
            }
            Application::Subscribe(agent, restricted) => {
                let key = restricted.then(|| *SIGNERS[0].public_key());
                agents[agent].subscribe(key, host, *now);
            }
            Application::Unsubscribe(agent) => agents[agent].unsubscribe(host, *now),
            Application::DeleteSet(agent) => {
                if let Some(set) = &agents[agent].set {
                    let request = HttpRequest::delete(set.as_str()).body(Bytes::new()).unwrap();
                    self.ask_otherwise(request);
                }
            }
        }
    }

    fn store(&mut self, step: StoreStep) {
        match step {
            StoreStep::Hold => self.host.hold(),
            StoreStep::Release => self.host.release(self.now),
            StoreStep::Mute => self.host.mute(),
            StoreStep::Unmute => self.host.unmute(self.now),
            StoreStep::Fail => self.host.fail_store(self.now),
            StoreStep::Reopen => self.host.reopen_store(self.now),
        }
    }

    fn peek(&mut self, agent: usize, member: bool, wait: u32) {
        let agent = &self.agents[agent];
        let target = if member { agent.newest.as_ref() } else { agent.set.as_ref() };
        if let Some(target) = target {
            let request = HttpRequest::get(target).header("prefer", format!("wait={wait}"));
            let id = self.ask_otherwise(request.body(Bytes::new()).unwrap());
            self.peeking.insert(id, 0);
        }
    }

    fn ask_otherwise(&mut self, request: HttpRequest<Bytes>) -> RequestId {
        self.peeks += 1;
        let id = RequestId(self.peeks);
        self.host.submit(Peer::Other, id, request);
        id
    }

    fn cut(&mut self, peer: Peer) {
        match peer {
            Peer::Agent(number) => self.agents[number].cut(&mut self.host, self.now),
            Peer::Sender(number) => self.senders[number].cut(&mut self.host, self.now),
            Peer::Other => {
                self.host.cut(peer, self.now);
                self.peeking.clear();
            }
        }
    }

    fn cut_all(&mut self) {
        for peer in PEERS {
            self.cut(peer);
        }
    }

    /// The next thing that was written reaches its client. Whether there was one.
    fn receive(&mut self, peer: Peer) -> bool {
        let Some(arrival) = self.host.receive(peer) else { return false };
        match peer {
            Peer::Agent(number) => self.agents[number].receive(arrival, &mut self.host, self.now),
            Peer::Sender(number) => self.senders[number].receive(arrival, &mut self.host, self.now),
            Peer::Other => self.peeked(arrival),
        }
        true
    }

    fn peeked(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Push(id, _) => *self.peeking.entry(id).or_default() += 1,
            Arrival::Answer(id, response) => {
                let Some(pushed) = self.peeking.remove(&id) else { return };
                let status = response.status().as_u16();
                // A push may have been taken back; then the status says that there was one.
                let right = status >= 400 || status == 200 || (status == 204 && pushed == 0);
                assert!(right, "8030-6-8: {status} after {pushed} pushes");
            }
        }
    }

    /// Every connection is up, and carries whatever there is, until nothing moves.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for agent in &mut self.agents {
                moved |= agent.connect(&mut self.host, self.now);
            }
            for peer in PEERS {
                moved |= self.host.arrive(peer, self.now);
                moved |= self.host.write(peer, false, self.now);
                moved |= self.receive(peer);
            }
            if !moved {
                return;
            }
        }
        panic!("G5: the exchange does not come to rest");
    }

    /// Both clocks go on; every machine is woken when it wants to be.
    fn pass(&mut self, secs: u64) {
        self.pass_with(secs, Duration::ZERO, |_| {});
    }

    /// The same, with `meanwhile` after each tick. Ticks are `grain` apart at least, so some are late.
    fn pass_with(&mut self, secs: u64, grain: Duration, mut meanwhile: impl FnMut(&mut Self)) {
        let (origin, wall) = (self.now.mono, self.now.wall);
        let end = origin.after(Duration::from_secs(secs));
        loop {
            let agents = self.agents.iter().filter_map(|agent| agent.deadline);
            let senders = self.senders.iter().filter_map(|sender| sender.deadline);
            let next = agents.chain(senders).chain(self.host.deadline).min();
            let soonest = self.now.mono.after(grain);
            let mono = next.map_or(end, |next| next.max(soonest).min(end));
            let wall = wall.saturating_add_secs(mono.since(origin).as_secs());
            self.now = Now { mono, wall };
            self.host.tick(self.now);
            for agent in &mut self.agents {
                agent.give(user_agent::Input::Tick, &mut self.host, self.now);
            }
            for sender in &mut self.senders {
                sender.give(application_server::Input::Tick, &mut self.host, self.now);
            }
            meanwhile(self);
            if mono >= end {
                return;
            }
        }
    }

    /// Nothing fails any more, and applications take what they get, for so long.
    fn calm(&mut self, secs: u64, grain: u64) {
        self.pass_with(secs, Duration::from_secs(grain), |world| {
            loop {
                world.settle();
                let Self { host, agents, now, .. } = &mut *world;
                let mut took = false;
                for agent in agents {
                    took |= agent.dispose(Disposition::Taken, host, *now);
                }
                if !took {
                    return;
                }
            }
        });
    }

    /// All that lives must arrive and be acknowledged; all that is owed must be told; then everything ends.
    pub(crate) fn heal(mut self) {
        self.host.release(self.now);
        self.host.unmute(self.now);
        self.host.reopen_store(self.now);
        // The wall clock is right again.
        self.now.wall = self.now.wall.max(self.host.wall());
        let until = self.now.wall.saturating_add_secs(HEALING_SECS);
        let surviving: BTreeSet<MessageId> = (self.host.truth.live())
            .filter(|fact| fact.message.expires > until)
            .map(|fact| fact.message.handle.id)
            .collect();
        self.calm(HEALING_SECS, 5);
        for id in surviving {
            let fact = &self.host.truth.facts[&id];
            assert!(fact.end.is_some(), "G2: lost job {} {:?}", fact.job, fact.message);
        }
        self.delivered();
        // Everything ends, and every receipt that is still worth waiting for comes.
        self.calm(60_000, 600);
        self.told();
        self.finish();
    }

    /// What was acknowledged was delivered before; what ended otherwise has its reason.
    fn delivered(&self) {
        for fact in self.host.truth.facts.values() {
            let wanted = &self.host.truth.wanted[&fact.job];
            let got = self.agents[wanted.agent].got.contains(&fact.job);
            match fact.end {
                Some(End::Caused(Cause::Acknowledged)) => {
                    assert!(got, "8030-6.2-1: job {} is acknowledged, and nobody got it", fact.job);
                }
                Some(End::Replaced) => {
                    assert!(wanted.topic.is_some(), "8030-5.4-1: only a topic replaces: job {}", fact.job);
                }
                Some(End::Caused(Cause::Dropped)) => {
                    let highest = wanted.urgency == Urgency::High;
                    assert!(!highest, "8030-7.2-7: for what is more urgent only: job {}", fact.job);
                }
                Some(End::Caused(Cause::Expired | Cause::SubscriptionGone)) | None => {}
            }
        }
    }

    /// G2, G4: every message has ended, and each sender knows what it can know.
    fn told(&self) {
        for fact in self.host.truth.facts.values() {
            assert!(fact.end.is_some(), "G2: job {} has not ended", fact.job);
            let owed = match fact.end {
                Some(End::Caused(cause)) => fact.message.receipt.map(|_| cause.outcome()),
                Some(End::Replaced) | None => None,
            };
            if owed.is_none() {
                assert_eq!(fact.outcome, None, "G4: job {} is owed no receipt", fact.job);
            }
        }
        for sender in &self.senders {
            for job in &sender.jobs {
                let verdict = sender.verdicts.get(job);
                let verdict = verdict.unwrap_or_else(|| panic!("{job:?} has a verdict"));
                let promised = matches!(verdict, Verdict::Accepted(accepted) if accepted.receipt);
                let told = sender.receipts.get(job);
                assert_eq!(promised, told.is_some(), "G4: {job:?} {verdict:?}, told {told:?}");
                if let Some(told) = told {
                    self.right_outcome(*job, *told);
                }
            }
        }
    }

    fn right_outcome(&self, job: JobId, told: ReceiptOutcome) {
        let mut facts = self.host.truth.facts.values().filter(|fact| fact.job == job.0);
        let right = facts.any(|fact| match (told, fact.end) {
            (ReceiptOutcome::Delivered, Some(End::Caused(cause))) => cause == Cause::Acknowledged,
            (ReceiptOutcome::Failed, Some(End::Caused(cause))) => cause != Cause::Acknowledged,
            // It may have been written, and lost on its way.
            (ReceiptOutcome::Unknown, end) => end == Some(End::Replaced) || fact.receipt_written,
            _ => false,
        });
        assert!(right, "G4: {job:?} is told {told:?}");
    }

    /// Everybody leaves, and nothing is left behind.
    fn finish(mut self) {
        let Self { host, agents, senders, now, .. } = &mut self;
        for agent in agents {
            agent.give(user_agent::Input::Control(user_agent::Control::Close), host, *now);
        }
        for sender in senders {
            sender.give(application_server::Input::Close, host, *now);
        }
        self.calm(10, 1);
        assert!(self.agents.iter().all(|agent| agent.closed), "8030-6.2-1: nothing is owed");
        self.cut_all();
        self.settle();
        let deadline = self.now.mono.after(Duration::from_secs(30));
        self.host.handle(service::Input::Drain(deadline), self.now);
        self.settle();
        assert_eq!(self.host.open(), 0, "G5: no exchange is open");
        assert!(self.host.service.is_drained(), "G5: nothing is pending");
    }
}

/// Longer than every wait of a machine that has something to do: backoff, acknowledgement timeout, reload.
const HEALING_SECS: u64 = 2000;

const PEERS: [Peer; 5] = [Peer::Agent(0), Peer::Agent(1), Peer::Sender(0), Peer::Sender(1), Peer::Other];

const fn peer(client: usize) -> Peer {
    PEERS[client % PEERS.len()]
}
