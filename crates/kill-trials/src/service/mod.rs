//! `webpush serve` killed with SIGKILL at random points of its work, again and again, on one data folder.
//!
//! Application servers post (with and without topic, receipt and VAPID, with TTLs from nothing to a week) to user agents
//! that are connected and acknowledge, that are careless, that never acknowledge, and that come late; some give up a
//! subscription and make another; connections come and go. They speak HTTP/2, and every third user agent Mozilla's push
//! protocol by WebSocket, by clients that share no code with the service. [`run`] ends when every accepted message has come to its one end, or at the first broken promise.

mod browser;
mod fates;
mod oracle;
mod parties;
mod peer;
mod process;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, header::HeaderName};
use push_crypto::{
    PushUrl, UnixTime,
    vapid::{Signer, SigningKey},
};
use tokio::{
    runtime,
    task::JoinSet,
    time::{sleep, timeout},
};

use browser::{Browser, Socket, channel_id, is_browser};
pub use fates::{Fates, Figures};
use oracle::{Gone, Subscription};
use parties::{Agent, Desk, Work, Worker, drain, subscribe, take_receipts};
use peer::{Broken, Peer, linked};
use process::Home;

use crate::{Failure, Result, random::Random, wall_secs};

/// What to do.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The `webpush` binary.
    pub webpush: PathBuf,
    /// An empty folder, for the data and the log of the service.
    pub folder: PathBuf,
    /// Messages to be accepted.
    pub messages: u64,
    /// Processes to be killed.
    pub kills: usize,
    /// Of all draws. What happens depends on time as well, so a seed does not repeat a trial; it names it.
    pub seed: u64,
}

/// All who take part, and what they know together.
struct Crew {
    desk: Desk,
    parties: Arc<Parties>,
}

/// What the parties have.
struct Parties {
    /// Queues of receipts, one for each application server.
    receipts: Vec<String>,
    /// Of user agents: what each monitors. Of a browser that is what its name stands for.
    queues: Vec<String>,
    /// The application servers' key.
    key: String,
    /// The body that restricts a subscription to the application servers' key (RFC 8292 §4.1).
    restriction: String,
    /// Their credentials.
    authorization: String,
}

/// Carries out a trial; `progress` hears of each kill.
///
/// # Errors
///
/// The first promise that was broken, or why the trial could not go on.
pub fn run(trial: &Trial, progress: &mut dyn FnMut(usize, u64)) -> Result<Figures> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let mut home = Home::new(&trial.webpush, &trial.folder);
        let desk = Desk::new();
        let service = home.start()?;
        let parties = settle_in(&desk, service.address).await;
        let parties = parties.map_err(|Broken| Failure::new("nobody could subscribe"))?;
        service.kill()?;
        let crew = Crew { desk, parties: Arc::new(parties) };
        for kill in 0..trial.kills {
            life(trial, &home, &crew).await?;
            home.check_log()?;
            let accepted = {
                let mut oracle = crew.desk.oracle();
                oracle.life += 1;
                oracle.figures.kills = kill + 1;
                oracle.figures.accepted
            };
            progress(kill + 1, accepted);
        }
        heal(trial, &home, &crew).await?;
        home.check_log()?;
        Ok(crew.desk.oracle().figures.clone())
    })
}

/// Makes user agents and queues of receipts.
async fn settle_in(desk: &Desk, address: SocketAddr) -> Result<Parties, Broken> {
    let peer = Peer::connect(address).await?;
    let provider = push_crypto::aws_lc::provider();
    let signer = Signer::new(SigningKey::generate(&provider).map_err(|_| Broken)?, None);
    let (now, url) = (wall_secs(), PushUrl::parse(ORIGIN).map_err(|_| Broken)?);
    let (now, expires) = (UnixTime::from_secs(now), UnixTime::from_secs(now + 23 * 3600));
    let token = signer.sign(&provider, &url.origin(), expires, now).map_err(|_| Broken)?;
    let restriction = format!("{{\"vapid\":\"{}\"}}", signer.public_key());
    let mut parties = Parties {
        receipts: Vec::new(),
        queues: Vec::new(),
        key: signer.public_key().to_string(),
        restriction,
        authorization: token.authorization(),
    };
    for agent in 0..AGENTS {
        if is_browser(agent) {
            let queue = introduce(desk, address, agent, &parties.key).await?;
            parties.queues.push(queue);
            continue;
        }
        let (path, push, set) = subscribe(&peer, None, None).await?;
        let mut subscriptions = vec![(path.clone(), push, false)];
        // Half of them have several subscriptions, and monitor them as one.
        let several = agent % 2 == 0;
        if several {
            for restricted in [true, false] {
                let restriction = restricted.then_some(parties.restriction.as_str());
                let (path, push, _) = subscribe(&peer, Some(&set), restriction).await?;
                subscriptions.push((path, push, restricted));
            }
        }
        parties.queues.push(if several { set } else { path });
        desk.oracle().subscriptions.extend(
            subscriptions.into_iter().map(|(path, push, restricted)| Subscription {
                agent,
                path,
                push,
                restricted,
                gone: Gone::No,
            }),
        );
    }
    // A message to a subscription of its own brings each application server its queue.
    let (_, push, _) = subscribe(&peer, None, None).await?;
    for _ in 0..SENDERS {
        let fields = [(TTL, "1".to_owned()), (PREFER, "respond-async".to_owned())];
        let answer = peer.request(Method::POST, &push, &fields, Bytes::from_static(b"first")).await?;
        parties.receipts.push(linked(&answer.headers, "urn:ietf:params:push:receipt").ok_or(Broken)?);
    }
    Ok(parties)
}

/// Makes a user agent that connects by WebSocket, with subscriptions; what it can be monitored by over HTTP, too.
async fn introduce(desk: &Desk, address: SocketAddr, agent: usize, key: &str) -> Result<String, Broken> {
    let (mut socket, uaid) = Socket::hello(address, None).await?;
    for (number, restricted) in [(0, false), (1, true), (2, false)] {
        let path = channel_id(agent, number);
        let push = socket.register(&path, restricted.then_some(key)).await?.map_err(|_refused| Broken)?;
        desk.oracle().subscriptions.push(Subscription { agent, path, push, restricted, gone: Gone::No });
    }
    Ok(format!("{SET}{uaid}"))
}

/// One life of the service: from its start to its kill.
async fn life(trial: &Trial, home: &Home, crew: &Crew) -> Result<()> {
    let desk = &crew.desk;
    let (life, accepted) = {
        let oracle = desk.oracle();
        (oracle.life, oracle.figures.accepted)
    };
    let mut random = Random::new(trial.seed).part(u64::try_from(life).unwrap_or(0));
    let lives = u64::try_from(trial.kills - life + 1).unwrap_or(1);
    let share = trial.messages.saturating_sub(accepted) / lives;
    let deadly = accepted + 1 + random.below(2 * share + 2);
    let service = home.start()?;
    let mut work = JoinSet::new();
    take_all_receipts(&mut work, service.address, crew);
    go_to_work(&mut work, service.address, crew, &random, u64::MAX).await;
    let mut news = desk.progress.subscribe();
    let reached = news.wait_for(|progress| progress.accepted >= deadly || progress.failure.is_some());
    if timeout(PATIENCE, reached).await.is_err() {
        return Err(Failure::new(format!("life {life}: nothing was accepted for {PATIENCE:?}")));
    }
    // Not always on the heels of an answer.
    for _ in 0..random.below(40) {
        tokio::task::yield_now().await;
    }
    service.kill()?;
    desk.progress.send_modify(|progress| progress.lives += 1);
    // What had reached a party's end of its connection is still read.
    let ended = timeout(PATIENCE, async { while work.join_next().await.is_some() {} });
    if ended.await.is_err() {
        return Err(Failure::new(format!("life {life}: the parties did not notice the end")));
    }
    failure_of(desk)
}

/// Takes all receipts, until the service ends. Nobody may end it earlier: a receipt that was written counts as delivered,
/// since nobody acknowledges it.
fn take_all_receipts(work: &mut JoinSet<Work>, address: SocketAddr, crew: &Crew) {
    for queue in &crew.parties.receipts {
        let (desk, queue) = (crew.desk.clone(), queue.clone());
        work.spawn(async move {
            let peer = Peer::connect(address).await?;
            loop {
                take_receipts(&desk, &peer, &queue, true).await?;
            }
        });
    }
}

/// User agents and application servers, at work at this address.
async fn go_to_work(work: &mut JoinSet<Work>, address: SocketAddr, crew: &Crew, random: &Random, until: u64) {
    let Crew { desk, parties } = crew;
    for (number, queue) in parties.queues.iter().enumerate() {
        let random = random.part(1000 + u64::try_from(number).unwrap_or(0));
        let (desk, parties, queue) = (desk.clone(), Arc::clone(parties), queue.clone());
        if let Some(uaid) = queue.strip_prefix(SET).filter(|_| is_browser(number)) {
            let uaid = uaid.to_owned();
            work.spawn(Browser { number, desk, parties, address, random, uaid }.work());
            continue;
        }
        work.spawn(Agent { number, desk, parties, address, random, queue }.work());
    }
    for sender in 0..SENDERS {
        let Ok(peer) = Peer::connect(address).await else { return };
        for place in 0..WORKERS {
            let number = u64::try_from(place * SENDERS + sender).unwrap_or(0);
            let (desk, parties, peer) = (desk.clone(), Arc::clone(parties), peer.clone());
            let random = random.part(number);
            work.spawn(Worker { number, desk, parties, peer, random, until }.work());
        }
    }
}

/// The last life: the rest of the messages, and then everything comes to its end.
async fn heal(trial: &Trial, home: &Home, crew: &Crew) -> Result<()> {
    let desk = &crew.desk;
    let service = home.start()?;
    let (mut work, mut clerks) = (JoinSet::new(), JoinSet::new());
    take_all_receipts(&mut clerks, service.address, crew);
    let random = Random::new(trial.seed).part(u64::MAX);
    go_to_work(&mut work, service.address, crew, &random, trial.messages).await;
    let mut news = desk.progress.subscribe();
    loop {
        let before = news.borrow_and_update().accepted;
        if before >= trial.messages {
            break;
        }
        let more = news.wait_for(|progress| progress.accepted > before || progress.failure.is_some());
        if timeout(PATIENCE, more).await.is_err() {
            return Err(Failure::new(format!("the last life: nothing was accepted for {PATIENCE:?}")));
        }
        failure_of(desk)?;
    }
    work.shutdown().await;
    let patience = timeout(PATIENCE, async {
        loop {
            collect(crew, service.address, false).await?;
            let settled = desk.oracle().settle();
            if settled.is_ok() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    });
    match patience.await {
        Ok(settled) => settled?,
        Err(_) => desk.oracle().settle()?,
    }
    service.finish()?;
    clerks.join_all().await;
    failure_of(desk)?;
    // All has ended, for ever: no message comes, whoever asks. A receipt may: of a message whose answer was lost.
    let service = home.start()?;
    let before = desk.oracle().figures.pushed;
    collect(crew, service.address, true).await?;
    if desk.oracle().figures.pushed != before {
        return Err(Failure::new("something was pushed after everything had ended"));
    }
    service.finish()
}

/// Empties the queues of all user agents, and those of receipts as well if nobody else does.
async fn collect(crew: &Crew, address: SocketAddr, receipts: bool) -> Result<()> {
    let Crew { desk, parties } = crew;
    let mut work = JoinSet::new();
    for (agent, queue) in parties.queues.iter().cloned().enumerate() {
        let desk = desk.clone();
        work.spawn(async move { drain(&desk, &Peer::connect(address).await?, agent, &queue).await });
    }
    for queue in parties.receipts.iter().filter(|_| receipts) {
        let (desk, queue) = (desk.clone(), queue.clone());
        work.spawn(async move { take_receipts(&desk, &Peer::connect(address).await?, &queue, false).await });
    }
    let done = work.join_all().await.into_iter().collect::<Work>();
    failure_of(desk)?;
    done.map_err(|Broken| Failure::new("a connection broke though nothing was killed"))
}

fn failure_of(desk: &Desk) -> Result<()> {
    desk.progress.borrow().failure.clone().map_or(Ok(()), Err)
}

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What the service calls itself.
const ORIGIN: &str = "https://push.test";

/// Where the sets of user agents are; the name of a browser follows.
const SET: &str = "/a/";

/// User agents; what they are like says `Habit`.
const AGENTS: usize = 24;

/// Application servers, each with a connection, a queue of receipts, and so many workers.
const SENDERS: usize = 4;
const WORKERS: usize = 8;

/// Longest that nothing may happen; only a service that is stuck takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at what is still owed.
const PAUSE: Duration = Duration::from_millis(200);

/// Where the binary is if it was built together with this one.
#[must_use]
pub fn sibling(of: &Path) -> PathBuf {
    of.with_file_name(format!("webpush{}", std::env::consts::EXE_SUFFIX))
}
