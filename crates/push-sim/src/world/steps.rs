//! Carries out the steps of a schedule.

use std::time::Duration;

use bytes::Bytes;
use push_proto::{
    AgentId, Content, ContentField, Handle, Topic, Ttl, UnixTime, Urgency,
    application_server::{Job, JobId},
    service::{Monitor, Request, Subscribe, Target},
    user_agent::Disposition,
};

use super::World;
use crate::{
    kinds::FaultKind,
    passage::key_of,
    schedule::{Application, Cut, Fault, Leg, Remedy, Send, Step, Stranger},
    site::{LinkId, Peer},
    truth::Wanted,
};

impl World {
    pub(crate) fn take(&mut self, step: Step) {
        self.site.trace.note(self.now, format_args!("step"), &step);
        match step {
            Step::Send(send) => self.send(send),
            Step::Travel(leg) => self.travel(leg),
            Step::Settle => self.settle(),
            Step::Application(application) => self.application(application),
            Step::Stranger(stranger) => self.stranger(stranger),
            Step::Pass(secs) => self.pass(u64::from(secs), Duration::ZERO, |_| {}),
            Step::Fault(fault) => self.fault(fault),
            Step::Remedy(remedy) => self.remedy(remedy),
        }
    }

    fn send(&mut self, send: Send) {
        let known = self.agents.iter().enumerate();
        let known: Vec<_> = known
            .flat_map(|(agent, it)| it.account().known.iter().map(move |known| (agent, known)))
            .collect();
        let Some((agent, known)) = known.get(usize::from(send.to) % known.len().max(1)).copied() else {
            return;
        };
        let (push, restricted) = (known.push.clone(), known.restricted);
        self.jobs += 1;
        let topic = send.topic.and_then(|topic| Topic::parse(&[b'a' + topic]));
        let content = Content {
            body: Bytes::copy_from_slice(&self.jobs.to_be_bytes()),
            fields: [(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))].into(),
        };
        let sender = usize::from(send.sender) % self.senders.len();
        let job = Job {
            id: JobId(self.jobs),
            to: push.clone(),
            ttl: Ttl::from_secs(u32::from(send.ttl)),
            urgency: Urgency::ALL[usize::from(send.urgency) % 4],
            topic: topic.clone(),
            content: content.clone(),
            receipt: send.receipt,
            key: key_of(sender),
        };
        let wanted = Wanted {
            sender,
            agent,
            to: push.as_str().to_owned(),
            restricted,
            ttl: job.ttl,
            urgency: job.urgency,
            topic,
            receipt: send.receipt && send.ttl > 0,
            content,
        };
        self.site.truth.wanted.insert(self.jobs, wanted);
        self.senders[sender].send(job, &mut self.site, self.now);
    }

    fn travel(&mut self, leg: Leg) {
        match leg {
            Leg::Arrive(which) => {
                if let Some(link) = self.link(which) {
                    while self.site.arrive(link, self.now) {}
                }
            }
            Leg::Turn(which) => {
                self.site.turn(usize::from(which) % self.site.shards(), self.now);
            }
            Leg::Commit(count) => {
                self.site.commit(usize::from(count));
            }
            Leg::Hear(which) => while self.site.hear(usize::from(which) % self.site.shards()) {},
            Leg::Write(which) | Leg::Answer(which) => {
                let answers_only = matches!(leg, Leg::Answer(_));
                if let Some(link) = self.link(which) {
                    while self.site.write(link, answers_only, self.now) {}
                }
            }
            Leg::Receive(which) => {
                self.connect();
                if let Some(link) = self.link(which) {
                    while self.receive(link) {}
                }
            }
        }
    }

    /// One of the connections that clients know of.
    fn link(&self, which: u8) -> Option<LinkId> {
        let links = self.site.known_links();
        links.get(usize::from(which) % links.len().max(1)).copied()
    }

    fn application(&mut self, application: Application) {
        let Self { site, agents, senders, now, .. } = self;
        let count = agents.len();
        let agent = &mut agents[usize::from(application.agent()) % count];
        match application {
            Application::Take(_) => {
                agent.dispose(Disposition::Taken, site, *now);
            }
            Application::Discard(_) => {
                agent.dispose(Disposition::Undecryptable, site, *now);
            }
            Application::Subscribe { restricted, alone, .. } => {
                agent.subscribe(restricted, alone, site, *now)
            }
            Application::Unsubscribe(_) => agent.unsubscribe(site, *now),
            Application::Power(_, level) => agent.power(level, site, *now),
            Application::Speak(_, speech) => agent.speak(speech, site, *now),
            Application::Restore(_) => {
                if let Some(known) = agent.account().known.last() {
                    senders.iter_mut().for_each(|sender| sender.restore(known.push.clone(), site, *now));
                }
            }
        }
    }

    fn stranger(&mut self, stranger: Stranger) {
        match stranger {
            Stranger::Monitor { agent, member, wait } => {
                let Some((agent, subscription)) = self.newest_of(agent) else { return };
                let target =
                    if member { Target::Subscription(agent, subscription) } else { Target::Set(agent) };
                let wait = Some(Duration::from_secs(u64::from(wait)));
                if let Some(id) = self.ask(Request::Monitor(Monitor { wait, ..Monitor::of(target) })) {
                    self.monitoring.insert(id, 0);
                }
            }
            Stranger::Read(which) => self.ask_about(which, Request::Read),
            Stranger::Acknowledge(which) => self.ask_about(which, Request::Acknowledge),
            Stranger::Drop(which) => self.ask_about(which, Request::Drop),
            Stranger::EndSet(agent) => {
                if let Some((agent, _)) = self.newest_of(agent) {
                    self.ask(Request::Unsubscribe(Target::Set(agent)));
                }
            }
            Stranger::EndReceipts(which) => {
                let receipts = self.site.truth.facts.values().filter_map(|fact| fact.message.receipt);
                let receipts: Vec<_> = receipts.collect();
                if let Some(agent) = receipts.get(usize::from(which) % receipts.len().max(1)).copied() {
                    self.ask(Request::Unsubscribe(Target::Receipts(agent)));
                }
            }
            Stranger::Subscribe => {
                self.ask(Request::Subscribe(Subscribe::default()));
            }
        }
    }

    fn newest_of(&self, agent: u8) -> Option<(AgentId, push_proto::SubscriptionId)> {
        let known = self.agents[usize::from(agent) % self.agents.len()].account().known.last()?;
        self.site.passage.push_of(&known.push)
    }

    fn ask_about(&mut self, which: u8, request: impl FnOnce(Handle) -> Request) {
        let facts = &self.site.truth.facts;
        let fact = facts.values().nth(usize::from(which) % facts.len().max(1));
        if let Some(handle) = fact.map(|fact| fact.message.handle) {
            self.ask(request(handle));
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Commit(failing) => self.site.vault.fail_next(failing),
            Fault::Hold => self.site.hold(),
            Fault::Mute(which) => self.site.mute(usize::from(which) % self.site.shards()),
            Fault::StoreDown => self.site.store_down(),
            Fault::LoseHints(count) => self.site.vault.lose_hints(count),
            Fault::RepeatHints(count) => self.site.vault.repeat_hints(count),
            Fault::Kill { node, after, survive } => self.site.kill(node, after, survive),
            Fault::Drain(node) => self.drain(node),
            Fault::Cut(which, cut) => self.cut(which, cut),
            Fault::Reset(which) => {
                if let Some(link) = self.link(which) {
                    self.site.reset_next(link);
                }
            }
            Fault::Stall(which) => self.site.stall(usize::from(which) % self.site.shards()),
            Fault::WallBack(secs) => {
                self.site.tally.fault(FaultKind::WallBack);
                let wall = self.now.wall.as_secs().saturating_sub(u64::from(secs));
                self.now.wall = UnixTime::from_secs(wall);
            }
            Fault::WallForth(secs) => {
                self.site.tally.fault(FaultKind::WallForth);
                self.now.wall = self.now.wall.saturating_add_secs(u64::from(secs));
            }
            Fault::Pushless(agent)
            | Fault::Unreachable(agent)
            | Fault::KillAgent(agent)
            | Fault::Release(agent) => {
                self.fault_of_agent(fault, agent);
            }
        }
    }

    fn fault_of_agent(&mut self, fault: Fault, agent: u8) {
        let Self { site, agents, now, .. } = self;
        let count = agents.len();
        let agent = &mut agents[usize::from(agent) % count];
        match fault {
            Fault::Pushless(_) => agent.account_mut().pushless = true,
            Fault::Unreachable(_) => agent.account_mut().unreachable = true,
            Fault::KillAgent(_) => agent.kill(site, *now),
            Fault::Release(_) => {
                agent.dispose(Disposition::Released, site, *now);
            }
            _ => {}
        }
    }

    fn drain(&mut self, node: u8) {
        let links = self.site.drain_node(node, self.now);
        if !links.is_empty() {
            self.site.tally.fault(FaultKind::NodeDrained);
        }
        for link in links {
            let Self { site, agents, senders, now, .. } = self;
            match site.peer_of(link) {
                Some(Peer::Agent(number)) => agents[number].drained(link, site, *now),
                Some(Peer::Sender(number)) => senders[number].drained(link),
                Some(Peer::Stranger) => {
                    self.stranger = None;
                }
                None => {}
            }
        }
    }

    fn cut(&mut self, which: u8, cut: Cut) {
        let Some(link) = self.link(which) else { return };
        self.site.tally.fault(match cut {
            Cut::Hard => FaultKind::ConnectionCut,
            Cut::Soft => FaultKind::ConnectionEnded,
            Cut::Silent => FaultKind::ConnectionSilent,
        });
        if cut == Cut::Soft {
            while self.receive(link) {}
        }
        self.lose(link, cut == Cut::Silent);
    }

    fn remedy(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::Release => self.site.vault.release(),
            Remedy::Unmute => self.site.vault.unmute(),
            Remedy::Reopen => self.site.reopen(),
            Remedy::Start => self.site.start(),
            Remedy::Resume => self.site.resume(),
            Remedy::Reach => {
                self.site.take_pushes();
                for agent in &mut self.agents {
                    agent.account_mut().pushless = false;
                    agent.account_mut().unreachable = false;
                }
            }
            Remedy::Notice => self.site.notice(),
        }
    }
}
