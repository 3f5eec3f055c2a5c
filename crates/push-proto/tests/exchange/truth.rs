//! What is durable, learned from the store itself, and what the guarantees make of it.

use std::{collections::BTreeMap, sync::Arc};

use push_proto::{
    Content, Handle, Message, MessageId, Outcome, Receipt, Topic, Ttl, UnixTime, Urgency,
    store::{Cause, Done, Operation, Unmet},
};

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
    /// Whether the service has heard of the end.
    pub(crate) told: bool,
    /// Outcomes pushed to a receipt subscription, and written there.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) receipt_written: bool,
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

#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) facts: BTreeMap<MessageId, Fact>,
    pub(crate) wanted: BTreeMap<u64, Wanted>,
}

impl Truth {
    /// What a batch did is durable. Gives the messages that it ended.
    pub(crate) fn durable(
        &mut self,
        operations: &[Operation],
        results: &[Result<Done, Unmet>],
    ) -> Vec<MessageId> {
        let mut ended = Vec::new();
        for (operation, result) in operations.iter().zip(results) {
            match (operation, result) {
                (Operation::Put(put), Ok(Done::Put(placed))) => {
                    if let Some(replaced) = placed.replaced {
                        self.end(replaced, End::Replaced, &mut ended);
                    }
                    for dropped in &placed.dropped {
                        self.end(dropped.id, End::Caused(Cause::Dropped), &mut ended);
                    }
                    if !put.message.is_transient() {
                        self.accepted(&put.message);
                    }
                }
                (Operation::End(handle, cause), Ok(Done::Ended)) => {
                    // A receipt has the id of its message, and another agent.
                    let known = self.facts.get(&handle.id).is_some_and(|fact| fact.message.handle == *handle);
                    if known {
                        self.end(handle.id, End::Caused(*cause), &mut ended);
                    }
                }
                (Operation::Close(agent, member), Ok(Done::Closed)) => {
                    let gone = |handle: &Handle| {
                        handle.agent == *agent && member.is_none_or(|member| member == handle.subscription)
                    };
                    self.end_all(|fact| gone(&fact.message.handle), Cause::SubscriptionGone, &mut ended);
                }
                _ => {}
            }
        }
        ended
    }

    /// A sweep of all that was due at `now` is durable.
    pub(crate) fn swept(&mut self, now: UnixTime) {
        self.end_all(|fact| fact.message.expires <= now, Cause::Expired, &mut Vec::new());
    }

    fn accepted(&mut self, message: &Arc<Message>) {
        let job = job_of(&message.content);
        let wanted = &self.wanted[&job];
        assert_eq!(message.content, wanted.content, "G2: what is kept is what was sent");
        assert_eq!(message.urgency, wanted.urgency, "the urgency is what was sent");
        assert_eq!(message.receipt.is_some(), wanted.receipt, "8030-5.1-1: a receipt if it was asked for");
        assert!(!wanted.restricted || wanted.sender == 0, "8292-4.2-9: accepted from another sender");
        let fact = Fact {
            message: Arc::clone(message),
            job,
            end: None,
            told: false,
            outcome: None,
            receipt_written: false,
        };
        assert!(self.facts.insert(message.handle.id, fact).is_none(), "an id is never used twice");
    }

    fn end(&mut self, id: MessageId, end: End, ended: &mut Vec<MessageId>) {
        let fact = self.facts.get_mut(&id).expect("only what was accepted ends");
        assert_eq!(fact.end, None, "G2: a message ends once");
        fact.end = Some(end);
        ended.push(id);
    }

    fn end_all(&mut self, which: impl Fn(&Fact) -> bool, cause: Cause, ended: &mut Vec<MessageId>) {
        for (id, fact) in self.facts.iter_mut().filter(|(_, fact)| fact.end.is_none() && which(fact)) {
            fact.end = Some(End::Caused(cause));
            ended.push(*id);
        }
    }

    /// The service has heard that these ended.
    pub(crate) fn told(&mut self, ids: &[MessageId]) {
        for id in ids {
            if let Some(fact) = self.facts.get_mut(id) {
                fact.told = true;
            }
        }
    }

    /// A new service knows all that is durable.
    pub(crate) fn restarted(&mut self) {
        self.facts.values_mut().for_each(|fact| fact.told = fact.end.is_some());
    }

    /// A message is handed to a connection, or written to it.
    pub(crate) fn check_push(&self, message: &Message, wall: UnixTime) {
        let wanted = &self.wanted[&job_of(&message.content)];
        assert_eq!(message.content, wanted.content, "8030-5-3: what is pushed is what was sent");
        if let Some(fact) = self.facts.get(&message.handle.id) {
            assert!(fact.end.is_none() || !fact.told, "G2: pushed after its end ({:?})", fact.end);
        }
        assert!(message.is_transient() || wall < message.expires, "8030-5.2-8: pushed after its expiry");
    }

    /// A receipt is handed to a connection.
    pub(crate) fn check_receipt(&mut self, receipt: &Receipt) {
        let fact = self.facts.get_mut(&receipt.message.id).expect("a receipt is of an accepted message");
        assert_eq!(fact.message.receipt, Some(receipt.agent), "G4: told to whom it was promised");
        let right = match fact.end {
            Some(End::Caused(cause)) => Some(cause.outcome()),
            Some(End::Replaced) | None => None,
        };
        assert_eq!(Some(receipt.outcome), right, "G4: the outcome of {:?}", fact.end);
        assert!(fact.outcome.is_none_or(|told| told == receipt.outcome), "G4: one outcome");
        fact.outcome = Some(receipt.outcome);
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

/// The job that a body says it is of.
pub(crate) fn job_of(content: &Content) -> u64 {
    let text = std::str::from_utf8(&content.body).expect("jobs are text");
    text.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("job N")
}
