//! How long an HTTP/1.1 connection may take: for its next head, and to read what it asked for.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use push_proto::{Mono, service::Transfer};

use crate::{
    Limits, Runtime,
    runtime::sleep_until,
    server::{memory::Unread, push::Push, websocket::Knock},
};

/// The times of one connection.
#[derive(Default)]
pub(super) struct Patience {
    busy: Cell<bool>,
    /// When it became idle.
    since: Cell<Mono>,
    /// Since when something of an event stream waits for the peer to read on.
    unwritten_since: Cell<Option<Mono>>,
    /// To be reported when everything that hyper has is written.
    unwritten: RefCell<Vec<Push>>,
    /// Response bodies that hyper has.
    responses: RefCell<Vec<Unread>>,
    /// It becomes a WebSocket.
    upgraded: RefCell<Option<Knock>>,
}

impl Patience {
    pub(super) fn new(now: Mono) -> Self {
        Self { since: Cell::new(now), ..Self::default() }
    }

    /// A request has come, and is not answered yet.
    pub(super) fn busy(self: &Rc<Self>) -> Busy {
        self.busy.set(true);
        Busy(Rc::clone(self))
    }

    /// hyper has a piece of an event stream.
    pub(super) fn handed(&self, push: Option<Push>, now: Mono) {
        self.unwritten_since.set(self.unwritten_since.get().or(Some(now)));
        self.unwritten.borrow_mut().extend(push);
    }

    /// hyper has a response's body.
    pub(super) fn hold(&self, unread: Unread) {
        self.responses.borrow_mut().push(unread);
    }

    /// The next response ends HTTP on this connection.
    pub(super) fn upgrade(&self, to: Knock) {
        *self.upgraded.borrow_mut() = Some(to);
    }

    /// Whether it has.
    pub(super) fn upgraded(&self) -> Option<Knock> {
        self.upgraded.take()
    }

    /// Everything that hyper had was written to the transport.
    pub(super) fn flushed(&self) {
        self.unwritten_since.set(None);
        self.responses.borrow_mut().clear();
        for push in self.unwritten.take() {
            push.report(Transfer::Written);
        }
    }

    /// Comes back when the connection has used it up: for a head, or because its peer does not read.
    pub(super) async fn end<R: Runtime>(&self, runtime: &R, limits: &Limits) {
        loop {
            let now = runtime.now().mono;
            let end = match self.unwritten_since.get() {
                Some(since) => since.after(limits.stream_stall),
                None if self.busy.get() => now.after(limits.head.min(limits.stream_stall)),
                None => self.since.get().after(limits.head),
            };
            if end <= now {
                return;
            }
            sleep_until(runtime.clone(), end).await;
        }
    }
}

/// A request that is being answered.
pub(super) struct Busy(Rc<Patience>);

impl Busy {
    /// Its response is handed over: the connection may take its time for the next from now on.
    pub(super) fn done(self, now: Mono) {
        self.0.busy.set(false);
        self.0.since.set(now);
    }

    /// See [`Patience::handed`].
    pub(super) fn handed(&self, push: Option<Push>, now: Mono) {
        self.0.handed(push, now);
    }
}
