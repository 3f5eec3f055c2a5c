//! A store with two shards at it, and messages to put into it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use push_proto::{
    AgentId, Content, ContentField, Handle, Message, MessageId, PublicKey, Receipt, SealingKeyId, Slot,
    SubscriptionId, UnixTime, Urgency,
    store::{
        AgentKind, AgentRecord, Availability, Command, Completion, Done, Hint, Item, Load, Operation, Page,
        Placed, Position, Put, SubscriptionRecord, Sweep, Ticket, Unmet,
    },
};

use crate::{Client, Completions, Quotas, Store};

/// How a check makes a fresh store.
pub type Make<'a> = &'a dyn Fn(Quotas) -> Box<dyn Store>;

/// A store, and shards that ask and wait.
pub struct Bench {
    pub store: Box<dyn Store>,
    shards: Vec<(Client, Arc<Inbox>)>,
    tickets: AtomicU64,
}

/// What one shard was told.
#[derive(Default)]
struct Inbox {
    told: Mutex<VecDeque<Completion>>,
    wake: Condvar,
}

impl Completions for Inbox {
    fn complete(&self, completion: Completion) {
        self.told.lock().unwrap().push_back(completion);
        self.wake.notify_all();
    }
}

impl Inbox {
    /// Waits for the first that `wanted` picks, and leaves the others.
    fn wait<T>(&self, mut wanted: impl FnMut(&Completion) -> Option<T>) -> T {
        let mut told = self.told.lock().unwrap();
        loop {
            let found = told.iter().enumerate().find_map(|(at, one)| wanted(one).map(|found| (at, found)));
            if let Some((at, found)) = found {
                told.remove(at);
                return found;
            }
            let (guard, timeout) = self.wake.wait_timeout(told, PATIENCE).unwrap();
            assert!(!timeout.timed_out(), "no answer; there are only {:?}", &*guard);
            told = guard;
        }
    }
}

impl Bench {
    /// A fresh store with two shards.
    pub fn new(make: Make<'_>, quotas: Quotas) -> Self {
        Self::over(make(quotas))
    }

    /// Two shards at `store`.
    pub fn over(store: Box<dyn Store>) -> Self {
        let shards = (0..2).map(|_| {
            let inbox = Arc::new(Inbox::default());
            let sink: Arc<dyn Completions> = Arc::<Inbox>::clone(&inbox);
            (store.attach(sink), inbox)
        });
        Self { shards: shards.collect(), store, tickets: AtomicU64::new(1) }
    }

    /// Shard `who` gives a command, and waits for its completion.
    pub fn ask(&self, who: usize, command: impl FnOnce(Ticket) -> Command) -> Completion {
        let ticket = self.tell(who, command);
        self.answer(who, ticket)
    }

    /// Shard `who` gives a command with a ticket.
    pub fn tell(&self, who: usize, command: impl FnOnce(Ticket) -> Command) -> Ticket {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.store.submit(self.shards[who].0, command(ticket));
        ticket
    }

    /// Shard `who` gives a command without a ticket.
    pub fn say(&self, who: usize, command: Command) {
        self.store.submit(self.shards[who].0, command);
    }

    /// Waits for a command's completion.
    pub fn answer(&self, who: usize, ticket: Ticket) -> Completion {
        self.shards[who]
            .1
            .wait(|completion| (completion.ticket() == Some(ticket)).then(|| completion.clone()))
    }

    /// What shard `who` hears about the store itself.
    pub fn availability(&self, who: usize) -> Availability {
        self.shards[who].1.wait(|completion| match completion {
            Completion::Availability(availability) => Some(*availability),
            _ => None,
        })
    }

    pub fn apply(&self, operations: Vec<Operation>) -> Vec<Result<Done, Unmet>> {
        match self.ask(0, |ticket| Command::Apply(ticket, operations)) {
            Completion::Applied(_, done) => done,
            other => panic!("{other:?}"),
        }
    }

    pub fn one(&self, operation: Operation) -> Result<Done, Unmet> {
        let [result] = self.apply(vec![operation]).try_into().expect("one result");
        result
    }

    pub fn put(&self, draft: &Draft) -> Result<Placed, Unmet> {
        self.one(draft.put()).map(|done| match done {
            Done::Put(placed) => placed,
            other => panic!("{other:?}"),
        })
    }

    pub fn load(&self, agent: AgentId, after: Position, limit: u32) -> Result<Page, Unmet> {
        match self.ask(0, |ticket| Command::Load(ticket, Load { agent, after, limit })) {
            Completion::Loaded(_, page) => page.map(|page| *page),
            other => panic!("{other:?}"),
        }
    }

    /// The whole queue, in order.
    pub fn items(&self, agent: AgentId) -> Vec<Item> {
        let (mut items, mut after) = (Vec::new(), Position::START);
        loop {
            let page = self.load(agent, after, 3).expect("the agent is live");
            assert!(!page.entries.is_empty() || !page.more, "a page without progress");
            items.extend(page.entries.into_iter().map(|entry| entry.item));
            after = page.through;
            if !page.more {
                return items;
            }
        }
    }

    /// The numbers of the messages in a queue.
    pub fn numbers(&self, agent: AgentId) -> Vec<u8> {
        self.items(agent).iter().map(|item| item.handle().id.octets()[0]).collect()
    }

    /// Number and status of each receipt in a queue; each must have the key of its message.
    pub fn outcomes(&self, agent: AgentId) -> Vec<(u8, u16)> {
        let pick = |item: &Item| match item {
            Item::Receipt(Receipt { message, sealed_by, outcome, .. }) => {
                let number = message.id.octets()[0];
                assert_eq!(*sealed_by, Draft::new(number).sealed_by(), "the key of the message");
                (number, outcome.status())
            }
            Item::Message(_) => panic!("a message in the queue of a receipt subscription"),
        };
        self.items(agent).iter().map(pick).collect()
    }

    pub fn read(&self, handle: Handle) -> Option<Item> {
        match self.ask(0, |ticket| Command::Read(ticket, handle)) {
            Completion::Read(_, item) => item,
            other => panic!("{other:?}"),
        }
    }

    pub fn expire(&self, now: u64) -> Sweep {
        match self.ask(0, |ticket| Command::Expire(ticket, UnixTime::from_secs(now))) {
            Completion::Expired(_, sweep) => sweep,
            other => panic!("{other:?}"),
        }
    }

    pub fn watch(&self, who: usize, agent: AgentId) {
        assert!(matches!(self.ask(who, |ticket| Command::Watch(ticket, agent)), Completion::Watching(_)));
    }

    /// Every hint that shard `who` has heard since it was asked last.
    pub fn hints(&self, who: usize) -> Vec<(AgentId, Hint)> {
        // A round trip: what was caused before it has arrived by then.
        let nobody = Draft::new(0).handle();
        self.ask(who, |ticket| Command::Read(ticket, nobody));
        let mut told = self.shards[who].1.told.lock().unwrap();
        let hints = told.drain(..).filter_map(|completion| match completion {
            Completion::Hint(agent, hint) => Some((agent, hint)),
            _ => None,
        });
        hints.collect()
    }

    /// The tickets that shard `who` was answered and did not wait for, in the order of the answers.
    pub fn tickets(&self, who: usize) -> Vec<Ticket> {
        self.shards[who].1.told.lock().unwrap().drain(..).filter_map(|one| one.ticket()).collect()
    }

    /// A user agent, a set with the subscriptions 1 and 2, and two receipt subscriptions.
    pub fn furnish(&self) {
        let mut operations = vec![
            Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent)),
            Operation::CreateAgent(RECEIPTS, record(AgentKind::Receipts)),
            Operation::CreateAgent(MORE_RECEIPTS, record(AgentKind::Receipts)),
        ];
        operations.extend([1, 2].map(|id| Operation::CreateSubscription(DEVICE, subscription(id), open())));
        assert_eq!(self.apply(operations), vec![Ok(Done::Created); 5]);
    }
}

/// A message to be.
#[derive(Clone, Debug)]
pub struct Draft {
    pub number: u8,
    pub agent: AgentId,
    pub subscription: SubscriptionId,
    pub slot: Slot,
    pub accepted: u64,
    pub ttl: u64,
    pub urgency: Urgency,
    pub receipt: Option<AgentId>,
    pub new_receipt_subscription: bool,
    pub sender: Option<PublicKey>,
    pub body: Vec<u8>,
}

impl Draft {
    /// To subscription 1 of the device, without a topic, for a minute from [`NOW`].
    pub fn new(number: u8) -> Self {
        Self {
            number,
            agent: DEVICE,
            subscription: subscription(1),
            slot: Slot::from_octets([number; 16]),
            accepted: NOW,
            ttl: 60,
            urgency: Urgency::Normal,
            receipt: None,
            new_receipt_subscription: false,
            sender: None,
            body: vec![number; 10],
        }
    }

    pub fn topic(self, topic: u8) -> Self {
        let mut octets = [topic; 16];
        octets[0] = 0xee;
        Self { slot: Slot::from_octets(octets), ..self }
    }

    pub fn to(self, id: u8) -> Self {
        Self { subscription: subscription(id), ..self }
    }

    pub fn ttl(self, ttl: u64) -> Self {
        Self { ttl, ..self }
    }

    pub fn urgency(self, urgency: Urgency) -> Self {
        Self { urgency, ..self }
    }

    pub fn receipt(self, agent: AgentId) -> Self {
        Self { receipt: Some(agent), ..self }
    }

    pub fn handle(&self) -> Handle {
        let Self { number, agent, subscription, slot, .. } = self.clone();
        Handle { agent, subscription, slot, id: MessageId::from_octets([number; 16]) }
    }

    /// Another key for each message, so that it shows if one is lost or taken for another.
    pub fn sealed_by(&self) -> SealingKeyId {
        SealingKeyId::from_u8(self.number)
    }

    pub fn message(&self) -> Arc<Message> {
        let fields =
            [(ContentField::Encoding, "aes128gcm".into()), (ContentField::Type, vec![self.number].into())];
        Arc::new(Message {
            handle: self.handle(),
            sealed_by: self.sealed_by(),
            accepted: UnixTime::from_secs(self.accepted),
            expires: UnixTime::from_secs(self.accepted + self.ttl),
            urgency: self.urgency,
            receipt: self.receipt,
            content: Content { body: self.body.clone().into(), fields: Box::new(fields) },
        })
    }

    pub fn put(&self) -> Operation {
        Operation::Put(Put {
            message: self.message(),
            sender: self.sender,
            new_receipt_subscription: self.new_receipt_subscription,
        })
    }
}

pub fn record(kind: AgentKind) -> AgentRecord {
    AgentRecord { kind, created: UnixTime::from_secs(NOW) }
}

/// A subscription that anyone may send to.
pub fn open() -> SubscriptionRecord {
    SubscriptionRecord { created: UnixTime::from_secs(NOW), restricted_to: None }
}

pub const fn agent(number: u8) -> AgentId {
    AgentId::from_octets([number; 16])
}

pub const fn subscription(number: u8) -> SubscriptionId {
    SubscriptionId::from_octets([number; 16])
}

/// The base point of P-256 and its negative: two keys whose holders nobody knows.
pub fn keys() -> [PublicKey; 2] {
    let x = *b"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\
               \x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96";
    let y = [
        *b"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\
           \x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5",
        *b"\xb0\x1c\xbd\x1c\x01\xe5\x80\x65\x71\x18\x14\xb5\x83\xf0\x61\xe9\
           \xd4\x31\xcc\xa9\x94\xce\xa1\x31\x34\x49\xbf\x97\xc8\x40\xae\x0a",
    ];
    y.map(|y| PublicKey::from_bytes(&[&[4][..], &x, &y].concat()).expect("a point on the curve"))
}

/// The user agent of [`Bench::furnish`].
pub const DEVICE: AgentId = agent(0xd0);
/// A receipt subscription of [`Bench::furnish`].
pub const RECEIPTS: AgentId = agent(0xe0);
/// The other one.
pub const MORE_RECEIPTS: AgentId = agent(0xe1);
/// When messages are accepted, unless a draft says otherwise.
pub const NOW: u64 = 1_000_000;
/// Longest a check waits: only a store that lost a completion takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
