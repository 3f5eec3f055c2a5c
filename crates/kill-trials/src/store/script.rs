//! What a child does in one of its lives: the same commands for whoever knows the seed, whatever the store answers.

use std::sync::Arc;

use push_crypto::PublicKey;
use push_proto::{
    AgentId, Content, ContentField, Handle, Message, MessageId, Outcome, Receipt, SealingKeyId, Slot,
    SubscriptionId, UnixTime, Urgency,
    store::{
        AgentKind, AgentRecord, Cause, Command, Load, Operation, Position, Put, SubscriptionRecord, Ticket,
    },
};
use push_store::Quotas;

use crate::random::Random;

/// The commands of one life, without an end.
pub(super) struct Script {
    random: Random,
    seed: u64,
    /// Messages of all lives have numbers of their own.
    number: u64,
    ticket: u64,
    now: u64,
}

impl Script {
    pub(super) fn new(seed: u64, life: u64) -> Self {
        let random = Random::new(seed).part(life);
        Self { random, seed, number: life * LIFE, ticket: 0, now: time(life) }
    }

    /// The next command. The first tells the store the time, as a service does.
    pub(super) fn next(&mut self) -> Command {
        let ticket = Ticket(self.ticket);
        self.ticket += 1;
        if ticket.0 == 0 {
            return Command::Expire(ticket, UnixTime::from_secs(self.now));
        }
        match self.random.below(20) {
            0 => Command::Expire(ticket, UnixTime::from_secs(self.now)),
            1 => {
                let agent = agent(self.random.below(AGENTS));
                let limit = 1 + u32::try_from(self.random.below(5)).unwrap_or(0);
                Command::Load(ticket, Load { agent, after: Position::START, limit })
            }
            2 => Command::Read(ticket, self.handle()),
            _ => {
                let operations = (0..=self.random.below(3)).map(|_| self.operation()).collect();
                Command::Apply(ticket, operations)
            }
        }
    }

    fn operation(&mut self) -> Operation {
        let created = UnixTime::from_secs(self.now);
        match self.random.below(20) {
            0 | 1 => {
                let number = self.random.below(AGENTS);
                let kind = if number < USER_AGENTS { AgentKind::UserAgent } else { AgentKind::Receipts };
                Operation::CreateAgent(agent(number), AgentRecord { kind, created })
            }
            2 | 3 => {
                let restricted_to = self.random.once_in(3).then(|| key(self.random.index(2))).flatten();
                let record = SubscriptionRecord { created, restricted_to };
                let (of, subscription) = (self.random.below(USER_AGENTS), self.random.below(SUBSCRIPTIONS));
                Operation::CreateSubscription(agent(of), subscription_id(subscription), record)
            }
            4 if self.random.once_in(4) => {
                let subscription =
                    self.random.once_in(2).then(|| subscription_id(self.random.below(SUBSCRIPTIONS)));
                Operation::Close(agent(self.random.below(AGENTS)), subscription)
            }
            4..=9 => {
                let causes = [
                    Cause::Acknowledged,
                    Cause::Acknowledged,
                    Cause::Expired,
                    Cause::Dropped,
                    Cause::SubscriptionGone,
                ];
                let cause = *self.random.pick(&causes).unwrap_or(&Cause::Dropped);
                Operation::End(self.handle(), cause)
            }
            _ => self.put(),
        }
    }

    fn put(&mut self) -> Operation {
        self.number += 1;
        let handle = handle(self.seed, self.number);
        let receipts = AGENTS - USER_AGENTS;
        let receipt = self.random.once_in(2).then(|| agent(USER_AGENTS + self.random.below(receipts)));
        let octets = if self.random.once_in(8) { self.random.index(4000) } else { self.random.index(60) };
        let fields = [(ContentField::Encoding, "aes128gcm".into())];
        let message = Message {
            handle,
            sealed_by: SealingKeyId::from_u8(u8::try_from(self.number % 3).unwrap_or(0)),
            accepted: UnixTime::from_secs(self.now),
            expires: UnixTime::from_secs(self.now + self.random.below(30)),
            urgency: Urgency::ALL.get(self.random.index(4)).copied().unwrap_or(Urgency::High),
            receipt,
            content: Content {
                body: vec![u8::try_from(octets % 256).unwrap_or(0); octets].into(),
                fields: Box::new(fields),
            },
        };
        Operation::Put(Put {
            message: Arc::new(message),
            sender: key(self.random.index(3)),
            new_receipt_subscription: receipt.is_some() && self.random.once_in(6),
        })
    }

    /// Of a message lately put, or of its receipt; or of one that there never was.
    fn handle(&mut self) -> Handle {
        let back = self.random.below(40);
        let number = self.number.saturating_sub(if self.random.once_in(8) { back + LIFE } else { back });
        let message = handle(self.seed, number);
        if self.random.once_in(4) {
            let agent = agent(USER_AGENTS + self.random.below(AGENTS - USER_AGENTS));
            let (sealed_by, expires) = (SealingKeyId::from_u8(0), UnixTime::from_secs(0));
            return Receipt { agent, message, sealed_by, outcome: Outcome::Delivered, expires }.handle();
        }
        message
    }
}

/// Everything about message `number` that a handle has.
fn handle(seed: u64, number: u64) -> Handle {
    let mut random = Random::new(seed ^ 0x5bd1_e995).part(number);
    let topic = random.once_in(3).then(|| random.below(3));
    let mut id = [0; 16];
    for (octet, of) in id.iter_mut().zip(number.to_le_bytes().into_iter().chain(seed.to_be_bytes())) {
        *octet = of;
    }
    let slot = topic.map_or(id, |topic| [0xf0 | u8::try_from(topic).unwrap_or(0); 16]);
    Handle {
        agent: agent(random.below(USER_AGENTS)),
        subscription: subscription_id(random.below(SUBSCRIPTIONS)),
        slot: Slot::from_octets(slot),
        id: MessageId::from_octets(id),
    }
}

/// When a life takes place, by the clock of its commands, in seconds: it stands still meanwhile.
pub(super) const fn time(life: u64) -> u64 {
    START_SECS + life * 7
}

pub(super) fn agents() -> impl Iterator<Item = AgentId> {
    (0..AGENTS).map(agent)
}

fn agent(number: u64) -> AgentId {
    AgentId::from_octets([u8::try_from(number + 1).unwrap_or(u8::MAX); 16])
}

fn subscription_id(number: u64) -> SubscriptionId {
    SubscriptionId::from_octets([u8::try_from(number + 1).unwrap_or(u8::MAX); 16])
}

/// The base point of P-256, its negative, and none: whose they are is nobody's concern here.
fn key(number: usize) -> Option<PublicKey> {
    let x = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
    let y = ["T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU", "sBy9HAHlgGVxGBS1g_Bh6dQxzKmUzqExNEm_l8hArgo"];
    let mut octets = vec![4];
    for part in [x, y.get(number)?] {
        octets.extend(decode(part));
    }
    PublicKey::from_bytes(&octets).ok()
}

/// Base64url without padding.
fn decode(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut octets, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|of| *of == letter).unwrap_or(0);
        bits = (bits << 6) | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from((bits >> count) & 0xff).unwrap_or(0));
        }
    }
    octets
}

/// Small enough that every bound is met within a life.
pub(super) fn quotas() -> Quotas {
    Quotas {
        agents: 3,
        receipt_subscriptions: 2,
        agent_idle_secs: 160,
        receipts_idle_secs: 60,
        dropped: 2,
        subscriptions: 3,
        entries: 12,
        octets: 16 << 10,
        receipts: 12,
        page_octets: 6 << 10,
        expire: 5,
        receipt_secs: 40,
        waiting: 4096,
        group: 16,
    }
}

const USER_AGENTS: u64 = 4;
const AGENTS: u64 = 7;
const SUBSCRIPTIONS: u64 = 4;

/// More messages than a life has.
const LIFE: u64 = 1_000_000;
const START_SECS: u64 = 1_000_000;
