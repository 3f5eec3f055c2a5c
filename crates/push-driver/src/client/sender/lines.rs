//! Connections to push services, one line for each; those that nobody uses are kept for a while, and not too many of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use push_proto::{Mono, Now, Origin, user_agent::RequestId};

use crate::{
    Runtime,
    client::{ClientLimits, exchange, http1::Http1},
};

/// A request that waits for a connection, and whether it is a monitor.
pub(super) type Waiting = (RequestId, Request<Bytes>, bool);

/// Where requests to one push service go in.
#[derive(Clone)]
pub(super) enum Requests<R> {
    Http2(SendRequest<Bytes>),
    Http1(Arc<Http1<R>>),
}

impl<R: Runtime> Requests<R> {
    /// How many it takes at once.
    fn room(&self, limits: &ClientLimits) -> usize {
        match self {
            Self::Http2(requests) => requests.current_max_send_streams(),
            Self::Http1(_) => limits.http1_connections.max(1),
        }
    }

    fn is_spent(&self) -> bool {
        match self {
            Self::Http2(requests) => exchange::is_spent(requests),
            // It opens others.
            Self::Http1(requests) => requests.is_outdated(),
        }
    }
}

/// The way to one push service.
enum Line<R> {
    /// Requests wait for it.
    Dialling(Vec<Waiting>),
    Open(Open<R>),
}

/// An established connection; when it is dropped it closes.
struct Open<R> {
    requests: Requests<R>,
    generation: u64,
    asked: usize,
    idle_since: Mono,
    /// How many requests it takes at once, as was told.
    room: usize,
}

pub(super) struct Lines<R> {
    lines: BTreeMap<Origin, Line<R>>,
    /// Open ones without requests, and since when.
    idle: BTreeSet<(Mono, Origin)>,
}

impl<R: Runtime> Lines<R> {
    pub(super) const fn new() -> Self {
        Self { lines: BTreeMap::new(), idle: BTreeSet::new() }
    }

    /// A connection is being made, and this waits for it. False if there was none in the making.
    pub(super) fn wait(&mut self, origin: &Origin, waiting: Waiting) -> bool {
        if let Some(Line::Dialling(all)) = self.lines.get_mut(origin) {
            all.push(waiting);
            return true;
        }
        self.remove(origin);
        self.lines.insert(origin.clone(), Line::Dialling(vec![waiting]));
        false
    }

    /// It waits no longer.
    pub(super) fn give_up(&mut self, origin: &Origin, id: RequestId) {
        if let Some(Line::Dialling(all)) = self.lines.get_mut(origin) {
            all.retain(|(waits, ..)| *waits != id);
        }
    }

    /// The connection has been made, or not: what waited for it.
    pub(super) fn dialled(&mut self, origin: &Origin) -> Vec<Waiting> {
        match self.remove(origin) {
            Some(Line::Dialling(waiting)) => waiting,
            Some(Line::Open(_)) | None => Vec::new(),
        }
    }

    pub(super) fn open(&mut self, origin: Origin, requests: Requests<R>, generation: u64, now: Now) {
        self.remove(&origin);
        let open = Open { requests, generation, asked: 0, idle_since: now.mono, room: 0 };
        self.idle.insert((now.mono, origin.clone()));
        self.lines.insert(origin, Line::Open(open));
    }

    /// Whether requests can go out at once. One that takes no more is forgotten: what it still answers it answers without
    /// us, and the next connection takes the rest.
    pub(super) fn is_open(&mut self, origin: &Origin) -> bool {
        match self.lines.get(origin) {
            Some(Line::Open(open)) if open.requests.is_spent() => {
                self.remove(origin);
                false
            }
            Some(Line::Open(_)) => true,
            Some(Line::Dialling(_)) | None => false,
        }
    }

    /// Where one more request goes in, and the number of the connection.
    pub(super) fn ask(&mut self, origin: &Origin) -> Option<(Requests<R>, u64)> {
        let Some(Line::Open(open)) = self.lines.get_mut(origin) else { return None };
        if open.asked == 0 {
            self.idle.remove(&(open.idle_since, origin.clone()));
        }
        open.asked = open.asked.saturating_add(1);
        Some((open.requests.clone(), open.generation))
    }

    /// How many requests a push service takes at once, if that is news.
    pub(super) fn room(&mut self, origin: &Origin, limits: &ClientLimits) -> Option<usize> {
        let Some(Line::Open(open)) = self.lines.get_mut(origin) else { return None };
        let room = open.requests.room(limits);
        (std::mem::replace(&mut open.room, room) != room).then_some(room)
    }

    /// A request of that connection is over.
    pub(super) fn answered(&mut self, origin: &Origin, generation: u64, now: Now) {
        if let Some(Line::Open(open)) = self.lines.get_mut(origin)
            && open.generation == generation
        {
            open.asked = open.asked.saturating_sub(1);
            if open.asked == 0 {
                open.idle_since = now.mono;
                self.idle.insert((now.mono, origin.clone()));
            }
        }
    }

    /// That connection has ended.
    pub(super) fn lost(&mut self, origin: &Origin, ended: u64) {
        if let Some(Line::Open(Open { generation, .. })) = self.lines.get(origin)
            && *generation == ended
        {
            self.remove(origin);
        }
    }

    /// Closes connections that nobody has used for a while, or that are too many; says when the next is due.
    pub(super) fn close_idle(&mut self, limits: &ClientLimits, now: Now) -> Option<Mono> {
        while let Some((since, origin)) = self.idle.first() {
            let due = since.after(limits.idle);
            if due > now.mono && self.idle.len() <= limits.idle_connections {
                return Some(due);
            }
            let origin = origin.clone();
            self.remove(&origin);
        }
        None
    }

    fn remove(&mut self, origin: &Origin) -> Option<Line<R>> {
        let line = self.lines.remove(origin);
        if let Some(Line::Open(open)) = &line {
            self.idle.remove(&(open.idle_since, origin.clone()));
        }
        line
    }
}
