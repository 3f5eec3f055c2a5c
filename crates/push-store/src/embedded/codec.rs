//! Records: a version, fixed-width big-endian fields, a CRC32C over keyspace, key and record. Version 2:
//!
//! | record | fields |
//! |---|---|
//! | message | 0, subscription 16, slot 16, id 16, accepted 8, expires 8, urgency 1, sealing key 1, receipt agent 1 (+16), fields 1 × (name 1, length 4, octets), body |
//! | receipt | 1, agent, subscription, slot and id of the message 64, its sealing key 1, outcome 1, expires 8 |
//! | slot | position 8, id 16, expires 8, weight 8, sealing key 1, receipt agent 1 (+16), urgency 1 (+1) |
//! | due and urgency, of an entry | subscription 16, slot 16 |
//! | due, of closing; seen | none |
//! | agent | kind 1, created 8, closing 1, seen 8 |
//! | subscription | created 8, closing 1, key 1 (+65) |
//! | counters | entries 4, octets 8, subscriptions 4 |
//! | marks | positions below 8, latest time 8, user agents 4, receipt subscriptions 4 |
//!
//! Version 1 is the same without a slot's urgency, when an agent was seen, and the numbers of agents in the marks.
//!
//! The checksum covers the key so that a record in the place of another is found out as well.

mod octets;

use std::sync::Arc;

use bytes::Bytes;
use push_crypto::PublicKey;
use push_proto::{
    AgentId, ContentField, Handle, Message, MessageId, Outcome, Receipt, SealingKeyId, Slot, SubscriptionId,
    UnixTime, Urgency,
    store::{AgentKind, AgentRecord, Item, Position, SubscriptionRecord},
};

use self::octets::{Decoder, Encoder};
use super::{error::Corrupt, key::Key};

/// What a slot holds: enough to end the entry without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) position: Position,
    pub(super) id: MessageId,
    pub(super) expires: UnixTime,
    pub(super) weight: u64,
    /// For the URL of the message in its receipt.
    pub(super) sealed_by: SealingKeyId,
    /// Who waits for the outcome.
    pub(super) receipt: Option<AgentId>,
    /// Under which it can be given up; none for what cannot: the most urgent, receipts, and what version 1 wrote.
    pub(super) urgency: Option<Urgency>,
}

/// An agent, and whether it is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AgentState {
    pub(super) record: AgentRecord,
    pub(super) closing: bool,
    /// When its peer last did something, nearly. None if version 1 wrote it.
    pub(super) seen: Option<UnixTime>,
}

/// A subscription, and whether it is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionState {
    pub(super) record: SubscriptionRecord,
    pub(super) closing: bool,
}

/// How much an agent holds, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) entries: u32,
    pub(super) octets: u64,
    pub(super) subscriptions: u32,
}

/// The store's own high-water marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// No position from here on was ever given out.
    pub(super) reserved: u64,
    /// The latest time seen, or a little earlier.
    pub(super) clock: UnixTime,
    /// How many agents there are. None if version 1 wrote it.
    pub(super) population: Option<Population>,
}

/// How many agents there are, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Population {
    pub(super) user_agents: u32,
    pub(super) receipt_subscriptions: u32,
}

impl Population {
    /// The number of one kind.
    pub(super) const fn of(&mut self, kind: AgentKind) -> &mut u32 {
        match kind {
            AgentKind::UserAgent => &mut self.user_agents,
            AgentKind::Receipts => &mut self.receipt_subscriptions,
        }
    }
}

pub(super) fn encode_item(key: &Key, item: &Item) -> Bytes {
    match item {
        Item::Message(message) => encode_message(key, message),
        Item::Receipt(receipt) => {
            let mut record = Encoder::new(80);
            record.octet(RECEIPT);
            record.handle(&receipt.message);
            record.octet(receipt.sealed_by.as_u8());
            record.octet(match receipt.outcome {
                Outcome::Delivered => 0,
                Outcome::Failed => 1,
            });
            record.time(receipt.expires);
            record.finish(key)
        }
    }
}

fn encode_message(key: &Key, message: &Message) -> Bytes {
    let Message { handle, sealed_by, accepted, expires, urgency, receipt, content } = message;
    let fields = content.fields.iter().map(|(_, value)| value.len() + 5).sum::<usize>();
    let mut record = Encoder::new(100 + fields + content.body.len());
    record.octet(MESSAGE);
    record.octets(handle.subscription.octets());
    record.octets(handle.slot.octets());
    record.octets(handle.id.octets());
    record.time(*accepted);
    record.time(*expires);
    record.octet(urgency_number(*urgency));
    record.octet(sealed_by.as_u8());
    record.optional(receipt.as_ref().map(|agent| agent.octets().as_slice()));
    record.octet(u8::try_from(content.fields.len()).unwrap_or(u8::MAX));
    for (name, value) in &content.fields {
        record.octet(field_number(*name));
        record.octets(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        record.octets(value);
    }
    record.octets(&content.body);
    record.finish(key)
}

/// The entry of `agent` that `record` holds. Shares the octets of `record`.
pub(super) fn decode_item(key: &Key, agent: AgentId, record: &Bytes) -> Result<Item, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    match fields.octet("kind")? {
        MESSAGE => {
            let handle = Handle {
                agent,
                subscription: SubscriptionId::from_octets(fields.array("subscription")?),
                slot: Slot::from_octets(fields.array("slot")?),
                id: MessageId::from_octets(fields.array("id")?),
            };
            let message = Message {
                handle,
                accepted: fields.time("acceptance")?,
                expires: fields.time("expiry")?,
                urgency: fields.urgency()?,
                sealed_by: fields.sealing_key()?,
                receipt: fields.optional("receipt agent")?.map(AgentId::from_octets),
                content: fields.content(record)?,
            };
            Ok(Item::Message(Arc::new(message)))
        }
        RECEIPT => {
            let message = fields.handle()?;
            let sealed_by = fields.sealing_key()?;
            let outcome = match fields.octet("outcome")? {
                0 => Outcome::Delivered,
                1 => Outcome::Failed,
                _ => return Err(fields.bad("outcome")),
            };
            let expires = fields.time("expiry")?;
            fields.end()?;
            Ok(Item::Receipt(Receipt { agent, message, sealed_by, outcome, expires }))
        }
        _ => Err(fields.bad("kind")),
    }
}

pub(super) fn encode_holder(key: &Key, holder: &Holder) -> Bytes {
    let mut record = Encoder::new(64);
    record.octets(&holder.position.0.to_be_bytes());
    record.octets(holder.id.octets());
    record.time(holder.expires);
    record.octets(&holder.weight.to_be_bytes());
    record.octet(holder.sealed_by.as_u8());
    record.optional(holder.receipt.as_ref().map(|agent| agent.octets().as_slice()));
    record
        .optional(holder.urgency.map(|urgency| [urgency_number(urgency)]).as_ref().map(<[u8; 1]>::as_slice));
    record.finish(key)
}

pub(super) fn decode_holder(key: &Key, record: &[u8]) -> Result<Holder, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let holder = Holder {
        position: Position(fields.number("position")?),
        id: MessageId::from_octets(fields.array("id")?),
        expires: fields.time("expiry")?,
        weight: fields.number("weight")?,
        sealed_by: fields.sealing_key()?,
        receipt: fields.optional("receipt agent")?.map(AgentId::from_octets),
        urgency: None,
    };
    let indexed = fields.version >= 2 && fields.flag("urgency")?;
    let urgency = if indexed { Some(fields.urgency()?) } else { None };
    fields.end().map(|()| Holder { urgency, ..holder })
}

/// Whether a record is whole, of a version that is known, and has its own place.
pub(super) fn check(key: &Key, record: &[u8]) -> Result<(), Corrupt> {
    Decoder::open(key, record).map(drop)
}

pub(super) fn encode_due(key: &Key, place: Option<(&SubscriptionId, &Slot)>) -> Bytes {
    let mut record = Encoder::new(40);
    if let Some((subscription, slot)) = place {
        record.octets(subscription.octets());
        record.octets(slot.octets());
    }
    record.finish(key)
}

pub(super) fn decode_due(key: &Key, record: &[u8]) -> Result<(SubscriptionId, Slot), Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let subscription = SubscriptionId::from_octets(fields.array("subscription")?);
    let slot = Slot::from_octets(fields.array("slot")?);
    fields.end().map(|()| (subscription, slot))
}

pub(super) fn encode_agent(key: &Key, agent: &AgentState) -> Bytes {
    let mut record = Encoder::new(24);
    record.octet(kind_number(agent.record.kind));
    record.time(agent.record.created);
    record.octet(u8::from(agent.closing));
    record.time(agent.seen.unwrap_or(agent.record.created));
    record.finish(key)
}

pub(super) fn decode_agent(key: &Key, record: &[u8]) -> Result<AgentState, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let kind = match fields.octet("kind")? {
        0 => AgentKind::UserAgent,
        1 => AgentKind::Receipts,
        _ => return Err(fields.bad("kind")),
    };
    let record = AgentRecord { kind, created: fields.time("creation")? };
    let closing = fields.flag("state")?;
    let seen = if fields.version >= 2 { Some(fields.time("last time seen")?) } else { None };
    fields.end().map(|()| AgentState { record, closing, seen })
}

pub(super) fn encode_subscription(key: &Key, subscription: &SubscriptionState) -> Bytes {
    let mut record = Encoder::new(80);
    record.time(subscription.record.created);
    record.octet(u8::from(subscription.closing));
    record.optional(subscription.record.restricted_to.as_ref().map(|key| key.as_bytes().as_slice()));
    record.finish(key)
}

pub(super) fn decode_subscription(key: &Key, record: &[u8]) -> Result<SubscriptionState, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let created = fields.time("creation")?;
    let closing = fields.flag("state")?;
    let restricted_to = match fields.optional::<{ push_crypto::PUBLIC_KEY_LEN }>("key")? {
        None => None,
        Some(octets) => Some(PublicKey::from_bytes(&octets).map_err(|_| fields.bad("key"))?),
    };
    fields.end()?;
    Ok(SubscriptionState { record: SubscriptionRecord { created, restricted_to }, closing })
}

pub(super) fn encode_counters(key: &Key, counters: &Counters) -> Bytes {
    let mut record = Encoder::new(24);
    record.octets(&counters.entries.to_be_bytes());
    record.octets(&counters.octets.to_be_bytes());
    record.octets(&counters.subscriptions.to_be_bytes());
    record.finish(key)
}

pub(super) fn decode_counters(key: &Key, record: &[u8]) -> Result<Counters, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let counters = Counters {
        entries: u32::from_be_bytes(fields.array("entries")?),
        octets: fields.number("octets")?,
        subscriptions: u32::from_be_bytes(fields.array("subscriptions")?),
    };
    fields.end().map(|()| counters)
}

pub(super) fn encode_marks(key: &Key, marks: &Marks) -> Bytes {
    let mut record = Encoder::new(24);
    record.octets(&marks.reserved.to_be_bytes());
    record.time(marks.clock);
    let Population { user_agents, receipt_subscriptions } = marks.population.unwrap_or_default();
    record.octets(&user_agents.to_be_bytes());
    record.octets(&receipt_subscriptions.to_be_bytes());
    record.finish(key)
}

pub(super) fn decode_marks(key: &Key, record: &[u8]) -> Result<Marks, Corrupt> {
    let mut fields = Decoder::open(key, record)?;
    let (reserved, clock) = (fields.number("positions")?, fields.time("time")?);
    let population = if fields.version >= 2 {
        Some(Population {
            user_agents: u32::from_be_bytes(fields.array("user agents")?),
            receipt_subscriptions: u32::from_be_bytes(fields.array("receipt subscriptions")?),
        })
    } else {
        None
    };
    fields.end().map(|()| Marks { reserved, clock, population })
}

/// Not the order of the type, which may change: these numbers may not.
pub(super) const fn urgency_number(urgency: Urgency) -> u8 {
    match urgency {
        Urgency::VeryLow => 0,
        Urgency::Low => 1,
        Urgency::Normal => 2,
        Urgency::High => 3,
    }
}

/// Likewise.
pub(super) const fn kind_number(kind: AgentKind) -> u8 {
    match kind {
        AgentKind::UserAgent => 0,
        AgentKind::Receipts => 1,
    }
}

const fn field_number(field: ContentField) -> u8 {
    match field {
        ContentField::Encoding => 0,
        ContentField::Language => 1,
        ContentField::Type => 2,
        ContentField::CryptoKey => 3,
        ContentField::Encryption => 4,
    }
}

const MESSAGE: u8 = 0;
const RECEIPT: u8 = 1;

#[cfg(test)]
mod tests;
