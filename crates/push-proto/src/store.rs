//! The store contract: what the service asks of durable state, and what it is told.
//!
//! The truth is in the store; the service holds only what is connected or in flight. Commands of one service are
//! carried out in the order in which they are given. Each with a [`Ticket`] is answered by exactly one completion with
//! that ticket; [`Completion::Hint`] and [`Completion::Availability`] come by themselves.
//!
//! What every backend guarantees:
//!
//! - **Batches.** The operations of an [`Command::Apply`] apply in order up to the first whose condition is
//!   [`Unmet`]; that one and the rest change nothing. The completion comes when all that applied is durable: it
//!   survives `kill -9` and loss of power (G1). After a crash a prefix may have survived.
//! - **One end for each message.** [`Operation::End`] succeeds only while the slot still holds the live id. The
//!   receipt it owes is durable with it, or finished later by [`Command::Load`] or [`Command::Expire`]; exactly one
//!   outcome ever (G4). A replaced message owes none (`8030-5.4-6`).
//! - **A full queue** gives up messages that matter less than the arriving one: of lower urgency, lowest first, the
//!   oldest of each first. They end as [`Cause::Dropped`] in the same batch, and [`Placed::dropped`] names them. Only
//!   where that does not make room is the put [`Unmet::Full`], and then nothing is given up.
//! - **Agents do not live for ever.** An agent is *seen* when its peer does something: a user agent when a subscription
//!   is added, its queue is loaded or one of its messages acknowledged; a receipt subscription when its queue is
//!   loaded or a put names it, and as long as a message lives that owes a receipt on it. [`Command::Expire`] closes
//!   those not seen for long, as [`Operation::Close`] would. The store notes this by itself, about once a day;
//!   time that it did not witness, because its clock leapt, is held against nobody.
//! - **Order.** [`Position`]s grow in acceptance order within an agent and are never reused.
//! - **Hints** may be lost or repeated, and concern commits by anyone but the watcher's own batches; receipts are
//!   always hinted.
//! - **Answers in order.** What happened later is said later: a page does not come behind the hint that one of its entries
//!   has ended.
//! - **Failure.** [`Completion::Failed`] means that the outcome is unknown. A commit error takes the store down
//!   until it is reopened; it says so by [`Availability`] and fails everything meanwhile (G7).

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use push_crypto::PublicKey;

use crate::{AgentId, Handle, Message, MessageId, Receipt, SubscriptionId, UnixTime};

/// Names one command until its completion; unique within the service that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Where an entry stands in its agent's acceptance order. The store's own: the world never sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before every entry.
    pub const START: Self = Self(0);
}

/// What the service asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Apply a batch; answered by [`Completion::Applied`].
    Apply(Ticket, Vec<Operation>),
    /// Records and a page of an agent's live entries; answered by [`Completion::Loaded`].
    Load(Ticket, Load),
    /// One live entry; answered by [`Completion::Read`].
    Read(Ticket, Handle),
    /// Hint at what happens to this agent from now on; answered by [`Completion::Watching`].
    Watch(Ticket, AgentId),
    /// No more hints about this agent.
    Unwatch(AgentId),
    /// A message with TTL 0, best effort to whoever else watches its agent ([`Hint::Offered`]); nothing is stored.
    Offer(Arc<Message>),
    /// Close agents that were not seen for long, end what is past its TTL at this time and finish what was closed, a
    /// bounded amount; answered by [`Completion::Expired`].
    Expire(Ticket, UnixTime),
}

/// One change of durable state, with its condition.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Unmet: [`Unmet::Exists`], [`Unmet::Crowded`].
    CreateAgent(AgentId, AgentRecord),
    /// Unmet: [`Unmet::Exists`], [`Unmet::NoAgent`] (also if the agent is closing or of another kind),
    /// [`Unmet::Full`] (too many subscriptions).
    CreateSubscription(AgentId, SubscriptionId, SubscriptionRecord),
    /// Accept a message. Unmet: [`Unmet::NoSubscription`], [`Unmet::Credentials`], [`Unmet::NoReceiptSubscription`],
    /// [`Unmet::Full`]; for its new receipt subscription [`Unmet::Exists`], [`Unmet::Crowded`].
    Put(Put),
    /// End a message or receipt, once. Unmet: [`Unmet::NotLive`].
    End(Handle, Cause),
    /// Close a subscription, or with `None` the agent and all its subscriptions: from here on it accepts nothing and
    /// is not loaded. [`Command::Expire`] then ends its messages ([`Cause::SubscriptionGone`]) and removes it.
    /// Unmet: [`Unmet::NoAgent`], [`Unmet::NoSubscription`].
    Close(AgentId, Option<SubscriptionId>),
}

/// A message on its way in, and the conditions under which it is accepted.
#[derive(Clone, Debug)]
pub struct Put {
    /// Takes its slot and replaces what lies there (`8030-5.4-1`). A transient message (TTL 0) is checked and replaces
    /// likewise, but is not stored itself (G3).
    pub message: Arc<Message>,
    /// The key that signed the request, if any; [`SubscriptionRecord::admits`] is the rule.
    pub sender: Option<PublicKey>,
    /// Whether `message.receipt` is made by this very operation, rather than having to exist already.
    pub new_receipt_subscription: bool,
}

/// Why a message or receipt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The user agent acknowledged it: the sender's receipt says 204.
    Acknowledged,
    /// Its TTL elapsed: 410.
    Expired,
    /// Given up early, by quota or operator: 410 (`8030-7.2-8`).
    Dropped,
    /// Its subscription went: 410.
    SubscriptionGone,
}

impl Cause {
    /// What the sender is told, where it asked (G4).
    #[must_use]
    pub const fn outcome(self) -> crate::Outcome {
        match self {
            Self::Acknowledged => crate::Outcome::Delivered,
            Self::Expired | Self::Dropped | Self::SubscriptionGone => crate::Outcome::Failed,
        }
    }
}

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentKind {
    /// A user agent's subscription set; its entries are messages.
    UserAgent,
    /// A receipt subscription of an application server; its entries are receipts.
    Receipts,
}

/// The record of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentRecord {
    /// What it is.
    pub kind: AgentKind,
    /// When it was made.
    pub created: UnixTime,
}

/// The record of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRecord {
    /// When it was made.
    pub created: UnixTime,
    /// The only key whose holder may send (RFC 8292 §4).
    pub restricted_to: Option<PublicKey>,
}

impl SubscriptionRecord {
    /// Whether a sender with this verified key may send (`8292-4.1-5`, `8292-4.2-2`).
    ///
    /// # Errors
    ///
    /// [`Credentials::Missing`] (401) or [`Credentials::Different`] (403).
    pub fn admits(&self, sender: Option<&PublicKey>) -> Result<(), Credentials> {
        match (&self.restricted_to, sender) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Credentials::Missing),
            (Some(wanted), Some(key)) if wanted == key => Ok(()),
            (Some(_), Some(_)) => Err(Credentials::Different),
        }
    }
}

/// What is wrong with a sender's credentials for a restricted subscription (RFC 8292 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// None were given (`8292-4.2-3`).
    Missing,
    /// They belong to another key (`8292-4.2-9`).
    Different,
}

/// A page of an agent's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whose.
    pub agent: AgentId,
    /// Only entries after this position.
    pub after: Position,
    /// At most this many entries; the store may return fewer, to bound octets, but at least one if there is one.
    pub limit: u32,
}

/// The answer to a [`Load`]: the agent, its live subscriptions, and live entries in acceptance order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The agent's record.
    pub record: AgentRecord,
    /// Its live subscriptions, in the order of their ids.
    pub subscriptions: Vec<(SubscriptionId, SubscriptionRecord)>,
    /// Live entries; those past their expiry may still be among them.
    pub entries: Vec<Entry>,
    /// Every entry up to here has been considered.
    pub through: Position,
    /// Whether there are entries after `through`.
    pub more: bool,
}

/// One live entry of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// What it is.
    pub item: Item,
}

/// What a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// In the queue of a user agent.
    Message(Arc<Message>),
    /// In the queue of a receipt subscription.
    Receipt(Receipt),
}

impl Item {
    /// What [`Operation::End`] takes to end it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        match self {
            Self::Message(message) => message.handle,
            Self::Receipt(receipt) => receipt.handle(),
        }
    }

    /// Octets of its body, which is what it takes in memory; a receipt has none.
    #[must_use]
    pub fn body_octets(&self) -> usize {
        match self {
            Self::Message(message) => message.content.body.len(),
            Self::Receipt(_) => 0,
        }
    }

    /// The first second at which it must not be delivered any more.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        match self {
            Self::Message(message) => message.expires,
            Self::Receipt(receipt) => receipt.expires,
        }
    }
}

/// What the service is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// What each operation did, up to and with the first that was unmet. All that is [`Ok`] is durable.
    Applied(Ticket, Vec<Result<Done, Unmet>>),
    /// The page, or [`Unmet::NoAgent`].
    Loaded(Ticket, Result<Box<Page>, Unmet>),
    /// The entry, if it is live.
    Read(Ticket, Option<Item>),
    /// Hints about the agent come from now on; what was committed before is for [`Command::Load`] to find.
    Watching(Ticket),
    /// Something happened to a watched agent.
    Hint(AgentId, Hint),
    /// What was due is ended; `more` if some of it is left for another [`Command::Expire`].
    Expired(Ticket, Sweep),
    /// Not carried out, or nobody knows.
    Failed(Ticket),
    /// The store went down or came back.
    Availability(Availability),
}

impl Command {
    /// By which its answer names it; none for what is not answered.
    #[must_use]
    pub const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Apply(ticket, _)
            | Self::Load(ticket, _)
            | Self::Read(ticket, _)
            | Self::Watch(ticket, _)
            | Self::Expire(ticket, _) => Some(*ticket),
            Self::Unwatch(_) | Self::Offer(_) => None,
        }
    }
}

impl Completion {
    /// The command that it answers; none for what comes by itself.
    #[must_use]
    pub const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Applied(ticket, _)
            | Self::Loaded(ticket, _)
            | Self::Read(ticket, _)
            | Self::Watching(ticket)
            | Self::Expired(ticket, _)
            | Self::Failed(ticket) => Some(*ticket),
            Self::Hint(..) | Self::Availability(_) => None,
        }
    }
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// A record was made.
    Created,
    /// A message was accepted.
    Put(Placed),
    /// A message or receipt ended.
    Ended,
    /// A subscription or agent is closing.
    Closed,
}

/// Where an accepted message went, and what had to make room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its position; none for a transient message.
    pub position: Option<Position>,
    /// The message whose slot it took.
    pub replaced: Option<MessageId>,
    /// Messages of lower urgency that were given up for it (`8030-7.2-7`).
    pub dropped: Vec<Handle>,
}

/// The condition of an operation that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The id is taken.
    Exists,
    /// No such agent, or it is closing.
    NoAgent,
    /// No such subscription, or it is closing.
    NoSubscription,
    /// The subscription is restricted to another sender.
    Credentials(Credentials),
    /// The receipt subscription does not exist, or is closing.
    NoReceiptSubscription,
    /// The message or receipt has ended already.
    NotLive,
    /// A quota of the agent is used up.
    Full,
    /// The store holds as many agents of this kind as it may.
    Crowded,
}

/// What happened to a watched agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// There are new entries to load.
    Arrived,
    /// This entry ended or was replaced.
    Ended(Handle),
    /// A subscription, or with `None` the agent, is closing.
    Closed(Option<SubscriptionId>),
    /// Records changed: load them again.
    Changed,
    /// A transient message, for whoever monitors now.
    Offered(Arc<Message>),
}

/// What one [`Command::Expire`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// How many entries and records it ended or removed.
    pub ended: u32,
    /// How many of these were messages and receipts whose TTL had elapsed.
    pub expired: u32,
    /// Whether more is due now.
    pub more: bool,
}

/// Whether the store can promise anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It carries out commands. What is watched must be loaded again.
    Up,
    /// Every command fails until it is reopened (G7).
    Down,
}
