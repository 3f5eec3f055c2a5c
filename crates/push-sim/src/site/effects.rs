//! What a service wants done, judged before it is.

use std::mem;

use push_proto::{
    MessageId, Now,
    service::{Delivery, Exchange, Input, Output, Response, Transfer},
    store::Item,
};

use super::{Asked, CREDIT, Frame, Letter, Site};
use crate::broken::Guarantee;

/// More outputs than any input can cause.
const RESTLESS: usize = 10_000;

impl Site {
    /// Carries out what a shard wants until it waits. Whether it lived to do so.
    pub(super) fn drain(&mut self, index: usize, now: Now) -> bool {
        for _ in 0..RESTLESS {
            if self.burn(index) {
                return false;
            }
            let output = self.shards[index].service.poll(now);
            self.trace.note(now, format_args!("shard {index} ->"), &output);
            match output {
                Output::Store(command) => self.vault.submit(self.shards[index].channel, command),
                Output::Respond(exchange, response) => self.respond(index, exchange, response),
                Output::Opened(exchange) => self.opened(exchange),
                Output::Push(exchange, delivery, item) => self.push(index, exchange, delivery, item),
                Output::Retract(exchange, delivery) => self.retract(exchange, delivery),
                Output::Retire(exchange) => {
                    let known = self.open.remove(&exchange).is_some();
                    self.require(known, Guarantee::Protocol, || "an exchange is retired twice".to_owned());
                }
                Output::Wait(deadline, reason) => {
                    let rests = deadline.is_none_or(|at| at > now.mono);
                    self.require(rests, Guarantee::G5, || {
                        format!("the service is in a busy loop: {reason:?}")
                    });
                    self.shards[index].deadline = deadline;
                    return true;
                }
            }
        }
        self.require(false, Guarantee::G5, || "the service does not come to rest".to_owned());
        true
    }

    fn respond(&mut self, index: usize, exchange: Exchange, response: Response) {
        let Some(open) = self.open.get_mut(&exchange) else {
            return self
                .require(false, Guarantee::Protocol, || "somebody is answered who does not ask".to_owned());
        };
        let once = !mem::replace(&mut open.answered, true);
        let (link, request, asked) = (open.link, open.request, open.asked);
        self.require(once, Guarantee::Protocol, || "a request has two answers".to_owned());
        if let (Asked::Send(job), Response::Accepted(accepted)) = (asked, &response)
            && accepted.ttl.as_secs() > 0
        {
            let stored = self.truth.facts.get(&accepted.handle.id).map(|fact| fact.job);
            self.require(stored == Some(job), Guarantee::G1, || {
                format!("job {job} is accepted, and what is durable is {stored:?}")
            });
        }
        let promises = matches!(response, Response::Accepted(_) | Response::Subscribed(_));
        let down = self.shards[index].store_down;
        self.require(!promises || !down, Guarantee::G7, || "promised while the store is down".to_owned());
        if let Some(link) = self.links.get_mut(link) {
            link.frames.push_back(Frame::Answer(exchange, request, response));
        }
    }

    fn push(&mut self, index: usize, exchange: Exchange, delivery: Delivery, item: Item) {
        let Some(open) = self.open.get(&exchange) else {
            return self.require(false, Guarantee::Protocol, || "a push to nobody".to_owned());
        };
        let Asked::Monitor(target) = open.asked else {
            return self.require(false, Guarantee::Protocol, || "a push to no monitor".to_owned());
        };
        let (link, request, since, answered) = (open.link, open.request, open.since, open.answered);
        self.require(!answered, Guarantee::Protocol, || "a push after the answer (9113-8.4-4)".to_owned());
        self.truth.check_target(&item, target);
        match &item {
            Item::Message(message) => {
                let wall = self.shards[index].wall;
                self.truth.check_push(message, index, wall);
                if message.is_transient() {
                    self.truth.check_transient(message.handle.id, exchange, index, since);
                }
            }
            Item::Receipt(receipt) => self.truth.check_receipt(receipt),
        }
        let Some(link) = self.links.get_mut(link) else { return };
        link.frames.push_back(Frame::Push(exchange, request, delivery, item));
        let waiting =
            link.frames.iter().filter(|frame| matches!(frame, Frame::Push(of, ..) if *of == exchange));
        let held = link.socket.as_ref().map_or(0, |socket| socket.holds(exchange));
        let fits = waiting.count() + held <= CREDIT as usize;
        self.require(fits, Guarantee::G5, || "more pushes than the connection can take".to_owned());
    }

    /// Only a session wants to know.
    fn opened(&mut self, exchange: Exchange) {
        let Some(link) = self.open.get(&exchange).map(|open| open.link) else { return };
        if let Some(link) = self.links.get_mut(link).filter(|link| link.socket.is_some()) {
            link.frames.push_back(Frame::Opened(exchange));
        }
    }

    /// What waits is dropped; what was written is on its way, and its shard will hear of it.
    fn retract(&mut self, exchange: Exchange, delivery: Delivery) {
        let Some((link, shard)) = self.open.get(&exchange).map(|open| (open.link, open.shard)) else {
            return;
        };
        let Some(link) = self.links.get_mut(link) else { return };
        if link.socket.is_some() {
            return link.frames.push_back(Frame::Retract(exchange, delivery));
        }
        let before = link.frames.len();
        link.frames.retain(
            |frame| !matches!(frame, Frame::Push(of, _, number, _) if (*of, *number) == (exchange, delivery)),
        );
        if link.frames.len() < before {
            let reset = Input::Pushed(exchange, delivery, Transfer::Reset);
            self.shards[shard].mailbox.push_back(Letter::Reply(reset));
        }
    }

    /// G2: what a shard knows to have ended waits in no connection any more.
    pub(super) fn check_taken_back(&mut self, index: usize, ended: &[MessageId]) {
        let mut waits = None;
        for id in self.links.ids() {
            let Some(link) = self.links.get(id) else { continue };
            if let Some(socket) = &link.socket {
                let ours = |exchange| self.open.get(&exchange).is_some_and(|open| open.shard == index);
                waits = waits.or(socket.keeps(&link.frames, ended, ours));
                continue;
            }
            for frame in &link.frames {
                if let Frame::Push(exchange, _, _, Item::Message(message)) = frame {
                    let ours = self.open.get(exchange).is_some_and(|open| open.shard == index);
                    let gone = ended.contains(&message.handle.id) && !message.is_transient();
                    waits = waits.or((ours && gone).then_some(message.handle.id));
                }
            }
        }
        self.require(waits.is_none(), Guarantee::G2, || {
            format!("{waits:?} has ended, and is not taken back")
        });
    }
}
