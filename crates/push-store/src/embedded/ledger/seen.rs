//! When agents were seen, and the end of those that were not seen for long.

use push_proto::{
    AgentId, UnixTime,
    store::{AgentKind, Hint},
};

use super::{Ledger, Stop, missing};
use crate::{
    embedded::{
        codec::{self, AgentState},
        error::{Corrupt, Damage, Fault},
        key::Key,
    },
    engine::{Engine, Keyspace},
    watch::News,
};

impl<E: Engine> Ledger<E> {
    /// Notes that the peer of an agent did something, unless that is known nearly enough.
    pub(super) fn note_seen(&mut self, id: &AgentId, time: UnixTime) -> Result<(), Fault> {
        let Some(state) = self.live_agent(id)? else { return Ok(()) };
        if let Some(seen) = self.quotas.seen_again(state.record.kind, seen(&state), time) {
            self.put_seen(id, &state, seen);
        }
        Ok(())
    }

    /// Notes that a receipt may be owed on this receipt subscription until then.
    pub(super) fn note_owed(&mut self, id: &AgentId, expires: UnixTime) -> Result<(), Fault> {
        let Some(state) = self.live_agent(id)? else { return Ok(()) };
        if let Some(seen) = self.quotas.seen_owed(seen(&state), expires) {
            self.put_seen(id, &state, seen);
        }
        Ok(())
    }

    /// Writes an agent that is not closing as seen at that time.
    pub(super) fn put_seen(&mut self, id: &AgentId, state: &AgentState, seen: UnixTime) {
        self.remove_seen(id, state);
        let key = Key::agent(id);
        self.view.put(key, codec::encode_agent(&key, &AgentState { seen: Some(seen), ..*state }));
        let key = Key::seen(state.record.kind, seen, id);
        self.view.put(key, codec::encode_due(&key, None));
    }

    /// Nobody looks for this agent among the idle ones any more.
    pub(super) fn remove_seen(&mut self, id: &AgentId, state: &AgentState) {
        if let Some(seen) = state.seen {
            self.view.remove(Key::seen(state.record.kind, seen, id));
        }
    }

    /// Closes a bounded number of agents that were not seen for long; says how many, and whether there are more. One that
    /// is damaged is left where it is, and told.
    pub(super) fn close_idle(
        &mut self,
        now: UnixTime,
        news: &mut Vec<News>,
    ) -> Result<(u32, bool, Option<Corrupt>), Fault> {
        let (mut closed, mut more, mut stuck) = (0, false, None);
        if now < self.idle_from.max(self.awaited) {
            return Ok((closed, more, stuck));
        }
        self.idle_from = UnixTime::from_secs(u64::MAX);
        for kind in [AgentKind::UserAgent, AgentKind::Receipts] {
            let Some(until) = self.quotas.idle_until(kind, now) else {
                self.look_again(kind, self.clock);
                continue;
            };
            let (mut from, end) = Key::seen_of(kind);
            // What is seen from here on is seen later than now.
            self.look_again(kind, self.clock.min(now));
            while let Some((key, _)) = self.view.page(&from, &end, 1)?.pop() {
                from = key.successor();
                let Some((seen, id)) = key.seen_at() else {
                    stuck =
                        stuck.or(Some(Corrupt { keyspace: Keyspace::Seen, damage: Damage::Field("key") }));
                    continue;
                };
                self.look_again(kind, seen);
                if seen > until {
                    break;
                }
                if closed >= self.quotas.expire {
                    more = true;
                    break;
                }
                self.mark();
                match self.close_record(&id, None) {
                    Ok(()) => {
                        news.push(News::all(id, Hint::Closed(None)));
                        closed += 1;
                    }
                    Err(Stop::Unmet(_)) => stuck = stuck.or(Some(missing(Keyspace::Records, "agent"))),
                    Err(Stop::Fault(Fault::Corrupt(corrupt))) => {
                        self.roll_back();
                        stuck = stuck.or(Some(corrupt));
                    }
                    Err(Stop::Fault(Fault::Engine(error))) => return Err(error.into()),
                }
            }
        }
        self.mark();
        Ok((closed, more, stuck))
    }

    /// An agent of this kind was seen then: it is not idle before its time.
    fn look_again(&mut self, kind: AgentKind, seen: UnixTime) {
        if let Some(at) = self.quotas.idle_at(kind, seen) {
            self.idle_from = self.idle_from.min(at);
        }
    }
}

fn seen(state: &AgentState) -> UnixTime {
    state.seen.unwrap_or(state.record.created)
}
