//! Mozilla's push protocol: how Firefox, and UnifiedPush distributors that speak it, talk to their push service over a
//! WebSocket. A door to the same service: a subscription that was made here is sent to as any other.
//!
//! [`Frame`] reads what a user agent says, and [`Session`] is one connection of it, as a machine without IO or clock:
//!
//! ```text
//!              Frame                        Ask, Monitor
//!  user agent ───────▶ ┌─────────┐ ───────────────────────▶ service::Service
//!             ◀─────── │ Session │ ◀───────────────────────
//!              Frame   └─────────┘   Answered, Monitor(..)
//! ```
//!
//! - A `uaid` is the capability of a subscription set ([`crate::service::Set`]): it opens or it was not made here, and then
//!   the user agent gets another. A set is made with its first subscription, so a user agent without one leaves no trace.
//! - A `channelID` is the id of a subscription in that set, so registering it again is the same subscription.
//! - A `version` is the capability of a message, the same whenever the message comes.
//! - Messages come in the order in which they were accepted, as many at once as the service's window has room for. An
//!   acknowledgement, whatever its code, ends its message once it is durable; `nack` says what became of one that had been
//!   acknowledged before.
//! - The same `uaid` on another connection ends this one.
//!
//! | the service's answer | status in a reply |
//! |---|---|
//! | made, or there already with the same key | 200 |
//! | the key is none | 400 |
//! | there already with another key | 409 |
//! | too many subscriptions, too often, no room | as by HTTP: 429, 503, 507 |
//!
//! What means nothing ends the session with a close frame that says why ([`Close`]).

mod channel;
mod close;
mod frame;
mod limits;
mod overdue;
mod pulse;
mod reply;
mod session;
mod stage;

use alloc::collections::BTreeMap;
use alloc::string::String;

pub use self::{
    channel::ChannelId,
    close::Close,
    frame::{Broadcasts, Frame, FrameError, Secret},
    limits::Limits,
    session::{Ask, Came, Input, Monitored, Output, Session},
};
pub use crate::keepalive::Keepalive;

/// What all sessions of a service share.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Bounds.
    pub limits: Limits,
    /// What user agents can ask for, each with its present version: to Firefox, that lists such as those of revoked
    /// certificates have changed.
    pub broadcasts: BTreeMap<String, String>,
}
