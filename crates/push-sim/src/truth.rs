//! What is durable, learned from the store itself, and what the guarantees make of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use push_proto::{
    AgentId, Content, Handle, Message, MessageId, Outcome, Receipt, Topic, Ttl, UnixTime, Urgency,
    service::{Exchange, Target},
    store::{Cause, Done, Item, Operation, Unmet},
};

use crate::broken::{Guarantee, Judge};

/// How a message ended (G2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Caused(Cause),
    Replaced,
}

/// A message that was accepted to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) message: Arc<Message>,
    pub(crate) job: u64,
    pub(crate) end: Option<End>,
    /// The shards that have heard of the end.
    pub(crate) told: Shards,
    /// The outcome that was pushed to a receipt subscription, and whether it was written there.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) receipt_written: bool,
}

/// A set of shards, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shards(u32);

impl Shards {
    const fn add(&mut self, shard: usize) {
        self.0 |= 1 << (shard % 32);
    }

    const fn has(self, shard: usize) -> bool {
        self.0 >> (shard % 32) & 1 == 1
    }
}

/// What an application wanted sent.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) sender: usize,
    pub(crate) agent: usize,
    pub(crate) to: String,
    pub(crate) restricted: bool,
    pub(crate) ttl: Ttl,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<Topic>,
    pub(crate) receipt: bool,
    pub(crate) content: Content,
}

/// The oracle of G1 to G4.
#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) judge: Judge,
    pub(crate) facts: BTreeMap<MessageId, Fact>,
    pub(crate) wanted: BTreeMap<u64, Wanted>,
    /// Agents that were closed as a whole.
    pub(crate) closed: BTreeSet<AgentId>,
    /// Transient messages: where they were pushed, and when each shard knew that they are welcome.
    passed: BTreeSet<(MessageId, Exchange)>,
    welcome: BTreeMap<(MessageId, usize), u64>,
}

impl Truth {
    pub(crate) fn require(&mut self, holds: bool, guarantee: Guarantee, what: impl FnOnce() -> String) {
        self.judge.require(holds, guarantee, what);
    }

    /// What a batch did is durable. Gives the messages that a service learns of with it: those that ended, and those that
    /// are transient and welcome.
    pub(crate) fn durable(
        &mut self,
        operations: &[Operation],
        results: &[Result<Done, Unmet>],
    ) -> Vec<MessageId> {
        let mut learned = Vec::new();
        for (operation, result) in operations.iter().zip(results) {
            match (operation, result) {
                (Operation::Put(put), Ok(Done::Put(placed))) => {
                    if let Some(replaced) = placed.replaced {
                        self.end(replaced, End::Replaced, &mut learned);
                    }
                    for dropped in &placed.dropped {
                        self.end(dropped.id, End::Caused(Cause::Dropped), &mut learned);
                    }
                    if put.message.is_transient() {
                        learned.push(put.message.handle.id);
                    } else {
                        self.accepted(&put.message);
                    }
                }
                (Operation::End(handle, cause), Ok(Done::Ended)) => {
                    // A receipt has the id of its message, and another agent.
                    let known = self.facts.get(&handle.id).is_some_and(|fact| fact.message.handle == *handle);
                    if known {
                        self.end(handle.id, End::Caused(*cause), &mut learned);
                    }
                }
                (Operation::Close(agent, member), Ok(Done::Closed)) => {
                    self.closed.extend(member.is_none().then_some(*agent));
                    let gone = |handle: &Handle| {
                        handle.agent == *agent && member.is_none_or(|member| member == handle.subscription)
                    };
                    self.end_all(|fact| gone(&fact.message.handle), Cause::SubscriptionGone, &mut learned);
                }
                _ => {}
            }
        }
        learned
    }

    /// A sweep of all that was due at `now` is durable.
    pub(crate) fn swept(&mut self, now: UnixTime) {
        self.end_all(|fact| fact.message.expires <= now, Cause::Expired, &mut Vec::new());
    }

    fn accepted(&mut self, message: &Arc<Message>) {
        let job = job_of(&message.content);
        let Some(wanted) = self.wanted.get(&job) else {
            return self
                .require(false, Guarantee::Protocol, || format!("job {job} is stored, and nobody sent it"));
        };
        let same = message.content == wanted.content && message.urgency == wanted.urgency;
        let receipt = message.receipt.is_some() == wanted.receipt;
        let admitted = !wanted.restricted || wanted.sender == 0;
        self.require(same, Guarantee::G2, || format!("job {job} is not stored as it was sent"));
        self.require(receipt, Guarantee::G4, || {
            format!("job {job} is owed another receipt than it asked for")
        });
        self.require(admitted, Guarantee::Protocol, || format!("job {job} is from the wrong sender"));
        let fact = Fact {
            message: Arc::clone(message),
            job,
            end: None,
            told: Shards::default(),
            outcome: None,
            receipt_written: false,
        };
        let before = self.facts.insert(message.handle.id, fact);
        self.require(before.is_none(), Guarantee::G6, || format!("the id of job {job} was used before"));
    }

    fn end(&mut self, id: MessageId, end: End, ended: &mut Vec<MessageId>) {
        let before = self.facts.get(&id).map(|fact| (fact.job, fact.end));
        // What is of a closed subscription is there until it is swept, and may be given up before: 410 either way.
        let closed = matches!(before, Some((_, Some(End::Caused(Cause::SubscriptionGone)))));
        if closed && end == End::Caused(Cause::Dropped) {
            return;
        }
        if let Some(fact) = self.facts.get_mut(&id) {
            fact.end = Some(end);
        }
        let once = matches!(before, Some((_, None)));
        self.require(once, Guarantee::G2, || format!("{id:?} ends as {end:?}; before that {before:?}"));
        ended.push(id);
    }

    fn end_all(&mut self, which: impl Fn(&Fact) -> bool, cause: Cause, ended: &mut Vec<MessageId>) {
        for (id, fact) in self.facts.iter_mut().filter(|(_, fact)| fact.end.is_none() && which(fact)) {
            fact.end = Some(End::Caused(cause));
            ended.push(*id);
        }
    }

    /// A shard has heard of these.
    pub(crate) fn told(&mut self, ids: &[MessageId], shard: usize, clock: u64) {
        for id in ids {
            match self.facts.get_mut(id) {
                Some(fact) => fact.told.add(shard),
                None => {
                    self.welcome.entry((*id, shard)).or_insert(clock);
                }
            }
        }
    }

    /// A shard that is made anew asks the store for everything, so it knows all that is durable.
    pub(crate) fn restarted(&mut self, shard: usize) {
        for fact in self.facts.values_mut().filter(|fact| fact.end.is_some()) {
            fact.told.add(shard);
        }
        self.welcome.retain(|(_, of), _| *of != shard);
    }

    /// Whether a message has ended, and this shard knows.
    pub(crate) fn is_over(&self, id: &MessageId, shard: usize) -> bool {
        self.facts.get(id).is_some_and(|fact| fact.end.is_some() && fact.told.has(shard))
    }

    /// A message is handed to a connection by a shard, or written to it.
    pub(crate) fn check_push(&mut self, message: &Message, shard: usize, wall: UnixTime) {
        let job = job_of(&message.content);
        let same = self.wanted.get(&job).is_some_and(|wanted| message.content == wanted.content);
        let over = self.is_over(&message.handle.id, shard);
        let late = !message.is_transient() && wall >= message.expires;
        self.require(same, Guarantee::G2, || format!("job {job} is not pushed as it was sent"));
        self.require(!over, Guarantee::G2, || format!("job {job} is pushed after its end"));
        self.require(!late, Guarantee::G2, || format!("job {job} is pushed after its expiry"));
    }

    /// A message or receipt may be pushed to a monitor of this target only (G2, G4).
    pub(crate) fn check_target(&mut self, item: &Item, target: Target) {
        let ours = item.handle().agent == target.agent();
        let right = match item {
            Item::Message(message) => {
                let member = target.member().is_none_or(|member| member == message.handle.subscription);
                member && !matches!(target, Target::Receipts(_))
            }
            Item::Receipt(receipt) => target == Target::Receipts(receipt.agent),
        };
        self.require(ours && right, Guarantee::G2, || format!("{:?} is pushed to {target:?}", item.handle()));
    }

    /// G3: only to a monitor that was there when the message was taken, and once.
    pub(crate) fn check_transient(&mut self, id: MessageId, exchange: Exchange, shard: usize, since: u64) {
        let again = !self.passed.insert((id, exchange));
        let known = self.welcome.get(&(id, shard)).copied().unwrap_or(u64::MAX);
        self.require(!again, Guarantee::G3, || format!("{id:?} is pushed twice to one monitor"));
        self.require(since <= known, Guarantee::G3, || {
            format!("{id:?} is pushed to a monitor that came later")
        });
    }

    /// A receipt is handed to a connection.
    pub(crate) fn check_receipt(&mut self, receipt: &Receipt) {
        let Some(fact) = self.facts.get_mut(&receipt.message.id) else {
            return self.require(false, Guarantee::G4, || "a receipt of no message".to_owned());
        };
        let (job, end, before) = (fact.job, fact.end, fact.outcome.replace(receipt.outcome));
        let promised = fact.message.receipt == Some(receipt.agent);
        let right = match end {
            Some(End::Caused(cause)) => cause.outcome() == receipt.outcome,
            Some(End::Replaced) | None => false,
        };
        let one = before.is_none_or(|before| before == receipt.outcome);
        self.require(promised, Guarantee::G4, || format!("the receipt of job {job} is told to another"));
        self.require(right, Guarantee::G4, || {
            format!("job {job}, {end:?}, has the receipt {:?}", receipt.outcome)
        });
        self.require(one, Guarantee::G4, || format!("job {job} has two outcomes"));
    }

    pub(crate) fn receipt_written(&mut self, receipt: &Receipt) {
        if let Some(fact) = self.facts.get_mut(&receipt.message.id) {
            fact.receipt_written = true;
        }
    }

    /// What is accepted and has not ended.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values().filter(|fact| fact.end.is_none())
    }
}

/// The job that a body says it is of; 0 is none.
pub(crate) fn job_of(content: &Content) -> u64 {
    let octets = content.body.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(octets)
}
