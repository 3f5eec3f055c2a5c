//! The store in memory: the reference whose rules are exact. Nothing survives the process.
//!
//! [`Memory`] is a plain value with one owner: the simulator and single-shard programs drive it by
//! [`Memory::run`]. [`SharedMemory`] is the same behind [`Store`](crate::Store).

mod ledger;
mod shared;

use std::{collections::VecDeque, mem};

use push_proto::{
    UnixTime,
    store::{Availability, Command, Completion, Hint},
};

use crate::{Client, Quotas, watch::Watchers};
use ledger::Ledger;

pub use shared::SharedMemory;

/// What goes wrong from here on; all of it off by default. Counts go down as they are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// So many of the next applies fail, and change nothing.
    pub fail: u32,
    /// So many of the next applies (after those of `fail`) are carried out and answered by `Failed` all the same:
    /// nobody knows.
    pub fail_late: u32,
    /// So many of the next hints are lost.
    pub drop_hints: u32,
    /// So many of the next hints (after those of `drop_hints`) come twice.
    pub duplicate_hints: u32,
    /// Completions and hints wait until [`Memory::release`].
    pub hold: bool,
}

/// The store as a plain value: deterministic, synchronous, one owner.
///
/// ```
/// use push_proto::{AgentId, store::{Command, Completion, Ticket}};
/// use push_store::{Memory, Quotas};
///
/// let mut memory = Memory::new(Quotas::default());
/// let shard = memory.attach();
/// let watch = Command::Watch(Ticket(1), AgentId::from_octets([7; 16]));
/// memory.run(shard, watch, &mut |_, completion| assert!(matches!(completion, Completion::Watching(Ticket(1)))));
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    ledger: Ledger,
    watchers: Watchers,
    clients: u32,
    down: bool,
    faults: Faults,
    held: VecDeque<(Client, Completion)>,
    said: Vec<(Client, Completion)>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        Self {
            ledger: Ledger::new(quotas),
            watchers: Watchers::default(),
            clients: 0,
            down: false,
            faults: Faults::default(),
            held: VecDeque::new(),
            said: Vec::new(),
        }
    }

    /// Lets one shard in.
    pub fn attach(&mut self) -> Client {
        let client = Client(self.clients);
        self.clients = self.clients.saturating_add(1);
        client
    }

    /// Carries out one command of `from`. `emit` gets its completion and then the hints, each with whom it is for.
    pub fn run(&mut self, from: Client, command: Command, emit: &mut dyn FnMut(Client, Completion)) {
        let fails = self.fails(&command);
        match (fails, command.ticket()) {
            (Fails::Early, Some(ticket)) => self.said.push((from, Completion::Failed(ticket))),
            (Fails::Early, None) if self.down => self.forget(from, &command),
            (Fails::Early, None) => {}
            (Fails::Late, Some(ticket)) => {
                self.carry_out(from, command);
                if let Some((_, completion)) = self.said.first_mut() {
                    *completion = Completion::Failed(ticket);
                }
            }
            (Fails::Late, None) | (Fails::Never, _) => self.carry_out(from, command),
        }
        self.speak(emit);
    }

    /// The store fails, or comes back with all that it held; all attached shards are told (G7).
    pub fn set_availability(&mut self, availability: Availability, emit: &mut dyn FnMut(Client, Completion)) {
        self.down = availability == Availability::Down;
        let told = (0..self.clients).map(|client| (Client(client), Completion::Availability(availability)));
        self.said.extend(told);
        self.speak(emit);
    }

    /// Whether commands are carried out.
    #[must_use]
    pub const fn availability(&self) -> Availability {
        if self.down { Availability::Down } else { Availability::Up }
    }

    /// The latest time that it has seen.
    #[must_use]
    pub const fn latest(&self) -> UnixTime {
        self.ledger.latest()
    }

    /// The faults to come, to be set.
    pub const fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// How many completions and hints [`Faults::hold`] has kept back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Lets at most `count` of what is held go, in order.
    pub fn release(&mut self, count: usize, emit: &mut dyn FnMut(Client, Completion)) {
        for _ in 0..count {
            let Some((client, completion)) = self.held.pop_front() else { return };
            emit(client, completion);
        }
    }

    fn fails(&mut self, command: &Command) -> Fails {
        if self.down {
            return Fails::Early;
        }
        if !matches!(command, Command::Apply(..)) {
            return Fails::Never;
        }
        if spend(&mut self.faults.fail) {
            Fails::Early
        } else if spend(&mut self.faults.fail_late) {
            Fails::Late
        } else {
            Fails::Never
        }
    }

    fn carry_out(&mut self, from: Client, command: Command) {
        let mut news = Vec::new();
        match command {
            Command::Apply(ticket, operations) => {
                let done = self.ledger.apply(operations, &mut news);
                self.said.push((from, Completion::Applied(ticket, done)));
            }
            Command::Load(ticket, load) => {
                self.said.push((from, Completion::Loaded(ticket, self.ledger.load(&load).map(Box::new))));
            }
            Command::Read(ticket, handle) => {
                self.said.push((from, Completion::Read(ticket, self.ledger.read(&handle))));
            }
            Command::Watch(ticket, agent) => {
                self.watchers.add(from, agent);
                self.said.push((from, Completion::Watching(ticket)));
            }
            Command::Unwatch(agent) => self.watchers.remove(from, agent),
            Command::Offer(message) => {
                let agent = message.handle.agent;
                news.push(crate::watch::News::others(agent, Hint::Offered(message)));
            }
            Command::Expire(ticket, now) => {
                let sweep = self.ledger.expire(now, &mut news);
                self.said.push((from, Completion::Expired(ticket, sweep)));
            }
        }
        self.watchers.tell(from, news, &mut self.said);
    }

    /// What has no completion to fail needs no store either.
    fn forget(&mut self, from: Client, command: &Command) {
        if let Command::Unwatch(agent) = command {
            self.watchers.remove(from, *agent);
        }
    }

    fn speak(&mut self, emit: &mut dyn FnMut(Client, Completion)) {
        let mut said = mem::take(&mut self.said);
        for (client, completion) in said.drain(..) {
            let hint = matches!(completion, Completion::Hint(..));
            if hint && spend(&mut self.faults.drop_hints) {
                continue;
            }
            if hint && spend(&mut self.faults.duplicate_hints) {
                self.hand_over(client, completion.clone(), emit);
            }
            self.hand_over(client, completion, emit);
        }
        self.said = said;
    }

    fn hand_over(
        &mut self,
        client: Client,
        completion: Completion,
        emit: &mut dyn FnMut(Client, Completion),
    ) {
        if self.faults.hold || !self.held.is_empty() {
            self.held.push_back((client, completion));
        } else {
            emit(client, completion);
        }
    }
}

/// Whether and when a command fails.
#[derive(Clone, Copy)]
enum Fails {
    Never,
    /// Nothing changes.
    Early,
    /// All changes, and nobody knows.
    Late,
}

const fn spend(count: &mut u32) -> bool {
    let left = *count > 0;
    *count = count.saturating_sub(1);
    left
}
