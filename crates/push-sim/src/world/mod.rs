//! Everybody, and what happens to them.

mod healing;
mod steps;

use std::{collections::BTreeMap, time::Duration};

use push_proto::{Mono, Now, UnixTime, application_server, service::Request, user_agent::RequestId};

use crate::{
    agent::{Agent, service},
    broken::{Broken, Guarantee},
    browser::Browser,
    kinds::Tally,
    party::Party,
    schedule::{Application, Shape, Step},
    sender::Sender,
    site::{Arrival, LinkId, Peer, Site},
    trace::Trace,
};

const START: u64 = 1_800_000_000;
/// Rounds in which everything moves; more than any schedule needs.
const RESTLESS: usize = 3000;
const SENDERS: usize = 2;

pub(crate) struct World {
    site: Site,
    agents: Vec<Box<dyn Party>>,
    senders: Vec<Sender>,
    now: Now,
    jobs: u64,
    /// Of strangers.
    requests: u64,
    stranger: Option<LinkId>,
    /// Monitors of strangers: the number of pushes that each has got.
    monitoring: BTreeMap<RequestId, usize>,
}

impl World {
    /// User agents with two subscriptions each, one of them restricted; two senders; all is calm.
    pub(crate) fn new(shape: Shape, trace: Trace) -> Self {
        let now = Now { mono: Mono::from_nanos(1_000_000_000), wall: UnixTime::from_secs(START) };
        let count = if shape.nodes > 1 { 3 } else { 2 };
        let browsers = usize::from(shape.browsers).min(count);
        let party = |number: usize| -> Option<Box<dyn Party>> {
            if number < browsers {
                return Some(Box::new(Browser::new(number)));
            }
            Some(Box::new(Agent::new(number, service()?)))
        };
        let mut world = Self {
            site: Site::new(shape, trace, now),
            agents: (0..count).filter_map(party).collect(),
            senders: (0..SENDERS).map(Sender::new).collect(),
            now,
            jobs: 0,
            requests: 0,
            stranger: None,
            monitoring: BTreeMap::new(),
        };
        for agent in 0..world.agents.len() {
            for restricted in [false, true] {
                let agent = u8::try_from(agent).unwrap_or(0);
                world.take(Step::Application(Application::Subscribe { agent, restricted, alone: false }));
                world.settle();
            }
        }
        world
    }

    pub(crate) const fn tally(&self) -> &Tally {
        &self.site.tally
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.site.truth.judge.is_broken()
    }

    pub(crate) fn finish(self) -> (Tally, Option<Broken>, Vec<String>) {
        (self.site.tally, self.site.truth.judge.verdict(), self.site.trace.lines())
    }

    /// The next thing that was written reaches its client. Whether there was one.
    fn receive(&mut self, link: LinkId) -> bool {
        let Some(peer) = self.site.peer_of(link) else { return false };
        if self.site.has_ended(link) {
            self.lose(link, false);
            return true;
        }
        let Some(arrival) = self.site.receive(link) else { return false };
        let Self { site, agents, senders, now, .. } = self;
        match peer {
            Peer::Agent(number) => agents[number].receive(link, arrival, site, *now),
            Peer::Sender(number) => senders[number].receive(arrival, site, *now),
            Peer::Stranger => self.answered(arrival),
        }
        true
    }

    fn answered(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Socket(_) => {}
            Arrival::Push(id, _) => *self.monitoring.entry(id).or_default() += 1,
            Arrival::Answer(id, response) => {
                let Some(pushed) = self.monitoring.remove(&id) else { return };
                let status = self.site.passage.agent_answer(&response).status;
                // A push may have been taken back; then the status says that there was one.
                let right = status >= 400 || status == 200 || (status == 204 && pushed == 0);
                self.site.require(right, Guarantee::Protocol, || format!("{status} after {pushed} pushes"));
            }
        }
    }

    /// A connection is lost to its client.
    fn lose(&mut self, link: LinkId, silent: bool) {
        let Self { site, agents, senders, now, .. } = self;
        match site.peer_of(link) {
            Some(Peer::Agent(number)) => agents[number].lose(link, silent, site, *now),
            Some(Peer::Sender(number)) => senders[number].lose(link, silent, site, *now),
            Some(Peer::Stranger) => {
                site.close(link);
                self.stranger.take_if(|of| *of == link);
                self.monitoring.clear();
            }
            None => {}
        }
    }

    /// Somebody else asks.
    fn ask(&mut self, request: Request) -> Option<RequestId> {
        self.stranger = self.stranger.or_else(|| self.site.connect(Peer::Stranger, false));
        self.requests += 1;
        let id = RequestId(self.requests);
        self.site.submit(self.stranger?, id, Ok(request));
        Some(id)
    }

    /// Whatever wants to be connected is.
    fn connect(&mut self) -> bool {
        let Self { site, agents, senders, now, .. } = self;
        let mut moved = false;
        for agent in agents {
            moved |= agent.connect(site, *now);
        }
        for sender in senders {
            moved |= sender.connect(site, *now);
        }
        moved
    }

    /// Everything moves, until nothing does.
    fn settle(&mut self) {
        for _ in 0..RESTLESS {
            let mut moved = self.connect();
            moved |= self.site.travel(self.now);
            for link in self.site.known_links() {
                while self.receive(link) {
                    moved = true;
                }
            }
            if !moved || self.is_broken() {
                return;
            }
        }
        self.site.require(false, Guarantee::G5, || "the exchange does not come to rest".to_owned());
    }

    /// Both clocks go on; every machine is woken when it wants to be, `meanwhile` happens after each of that. Wakings are
    /// `grain` apart at least, so some are late.
    fn pass(&mut self, secs: u64, grain: Duration, mut meanwhile: impl FnMut(&mut Self)) {
        let (origin, wall) = (self.now.mono, self.now.wall);
        let end = origin.after(Duration::from_secs(secs));
        while !self.is_broken() {
            let agents = self.agents.iter().filter_map(|agent| agent.account().deadline);
            let senders = self.senders.iter().filter_map(|sender| sender.deadline);
            let next = agents.chain(senders).chain(self.site.deadline()).min();
            let soonest = self.now.mono.after(grain);
            let mono = next.map_or(end, |next| next.max(soonest).min(end));
            self.now = Now { mono, wall: wall.saturating_add_secs(mono.since(origin).as_secs()) };
            self.tick();
            meanwhile(self);
            if mono >= end {
                return;
            }
        }
    }

    /// Wakes whoever is due.
    fn tick(&mut self) {
        let Self { site, agents, senders, now, .. } = self;
        for shard in 0..site.shards() {
            if site.is_due(shard, *now) {
                site.tick(shard, *now);
            }
        }
        site.tick_sockets(*now);
        let due = |agent: &&mut Box<dyn Party>| agent.account().deadline.is_some_and(|at| at <= now.mono);
        for agent in agents.iter_mut().filter(due) {
            agent.tick(site, *now);
        }
        for sender in senders.iter_mut().filter(|sender| sender.deadline.is_some_and(|at| at <= now.mono)) {
            sender.give(application_server::Input::Tick, site, *now);
        }
    }
}
