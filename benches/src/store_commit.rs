//! Making messages of 1 KiB durable: one by one, and in groups, as group commit does under load.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use push_proto::store::{
    AgentKind, AgentRecord, Cause, Command, Completion, Operation, Put, SubscriptionRecord, Ticket,
};
use push_proto::{AgentId, Content, ContentField, Handle, Message, MessageId, SealingKeyId, Slot};
use push_proto::{SubscriptionId, UnixTime, Urgency};
use push_store::{Client, Completions, Embedded, Quotas, SharedMemory, Store};
use rustix::fs::fdatasync;
use rustix::io::pwrite;
use tempfile::TempDir;

use crate::{Clock, Contest, Kind, Party};

/// Groups of these many messages.
pub const CONTESTS: &[fn() -> Contest] = &[
    || contest("store commit, one message", 1),
    || contest("store commit, groups of 64", 64),
    || contest("store commit, groups of 512", 512),
];

/// Octets of a message.
const BODY: usize = 1024;
/// Queues that take turns.
const AGENTS: u64 = 64;
/// Steps that are prepared at once, and whose messages are ended afterwards; neither counts.
const PREPARED: u64 = 64;
/// Octets of the file that a raw commit writes to.
const FILE: u64 = 64 << 20;

fn contest(name: &'static str, group: usize) -> Contest {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let embedded = |name: &str| Embedded::open(folder.path().join(name), Quotas::default()).expect("opens");
    let mut parties =
        vec![ours("push-store, embedded, one batch", Shape::Batch, group, embedded("batch"), &folder)];
    if group > 1 {
        let senders = embedded("senders");
        parties.push(ours("push-store, embedded, as many senders", Shape::Senders, group, senders, &folder));
    }
    let memory = SharedMemory::new(Quotas::default());
    parties.extend([
        ours("push-store, memory", Shape::Senders, group, memory, &folder),
        fjall_alone(group, &folder),
        raw("write + fdatasync, preallocated file", group, true, &folder),
        raw("write + fdatasync, growing file", group, false, &folder),
    ]);
    Contest { name, clock: Clock::Wall, messages: group as u64, parties }
}

/// How a group comes.
#[derive(Clone, Copy)]
enum Shape {
    /// One command with all of it.
    Batch,
    /// A command for each message, all submitted before the first is answered.
    Senders,
}

fn ours(name: &'static str, shape: Shape, group: usize, store: impl Store, folder: &Arc<TempDir>) -> Party {
    let mut queues = Queues::new(store);
    let folder = Arc::clone(folder);
    Party::new(Kind::Ours, name, move |steps, meter| {
        let mut left = steps;
        while left > 0 {
            let now = left.min(PREPARED);
            left -= now;
            let prepared: Vec<_> = (0..now).map(|_| queues.prepare(shape, group)).collect();
            meter.time(|| prepared.into_iter().for_each(|commands| queues.carry_out(commands)));
            queues.clear();
        }
        assert!(folder.path().exists(), "the folder outlives the store");
    })
}

/// What the embedded store stands on, without conditions, quotas, indexes or checksums of ours.
fn fjall_alone(group: usize, folder: &Arc<TempDir>) -> Party {
    let database = Database::builder(folder.path().join("fjall")).open().expect("opens");
    let messages = database.keyspace("messages", KeyspaceCreateOptions::default).expect("opens");
    let body = vec![7; BODY];
    let (mut written, mut first) = (0u64, 0u64);
    let folder = Arc::clone(folder);
    Party::new(Kind::Peer, "fjall alone, one batch", move |steps, meter| {
        meter.time(|| {
            for _ in 0..steps {
                let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
                for _ in 0..group {
                    batch.insert(&messages, written.to_be_bytes(), body.as_slice());
                    written += 1;
                }
                batch.commit().expect("commits");
            }
        });
        let mut batch = database.batch().durability(None);
        for number in first..written {
            batch.remove(&messages, number.to_be_bytes());
        }
        batch.commit().expect("commits");
        first = written;
        assert!(folder.path().exists(), "the folder outlives the database");
    })
}

/// The same octets, and nothing else.
fn raw(name: &'static str, group: usize, preallocated: bool, folder: &Arc<TempDir>) -> Party {
    let path = folder.path().join(name.replace(' ', "-"));
    let file = if preallocated { allocate(&path) } else { File::create(&path).expect("a file") };
    let octets = vec![7; BODY * group];
    let mut at = 0;
    let folder = Arc::clone(folder);
    Party::plain(Kind::Limit, name, move || {
        if preallocated && at + octets.len() as u64 > FILE {
            at = 0;
        }
        let written = pwrite(&file, &octets, at).expect("writes");
        assert_eq!(written, octets.len(), "a whole write");
        fdatasync(&file).expect("syncs");
        at += octets.len() as u64;
        Arc::strong_count(&folder)
    })
}

/// A file whose blocks exist and hold data: a hole or an unwritten extent would cost metadata at each sync.
fn allocate(path: &Path) -> File {
    let file = File::create(path).expect("a file");
    let zeros = vec![0; 1 << 20];
    for at in (0..FILE).step_by(zeros.len()) {
        pwrite(&file, &zeros, at).expect("writes");
    }
    file.sync_all().expect("syncs");
    file
}

/// A store with queues to fill.
struct Queues<S> {
    store: S,
    client: Client,
    answers: mpsc::Receiver<Completion>,
    body: Bytes,
    number: u64,
    live: VecDeque<Handle>,
}

struct Sink(mpsc::Sender<Completion>);

impl Completions for Sink {
    fn complete(&self, completion: Completion) {
        // Nobody listens any more when the store is closed.
        drop(self.0.send(completion));
    }
}

impl<S: Store> Queues<S> {
    fn new(store: S) -> Self {
        let (sender, answers) = mpsc::channel();
        let client = store.attach(Arc::new(Sink(sender)));
        let created = UnixTime::from_secs(1_800_000_000);
        let agents = (0..AGENTS).flat_map(|number| {
            let record = AgentRecord { kind: AgentKind::UserAgent, created };
            let subscription = SubscriptionRecord { created, restricted_to: None };
            [
                Operation::CreateAgent(agent(number), record),
                Operation::CreateSubscription(agent(number), subscription_of(number), subscription),
            ]
        });
        let create = Command::Apply(Ticket(0), agents.collect());
        let body = Bytes::from(vec![7; BODY]);
        let mut queues = Self { store, client, answers, body, number: 0, live: VecDeque::new() };
        queues.carry_out(vec![create]);
        queues
    }

    fn prepare(&mut self, shape: Shape, group: usize) -> Vec<Command> {
        let puts = (0..group).map(|_| Operation::Put(self.message()));
        match shape {
            Shape::Batch => vec![Command::Apply(Ticket(0), puts.collect())],
            Shape::Senders => puts.map(|put| Command::Apply(Ticket(0), vec![put])).collect(),
        }
    }

    fn message(&mut self) -> Put {
        self.number += 1;
        let id =
            (u128::from(self.number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes();
        let to = self.number % AGENTS;
        let handle = Handle {
            agent: agent(to),
            subscription: subscription_of(to),
            slot: Slot::from_octets(id),
            id: MessageId::from_octets(id),
        };
        self.live.push_back(handle);
        let accepted = UnixTime::from_secs(1_800_000_000);
        let fields = Box::new([(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))]);
        let message = Message {
            handle,
            sealed_by: SealingKeyId::default(),
            accepted,
            expires: accepted.saturating_add_secs(86_400),
            urgency: Urgency::Normal,
            receipt: None,
            content: Content { body: self.body.clone(), fields },
        };
        Put { message: Arc::new(message), sender: None, new_receipt_subscription: false }
    }

    /// Submits all, then waits for all.
    fn carry_out(&mut self, commands: Vec<Command>) {
        let count = commands.len();
        for command in commands {
            self.store.submit(self.client, command);
        }
        for _ in 0..count {
            match self.answers.recv().expect("an answer") {
                Completion::Applied(_, done) => assert!(done.iter().all(Result::is_ok), "{done:?}"),
                other => panic!("{other:?}"),
            }
        }
    }

    fn clear(&mut self) {
        while !self.live.is_empty() {
            let some = self.live.len().min(1024);
            let end = |handle| Operation::End(handle, Cause::Acknowledged);
            let ends = self.live.drain(..some).map(end).collect();
            self.carry_out(vec![Command::Apply(Ticket(0), ends)]);
        }
    }
}

fn agent(number: u64) -> AgentId {
    AgentId::from_octets(octets(number))
}

fn subscription_of(number: u64) -> SubscriptionId {
    SubscriptionId::from_octets(octets(number))
}

fn octets(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}
