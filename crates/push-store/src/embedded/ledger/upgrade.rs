//! From version 1: agents that nobody counted, and of which nobody noted when they were seen.
//!
//! In pieces, so that a large store fits; each leaves a store from which this can be begun anew. The marks come last:
//! from then on the store is of version 2.

use push_proto::UnixTime;

use super::{Ledger, Population};
use crate::{
    OpenError,
    embedded::{
        codec::{self, AgentState},
        error::Fault,
        key::Key,
    },
    engine::{Engine, Keyspace},
};

impl<E: Engine> Ledger<E> {
    pub(super) fn upgrade(&mut self) -> Result<(), OpenError> {
        self.population = Population::default();
        let upgraded = self.count_agents().and_then(|()| self.cover_owed()).and_then(|()| {
            // Positions as they were: what is reserved and unused may have been given out.
            self.save(super::Marks { reserved: self.saved.reserved, ..self.marks() })
        });
        Ok(upgraded?)
    }

    /// All agents count as seen now: nobody knows better, and none is to end because of that.
    fn count_agents(&mut self) -> Result<(), Fault> {
        let now = self.clock;
        self.walk(Keyspace::Records, |ledger, key, record| {
            let Some(id) = key.agent_id() else { return Ok(()) };
            let state = codec::decode_agent(key, record)?;
            *ledger.population.of(state.record.kind) += 1;
            if state.seen.is_none() && !state.closing {
                ledger.put_seen(&id, &state, now.max(state.record.created));
            } else if state.seen.is_none() {
                let closing = AgentState { seen: Some(UnixTime::from_secs(0)), ..state };
                ledger.view.put(*key, codec::encode_agent(key, &closing));
            }
            Ok(())
        })
    }

    /// Receipt subscriptions live as long as something is owed on them.
    fn cover_owed(&mut self) -> Result<(), Fault> {
        self.walk(Keyspace::Slots, |ledger, key, record| {
            let holder = codec::decode_holder(key, record)?;
            match &holder.receipt {
                Some(receipts) => ledger.note_owed(receipts, holder.expires),
                None => Ok(()),
            }
        })
    }

    /// Shows `visit` every record of a keyspace, and commits what it changes piece by piece.
    fn walk(
        &mut self,
        keyspace: Keyspace,
        mut visit: impl FnMut(&mut Self, &Key, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut from = Key::prefix(keyspace, &[]);
        let end = from.after_prefix();
        loop {
            let piece = self.view.page(&from, &end, PIECE)?;
            let Some((last, _)) = piece.last() else { return Ok(()) };
            from = last.successor();
            for (key, record) in &piece {
                visit(self, key, record)?;
            }
            self.view.commit()?;
        }
    }
}

/// Records of one commit.
const PIECE: usize = 1024;
