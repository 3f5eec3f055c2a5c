//! Keys: fixed-width, big-endian, so that octet order is the order we want.

use push_proto::{
    AgentId, Slot, SubscriptionId, UnixTime, Urgency,
    store::{AgentKind, Position},
};

use super::codec;
use crate::engine::Keyspace;

/// A key on the stack. Orders as its octets do.
///
/// | keyspace | octets |
/// |---|---|
/// | messages | agent 16, position 8 |
/// | slots | agent 16, subscription 16, slot 16 |
/// | due | time 8, 0, agent 16, and for a subscription 0, subscription 16: closing |
/// | due | time 8, 1, agent 16, position 8: expiring |
/// | records | agent 16, 0: the agent; agent 16, 1, subscription 16 |
/// | counters | agent 16; or 0: the store's own high-water marks; or 1: what proves that it can write |
/// | urgencies | agent 16, urgency 1, position 8 |
/// | seen | kind 1, time 8, agent 16 |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    keyspace: Keyspace,
    /// Zero beyond `length`, so that comparing all of it compares the keys.
    octets: [u8; KEY_OCTETS],
    length: u8,
}

impl Key {
    pub(super) fn message(agent: &AgentId, position: Position) -> Self {
        Self::new(Keyspace::Messages, &[agent.octets(), &position.0.to_be_bytes()])
    }

    pub(super) fn slot(agent: &AgentId, subscription: &SubscriptionId, slot: &Slot) -> Self {
        Self::new(Keyspace::Slots, &[agent.octets(), subscription.octets(), slot.octets()])
    }

    pub(super) fn closing(agent: &AgentId, subscription: Option<&SubscriptionId>) -> Self {
        match subscription {
            None => Self::new(Keyspace::Due, &[&[0; 8], &[CLOSING], agent.octets()]),
            Some(subscription) => {
                Self::new(Keyspace::Due, &[&[0; 8], &[CLOSING], agent.octets(), &[0], subscription.octets()])
            }
        }
    }

    pub(super) fn expiring(time: UnixTime, agent: &AgentId, position: Position) -> Self {
        let (time, position) = (time.as_secs().to_be_bytes(), position.0.to_be_bytes());
        Self::new(Keyspace::Due, &[&time, &[EXPIRING], agent.octets(), &position])
    }

    /// Before everything due at `time` and later.
    pub(super) fn due_from(time: UnixTime) -> Self {
        Self::new(Keyspace::Due, &[&time.as_secs().to_be_bytes()])
    }

    /// What keys begin with, or a key as the engine has it. One longer than any that is written is cut off: no record has
    /// its checksum, and [`Key::successor`] comes after all that are cut off to the same.
    pub(super) fn prefix(keyspace: Keyspace, octets: &[u8]) -> Self {
        Self::new(keyspace, &[octets])
    }

    /// What the slots of an agent, or of one of its subscriptions, begin with.
    pub(super) fn slots(agent: &AgentId, subscription: Option<&SubscriptionId>) -> Self {
        let subscription = subscription.map_or(&[][..], |subscription| subscription.octets());
        Self::new(Keyspace::Slots, &[agent.octets(), subscription])
    }

    /// From where to where the subscriptions of an agent lie.
    pub(super) fn subscriptions(agent: &AgentId) -> (Self, Self) {
        let from = Self::new(Keyspace::Records, &[agent.octets(), &[1]]);
        (from, from.after_prefix())
    }

    pub(super) fn agent(agent: &AgentId) -> Self {
        Self::new(Keyspace::Records, &[agent.octets(), &[0]])
    }

    pub(super) fn subscription(agent: &AgentId, subscription: &SubscriptionId) -> Self {
        Self::new(Keyspace::Records, &[agent.octets(), &[1], subscription.octets()])
    }

    pub(super) fn counters(agent: &AgentId) -> Self {
        Self::new(Keyspace::Counters, &[agent.octets()])
    }

    /// Of a message that may be given up.
    pub(super) fn urgency(agent: &AgentId, urgency: Urgency, position: Position) -> Self {
        let urgency = [codec::urgency_number(urgency)];
        Self::new(Keyspace::Urgencies, &[agent.octets(), &urgency, &position.0.to_be_bytes()])
    }

    /// From where to where the messages of an agent lie that matter less.
    pub(super) fn less_urgent(agent: &AgentId, than: Urgency) -> (Self, Self) {
        let from = Self::new(Keyspace::Urgencies, &[agent.octets()]);
        (from, Self::urgency(agent, than, Position::START))
    }

    pub(super) fn seen(kind: AgentKind, time: UnixTime, agent: &AgentId) -> Self {
        let kind = [codec::kind_number(kind)];
        Self::new(Keyspace::Seen, &[&kind, &time.as_secs().to_be_bytes(), agent.octets()])
    }

    /// From where to where the agents of a kind lie.
    pub(super) fn seen_of(kind: AgentKind) -> (Self, Self) {
        let from = Self::new(Keyspace::Seen, &[&[codec::kind_number(kind)]]);
        (from, from.after_prefix())
    }

    /// Of the key of an agent that was seen: when, and which.
    pub(super) fn seen_at(&self) -> Option<(UnixTime, AgentId)> {
        let (_kind, rest) = self.octets().split_first_chunk::<1>()?;
        let (time, agent) = rest.split_first_chunk()?;
        let time = UnixTime::from_secs(u64::from_be_bytes(*time));
        Some((time, AgentId::from_octets(agent.try_into().ok()?)))
    }

    /// Of the key of an agent's own record: which.
    pub(super) fn agent_id(&self) -> Option<AgentId> {
        let (agent, rest) = self.octets().split_first_chunk()?;
        (rest == [0]).then_some(AgentId::from_octets(*agent))
    }

    pub(super) fn marks() -> Self {
        Self::new(Keyspace::Counters, &[&[0]])
    }

    pub(super) fn proof() -> Self {
        Self::new(Keyspace::Counters, &[&[1]])
    }

    /// The first key after all that begin with this one; after everything, if there is none.
    pub(super) fn after_prefix(self) -> Self {
        let mut next = self;
        let length = usize::from(self.length);
        for octet in next.octets.get_mut(..length).unwrap_or_default().iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                return next;
            }
        }
        Self { octets: [u8::MAX; KEY_OCTETS], length: u8::MAX, ..self }
    }

    /// The key right after this one; after all that begin with it, if it is too long to be anybody's.
    pub(super) fn successor(self) -> Self {
        if usize::from(self.length) >= KEY_OCTETS {
            return self.after_prefix();
        }
        Self { length: self.length.saturating_add(1), ..self }
    }

    pub(super) const fn keyspace(&self) -> Keyspace {
        self.keyspace
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or(&self.octets)
    }

    /// Of the key of a slot: the subscription and the slot.
    pub(super) fn place(&self) -> Option<(SubscriptionId, Slot)> {
        let (_agent, rest) = self.octets().split_first_chunk::<16>()?;
        let (subscription, slot) = rest.split_first_chunk()?;
        Some((SubscriptionId::from_octets(*subscription), Slot::from_octets(slot.try_into().ok()?)))
    }

    fn new(keyspace: Keyspace, parts: &[&[u8]]) -> Self {
        let mut key = Self { keyspace, octets: [0; KEY_OCTETS], length: 0 };
        for octet in parts.iter().copied().flatten() {
            if let Some(place) = key.octets.get_mut(usize::from(key.length)) {
                *place = *octet;
                key.length += 1;
            }
        }
        key
    }
}

/// What a key in the due keyspace says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DueKey {
    Closing(AgentId, Option<SubscriptionId>),
    Expiring(AgentId, Position),
}

impl DueKey {
    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        let (_time, rest) = key.split_first_chunk::<8>()?;
        let ([kind], rest) = rest.split_first_chunk()?;
        let (agent, rest) = rest.split_first_chunk()?;
        let agent = AgentId::from_octets(*agent);
        match (*kind, rest) {
            (CLOSING, []) => Some(Self::Closing(agent, None)),
            (CLOSING, [0, subscription @ ..]) => {
                let subscription = SubscriptionId::from_octets(subscription.try_into().ok()?);
                Some(Self::Closing(agent, Some(subscription)))
            }
            (EXPIRING, position) => {
                Some(Self::Expiring(agent, Position(u64::from_be_bytes(position.try_into().ok()?))))
            }
            _ => None,
        }
    }
}

/// The id at the end of a record's key.
pub(super) fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk().copied()
}

/// The position at the end of a message's key.
pub(super) fn position_of(key: &[u8]) -> Option<Position> {
    key.last_chunk().map(|octets| Position(u64::from_be_bytes(*octets)))
}

/// The longest key, and one more for its successor.
const KEY_OCTETS: usize = 49;
const CLOSING: u8 = 0;
const EXPIRING: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_their_octets() {
        let agents = [AgentId::from_octets([0; 16]), AgentId::from_octets([0xff; 16])];
        let mut keys = Vec::new();
        for agent in &agents {
            let subscription = SubscriptionId::from_octets([0; 16]);
            keys.extend([Key::closing(agent, None), Key::closing(agent, Some(&subscription))]);
            for time in [0, 1, u64::MAX] {
                keys.push(Key::due_from(UnixTime::from_secs(time)));
                keys.push(Key::expiring(UnixTime::from_secs(time), agent, Position(time)));
            }
        }
        for one in &keys {
            for other in &keys {
                assert_eq!(one.cmp(other), one.octets().cmp(other.octets()));
                let beyond = other.octets() >= one.after_prefix().octets();
                assert_eq!(beyond, other >= one && !other.octets().starts_with(one.octets()));
            }
            assert!(one.successor() > *one && one.successor().octets() > one.octets());
        }
    }

    #[test]
    fn the_successor_of_a_key_that_is_cut_off_comes_after_it() {
        for octets in [vec![7; KEY_OCTETS], vec![7; KEY_OCTETS + 30], vec![u8::MAX; 99]] {
            let next = Key::prefix(Keyspace::Seen, &octets).successor();
            assert!(next.octets() > octets.as_slice() || next.octets() == [u8::MAX; KEY_OCTETS]);
            assert!(next > Key::prefix(Keyspace::Seen, &octets));
        }
    }

    #[test]
    fn due_keys_say_what_they_were_made_of() {
        let (agent, subscription) = (AgentId::from_octets([7; 16]), SubscriptionId::from_octets([9; 16]));
        let parse = |key: Key| DueKey::parse(key.octets());
        assert_eq!(parse(Key::closing(&agent, None)), Some(DueKey::Closing(agent, None)));
        let one = DueKey::Closing(agent, Some(subscription));
        assert_eq!(parse(Key::closing(&agent, Some(&subscription))), Some(one));
        let expiring = Key::expiring(UnixTime::from_secs(3), &agent, Position(5));
        assert_eq!(parse(expiring), Some(DueKey::Expiring(agent, Position(5))));
        assert_eq!(DueKey::parse(&expiring.octets()[..20]), None);
    }
}
