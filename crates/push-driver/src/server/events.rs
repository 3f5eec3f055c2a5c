//! A monitor by event stream: its effects, as pieces of a response's body. Whatever HTTP version carries them.

use std::{collections::VecDeque, rc::Rc};

use bytes::Bytes;
use futures_channel::mpsc::unbounded;
use futures_util::StreamExt as _;
use http::Response as HttpResponse;
use push_proto::{
    Mono, Refusal,
    service::{Monitor, Request, Transfer},
    store::Item,
    wire::KEEPALIVE,
};

use super::{
    connection::Caller,
    exchange::Local,
    mailbox::{Admitted, Effect, Effected, Effects},
    push::Push,
};
use crate::{Runtime, runtime::within};

/// What a request for an event stream comes to.
pub(super) enum Begun<R> {
    /// The monitor is open.
    Stream(EventStream<R>),
    /// It has ended before it began: its target does not exist, or nothing is stored for `Prefer: wait=0`.
    Response(HttpResponse<Bytes>),
}

/// An open monitor. Dropped before its end, the service is told that its peer has gone.
pub(super) struct EventStream<R> {
    local: Rc<Local<R>>,
    caller: Rc<Caller>,
    admitted: Admitted,
    /// Bounded as [`Effects::Monitor`] says.
    effected: Effected,
    /// Pushes that the service has handed out and may still take back; bounded by the credit.
    waiting: VecDeque<(Push, Item)>,
    /// The last event.
    end: Option<Bytes>,
    ended: bool,
}

/// A piece of the body: whole events, or a sign of life.
pub(super) struct Piece {
    pub(super) octets: Bytes,
    /// To be reported when the octets were written to the transport.
    pub(super) push: Option<Push>,
}

impl<R: Runtime> EventStream<R> {
    /// Asks for a monitor, and waits until it is open or is not to be.
    pub(super) async fn open(local: Rc<Local<R>>, caller: Rc<Caller>, monitor: Monitor) -> Begun<R> {
        let (effects, effected) = unbounded();
        let admitted = match local.submit(Request::Monitor(monitor), Effects::Monitor(effects)) {
            Ok(admitted) => admitted,
            Err(refusal) => return Begun::Response(local.refuse(&refusal)),
        };
        let waiting = VecDeque::new();
        let mut stream = Self { local, caller, admitted, effected, waiting, end: None, ended: false };
        loop {
            match stream.effected.next().await {
                Some((_, Effect::Opened)) => return Begun::Stream(stream),
                Some((_, Effect::Respond(response))) if stream.waiting.is_empty() => {
                    stream.admitted.answered();
                    let now = stream.local.runtime.now().wall;
                    return Begun::Response(stream.local.door.respond(&response, now));
                }
                Some((_, effect)) => {
                    stream.effect(effect);
                    if !stream.waiting.is_empty() {
                        return Begun::Stream(stream);
                    }
                }
                None => {
                    let draining = Refusal::DRAINING.retry_in(stream.local.limits.retry_after);
                    return Begun::Response(stream.local.refuse(&draining));
                }
            }
        }
    }

    /// The next piece, as soon as there is one; none at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        loop {
            // All that is there, since a push may be taken back right behind it.
            while let Ok((_, effect)) = self.effected.try_recv() {
                self.effect(effect);
            }
            if let Some((push, item)) = self.waiting.pop_front() {
                if push.is_late(self.local.runtime.now().wall) {
                    push.report(Transfer::Reset);
                    continue;
                }
                return Some(Piece { octets: self.local.door.event(&item), push: Some(push) });
            }
            if let Some(octets) = self.end.take() {
                self.ended = true;
                return Some(Piece { octets, push: None });
            }
            if self.ended {
                return None;
            }
            let (runtime, limits) = (self.local.runtime.clone(), self.local.limits);
            match within(&runtime, limits.stream_keepalive, self.effected.next()).await {
                Some(Some((_, effect))) => self.effect(effect),
                // The shard ended at the deadline of its drain.
                Some(None) => self.ended = true,
                None => return Some(Piece { octets: Bytes::from_static(KEEPALIVE), push: None }),
            }
        }
    }

    /// The time, on its connection's clock.
    pub(super) fn now(&self) -> Mono {
        self.local.runtime.now().mono
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Opened => {}
            Effect::Push(delivery, item) => {
                let (exchange, mailbox) = (self.admitted.exchange, self.admitted.mailbox.clone());
                let push = Push::new(exchange, delivery, mailbox, &item, self.caller.account());
                self.waiting.push_back((push, item));
            }
            // What was begun is written whole: an event cannot be taken back.
            Effect::Retract(delivery) => {
                if let Some(at) = self.waiting.iter().position(|(push, _)| push.delivery == delivery)
                    && let Some((push, _)) = self.waiting.remove(at)
                {
                    push.report(Transfer::Reset);
                }
            }
            Effect::Respond(response) => {
                self.admitted.answered();
                self.end = Some(self.local.door.last_event(&response));
            }
        }
    }
}
