use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use push_crypto::PublicKey;
use push_proto::{
    AgentId, Content, ContentField, Handle, Message, MessageId, SealingKeyId, UnixTime, Urgency,
    store::{
        AgentKind, AgentRecord, Cause, Command, Completion, Item, Load, Operation, Page, Position, Put,
        SubscriptionRecord, Ticket,
    },
};
use push_store::{
    Client, Memory, OpenError, Quotas,
    embedded::{Fault, Writer},
};

use crate::{
    fixture::SIGNER,
    script::Script,
    shelf::{Shelf, Tampered},
};

/// The embedded store over records of which some were tampered with. Before, it does what the reference does; after, it
/// fails precisely, never panics, and never gives out what nobody gave it if it could tell.
pub fn records(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut world = World::new();
    let steps = script.below(64);
    for _ in 0..steps {
        world.agreed(&mut script);
    }
    world.commit();
    world.tampered(&mut script);
}

fn quotas() -> Quotas {
    Quotas {
        agents: 2,
        receipt_subscriptions: 3,
        agent_idle_secs: 1600,
        receipts_idle_secs: 400,
        dropped: 2,
        subscriptions: 2,
        entries: 4,
        octets: 900,
        receipts: 3,
        page_octets: 400,
        expire: 3,
        receipt_secs: 250,
        ..Quotas::default()
    }
}

struct World {
    memory: Memory,
    shelf: Shelf,
    writer: Writer<Shelf>,
    client: Client,
    expected: Vec<(Client, Completion)>,
    now: u64,
    tickets: u64,
    /// All messages that were ever put, by number.
    put: BTreeMap<MessageId, Arc<Message>>,
    handles: Vec<Handle>,
    worst: Tampered,
}

impl World {
    fn new() -> Self {
        let shelf = Shelf::default();
        let mut writer = Writer::open(shelf.clone(), quotas()).unwrap();
        let mut memory = Memory::new(quotas());
        let client = memory.attach();
        assert_eq!(writer.attach(), client);
        Self {
            memory,
            shelf,
            writer,
            client,
            expected: Vec::new(),
            now: 1000,
            tickets: 0,
            put: BTreeMap::new(),
            handles: Vec::new(),
            worst: Tampered::No,
        }
    }

    fn command(&mut self, script: &mut Script<'_>) -> Command {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        match script.below(16) {
            0..=9 => {
                let count = 1 + script.below(3);
                Command::Apply(ticket, (0..count).map(|_| self.operation(script)).collect())
            }
            10 | 11 => {
                let after = Position(u64::from(script.octet() % 8));
                Command::Load(
                    ticket,
                    Load { agent: script.agent(6), after, limit: u32::from(script.octet() % 5) },
                )
            }
            12 => Command::Read(ticket, self.handle(script)),
            13 if script.flag() => Command::Watch(ticket, script.agent(6)),
            13 => Command::Unwatch(script.agent(6)),
            14 => {
                self.now += u64::from(script.octet()) << (script.octet() % 4);
                Command::Expire(ticket, UnixTime::from_secs(self.now))
            }
            _ => Command::Expire(ticket, UnixTime::from_secs(self.now)),
        }
    }

    fn operation(&mut self, script: &mut Script<'_>) -> Operation {
        let created = UnixTime::from_secs(self.now);
        match script.below(12) {
            0 | 1 => {
                let agent = script.agent(6);
                Operation::CreateAgent(agent, AgentRecord { kind: kind(&agent), created })
            }
            2 | 3 => {
                let restricted_to = (script.octet() > 220).then(key);
                let record = SubscriptionRecord { created, restricted_to };
                Operation::CreateSubscription(script.agent(3), script.subscription(3), record)
            }
            4..=8 => self.message(script),
            9 | 10 => {
                let all = [Cause::Acknowledged, Cause::Expired, Cause::Dropped, Cause::SubscriptionGone];
                Operation::End(self.handle(script), script.pick(&all))
            }
            _ => Operation::Close(script.agent(6), script.flag().then(|| script.subscription(3))),
        }
    }

    fn message(&mut self, script: &mut Script<'_>) -> Operation {
        let number = u64::try_from(self.put.len()).unwrap() + 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        let receipt = script.flag().then(|| AgentId::from_octets([4 + script.octet() % 4; 16]));
        let fields = script.flag().then(|| (ContentField::Encoding, Bytes::from_static(b"aes128gcm")));
        let handle = Handle {
            agent: script.agent(3),
            subscription: script.subscription(3),
            slot: script.slot(4),
            id: MessageId::from_octets(id),
        };
        let accepted = UnixTime::from_secs(self.now);
        let message = Arc::new(Message {
            handle,
            sealed_by: SealingKeyId::from_u8(script.octet()),
            accepted,
            expires: accepted.saturating_add_secs(u64::from(script.octet())),
            urgency: script.pick(&Urgency::ALL),
            receipt,
            content: Content {
                body: Bytes::copy_from_slice(script.take(3)),
                fields: fields.into_iter().collect(),
            },
        });
        self.put.insert(handle.id, Arc::clone(&message));
        self.handles.push(handle);
        Operation::Put(Put {
            message,
            sender: script.flag().then(key),
            new_receipt_subscription: script.octet() > 128,
        })
    }

    fn handle(&self, script: &mut Script<'_>) -> Handle {
        if self.handles.is_empty() {
            let (agent, subscription) = (script.agent(3), script.subscription(3));
            return Handle { agent, subscription, slot: script.slot(4), id: script.message() };
        }
        script.pick(&self.handles)
    }

    /// One command for both, and now and then a commit.
    fn agreed(&mut self, script: &mut Script<'_>) {
        let command = self.command(script);
        let expected = &mut self.expected;
        self.memory.run(self.client, command.clone(), &mut |to, said| expected.push((to, said)));
        self.writer.stage(self.client, command);
        if script.octet() > 200 {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let mut said = Vec::new();
        self.writer.commit(&mut |to, completion| said.push((to, completion)));
        assert!(self.writer.last_fault().is_none(), "{:?}", self.writer.last_fault());
        let expected = std::mem::take(&mut self.expected);
        for (_, completion) in &expected {
            if let Completion::Loaded(_, Ok(page)) = completion {
                self.handles.extend(page.entries.iter().map(|entry| entry.item.handle()));
            }
        }
        assert_eq!(said, expected, "the reference has it otherwise");
    }

    fn tampered(mut self, script: &mut Script<'_>) {
        for _ in 0..script.below(4) {
            self.worst = self.worst.max(self.shelf.tamper(script));
        }
        self.writer = match Writer::open(self.shelf.clone(), quotas()) {
            Ok(writer) => writer,
            Err(OpenError::Corrupt(_)) if self.worst > Tampered::No => return,
            Err(error) => panic!("{error}"),
        };
        self.client = self.writer.attach();
        for _ in 0..200 {
            if script.is_done() {
                break;
            }
            let command = self.command(script);
            self.alone(command);
        }
        // And everything that can be asked, at the end of time.
        for agent in 1..=7 {
            self.tickets += 1;
            let load = Load { agent: AgentId::from_octets([agent; 16]), after: Position::START, limit: 9 };
            self.alone(Command::Load(Ticket(self.tickets), load));
        }
        for _ in 0..20 {
            self.now += 10_000;
            self.tickets += 1;
            self.alone(Command::Expire(Ticket(self.tickets), UnixTime::from_secs(self.now)));
        }
    }

    fn alone(&mut self, command: Command) {
        let asked = !matches!(command, Command::Unwatch(_) | Command::Offer(_));
        self.writer.stage(self.client, command);
        let mut said = Vec::new();
        self.writer.commit(&mut |_, completion| said.push(completion));
        let answers: Vec<_> = said.iter().filter_map(Completion::ticket).collect();
        assert_eq!(answers.len(), usize::from(asked), "one answer for each command");
        for completion in said {
            match completion {
                Completion::Failed(_) => match self.writer.last_fault() {
                    Some(Fault::Corrupt(_)) if self.worst > Tampered::No => {}
                    fault => panic!("failed by {fault:?}"),
                },
                Completion::Loaded(_, Ok(page)) => self.honest(&page),
                Completion::Read(_, Some(item)) => self.honest_item(&item),
                Completion::Availability(_) => panic!("the disk did not fail"),
                _ => {}
            }
        }
    }

    fn honest(&self, page: &Page) {
        assert!(page.entries.is_sorted_by(|one, next| one.position < next.position), "in order");
        let handles: BTreeSet<_> = page.entries.iter().map(|entry| entry.item.handle()).collect();
        assert!(handles.len() == page.entries.len() || self.worst == Tampered::Secretly, "each once");
        page.entries.iter().for_each(|entry| self.honest_item(&entry.item));
    }

    /// Never a guess: what comes out went in.
    fn honest_item(&self, item: &Item) {
        if self.worst == Tampered::Secretly {
            return;
        }
        match item {
            Item::Message(message) => assert_eq!(self.put.get(&message.handle.id), Some(message)),
            Item::Receipt(receipt) => {
                let message = self.put.get(&receipt.message.id).expect("a receipt for nothing");
                assert_eq!((message.handle, message.receipt), (receipt.message, Some(receipt.agent)));
            }
        }
    }
}

fn kind(agent: &AgentId) -> AgentKind {
    if agent.octets()[0] <= 3 { AgentKind::UserAgent } else { AgentKind::Receipts }
}

fn key() -> PublicKey {
    *SIGNER.public_key()
}
