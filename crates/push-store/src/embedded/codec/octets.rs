//! Records octet by octet: the version in front, fixed-width big-endian fields, the checksum behind.

use bytes::Bytes;
use push_proto::{
    AgentId, Content, ContentField, Handle, MessageId, SealingKeyId, Slot, SubscriptionId, UnixTime, Urgency,
};

use super::{field_number, urgency_number};
use crate::{
    embedded::{
        error::{Corrupt, Damage},
        key::Key,
    },
    engine::Keyspace,
};

/// Writes a record.
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    /// About `capacity` octets of fields to come.
    pub(super) fn new(capacity: usize) -> Self {
        let mut octets = Vec::with_capacity(capacity + OVERHEAD_OCTETS);
        octets.push(VERSION);
        Self(octets)
    }

    pub(super) fn octet(&mut self, octet: u8) {
        self.0.push(octet);
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    pub(super) fn time(&mut self, time: UnixTime) {
        self.octets(&time.as_secs().to_be_bytes());
    }

    pub(super) fn optional(&mut self, octets: Option<&[u8]>) {
        self.octet(u8::from(octets.is_some()));
        self.octets(octets.unwrap_or_default());
    }

    pub(super) fn handle(&mut self, handle: &Handle) {
        self.octets(handle.agent.octets());
        self.octets(handle.subscription.octets());
        self.octets(handle.slot.octets());
        self.octets(handle.id.octets());
    }

    pub(super) fn finish(mut self, key: &Key) -> Bytes {
        let checksum = checksum(key, &self.0);
        self.octets(&checksum.to_be_bytes());
        self.0.into()
    }
}

/// Reads a record whose checksum is right.
pub(super) struct Decoder<'a> {
    keyspace: Keyspace,
    /// Of its record: [`VERSION`] or an older one.
    pub(super) version: u8,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn open(key: &Key, record: &'a [u8]) -> Result<Self, Corrupt> {
        let keyspace = key.keyspace();
        let corrupt = |damage| Corrupt { keyspace, damage };
        let (octets, found) = record.split_last_chunk().ok_or(corrupt(Damage::Checksum))?;
        if checksum(key, octets) != u32::from_be_bytes(*found) {
            return Err(corrupt(Damage::Checksum));
        }
        match octets {
            [version @ OLDEST..=VERSION, rest @ ..] => Ok(Self { keyspace, version: *version, rest }),
            [version, ..] => Err(corrupt(Damage::Version(*version))),
            [] => Err(corrupt(Damage::Field("version"))),
        }
    }

    pub(super) fn bad(&self, field: &'static str) -> Corrupt {
        Corrupt { keyspace: self.keyspace, damage: Damage::Field(field) }
    }

    pub(super) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.bad(field))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Corrupt> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.bad(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn octet(&mut self, field: &'static str) -> Result<u8, Corrupt> {
        self.array(field).map(|[octet]| octet)
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, Corrupt> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn time(&mut self, field: &'static str) -> Result<UnixTime, Corrupt> {
        self.number(field).map(UnixTime::from_secs)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, Corrupt> {
        match self.octet(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad(field)),
        }
    }

    pub(super) fn optional<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<[u8; N]>, Corrupt> {
        if self.flag(field)? { self.array(field).map(Some) } else { Ok(None) }
    }

    pub(super) fn handle(&mut self) -> Result<Handle, Corrupt> {
        Ok(Handle {
            agent: AgentId::from_octets(self.array("agent")?),
            subscription: SubscriptionId::from_octets(self.array("subscription")?),
            slot: Slot::from_octets(self.array("slot")?),
            id: MessageId::from_octets(self.array("id")?),
        })
    }

    pub(super) fn urgency(&mut self) -> Result<Urgency, Corrupt> {
        let number = self.octet("urgency")?;
        let found = Urgency::ALL.into_iter().find(|urgency| urgency_number(*urgency) == number);
        found.ok_or_else(|| self.bad("urgency"))
    }

    pub(super) fn sealing_key(&mut self) -> Result<SealingKeyId, Corrupt> {
        self.octet("sealing key").map(SealingKeyId::from_u8)
    }

    /// The fields and, to the end, the body.
    pub(super) fn content(&mut self, record: &Bytes) -> Result<Content, Corrupt> {
        let count = self.octet("field count")?;
        let mut fields = Vec::with_capacity(usize::from(count).min(ContentField::ALL.len()));
        for _ in 0..count {
            let number = self.octet("field name")?;
            let name = ContentField::ALL.into_iter().find(|name| field_number(*name) == number);
            let name = name.ok_or_else(|| self.bad("field name"))?;
            let length = usize::try_from(u32::from_be_bytes(self.array("field length")?));
            let value = self.take(length.unwrap_or(usize::MAX), "field length")?;
            fields.push((name, record.slice_ref(value)));
        }
        let body = record.slice_ref(std::mem::take(&mut self.rest));
        Ok(Content { body, fields: fields.into() })
    }

    pub(super) fn end(&self) -> Result<(), Corrupt> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.bad("length")) }
    }
}

fn checksum(key: &Key, octets: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&[key.keyspace().number()]);
    crc32c::crc32c_append(crc32c::crc32c_append(sum, key.octets()), octets)
}

/// What is written. Version 1 is read as well.
pub(super) const VERSION: u8 = 2;
const OLDEST: u8 = 1;
/// Version and checksum.
const OVERHEAD_OCTETS: usize = 5;
