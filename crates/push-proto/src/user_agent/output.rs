//! What comes out of a user agent, as plain data.

use core::time::Duration;

use super::{
    input::{ConnectionId, MessageRef, Tag},
    retry::RequestId,
    state::State,
};
use crate::{Content, Mono, Origin, PublicKey, PushUrl, Urgency, Via};

/// One effect of a user agent.
#[derive(Clone, Debug)]
pub enum Output {
    /// Do this with that connection.
    Connection(ConnectionId, Order),
    /// Send this request on that connection; answer [`Reply`](super::Input::Reply).
    Request(ConnectionId, RequestId, Request),
    /// Reset that request. The machine expects no answer.
    Cancel(RequestId),
    /// A message for the application; answer [`Message`](super::Input::Message).
    Deliver(Delivery),
    /// Keep this where it outlives the program, in place of the last one, before going on.
    Save(State),
    /// For the application to know.
    Event(Event),
    /// Nothing more to do until an input comes, or this point in time.
    Wait(Option<Mono>, Reason),
}

/// What is to be done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Open it; answer [`Connection::Established`](super::Connection::Established) or
    /// [`Connection::Lost`](super::Connection::Lost).
    Open(Origin),
    /// Ask whether it lives (PING); answer [`Connection::Alive`](super::Connection::Alive) when it does. The machine
    /// has one such question open for each connection, and its own deadline for the answer.
    Ping,
    /// Close it, with GOAWAY if it is established (`8030-7.1-2`), or stop opening it. The machine will not mention it
    /// again, and expects no answer.
    Close,
}

/// What the next deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    Idle,
    /// A connection to be opened, or to be given up.
    Connection,
    /// A silent connection to be asked whether it lives, or to be given up because it does not answer.
    Keepalive,
    /// A request that must be answered by then.
    Response,
    /// A request to be repeated, or a monitor to be reopened.
    Retry,
    /// The end of the time that [`Close`](super::Control::Close) allows.
    Close,
    /// Closed: nothing will ever come again.
    Closed,
}

/// A request to the push service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// POST (`8030-4-1`). With `restricted_to` its body is `application/webpush-options+json` (`8292-4.1-1`).
    Subscribe {
        /// The push service, or where it redirected to.
        url: PushUrl,
        /// For `Link` with `rel="urn:ietf:params:push:set"` (`8030-4.1-2`).
        set: Option<PushUrl>,
        /// The only key whose holder may send.
        restricted_to: Option<PublicKey>,
    },
    /// GET (`8030-6-1`, `8030-6.1-1`); it stays open.
    Monitor {
        /// A subscription set, or a subscription without one.
        url: PushUrl,
        /// How its messages are to come.
        via: Via,
        /// For `Urgency` (`8030-5.3-4`): the lowest wanted.
        urgency: Option<Urgency>,
    },
    /// DELETE of a push message (`8030-6.2-1`).
    Acknowledge {
        /// The push message.
        url: PushUrl,
    },
    /// DELETE of a subscription (`8030-7.3-4`).
    Unsubscribe {
        /// The subscription.
        url: PushUrl,
    },
}

impl Request {
    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "POST",
            Self::Monitor { .. } => "GET",
            Self::Acknowledge { .. } | Self::Unsubscribe { .. } => "DELETE",
        }
    }

    /// The target.
    #[must_use]
    pub const fn url(&self) -> &PushUrl {
        match self {
            Self::Subscribe { url, .. }
            | Self::Monitor { url, .. }
            | Self::Acknowledge { url }
            | Self::Unsubscribe { url } => url,
        }
    }
}

/// A message for the application.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its name in the answer.
    pub message: MessageRef,
    /// The subscription it was sent to (`8030-6.1-6`).
    pub tag: Tag,
    /// The push message resource.
    pub url: PushUrl,
    /// The body and its fields, as the service gave them: not yet decrypted, not to be trusted (`8291-7-1`).
    pub content: Content,
}

/// For the application to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What became of a subscription.
    Subscription(Tag, SubscriptionEvent),
    /// Whether a push service can be reached.
    Connection(Origin, ConnectionEvent),
    /// A monitor failed for another reason than a lost connection; said once until one is accepted again.
    MonitorFailed(MonitorFault),
    /// A message was not delivered.
    Discarded(Discarded),
    /// Everything is closed; the machine can be dropped.
    Closed,
}

/// What became of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// It is made, and saved. Give the push resource to the application server over a confidential, authenticated
    /// channel (`8030-4-4`); it is https itself unless the configured service is not.
    Subscribed(PushUrl),
    /// It could not be made, and is forgotten.
    Failed(SubscribeFault),
    /// The service has ended it (`8030-2-2`), and it is forgotten: make another.
    Gone,
    /// It has been ended as the application asked.
    Unsubscribed,
}

/// Why a subscription could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeFault {
    /// The machine is being closed.
    Closing,
    /// The tag is taken.
    Exists,
    /// The service is to be spoken to in the clear, and the configured one is not (`8030-8-1`).
    Insecure,
    /// [`Limits::subscriptions`](super::Limits::subscriptions) or
    /// [`Limits::connections`](super::Limits::connections) is reached.
    Limit,
    /// The service said 201 and left out the subscription or the push resource (`8030-4-2`, `8030-4-3`), or named
    /// one that is insecure or at another origin.
    Malformed,
    /// Redirected too often, to nowhere, or to an insecure place.
    Redirected,
    /// The service refused, with this status.
    Refused(u16),
}

/// Whether a push service can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It can.
    Online,
    /// It cannot; it is tried again by then.
    Offline(Duration),
}

/// Why a monitor failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorFault {
    /// 406 to push and to a stream: the service sees no way to us. Something between here and it may take HTTP/2 apart
    ///
    PushUnsupported,
    /// The service said 429 or 5xx; it is asked again after what it said in `Retry-After`.
    Busy(u16),
    /// The service refused, with this status.
    Refused(u16),
}

/// Why a message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// The application said so of a message that was sent to this subscription; acknowledged.
    Undecryptable(Tag),
    /// It is for no subscription that is known here; acknowledged.
    Unroutable,
    /// It came although there was no [`room`](super::UserAgent::room); not acknowledged, so it comes again.
    NoRoom,
    /// Its URL is missing, insecure or at another origin (`9113-8.4-3`); it cannot be acknowledged.
    Malformed,
}
