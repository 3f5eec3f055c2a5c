//! Makes the rounds: asks the shards and the store to show that they work, on a thread that does nothing else.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use push_proto::{Mono, UnixTime};
use push_store::{OpenError, Outage, Store};
use tokio::sync::oneshot;

use super::{Health, named};
use crate::{HealthLimits, Runtime, runtime::sleep, server::mailbox::Letter};

/// Makes them until the server drains or has gone.
pub(in crate::server) async fn run<R: Runtime>(runtime: R, store: Arc<dyn Store>, health: Arc<Health>) {
    let mut draining = health.draining.clone();
    tokio::select! {
        biased;
        _drained = draining.wait_for(|draining| *draining) => {}
        () = beat(&runtime, &health) => {}
        () = probe(&runtime, store, &health) => {}
    }
}

/// Asks the shards. One that has not read the last beat is sent no other.
async fn beat<R: Runtime>(runtime: &R, health: &Health) {
    loop {
        let now = runtime.now().mono;
        health.rounds.store(now.as_nanos(), Relaxed);
        for mailbox in health.mailboxes.iter().filter(|mailbox| mailbox.beat.begins(now)) {
            mailbox.write(Letter::Beat);
        }
        sleep(runtime.clone(), health.limits.beat).await;
    }
}

/// Asks the store: at intervals while it is well, at once when it goes down, and then less and less often.
async fn probe<R: Runtime>(runtime: &R, store: Arc<dyn Store>, health: &Health) {
    let limits = health.limits;
    let mut store_up = health.store_up.clone();
    let mut told = Told::default();
    let mut pause = Pause::new(limits);
    loop {
        store_up.mark_unchanged();
        let now = runtime.now().mono;
        health.probe.begins(now);
        let found = ask(&*store).await;
        health.probe.ends();
        told.of(&*store, &found);
        health.note(&found);
        let now = runtime.now().mono;
        let wait = match found {
            Ok(_) => limits.probe,
            Err(_) => {
                // That it went down is known by now; only that it is back is news.
                store_up.mark_unchanged();
                pause.next(now, limits)
            }
        };
        tokio::select! {
            biased;
            changed = store_up.changed() => if changed.is_err() { return },
            () = sleep(runtime.clone(), wait) => {}
        }
        let now = runtime.now().mono;
        // It fell as soon as it was up: no haste, since all monitors end each time.
        if !*store_up.borrow() && found_well(health) && now < pause.steady_from {
            sleep(runtime.clone(), pause.next(now, limits)).await;
        }
    }
}

/// How long to wait before a store that is down is opened again.
struct Pause {
    wait: Duration,
    /// From then on a failure is a new one.
    steady_from: Mono,
}

impl Pause {
    const fn new(limits: HealthLimits) -> Self {
        Self { wait: limits.retry, steady_from: Mono::ZERO }
    }

    fn next(&mut self, now: Mono, limits: HealthLimits) -> Duration {
        let wait = if now < self.steady_from { self.wait } else { limits.retry };
        self.wait = wait.saturating_mul(2).min(limits.retry_max);
        self.steady_from = now.after(wait.saturating_add(limits.retry_max));
        wait
    }
}

async fn ask(store: &dyn Store) -> Result<UnixTime, Outage> {
    let (sender, answer) = oneshot::channel();
    store.probe(Box::new(move |found| {
        let _server_has_gone = sender.send(found);
    }));
    answer.await.unwrap_or(Err(Outage::Shut(OpenError::Closed)))
}

fn found_well(health: &Health) -> bool {
    health.outage.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

impl Health {
    fn note(&self, found: &Result<UnixTime, Outage>) {
        let outage = match found {
            Ok(latest) => {
                self.latest.store(latest.as_secs(), Relaxed);
                None
            }
            Err(outage) => Some(named(outage.failure())),
        };
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = outage;
    }
}

/// What the log was told last, so that it is told once.
#[derive(Default)]
struct Told {
    outage: Option<String>,
    fault: Option<String>,
}

impl Told {
    fn of(&mut self, store: &dyn Store, found: &Result<UnixTime, Outage>) {
        let fault = store.last_fault().map(|fault| fault.to_string());
        if let Some(fault) = fault.as_ref().filter(|fault| self.fault.as_ref() != Some(fault)) {
            tracing::error!(%fault, "the store failed a command");
        }
        self.fault = fault;
        let outage = found.as_ref().err().map(Outage::to_string);
        match (&outage, found) {
            (Some(outage), Err(error)) if self.outage.as_ref() != Some(outage) => {
                let refusal = named(error.failure());
                tracing::error!(%outage, reason = refusal.reason(), "not ready: {}", refusal.detail());
            }
            (None, _) if self.outage.is_some() => tracing::warn!("the store takes writes again"),
            _ => {}
        }
        self.outage = outage;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_limit_until_it_has_been_well_for_a_while() {
        let limits = HealthLimits::default();
        let mut pause = Pause::new(limits);
        let mut now = Mono::ZERO.after(Duration::from_secs(1000));
        for _ in 0..2 {
            for wait in [1, 2, 4, 8, 8, 8] {
                let next = pause.next(now, limits);
                assert_eq!(next, Duration::from_secs(wait));
                now = now.after(next);
            }
            // Up, and down again soon after: that is the same failure.
            now = now.after(limits.retry_max / 2);
            assert_eq!(pause.next(now, limits), limits.retry_max);
            now = now.after(limits.retry_max * 2);
        }
    }
}
