//! What a snapshot says of its records, without the rules of a store that runs.

use push_proto::{SealingKeyId, UnixTime, store::AgentKind};

use super::{
    codec,
    error::{Corrupt, Fault},
    key::Key,
};
use crate::{
    engine::Keyspace,
    snapshot::{Records, Snapshot},
};

/// How much of a store came while a sealing key was in use, so that its URLs may have been sealed by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// User agents: their subscription sets, and whatever they subscribe to later.
    pub user_agents: u64,
    /// Subscriptions, whose push URLs application servers have.
    pub subscriptions: u64,
    /// Receipt subscriptions of application servers.
    pub receipt_subscriptions: u64,
    /// Messages and receipts in queues, whose message URL names the key itself.
    pub entries: u64,
}

/// A record and its place, checked.
pub(crate) fn check(keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
    let key = Key::prefix(keyspace, key);
    // What proves that the store can write is nothing that is ever read.
    if key == Key::proof() { Ok(()) } else { codec::check(&key, value) }
}

/// The latest time that the store has seen; 0 for an empty one.
pub(crate) fn clock(snapshot: &Snapshot) -> Result<UnixTime, Fault> {
    let key = Key::marks();
    let record = snapshot.value(key.keyspace(), key.octets())?;
    let marks = record.map(|record| codec::decode_marks(&key, &record)).transpose()?;
    Ok(marks.map_or(UnixTime::from_secs(0), |marks| marks.clock))
}

/// What came until `until`, and the entries that name `key`.
pub(crate) fn sealed(snapshot: &Snapshot, key: SealingKeyId, until: UnixTime) -> Result<Sealed, Fault> {
    let mut sealed = Sealed::default();
    let mut records = snapshot.of(&[Keyspace::Records, Keyspace::Slots]);
    while let Some(Records { keyspace, entries }) = records.next_page()? {
        for (octets, record) in &entries {
            let at = Key::prefix(keyspace, octets);
            if keyspace == Keyspace::Records {
                sealed.count_record(&at, record, until)?;
            } else if codec::decode_holder(&at, record)?.sealed_by == key {
                sealed.entries += 1;
            }
        }
    }
    Ok(sealed)
}

impl Sealed {
    fn count_record(&mut self, key: &Key, record: &[u8], until: UnixTime) -> Result<(), Corrupt> {
        if key.agent_id().is_some() {
            let agent = codec::decode_agent(key, record)?;
            let counts = !agent.closing && agent.record.created <= until;
            match agent.record.kind {
                AgentKind::UserAgent => self.user_agents += u64::from(counts),
                AgentKind::Receipts => self.receipt_subscriptions += u64::from(counts),
            }
        } else {
            let subscription = codec::decode_subscription(key, record)?;
            self.subscriptions += u64::from(!subscription.closing && subscription.record.created <= until);
        }
        Ok(())
    }
}
