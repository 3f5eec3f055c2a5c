//! [`Memory`] behind [`Store`].

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_proto::store::{Availability, Command, Completion};

use super::Memory;
use crate::{Client, Completions, OpenError, Outage, ProbeAnswer, Quotas, Store};

/// A [`Memory`] that shards share. Completions come on the thread that submits, usually before it returns.
pub struct SharedMemory(Mutex<Shared>);

struct Shared {
    memory: Memory,
    sinks: Vec<Arc<dyn Completions>>,
    /// In order; handed out by one thread at a time and outside the lock, so that a sink may submit.
    outbox: VecDeque<(Client, Completion)>,
    delivering: bool,
    closed: bool,
}

impl SharedMemory {
    /// An empty store.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        Self(Mutex::new(Shared {
            memory: Memory::new(quotas),
            sinks: Vec::new(),
            outbox: VecDeque::new(),
            delivering: false,
            closed: false,
        }))
    }

    /// The store itself, for its faults: what it emits goes to the shards.
    pub fn with<R>(&self, act: impl FnOnce(&mut Memory, &mut dyn FnMut(Client, Completion)) -> R) -> R {
        let mut shared = self.lock();
        let Shared { memory, outbox, .. } = &mut *shared;
        let result = act(memory, &mut |client, completion| outbox.push_back((client, completion)));
        deliver(&self.0, shared);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for SharedMemory {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        let mut shared = self.lock();
        let client = shared.memory.attach();
        shared.sinks.push(sink);
        if shared.closed || shared.memory.availability() == Availability::Down {
            shared.outbox.push_back((client, Completion::Availability(Availability::Down)));
        }
        deliver(&self.0, shared);
        client
    }

    fn submit(&self, from: Client, command: Command) {
        let mut shared = self.lock();
        if shared.closed {
            shared.outbox.extend(command.ticket().map(|ticket| (from, Completion::Failed(ticket))));
        } else {
            let Shared { memory, outbox, .. } = &mut *shared;
            memory.run(from, command, &mut |client, completion| outbox.push_back((client, completion)));
        }
        deliver(&self.0, shared);
    }

    fn probe(&self, answer: ProbeAnswer) {
        let shared = self.lock();
        let found = if shared.closed {
            Err(Outage::Shut(OpenError::Closed))
        } else if shared.memory.availability() == Availability::Down {
            Err(Outage::Down)
        } else {
            Ok(shared.memory.latest())
        };
        drop(shared);
        answer(found);
    }

    fn close(&self) {
        self.lock().closed = true;
    }
}

/// Hands out what is in the outbox, unless another thread (or a caller up this stack) is at it and will see it.
fn deliver<'a>(mutex: &'a Mutex<Shared>, mut shared: MutexGuard<'a, Shared>) {
    if mem::replace(&mut shared.delivering, true) {
        return;
    }
    while let Some((client, completion)) = shared.outbox.pop_front() {
        let sink = shared.sinks.get(client.index()).cloned();
        drop(shared);
        if let Some(sink) = sink {
            sink.complete(completion);
        }
        shared = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    }
    shared.delivering = false;
}
