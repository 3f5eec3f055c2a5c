//! What goes into the push service, and what comes out, as plain data.

use alloc::{boxed::Box, sync::Arc};
use core::time::Duration;

use push_crypto::{PublicKey, vapid::Verified};

use super::Limits;
use crate::{
    AgentId, Content, Handle, Message, Mono, Refusal, SealingKeyId, Slot, SubscriptionId, Ttl, Urgency,
    store::{Command, Completion, Item},
};

/// One request and its response, as the driver tells them apart. Never reused, so a late reply cannot hit another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange {
    /// Which of the driver's counters made the number: one for each thread that takes connections.
    pub origin: u16,
    /// Grows with each exchange of that origin.
    pub number: u64,
}

/// Names one push of a monitor's exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery(pub u64);

/// One input of the service.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer asks.
    Request(Exchange, Request),
    /// The peer has gone, or reset the stream; nobody reads a response any more.
    Cancelled(Exchange),
    /// A monitor's connection can take this many more pushes (HTTP/2 streams).
    Credit(Exchange, u32),
    /// What became of a push. It gives back the one credit that the push took.
    Pushed(Exchange, Delivery, Transfer),
    /// The store answers.
    Store(Completion),
    /// Stop promising: refuse what is new, end monitors with 200, be done by then.
    Drain(Mono),
    /// The operator's: these bounds from now on. Nothing ends by it: what is there stays, even beyond a lower bound, and
    /// what a timer was set by counts until that timer has fired. What was sent too fast is worked off as fast as before.
    Limits(Box<Limits>),
    /// A deadline of [`Output::Wait`] has come; early or late ticks do no harm.
    Tick,
}

/// How the transfer of a push ended. None of these is an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Written to its END_STREAM.
    Written,
    /// Reset by the peer (`9113-8.4-6`), or retracted.
    Reset,
    /// The peer takes no pushes (`9113-8.4-1`): the monitor ends with 406.
    Unsupported,
}

/// What a peer asks of the service. Capabilities are opened, tokens verified, bodies whole.
#[derive(Clone, Debug)]
pub enum Request {
    /// RFC 8030 §4.
    Subscribe(Subscribe),
    /// RFC 8030 §5.
    Send(Send),
    /// RFC 8030 §6, §6.1, §6.3.
    Monitor(Monitor),
    /// RFC 8030 §6.2: DELETE of a push message.
    Acknowledge(Handle),
    /// The operator's, not a peer's: give a message up before its TTL (`8030-6.2-5`). A subscription, a set or a receipt
    /// subscription is ended by [`Request::Unsubscribe`], whoever asks (`8030-7.3-1`).
    Drop(Handle),
    /// GET of a push message by itself.
    Read(Handle),
    /// RFC 8030 §7.3: DELETE of a subscription, a set or a receipt subscription.
    Unsubscribe(Target),
}

impl Request {
    /// The agent whose shard must handle it; none for a subscription that makes a new one.
    #[must_use]
    pub const fn agent(&self) -> Option<AgentId> {
        match self {
            Self::Subscribe(Subscribe { set, .. }) => set.agent(),
            Self::Send(send) => Some(send.agent),
            Self::Acknowledge(handle) | Self::Drop(handle) | Self::Read(handle) => Some(handle.agent),
            Self::Monitor(Monitor { target, .. }) | Self::Unsubscribe(target) => Some(target.agent()),
        }
    }

    /// Whether it makes a new user agent or receipt subscription, if it is carried out (`8030-4.1-6`).
    #[must_use]
    pub fn makes_agent(&self) -> bool {
        match self {
            Self::Subscribe(subscribe) => subscribe.set.is_new(),
            Self::Send(send) => send.receipt == ReceiptRequest::New,
            Self::Monitor(_)
            | Self::Acknowledge(_)
            | Self::Drop(_)
            | Self::Read(_)
            | Self::Unsubscribe(_) => false,
        }
    }
}

/// An agent that a peer named by its URL. The answer names it by the same URL, so it is sealed with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The agent.
    pub agent: AgentId,
    /// The key of that URL.
    pub sealed_by: SealingKeyId,
}

/// A subscription to make.
#[derive(Clone, Debug, Default)]
pub struct Subscribe {
    /// The set it is in (RFC 8030 §4.1).
    pub set: Set,
    /// Its id, where user agents name their subscriptions themselves. Asked for once more it is the same subscription;
    /// with another key it is refused with [`Refusal::SUBSCRIPTION_DIFFERS`].
    pub id: Option<SubscriptionId>,
    /// The only key whose holder may send (RFC 8292 §4.1).
    pub restricted_to: Option<PublicKey>,
}

/// The set that a new subscription is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set {
    /// A new one.
    #[default]
    New,
    /// A new one, whose id was drawn before there was a subscription to put into it.
    Drawn(AgentId),
    /// This one (`8030-4.1-2`).
    Joined(Named),
}

impl From<Option<Named>> for Set {
    fn from(set: Option<Named>) -> Self {
        set.map_or(Self::New, Self::Joined)
    }
}

impl Set {
    /// Its agent, if that is known.
    #[must_use]
    pub const fn agent(&self) -> Option<AgentId> {
        match self {
            Self::New => None,
            Self::Drawn(agent) | Self::Joined(Named { agent, .. }) => Some(*agent),
        }
    }

    /// Whether it is made with the subscription.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        matches!(self, Self::New | Self::Drawn(_))
    }
}

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Send {
    /// The agent of the push resource.
    pub agent: AgentId,
    /// The subscription of the push resource.
    pub subscription: SubscriptionId,
    /// The key of the push resource's URL; [`Message::sealed_by`] of the message.
    pub sealed_by: SealingKeyId,
    /// Required (`8030-5.2-5`).
    pub ttl: Ttl,
    /// `8030-5.3-3`.
    pub urgency: Urgency,
    /// The slot of its topic; without one it gets a slot of its own.
    pub topic: Option<Slot>,
    /// Whether and where its outcome is wanted (RFC 8030 §5.1).
    pub receipt: ReceiptRequest,
    /// The proven holder of a VAPID key (RFC 8292).
    pub sender: Option<Verified>,
    /// The body and its fields.
    pub content: Content,
}

/// Whether a sender wants to know a message's outcome (RFC 8030 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptRequest {
    /// No.
    #[default]
    No,
    /// Yes, on a new receipt subscription.
    New,
    /// Yes, on this one (`8030-5.1-6`).
    On(Named),
}

/// What a monitor or an unsubscribe is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A subscription set and all its members.
    Set(AgentId),
    /// One subscription.
    Subscription(AgentId, SubscriptionId),
    /// A receipt subscription.
    Receipts(AgentId),
}

impl Target {
    /// Whose queue it is.
    #[must_use]
    pub const fn agent(&self) -> AgentId {
        match self {
            Self::Set(agent) | Self::Subscription(agent, _) | Self::Receipts(agent) => *agent,
        }
    }

    /// The one subscription it is about, if it is not the whole agent.
    #[must_use]
    pub const fn member(&self) -> Option<SubscriptionId> {
        match self {
            Self::Subscription(_, subscription) => Some(*subscription),
            Self::Set(_) | Self::Receipts(_) => None,
        }
    }
}

/// A request to be told of messages or receipts as they come.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    /// Of what.
    pub target: Target,
    /// The lowest urgency wanted (`8030-5.3-5`).
    pub urgency: Urgency,
    /// `Prefer: wait` (`8030-6-7`, `7240-4.3-1`): how long at most; zero for what is stored now, none for as long as
    /// both sides like.
    pub wait: Option<Duration>,
}

impl Monitor {
    /// Everything, for as long as both sides like.
    #[must_use]
    pub const fn of(target: Target) -> Self {
        Self { target, urgency: Urgency::VeryLow, wait: None }
    }
}

/// One effect of the service.
#[derive(Clone, Debug)]
pub enum Output {
    /// For the store.
    Store(Command),
    /// The answer. For a monitor it comes after its last push was handed out.
    Respond(Exchange, Response),
    /// The monitor's target exists, and pushes may follow. Not for `Prefer: wait=0`, and at most once.
    Opened(Exchange),
    /// Push this to the monitor.
    Push(Exchange, Delivery, Item),
    /// This push is of no use any more: drop it if it waits, reset it if it is under way; answer [`Input::Pushed`]
    /// all the same.
    Retract(Exchange, Delivery),
    /// The service will not mention this exchange again.
    Retire(Exchange),
    /// Nothing more to do until an input comes, or this point in time.
    Wait(Option<Mono>, Reason),
}

/// What the next deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    Idle,
    /// A monitor: acknowledgement timeout, redelivery, bounded wait or reload.
    Monitor,
    /// Expired messages to sweep.
    Sweep,
    /// The end of a drain.
    Drain,
}

/// The service's answer to a request.
#[derive(Clone, Debug)]
pub enum Response {
    /// 201 (`8030-4-2`).
    Subscribed(Subscribed),
    /// 201, or 202 with a receipt subscription (`8030-5-2`, `8030-5.1-3`). The message is durable, or had TTL 0.
    Accepted(Accepted),
    /// 200 with the message.
    Message(Arc<Message>),
    /// 204: acknowledged or unsubscribed.
    Done,
    /// The end of a monitor: 200, or 204 (`8030-6-8`).
    MonitorEnded {
        /// It was bounded by `Prefer: wait` and nothing was pushed: 204.
        empty: bool,
        /// A newer monitor of the same target has taken its place.
        taken_over: bool,
    },
    /// Refused; says who erred.
    Refused(Refusal),
}

/// A subscription that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The set it is in.
    pub agent: AgentId,
    /// Itself.
    pub subscription: SubscriptionId,
    /// The key of the set's URL, if the user agent has one already (`8030-4.1-4`).
    pub set_sealed_by: Option<SealingKeyId>,
}

/// An accepted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its resource.
    pub handle: Handle,
    /// [`Message::sealed_by`].
    pub sealed_by: SealingKeyId,
    /// The TTL granted.
    pub ttl: Ttl,
    /// Where its outcome will be told.
    pub receipt: Option<AgentId>,
    /// The key of the receipt subscription's URL, if the sender has one already (`8030-5.1-7`).
    pub receipt_sealed_by: Option<SealingKeyId>,
}
