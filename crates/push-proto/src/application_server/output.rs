//! What comes out of a sender, as plain data.

use alloc::boxed::Box;

use super::{
    input::{Audience, Credentials, Job, JobId},
    verdict::Verdict,
};
use crate::{Content, Mono, PushUrl, Topic, Ttl, UnixTime, Urgency, Via, user_agent::RequestId};

/// One effect of a sender.
#[derive(Clone, Debug)]
pub enum Output {
    /// Make a VAPID token for that push service with that key, good until then; answer
    /// [`Signed`](super::Input::Signed).
    Sign(Audience, UnixTime),
    /// Send this request to the origin of its URL; answer [`Reply`](super::Input::Reply). Redirections are not
    /// followed.
    Request(RequestId, Request),
    /// Reset that request. The machine expects no answer.
    Cancel(RequestId),
    /// What became of a job; exactly one for each that was not refused.
    Verdict(JobId, Verdict),
    /// The job was not taken: a limit is reached. Nothing was sent; offer it again later.
    Refused(Box<Job>, Refused),
    /// What became of a message that was accepted with a receipt; exactly one for each.
    Receipt(Receipt),
    /// Nothing more to do until an input comes, or this point in time.
    Wait(Option<Mono>, Reason),
}

/// What the next deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    Idle,
    /// The TTL of a message that waits here.
    Expiry,
    /// A request that must be answered by then.
    Response,
    /// A push service that asked for a pause, or a message to be sent again.
    Retry,
    /// A receipt that is not worth waiting for any longer.
    Receipt,
    /// Closed: nothing will ever come again.
    Closed,
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The machine is closed.
    Closed,
    /// Another job without a verdict has its id.
    Exists,
    /// [`Limits::jobs`](super::Limits::jobs) is reached.
    Jobs,
    /// [`Limits::origins`](super::Limits::origins) is reached.
    Origins,
}

/// A request to a push service.
#[derive(Clone, Debug)]
pub enum Request {
    /// POST to the push resource (`8030-5-1`).
    Send(Send),
    /// GET of the receipt subscription (`8030-6.3-1`); it stays open.
    MonitorReceipts {
        /// The receipt subscription.
        url: PushUrl,
        /// How the receipts come.
        via: Via,
    },
    /// DELETE of a receipt subscription that is of no more use (`8030-7.3-5`).
    EndReceipts {
        /// The receipt subscription.
        url: PushUrl,
    },
}

impl Request {
    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Send(_) => "POST",
            Self::MonitorReceipts { .. } => "GET",
            Self::EndReceipts { .. } => "DELETE",
        }
    }

    /// The target.
    #[must_use]
    pub const fn url(&self) -> &PushUrl {
        match self {
            Self::Send(send) => &send.to,
            Self::MonitorReceipts { url, .. } | Self::EndReceipts { url } => url,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Send {
    /// The push resource.
    pub to: PushUrl,
    /// `TTL`: what is left of the job's.
    pub ttl: Ttl,
    /// `Urgency`
    pub urgency: Urgency,
    /// `Topic`
    pub topic: Option<Topic>,
    /// `Prefer: respond-async` and its `Link` (RFC 8030 §5.1).
    pub receipt: ReceiptRequest,
    /// `Authorization`
    pub credentials: Option<Credentials>,
    /// The body and its fields.
    pub content: Content,
}

/// Whether to ask for a receipt, and on what (RFC 8030 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReceiptRequest {
    /// Do not.
    #[default]
    No,
    /// `Prefer: respond-async` without a `Link` (`8030-5.1-1`).
    New,
    /// The same with a `Link` with `rel="urn:ietf:params:push:receipt"` to this (`8030-5.1-6`).
    On(PushUrl),
}

/// What became of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The job that sent it.
    pub job: JobId,
    /// The push message.
    pub message: PushUrl,
    /// What became of it.
    pub outcome: ReceiptOutcome,
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// 204: the user agent acknowledged it (`8030-6.3-4`).
    Delivered,
    /// 410: it expired, was dropped, or its subscription went (`8030-6.3-5`).
    Failed,
    /// None came in time, or the receipt subscription went. A message that another replaced has no receipt
    /// (`8030-5.4-6`).
    Unknown,
}
