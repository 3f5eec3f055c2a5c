//! The embedded store as a plain value: stage commands, commit them together.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use push_proto::{
    UnixTime,
    store::{Availability, Command, Completion, Hint},
};

use super::{
    error::{Fault, OpenError, Outage},
    ledger::Ledger,
};
use crate::{
    Client, Quotas,
    engine::{Engine, EngineError},
    snapshot::Snapshot,
    watch::{News, Watchers},
    weight,
};

/// The embedded store without its thread: one owner, deterministic, time and IO only through the engine. The
/// simulator drives it over a [`SimulatedDisk`](crate::engine::SimulatedDisk); [`Embedded`](super::Embedded) gives it
/// a thread and a queue.
///
/// [`Writer::stage`] carries a command out in memory, over what the engine has; [`Writer::commit`] makes all that was
/// staged durable in one batch and only then emits the answers.
pub struct Writer<E> {
    ledger: Ledger<E>,
    quotas: Quotas,
    watchers: Watchers,
    clients: u32,
    /// Set from the moment the disk fails until it is reopened.
    down: bool,
    /// What to say once the group is durable.
    outbox: Vec<(Client, Completion)>,
    staged: usize,
    /// Octets of the pages in `outbox`.
    loaded: u64,
    /// The disk failed while the group was staged.
    doomed: bool,
    news: Vec<News>,
    fault: LastFault,
}

/// The latest fault, shared with whoever wants to know.
#[derive(Clone, Debug, Default)]
pub(super) struct LastFault(Arc<Mutex<Option<Fault>>>);

impl LastFault {
    pub(super) fn latest(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl<E: Engine> Writer<E> {
    /// Starts from what is durable in `engine`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Engine`] or [`OpenError::Corrupt`].
    pub fn open(engine: E, quotas: Quotas) -> Result<Self, OpenError> {
        Ok(Self {
            ledger: Ledger::open(engine, quotas)?,
            quotas,
            watchers: Watchers::default(),
            clients: 0,
            down: false,
            outbox: Vec::new(),
            staged: 0,
            loaded: 0,
            doomed: false,
            news: Vec::new(),
            fault: LastFault::default(),
        })
    }

    /// From now on by these bounds; see [`Embedded::reconfigure`](super::Embedded::reconfigure).
    pub const fn reconfigure(&mut self, quotas: Quotas) {
        self.quotas = quotas;
        self.ledger.reconfigure(quotas);
    }

    /// Lets one shard in.
    pub const fn attach(&mut self) -> Client {
        let client = Client(self.clients);
        self.clients = self.clients.saturating_add(1);
        client
    }

    /// Carries out one command of `from` as part of the group. Its answer waits for [`Writer::commit`].
    pub fn stage(&mut self, from: Client, command: Command) {
        self.staged += 1;
        let ticket = command.ticket();
        if (self.down || self.doomed) && !matches!(command, Command::Unwatch(_)) {
            self.outbox.extend(ticket.map(|ticket| (from, Completion::Failed(ticket))));
            return;
        }
        self.ledger.mark();
        match contain(|| self.carry_out(command, from)) {
            Ok(completion) => self.outbox.extend(completion.map(|completion| (from, completion))),
            Err(fault) => {
                self.news.clear();
                self.ledger.roll_back();
                self.doomed = matches!(fault, Fault::Engine(_));
                self.fault.set(Some(fault));
                self.outbox.extend(ticket.map(|ticket| (from, Completion::Failed(ticket))));
            }
        }
        self.watchers.tell(from, self.news.drain(..), &mut self.outbox);
    }

    /// Whether the group should be committed before more is staged.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.staged >= self.quotas.group || self.loaded >= GROUP_OCTETS
    }

    /// Makes the group durable and emits its answers and hints, in order, each with whom it is for. If the disk fails,
    /// every command of the group fails instead, and the store is down until [`Writer::reopen`] (G7).
    pub fn commit(&mut self, emit: &mut dyn FnMut(Client, Completion)) {
        let durable = match (self.down, self.doomed) {
            (false, false) => contain(|| self.ledger.commit()),
            (_, true) | (true, _) => Ok(()),
        };
        if let Err(fault) = durable {
            self.fault.set(Some(fault));
            self.doomed = true;
        }
        self.staged = 0;
        self.loaded = 0;
        let mut outbox = mem::take(&mut self.outbox);
        if self.doomed {
            outbox.drain(..).filter_map(failed).for_each(|(client, failed)| emit(client, failed));
            self.doomed = false;
            self.down = true;
            self.tell_availability(emit);
        } else {
            outbox.drain(..).for_each(|(client, completion)| emit(client, completion));
        }
        self.outbox = outbox;
    }

    /// Whether commands are carried out.
    #[must_use]
    pub const fn availability(&self) -> Availability {
        if self.down { Availability::Down } else { Availability::Up }
    }

    /// Why a command failed last; forgotten when a store that was down is reopened.
    #[must_use]
    pub fn last_fault(&self) -> Option<Fault> {
        self.fault.latest()
    }

    /// Brings a store that is down back, with what is durable: all that was answered, and of the group that failed all
    /// or nothing. What is watched stays watched. Does nothing to a store that is up.
    ///
    /// # Errors
    ///
    /// Why it stays down.
    pub fn reopen(&mut self, emit: &mut dyn FnMut(Client, Completion)) -> Result<(), OpenError> {
        if !self.down {
            return Ok(());
        }
        reopened(|| self.ledger.reopen())?;
        self.up(emit);
        Ok(())
    }

    /// Shows that it can make something durable, by doing so unless a group just was, and says what time it has seen. A
    /// store that is down is brought back first, if that can be shown of it as well.
    ///
    /// # Errors
    ///
    /// Why it cannot promise anything. It is down then.
    pub fn probe(&mut self, emit: &mut dyn FnMut(Client, Completion)) -> Result<UnixTime, Outage> {
        self.commit(emit);
        let was_down = self.down;
        if was_down {
            reopened(|| self.ledger.reopen()).map_err(Outage::Shut)?;
        }
        let octets = if was_down { REOPENING_PROOF_OCTETS } else { PROOF_OCTETS };
        if let Err(fault) = contain(|| self.ledger.prove(octets)) {
            self.fault.set(Some(fault.clone()));
            self.doomed = !was_down;
            self.commit(emit);
            return Err(Outage::Failed(fault));
        }
        if was_down {
            self.up(emit);
        }
        Ok(self.ledger.clock())
    }

    /// Commits what is staged, and gives what is durable then: all that was ever answered, if it has not ended.
    ///
    /// # Errors
    ///
    /// The store is down.
    pub fn snapshot(&mut self, emit: &mut dyn FnMut(Client, Completion)) -> Result<Snapshot, Outage> {
        self.commit(emit);
        if self.down {
            return Err(self.fault.latest().map_or(Outage::Down, Outage::Failed));
        }
        let taken = contain(|| Ok(self.ledger.snapshot()?));
        taken.map(Snapshot::new).map_err(Outage::Failed)
    }

    /// Commits what is staged, and lets go of the disk. Everything fails from here on.
    pub fn close(&mut self, emit: &mut dyn FnMut(Client, Completion)) {
        self.commit(emit);
        if !self.down
            && let Err(fault) = contain(|| self.ledger.finish())
        {
            self.fault.set(Some(fault));
        }
        self.down = true;
        self.ledger.close();
    }

    pub(super) fn faults(&self) -> LastFault {
        self.fault.clone()
    }

    fn carry_out(&mut self, command: Command, from: Client) -> Result<Option<Completion>, Fault> {
        let Self { ledger, news, .. } = self;
        Ok(match command {
            Command::Apply(ticket, operations) => {
                Some(Completion::Applied(ticket, ledger.apply(operations, news)?))
            }
            Command::Load(ticket, load) => {
                let page = ledger.load(&load)?.map(Box::new);
                let entries = page.iter().flat_map(|page| &page.entries);
                self.loaded = self.loaded.saturating_add(entries.map(|entry| weight(&entry.item)).sum());
                Some(Completion::Loaded(ticket, page))
            }
            Command::Read(ticket, handle) => {
                let item = ledger.read(&handle)?;
                self.loaded = self.loaded.saturating_add(item.as_ref().map_or(0, weight));
                Some(Completion::Read(ticket, item))
            }
            Command::Watch(ticket, agent) => {
                self.watchers.add(from, agent);
                Some(Completion::Watching(ticket))
            }
            Command::Unwatch(agent) => {
                self.watchers.remove(from, agent);
                None
            }
            Command::Offer(message) => {
                news.push(News::others(message.handle.agent, Hint::Offered(message)));
                None
            }
            Command::Expire(ticket, now) => match ledger.expire(now, news)? {
                (sweep, None) => Some(Completion::Expired(ticket, sweep)),
                (_, Some(corrupt)) => {
                    self.fault.set(Some(corrupt.into()));
                    Some(Completion::Failed(ticket))
                }
            },
        })
    }

    fn up(&mut self, emit: &mut dyn FnMut(Client, Completion)) {
        self.fault.set(None);
        self.down = false;
        self.tell_availability(emit);
    }

    fn tell_availability(&self, emit: &mut dyn FnMut(Client, Completion)) {
        for client in 0..self.clients {
            emit(Client(client), Completion::Availability(self.availability()));
        }
    }
}

/// What becomes of an answer or a hint whose group was lost.
fn failed((client, completion): (Client, Completion)) -> Option<(Client, Completion)> {
    completion.ticket().map(|ticket| (client, Completion::Failed(ticket)))
}

/// An engine that panics counts as a disk that failed: commands are answered, not left to hang (G5, G7).
fn contain<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act))
        .unwrap_or_else(|panic| Err(EngineError::new("a panic", reason(&*panic)).into()))
}

/// The same for opening.
fn reopened(open: impl FnOnce() -> Result<(), OpenError>) -> Result<(), OpenError> {
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|panic| Err(OpenError::Engine(EngineError::new("a panic", reason(&*panic)))))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Octets of pages beyond which a group takes no more commands, so that answers which wait do not pile up.
const GROUP_OCTETS: u64 = 4 << 20;
/// What an idle store writes to show that it can: a page, so that it takes a new one of the disk.
const PROOF_OCTETS: usize = 4096;
/// What a store that failed has to write before it is up again: as much as a large group, so that it does not come up
/// only to fail at the first of those.
const REOPENING_PROOF_OCTETS: usize = 1 << 20;
