//! On tokio: sender, push service and user agent.

use push_driver::Fault;

pub use push_tokio::{
    Config, Listen, Server, SubscribeError, SubscribeOptions, Tokio, UserAgent, UserAgentOptions, serve,
    user_agent,
};

use crate::{Options, Sender, Vapid};

/// Starts a sender, without a [`Vapid`] if the push services do not insist on one, on the current runtime.
///
/// # Errors
///
/// [`Fault::Random`]; [`Fault::Tls`] if no certificates are given and this machine has none.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn sender<'a>(vapid: impl Into<Option<&'a Vapid>>, options: Options) -> Result<Sender, Fault> {
    options.start(vapid.into(), push_tokio::sender)
}
