//! The application server's side of RFC 8030: a queue of messages to push resources.
//!
//! [`Sender`] is a state machine without IO, clock or crypto: bodies come encrypted, tokens are made by whoever drives
//! it. Its driver sends the requests it asks for, to the origin of their URL, and pools connections as it likes.
//!
//! ```text
//!  caller  Send(job)                 ->  +--------+  Sign, Request     ->  driver  ->  push services
//!          <-  Verdict, Receipt, Refused | Sender |  <-  Signed, Reply, Receipt
//!                                        +--------+
//! ```
//!
//! - Every job gets exactly one [`Verdict`], or is [`Refused`] at once; every message that was accepted with a receipt
//!   gets exactly one [`Receipt`].
//! - A message is sent at least once if its verdict is [`Verdict::Accepted`]. It is sent again after 429, 503 and other
//!   5xx, and when it did not leave; after a connection was lost under it only if it has a topic, so that a second one
//!   replaces the first, or if [`Config::repeat`] says so. A message may so be accepted twice.
//! - Each push service has its own pace: a pause that it asks for by 503, or that a failure to connect suggests, is
//!   for all its messages and for no others. What would wait for longer than [`Limits::patience`] is told at once instead.
//!   Few requests are under way at one that has not answered yet, and all of those share a quarter beyond their first. A 429 is about one push resource (`8030-8.4-2`): what is for that one waits
//!   (`8030-8.4-3`), and nothing else does.
//! - The TTL runs from the moment a job is taken: what is sent is what is left of it (`8030-5.2-1`).
//! - Each VAPID key is an identity of its own: the token, the pace and the receipt subscription of a push service are kept
//!   for each key apart, so that nothing but the address links two of them.
//! - Whatever waits for a push service, the most urgent goes first; every eighth turn is the oldest's, and push services
//!   take turns.
//! - A push resource that has ended is remembered: what waits for it, or comes for it within [`Limits::ended_memory`],
//!   is [`Verdict::Gone`] without a request. [`Change::Restored`] forgets that.
//! - One receipt subscription for each audience (`8030-5.1-6`), monitored while a receipt is awaited on it, and ended when
//!   another took its place (`8030-7.3-5`).
//!
//! Encryption is no effect of the machine: a body is encrypted once, before the job is given, and sent again as it is. To
//! ask for it here would keep plaintext in the queue, and gain nothing: the keys of a subscription never change.

mod backlog;
mod ending;
mod explanation;
mod input;
mod lane;
mod lanes;
mod ledger;
mod limits;
mod output;
mod queue;
mod remembered;
mod reply;
mod resource;
mod rules;
mod vendor;
mod verdict;

use alloc::collections::VecDeque;

use ending::Endings;
use lanes::Lanes;
use ledger::Ledger;
use queue::Queue;
use remembered::Remembered;

pub use explanation::Explanation;
pub use input::{Audience, Change, Credentials, Input, Job, JobId, PushedReceipt, Response, Token};
pub use limits::{Limits, REASON_OCTETS};
pub use output::{Output, Reason, Receipt, ReceiptOutcome, ReceiptRequest, Refused, Request, Send};
pub use rules::{Notice, RULES, Rule, Says, Scope};
pub use vendor::Vendor;
pub use verdict::{Accepted, Class, Gone, Rejection, Throttled, Transient, Verdict};

use crate::{
    Entropy, Now, PushUrl, Seed, UnixTime,
    user_agent::{Failure, RequestId, sooner},
};

/// How a sender is set up.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Whether a message without a topic is sent again after a connection was lost under it: then it may come twice,
    /// else it may not come at all.
    pub repeat: bool,
    /// Whether the messages of one audience share a receipt subscription (`8030-5.1-6`). Without, each asks for one of its
    /// own, so that their receipts cannot be linked by it (`8030-5.1-8`), until a 429 says that there are enough
    /// (`8030-5.1-10`).
    pub share_receipts: bool,
    /// The bounds.
    pub limits: Limits,
}

/// Not repeated, one receipt subscription for all, default limits.
impl Default for Config {
    fn default() -> Self {
        Self { repeat: false, share_receipts: true, limits: Limits::default() }
    }
}

/// A sender. One owner drives it by [`Sender::handle`] and [`Sender::poll`]: after each input, poll until
/// [`Output::Wait`].
///
/// ```
/// use push_proto::application_server::{Config, Gone, Input, Job, JobId, Output, Request, Response, Sender, Verdict};
/// use push_proto::{Content, Mono, Now, PushUrl, Seed, Ttl, UnixTime, Urgency};
///
/// let mut sender = Sender::new(Config::default(), &Seed::from_octets([7; 32]));
/// let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) };
/// let job = Job {
///     id: JobId(1),
///     to: PushUrl::parse("https://push.example.net/p/abc").unwrap(),
///     key: None,
///     ttl: Ttl::from_secs(60),
///     urgency: Urgency::Normal,
///     topic: None,
///     content: Content::default(),
///     receipt: false,
/// };
/// sender.handle(Input::Send(job.into()), now);
/// let Output::Request(id, Request::Send(send)) = sender.poll(now) else { panic!() };
/// assert_eq!(send.ttl, Ttl::from_secs(60));
///
/// sender.handle(Input::Reply(id, Ok(Response { status: 410, ..Response::default() })), now);
/// assert!(matches!(sender.poll(now), Output::Verdict(JobId(1), Verdict::Gone(Gone::Ended(_)))));
/// ```
#[derive(Debug)]
pub struct Sender {
    config: Config,
    entropy: Entropy,
    next_id: u64,
    queue: Queue,
    lanes: Lanes,
    /// Push resources that take nothing for a while (`8030-8.4-2`).
    holds: Remembered<PushUrl, ()>,
    /// Push resources that take nothing any more.
    ended: Remembered<PushUrl, Gone>,
    ledger: Ledger,
    endings: Endings,
    /// Sends in flight that ask for a receipt.
    receipts_in_flight: usize,
    outputs: VecDeque<Output>,
    /// The latest time seen: a clock that steps back makes no token good again.
    wall: Option<UnixTime>,
    closed: bool,
}

impl Sender {
    /// A sender with an empty queue. `seed` is for jitter alone.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            config,
            entropy: Entropy::new(seed),
            next_id: 0,
            queue: Queue::default(),
            lanes: Lanes::default(),
            holds: Remembered::default(),
            ended: Remembered::default(),
            ledger: Ledger::default(),
            endings: Endings::default(),
            receipts_in_flight: 0,
            outputs: VecDeque::new(),
            wall: None,
            closed: false,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        let now = self.forward(now);
        match input {
            Input::Send(job) => self.send(job, now),
            Input::Signed(audience, token) => self.signed(&audience, token, now),
            Input::Reply(id, reply) => self.answered(id, reply, now),
            Input::Receipt(monitor, pushed) => self.receipt(monitor, &pushed),
            Input::Room(origin, requests) => self.lanes.set_room(&origin, requests),
            Input::PushResource(url, change) => self.resource_changed(&url, change, now),
            Input::Tick => {}
            Input::Close => self.close(),
        }
    }

    /// The next effect. [`Output::Wait`] says that there is none until an input comes or time passes.
    pub fn poll(&mut self, now: Now) -> Output {
        let now = self.forward(now);
        if self.outputs.is_empty() && !self.closed {
            while let Some(id) = self.overdue(now) {
                self.outputs.push_back(Output::Cancel(id));
                self.answered(id, Err(Failure::Lost), now);
            }
            self.expire(now);
            self.give_up_receipts(now);
            self.open_monitors(now);
            self.end_receipts(now);
            self.step(now);
        }
        match self.outputs.pop_front() {
            Some(output) => output,
            None if self.closed => Output::Wait(None, Reason::Closed),
            None => self.wait(now),
        }
    }

    /// How many more jobs can be given before one is refused.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.closed { 0 } else { self.config.limits.jobs.saturating_sub(self.queue.len()) }
    }

    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.close_queue();
            self.close_ledger();
            self.close_endings();
        }
    }

    fn wait(&mut self, now: Now) -> Output {
        let expiry = self.queue.expiry().map(|at| (at, Reason::Expiry));
        let response = self.queue.response().map(|at| (at, Reason::Response));
        let receipt = self.ledger.deadline().map(|at| (at, Reason::Receipt));
        let lane = self.lanes.wakes(now);
        let receipts = self.ledger.wakes(now).into_iter().chain(self.endings.wakes(now));
        let retry = lane.into_iter().chain(receipts).min().map(|at| (at, Reason::Retry));
        match sooner(sooner(retry, response), sooner(expiry, receipt)) {
            Some((at, reason)) => Output::Wait(Some(at), reason),
            None => Output::Wait(None, Reason::Idle),
        }
    }

    fn forward(&mut self, now: Now) -> Now {
        let wall = self.wall.map_or(now.wall, |latest| latest.max(now.wall));
        self.wall = Some(wall);
        Now { wall, ..now }
    }

    const fn next_id(&mut self) -> RequestId {
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        RequestId(id)
    }
}
