//! What the parties were told, and so what the service owes them. It lives outside the process under trial, and knows
//! nothing that a stranger at the other end of a connection could not know.
//!
//! *Moments* number what happens here. Whatever began after a moment at which an answer had arrived was caused later than
//! what that answer says, so all rules below are exact; none needs a clock, except those about TTLs, which hold in whole
//! seconds of the one clock of this machine.

use std::collections::BTreeMap;

use super::fates::Figures;
use crate::{Failure, Result};

/// A message, from its POST to its end.
pub(super) struct Sent {
    pub(super) agent: usize,
    pub(super) subscription: usize,
    /// Octets after the number.
    pub(super) padding: usize,
    pub(super) ttl: u64,
    pub(super) receipt: bool,
    /// All of its topic, oldest first, are `chains[chain]`; it is the one at `link`.
    pub(super) chain: Option<(usize, usize)>,
    /// When the POST began.
    pub(super) moment: u64,
    pub(super) begun: u64,
    /// During which life of the service.
    pub(super) life: usize,
    pub(super) answer: Posted,
    pub(super) path: Option<String>,
    pub(super) pushed: Option<Seen>,
    pub(super) acknowledgement: Acknowledgement,
    /// All its acknowledgements went by WebSocket, where they have no answer.
    pub(super) by_socket: bool,
    pub(super) outcome: Option<(u16, Seen)>,
}

/// What became of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// No answer, or one that leaves it open: it was accepted or not.
    Unknown,
    /// It was not accepted.
    Refused,
    /// It was, as was heard at this moment and second.
    Accepted { moment: u64, wall: u64 },
}

/// What became of the DELETEs of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledgement {
    Never,
    /// The first began at this moment, and none was answered by 204.
    Asked {
        first: u64,
        times: u32,
    },
    /// The 204 came at this moment.
    Done(u64),
}

/// Where something was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number of the monitor.
    pub(super) monitor: u64,
    /// When the promise came.
    pub(super) moment: u64,
    pub(super) times: u32,
}

/// A monitor that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// Which of all.
    pub(super) monitor: u64,
    /// When the GET began.
    pub(super) moment: u64,
    pub(super) wall: u64,
    pub(super) life: usize,
}

/// A subscription, as far as its user agent knows.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) agent: usize,
    pub(super) path: String,
    pub(super) push: String,
    pub(super) restricted: bool,
    pub(super) gone: Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    No,
    /// A DELETE was sent.
    Asked,
    /// Its 204 came at this moment.
    Since(u64),
}

/// What a user agent got.
pub(super) struct Push {
    pub(super) path: String,
    /// When the promise came.
    pub(super) moment: u64,
    /// The service's time of the push, and of the acceptance, where the protocol tells them.
    pub(super) dates: Option<(u64, u64)>,
    pub(super) body: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Oracle {
    pub(super) sent: Vec<Sent>,
    pub(super) subscriptions: Vec<Subscription>,
    chains: Vec<Vec<usize>>,
    /// By worker, subscription and topic.
    topics: BTreeMap<(u64, usize, u64), usize>,
    paths: BTreeMap<String, usize>,
    /// Receipts of messages whose answer was lost, and that were not pushed so far.
    orphans: BTreeMap<String, (u16, Seen)>,
    moment: u64,
    pub(super) life: usize,
    pub(super) figures: Figures,
}

/// A message that is about to be posted.
pub(super) struct Draft {
    pub(super) subscription: usize,
    pub(super) padding: usize,
    pub(super) ttl: u64,
    pub(super) receipt: bool,
    /// The worker, which posts one at a time, and the number of its topic.
    pub(super) topic: Option<(u64, u64)>,
}

impl Oracle {
    pub(super) fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// A GET of a queue begins.
    pub(super) fn watch(&mut self) -> Watch {
        self.figures.monitors += 1;
        let (monitor, moment) = (self.figures.monitors, self.tick());
        Watch { monitor, moment, wall: crate::wall_secs(), life: self.life }
    }

    /// A POST begins; its number.
    pub(super) fn post(&mut self, draft: &Draft) -> usize {
        let number = self.sent.len();
        let chain = draft.topic.map(|(worker, topic)| {
            let next = self.chains.len();
            let chain = *self.topics.entry((worker, draft.subscription, topic)).or_insert(next);
            if chain == next {
                self.chains.push(Vec::new());
            }
            let links = self.chains.get_mut(chain);
            let link = links.map_or(0, |links| {
                links.push(number);
                links.len() - 1
            });
            (chain, link)
        });
        let sent = Sent {
            agent: self.subscriptions.get(draft.subscription).map_or(0, |subscription| subscription.agent),
            subscription: draft.subscription,
            padding: draft.padding,
            ttl: draft.ttl,
            receipt: draft.receipt,
            chain,
            moment: self.tick(),
            begun: crate::wall_secs(),
            life: self.life,
            answer: Posted::Unknown,
            path: None,
            pushed: None,
            acknowledgement: Acknowledgement::Never,
            by_socket: false,
            outcome: None,
        };
        self.sent.push(sent);
        number
    }

    /// What stands at this URL is this message.
    pub(super) fn place(&mut self, number: usize, path: &str) -> Result<()> {
        let known = *self.paths.entry(path.to_owned()).or_insert(number);
        let Some(sent) = self.sent.get_mut(number) else { return Err(broken(number, "was never sent")) };
        let path = sent.path.get_or_insert_with(|| path.to_owned()).clone();
        if known != number || self.paths.get(&path) != Some(&number) {
            return Err(broken(number, "has two URLs, or shares one"));
        }
        match self.orphans.remove(&path) {
            Some((status, seen)) => self.outcome(number, status, seen),
            None => Ok(()),
        }
    }

    /// The POST was answered.
    pub(super) fn posted(&mut self, number: usize, status: u16, path: Option<&str>) -> Result<()> {
        let (moment, wall) = (self.tick(), crate::wall_secs());
        let gone = self.gone(number) != Gone::No;
        let Some(sent) = self.sent.get_mut(number) else { return Ok(()) };
        sent.answer = match status {
            201 | 202 if (status == 202) == sent.receipt => Posted::Accepted { moment, wall },
            // G7: whether it was accepted is unknown.
            503 => Posted::Unknown,
            404 if gone => Posted::Refused,
            other => return Err(broken(number, &format!("was answered by {other}"))),
        };
        self.figures.answered(status);
        let accepted = sent.answer != Posted::Unknown && sent.answer != Posted::Refused;
        if let Some(path) = path.filter(|_| accepted) {
            self.place(number, path)?;
        }
        self.figures.accepted += u64::from(accepted);
        match (self.gone(number), self.sent.get(number)) {
            (Gone::Since(moment), Some(sent)) if accepted && moment < sent.moment => {
                Err(broken(number, "was accepted by a subscription that had gone"))
            }
            // Both were under way at once.
            (Gone::Since(_), _) if accepted => {
                self.figures.crossed += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A message was pushed.
    pub(super) fn pushed(&mut self, agent: usize, watch: Watch, push: &Push) -> Result<usize> {
        let text = push.body.split(|octet| *octet == b' ').next().unwrap_or_default();
        let number = str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
        let Some((number, sent)) = number.and_then(|number| Some((number, self.sent.get(number)?))) else {
            return Err(Failure::new("something was pushed that was never sent"));
        };
        let complain = |what: &str| Err(broken(number, what));
        if sent.agent != agent {
            return complain("was pushed to another user agent");
        }
        if push.body != body(number, sent.padding) {
            return complain("was pushed with another body");
        }
        if sent.answer == Posted::Refused {
            return complain("was pushed though it was refused");
        }
        if matches!(sent.acknowledgement, Acknowledgement::Done(moment) if moment < watch.moment) {
            return complain("was pushed to a monitor that began after its acknowledgement was confirmed");
        }
        if self.replaced(number).is_some_and(|(moment, _)| moment < watch.moment) {
            return complain("was pushed to a monitor that began after it was replaced");
        }
        if matches!(self.gone(number), Gone::Since(moment) if moment < watch.moment) {
            return complain("was pushed to a monitor that began after its subscription went");
        }
        if sent.outcome.is_some_and(|(_, seen)| seen.moment < watch.moment) {
            return complain("was pushed to a monitor that began after its outcome was told");
        }
        if sent.ttl > 0 && self.follower_on(number, watch.monitor, push.moment) {
            return complain("was pushed behind the message that replaced it");
        }
        self.check_time(number, watch, push)?;
        let Some(sent) = self.sent.get_mut(number) else { return Ok(number) };
        let (monitor, moment) = (watch.monitor, push.moment);
        let times = sent.pushed.map_or(0, |seen| seen.times) + 1;
        if times > 1 {
            self.figures.again += 1;
        }
        let before = sent.pushed.replace(Seen { monitor, moment, times });
        if before.is_some_and(|seen| seen.monitor == monitor) && crate::wall_secs() < watch.wall + LAPSE_SECS
        {
            return Err(broken(number, "was pushed twice by one monitor"));
        }
        self.figures.pushed += 1;
        self.place(number, &push.path)?;
        Ok(number)
    }

    fn check_time(&self, number: usize, watch: Watch, push: &Push) -> Result<()> {
        let Some(sent) = self.sent.get(number) else { return Ok(()) };
        let complain = |what: &str| Err(broken(number, what));
        if sent.ttl == 0 {
            // G3: it is not stored.
            let again = sent.pushed.is_some() || sent.life != watch.life;
            return if again { complain("has TTL 0 and was kept") } else { Ok(()) };
        }
        if push.dates.is_some_and(|(date, accepted)| date >= accepted + sent.ttl) {
            return complain("was pushed after its expiry, by the service's own dates");
        }
        if let Posted::Accepted { wall, .. } = sent.answer
            && watch.wall >= wall + sent.ttl
        {
            return complain("was pushed to a monitor that began after its expiry");
        }
        Ok(())
    }

    /// What a message was pushed for is the channel that it was sent to.
    pub(super) fn told_on(&self, number: usize, channel: &str) -> Result<()> {
        let to = self.sent.get(number).and_then(|sent| self.subscriptions.get(sent.subscription));
        match to {
            Some(to) if to.path == channel => Ok(()),
            _ => Err(broken(number, "was pushed for another subscription")),
        }
    }

    /// An acknowledgement that nobody answers is sent.
    pub(super) fn acknowledging_by_socket(&mut self, number: usize) {
        self.acknowledging(number);
        if let Some(sent) = self.sent.get_mut(number) {
            sent.by_socket = true;
        }
    }

    /// A DELETE of a message begins, at the moment that is returned.
    pub(super) fn acknowledging(&mut self, number: usize) -> u64 {
        let moment = self.tick();
        if let Some(Sent { acknowledgement, by_socket, .. }) = self.sent.get_mut(number) {
            *by_socket = false;
            *acknowledgement = match *acknowledgement {
                Acknowledgement::Never => Acknowledgement::Asked { first: moment, times: 1 },
                Acknowledgement::Asked { first, times } => Acknowledgement::Asked { first, times: times + 1 },
                done @ Acknowledgement::Done(_) => done,
            };
        }
        moment
    }

    /// A DELETE that began at this moment was answered.
    pub(super) fn acknowledged(&mut self, number: usize, began: u64, status: u16) -> Result<()> {
        let now = self.tick();
        let replaced = self.replaced(number);
        let ended = self.may_have_ended_otherwise(number);
        let gone = self.gone(number);
        let Some(sent) = self.sent.get_mut(number) else { return Ok(()) };
        let complain = |what: &str| Err(broken(number, what));
        match (status, sent.acknowledgement) {
            (204, Acknowledgement::Done(_)) => complain("ended twice by acknowledgement"),
            (204, _) if sent.ttl > 0 && replaced.is_some_and(|(moment, _)| moment < began) => {
                complain("was acknowledged after it was replaced, and the service agreed")
            }
            (204, _) if matches!(gone, Gone::Since(moment) if moment < began) => {
                complain("was acknowledged after its subscription went, and the service agreed")
            }
            (204, _) if sent.outcome.is_some_and(|(status, _)| status != 204) => {
                complain("was acknowledged though its receipt says 410")
            }
            (204, _) => {
                sent.acknowledgement = Acknowledgement::Done(now);
                self.figures.acknowledged += 1;
                Ok(())
            }
            // G7: whether it ended is unknown.
            (503, _) | (404, Acknowledgement::Done(_)) => Ok(()),
            (404, _) if sent.ttl == 0 || ended => Ok(()),
            // Another may have done it, and its answer was lost with the process.
            (404, Acknowledgement::Asked { times, .. }) if times > 1 => Ok(()),
            (other, _) => complain(&format!("was alive, and its acknowledgement was answered by {other}")),
        }
    }

    /// A receipt came.
    pub(super) fn receipt(&mut self, path: &str, status: u16, watch: Watch) -> Result<()> {
        self.figures.receipts += 1;
        let seen = Seen { monitor: watch.monitor, moment: self.tick(), times: 1 };
        match self.paths.get(path).copied() {
            Some(number) => self.outcome(number, status, seen),
            None => match self.orphans.insert(path.to_owned(), (status, seen)) {
                Some((before, _)) if before != status => {
                    Err(Failure::new(format!("a message has two outcomes: {before} and {status}")))
                }
                _ => Ok(()),
            },
        }
    }

    fn outcome(&mut self, number: usize, status: u16, seen: Seen) -> Result<()> {
        let replaced = self.replaced(number);
        let gone = self.gone(number) != Gone::No;
        let Some(sent) = self.sent.get_mut(number) else { return Ok(()) };
        let complain = |what: &str| Err(broken(number, what));
        if !sent.receipt || sent.ttl == 0 {
            return complain("has a receipt that nobody asked for");
        }
        if let Some((before, at)) = sent.outcome {
            if before != status {
                return complain(&format!("has two outcomes: {before} and {status}"));
            }
            if at.monitor == seen.monitor {
                return complain("has its receipt twice on one monitor");
            }
            sent.outcome = Some((status, Seen { times: at.times + 1, ..seen }));
            self.figures.receipts_again += 1;
            return Ok(());
        }
        sent.outcome = Some((status, seen));
        self.figures.acknowledged_by_socket += u64::from(status == 204 && sent.by_socket);
        let expires = sent.begun + sent.ttl;
        match (status, sent.acknowledgement) {
            (204, Acknowledgement::Never) => complain("counts as acknowledged, and nobody did"),
            (204, Acknowledgement::Asked { first, .. })
                if replaced.is_some_and(|(moment, _)| moment < first) =>
            {
                complain("was replaced before anybody acknowledged it, and has a receipt")
            }
            (204, _) => Ok(()),
            (410, Acknowledgement::Done(_)) => complain("was acknowledged, and its receipt says 410"),
            // Replaced in time it owes none; the end of its subscription may have come first.
            (410, _) if !gone && replaced.is_some_and(|(_, wall)| wall < expires) => {
                complain("was replaced before it expired, and has a receipt")
            }
            (410, _) if gone || crate::wall_secs() >= expires => Ok(()),
            (410, _) => complain("was given up before its time"),
            (other, _) => complain(&format!("has a receipt that says {other}")),
        }
    }

    /// When it was heard that a later one of its topic was accepted.
    fn replaced(&self, number: usize) -> Option<(u64, u64)> {
        self.followers(number).find_map(|follower| match self.sent.get(follower)?.answer {
            Posted::Accepted { moment, wall } => Some((moment, wall)),
            Posted::Unknown | Posted::Refused => None,
        })
    }

    /// Whether one that replaced it was promised on this monitor before this moment.
    fn follower_on(&self, number: usize, monitor: u64, moment: u64) -> bool {
        let on = |follower: usize| {
            let pushed = self.sent.get(follower).filter(|sent| sent.ttl > 0).and_then(|sent| sent.pushed);
            pushed.is_some_and(|seen| seen.monitor == monitor && seen.moment < moment)
        };
        self.followers(number).take(FOLLOWERS).any(on)
    }

    fn followers(&self, number: usize) -> impl Iterator<Item = usize> {
        let chain = self.sent.get(number).and_then(|sent| sent.chain);
        let links = chain.and_then(|(chain, link)| self.chains.get(chain)?.get(link + 1..));
        links.unwrap_or_default().iter().copied()
    }

    pub(super) fn gone(&self, number: usize) -> Gone {
        let of = self.sent.get(number).map(|sent| sent.subscription);
        of.and_then(|of| self.subscriptions.get(of)).map_or(Gone::No, |subscription| subscription.gone)
    }

    /// Replaced, expired or gone with its subscription, for all that one can know.
    pub(super) fn may_have_ended_otherwise(&self, number: usize) -> bool {
        self.may_be_replaced(number) || self.may_be_expired(number) || self.gone(number) != Gone::No
    }

    pub(super) fn may_be_replaced(&self, number: usize) -> bool {
        let accepted =
            |follower: usize| self.sent.get(follower).is_some_and(|sent| sent.answer != Posted::Refused);
        self.followers(number).any(accepted)
    }

    pub(super) fn may_be_expired(&self, number: usize) -> bool {
        self.sent.get(number).is_some_and(|sent| crate::wall_secs() >= sent.begun + sent.ttl)
    }
}

/// The body of message `number`, which nobody else can have.
pub(super) fn body(number: usize, padding: usize) -> Vec<u8> {
    let mut body = format!("{number} ").into_bytes();
    let pad = u8::try_from(number % 251).unwrap_or(0);
    body.resize(body.len() + padding, pad);
    body
}

pub(super) fn broken(number: usize, what: &str) -> Failure {
    Failure::new(format!("message {number} {what}"))
}

/// A push that is not acknowledged for a minute counts as undelivered, and comes again.
const LAPSE_SECS: u64 = 50;

/// How many of a topic are looked at: the rest was replaced long ago.
const FOLLOWERS: usize = 8;
