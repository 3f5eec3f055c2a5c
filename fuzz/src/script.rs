//! Octets as a script: choices, numbers and strings, taken from the front. When they are used up every choice is the
//! first, so each input is whole.

use push_crypto::message::Padding;
use push_proto::{AgentId, MessageId, Slot, SubscriptionId};

/// What is left of the input.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Less than `count`, which is at most 256.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.octet()) % count.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub(crate) fn padding(&mut self) -> Padding {
        match self.octet() % 4 {
            0 => Padding::None,
            1 => Padding::Full,
            2 => Padding::Buckets(self.u16().into()),
            _ => Padding::ToLength(self.u16().into()),
        }
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.octet())
    }

    /// At most `count` octets.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A string of at most 255 octets, with its length in front.
    pub(crate) fn string(&mut self) -> &'a [u8] {
        let length = usize::from(self.octet());
        self.take(length)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// One of few ids, so that they meet again.
    pub(crate) fn id(&mut self, of: u8) -> [u8; 16] {
        [self.octet() % of.max(1) + 1; 16]
    }

    pub(crate) fn agent(&mut self, of: u8) -> AgentId {
        AgentId::from_octets(self.id(of))
    }

    pub(crate) fn subscription(&mut self, of: u8) -> SubscriptionId {
        SubscriptionId::from_octets(self.id(of))
    }

    pub(crate) fn slot(&mut self, of: u8) -> Slot {
        Slot::from_octets(self.id(of))
    }

    pub(crate) fn message(&mut self) -> MessageId {
        MessageId::from_octets(self.array())
    }
}

/// `octets` in pieces, as long as `cuts` says, again and again.
pub(crate) fn pieces<'a>(octets: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut rest = octets;
    let mut pieces = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let length = cuts.next().map_or(rest.len(), |cut| usize::from(*cut) + 1);
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
