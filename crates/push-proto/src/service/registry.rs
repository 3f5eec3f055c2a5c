//! What peers ask of the store beside sending: subscribe, acknowledge, read, unsubscribe; and the operator: give up.

use alloc::vec;

use super::{
    Exchange, Response, Service, Set, Subscribe, Subscribed, Target,
    turn::{Asked, Pending},
};
use crate::{
    AgentId, Handle, Now, Refusal, SubscriptionId,
    store::{
        AgentKind, AgentRecord, Cause, Command, Completion, Done, Item, Load, Operation, Page, Position,
        SubscriptionRecord, Unmet,
    },
};

impl Service {
    /// RFC 8030 §4: every subscription belongs to an agent, which is its set.
    pub(super) fn subscribe(&mut self, exchange: Exchange, subscribe: Subscribe, now: Now) {
        let Subscribe { set, id, restricted_to } = subscribe;
        let agent = set
            .agent()
            .unwrap_or_else(|| AgentId::on_shard(self.entropy.id(), self.config.shard, self.config.shards));
        let subscription = id.unwrap_or_else(|| SubscriptionId::from_octets(self.entropy.id()));
        let record = SubscriptionRecord { created: now.wall, restricted_to };
        let create = Operation::CreateSubscription(agent, subscription, record.clone());
        let set_sealed_by = if let Set::Joined(set) = set { Some(set.sealed_by) } else { None };
        let subscribed = Subscribed { agent, subscription, set_sealed_by };
        let make =
            Operation::CreateAgent(agent, AgentRecord { kind: AgentKind::UserAgent, created: now.wall });
        let (asked, batch) = match set {
            Set::New => (Asked::Subscribe(subscribed, record), vec![make, create]),
            Set::Drawn(_) => (Asked::Draw(subscribed, record), vec![make, create]),
            Set::Joined(_) => (Asked::Subscribe(subscribed, record), vec![create]),
        };
        self.effects.ask(Pending::Asked(exchange, asked), |ticket| Command::Apply(ticket, batch));
    }

    /// The set of its drawn id is there: an earlier attempt made it, though nobody was told.
    fn join_drawn(&mut self, exchange: Exchange, subscribed: Subscribed, record: SubscriptionRecord) {
        let create = Operation::CreateSubscription(subscribed.agent, subscribed.subscription, record.clone());
        self.effects.apply(Pending::Asked(exchange, Asked::Subscribe(subscribed, record)), create);
    }

    /// RFC 8030 §6.2.
    pub(super) fn acknowledge(&mut self, exchange: Exchange, handle: Handle, now: Now) {
        let (watched, mut turn) = self.turn(now);
        if watched.acknowledge_transient(&handle, &mut turn) {
            self.effects.totals.acknowledged += 1;
            return self.effects.respond(exchange, Response::Done);
        }
        let pending = Pending::Asked(exchange, Asked::Acknowledge(handle));
        self.effects.apply(pending, Operation::End(handle, Cause::Acknowledged));
    }

    /// RFC 8030 §6.2, §7.2: the sender who asked for a receipt gets 410 (`8030-6.2-6`, `8030-7.2-8`).
    pub(super) fn give_up(&mut self, exchange: Exchange, handle: Handle, now: Now) {
        let (watched, mut turn) = self.turn(now);
        if watched.acknowledge_transient(&handle, &mut turn) {
            self.effects.totals.dropped += 1;
            return self.effects.respond(exchange, Response::Done);
        }
        let pending = Pending::Asked(exchange, Asked::Drop(handle));
        self.effects.apply(pending, Operation::End(handle, Cause::Dropped));
    }

    ///
    pub(super) fn read(&mut self, exchange: Exchange, handle: Handle) {
        self.effects.ask(Pending::Asked(exchange, Asked::Read), |ticket| Command::Read(ticket, handle));
    }

    /// RFC 8030 §7.3.
    pub(super) fn unsubscribe(&mut self, exchange: Exchange, target: Target) {
        let pending = Pending::Asked(exchange, Asked::Unsubscribe(target));
        self.watched.closing(target.agent(), target.member());
        self.effects.apply(pending, Operation::Close(target.agent(), target.member()));
    }

    /// The store has answered one of these.
    pub(super) fn registered(&mut self, exchange: Exchange, asked: Asked, completion: Completion, now: Now) {
        if let Asked::Unsubscribe(target) = &asked {
            self.watched.settled(target.agent(), target.member());
        }
        if let Completion::Read(_, item) = completion {
            return self.found(exchange, item, now);
        }
        if let (Asked::Confirm(subscribed, record), Completion::Loaded(_, page)) = (&asked, &completion) {
            return self.confirmed(exchange, *subscribed, record, page.as_deref());
        }
        let result = if let Completion::Applied(_, mut results) = completion { results.pop() } else { None };
        match (asked, result) {
            (Asked::Draw(subscribed, record), Some(Err(Unmet::Exists))) => {
                self.join_drawn(exchange, subscribed, record);
            }
            (
                Asked::Subscribe(subscribed, record) | Asked::Draw(subscribed, record),
                Some(Ok(Done::Created)),
            ) => {
                self.effects.totals.subscribed += 1;
                self.watched.subscribed(subscribed.agent, subscribed.subscription, &record);
                self.effects.respond(exchange, Response::Subscribed(subscribed));
            }
            (Asked::Subscribe(subscribed, record), Some(Err(Unmet::Exists))) => {
                let load = Load { agent: subscribed.agent, after: Position::START, limit: 1 };
                let pending = Pending::Asked(exchange, Asked::Confirm(subscribed, record));
                self.effects.ask(pending, |ticket| Command::Load(ticket, load));
            }
            (Asked::Subscribe(..) | Asked::Draw(..), Some(Err(Unmet::NoAgent))) => {
                self.effects.refuse(exchange, Refusal::SET_INVALID);
            }
            (Asked::Subscribe(..) | Asked::Draw(..), Some(Err(Unmet::Full))) => {
                self.effects.refuse(exchange, Refusal::SET_FULL)
            }
            (Asked::Subscribe(..) | Asked::Draw(..), Some(Err(Unmet::Crowded))) => {
                self.effects.refuse(exchange, Refusal::CROWDED.retry_in(self.config.limits.retry_after));
            }
            (asked @ (Asked::Acknowledge(handle) | Asked::Drop(handle)), Some(Ok(Done::Ended))) => {
                let totals = &mut self.effects.totals;
                let acknowledged = matches!(asked, Asked::Acknowledge(_));
                *if acknowledged { &mut totals.acknowledged } else { &mut totals.dropped } += 1;
                let (watched, mut turn) = self.turn(now);
                watched.ended(&handle, &mut turn);
                self.effects.respond(exchange, Response::Done);
            }
            (Asked::Unsubscribe(target), Some(Ok(Done::Closed))) => self.closed(exchange, target, now),
            (Asked::Acknowledge(_) | Asked::Drop(_) | Asked::Unsubscribe(_), Some(Err(_))) => {
                self.effects.refuse(exchange, Refusal::NOT_FOUND);
            }
            _unanswered => self.store_failed(exchange),
        }
    }

    /// What a user agent asks for once more is the same if its record is.
    fn confirmed(
        &mut self,
        exchange: Exchange,
        subscribed: Subscribed,
        record: &SubscriptionRecord,
        page: Result<&Page, &Unmet>,
    ) {
        let known =
            |page: &Page| page.subscriptions.iter().find(|(id, _)| *id == subscribed.subscription).cloned();
        match page.map(known) {
            Ok(Some((_, known))) if known.restricted_to == record.restricted_to => {
                self.effects.respond(exchange, Response::Subscribed(subscribed));
            }
            Ok(_) => self.effects.refuse(exchange, Refusal::SUBSCRIPTION_DIFFERS),
            Err(_) => self.effects.refuse(exchange, Refusal::SET_INVALID),
        }
    }

    /// A request whose outcome nobody knows (G7).
    pub(super) fn store_failed(&mut self, exchange: Exchange) {
        let refusal = Refusal::STORE_UNAVAILABLE.retry_in(self.config.limits.retry_after);
        self.effects.refuse(exchange, refusal);
    }

    fn found(&mut self, exchange: Exchange, item: Option<Item>, now: Now) {
        match item {
            Some(Item::Message(message)) if message.expires > now.wall => {
                self.effects.respond(exchange, Response::Message(message));
            }
            Some(Item::Message(_) | Item::Receipt(_)) | None => {
                self.effects.refuse(exchange, Refusal::NOT_FOUND);
            }
        }
    }

    /// From here on nothing is accepted or pushed; the sweeper ends what is left.
    fn closed(&mut self, exchange: Exchange, target: Target, now: Now) {
        self.effects.totals.unsubscribed += 1;
        self.sweeper.hurry();
        let (watched, mut turn) = self.turn(now);
        watched.closed(target.agent(), target.member(), &mut turn);
        self.effects.respond(exchange, Response::Done);
    }
}
