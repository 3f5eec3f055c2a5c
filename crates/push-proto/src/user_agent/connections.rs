//! One connection to each push service that there is something to ask of: reconnects with backoff, asks the silent ones
//! whether they live, and moves away from those that drain (RFC 8030 §7.1).

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::{
    UserAgent,
    input::{Connection, ConnectionId},
    limits::Limits,
    output::{ConnectionEvent, Event, Order, Output},
};
use crate::{Entropy, Mono, Now, Origin, Via, keepalive::Rhythm};

#[derive(Debug, Default)]
pub(super) struct Connections {
    links: BTreeMap<Origin, Link>,
}

#[derive(Debug)]
struct Link {
    stage: Stage,
    /// The connection before this one, until it has answered what it was asked.
    draining: Option<Draining>,
    /// Connections in a row that failed, or did not live long.
    failures: u32,
    /// When to connect next.
    due: Mono,
    rhythm: Rhythm,
    /// Since when nothing can be pushed over it.
    stream: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Draining {
    id: ConnectionId,
    until: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Down,
    Opening { id: ConnectionId, until: Mono },
    Up { id: ConnectionId, since: Mono, heard: Mono, ask: Ask },
}

/// When a connection is asked whether it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    At(Mono),
    /// It was, after it had been silent for that long.
    Asked {
        until: Mono,
        silence: Duration,
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

impl Link {
    fn new(limits: &Limits, learned: Option<Duration>) -> Self {
        let rhythm = Rhythm::new(&limits.keepalive, learned);
        Self { stage: Stage::Down, draining: None, failures: 0, due: Mono::ZERO, rhythm, stream: None }
    }

    fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.stage.id().into_iter().chain(self.draining.map(|draining| draining.id))
    }

    /// The peer was heard. It need not answer a question any sooner for that.
    fn heard(&mut self, limits: &Limits, entropy: &mut Entropy, now: Now) {
        let Stage::Up { heard, ask, .. } = &mut self.stage else { return };
        *heard = now.mono;
        *ask = match *ask {
            Ask::At(_) => Ask::At(self.rhythm.due(now.mono, |bound| entropy.below(bound))),
            Ask::Asked { silence, .. } => Ask::Asked { until: now.mono.after(limits.pong), silence },
        };
    }

    /// The connection has ended by itself or did not answer. Says whether the path is known to be worse for it.
    fn mourn(&mut self, limits: &Limits, now: Now) -> bool {
        let Stage::Up { heard, ask, .. } = self.stage else { return false };
        match ask {
            Ask::Asked { silence, .. } => self.rhythm.died(&limits.keepalive, silence),
            Ask::At(_) if self.rhythm.is_suspicious(now.mono.since(heard)) => {
                self.rhythm.died(&limits.keepalive, now.mono.since(heard))
            }
            Ask::At(_) => false,
        }
    }

    /// The next time at which it wants attention by itself, questions aside. A link that cannot be opened for want of
    /// room is woken by another's end.
    fn wakes(&self, now: Now) -> Option<Mono> {
        let stage = match self.stage {
            Stage::Down => (self.due > now.mono).then_some(self.due),
            Stage::Opening { until, .. } => Some(until),
            Stage::Up { .. } => None,
        };
        stage.into_iter().chain(self.draining.map(|draining| draining.until)).min()
    }

    const fn asks(&self) -> Option<Mono> {
        match self.stage {
            Stage::Down | Stage::Opening { .. } => None,
            Stage::Up { ask: Ask::At(at) | Ask::Asked { until: at, .. }, .. } => Some(at),
        }
    }
}

impl Connections {
    /// The connection to that origin, if it takes requests.
    pub(super) fn established(&self, origin: &Origin) -> Option<ConnectionId> {
        match self.links.get(origin)?.stage {
            Stage::Up { id, .. } => Some(id),
            Stage::Down | Stage::Opening { .. } => None,
        }
    }

    /// How messages can come from there.
    pub(super) fn via(&self, origin: &Origin) -> Via {
        let streams = self.links.get(origin).is_some_and(|link| link.stream.is_some());
        if streams { Via::Stream } else { Via::Push }
    }

    /// Nothing can be pushed from there; or no stream comes either.
    pub(super) fn stream(&mut self, origin: &Origin, since: Option<Mono>) {
        if let Some(link) = self.links.get_mut(origin) {
            link.stream = since;
        }
    }

    /// What the paths to the services in use have taught.
    pub(super) fn learned(&self) -> Vec<(Origin, Duration)> {
        let learned = |(origin, link): (&Origin, &Link)| Some((origin.clone(), link.rhythm.learned()?));
        self.links.iter().filter_map(learned).collect()
    }

    /// An earlier run has learned that.
    pub(super) fn learn(&mut self, origin: Origin, limits: &Limits, learned: Duration) {
        self.links.insert(origin, Link::new(limits, Some(learned)));
    }

    /// Opened or being opened, the draining ones aside.
    fn open(&self) -> usize {
        self.links.values().filter(|link| link.stage != Stage::Down).count()
    }

    fn by_id(&mut self, id: ConnectionId) -> Option<(&Origin, &mut Link)> {
        self.links.iter_mut().find(|(_, link)| link.stage.id() == Some(id))
    }

    fn draining(&mut self, id: ConnectionId) -> Option<&mut Link> {
        self.links.values_mut().find(|link| link.draining.is_some_and(|draining| draining.id == id))
    }

    /// The next time at which a link wants attention by itself, questions aside.
    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        self.links.values().filter_map(|link| link.wakes(now)).min()
    }

    /// When the next connection is asked whether it lives, or should have answered.
    pub(super) fn asks(&self) -> Option<Mono> {
        self.links.values().filter_map(Link::asks).min()
    }
}

impl UserAgent {
    pub(super) fn connection(&mut self, id: ConnectionId, became: Connection, now: Now) {
        match became {
            Connection::Established => self.established(id, now),
            Connection::Alive => self.alive(id, now),
            Connection::Draining => self.drained(id, now),
            Connection::Lost => match self.connections.draining(id) {
                Some(link) => {
                    link.draining = None;
                    self.agenda.lose(id, now);
                }
                None => self.disconnected(id, now),
            },
        }
    }

    fn established(&mut self, id: ConnectionId, now: Now) {
        let limits = self.config.limits;
        let Some((origin, link)) = self.connections.by_id(id) else { return };
        let Stage::Opening { .. } = link.stage else { return };
        let ask = Ask::At(link.rhythm.due(now.mono, |bound| self.entropy.below(bound)));
        link.stage = Stage::Up { id, since: now.mono, heard: now.mono, ask };
        link.stream = link.stream.filter(|since| now.mono.since(*since) < limits.stream);
        // The monitors move here. The old ones stay until the service ends them: what is under way may still arrive.
        if let Some(draining) = &mut link.draining {
            draining.until = now.mono.after(limits.drain);
            self.agenda.supersede(draining.id, now);
        }
        let event = Event::Connection(origin.clone(), ConnectionEvent::Online);
        self.outputs.push_back(Output::Event(event));
    }

    fn alive(&mut self, id: ConnectionId, now: Now) {
        let limits = self.config.limits;
        let Some((_, link)) = self.connections.by_id(id) else { return };
        let Stage::Up { heard, ask, .. } = &mut link.stage else { return };
        let Ask::Asked { silence, .. } = *ask else { return };
        let news = link.rhythm.survived(&limits.keepalive, silence);
        *heard = now.mono;
        *ask = Ask::At(link.rhythm.due(now.mono, |bound| self.entropy.below(bound)));
        if news {
            self.save();
        }
    }

    /// The service moves us, or ends (`8030-7.1-2`): the next connection comes at once, unless this one was young too.
    fn drained(&mut self, id: ConnectionId, now: Now) {
        let limits = self.config.limits;
        let Some((_, link)) = self.connections.by_id(id) else { return };
        let Stage::Up { since, .. } = link.stage else { return };
        let wait = if now.mono.since(since) >= limits.stable {
            link.failures = 0;
            let most = u64::try_from(limits.move_within.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(self.entropy.below(most.saturating_add(1)))
        } else {
            link.failures = link.failures.saturating_add(1);
            limits.backoff.wait(link.failures, &mut self.entropy)
        };
        link.due = now.mono.after(wait);
        link.stage = Stage::Down;
        let draining = Draining { id, until: now.mono.after(limits.drain) };
        if let Some(older) = link.draining.replace(draining) {
            self.close_connection(older.id, now);
        }
    }

    /// Something came on that connection.
    pub(super) fn heard(&mut self, id: ConnectionId, now: Now) {
        let limits = self.config.limits;
        if let Some((_, link)) = self.connections.by_id(id) {
            link.heard(&limits, &mut self.entropy, now);
        }
    }

    /// Opens what is needed, closes what is not, asks the silent, gives up what takes too long.
    pub(super) fn tend_connections(&mut self, now: Now) {
        if let Some(id) = self.agenda.overdue(now) {
            self.give_up(id, now);
        }
        let late = |link: &Link| match link.stage {
            Stage::Opening { id, until } | Stage::Up { id, ask: Ask::Asked { until, .. }, .. } => {
                (until <= now.mono).then_some(id)
            }
            Stage::Down | Stage::Up { .. } => None,
        };
        let late: Vec<_> = self.connections.links.values().filter_map(late).collect();
        for id in late {
            self.give_up(id, now);
        }
        self.drop_drained(now);
        self.drop_unneeded(now);
        self.open_needed(now);
        self.ask_silent(now);
    }

    /// Closes everything, for good.
    pub(super) fn disconnect_all(&mut self) {
        for id in self.connections.links.values().flat_map(Link::ids) {
            self.outputs.push_back(Output::Connection(id, Order::Close));
        }
        for link in self.connections.links.values_mut() {
            (link.stage, link.draining) = (Stage::Down, None);
        }
    }

    fn ask_silent(&mut self, now: Now) {
        let pong = self.limits().pong;
        for link in self.connections.links.values_mut() {
            if let Stage::Up { id, heard, ask, .. } = &mut link.stage
                && let Ask::At(at) = *ask
                && at <= now.mono
            {
                *ask = Ask::Asked { until: now.mono.after(pong), silence: now.mono.since(*heard) };
                self.outputs.push_back(Output::Connection(*id, Order::Ping));
            }
        }
    }

    /// Those that were replaced and owe no more answers, or take too long for them.
    fn drop_drained(&mut self, now: Now) {
        let agenda = &self.agenda;
        let done = |link: &Link| {
            let Draining { id, until } = link.draining?;
            let replaced = matches!(link.stage, Stage::Up { .. });
            (until <= now.mono || (replaced && !agenda.is_busy(id))).then_some(id)
        };
        let done: Vec<_> = self.connections.links.values().filter_map(done).collect();
        for id in done {
            if let Some(link) = self.connections.draining(id) {
                link.draining = None;
            }
            self.close_connection(id, now);
        }
    }

    fn open_needed(&mut self, now: Now) {
        let limits = self.config.limits;
        let needed: Vec<Origin> = self.agenda.origins().into_iter().cloned().collect();
        for origin in needed {
            let room = self.connections.open() < limits.connections;
            let link =
                self.connections.links.entry(origin.clone()).or_insert_with(|| Link::new(&limits, None));
            if link.stage == Stage::Down && link.due <= now.mono && room {
                let id = ConnectionId(self.next_id);
                self.next_id = self.next_id.saturating_add(1);
                link.stage = Stage::Opening { id, until: now.mono.after(limits.connect) };
                self.outputs.push_back(Output::Connection(id, Order::Open(origin)));
            }
        }
    }

    fn drop_unneeded(&mut self, now: Now) {
        if self.closing.is_some() {
            return; // All of them soon, and what they have taught is still to be kept.
        }
        let agenda = &self.agenda;
        let outputs = &mut self.outputs;
        self.connections.links.retain(|origin, link| {
            if agenda.needs(origin) {
                return true;
            }
            outputs.extend(link.ids().map(|id| Output::Connection(id, Order::Close)));
            (link.stage, link.draining) = (Stage::Down, None);
            // The backoff is remembered while it lasts.
            link.due > now.mono
        });
    }

    /// It does not answer: as good as lost.
    fn give_up(&mut self, id: ConnectionId, now: Now) {
        self.outputs.push_back(Output::Connection(id, Order::Close));
        self.connection(id, Connection::Lost, now);
    }

    /// What was on it is due again.
    fn close_connection(&mut self, id: ConnectionId, now: Now) {
        self.outputs.push_back(Output::Connection(id, Order::Close));
        self.agenda.lose(id, now);
    }

    fn disconnected(&mut self, id: ConnectionId, now: Now) {
        self.agenda.lose(id, now);
        let limits = self.config.limits;
        let Some((origin, link)) = self.connections.by_id(id) else { return };
        let worse = link.mourn(&limits, now);
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
        if worse {
            self.save();
        }
    }
}
