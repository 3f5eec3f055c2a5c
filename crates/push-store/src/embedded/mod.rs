//! The store of one machine: a thread that owns an [`Engine`], and a queue before it.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the queue, the thread, [`Embedded`] |
//! | `writer` | [`Writer`]: groups, answers, hints, failure |
//! | `ledger` | the rules: operations, queues, sweeps |
//! | `view` | the engine with the group's changes over it |
//! | `stock` | what a snapshot says of its records |
//! | `key`, `codec` | what keys and records look like |
//!
//! # Group commit
//!
//! While one commit is on its way to the disk, commands gather in the queue; all of them are the next group (up to
//! [`Quotas::group`]). Within a group each command sees what the ones before it changed, loads included, and is
//! answered only when the group is durable. A group that changes nothing costs no commit.
//!
//! # When the disk fails
//!
//! Every command of the group fails (nobody knows whether the group is durable), and the store is
//! [`Availability::Down`](push_proto::store::Availability): everything fails until it is opened again, by
//! [`Embedded::reopen`] or [`Store::probe`], from what is durable. Never is a failed sync tried again: the operating
//! system may have dropped the pages. A store that nobody uses notices by [`Store::probe`].
//!
//! # When a record is damaged
//!
//! The command that needs it fails and changes nothing, and [`Embedded::last_fault`] says what is wrong. Nothing is
//! skipped over in silence: a damaged message fails every load that comes upon it, until an operator acts.

mod codec;
mod error;
mod key;
mod ledger;
pub(crate) mod stock;
mod view;
mod writer;

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use push_proto::store::{Availability, Command, Completion};

pub use error::{Corrupt, Damage, Fault, OpenError, Outage};
pub use stock::Sealed;
pub use writer::Writer;

use crate::{
    Client, Completions, ProbeAnswer, Quotas, Store,
    engine::{Engine, EngineError},
    snapshot::Snapshot,
};
use writer::LastFault;

/// A durable store for one machine. Dropping it closes it.
///
/// ```no_run
/// # #[cfg(feature = "fjall")]
/// # fn main() -> Result<(), push_store::OpenError> {
/// use push_store::{Embedded, Quotas};
///
/// let store = Embedded::open("/var/lib/webpush", Quotas::default())?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "fjall"))]
/// # fn main() {}
/// ```
pub struct Embedded {
    shared: Arc<Shared>,
    fault: LastFault,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

struct Queue {
    work: VecDeque<Work>,
    /// To answer those who come when the queue is full or closed.
    sinks: Vec<Arc<dyn Completions>>,
    closed: bool,
    waiting: usize,
}

enum Work {
    Attach(Arc<dyn Completions>),
    Command(Client, Command),
    Reopen(mpsc::Sender<Result<(), OpenError>>),
    Probe(ProbeAnswer),
    Snapshot(mpsc::Sender<Result<Snapshot, Outage>>),
    Quotas(Box<Quotas>),
}

impl Embedded {
    /// Opens the store in the folder at `path`, or makes it.
    ///
    /// # Errors
    ///
    /// Why not, precisely.
    #[cfg(feature = "fjall")]
    pub fn open(path: impl AsRef<std::path::Path>, quotas: Quotas) -> Result<Self, OpenError> {
        Self::over(crate::engine::FjallEngine::open(path)?, quotas)
    }

    /// Opens the store in the folder at `path`, and makes none: for who knows that there was one.
    ///
    /// # Errors
    ///
    /// Why not, precisely; [`OpenError::NotAStore`] if there is none, [`OpenError::DataMissing`] if it lost its data.
    #[cfg(feature = "fjall")]
    pub fn open_existing(path: impl AsRef<std::path::Path>, quotas: Quotas) -> Result<Self, OpenError> {
        Self::over(crate::engine::FjallEngine::open_existing(path)?, quotas)
    }

    /// The store over another engine.
    ///
    /// # Errors
    ///
    /// [`OpenError::Engine`] or [`OpenError::Corrupt`].
    pub fn over(engine: impl Engine, quotas: Quotas) -> Result<Self, OpenError> {
        let writer = Writer::open(engine, quotas)?;
        let fault = writer.faults();
        let queue =
            Queue { work: VecDeque::new(), sinks: Vec::new(), closed: false, waiting: quotas.waiting };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), wake: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let builder = thread::Builder::new().name("push-store".to_owned());
        let thread = builder.spawn(move || for_thread.serve(writer));
        let thread = thread.map_err(|error| OpenError::Engine(EngineError::new("spawn", error)))?;
        Ok(Self { shared, fault, thread: Mutex::new(Some(thread)) })
    }

    /// Brings a store that is down back; see [`Writer::reopen`]. Waits until it is done.
    ///
    /// # Errors
    ///
    /// Why it stays down.
    pub fn reopen(&self) -> Result<(), OpenError> {
        let (reply, answer) = mpsc::channel();
        {
            let mut queue = self.shared.lock();
            if queue.closed {
                return Err(OpenError::Closed);
            }
            queue.work.push_back(Work::Reopen(reply));
        }
        self.shared.wake.notify_one();
        answer.recv().unwrap_or(Err(OpenError::Closed))
    }

    /// All that is durable now, to be read while the store goes on; see [`Writer::snapshot`]. Waits for the commits that
    /// are under way.
    ///
    /// # Errors
    ///
    /// The store is down.
    pub fn snapshot(&self) -> Result<Snapshot, Outage> {
        let (reply, answer) = mpsc::channel();
        {
            let mut queue = self.shared.lock();
            if queue.closed {
                return Err(Outage::Shut(OpenError::Closed));
            }
            queue.work.push_back(Work::Snapshot(reply));
        }
        self.shared.wake.notify_one();
        answer.recv().unwrap_or(Err(Outage::Shut(OpenError::Closed)))
    }

    /// Changes the bounds while it runs: for the commands that come after this call. What is there beyond a lower bound
    /// stays; who has become idle by a shorter time ends with the next sweep.
    pub fn reconfigure(&self, quotas: Quotas) {
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        queue.waiting = quotas.waiting;
        queue.work.push_back(Work::Quotas(Box::new(quotas)));
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// Why a command failed last; forgotten when a store that was down is reopened. Set before the command's
    /// completion comes, so that a shard which sees `Failed` can ask.
    #[must_use]
    pub fn last_fault(&self) -> Option<Fault> {
        self.fault.latest()
    }
}

impl Store for Embedded {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        let mut queue = self.shared.lock();
        // The writer numbers them in the same order, since both happen under the lock.
        let client = Client(u32::try_from(queue.sinks.len()).unwrap_or(u32::MAX));
        queue.sinks.push(Arc::clone(&sink));
        if queue.closed {
            drop(queue);
            sink.complete(Completion::Availability(Availability::Down));
        } else {
            queue.work.push_back(Work::Attach(sink));
            drop(queue);
            self.shared.wake.notify_one();
        }
        client
    }

    fn submit(&self, from: Client, command: Command) {
        let mut queue = self.shared.lock();
        // Without a ticket nobody waits, and to forget an `Unwatch` would leak the watch.
        let overfull = queue.work.len() >= queue.waiting && !matches!(command, Command::Unwatch(_));
        if queue.closed || overfull {
            let sink = queue.sinks.get(from.index()).cloned();
            drop(queue);
            if let (Some(sink), Some(ticket)) = (sink, command.ticket()) {
                sink.complete(Completion::Failed(ticket));
            }
            return;
        }
        let asleep = queue.work.is_empty();
        queue.work.push_back(Work::Command(from, command));
        drop(queue);
        if asleep {
            self.shared.wake.notify_one();
        }
    }

    fn probe(&self, answer: ProbeAnswer) {
        let mut queue = self.shared.lock();
        if queue.closed {
            drop(queue);
            return answer(Err(Outage::Shut(OpenError::Closed)));
        }
        queue.work.push_back(Work::Probe(answer));
        drop(queue);
        self.shared.wake.notify_one();
    }

    fn last_fault(&self) -> Option<Fault> {
        Self::last_fault(self)
    }

    fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Called by a sink on the writer's own thread it cannot wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic of a sink has ended the thread; the queue is failed all the same.
            drop(thread.join());
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the writer's thread.
    fn serve<E: Engine>(&self, mut writer: Writer<E>) {
        let _last_orders = LastOrders(self);
        let mut sinks: Vec<Arc<dyn Completions>> = Vec::new();
        let mut work = VecDeque::new();
        while self.take(&mut work) {
            for item in work.drain(..) {
                match item {
                    Work::Attach(sink) => {
                        writer.attach();
                        if writer.availability() == Availability::Down {
                            sink.complete(Completion::Availability(Availability::Down));
                        }
                        sinks.push(sink);
                    }
                    Work::Command(from, command) => {
                        writer.stage(from, command);
                        if writer.is_full() {
                            writer.commit(&mut to(&sinks));
                        }
                    }
                    Work::Reopen(reply) => {
                        writer.commit(&mut to(&sinks));
                        // Whoever asked may have gone.
                        drop(reply.send(writer.reopen(&mut to(&sinks))));
                    }
                    Work::Probe(answer) => answer(writer.probe(&mut to(&sinks))),
                    Work::Snapshot(reply) => drop(reply.send(writer.snapshot(&mut to(&sinks)))),
                    Work::Quotas(quotas) => writer.reconfigure(*quotas),
                }
            }
            writer.commit(&mut to(&sinks));
        }
        writer.close(&mut to(&sinks));
    }

    /// Waits for work and takes all of it; false when closed and nothing is left.
    fn take(&self, work: &mut VecDeque<Work>) -> bool {
        let queue = self.lock();
        let idle = |queue: &mut Queue| queue.work.is_empty() && !queue.closed;
        let mut queue = self.wake.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.work, work);
        !work.is_empty()
    }
}

/// Closes the queue when the writer's thread ends, however it ends, and fails what is left in it.
struct LastOrders<'a>(&'a Shared);

impl Drop for LastOrders<'_> {
    fn drop(&mut self) {
        let (work, sinks) = {
            let mut queue = self.0.lock();
            queue.closed = true;
            (mem::take(&mut queue.work), queue.sinks.clone())
        };
        for item in work {
            match item {
                Work::Command(from, command) => {
                    if let (Some(sink), Some(ticket)) = (sinks.get(from.index()), command.ticket()) {
                        sink.complete(Completion::Failed(ticket));
                    }
                }
                Work::Probe(answer) => answer(Err(Outage::Shut(OpenError::Closed))),
                // Whoever waits for these sees a channel close.
                Work::Attach(_) | Work::Reopen(_) | Work::Snapshot(_) | Work::Quotas(_) => {}
            }
        }
    }
}

fn to(sinks: &[Arc<dyn Completions>]) -> impl FnMut(Client, Completion) {
    |client, completion| {
        if let Some(sink) = sinks.get(client.index()) {
            sink.complete(completion);
        }
    }
}
