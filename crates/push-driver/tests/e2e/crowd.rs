//! Two user agents, two hundred subscriptions, ten thousand messages over TLS: each reaches exactly its right end. Time
//! passes when the test says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all, stream};
use push_crypto::{
    Subscription,
    vapid::{Signer, SigningKey},
};
use push_driver::{
    Addresses, AwaitedReceipt, ClientTls, Push, Sender, SenderOptions, SubscribeOptions, UserAgent,
    UserAgentOptions,
};
use push_proto::{
    Entropy, PushUrl, Seed, Topic, Ttl, Urgency,
    application_server::{ReceiptOutcome, Verdict},
    service::Limits as ServiceLimits,
    user_agent::{State, Tag},
};

use super::support::{Service, Setup, Task, clocked::Clocked, provider, run, spawn, yield_now};

const AGENTS: usize = 2;
const SUBSCRIPTIONS: usize = 100;
const MESSAGES: usize = 10_000;
/// What the clock advances by between the sending and the receiving, and so what tells the TTLs apart.
const AWAY: Duration = Duration::from_secs(500);

/// One message, and what is to become of it.
struct Sent {
    agent: usize,
    tag: Tag,
    urgency: Urgency,
    ttl: u32,
    receipt: Option<AwaitedReceipt>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Delivered once, to that very subscription.
    Delivered,
    /// Another took its place before anybody saw it: no receipt.
    Replaced,
    /// Never delivered: 410.
    Expired,
    /// TTL 0: once or not at all.
    Transient,
    /// TTL 0 with nobody there, or not for such urgency: not at all.
    Missed,
}

/// When and how a batch of messages is sent, as its model sees it.
#[derive(Clone, Copy)]
struct Phase {
    /// The lowest urgency that each agent takes now; none if it is not there.
    takes: [Option<Urgency>; AGENTS],
    messages: usize,
}

struct Crowd {
    service: Service,
    clock: Clocked,
    sender: Sender,
    signers: [Signer; 2],
    kept: [Arc<Mutex<Vec<u8>>>; AGENTS],
    /// By agent and tag, with the number of the key that it is restricted to.
    subscriptions: Vec<(usize, Tag, Subscription, Option<usize>)>,
    sent: Vec<Sent>,
    /// The last message of each topic of a subscription.
    topics: BTreeMap<(usize, usize), usize>,
    /// By agent: the messages that came.
    came: [BTreeSet<usize>; AGENTS],
    entropy: Entropy,
}

impl Crowd {
    fn new() -> Self {
        let clock = Clocked::new();
        let limits =
            ServiceLimits { messages: None, subscription_messages: None, ..ServiceLimits::default() };
        let service = Setup { tls: true, service: limits, ..Setup::default() }.start_on(clock.clone());
        let signers = [0, 1].map(|_| Signer::new(SigningKey::generate(&provider()).unwrap(), None));
        let options = SenderOptions::new(provider(), Some(signers[0].clone()), tls(&service));
        let other_signers = vec![signers[1].clone()];
        let options = SenderOptions { addresses: Addresses::Any, other_signers, ..options };
        let (sender, driver) = Sender::new(clock.clone(), options).unwrap();
        spawn(driver);
        let mut seed = [0; 32];
        provider().fill(&mut seed).unwrap();
        #[expect(clippy::print_stdout, reason = "shown if the test fails")]
        {
            println!("seed {seed:02x?}");
        }
        Self {
            service,
            clock,
            sender,
            signers,
            kept: Default::default(),
            subscriptions: Vec::new(),
            sent: Vec::new(),
            topics: BTreeMap::new(),
            came: Default::default(),
            entropy: Entropy::new(&Seed::from_octets(seed)),
        }
    }

    fn draw(&mut self, bound: u64) -> usize {
        usize::try_from(self.entropy.below(bound)).unwrap()
    }

    /// The agent comes, or comes back, with all that it has kept, and takes no less than this.
    fn agent(&self, number: usize, urgency: Option<Urgency>) -> UserAgent {
        let kept = Arc::clone(&self.kept[number]);
        let state = State::from_bytes(&kept.lock().unwrap()).unwrap_or_default();
        let url = format!("https://localhost:{}/subscribe", self.service.address.port());
        let mut options =
            UserAgentOptions::new(PushUrl::parse(&url).unwrap(), provider(), tls(&self.service));
        options.config.urgency = urgency;
        let keep = move |state: &State| *kept.lock().unwrap() = state.to_bytes();
        let (agent, driver) = UserAgent::connect(self.clock.clone(), options, state, keep).unwrap();
        spawn(driver);
        agent
    }

    async fn subscribe(&mut self) {
        for number in 0..AGENTS {
            let agent = self.agent(number, None);
            for tag in 0..SUBSCRIPTIONS {
                let key = [None, Some(0), Some(1)][self.draw(3)];
                let restricted_to = key.map(|key| *self.signers[key].public_key());
                let alone = self.draw(20) == 0;
                let tag = Tag(u64::try_from(tag).unwrap());
                let options = SubscribeOptions { restricted_to, alone, ..SubscribeOptions::default() };
                let subscription = agent.subscribe_with(tag, options).await.unwrap();
                self.subscriptions.push((number, tag, subscription, key));
            }
            agent.close().await;
        }
    }

    /// Sends a batch: in order within each subscription, which is what decides about replacement, and side by side
    /// otherwise.
    async fn send(&mut self, phase: Phase) {
        let mut lanes: BTreeMap<usize, Vec<(usize, Push)>> = BTreeMap::new();
        for _ in 0..phase.messages {
            let index = self.sent.len();
            let to = self.draw(u64::try_from(self.subscriptions.len()).unwrap());
            let (agent, tag, _, key) = &self.subscriptions[to];
            let (agent, tag, key) = (*agent, *tag, *key);
            let urgency = Urgency::ALL[self.draw(4)];
            let ttl = [0, 30, 100_000, 200_000][self.draw(4)];
            let takes = phase.takes[agent].is_some_and(|lowest| urgency >= lowest);
            // Who takes it may do so before or after the next on its topic comes: both are right, so none is set.
            let topic = (!takes && self.draw(2) == 0).then(|| self.draw(3));
            let receipt = self.draw(4) == 0;
            let end = match ttl {
                0 if takes => End::Transient,
                0 => End::Missed,
                30 if !takes => End::Expired,
                _ => End::Delivered,
            };
            // TTL 0 replaces as well (G3), and is not there to be replaced.
            if let Some(topic) = topic {
                let before = self.topics.remove(&(to, topic));
                if let Some(before) = before.filter(|before| !self.came[agent].contains(before)) {
                    self.sent[before].end = End::Replaced;
                }
                if ttl > 0 {
                    self.topics.insert((to, topic), index);
                }
            }
            let push = Push {
                urgency,
                topic: topic.map(|topic| Topic::parse(format!("topic-{topic}").as_bytes()).unwrap()),
                receipt,
                key: key.map(|key| *self.signers[key].public_key()),
                ..Push::new(Ttl::from_secs(ttl))
            };
            self.sent.push(Sent { agent, tag, urgency, ttl, receipt: None, end });
            lanes.entry(to).or_default().push((index, push));
        }
        let sending = lanes.into_iter().map(|(to, lane)| {
            let (sender, to) = (self.sender.clone(), &self.subscriptions[to].2);
            async move {
                let mut receipts = Vec::new();
                for (index, push) in lane {
                    let wants = push.receipt && push.ttl != Ttl::ZERO;
                    let sent = sender.send(to, index.to_string().as_bytes(), push).await.unwrap();
                    let Verdict::Accepted(accepted) = &sent.verdict else { panic!("{:?}", sent.verdict) };
                    assert_eq!((accepted.receipt, sent.receipt.is_some()), (wants, wants));
                    receipts.push((index, sent.receipt));
                }
                receipts
            }
        });
        let receipts: Vec<_> = stream::iter(sending).buffer_unordered(64).collect().await;
        for (index, receipt) in receipts.into_iter().flatten() {
            self.sent[index].receipt = receipt;
        }
    }

    /// What has expired is not there to be replaced any more.
    fn pass(&mut self) {
        self.clock.advance(AWAY);
        self.topics.retain(|_, index| self.sent[*index].end != End::Expired);
    }

    /// From here on time passes by itself, step by step.
    fn passing(&self, step: Duration) -> Task<()> {
        let clock = self.clock.clone();
        spawn(async move {
            loop {
                clock.advance(step);
                for _ in 0..100 {
                    yield_now().await;
                }
            }
        })
    }

    /// The agent takes what comes until the last of what must come is there, and a mark behind all of it.
    async fn receive(&mut self, number: usize, agent: &UserAgent, lowest: Urgency) {
        let to = self.subscriptions.iter().position(|(of, _, _, key)| *of == number && key.is_none());
        let mark = Push { urgency: Urgency::High, ..Push::new(Ttl::from_secs(100_000)) };
        let (_, _, subscription, _) = &self.subscriptions[to.expect("some are open to all")];
        let sent = self.sender.send(subscription, b"mark", mark).await.unwrap();
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
        let (mut marked, mut missing) = (false, self.missing(number, lowest));
        while !marked || !missing.is_empty() {
            let message = agent.next().await.unwrap();
            let text = std::str::from_utf8(message.payload().unwrap()).unwrap().to_owned();
            let tag = message.tag();
            message.acknowledge();
            if text == "mark" {
                marked = true;
                continue;
            }
            let index: usize = text.parse().unwrap();
            let sent = &self.sent[index];
            assert_eq!((sent.agent, sent.tag), (number, tag), "message {index}: to its own subscription");
            assert!(
                matches!(sent.end, End::Delivered | End::Transient),
                "message {index} was to be {:?}, TTL {}",
                sent.end,
                sent.ttl
            );
            assert!(self.came[number].insert(index), "message {index} came twice");
            missing.remove(&index);
        }
    }

    /// What must come to an agent that takes no less than this, and has not.
    fn missing(&self, number: usize, lowest: Urgency) -> BTreeSet<usize> {
        let due = |(index, sent): (usize, &Sent)| {
            let mine = sent.agent == number && sent.end == End::Delivered && sent.urgency >= lowest;
            (mine && !self.came[number].contains(&index)).then_some(index)
        };
        self.sent.iter().enumerate().filter_map(due).collect()
    }

    /// Those of these ends have receipts that say so; how many there are.
    async fn told(&mut self, end: End) -> usize {
        let expected = match end {
            End::Delivered => ReceiptOutcome::Delivered,
            End::Expired => ReceiptOutcome::Failed,
            End::Replaced => ReceiptOutcome::Unknown,
            End::Transient | End::Missed => panic!("8030-5.2-10: nobody asks for it"),
        };
        let mut receipts = Vec::new();
        for (index, sent) in self.sent.iter_mut().enumerate() {
            let over = end != End::Delivered || self.came[sent.agent].contains(&index);
            if sent.end == end && over {
                receipts.extend(sent.receipt.take().map(|receipt| async move {
                    assert_eq!(receipt.outcome().await, expected, "message {index}");
                }));
            }
        }
        join_all(receipts).await.len()
    }
}

fn tls(service: &Service) -> ClientTls {
    ClientTls::from_pem(service.certificate.as_ref().unwrap().as_bytes()).unwrap()
}

/// G1 to G4, 8030-5.2-8, 8030-5.2-9, 8030-5.3-5, 8030-5.4-1, 8030-5.4-2, 8030-6.1-6, 8030-6.2-2, 8030-6.3-5,
/// 8292-4.2-1.
#[test]
fn ten_thousand_messages_reach_their_right_ends() {
    run(async {
        let mut crowd = Crowd::new();
        crowd.subscribe().await;

        // Nobody is there: what is stored is replaced by its topics, and some of it expires.
        crowd.send(Phase { takes: [None, None], messages: MESSAGES / 2 }).await;
        crowd.pass();
        // One comes for what is urgent only, the other for everything.
        let urgent = crowd.agent(0, Some(Urgency::High));
        let all = crowd.agent(1, None);
        crowd.receive(0, &urgent, Urgency::High).await;
        crowd.receive(1, &all, Urgency::VeryLow).await;

        // As it comes; a connection is cut in the middle.
        let phase = Phase { takes: [Some(Urgency::High), Some(Urgency::VeryLow)], messages: MESSAGES / 4 };
        crowd.send(phase).await;
        drop(all);
        let all = crowd.agent(1, None);
        crowd.receive(1, &all, Urgency::VeryLow).await;
        crowd.send(phase).await;
        crowd.receive(0, &urgent, Urgency::High).await;
        crowd.receive(1, &all, Urgency::VeryLow).await;

        // What was taken is known to the service before time leaps.
        let mut told = crowd.told(End::Delivered).await;

        // The rest of what the first would not have so far, as far as it lasts.
        urgent.close().await;
        crowd.pass();
        // What was under way when the clock leapt counts as lost, and is tried again when a little more has passed.
        let passing = crowd.passing(Duration::from_millis(100));
        let rest = crowd.agent(0, None);
        crowd.receive(0, &rest, Urgency::VeryLow).await;
        crowd.receive(1, &all, Urgency::VeryLow).await;
        told += crowd.told(End::Delivered).await;
        told += crowd.told(End::Expired).await;
        passing.stop();

        // Nobody says that there is no receipt: a sender gives up when there can be none any more.
        let passing = crowd.passing(Duration::from_secs(3600));
        told += crowd.told(End::Replaced).await;
        passing.stop();
        assert!(told > MESSAGES / 10, "{told}");
    });
}
