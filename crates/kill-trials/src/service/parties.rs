//! Those who use the service: they work until it dies, and tell the oracle what they saw.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Parties,
    oracle::{Draft, Gone, Oracle, Push, Subscription, body},
    peer::{Answer, Broken, Peer, linked, path_of},
};
use crate::{Failure, random::Random};

/// What a party does until the service dies. A broken promise is with the [`Desk`].
pub(super) type Work = Result<(), Broken>;

/// What all parties of a trial share.
#[derive(Clone)]
pub(super) struct Desk {
    oracle: Arc<Mutex<Oracle>>,
    /// How many POSTs were accepted, and the first promise that was broken.
    pub(super) progress: Arc<watch::Sender<Progress>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) accepted: u64,
    /// Processes that were killed.
    pub(super) lives: u64,
    pub(super) failure: Option<Failure>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { oracle: Arc::default(), progress: Arc::new(watch::Sender::default()) }
    }

    pub(super) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the first failure; whoever met it stops.
    pub(super) fn check<T>(&self, result: crate::Result<T>) -> Result<T, Broken> {
        result.map_err(|failure| {
            self.progress.send_modify(|progress| {
                progress.failure.get_or_insert(failure);
            });
            Broken
        })
    }
}

/// How a user agent behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Connected, acknowledges at once.
    Prompt,
    /// Connected, acknowledges every other message.
    Careless,
    /// Connected, never acknowledges.
    Silent,
    /// Seldom there; acknowledges everything when it is.
    Late,
}

impl Habit {
    /// That of agent `number`.
    pub(super) const fn of(number: usize) -> Self {
        match number % 8 {
            0..=2 => Self::Prompt,
            3 => Self::Careless,
            4 => Self::Silent,
            _ => Self::Late,
        }
    }

    pub(super) fn acknowledges(self, random: &mut Random) -> bool {
        match self {
            Self::Prompt | Self::Late => true,
            Self::Careless => random.once_in(2),
            Self::Silent => false,
        }
    }
}

/// An application server's worker: posts one message after the other until the service dies, or `until` are accepted.
pub(super) struct Worker {
    pub(super) number: u64,
    pub(super) desk: Desk,
    pub(super) parties: Arc<Parties>,
    pub(super) peer: Peer,
    pub(super) random: Random,
    pub(super) until: u64,
}

impl Worker {
    pub(super) async fn work(mut self) -> Work {
        while self.desk.progress.borrow().accepted < self.until {
            let Some((to, subscription)) = self.choose() else { return Ok(()) };
            if subscription.restricted && self.random.once_in(20) {
                self.intrude(&subscription).await?;
            } else {
                self.post(to, &subscription).await?;
            }
        }
        Ok(())
    }

    /// A subscription that is there, as far as one knows.
    fn choose(&mut self) -> Option<(usize, Subscription)> {
        let oracle = self.desk.oracle();
        let there = |(_, one): &(usize, &Subscription)| one.gone == Gone::No;
        let all: Vec<_> = oracle.subscriptions.iter().enumerate().filter(there).collect();
        self.random.pick(&all).map(|(to, one)| (*to, (*one).clone()))
    }

    async fn post(&mut self, to: usize, subscription: &Subscription) -> Work {
        let random = &mut self.random;
        let ttl = random.pick(&TTLS).copied().unwrap_or(LONG_SECS);
        let draft = Draft {
            subscription: to,
            padding: if random.once_in(8) { random.index(3900) } else { random.index(100) },
            ttl,
            receipt: random.once_in(3),
            topic: random.once_in(3).then(|| (self.number, random.below(3))),
        };
        let mut fields = vec![
            (super::TTL, ttl.to_string()),
            (header::CONTENT_ENCODING, "aes128gcm".to_owned()),
            (
                super::URGENCY,
                random.pick(&["very-low", "low", "normal", "high"]).unwrap_or(&"high").to_string(),
            ),
        ];
        if let Some((worker, topic)) = draft.topic {
            fields.push((super::TOPIC, format!("worker-{worker}-{topic}")));
        }
        let queue = self.parties.receipts.get(usize::try_from(self.number).unwrap_or(0) % super::SENDERS);
        if let Some(queue) = queue.filter(|_| draft.receipt) {
            fields.push((super::PREFER, "respond-async".to_owned()));
            let link = format!("<{}{queue}>; rel=\"urn:ietf:params:push:receipt\"", super::ORIGIN);
            fields.push((header::LINK, link));
        }
        if subscription.restricted {
            fields.push((header::AUTHORIZATION, self.parties.authorization.clone()));
        }
        let number = self.desk.oracle().post(&draft);
        let body = Bytes::from(body(number, draft.padding));
        let answer = self.peer.request(Method::POST, &subscription.push, &fields, body).await?;
        let path = location(&answer.headers);
        let posted = self.desk.oracle().posted(number, answer.status.as_u16(), path.as_deref());
        self.desk.check(posted)?;
        let accepted = self.desk.oracle().figures.accepted;
        self.desk.progress.send_modify(|progress| progress.accepted = accepted);
        Ok(())
    }

    /// Posts without credentials what must not get in (RFC 8292 §4.2). It says what no message says.
    async fn intrude(&self, subscription: &Subscription) -> Work {
        let fields = [(super::TTL, LONG_SECS.to_string())];
        let answer = self.peer.request(Method::POST, &subscription.push, &fields, "intruder".into()).await?;
        let mut oracle = self.desk.oracle();
        match answer.status.as_u16() {
            401 => oracle.figures.unsigned += 1,
            404 | 503 => {}
            other => {
                drop(oracle);
                let what = format!("a POST without credentials was answered by {other}");
                return self.desk.check(Err(Failure::new(what)));
            }
        }
        Ok(())
    }
}

/// A user agent, for as long as one process lives.
pub(super) struct Agent {
    pub(super) number: usize,
    pub(super) desk: Desk,
    pub(super) parties: Arc<Parties>,
    pub(super) address: std::net::SocketAddr,
    pub(super) random: Random,
    /// The queue: of the set, or of its only subscription.
    pub(super) queue: String,
}

impl Agent {
    pub(super) async fn work(mut self) -> Work {
        let habit = Habit::of(self.number);
        if habit == Habit::Late {
            if !self.random.once_in(6) {
                return Ok(());
            }
            wait_for_some(&self.desk, &mut self.random).await?;
        }
        let peer = Peer::connect(self.address).await?;
        // Who monitors a set has more than one subscription, and now and then gives one up.
        if self.number.is_multiple_of(2) && self.random.once_in(4) {
            self.move_house(&peer).await?;
        }
        loop {
            let peer = Peer::connect(self.address).await?;
            let patience = 20 + self.random.below(400);
            self.receive(&peer, habit, patience).await?;
        }
    }

    /// Monitors until so many messages came.
    async fn receive(&mut self, peer: &Peer, habit: Habit, patience: u64) -> Work {
        let watch = self.desk.oracle().watch();
        let mut monitor = peer.monitor(&self.queue, &[]).await?;
        let mut readers = JoinSet::new();
        for _ in 0..patience {
            let promised = match monitor.next().await {
                Some(promised) => promised?,
                None => {
                    let status = monitor.end().await?;
                    let ended = format!("the monitor of user agent {} ended with {status}", self.number);
                    return self.desk.check(if status.is_success() {
                        Ok(())
                    } else {
                        Err(Failure::new(ended))
                    });
                }
            };
            let (moment, desk, peer) = (self.desk.oracle().tick(), self.desk.clone(), peer.clone());
            let (agent, acknowledges) = (self.number, habit.acknowledges(&mut self.random));
            readers.spawn(async move {
                let path = promised.path.clone();
                let push = push(promised.answer().await?, path, moment);
                let number = desk.check(push.and_then(|push| desk.oracle().pushed(agent, watch, &push)))?;
                if acknowledges { acknowledge(&desk, &peer, number).await } else { Ok(()) }
            });
        }
        // What was begun comes to its end, or the process dies with it.
        readers.join_all().await.into_iter().collect()
    }

    /// Ends one subscription, and makes another in the same set.
    async fn move_house(&mut self, peer: &Peer) -> Work {
        let found = {
            let mut oracle = self.desk.oracle();
            let mine = |one: &&mut Subscription| one.agent == self.number && one.gone == Gone::No;
            oracle.subscriptions.iter_mut().find(mine).map(|one| {
                one.gone = Gone::Asked;
                one.path.clone()
            })
        };
        let Some(path) = found else { return Ok(()) };
        let answer = peer.request(Method::DELETE, &path, &[], Bytes::new()).await?;
        {
            let mut oracle = self.desk.oracle();
            let moment = oracle.tick();
            if answer.status == 204
                && let Some(one) = oracle.subscriptions.iter_mut().find(|one| one.path == path)
            {
                one.gone = Gone::Since(moment);
                oracle.figures.unsubscribed += 1;
            }
        }
        if answer.status != 204 && answer.status != 503 {
            let what = format!("a subscription that was there ended with {}", answer.status);
            return self.desk.check(Err(Failure::new(what)));
        }
        let restricted = self.random.once_in(2);
        let made =
            subscribe(peer, Some(&self.queue), restricted.then_some(self.parties.restriction.as_str()));
        let (subscription, push, _) = made.await?;
        let new = Subscription { agent: self.number, path: subscription, push, restricted, gone: Gone::No };
        self.desk.oracle().subscriptions.push(new);
        Ok(())
    }
}

/// Waits until some more messages were accepted, so that it comes in the middle of things.
pub(super) async fn wait_for_some(desk: &Desk, random: &mut Random) -> Work {
    let mut progress = desk.progress.subscribe();
    let Progress { accepted, lives, .. } = progress.borrow().clone();
    let from = accepted + random.below(300);
    let in_time = |progress: &Progress| progress.accepted >= from || progress.lives > lives;
    progress.wait_for(in_time).await.map(drop).map_err(|_| Broken)
}

/// Sends the DELETE of a message (RFC 8030 §6.2).
async fn acknowledge(desk: &Desk, peer: &Peer, number: usize) -> Work {
    let (began, path) = {
        let mut oracle = desk.oracle();
        let began = oracle.acknowledging(number);
        (began, oracle.sent.get(number).and_then(|sent| sent.path.clone()).unwrap_or_default())
    };
    let answer = peer.request(Method::DELETE, &path, &[], Bytes::new()).await?;
    let acknowledged = desk.oracle().acknowledged(number, began, answer.status.as_u16());
    desk.check(acknowledged)
}

/// Takes and acknowledges all that waits for this agent now (`Prefer: wait=0`).
pub(super) async fn drain(desk: &Desk, peer: &Peer, agent: usize, queue: &str) -> Work {
    let watch = desk.oracle().watch();
    let mut monitor = peer.monitor(queue, &[(super::PREFER, "wait=0".to_owned())]).await?;
    while let Some(promised) = monitor.next().await {
        let promised = promised?;
        let (moment, path) = (desk.oracle().tick(), promised.path.clone());
        let push = push(promised.answer().await?, path, moment);
        let number = desk.check(push.and_then(|push| desk.oracle().pushed(agent, watch, &push)))?;
        acknowledge(desk, peer, number).await?;
    }
    let status = monitor.end().await?;
    let ended = if status.is_success() {
        Ok(())
    } else {
        Err(Failure::new(format!("a monitor ended with {status}")))
    };
    desk.check(ended)
}

/// Takes receipts until the service dies; with `wait=0`, until there are no more.
pub(super) async fn take_receipts(desk: &Desk, peer: &Peer, queue: &str, wait: bool) -> Work {
    let watch = desk.oracle().watch();
    let prefer = [(super::PREFER, "wait=0".to_owned())];
    let mut monitor = peer.monitor(queue, if wait { &[] } else { &prefer }).await?;
    while let Some(promised) = monitor.next().await {
        let promised = promised?;
        let path = promised.path.clone();
        let answer = promised.answer().await?;
        let taken = desk.oracle().receipt(&path, answer.status.as_u16(), watch);
        desk.check(taken)?;
    }
    monitor.end().await.map(drop)
}

/// Makes a subscription: its path, its push resource, and its set.
pub(super) async fn subscribe(
    peer: &Peer,
    set: Option<&str>,
    restriction: Option<&str>,
) -> Result<(String, String, String), Broken> {
    let mut fields = Vec::new();
    if let Some(set) = set {
        fields.push((header::LINK, format!("<{}{set}>; rel=\"urn:ietf:params:push:set\"", super::ORIGIN)));
    }
    let body = restriction.map(|json| Bytes::from(json.to_owned())).unwrap_or_default();
    if !body.is_empty() {
        fields.push((header::CONTENT_TYPE, "application/webpush-options+json".to_owned()));
    }
    let made = peer.request(Method::POST, "/subscribe", &fields, body).await?;
    let push = linked(&made.headers, "urn:ietf:params:push");
    let set = linked(&made.headers, "urn:ietf:params:push:set");
    Ok((location(&made.headers).ok_or(Broken)?, push.ok_or(Broken)?, set.ok_or(Broken)?))
}

pub(super) fn location(headers: &HeaderMap) -> Option<String> {
    path_of(headers.get(header::LOCATION)?.to_str().ok()?)
}

fn push(answer: Answer, path: String, moment: u64) -> crate::Result<Push> {
    let time = |name| {
        let text = answer.headers.get(name)?.to_str().ok()?;
        let time = httpdate::parse_http_date(text).ok()?;
        time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    match (time(header::DATE), time(header::LAST_MODIFIED)) {
        (Some(date), Some(accepted)) => {
            Ok(Push { path, moment, dates: Some((date, accepted)), body: answer.body.to_vec() })
        }
        _ => Err(Failure::new(format!("a push has no dates; its status is {}", answer.status))),
    }
}

/// Seconds: what nobody waits for, what is over soon, and what outlives the trial.
const TTLS: [u64; 10] = [0, 1, 2, 3, 5, LONG_SECS, LONG_SECS, LONG_SECS, LONG_SECS, LONG_SECS];

const LONG_SECS: u64 = 7 * 24 * 3600;
