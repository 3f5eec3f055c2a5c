//! Whether the server can keep a promise, and what it says of itself: `/healthz` and `/readyz`.
//!
//! What is asked for is done, not looked up: each shard reads a beat in its mailbox, the store makes a page durable
//! (`rounds`). What does not come back in time is what is wrong. Nothing here waits, so whichever shard a question comes
//! to answers it for all.

pub(super) mod rounds;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{Method, Response as HttpResponse, request::Parts};
use push_proto::{Mono, Now, Refusal, UnixTime, wire::Door};
use push_store::Failure;
use tokio::sync::watch;

use super::mailbox::Mailbox;
use crate::HealthLimits;

/// The health of one server. All its threads share it.
#[derive(Debug)]
pub(super) struct Health {
    limits: HealthLimits,
    mailboxes: Arc<[Mailbox]>,
    store_up: watch::Receiver<bool>,
    draining: watch::Receiver<bool>,
    /// When the rounds were made last.
    rounds: AtomicU64,
    /// The store has been asked and has not answered.
    probe: Awaited,
    /// What it said last, if it cannot promise anything.
    outage: Mutex<Option<Refusal>>,
    /// The latest time that it has seen.
    latest: AtomicU64,
}

/// Something that was asked for and has not come: since when.
#[derive(Debug, Default)]
pub(super) struct Awaited(AtomicU64);

impl Awaited {
    /// It was asked for; says whether that is news.
    fn begins(&self, now: Mono) -> bool {
        self.0.compare_exchange(NOTHING, now.as_nanos().saturating_add(1), Relaxed, Relaxed).is_ok()
    }

    /// It has come.
    pub(super) fn ends(&self) {
        self.0.store(NOTHING, Relaxed);
    }

    /// Since when.
    fn since(&self) -> Option<Mono> {
        self.0.load(Relaxed).checked_sub(1).map(Mono::from_nanos)
    }
}

impl Health {
    pub(super) fn new(
        limits: HealthLimits,
        mailboxes: Arc<[Mailbox]>,
        store_up: watch::Receiver<bool>,
        draining: watch::Receiver<bool>,
        now: Mono,
    ) -> Self {
        Self {
            limits,
            mailboxes,
            store_up,
            draining,
            rounds: AtomicU64::new(now.as_nanos()),
            probe: Awaited::default(),
            outage: Mutex::new(None),
            latest: AtomicU64::new(0),
        }
    }

    /// Whether it lives: every shard takes turns, and somebody looks whether they do.
    pub(super) fn alive(&self, now: Mono) -> Result<(), Refusal> {
        let late = |since: Mono| now.since(since) > self.limits.stall;
        if self.mailboxes.iter().filter_map(|mailbox| mailbox.beat.since()).any(late) {
            return Err(SHARD_STALLED);
        }
        if late(Mono::from_nanos(self.rounds.load(Relaxed)).after(self.limits.beat)) {
            return Err(ROUNDS_STALLED);
        }
        Ok(())
    }

    /// Whether it can keep a promise (G7): it lives, is not being stopped, the store takes writes, the clock is sane.
    pub(super) fn ready(&self, now: Now) -> Result<(), Refusal> {
        if *self.draining.borrow() {
            return Err(Refusal::DRAINING);
        }
        if let Some(outage) = *self.outage.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(outage);
        }
        if !*self.store_up.borrow() {
            return Err(STORE_FAILED);
        }
        if self.probe.since().is_some_and(|since| now.mono.since(since) > self.limits.probe_stall) {
            return Err(STORE_STALLED);
        }
        self.alive(now.mono)?;
        if now.wall < self.limits.clock_min {
            return Err(CLOCK_UNSET);
        }
        if now.wall.saturating_add_secs(self.limits.behind.as_secs()) < self.latest() {
            return Err(CLOCK_BEHIND);
        }
        Ok(())
    }

    /// The answer, if this asks for one.
    pub(super) fn answer(
        &self,
        head: &Parts,
        door: &Door,
        now: Now,
    ) -> Option<Result<HttpResponse<Bytes>, Refusal>> {
        let health = match head.uri.path() {
            _ if !self.limits.served => return None,
            HEALTHZ => self.alive(now.mono),
            READYZ => self.ready(now),
            _ => return None,
        };
        if head.method != Method::GET && head.method != Method::HEAD {
            return Some(Err(Refusal::METHOD_GET_ONLY));
        }
        Some(Ok(match health {
            Ok(()) => door.well(now.wall),
            Err(refusal) => door.refuse(&refusal.retry_in(self.limits.beat), now.wall),
        }))
    }

    fn latest(&self) -> UnixTime {
        UnixTime::from_secs(self.latest.load(Relaxed))
    }
}

/// What the store's failure is called, without a word about where it is (G6).
const fn named(failure: Failure) -> Refusal {
    match failure {
        Failure::Full => STORE_FULL,
        Failure::ReadOnly => STORE_READ_ONLY,
        Failure::Gone => STORE_GONE,
        Failure::Damaged => STORE_DAMAGED,
        Failure::Other => STORE_FAILED,
    }
}

const fn red(reason: &'static str, detail: &'static str) -> Refusal {
    Refusal::new(503, reason, "docs/operations.md", detail)
}

const STORE_FULL: Refusal =
    red("store-full", "There is no room for the store: make some, and the service goes on by itself.");
const STORE_READ_ONLY: Refusal =
    red("store-read-only", "The store cannot be written to: allow it, and the service goes on by itself.");
const STORE_GONE: Refusal = red(
    "store-gone",
    "The folder of the store is not where it was: put that very folder back, and the service goes on by itself; \
     to use another, restart the service.",
);
const STORE_DAMAGED: Refusal = red(
    "store-damaged",
    "The store cannot be read: stop the service, restore the data folder from a backup, and start it again.",
);
const STORE_FAILED: Refusal =
    red("store-failed", "The store is down. It is opened again at intervals; the log says why it is not up.");
const STORE_STALLED: Refusal =
    red("store-stalled", "The store does not answer: see to its disk; if that is fine, restart the service.");
const SHARD_STALLED: Refusal =
    red("shard-stalled", "A thread of the service does not go on: restart the service, and report this.");
const ROUNDS_STALLED: Refusal =
    red("health-stalled", "Nobody looks after the service any more: restart it, and report this.");
const CLOCK_UNSET: Refusal = red("clock-unset", "The clock of the machine is not set: set it.");
const CLOCK_BEHIND: Refusal = red(
    "clock-behind",
    "The clock of the machine is behind what the store has seen: set it right. Until then nothing expires.",
);

/// Whether the process lives and its threads turn.
const HEALTHZ: &str = "/healthz";
/// Whether it can keep a promise.
const READYZ: &str = "/readyz";
/// No time, in [`Awaited`].
const NOTHING: u64 = 0;
