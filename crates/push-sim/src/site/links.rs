//! Connections, in their three legs.

use std::collections::{BTreeMap, VecDeque};

use push_proto::{
    Refusal,
    service::{Delivery, Exchange, Request, Response},
    store::Item,
    user_agent::RequestId,
};

use super::sockets::{Socket, Written};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Agent(usize),
    Sender(usize),
    /// Whoever else has got hold of an id.
    Stranger,
}

/// Names one connection; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// What the service's end has still to write, or of a WebSocket to give to the session.
pub(crate) enum Frame {
    Answer(Exchange, RequestId, Response),
    Push(Exchange, RequestId, Delivery, Item),
    /// Of a WebSocket only.
    Opened(Exchange),
    /// Of a WebSocket only: elsewhere it takes the push away.
    Retract(Exchange, Delivery),
}

/// What reaches a client.
pub(crate) enum Arrival {
    Answer(RequestId, Response),
    Push(RequestId, Item),
    Socket(Written),
}

/// One connection.
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) node: usize,
    /// The shard whose thread has it.
    pub(crate) home: usize,
    /// It takes no pushes, but for requests that asked for an event stream.
    pub(crate) pushless: bool,
    /// Its client will reset the next push.
    pub(crate) resets: bool,
    pub(crate) streams: Vec<RequestId>,
    pub(crate) requests: VecDeque<(RequestId, Result<Request, Refusal>)>,
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) wire: VecDeque<Arrival>,
    /// Of a WebSocket, as long as the service's end is there.
    pub(crate) socket: Option<Box<Socket>>,
    /// The client has gone; the service still has it.
    pub(crate) left: bool,
    /// The service's end has gone; what was written may still arrive.
    pub(crate) broken: bool,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Links {
    all: BTreeMap<LinkId, Link>,
    made: u64,
}

impl Links {
    pub(crate) fn open(
        &mut self,
        peer: Peer,
        (node, home): (usize, usize),
        pushless: bool,
        socket: Option<Box<Socket>>,
    ) -> LinkId {
        self.made += 1;
        let id = LinkId(self.made);
        let link = Link {
            peer,
            node,
            home,
            pushless,
            resets: false,
            streams: Vec::new(),
            requests: VecDeque::new(),
            frames: VecDeque::new(),
            wire: VecDeque::new(),
            socket,
            left: false,
            broken: false,
        };
        self.all.insert(id, link);
        id
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.all.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.all.remove(&id)
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn those(&self, which: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        self.all.iter().filter(|(_, link)| which(link)).map(|(id, _)| *id).collect()
    }
}
