//! What is to be asked of push services, and what is being asked.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    connections::Connections,
    input::{ConnectionId, Tag},
    retry::{RequestId, Task},
};
use crate::{Mono, Now, Origin, PushUrl, Via};

/// Something to be asked until it succeeds. What is more urgent comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Monitor(PushUrl),
    Unsubscribe(Tag),
    Subscribe(Tag),
    Acknowledge(PushUrl),
}

impl Work {
    /// A monitor has no time to be answered in; everything else has.
    pub(super) const fn is_monitor(&self) -> bool {
        matches!(self, Self::Monitor(_))
    }

    /// Whether doing it makes two promises at once if another of its kind is in flight: subscribes go one by one, so
    /// that the second can join the set of the first (`8030-4.1-2`, `8030-7.5-2`).
    const fn is_subscribe(&self) -> bool {
        matches!(self, Self::Subscribe(_))
    }
}

#[derive(Debug)]
pub(super) struct Chore {
    pub(super) origin: Origin,
    pub(super) task: Task,
    /// When it was last asked.
    pub(super) started: Mono,
    /// The application has been told that it fails.
    pub(super) troubled: bool,
    /// How a monitor was last asked for.
    pub(super) via: Via,
}

#[derive(Debug)]
struct Flight {
    work: Work,
    connection: ConnectionId,
    deadline: Option<Mono>,
    /// A monitor that another on a newer connection stands in for; its answer means nothing.
    superseded: bool,
}

/// Every [`Work`] at most once, with its state.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    chores: BTreeMap<Work, Chore>,
    flights: BTreeMap<RequestId, Flight>,
}

impl Agenda {
    pub(super) fn add(&mut self, work: Work, origin: Origin) {
        let chore = || Chore {
            origin,
            task: Task::default(),
            started: Mono::ZERO,
            troubled: false,
            via: Via::default(),
        };
        self.chores.entry(work).or_insert_with(chore);
    }

    /// Removes it; gives its requests that are in flight, to be cancelled.
    pub(super) fn remove(&mut self, work: &Work) -> Vec<RequestId> {
        self.chores.remove(work);
        self.take(|flight| flight.work == *work)
    }

    fn take(&mut self, wanted: impl Fn(&Flight) -> bool) -> Vec<RequestId> {
        let ids = self.flights.iter().filter_map(|(id, flight)| wanted(flight).then_some(*id));
        let ids: Vec<_> = ids.collect();
        self.flights.retain(|_, flight| !wanted(flight));
        ids
    }

    pub(super) fn get_mut(&mut self, work: &Work) -> Option<&mut Chore> {
        self.chores.get_mut(work)
    }

    pub(super) fn contains(&self, work: &Work) -> bool {
        self.chores.contains_key(work)
    }

    pub(super) fn works(&self) -> impl Iterator<Item = &Work> {
        self.chores.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chores.is_empty()
    }

    /// Where there is anything to do.
    pub(super) fn origins(&self) -> BTreeSet<&Origin> {
        self.chores.values().map(|chore| &chore.origin).collect()
    }

    pub(super) fn needs(&self, origin: &Origin) -> bool {
        self.chores.values().any(|chore| chore.origin == *origin)
    }

    /// The most urgent work that can be asked now, and on which connection. At most `limit` requests are in flight on
    /// one, monitors aside.
    pub(super) fn next(
        &self,
        connections: &Connections,
        limit: usize,
        now: Now,
    ) -> Option<(Work, ConnectionId)> {
        self.chores.iter().find_map(|(work, chore)| {
            let connection = connections.established(&chore.origin)?;
            let serialised = work.is_subscribe() && self.is_subscribing(connection);
            let free = work.is_monitor() || self.in_flight(connection) < limit;
            (chore.task.is_due(now) && !serialised && free).then(|| (work.clone(), connection))
        })
    }

    fn is_subscribing(&self, connection: ConnectionId) -> bool {
        self.flights.values().any(|flight| flight.connection == connection && flight.work.is_subscribe())
    }

    fn in_flight(&self, connection: ConnectionId) -> usize {
        let counts = |flight: &&Flight| flight.connection == connection && !flight.work.is_monitor();
        self.flights.values().filter(counts).count()
    }

    /// It is asked now.
    pub(super) fn start(
        &mut self,
        work: Work,
        id: RequestId,
        connection: ConnectionId,
        times: (Now, Option<Mono>),
    ) {
        let (now, deadline) = times;
        if let Some(chore) = self.chores.get_mut(&work) {
            chore.task.request = Some(id);
            chore.started = now.mono;
            self.flights.insert(id, Flight { work, connection, deadline, superseded: false });
        }
    }

    /// It is answered: what was it, if that still matters?
    pub(super) fn finish(&mut self, id: RequestId) -> Option<Work> {
        let Flight { work, superseded, .. } = self.flights.remove(&id)?;
        if superseded {
            return None;
        }
        if let Some(chore) = self.chores.get_mut(&work) {
            chore.task.request = None;
        }
        Some(work)
    }

    pub(super) fn is_in_flight(&self, id: RequestId) -> bool {
        self.flights.contains_key(&id)
    }

    /// The connection that it is on, if it is in flight.
    pub(super) fn connection_of(&self, id: RequestId) -> Option<ConnectionId> {
        self.flights.get(&id).map(|flight| flight.connection)
    }

    /// Whether that connection still owes an answer.
    pub(super) fn is_busy(&self, connection: ConnectionId) -> bool {
        self.flights.values().any(|flight| flight.connection == connection)
    }

    /// The monitors of that connection are due again; they stay in flight, and what they bring is welcome.
    pub(super) fn supersede(&mut self, connection: ConnectionId, now: Now) {
        for flight in self.flights.values_mut() {
            if flight.connection == connection && flight.work.is_monitor() && !flight.superseded {
                flight.superseded = true;
                if let Some(chore) = self.chores.get_mut(&flight.work) {
                    chore.task.again(now);
                }
            }
        }
    }

    /// All open monitors are due again; gives their requests, to be cancelled.
    pub(super) fn reopen(&mut self, now: Now) -> Vec<RequestId> {
        for (_, chore) in self.chores.iter_mut().filter(|(work, _)| work.is_monitor()) {
            if chore.task.request.is_some() {
                chore.task.again(now);
            }
        }
        self.take(|flight| flight.work.is_monitor())
    }

    /// That connection has gone: what was on it is due again, and waits for the next.
    pub(super) fn lose(&mut self, connection: ConnectionId, now: Now) {
        let lost = |(id, flight): (&RequestId, &Flight)| (flight.connection == connection).then_some(*id);
        let ids: Vec<_> = self.flights.iter().filter_map(lost).collect();
        for id in ids {
            let Some(work) = self.finish(id) else { continue };
            if let Some(chore) = self.chores.get_mut(&work) {
                chore.task.again(now);
            }
        }
    }

    /// A connection on which a request is overdue.
    pub(super) fn overdue(&self, now: Now) -> Option<ConnectionId> {
        let late = |flight: &&Flight| flight.deadline.is_some_and(|deadline| deadline <= now.mono);
        self.flights.values().find(late).map(|flight| flight.connection)
    }

    /// When the first request in flight is overdue.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.flights.values().filter_map(|flight| flight.deadline).min()
    }

    /// When the first work becomes due.
    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        self.chores.values().filter_map(|chore| chore.task.wakes(now)).min()
    }
}
