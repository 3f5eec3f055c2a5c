//! One shard: a service, its mailbox and its turns.

use std::{collections::BTreeMap, sync::Arc};

use push_proto::{
    Mono, Seed,
    service::{self, Exchange, Input, Output, Request, Response, Service},
    store::Command,
};
use push_store::{Client, Store};
use tokio::sync::mpsc;

use super::{
    census::Tally,
    health::Awaited,
    mailbox::{Effect, Effects, Letter},
};
use crate::{
    Limits, Runtime,
    runtime::{sleep_until, yield_now},
};

/// What a shard is made of.
pub(super) struct Parts {
    pub(super) letters: mpsc::UnboundedReceiver<Letter>,
    pub(super) store: Arc<dyn Store>,
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) config: service::Config,
    pub(super) seed: Seed,
    pub(super) tally: Arc<Tally>,
    pub(super) beat: Arc<Awaited>,
}

/// A service and everything around it. Nothing in here waits except [`Shard::run`] for the next letter.
struct Shard {
    service: Service,
    store: Arc<dyn Store>,
    client: Client,
    exchanges: BTreeMap<Exchange, Option<Effects>>,
    turn: usize,
    /// When to end whatever is left.
    deadline: Option<Mono>,
    quiet: bool,
    tally: Arc<Tally>,
    beat: Arc<Awaited>,
}

/// Takes turns until the drain is done or its deadline has passed.
pub(super) async fn run<R: Runtime>(runtime: R, parts: Parts) {
    let Parts { mut letters, store, client, limits, config, seed, tally, beat } = parts;
    let service = Service::new(config, &seed);
    drop(seed);
    let mut shard = Shard {
        service,
        store,
        client,
        exchanges: BTreeMap::new(),
        turn: limits.turn,
        deadline: None,
        quiet: false,
        tally,
        beat,
    };
    let mut wake = shard.settle(&runtime);
    while !shard.is_done(&runtime) {
        let timer = async {
            match wake {
                Some(at) => sleep_until(runtime.clone(), at).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            biased;
            letter = letters.recv() => letter,
            () = timer => None,
        };
        let more = shard.take(first, &mut letters, &runtime);
        wake = shard.settle(&runtime);
        if more {
            yield_now().await;
        }
    }
}

impl Shard {
    /// Handles what is in the mailbox, up to the limit of a turn; says whether there may be more.
    fn take<R: Runtime>(
        &mut self,
        first: Option<Letter>,
        letters: &mut mpsc::UnboundedReceiver<Letter>,
        runtime: &R,
    ) -> bool {
        let mut next = first;
        for _ in 0..self.turn.max(1) {
            match next {
                Some(letter) => self.read(letter, runtime),
                None => return false,
            }
            next = letters.try_recv().ok();
        }
        if let Some(letter) = next {
            self.read(letter, runtime);
        }
        true
    }

    fn read<R: Runtime>(&mut self, letter: Letter, runtime: &R) {
        let now = runtime.now();
        match letter {
            Letter::Request(admission) => {
                let (exchange, request, effects, credit) = admission.read();
                let monitor = matches!(request, Request::Monitor(_));
                self.exchanges.insert(exchange, Some(effects));
                self.service.handle(Input::Request(exchange, request), now);
                if monitor {
                    self.service.handle(Input::Credit(exchange, credit), now);
                }
            }
            Letter::Reply(input) => self.service.handle(input, now),
            Letter::Hint(completion, slot) => {
                drop(slot);
                self.service.handle(Input::Store(completion), now);
            }
            Letter::Beat => self.beat.ends(),
            Letter::Drain(deadline) => {
                self.deadline = Some(deadline);
                self.service.handle(Input::Drain(deadline), now);
            }
            Letter::Limits(limits) => self.service.handle(Input::Limits(limits), now),
            Letter::Quiet => self.quiet = true,
        }
    }

    /// Carries out every effect; says when to wake up. Whether the deadline has come is for the service's own clock
    /// comparison: every `poll` does what is due.
    fn settle<R: Runtime>(&mut self, runtime: &R) -> Option<Mono> {
        loop {
            match self.service.poll(runtime.now()) {
                Output::Store(command) => self.submit(command),
                Output::Respond(exchange, response) => {
                    if let Response::Refused(refusal) = &response {
                        self.tally.refused(refusal);
                    }
                    match self.exchanges.get_mut(&exchange).map(Option::take) {
                        Some(Some(Effects::Once(answer))) => drop(answer.send(response)),
                        Some(Some(Effects::Monitor(effects))) => {
                            drop(effects.unbounded_send((exchange, Effect::Respond(response))));
                        }
                        Some(None) | None => {}
                    }
                }
                Output::Opened(exchange) => self.tell(exchange, Effect::Opened),
                Output::Push(exchange, delivery, item) => self.tell(exchange, Effect::Push(delivery, item)),
                Output::Retract(exchange, delivery) => self.tell(exchange, Effect::Retract(delivery)),
                Output::Retire(exchange) => {
                    self.exchanges.remove(&exchange);
                }
                Output::Wait(at, _reason) => {
                    self.tally.count(self.service.census(), &self.service.totals());
                    return at.into_iter().chain(self.deadline).min();
                }
            }
        }
    }

    fn submit(&self, command: Command) {
        self.store.submit(self.client, command);
    }

    /// A connection that has gone says so by itself.
    fn tell(&self, exchange: Exchange, effect: Effect) {
        if let Some(Some(Effects::Monitor(effects))) = self.exchanges.get(&exchange) {
            drop(effects.unbounded_send((exchange, effect)));
        }
    }

    fn is_done<R: Runtime>(&self, runtime: &R) -> bool {
        let late = self.deadline.is_some_and(|deadline| deadline <= runtime.now().mono);
        late || (self.quiet && self.service.is_drained())
    }
}
