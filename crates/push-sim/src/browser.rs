//! A user agent that speaks Mozilla's push protocol, as browsers do: it drops its subscriptions when it is told another
//! name, and messages that it has seen. What it says and when is up to its schedule.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use push_proto::{
    Content, ContentField, Handle, MessageId, Mono, Now,
    autopush::ChannelId,
    user_agent::{Disposition, Tag},
};
use serde_json::{Value, json};

use crate::{
    broken::Guarantee,
    kinds::{FaultKind, InputKind},
    party::{Account, Known, Party},
    passage::key_of,
    schedule::Speech,
    site::{Arrival, FLOOD, LinkId, Peer, Said, Site, UPDATES, Written},
    truth::job_of,
};

/// How long it waits for a reply before it connects anew, and between two attempts at the same at first and at most.
const REPLY: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
const RETRIES: u32 = 4;
/// Connections beside the one that counts.
const OLDER: usize = 2;
/// Acknowledged messages that it remembers.
const REMEMBERED: usize = 8;

/// A message that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Notified {
    channel: String,
    version: String,
}

/// A subscription that is wanted, or is to be ended.
struct Channel {
    id: String,
    tag: Tag,
    restricted: bool,
    wanted: bool,
    asked: Asked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Not before then.
    No(Mono),
    Since(Mono),
    /// It is there, and wanted.
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not before then.
    Away(Mono),
    Greeting(Mono),
    Ready,
}

pub(crate) struct Browser {
    account: Account,
    uaid: Option<String>,
    stage: Stage,
    /// The last one counts, unless it is away.
    lines: Vec<LinkId>,
    /// Attempts to connect in a row that came to nothing.
    failures: u32,
    channels: Vec<Channel>,
    tags: u64,
    least: u8,
    /// With the application, oldest first.
    held: VecDeque<Notified>,
    /// What it has acknowledged last.
    acknowledged: VecDeque<Notified>,
    versions: BTreeMap<MessageId, String>,
}

impl Browser {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            account: Account { number, ..Account::default() },
            uaid: None,
            stage: Stage::Away(Mono::ZERO),
            lines: Vec::new(),
            failures: 0,
            channels: Vec::new(),
            tags: 0,
            least: 0,
            held: VecDeque::new(),
            acknowledged: VecDeque::new(),
            versions: BTreeMap::new(),
        }
    }

    fn say(&self, kind: InputKind, frame: &Value, site: &mut Site) {
        if let Some(line) = self.lines.last() {
            site.say(*line, Said::Text(kind, frame.to_string()));
        }
    }

    /// Opens a connection and introduces itself.
    fn greet(&mut self, site: &mut Site, now: Now) -> bool {
        let line = if self.account.unreachable {
            None
        } else {
            site.open_socket(Peer::Agent(self.account.number), now)
        };
        let Some(line) = line else { return false };
        self.lines.push(line);
        self.stage = Stage::Greeting(now.mono);
        self.forget_replies(now);
        let mut hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
        if let Some(uaid) = &self.uaid {
            hello["uaid"] = uaid.as_str().into();
        }
        self.say(InputKind::SessionHello, &hello, site);
        true
    }

    /// Of the connection that counted before.
    fn forget_replies(&mut self, now: Now) {
        for channel in self.channels.iter_mut().filter(|channel| matches!(channel.asked, Asked::Since(_))) {
            channel.asked = Asked::No(now.mono);
        }
    }

    /// The connection that counts is no more.
    fn away(&mut self, now: Now) {
        let wait = RETRY * 2_u32.pow(self.failures.min(RETRIES));
        self.failures += 1;
        self.stage = Stage::Away(now.mono.after(wait));
        self.forget_replies(now);
    }

    /// Asks for what is wanted and was not asked for.
    fn ask(&mut self, site: &mut Site, now: Now) {
        if self.stage != Stage::Ready {
            return;
        }
        let mut frames = Vec::new();
        for channel in &mut self.channels {
            if !matches!(channel.asked, Asked::No(at) if at <= now.mono) {
                continue;
            }
            channel.asked = Asked::Since(now.mono);
            frames.push(if channel.wanted {
                (InputKind::SessionRegister, register(channel))
            } else {
                let frame = json!({"messageType": "unregister", "channelID": channel.id, "code": 200});
                (InputKind::SessionUnregister, frame)
            });
        }
        for (kind, frame) in frames {
            self.say(kind, &frame, site);
        }
    }

    fn rest(&mut self) {
        let stage = match self.stage {
            Stage::Away(at) => Some(at),
            Stage::Greeting(since) => Some(since.after(REPLY)),
            Stage::Ready => None,
        };
        let ready = self.stage == Stage::Ready;
        let asked = self.channels.iter().filter(|_| ready).filter_map(|channel| match channel.asked {
            Asked::No(at) => Some(at),
            Asked::Since(since) => Some(since.after(REPLY)),
            Asked::Done => None,
        });
        let next = asked.chain(stage).min();
        self.account.deadline = if self.account.closed { None } else { next };
    }

    fn heard(&mut self, line: LinkId, text: &str, site: &mut Site, now: Now) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return site.require(false, Guarantee::Protocol, || "a frame is not JSON".to_owned());
        };
        let counts = self.lines.last() == Some(&line);
        match frame["messageType"].as_str() {
            Some("notification") => self.notified(&frame, site),
            // To a question that does not count any more.
            _ if !counts => {}
            Some("hello") => self.greeted(&frame, site, now),
            Some("register") => self.registered(&frame, site, now),
            Some("unregister") => self.unregistered(&frame, site, now),
            Some("urgency") | None => {}
            Some(other) => {
                site.require(false, Guarantee::Protocol, || format!("a frame that nobody knows: {other}"));
            }
        }
        self.ask(site, now);
    }

    fn greeted(&mut self, frame: &Value, site: &mut Site, now: Now) {
        site.tally.input(InputKind::BrowserHello);
        let first = matches!(self.stage, Stage::Greeting(_)) && frame["status"] == 200;
        site.require(first, Guarantee::Protocol, || "a hello is answered twice, or refused".to_owned());
        let uaid = frame["uaid"].as_str().unwrap_or_default();
        self.stage = Stage::Ready;
        self.failures = 0;
        if self.uaid.as_deref() != Some(uaid) {
            self.renamed(site, now);
            self.uaid = Some(uaid.to_owned());
        }
        if self.least > 0 {
            self.say_urgency(site);
        }
    }

    /// It is told another name, and so has no subscriptions any more. G1, G2: only because they were ended.
    fn renamed(&mut self, site: &mut Site, now: Now) {
        let before = self.uaid.as_deref().and_then(|uaid| site.passage.agent(uaid));
        let lost = self.channels.iter().any(|channel| channel.wanted && channel.asked == Asked::Done);
        if before.is_some() {
            site.tally.fault(FaultKind::Renamed);
        }
        let ended = before.is_none_or(|before| site.truth.closed.contains(&before));
        site.require(ended || !lost, Guarantee::G2, || {
            format!("user agent {} is forgotten, and its subscriptions with it", self.account.number)
        });
        self.account.known.clear();
        self.held.clear();
        self.acknowledged.clear();
        self.channels.retain(|channel| channel.wanted);
        for channel in &mut self.channels {
            self.tags += 1;
            channel.id = channel_id(self.tags);
            channel.tag = Tag(self.tags);
            channel.asked = Asked::No(now.mono);
        }
    }

    fn channel(&mut self, frame: &Value) -> Option<&mut Channel> {
        let id = frame["channelID"].as_str()?;
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    fn registered(&mut self, frame: &Value, site: &mut Site, now: Now) {
        site.tally.input(InputKind::BrowserRegister);
        let Some(channel) = self.channel(frame).filter(|channel| channel.wanted) else { return };
        let status = frame["status"].as_u64().unwrap_or(0);
        if status != 200 {
            channel.asked = Asked::No(now.mono.after(RETRY * 3));
            let busy = matches!(status, 429 | 503 | 507);
            return site.require(busy, Guarantee::Protocol, || format!("a good register gets {status}"));
        }
        channel.asked = Asked::Done;
        let (id, tag, restricted) = (channel.id.clone(), channel.tag, channel.restricted);
        let Some(push) = site.passage.endpoint(frame["pushEndpoint"].as_str().unwrap_or_default()) else {
            return site.require(false, Guarantee::Protocol, || "an endpoint that is none".to_owned());
        };
        let named = ChannelId::parse(&id).map(ChannelId::subscription);
        let agent = self.uaid.as_deref().and_then(|uaid| site.passage.agent(uaid));
        let own = site.passage.push_of(&push) == agent.zip(named);
        site.require(own, Guarantee::G2, || "an endpoint of another subscription".to_owned());
        if self.account.known.iter().all(|known| known.tag != tag) {
            self.account.known.push(Known { tag, push, restricted });
        }
    }

    fn unregistered(&mut self, frame: &Value, site: &mut Site, now: Now) {
        site.tally.input(InputKind::BrowserUnregister);
        let Some(channel) = self.channel(frame).filter(|channel| !channel.wanted) else { return };
        if frame["status"] == 200 {
            let tag = channel.tag;
            self.channels.retain(|channel| channel.tag != tag);
            self.account.known.retain(|known| known.tag != tag);
        } else {
            channel.asked = Asked::No(now.mono.after(RETRY * 3));
        }
    }

    fn notified(&mut self, frame: &Value, site: &mut Site) {
        site.tally.input(InputKind::BrowserNotification);
        let text = |member: &str| frame[member].as_str().unwrap_or_default();
        let (channel, version) = (text("channelID"), text("version"));
        let body = Base64UrlUnpadded::decode_vec(text("data")).unwrap_or_default();
        let encoding = frame["headers"]["encoding"].as_str().unwrap_or_default().to_owned();
        let content =
            Content { body: body.into(), fields: [(ContentField::Encoding, encoding.into())].into() };
        let job = job_of(&content);
        let number = self.account.number;
        let wanted = site.truth.wanted.get(&job);
        let same = wanted.is_some_and(|wanted| wanted.content == content);
        let ours = wanted.is_some_and(|wanted| wanted.agent == number);
        let to = wanted.map(|wanted| wanted.to.clone());
        site.require(same, Guarantee::G2, || format!("job {job} does not arrive as it was sent"));
        site.require(ours, Guarantee::G2, || format!("job {job} is told to another user agent"));
        let Some(handle) = site.passage.message(version) else {
            return site.require(false, Guarantee::Protocol, || "a version that is none".to_owned());
        };
        self.check_version(job, handle, version, site);
        // A channel that it has given up, or had under another name, is nobody's.
        let Some(tag) = self.channels.iter().find(|it| it.id == channel).map(|it| it.tag) else { return };
        let push = self.account.known.iter().find(|known| known.tag == tag);
        let right = push.is_none_or(|known| Some(known.push.as_str()) == to.as_deref());
        site.require(right, Guarantee::G2, || format!("job {job} is told to another subscription"));
        let notified = Notified { channel: channel.to_owned(), version: version.to_owned() };
        self.account.got.insert(job);
        if self.acknowledged.contains(&notified) {
            site.tally.input(InputKind::BrowserAgain);
            self.say_acks(&[(&notified, 100)], site);
        } else if self.held.contains(&notified) {
            site.tally.input(InputKind::BrowserAgain);
        } else {
            self.held.push_back(notified);
        }
    }

    /// A message has one version for ever, so that whoever sees it again knows.
    fn check_version(&mut self, job: u64, handle: Handle, version: &str, site: &mut Site) {
        let known = self.versions.entry(handle.id).or_insert_with(|| version.to_owned());
        let one = known == version;
        site.require(one, Guarantee::G6, || format!("job {job} has two versions"));
        let fact = site.truth.facts.get(&handle.id).map(|fact| fact.job);
        site.require(fact.is_none_or(|of| of == job), Guarantee::G2, || {
            format!("job {job} comes by the version of {fact:?}")
        });
    }

    fn say_acks(&self, these: &[(&Notified, u16)], site: &mut Site) {
        let update = |(it, code): &(&Notified, u16)| json!({"channelID": it.channel, "version": it.version, "code": code});
        let updates: Vec<_> = these.iter().map(update).collect();
        self.say(InputKind::SessionAck, &json!({"messageType": "ack", "updates": updates}), site);
    }

    /// The oldest messages with the application have ended, all with this code.
    fn acknowledge(&mut self, count: usize, code: u16, site: &mut Site) {
        let these: Vec<_> = self.held.drain(..count.min(self.held.len())).collect();
        self.say_acks(&these.iter().map(|it| (it, code)).collect::<Vec<_>>(), site);
        self.acknowledged.extend(these);
        while self.acknowledged.len() > REMEMBERED {
            self.acknowledged.pop_front();
        }
    }

    fn say_urgency(&self, site: &mut Site) {
        let least = ["very-low", "low", "normal", "high"][usize::from(self.least % 4)];
        self.say(InputKind::SessionUrgency, &json!({"messageType": "urgency", "min": least}), site);
    }
}

impl Party for Browser {
    fn account(&self) -> &Account {
        &self.account
    }

    fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    /// There is but one set.
    fn subscribe(&mut self, restricted: bool, _alone: bool, site: &mut Site, now: Now) {
        self.tags += 1;
        let (id, tag, asked) = (channel_id(self.tags), Tag(self.tags), Asked::No(now.mono));
        self.channels.push(Channel { id, tag, restricted, wanted: true, asked });
        self.ask(site, now);
        self.rest();
    }

    fn unsubscribe(&mut self, site: &mut Site, now: Now) {
        let Some(tag) = self.account.known.first().map(|known| known.tag) else { return };
        for channel in self.channels.iter_mut().filter(|channel| channel.tag == tag && channel.wanted) {
            channel.wanted = false;
            channel.asked = Asked::No(now.mono);
        }
        self.ask(site, now);
        self.rest();
    }

    fn power(&mut self, level: u8, site: &mut Site, _now: Now) {
        self.least = level;
        if self.stage == Stage::Ready {
            self.say_urgency(site);
        }
    }

    fn speak(&mut self, speech: Speech, site: &mut Site, now: Now) {
        if self.stage != Stage::Ready {
            return;
        }
        let last = self.acknowledged.back().cloned();
        match speech {
            Speech::Ping => self.say(InputKind::SessionPing, &json!({}), site),
            Speech::Flood => (0..=FLOOD).for_each(|_| self.say(InputKind::SessionPing, &json!({}), site)),
            Speech::AckAll if self.held.is_empty() => {}
            Speech::AckAll => self.acknowledge(UPDATES, 100, site),
            Speech::AckAgain => last.iter().for_each(|last| self.say_acks(&[(last, 100), (last, 102)], site)),
            Speech::Nack => {
                if let Some(Notified { version, .. }) = last {
                    let nack = json!({"messageType": "nack", "version": version, "code": 301});
                    self.say(InputKind::SessionNack, &nack, site);
                }
            }
            Speech::AckForeign(which) => {
                let live = site.truth.live().map(|fact| fact.message.handle);
                let own = self.uaid.as_deref().and_then(|uaid| site.passage.agent(uaid));
                let foreign: Vec<_> = live.filter(|handle| Some(handle.agent) != own).collect();
                if let Some(handle) = foreign.get(usize::from(which) % foreign.len().max(1)) {
                    site.tally.fault(FaultKind::ForeignAcknowledgement);
                    let version = site.passage.version(*handle);
                    self.say_acks(&[(&Notified { channel: channel_id(1), version }, 100)], site);
                }
            }
            Speech::RegisterAgain => {
                let there = |channel: &&Channel| channel.wanted && channel.asked == Asked::Done;
                if let Some(frame) = self.channels.iter().rev().find(there).map(register) {
                    self.say(InputKind::SessionRegister, &frame, site);
                }
            }
            Speech::TakeOver => {
                if self.greet(site, now) && self.lines.len() > OLDER + 1 {
                    site.close(self.lines.remove(0));
                }
            }
        }
        self.rest();
    }

    fn close(&mut self, site: &mut Site, _now: Now) {
        for line in std::mem::take(&mut self.lines) {
            site.close(line);
        }
        self.account.closed = true;
        self.rest();
    }

    fn dispose(&mut self, disposition: Disposition, site: &mut Site, _now: Now) -> bool {
        if self.stage != Stage::Ready || self.held.is_empty() {
            return false;
        }
        match disposition {
            Disposition::Released => {
                site.tally.fault(FaultKind::MessageReleased);
                self.held.pop_front();
            }
            Disposition::Undecryptable => self.acknowledge(1, 101, site),
            _ => self.acknowledge(1, 100, site),
        }
        true
    }

    fn connect(&mut self, site: &mut Site, now: Now) -> bool {
        if self.account.closed || !matches!(self.stage, Stage::Away(at) if at <= now.mono) {
            return false;
        }
        if !self.greet(site, now) {
            site.tally.fault(FaultKind::Unreachable);
            self.away(now);
        }
        self.rest();
        true
    }

    /// It is told by a close frame.
    fn drained(&mut self, _link: LinkId, _site: &mut Site, _now: Now) {}

    fn lose(&mut self, link: LinkId, silent: bool, site: &mut Site, now: Now) {
        if silent {
            site.leave(link);
        } else {
            site.close(link);
        }
        let counted = self.lines.last() == Some(&link) && !matches!(self.stage, Stage::Away(_));
        self.lines.retain(|line| *line != link);
        if counted {
            self.away(now);
        }
        self.rest();
    }

    /// It comes back with its name and its subscriptions.
    fn kill(&mut self, site: &mut Site, now: Now) {
        site.tally.fault(FaultKind::AgentKilled);
        for line in std::mem::take(&mut self.lines) {
            site.close(line);
        }
        self.held.clear();
        self.acknowledged.clear();
        self.away(now);
        self.rest();
    }

    fn receive(&mut self, link: LinkId, arrival: Arrival, site: &mut Site, now: Now) {
        let Arrival::Socket(written) = arrival else {
            return site.require(false, Guarantee::Protocol, || "HTTP on a WebSocket".to_owned());
        };
        site.trace.note(now, format_args!("browser {} <- {}", self.account.number, link.0), &written);
        match written {
            Written::Text(text) | Written::Notification(text) => self.heard(link, &text, site, now),
            Written::Ping => site.say(link, Said::Pong),
            Written::Closed => {
                site.tally.input(InputKind::BrowserClosed);
                self.lose(link, false, site, now);
            }
        }
        self.rest();
    }

    fn tick(&mut self, site: &mut Site, now: Now) {
        let late = |since: Mono| since.after(REPLY) <= now.mono;
        let silent = match self.stage {
            Stage::Away(_) => false,
            Stage::Greeting(since) => late(since),
            Stage::Ready => {
                self.channels.iter().any(|it| matches!(it.asked, Asked::Since(since) if late(since)))
            }
        };
        if let Some(line) = self.lines.last().copied().filter(|_| silent) {
            self.lose(line, false, site, now);
        }
        self.connect(site, now);
        self.ask(site, now);
        self.rest();
    }
}

fn register(channel: &Channel) -> Value {
    let mut frame = json!({"messageType": "register", "channelID": channel.id});
    if let Some(key) = key_of(0).filter(|_| channel.restricted) {
        // As browsers do.
        frame["key"] = format!("{key}=").into();
    }
    frame
}

/// The same of all user agents, as nothing hinders them.
fn channel_id(number: u64) -> String {
    format!("d9b74644-4f97-46aa-b8fa-{number:012x}")
}
