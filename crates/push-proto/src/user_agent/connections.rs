//! One connection to each push service that there is something to ask of; reconnects with backoff.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    UserAgent,
    input::{Connection, ConnectionId},
    output::{ConnectionEvent, Event, Output},
};
use crate::{Mono, Now, Origin};

#[derive(Debug, Default)]
pub(super) struct Connections {
    links: BTreeMap<Origin, Link>,
}

#[derive(Debug, Default)]
struct Link {
    stage: Stage,
    /// Connections in a row that failed, or did not live long.
    failures: u32,
    /// When to connect next.
    due: Mono,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Down,
    Opening {
        id: ConnectionId,
        until: Mono,
    },
    Up {
        id: ConnectionId,
        since: Mono,
    },
}

impl Stage {
    const fn id(self) -> Option<ConnectionId> {
        match self {
            Self::Down => None,
            Self::Opening { id, .. } | Self::Up { id, .. } => Some(id),
        }
    }
}

impl Connections {
    /// The connection to that origin, if it carries requests.
    pub(super) fn established(&self, origin: &Origin) -> Option<ConnectionId> {
        match self.links.get(origin)?.stage {
            Stage::Up { id, .. } => Some(id),
            Stage::Down | Stage::Opening { .. } => None,
        }
    }

    /// Opened or being opened.
    fn open(&self) -> usize {
        self.links.values().filter(|link| link.stage != Stage::Down).count()
    }

    fn by_id(&mut self, id: ConnectionId) -> Option<(&Origin, &mut Link)> {
        self.links.iter_mut().find(|(_, link)| link.stage.id() == Some(id))
    }

    /// The next time at which a link wants attention by itself. A link that cannot be opened for want of room is woken
    /// by another's end.
    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        let wakes = |link: &Link| match link.stage {
            Stage::Down => (link.due > now.mono).then_some(link.due),
            Stage::Opening { until, .. } => Some(until),
            Stage::Up { .. } => None,
        };
        self.links.values().filter_map(wakes).min()
    }
}

impl UserAgent {
    pub(super) fn connection(&mut self, id: ConnectionId, became: Connection, now: Now) {
        let Some((origin, link)) = self.connections.by_id(id) else { return };
        match became {
            Connection::Established => {
                if matches!(link.stage, Stage::Opening { .. }) {
                    link.stage = Stage::Up { id, since: now.mono };
                    let event = Event::Connection(origin.clone(), ConnectionEvent::Online);
                    self.outputs.push_back(Output::Event(event));
                }
            }
            Connection::Lost => self.disconnected(id, now),
        }
    }

    /// Opens what is needed, closes what is not, gives up what takes too long.
    pub(super) fn tend_connections(&mut self, now: Now) {
        if let Some(id) = self.agenda.overdue(now) {
            self.give_up(id, now);
        }
        let late = |link: &Link| match link.stage {
            Stage::Opening { id, until } => (until <= now.mono).then_some(id),
            Stage::Down | Stage::Up { .. } => None,
        };
        let late: Vec<_> = self.connections.links.values().filter_map(late).collect();
        for id in late {
            self.give_up(id, now);
        }
        self.drop_unneeded(now);
        self.open_needed(now);
    }

    /// Closes everything, for good.
    pub(super) fn disconnect_all(&mut self) {
        for link in self.connections.links.values() {
            self.outputs.extend(link.stage.id().map(Output::Disconnect));
        }
        self.connections.links.clear();
    }

    fn open_needed(&mut self, now: Now) {
        let needed: Vec<Origin> = self.agenda.origins().into_iter().cloned().collect();
        for origin in needed {
            let room = self.connections.open() < self.limits().connections;
            let link = self.connections.links.entry(origin.clone()).or_default();
            if link.stage == Stage::Down && link.due <= now.mono && room {
                let id = ConnectionId(self.next_id);
                self.next_id = self.next_id.saturating_add(1);
                link.stage = Stage::Opening { id, until: now.mono.after(self.config.limits.connect) };
                self.outputs.push_back(Output::Connect(id, origin));
            }
        }
    }

    fn drop_unneeded(&mut self, now: Now) {
        let agenda = &self.agenda;
        let outputs = &mut self.outputs;
        self.connections.links.retain(|origin, link| {
            if agenda.needs(origin) {
                return true;
            }
            outputs.extend(link.stage.id().map(Output::Disconnect));
            link.stage = Stage::Down;
            // The backoff is remembered while it lasts.
            link.due > now.mono
        });
    }

    /// It does not answer: as good as lost.
    fn give_up(&mut self, id: ConnectionId, now: Now) {
        self.outputs.push_back(Output::Disconnect(id));
        self.disconnected(id, now);
    }

    fn disconnected(&mut self, id: ConnectionId, now: Now) {
        self.agenda.lose(id, now);
        let limits = self.config.limits;
        let Some((origin, link)) = self.connections.by_id(id) else { return };
        if let Stage::Up { since, .. } = link.stage
            && now.mono.since(since) >= limits.stable
        {
            link.failures = 0;
        }
        link.failures = link.failures.saturating_add(1);
        let wait = limits.backoff.wait(link.failures, &mut self.entropy);
        link.due = now.mono.after(wait);
        link.stage = Stage::Down;
        let event = Event::Connection(origin.clone(), ConnectionEvent::Offline(wait));
        self.outputs.push_back(Output::Event(event));
    }
}
