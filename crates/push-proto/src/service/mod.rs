//! The push service (RFC 8030), one shard of it.
//!
//! The truth is in the store ([`crate::store`]); the service holds what is connected or in flight. The owner feeds it
//! one [`Input`] at a time and then calls [`Service::poll`] until it answers [`Output::Wait`]:
//!
//! ```text
//! peers ── Request, Cancelled, Credit, Pushed ──▶ ┌─────────┐ ── Respond, Push, Retract, Retire ──▶ peers
//! store ── Store(Completion) ───────────────────▶ │ Service │ ── Store(Command) ──────────────────▶ store
//! clock ── Tick, and Now with every call ───────▶ └─────────┘ ── Wait(deadline) ──────────────────▶ timer
//! ```
//!
//! `intake` accepts messages, `registry` does everything else that a peer can ask of the store, `watched` owns the
//! monitors; this file only dispatches.

mod census;
mod intake;
mod limits;
mod monitor;
mod rates;
mod registry;
mod request;
mod sweeper;
mod totals;
mod turn;
mod watched;

pub use census::Census;
pub use limits::Limits;
pub use rates::{Buckets, Rate};
pub use request::{
    Accepted, Delivery, Exchange, Input, Monitor, Named, Output, Reason, ReceiptRequest, Request, Response,
    Send, Set, Subscribe, Subscribed, Target, Transfer,
};
pub use totals::Totals;

use alloc::vec::Vec;

use self::{
    rates::{Parties, Rates},
    sweeper::Sweeper,
    turn::{Asked, Effects, Pending, Standing, Turn},
    watched::Watched,
};
use crate::{
    Entropy, Mono, Now, Refusal, Seed, UnixTime,
    store::{Availability, Completion},
};

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// What a shard is told when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which shard it is, from 0.
    pub shard: u16,
    /// How many there are; new agents are made so that they belong to their own shard.
    pub shards: u16,
    /// Whether it sweeps expired messages; one shard of each store does.
    pub sweeper: bool,
    /// Its bounds.
    pub limits: Limits,
}

impl Default for Config {
    /// The only shard.
    fn default() -> Self {
        Self { shard: 0, shards: 1, sweeper: true, limits: Limits::default() }
    }
}

/// One shard of the push service.
///
/// `handle` takes an input and never blocks or fails; `poll` gives the effects. Both take the time. Time may stand
/// still between calls; a wall clock that steps back revives nothing, since the latest time seen counts.
#[derive(Debug)]
pub struct Service {
    config: Config,
    entropy: Entropy,
    effects: Effects,
    watched: Watched,
    sweeper: Sweeper,
    rates: Rates,
    latest: UnixTime,
    /// Seconds by which the wall clock is ahead of the other one, as far as expiries were turned into deadlines by it.
    ahead: u64,
    /// It has got further ahead: what waits in connections may have expired before its deadline.
    leapt: bool,
    store: Availability,
    draining: Option<Mono>,
}

impl Service {
    /// A shard that has seen nothing yet. `seed` makes its ids: 32 octets from a good source, never used twice.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            config,
            entropy: Entropy::new(seed),
            effects: Effects::default(),
            watched: Watched::default(),
            sweeper: Sweeper::new(config.sweeper),
            rates: Rates::new(&config.limits),
            latest: UnixTime::from_secs(0),
            ahead: 0,
            leapt: false,
            store: Availability::Up,
            draining: None,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        let now = self.observe(now);
        match input {
            Input::Request(exchange, request) => self.request(exchange, request, now),
            Input::Cancelled(exchange) => self.cancelled(exchange, now),
            Input::Credit(exchange, more) => {
                if let Some(target) = self.monitored(exchange) {
                    let (watched, mut turn) = self.turn(now);
                    watched.grant(target, more, &mut turn);
                }
            }
            Input::Pushed(exchange, delivery, transfer) => {
                if let Some(target) = self.monitored(exchange) {
                    let (watched, mut turn) = self.turn(now);
                    watched.transferred(target, delivery, transfer, &mut turn);
                }
            }
            Input::Store(completion) => self.completed(completion, now),
            Input::Drain(deadline) => {
                self.draining = Some(deadline);
                let (watched, mut turn) = self.turn(now);
                watched.end_all(None, &mut turn);
            }
            Input::Limits(limits) => {
                self.rates.reconfigure(&limits);
                self.config.limits = *limits;
            }
            Input::Tick => self.elapse(now),
        }
    }

    /// The next effect. [`Output::Wait`] means that there is none until an input comes or the deadline passes.
    pub fn poll(&mut self, now: Now) -> Output {
        let now = self.observe(now);
        if self.effects.outputs.is_empty() {
            self.elapse(now);
        }
        self.effects.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    /// Whether a drain is done: every exchange has ended and the store owes no answer to one.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining.is_some() && self.effects.exchanges.is_empty() && self.effects.outputs.is_empty()
    }

    fn request(&mut self, exchange: Exchange, request: Request, now: Now) {
        self.effects.exchanges.insert(exchange, Standing::Open);
        let willing = self.unwilling(&request).map_or(Ok(()), Err);
        if let Err(refusal) = willing.and_then(|()| self.paced(&request, now)) {
            return self.effects.refuse(exchange, refusal);
        }
        match request {
            Request::Send(send) => self.accept(exchange, send, now),
            Request::Monitor(wanted) => {
                let (watched, mut turn) = self.turn(now);
                watched.open(exchange, &wanted, &mut turn);
            }
            Request::Subscribe(subscribe) => self.subscribe(exchange, subscribe, now),
            Request::Acknowledge(handle) => self.acknowledge(exchange, handle, now),
            Request::Drop(handle) => self.give_up(exchange, handle, now),
            Request::Read(handle) => self.read(exchange, handle),
            Request::Unsubscribe(target) => self.unsubscribe(exchange, target),
        }
    }

    /// Why nothing like this is taken on now, if so (G5, G7). A drain still lets user agents acknowledge.
    fn unwilling(&self, request: &Request) -> Option<Refusal> {
        let limits = &self.config.limits;
        let refusal = if self.draining.is_some() && !matches!(request, Request::Acknowledge(_)) {
            Refusal::DRAINING
        } else if self.store == Availability::Down {
            Refusal::STORE_UNAVAILABLE
        } else if self.effects.pending.len() >= limits.requests_in_flight {
            Refusal::OVERLOADED
        } else {
            return None;
        };
        Some(refusal.retry_in(limits.retry_after))
    }

    /// Counts a request against the rates that it falls under (RFC 8030 §8.4).
    fn paced(&mut self, request: &Request, now: Now) -> Result<(), Refusal> {
        if let Request::Send(send) = request {
            self.rates.message(&Parties::of(send), now.mono)?;
        }
        if request.makes_agent()
            && let Err(refusal) = self.rates.new_agent(now.mono)
        {
            if let Request::Send(send) = request {
                self.rates.spare_receiver(&Parties::of(send));
            }
            return Err(refusal);
        }
        Ok(())
    }

    fn cancelled(&mut self, exchange: Exchange, now: Now) {
        match self.effects.exchanges.get_mut(&exchange) {
            Some(Standing::Monitoring(target)) => {
                let target = *target;
                self.effects.exchanges.insert(exchange, Standing::Abandoned);
                let (watched, mut turn) = self.turn(now);
                watched.cancel(target, &mut turn);
                self.effects.respond(exchange, Response::Done);
            }
            Some(standing) => *standing = Standing::Abandoned,
            None => {}
        }
    }

    fn completed(&mut self, completion: Completion, now: Now) {
        if let Completion::Hint(agent, hint) = &completion {
            let (watched, mut turn) = self.turn(now);
            return watched.hinted(*agent, hint, &mut turn);
        }
        if let Completion::Availability(availability) = completion {
            return self.available(availability, now);
        }
        let Some(ticket) = completion.ticket() else { return };
        let Some(pending) = self.effects.pending.remove(&ticket) else { return };
        self.count(&completion);
        match pending {
            Pending::Asked(exchange, asked) => self.answered(exchange, asked, completion, now),
            Pending::Sweep => self.sweeper.swept(&completion, now, &self.config.limits),
            Pending::Settle(handle) => {
                let (watched, mut turn) = self.turn(now);
                watched.ended(&handle, &mut turn);
            }
            Pending::Watch(agent) => {
                let (watched, mut turn) = self.turn(now);
                if matches!(completion, Completion::Watching(_)) {
                    watched.watching(agent, &mut turn);
                } else {
                    watched.watch_failed(agent, &mut turn);
                }
            }
            Pending::Load(target) => {
                let (watched, mut turn) = self.turn(now);
                if let Completion::Loaded(_, page) = completion {
                    watched.loaded(target, ticket, page, &mut turn);
                } else {
                    watched.load_failed(target, &mut turn);
                }
            }
        }
    }

    fn count(&mut self, completion: &Completion) {
        let totals = &mut self.effects.totals;
        match completion {
            Completion::Failed(_) => totals.failed += 1,
            Completion::Expired(_, sweep) => {
                totals.commands += 1;
                totals.expired += u64::from(sweep.expired);
            }
            Completion::Applied(..)
            | Completion::Loaded(..)
            | Completion::Read(..)
            | Completion::Watching(_)
            | Completion::Hint(..)
            | Completion::Availability(_) => totals.commands += 1,
        }
    }

    /// A store that is down promises nothing, so nobody may believe to be monitoring (G7).
    fn available(&mut self, availability: Availability, now: Now) {
        self.store = availability;
        if availability == Availability::Down {
            let refusal = Refusal::STORE_UNAVAILABLE.retry_in(self.config.limits.retry_after);
            let (watched, mut turn) = self.turn(now);
            watched.end_all(Some(refusal), &mut turn);
        }
    }

    fn answered(&mut self, exchange: Exchange, asked: Asked, completion: Completion, now: Now) {
        match asked {
            Asked::Send(arriving) => self.placed(exchange, &arriving, completion, now),
            Asked::Subscribe(..)
            | Asked::Draw(..)
            | Asked::Confirm(..)
            | Asked::Acknowledge(_)
            | Asked::Drop(_)
            | Asked::Read
            | Asked::Unsubscribe(_) => {
                self.registered(exchange, asked, completion, now);
            }
        }
    }

    /// Does what time alone makes due.
    fn elapse(&mut self, now: Now) {
        if self.draining.is_some_and(|deadline| deadline <= now.mono) {
            let open: Vec<_> = self.effects.exchanges.keys().copied().collect();
            for exchange in open {
                self.effects.refuse(exchange, Refusal::DRAINING.retry_in(self.config.limits.retry_after));
            }
        }
        if self.store == Availability::Up {
            self.sweeper.sweep(now, &mut self.effects);
        }
        let leapt = core::mem::take(&mut self.leapt);
        let (watched, mut turn) = self.turn(now);
        if leapt {
            watched.leap(&mut turn);
        }
        watched.elapse(&mut turn);
    }

    fn wait(&self) -> Output {
        let drain =
            self.draining.filter(|_| !self.effects.exchanges.is_empty()).map(|at| (at, Reason::Drain));
        let sweep = if self.store == Availability::Up { self.sweeper.next() } else { None };
        let sweep = sweep.map(|at| (at, Reason::Sweep));
        let monitor = self.watched.next_wake().map(|at| (at, Reason::Monitor));
        let first = drain.into_iter().chain(sweep).chain(monitor).min_by_key(|(at, _)| *at);
        first.map_or(Output::Wait(None, Reason::Idle), |(at, reason)| Output::Wait(Some(at), reason))
    }

    /// Wall time never goes back: expiry takes the later of the clock and the latest time seen.
    fn observe(&mut self, now: Now) -> Now {
        self.latest = self.latest.max(now.wall);
        let ahead = self.latest.as_secs().saturating_sub(now.mono.as_nanos() / NANOS_PER_SEC);
        // They tick at different instants of a second, which is no leap.
        if ahead > self.ahead || ahead + 1 < self.ahead {
            self.leapt |= ahead > self.ahead;
            self.ahead = ahead;
        }
        Now { wall: self.latest, ..now }
    }

    fn monitored(&self, exchange: Exchange) -> Option<Target> {
        match self.effects.exchanges.get(&exchange) {
            Some(Standing::Monitoring(target)) => Some(*target),
            Some(Standing::Open | Standing::Abandoned) | None => None,
        }
    }

    /// The monitors, and what they work with.
    fn turn(&mut self, now: Now) -> (&mut Watched, Turn<'_>) {
        (&mut self.watched, Turn { now, limits: &self.config.limits, effects: &mut self.effects })
    }
}
